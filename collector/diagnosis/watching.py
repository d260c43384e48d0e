"""What a survey needs of each router: how long it was seen on which software, and which faults it had. Pure.

Rule 1: rates need exposure: hours without records are not hours without faults, and are not counted.
Rule 2: the pseudonym of a router is not kept. That of a cell is, to tell cells apart; it is not in what a survey says.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, Final, NamedTuple

import msgspec

from collector.diagnosis.history import HOUR, MINUTE, moment_of
from collector.diagnosis.network import ON_PURPOSE
from collector.diagnosis.spells import increments
from collector.model import Sealed
from collector.stores import StoredRecord

DRIVER_ERRORS: Final = 5
"""Errors of the Wi-Fi driver that make an hour one with driver errors."""
_SEEN_FOR: Final = 2.0
"""How many usual intervals a record speaks for; if the next one comes later, the rest is a gap."""
_LEAST_SEEN: Final = 5 * MINUTE
_EVENTS: Final = {
    ("wan_unexpected_disconnect", None): "disconnects",
    ("unexpected_reboot", "watchdog"): "restarts by the watchdog",
    ("unexpected_reboot", "kernel_panic"): "restarts by crashes",
    ("unexpected_reboot", "out_of_memory"): "restarts by crashes",
    ("unexpected_reboot", "overheat"): "restarts by heat",
    ("unexpected_reboot", "power_loss"): "restarts by loss of power",
    ("unexpected_reboot", "unknown"): "restarts without a known reason",
    ("abnormal_data", None): "abnormal codes",
}
HOURS_WITH_ERRORS: Final = "hours with Wi-Fi driver errors"
DISCONNECTS: Final = "disconnects"
FAULTS: Final = (*dict.fromkeys(_EVENTS.values()), HOURS_WITH_ERRORS)
"""What is counted, in the words it is reported in."""


class Stay(NamedTuple):
    """A time on one version of the software, and how many hours of it the router was seen."""

    software: str
    since: int
    until: int
    hours: float


class Happened(NamedTuple):
    """One fault, and the software and cell (pseudonym, hex) it was on, where known."""

    at: int
    fault: str
    software: str
    cell: str | None = None


class Watched(Sealed, frozen=True):
    """One router of a fleet."""

    model: str
    operator: str
    stays: Sequence[Stay]
    happened: Sequence[Happened]


class _Router(msgspec.Struct):
    model_name: str | None = None
    software_version: str | None = None


class _Network(msgspec.Struct):
    plmn: str | None = None


class _Wifi(msgspec.Struct):
    wifi_driver_errors_total: float | None = None


class _Event(msgspec.Struct):
    event: str
    time: Any = None
    disconnect_cause: str | None = None
    reboot_reason: str | None = None
    cell_ref: str | None = None


class _Body(msgspec.Struct):
    """The part of a body that is needed: a fleet has a million bodies."""

    router: _Router = msgspec.field(default_factory=_Router)
    network: _Network = msgspec.field(default_factory=_Network)
    wifi: _Wifi = msgspec.field(default_factory=_Wifi)
    events: list[_Event] = msgspec.field(default_factory=list)


_decode: Final = msgspec.json.Decoder(_Body).decode


def watched(records: Iterable[StoredRecord]) -> Watched | None:
    """A router by its records, newest first; None if they do not say its model or its software."""
    stored = list(records)[::-1]
    ordered = sorted(stored, key=lambda record: (record.event_time, record.received_at))
    bodies = [(record.event_time, _decode(record.body)) for record in ordered]
    models = [body.router.model_name for _, body in bodies if body.router.model_name]
    operators = [body.network.plmn for _, body in bodies if body.network.plmn]
    spoken = [(at, body, software) for at, body, software in _with_software(bodies) if software is not None]
    if not models or models[-1] == "other" or not spoken:
        return None
    return Watched(
        model=models[-1],
        operator=Counter(operators).most_common(1)[0][0] if operators else "unknown",
        stays=list(_stays([(at, software) for at, _, software in spoken])),
        happened=[*_happened(spoken), *_error_hours(spoken)],
    )


_Spoken = Sequence[tuple[int, _Body, str]]


def _with_software(bodies: Sequence[tuple[int, _Body]]) -> Iterator[tuple[int, _Body, str | None]]:
    """Each record with its software; one that does not name it has that of the record before."""
    software: str | None = None
    for at, body in bodies:
        software = body.router.software_version or software
        yield at, body, software


def _stays(times: Sequence[tuple[int, str]]) -> Iterator[Stay]:
    steps = [later[0] - earlier[0] for earlier, later in pairwise(times)]
    speaks_for = _SEEN_FOR * max(_LEAST_SEEN, median(steps) if steps else 0)
    begin, seen = times[0], 0.0
    for earlier, later in pairwise(times):
        seen += min(later[0] - earlier[0], speaks_for)
        if later[1] != earlier[1]:
            yield Stay(begin[1], begin[0], later[0], seen / HOUR)
            begin, seen = later, 0.0
    yield Stay(begin[1], begin[0], times[-1][0], seen / HOUR)


def _happened(spoken: _Spoken) -> Iterator[Happened]:
    told: set[tuple[int, str]] = set()
    for at, body, software in spoken:
        for event in body.events:
            fault = _EVENTS.get((event.event, None)) or _EVENTS.get((event.event, event.reboot_reason or "unknown"))
            moment = moment_of(event.time) or at
            if event.disconnect_cause in ON_PURPOSE:
                continue
            if fault is not None and (moment, event.event) not in told:
                told.add((moment, event.event))
                yield Happened(moment, fault, software, event.cell_ref)


def _error_hours(spoken: _Spoken) -> Iterator[Happened]:
    """Hours in which the driver's counter grew too much, not errors: a failing driver fails a hundred times in a row.

    Hours are counted from the first record, so that there are no more of them than were seen.
    """
    grown: defaultdict[tuple[int, str], float] = defaultdict(float)
    first = spoken[0][0]
    totals = ((at, body.wifi.wifi_driver_errors_total, software) for at, body, software in spoken)
    for mark in increments((at, total, software) for at, total, software in totals if total is not None):
        grown[first + (mark.at - first) // HOUR * HOUR, mark.what] += mark.weight
    for (hour, software), errors in grown.items():
        if errors >= DRIVER_ERRORS:
            yield Happened(hour, HOURS_WITH_ERRORS, software)
