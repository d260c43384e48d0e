"""Bad input of every kind: one counted drop each, and never a failure."""

import base64
import itertools
import json
import time
import tracemalloc
from typing import Any

import pytest
from support import (
    RECEIVED_AT,
    Document,
    complete_document,
    decide,
    encode,
    event,
    minimal_document,
    paths_in,
    reason_in,
    reason_of,
    removed_of,
    replaced,
    standard_rules,
)

from collector.model import Dropped, DropReason, Message
from collector.pipeline import process

PLAIN = encode(minimal_document()).decode()


def with_text(text: str) -> str:
    """The minimal report with *text* written into it as a member."""
    return PLAIN[:-1] + "," + text + "}"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b" ",
        b"\n",
        b"\x00",
        b"\x00\x01\x02\xff",
        bytes(range(256)),
        b"\x1f\x8b\x08\x00",
        b"<xml/>",
        b"ueip=true",
        b"ueip: true",
        b"true",
        b"false",
        b"null",
        b"1",
        b'"ueip"',
        b"[]",
        b'[{"ueip":true}]',
        b"{",
        b"}",
        b"{]",
        b'{"ueip":true',
        b'{"ueip":true,}',
        b"{'ueip':true}",
        b"{ueip:true}",
        b'{"ueip":True}',
        b'{"ueip":tru}',
        b'{"ueip" true}',
        b'{"ueip":true}{"ueip":true}',
        b'{"ueip":true}\x00',
        b'{"ueip":true} // yes',
        b'/* yes */{"ueip":true}',
        b'{"ueip":true}]',
        b'\xef\xbb\xbf{"ueip":true}',
        '{"ueip":true}'.encode("utf-16"),
        '{"ueip":true}'.encode("utf-32-be"),
        b"NaN",
        b"Infinity",
    ],
    ids=lambda payload: repr(payload[:24]),
)
def test_what_is_no_json_object_is_malformed(payload: bytes) -> None:
    """One object, UTF-8, nothing before and nothing after (G1)."""
    outcome = decide(payload)

    assert isinstance(outcome, Dropped)
    assert (DropReason.MALFORMED, ()) == (outcome.reason, outcome.exits)


@pytest.mark.parametrize(
    "text",
    [
        *('"x":NaN', '"x":Infinity', '"x":-Infinity', '"x":1e400', '"x":-1e400', f'"x":{"9" * 5000}'),
        *('"x":01', '"x":.5', '"x":5.', '"x":+5', '"x":0x10', '"x":1_000', '"x":tRue', '"x":undefined', '"x":'),
        *('"x":"\\ud800"', '"x":"\\udc00\\ud800"', '"\\ud800":1', '"x":"\\u12"', '"x":"\\x41"', '"x":"\n"', '"x":"\t"'),
        *('"x":"\x00"', '"x":[1,]', '"x":[,1]', '"x":{"y":1,}', '"x":"', '"x"', "x:1", ""),
        *('"signal":{"rsrp_dbm":NaN}', '"signal":{"rsrp_dbm":-1e999}', '"message_id":"\\ud83d"'),
    ],
    ids=ascii,
)
def test_json_that_is_not_strict_is_malformed(text: str) -> None:
    """What some parsers forgive is refused: two parsers must not read two things (G1)."""
    assert "malformed" == reason_of(with_text(text))


