"""`ueip ledger`: verify it, show a router's entries, print its head for keeping elsewhere."""

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec
import orjson
from rich.table import Table

from collector.cli.common import config_option, out, say, settings_of
from collector.config import Settings
from collector.consent.ledger import STATE_AFTER, Head, LedgerEntry
from collector.errors import StoreUnavailable
from collector.lookup import opened, rfc3339
from collector.model import Region
from collector.pseudonym import refs_of
from collector.stores.sqlite_verify import Expected, Verified, read_head, verify

_HEAD: Final = re.compile(r"(?P<seq>[1-9][0-9]{0,17}):(?P<hash>[0-9a-f]{64})")
region_option: Final = click.option(
    "--region", type=click.Choice([region.value for region in Region]), help="This region only."
)
T = TypeVar("T")
json_option: Final = click.option("--json", "as_document", is_flag=True, help="JSON, for programs.")


@click.group()
def ledger() -> None:
    """Look at the consent ledgers: whether they are whole, what they say of one router, where they end."""


@ledger.command("verify")
@config_option
@region_option
@click.option("--head", "kept", metavar="N:HASH", help="A head that was kept elsewhere; the ledger must hold it.")
@json_option
def verify_command(config: Path | None, region: str | None, kept: str | None, *, as_document: bool) -> None:
    """Verify chain, standings and records of each region's store; changes nothing, and the collector may run.

    Exits with 1 when anything is not as the collector left it.
    """
    settings = settings_of(config)
    regions = _regions(settings, region)
    heads = (_head(kept, regions),) if kept else ()
    expected = Expected(heads, erase_on_exit=settings.consent.on_exit == "erase")
    found, away = _of_each(settings, regions, lambda path, here: verify(path, here, expected))
    if as_document:
        _print([msgspec.to_builtins(verified) for verified in found])
    else:
        for verified in found:
            _tell(verified)
    _raise_if(away)
    if any(verified.fault_count for verified in found):
        raise SystemExit(1)


@ledger.command("head")
@config_option
@region_option
@json_option
def head_command(config: Path | None, region: str | None, *, as_document: bool) -> None:
    """Print number and hash of each ledger's last entry. Kept on another machine, they show a ledger cut short."""
    settings = settings_of(config)
    regions = _regions(settings, region)
    found, away = _of_each(settings, regions, lambda path, here: (here, read_head(path, here)))
    if as_document:
        _print([{"region": here, "seq": head.seq, "hash": head.hash} for here, head in found])
    else:
        for here, head in found:
            out().print(f"{here} {head.seq}:{head.hash}")
    _raise_if(away)


@ledger.command("show")
@click.argument("router", metavar="ROUTER")
@config_option
@json_option
def show_command(router: str, config: Path | None, *, as_document: bool) -> None:
    """Show every entry about ROUTER (serial, IMEI or MAC), oldest first: the evidence of its consent.

    Exits with 1 when no ledger served here knows the router.
    """
    found = asyncio.run(_entries(settings_of(config), router.strip()))
    if as_document:
        _print([{"region": region, **msgspec.to_builtins(entry)} for region, entry in found])
    elif found:
        out().print(_table(found))
    if not found:
        say("no ledger served here knows that router; after an exit it is found by what its topic names it")
        raise SystemExit(1)


def _regions(settings: Settings, given: str | None) -> list[Region]:
    if given is None:
        return list(settings.regions.enabled)
    if Region(given) not in settings.regions.enabled:
        raise click.BadParameter(f"{given} is not served here", param_hint="--region")
    return [Region(given)]


def _head(text: str, regions: list[Region]) -> Head:
    match = _HEAD.fullmatch(text)
    if match is None:
        raise click.BadParameter("expected N:HASH as `ueip ledger head` prints it", param_hint="--head")
    if len(regions) > 1:
        raise click.BadParameter("is the head of one ledger; say which with --region", param_hint="--head")
    return Head(seq=int(match["seq"]), hash=match["hash"])


def _of_each(settings: Settings, regions: list[Region], work: Callable[[Path, Region], T]) -> tuple[list[T], list[str]]:
    """What *work* finds in each region's store, and which stores could not be read."""
    found, away = [], []
    for region in regions:
        store = settings.regions.of(region).store
        if not store.exists():
            say(f"{region}: no store yet")
            continue
        try:
            found.append(work(store, region))
        except StoreUnavailable as error:
            away.append(f"{region}: {error}")
    return found, away


def _raise_if(away: list[str]) -> None:
    if away:
        raise StoreUnavailable("\n".join(away))


async def _entries(settings: Settings, router: str) -> list[tuple[Region, LedgerEntry]]:
    found = []
    for region in settings.regions.enabled:
        if not settings.regions.of(region).store.exists():
            continue
        async with opened(settings, region) as (store, pseudonyms):
            for known in await store.find(refs_of(router, pseudonyms)):
                found += [(region, entry) for entry in await store.ledger(known.standing.device_ref)]
    return found


def _print(document: Any) -> None:
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")


def _tell(verified: Verified) -> None:
    head = f"{verified.head.seq}:{verified.head.hash[:16]}…" if verified.head.seq else "empty"
    state = "[green]in order[/]" if not verified.fault_count else f"[red]{verified.fault_count} findings[/]"
    out().print(
        f"[bold]{verified.region}[/] {state}: {verified.entries} entries up to {head}, {verified.routers} routers of "
        f"which {verified.joined} have joined, {verified.records} records"
    )
    for fault in verified.faults:
        out().print(f"  {fault}")
    if more := verified.fault_count - len(verified.faults):
        out().print(f"  and {more} more")


_COLUMNS = ("region", "entry", "received, UTC", "act", "through", "state", "in effect since", "policy", "consent")


def _table(found: list[tuple[Region, LedgerEntry]]) -> Table:
    table = Table(title="entries, oldest first", title_justify="left")
    for title in (
        "region",
        "entry",
        "received, UTC",
        "act",
        "through",
        "state",
        "in effect since",
        "policy",
        "consent",
    ):
        table.add_column(title, overflow="fold")
    for region, entry in found:
        table.add_row(
            region, str(entry.seq), rfc3339(entry.received_at), entry.action, entry.channel,
            STATE_AFTER[entry.action].value, rfc3339(entry.effective_at), entry.policy_version, entry.consent_id[:8],
        )  # fmt: skip
    return table
