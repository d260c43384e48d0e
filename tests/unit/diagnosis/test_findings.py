"""What each rule takes for a fault, and what it does not."""

from typing import Any

import pytest
from patients import NOW, SINCE, Body, event, every, found, history, hours, steady, with_events
from records import HOUR, MINUTE

from collector.derive import text_of
from collector.diagnosis.history import DAY, History
from collector.diagnosis.nouns import Confidence, Severity

REBOOT = "unexpected_reboot"
LOST = "wan_unexpected_disconnect"


def radio(rat: str = "lte", **values: float) -> Body:
    return {"network": {"rat": rat}, "signal": values}


def of(group: str, **values: Any) -> dict[str, Any]:
    return found(history(steady({group: values})))


def changed(before: Body, after: Body, at: int) -> History:
    return history([*steady(before, until=at), *steady(after, since=at)])


# ------------------------------------------------------------------------------------------------------------ signal


@pytest.mark.parametrize(
    "body",
    [
        radio("lte", rsrp_dbm=-116, sinr_db=0),
        radio("nr_nsa", rsrp_dbm=-116, sinr_db=0),
        radio("nr_sa", rsrp_dbm=-116, sinr_db=0),
        radio("hspa", rscp_dbm=-106, ecno_db=-15),
        radio("gsm", rssi_dbm=-104),
    ],
    ids=["lte", "nsa", "sa", "umts", "gsm"],
)
def test_a_weak_signal_is_found_on_every_technology_by_its_own_measure(body: Body) -> None:
    """And by no other technology's."""
    assert found(history(steady(body)))["signal_weak"].severity is Severity.MAJOR


def test_another_technology_s_measure_says_nothing() -> None:
    """A modem on LTE may go on reporting the RSCP it had last."""
    assert found(history(steady(radio("lte", rscp_dbm=-119, rsrp_dbm=-90)))) == {}


def test_a_weak_signal_that_is_clean_is_a_lesser_finding() -> None:
    """Level and quality are read together."""
    [finding] = found(history(steady(radio(rsrp_dbm=-116, sinr_db=9, rsrq_db=-9)))).values()

    assert ("signal_weak", Severity.MINOR) == (finding.rule, finding.severity)


def test_a_signal_that_became_weak_is_found_with_its_beginning() -> None:
    """Far below the level, within hours."""
    began = NOW - 5 * HOUR
    [finding] = found(changed(radio(rsrp_dbm=-95, sinr_db=15), radio(rsrp_dbm=-121, sinr_db=-2), began)).values()

    assert ("signal_weak", None) == (finding.rule, finding.until)
    assert abs(finding.since - began) <= 15 * MINUTE


def test_a_signal_that_recovered_is_found_with_its_end() -> None:
    """What is over is told, and that it is over."""
    ended = NOW - 3 * DAY
    [finding] = found(changed(radio(rsrp_dbm=-121, sinr_db=-2), radio(rsrp_dbm=-95, sinr_db=15), ended)).values()

    assert finding.until is not None
    assert abs(finding.until - ended) <= 15 * MINUTE


def test_outliers_are_no_weak_signal() -> None:
    """One sample in ten that says the least a modem can."""
    bodies = [(at, radio(rsrp_dbm=-140 if number % 10 == 0 else -96, sinr_db=12)) for number, at in enumerate(every())]

    assert found(history(bodies)) == {}


def test_interference_needs_a_good_level_and_both_measures_of_quality_bad() -> None:
    """Each alone is none."""
    cases = {
        "both": radio(rsrp_dbm=-85, sinr_db=-4, rsrq_db=-17),
        "sinr alone": radio(rsrp_dbm=-85, sinr_db=-4, rsrq_db=-9),
        "rsrq alone": radio(rsrp_dbm=-85, sinr_db=9, rsrq_db=-17),
        "no level": radio(rsrp_dbm=-111, sinr_db=-4, rsrq_db=-17),
        "half told": radio(rsrp_dbm=-85, sinr_db=-4),
    }

    told = {name for name, body in cases.items() if "signal_interfered" in found(history(steady(body)))}

    assert {"both"} == told


# ----------------------------------------------------------------------------------------------------------- network


