"""Times of records are to the minute, and those of events to the second: what came within a minute has an order."""

import pytest
from patients import NOW, SINCE, Body, event, found, history, hours, steady, stored
from records import MINUTE

from collector.derive import text_of
from collector.diagnosis.history import History
from collector.diagnosis.timeline import Kind, timeline
from collector.diagnosis.watching import watched
from collector.stores import StoredRecord

SECOND = 1000
REBOOT = "unexpected_reboot"
NAMED = {"model_name": "MC888", "software_version": "V1"}


def told(kind: str, at: int, body: Body, **details: object) -> tuple[int, Body]:
    """A record of twenty seconds after an event, that tells it."""
    happened = {name: value for name, value in event(kind, at, **details).items() if name != "at"}
    return at + 20 * SECOND, {**body, "events": [{**happened, "time": text_of(at)}]}


def counting(*totals: int, apart: int) -> list[StoredRecord]:
    """Records of one minute in the midst of quiet ones, received in this order; as a store gives them, newest first."""
    bodies = [(at, 4990) for at in range(SINCE, hours(100), 15 * MINUTE)]
    bodies += [(hours(100), total) for total in totals]
    bodies += [(at, 4994) for at in range(hours(100) + 15 * MINUTE, NOW, 15 * MINUTE)]
    return [
        stored(n, at, {"router": NAMED, "wifi": {"wifi_driver_errors_total": total}}, late=5000 + n * apart)
        for n, (at, total) in enumerate(bodies)
    ][::-1]


@pytest.mark.parametrize(
    ("totals", "apart"),
    [
        pytest.param((4991, 4992, 4993), 0, id="a backlog, received at once"),
        pytest.param((4993, 4991), 1, id="by two workers, the later one first"),
    ],
)
def test_records_of_one_minute_make_no_counter_begin_anew(totals: tuple[int, ...], apart: int) -> None:
    """Four errors are not five thousand, of a router and of its fleet."""
    records = counting(*totals, apart=apart)
    router = watched(records)

    assert found(History(records, since=SINCE, now=NOW)) == {}
    assert router is not None
    assert [] == router.happened


def test_a_counter_that_began_anew_within_a_minute_is_seen_to_have() -> None:
    """By the next record."""
    bodies: list[tuple[int, Body]] = [
        (at, {"wifi": {"wifi_driver_errors_total": 5000}}) for at in range(SINCE, hours(160), 15 * MINUTE)
    ]
    bodies += [(hours(160), {"wifi": {"wifi_driver_errors_total": total}}) for total in (5000, 2)]
    bodies += [(hours(160) + 15 * MINUTE, {"wifi": {"wifi_driver_errors_total": 40}})]

    assert 40 == found(history(bodies))["wifi_driver_errors"].observations


def test_what_changed_within_a_minute_is_told_in_its_order() -> None:
    """Received at once, stored one after another."""
    states = ("connected", "disconnected", "connecting", "connected")
    records = [stored(n, hours(100), {"network": {"wan_connection_state": state}}) for n, state in enumerate(states)]
    entries = timeline(History(records[::-1], since=SINCE, now=NOW))

    changes = [entry.text for entry in entries if entry.kind is Kind.CHANGE]
    assert {
        "connection: connected to disconnected",
        "connection: disconnected to connecting",
        "connection: connecting to connected",
    } == set(changes)


def test_how_long_a_router_ran_before_a_restart_is_not_told_by_a_record_of_after_it() -> None:
    """It sends one within the minute, up for seconds."""
    quiet = steady({"router": {"uptime_seconds": 90 * 3600}})
    restarts = [
        told(REBOOT, hours(100 + n) + 10 * SECOND, {"router": {"uptime_seconds": 20}}, reboot_reason="watchdog")
        for n in range(2)
    ]

    assert "it had run for 90 h" in found(history([*quiet, *restarts]))["restarts_watchdog"].summary


def test_a_battery_that_ran_empty_is_known_though_it_is_charged_within_the_minute() -> None:
    """Its owner plugs it in, and it tells."""
    low: Body = {"power": {"battery_percent": 5, "battery_charging": False}}
    charged: Body = {"power": {"battery_percent": 2, "battery_charging": True}}
    restarts = [told(REBOOT, hours(100 + n) + 10 * SECOND, charged, reboot_reason="power_loss") for n in range(4)]

    assert "restarts_power" not in found(history([*steady(low), *restarts]))


def test_a_data_limit_ends_with_the_month_though_the_last_use_known_is_the_one_that_told_it() -> None:
    """Of a router that reports once a day."""
    used: Body = {"usage": {"wan_rx_bytes_month": 10**11}}
    limit = told("data_limit_exceeded", hours(96) + 10 * SECOND, used)
    daily = [(hours(24 * n), used if n < 4 else {"usage": {"wan_rx_bytes_month": n * 10**8}}) for n in (1, 2, 3, 5, 6)]

    finding = found(history([*daily, limit]))["data_limit_reached"]

    assert hours(120) == finding.until
