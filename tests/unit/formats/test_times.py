"""Times as routers write them: several notations, one moment; a clock that was never set is none."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.formats.times import day_first, moment, wall_clock

NOON = 1_795_262_400_000
"""2026-11-21 12:00:00 UTC."""
HERE = ZoneInfo("Asia/Shanghai")
NOTATIONS = (
    1_795_262_400, 1_795_262_400_000, 1_795_262_400.0, "1795262400", "1795262400000", " 1795262400.000 ",
    "2026-11-21T12:00:00Z", "2026-11-21t12:00:00z", "2026-11-21 12:00:00 +0000", "2026-11-21T13:00:00+01:00",
    "2026-11-21T13:00:00.000+0100", "2026-11-21T13:00+01", "2026-11-21T20:00:00", "2026-11-21 20:00:00",
    "2026-11-21_20:00:00,000", "2026-11-21T07:00:00-05:00", "2026-11-21 06:30:00 -0530",
)  # fmt: skip
UNKNOWN: tuple[Any, ...] = (
    0, 1, -1, "0", "", "unknown", None, True, [], {}, 1e400, float("nan"), 10**30, "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z", "2000-01-01T08:00:00", "2026-13-41T12:00:00Z", "2026-11-21T12:00:00+99:00", "20261121",
    "9999-12-31T23:59:59-12:00", "12:00:00", "2026-11-21T12:00:00Z; more", "1" * 18, "1795262400 or so",
)  # fmt: skip


@pytest.mark.parametrize("value", NOTATIONS)
def test_one_moment_has_many_notations(value: Any) -> None:
    """A time without a zone is the router's local one."""
    assert moment(value, HERE) == NOON


@pytest.mark.parametrize("value", UNKNOWN)
def test_a_clock_that_was_never_set_says_no_time(value: Any) -> None:
    """Nor does what is no time at all."""
    assert moment(value, HERE) is None


@given(st.datetimes(datetime(2015, 1, 2), datetime(2200, 1, 1)))  # noqa: DTZ001 - hypothesis wants them without a zone
def test_what_a_clock_says_is_what_is_understood(when: datetime) -> None:
    """To the millisecond, in each notation."""
    shown = when.replace(tzinfo=UTC)
    expected = (shown - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000 // 1

    assert expected == moment(shown.isoformat(), HERE)
    assert expected == day_first(f"{when:%d-%m}-{when.year:04}_{when:%H:%M:%S.%f}")


@pytest.mark.parametrize(
    "text", ["", "2026-11-21_12:00:00", "21-11-2026", "32-11-2026_12:00:00", "01-01-1970_00:00:00", "21-11-2026_12:00"]
)
def test_days_come_first_or_not_at_all(text: str) -> None:
    """The order of an American date cannot be told from this one, so nobody tries."""
    assert day_first(text) is None
    assert day_first("21-11-2026_12:00:00.123456") == NOON + 123


def test_an_epoch_of_local_time_is_put_right() -> None:
    """OpenWrt counts the seconds of the wall clock."""
    assert wall_clock(1_795_291_200, HERE) == NOON
    assert [None] * 4 == [wall_clock(value, HERE) for value in (True, "1795262400", 5, None)]
