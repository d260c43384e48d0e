"""The wire format v1: topics, and what a decoded report says before anybody judges it."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support import (
    IMEI,
    NOW,
    RECEIVED_AT,
    ROUTER,
    Document,
    complete_document,
    event,
    message,
    minimal_document,
    standard_rules,
    wire_entries,
)

from collector.fields.catalogue import GROUPS
from collector.formats import report as report_format
from collector.formats.report import milliseconds, parse_topic
from collector.model import DropReason, Flag, Removal, Report


def decoded(document: Document | str) -> Report:
    """The report in a message."""
    found = standard_rules().reports.decode(message(document), ROUTER)
    assert isinstance(found, Report)
    return found


@pytest.mark.parametrize("kind", ["report", "consent"])
def test_a_topic_names_router_and_kind(kind: str) -> None:
    """The third level is the router, the fourth what it publishes."""
    assert (ROUTER, kind) == parse_topic(f"ueip/v1/{ROUTER}/{kind}")
    assert ("x" * 64, kind) == parse_topic(f"ueip/v1/{'x' * 64}/{kind}")


def test_topics_that_cannot_be_ours_are_not_remembered() -> None:
    """Whatever is sent, what is remembered of it is bounded (D22)."""
    before = report_format._parse_topic.cache_info().currsize

    for number in range(50):
        assert parse_topic(f"ueip/v1/{number}{'x' * 60_000}/report") is None

    assert before == report_format._parse_topic.cache_info().currsize


@pytest.mark.parametrize(
    ("text", "flag"),
    [
        ('{"ueip":true}', Flag.YES),
        ('{"ueip":false}', Flag.NO),
        ('{"ueip":1}', Flag.INVALID),
        ('{"ueip":null}', Flag.INVALID),
        ('{"ueip":true,"x":1}', Flag.YES),
        ('{"ueip":false,"x":1}', Flag.NO),
        ('{"x":"\\u0041"}', Flag.ABSENT),
        ('{"x":{"ueip":true}}', Flag.ABSENT),
        ('{"ueip":true,"ueip_flag":false}', Flag.INVALID),
        ('{"ueip":false,"ueip_flag":true}', Flag.NO),
        ('{"ue\\u0069p":true}', Flag.YES),
    ],
)
def test_the_flag_is_read_alike_in_both_ways_of_reading(text: str, flag: Flag) -> None:
    """A clean message is read by the closed schema, any other key by key; the flag says the same."""
    assert flag is decoded(text).flag


@pytest.mark.parametrize(
    "text",
    [
        '{"ueip":false,"ueip":true,"x":1}',
        '{"ueip":true,"x":1,"x":2}',
        '{"ueip":true,"x":{"y":1,"y":2}}',
        '{"ueip":true,"x":1,"radio":{"rsrp_dbm":-90,"rsrp_dbm":-80}}',
    ],
)
def test_a_key_that_stands_twice_beside_an_unknown_one_makes_a_message_malformed(text: str) -> None:
    """Whichever of the two counts, the other says something else: of the flag, whether anything may be kept (G1)."""
    assert DropReason.MALFORMED is standard_rules().reports.decode(message(text), ROUTER)


def test_what_is_unknown_may_not_nest_deeper_than_anything_else() -> None:
    """By G1, wherever a message is read."""
    deepest = standard_rules().reports.max_depth
    texts = ['{"ueip":true,"x":' + "[" * levels + "]" * levels + "}" for levels in (deepest - 1, deepest)]

    assert Flag.YES is decoded(texts[0]).flag
    assert DropReason.MALFORMED is standard_rules().reports.decode(message(texts[1]), ROUTER)


@pytest.mark.parametrize("text", ["{}", '{"x":1}', '{"UEIP":true}', '{"ueip_flag":true}', "{'ueip':true}", '{"x":', ""])
def test_where_no_flag_can_be_nothing_else_is_read(text: str) -> None:
    """A message that is no JSON is still called what it is."""
    found = standard_rules().reports.decode(message(text), ROUTER)
    try:
        json.loads(text)
    except ValueError:
        assert found is DropReason.MALFORMED
    else:
        assert found is DropReason.FLAG_ABSENT


def test_a_report_with_nothing_but_the_flag_says_nothing() -> None:
    """Decoding judges nothing."""
    found = decoded('{"ueip":true}')

    said = (found.message_id, found.schema_version, found.policy_version, found.country, found.time, found.age)
    assert (None,) * 6 == said
    assert ((), (), False, False) == (found.plmns, found.removed, found.suspect_plmn, found.names_another)


def test_the_networks_of_a_report_are_all_it_names() -> None:
    """The serving network and those of snapshots: each may refuse."""
    snapshot = {"network": {"plmn": "20801"}}
    document = minimal_document(network={"plmn": "26201"}, events=[event(), event(disconnect_snapshot=snapshot)])

    assert ("26201", "20801") == decoded(document).plmns


def test_times_and_ages_are_milliseconds() -> None:
    """Time since 1970, age by uptime."""
    found = decoded(minimal_document(uptime_at_event_seconds=5, uptime_at_send_seconds=65))

    assert (RECEIVED_AT - 30_000, 60_000) == (found.time, found.age)
    assert RECEIVED_AT == milliseconds(NOW)


@pytest.mark.parametrize("where", [{"router": {"serial": "X", "imei": IMEI}}, {"router": {"imei": IMEI}, "x": 1}])
def test_another_router_is_noticed_in_both_ways_of_reading(where: Document) -> None:
    """Noticed when decoding, refused later."""
    assert decoded(minimal_document(**where)).names_another


@pytest.mark.parametrize(
    ("more", "removed"),
    [
        ({"x": 1, "y": {"z": 2}}, {Removal.UNKNOWN: 2}),
        ({"sms": 1}, {Removal.LOCAL_ONLY: 1}),
        ({"imsi": 1, "earfcn": 6300}, {Removal.NOT_COLLECTED: 1, Removal.UNKNOWN: 1}),
        ({"signal": {"rsrp_dbm": "-90"}}, {Removal.INVALID: 1}),
        ({"x": {"sms": 1, "y": [{"password": 2}]}}, {Removal.UNKNOWN: 1, Removal.LOCAL_ONLY: 2}),
    ],
)
def test_what_is_left_out_is_counted_by_kind(more: Document, removed: dict[Removal, int]) -> None:
    """Counts by kind, no names."""
    assert tuple(sorted(removed.items())) == decoded(minimal_document(**more)).removed


def test_a_message_that_is_too_large_is_not_decoded() -> None:
    """The answer is a reason instead of a report."""
    found: Any = standard_rules().reports.decode(message(b"{" * 65_537), ROUTER)

    assert DropReason.OVERSIZE == found


def test_the_complete_report_of_the_tests_is_complete() -> None:
    """Tests that go through "every field" go through every field of the catalogue."""
    document = complete_document()

    for group in GROUPS:
        expected = {entry.name for entry in wire_entries(group)}
        assert expected - document[group].keys() <= {
            *("wan_ip_class", "lan_wan_subnet_overlap", "ssid_is_default", "lan_domain_is_default")
        }
    on_events = {name for found in document["events"] for name in found}
    assert {entry.name for entry in wire_entries("event")} | {"event", "time", "disconnect_snapshot"} == on_events


def in_the_order_of_the_schema(value: Any, said: Document, schema: Document) -> Any:
    """A document with its keys as *said* there lists them."""
    if "$ref" in said:
        said = schema["$defs"][said["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [in_the_order_of_the_schema(one, said["items"], schema) for one in value]
    if isinstance(value, dict):
        return {
            key: in_the_order_of_the_schema(value[key], of, schema)
            for key, of in said["properties"].items()
            if key in value
        }
    return value


def test_what_is_written_in_the_order_of_the_schema_need_not_be_looked_through_for_keys_that_stand_twice() -> None:
    """It is what its tree becomes when it is written out again."""
    schema = json.loads((Path(__file__).parents[3] / "schemas" / "report-v1.schema.json").read_text())
    document = in_the_order_of_the_schema(complete_document() | {"events": [event()]}, schema, schema)
    payload = json.dumps(document, separators=(",", ":")).encode()

    tree = standard_rules().reports.valid(payload)

    assert msgspec.json.encode(tree) == payload
    assert not report_format.has_key_twice(payload, tree)
