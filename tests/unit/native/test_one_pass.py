"""The compiled reader: what it takes is what msgspec takes, and is written as msgspec writes it."""

import json
from datetime import datetime
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

pytest.importorskip("collector.native.one_pass", reason="the compiled part is not here")

from collector.native.one_pass import Plain, Reader
from collector.native.shape import Kind, Member, Shape

PRINTED = bytes(32 <= byte < 127 and byte not in b'"\\' for byte in range(256))
MOST = 10.0**15


def reader(*members: Member, required: tuple[int, ...] = (), slots: int = 10) -> Reader:
    """A reader of documents with these members."""
    return Reader(Shape(members, required), slots, [0], 0)


def read(kind: Kind, text: str, low: float = -MOST, high: float = MOST) -> Plain | None:
    """What is read of a document whose only member is written like this."""
    asked = (lambda _: True) if kind == Kind.REMEMBERED else None
    member = Member(b"x", kind, 0, low, high, allowed=PRINTED, valid=asked)
    return reader(member).read(f'{{"x":{text}}}'.encode())


def takes(kind: Kind, text: str, low: float = -MOST, high: float = MOST) -> bool:
    """Whether a value that is written like this is taken."""
    return read(kind, text, low, high) is not None


# --------------------------------------------------------------------------------------------------------- numbers


@pytest.mark.parametrize("text", ["0", "1", "-1", "10", "999999999999999", "-999999999999999"])
def test_whole_numbers_are_taken(text: str) -> None:
    """Up to fifteen digits."""
    assert takes(Kind.WHOLE, text)


@pytest.mark.parametrize(
    "text", ["", "-", "-0", "00", "01", "-01", "+1", "1.0", "1e3", "1000000000000000", '"1"', "0x1", "1_0", "١", "NaN"]
)
def test_a_whole_number_in_another_form_is_not_plain(text: str) -> None:
    """Somebody slower says what it is."""
    assert not takes(Kind.WHOLE, text)


@pytest.mark.parametrize("text", ["0", "0.0", "0.1", "0.5", "-0.5", "1.0", "-92.5", "12.25", "123456.789", "0.12345"])
def test_numbers_are_taken(text: str) -> None:
    """In the form in which they are written again."""
    assert takes(Kind.NUMBER, text)


@pytest.mark.parametrize(
    "text",
    ["-0", "-0.0", "1.", ".5", "1.50", "0.00", "0.01", "1e1", "1.5e1", "00.5", "-.5", "--1", "1.1.1", "Infinity"],
)
def test_a_number_in_another_form_is_not_plain(text: str) -> None:
    """A record would have another text for it."""
    assert not takes(Kind.NUMBER, text)


@given(st.from_regex(r"-?[0-9]{1,17}(\.[0-9]{0,17})?([eE][+-]?[0-9]{1,2})?", fullmatch=True) | st.floats().map(repr))
@settings(max_examples=2000)
def test_the_text_of_a_number_that_is_taken_is_the_one_that_msgspec_writes(text: str) -> None:
    """So it can be copied."""
    for kind, types in ((Kind.NUMBER, int | float), (Kind.WHOLE, int)):
        if takes(kind, text):
            assert text == msgspec.json.encode(msgspec.json.decode(text, type=types)).decode()


@given(st.floats(-200, 200).map(lambda number: round(number, 2)), st.floats(-200, 200), st.floats(-200, 200))
@settings(max_examples=500)
def test_bounds_are_those_of_msgspec(number: float, low: float, high: float) -> None:
    """To the last digit."""
    assume(takes(Kind.NUMBER, repr(number)))
    bounded = Annotated[float, msgspec.Meta(ge=low, le=high)]

    assert takes(Kind.NUMBER, repr(number), low, high) is is_taken_by_msgspec(repr(number), bounded)


def is_taken_by_msgspec(text: str, kind: Any) -> bool:
    """Whether it is of that type."""
    try:
        msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError:
        return False
    return True


# ----------------------------------------------------------------------------------------------------------- times


