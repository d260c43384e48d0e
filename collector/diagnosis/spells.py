"""Spells: how long something has been so, out of samples with outliers and events that come in bursts. Pure."""

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")
_APART: Final = 2
"""Spans between two bursts that are two."""


class Mark(NamedTuple, Generic[T]):
    """Something seen at a time, and whether (or how much) it counts."""

    at: int
    weight: float
    what: T


class Spell(NamedTuple, Generic[T]):
    """What counted, oldest first; `lasts` is whether it goes on at the end of what was looked at."""

    marks: Sequence[Mark[T]]
    seen: int
    """How many there were in all, counted or not."""
    lasts: bool

    @property
    def since(self) -> int:
        """When it began."""
        return self.marks[0].at

    @property
    def until(self) -> int | None:
        """When it was last seen, None while it lasts."""
        return None if self.lasts else self.marks[-1].at


def share_spell(marks: Sequence[Mark[T]], *, share: float, span: int, least: float) -> Spell[T] | None:
    """The latest time during which, within every *span* milliseconds, *share* of at least *least* samples counted.

    *marks* are oldest first and weigh 0 or 1. A window that has only begun is no window: what lasts shorter than half a
    span is not seen. Silence ends no spell: two of them are one if the samples between them do not speak against it.
    """
    window: deque[int] = deque()
    bad = 0.0
    runs: list[tuple[int, int]] = []
    for number, mark in enumerate(marks):
        window.append(number)
        bad += mark.weight
        while marks[window[0]].at <= mark.at - span:
            bad -= marks[window.popleft()].weight
        full = mark.at - marks[window[0]].at >= span / 2
        if full and len(window) >= least and bad >= share * len(window):
            _extend(runs, next(n for n in window if marks[n].weight), number, marks, share)
    return _spell(marks, runs)


def burst(marks: Sequence[Mark[T]], *, weight: float, span: int, end: int) -> Spell[T] | None:
    """The latest time during which at least *weight* came together within *span* milliseconds; *end* is now.

    It lasts while less than a span has passed since the last of them. Bursts less than two spans apart are one: what
    comes by chance has quieter days.
    """
    window: deque[int] = deque()
    held = 0.0
    runs: list[tuple[int, int]] = []
    for number, mark in enumerate(marks):
        window.append(number)
        held += mark.weight
        while marks[window[0]].at <= mark.at - span:
            held -= marks[window.popleft()].weight
        if held < weight:
            continue
        if runs and marks[window[0]].at - marks[runs[-1][1]].at < _APART * span:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((window[0], number))
    found = _spell(marks, runs)
    return found and found._replace(lasts=end - found.marks[-1].at < span)


def _extend(runs: list[tuple[int, int]], first: int, last: int, marks: Sequence[Mark[T]], share: float) -> None:
    """Add a run of *marks*, by its first and last number, to *runs*; to the last of these if they are one."""
    if runs:
        between = marks[runs[-1][1] + 1 : first]
        if sum(mark.weight for mark in between) >= share * len(between):
            runs[-1] = runs[-1][0], last
            return
    runs.append((first, last))


def _spell(marks: Sequence[Mark[T]], runs: list[tuple[int, int]]) -> Spell[T] | None:
    if not runs:
        return None
    first, last = runs[-1]
    inside = marks[first : last + 1]
    return Spell([mark for mark in inside if mark.weight], len(inside), lasts=last == len(marks) - 1)


def increments(values: Iterable[tuple[int, float, T]]) -> list[Mark[T]]:
    """How much a counter grew from one value to the next, given as (time, value, what); a smaller value is a new start.

    Of a new start nobody knows how much is lost: what it shows counts, for it was counted since.
    """
    found: list[Mark[T]] = []
    before: float | None = None
    for at, value, what in values:
        if before is not None:
            found.append(Mark(at, value - before if value >= before else value, what))
        before = value
    return found
