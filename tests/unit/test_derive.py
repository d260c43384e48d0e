"""Derivation between two samples: disconnects, restarts, rates, sums of parts; and that nothing is guessed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.derive import (
    EVENT,
    WATCHDOG,
    Derived,
    Memory,
    Sample,
    applied,
    decode,
    derive,
    encode,
    merged,
    step_of,
    text_of,
)
from collector.model import Part
from collector.parts import LONGEST_GAP
from collector.repeats import Told, remembered

NOW = 1_795_280_000_000
SECOND, MINUTE = 1000, 60_000
LINK = "network.wan_connection_state"
RATE, ERRORS, STATIONS = "usage.downlink_bytes_per_second", "wifi.wifi_driver_errors_total", "wifi.wifi_station_count"


def sample(after: int = 0, *, wan: str | None = None, uptime: int | None = None, **more: Any) -> Sample:
    """A sample so many milliseconds after the first."""
    body: dict[str, Any] = {}
    if wan is not None:
        body["network"] = {"wan_connection_state": wan}
    if uptime is not None:
        body["router"] = {"uptime_seconds": uptime}
    return Sample(body=body | more.pop("body", {}), at=NOW + after, **more)


def after_all(*samples: Sample) -> Derived:
    """What comes of the last of these."""
    memory = None
    for each in samples:
        derived = derive(memory, each)
        memory = decode(encode(derived.memory))
    return derived


def counter(value: int, key: str = "a", field: str = RATE) -> tuple[Part, ...]:
    """One counter."""
    return (Part(field, key, value, 125e9),)


def stations(key: str, value: int) -> tuple[Part, ...]:
    """How many stations one of several radios has."""
    return (Part(STATIONS, key, value, 255),)


def kinds(derived: Derived) -> list[str]:
    """The kinds of the events that were derived."""
    return [event["event"] for event in derived.events]


@pytest.mark.parametrize("down", ["disconnected", "disconnecting", "no_service"])
@pytest.mark.parametrize("up", ["connected", "limited"])
def test_a_link_that_was_up_and_is_down_is_a_disconnect(up: str, down: str) -> None:
    """Dated by the sample that shows it."""
    derived = after_all(sample(wan=up), sample(MINUTE, wan=down))

    assert [{"event": "wan_unexpected_disconnect", "time": "2026-11-21T16:54:20Z"}] == list(derived.events)


@pytest.mark.parametrize(
    ("before", "now"),
    [(None, "disconnected"), ("disconnected", "disconnected"), ("disconnected", "connected"), ("connected", None),
     ("connected", "connecting"), ("connected", "connected")],
)  # fmt: skip
def test_no_other_change_is_a_disconnect(before: str | None, now: str | None) -> None:
    """An unknown state is not a state."""
    assert kinds(after_all(sample(wan=before), sample(MINUTE, wan=now))) == []


def test_a_state_is_remembered_over_samples_that_do_not_say_it() -> None:
    """A report of the Wi-Fi alone does not hide the disconnect that follows."""
    samples = (sample(wan="connected"), sample(MINUTE, uptime=5), sample(2 * MINUTE, wan="disconnected"))

    assert kinds(after_all(*samples)) == ["wan_unexpected_disconnect"]


def test_states_are_remembered_beside_however_many_counters() -> None:
    """A router of many interfaces has disconnects, restarts and rates as any other."""
    many = [tuple(Part(RATE, f"{n}", n + round_, 125e9) for n in range(70)) for round_ in range(2)]
    before = sample(wan="connected", uptime=5000, counters=many[0])
    between = sample(MINUTE, counters=many[1])

    found = kinds(after_all(before, between, sample(2 * MINUTE, wan="disconnected", uptime=60)))

    assert ["wan_unexpected_disconnect", "unexpected_reboot"] == found


def test_a_link_on_its_way_does_not_hide_the_disconnect_that_follows() -> None:
    """What was before still counts: connected, connecting, disconnected is one; connected again is none."""
    up, between = sample(wan="connected"), sample(MINUTE, wan="connecting")

    assert kinds(after_all(up, between)) == []
    assert kinds(after_all(up, between, sample(2 * MINUTE, wan="disconnected"))) == ["wan_unexpected_disconnect"]
    assert kinds(after_all(up, between, sample(2 * MINUTE, wan="connected"))) == []


def told(after: int, wan: str | None, cause: str | None = None) -> Sample:
    """A sample that tells of a disconnect itself."""
    event = {"event": "wan_unexpected_disconnect", **({} if cause is None else {"disconnect_cause": cause})}
    network = {} if wan is None else {"wan_connection_state": wan}
    return sample(after, body={"network": network, "events": [event]})


@pytest.mark.parametrize(
    ("samples", "events"),
    [
        ([told(0, "disconnected", "no_carrier")], 1),
        ([told(0, "disconnected", "no_carrier"), told(MINUTE, "disconnected", "no_carrier")], 0),
        ([told(0, "disconnected"), told(MINUTE, "no_service")], 0),
        ([told(0, "disconnected", "no_carrier"), told(MINUTE, "disconnected", "authentication_failure")], 1),
        ([sample(wan="connected"), told(MINUTE, "disconnected", "no_carrier")], 1),
        ([sample(wan="disconnected"), told(MINUTE, "disconnected")], 0),
        ([told(0, "disconnected", "no_carrier"), sample(MINUTE, wan="connected"),
          told(2 * MINUTE, "disconnected", "no_carrier")], 1),
        ([told(0, None, "no_carrier")], 1),
        ([told(0, None, "no_carrier"), told(MINUTE, None, "no_carrier")], 0),
        ([told(0, None, "no_carrier"), told(MINUTE, None, "no_answer")], 1),
        ([told(0, None, "no_carrier"), sample(MINUTE, wan="connected"), told(2 * MINUTE, None, "no_carrier")], 1),
        ([told(0, "disconnected", "no_carrier"), sample(MINUTE, wan="connecting"),
          told(2 * MINUTE, "disconnected", "no_carrier")], 0),
    ],
)  # fmt: skip
def test_a_disconnect_that_is_told_again_is_the_same_one(samples: list[Sample], events: int) -> None:
    """Until the link is up again, unless another cause is told; the rest of the sample is kept."""
    last = samples[-1]

    body = applied(dict(last.body), after_all(*samples))

    assert ["wan_unexpected_disconnect"] * events == [event["event"] for event in body.get("events", [])]
    assert last.body["network"] == body["network"]


def test_an_uptime_that_fell_back_is_a_restart_dated_by_itself() -> None:
    """The router was up for 100 s at the second sample."""
    [event] = after_all(sample(uptime=50_000), sample(10 * MINUTE, uptime=100)).events

    assert {"event": "unexpected_reboot", "time": "2026-11-21T17:01:40Z", "reboot_reason": "unknown"} == event


def test_a_watchdog_counter_that_rose_names_the_reason() -> None:
    """What TR-181 counts as WatchdogBootCount."""
    before = sample(uptime=50_000, counters=counter(3, field=WATCHDOG))
    now = sample(10 * MINUTE, uptime=100, counters=counter(4, field=WATCHDOG))

    [event] = after_all(before, now).events

    assert event["reboot_reason"] == "watchdog"


def test_a_restart_into_another_version_was_an_update() -> None:
    """The versions of both samples tell."""
    old, new = ({"router": {"uptime_seconds": up, "software_version": name}} for up, name in ((9000, "B1"), (60, "B2")))

    [event] = after_all(sample(body=old), sample(10 * MINUTE, body=new)).events

    assert event["reboot_reason"] == "firmware_update"


def started(*starts: int, after: int, uptime: int | None = None, kind: str = "unexpected_reboot") -> Sample:
    """A sample that tells of starts, each so many milliseconds after the first sample."""
    events = [{"event": kind, "time": text_of(NOW + start)} for start in starts]
    return sample(after, uptime=uptime, body={"events": events} | ({} if uptime is None else {
        "router": {"uptime_seconds": uptime}}))  # fmt: skip


@pytest.mark.parametrize(
    ("samples", "events"),
    [
        pytest.param([started(0, after=0), started(MINUTE, after=MINUTE)], 1, id="a start told as it happens is new"),
        pytest.param([started(0, after=9 * MINUTE), started(0, after=14 * MINUTE)], 0, id="a table's row, again"),
        pytest.param([started(0, after=9 * MINUTE), started(0, 12 * MINUTE, after=14 * MINUTE)], 1, id="and a new one"),
        pytest.param([started(0, 4 * MINUTE, after=9 * MINUTE)], 2, id="two of one table"),
        pytest.param([started(MINUTE, after=MINUTE), started(0, after=9 * MINUTE)], 0, id="told, then in the table"),
        pytest.param([sample(uptime=9000), started(9 * MINUTE, after=9 * MINUTE), sample(10 * MINUTE, uptime=90)], 0,
                     id="told, then shown by the uptime"),
        pytest.param([sample(uptime=9000), started(2 * MINUTE, after=2 * MINUTE), sample(10 * MINUTE, uptime=90)], 1,
                     id="told, and another since"),
        pytest.param([sample(uptime=9000), sample(9 * MINUTE, uptime=30), started(8 * MINUTE, after=10 * MINUTE)], 0,
                     id="shown by the uptime, then in the table"),
        pytest.param([started(0, after=9 * MINUTE, kind="abnormal_data"),
                      started(0, after=14 * MINUTE, kind="abnormal_data")], 0, id="an alarm that stays"),
        pytest.param([started(0, after=9 * MINUTE, kind="abnormal_data"),
                      started(1000, after=14 * MINUTE, kind="abnormal_data")], 1, id="another alarm"),
    ],
)  # fmt: skip
def test_what_was_told_before_is_one_event(samples: list[Sample], events: int) -> None:
    """However it was told: by the router as it starts, by a table in each report, by its uptime."""
    last = samples[-1]

    body = applied(dict(last.body), after_all(*samples))

    assert events == len(body.get("events", []))


def test_an_event_takes_one_place_in_memory_however_often_it_is_told() -> None:
    """So that it pushes no other out before its time; after two days no table tells of it any more."""
    old, new = ({"event": "unexpected_reboot", "time": text_of(NOW + after)} for after in (0, MINUTE))
    memory = remembered([], [old, new], NOW + MINUTE)
    for _ in range(40):
        memory = remembered(memory, [new], NOW + MINUTE)
    later = remembered(memory, [], NOW + 48 * 60 * MINUTE + SECOND)

    assert [Told("unexpected_reboot", NOW), Told("unexpected_reboot", NOW + MINUTE)] == memory
    assert memory[1:] == later


def test_a_table_of_starts_does_not_keep_rates_from_being_told() -> None:
    """Only a start that is new ends them."""
    row = {"events": [{"event": "unexpected_reboot", "time": text_of(NOW - 60 * MINUTE)}]}
    reports = [sample(n * MINUTE, body=row, counters=counter(60_000 * n)) for n in range(3)]

    assert [{}, {RATE: 1000}, {RATE: 1000}] == [after_all(*reports[: n + 1]).fields for n in range(3)]


def test_a_counter_of_events_that_rose_is_one() -> None:
    """However far, of however many instances; one that was reset, or was not known, is none."""
    resets = [
        sample(n * MINUTE, counters=(*counter(value, "a", EVENT + "wifi_driver_error"), *other))
        for n, (value, other) in enumerate(
            [
                (3, ()),
                (3, counter(9, "b", EVENT + "wifi_driver_error")),
                (5, counter(11, "b", EVENT + "wifi_driver_error")),
                (0, ()),
            ]
        )
    ]

    assert [[], [], ["wifi_driver_error"], []] == [kinds(after_all(*resets[:n])) for n in range(1, 5)]
    assert "2026-11-21T16:55:20Z" == after_all(*resets[:3]).events[0]["time"]
    assert {} == after_all(*resets[:3]).fields


@pytest.mark.parametrize(
    ("uptimes", "events"),
    [((None, None), ["unexpected_reboot"]), ((50_000, None), []), ((None, 60), []), ((50_000, 50_060), [])],
)
def test_a_counter_of_starts_tells_of_a_router_that_does_not_say_how_long_it_is_up(
    uptimes: tuple[int | None, int | None], events: list[str]
) -> None:
    """One that does is believed."""
    boots = [counter(3, field=EVENT + "unexpected_reboot"), counter(4, field=EVENT + "unexpected_reboot")]
    one, other = (sample(n * MINUTE, uptime=uptimes[n], counters=boots[n]) for n in (0, 1))

    assert events == kinds(after_all(one, other))


def test_a_start_that_was_counted_has_the_watchdogs_reason_and_ends_rates() -> None:
    """As one that shows in the uptime."""
    before = [*counter(3, field=EVENT + "unexpected_reboot"), *counter(1, field=WATCHDOG), *counter(100)]
    now = [*counter(4, field=EVENT + "unexpected_reboot"), *counter(2, field=WATCHDOG), *counter(900)]
    derived = after_all(sample(counters=tuple(before)), sample(MINUTE, counters=tuple(now)))

    assert [("unexpected_reboot", "watchdog")] == [(e["event"], e["reboot_reason"]) for e in derived.events]
    assert {} == derived.fields


@given(st.integers(0, 4 * 10**9), st.integers(1000, LONGEST_GAP), st.integers(-80_000, 80_000))
def test_an_uptime_that_goes_on_is_no_restart(uptime: int, gap: int, slack: int) -> None:
    """Also with a clock that was set by a little in between."""
    later = max(0, uptime + (gap + slack) // 1000)

    assert kinds(after_all(sample(uptime=uptime), sample(gap, uptime=later))) == []


def test_a_start_before_a_sample_that_was_sent_is_no_restart() -> None:
    """It cannot be: the clock was wrong then."""
    assert kinds(after_all(sample(uptime=10), sample(MINUTE, uptime=3600))) == []


def test_what_the_router_says_itself_is_not_derived_again() -> None:
    """`Boot!` tells of the restart."""
    told = {"events": [{"event": "unexpected_reboot"}]}

    assert after_all(sample(uptime=5000), sample(10 * MINUTE, uptime=60, body=told)).events == ()


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
        (2**32, 100, None),
        (2**32 - 100, 2**32 - 200, None),
    ],
)
def test_a_counter_wraps_or_was_reset(before: int, now: int, step: int | None) -> None:
    """At 32 and at 64 bits; from the lower half it was reset."""
    assert step == step_of(before, now, 60)


def test_a_wrap_that_would_be_faster_than_any_router_was_a_reset() -> None:
    """No rate comes of it."""
    assert step_of(2**63, 5, 1) is None


def test_a_rate_is_the_step_over_the_time_of_all_instances() -> None:
    """600,000 bytes and 60,000 in a minute are 11,000 a second."""
    before = sample(counters=counter(1000) + counter(2**32 - 20_000, "b"))
    now = sample(MINUTE, counters=counter(601_000) + counter(40_000, "b"))

    assert {RATE: 11_000} == after_all(before, now).fields


def test_there_is_no_rate_over_a_restart_and_one_over_a_sample_without_the_counter() -> None:
    """A counter has its own time."""
    before, between = sample(counters=counter(10), uptime=5000), sample(MINUTE, uptime=5060)
    restarted = sample(10 * MINUTE, counters=counter(700), uptime=60)

    assert after_all(before, restarted).fields == {}
    assert after_all(before, restarted, sample(11 * MINUTE, counters=counter(1300), uptime=120)).fields == {RATE: 10}
    assert after_all(before, between, sample(2 * MINUTE, counters=counter(1210))).fields == {RATE: 10}


@pytest.mark.parametrize("before", [10, 2**32 - 1000])
def test_there_is_no_rate_over_a_connection_that_began_anew(before: int) -> None:
    """Its counters began with it, which looks like a wrap or like little traffic (TR-181, Stats; ZTE's session)."""
    samples = [
        sample(minute * MINUTE, counters=counter(value), body={"network": {"wan_uptime_seconds": up}})
        for minute, value, up in ((0, before, 90_000), (10, 60_010, 540), (11, 66_010, 600), (12, 72_010, 0))
    ]

    assert [{}, {RATE: 100}, {RATE: 100}] == [after_all(*samples[:count]).fields for count in (2, 3, 4)]


@pytest.mark.parametrize("after", [0, -1, -MINUTE])
def test_an_older_sample_derives_nothing_and_changes_nothing(after: int) -> None:
    """A backlog comes after the fact."""
    before = derive(None, sample(wan="connected", uptime=10)).memory

    derived = derive(before, sample(after, wan="disconnected", uptime=1))

    assert ((), {}, before.facts) == (derived.events, derived.fields, derived.memory.facts)


def test_after_too_long_a_gap_nothing_is_known() -> None:
    """A day later the last state says nothing."""
    assert after_all(sample(wan="connected"), sample(LONGEST_GAP + 1, wan="disconnected")).events == ()


def test_parts_of_one_interval_make_one_value_whatever_their_order() -> None:
    """Three stations on one radio and two on the other."""
    first = sample(5, parts=stations("phy0", 3), interval=7)

    assert after_all(first, sample(0, parts=stations("phy1", 2), interval=7)).fields == {STATIONS: 5}
    assert after_all(first, first, sample(9, parts=stations("phy1", 2), interval=7)).fields == {STATIONS: 5}


def test_parts_of_several_samples_may_come_mixed() -> None:
    """A backlog is drained beside what comes: what was counted a minute ago is not counted now, nor left out then."""
    first, second = sample(parts=stations("phy0", 3), interval=7), sample(MINUTE, parts=stations("phy1", 2), interval=8)
    late = sample(SECOND, parts=stations("phy1", 9), interval=7)

    assert after_all(first, second).fields == {STATIONS: 2}
    assert after_all(first, second, late).fields == {STATIONS: 12}
    assert after_all(first, second, late, sample(MINUTE, parts=stations("phy0", 1), interval=8)).fields == {STATIONS: 3}


def test_an_older_value_of_the_same_part_does_not_come_back() -> None:
    """A message delivered again says what was; the newer one stands."""
    first, newer = sample(parts=stations("phy0", 3), interval=7), sample(SECOND, parts=stations("phy0", 1), interval=7)

    assert after_all(first, newer, first).fields == {STATIONS: 1}
    assert [False, True] == [after_all(first, newer).late, after_all(first, newer, first).late]


def test_of_a_sample_that_was_forgotten_nothing_is_put_together() -> None:
    """Part of a sum is no sum: neither behind many newer samples nor a day later."""
    many = [sample(n * MINUTE, parts=stations("phy0", 1), interval=n) for n in range(1, 40)]
    late = sample(MINUTE, parts=stations("phy1", 2), interval=1)
    next_day = sample(LONGEST_GAP + 2 * MINUTE, parts=stations("phy0", 1), interval=2000)

    assert after_all(*many, late).fields == {}
    assert after_all(*many, late).late
    assert after_all(many[0], next_day, late).fields == {}


def pinged(host: str, up: bool) -> tuple[Part, ...]:
    """Whether one of the hosts that are pinged answers."""
    return (Part(LINK, host, "connected" if up else "disconnected", float("inf"), "connected"),)


def test_a_link_is_up_while_one_host_answers_and_down_once_none_does() -> None:
    """Nothing is said before all have been heard that were heard before; then it is a disconnect, and but one."""
    story = [("a", True, 0), ("b", True, 0), ("a", False, 1), ("b", True, 1), ("b", False, 2), ("a", False, 2),
             ("a", False, 3), ("b", False, 3), ("b", True, 4), ("a", False, 4)]  # fmt: skip
    memory, told = None, []
    for place, (host, up, minute) in enumerate(story):
        derived = derive(memory, sample(minute * MINUTE + place, parts=pinged(host, up), interval=minute))
        memory = decode(encode(derived.memory))
        told.append((derived.fields.get(LINK, "")[:4], kinds(derived)))

    lost = ["wan_unexpected_disconnect"]
    assert told == [
        ("conn", []), ("conn", []), ("", []), ("conn", []), ("", []), ("disc", lost),
        ("", []), ("disc", []), ("conn", []), ("conn", []),
    ]  # fmt: skip


def test_a_link_for_which_there_is_no_room_says_nothing() -> None:
    """A router that makes up more radios than are remembered is told of no link, and nothing fails."""
    radios = [sample(n, parts=stations(f"phy{n}", 1), interval=7) for n in range(70)]
    derived = after_all(*radios, sample(80, parts=pinged("a", up=True), interval=7))

    assert (derived.fields, kinds(derived)) == ({}, [])


def test_a_part_of_a_sample_that_is_over_says_nothing() -> None:
    """Also where that sample is remembered, and its interval began before one that is not: intervals were changed."""
    short, long = sample(parts=stations("phy0", 1), interval=9), sample(MINUTE, parts=stations("phy0", 1), interval=8)
    late = sample(LONGEST_GAP + SECOND, parts=pinged("a", up=True), interval=8)

    assert after_all(short, long, late).fields == {}


def test_a_host_that_is_not_pinged_any_more_is_waited_for_once() -> None:
    """The next sample goes without it."""
    story = [("a", True, 0), ("b", True, 0), ("a", False, 1), ("a", False, 2)]
    samples = [
        sample(n * MINUTE + place, parts=pinged(host, up), interval=n) for place, (host, up, n) in enumerate(story)
    ]

    assert [kinds(after_all(*samples[:n])) for n in (3, 4)] == [[], ["wan_unexpected_disconnect"]]


@given(st.permutations(range(12)))
def test_the_order_of_parts_is_no_matter(order: list[int]) -> None:
    """Three samples of four radios each, in any order, say the same in the end."""
    parts = [sample(n // 4 * MINUTE + n % 4, parts=stations(f"phy{n % 4}", n), interval=n // 4) for n in range(12)]
    memory, said = None, dict[int | None, Any]()
    for n in order:
        derived = derive(memory, parts[n])
        memory = decode(encode(derived.memory))
        said[parts[n].interval] = derived.fields

    assert said == {0: {STATIONS: 6}, 1: {STATIONS: 22}, 2: {STATIONS: 38}}


def test_what_parts_make_stays_within_the_catalogues_bounds() -> None:
    """Out of bounds is no value (F3); the bound itself is one."""
    first = sample(parts=stations("phy0", 200), interval=7)

    assert after_all(first, sample(1, parts=stations("phy1", 55), interval=7)).fields == {STATIONS: 255}
    assert after_all(first, sample(1, parts=stations("phy1", 100), interval=7)).fields == {}


@given(st.lists(st.tuples(st.text(max_size=4), st.integers(0, 2**64)), max_size=300))
def test_what_is_remembered_is_bounded(found: list[tuple[str, int]]) -> None:
    """However many instances a router makes up."""
    memory: Memory | None = None
    for place, (key, value) in enumerate(found):
        parts = (*stations(key, value), *stations(f"{key}{place}", value))
        memory = derive(
            memory, sample(place, counters=counter(value, key + str(place)), parts=parts, interval=place // 9)
        ).memory

    assert memory is None or len(memory.facts) <= 64
    assert memory is None or sum(one.size for one in memory.parts.begun.values()) <= 64


def test_what_is_derived_joins_the_body() -> None:
    """Events behind those of the router, fields beside the others."""
    derived = Derived(({"event": "unexpected_reboot"},), {RATE: 7, "wifi.wifi_station_count": 5}, Memory())
    body = {"usage": {"uplink_bytes_per_second": 1}, "events": [{"event": "abnormal_data"}]}

    assert applied(body, derived) == {
        "usage": {"uplink_bytes_per_second": 1, "downlink_bytes_per_second": 7},
        "wifi": {"wifi_station_count": 5},
        "events": [{"event": "abnormal_data"}, {"event": "unexpected_reboot"}],
    }
    assert body == {"usage": {"uplink_bytes_per_second": 1}, "events": [{"event": "abnormal_data"}]}


def test_parts_of_one_sample_become_one_body() -> None:
    """The same part again changes nothing."""
    stored = {"router": {"uptime_seconds": 5}, "events": [{"event": "a", "time": "t"}]}
    part = {
        "router": {"software_version": "B"},
        "wifi": {"wifi_enabled": True},
        "events": [{"event": "b", "time": "t"}],
    }

    once = merged(stored, part)

    assert once["router"] == {"uptime_seconds": 5, "software_version": "B"}
    assert [event["event"] for event in once["events"]] == ["a", "b"]
    assert merged(once, part) == once