@given(st.datetimes(datetime(100, 1, 1)), st.integers(0, 6))  # noqa: DTZ001 - given its zone below
@settings(max_examples=1000)
def test_a_time_in_utc_is_read_as_msgspec_reads_it(when: datetime, digits: int) -> None:
    """To the millisecond, below which both cut."""
    parts = f"{when.microsecond:06d}"[:digits]
    text = f'"{when.replace(microsecond=0).isoformat()}{"." if parts else ""}{parts}Z"'
    found = read(Kind.TIME, text)

    said = msgspec.json.decode(text, type=datetime) - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    assert found is not None
    assert found.time == (said.days * 86_400 + said.seconds) * 1000 + said.microseconds // 1000


@given(
    st.from_regex(
        r'"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{0,7})?(Z|z|\+00:00)?"',
        fullmatch=True,
    )
)
@settings(max_examples=2000)
def test_a_time_that_is_taken_is_one_for_msgspec(text: str) -> None:
    """No 30th of February, and no hour of 24."""
    if takes(Kind.TIME, text):
        assert is_taken_by_msgspec(text, Annotated[datetime, msgspec.Meta(tz=True)])


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01t00:00:00z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567Z",
        "0001-01-01T00:00:00Z",
        "2026-01-01T00:00:00",
        "2026",
        "",
    ],
)
def test_a_time_in_another_form_is_not_plain(text: str) -> None:
    """Nor one that there never was."""
    assert not takes(Kind.TIME, f'"{text}"')


def test_the_29th_of_february_is_there_every_four_years() -> None:
    """But for most centuries."""
    assert takes(Kind.TIME, '"2028-02-29T00:00:00Z"')
    assert takes(Kind.TIME, '"2000-02-29T00:00:00Z"')


# ----------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize("text", ['"a"', '"abc"', '"a b"', '"~"'])
@pytest.mark.parametrize("kind", [Kind.CHARACTERS, Kind.REMEMBERED])
def test_printed_ascii_is_taken(kind: Kind, text: str) -> None:
    """As it is."""
    found = read(kind, text, 1, 3)

    assert found is not None
    assert found.said == (text[1:-1],)


@pytest.mark.parametrize("text", ['"é"', '"\\n"', '"\x7f"', '"\x1f"', '"\0"', '"', '"a', "a", "[]", '"a\\"'])
@pytest.mark.parametrize("kind", [Kind.CHARACTERS, Kind.REMEMBERED])
def test_other_texts_are_not_plain(kind: Kind, text: str) -> None:
    """Escapes and other signs may have more than one text."""
    assert not takes(kind, text, 1, 3)


def test_a_text_is_as_long_as_its_bounds_say() -> None:
    """Both included."""
    assert [takes(Kind.CHARACTERS, f'"{"a" * length}"', 2, 4) for length in range(6)] == [
        False, False, True, True, True, False,
    ]  # fmt: skip


def test_a_valid_text_is_asked_about_once_and_another_one_each_time() -> None:
    """Who sends what is not valid takes no room."""
    asked: list[bytes] = []

    def valid(text: bytes) -> bool:
        asked.append(text)
        return text == b'"good"'

    texts = reader(Member(b"x", Kind.REMEMBERED, 0, valid=valid))

    assert [texts.read(b'{"x":"%b"}' % said) is not None for said in (b"good", b"bad") * 2] == [True, False] * 2
    assert asked == [b'"good"', b'"bad"', b'"bad"']


def test_what_is_remembered_is_bounded() -> None:
    """However many texts there are."""
    asked: list[bytes] = []

    def valid(text: bytes) -> bool:
        asked.append(text)
        return True

    texts = reader(Member(b"x", Kind.REMEMBERED, 0, valid=valid))
    for number in range(16_385):
        texts.read(b'{"x":%d}' % number)
    texts.read(b'{"x":0}')

    assert len(asked) == 16_386


