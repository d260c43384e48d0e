"""`ueip explain` of reports of our own format, key by key."""

import re
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
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
from collector.explain.expected import of_entry, of_envelope
from collector.fields.catalogue import FieldEntry, InputEntry, load_catalogue
from collector.model import Accepted
from collector.reference.consent_schema import consent_schema
from collector.reference.schema import report_schema, value_schema
from collector.regions import RegionMap, load_region_tables


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


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"schema_version": "1"}, "`schema_version`: found text, expected the number 1."),
        ({"message_id": "a b"}, "`message_id`: found another text, expected text, 1 to 64 of A-Z a-z 0-9 . _ : -."),
        ({"message_id": None}, "`message_id`: found null"),
        ({"ueip": 1}, "`ueip`: found a whole number, expected the JSON value true."),
        ({"ueip_opt_in": 0}, "`ueip` is true, but `ueip_opt_in` beside it does not say yes."),
        ({"country": "de"}, "`country`: found 'de', expected a code of ISO 3166-1 alpha-2, such as DE."),
        ({"country": 49}, "`country`: found a whole number, expected two capital letters as text."),
        ({"network": {"plmn": 26201}}, "`network.plmn`: found a whole number, expected text of 5 or 6 digits."),
        ({"network": []}, "`network`: found a list, expected an object."),
        ({"network": {"plmn": "00101"}}, "`network.plmn`: the mobile country code 001 belongs to no country, or is"),
        ({"network": {"plmn": "46000"}}, "`network.plmn`: the mobile country code 460 belongs to another region"),
        ({"router": {"serial": "OTHER"}}, "; the payload names another in `router.serial`."),
        ({"policy_version": "9"}, "`policy_version`: found '9'; the notice has the versions 2020-03-14."),
        ({"time": "1970-01-01T00:00:10Z"}, "`time`: found 1970-01-01T00:00:10Z, expected at most 168 hours before"),
        ({"time": "2999-01-01T00:00:10Z"}, "`time`: found 2999-01-01T00:00:10Z, expected at most 168 hours before"),
        ({"time": 5}, "`time`: found a whole number, expected RFC 3339 in UTC as text, such as 2026-11-21T17:00:00Z."),
        ({"time": 5, "uptime_at_event_seconds": 9, "uptime_at_send_seconds": 8}, "`uptime_at_send_seconds` is less"),
        ({"time": 5, "uptime_at_event_seconds": "9"}, "`uptime_at_event_seconds`: found text, expected a whole"),
        ({"time": 5, "uptime_at_event_seconds": -1, "uptime_at_send_seconds": 8}, "_event_seconds`: found -1, "),
        ({"time": "9999-12-31T23:59:59-23:59"}, "`time`: found 9999-12-31T23:59:59-23:59, expected at most"),
        ({"time": "0001-01-01T00:00:00+23:59"}, "`time`: found 0001-01-01T00:00:00+23:59, expected at most"),
        ({"UEIP": True, "Ueip": 0}, "`ueip` is true, but `Ueip` beside it does not say yes."),
        ({"network": {"plmn": "\u0662\u0666\u0662\u0660\u0661"}}, "`network.plmn`: found another text, "),
        ({"time": 5, "uptime_at_event_seconds": 0, "uptime_at_send_seconds": 10**7}, "Its uptimes give a time outside"),
        ({"pad": "x" * 70_000}, "bytes, expected 65536 at most."),
        ({"events": [event(disconnect_snapshot={"network": {"plmn": 1}})]},
         "`events[0].disconnect_snapshot.network.plmn`: found a whole number"),
    ],
)  # fmt: skip
def test_of_what_is_dropped_it_is_said_what_was_found_and_what_was_expected(changes: Any, words: str) -> None:
    """Where it stands, too."""
    found = explained(minimal_document(**changes))

    assert found.outcome.startswith("dropped: ")
    assert words in found.reason


