"""Charts for a terminal: a line of blocks for each measure, on one time axis; a blank where there is no data."""

from collections.abc import Callable, Sequence
from statistics import median
from typing import Final, NamedTuple

from rich.table import Table
from rich.text import Text

from collector.diagnosis.history import MINUTE, History
from collector.diagnosis.network import DISCONNECT, RESTART
from collector.diagnosis.sentences import number
from collector.diagnosis.spells import increments

BLOCKS: Final = "▁▂▃▄▅▆▇█"
PLAIN: Final = "_.-=+*#@"
"""For terminals that cannot show the blocks."""
_TITLES_WIDTH: Final = 40
_NARROWEST, _WIDEST = 12, 120

Points = Sequence[tuple[int, float]]


class _Chart(NamedTuple):
    """A measure: how its points are found, and how those of one column become one."""

    title: str
    points: Callable[[History], Points]
    combine: Callable[[Sequence[float]], float]
    counts: bool = False
    """Whether a column without points but with records is 0, not unknown."""


def _field(group: str, name: str) -> Callable[[History], Points]:
    return lambda history: [(sample.at, float(value)) for sample, value in history.readings(group, name)]


def _events(kind: str) -> Callable[[History], Points]:
    return lambda history: [(event.at, 1.0) for event in history.of_kind(kind)]


def _driver_errors(history: History) -> Points:
    readings = history.readings("wifi", "wifi_driver_errors_total")
    return [(mark.at, mark.weight) for mark in increments((s.at, value, s) for s, value in readings)]


_CHARTS: Final = (
    _Chart("RSRP dBm", _field("signal", "rsrp_dbm"), median),
    _Chart("RSCP dBm", _field("signal", "rscp_dbm"), median),
    _Chart("SINR dB", _field("signal", "sinr_db"), median),
    _Chart("disconnects", _events(DISCONNECT), sum, counts=True),
    _Chart("restarts", _events(RESTART), sum, counts=True),
    _Chart("Wi-Fi errors", _driver_errors, sum, counts=True),
    _Chart("stations", _field("wifi", "wifi_station_count"), median),
    _Chart(
        "downlink kB/s", lambda h: [(at, v / 1000) for at, v in _field("usage", "downlink_bytes_per_second")(h)], median
    ),
    _Chart("battery %", _field("power", "battery_percent"), median),
)


def charts(history: History, width: int, *, plain: bool = False) -> Table:
    """Everything that was measured, each line as wide as *width* allows, oldest to the left."""
    begin = history.samples[0].at
    span = max(1, history.now - begin)
    # No column is narrower than a sample: between two samples nothing is missing.
    samples = span // (history.usual_interval or span) + 1
    columns = min(samples, max(_NARROWEST, min(_WIDEST, width - _TITLES_WIDTH)))
    title = f"charts, {number(span / columns / MINUTE)} minutes a column, blank without data"
    table = Table(title=title, title_justify="left", show_header=False, box=None)
    table.add_column("measure", no_wrap=True)
    table.add_column("line", no_wrap=True)
    table.add_column("range", no_wrap=True, style="dim")

    def column(at: int) -> int:
        return min(columns - 1, max(0, (at - begin) * columns // span))

    seen = {column(sample.at) for sample in history.samples}
    for chart in _CHARTS:
        points = [(at, value) for at, value in chart.points(history) if at >= begin]
        if not points:
            continue
        values = _columns(points, column, chart)
        zeros = dict.fromkeys(seen, 0.0) if chart.counts else {}
        known = zeros | values
        low, high = min(known.values()), max(known.values())
        line = "".join(_block(known.get(place), low, high, PLAIN if plain else BLOCKS) for place in range(columns))
        table.add_row(chart.title, Text(line), f"{number(low)} to {number(high)}")
    return table


def _columns(points: Points, column: Callable[[int], int], chart: _Chart) -> dict[int, float]:
    found: dict[int, list[float]] = {}
    for at, value in points:
        found.setdefault(column(at), []).append(value)
    return {place: chart.combine(values) for place, values in found.items()}


def _block(value: float | None, low: float, high: float, blocks: str) -> str:
    if value is None:
        return " "
    return blocks[0] if high <= low else blocks[round((value - low) / (high - low) * (len(blocks) - 1))]
