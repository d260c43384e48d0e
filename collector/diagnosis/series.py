"""What a router measured, as lines on one axis of time, for charts and notebooks. Pure.

Rule 1: a null says that nothing is known of that moment. Every gap (a time without records) has a moment of nulls
        only, so that lines drawn as they are show gaps as gaps.
Rule 2: bounded: if there are more samples than `MOST_POINTS`, each stretch of time keeps the lowest and the highest
        value of every line.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Final, NamedTuple

from collector.diagnosis.history import HOUR, History
from collector.diagnosis.marks import Mark, marks_of
from collector.diagnosis.thinning import thinned
from collector.model import Sealed

MOST_POINTS: Final = 1500
"""Most moments on the axis, not counting those of gaps; even."""
_HOLDS: Final = 3.0
"""For how many usual intervals of a line a value stands when records leave it out."""

Points = Sequence[tuple[int, float]]


class Line(Sealed, frozen=True):
    """One measure: `values` has one value, or null, for each of the moments of the axis.

    `panel` is the chart it belongs to; the lines of one panel have one `unit`. `technology` is that of the serving
    network (`gsm`, `umts`, `lte`, `nr`), null for what has none. A value that a record leaves out is that of the record
    before, for up to three usual intervals of the line.
    """

    panel: str
    name: str
    technology: str | None
    unit: str
    values: list[float | None]


class Silence(Sealed, frozen=True):
    """A time without records, in seconds since 1970-01-01 UTC."""

    since: int
    until: int


class Lines(Sealed, frozen=True):
    """All that was measured: `times` is the axis, in seconds since 1970-01-01 UTC, ascending."""

    times: list[int]
    lines: list[Line]
    marks: list[Mark]
    gaps: list[Silence]
    thinned: bool
    """Whether there were more samples than moments, so that each moment stands for several."""


class _Measure(NamedTuple):
    """How the points of a line are found."""

    panel: str
    name: str
    unit: str
    points: Callable[[History], Points]
    technology: str | None = None


def lines_of(history: History) -> Lines:
    """The lines of everything that a router sent."""
    samples = sorted({sample.at for sample in history.samples})
    gaps = [Silence(gap.since // 1000, gap.until // 1000) for gap in history.gaps]
    found = [(measure, points) for measure in _MEASURES if (points := measure.points(history))]
    held = [_held(points, samples, history) for _, points in found]
    axis, values = thinned(samples, held, MOST_POINTS)
    axis, values = _broken(axis, values, [gap.since + (gap.until - gap.since) // 2 for gap in history.gaps])
    return Lines(
        times=[at // 1000 for at in axis],
        lines=[
            Line(measure.panel, measure.name, measure.technology, measure.unit, line)
            for (measure, _), line in zip(found, values, strict=True)
        ],
        marks=marks_of(history),
        gaps=gaps,
        thinned=len(samples) > MOST_POINTS,
    )


def _held(points: Points, samples: Sequence[int], history: History) -> list[float | None]:
    """A value for each sample: its own, or the one before it, while that still stands and no gap lies between."""
    times, values = [at for at, _ in points], [value for _, value in points]
    steps = [later - earlier for earlier, later in pairwise(times) if later > earlier]
    stands = _HOLDS * (median(steps) if steps else 0)
    ends = [gap.since for gap in history.gaps]
    line: list[float | None] = []
    for at in samples:
        last = bisect_right(times, at) - 1
        known = (
            last >= 0
            and at - times[last] <= stands
            and bisect_right(ends, at - 1) == bisect_right(ends, times[last] - 1)
        )
        line.append(_short(values[last]) if known else None)
    return line


def _short(value: float) -> float:
    """Rounded to three places: no measure is more precise."""
    return round(value, 3)


Values = list[list[float | None]]


def _broken(axis: list[int], values: Values, gaps: Iterable[int]) -> tuple[list[int], Values]:
    """The axis and the values with a moment added in each gap, at which nothing is known."""
    breaks = set(gaps) - set(axis)
    places = sorted([*axis, *breaks])
    broken: Values = []
    for line in values:
        known = dict(zip(axis, line, strict=True))
        broken.append([known.get(at) for at in places])
    return places, broken


def _field(group: str, name: str) -> Callable[[History], Points]:
    return lambda history: [(sample.at, float(value)) for sample, value in history.readings(group, name)]


def _of_technology(name: str, rats: frozenset[str]) -> Callable[[History], Points]:
    """A measure of the signal while the router was on these technologies."""

    def points(history: History) -> Points:
        readings = history.readings("signal", name)
        return [(sample.at, float(value)) for sample, value in readings if sample.get("network", "rat") in rats]

    return points


def _driver_errors(history: History) -> Points:
    """Errors an hour, from one sample to the next; a counter that fell has started anew."""
    readings = history.readings("wifi", "wifi_driver_errors_total")
    return [
        (later.at, (total - before if total >= before else total) * HOUR / (later.at - earlier.at))
        for (earlier, before), (later, total) in pairwise(readings)
        if later.at > earlier.at
    ]


_TECHNOLOGIES: Final = {
    "lte": (frozenset({"lte", "lte_ca", "nr_nsa"}), ("rsrp_dbm", "rsrq_db", "sinr_db")),
    "nr": (frozenset({"nr_sa"}), ("rsrp_dbm", "rsrq_db", "sinr_db")),
    "umts": (frozenset({"umts", "hspa"}), ("rscp_dbm", "ecno_db")),
    "gsm": (frozenset({"gsm"}), ("rssi_dbm",)),
}
"""As `signal.TECHNOLOGIES`: a router on `nr_nsa` reports the LTE cell that it is anchored on."""


def _signal() -> Iterator[_Measure]:
    for technology, (rats, names) in _TECHNOLOGIES.items():
        for name in names:
            panel, unit = ("level", "dBm") if name.endswith("_dbm") else ("quality", "dB")
            yield _Measure(panel, name, unit, _of_technology(name, rats), technology)


_MEASURES: Final = (
    *_signal(),
    _Measure("traffic", "downlink_bytes_per_second", "B/s", _field("usage", "downlink_bytes_per_second")),
    _Measure("traffic", "uplink_bytes_per_second", "B/s", _field("usage", "uplink_bytes_per_second")),
    _Measure("wifi_errors", "wifi_driver_errors", "errors/h", _driver_errors),
    _Measure("stations", "wifi_station_count", "stations", _field("wifi", "wifi_station_count")),
    _Measure("battery", "battery_percent", "%", _field("power", "battery_percent")),
)
PANELS: Final = tuple(dict.fromkeys(measure.panel for measure in _MEASURES))
"""The charts there may be, in the order they are shown in."""
