"""Plots of the fleet's page as numbers for SVG: the ratio with its interval, the course of the rates. Pure.

Drawn by the server, so that they need no script; each stands beside the same in words or as a table.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby
from math import ceil, floor, log10
from typing import Final, NamedTuple

from collector.diagnosis.survey_document import AlarmDocument, StretchDocument

WIDTH: Final = 480
LEFT: Final = 34
_RATIO_LEFT, _RATIO_RIGHT = 24, 450
_TOP, _BOTTOM = 12, 110
_LEAST_RATIO: Final = 0.1
"""Where the axis begins for an interval that reaches down to nothing."""
_DECADES: Final = (1, 2, 5)
_DAY: Final = 86_400
_NARROWEST: Final = 45
"""Fewest pixels between two labels of the axis."""


class Tick(NamedTuple):
    """A line of the axis and what it stands for."""

    at: float
    value: float


class RatioPlot(NamedTuple):
    """A dot with a whisker on a logarithmic axis, in pixels; `one` is where both are equally frequent."""

    ticks: list[Tick]
    one: float
    low: float
    dot: float
    high: float


class TimeTick(NamedTuple):
    """A line of the axis of time, and its moment in RFC 3339."""

    at: float
    time: str


class CoursePlot(NamedTuple):
    """Two lines of steps, as SVG paths, with both axes; `began` is where the rate rose."""

    group: str
    others: str
    ticks: list[Tick]
    times: list[TimeTick]
    began: float | None
    hourly: bool


def ratio_plot(alarm: AlarmDocument) -> RatioPlot:
    """The ratio of an alarm and its interval."""
    least = min(1.0, alarm.low if alarm.low > 0 else _LEAST_RATIO)
    begin, end = floor(log10(least)), max(ceil(log10(alarm.high)), 1)

    def place(value: float) -> float:
        part = (log10(max(value, 10.0**begin)) - begin) / (end - begin)
        return round(_RATIO_LEFT + part * (_RATIO_RIGHT - _RATIO_LEFT), 1)

    values = [step * 10.0**decade for decade in range(begin, end + 1) for step in _DECADES]
    ticks = [Tick(place(value), value) for value in values if value <= 10.0**end]
    if ticks[1].at - ticks[0].at < _NARROWEST:
        ticks = [tick for tick in ticks if log10(tick.value).is_integer()]
    return RatioPlot(ticks, place(1), place(alarm.low), place(alarm.ratio), place(alarm.high))


def course_plot(alarm: AlarmDocument) -> CoursePlot | None:
    """The course of an alarm's rates; None where there is none to draw."""
    course = alarm.course
    if len(course) < 2:  # noqa: PLR2004 - one stretch is no course
        return None
    moments = [_seconds(one.time) for one in course]
    step = moments[1] - moments[0]
    begin, length = moments[0], moments[-1] + step - moments[0]
    top = _round_up(max((rate for one in course for rate in (one.rate, one.rate_others) if rate), default=1.0))

    def x(moment: float) -> float:
        return round(LEFT + (moment - begin) / length * (WIDTH - LEFT), 1)

    def y(rate: float) -> float:
        return round(_BOTTOM - rate / top * (_BOTTOM - _TOP), 1)

    edges = [x(moment) for moment in [*moments, moments[-1] + step]]
    began = None if alarm.began is None else x(min(max(_seconds(alarm.began), begin), begin + length))
    return CoursePlot(
        group=_steps(edges, [None if one.rate is None else y(one.rate) for one in course]),
        others=_steps(edges, [None if one.rate_others is None else y(one.rate_others) for one in course]),
        ticks=[Tick(y(value), value) for value in (0, top / 2, top)],
        times=[TimeTick(x(_seconds(one.time)), one.time) for one in _some(course)],
        began=began,
        hourly=step < _DAY,
    )


def _steps(edges: Sequence[float], heights: Sequence[float | None]) -> str:
    """A path of steps; where nothing is known it is broken."""
    path: list[str] = []
    places = list(zip(edges, edges[1:], heights, strict=False))
    for known, stretch in groupby(places, key=lambda place: place[2] is not None):
        if known:
            steps = [f"{'L' if number else 'M'}{a} {h}L{b} {h}" for number, (a, b, h) in enumerate(stretch)]
            path += steps
    return "".join(path)


def _some(course: Sequence[StretchDocument]) -> Iterable[StretchDocument]:
    """A few of the stretches, evenly, for the labels."""
    every = ceil(len(course) / 6)
    return course[::every]


def _round_up(value: float) -> float:
    """The next number that is easy to halve in one's head."""
    unit = 10.0 ** floor(log10(value))
    return next(step * unit for step in (1, 2, 4, 6, 8, 10) if step * unit >= value)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
