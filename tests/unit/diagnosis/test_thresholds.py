"""A number of the file decides: just on its one side there is a finding, just on its other there is none."""

from collections.abc import Callable

import pytest
from patients import NOW, SINCE, Body, event, found, history, hours, steady, with_events
from records import HOUR, MINUTE

from collector.diagnosis.history import DAY, History
from collector.diagnosis.judging import checked_rules

LOST, REBOOT = "wan_unexpected_disconnect", "unexpected_reboot"
Make = Callable[[float], History]


def of(rule: str, name: str) -> float:
    return checked_rules()[rule][name]


def radio(rat: str, **values: float) -> History:
    return history(steady({"network": {"rat": rat}, "signal": values}))


def field(group: str, **values: object) -> History:
    return history(steady({group: values}))


def share(bad: Body, good: Body) -> Make:
    """So large a share of the samples is bad, evenly."""

    def make(part: float) -> History:
        bodies = steady(good)
        return history(
            [(at, bad if int((n + 1) * part) > int(n * part) else good) for n, (at, good) in enumerate(bodies)]
        )

    return make


def lasting(bad: Body, good: Body) -> Make:
    """Bad for so many hours, up to a day before now."""

    def make(length: float) -> History:
        end = NOW - DAY
        since = end - round(length * HOUR)
        return history(
            [*steady(good, until=since + MINUTE), *steady(bad, since=since, until=end), *steady(good, since=end)]
        )

    return make


def events(kind: str, apart: int = 1, **details: object) -> Make:
    """So many events, some minutes apart."""
    return lambda count: history(
        with_events(*(event(kind, hours(100) + n * apart * MINUTE, **details) for n in range(round(count))))
    )


def within(kind: str, count: float, **details: object) -> Make:
    """So many events, spread over so many hours."""
    times = max(2, round(count))
    return lambda length: history(
        with_events(*(event(kind, hours(30) + round(n * length * HOUR / (times - 1)), **details) for n in range(times)))
    )


WEAK: Body = {"network": {"rat": "lte"}, "signal": {"rsrp_dbm": -114, "sinr_db": 0}}
FINE: Body = {"network": {"rat": "lte"}, "signal": {"rsrp_dbm": -90, "sinr_db": 15, "rsrq_db": -8}}
NOISY: Body = {"network": {"rat": "lte"}, "signal": {"rsrp_dbm": -90, "sinr_db": -6, "rsrq_db": -18}}
NONE: Body = {"network": {"wan_connection_state": "no_service"}}
UP: Body = {"network": {"wan_connection_state": "connected"}}
HOT: Body = {"power": {"battery_temperature_celsius": 60.0}}
COOL: Body = {"power": {"battery_temperature_celsius": 30.0}}
FAR: Body = {"wifi": {"wifi_coverage_mode": "short", "wifi_station_rssi_dbm_min": -90}}
NEAR: Body = {"wifi": {"wifi_coverage_mode": "short", "wifi_station_rssi_dbm_min": -60}}
FULL: Body = {"wifi": {"wifi_station_count_5g": 20, "wifi_max_stations_5g": 20}}
ROOM: Body = {"wifi": {"wifi_station_count_5g": 4, "wifi_max_stations_5g": 20}}
KEPT: Body = {"power": {"battery_percent": 100, "battery_charging": True, "battery_long_charge_mode": False}}

