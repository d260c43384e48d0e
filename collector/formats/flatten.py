"""Structures to flat names: dots between nested objects, numbers from 1 for objects in lists, as in TR paths.

Rule 1: a name that comes twice, as `a.b` in `{"a.b": 1, "a": {"b": 2}}`, is a duplicate key like any other (G1).
Rule 2: the result is bounded by the size of the message, however deep it nests and however long its keys are.
"""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

_LONGEST: Final = 256
"""Characters; below a longer path nothing is taken apart, for no format has names that long."""
MOST: Final = 16_384
"""Names in one sample; the longest one seen in the field has 2,237."""


class NotFlat(ValueError):
    """A name comes twice, or there are too many; says nothing of them."""


def flatten(document: dict[str, Any] | list[Any]) -> tuple[tuple[str, Any], ...]:
    """Name and value of everything in *document*, in its order.

    Lists without objects, empty structures and what stands below a path that is too long stay whole: no alias map has
    a use for them. *document* nests no deeper than a message may.

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
