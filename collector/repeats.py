"""Events that samples tell of again and again, so that each counts once: tables of restarts, causes that stay. Pure.

Rule 1: an event with the time of its sample is new, for a message that comes again is the same record; one with a time
        of its own is old if it was told before.
Rule 2: one start of a router may be told by itself, by a table and by its uptime, each with a clock of its own.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

REBOOT: Final = "unexpected_reboot"
_EARLIER, _LATER = 90_000, 180_000
"""Milliseconds around a row in a table of starts within which the router may have told of the start itself, which it
does when it is up again."""
_MOST: Final = 32
"""Events remembered of one router."""
_LONG_AGO: Final = 2 * 86_400_000
"""Milliseconds, and some to spare, after which no row of a table makes an event any more."""


class Told(NamedTuple):
    """An event that was told, and when it was, in milliseconds."""

    kind: str
    at: int


def told_again(events: Sequence[Mapping[str, Any]], told: Sequence[Told], at: int) -> frozenset[int]:
    """The places of those *events*, of a sample taken *at*, that are among those *told* before."""
    dated = [(place, _told(event)) for place, event in enumerate(events)]
    return frozenset(place for place, event in dated if event and not _by_sample(event, at) and _among(event, told))


def is_told(start: int, told: Iterable[Told]) -> bool:
    """Whether a start that the uptime tells of was told: any start told since is this one, for it is the last."""
    return any(event.kind == REBOOT and event.at >= start - _EARLIER for event in told)


def remembered(told: Sequence[Told], events: Iterable[Mapping[str, Any]], at: int) -> list[Told]:
    """What to remember once these *events* are told."""
    new = [event for each in events if (event := _told(each)) and event not in told]
    return [event for event in (*told, *new) if event.at >= at - _LONG_AGO][-_MOST:]


def _told(event: Mapping[str, Any]) -> Told | None:
    when = event.get("time")
    return Told(event["event"], round(datetime.fromisoformat(when).timestamp() * 1000)) if when else None


def _by_sample(event: Told, at: int) -> bool:
    return event.at // 1000 == at // 1000


def _among(event: Told, told: Iterable[Told]) -> bool:
    if event.kind != REBOOT:
        return event in told
    return any(old.kind == REBOOT and event.at - _EARLIER <= old.at <= event.at + _LATER for old in told)
