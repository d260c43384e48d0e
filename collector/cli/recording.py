"""Carries out an act of consent for the command line: in every store it concerns, one after the other."""

import asyncio
import secrets
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from collector.cli.common import say, settings_of, why_no_region
from collector.clock import Clock
from collector.config import Settings, read_keys
from collector.consent.acts import DATED, ERASING
from collector.consent.ledger import Result
from collector.errors import CollectorError, NotDone, StoreUnavailable
from collector.listing import Listing
from collector.lookup import opened
from collector.model import OPERATOR, Action, ConsentEvent, DropReason, Region
from collector.pseudonym import Pseudonymiser, refs_of
from collector.registry import Registry
from collector.rights.acts import ActRules, direct_events, further_events, most_telling
from collector.rights.document import DeskDocument, HoldDocument, NamedDocument
from collector.rules import gate_rules, policies_of, region_map, registry_of
from collector.storage import open_registry

_DONE: Final = frozenset({Result.RECORDED, Result.REPEATED})
_SAYS: Final = {
    Result.RECORDED: "recorded",
    Result.REPEATED: "was recorded before",
    Result.STALE: "is not newer than what closed the gate",
    Result.REFUSED: "lacks what a join needs after a void consent: who attested to being of age",
    Result.WITHOUT_EFFECT: "has nothing to do: that is how it stands already",
}
_NAME: Final = "1 to 64 of A-Z a-z 0-9 . _ : -"
_FORMS: Final = {"router": _NAME, "event_id": _NAME, "reference": "a code such as CASE-2026-017"}
"""What is typed by hand, and what is expected of it."""
_IN_THE_WAY: Final = "has no effect: a restriction or a legal hold stands"
"""Said of a join without effect: the ledger has no other reason for it."""
_HELD: Final = "; a legal hold keeps the records until it is released"


def carry_out(config: Path | None, router: str, **said: Any) -> None:
    """Record an act and say what became of it.

    Raises:
        CollectorError: the act is malformed or refused; nothing was recorded.
        StoreUnavailable: a store could not be reached; the others have the act.
        SystemExit: 1 when there was no router to do it to.
    """
    settings = settings_of(config)
    document = _document(router="".join(router.split()), **said)
    keys = {region: Pseudonymiser(read_keys(settings.regions.of(region))) for region in settings.regions.enabled}
    gate = gate_rules(settings, policies_of(settings))
    rules = ActRules(region_map(settings), gate, keys, _registry(settings, document, keys))
    _check_country(rules, document.country)
    events = direct_events(document, int(time.time() * 1000), rules, actor_auth=OPERATOR)
    if isinstance(events, DropReason):
        raise CollectorError(f"{document.action}: {events.meaning} Correct it; nothing was recorded.")
    _report(document, *_record(settings, document, events, keys))


def _document(**said: Any) -> NamedDocument:
    """The act as the API takes it, so that both check it alike."""
    given = {name: value for name, value in said.items() if value not in (None, ())}
    kind = HoldDocument if "reference" in said else DeskDocument
    try:
        return kind.model_validate({"event_id": f"cli-{secrets.token_hex(12)}", **given}, strict=False)
    except ValidationError as error:
        faults = [_told(fault) for fault in error.errors()]
        raise CollectorError("\n".join(f"{name.replace('_', '-')}: {message}" for name, message in faults)) from None


def _told(fault: ErrorDetails) -> tuple[str, str]:
    """Where an act is wrong, and in what way: people are told in words what is expected, not as a pattern."""
    name = str(fault["loc"][0]) if fault["loc"] else "act"
    expected = _FORMS.get(name) if fault["type"].startswith("string_") else None
    return name, fault["msg"] if expected is None else f"expected {expected}"


