"""The straight way of a report: what `process` does, for the messages that come by the million.

A clean report of a router that nothing speaks against is kept, and apart from the message itself all that decides on it
is the same each time: its region, its pseudonyms, what finds it. That is worked out once and remembered. What follows
from where a router is, which is the same for many, is kept apart from what follows from who it is, so that a router is
remembered once, whatever else its reports say.

Rule 1: this way only ever keeps. Whatever is not plain goes the long way, which decides: `record` returns None.
Rule 2: both ways make the same record of the same message; the fuzzer compares them.
Rule 3: nothing that changes while the collector runs is remembered: who has left, what the registry says, and the time,
        are asked each time.
"""

from collections import defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from msgspec import UNSET

from collector.consent.gate import GateRules, consent_at_once
from collector.consent.standing import ClosedRouters
from collector.fields.select import Selector
from collector.fields.treatments import Products, Surroundings
from collector.formats.plain import Reading, memory_of_a_region, readings
from collector.formats.report import (
    FLAG,
    FORMAT,
    LONGEST_TOPIC,
    ReportDecoder,
    milliseconds,
    names_another,
    parse_topic_anew,
)
from collector.model import DropReason, Identity, Message, PlainReport, Record, Region, Removal, Sealed
from collector.pseudonym import Pseudonymiser, named
from collector.regions import RegionMap
from collector.registry import Everywhere, Registry

_REMEMBERED: Final = 32_768
"""Most routers, or rather ways in which they name themselves, that are remembered; each takes a kilobyte."""


_MACS: Final = 16_384
"""MAC addresses: they are in few reports."""
_PLACES: Final = 1024
"""Pairs of a country and serving networks."""
Names = tuple[tuple[str, bytes], ...]


class Place(Sealed, frozen=True, gc=False):
    """What follows from where a router is."""

    region: Region
    name: str
    """The region's name as a text, which is hashed faster."""
    ref_of: Callable[[bytes], bytes]
    older_refs_of: Callable[[bytes], tuple[bytes, ...]] | None
    """None if there are no older live keys."""
    closed: Container[bytes]
    around: Surroundings


