"""What one sample of a router says only beside the ones before: a disconnect, a restart, a rate, a sum of parts. Pure.

Formats of others name states and counters, not events, and some send every value alone. What has to be known between
two samples is little, of bounded size, kept beside the router's records, erased with them, and unknown after a day.

Rule 1: a fact older than the one remembered derives nothing and changes nothing: backlogs come after the fact.
Rule 2: what cannot be told is not guessed: no rate over a reset, no event from an unknown state.
Rule 3: nothing is derived that the router says itself in the same sample.
Rule 4: parts of one sample make it together in whatever order they come, those of several samples mixed: a spool and a
        broker's backlog are drained beside what comes. Of a sample that was forgotten nothing is put together any more.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from collector.model import Part, Sealed

WATCHDOG: Final = "event.watchdog_reboots_total"
"""The counter of which no rate is made: a rise says why the router restarted."""
EVENT: Final = "event."
"""Before the kind of an event, the name of a counter whose rise is one; before a member, the watchdog's."""
LONGEST_GAP: Final = 86_400_000
"""Milliseconds after which what is remembered says nothing any more."""
_WAN, _UPTIME = "network.wan_connection_state", "router.uptime_seconds"
_REBOOT: Final = "unexpected_reboot"
_UP: Final = frozenset({"connected", "limited"})
_DOWN: Final = frozenset({"disconnected", "disconnecting", "no_service"})
_SLACK: Final = 90_000
"""Milliseconds by which two ways to tell when a router started may differ: clocks are set, samples take time."""
_DRIFT: Final = 0.01
"""And the part of the time between two samples."""
_WRAPS: Final = (2**32, 2**64)
_NEAR_THE_END: Final = 0.5
"""A counter in this upper part of its range that comes back small has wrapped; one below it was reset."""
_FASTEST: Final = 125_000_000_000
"""Bytes a second that no router moves (catalogue, `downlink_bytes_per_second`): a wrap that means more was a reset."""
_MOST: Final = 64
"""Counters remembered of one router; and as many parts, of the newest of its samples."""
_COMBINE: Final[Mapping[str, Callable[[Iterable[Any]], Any]]] = {"sum": sum, "max": max, "min": min, "any": any}


class Fact(NamedTuple):
    """A value, and when the router had it, in milliseconds."""

    value: Any
    at: int


class Begun(Sealed, frozen=True, gc=False):
    """A sample that is sent in parts: when the newest of them was measured, and their values by field and key."""

    newest: int
    values: dict[str, dict[str, Fact]] = msgspec.field(default_factory=dict)


class Memory(Sealed, frozen=True, gc=False):
    """What is kept of a router between two samples.

    `facts` are states by field and counters by field and instance; `begun` samples that are sent in parts, by interval.
    Those of `forgotten` and of earlier intervals are known no more.
    """

    facts: dict[str, Fact] = msgspec.field(default_factory=dict)
    begun: dict[int, Begun] = msgspec.field(default_factory=dict)
    forgotten: int = -1


class Sample(Sealed, frozen=True, gc=False):
    """What a record's message says: its body, when it was measured, and what only makes sense beside other samples."""

    body: Mapping[str, Any]
    at: int
    counters: tuple[Part, ...] = ()
    parts: tuple[Part, ...] = ()
    interval: int | None = None


class Derived(Sealed, frozen=True):
    """What comes of a sample: events and fields (by group and name) for its record, and what to remember.

    `late` is true of a part that was measured before another one of its sample: what that one says stands.
    """

    events: tuple[dict[str, Any], ...]
    fields: dict[str, Any]
    memory: Memory
    late: bool = False


def derive(before: Memory | None, sample: Sample) -> Derived:
    """Compare a sample with what is remembered of the router."""
    before = before or Memory()
    known = _recent(before, sample.at)
    now = _facts_in(sample)
    newer = {name: fact for name, fact in now.items() if name not in known or fact.at > known[name].at}
    said = {event.get("event") for event in sample.body.get("events", ())}
    told = (*_rises(known, newer), _disconnect(known, newer), _restart(known, newer))
    found = {event["event"]: event for event in told if event is not None}
    events = tuple(event for kind, event in found.items() if kind not in said)
    restarted = _REBOOT in {*found, *said}
    rates = [] if restarted else list(_rates(known, newer, sample.counters))
    kept = {name: fact for name, fact in known.items() if not (restarted and "#" in name)} | newer
    facts, parts = dict(list(kept.items())[-_MOST:]), [*sample.parts, *rates]
    if sample.interval is None:
        return Derived(events, _together(parts, _values(Begun(sample.at), parts)), replace(before, facts=facts))
    begun, forgotten = _begun(before, sample, parts)
    fields = _together(parts, begun[sample.interval].values) if sample.interval in begun else {}
    memory = Memory(facts=facts, begun=begun, forgotten=forgotten)
    return Derived(events, fields, memory, late=_is_late(before, sample))


def _recent(memory: Memory, at: int) -> dict[str, Fact]:
    return {name: fact for name, fact in memory.facts.items() if at - fact.at <= LONGEST_GAP}


def _facts_in(sample: Sample) -> dict[str, Fact]:
    network, router = sample.body.get("network", {}), sample.body.get("router", {})
    said = {_WAN: network.get("wan_connection_state"), _UPTIME: router.get("uptime_seconds")}
    facts = {name: Fact(value, sample.at) for name, value in said.items() if value is not None}
    return facts | {_name_of(part): Fact(part.value, sample.at) for part in sample.counters}


def _name_of(part: Part) -> str:
    return WATCHDOG if part.field == WATCHDOG else f"{part.field}#{part.key}"


