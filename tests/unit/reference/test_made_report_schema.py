"""The JSON Schema of reports promises what the collector keeps: it is valid itself, and neither stricter nor laxer."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from schema_documents import Document, Schema, Schemas, Validator, edges, violations
from support import NOW, POLICY, ROUTER, body_of, catalogue, kept, reason_of, removals, text_of, without

from collector.fields.catalogue import GROUPS, SNAPSHOT_GROUPS
from collector.fields.compiled import ENVELOPE, MAX_EVENTS
from collector.reference.schema import report_schema

SCHEMA = report_schema(catalogue())
VALIDATOR = Validator(SCHEMA)
SCHEMAS = Schemas(SCHEMA)
GERMAN_NETWORKS = ("26201", "26202", "20801", "22210", "90143")

NOT_A_LOSS = {"plmn": "region_unknown"}
"""A serving network that cannot be read costs the message, for it may be one of another region."""


def fitted(document: Document) -> Document:
    """The document as a router that has joined would send it now: its own identity, a fresh time, its own country."""
    made = {**document, "time": text_of(NOW - timedelta(seconds=30)), "country": "DE"}
    if "policy_version" in made:
        made["policy_version"] = POLICY
    if "router" in made:
        made["router"] = {**made["router"], "serial": ROUTER}
    made |= {group: _at_home(made[group]) for group in ("network",) if group in made}
    if "events" in made:
        made["events"] = [_recent(event) for event in made["events"]]
    return made


def _at_home(network: Document) -> Document:
    return network | ({"plmn": "26201"} if network.get("plmn", "26201") not in GERMAN_NETWORKS else {})


def _recent(event: Document) -> Document:
    made = {**event, "time": text_of(NOW - timedelta(minutes=10))}
    snapshot = made.get("disconnect_snapshot")
    if snapshot is not None and "network" in snapshot:
        made["disconnect_snapshot"] = {**snapshot, "network": _at_home(snapshot["network"])}
    return made


PLACES = [
    pytest.param(group, name, found, id=f"{group}.{name}")
    for group in (*GROUPS, "event")
    for name, found in SCHEMAS.leaves(group)
]
"""Every plain value of a report, by where it stands."""


def placed(group: str, name: str, value: Any) -> Document:
    """A report with every value of the group in order but for this one."""
    return report(group, {**sound(group), name: value})


def lacking(group: str, name: str) -> Document:
    """The same report without the value."""
    return report(group, without(sound(group), name))


def sound(group: str) -> Document:
    """Every value of a group, in order."""
    values = {name: edges(found)[0] for name, found in SCHEMAS.leaves(group) if name != "imei"}
    return values | ({"serial": ROUTER} if group == "router" else {})


def report(group: str, values: Document) -> Document:
    """A report of one group, or of one event."""
    head = {"schema_version": 1, "message_id": "m-1", "ueip": True, "country": "DE", "time": text_of(NOW)}
    return {**head, "events": [values]} if group == "event" else {**head, group: values}


def test_the_schema_is_valid_by_the_meta_schema() -> None:
    """The made schema is a schema of the 2020-12 dialect."""
    Validator.check_schema(SCHEMA)

    assert "https://json-schema.org/draft/2020-12/schema" == SCHEMA["$schema"]
    assert "urn:ueip:schema:report:v1" == SCHEMA["$id"]


def test_the_top_holds_what_the_decoder_takes() -> None:
    """No key beside the groups is forgotten or made up."""
    assert {*ENVELOPE, *GROUPS, "events"} == set(SCHEMA["properties"])
    assert MAX_EVENTS == SCHEMA["$defs"]["events"]["maxItems"]
    assert set(SNAPSHOT_GROUPS) == set(SCHEMA["$defs"]["snapshot"]["properties"])


def _objects(found: Any) -> Iterator[Schema]:
    if isinstance(found, dict):
        if found.get("type") == "object":
            yield found
        for value in found.values():
            yield from _objects(value)


def test_every_object_is_closed() -> None:
    """What the schema does not name is not valid."""
    found = list(_objects(SCHEMA))

    assert len(GROUPS) + 3 == len(found)
    assert all(one["additionalProperties"] is False for one in found)


def test_every_field_says_treatment_clause_and_version() -> None:
    """A firmware author sees beside each field what becomes of it and which clause asks for it."""
    for group in GROUPS:
        for name, found in SCHEMAS.leaves(group):
            assert {"x-treatment", "x-clause", "x-since"} <= set(found), name
            assert found["description"].endswith("."), name
    assert SCHEMA["$defs"]["signal"]["properties"]["rsrp_dbm"]["description"].endswith("Unit: dBm.")


@pytest.mark.parametrize("missing", ["schema_version", "message_id", "ueip", "country", "time"])
def test_what_a_report_needs_is_required(missing: str) -> None:
    """A report without one of these is invalid, as the collector drops it."""
    document = without(report("signal", {}), missing)

    assert not VALIDATOR.is_valid(document)
    assert reason_of(document) != "accepted"


def test_uptimes_stand_in_for_the_time() -> None:
    """A router without a clock sends both uptimes."""
    document = without(report("signal", {}), "time")

    assert not VALIDATOR.is_valid({**document, "uptime_at_event_seconds": 5})
    assert VALIDATOR.is_valid({**document, "uptime_at_event_seconds": 5, "uptime_at_send_seconds": 9})


@pytest.mark.parametrize("flag", [False, None, 0, 1, "true", "1", [True], {"value": True}])
def test_the_flag_is_the_value_true(flag: object) -> None:
    """Nothing but true is valid, as nothing else opens the gate."""
    assert not VALIDATOR.is_valid({**report("signal", {}), "ueip": flag})


@pytest.mark.parametrize(("group", "name", "found"), PLACES)
def test_a_value_at_the_edge_is_valid_and_loses_nothing(group: str, name: str, found: Schema) -> None:
    """What the schema admits at its edges the collector takes."""
    for value in edges(found):
        document = placed(group, name, ROUTER if name == "serial" else value)

        assert VALIDATOR.is_valid(document), value
        assert {} == removals(kept(document)), value


@pytest.mark.parametrize(("group", "name", "found"), [p for p in PLACES if p.id not in {"event.event", "event.time"}])
def test_a_value_outside_is_invalid_and_is_all_that_is_lost(group: str, name: str, found: Schema) -> None:
    """What the schema refuses the collector removes, that one field and no other."""
    expected = body_of(lacking(group, name))
    for value in violations(found):
        document = placed(group, name, value)

        assert not VALIDATOR.is_valid(document), value
        if name in NOT_A_LOSS:
            assert NOT_A_LOSS[name] == reason_of(document), value
        else:
            assert {"invalid": 1} == removals(kept(document)), value
            assert expected == body_of(document), value


@pytest.mark.parametrize("name", ["event", "time"])
def test_an_event_without_kind_or_time_is_invalid_and_lost_whole(name: str) -> None:
    """An event is nothing without what happened and when."""
    document = lacking("event", name)

    assert not VALIDATOR.is_valid(document)
    assert {"invalid": 1} == removals(kept(document))
    assert {} == body_of(document)


@given(SCHEMAS.documents().map(fitted))
@settings(max_examples=300)
def test_a_valid_report_loses_nothing(document: Document) -> None:
    """Any document valid by the schema, fresh, of its own router and at home, is kept without a removal."""
    assert VALIDATOR.is_valid(document), [error.message for error in VALIDATOR.iter_errors(document)]

    assert {} == removals(kept(document))


@given(SCHEMAS.documents().map(fitted), st.data())
@settings(max_examples=300)
def test_a_violated_bound_costs_the_field_alone(document: Document, data: st.DataObject) -> None:
    """Whatever else a report holds, one value outside its bounds is lost and nothing else."""
    group = data.draw(st.sampled_from([group for group in GROUPS if group != "network"]))
    name, found = data.draw(st.sampled_from([leaf for leaf in SCHEMAS.leaves(group) if leaf[0] != "serial"]))
    spoilt = json.loads(json.dumps(document))
    sound = {**spoilt, group: without(spoilt.get(group, {}), name)}
    if group == "router":
        sound["router"]["serial"] = ROUTER
    spoilt = {**sound, group: {**sound[group], name: data.draw(st.sampled_from(violations(found)))}}

    assert not VALIDATOR.is_valid(spoilt)
    assert {"invalid": 1} == removals(kept(spoilt))
    assert body_of(sound) == body_of(spoilt)
