"""Fleets for tests, told as counts: thousands of routers for a month, which whole reports would take hours to make.

A healthy fleet is no even one: routers differ (some are bad all the time), evenings are worse, storms come for all,
sectors go out for some, versions follow each other at each router's own time, and hotspots are off at night.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from records import START

from collector.diagnosis.history import DAY, HOUR
from collector.diagnosis.watching import FAULTS, Happened, Stay, Watched

BEGIN: Final = START // DAY * DAY
_DAILY: Final = {
    "disconnects": 0.3,
    "restarts by the watchdog": 0.01,
    "restarts by crashes": 0.01,
    "restarts by heat": 0.003,
    "restarts by loss of power": 0.02,
    "restarts without a known reason": 0.01,
    "abnormal codes": 0.1,
    "hours with Wi-Fi driver errors": 0.05,
}
_MODELS: Final = {
    "MC888": ("B04", "B06", "B08"),
    "MF297D": ("B11", "B14"),
    "U60 Pro": ("B09", "B12"),
    "G5TS": ("B02", "B03"),
}
_SHARES: Final = (8, 4, 4, 3)
_OPERATORS: Final = ("26201", "26202", "26203", "20801", "21401")
_BY_HOUR: Final = [1.0 if 8 <= hour <= 17 else 2.0 if 18 <= hour <= 23 else 0.4 for hour in range(24)]


@dataclass(frozen=True)
class Planted:
    """What is wrong: routers of a model on a version have these faults (a day) from a time on."""

    model: str
    software: str
    daily: Mapping[str, float]
    since: int = 0


@dataclass
class Population:
    """A fleet by its seed."""

    routers: int
    days: int
    seed: int
    planted: Sequence[Planted] = ()
    rollout: Mapping[str, int] = field(default_factory=dict)
    """Versions and the time from when on routers take them, within four days; others are there from the beginning."""
    cell_outage: tuple[int, int] | None = None
    """A cell and the time it goes out."""

    def fleet(self) -> list[Watched]:
        """Every router."""
        rng = Random(f"{self.seed}")
        storms = {rng.randrange(self.days): rng.uniform(2, 5) for _ in range(max(1, self.days // 10))}
        cells = self.routers // 25 + 1
        # A sector goes out now and then, for a few of a cell's routers; a whole cell is planted.
        outages = [(rng.randrange(cells), BEGIN + rng.randrange(self.days * DAY), 0.12) for _ in range(self.days)]
        if self.cell_outage is not None:
            outages.append((*self.cell_outage, 0.9))
        return [self._router(Random(f"{self.seed}/{number}"), storms, outages) for number in range(self.routers)]

    def _router(self, rng: Random, storms: Mapping[int, float], outages: Sequence[tuple[int, int, float]]) -> Watched:
        [model] = rng.choices(list(_MODELS), _SHARES)
        cell = rng.randrange(self.routers // 25 + 1)
        stays = self._stays(rng, model)
        # Most are good, a few are bad at one thing all the time: weak signals, bad supplies, old batteries.
        frailty = {fault: rng.gammavariate(0.6, 1 / 0.6) for fault in FAULTS}
        happened: list[Happened] = []
        for stay in stays:
            for fault, daily in _DAILY.items():
                happened += self._events(rng, stay, fault, daily * frailty[fault], storms, cell)
            happened += self._from_plan(rng, model, stay, cell)
        happened += self._outages(rng, stays, cell, outages)
        return Watched(model=model, operator=rng.choice(_OPERATORS), stays=stays, happened=happened)

    def _stays(self, rng: Random, model: str) -> list[Stay]:
        end, off = BEGIN + self.days * DAY, 7 / 24 if model == "U60 Pro" and rng.random() < 0.5 else 0.0
        late = [(self.rollout[v] + rng.randrange(4 * DAY), v) for v in _MODELS[model] if v in self.rollout]
        there = [version for version in _MODELS[model] if version not in self.rollout]
        # Half of the fleet follows its updates, on a day of its own.
        changes = [(BEGIN, there[0] if rng.random() < 0.5 else there[-1])]
        if rng.random() < 0.3:
            changes.append((BEGIN + rng.randrange(self.days * DAY), there[-1]))
        changes += [change for change in late if rng.random() < 0.6]
        changes.sort()
        ends = [*(at for at, _ in changes[1:]), end]
        return [
            Stay(version, at, until, (until - at) / HOUR * (1 - off) * 0.97)
            for (at, version), until in zip(changes, ends, strict=True)
            if until - at > HOUR
        ]

    def _events(
        self, rng: Random, stay: Stay, fault: str, daily: float, storms: Mapping[int, float], cell: int
    ) -> list[Happened]:
        found = []
        at = float(stay.since)
        # By thinning: as if every hour were the worst, and then only some of it.
        worst = daily * 10 / DAY
        while worst > 0 and (at := at + rng.expovariate(worst)) < stay.until:
            storm = storms.get((round(at) - BEGIN) // DAY, 1.0) if fault == "disconnects" else 1.0
            if rng.random() < _BY_HOUR[round(at) // HOUR % 24] * storm / 10:
                found.append(Happened(round(at), fault, stay.software, f"{cell:032x}"))
        return found

    def _from_plan(self, rng: Random, model: str, stay: Stay, cell: int) -> list[Happened]:
        found = []
        for plan in self.planted:
            if (plan.model, plan.software) != (model, stay.software):
                continue
            for fault, daily in plan.daily.items():
                at = float(max(stay.since, plan.since))
                while (at := at + rng.expovariate(daily / DAY)) < stay.until:
                    found.append(Happened(round(at), fault, stay.software, f"{cell:032x}"))
        return found

    def _outages(
        self, rng: Random, stays: Sequence[Stay], cell: int, outages: Sequence[tuple[int, int, float]]
    ) -> list[Happened]:
        moments = [
            at + rng.randrange(HOUR // 4) for where, at, part in outages if where == cell and rng.random() < part
        ]
        return [
            Happened(at, "disconnects", stay.software, f"{cell:032x}")
            for at in moments
            for stay in stays
            if stay.since <= at < stay.until
        ]
