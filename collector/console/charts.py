"""What the charts of a router's page draw, and the same as a table. Pure; `static/charts.js` draws it.

Rule 1: a chart is panels on one time axis, lanes of what happened, and the findings; its words are translated here.
        It begins where there is data: the time asked for before that would be an empty picture.
Rule 2: the table says the same by stretches of time, for readers who cannot see: medians, and sums of counts.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import Any, Final, NamedTuple

from collector.console.texts import Texts
from collector.console.views import RouterView, SeriesView
from collector.derive import text_of
from collector.diagnosis.marks import Mark, MarkKind
from collector.diagnosis.sentences import Word
from collector.diagnosis.series import Line

_KILO: Final = 1000
_MEASURES: Final = {
    "rsrp_dbm": "RSRP", "rsrq_db": "RSRQ", "sinr_db": "SINR", "rscp_dbm": "RSCP", "ecno_db": "Ec/No",
    "rssi_dbm": "RSSI",
}  # fmt: skip
_TECHNOLOGIES: Final = {"lte": "LTE", "nr": "5G", "umts": "UMTS", "gsm": "GSM"}
_DIRECTIONS: Final = ("downlink", "uplink")
_UNITS: Final = {"B/s": "kB/s", "errors/h": "/h", "stations": ""}
_BARS: Final = frozenset({"wifi_errors"})
_BOUNDS: Final = {"battery": (0, 100), "stations": (0, None), "traffic": (0, None)}
_DASHES: Final[Sequence[list[int]]] = ([], [6, 3], [2, 3], [8, 3, 2, 3])
_LANES: Final = {
    MarkKind.DISCONNECT: "tick", MarkKind.RESTART: "up", MarkKind.EVENT: "up", MarkKind.SESSION: "dot",
    MarkKind.SOFTWARE: "tick",
}  # fmt: skip
_VOCABULARIES: Final = {
    MarkKind.DISCONNECT: "disconnect_cause", MarkKind.RESTART: "reboot_reason", MarkKind.EVENT: "event",
}  # fmt: skip
_MARGIN: Final = 50
"""One part in this many of the time is shown before the first sample."""
_LINES_OF_TABLE: Final = 28
"""A week by six hours."""


def chart_of(view: RouterView, texts: Texts) -> dict[str, Any]:
    """The charts of a router, as `charts.js` reads them."""
    series = view.series
    panels = list(dict.fromkeys(line.panel for line in series.lines))
    rule = texts.rules
    first = series.times[0] if series.times else series.since
    return {
        "since": max(series.since, first - (series.until - first) // _MARGIN),
        "until": series.until,
        "times": series.times,
        "gaps": [[gap.since, gap.until] for gap in series.gaps],
        "panels": [_panel(name, [line for line in series.lines if line.panel == name], texts) for name in panels],
        "lanes": [
            {"title": texts.say(f"mark.{kind}"), "shape": shape, "marks": marks}
            for kind, shape in _LANES.items()
            if (marks := _marks(series, kind, texts))
        ],
        "findings": [
            {
                "number": number,
                "title": rule[found.rule].title if found.rule in rule else found.title,
                "severity": found.severity.value,
                "since": _seconds(found.since),
                "until": None if found.until is None else _seconds(found.until),
            }
            for number, found in enumerate(view.diagnosis.findings, start=1)
        ],
        "words": {"no_data": texts.say("charts.no_data")},
    }


def _marks(series: SeriesView, kind: MarkKind, texts: Texts) -> list[dict[str, Any]]:
    marks = [mark for mark in series.marks if mark.kind is kind]
    return [{"at": mark.time, "count": mark.count, "text": _mark_text(mark, texts)} for mark in marks]


def _mark_text(mark: Mark, texts: Texts) -> str:
    """A mark's first word is of a vocabulary; a code may follow it."""
    vocabulary = _VOCABULARIES.get(mark.kind)
    if vocabulary is None:
        return mark.text
    word, _, code = mark.text.partition(" ")
    return f"{texts.tell(Word(vocabulary, word))} {code}".rstrip()


def _panel(name: str, lines: Sequence[Line], texts: Texts) -> dict[str, Any]:
    floor, ceiling = _BOUNDS.get(name, (None, None))
    unit = lines[0].unit
    return {
        "title": texts.say(f"panel.{name}"),
        "unit": _UNITS.get(unit, unit),
        "kind": "bars" if name in _BARS else "line",
        "floor": floor,
        "ceiling": ceiling,
        "lines": [
            {
                "label": _label(line, texts),
                "colour": place % 4 + 1,
                "dash": _DASHES[place % 4],
                "values": _scaled(line),
            }
            for place, line in enumerate(lines)
        ],
    }


def _label(line: Line, texts: Texts) -> str:
    if line.technology is not None:
        return f"{_TECHNOLOGIES[line.technology]} {_MEASURES[line.name]}"
    direction = line.name.partition("_")[0]
    return texts.say(f"line.{direction}") if direction in _DIRECTIONS else texts.say(f"panel.{line.panel}")


def _scaled(line: Line) -> list[float | None]:
    if line.unit != "B/s":
        return line.values
    return [None if value is None else round(value / _KILO, 1) for value in line.values]


class TableLine(NamedTuple):
    """A stretch of time that begins at `since`, and a value for each title; None where nothing is known."""

    since: str
    cells: list[float | None]


class Table(NamedTuple):
    """The charts as a table."""

    titles: list[str]
    lines: list[TableLine]


def table_of(view: RouterView, texts: Texts) -> Table:
    """The same as the charts show, by stretches of time, newest first."""
    series = view.series
    if not series.times:
        return Table([], [])
    length = max(1, -(-(series.until - series.since) // _LINES_OF_TABLE))
    begins = range(series.since, series.until, length)
    columns = [_column(line, texts) for line in series.lines]
    kinds = [kind for kind in _LANES if any(mark.kind is kind for mark in series.marks)]
    stretches = [_places(series.times, begin, begin + length) for begin in begins]
    lines = []
    for begin, places in zip(begins, stretches, strict=True):
        seen = any(column.values[place] is not None for column in columns for place in places)
        cells = [_combined(column, places) for column in columns]
        counts = [_count(series, kind, begin, begin + length) for kind in kinds]
        lines.append(TableLine(text_of(begin * 1000), [*cells, *(c if seen or c else None for c in counts)]))
    titles = [column.title for column in columns] + [texts.say(f"mark.{kind}") for kind in kinds]
    return Table(titles, lines[::-1])


class _Column(NamedTuple):
    title: str
    values: list[float | None]
    combine: Callable[[Sequence[float]], float]


def _column(line: Line, texts: Texts) -> _Column:
    unit = _UNITS.get(line.unit, line.unit)
    title = f"{_label(line, texts)}, {unit}" if unit else _label(line, texts)
    return _Column(title, _scaled(line), median)


def _places(times: Sequence[int], since: int, until: int) -> range:
    return range(bisect_right(times, since - 1), bisect_right(times, until - 1))


def _combined(column: _Column, places: range) -> float | None:
    known = [value for place in places if (value := column.values[place]) is not None]
    return column.combine(known) if known else None


def _count(series: SeriesView, kind: MarkKind, since: int, until: int) -> float:
    return float(sum(mark.count for mark in series.marks if mark.kind is kind and since <= mark.time < until))


def _seconds(moment: str) -> int:
    return int(datetime.fromisoformat(moment).astimezone(UTC).timestamp())
