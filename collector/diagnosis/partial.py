"""Reads bodies in part: the fields that the rules in question look at, and the events.

To compare routers, tens of thousands of bodies are read. Most of a body is nothing that these rules look at: it is
skipped and not made into objects. A rule decides and measures by the fields that it names; other fields that it puts
into a summary or into its evidence may be missing here.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypedDict

import msgspec

_typed_dict: Any = TypedDict
"""Called as a function, since the names are known only at run time and not to the type checker."""
Decode = Callable[[bytes], dict[str, Any]]


def decoder(fields: Iterable[str]) -> Decode:
    """Decodes the fields named (as group.name) and the events of a body."""
    return _decoder(frozenset(fields))


@lru_cache(256)
def _decoder(fields: frozenset[str]) -> Decode:
    groups: dict[str, dict[str, Any]] = {}
    for field in fields:
        group, _, name = field.partition(".")
        groups.setdefault(group, {})[name] = Any
    parts = {group: _typed_dict(group, names, total=False) for group, names in groups.items()}
    body = _typed_dict("body", {**parts, "events": list[dict[str, Any]]}, total=False)
    decode: Decode = msgspec.json.Decoder(body).decode
    return decode