def test_disconnects_are_found_with_causes_and_what_preceded_them() -> None:
    """Lost signal, interference, nothing."""
    snapshots = [{"rsrp_dbm": -125.0}, {"rsrp_dbm": -90.0, "sinr_db": -9.0}, {"rsrp_dbm": -90.0, "sinr_db": 12.0}]
    events = [
        event(LOST, hours(100 + n), disconnect_cause="no_signal", disconnect_snapshot={"signal": snapshots[n % 3]})
        for n in range(9)
    ]
    finding = found(history(with_events(*events, body=radio(rsrp_dbm=-91, sinr_db=12))))["disconnects_frequent"]

    assert "causes: no_signal 9" in finding.summary
    assert "before them: signal lost 3, interference 3, nothing seen 3" in finding.summary
    assert (hours(100), 9) == (finding.since, finding.observations)


def test_what_follows_a_restart_or_a_wish_is_no_disconnect() -> None:
    """The restart is at fault, or nobody."""
    restarts = [
        made
        for n in range(8)
        for made in (
            event(REBOOT, hours(100 + n), reboot_reason="power_loss"),
            event(LOST, hours(100 + n) + 2 * MINUTE, disconnect_cause="no_signal"),
        )
    ]
    wishes = [event(LOST, hours(120 + n), disconnect_cause="user_disconnect") for n in range(8)]

    assert {"restarts_power"} == set(found(history(with_events(*restarts, *wishes))))


def test_a_router_s_own_count_speaks_where_there_are_no_events() -> None:
    """Formats that tell states."""
    bodies = [(at, {"network": {"wan_disconnects_day": 8 if at > NOW - DAY else 0}}) for at in every()]

    assert "8 disconnects a day by its own count" == found(history(bodies))["disconnects_frequent"].summary


