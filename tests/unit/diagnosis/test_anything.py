"""Whatever the catalogue allows a router to say, it can be judged: no record ends a command."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from patients import as_stored
from records import HOUR, MINUTE
from support import RECEIVED_AT, Document, clean_documents, kept

from collector.diagnosis.document import document, document_schema, survey_document, survey_schema
from collector.diagnosis.fleet import survey
from collector.diagnosis.history import DAY, History
from collector.diagnosis.judging import CODE, checked_rules, diagnose
from collector.diagnosis.likeness import Likeness, compare, on_cell, sentence
from collector.diagnosis.timeline import timeline
from collector.diagnosis.watching import watched
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
