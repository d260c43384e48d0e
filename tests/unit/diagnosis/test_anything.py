"""Whatever the catalogue allows a router to say, it can be judged: no record ends a command."""

from time import process_time
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from patients import NOW, SINCE, as_stored, stored
from records import HOUR, MINUTE
from support import RECEIVED_AT, Document, clean_documents, kept

from collector.derive import text_of
from collector.diagnosis.document import document, document_schema
from collector.diagnosis.fleet import survey
from collector.diagnosis.history import DAY, History
from collector.diagnosis.judging import CODE, checked_rules, diagnose
from collector.diagnosis.likeness import Likeness, compare, on_cell, sentence
from collector.diagnosis.survey_document import survey_document, survey_schema
from collector.diagnosis.timeline import timeline
from collector.diagnosis.watching import watched
from collector.examination import MOST_RECORDS
from collector.lookup import latest
from collector.model import Region
from collector.stores import StoredRecord

DIAGNOSIS, SURVEY = Draft202012Validator(document_schema()), Draft202012Validator(survey_schema())


def spread(documents: list[Document], steps: list[int]) -> list[StoredRecord]:
    """The records of these reports, *steps* minutes apart, each as the collector makes it."""
    records: list[StoredRecord] = []
    at = RECEIVED_AT - DAY
    for told, step in zip(documents, steps, strict=False):
        at += step * MINUTE
        record = as_stored(kept(told | {"message_id": f"m-{len(records)}"}))
        records.append(msgspec.structs.replace(record, event_time=at, received_at=at + 5000))
    return records


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_a_router_says_can_be_judged_compared_and_told(data: Any) -> None:
    """By every rule and every measure, as JSON of the promised shape."""
    few = data.draw(st.lists(clean_documents(), min_size=1, max_size=3))
    order = data.draw(st.lists(st.sampled_from(few), min_size=1, max_size=30))
    steps = data.draw(st.lists(st.sampled_from([0, 1, 15, 15, 15, 300]), min_size=30, max_size=30))
    records = spread(order, steps)
    looked_at = History(records, since=RECEIVED_AT - 7 * DAY, now=RECEIVED_AT + HOUR)
    rules, newest = checked_rules(), latest(records[::-1])
    likeness = Likeness.of(lambda group, name: newest.get(group, {}).get(name))

    findings = [
        on_cell(compare(finding, looked_at, [(likeness, looked_at)] * 12, likeness, rules), records)
        for finding in diagnose(looked_at, rules)
    ]
    for rule, code in CODE.items():
        assert code.measure is None or (code.measure.of(looked_at, rules[rule]) or 0) >= -273
    told = document(
        Region.GERMANY, b"\x01" * 16, looked_at, findings, timeline(looked_at), readable=True, cut_off=False
    )

    DIAGNOSIS.validate([msgspec.to_builtins(told)])
    assert all(sentence(compared) for finding in findings for compared in finding.compared)
    assert all(finding.since <= (finding.until or looked_at.now) for finding in findings)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_whatever_routers_say_a_fleet_of_them_can_be_surveyed(data: Any) -> None:
    """As JSON of the promised shape, whatever stands out."""
    few = data.draw(st.lists(clean_documents(), min_size=1, max_size=4))
    steps = data.draw(st.lists(st.sampled_from([0, 1, 15, 60]), min_size=12, max_size=12))
    fleet = [watched(spread([told] * 12, steps)) for told in few]
    routers = [router for router in fleet if router is not None] * 15

    told = survey_document(
        Region.CHINA, survey(routers), since=0, until=1, routers=len(routers), hours=1.0, sampled=False
    )

    SURVEY.validate([msgspec.to_builtins(told)])


