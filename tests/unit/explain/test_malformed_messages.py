"""Why a message is malformed: a sentence for its author, with the place."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.explain.malformed import json_fault, why_malformed
from collector.formats.strict_json import NotStrict, parse_object

DEPTH = 6


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        (b'{"a": "\xff"}', "Not UTF-8: byte 8 of 10"),
        (b'{"a": 1,\n "b" 2}', "at line 2, column 6."),
        (b"", "The payload is empty. Expected one JSON object."),
        (b"x", "Not JSON: Expecting value at line 1, column 1."),
        (gzip.compress(b"{}", mtime=0), "It looks compressed."),
        (zlib.compress(b"{}"), "It looks compressed."),
        ("{}".encode("utf-16"), "It looks like UTF-16."),
        ("{}".encode("utf-16-be"), "It looks like UTF-16."),
        (b"\xef\xbb\xbf{}", "It begins with a byte order mark"),
        (b'{"a": 1}\0', "A NUL follows the object"),
        (b'{"a": {"serial": 1, "serial": 2}}', "A key appears twice in one object: 'serial'."),
        (b"[" * 7 + b"]" * 7, "Not an object: found a list"),
        (b'{"a":' * 7 + b"1" + b"}" * 7, "Too deep: nested deeper than the 6 levels"),
        (b'{"a":' * 100_000, "Too deep"),
        (b'{"a": NaN}', "found NaN"),
        (b'{"a": -Infinity}', "found -Infinity"),
        (b'"text"', "Not an object: found a text at the top."),
        (b"17", "Not an object: found a number at the top."),
        (b"null", "Not an object: found null at the top."),
        (b'{"a": [1, {"b": "\\ud800"}]}', "`a[1].b`: found half a character"),
        (b'{"\\ud800": 1}', "`\\ud800`: found half a character"),
        (b'{"\\ud800": 1, "\\ud800": 2}', "A key appears twice in one object: '\\ud800'."),
        (b'{"a": {"b": 1e400}}', "`a.b`: found a number that is too large"),
        (b'{"a": 1' + b"0" * 400 + b"}", "`a`: found a number that is too large"),
    ],
)
def test_the_sentence_says_which_fault_it_is_and_where(payload: bytes, words: str) -> None:
    """Each kind for itself, not one sentence for all."""
    assert words in why_malformed(payload, DEPTH)


@given(st.binary(max_size=40) | st.text('{}[]":,1aN \\u', max_size=40).map(str.encode))
def test_there_is_a_fault_wherever_the_parser_refuses(payload: bytes) -> None:
    """And none where it does not; what only a value's own escape makes unreadable has a sentence too."""
    try:
        parse_object(payload, max_depth=DEPTH)
    except NotStrict:
        assert why_malformed(payload, DEPTH).encode()
    else:
        assert json_fault(payload, DEPTH) is None


@pytest.mark.parametrize(
    ("form", "payload", "words"),
    [
        ("collectd", b"hello", "Expected `time:value[:value]` and a NUL."),
        ("usp", b"hello", "Expected a USP Record"),
        ("goform", b'{"a": 1, "a": 2}', "A key appears twice in one object: 'a'. Expected an object"),
        ("bulk_data", b'{"Reports": 1}', "It is valid JSON, but laid out differently. Expected a bulk data report"),
        ("bulk_data", b"a;b;c", "The payload is something else. Expected a bulk data report"),
        ("netjson", b"\0", "The payload is empty. Expected"),
    ],
)
def test_of_other_formats_the_sentence_says_what_was_expected(form: str, payload: bytes, words: str) -> None:
    """Whatever is wrong with the payload."""
    assert words in why_malformed(payload, DEPTH, form)
