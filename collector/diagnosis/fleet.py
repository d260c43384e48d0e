"""Which software, model, operator or cell has more faults than its like, and since when. Pure.

Rule 1: a router is the unit, not an event: one router with a thousand disconnects says something about that router. The
        test is a score test whose variance is that of the routers, so a few of them can never make an alarm.
Rule 2: like is compared with like: versions of one model on the same days, operators of one model on the same days.
Rule 3: so many questions get some answers by chance alone; Holm's method corrects for that.
Rule 4: groups of fewer than ten are not asked about (O25).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from math import exp, sqrt
from typing import Final

from msgspec.structs import replace

from collector.diagnosis.chance import above, change_of_rate, holm, poisson_above
from collector.diagnosis.course import Stretch, course
from collector.diagnosis.groups import Kind, Question, Unit, excess, hours_by, questions, rates_by_day
from collector.diagnosis.history import HOUR
from collector.diagnosis.likeness import LEAST
from collector.diagnosis.watching import DISCONNECTS, Watched
from collector.model import Sealed

SIGNIFICANCE: Final = 0.01
"""How likely one false alarm of a whole survey may be."""
LEAST_RATIO: Final = 1.5
"""The lower end of the ratio's interval has to be above this: a smaller difference may be real, but is no alarm."""
_Z: Final = 2.576
"""For an interval of 99 %."""
_CAME_LATER: Final = 6 * HOUR
"""How much later than the others a group has to appear for its beginning to be given."""
_FRAIL: Final = 2.0
"""How many times the others' rate the routers known of a cell may have, being those that had faults there."""


class StandsOut(Sealed, frozen=True):
    """A group that has a fault more often than its like; when that began is for subclasses to add.

    A cell has no name: of the `routers` seen on it, `affected` lost the network within the hour in which it began. In
    other groups, `affected` had the fault at all. Rates are per router and day seen; `low` and `high` are the 99 %
    interval of `ratio`; `chance` is how likely the survey as a whole is to say so by chance.
    """

    kind: Kind
    name: str
    model: str
    """The model that it is about, empty for a cell."""
    fault: str
    routers: int
    affected: int
    others: int
    others_affected: int
    rate: float
    rate_others: float
    ratio: float
    low: float
    high: float
    chance: float


class Alarm(StandsOut, frozen=True):
    """What stands out, and since when; None if for as long as the group and its like were seen."""

    began: int | None
    course: tuple[Stretch, ...] = ()
    """How the rates changed; empty for a cell."""


def survey(fleet: Sequence[Watched]) -> list[Alarm]:
    """What stands out, the surest first."""
    asked = [(question, _score(question)) for question in questions(fleet)]
    cells = list(_cells(fleet))
    chances = [chance for _, chance in asked] + [alarm.chance for alarm in cells]
    corrected = holm(chances)
    found = [
        _alarm(question, chance)
        for (question, _), chance in zip(asked, corrected, strict=False)
        if chance < SIGNIFICANCE
    ]
    found = _explained([alarm for alarm in found if alarm.low > LEAST_RATIO])
    found += [
        replace(alarm, chance=chance)
        for alarm, chance in zip(cells, corrected[len(asked) :], strict=True)
        if chance < SIGNIFICANCE
    ]
    return sorted(found, key=lambda alarm: (alarm.chance, -alarm.ratio))


def _explained(alarms: Sequence[Alarm]) -> list[Alarm]:
    """The alarms, without those of models and operators that a version of the software explains."""
    versions = {(alarm.model, alarm.fault) for alarm in alarms if alarm.kind is Kind.SOFTWARE}
    return [alarm for alarm in alarms if alarm.kind is Kind.SOFTWARE or (alarm.model, alarm.fault) not in versions]


def _score(question: Question) -> float:
    """How likely chance alone is to give the group so many more faults than its days and its like lead one to expect.

    The score is the sum over the group of each router's excess, divided by the root of the sum of their squares.
    Self-normalised sums have tails no heavier than the normal distribution's, whatever the routers are like.
    """
    rates = rates_by_day(question)
    own = [excess(unit, question.fault, rates) for unit in question.group]
    rest = [excess(unit, question.fault, rates) for unit in question.others]
    hours = sum(unit.seen for unit in question.group)
    part = hours / (hours + sum(unit.seen for unit in question.others))
    variance = (1 - part) ** 2 * sum(x * x for x in own) + part**2 * sum(x * x for x in rest)
    return above(sum(own) / sqrt(variance)) if variance > 0 else 1.0


