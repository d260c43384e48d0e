"""JSON as it is written: keys may stand twice, numbers keep their digits, and what is written need not be valid."""

import json
import random
from collections.abc import Iterator
from typing import Any, Final

Node = Any
"""An `Obj`, an `Arr`, or the text of a scalar."""

_SPACES: Final = ("", "", "", " ", "\n", "\t ", "\r\n  ")


class Obj(list[list[Any]]):
    """Pairs of a key's text, quotes included, and a node."""

    def get(self, key: str) -> Node:
        """The node of the first pair with that key, or None."""
        token = quoted(key)
        return next((value for name, value in self if name == token), None)

    def put(self, key: str, value: Node) -> None:
        """Set the first pair with that key, or add one."""
        token = quoted(key)
        for pair in self:
            if pair[0] == token:
                pair[1] = value
                return
        self.append([token, value])


class Arr(list[Any]):
    """Nodes."""


class _Number(str):
    """A number's text."""

    __slots__ = ()


def quoted(text: str) -> str:
    """*text* as a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def node_of(value: Any) -> Node:
    """The node of a Python value."""
    if isinstance(value, Obj | _Number):
        return value if isinstance(value, Obj) else str(value)
    if isinstance(value, dict):
        return Obj([quoted(key), node_of(item)] for key, item in value.items())
    if isinstance(value, list):
        return Arr(node_of(item) for item in value)
    return json.dumps(value, ensure_ascii=False)


def parse(data: bytes) -> Node | None:
    """The tree of *data*, or None if it is no JSON."""
    try:
        return node_of(
            json.loads(
                data.decode("utf-8", "surrogatepass"),
                object_pairs_hook=_pairs,
                parse_int=_Number,
                parse_float=_Number,
                parse_constant=_Number,
            )
        )
    except (ValueError, RecursionError):
        return None


def _pairs(pairs: list[tuple[str, Any]]) -> Obj:
    return Obj([quoted(key), node_of(value)] for key, value in pairs)


def write(node: Node, chance: random.Random | None = None) -> bytes:
    """The text of a tree; with *chance*, spaced at random."""
    parts: list[str] = []
    spaces = _SPACES if chance is not None and chance.random() < 0.1 else ("",)
    _write(node, parts, (lambda: chance.choice(spaces)) if chance and len(spaces) > 1 else lambda: "")
    return "".join(parts).encode("utf-8", "surrogatepass")


def _write(node: Node, parts: list[str], space: Any) -> None:
    if isinstance(node, Obj):
        parts.append("{")
        for index, (key, value) in enumerate(node):
            parts += (",", space(), key, space(), ":", space()) if index else (space(), key, space(), ":", space())
            _write(value, parts, space)
        parts += (space(), "}")
    elif isinstance(node, Arr):
        parts.append("[")
        for index, value in enumerate(node):
            parts.append("," if index else "")
            _write(value, parts, space)
        parts.append("]")
    else:
        parts.append(node)


def places(root: Node) -> list[tuple[Any, int]]:
    """Where every node below *root* stands: its container and its index there."""
    return list(_places(root))


def _places(root: Node) -> Iterator[tuple[Any, int]]:
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Obj | Arr):
            for index, item in enumerate(node):
                yield node, index
                waiting.append(item[1] if isinstance(node, Obj) else item)


def at(place: tuple[Any, int]) -> Node:
    """The node at a place."""
    container, index = place
    return container[index][1] if isinstance(container, Obj) else container[index]


def put(place: tuple[Any, int], node: Node) -> None:
    """Put another node there."""
    container, index = place
    if isinstance(container, Obj):
        container[index][1] = node
    else:
        container[index] = node


def copied(node: Node) -> Node:
    """A copy that shares nothing."""
    if isinstance(node, Obj):
        return Obj([key, copied(value)] for key, value in node)
    return Arr(copied(value) for value in node) if isinstance(node, Arr) else node
