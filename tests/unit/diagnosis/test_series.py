"""Lines for charts: what is known stands where it was measured, what is not is null, and gaps stay gaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from patients import NOW, SINCE, STEP, Body, every, history, steady
from records import HOUR, MINUTE

from collector.diagnosis.history import DAY, History
from collector.diagnosis.marks import MOST_MARKS, MarkKind
from collector.diagnosis.series import MOST_POINTS, PANELS, Lines, lines_of
from collector.diagnosis.thinning import thinned

LTE: Body = {"network": {"rat": "lte"}, "signal": {"rsrp_dbm": -95, "sinr_db": 12.5}}


def values_of(lines: Lines, name: str, technology: str | None = None) -> list[float | None]:
    """The values of the one line of this name."""
    [line] = [line for line in lines.lines if (line.name, line.technology) == (name, technology)]
    return line.values


def drawn(made: History) -> Lines:
    """The lines; every one has a value for each moment, and the moments ascend."""
    lines = lines_of(made)
    assert lines.times == sorted(set(lines.times))
    assert {len(line.values) for line in lines.lines} <= {len(lines.times)}
    assert {line.panel for line in lines.lines} <= set(PANELS)
    return lines


def test_a_line_has_its_values_where_they_were_measured() -> None:
    """In seconds, each technology by its own line."""
    lines = drawn(history([(at, LTE) for at in every()]))

    assert lines.times == [at // MINUTE * 60 for at in every()]
    assert set(values_of(lines, "rsrp_dbm", "lte")) == {-95.0}
    assert set(values_of(lines, "sinr_db", "lte")) == {12.5}
    assert not lines.thinned


def test_a_gap_is_a_moment_of_nulls() -> None:
    """So that no line is drawn across it."""
    found = [at for at in every() if not SINCE + DAY < at < SINCE + 2 * DAY]
    lines = drawn(history([(at, LTE) for at in found]))

    [gap] = lines.gaps
    inside = [n for n, at in enumerate(lines.times) if gap.since < at < gap.until]
    assert len(inside) == 1
    assert [None, None] == [line.values[inside[0]] for line in lines.lines]
    assert gap.until - gap.since == DAY // 1000


def test_what_a_record_leaves_out_stands_as_before_for_a_while() -> None:
    """A record of an event alone breaks no line; three intervals without a value do."""
    bodies = [(at, LTE if number < 50 else {"wifi": {"wifi_station_count": 2}}) for number, at in enumerate(every())]
    bodies[20] = bodies[20][0], {"events": []}
    values = values_of(drawn(history(bodies)), "rsrp_dbm", "lte")

    assert values[20] == -95.0
    assert values[49:53] == [-95.0] * 4
    assert set(values[53:]) == {None}


def test_technologies_have_lines_of_their_own() -> None:
    """A router that goes from LTE to 5G leaves the one line and begins the other."""
    nr: Body = {"network": {"rat": "nr_sa"}, "signal": {"rsrp_dbm": -80}}
    lines = drawn(history([(at, LTE if at < SINCE + DAY else nr) for at in every()]))

    assert values_of(lines, "rsrp_dbm", "lte")[0] == -95.0
    assert values_of(lines, "rsrp_dbm", "lte")[-1] is None
    assert values_of(lines, "rsrp_dbm", "nr")[-1] == -80.0
    assert values_of(lines, "rsrp_dbm", "nr")[0] is None


def test_errors_are_told_by_the_hour_and_a_counter_may_begin_anew() -> None:
    """A sum since the start says nothing of when."""
    totals = [0, 1, 1, 3, 1]
    bodies = [(at, {"wifi": {"wifi_driver_errors_total": n}}) for at, n in zip(every(), totals, strict=False)]
    lines = drawn(history(bodies))

    per_hour = HOUR / STEP
    assert values_of(lines, "wifi_driver_errors")[1:5] == [per_hour, 0.0, 2 * per_hour, per_hour]


def test_many_samples_become_few_moments_and_keep_their_extremes() -> None:
    """One bad minute in two months is still to be seen."""
    bodies: list[tuple[int, Body]] = [(at, {"signal": {"rsrp_dbm": -90}, "network": {"rat": "lte"}})
                                      for at in range(SINCE, NOW, 2 * MINUTE)]  # fmt: skip
    bodies[2500] = bodies[2500][0], {"signal": {"rsrp_dbm": -131}, "network": {"rat": "lte"}}
    lines = drawn(history(bodies))
    values = values_of(lines, "rsrp_dbm", "lte")

    assert lines.thinned
    assert len(lines.times) <= MOST_POINTS
    assert values.count(-131.0) == 1
    assert abs(lines.times[values.index(-131.0)] - bodies[2500][0] // 1000) <= (NOW - SINCE) / 1000 / (MOST_POINTS / 2)


@given(
    st.lists(st.integers(0, 10**6), unique=True, max_size=300).map(sorted),
    st.data(),
    st.sampled_from([2, 4, 10, 40]),
)
def test_thinning_keeps_extremes_and_bounds(axis: list[int], data: st.DataObject, most: int) -> None:
    """Whatever the line: never more moments than asked, and its lowest and highest values stay."""
    value = st.none() | st.floats(-200, 200)
    line = data.draw(st.lists(value, min_size=len(axis), max_size=len(axis)))
    moments, [values] = thinned(axis, [line], most)

    known = [one for one in line if one is not None]
    kept = [one for one in values if one is not None]
    assert len(moments) == len(values) <= max(most, 0)
    assert moments == sorted(set(moments))
    assert set(moments) <= set(axis)
    assert ([min(known), max(known)] if known else []) == ([min(kept), max(kept)] if kept else [])


def test_marks_say_what_happened_when() -> None:
    """Causes and versions in words of the records; a session has an end."""
    at = SINCE + DAY
    event = {"event": "wan_unexpected_disconnect", "time": "2025-11-22T15:00:00Z", "disconnect_cause": "no_carrier"}
    session = {"acs_session_start_time": "2025-11-22T16:00:00Z", "acs_session_seconds": 30}
    bodies: list[tuple[int, Body]] = [
        (at, {"events": [event], "router": {"software_version": "B04"}}),
        (at + HOUR, {"session": session, "router": {"software_version": "B06"}}),
        (at + 3 * HOUR, {"session": session, "events": [{"event": "unexpected_reboot", "reboot_reason": "overheat"}]}),
    ]
    marks = drawn(history(bodies)).marks

    assert [(mark.kind, mark.text, mark.count) for mark in marks] == [
        ("disconnect", "no_carrier", 1), ("software", "B06", 1), ("session", "", 1), ("restart", "overheat", 1),
    ]  # fmt: skip
    [found] = [mark for mark in marks if mark.kind is MarkKind.SESSION]
    assert found.until == found.time + 30


@pytest.mark.parametrize("number", [MOST_MARKS, MOST_MARKS + 1, 5000])
def test_marks_are_bounded_and_none_is_lost(number: int) -> None:
    """Of very many the count says how many they were."""
    step = (NOW - SINCE) // (number + 1)
    bodies = [(SINCE + n * step, {"events": [{"event": "wan_unexpected_disconnect"}]}) for n in range(1, number + 1)]
    seen = {at // MINUTE for at, _ in bodies}
    marks = drawn(history(bodies)).marks

    assert len(marks) <= MOST_MARKS
    assert sum(mark.count for mark in marks) == len(seen)


def test_nothing_makes_no_lines() -> None:
    """A router that sent nothing in that time."""
    lines = drawn(history([]))

    assert (lines.times, lines.lines, lines.marks, lines.gaps) == ([], [], [], [])


def test_values_are_those_of_their_sample_only_once_each_moment() -> None:
    """Two records of one minute are one moment."""
    lines = drawn(history([*steady(LTE), (SINCE + STEP, {"signal": {"rsrp_dbm": -100}, "network": {"rat": "lte"}})]))

    assert values_of(lines, "rsrp_dbm", "lte")[0] == -100.0
