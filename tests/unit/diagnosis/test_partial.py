"""Bodies read in part decide the same for a rule as whole ones: a rule names every field that it decides by."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import pytest
from patients import NOW as PATIENT_NOW
from patients import SINCE, Body, collected, event, hours, stored, with_events
from records import MINUTE
from support import make_rules, milliseconds

from collector.diagnosis.case import Case
from collector.diagnosis.history import DAY, History
from collector.diagnosis.judging import CODE, checked_rules
from collector.diagnosis.partial import decoder
from collector.simulator.ward import Ward
from collector.stores import StoredRecord

START = datetime(2026, 11, 9, tzinfo=UTC)
DAYS = 7
NOW = milliseconds(START + timedelta(days=DAYS))


@lru_cache(1)
def sent() -> tuple[list[StoredRecord], ...]:
    """What routers sent: two with each fault, and healthy ones."""
    rules = make_rules()
    ward = Ward(healthy=3, each=2, seed=6001, start=START)
    return tuple(collected(deliveries, rules) for _, deliveries in ward.days(DAYS, timedelta(minutes=20)))


def told_of(history: History, rule_id: str) -> tuple[bool, Any]:
    """Whether the rule finds something, and what it measures."""
    rules = checked_rules()
    rule, code = rules[rule_id], CODE[rule_id]
    found = code.judge(Case(history, rule, rules.causes)) is not None
    return found, code.measure.of(history, rule) if code.measure is not None else None


@lru_cache(1)
def of_whole_bodies() -> list[dict[str, tuple[bool, Any]]]:
    """Of each router, by rule: bodies are decoded once for all rules."""
    histories = (History(records, since=NOW - DAYS * DAY, now=NOW) for records in sent())
    return [{rule_id: told_of(whole, rule_id) for rule_id in CODE} for whole in histories]


@pytest.mark.parametrize("rule_id", CODE)
def test_a_rule_finds_and_measures_the_same_in_what_it_names(rule_id: str) -> None:
    """With all that it needs, and nothing else, decoded."""
    decode = decoder(checked_rules()[rule_id].fields)
    whole = [of_all[rule_id] for of_all in of_whole_bodies()]

    assert any(found for found, _ in whole)
    assert whole == [told_of(History(records, since=NOW - DAYS * DAY, now=NOW, decode=decode), rule_id)
                     for records in sent()]  # fmt: skip


WIFI_OFF = {
    "wifi_enabled": False, "wifi_channel_2g": 3, "wifi_bandwidth_2g_mhz": 40, "wifi_security_mode_2g": "wep",
    "wifi_password_strength_2g": "low",
}  # fmt: skip
DRAINING = {"battery_percent": 98, "battery_discharge_percent_per_hour": 0.5, "battery_long_charge_mode": False}
ON_THE_CHARGER = {"battery_percent": 5, "battery_charging": True}
NEARLY_EMPTY = {"battery_percent": 12, "battery_charging": False, "battery_discharge_percent_per_hour": 30.0}


@pytest.mark.parametrize(
    ("rule_id", "body"),
    [
        ("wifi_password_weak", {"wifi": WIFI_OFF}),
        ("wifi_security_old", {"wifi": WIFI_OFF}),
        ("wifi_badly_set", {"wifi": WIFI_OFF}),
        ("battery_long_charge", {"power": DRAINING}),
        ("restarts_power", {"power": ON_THE_CHARGER}),
        ("restarts_power", {"power": NEARLY_EMPTY}),
    ],
)
def test_a_rule_names_what_keeps_it_from_a_finding_too(rule_id: str, body: Body) -> None:
    """Wi-Fi that is off, a charger, a battery that drains: else others would be said to have what they have not."""
    restarts = [event("unexpected_reboot", hours(100 + n) + 14 * MINUTE, reboot_reason="power_loss") for n in range(6)]
    records = [stored(n, at, told) for n, (at, told) in enumerate(with_events(*restarts, body=body))]
    whole = History(records, since=SINCE, now=PATIENT_NOW)
    part = History(records, since=SINCE, now=PATIENT_NOW, decode=decoder(checked_rules()[rule_id].fields))

    assert told_of(whole, rule_id) == told_of(part, rule_id)


def test_what_is_not_named_is_not_read() -> None:
    """Nor is a group without a name in it; events are always there."""
    body = b'{"signal":{"rsrp_dbm":-90,"sinr_db":3},"wifi":{"wifi_station_count":2},"events":[{"event":"x","a":1}]}'

    assert decoder(["signal.rsrp_dbm", "usage.other"])(body) == {
        "signal": {"rsrp_dbm": -90},
        "events": [{"event": "x", "a": 1}],
    }