@pytest.mark.parametrize("length", [254, 255])
def test_a_text_that_would_be_remembered_is_bounded(length: int) -> None:
    """To 256 bytes with its quotes, whoever is asked: what is remembered has to fit."""
    assert takes(Kind.REMEMBERED, f'"{"a" * length}"') is (length <= 254)


def test_an_error_of_who_is_asked_is_not_swallowed() -> None:
    """It is a bug of ours."""

    def broken(_: bytes) -> bool:
        raise KeyError

    with pytest.raises(KeyError):
        reader(Member(b"x", Kind.REMEMBERED, 0, valid=broken)).read(b'{"x":1}')


# --------------------------------------------------------------------------------------------------------- objects

INNER = Shape([Member(b"a", Kind.WHOLE, 3, 0, 9), Member(b"b", Kind.BOOLEAN, 4)])
EVENT = Shape([Member(b"at", Kind.TIME, 5), Member(b"in", Kind.OBJECT, 6, inner=INNER)], [5])
WHOLE = reader(
    Member(b"name", Kind.CHARACTERS, 0, 1, 9, allowed=PRINTED),
    Member(b"yes", Kind.TRUE, 1),
    Member(b"in", Kind.OBJECT, 2, inner=INNER),
    Member(b"events", Kind.LIST, 7, high=2, inner=EVENT),
    required=(0, 1),
)


def whole(text: str) -> Plain | None:
    """What is read of a document that has everything."""
    return WHOLE.read(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        '{"name":"n","yes":true}',
        '{"yes":true,"name":"n"}',
        ' { "name" : "n" ,\n"yes":\ttrue\r} \n',
        '{"name":"n","in":{},"yes":true,"events":[]}',
        '{"name":"n","in":{"b":false,"a":3},"yes":true}',
        '{"name":"n","yes":true,"events":[{"at":"2026-11-21T00:00:00Z","in":{"a":1}},{"at":"2026-11-21T00:00:00Z"}]}',
    ],
)
def test_a_document_is_read_in_any_order_and_with_any_blanks(text: str) -> None:
    """As JSON allows it."""
    found = whole(text)

    assert found is not None
    assert found.flagged
    assert found.said == ("n",)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        "null",
        '{"name":"n"}',
        '{"yes":true}',
        '{"name":"n","yes":false}',
        '{"name":"n","yes":1}',
        '{"name":"n","yes":true',
        '{"name":"n","yes":true}}',
        '{"name":"n","yes":true}x',
        '{"name":"n","yes":true}\0',
        '{"name":"n","yes":true,}',
        '{,"name":"n","yes":true}',
        '{"name":"n" "yes":true}',
        '{"name","yes":true}',
        '{"name":"n","name":"n","yes":true}',
        '{"name":"n","yes":true,"yes":true}',
        '{"name":"n","yes":true,"in":{},"in":{}}',
        '{"name":"n","yes":true,"in":{"a":1,"a":1}}',
        '{"name":"n","yes":true,"events":[],"events":[]}',
        '{"name":"n","yes":true,"other":1}',
        '{"name":"n","yes":true,"in":{"other":1}}',
        '{"name":"n","yes":true,"in":[]}',
        '{"name":"n","yes":true,"in":null}',
        '{"name":"n","yes":true,"a":1}',
        '{"name":"n","yes":truely}',
        '{"name":"n","yes":true,"events":{}}',
        '{"name":"n","yes":true,"events":[{}]}',
        '{"name":"n","yes":true,"events":[1]}',
        '{"name":"n","yes":true,"events":[{"at":"2026-11-21T00:00:00Z"},]}',
        '{"name":"n","yes":true,"events":[{"at":"2026-11-21T00:00:00Z","at":"2026-11-21T00:00:00Z"}]}',
        '{"nam":"n","yes":true}',
        '{"name1":"n","yes":true}',
        '{"nam\\u0065":"n","yes":true}',
        "{'name':'n','yes':true}",
        '\ufeff{"name":"n","yes":true}',
    ],
)
def test_what_is_not_plain_is_not_read(text: str) -> None:
    """A key too many, too few, twice or unknown, a value of another type, and whatever is no JSON."""
    assert whole(text) is None


