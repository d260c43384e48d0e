"""Plots that the server draws: what is twice as much stands higher, and nothing is drawn where nothing is known."""

import re

import msgspec
import pytest

from collector.console.plots import LEFT, WIDTH, course_plot, ratio_plot
from collector.diagnosis.groups import Kind
from collector.diagnosis.survey_document import AlarmDocument, StretchDocument

ALARM = AlarmDocument(
    kind=Kind.SOFTWARE, name="B06", model="MC888", fault="disconnects", routers=40, affected=40, others=60,
    others_affected=3, rate=8.0, rate_others=0.1, ratio=80.0, low=40.0, high=160.0, chance=1e-9,
    began="2026-11-12T00:00:00Z", course=[],
)  # fmt: skip


def with_course(*rates: tuple[float | None, float | None], hourly: bool = False) -> AlarmDocument:
    times = [f"2026-11-10T{n:02}:00:00Z" if hourly else f"2026-11-{10 + n:02}T00:00:00Z" for n in range(len(rates))]
    course = [StretchDocument(time, *pair) for time, pair in zip(times, rates, strict=True)]
    return msgspec.structs.replace(ALARM, course=course)


def numbers(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path)]


@pytest.mark.parametrize(("low", "ratio", "high"), [(40, 80, 160), (1.6, 2, 2.5), (0.0, 3, 9), (900, 5000, 30000)])
def test_a_ratio_stands_between_the_ends_of_its_interval(low: float, ratio: float, high: float) -> None:
    """On an axis that has all of them, and `as often`, within the picture."""
    plot = ratio_plot(msgspec.structs.replace(ALARM, low=low, ratio=ratio, high=high))

    assert 0 < plot.low < plot.dot < plot.high < WIDTH
    assert plot.one < plot.dot
    places = [tick.at for tick in plot.ticks]
    assert places == sorted(places)
    assert places[0] <= plot.low
    assert plot.high <= places[-1]
    assert all(tick.value > 0 for tick in plot.ticks)


def test_a_course_is_two_lines_of_steps_and_its_beginning() -> None:
    """More is higher; the beginning stands where its day begins."""
    plot = course_plot(with_course((None, 0.1), (None, 0.1), (8.0, 0.2), (4.0, 0.1)))

    assert plot is not None
    group = numbers(plot.group)
    assert group[0][1] < group[-1][1]
    assert group[-1][0] == WIDTH
    assert numbers(plot.others)[0][0] == LEFT
    assert plot.began == group[0][0]
    assert not plot.hourly
    assert [tick.value for tick in plot.ticks] == [0, 4, 8]


def test_where_nobody_was_seen_the_line_is_broken() -> None:
    """No data is not the same as no fault."""
    plot = course_plot(with_course((1.0, 0.1), (None, 0.1), (1.0, 0.1), hourly=True))

    assert plot is not None
    assert plot.group.count("M") == 2
    assert plot.others.count("M") == 1
    assert plot.hourly


def test_one_stretch_is_no_course() -> None:
    """Nor is none, as of a cell."""
    assert course_plot(with_course((1.0, 0.1))) is None
    assert course_plot(ALARM) is None


def test_a_course_without_any_fault_has_an_axis_all_the_same() -> None:
    """A rate of nothing divides by nothing."""
    plot = course_plot(with_course((0.0, 0.0), (0.0, 0.0)))

    assert plot is not None
    assert plot.ticks[-1].value == 1
