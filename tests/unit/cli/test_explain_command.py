"""`ueip explain` as firmware authors type it."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from collector.cli import ueip

NOW = "2026-11-21T17:00:00Z"
REPORT = {"schema_version": 1, "message_id": "a", "ueip": True, "country": "DE", "time": NOW}
JOIN = {"schema_version": 1, "event_id": "a", "action": "join", "time": NOW, "country": "DE"}


def explained(document: Any, *words: str) -> Result:
    """What the command says of a message."""
    return CliRunner().invoke(ueip, ["explain", "-", "--at", NOW, *words], input=json.dumps(document))


def test_of_what_is_dropped_it_says_what_to_do() -> None:
    """In the words of the reference of drop reasons."""
    found = explained({**REPORT, "ueip": 1})

    assert found.exit_code == 1
    assert "What to do: Send the JSON value `true` at the top" in found.output
    assert json.loads(explained({**REPORT, "ueip": 1}, "--json").output)["advice"].startswith("Send the JSON value")


def test_where_nothing_is_to_be_done_nothing_is_said_of_it() -> None:
    """A stored message, and a country that waits for the operator."""
    assert "What to do" not in explained(REPORT).output
    assert json.loads(explained(REPORT, "--json").output)["advice"] == ""


def test_advice_holds_no_link_of_the_page_it_is_from() -> None:
    """Only where the list is."""
    found = explained({**JOIN, "policy_version": "2020-03-14", "language": "xx"}, "--topic", "ueip/v1/r/consent")

    assert "refused: notice_mismatch" in found.output
    assert "(firmware.md)" in found.output.replace("\n", " ")
    assert "](" not in found.output


def test_a_consent_event_is_known_without_its_topic() -> None:
    """It has an id and an action of its own."""
    assert "consent event: join" in explained(JOIN).output


def test_an_empty_topic_is_one_that_is_not_known() -> None:
    """As of a script whose variable is empty; it is not the same as none."""
    assert "dropped: unknown_topic" in explained(REPORT, "--topic", "").output


@pytest.mark.parametrize("country", ["Germany", "D", "", "276"])
def test_a_country_that_is_none_is_a_fault_of_usage(country: str) -> None:
    """It was a conflict of the message with a registry that says so."""
    found = explained(REPORT, "--country", country)

    assert found.exit_code == 2
    assert "expected two letters of ISO 3166-1, such as DE" in found.output
    assert explained(REPORT, "--country", "de").exit_code == 0