def test_a_list_has_as_many_events_as_its_bounds_say() -> None:
    """Not more."""
    event = '{"at":"2026-11-21T00:00:00Z"}'
    read_of = [whole(f'{{"name":"n","yes":true,"events":[{",".join([event] * number)}]}}') for number in range(4)]

    assert [None if found is None else len(found.events) for found in read_of] == [0, 1, 2, None]


COMPLETE = b'{"name":"n","in":{"a":1,"b":true},"yes":true,"events":[{"at":"2026-11-21T00:00:00.5Z","in":{"a":1}}]}'


@pytest.mark.parametrize("length", range(len(COMPLETE)))
def test_a_document_that_breaks_off_is_not_plain(length: int) -> None:
    """Wherever it does; nothing is read behind its end."""
    assert WHOLE.read(COMPLETE) is not None
    assert WHOLE.read(COMPLETE[:length]) is None


@given(st.integers(0, len(COMPLETE) - 1), st.binary(max_size=3))
@settings(max_examples=2000)
def test_what_is_plain_is_json(place: int, other: bytes) -> None:
    """With anything anywhere."""
    payload = COMPLETE[:place] + other + COMPLETE[place + 1 :]
    if WHOLE.read(payload) is not None:
        msgspec.json.decode(payload)


# ------------------------------------------------------------------------------------------------ keys in no shape


def asked_about_others(answer: Any = ()) -> tuple[Reader, list[Any]]:
    """A reader like `WHOLE`, and what it asks about keys that are in no shape."""
    asked: list[Any] = []

    def left_out(found: Plain) -> Any:
        asked.append([(names, others) for _, names, others in found.beside])
        return answer

    shape = Shape([
        Member(b"name", Kind.CHARACTERS, 0, 1, 9, allowed=PRINTED),
        Member(b"in", Kind.OBJECT, 2, inner=INNER),
        Member(b"events", Kind.LIST, 7, high=2, inner=EVENT),
    ])  # fmt: skip
    return Reader(shape, 10, [0], 0, left_out), asked


def test_keys_in_no_shape_are_told_with_what_stands_there() -> None:
    """And with the names beside them, in each object; what is read of the others is the same."""
    asking, asked = asked_about_others(("two", 2))
    found = asking.read(b'{"x":[1,{"name":"no"}] , "name":"n","in":{"y":"]}","a":1, "z" : null },"w":-1.5e3}')

    assert found is not None
    assert found.said == ("n",)
    assert found.removed == ("two", 2)
    top, inside = (
        ([b"name", b"in"], [(b"x", b'[1,{"name":"no"}]', 2, False), (b"w", b"-1.5e3", 0, False)]),
        ([b"a"], [(b"y", b'"]}"', 0, False), (b"z", b"null", 0, False)]),
    )
    assert asked == [[top, inside]]


def test_a_value_that_is_not_plain_is_told_like_a_key_in_no_shape() -> None:
    """As if it were not there; so it may stand a second time, and who is asked has to look for that."""
    asking, asked = asked_about_others()
    found = asking.read(b'{"name":["n"],"in":{"a":10,"b":true,"a":9}}')

    assert found is not None
    assert found.said == (None,)
    assert asked == [[([b"in"], [(b"name", b'["n"]', 1, True)]), ([b"a", b"b"], [(b"a", b"10", 0, True)])]]
    assert asking.read(b'{"in":[]}') is None
    assert asking.read(b'{"events":{}}') is None
    assert asking.read(b'{"events":[{"at":1}]}') is None


def test_who_is_asked_decides_and_nobody_is_asked_for_nothing() -> None:
    """None says that the report is not plain."""
    asking, asked = asked_about_others(None)

    assert asking.read(b'{"name":"n","x":1}') is None
    assert len(asked) == 1
    found = asking.read(b'{"name":"n"}')
    assert found is not None
    assert found.removed == ()
    assert len(asked) == 1


