"""What happened at a moment, for the axis of the charts: disconnects, restarts, sessions, other events. Pure.

Rule 1: bounded: if there are more than `MOST_MARKS` of a kind, those of one stretch of time become one mark that says
        how many they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final, NamedTuple

from collector.diagnosis.history import History, moment_of
from collector.diagnosis.network import DISCONNECT, RESTART
from collector.model import Sealed

MOST_MARKS: Final = 400
"""Of one kind."""
_CODES: Final = {
    DISCONNECT: "disconnect_cause", RESTART: "reboot_reason", "wifi_driver_error": "wifi_driver_error_code",
    "abnormal_data": "fault_code",
}  # fmt: skip


class MarkKind(StrEnum):
    """What a mark is about."""

    DISCONNECT = "disconnect"
    RESTART = "restart"
    EVENT = "event"
    SESSION = "session"
    SOFTWARE = "software"


class Mark(Sealed, frozen=True):
    """Something that happened; times in seconds since 1970-01-01 UTC.

    `until` is null for what took no time. `text` is the cause, the code or the version, empty where it is not known or
    where one mark stands for several that differ; `count` says for how many.
    """

    kind: MarkKind
    time: int
    until: int | None
    text: str
    count: int


class _Happened(NamedTuple):
    at: int
    until: int | None
    text: str


def marks_of(history: History) -> list[Mark]:
    """Everything that happened, oldest first."""
    found = {
        MarkKind.DISCONNECT: _events(history, lambda kind: kind == DISCONNECT),
        MarkKind.RESTART: _events(history, lambda kind: kind == RESTART),
        MarkKind.EVENT: _events(history, lambda kind: kind not in {DISCONNECT, RESTART}, named=True),
        MarkKind.SESSION: _sessions(history),
        MarkKind.SOFTWARE: _versions(history),
    }
    span = max(1, history.now - history.since)
    marks = [mark for kind, happened in found.items() for mark in _marks(kind, sorted(happened), history.since, span)]
    return sorted(marks, key=lambda mark: (mark.time, mark.kind))


def _events(history: History, wanted: Any, *, named: bool = False) -> Iterator[_Happened]:
    for event in history.events:
        if wanted(event.kind):
            code = event.details.get(_CODES.get(event.kind, ""))
            words = [event.kind] * named + [str(code)] * (code is not None)
            yield _Happened(event.at, None, " ".join(words))


def _sessions(history: History) -> Iterator[_Happened]:
    """Sessions with the management server, each once."""
    told = set()
    for sample in history.samples:
        at = moment_of(sample.get("session", "acs_session_start_time"))
        if at is None or at in told or not history.since <= at <= history.now:
            continue
        told.add(at)
        seconds = sample.get("session", "acs_session_seconds")
        yield _Happened(at, None if seconds is None else at + int(seconds * 1000), "")


def _versions(history: History) -> Iterator[_Happened]:
    readings = history.readings("router", "software_version")
    for (_, before), (sample, after) in pairwise(readings):
        if before != after:
            yield _Happened(sample.at, None, str(after))


def _marks(kind: MarkKind, happened: Sequence[_Happened], begin: int, span: int) -> Iterable[Mark]:
    if len(happened) <= MOST_MARKS:
        return [Mark(kind, one.at // 1000, _seconds(one.until), one.text, 1) for one in happened]
    stretches: dict[int, list[_Happened]] = {}
    for one in happened:
        stretches.setdefault(min(MOST_MARKS - 1, (one.at - begin) * MOST_MARKS // span), []).append(one)
    return [_together(kind, some) for some in stretches.values()]


def _together(kind: MarkKind, some: Sequence[_Happened]) -> Mark:
    texts = {one.text for one in some}
    until = max(one.until or one.at for one in some)
    return Mark(
        kind,
        some[0].at // 1000,
        None if until == some[0].at else until // 1000,
        texts.pop() if len(texts) == 1 else "",
        len(some),
    )


def _seconds(moment: int | None) -> int | None:
    return None if moment is None else moment // 1000