CASES: dict[tuple[str, str], tuple[Make, float]] = {
    # By how much on each side of the number; negative where less is worse.
    ("signal_weak", "lte_rsrp_dbm"): (lambda dbm: radio("lte", rsrp_dbm=dbm, sinr_db=0), -1),
    ("signal_weak", "nr_rsrp_dbm"): (lambda dbm: radio("nr_sa", rsrp_dbm=dbm, sinr_db=0), -1),
    ("signal_weak", "umts_rscp_dbm"): (lambda dbm: radio("umts", rscp_dbm=dbm, ecno_db=-12), -1),
    ("signal_weak", "gsm_rssi_dbm"): (lambda dbm: radio("gsm", rssi_dbm=dbm), -1),
    ("signal_weak", "share"): (share(WEAK, FINE), 0.08),
    ("signal_interfered", "sinr_db"): (lambda db: radio("lte", rsrp_dbm=-90, sinr_db=db, rsrq_db=-18), -0.5),
    ("signal_interfered", "rsrq_db"): (lambda db: radio("lte", rsrp_dbm=-90, sinr_db=-6, rsrq_db=db), -0.5),
    ("signal_interfered", "lte_rsrp_dbm"): (lambda dbm: radio("lte", rsrp_dbm=dbm, sinr_db=-6, rsrq_db=-18), 1),
    ("signal_interfered", "nr_rsrp_dbm"): (lambda dbm: radio("nr_sa", rsrp_dbm=dbm, sinr_db=-6, rsrq_db=-18), 1),
    ("signal_interfered", "umts_rscp_dbm"): (lambda dbm: radio("hspa", rscp_dbm=dbm, ecno_db=-18), 1),
    ("signal_interfered", "ecno_db"): (lambda db: radio("hspa", rscp_dbm=-80, ecno_db=db), -0.5),
    ("signal_interfered", "share"): (share(NOISY, FINE), 0.08),
    ("attach_refused", "count"): (events(LOST, nas_cause_code=7), 1),
    ("attach_refused", "hours"): (within(LOST, 3, nas_cause_code=7), -1),
    ("registration_lost", "share"): (share(NONE, UP), 0.13),
    ("disconnects_frequent", "count"): (events(LOST, disconnect_cause="no_signal"), 1),
    ("disconnects_frequent", "hours"): (within(LOST, 6, disconnect_cause="no_signal"), -1),
    ("restarts_watchdog", "count"): (events(REBOOT, reboot_reason="watchdog"), 1),
    ("restarts_watchdog", "hours"): (within(REBOOT, 2, reboot_reason="watchdog"), -1),
    ("restarts_crash", "count"): (events(REBOOT, reboot_reason="kernel_panic"), 1),
    ("restarts_crash", "hours"): (within(REBOOT, 3, reboot_reason="kernel_panic"), -1),
    ("restarts_power", "count"): (events(REBOOT, reboot_reason="power_loss"), 1),
    ("restarts_power", "hours"): (within(REBOOT, 4, reboot_reason="power_loss"), -1),
    ("restarts_thermal", "count"): (events(REBOOT, reboot_reason="overheat"), 1),
    ("restarts_thermal", "hours"): (within(REBOOT, 2, reboot_reason="overheat"), -1),
    ("restarts_unexplained", "count"): (events(REBOOT, reboot_reason="unknown"), 1),
    ("restarts_unexplained", "hours"): (within(REBOOT, 3, reboot_reason="unknown"), -1),
    ("wifi_driver_errors", "events"): (events("wifi_driver_error"), 1),
    ("wifi_driver_errors", "event_hours"): (within("wifi_driver_error", 4), -1),
    ("wifi_short_range", "events"): (events("wifi_short_range"), 1),
    ("wifi_short_range", "event_hours"): (within("wifi_short_range", 2), -1),
    ("wifi_short_range", "share"): (share(FAR, NEAR), 0.08),
    ("wifi_short_range", "station_rssi_dbm"): (
        lambda dbm: field("wifi", wifi_coverage_mode="short", wifi_station_rssi_dbm_min=dbm), -1,
    ),
    ("wifi_short_range", "tx_power_percent"): (
        lambda part: field("wifi", wifi_tx_power_percent=part, wifi_station_rssi_dbm_min=-90), -1,
    ),
    ("wifi_crowded", "occupied"): (
        lambda part: field("wifi", wifi_station_count_5g=part * 100, wifi_max_stations_5g=100), 0.01,
    ),
    ("wifi_crowded", "share"): (share(FULL, ROOM), 0.03),
    ("wifi_badly_set", "bandwidth_mhz"): (
        lambda width: field("wifi", wifi_channel_2g=1, wifi_bandwidth_2g_mhz=width + 0.5), 1,
    ),
    ("battery_worn", "percent_per_hour"): (
        lambda rate: field("power", battery_discharge_percent_per_hour=rate, battery_charging=False), 1,
    ),
    ("battery_hot", "charging_celsius"): (
        lambda celsius: field("power", battery_temperature_celsius=celsius, battery_charging=True), 1,
    ),
    ("battery_hot", "discharging_celsius"): (lambda celsius: field("power", battery_temperature_celsius=celsius), 1),
    ("battery_hot", "share"): (share(HOT, COOL), 0.13),
    ("battery_long_charge", "hours"): (
        lambda length: history([*steady(COOL), *steady(KEPT, since=NOW - round(length * HOUR))][-2000:]), 1,
    ),
    ("battery_long_charge", "full_percent"): (
        lambda percent: field("power", **{**KEPT["power"], "battery_percent": percent}), 1,
    ),
    ("software_old", "days"): (
        lambda days: history(
            steady(
                {"router": {"software_version": "V1"}, "settings": {"available_software_version": "V2"}},
                since=NOW - round(days * DAY),
            )
        ),
        0.1,
    ),
    ("abnormal_codes", "critical"): (events("abnormal_data", fault_code="A", fault_severity="critical"), 1),
    ("abnormal_codes", "major"): (events("abnormal_data", fault_code="A", fault_severity="major"), 1),
    ("abnormal_codes", "same_code"): (events("abnormal_data", fault_code="A", fault_severity="minor"), 1),
    ("abnormal_codes", "hours"): (within("abnormal_data", 3, fault_code="A", fault_severity="major"), -1),
    ("clock_wrong", "behind_seconds"): (lambda s: history(steady(UP), late=round(s * 1000)), 30),
    ("clock_wrong", "ahead_seconds"): (lambda s: history(steady(UP), late=-round(s * 1000)), 30),
    ("data_stopped", "hours"): (lambda length: history(steady(UP, until=NOW - round(length * HOUR) + MINUTE)), 1),
    ("data_stopped", "battery_hours"): (
        lambda length: history(steady(KEPT, until=NOW - round(length * HOUR) + MINUTE)), 1,
    ),
}  # fmt: skip
"""By rule and threshold: the history that a number makes, and how far beside the threshold is clearly beside it."""


@pytest.mark.parametrize(("rule", "name"), CASES, ids=str)
def test_a_threshold_decides(rule: str, name: str) -> None:
    """Changed in the file, it changes what is found, and nothing else of it has to be known."""
    make, beside = CASES[rule, name]
    value = of(rule, name)

    # At a count the number itself is enough; one less is not.
    bad, good = (value, value - 1) if name in COUNTS else (value + beside, value - beside)

    assert rule in found(make(bad))
    assert rule not in found(make(good))


COUNTS = {"count", "events", "critical", "major", "same_code"}


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [("signal_interfered", NOISY, FINE), ("registration_lost", NONE, UP), ("battery_hot", HOT, COOL)],
)
def test_what_passes_in_half_of_the_hours_is_not_told(rule: str, bad: Body, good: Body) -> None:
    """What lasts as long as the rule says is; that it is over is said as well."""
    make, span = lasting(bad, good), of(rule, "hours")

    assert rule not in found(make(span * 0.4))
    assert found(make(span * 1.5))[rule].until is not None


def test_the_time_looked_at_is_where_histories_of_tests_lie() -> None:
    """A week, so that no rule is kept from seeing what it needs."""
    assert 7 * DAY == NOW - SINCE