def _registry(settings: Settings, document: NamedDocument, keys: Mapping[Region, Pseudonymiser]) -> Registry | None:
    """What the registries say of the router of a join, where the deployment has them."""
    registry = registry_of(settings, keys) if document.action == "join" else None
    if registry is not None:
        for region, pseudonyms in keys.items():
            refs, store = pseudonyms.all_refs("router", document.router), open_registry(settings, region)
            entry = store.of(refs) if store.exists else None
            registry.learn(region, Listing().changed({refs[0]: entry.country} if entry else {}))
    return registry


def _check_country(rules: ActRules, country: str | None) -> None:
    """Refuse a country that was given and is not served here."""
    region = None if country is None else rules.regions.home(country)
    if isinstance(region, DropReason):
        raise CollectorError(f"--country: found {country!r}. {why_no_region(region)}")
    if region is not None and region not in rules.pseudonyms:
        raise CollectorError(f"--country: {country} belongs to {region}, which is not served here")


class Done(NamedTuple):
    """What one region's store did."""

    result: Result
    erased: int
    known: int
    """Routers that it knows by the name given."""
    held: bool
    """Whether a legal hold stands on one of those concerned."""


def _record(
    settings: Settings,
    document: NamedDocument,
    events: Iterable[tuple[Region, ConsentEvent]],
    keys: Mapping[Region, Pseudonymiser],
) -> tuple[dict[Region, Done], dict[Region, StoreUnavailable]]:
    """What each region's store did, and which could not be reached.

    The others must not wait for it: an exit that reaches two of three ledgers is better than one that reaches none.
    """
    done, away = {}, {}
    for region, event in events:
        try:
            done[region] = asyncio.run(_commit(settings, document, region, event, keys[region]))
        except StoreUnavailable as error:
            away[region] = error
    return done, away


async def _commit(
    settings: Settings, document: NamedDocument, region: Region, event: ConsentEvent, keys: Pseudonymiser
) -> Done:
    async with opened(settings, region) as (store, _):
        if event.action in DATED:
            _check_clock(await store.newest(), region)
        known = [] if event.action is Action.JOIN else await store.find(refs_of(document.router, keys))
        committed = await store.commit([event, *further_events(event, document.event_id, known, keys)])
        held = any(standing.holds for standing in committed.standings)
        return Done(most_telling(committed.decided), committed.erased, len(known), held)


def _check_clock(newest: int, region: Region) -> None:
    """Refuse a clock that is behind: an act dated too early would reach less, or let more in, than it should (K38)."""
    clock = Clock()
    clock.learn(region, newest)
    if behind := clock.look():
        raise NotDone(f"this machine's clock is {behind // 1000} s behind what the store has seen; correct it")


def _report(document: NamedDocument, done: Mapping[Region, Done], away: Mapping[Region, StoreUnavailable]) -> None:
    """Say what was done, and end with the exit code for it."""
    joins, erases = document.action == "join", document.action in {*ERASING, Action.ERASE}
    for region, (result, erased, known, held) in done.items():
        if known or result is not Result.WITHOUT_EFFECT or joins:
            records = f", {erased} record{'' if erased == 1 else 's'} erased" if erased else ""
            waits = _HELD if held and erases and result in _DONE else ""
            says = _IN_THE_WAY if joins and result is Result.WITHOUT_EFFECT else _SAYS[result]
            say(f"{region}: {document.action} {says}{records}{waits}")
    for region, error in away.items():
        say(f"{region}: not done: {error.in_full()}")
    if away:
        raise NotDone(
            f"the gate may still be open there; repeat it when the store is back, with --event-id {document.event_id}"
        )
    if not any(one.result in _DONE or one.known for one in done.values()):
        if document.action != "join":
            say(f"no region served here knows that router{_how_to_close(document)}")
        raise SystemExit(1)


def _how_to_close(document: NamedDocument) -> str:
    """How to close the gate of a router that was never seen, which only acts that end a consent can do."""
    if document.action not in ERASING:
        return ""
    do = "give --country" if document.country is None else "give the name in its topics"
    return f"; {do} to close its gate before it is ever seen"