@pytest.mark.parametrize("spoiled", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\x80"])
@pytest.mark.parametrize(
    "member", [b'"x":"?"', b'"?":1', b'"wifi":{"ssid_2g":"?"}', b'"message_id":"?"', b'"events":[{"?":1}]']
)
def test_text_that_is_not_utf_8_is_malformed(member: bytes, spoiled: bytes) -> None:
    """In keys and values, known and unknown."""
    payload = PLAIN.encode()[:-1] + b"," + member.replace(b"?", spoiled) + b"}"

    assert "malformed" == reason_of(payload)


# -------------------------------------------------------------------------------------------------- keys that repeat


@pytest.mark.parametrize(
    "payload",
    [
        '{"ueip":false,"ueip":true}',
        '{"ueip":true,"ueip":false}',
        '{"ueip":true,"ueip":true}',
        '{"ueip":false,"ueip" :true}',
        '{"ueip":false,\n\t"ueip"\r\n:\ttrue}',
        '{"ueip":false,"ue\\u0069p":true}',
        '{"\\u0075eip":false,"ueip":true}',
        '{"\\u0075\\u0065\\u0069\\u0070":false,"\\u0075eip":true}',
        '{"ueip":"\\"","ueip":true}',
        with_text('"ueip":false'),
        with_text('"ueip":true'),
        with_text('"country":"DE"'),
        with_text('"signal":{},"signal":{}'),
        with_text('"signal":{"signal_bars":1},"signal":{"signal_bars":2}'),
        with_text('"signal":{"signal_bars":1,"signal_bars":1}'),
        with_text('"signal":{"signal_bars":1,"signal\\u005fbars":1}'),
        with_text('"wifi":{"ssid_2g":"","ssid_2g":"a"}'),
        with_text('"wifi":{"ssid_2g":"\\"\\"","ssid_2g":"a"}'),
        with_text('"events":[],"events":[]'),
        with_text('"events":[{"event":"wifi_short_range","event":"wifi_short_range","time":"2026-11-21T17:00:00Z"}]'),
        with_text('"events":[{"disconnect_snapshot":{"power":{},"power":{}}}]'),
        with_text('"events":[{"disconnect_snapshot":{"power":{"battery_percent":1,"battery_percent":2}}}]'),
        with_text('"x":1,"x":2'),
        with_text('"x":{"y":1,"y":1}'),
        with_text('"x":[[{"y":{"z":1,"z":1}}]]'),
        with_text('"":1,"":2'),
        with_text('"sms":{"content":"a","content":"b"}'),
    ],
    ids=lambda text: text.removeprefix(PLAIN[:-1])[:60],
)
def test_a_key_that_repeats_makes_a_message_malformed(payload: str) -> None:
    """At any depth, in known and unknown objects, however it is written (1.7.1, rule 1)."""
    assert "malformed" == reason_of(payload)


def test_a_key_that_repeats_is_seen_at_every_place_of_the_complete_report() -> None:
    """Each key of the complete report, twice: always seen, though the reader of clean messages keeps the last."""
    document = complete_document()
    missed = []
    for path in paths_in(document):
        if not path or isinstance(path[-1], int):
            continue
        doubled = encode(replaced(document, path, "@@")).decode()
        name, value = json.dumps(path[-1]), encode(_at(document, path)).decode()
        twice = (f"{name}:{value},{name}:{value}", f"{name} :{value},{name}:{value}")
        reasons = {reason_of(doubled.replace(f'{name}:"@@"', again)) for again in twice}
        missed += [path] if reasons != {"malformed"} else []

    assert [] == missed


def _at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


@pytest.mark.parametrize("text", ['"x":{"y":1},"y":2', '"x":[{"y":1},{"y":1}]', '"x":"x","X":"x"', '"x":"y:y,y:y"'])
def test_equal_keys_of_different_objects_are_no_repetition(text: str) -> None:
    """The control: the same name may stand in two objects."""
    assert "accepted" == reason_of(with_text(text))


# ----------------------------------------------------------------------------------------------------------- depth


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_a_message_may_nest_16_deep(opening: str, closing: str) -> None:
    """The object itself is depth 1; at depth 17 the message is malformed (G1)."""

    def nested(depth: int) -> str:
        return with_text(f'"x":{opening * (depth - 1)}1{closing * (depth - 1)}')

    assert "accepted" == reason_of(nested(16))
    assert "malformed" == reason_of(nested(17))


@pytest.mark.parametrize("depth", [100, 1000, 5000, 8000])
def test_very_deep_nesting_is_malformed(depth: int) -> None:
    """No parser's stack is at the mercy of a message."""
    assert "malformed" == reason_of("[" * depth)
    assert "malformed" == reason_of("[" * depth + "]" * depth)
    assert "malformed" == reason_of('{"ueip":' * depth)
    assert "malformed" == reason_of(with_text('"signal":' + "[" * depth + "]" * depth))


@pytest.mark.parametrize("depth", [20, 900, 1020, 20_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")], ids=["lists", "objects"])
def test_very_deep_nesting_inside_a_string_is_only_a_string(opening: str, closing: str, depth: int) -> None:
    """The second net looks into strings for refused names; a hostile string does not cost the message."""
    deep = opening * min(depth, 8000) + "1" + closing * min(depth, 8000)
    packed = base64.b64encode(deep[:40_000].encode()).decode()

    assert {"unknown": 1} == removed_of(minimal_document(x=deep[:60_000]))
    assert "accepted" == reason_of(minimal_document(x=packed))


# ------------------------------------------------------------------------------------------------------------ size


def test_ten_megabytes_are_one_drop() -> None:
    """Without a second copy of the payload being made."""
    payload = encode(minimal_document(x="x" * 10_000_000))
    sent = Message("ueip/v1/r/report", payload, False, RECEIVED_AT)
    rules = standard_rules()

    tracemalloc.start()
    outcome = process(sent, rules)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert "oversize" == reason_in(outcome)
    assert peak < 1_000_000


def test_a_message_full_of_keys_is_read_in_time_that_fits_its_size() -> None:
    """The most keys that fit into 64 KiB, and strings made to be slow to look into."""
    bare = ["id" + "".join(ending) for ending in itertools.product(" -._/:\t", repeat=4)]
    crowded: list[Document] = [
        {f"k{i}": 0 for i in range(5500)},
        {f"m_ex_ipv6_network_{i}": 0 for i in range(2000)},
        {"x": "a" * 60_000},
        {"x": "a=" * 30_000},
        {"x": "a:" * 30_000},
        {"x": "<a" * 30_000},
        {"x": "A" * 60_000 + "="},
        {"x": " " * 60_000 + "{"},
        {"a" * 60_000: 0},
        {"." * 60_000: 0},
        {"aA" * 250: 0},
        {"x": ["{}"] * 12_000},
        {**dict.fromkeys(bare, 0), **{f"k{i}": 0 for i in range(1500)}},
        {"x": {**dict.fromkeys(bare, 0), **{f"k{i}": 0 for i in range(1500)}}},
    ]

    for more in crowded:
        started = time.process_time()
        assert "accepted" == reason_of(minimal_document(**more))
        assert time.process_time() - started < 2


# ----------------------------------------------------------------------------------------------------- wrong types

WRONG: list[Any] = [None, True, 0, -1, 1.5, 2**70, "", "x", [], [None], [[]], {}, {"x": 1}, {"value": "x"}]


@pytest.mark.parametrize("value", WRONG, ids=repr)
def test_a_value_of_another_type_costs_a_field_or_a_message_and_never_more(value: Any) -> None:
    """Every place of the complete report, one after another, with a value of every type."""
    document = complete_document()
    outcomes = {
        path: reason_of(replaced(document, path, value)) for path in paths_in(document) if path and path != ("ueip",)
    }
    reasons = {"accepted", "schema_version", "message_id", "region_unknown", "policy_outdated", "identity_mismatch"}

    assert set(outcomes.values()) <= reasons
    body = [reason for path, reason in outcomes.items() if path[0] not in _ENVELOPE and path[-1] not in _DECIDING]
    assert {"accepted"} == set(body)


_ENVELOPE = {"schema_version", "message_id", "policy_version", "country", "router"}
_DECIDING = {"plmn", "network"}


@pytest.mark.parametrize(
    "group", ["router", "sim", "signal", "wifi", "power", "usage", "session", "settings", "events"]
)
@pytest.mark.parametrize("value", [None, True, 5, "x", [1]], ids=repr)
def test_a_group_of_another_type_is_removed_and_counted(group: str, value: Any) -> None:
    """The rest of the message is kept."""
    removed = removed_of(minimal_document(**{group: value}))

    assert {"invalid": 1} == removed


def test_a_list_where_an_object_belongs_is_no_object() -> None:
    """Shapes are not guessed at either."""
    assert {"invalid": 2} == removed_of(minimal_document(signal=[{"signal_bars": 3}], events={"event": event()}))


def test_every_bad_message_is_one_outcome_with_no_exit() -> None:
    """Nothing that cannot be read is taken for an act of the owner."""
    bad: list[bytes | str | Document] = [b"\xff", "{", '{"ueip":false,"ueip":false}', '{"ueip":false', '{"ueip":0}']

    for payload in bad:
        outcome = decide(payload)
        assert isinstance(outcome, Dropped)
        assert () == outcome.exits
