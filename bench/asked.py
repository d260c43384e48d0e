"""What was asked of the collector's speed, held against what was found."""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Final, NamedTuple

from workloads import Outcome, ratio

RATE: Final = 60_000
SHARE: Final = 0.55
KEPT_MICROSECONDS: Final = 15.0
DROPPED_MICROSECONDS: Final = 4.0
P99_MILLISECONDS: Final = {10_000: 50.0, 30_000: 150.0}
SATURATED_P99_MILLISECONDS: Final = 1000.0
MEBIBYTES: Final = 300
Found = dict[str, list[Outcome]]


Figure = Callable[[Sequence[Outcome], Sequence[Outcome]], float]


class Asked(NamedTuple):
    """One thing that was asked: of which workload, in which unit, worked out how, and how much of it."""

    of: str
    unit: str
    figure: Figure
    limit: float
    at_least: bool = False


def _middle(of: Callable[[Outcome], float | None]) -> Figure:
    return lambda own, _: median(value for one in own if (value := of(one)) is not None)


_RATE, _CPU, _P99 = _middle(lambda o: o.per_second), _middle(lambda o: o.cpu), _middle(lambda o: o.p99)


def _asked() -> Iterator[Asked]:
    for store in ("SQLite", "PostgreSQL"):
        saturated = f"{store}, saturated"
        yield Asked(saturated, "messages/s", _RATE, RATE, at_least=True)
        yield Asked(saturated, "of the C subscriber", ratio, SHARE, at_least=True)
        yield Asked(saturated, "us/msg", _CPU, KEPT_MICROSECONDS)
        yield Asked(saturated, "ms p99", _P99, SATURATED_P99_MILLISECONDS)
        for pace, limit in P99_MILLISECONDS.items():
            yield Asked(f"{store}, {pace:,}/s", "ms p99", _P99, limit)
    yield Asked("no flag, all dropped", "us/msg", _CPU, DROPPED_MICROSECONDS)


def verdicts(found: Found) -> list[str]:
    """A line for each thing asked of what was run."""
    yardstick = next(iter(found.values()))
    lines = [_line(one, one.figure(found[one.of], yardstick)) for one in _asked() if one.of in found]
    peak = max((one.mebibytes or 0 for name, runs in found.items() if "workers" not in name for one in runs), default=0)
    memory = Asked("at any load, one worker", "MiB", lambda *_: peak, MEBIBYTES)
    return [*lines, _line(memory, peak)]


def _line(asked: Asked, value: float) -> str:
    met = value >= asked.limit if asked.at_least else value <= asked.limit
    number = f"{value:.2f}" if value < 1 else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"
    bound = "at least" if asked.at_least else "at most"
    return f"{'met' if met else 'NOT MET'}: {asked.of}: {number} {asked.unit}, asked for {bound} {asked.limit:,g}"