def _alarm(question: Question, chance: float) -> Alarm:
    fault, group, others = question.fault, question.group, question.others
    rate, spread = _rate(group, fault)
    rate_others, spread_others = _rate(others, fault)
    ratio = rate / rate_others
    width = exp(_Z * sqrt(spread**2 + spread_others**2))
    return Alarm(
        kind=question.kind,
        name=question.name,
        model=question.model,
        fault=fault,
        routers=len(group),
        affected=sum(bool(unit.faults.get(fault)) for unit in group),
        others=len(others),
        others_affected=sum(bool(unit.faults.get(fault)) for unit in others),
        rate=rate,
        rate_others=rate_others,
        ratio=ratio,
        low=ratio / width,
        high=ratio * width,
        chance=chance,
        began=_began(question),
        course=course(question),
    )


def _rate(units: Sequence[Unit], fault: str) -> tuple[float, float]:
    """Faults per router and day, and the relative standard error of that between routers.

    None counts as half a fault, since the rate is not known to be 0, and is taken to be no less sure than one fault.
    """
    counts = [len(unit.faults.get(fault, ())) for unit in units]
    days = sum(unit.seen for unit in units) / 24
    total = max(0.5, float(sum(counts)))
    residuals = (count - total * unit.seen / 24 / days for count, unit in zip(counts, units, strict=True))
    return total / days, max(sqrt(sum(x * x for x in residuals)), 1.0) / max(1.0, total)


def _began(question: Question) -> int | None:
    """When the rate of the group rose: at a change of it, else when the group appeared, if others were there before.

    What counts is the routers with the fault in an hour, not the faults, and the hours in which routers were there.
    """
    there: Counter[int] = Counter()
    affected: Counter[int] = Counter()
    for unit in question.group:
        for stay in unit.stays:
            there.update(hours_by(stay, HOUR))
        affected.update({at // HOUR for at in unit.faults.get(question.fault, ())})
    changed = change_of_rate(sorted(there), there, affected)
    if changed is not None:
        return changed * HOUR
    came = min(stay.since for unit in question.group for stay in unit.stays)
    others = min(stay.since for unit in question.others for stay in unit.stays)
    return came if came - others > _CAME_LATER else None


def _cells(fleet: Sequence[Watched]) -> Iterator[Alarm]:
    """Cells on which many routers lost the network in the same hour, though others did not; a router counts once."""
    lost: defaultdict[str, defaultdict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    seen: defaultdict[str, set[int]] = defaultdict(set)
    by_hour: defaultdict[int, set[int]] = defaultdict(set)
    for number, router in enumerate(fleet):
        for one in router.happened:
            if one.cell is not None and one.fault == DISCONNECTS:
                lost[one.cell][one.at // HOUR].add(number)
                seen[one.cell].add(number)
                by_hour[one.at // HOUR].add(number)
    hours = sum(stay.hours for router in fleet for stay in router.stays)
    usual = max(1, sum(map(len, by_hour.values()))) / max(1.0, hours)
    for cell, when in lost.items():
        others = len(fleet) - len(seen[cell])
        found = [
            _on_cell(hour, len(routers), len(seen[cell]), others, max(usual, len(by_hour[hour] - seen[cell]) / others))
            for hour, routers in when.items()
            if len(routers) >= LEAST and others >= LEAST
        ]
        if found:
            worst = min(found, key=lambda alarm: alarm.chance)
            yield replace(worst, chance=min(1.0, worst.chance * len(by_hour)))


def _on_cell(hour: int, affected: int, seen: int, others: int, rate: float) -> Alarm:
    """One hour of a cell; *rate* is that of the others in that hour, for a storm is no cell's fault."""
    # The routers known of a cell are those that had faults on it, and those have more faults than others.
    expected = _FRAIL * rate * seen
    width = _Z * sqrt(affected)
    return Alarm(
        kind=Kind.CELL,
        name="",
        model="",
        fault=DISCONNECTS,
        routers=seen,
        affected=affected,
        others=others,
        others_affected=round(rate * others),
        rate=affected / seen * 24,
        rate_others=rate * 24,
        ratio=affected / expected,
        low=max(0.0, affected - width) / expected,
        high=(affected + width) / expected,
        chance=poisson_above(affected, expected),
        began=hour * HOUR,
    )
