"""The strict reader by itself: it agrees with a plain parser on what is strict, and refuses the rest."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.formats.strict_json import NotStrict, deeper_than, parse_object, parse_structure

FINITE = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
TREES = st.recursive(
    FINITE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner)
)


@given(st.dictionaries(st.text("abc", max_size=4), TREES, max_size=5), st.booleans())
@settings(max_examples=150)
def test_strict_json_is_read_as_it_was_written(document: dict[str, Any], escaped: bool) -> None:
    """What was written comes out."""
    payload = json.dumps(document, ensure_ascii=escaped).encode()

    assert document == parse_object(payload, max_depth=64)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=4), TREES, min_size=1, max_size=5), st.data())
@settings(max_examples=100)
def test_a_key_twice_is_refused_wherever_it_stands(document: dict[str, Any], data: st.DataObject) -> None:
    """Any member written a second time, at the end."""
    name = data.draw(st.sampled_from(sorted(document)))
    wrapped = json.dumps(document)[:-1] + f", {json.dumps(name)}: {json.dumps(data.draw(TREES))}" + "}"

    for payload in (wrapped, f'{{"x": {wrapped}}}', f'{{"x": [{wrapped}]}}'):
        with pytest.raises(NotStrict):
            parse_object(payload.encode(), max_depth=64)


@given(TREES)
@settings(max_examples=100)
def test_depth_is_counted_as_people_count_it(tree: Any) -> None:
    """The depth of a tree is one more than that of its deepest child; a scalar has none."""

    def depth(node: Any) -> int:
        children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else None
        return 0 if children is None else 1 + max(map(depth, children), default=0)

    found = depth(tree)

    assert not deeper_than(tree, max(found, 1))
    assert found <= 1 or deeper_than(tree, found - 1)


def test_a_refusal_says_nothing_of_the_content() -> None:
    """The exception may end up in a log; it quotes nothing and chains nothing."""
    for payload in (b'{"canary": canary}', b'{"canary":1,"canary":2}', b'["canary"]', b"\xffcanary"):
        with pytest.raises(NotStrict) as caught:
            parse_object(payload, max_depth=16)

        assert "" == str(caught.value)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(TREES)
@settings(max_examples=100)
def test_a_structure_is_an_object_or_a_list(tree: Any) -> None:
    """A bare value is a message of no format; only objects are reports."""
    payload = json.dumps(tree).encode()
    if isinstance(tree, dict | list):
        assert tree == parse_structure(payload, max_depth=64)
    else:
        with pytest.raises(NotStrict):
            parse_structure(payload, max_depth=64)
    if not isinstance(tree, dict):
        with pytest.raises(NotStrict):
            parse_object(payload, max_depth=64)


def test_a_key_twice_in_a_list_is_refused() -> None:
    """At any depth."""
    with pytest.raises(NotStrict):
        parse_structure(b'[{"a": 1, "a": 1}]', max_depth=8)