@pytest.mark.parametrize(
    ("changes", "country", "words"),
    [
        ({"network": {"plmn": "00101"}}, "DE", "`network.plmn`: the mobile country code 001 belongs to no country, or"),
        ({"network": {"plmn": "46000"}}, "DE", "`network.plmn`: the mobile country code 460 belongs to another region"),
        ({}, "QQ", "The country of the registry: found 'QQ', expected a code"),
        ({"country": "DE"}, "CN", "`country`: found 'DE', and the registry names another."),
    ],
)
def test_where_the_registry_has_the_word_nothing_is_said_of_the_country_that_the_message_leaves_out(
    changes: Any, country: str, words: str
) -> None:
    """It was told as missing, whatever the message was dropped for."""
    document = minimal_document(**changes)
    if "country" not in changes:
        del document["country"]
    found = explained(document, country=country)

    assert found.outcome.startswith("dropped: ")
    assert words in found.reason


def test_networks_are_held_against_the_tables_of_the_time_of_receipt() -> None:
    """As the message is."""
    tables = load_region_tables()
    later = tables.model_copy(update={"mcc_special": tables.mcc_special.model_copy(update={"neutral": ("001",)})})
    rules = replace(standard_rules(), regions=RegionMap(later, [(0, tables)]))
    found = explain(message(minimal_document(network={"plmn": "00101"})), rules)

    assert "`network.plmn`: the mobile country code 001 belongs to no country" in found.reason


def test_a_flag_in_the_wrong_place_or_by_another_name_is_pointed_at() -> None:
    """It is the first thing that is got wrong."""
    document = minimal_document(ueip_opt_in=True, router={"ueip": True})
    del document["ueip"]

    assert "Found `ueip_opt_in`, `router.ueip`, expected `ueip` at the top." in explained(document).reason
    del document["ueip_opt_in"], document["router"]
    assert "Expected `ueip` at the top." in explained(document).reason


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"signal": {"rsrp_dbm": "-95"}}, "signal.rsrp_dbm", "found text, expected a number from -156 to -31"),
        ({"signal": {"sinr_db": 99.5}}, "signal.sinr_db", "found 99.5, expected a number from -23 to 40"),
        ({"wifi": {"wifi_channel_2g": 20.0}}, "wifi.wifi_channel_2g", "found 20.0, a number with a fraction or an"),
        ({"wifi": {"wifi_channel_2g": 99}}, "wifi.wifi_channel_2g", "found 99, expected a whole number from 0 to 14"),
        ({"wifi": {"wifi_enabled": 1}}, "wifi.wifi_enabled", "found a whole number, expected true or false"),
        ({"wifi": {"wifi_mode_2g": "AX"}}, "wifi.wifi_mode_2g", "found text, expected one of b, g, n, ax, be"),
        ({"wifi": {"ssid_2g": ""}}, "wifi.ssid_2g", "found an empty text, expected text of 1 to 32 characters"),
        ({"wifi": [1]}, "wifi", "found a list, expected an object"),
        ({"sim": {"imsi": 262010000000001}}, "sim.imsi", "found a whole number, expected text of 14 to 15 digits"),
        ({"router": {"serial": "a b"}}, "router.serial", "found another text, expected text of 1 to 32 printable"),
        ({"events": {}}, "events", "found an object, expected a list of up to 32 objects"),
        ({"events": ["x"]}, "events[0]", "found text, expected an object"),
        ({"events": [{"event": "reboot"}]}, "events[0]", "missing or wrong in it: event, time"),
        ({"events": [{"event": "reboot"}]}, "events[0].event", "found text, expected one of wifi_driver_error, "),
        ({"events": [event(time=5)]}, "events[0].time", "found a whole number, expected RFC 3339"),
        ({"events": [event()] * 33}, "events[32]", "more than 32 events"),
        ({"events": [event(disconnect_snapshot=1)]}, "events[0].disconnect_snapshot", "found a whole number, expected"),
        ({"events": [event(cell_id="1")]}, "events[0].cell_id", "found text, expected a whole number from"),
    ],
)
def test_of_an_invalid_value_it_is_said_what_was_found_and_what_was_expected(
    changes: Any, path: str, words: str
) -> None:
    """Beside its path."""
    verdict, said = fates(explained(minimal_document(**changes)))[path]

    assert ("removed", f"invalid: {words}") == (verdict, said[: len(words) + len("invalid: ")])


