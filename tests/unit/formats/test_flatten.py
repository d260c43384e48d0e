"""Structures as flat names: everything in them once, in its order, and nothing that is more than the message."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.formats.flatten import NotFlat, flatten

LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=4)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.dictionaries(st.text("ab", min_size=1, max_size=3), inner, max_size=3) | st.lists(inner, max_size=3)
    ),
    max_leaves=12,
)


def test_objects_have_dots_and_lists_have_numbers() -> None:
    """From 1, as instances of TR paths."""
    found = flatten({"a": {"b": [{"c": 1}, {"c": 2}]}, "d": [3, 4], "e": {}, "f": []})

    assert (("a.b.1.c", 1), ("a.b.2.c", 2), ("d", [3, 4]), ("e", {}), ("f", [])) == found


def test_a_list_at_the_top_has_numbers_too() -> None:
    """As several answers in one message."""
    assert (("1.a", 1), ("2.a", 2)) == flatten([{"a": 1}, {"a": 2}])


@pytest.mark.parametrize("document", [{"a.b": 1, "a": {"b": 2}}, {"a": [{"b": 1}], "a.1.b": 2}])
def test_a_name_that_comes_twice_is_refused(document: dict[str, Any]) -> None:
    """A duplicate key that a dot hides is one all the same."""
    with pytest.raises(NotFlat):
        flatten(document)


def test_many_names_are_refused_and_long_paths_left_whole() -> None:
    """What it makes is bounded."""
    assert len(flatten({str(n): n for n in range(16_384)})) == 16_384
    with pytest.raises(NotFlat):
        flatten({str(n): n for n in range(16_385)})
    assert (("k" * 300, {"a": {"b": 1}}),) == flatten({"k" * 300: {"a": {"b": 1}}})


@given(st.dictionaries(st.text("ab", min_size=1, max_size=3), TREES, max_size=4))
def test_nothing_is_lost_and_nothing_comes_twice(document: dict[str, Any]) -> None:
    """Written back, the leaves are those of the document."""

    def leaves(node: Any) -> list[str]:
        if isinstance(node, dict) and node:
            return [leaf for child in node.values() for leaf in leaves(child)]
        if isinstance(node, list) and node and isinstance(node[0], dict | list):
            return [leaf for child in node for leaf in leaves(child)]
        return [json.dumps(node)]

    found = flatten(document)

    assert ([leaf for child in document.values() for leaf in leaves(child)] if document else ["{}"]) == [
        json.dumps(value) for _, value in found
    ]
    assert len({name for name, _ in found}) == len(found)
