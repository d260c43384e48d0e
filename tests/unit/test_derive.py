"""Derivation between two samples: disconnects, restarts, rates; and that nothing is guessed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.derive import LONGEST_GAP, WATCHDOG, Derived, Observed, decode, derive, encode, observed_in, step_of

NOW = 1_795_280_000_000
MINUTE = 60_000
NOTHING_SAID: frozenset[str] = frozenset()


def sample(after: int = 0, **facts: Any) -> Observed:
    """A sample so many milliseconds after the first."""
    return Observed(at=NOW + after, **facts)


def kinds(derived: Derived) -> list[str]:
    """The kinds of the events that were derived."""
    return [event["event"] for event in derived.events]


@pytest.mark.parametrize("down", ["disconnected", "disconnecting", "no_service"])
@pytest.mark.parametrize("up", ["connected", "limited"])
def test_a_link_that_was_up_and_is_down_is_a_disconnect(up: str, down: str) -> None:
    """Dated by the sample that shows it."""
    derived = derive(sample(wan=up), sample(MINUTE, wan=down), NOTHING_SAID)

    assert [{"event": "wan_unexpected_disconnect", "time": "2026-11-21T16:54:20Z"}] == list(derived.events)


@pytest.mark.parametrize(
    ("before", "now"),
    [(None, "disconnected"), ("disconnected", "disconnected"), ("disconnected", "connected"), ("connected", None),
     ("connected", "connecting"), ("connected", "connected")],
)  # fmt: skip
def test_no_other_change_is_a_disconnect(before: str | None, now: str | None) -> None:
    """An unknown state is not a state."""
    assert kinds(derive(sample(wan=before), sample(MINUTE, wan=now), NOTHING_SAID)) == []


def test_a_state_is_remembered_over_samples_that_do_not_say_it() -> None:
    """A report of the Wi-Fi alone does not hide the disconnect that follows."""
    between = derive(sample(wan="connected"), sample(MINUTE, uptime=5), NOTHING_SAID).memory

    assert kinds(derive(between, sample(2 * MINUTE, wan="disconnected"), NOTHING_SAID)) == ["wan_unexpected_disconnect"]


def test_an_uptime_that_fell_back_is_a_restart_dated_by_itself() -> None:
    """The router was up for 100 s at the second sample."""
    [event] = derive(sample(uptime=50_000), sample(10 * MINUTE, uptime=100), NOTHING_SAID).events

    assert {"event": "unexpected_reboot", "time": "2026-11-21T17:01:40Z", "reboot_reason": "unknown"} == event


def test_a_watchdog_counter_that_rose_names_the_reason() -> None:
    """What TR-181 counts as WatchdogBootCount."""
    before, now = sample(uptime=50_000, watchdog=3), sample(10 * MINUTE, uptime=100, watchdog=4)

    [event] = derive(before, now, NOTHING_SAID).events

    assert event["reboot_reason"] == "watchdog"


@given(st.integers(0, 4 * 10**9), st.integers(1000, LONGEST_GAP), st.integers(-80_000, 80_000))
def test_an_uptime_that_goes_on_is_no_restart(uptime: int, gap: int, slack: int) -> None:
    """Also with a clock that was set by a little in between."""
    later = max(0, uptime + (gap + slack) // 1000)

    assert kinds(derive(sample(uptime=uptime), sample(gap, uptime=later), NOTHING_SAID)) == []


def test_an_uptime_that_wrapped_or_lies_before_the_last_sample_is_no_restart() -> None:
    """A start that lies before a sample the router sent cannot be: the clock was wrong then."""
    assert kinds(derive(sample(uptime=10), sample(MINUTE, uptime=3600), NOTHING_SAID)) == []


def test_what_the_router_says_itself_is_not_derived_again() -> None:
    """`Boot!` tells of the restart."""
    derived = derive(sample(uptime=5000), sample(10 * MINUTE, uptime=60), frozenset({"unexpected_reboot"}))

    assert derived.events == ()


@pytest.mark.parametrize(
    ("before", "now", "step"),
    [
        (100, 400, 300),
        (0, 0, 0),
        (2**32 - 100, 200, 300),
        (2**64 - 100, 200, 300),
        (5_000_000, 200, None),
        (2**31 - 1, 0, None),
        (2**40, 100, None),
        (2**32 - 100, 2**32 - 200, None),
    ],
)
def test_a_counter_wraps_or_was_reset(before: int, now: int, step: int | None) -> None:
    """At 32 and at 64 bits; from the lower half it was reset."""
    assert step == step_of(before, now, 60)


def test_a_wrap_that_would_be_faster_than_any_router_was_a_reset() -> None:
    """No rate comes of it."""
    assert step_of(2**63, 5, 1) is None


def test_a_rate_is_the_step_over_the_time() -> None:
    """600,000 bytes in a minute are 10,000 a second."""
    field = "usage.downlink_bytes_per_second"

    derived = derive(sample(counters={field: 1000}), sample(MINUTE, counters={field: 601_000}), NOTHING_SAID)

    assert {field: 10_000} == derived.fields


def test_there_is_no_rate_over_a_restart_or_a_sample_without_the_counter() -> None:
    """What cannot be told is not guessed."""
    field = "usage.uplink_bytes_per_second"
    before, between = sample(counters={field: 10}, uptime=5000), sample(MINUTE, uptime=5060)
    restarted = sample(10 * MINUTE, counters={field: 700}, uptime=60)
    later = sample(2 * MINUTE, counters={field: 900})

    assert derive(before, restarted, NOTHING_SAID).fields == {}
    assert derive(derive(before, between, NOTHING_SAID).memory, later, NOTHING_SAID).fields == {}


@pytest.mark.parametrize("after", [0, -1, -MINUTE])
def test_an_older_sample_derives_nothing_and_changes_nothing(after: int) -> None:
    """A backlog comes after the fact."""
    before = sample(wan="connected", uptime=10)

    derived = derive(before, sample(after, wan="disconnected", uptime=1), NOTHING_SAID)

    assert ((), {}, before) == (derived.events, derived.fields, derived.memory)


def test_after_too_long_a_gap_nothing_is_known() -> None:
    """A day later the last state says nothing."""
    derived = derive(sample(wan="connected"), sample(LONGEST_GAP + 1, wan="disconnected"), NOTHING_SAID)

    assert derived.events == ()


def test_only_what_the_next_sample_needs_is_remembered() -> None:
    """Its size is bounded, and none of it came from the router as text."""
    body = {
        "network": {"wan_connection_state": "connected", "plmn": "26201"},
        "router": {"uptime_seconds": 7, "software_version": "B07"},
    }
    found = observed_in(body, NOW, {"usage.uplink_bytes_per_second": 5, WATCHDOG: 2})
    assert found is not None

    assert found == decode(encode(found))
    assert len(encode(found)) < 200
    assert (found.wan, found.uptime, found.watchdog) == ("connected", 7, 2)
    assert observed_in({"wifi": {"wifi_enabled": True}}, NOW, {}) is None
