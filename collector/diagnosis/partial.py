"""Bodies read in part: the fields that some rules look at, and the events.

For comparing, tens of thousands of bodies of other routers are read. What no rule in question looks at is skipped, not
made into objects: that is most of a body. A rule decides and measures by the fields that it names; what it tells beside
that in a summary or as evidence may be missing here.
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, TypedDict

import msgspec

_typed_dict: Any = TypedDict
"""As a function: the names are known when the program runs, not to whoever checks types."""
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
