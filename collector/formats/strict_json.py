"""Strict JSON (G1): UTF-8, no duplicate key at any depth, no NaN, not too deep.

The message path decodes with a closed schema first and comes here only with what that refuses; so this is thorough
rather than fast. Its cost is bounded by the size limit of the format.
"""

import json
from collections.abc import Iterator
from typing import Any

import orjson


class NotStrict(ValueError):
    """The payload is not strict JSON; says nothing of its content."""


def parse_object(payload: bytes, *, max_depth: int) -> dict[str, Any]:
    """The one object in *payload*.

    Raises:
        NotStrict: not JSON (RFC 8259), not an object, nested deeper than *max_depth*, or with a key twice.
    """
    value = parse_structure(payload, max_depth=max_depth)
    if not isinstance(value, dict):
        raise NotStrict
    return value


def parse_structure(payload: bytes, *, max_depth: int) -> dict[str, Any] | list[Any]:
    """The one object or list in *payload*.

    Raises:
        NotStrict: not JSON (RFC 8259), a bare value, nested deeper than *max_depth*, or with a key twice.
    """
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError:
        raise NotStrict from None
    if not isinstance(value, dict | list) or deeper_than(value, max_depth):
        raise NotStrict
    # The slower parser, which sees keys that come twice, runs only once the depth is known to be small.
    return _without_duplicates(payload)


def deeper_than(value: Any, max_depth: int) -> bool:
    """Whether containers nest deeper than *max_depth*; the outermost one counts as depth 1."""
    level: list[Any] = [value]
    for _ in range(max_depth):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return any(isinstance(node, dict | list) for node in level)


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield from node.values()
    elif isinstance(node, list):
        yield from node


def _without_duplicates(payload: bytes) -> dict[str, Any] | list[Any]:
    try:
        value: dict[str, Any] | list[Any] = json.loads(payload.decode("utf-8"), object_pairs_hook=_object)
    except (ValueError, RecursionError):
        raise NotStrict from None
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise NotStrict
    return made
