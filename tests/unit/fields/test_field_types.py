"""Types and bounds: at its edge a value is kept, beyond it the field is dropped and counted, never the record.

Every case is tried in both ways of reading: by the closed schema, and key by key, which an unknown key brings about.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import IMEI, ROUTER, Document, catalogue, event, kept, minimal_document, removals

from collector.fields.catalogue import FieldEntry, Group, InputEntry
from collector.fields.compiled import _seen_and_learn
from collector.fields.treatments import TREATED

Entry = FieldEntry | InputEntry

SENT = [entry for entry in catalogue().field if entry.on_the_wire and entry.type != "snapshot"]
ALL_SENT: list[Entry] = [*SENT, *catalogue().input]
NUMBERS = [entry for entry in ALL_SENT if entry.type in {"int", "number"}]
GENERIC: list[Any] = [None, [], {}, [1], {"value": 1}]


def holding(group: Group, name: str, value: Any) -> Document:
    """A report with this one value, and what makes its treatment let it through."""
    if group == "event":
        return minimal_document(network={"plmn": "26201"}, events=[event(**{name: value})])
    beside = {"wifi_station_count": 9} if group == "wifi" and name != "wifi_station_count" else {}
    return minimal_document(**{group: {**beside, name: value}})


def both_ways(document: Document) -> Iterator[tuple[Document, dict[str, int]]]:
    """The body and the counts of a report, read at once and read key by key."""
    for more in ({}, {"unheard_of": 1}):
        record = kept({**document, **more})
        counts = removals(record)
        if more:
            assert 1 == counts.pop("unknown")
        yield json.loads(record.body), counts


def place_in(body: Document, group: Group) -> Document:
    """The part of a body a field of *group* stands in."""
    found: Document = body["events"][0] if group == "event" else body[group]
    return found


def assert_kept(entry: Entry, value: Any) -> None:
    for body, counts in both_ways(holding(entry.group, entry.name, value)):
        assert {} == counts, (entry.name, value)
        if isinstance(entry, FieldEntry):
            found = place_in(body, entry.group)[entry.name]
            assert entry.name in TREATED or (type(value), value) == (type(found), found), (entry.name, value)


def assert_dropped(entry: Entry, value: Any) -> None:
    for body, counts in both_ways(holding(entry.group, entry.name, value)):
        assert {"invalid": 1} == counts, (entry.name, value)
        assert entry.name not in place_in(body, entry.group), (entry.name, value)


def by_name(*names: str) -> list[Entry]:
    return [entry for entry in ALL_SENT if entry.name in names]


def of_type(*kinds: str) -> list[Entry]:
    return [entry for entry in ALL_SENT if entry.type in kinds]


def named(entry: Any) -> str:
    return entry.name if isinstance(entry, FieldEntry | InputEntry) else repr(entry)


# ---------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("entry", NUMBERS, ids=named)
def test_a_number_is_kept_up_to_its_bounds(entry: Entry) -> None:
    """The bounds themselves are in."""
    assert entry.min is not None
    assert entry.max is not None
    for value in {entry.min, entry.max, (entry.min + entry.max) // 2}:
        assert_kept(entry, value)
        if entry.type == "number":
            assert_kept(entry, float(value))


@pytest.mark.parametrize("entry", NUMBERS, ids=named)
def test_a_number_beyond_its_bounds_is_dropped(entry: Entry) -> None:
    """One beyond, a little beyond, far beyond: the greatest integer is what some firmware sends for "none" (1.7.8)."""
    assert entry.min is not None
    assert entry.max is not None
    beyond: list[float] = [entry.min - 1, entry.max + 1, 2**63 - 1, -(2**63), 2**64, 10**30, 1e300]
    if entry.type == "number":
        beyond += [entry.min - 0.001, entry.max + 0.001]
    for value in beyond:
        if not entry.min <= value <= entry.max:
            assert_dropped(entry, value)


@pytest.mark.parametrize("entry", NUMBERS, ids=named)
def test_what_is_no_number_is_dropped(entry: Entry) -> None:
    """Numbers as text, yes and no, and what stands for "absent" in some firmware; absent is absent, never 0."""
    for value in ("1", "", "--", "-90", "0x10", True, False, *GENERIC):
        assert_dropped(entry, value)
    if entry.type == "int":
        assert_dropped(entry, float(entry.min or 0))
        assert_dropped(entry, (entry.min or 0) + 0.5)


# ----------------------------------------------------------------------------------------------------- yes and no


@pytest.mark.parametrize("entry", of_type("bool"), ids=named)
def test_a_switch_is_true_or_false(entry: Entry) -> None:
    """And nothing that might stand for it."""
    for value in (True, False):
        assert_kept(entry, value)
    for wrong in (0, 1, 1.0, "true", "on", "1", "", *GENERIC):
        assert_dropped(entry, wrong)


# ---------------------------------------------------------------------------------------------------------- words


@pytest.mark.parametrize("entry", of_type("enum"), ids=named)
def test_an_enum_is_one_of_its_values(entry: Entry) -> None:
    """Letter for letter."""
    values = entry.values or ()
    for value in values:
        assert_kept(entry, value)
        for wrong in (str(value).upper() + "X", f"{value} ", f" {value}", f"{value}\n", [value]):
            assert_dropped(entry, wrong)
    for wrong in ("", "hunter2", 0, 1, 1.5, True, *GENERIC):
        assert_dropped(entry, wrong)


@pytest.mark.parametrize("value", ["correct horse", "8", "weak", "HIGH", "high:secret", "middle", "none\u200b", 3])
def test_a_password_cannot_be_smuggled_through_its_strength(value: Any) -> None:
    """Anything but the four words is dropped (U52, C7)."""
    for entry in by_name("wifi_password_strength_2g", "wifi_password_strength_5g", "wifi_password_strength_guest"):
        assert_dropped(entry, value)


# -------------------------------------------------------------------------------------------------- versions, codes


@pytest.mark.parametrize("entry", of_type("ver64"), ids=named)
def test_a_version_is_64_characters_of_a_kind_and_holds_no_number(entry: Entry) -> None:
    """No run of nine digits: no phone number, IMEI or account can ride in a version (F3)."""
    for value in ("1", "BD_MC888V1.0.0B05", "1.2.3-rc+build_7", "12345678", "12345678.12345678", "v" * 64):
        assert_kept(entry, value)
    for wrong in (
        *("", "v" * 65, "1 2", "1/2", "1:2", "v\u00e4", "1.0\n", "1.0\u200b", "a@b", "(1)"),
        *("123456789", "v123456789", "123456789v", "4915112345678", "1.490154203237518.1", "1" * 64, 1, 1.5, True),
        *GENERIC,
    ):
        assert_dropped(entry, wrong)


@pytest.mark.parametrize("entry", of_type("code32"), ids=named)
def test_a_code_is_32_characters_of_a_kind_and_holds_no_number(entry: Entry) -> None:
    """As versions are, and shorter; no plus sign, which would make it a phone number."""
    for value in ("0", "0x17", "MDM.42", "a-B_9", "12345678", "c" * 32):
        assert_kept(entry, value)
    for wrong in ("", "c" * 33, "a b", "+49", "1+1", "123456789", "c123456789c", "c\n", "\u0661" * 3, 17, *GENERIC):
        assert_dropped(entry, wrong)


@given(st.text("0123456789abV._-", max_size=40))
@settings(max_examples=150)
def test_no_run_of_nine_digits_gets_through(text: str) -> None:
    """Whatever stands around it."""
    document = minimal_document(router={"software_version": text}, events=[event("abnormal_data", fault_code=text)])
    for body, _ in both_ways(document):
        found = [body["router"].get("software_version"), body["events"][0].get("fault_code")]

        for value in found:
            assert value in {None, text}
            assert value is None or not any(value[i : i + 9].isdigit() for i in range(len(value) - 8))


# ------------------------------------------------------------------------------------------------------ other kinds


def test_a_closed_list_takes_short_text() -> None:
    """What is on the list stays, anything else becomes other; too long is no name at all."""
    for entry in of_type("list"):
        for value in ("ZTE", "x", "x" * 40):
            assert_kept(entry, value)
        for wrong in ("", "x" * 41, 5, True, *GENERIC):
            assert_dropped(entry, wrong)


def test_a_regulatory_country_is_two_capitals() -> None:
    """ISO alpha-2."""
    for entry in of_type("country"):
        for value in ("DE", "CN"):
            assert_kept(entry, value)
        for wrong in ("de", "DEU", "D", "", "D1", "DE\n", "\u00c4\u00d6", 276, *GENERIC):
            assert_dropped(entry, wrong)


def test_a_plmn_is_text_of_five_or_six_digits() -> None:
    """Leading zeros count, so a number is no PLMN (1.7.8)."""
    for entry in of_type("plmn"):
        for value in ("26201", "310260", "90101"):
            assert_kept(entry, value)


def test_a_time_has_a_date_a_time_and_an_offset() -> None:
    """RFC 3339."""
    for entry in of_type("time"):
        for value in ("2026-11-21T17:00:00Z", "2026-11-21T17:00:00.5+01:00"):
            assert_kept(entry, value)
        for wrong in ("2026-11-21T17:00:00", "2026-11-21", "17:00", "", "now", "2026-13-01T00:00:00Z", 1_795_280_400):
            assert_dropped(entry, wrong)


# ---------------------------------------------------------------------------------------------------------- inputs


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("imsi", ["26201123456789", "262011234567890"], ["2620112345678", "2620112345678901", "2620112345678x", 262]),
        ("iccid", ["1" * 18, "1" * 19, "1" * 20], ["1" * 17, "1" * 21, "89490200000123456F", "٨" * 19, 1]),
        ("mac", ["d8:0a:e6:01:02:03", "D80AE6010203", "d8-0a-e6-01-02-03"], ["d8:0a:e6:01:02", "g" * 12, "", 5]),
        ("mac", ["00:11:22:33:44:bE", "Ab:cD:eF:01:23:Cd"], ["d8:0a:e6:01:02:0g", "d8:0a:e6:01:02:03\n"]),
        ("wan_ipv4", ["8.8.8.8", "0.0.0.0", "10.0.0.1/8"], ["8.8.8", "8.8.8.256", "08.8.8.8", "::1", "8.8.8.8/33", 8]),
        ("lan_ipv4", ["192.168.0.1/24", "192.168.0.1"], ["192.168.0.1/255.255.255.0", "router", " 10.0.0.1", None]),
        ("wan_ipv6", ["2a02::1", "::", "2a02::1/64"], ["10:0:0:g::", "", "2a02::1%eth0", "x" * 44, 6]),
        ("wan_ipv6", ["2a02::/7", "2a02::1/128", ":".join(["2A0f"] * 8)], ["2a02::1/", "2a02::1/1280", "2a02::1/64\n"]),
        ("ssid_2g", ["a", "x" * 32, "\u5bb6"], ["", "x" * 33, 5, None]),
        ("ssid_5g", ["a", " ", "\u00e4" * 16], ["", "x" * 33, ["a"], True]),
        ("lan_domain", ["a", "a.b-c.example", "x" * 253], ["", "a b", "x" * 254, "http://x", 1]),
        ("cell_id", [0, 2**28 - 1, 2**36 - 1], [-1, 2**36, "1", 1.0]),
    ],
)  # fmt: skip
def test_an_input_is_of_its_type(name: str, good: list[Any], bad: list[Any]) -> None:
    """What cannot be what it says is dropped and counted, as fields are."""
    (entry,) = by_name(name)
    for value in good:
        assert_kept(entry, value)
    for value in bad:
        assert_dropped(entry, value)


@pytest.mark.parametrize("value", ["49015420323751", "49015420323751801", "49015420323751x", "490154203237518 ", "", 4])
def test_an_imei_is_15_or_16_digits(value: Any) -> None:
    """Anything else is dropped, and the report is that of the serial number it came under (U05)."""
    for good in ("490154203237518", "4901542032375101"):
        assert {} == removals(kept(minimal_document(router={"serial": ROUTER, "imei": good})))

    for _, counts in both_ways(minimal_document(router={"serial": ROUTER, "imei": value})):
        assert {"invalid": 1} == counts


@pytest.mark.parametrize("value", ["S" * 33, "A B", "A\n", "A\u200b", "S\u00e4", "", 5, None])
def test_a_serial_number_is_short_and_printed(value: Any) -> None:
    """At most 32 characters (U06); anything else is dropped, and the report is that of the IMEI it came under."""
    for good in ("S", "!~/" * 10, "S" * 32):
        assert {} == removals(kept(minimal_document(router={"serial": good, "imei": IMEI}), router=IMEI))

    document = minimal_document(router={"serial": value, "imei": IMEI})
    for more in ({}, {"unheard_of": 1}):
        assert 1 == removals(kept({**document, **more}, router=IMEI))["invalid"]


@pytest.mark.parametrize("entry", [entry for entry in catalogue().field if not entry.on_the_wire], ids=named)
def test_what_is_worked_out_here_cannot_be_sent(entry: FieldEntry) -> None:
    """A ready-made pseudonym, carrier name or home network is unknown to the wire format."""
    record = kept(holding(entry.group, entry.name, "0123456789abcdef0123456789abcdef"))

    assert {"unknown": 1} == removals(record)
    assert entry.name not in place_in(json.loads(record.body), entry.group)


def test_null_is_not_absent() -> None:
    """A field that says nothing is left out; null is a value of a wrong type and is counted."""
    for entry in SENT:
        if entry.name != "plmn":
            assert_dropped(entry, None)


def test_fields_of_one_group_are_unknown_in_another() -> None:
    """A field has one place."""
    document = minimal_document(router={"rsrp_dbm": -90}, signal={"battery_percent": 5}, plmn="26201")

    assert {"unknown": 3} == removals(kept(document))


def test_texts_are_remembered_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of routers that send another version with each report; and what has not its pattern is never remembered (D22)."""
    monkeypatch.setattr("collector.fields.compiled._REMEMBERED", 8)
    seen, learn = _seen_and_learn(r"^[a-z0-9]+\Z")

    for number in range(100):
        assert learn(f"v{number}")
        assert f"v{number}" in seen
        assert len(seen) <= 8
        assert not learn(f"V{number}")
        assert f"V{number}" not in seen
