"""What a sample says only together with earlier ones: a disconnect, a restart, a rate, a sum of parts. Pure.

Other formats name states and counters, not events, and some send every value by itself. What has to be known between
two samples is little and bounded; it is kept beside the router's records, erased with them, and unknown after a day.

Rule 1: a fact older than the one remembered derives nothing and changes nothing: backlogs come late.
Rule 2: what cannot be told is not guessed: no rate over a reset, no event from an unknown state.
Rule 3: nothing is derived that the router says itself in the same sample.
Rule 4: a disconnect or a restart is one event, though samples go on telling of it (`repeats`).
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, Final

import msgspec

from collector.model import Part, Sealed
from collector.parts import LINK, LONGEST_GAP, MOST, UP, Fact, Gathered
from collector.repeats import REBOOT, Told, is_told, remembered, told_again

WATCHDOG: Final = "event.watchdog_reboots_total"
"""The counter of which no rate is made: a rise says why the router restarted."""
EVENT: Final = "event."
"""Prefix of counters: followed by the kind of an event, a rise is such an event; the watchdog's has a member."""
_UPTIME, _VERSION = "router.uptime_seconds", "router.software_version"
_CAUSE: Final = "disconnect_cause"
_DISCONNECT: Final = "wan_unexpected_disconnect"
_REASON: Final = "reboot_reason"
DERIVED: Final = frozenset({_DISCONNECT, REBOOT, _REASON})
"""Names of what two samples may tell together though neither says it."""
_DOWN: Final = frozenset({"disconnected", "disconnecting", "no_service"})
_SLACK: Final = 90_000
"""Milliseconds by which two ways to tell when a router started may differ: clocks are set, samples take time."""
_DRIFT: Final = 0.01
"""And this share of the time between two samples."""
_WRAPS: Final = (2**32, 2**64)
_NEAR_THE_END: Final = 0.5
"""A counter in this upper part of its range that comes back small has wrapped; one below it was reset."""
_FASTEST: Final = 125_000_000_000
"""Bytes a second that no router reaches (catalogue, `downlink_bytes_per_second`): a wrap to more was a reset."""


class Memory(Sealed, frozen=True, gc=False):
    """What is kept of a router between two samples: states by field, counters by field and instance, parts, and events
    that were told.
    """

    facts: dict[str, Fact] = msgspec.field(default_factory=dict)
    parts: Gathered = Gathered()
    told: list[Told] = msgspec.field(default_factory=list)


class Sample(Sealed, frozen=True, gc=False):
    """What a record's message says: its body, when it was measured, and what only makes sense beside other samples."""

    body: Mapping[str, Any]
    at: int
    counters: tuple[Part, ...] = ()
    parts: tuple[Part, ...] = ()
    interval: int | None = None


class Derived(Sealed, frozen=True):
    """What comes of a sample: events and fields (by group and name) for its record, and what to remember.

    `late` is true of a part measured before another one of its sample: where both say something, that one wins.
    `repeated` are the places of those events of the sample that an earlier one told of.
    """

    events: tuple[dict[str, Any], ...]
    fields: dict[str, Any]
    memory: Memory
    late: bool = False
    repeated: frozenset[int] = frozenset()


def derive(before: Memory | None, sample: Sample) -> Derived:
    """Compare a sample with what is remembered of the router."""
    before = before or Memory()
    known = _recent(before, sample.at)
    link = before.parts.link(sample.parts, sample.interval, sample.at)
    now = _facts_in(sample, link)
    newer = {name: fact for name, fact in now.items() if name not in known or fact.at > known[name].at}
    events: Sequence[Mapping[str, Any]] = sample.body.get("events", ())
    repeated = told_again(events, before.told, sample.at) | _disconnects_again(events, known, newer)
    new = [event for place, event in enumerate(events) if place not in repeated]
    derived = _derived(known, newer, before.told, {event.get("event") for event in events})
    restarted = REBOOT in {event.get("event") for event in (*new, *derived)}
    rates = [] if restarted else list(_rates(known, newer, sample))
    over = {_CAUSE} if LINK in newer and newer[LINK].value in UP else set()
    kept = {name: fact for name, fact in known.items() if name not in over and not (restarted and "#" in name)} | newer
    parts, fields = before.parts.with_((*sample.parts, *rates), sample.interval, sample.at)
    if link is None:
        fields.pop(LINK, None)
    told = remembered(before.told, (*new, *derived), sample.at)
    memory = Memory(facts=_as_many_as_fit(kept), parts=parts, told=told)
    return Derived(derived, fields, memory, before.parts.is_late(sample.interval, sample.at), repeated)


def _derived(
    known: Mapping[str, Fact], newer: Mapping[str, Fact], told: Sequence[Told], said: Collection[Any]
) -> tuple[dict[str, Any], ...]:
    """The events that two samples tell of, except of the kinds that the router has *said* itself."""
    made = (*_rises(known, newer), _disconnect(known, newer), _restart(known, newer, told))
    found = {event["event"]: event for event in made if event is not None}
    return tuple(event for kind, event in found.items() if kind not in said)


def _recent(memory: Memory, at: int) -> dict[str, Fact]:
    return {name: fact for name, fact in memory.facts.items() if at - fact.at <= LONGEST_GAP}


