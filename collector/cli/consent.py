"""`ueip consent` and `ueip exit`: acts of consent by the rights desk, whether or not a collector runs."""

import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from pydantic import ValidationError

from collector.cli.common import config_option, say, settings_of
from collector.config import Settings, read_keys
from collector.consent.ledger import Result
from collector.errors import CollectorError, StoreUnavailable
from collector.lookup import opened
from collector.model import Action, ConsentEvent, DropReason, Region
from collector.pseudonym import Pseudonymiser, refs_of
from collector.rights.acts import ActRules, direct_events, further_events, most_telling
from collector.rights.document import DeskDocument
from collector.rules import gate_rules, policies_of, region_map

_DONE: Final = frozenset({Result.RECORDED, Result.REPEATED})
_SAYS: Final = {
    Result.RECORDED: "recorded",
    Result.REPEATED: "was recorded before",
    Result.STALE: "not newer than what closed the gate",
    Result.REFUSED: "does not bring what a join must after a consent that was void: who attests to be of age",
    Result.WITHOUT_EFFECT: "has nothing to do: it stands so already",
}
Command = Callable[..., None]


class Kind(NamedTuple):
    """An act as a command: what it does, and what cannot be undone."""

    help: str
    undoable: str | None = None


_ERASES: Final = "closes its gate and erases its records"
KINDS: Final = {
    Action.EXIT: Kind(f"ROUTER has left the programme: {_ERASES}, at once.", _ERASES),
    Action.VOID: Kind(f"The consent of ROUTER was never valid, a child's for one: {_ERASES}, all of them.", _ERASES),
    Action.UNBIND: Kind(f"ROUTER was unbound from its owner's account: {_ERASES}.", _ERASES),
    Action.CANCEL: Kind(f"The owner's account was cancelled: {_ERASES}.", _ERASES),
    Action.RESTRICT: Kind("Nothing of ROUTER may be used for now: closes its gate, its records cannot be read."),
    Action.UNRESTRICT: Kind("A restriction ends: what ROUTER sends from now on is taken, its records can be read."),
}


@click.group("consent")
def consent_group() -> None:
    """Record an act of consent for a router: its serial, IMEI, MAC, or the name in its topics.

    A running collector obeys with its next commit, messages it has already received included. Exits with 1 when there
    was nothing to do, and with 3 when a store could not be reached.
    """


def _options(command: Command) -> Command:
    for option in (
        click.option("--event-id", help="Id of the act: the same act given again is recorded once. New when absent."),
        config_option,
        click.argument("router", metavar="ROUTER"),
    ):
        command = option(command)
    return command


def _closing(action: Action, kind: Kind, name: str | None = None) -> click.Command:
    """A command for an act that opens nothing."""

    @click.option("--yes", is_flag=True, help="Do not ask, though a person watches.")
    @click.option("--country", help="ISO code; closes the gate there for a router that was never seen.")
    @_options
    def command(router: str, config: Path | None, event_id: str | None, country: str | None, *, yes: bool) -> None:
        if kind.undoable and not yes and _watched():
            click.confirm(f"This {kind.undoable}. Erased records do not come back. Go on?", abort=True, err=True)
        _carry_out(config, router, action=action, country=country, event_id=event_id, channel="rights_desk")

    return click.command(name or action.value, help=f"{kind.help} See: ueip consent --help.")(command)


@consent_group.command("join")
@click.option("--country", required=True, help="ISO code: whose region's ledger the join goes to.")
@click.option("--channel", type=click.Choice(["app", "webui", "rights_desk"]), default="rights_desk", show_default=True)
@click.option("--policy-version", help="Version of the notice that was shown.")
@click.option("--policy-digest", help="SHA-256 of the text that was shown, hex.")
@click.option("--language", help="Language of that text, BCP 47.")
@click.option("--storage-region", "storage_regions", multiple=True, type=click.Choice(list(map(str, Region))))
@click.option("--adult-or-guardian", type=click.Choice(["adult", "guardian"]), help="Who attested to be of age.")
@_options
def join_command(router: str, config: Path | None, **said: Any) -> None:
    """The owner of ROUTER has joined. ROUTER is the name in its topics."""
    _carry_out(config, router, action=Action.JOIN, time=datetime.fromtimestamp(time.time(), UTC), **said)


