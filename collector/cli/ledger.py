"""`ueip ledger`: verify it, show a router's entries, print its head for keeping elsewhere; `mending` has the rest."""

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import orjson
from rich.table import Table

from collector.access.nouns import Right
from collector.cli.by_region import of_each, raise_if, region_option, regions_of
from collector.cli.common import config_option, out, say, settings_of, write
from collector.cli.mending import accept_command, repair_command
from collector.cli.reading import Reading, reason_option
from collector.config import Settings
from collector.consent.ledger import Head, LedgerEntry
from collector.lookup import opened, rfc3339
from collector.model import Region
from collector.pseudonym import refs_of
from collector.storage import place_of, witness_of
from collector.stores.places import Place
from collector.stores.repair import witness_faults
from collector.stores.verified import Expected, Verified

_HEAD: Final = re.compile(r"(?P<seq>[1-9][0-9]{0,17}):(?P<hash>[0-9a-f]{64})")
_COLUMNS: Final = (
    "region", "entry", "received, UTC", "act", "through", "state", "in effect since", "policy", "consent",
)  # fmt: skip
json_option: Final = click.option("--json", "as_document", is_flag=True, help="JSON, for programs.")


@click.group()
def ledger() -> None:
    """Verify and repair the consent ledgers, show what they say about a router, and print where they end."""


ledger.add_command(repair_command)
ledger.add_command(accept_command)


@ledger.command("verify")
@config_option
@region_option
@click.option("--head", "kept", metavar="N:HASH", help="A head that was kept elsewhere; the ledger must contain it.")
@json_option
def verify_command(config: Path | None, region: str | None, kept: str | None, *, as_document: bool) -> None:
    """Verify chain, standings, records and witness of each region's ledger. Changes nothing; the collector may run.

    Exits with 1 when anything is not as the collector left it.
    """
    settings = settings_of(config)
    regions = regions_of(settings, region)
    heads = (_head(kept, regions),) if kept else ()
    found, away = of_each(settings, regions, lambda place: _verified(settings, place, heads))
    if as_document:
        _print([msgspec.to_builtins(verified) for verified in found])
    else:
        for verified in found:
            _tell(verified)
    raise_if(away)
    if any(verified.fault_count for verified in found):
        raise SystemExit(1)


def _verified(settings: Settings, place: Place, heads: tuple[Head, ...]) -> Verified:
    witness = witness_of(settings, place.region)
    # Before the ledger, which goes on growing: the witness is never ahead of it.
    faults, kept = witness_faults(witness)
    found = place.verify(Expected((*heads, *kept), erase_on_exit=settings.consent.on_exit == "erase"))
    for fault in faults:
        found.fault(fault)
    return found


@ledger.command("head")
@config_option
@region_option
@json_option
def head_command(config: Path | None, region: str | None, *, as_document: bool) -> None:
    """Print number and hash of each ledger's last entry. Kept elsewhere, they show whether a ledger was cut short."""
    settings = settings_of(config)
    regions = regions_of(settings, region)
    found, away = of_each(settings, regions, lambda place: (place.region, place.head()))
    if as_document:
        _print([{"region": here, "seq": head.seq, "hash": head.hash} for here, head in found])
    else:
        for here, head in found:
            out().print(f"{here} {head.seq}:{head.hash}")
    raise_if(away)


@ledger.command("show")
@click.argument("router", metavar="ROUTER")
@config_option
@reason_option
@json_option
def show_command(router: str, config: Path | None, reason: str | None, *, as_document: bool) -> None:
    """Show every entry about ROUTER (serial, IMEI or MAC), oldest first: the evidence of its consent.

    Who looked, and why, goes into the audit log first. Exits with 1 when no ledger served here knows the router.
    """
    settings, router = settings_of(config), router.strip()
    reading = Reading(settings, Right.CONSENT, reason, router)
    found = asyncio.run(_entries(settings, router))
    counted = Counter((region, entry.device_ref) for region, entry in found)
    reading.log((region, bytes.fromhex(ref), {"entries": count}) for (region, ref), count in counted.items())
    if as_document:
        _print([{"region": region, **msgspec.to_builtins(entry)} for region, entry in found])
    elif found:
        out().print(_table(found))
    if not found:
        say("no ledger served here knows that router; after an exit, look it up by the name in its topic")
        raise SystemExit(1)


def _head(text: str, regions: list[Region]) -> Head:
    match = _HEAD.fullmatch(text)
    if match is None:
        raise click.BadParameter("expected N:HASH as `ueip ledger head` prints it", param_hint="--head")
    if len(regions) > 1:
        raise click.BadParameter("belongs to one ledger; say which with --region", param_hint="--head")
    return Head(seq=int(match["seq"]), hash=match["hash"])


async def _entries(settings: Settings, router: str) -> list[tuple[Region, LedgerEntry]]:
    found = []
    for region in settings.regions.enabled:
        if not place_of(settings, region).is_there():
            continue
        async with opened(settings, region) as (store, pseudonyms):
            for known in await store.find(refs_of(router, pseudonyms)):
                found += [(region, entry) for entry in await store.ledger(known.standing.device_ref)]
    return found


def _print(document: Any) -> None:
    write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")


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


def _table(found: list[tuple[Region, LedgerEntry]]) -> Table:
    table = Table(title="entries, oldest first", title_justify="left")
    for title in _COLUMNS:
        table.add_column(title, overflow="fold")
    for region, entry in found:
        table.add_row(
            region, str(entry.seq), rfc3339(entry.received_at), entry.action, entry.channel,
            entry.state.value, rfc3339(entry.effective_at), entry.policy_version, entry.consent_id[:8],
        )  # fmt: skip
    return table
