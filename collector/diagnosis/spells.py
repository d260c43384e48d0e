"""Spells: since when and until when something was so, by samples with outliers and events in bursts. Pure."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

T = TypeVar("T")
_APART: Final = 2
"""Bursts are two if they are at least this many spans apart."""
_MOSTLY: Final = 0.5
"""From this share on, what is bad is bad most of the time."""


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

    *marks* are oldest first and weigh 0 or 1. A window shorter than half a span does not count, so what lasts less than
    that is not seen. Silence ends no spell, nor does a better time of fewer samples than a span has: two spells are one
    unless the time between them speaks against it. A spell begins and ends where most of what counted is inside, so an
    outlier hours before or after it is no part of it.
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
            _extend(runs, window, marks, share)
    if not runs:
        return None
    first, last = runs[-1]
    end = last - _outermost(marks[first : last + 1][::-1], share)
    found = _spell(marks, [(first, end)])
    # What is bad only in the evenings lasts all day; what is bad most of the time ends with this many good samples.
    ended = last < len(marks) - 1 or (share >= _MOSTLY and len(marks) - 1 - end >= least)
    return found and found._replace(lasts=not ended)


def _none(_since: int, _until: int) -> int:
    """No silence."""
    return 0


def burst(
    marks: Sequence[Mark[T]], *, weight: float, span: int, end: int, silence: Callable[[int, int], int] = _none
) -> Spell[T] | None:
    """The latest time during which at least *weight* came together within *span* milliseconds; *end* is now.

    It lasts while less than a span has passed since its last mark. Bursts less than two spans apart are one: what comes
    by chance has quieter days. *silence* says for how much of a time nothing could be seen; that does not separate
    bursts. Marks that came too seldom before a burst to belong to it are left out, if the others weigh enough.
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
        before, first = marks[runs[-1][1]].at if runs else 0, marks[window[0]].at
        if runs and first - before - silence(before, first) < _APART * span:
            runs[-1] = runs[-1][0], number
        else:
            runs.append((window[0], number))
    found = _spell(marks, runs)
    if found is None:
        return None
    counted = found.marks[_beginning(found.marks, weight / 2 / span, silence) :]
    if sum(mark.weight for mark in counted) < weight:
        counted = found.marks
    return Spell(counted, found.seen, lasts=end - counted[-1].at < span)


def _beginning(marks: Sequence[Mark[T]], rate: float, silence: Callable[[int, int], int]) -> int:
    """The position of the mark before which less than *rate* a millisecond came."""
    begin = marks[0].at
    least, found, before = 0.0, 0, 0.0
    for number, mark in enumerate(marks):
        surplus = before - rate * (mark.at - begin - silence(begin, mark.at))
        if surplus < least:
            least, found = surplus, number
        before += mark.weight
    return found


def _extend(runs: list[tuple[int, int]], window: Sequence[int], marks: Sequence[Mark[T]], share: float) -> None:
    """Add to *runs* the run (first and last position) that a *window* shows, or extend the last one if both are one."""
    begin, last = window[0], window[-1]
    if runs and runs[-1][1] == last - 1:
        runs[-1] = runs[-1][0], last
        return
    first = begin + _outermost(marks[begin : last + 1], share)
    if runs:
        between = marks[runs[-1][1] + 1 : first]
        if len(between) < len(window) or sum(mark.weight for mark in between) >= share * len(between):
            runs[-1] = runs[-1][0], last
            return
    runs.append((first, last))


def _outermost(marks: Sequence[Mark[T]], share: float) -> int:
    """The position of the first mark that counts and is no outlier: less than half the share of those before count."""
    least, found, before = 0.0, None, 0.0
    for number, mark in enumerate(marks):
        if mark.weight and (found is None or before < least):
            least, found = before, number
        before += mark.weight - share / 2
    return found or 0


def _spell(marks: Sequence[Mark[T]], runs: list[tuple[int, int]]) -> Spell[T] | None:
    if not runs:
        return None
    first, last = runs[-1]
    inside = marks[first : last + 1]
    return Spell([mark for mark in inside if mark.weight], len(inside), lasts=last == len(marks) - 1)


def increments(values: Iterable[tuple[int, float, T]]) -> list[Mark[T]]:
    """How much a counter grew from one value to the next, given as (time, value, what); a smaller value is a new start.

    Nobody knows how much a new start lost; the value after it counts, since all of it was counted since then. A smaller
    value of the same time may just be out of order: if it was a new start, the next value will show it.
    """
    found: list[Mark[T]] = []
    before: tuple[int, float] | None = None
    for at, value, what in values:
        if before is not None:
            if at == before[0] and value < before[1]:
                continue
            found.append(Mark(at, value - before[1] if value >= before[1] else value, what))
        before = at, value
    return found
