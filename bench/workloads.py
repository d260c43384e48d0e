"""The workloads of `make bench`: what is run, how often, and how each run becomes figures of one shape."""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from load import CONNECTIONS, Load, Run
from throughput import Installation, measure
from yardstick import Yardstick

from collector.broker import LocalBroker

_BACKLOG: Final = 30_000
_PACES: Final = (10_000, 30_000)
_STORES: Final = {"SQLite": Installation("sqlite"), "PostgreSQL": Installation("postgresql")}
CPU: Final[tuple[str, ...]] = ("broker", "publisher", "database", "probes")
"""Processes beside the one that is measured."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the table. Without an installation it is the yardstick."""

    name: str
    load: Load
    installation: Installation | None = None

    @property
    def is_flood(self) -> bool:
        """Whether as much is published as goes through, so that the rate is what is measured."""
        return self.load.rate is None


class Extent(NamedTuple):
    """How much is run."""

    seconds: float
    repeats: int
    routers: int = 1000
    workers: int = 2
    warm_up: int = 20_000
    connections: int = CONNECTIONS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run came to. Times of CPU in microseconds a message."""

    per_second: int
    held: bool | None
    p50: float | None
    p99: float | None
    cpu: float
    """Of what is measured."""
    others: dict[str, float]
    mebibytes: int | None
    faults: tuple[str, ...]
    load_before: float


def workloads(extent: Extent) -> list[Workload]:
    """All of them, the yardstick first."""
    flood = Load(extent.routers, extent.seconds, None, _BACKLOG, extent.warm_up, extent.connections)
    found = [Workload("C subscriber that does nothing", flood)]
    found += [Workload(f"{name}, saturated", flood, kind) for name, kind in _STORES.items()]
    found.append(Workload("no flag, all dropped", replace(flood, flagged=False), _STORES["SQLite"]))
    found += [
        Workload(f"{name}, {pace:,}/s", replace(flood, rate=float(pace)), kind)
        for name, kind in _STORES.items()
        for pace in _PACES
    ]
    return found + [
        Workload(f"{name}, saturated, {extent.workers} workers", flood, replace(kind, workers=extent.workers))
        for name, kind in _STORES.items()
    ]


def run(workload: Workload) -> Outcome:
    """One run, on an installation of its own."""
    with tempfile.TemporaryDirectory(prefix="ueip-bench-") as folder:
        if workload.installation is None:
            return _yardstick(workload.load, Path(folder))
        return _outcome(measure(workload.load, workload.installation, Path(folder)))


def _outcome(figures: dict[str, Any]) -> Outcome:
    cpu, timed = figures["cpu_us_per_message"], figures["probes"] > 0
    return Outcome(
        per_second=figures["sustained_per_second"],
        held=figures["held"],
        p50=figures["latency_p50_ms"] if timed else None,
        p99=figures["latency_p99_ms"] if timed else None,
        cpu=cpu["collector"],
        others={name: cpu[name] for name in CPU if name in cpu},
        mebibytes=figures["collector_rss_peak_mib"],
        faults=tuple(figures["faults"]),
        load_before=figures["load_average_before"],
    )


def _yardstick(load: Load, folder: Path) -> Outcome:
    with LocalBroker(folder / "broker") as broker, Yardstick(folder, broker.port) as subject:
        run = Run(subject, broker.port, load)
        faults = [] if run.warm_up() else ["messages lost before the load began"]
        measured = run.measure()
        if not subject.is_settled(run.publisher.published):
            faults.append(f"{run.publisher.published - subject.settled()} messages lost")
        run.publisher.end()
    cpu = {name: round(1e6 * seconds / measured.messages, 2) for name, seconds in measured.cpu.items()}
    others = {name: cpu[name] for name in CPU if name in cpu}
    rate = round(measured.messages / measured.seconds)
    return Outcome(rate, None, None, None, cpu["yardstick"], others, None, tuple(faults), 0.0)


def run_all(wanted: Sequence[Workload], repeats: int, tell: Callable[[str], None]) -> dict[str, list[Outcome]]:
    """Run each; floods as often as asked, in turn, so that what the machine does meanwhile hits all of them."""
    found: dict[str, list[Outcome]] = {workload.name: [] for workload in wanted}
    for turn in range(repeats):
        for workload in wanted:
            if turn == 0 or workload.is_flood:
                tell(f"{workload.name} ({turn + 1})")
                found[workload.name].append(run(workload))
    return found


def ratio(outcomes: Sequence[Outcome], yardstick: Sequence[Outcome]) -> float:
    """The share of the yardstick's rate, the median of the turns."""
    pairs = zip(outcomes, yardstick, strict=False)
    return statistics.median(one.per_second / other.per_second for one, other in pairs)
