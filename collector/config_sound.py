"""Reads what can be read of a configuration with faults, so that all its faults are reported together."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final, TypeVar, cast, get_args, get_origin

from pydantic import create_model

from collector.config_section import Section, told

Loc = tuple[int | str, ...]
Found = dict[str, Any]
S = TypeVar("S", bound=Section)
_ENTRY_BY_ENTRY: Final = {"enabled", "blocked"}
"""Lists whose entries can be judged one by one."""


def part_of(model: type[S], given: Mapping[str, Any], wrong: Sequence[Loc], at: Loc = ()) -> tuple[S, list[Found]]:
    """What could be read of a section, and what is wrong between its settings, as pydantic would report it.

    *wrong* are the places within it where pydantic found something wrong.
    """
    fields, found = model.model_fields, list[Found]()
    unread = {str(loc[0]) for loc in wrong if loc}
    given, parts = dict(given), dict[str, Any]()
    for name in [name for name in fields if name in unread and name in given]:
        below = [loc[1:] for loc in wrong if loc[:1] == (name,)]
        (inner, several), value = _section_in(fields[name].annotation), given[name]
        if inner is not None and not several and isinstance(value, dict):
            parts[name], more = part_of(inner, value, below, (*at, name))
            found += more
        elif inner is not None and several and isinstance(value, list):
            parts[name], more = _parts(inner, value, below, (*at, name))
            found += more
        elif name in _ENTRY_BY_ENTRY and all(below):
            given[name] = [entry for place, entry in enumerate(value) if place not in {loc[0] for loc in below}]
            unread -= {name} if given[name] else set()
    # A misspelt name may be meant for one that is not there.
    absent = [name for name in fields if name not in given]
    unread |= {near for name in unread - fields.keys() for near in get_close_matches(name, absent)}
    sound: dict[str, Any] = {name: (field.annotation, field) for name, field in fields.items() if name not in unread}
    read = create_model("Read", __base__=Section, **sound)(**{name: given[name] for name in sound if name in given})
    made = model.model_construct(**{name: getattr(read, name) for name in sound}, **parts)
    for name in unread - parts.keys():
        made.__dict__.pop(name, None)  # else it would have its default
    # If every single setting is in order, pydantic has checked this itself.
    faults = told(*made.checks()) if any(wrong) else []
    return cast("S", made), [*found, *({"loc": at, "type": "value_error", "msg": fault} for fault in faults)]


def _parts(model: type[S], given: Sequence[Any], wrong: Sequence[Loc], at: Loc) -> tuple[tuple[S, ...], list[Found]]:
    """The same for a list of sections; an entry that is not a section is left out."""
    made, found = list[S](), list[Found]()
    for place, entry in enumerate(given):
        if isinstance(entry, dict):
            part, more = part_of(model, entry, [loc[1:] for loc in wrong if loc[:1] == (place,)], (*at, place))
            made.append(part)
            found += more
    return tuple(made), found


def _section_in(annotation: Any) -> tuple[type[Section] | None, bool]:
    """The model of a section, of an optional one, or of a list of them; and whether it is a list."""
    kinds = (annotation, *get_args(annotation))
    inner = next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
    return inner, get_origin(annotation) is tuple