def test_in_an_event_no_key_may_be_in_no_shape() -> None:
    """Nor in what an event has in it."""
    asking, asked = asked_about_others()

    assert asking.read(b'{"events":[{"at":"2026-11-21T00:00:00Z","x":1}]}') is None
    assert asking.read(b'{"events":[{"at":"2026-11-21T00:00:00Z","in":{"x":1}}]}') is None
    assert asked == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


def levels_of(value: Any) -> int:
    """How deep a value nests."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(levels_of, inner), default=0)


@given(VALUES, st.sampled_from([None, 0, 2]), st.sampled_from(["", " ", "\n\t"]))
@settings(max_examples=1000)
def test_a_value_that_is_passed_over_is_told_whole(value: Any, indent: int | None, blank: str) -> None:
    """From its first byte to its last, if it has no escapes."""
    written = json.dumps(value, ensure_ascii=False, indent=indent).encode()
    asking, asked = asked_about_others()
    found = asking.read(b'{"x":%b%b%b,"name":"n"}' % (blank.encode(), written, blank.encode()))

    assert (found is None) is (b"\\" in written)
    assert found is None or asked == [[([b"name"], [(b"x", written, levels_of(value), False)])]]


@given(st.binary(max_size=10) | st.text('{}[]",:0123456789.eE+-truefalsn \0\\', max_size=10).map(str.encode))
@settings(max_examples=2000)
def test_a_report_with_json_in_the_place_of_what_was_passed_over_is_json(said: bytes) -> None:
    """So that who is asked has to look at nothing else."""
    asking, asked = asked_about_others()
    payload = b'{"x":%b,"name":"n","y":%b}' % (said, said)
    if asking.read(payload) is not None:
        [[_, others]] = asked[0]
        for _, written, *_ in others:
            try:
                msgspec.json.decode(written)
            except (msgspec.DecodeError, UnicodeDecodeError):
                return
        msgspec.json.decode(payload)


WITH_OTHERS = b'{"x":[{"a":"b"},null],"name":"n","in":{"y":"z","a":1},"w":-1.5e3}'


@pytest.mark.parametrize("length", range(len(WITH_OTHERS)))
def test_a_document_that_breaks_off_in_what_is_passed_over_is_not_plain(length: int) -> None:
    """Wherever it does; nothing is read behind its end."""
    asking, asked = asked_about_others()

    assert asking.read(WITH_OTHERS[:length]) is None
    assert asked == []
    assert asking.read(WITH_OTHERS) is not None


@pytest.mark.parametrize(("number", "plain"), [(64, True), (65, False)])
def test_keys_in_no_shape_are_bounded(number: int, plain: bool) -> None:
    """With more of them, a report is no plain one."""
    others = ",".join(f'"x{place}":1' for place in range(number))

    assert (asked_about_others()[0].read(f"{{{others}}}".encode()) is not None) is plain


def test_nothing_of_a_report_is_in_what_it_is_called() -> None:
    """Nor in that of what was read of it."""
    found = whole('{"name":"canary","yes":true}')

    assert "canary" not in repr(found) + str(found)


@pytest.mark.parametrize("slots", [0, 1, 7])
def test_a_reader_has_a_slot_for_each_member(slots: int) -> None:
    """A value without one would be written over another."""
    with pytest.raises(ValueError, match="more of them"):
        reader(Member(b"events", Kind.LIST, 7, inner=EVENT), slots=slots)


@pytest.mark.parametrize("allowed", [b"", PRINTED[:-1], b"\1" * 256])
def test_a_table_has_every_character_and_ends_a_text_where_it_ends(allowed: bytes) -> None:
    """A quote in it, or the end of a payload, would be gone over."""
    with pytest.raises(ValueError, match="expected a byte for each character"):
        Member(b"x", Kind.CHARACTERS, 0, allowed=allowed)


@pytest.mark.parametrize("payload", [None, "text", bytearray(b"{}"), memoryview(b"{}")])
def test_a_payload_is_bytes(payload: Any) -> None:
    """Others may not end with a zero byte."""
    with pytest.raises(TypeError):
        WHOLE.read(payload)
