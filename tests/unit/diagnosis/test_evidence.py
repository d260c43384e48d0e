"""What a finding rests on is in the store: each record, each value in it, and the times between which it lies."""

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from patients import NOW, SINCE, Body, collected, event, found, history, hours, steady, stored, with_events
from records import HOUR
from support import make_rules, milliseconds

from collector.diagnosis.history import DAY, History, moment_of
from collector.diagnosis.nouns import Evidence, Finding
from collector.simulator.ailments import AILMENTS, Ailment
from collector.simulator.ward import Ward
from collector.stores import StoredRecord

START = datetime(2026, 11, 9, tzinfo=UTC)
END = START + timedelta(days=6)
LATE = "received_after_seconds"
"""The one value that is worked out: from the two times of its record."""


def assert_proven(finding: Finding, records: list[StoredRecord], now: int) -> None:
    """Every piece of evidence is a record that is there, with these values in it, within the finding's times."""
    by_id = {record.record_id: record for record in records}
    assert finding.evidence or finding.rule == "data_stopped"
    assert finding.since <= (now if finding.until is None else finding.until)
    for evidence in finding.evidence:
        record = by_id[evidence.record_id]
        assert evidence.values or finding.rule == "data_stopped"
        assert evidence.values == _in_record(evidence, record), finding.rule
        assert finding.until is None or evidence.at <= finding.until


def _in_record(evidence: Evidence, record: StoredRecord) -> dict[str, Any]:
    body = orjson.loads(record.body)
    if "event" in evidence.values:
        told = [e for e in body["events"] if moment_of(e["time"]) == evidence.at]
        return next({n: e.get(n) for n in evidence.values} for e in told if e["event"] == evidence.values["event"])
    assert evidence.at == record.event_time
    if LATE in evidence.values:
        return {LATE: round((record.received_at - record.event_time) / 1000)}
    return {name: _value(body, *name.split(".", 1)) for name in evidence.values}


def _value(body: dict[str, Any], group: str, name: str) -> Any:
    if group == "event":
        return next(told[name] for told in reversed(body["events"]) if name in told)
    return body[group][name]


def assert_all_proven(looked_at: History, records: list[StoredRecord]) -> dict[str, Finding]:
    """What is found in a history of these records, every finding of it proven."""
    findings = found(looked_at)
    for finding in findings.values():
        assert_proven(finding, records, looked_at.now)
    return findings


@pytest.mark.parametrize("ailment", AILMENTS, ids=lambda ailment: ailment.name)
def test_every_finding_rests_on_what_is_stored(ailment: Ailment) -> None:
    """Whatever was planted: the one that was, and others that come of it."""
    now = milliseconds(END)
    for _, sent in Ward(healthy=0, each=2, seed=6001, start=START, ailments=(ailment,)).days(6, timedelta(minutes=20)):
        records = collected(sent, make_rules())
        assert ailment.name in assert_all_proven(History(records, since=now - 6 * DAY, now=now), records)


def proven(bodies: list[tuple[int, Body]]) -> dict[str, Finding]:
    """What is found in a week of these bodies, all of it proven."""
    records = [stored(number, at, body) for number, (at, body) in enumerate(bodies)]
    return assert_all_proven(History(records, since=SINCE, now=NOW), records)


def test_a_router_s_own_count_is_shown_as_it_stands_in_its_records() -> None:
    """It is a value of a sample, no event."""
    finding = proven(steady({"network": {"wan_disconnects_day": 9}}))["disconnects_frequent"]

    assert {"network.wan_disconnects_day": 9} == finding.evidence[0].values


def test_an_offer_that_was_told_as_an_event_is_shown() -> None:
    """Old software rests on the offer, wherever it was told."""
    offers = [
        event("software_version_outdated", hours(24 * day), available_software_version="V2") for day in range(1, 7)
    ]
    finding = proven(with_events(*offers, body={"router": {"software_version": "V1"}}))["software_old"]

    assert "V2" in finding.evidence[0].values.values()


def test_of_two_codes_at_one_moment_both_count() -> None:
    """A lesser one does not hide a critical one, in whatever order they are told."""
    for severities in (("critical", "minor"), ("minor", "critical")):
        told = [
            event("abnormal_data", hours(30), fault_code=f"C-{severity}", fault_severity=severity)
            for severity in severities
        ]
        finding = proven(with_events(*told))["abnormal_codes"]

        assert "C-critical" in finding.summary


@pytest.mark.parametrize(("at", "counted"), [(SINCE, 4), (SINCE - 1, 3)])
def test_what_happened_at_the_first_moment_looked_at_counts(at: int, counted: int) -> None:
    """And not what happened before it, though its record came after."""
    lost = [event("wan_unexpected_disconnect", at, nas_cause_code=7)]
    lost += [event("wan_unexpected_disconnect", SINCE + n * HOUR, nas_cause_code=7) for n in (1, 2, 3)]
    finding = proven(with_events(*lost))["attach_refused"]

    assert counted == finding.observations
    assert max(at, SINCE) // 1000 == finding.since // 1000 or counted == 3


def test_a_finding_begins_and_ends_with_its_first_and_last_evidence() -> None:
    """To the minute of the records."""
    radio: Body = {"network": {"rat": "lte"}}
    weak, fine = radio | {"signal": {"rsrp_dbm": -121}}, radio | {"signal": {"rsrp_dbm": -90}}
    bodies = [*steady(fine, until=hours(30)), *steady(weak, since=hours(30), until=hours(60))]
    finding = proven([*bodies, *steady(fine, since=hours(60))])["signal_weak"]

    assert (finding.since, finding.until) == (finding.evidence[0].at, finding.evidence[-1].at)
    assert (hours(30.25), hours(59.75)) == (finding.since, finding.until)


def test_a_clock_s_evidence_is_how_late_each_record_came() -> None:
    """By its own two times."""
    looked_at = history(steady({"router": {"uptime_seconds": 1}}), late=HOUR)
    [finding] = found(looked_at).values()

    assert {LATE: 3600} == finding.evidence[0].values
