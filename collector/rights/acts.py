"""From an act of consent to the events of the ledgers it concerns; the same for the API and the command line.

Rule 1: a join goes to its country's ledger, and has to meet everything that is asked of a join on the consent topic.
Rule 2: any other act goes to every ledger that knows the router, by whatever it is called: topic, serial, IMEI or MAC.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from collector.consent.gate import GateRules, admit
from collector.consent.ledger import Result
from collector.formats.consent_event import Arrival, Events, act_refs, events_of
from collector.formats.report import ROUTER
from collector.model import ConsentEvent, ConsentRefused, DropReason, Identity, Region, Sealed
from collector.pseudonym import Pseudonymiser
from collector.regions import RegionMap
from collector.registry import Registry
from collector.rights.document import HoldDocument, NamedDocument
from collector.stores import Router

_RANK = (Result.RECORDED, Result.REPEATED, Result.STALE, Result.REFUSED, Result.WITHOUT_EFFECT)


class ActRules(Sealed, frozen=True):
    """What decides where an act goes and whether it may; *pseudonyms* say which regions are served."""

    regions: RegionMap
    gate: GateRules
    pseudonyms: Mapping[Region, Pseudonymiser]
    registry: Registry | None = None
    """The deployment's list of routers and their countries, where it has one."""


def direct_events(
    document: NamedDocument, received_at: int, rules: ActRules, *, actor_auth: str
) -> Events | DropReason:
    """The events for the router with the name given, one a region, or why the act is refused.

    Nothing can ever arrive under a name that no topic can have: it joins nothing (`unknown_topic`) and leaves no trace.
    """
    is_topic = ROUTER.fullmatch(document.router) is not None
    if document.action == "join" and not is_topic:
        return DropReason.UNKNOWN_TOPIC
    arrival = Arrival(document.router, received_at)
    read = events_of(document, arrival, rules.regions.at(received_at), rules.pseudonyms, rules.registry)
    if isinstance(read, DropReason):
        return read
    outcome = admit(read, rules.gate)
    if isinstance(outcome, ConsentRefused):
        return outcome.reason
    reference = document.reference if isinstance(document, HoldDocument) else None
    said: dict[str, Any] = {"actor_auth": actor_auth, "reason": document.reason, "reference": reference}
    if not is_topic:
        said["only_if_joined"] = True
    return tuple((region, replace(event, **said)) for region, event in outcome.events)


def further_events(
    event: ConsentEvent, event_id: str, known: Sequence[Router], keys: Pseudonymiser
) -> list[ConsentEvent]:
    """The same act for the other routers of a region that are known by the name given; *event* is the direct one."""
    direct = (event.identity.device_ref, *event.identity.older)
    refs = {router.standing.device_ref: router.standing.key_id for router in known}
    reached = next((ref for ref in direct if ref in refs), None)
    return [
        _of_another(event, Identity(device_ref=ref, key_id=key_id), event_id, keys)
        for ref, key_id in refs.items()
        if ref != reached
    ]


def _of_another(event: ConsentEvent, identity: Identity, event_id: str, keys: Pseudonymiser) -> ConsentEvent:
    event_ref, older_event_refs = act_refs(f"{identity.device_ref.hex()}\0{event_id}", event.action, keys)
    return replace(
        event,
        identity=identity,
        event_ref=event_ref,
        older_event_refs=older_event_refs,
        only_if_joined=False,
    )


def most_telling(results: Iterable[Result]) -> Result:
    """The result to report for an act on several routers or regions: that it did something, if it did so anywhere."""
    return min(results, key=_RANK.index, default=Result.WITHOUT_EFFECT)
