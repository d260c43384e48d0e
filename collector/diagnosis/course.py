"""How the rate of a fault changed over time in a group and in its like, for a plot. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from collector.diagnosis.groups import Question, Unit, hours_by
from collector.diagnosis.history import DAY, HOUR
from collector.diagnosis.likeness import LEAST
from collector.model import Sealed

_SHORT: Final = 3 * DAY
"""A time shorter than this is shown hour by hour, a longer one day by day."""


class Stretch(Sealed, frozen=True):
    """A day or an hour that begins at `at`, in milliseconds.

    Rates are per router and day; None where fewer than ten routers of the group, or of its like, were seen (O25).
    """

    at: int
    rate: float | None
    rate_others: float | None


def course(question: Question) -> tuple[Stretch, ...]:
    """The rate of the group and of its like, day by day or, over a short time, hour by hour; without gaps."""
    stays = [stay for unit in (*question.group, *question.others) for stay in unit.stays]
    begin, end = min(stay.since for stay in stays), max(stay.until for stay in stays)
    span = HOUR if end - begin < _SHORT else DAY
    rates = _rates(question.group, question.fault, span)
    others = _rates(question.others, question.fault, span)
    spans = range(begin // span, max(begin, end - 1) // span + 1)
    return tuple(Stretch(number * span, rates.get(number), others.get(number)) for number in spans)


def _rates(units: Sequence[Unit], fault: str, span: int) -> dict[int, float]:
    hours: Counter[int] = Counter()
    faults: Counter[int] = Counter()
    routers: Counter[int] = Counter()
    for unit in units:
        seen: Counter[int] = Counter()
        for stay in unit.stays:
            seen.update(hours_by(stay, span))
        hours.update(seen)
        routers.update(seen.keys())
        faults.update(_spans(unit.faults.get(fault, ()), span))
    return {n: faults[n] / seen * 24 for n, seen in hours.items() if routers[n] >= LEAST and seen > 0}


def _spans(moments: Iterable[int], span: int) -> list[int]:
    return [at // span for at in moments]