def _disconnect(known: Mapping[str, Fact], now: Mapping[str, Fact]) -> dict[str, Any] | None:
    if _WAN in known and _WAN in now and known[_WAN].value in _UP and now[_WAN].value in _DOWN:
        return {"event": "wan_unexpected_disconnect", "time": text_of(now[_WAN].at)}
    return None


def _restart(known: Mapping[str, Fact], now: Mapping[str, Fact]) -> dict[str, Any] | None:
    """A restart shows in an uptime that is shorter than it should be; dated by that uptime."""
    if _UPTIME not in known or _UPTIME not in now:
        return None
    before, after = known[_UPTIME], now[_UPTIME]
    started, started_before = after.at - after.value * 1000, before.at - before.value * 1000
    if started - started_before <= _SLACK + _DRIFT * (after.at - before.at) or started <= before.at - _SLACK:
        return None
    return _reboot(known, now, started)


def _reboot(known: Mapping[str, Fact], now: Mapping[str, Fact], at: int) -> dict[str, Any]:
    watchdog = WATCHDOG in known and WATCHDOG in now and now[WATCHDOG].value > known[WATCHDOG].value
    return {"event": _REBOOT, "time": text_of(at), "reboot_reason": "watchdog" if watchdog else "unknown"}


def _rises(known: Mapping[str, Fact], now: Mapping[str, Fact]) -> Iterable[dict[str, Any]]:
    """Events of counters that went up. Starts are counted for routers that do not tell how long they have been up."""
    for name, fact in now.items():
        kind = name.removeprefix(EVENT).partition("#")[0]
        if name == WATCHDOG or not name.startswith(EVENT) or name not in known or fact.value <= known[name].value:
            continue
        if kind != _REBOOT:
            yield {"event": kind, "time": text_of(fact.at)}
        elif _UPTIME not in known and _UPTIME not in now:
            yield _reboot(known, now, fact.at)


def _rates(known: Mapping[str, Fact], now: Mapping[str, Fact], counters: Iterable[Part]) -> Iterable[Part]:
    for part in counters:
        name = _name_of(part)
        if not name.startswith(EVENT) and name in known and name in now:
            seconds = (now[name].at - known[name].at) / 1000
            step = step_of(known[name].value, part.value, seconds)
            if step is not None:
                yield part._replace(value=round(step / seconds))


def step_of(before: int, now: int, seconds: float) -> int | None:
    """How far a counter went in *seconds*, over a wrap of 32 or 64 bits too; None over a reset."""
    if now >= before:
        return now - before
    for size in _WRAPS:
        if size * _NEAR_THE_END <= before < size and now < size * (1 - _NEAR_THE_END):
            step = size - before + now
            return step if step <= _FASTEST * seconds else None
    return None


def _is_late(before: Memory, sample: Sample) -> bool:
    interval = sample.interval or 0
    return interval <= before.forgotten or (interval in before.begun and sample.at < before.begun[interval].newest)


def _begun(before: Memory, sample: Sample, parts: Sequence[Part]) -> tuple[dict[int, Begun], int]:
    """The samples begun, with these parts; as many of the newest as there is room for, and up to where not."""
    interval = sample.interval or 0
    begun = {place: one for place, one in before.begun.items() if sample.at - one.newest <= LONGEST_GAP}
    forgotten = max([before.forgotten, *(place for place in before.begun if place not in begun)])
    if interval <= forgotten:
        return begun, forgotten
    mine = begun.get(interval, Begun(sample.at))
    begun[interval] = Begun(max(mine.newest, sample.at), _values(mine, parts, sample.at))
    while len(begun) > 1 and sum(map(_size, begun.values())) > _MOST:
        forgotten = min(begun)
        del begun[forgotten]
    return begun, forgotten


def _size(begun: Begun) -> int:
    return 1 + sum(map(len, begun.values.values()))


def _values(begun: Begun, parts: Sequence[Part], at: int = 0) -> dict[str, dict[str, Fact]]:
    """The values of a sample, by field and key, with those of *parts*, which were measured *at* a time."""
    values = {field: dict(of_field) for field, of_field in begun.values.items()}
    for part in parts:
        of_field = values.setdefault(part.field, {})
        is_newer = part.key in of_field and at >= of_field[part.key].at
        if is_newer or (part.key not in of_field and sum(map(len, values.values())) < _MOST - 1):
            of_field[part.key] = Fact(part.value, at)
    return values


def _together(parts: Sequence[Part], values: Mapping[str, Mapping[str, Fact]]) -> dict[str, Any]:
    """The fields that *parts* are of, each made of all its *values*; none out of the catalogue's bounds."""
    made = {}
    for part in parts:
        if said := [fact.value for fact in values[part.field].values()]:
            made[part.field] = (part.most, _COMBINE[part.combine](said))
    return {field: value for field, (most, value) in made.items() if value <= most}


def applied(body: dict[str, Any], derived: Derived) -> dict[str, Any]:
    """The body with what was derived for it."""
    made = {group: dict(fields) if isinstance(fields, dict) else fields for group, fields in body.items()}
    for field, value in derived.fields.items():
        group, _, name = field.partition(".")
        made.setdefault(group, {})[name] = value
    if derived.events:
        made["events"] = [*made.get("events", ()), *derived.events]
    return made


def merged(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Two parts of one sample as one body; the second wins where both say the same, and no event counts twice."""
    made: dict[str, Any] = {group: fields.copy() for group, fields in before.items()}
    for group, fields in after.items():
        if group == "events":
            made["events"] = [*made.get("events", ()), *(e for e in fields if e not in made.get("events", ()))]
        else:
            made.setdefault(group, {}).update(fields)
    return made


def text_of(milliseconds: int) -> str:
    """RFC 3339 UTC to the second, as fault events have it (catalogue 1.6)."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(tzinfo=None).isoformat() + "Z"


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Memory).decode
