"""Structures to flat names: objects below objects with dots, objects in lists with numbers from 1, as TR paths do.

Rule 1: a name that comes twice, as `{"a.b": 1, "a": {"b": 2}}` says it, is a duplicate key like any other (G1).
Rule 2: what it makes is bounded by the size of the message, whatever is nested how often under however long a key.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

_LONGEST: Final = 256
"""Characters of a path below which nothing is taken apart any more: no name of a format is as long."""
MOST: Final = 16_384
"""Names in one sample; the longest one seen in the field has 2,237."""


class NotFlat(ValueError):
    """A name comes twice, or there are too many; says nothing of them."""


def flatten(document: dict[str, Any] | list[Any]) -> tuple[tuple[str, Any], ...]:
    """Name and value of everything in *document*, in its order.

    Lists without objects in them, empty structures and what stands below a path that is too long stay whole: no map
    of names has use for them. *document* nests as deep as a message may, which is bounded.

    Raises:
        NotFlat: two values have the same name, or there are more than 16,384.
    """
    pairs = tuple(islice(_leaves("", document), MOST + 1))
    if len(pairs) > MOST or len({name for name, _ in pairs}) != len(pairs):
        raise NotFlat
    return pairs


def _leaves(path: str, node: Any) -> Iterator[tuple[str, Any]]:
    if not _opens(node) or len(path) > _LONGEST:
        yield path, node
        return
    named = node.items() if isinstance(node, dict) else ((str(place), item) for place, item in enumerate(node, start=1))
    for name, child in named:
        yield from _leaves(f"{path}.{name}" if path else name, child)


def _opens(node: Any) -> bool:
    return bool(node) and (isinstance(node, dict) or (isinstance(node, list) and isinstance(node[0], dict | list)))