def _as_many_as_fit(facts: Mapping[str, Fact]) -> dict[str, Fact]:
    """All states, which are few, and as many counters as there is room for."""
    return dict(sorted(facts.items(), key=lambda fact: "#" not in fact[0])[-MOST:])


def _facts_in(sample: Sample, link: str | None) -> dict[str, Fact]:
    network, router = sample.body.get("network", {}), sample.body.get("router", {})
    state = link or network.get("wan_connection_state")
    # A link that is being set up is neither lost nor there: the state before still counts.
    said = {
        LINK: state if state in UP | _DOWN else None,
        _UPTIME: router.get("uptime_seconds"),
        _VERSION: router.get("software_version"),
        _CAUSE: _cause(sample),
    }
    facts = {name: Fact(value, sample.at) for name, value in said.items() if value is not None}
    return facts | {_name_of(part): Fact(part.value, sample.at) for part in sample.counters}


def _name_of(part: Part) -> str:
    return WATCHDOG if part.field == WATCHDOG else f"{part.field}#{part.key}"


def _disconnect(known: Mapping[str, Fact], now: Mapping[str, Fact]) -> dict[str, Any] | None:
    if LINK in known and LINK in now and known[LINK].value in UP and now[LINK].value in _DOWN:
        return {"event": _DISCONNECT, "time": text_of(now[LINK].at)}
    return None


def _cause(sample: Sample) -> str | None:
    """Why the link was lost, where the sample says that it was."""
    told = (event for event in sample.body.get("events", ()) if event.get("event") == _DISCONNECT)
    return next((event[_CAUSE] for event in told if _CAUSE in event), None)


def _disconnects_again(
    events: Sequence[Mapping[str, Any]], known: Mapping[str, Fact], now: Mapping[str, Fact]
) -> frozenset[int]:
    """The places of those *events* that are the disconnect that was told before."""
    if not _is_down_still(known, now):
        return frozenset()
    return frozenset(place for place, event in enumerate(events) if event.get("event") == _DISCONNECT)


def _is_down_still(known: Mapping[str, Fact], now: Mapping[str, Fact]) -> bool:
    """Whether the same cause was told before and the link not up since; without a cause, whether it is still down."""
    if _CAUSE in now:
        return _CAUSE in known and known[_CAUSE].value == now[_CAUSE].value
    return all(LINK in facts and facts[LINK].value in _DOWN for facts in (known, now))


def _restart(known: Mapping[str, Fact], now: Mapping[str, Fact], told: Sequence[Told]) -> dict[str, Any] | None:
    """A restart shows in an uptime that is shorter than it should be; dated by that uptime."""
    if _UPTIME not in known or _UPTIME not in now:
        return None
    before, after = known[_UPTIME], now[_UPTIME]
    started, started_before = after.at - after.value * 1000, before.at - before.value * 1000
    if started - started_before <= _SLACK + _DRIFT * (after.at - before.at) or started <= before.at - _SLACK:
        return None
    return None if is_told(started, told) else _reboot(known, now, started)


def _reboot(known: Mapping[str, Fact], now: Mapping[str, Fact], at: int) -> dict[str, Any]:
    watchdog = WATCHDOG in known and WATCHDOG in now and now[WATCHDOG].value > known[WATCHDOG].value
    updated = _VERSION in known and _VERSION in now and now[_VERSION].value != known[_VERSION].value
    reason = "watchdog" if watchdog else "firmware_update" if updated else "unknown"
    return {"event": REBOOT, "time": text_of(at), _REASON: reason}


def _rises(known: Mapping[str, Fact], now: Mapping[str, Fact]) -> Iterable[dict[str, Any]]:
    """Events of counters that went up. Starts are counted for routers that do not tell how long they have been up."""
    for name, fact in now.items():
        kind = name.removeprefix(EVENT).partition("#")[0]
        if name == WATCHDOG or not name.startswith(EVENT) or name not in known or fact.value <= known[name].value:
            continue
        if kind != REBOOT:
            yield {"event": kind, "time": text_of(fact.at)}
        elif _UPTIME not in known and _UPTIME not in now:
            yield _reboot(known, now, fact.at)


def _rates(known: Mapping[str, Fact], now: Mapping[str, Fact], sample: Sample) -> Iterable[Part]:
    connected = sample.body.get("network", {}).get("wan_uptime_seconds") or inf  # 0 is what firmware without it sends
    for part in sample.counters:
        name = _name_of(part)
        if not name.startswith(EVENT) and name in known and name in now:
            seconds = (now[name].at - known[name].at) / 1000
            # A connection's counters begin with it.
            step = step_of(known[name].value, part.value, seconds) if connected >= seconds else None
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


def applied(body: dict[str, Any], derived: Derived) -> dict[str, Any]:
    """The body with what was derived for it."""
    made = {group: dict(fields) if isinstance(fields, dict) else fields for group, fields in body.items()}
    for field, value in derived.fields.items():
        group, _, name = field.partition(".")
        made.setdefault(group, {})[name] = value
    told = [event for place, event in enumerate(made.get("events", ())) if place not in derived.repeated]
    if told or derived.events:
        made["events"] = [*told, *derived.events]
    else:
        made.pop("events", None)
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
