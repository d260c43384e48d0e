"""A number of the file decides: just on its one side there is a finding, just on its other there is none."""

from collections.abc import Callable

import pytest
from patients import NOW, SINCE, Body, event, every, found, history, hours, steady, stored, with_events
from records import HOUR, MINUTE

from collector.derive import text_of
from collector.diagnosis.history import DAY, History
from collector.diagnosis.judging import checked_rules
from collector.diagnosis.nouns import Severity

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


def few(body: Body, apart: int, late: int = 5000) -> Make:
    """Nothing but so many samples, some minutes apart."""
    step = apart * MINUTE
    return lambda count: history(steady(body, step=step, since=NOW - (round(count) + 1) * step), late=late)


def newest(bad: Body, good: Body) -> Make:
    """So many of the newest samples are bad."""

    def make(count: float) -> History:
        bodies = steady(good)
        since = len(bodies) - round(count)
        return history([(at, bad if number >= since else good) for number, (at, _) in enumerate(bodies)])

    return make


def errors(count: float, length: float) -> History:
    """So many driver errors, one after another over so many hours."""
    step = round(length * HOUR / count)
    bodies = [(hours(30) + n * step, {"wifi": {"wifi_driver_errors_total": n}}) for n in range(round(count) + 1)]
    return history(bodies)


def sessions(count: float = 60, length: float = 4, seconds: float = 3) -> History:
    """So many sessions with the management server over so many hours, each so long."""
    step = round(length * HOUR / count)
    bodies: list[tuple[int, Body]] = [
        (hours(30) + n * step, {"session": {
            "acs_session_start_time": text_of(hours(30) + n * step), "acs_session_seconds": seconds,
        }})
        for n in range(round(count) + 1)
    ]  # fmt: skip
    return history(bodies)


def clock(spread: float) -> History:
    """A clock that is off by half an hour, by up to so many seconds less or more."""
    records = [
        stored(n, at, UP, late=round((1800 + (n % 10 - 4.5) / 4 * spread) * 1000))
        for n, at in enumerate(every())
    ]  # fmt: skip
    return History(records, since=SINCE, now=NOW)


def silent(factor: float) -> History:
    """Silent for so many times ten hours, which is as long as it ever was before."""
    return history([(NOW - round((factor + n) * 10 * HOUR), UP) for n in reversed(range(8))], late=0)


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
WORN: Body = {"power": {"battery_discharge_percent_per_hour": 40.0, "battery_charging": False}}
OVERLAP: Body = {"network": {"lan_wan_subnet_overlap": True}}
APART: Body = {"network": {"lan_wan_subnet_overlap": False}}
GUESSED: Body = {"wifi": {"wifi_password_strength_2g": "low", "wifi_security_mode_2g": "wep", "wifi_channel_2g": 3}}
SAFE: Body = {"wifi": {"wifi_password_strength_2g": "high", "wifi_security_mode_2g": "wpa2", "wifi_channel_2g": 1}}
OLD: Body = {"router": {"software_version": "V1"}, "settings": {"available_software_version": "V2"}}
DEEP: Body = {"network": {"rat": "lte"}, "signal": {"rsrp_dbm": -125, "sinr_db": 0}}
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
    ("signal_weak", "samples"): (few(WEAK, 180), 1),
    ("signal_weak", "hours"): (lasting(WEAK, FINE), 10),
    ("signal_weak", "deep_db"): (
        lambda db: lasting({"network": {"rat": "lte"}, "signal": {"rsrp_dbm": -112 - db, "sinr_db": 0}}, FINE)(6), 1,
    ),
    ("signal_weak", "deep_hours"): (lasting(DEEP, FINE), 1),
    ("signal_interfered", "samples"): (few(NOISY, 45), 1),
    ("registration_lost", "samples"): (few(NONE, 30), 1),
    ("addresses_overlap", "samples"): (newest(OVERLAP, APART), 1),
    ("restarts_power", "empty_percent"): (
        lambda percent: history(
            with_events(
                *(event(REBOOT, hours(100 + n), reboot_reason="power_loss") for n in range(6)),
                body={"power": {"battery_percent": percent, "battery_charging": False}},
            )
        ),
        1,
    ),
    ("wifi_driver_errors", "errors"): (lambda count: errors(count, 5), 1),
    ("wifi_driver_errors", "hours"): (lambda length: errors(30, length), -0.5),
    ("wifi_short_range", "samples"): (few(FAR, 180), 1),
    ("wifi_password_weak", "samples"): (newest(GUESSED, SAFE), 1),
    ("wifi_security_old", "samples"): (newest(GUESSED, SAFE), 1),
    ("wifi_badly_set", "samples"): (newest(GUESSED, SAFE), 1),
    ("wifi_crowded", "samples"): (few(FULL, 180), 1),
    ("battery_worn", "samples"): (few(WORN, 60), 1),
    ("battery_hot", "samples"): (few(HOT, 45), 1),
    ("battery_long_charge", "samples"): (few(KEPT, 150), 1),
    ("data_limit_reached", "count"): (events("data_limit_exceeded"), 1),
    ("software_old", "samples"): (few(OLD, 24 * 60), 1),
    ("acs_flapping", "sessions"): (lambda count: sessions(count, 5), 1),
    ("acs_flapping", "hours"): (lambda length: sessions(36, length), -0.5),
    ("acs_flapping", "seconds"): (lambda seconds: sessions(seconds=seconds), -1),
    ("clock_wrong", "spread_seconds"): (clock, -60),
    ("clock_wrong", "samples"): (few(UP, 30, late=HOUR), 1),
    ("data_stopped", "factor"): (silent, 0.2),
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