for _action, _kind in KINDS.items():
    consent_group.add_command(_closing(_action, _kind))
exit_command: Final = _closing(Action.EXIT, KINDS[Action.EXIT])


def _watched() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _carry_out(config: Path | None, router: str, **said: Any) -> None:
    settings = settings_of(config)
    document = _document(router="".join(router.split()), **said)
    keys = {region: Pseudonymiser(read_keys(settings.regions.of(region))) for region in settings.regions.enabled}
    rules = ActRules(regions=region_map(settings), gate=gate_rules(settings, policies_of(settings)), pseudonyms=keys)
    events = direct_events(document, int(time.time() * 1000), rules, actor_auth="operator")
    if isinstance(events, DropReason):
        raise CollectorError(f"{document.action}: {events.meaning} Correct it; nothing was recorded.")
    _check_country(rules, document.country)
    _report(document, *_record(settings, document, events, keys))


def _document(**said: Any) -> DeskDocument:
    """The act as the API takes it, so that both ask the same of it."""
    given = {name: value for name, value in said.items() if value not in (None, ())}
    try:
        return DeskDocument.model_validate({"event_id": f"cli-{secrets.token_hex(12)}", **given}, strict=False)
    except ValidationError as error:
        faults = [(str(fault["loc"][0]) if fault["loc"] else "act", fault["msg"]) for fault in error.errors()]
        raise CollectorError("\n".join(f"{name.replace('_', '-')}: {message}" for name, message in faults)) from None


def _check_country(rules: ActRules, country: str | None) -> None:
    """A country that was given is one that is served here."""
    region = None if country is None else rules.regions.home(country)
    if isinstance(region, DropReason):
        raise CollectorError(f"--country: found {country!r}: {region.meaning}")
    if region is not None and region not in rules.pseudonyms:
        raise CollectorError(f"--country: {country} belongs to {region}, which is not served here")


class Done(NamedTuple):
    """What one region's store did."""

    result: Result
    erased: int
    known: int
    """Routers that it knows by the name given."""


def _record(
    settings: Settings,
    document: DeskDocument,
    events: Iterable[tuple[Region, ConsentEvent]],
    keys: Mapping[Region, Pseudonymiser],
) -> tuple[dict[Region, Done], dict[Region, StoreUnavailable]]:
    """What each region's store did, and which could not be reached.

    The others must not wait for it: an exit that reaches two of three ledgers is better than one of none.
    """
    done, away = {}, {}
    for region, event in events:
        try:
            done[region] = asyncio.run(_commit(settings, document, region, event, keys[region]))
        except StoreUnavailable as error:
            away[region] = error
    return done, away


async def _commit(
    settings: Settings, document: DeskDocument, region: Region, event: ConsentEvent, keys: Pseudonymiser
) -> Done:
    async with opened(settings, region) as (store, _):
        known = [] if event.action is Action.JOIN else await store.find(refs_of(document.router, keys))
        committed = await store.commit([event, *further_events(event, document.event_id, known, keys)])
        return Done(most_telling(committed.decided), committed.erased, len(known))


def _report(document: DeskDocument, done: Mapping[Region, Done], away: Mapping[Region, StoreUnavailable]) -> None:
    """Say what was done, and end with the exit code for it."""
    for region, (result, erased, known) in done.items():
        if known or result is not Result.WITHOUT_EFFECT or document.action == "join":
            records = f", {erased} record{'' if erased == 1 else 's'} erased" if erased else ""
            say(f"{region}: {document.action} {_SAYS[result]}{records}")
    for region, error in away.items():
        say(f"{region}: not done: {error}")
    if away:
        raise StoreUnavailable(
            f"the gate may still be open there; repeat it when the store is back, with --event-id {document.event_id}"
        )
    if not any(one.result in _DONE or one.known for one in done.values()):
        if document.action != "join":
            say("no region served here knows that router; give --country to close its gate before it is ever seen")
        raise SystemExit(1)