def test_a_router_s_own_count_is_as_sure_as_its_events() -> None:
    """By the disconnects that it counted, not by the days."""
    bodies = [(at, {"network": {"wan_disconnects_day": at % DAY // HOUR}}) for at in every(since=NOW - 2 * DAY)]
    finding = found(history(bodies))["disconnects_frequent"]

    assert (45, Confidence.HIGH) == (finding.observations, finding.confidence)


@pytest.mark.parametrize(("code", "kind"), [(7, "subscription"), (6, "router"), (15, "area"), (20, "authentication")])
def test_refusals_are_told_by_what_they_concern(code: int, kind: str) -> None:
    """3GPP TS 24.301 and TS 24.501, annex A."""
    events = [event(LOST, hours(100 + n), disconnect_cause="network_detach", nas_cause_code=code) for n in range(3)]

    assert f"about: {kind} 3" in found(history(with_events(*events)))["attach_refused"].summary


def test_congestion_is_no_refusal() -> None:
    """Cause 22 passes by waiting."""
    events = [event(LOST, hours(100 + n), nas_cause_code=22) for n in range(4)]

    assert found(history(with_events(*events))) == {}


def test_a_router_without_service_for_hours_is_found() -> None:
    """Most samples, not all."""
    states = ("no_service", "no_service", "connected", "limited")
    bodies = [(at, {"network": {"wan_connection_state": states[n % 4]}}) for n, at in enumerate(every())]

    assert {"registration_lost"} == set(found(history(bodies)))


def test_addresses_that_overlap_are_found_while_they_do() -> None:
    """Not any more once they were changed."""
    overlap: Body = {"network": {"lan_wan_subnet_overlap": True}}
    apart: Body = {"network": {"lan_wan_subnet_overlap": False}}

    assert {"addresses_overlap"} == set(found(changed(apart, overlap, hours(30))))
    assert found(changed(overlap, apart, hours(30))) == {}


# ---------------------------------------------------------------------------------------------------------- restarts


@pytest.mark.parametrize(
    ("reason", "rule"),
    [
        ("watchdog", "restarts_watchdog"),
        ("kernel_panic", "restarts_crash"),
        ("out_of_memory", "restarts_crash"),
        ("overheat", "restarts_thermal"),
        ("power_loss", "restarts_power"),
        ("unknown", "restarts_unexplained"),
    ],
)
def test_restarts_are_told_by_their_reason(reason: str, rule: str) -> None:
    """Four in a day; one is none."""
    four = [event(REBOOT, hours(100 + n), reboot_reason=reason) for n in range(4)]

    assert {rule} == set(found(history(with_events(*four))))
    assert found(history(with_events(four[0]))) == {}


@pytest.mark.parametrize("reason", ["user", "firmware_update", "remote_management", "factory_reset"])
def test_a_restart_that_somebody_wanted_is_no_fault(reason: str) -> None:
    """However many."""
    assert found(history(with_events(*(event(REBOOT, hours(100 + n), reboot_reason=reason) for n in range(6))))) == {}


def test_a_battery_that_ran_empty_is_no_loss_of_power() -> None:
    """Its level and its rate before the restart tell."""
    empty: Body = {"power": {"battery_percent": 5, "battery_charging": False, "battery_long_charge_mode": False}}
    events = [event(REBOOT, hours(100 + n), reboot_reason="power_loss") for n in range(4)]

    assert found(history(with_events(*events, body=empty))) == {}


# ------------------------------------------------------------------------------------------------------------- Wi-Fi


def test_driver_errors_are_counted_over_restarts_of_their_counter() -> None:
    """A smaller value is a new start, not a negative number."""
    bodies = [(at, {"wifi": {"wifi_driver_errors_total": n % 10 * 5}}) for n, at in enumerate(every())]
    finding = found(history(bodies))["wifi_driver_errors"]

    assert "18 driver errors an hour" in finding.summary


def test_a_few_driver_errors_are_none() -> None:
    """Healthy drivers have some."""
    bodies = [(at, {"wifi": {"wifi_driver_errors_total": n // 20}}) for n, at in enumerate(every())]

    assert found(history(bodies)) == {}


def test_driver_errors_told_as_events_are_found_without_a_counter() -> None:
    """With their codes."""
    events = [event("wifi_driver_error", hours(100 + n), wifi_driver_error_code=-110) for n in range(4)]

    assert "codes: -110 4" in found(history(with_events(*events)))["wifi_driver_errors"].summary


def test_a_far_station_is_the_router_s_fault_only_where_its_range_is_set_low() -> None:
    """Full range and a station in the garden is no fault."""
    assert {"wifi_short_range"} == set(of("wifi", wifi_coverage_mode="short", wifi_station_rssi_dbm_min=-85))
    assert {"wifi_short_range"} == set(of("wifi", wifi_tx_power_percent=25, wifi_station_rssi_dbm_min=-85))
    assert {} == of("wifi", wifi_coverage_mode="long", wifi_tx_power_percent=100, wifi_station_rssi_dbm_min=-85)


def test_a_weak_password_or_old_encryption_counts_on_a_band_that_is_on() -> None:
    """And of the own network: guests may be let in without a password."""
    assert {"wifi_password_weak"} == set(of("wifi", wifi_password_strength_5g="low"))
    assert {"wifi_security_old"} == set(of("wifi", wifi_security_mode_2g="wep"))
    assert {} == of("wifi", wifi_password_strength_5g="low", wifi_enabled_5g=False)
    assert {} == of("wifi", wifi_security_mode_2g="wep", wifi_enabled=False)
    assert {} == of("wifi", wifi_password_strength_guest="none", guest_wifi_security_mode="none")


def test_a_password_that_was_changed_is_no_fault_any_more() -> None:
    """Settings count as they are now."""
    weak: Body = {"wifi": {"wifi_password_strength_2g": "low"}}

    assert found(changed(weak, {"wifi": {"wifi_password_strength_2g": "high"}}, hours(100))) == {}


def test_a_band_at_its_limit_for_hours_of_a_day_is_crowded() -> None:
    """By the limit of that band."""
    full = {
        "wifi_station_count_5g": 16,
        "wifi_max_stations_5g": 16,
        "wifi_station_count_2g": 1,
        "wifi_max_stations_2g": 32,
    }
    bodies = [(at, {"wifi": {**full, "wifi_station_count_5g": 16 if at % DAY < 4 * HOUR else 5}}) for at in every()]

    assert {"wifi_crowded"} == set(found(history(bodies)))
    assert {} == of("wifi", **(full | {"wifi_station_count_5g": 12}))


def in_turns(weak: Body, good: Body) -> History:
    """A router whose records are of one band and of the other, in turns."""
    return history((at, {"wifi": good if n % 2 else weak}) for n, at in enumerate(every()))


def test_settings_of_bands_that_are_told_in_turns_are_each_judged() -> None:
    """A record says nothing of the band it leaves out."""
    weak: Body = {"wifi_password_strength_2g": "low", "wifi_security_mode_2g": "wep"}
    good: Body = {"wifi_password_strength_5g": "high", "wifi_security_mode_5g": "wpa2"}
    seen = found(in_turns(weak, good))

    assert {"wifi_password_weak", "wifi_security_old"} == set(seen)
    assert {tuple(evidence.values) for evidence in seen["wifi_password_weak"].evidence} == {
        ("wifi.wifi_password_strength_2g",)
    }
    assert {} == found(in_turns(weak, good | {"wifi_enabled_2g": False}))
    assert {} == found(in_turns({**weak, "wifi_enabled_2g": False}, good))


def test_a_band_that_is_at_its_limit_is_crowded_though_records_are_of_the_other_in_turns() -> None:
    """Three hours of each day."""
    bodies: list[tuple[int, Body]] = []
    for n, at in enumerate(every()):
        full = {"wifi_station_count_2g": 16 if 12 <= at % DAY // HOUR < 15 else 5, "wifi_max_stations_2g": 16}
        bodies.append((at, {"wifi": {"wifi_station_count_5g": 1, "wifi_max_stations_5g": 32} if n % 2 else full}))

    assert {"wifi_crowded"} == set(found(history(bodies)))


def test_a_band_that_is_crowded_now_is_told_and_not_one_that_was_for_longer() -> None:
    """As of all that may come and go, the latest."""
    bodies: list[tuple[int, Body]] = []
    for at in every():
        told = {"wifi_max_stations_2g": 16, "wifi_max_stations_5g": 16}
        told["wifi_station_count_2g"] = 16 if at < SINCE + 4 * DAY else 5
        told["wifi_station_count_5g"] = 16 if at > NOW - DAY else 5
        bodies.append((at, {"wifi": told}))
    finding = found(history(bodies))["wifi_crowded"]

    assert finding.until is None
    assert finding.since > NOW - 2 * DAY


@pytest.mark.parametrize(("channel", "width"), [(6, 40), (3, 20), (0, 40), (8, 20)])
def test_a_channel_between_the_usual_ones_or_too_wide_is_badly_set(channel: int, width: int) -> None:
    """On 2.4 GHz."""
    assert {"wifi_badly_set"} == set(of("wifi", wifi_channel_2g=channel, wifi_bandwidth_2g_mhz=width))


@pytest.mark.parametrize("channel", [0, 1, 6, 11, 13])
def test_the_usual_channels_are_in_order(channel: int) -> None:
    """20 MHz wide."""
    assert {} == of("wifi", wifi_channel_2g=channel, wifi_bandwidth_2g_mhz=20)


# ------------------------------------------------------------------------------------------------------------- power


def test_a_battery_is_worn_by_what_it_loses_off_the_charger() -> None:
    """On the charger it loses nothing."""
    finding = of("power", battery_discharge_percent_per_hour=40.0, battery_charging=False)["battery_worn"]

    assert "empty in 2.5 h" in finding.summary
    assert {} == of("power", battery_discharge_percent_per_hour=12.0, battery_charging=False)
    assert {} == of("power", battery_discharge_percent_per_hour=40.0, battery_charging=True)


def test_a_battery_is_hot_by_whether_it_is_charged() -> None:
    """50 degrees are too many for charging, not for use."""
    assert {"battery_hot"} == set(of("power", battery_temperature_celsius=50.0, battery_charging=True))
    assert {} == of("power", battery_temperature_celsius=50.0, battery_charging=False)
    assert {"battery_hot"} == set(of("power", battery_temperature_celsius=58.0, battery_charging=False))


def test_a_battery_kept_full_is_a_fault_without_the_mode_for_it() -> None:
    """With it, the router sees to it."""
    full = {"battery_percent": 100, "battery_charging": True}

    assert {"battery_long_charge"} == set(of("power", **full, battery_long_charge_mode=False))
    assert {} == of("power", **full, battery_long_charge_mode=True)
    assert {} == of("power", **full | {"battery_percent": 80}, battery_long_charge_mode=False)


# ------------------------------------------------------------------------------------------------------------ upkeep


def test_a_data_limit_ends_with_the_month() -> None:
    """Its count begins anew."""
    used = [(at, {"usage": {"wan_rx_bytes_month": 10**9 if at < hours(120) else 10**6}}) for at in every()]
    told = [(hours(100), {"events": [{"event": "data_limit_exceeded", "time": "2025-11-25T18:00:00Z"}]})]
    finding = found(history([*used, *told]))["data_limit_reached"]

    assert finding.until is not None
    assert 0 <= finding.until - hours(120) <= 15 * MINUTE


def test_software_is_old_after_days_of_an_offer_and_not_before() -> None:
    """Roll-outs take days."""
    current: Body = {"router": {"software_version": "V1"}, "settings": {"available_software_version": "V1"}}
    offered: Body = {"router": {"software_version": "V1"}, "settings": {"available_software_version": "V2"}}
    installed: Body = {"router": {"software_version": "V2"}, "settings": {"available_software_version": "V2"}}

    assert "runs V1, offered V2" in found(changed(current, offered, NOW - 5 * DAY))["software_old"].summary
    assert found(changed(current, offered, NOW - 3 * DAY)) == {}
    assert found(changed(offered, installed, NOW - HOUR)) == {}


@pytest.mark.parametrize(
    ("severity", "times", "expected"),
    [("critical", 1, Severity.CRITICAL), ("major", 3, Severity.MAJOR), ("warning", 4, Severity.MINOR)],
)
def test_codes_count_by_their_severity_and_by_how_often_they_come(
    severity: str, times: int, expected: Severity
) -> None:
    """One critical, several major, one code over and over; one less is none."""
    events = [event("abnormal_data", hours(100 + n), fault_code="A-1", fault_severity=severity) for n in range(times)]

    assert expected is found(history(with_events(*events)))["abnormal_codes"].severity
    assert found(history(with_events(*events[1:]))) == {}


def test_sessions_flap_when_they_are_short_and_many() -> None:
    """By the seconds of all sessions where they are counted."""

    def sessions(each: int, seconds: int) -> History:
        bodies = [
            (at, {"session": {
                "acs_session_start_time": f"2025-11-22T00:00:{n % 60:02d}Z",
                "acs_session_seconds": seconds, "acs_session_seconds_total": n * each * seconds,
            }})
            for n, at in enumerate(every())
        ]  # fmt: skip
        return history(bodies)

    assert "20 sessions an hour, median length 3 s" in found(sessions(5, 3))["acs_flapping"].summary
    assert found(sessions(1, 3)) == {}
    assert found(sessions(5, 60)) == {}


def test_sessions_that_are_seen_one_by_one_count_one_by_one() -> None:
    """Four an hour, some of a few seconds and some of a minute, are four an hour."""
    lengths = [4, 55, 6, 5, 50, 7, 4, 60]
    bodies = [
        (SINCE + n * 15 * MINUTE + 5 * MINUTE * part, {"session": {
            "acs_session_start_time": text_of(SINCE + n * 15 * MINUTE), "acs_session_seconds": lengths[n % 8],
            "acs_session_seconds_total": sum(lengths) * (n // 8) + sum(lengths[: n % 8 + 1]),
        }})
        for n in range(300) for part in range(3)
    ]  # fmt: skip

    assert "acs_flapping" not in found(history(bodies))


def test_a_clock_is_wrong_by_the_same_amount_report_after_report() -> None:
    """A backlog is late by less and less."""
    body: Body = {"router": {"uptime_seconds": 1}}
    backlog = History(
        [r for n, (at, _) in enumerate(steady(body)) for r in [_late(n, at, (NOW - at) // 2)]], since=SINCE, now=NOW
    )

    assert "40 minutes behind" == found(history(steady(body), late=40 * MINUTE))["clock_wrong"].summary
    assert "4 minutes ahead" == found(history(steady(body), late=-4 * MINUTE))["clock_wrong"].summary
    assert found(backlog) == {}


@pytest.mark.parametrize("step", [5 * MINUTE, 20 * MINUTE, HOUR])
def test_an_outage_hides_no_wrong_clock(step: int) -> None:
    """What waited comes later still; the rest is as late as ever."""

    def told(wrong: int) -> History:
        back = NOW - 30 * HOUR
        times = range(NOW - 60 * HOUR, NOW, step)
        waited = [back - at if back - 14 * HOUR < at < back else 0 for at in times]
        return History([_late(n, at, wrong + waited[n]) for n, at in enumerate(times)], since=SINCE, now=NOW)

    assert found(told(40 * MINUTE))["clock_wrong"].summary == "40 minutes behind"
    assert found(told(5000)) == {}


def _late(number: int, at: int, late: int) -> Any:
    from patients import stored  # noqa: PLC0415 - beside its only use

    return stored(number, at, {"router": {"uptime_seconds": 1}}, late=late)


def test_silence_is_a_finding_when_it_is_far_longer_than_ever_before() -> None:
    """Routers with a battery are put away for days."""
    mains: Body = {"router": {"uptime_seconds": 1}}
    battery: Body = {"power": {"battery_percent": 60}}

    assert {"data_stopped"} == set(found(history(steady(mains, until=NOW - 20 * HOUR))))
    assert found(history(steady(battery, until=NOW - 20 * HOUR))) == {}
    assert found(history(steady(mains, step=8 * HOUR, until=NOW - 20 * HOUR))) == {}


def test_a_router_that_fell_silent_before_the_time_looked_at_is_found_silent() -> None:
    """Nothing to read is not nothing to say."""
    silent = History([], since=SINCE, now=NOW, last_received_at=SINCE - DAY)

    assert SINCE - DAY == found(silent)["data_stopped"].since


def test_a_router_that_may_have_a_battery_is_given_as_long_as_if_it_had() -> None:
    """Asked about the last two hours, nobody sees whether it has one."""
    since = NOW - 2 * HOUR

    assert found(History([], since=since, now=NOW, last_received_at=NOW - 20 * HOUR)) == {}
    assert {"data_stopped"} == set(found(History([], since=since, now=NOW, last_received_at=NOW - 5 * DAY)))


def test_a_router_that_never_sent_anything_has_no_finding() -> None:
    """There is nothing to judge."""
    assert found(History([], since=SINCE, now=NOW)) == {}


# ---------------------------------------------------------------------------------------------------------- findings


def test_a_finding_names_the_records_it_rests_on() -> None:
    """And the values in them that count, a few of many."""
    looked_at = history(steady(radio(rsrp_dbm=-121, sinr_db=-2)))
    [finding] = found(looked_at).values()
    records = {sample.record_id for sample in looked_at.samples}

    assert {evidence.record_id for evidence in finding.evidence} <= records
    assert all(evidence.values["signal.rsrp_dbm"] == -121 for evidence in finding.evidence)
    assert len(finding.evidence) == 5 < finding.observations


def test_confidence_grows_with_what_there_is() -> None:
    """By how much more than the rule asks for."""
    counts = {2: Confidence.LOW, 3: Confidence.MEDIUM, 6: Confidence.HIGH}
    told = {
        count: found(
            history(with_events(*(event(REBOOT, hours(100 + n), reboot_reason="watchdog") for n in range(count))))
        )
        for count in counts
    }

    assert counts == {count: findings["restarts_watchdog"].confidence for count, findings in told.items()}


def test_the_worst_comes_first_and_what_lasts_before_what_is_over() -> None:
    """As an engineer reads a page."""
    crash = [event(REBOOT, hours(20 + n), reboot_reason="kernel_panic") for n in range(3)]
    watchdog = [event(REBOOT, hours(160 + n), reboot_reason="watchdog") for n in range(3)]
    body: Body = {"wifi": {"wifi_channel_2g": 3}, "network": {"rat": "lte"}, "signal": {"rsrp_dbm": -121}}

    order = list(found(history(with_events(*crash, *watchdog, body=body))))

    assert ["restarts_watchdog", "restarts_crash", "signal_weak", "wifi_badly_set"] == order


def test_an_event_told_twice_counts_once() -> None:
    """Routers repeat what was not acknowledged."""
    once = event(REBOOT, hours(100), reboot_reason="watchdog")

    assert found(history(with_events(once, once))) == {}