COUNTS = {"count", "events", "critical", "major", "same_code", "samples", "errors", "sessions"}
ELSEWHERE = {
    ("signal_weak", "clean_sinr_db"), ("signal_weak", "clean_ecno_db"),
    ("disconnects_frequent", "before_minutes"), ("disconnects_frequent", "after_restart_minutes"),
    ("disconnects_frequent", "lost_rsrp_dbm"), ("disconnects_frequent", "drop_db"),
    ("disconnects_frequent", "bad_sinr_db"),
    ("signal_interfered", "hours"), ("registration_lost", "hours"), ("battery_hot", "hours"),
    ("wifi_short_range", "hours"), ("wifi_crowded", "hours"), ("clock_wrong", "hours"), ("clock_wrong", "share"),
}  # fmt: skip
"""Thresholds that decide something else than whether there is a finding, or how long a time a share is of."""


def test_every_threshold_of_the_file_decides_something() -> None:
    """A number that nothing goes by is none."""
    assert {(rule.id, name) for rule in checked_rules().all.values() for name in rule.thresholds} == {
        *CASES,
        *ELSEWHERE,
    }


@pytest.mark.parametrize(("sinr", "severity"), [(5, Severity.MINOR), (4.9, Severity.MAJOR)])
def test_a_weak_signal_is_clean_from_the_threshold_on(sinr: float, severity: Severity) -> None:
    """Of LTE and NR by SINR; by Ec/No of UMTS."""
    assert severity is found(radio("lte", rsrp_dbm=-116, sinr_db=sinr))["signal_weak"].severity
    assert severity is found(radio("umts", rscp_dbm=-110, ecno_db=sinr - 15))["signal_weak"].severity


@pytest.mark.parametrize(
    ("before", "at_loss", "told"),
    [
        ({"rsrp_dbm": -90}, {"rsrp_dbm": -115}, "signal lost"),
        ({"rsrp_dbm": -90}, {"rsrp_dbm": -100}, "signal lost"),
        ({"rsrp_dbm": -90}, {"rsrp_dbm": -99}, "nothing seen"),
        ({"rsrp_dbm": -105}, {"rsrp_dbm": -114}, "nothing seen"),
        ({"rsrp_dbm": -90}, {"rsrp_dbm": -90, "sinr_db": -3}, "interference"),
        ({"rsrp_dbm": -90}, {"rsrp_dbm": -90, "sinr_db": -2.9}, "nothing seen"),
        ({"rsrp_dbm": -118}, {}, "signal lost"),
    ],
)
def test_what_was_before_a_disconnect_is_told_by_the_thresholds(before: Body, at_loss: Body, told: str) -> None:
    """Lost by its level or by its drop; interference by SINR."""
    lost = [
        event(LOST, hours(100 + n), disconnect_cause="no_signal", disconnect_snapshot={"signal": at_loss})
        for n in range(6)
    ]
    body: Body = {"network": {"rat": "lte"}, "signal": before}

    assert f"before them: {told} 6" in found(history(with_events(*lost, body=body)))["disconnects_frequent"].summary


@pytest.mark.parametrize(("minutes", "told"), [(29, "nothing seen 6"), (31, "no data 6")])
def test_only_the_half_hour_before_a_disconnect_tells_of_it(minutes: int, told: str) -> None:
    """An older sample says nothing of it."""
    lost = [event(LOST, hours(100 + n), disconnect_cause="no_signal") for n in range(6)]
    samples = [(hours(100 + n) - minutes * MINUTE, FINE) for n in range(6)]
    told_later = [(at + HOUR, body) for at, body in with_events(*lost) if "events" in body]

    assert told in found(history([*samples, *told_later]))["disconnects_frequent"].summary


@pytest.mark.parametrize(("minutes", "counted"), [(10, False), (11, True)])
def test_a_disconnect_is_a_restart_s_for_ten_minutes(minutes: int, counted: bool) -> None:
    """Then it is one of its own."""
    told = [
        made
        for n in range(8)
        for made in (
            event(REBOOT, hours(100 + n), reboot_reason="user"),
            event(LOST, hours(100 + n) + minutes * MINUTE, disconnect_cause="no_signal"),
        )
    ]

    assert counted is ("disconnects_frequent" in found(history(with_events(*told))))


@pytest.mark.parametrize(
    ("rule", "bad", "good"),
    [
        ("signal_interfered", NOISY, FINE),
        ("registration_lost", NONE, UP),
        ("battery_hot", HOT, COOL),
        ("signal_weak", WEAK, FINE),
    ],
)
def test_what_passes_in_half_of_the_hours_is_not_told(rule: str, bad: Body, good: Body) -> None:
    """What lasts as long as the rule says is; that it is over is said as well."""
    make, span = lasting(bad, good), of(rule, "hours")

    assert rule not in found(make(span * 0.4))
    assert found(make(span * 1.5))[rule].until is not None


def test_the_time_looked_at_is_where_histories_of_tests_lie() -> None:
    """A week, so that no rule is kept from seeing what it needs."""
    assert 7 * DAY == NOW - SINCE
