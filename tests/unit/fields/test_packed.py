"""Strings that carry structures: their names are found, one layer of packing after another, and nothing else is."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import minimal_document, removed_of

from collector.fields.packed import unpack


def packed(value: Any) -> str:
    return base64.b64encode((value if isinstance(value, str) else json.dumps(value)).encode()).decode()


@pytest.mark.parametrize(
    "text",
    [
        '{"password":"x"}',
        ' {"a":[{"password":"x"}]} ',
        '[{"password":"x"}]',
        "<password>x</password>",
        '<?xml version="1.0"?><a><password kind="1">x</password></a>',
        "ssid=a&password=x",
        "?user=1;password=x",
        "password=x",
        "name=a,password=x",
        "a=1 password=x",
        "password: x",
        "apn=a($)password=x",
        packed({"password": "x"}),
        packed('{"sms":1}'),
        packed("ssid=a&password=x"),
        packed("<password>hunter2</password>"),
        packed({"password": "x"}).rstrip("="),
        base64.urlsafe_b64encode(b'{"password":"\xc3\xbf\xc3\xbe\xc3\xbf?"}').decode(),
        json.dumps({"a": json.dumps({"password": "x"})}),
        json.dumps({"a": packed({"password": "x"})}),
        packed({"a": packed({"password": "x"})}),
        "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----",
        " -----BEGIN CERTIFICATE-----",
    ],
)
def test_a_refused_name_is_found_in_what_a_string_carries(text: str) -> None:
    """JSON, XML, query strings, packed lists, base64 of them, and PEM blocks (1.7.1, step 6)."""
    for value in (text, [text], {"deep": {"deeper": [text]}}):
        assert {"unknown", "local_only"} <= removed_of(minimal_document(blob=value)).keys()


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "{", "[", "<", "=", ":", "&", "{}", "[]", "<>", "plain text", "the password is x", "AAAA", "A" * 64),
        *(
            "{not json}",
            '{"password":}',
            "<1password>",
            "12:34:56",
            "2026-11-21T17:00:00Z",
            "fe80::1",
            "d8:0a:e6:01:02:03",
        ),
        packed(packed("password=x")),
        packed("\u65e5\u672c\u8a9e text"),
        "!" * 100,
    ],
)
def test_text_that_carries_nothing_is_text(text: str) -> None:
    """No guessing at prose, addresses or times."""
    assert {"unknown": 1} == removed_of(minimal_document(blob=text))


def test_only_names_come_out() -> None:
    """Values of lists and XML are not even read."""
    assert {"ssid": None, "key": None} == unpack("ssid=canary&key=canary")
    assert {"a": None, "b": None} == unpack("<a>canary<b>canary</b></a>")
    assert dict.fromkeys(("WPAPSK1", "_K-9.x", "n:Z")) == unpack("<WPAPSK1>canary</WPAPSK1><_K-9.x/><n:Z a='b'>")
    assert dict.fromkeys(("WPAPSK1", "_K-9.x", "Z", "b")) == unpack("?WPAPSK1=canary&_K-9.x=canary;Z:canary,b=canary")


@given(st.text(max_size=60) | st.text("{}[]<>=&;:,\"'ab \n", max_size=60))
@settings(max_examples=200)
def test_any_text_can_be_looked_into(text: str) -> None:
    """A structure or nothing, never a failure; its base64 too."""
    for spelling in (text, packed(text)):
        assert isinstance(unpack(spelling), dict | list | None)
