"""The JSON Schema of consent events promises what the collector's own reader takes."""

from typing import Any

import pytest
from hypothesis import given, settings
from notices import DIGEST
from schema_documents import Document, Schemas, Validator
from support import ROUTER, decide, without

from collector.formats.consent_event import ConsentDocument
from collector.model import ConsentChange, ConsentRefused
from collector.reference.consent_schema import consent_schema

SCHEMA = consent_schema()
VALIDATOR = Validator(SCHEMA)
JOIN: Document = {
    "schema_version": 1,
    "event_id": "join-1",
    "action": "join",
    "time": "2026-11-21T16:00:00Z",
    "country": "DE",
}


def outcome(document: Document) -> Any:
    """What becomes of a consent event."""
    return decide(document, topic=f"ueip/v1/{ROUTER}/consent")


def complete(document: Document) -> Document:
    """The document with what its action needs: a country that has a region, and a text, if any, that there is."""
    shown = {"policy_version": "2020-03-14", "policy_digest": DIGEST, "language": "en"}
    needed = {"time": JOIN["time"], "country": "DE", **{name: shown[name] for name in shown if name in document}}
    return {**document, **needed} if document["action"] == "join" else document


def test_the_schema_is_valid_by_the_meta_schema() -> None:
    """The made schema is a schema of the 2020-12 dialect, closed, without references and without null."""
    Validator.check_schema(SCHEMA)

    assert "urn:ueip:schema:consent:v1" == SCHEMA["$id"]
    assert SCHEMA["additionalProperties"] is False
    assert "$ref" not in str(SCHEMA)
    assert "null" not in str(SCHEMA)


def test_every_key_of_the_model_is_described() -> None:
    """No key is forgotten or made up."""
    assert set(ConsentDocument.model_fields) == set(SCHEMA["properties"])
    assert all(found["description"].endswith(".") for found in SCHEMA["properties"].values())


@given(Schemas(SCHEMA).documents().map(complete))
@settings(max_examples=200)
def test_a_valid_event_goes_to_a_ledger(document: Document) -> None:
    """Any event valid by the schema, with a country that has a region, is taken."""
    assert VALIDATOR.is_valid(document)
    assert isinstance(outcome(document), ConsentChange)


@pytest.mark.parametrize("missing", ["schema_version", "event_id", "action", "time", "country"])
def test_what_a_join_needs_is_required(missing: str) -> None:
    """A join without one of these is invalid, as the collector refuses it."""
    document = without(JOIN, missing)

    assert VALIDATOR.is_valid(JOIN)
    assert not VALIDATOR.is_valid(document)
    assert isinstance(outcome(document), ConsentRefused)


def test_an_exit_needs_neither_time_nor_country() -> None:
    """A router whose clock is not set can still leave."""
    document = {**without(JOIN, "time", "country"), "action": "exit"}

    assert VALIDATOR.is_valid(document)
    assert isinstance(outcome(document), ConsentChange)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schema_version", 2),
        ("event_id", "with blanks in it"),
        ("action", "pause"),
        ("time", "2026-11-21T16:00:00"),
        ("country", "de"),
        ("channel", "telemetry_flag"),
        ("policy_version", ""),
        ("policy_digest", "0" * 63),
        ("language", "German, please"),
        ("storage_regions", ["atlantis"]),
        ("adult_or_guardian", "child"),
    ],
)
def test_a_value_outside_is_invalid_and_refused(name: str, value: object) -> None:
    """What the schema refuses opens no gate."""
    document = {**JOIN, name: value}

    assert not VALIDATOR.is_valid(document)
    assert isinstance(outcome(document), ConsentRefused)