class Known(Sealed, frozen=True, gc=False):
    """What follows from a router's topic, serial and IMEI in a region."""

    identity: Identity
    lookup: Names
    named: bytes
    """What is hashed for the ids of its records, up to the ids of the messages."""
    everywhere: Everywhere | None
    """What the registry knows it by, where there is one."""


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
        registry: Registry | None = None,
    ) -> None:
        """*regions* must not move with the time."""
        self._readings = readings(reports, selector)
        self._max_bytes = reports.max_bytes
        self._made: dict[Region, Any] = defaultdict(memory_of_a_region)
        self._regions = regions
        self._gate = gate
        self._products = products
        self._pseudonyms = pseudonyms
        self._closed = closed
        self._registry = registry
        self._place = lru_cache(_PLACES)(self._find)
        self._known = lru_cache(_REMEMBERED)(self._learn)
        self._mac = lru_cache(_MACS)(self._named_by_mac)

    def record(self, message: Message) -> Record | None:
        """The record of a message that is plainly to be kept; None for one that has to go the long way."""
        payload = message.payload
        if payload.find(FLAG) < 0 or message.retained or len(payload) > self._max_bytes:
            return None
        for reading in self._readings:
            if (plain := reading.read(payload)) is not None:
                return self._kept(message, plain, reading)
        return None

    def _kept(self, message: Message, plain: PlainReport, reading: Reading) -> Record | None:
        message_id, declared, country, plmn, serial, imei, mac = plain.said
        if message_id is None or len(message.topic) > LONGEST_TOPIC:
            return None
        events = plain.events
        place = self._place(country, plmn, tuple([network for _, network in events if network]) if events else ())
        if place is None:
            return None
        known = self._known(message.topic, serial, imei, place.name)
        if known is None or not (known.everywhere is None or self._agrees(known.everywhere, country)):
            return None
        ref = known.identity.device_ref
        consented = consent_at_once(plain, declared, message.received_at, ref, place.closed, self._gate)
        if consented is None:
            return None
        when = oldest = consented.event_time
        chosen: Sequence[int] = ()
        stripped = plain.removed
        if events:
            chosen, oldest = timely([time for time, _ in events], when, message.received_at, self._gate)
            stripped = with_late_events(stripped, len(events) - len(chosen))
        named = known.named + message_id.encode()  # which is ASCII, by its pattern
        return Record(
            place.ref_of(named), known.identity, place.region, when // 60_000 * 60_000, when, oldest,
            message.received_at, consented.policy_version, FORMAT, reading.body(consented.plain, chosen, place.around),
            stripped, known.lookup if mac is None else known.lookup + self._mac(mac, place.name),
            () if place.older_refs_of is None else place.older_refs_of(named), floating=None,
        )  # fmt: skip

    @property
    def remembered(self) -> int:
        """How many topics, each with what its router says of itself, are remembered."""
        return self._known.cache_info().currsize

    def _find(self, country: str | None, plmn: str | None, others: tuple[str, ...]) -> Place | None:
        """What is remembered of a place; None if its routers have to go the long way.

        *plmn* is the serving network, *others* are those of a report's events.
        """
        region = self._regions.route(country, (plmn, *others) if plmn else others)
        if isinstance(region, DropReason) or region not in self._pseudonyms:
            return None
        pseudonyms = self._pseudonyms[region]
        return Place(
            region=region,
            name=region.value,
            ref_of=pseudonyms.ref_of,
            older_refs_of=pseudonyms.older_refs_of if pseudonyms.has_older else None,
            closed=self._closed[region].refs,
            around=Surroundings(pseudonyms, self._products, plmn, self._made[region]),
        )

    def _learn(self, topic: str, serial: str | None, imei: str | None, region: str) -> Known | None:
        """What is remembered of a router that says this of itself; None if it has to go the long way."""
        parsed = parse_topic_anew(topic)
        if parsed is None or parsed[1] != "report" or names_another(parsed[0], serial, imei):
            return None
        router, pseudonyms = parsed[0], self._pseudonyms[Region(region)]
        lookup = pseudonyms.lookup_anew(router, serial, imei, None)
        everywhere = None if self._registry is None else self._registry.identities(router)
        identity = pseudonyms.identity_anew(router) if everywhere is None else everywhere[Region(region)]
        return Known(identity, lookup, named("record", f"{router}\0"), everywhere)

    def _agrees(self, router: Everywhere, said: str | None) -> bool:
        """Whether the registry has a router routed as its message says."""
        return self._registry is None or self._registry.country_of(router, said) == said

    def _named_by_mac(self, mac: str, region: str) -> Names:
        """What else finds a router: the entry of its MAC address, if it is one."""
        return self._pseudonyms[Region(region)].lookup_of_mac(mac)


def timely(times: Sequence[int], event_time: int, received_at: int, gate: GateRules) -> tuple[list[int], int]:
    """The places of those events that are within the time window, and the oldest time the record speaks of."""
    earliest, latest = received_at - gate.max_age, received_at + gate.max_ahead
    chosen = [place for place, when in enumerate(times) if earliest <= when <= latest]
    return chosen, min([event_time, *[times[place] for place in chosen]])


def timely_events(events: Any, event_time: int, received_at: int, gate: GateRules) -> tuple[list[Any], int, int]:
    """The events within the time window, how many were not, and the oldest time the record speaks of."""
    if events is UNSET or not events:
        return [], 0, event_time
    chosen, oldest = timely([milliseconds(event.time) for event in events], event_time, received_at, gate)
    return [events[place] for place in chosen], len(events) - len(chosen), oldest


def with_late_events(removed: tuple[tuple[Removal, int], ...], late: int) -> tuple[tuple[Removal, int], ...]:
    """What was left out of a report, *late* events among it."""
    if not late:
        return removed
    counts = dict(removed)
    counts[Removal.INVALID] = counts.get(Removal.INVALID, 0) + late
    return tuple(sorted(counts.items()))
