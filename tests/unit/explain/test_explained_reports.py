"""`ueip explain` of reports of our own format, key by key."""

from datetime import timedelta
from typing import Any

import pytest
from support import (
    NOW,
    complete_document,
    decide,
    event,
    make_rules,
    message,
    minimal_document,
    standard_rules,
    text_of,
)

from collector.explain import Explanation, explain
from collector.model import Accepted


def explained(document: Any, **more: Any) -> Explanation:
    """What is said of a message with this document."""
    return explain(message(document), standard_rules(), **more)


def fates(found: Explanation) -> dict[str, tuple[str, str]]:
    """Verdict and words by path."""
    return {finding.path: (finding.verdict, finding.as_what) for finding in found.findings}


def test_every_key_of_a_complete_report_is_explained() -> None:
    """Nothing of it is removed, and the body is the one that is stored."""
    found = explained(complete_document())

    assert ("stored", "germany") == (found.outcome, found.region)
    assert {"removed"} & {verdict for verdict, _ in fates(found).values()} == set()
    assert fates(found)["router.imei"][0] == "pseudonymised"
    assert isinstance(decide(complete_document()), Accepted)


def test_an_event_outside_the_time_window_is_left_out_with_all_its_keys() -> None:
    """Kind and time too; the one beside it is kept."""
    old = event("wifi_driver_error", time=text_of(NOW - timedelta(days=9)), wifi_driver_error_code=-1)
    fresh = event("wifi_driver_error", wifi_driver_error_code=-2)

    told = fates(explained(minimal_document(events=[old, {"event": "no such"}, fresh])))

    why = ("removed", "left out: its event is outside the time window")
    assert [why] * 3 == [told[f"events[0].{key}"] for key in ("event", "time", "wifi_driver_error_code")]
    assert ["envelope", "envelope", "kept"] == [
        told[f"events[2].{key}"][0] for key in ("event", "time", "wifi_driver_error_code")
    ]


def test_what_only_one_of_two_events_may_keep_is_told_of_each() -> None:
    """A cell is kept beside a network only."""
    with_plmn = event(cell_id=1000, disconnect_snapshot={"network": {"plmn": "26201"}})
    without = event(cell_id=1000)

    told = fates(explained(minimal_document(events=[without, with_plmn])))

    assert ("removed", "left out: no plmn beside it") == told["events[0].cell_id"]
    assert told["events[1].cell_id"][0] == "pseudonymised"


def test_names_that_are_packed_into_values_are_told_too() -> None:
    """With what they are."""
    told = fates(explained(minimal_document(blob='{"sms_content": "hello"}')))

    assert ("removed", "unknown: not in the catalogue") == told["blob"]
    assert told["blob.sms_content"][1].startswith("local_only")


@pytest.mark.parametrize(
    ("country", "outcome"), [(None, "stored"), ("DE", "stored"), ("CN", "dropped: region_conflict")]
)
def test_where_there_is_a_registry_it_has_the_last_word(country: str | None, outcome: str) -> None:
    """It is not asked; what it would say can be given."""
    rules = make_rules(regions={"registry": "required"})

    found = explain(message(minimal_document()), rules, country=country)

    assert outcome == found.outcome
    assert ("The registry has the last word" in found.reason) is (outcome == "stored")


def test_a_malformed_report_is_told_with_its_fault() -> None:
    """Where the parser stopped."""
    found = explain(message(b'{"a": 1,\n "b" 2}'), standard_rules())

    assert ("dropped: malformed", ()) == (found.outcome, found.findings)
    assert "line 2, column 6" in found.reason


@pytest.mark.parametrize("events", [9, "none", {}, None])
def test_events_that_are_no_list_are_explained_too(events: Any) -> None:
    """They are left out, and the rest is told as ever."""
    found = explained(minimal_document(events=events))

    assert any(path.startswith("events") for path in fates(found)) or events in ({}, None)