EXTREMES = st.sampled_from([0, 1, 59_999, MINUTE, 15 * MINUTE, HOUR, 40 * DAY])
STRANGE_EVENTS = st.fixed_dictionaries(
    {
        "event": st.sampled_from(["wan_unexpected_disconnect", "unexpected_reboot", "abnormal_data", "of-tomorrow"]),
        "time": st.sampled_from(
            ["2025-11-25T12:00:00Z", "1970-01-01T00:00:00Z", "2099-12-31T23:59:00Z", "yesterday", "", None, 7]
        ),
    },
    optional={
        "reboot_reason": st.sampled_from(["watchdog", "of-tomorrow"]),
        "nas_cause_code": st.integers(0, 255),
        "fault_code": st.sampled_from(["A", "B"]),
        "fault_severity": st.sampled_from(["critical", "major"]),
        "cell_ref": st.just("f" * 32),
        "disconnect_snapshot": st.sampled_from([{}, {"signal": {}}, {"signal": {"rsrp_dbm": -140}}]),
    },
)
STRANGE_BODIES = st.fixed_dictionaries(
    {},
    optional={
        "router": st.sampled_from([{}, {"model_name": "other"}, {"model_name": "MC888", "software_version": "V1"}]),
        "network": st.sampled_from([{}, {"rat": "of-tomorrow"}, {"rat": "lte", "wan_disconnects_day": 10_000}]),
        "signal": st.sampled_from([{}, {"rsrp_dbm": -156}, {"rsrp_dbm": -31, "sinr_db": -23, "rsrq_db": -43}]),
        "session": st.sampled_from(
            [{}, {"acs_session_start_time": "never", "acs_session_seconds": 0, "acs_session_seconds_total": 2**32},
             {"acs_session_start_time": "2025-11-25T12:00:00Z", "acs_session_seconds": 0}]
        ),
        "power": st.sampled_from([{}, {"battery_percent": 0}, {"battery_percent": 100, "battery_charging": True}]),
        "wifi": st.sampled_from(
            [{}, {"wifi_driver_errors_total": 2**63}, {"wifi_station_count_2g": 255, "wifi_max_stations_2g": 0}]
        ),
        "events": st.lists(STRANGE_EVENTS, max_size=3),
        "of-tomorrow": st.just({"x": 1}),
    },
)  # fmt: skip
"""What another version of the collector may have written, or somebody's restore: no rule was made for it."""


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    bodies=st.lists(st.tuples(STRANGE_BODIES, EXTREMES, st.integers(-40 * DAY, 40 * DAY)), max_size=40),
    begin=st.sampled_from([SINCE, SINCE - 1, NOW, NOW + DAY]),
    seen=st.sampled_from([None, SINCE - 90 * DAY, NOW + DAY]),
)
def test_a_store_with_anything_in_it_can_be_examined(
    bodies: list[tuple[Document, int, int]], begin: int, seen: int | None
) -> None:
    """None, one or many records; all at one moment, years apart, from the future; clocks that are weeks off."""
    records, at = [], begin
    for number, (body, step, late) in enumerate(bodies):
        at += step
        records.append(stored(number, at, body, late=late, router=f"r{number % 12}"))
    looked_at = History(records, since=SINCE, now=NOW, last_received_at=seen)
    rules, likeness = checked_rules(), Likeness("MC888", "V1", None, None)

    findings = [
        on_cell(compare(finding, looked_at, [(likeness, looked_at)] * 10, likeness, rules), records)
        for finding in diagnose(looked_at, rules)
    ]
    entries = timeline(looked_at, first_received_at=seen)
    told = document(Region.GERMANY, b"\x01" * 16, looked_at, findings, entries, readable=True, cut_off=False)
    routers = [router for router in (watched(records), watched(records[:1])) if router is not None] * 6

    DIAGNOSIS.validate([msgspec.to_builtins(told)])
    assert survey(routers) is not None


def test_as_many_records_as_are_ever_read_are_examined() -> None:
    """Twenty thousand, each with a fault, and every field that a rule looks at."""
    body: Document = {
        "network": {"rat": "lte", "wan_connection_state": "no_service", "wan_disconnects_day": 50},
        "signal": {"rsrp_dbm": -130, "rsrq_db": -20, "sinr_db": -10},
        "wifi": {"wifi_channel_2g": 3, "wifi_station_count_2g": 32, "wifi_max_stations_2g": 32},
        "power": {"battery_percent": 100, "battery_long_charge_mode": False, "battery_temperature_celsius": 60},
    }
    step = 7 * DAY // MOST_RECORDS
    records = []
    for number in range(MOST_RECORDS):
        at = SINCE + number * step
        told = {"event": "wan_unexpected_disconnect", "time": text_of(at), "nas_cause_code": 7}
        wifi = body["wifi"] | {"wifi_driver_errors_total": number * 10}
        records.append(stored(number, at, body | {"wifi": wifi, "events": [told]}))
    looked_at = History(records, since=SINCE, now=NOW)

    found = diagnose(looked_at, checked_rules())

    assert {"signal_weak", "registration_lost", "attach_refused", "wifi_driver_errors"} <= {f.rule for f in found}
    assert all(len(finding.evidence) <= 5 for finding in found)
    assert len(timeline(looked_at)) > MOST_RECORDS


def spent(records: list[StoredRecord], since: int) -> tuple[set[str], float]:
    """What is found, and the seconds of a processor that it took."""
    looked_at = History(records, since=since, now=NOW)
    begun = process_time()
    return {finding.rule for finding in diagnose(looked_at, checked_rules())}, process_time() - begun


def test_thousands_of_gaps_and_of_events_are_judged_in_seconds() -> None:
    """A hotspot that is switched on for two minutes and off for forty, for half a year."""
    moments = [NOW - n * 42 * MINUTE - m * MINUTE for n in range(MOST_RECORDS // 3) for m in range(3)][::-1]
    records = [
        stored(n, at, {"events": [{"event": "wan_unexpected_disconnect", "time": text_of(at)}]})
        for n, at in enumerate(moments)
    ]

    rules, seconds = spent(records, moments[0])

    assert "disconnects_frequent" in rules
    assert seconds < 10