def bounds(schema: dict[str, Any]) -> set[str]:
    """The values and bounds that a schema names, as a sentence has them."""
    named = [schema[name] for name in ("const", "minimum", "maximum") if name in schema]
    listed = [*schema.get("enum", ()), *schema.get("items", {}).get("enum", ())]
    return {str(int(v)) if isinstance(v, float) and v.is_integer() else str(v) for v in (*named, *listed)}


def test_what_a_value_may_be_is_said_as_the_schemas_say_it() -> None:
    """Of every field, input and key of the envelope: no value of a list and no bound is missing or another."""
    catalogue = load_catalogue()
    entries: list[FieldEntry | InputEntry] = [*(f for f in catalogue.field if f.on_the_wire), *catalogue.input]
    envelope = {**report_schema(catalogue)["properties"], **consent_schema()["properties"]}
    told = [(of_entry(entry), value_schema(entry)) for entry in entries]
    told += [(of_envelope(name), schema) for name, schema in envelope.items() if name != "ueip"]

    assert all(text for text, _ in told)
    assert [] == [text for text, schema in told if not bounds(schema) <= set(re.findall(r"[\w.-]+", text))]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"action": "leave"}, "`action`: found text, expected join or exit."),
        ({"event_id": "a b"}, "`event_id`: found another text, expected text, 1 to 64 of"),
        ({"time": "yesterday"}, "`time`: found another text, expected RFC 3339"),
        ({"time": None}, "`time`: found null, expected RFC 3339"),
        ({"adult_or_guardian": 18}, "`adult_or_guardian`: found a whole number, expected adult or guardian."),
        ({"country": "de"}, "`country`: found 'de', expected a code"),
        ({"schema_version": 2}, "`schema_version`: found 2, expected the number 1."),
        ({"storage_regions": ["x"]}, "`storage_regions`: found another list, expected a list of hong_kong, germany,"),
        ({"time": "9999-12-31T23:59:59-23:59"}, "`time`: found 9999-12-31T23:59:59-23:59, expected at most"),
    ],
)
def test_of_a_refused_act_it_is_said_what_was_found_and_what_was_expected(changes: Any, words: str) -> None:
    """The key of it, not that it is valid JSON."""
    act = {"schema_version": 1, "event_id": "a", "action": "join", "time": text_of(NOW), "country": "DE"}

    found = explain(message({**act, **changes}, topic="ueip/v1/r/consent"), standard_rules())

    assert found.outcome.startswith("refused: ")
    assert words in found.reason
    assert "strict JSON object" not in found.reason


def test_of_a_join_of_the_future_no_bound_is_said_that_it_has_not() -> None:
    """It may be as old as it is."""
    act = {"schema_version": 1, "event_id": "a", "action": "join", "country": "DE", "time": "2999-01-01T00:00:10Z"}

    found = explain(message(act, topic="ueip/v1/r/consent"), standard_rules())

    assert "`time`: found 2999-01-01T00:00:10Z, expected at most 300 seconds after its receipt, " in found.reason


def test_figures_about_stations_need_their_number_beside_them() -> None:
    """So it says what to send, and not that there are few."""
    few, none = {"wifi_station_count": 2}, dict[str, int]()

    told = [
        fates(explained(minimal_document(wifi={"wifi_station_rssi_dbm_min": -70, **beside}))) for beside in (few, none)
    ]

    assert [
        ("removed", "left out: fewer than 3 stations are connected"),
        ("removed", "left out: no wifi_station_count beside it"),
    ] == [one["wifi.wifi_station_rssi_dbm_min"] for one in told]


def test_of_an_act_that_leaves_something_out_nothing_is_said_that_counts_for_reports_alone() -> None:
    """No uptime stands in for its time, and no version is null that was not sent."""
    act = {"schema_version": 1, "event_id": "a", "action": "join", "country": "DE"}
    registered = make_rules(consent={"mode": "registered"})

    def why(document: Any) -> str:
        return explain(message(document, topic="ueip/v1/r/consent"), registered).reason

    assert why(act).endswith("`time` is missing, expected RFC 3339 in UTC as text, such as 2026-11-21T17:00:00Z.")
    assert "`policy_version`: found none; the notice has" in why({**act, "time": text_of(NOW)})
