"""The groups of a fleet and the questions asked about them: what is compared with what, over what exposure. Pure.

Rule 1: like is compared with like: versions of one model, operators of one model, models with each other.
Rule 2: groups of fewer than ten are neither asked about nor compared with (O25). Nor can one be worked out from two
        answers: small groups are compared with only together, and only if together they are ten.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import chain
from operator import mul
from typing import Final, NamedTuple

from collector.diagnosis.history import DAY
from collector.diagnosis.likeness import LEAST
from collector.diagnosis.watching import FAULTS, Happened, Stay, Watched

_LEAST_HOURS: Final = 1.0
"""Fewer hours of a router say nothing about its rate."""


class Kind(StrEnum):
    """What a group of routers has in common."""

    SOFTWARE = "software"
    MODEL = "model"
    OPERATOR = "operator"
    CELL = "cell"


class Unit(NamedTuple):
    """A router in one group: its number in the fleet, its stays, its hours by day, its faults."""

    router: int
    stays: Sequence[Stay]
    hours: Mapping[int, float]
    faults: Mapping[str, Sequence[int]]

    @property
    def seen(self) -> float:
        """Hours in all."""
        return sum(self.hours.values())


class Question(NamedTuple):
    """A group, its like, and the fault asked about."""

    kind: Kind
    name: str
    model: str
    fault: str
    group: Sequence[Unit]
    others: Sequence[Unit]
    hours: Mapping[int, float]
    """Of the group and the others together, by day."""


def questions(fleet: Sequence[Watched]) -> Iterator[Question]:
    """Every group that is large enough, with each fault it has."""
    by_model: defaultdict[str, list[_Numbered]] = defaultdict(list)
    for number, router in enumerate(fleet):
        by_model[router.model].append((number, router))
    for model, routers in by_model.items():
        versions = {stay.software for _, router in routers for stay in router.stays}
        yield from _asked(Kind.SOFTWARE, {name: _on(routers, name.__eq__) for name in sorted(versions)}, model)
        operators = sorted({router.operator for _, router in routers})
        groups = {name: _on([(n, r) for n, r in routers if r.operator == name]) for name in operators}
        yield from _asked(Kind.OPERATOR, groups, model)
    yield from _asked(Kind.MODEL, {model: _on(routers) for model, routers in by_model.items()})


def _asked(kind: Kind, groups: Mapping[str, Sequence[Unit]], model: str = "") -> Iterator[Question]:
    """Each group that is large enough, against all others together."""
    large = {name: units for name, units in groups.items() if len(units) >= LEAST}
    small = _together(units for name, units in groups.items() if name not in large)
    for name, group in large.items():
        others = _together([units for other, units in large.items() if other != name] + [small] * (len(small) >= LEAST))
        if len(others) < LEAST:
            continue
        hours = _hours_of(chain(group, others))
        for fault in FAULTS:
            if any(unit.faults.get(fault) for unit in group):
                yield Question(kind, name, model or name, fault, group, others, hours)


def _together(groups: Iterable[Sequence[Unit]]) -> list[Unit]:
    """The routers of several groups, each once, with its stays, hours and faults of all of them."""
    found: dict[int, Unit] = {}
    for unit in chain.from_iterable(groups):
        other = found.get(unit.router)
        found[unit.router] = unit if other is None else _one(other, unit)
    return list(found.values())


def _one(first: Unit, second: Unit) -> Unit:
    faults = {f: [*first.faults.get(f, ()), *second.faults.get(f, ())] for f in {*first.faults, *second.faults}}
    return Unit(first.router, [*first.stays, *second.stays], Counter(first.hours) + Counter(second.hours), faults)


_Numbered = tuple[int, Watched]


def _on(routers: Iterable[_Numbered], software: Callable[[str], bool] = lambda _: True) -> list[Unit]:
    """The routers as units, for their time on this software."""
    units = []
    for number, router in routers:
        stays = [stay for stay in router.stays if software(stay.software)]
        hours: Counter[int] = Counter()
        for stay in stays:
            hours.update(hours_by(stay, DAY))
        unit = Unit(number, stays, hours, _faults([h for h in router.happened if software(h.software)]))
        if unit.seen >= _LEAST_HOURS:
            units.append(unit)
    return units


def hours_by(stay: Stay, span: int) -> Mapping[int, float]:
    """The hours seen in a stay, spread evenly, by days or hours (*span* milliseconds)."""
    length = max(1, stay.until - stay.since)
    spans = range(stay.since // span, (stay.until - 1) // span + 1)
    overlaps = {n: min(stay.until, (n + 1) * span) - max(stay.since, n * span) for n in spans}
    return {n: stay.hours * overlap / length for n, overlap in overlaps.items() if overlap > 0}


def _faults(happened: Iterable[Happened]) -> Mapping[str, Sequence[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for one in happened:
        found[one.fault].append(one.at)
    return found


def _hours_of(units: Iterable[Unit]) -> Mapping[int, float]:
    hours: defaultdict[int, float] = defaultdict(float)
    for unit in units:
        for day, seen in unit.hours.items():
            hours[day] += seen
    return hours


def rates_by_day(question: Question) -> Mapping[int, float]:
    """Faults an hour of all together, day by day: a storm is no software's fault."""
    units = chain(question.group, question.others)
    faults = Counter(at // DAY for unit in units for at in unit.faults.get(question.fault, ()))
    return {day: faults[day] / seen if seen > 0 else 0.0 for day, seen in question.hours.items()}


def excess(unit: Unit, fault: str, rates: Mapping[int, float]) -> float:
    """How many more faults a router had than expected on its days, at each day's rate an hour in *rates*."""
    expected: float = sum(map(mul, unit.hours.values(), map(rates.__getitem__, unit.hours)))
    return len(unit.faults.get(fault, ())) - expected
