"""When the collector's own clock is believed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import HOUR, SECOND, START

from collector.clock import EARLIEST, TOLERANCE, Clock


class Wall:
    """A clock on the wall that somebody sets."""

    def __init__(self) -> None:
        self.milliseconds = START

    def __call__(self) -> float:
        return self.milliseconds / 1000


@pytest.fixture
def wall() -> Wall:
    """At the time the tests begin."""
    return Wall()


def test_a_clock_that_goes_on_is_believed(wall: Wall) -> None:
    """Also when it jumps ahead: a machine may have slept."""
    clock = Clock(wall)
    looks = []
    for step in (0, SECOND, SECOND, HOUR, 1):
        wall.milliseconds += step
        looks.append(clock.look())

    assert [0] * 5 == looks
    assert wall.milliseconds == clock.now()


def test_a_clock_that_stepped_back_is_believed_once_it_is_where_it_was(wall: Wall) -> None:
    """Not before, however often it is looked at."""
    clock = Clock(wall)
    clock.look()
    wall.milliseconds -= HOUR
    looks = [clock.look(), clock.look()]
    wall.milliseconds += HOUR - TOLERANCE - 1
    looks.append(clock.look())
    wall.milliseconds += 1
    looks.append(clock.look())

    assert [HOUR, HOUR, TOLERANCE + 1, 0] == looks


def test_small_steps_back_add_up(wall: Wall) -> None:
    """A clock that goes back a little again and again is behind in the end."""
    clock = Clock(wall)
    clock.look()
    looks = []
    for _ in range(3):
        wall.milliseconds -= TOLERANCE // 2
        looks.append(clock.look())

    assert [0, 0, 3 * (TOLERANCE // 2)] == looks


def test_a_clock_is_behind_what_a_store_has_seen(wall: Wall) -> None:
    """As after a start with an unset clock; of several stores the newest counts."""
    clock = Clock(wall)
    clock.learn("germany", START + HOUR)
    clock.learn("china", START + 2 * HOUR)
    before = clock.look()
    wall.milliseconds += 2 * HOUR

    assert (2 * HOUR, 0) == (before, clock.look())


def test_a_clock_that_was_never_set_is_behind_without_any_store(wall: Wall) -> None:
    """As at the first start of a machine without a battery: it is 1970, or the day that its image was made."""
    clock, looks = Clock(wall), []
    for wall.milliseconds in (0, EARLIEST - TOLERANCE - 1, EARLIEST - TOLERANCE, EARLIEST, START):
        looks.append(clock.look())

    assert [EARLIEST, TOLERANCE + 1, 0, 0, 0] == looks


def test_a_time_that_was_found_wrong_counts_no_more(wall: Wall) -> None:
    """The store says another newest time then."""
    clock = Clock(wall)
    clock.learn("germany", START + 365 * 24 * HOUR)
    before = clock.look()
    clock.learn("germany", START)

    assert (365 * 24 * HOUR, 0) == (before, clock.look())
    assert 0 == clock.behind


def test_what_it_must_show_is_known_from_the_first_look_on(wall: Wall) -> None:
    """For those who ask it between two looks."""
    clock = Clock(wall)
    before = clock.least
    clock.look()
    own = clock.least
    clock.learn("germany", START + HOUR)
    clock.look()

    assert (0, START - TOLERANCE, START + HOUR - TOLERANCE) == (before, own, clock.least)


@given(st.lists(st.integers(-HOUR, HOUR), max_size=30))
def test_whatever_is_believed_is_no_more_than_the_tolerance_behind(steps: list[int]) -> None:
    """However it is set."""
    wall = Wall()
    clock, newest = Clock(wall), 0
    for step in steps:
        wall.milliseconds += step
        if clock.look() == 0:
            assert wall.milliseconds >= newest - TOLERANCE
            newest = max(newest, wall.milliseconds)
        else:
            assert clock.behind == newest - wall.milliseconds
