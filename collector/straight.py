"""The straight way of a report: what `process` does, for the messages that come by the million.

A clean report of a router that nothing speaks against is kept, and all that decides on it but the message itself is the
same each time: its region, its pseudonyms, what finds it. That is worked out once and remembered.

Rule 1: this way only ever keeps. Whatever is not plain goes the long way, which decides: `record` says None.
Rule 2: both ways make the same record of the same message; the fuzzer holds them against each other.
Rule 3: nothing that changes while the collector runs is remembered: who left, and what time it is, is asked each time.
"""

from collections.abc import Callable, Container, Mapping
from functools import lru_cache, partial
from typing import Any, Final

from msgspec import UNSET

from collector.consent.gate import GateRules, consent_at_once
from collector.consent.standing import ClosedRouters
from collector.fields.select import Selector
from collector.fields.treatments import Products, Surroundings
from collector.formats.report import (
    FORMAT,
    LONGEST_TOPIC,
    SCHEMA_VERSION,
    ReportDecoder,
    has_key_twice,
    milliseconds,
    names_another,
    parse_topic,
    plmns_of_events,
)
from collector.model import ConsentedTree, DropReason, Identity, Message, Record, Region, Removal, Sealed
from collector.pseudonym import Pseudonymiser
from collector.regions import RegionMap

_REMEMBERED: Final = 32_768
"""Routers, or rather what each says of itself, remembered at a time; bounds memory."""


class Known(Sealed, frozen=True, gc=False):
    """What follows from a router's topic and what it says of itself."""

    region: Region
    identity: Identity
    lookup: tuple[tuple[str, bytes], ...]
    closed: Container[bytes]
    record_id: Callable[[str], bytes]
    """The id of the record of a message, from the message's id."""
    older_ids: Callable[[str], tuple[bytes, ...]] | None
    """The same by older live keys, while there are any."""
    around: Surroundings


class StraightWay:
    """Made from the parts of `Rules`."""

    def __init__(
        self,
        reports: ReportDecoder,
        selector: Selector,
        regions: RegionMap,
        gate: GateRules,
        products: Products,
        pseudonyms: Mapping[Region, Pseudonymiser],
        closed: Mapping[Region, ClosedRouters],
    ) -> None:
        """*regions* must not move with the time."""
        self._valid = reports.valid
        self._body = selector.body
        self._body_of_whole = selector.body_of_whole
        self._regions = regions
        self._gate = gate
        self._products = products
        self._pseudonyms = pseudonyms
        self._closed = closed
        self._known = lru_cache(_REMEMBERED)(self._learn)

    def record(self, message: Message) -> Record | None:
        """The record of a message that is plainly to be kept; None for one that has to go the long way."""
        tree = self._valid(message.payload)
        if tree is None or message.retained or tree.schema_version != SCHEMA_VERSION:
            return None
        if not tree.message_id or (time := tree.time) is UNSET or len(message.topic) > LONGEST_TOPIC:
            return None
        plmn = UNSET if (network := tree.network) is UNSET else network.plmn
        others = () if (events := tree.events) is UNSET else plmns_of_events(events)
        known = (
            self._known(message.topic, tree.country, plmn, others, UNSET, UNSET, UNSET)
            if (router := tree.router) is UNSET
            else self._known(message.topic, tree.country, plmn, others, router.serial, router.imei, router.mac)
        )
        if known is None:
            return None
        ref = known.identity.device_ref
        consented = consent_at_once(tree, milliseconds(time), message.received_at, ref, known.closed, self._gate)
        if consented is None:
            return None
        whole = self._whole if events is UNSET else self._with_events
        return whole(consented, known, message.payload)

    @property
    def remembered(self) -> int:
        """Of how many topics, with what was said on them, something is remembered."""
        return self._known.cache_info().currsize

    def _whole(self, consented: ConsentedTree, known: Known, payload: bytes) -> Record | None:
        """As `build_record`, where nothing was left out and there are no events."""
        tree, when = consented.tree, consented.event_time
        body = self._body_of_whole(payload, tree, known.around)
        if body is None:
            return None
        return Record(
            known.record_id(tree.message_id), known.identity, known.region, when // 60_000 * 60_000, when, when,
            consented.received_at, consented.policy_version, FORMAT, body, (), known.lookup,
            () if known.older_ids is None else known.older_ids(tree.message_id),
        )  # fmt: skip

    def _with_events(self, consented: ConsentedTree, known: Known, payload: bytes) -> Record | None:
        """As `build_record`, where nothing was left out but events of another time."""
        tree, when = consented.tree, consented.event_time
        if has_key_twice(payload, tree):
            return None
        events, late, oldest = timely_events(tree.events, when, consented.received_at, self._gate)
        body = self._body(tree, events, known.around)
        return Record(
            known.record_id(tree.message_id), known.identity, known.region, when // 60_000 * 60_000, when, oldest,
            consented.received_at, consented.policy_version, FORMAT, body, with_late_events((), late), known.lookup,
            () if known.older_ids is None else known.older_ids(tree.message_id),
        )  # fmt: skip

    def _learn(
        self, topic: str, country: Any, plmn: Any, others: tuple[str, ...], serial: Any, imei: Any, mac: Any
    ) -> Known | None:
        """What is remembered of a router that says this of itself; None if it has to go the long way.

        *plmn* is its serving network, *others* are those of its events.
        """
        parsed = parse_topic(topic)
        if parsed is None or parsed[1] != "report" or names_another(parsed[0], serial, imei):
            return None
        region, router = self._regions.route(country or None, (plmn, *others) if plmn else others), parsed[0]
        if isinstance(region, DropReason) or region not in self._pseudonyms:
            return None
        pseudonyms = self._pseudonyms[region]
        return Known(
            region=region,
            identity=pseudonyms.identity(router),
            lookup=pseudonyms.lookup(router, serial or None, imei or None, mac or None),
            closed=self._closed[region].refs,
            record_id=pseudonyms.suffixed("record", f"{router}\0"),
            older_ids=partial(_older_ids, pseudonyms, router) if pseudonyms.has_older else None,
            around=Surroundings(pseudonyms=pseudonyms, products=self._products, plmn=plmn or None),
        )


def timely_events(events: Any, event_time: int, received_at: int, gate: GateRules) -> tuple[list[Any], int, int]:
    """The events within the time window, how many were not, and the oldest time the record speaks of."""
    if events is UNSET or not events:
        return [], 0, event_time
    earliest, latest = received_at - gate.max_age, received_at + gate.max_ahead
    timely = [(milliseconds(e.time), e) for e in events if earliest <= milliseconds(e.time) <= latest]
    oldest = min((when for when, _ in timely), default=event_time)
    return [event for _, event in timely], len(events) - len(timely), min(oldest, event_time)


def with_late_events(removed: tuple[tuple[Removal, int], ...], late: int) -> tuple[tuple[Removal, int], ...]:
    """What was left out of a report, *late* events among it."""
    if not late:
        return removed
    counts = dict(removed)
    counts[Removal.INVALID] = counts.get(Removal.INVALID, 0) + late
    return tuple(sorted(counts.items()))


def _older_ids(pseudonyms: Pseudonymiser, router: str, message_id: str) -> tuple[bytes, ...]:
    return pseudonyms.older_refs("record", f"{router}\0{message_id}")
