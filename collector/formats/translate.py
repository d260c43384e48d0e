"""From the names of a format to the tree of our own: the one place where an alias map is applied.

Rule 1: the tree is built from what the map names and the catalogue allows; every other value is counted and forgotten.
Rule 2: a value is checked by the catalogue as if the router had sent it in our own format.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from math import inf
from typing import Any, Final, NamedTuple, Protocol
from zlib import crc32

import msgspec
from msgspec import UNSET

from collector.errors import DataFault
from collector.fields.clean import Cleaner, Notes
from collector.fields.compiled import MAX_EVENTS, Compiled
from collector.formats.alias_index import AliasIndex, holds
from collector.formats.aliases import Alias, AliasMap, same
from collector.formats.converters import CONVERTERS, NOTHING, Convert
from collector.formats.reading import Reading
from collector.model import Part, Removal

_BY_TYPE: Final[dict[str, Convert]] = {
    "bool": CONVERTERS["boolean"],
    "int": CONVERTERS["whole"],
    "number": CONVERTERS["number"],
    "plmn": CONVERTERS["plmn"],
}
"""What a value is converted by when its alias names nothing; everything else is text."""
_COMBINE: Final[dict[str, Callable[[list[Any]], Any]]] = {
    "first": lambda values: values[0],
    "sum": sum,
    "max": max,
    "min": min,
    "any": any,
    "count": len,
}
GATHERED: Final = frozenset({"sum", "max", "min", "any"})
"""What can be put together of values that come in messages of their own."""
_MILLISECONDS: Final = 1000
_COUNTERS_END: Final = 2**64 - 1
"""The last value of 64 bits is what agents send for a counter they do not have."""


class Found(NamedTuple):
    """One value under a name that the map knows."""

    alias: Alias
    order: int
    path: str
    value: Any


class Translated(NamedTuple):
    """What a reading became: the tree of our own format, and what makes sense beside other readings only."""

    tree: Any
    counters: tuple[Part, ...]
    parts: tuple[Part, ...]


class Keeper(Notes, Protocol):
    """Notes that also want to hear what is kept."""

    def kept(self, path: str, field: str) -> None: ...


class Translator:
    """Applies one alias map.

    Raises:
        DataFault: the map speaks of fields or events that the catalogue does not have.
    """

    def __init__(self, aliases: AliasMap, compiled: Compiled, cleaner: Cleaner) -> None:
        if faults := aliases.faults(compiled.catalogue):
            raise DataFault(f"schemas/formats/{aliases.format}.toml: {fault}" for fault in faults)
        self._map = aliases
        self._compiled = compiled
        self._cleaner = cleaner
        catalogue = compiled.catalogue
        self._types = {(v.group, v.name): v.type for v in (*catalogue.field, *catalogue.input)}
        self._types |= {("event", f.name): f.type for f in catalogue.field if f.on_events}
        self._index = AliasIndex(aliases)

    def translate(self, reading: Reading, notes: Notes) -> Translated:
        """The wire tree of what *reading* says, and its counters; *notes* is told of everything that is in neither."""
        found, unknown = self._sorted(reading)
        self._cleaner.refuse_paths(unknown, notes)
        groups: dict[str, dict[str, Any]] = {}
        events: list[dict[str, Any]] = []
        counters: list[Part] = []
        parts: list[Part] = []
        for field, values in _by_field(found).items():
            group, name = field.split(".")
            if values[0].alias.counter:
                counters += self._counters(field, values, notes)
                continue
            if reading.partial and values[0].alias.combine in GATHERED:
                parts += self._parts(field, values, notes)
                continue
            if (made := self._field(group, name, values, notes)) is UNSET:
                continue
            event = values[0].alias.event
            if group == "event" and event is not None:
                _member(events, event, name, made)
            else:
                groups.setdefault(group, {})[name] = made
        return Translated(self._tree(groups, events, reading), tuple(counters), tuple(parts))

    def _sorted(self, reading: Reading) -> tuple[list[Found], list[tuple[str, Any]]]:
        """What the map knows, and the rest."""
        beside = self._index.conditions_in(reading.values)
        found: list[Found] = []
        unknown: list[tuple[str, Any]] = []
        for path, value in reading.values:
            general, instance = self._index.general(path)
            entries = self._index.entries(general)
            if entries is not None:
                found += (Found(a, order, path, value) for order, a in entries if holds(a, instance, beside))
            elif general not in self._index.conditions:
                unknown.append((path, value))
        return found, unknown

    def _field(self, group: str, name: str, found: list[Found], notes: Notes) -> Any:
        """The value of one field, checked by the catalogue; UNSET if there is none."""
        values: list[Any] = []
        for item in _joined(found):
            made = self._converted(group, name, item, notes)
            if made is not NOTHING:
                values.append(made)
                if item.alias.combine == "first":
                    break
        if not values:
            return UNSET
        combined = _COMBINE[found[0].alias.combine](values)
        try:
            kind: Any = self._compiled.values[group][name]  # type: ignore[index]
            checked = msgspec.convert({"value": combined}, kind).value
        except msgspec.ValidationError:
            notes.removed(Removal.INVALID, found[0].path)
            return UNSET
        if hasattr(notes, "kept"):
            for item in found:
                notes.kept(item.path, f"{group}.{name}")
        return checked

    def _counters(self, field: str, found: list[Found], notes: Notes) -> Iterator[Part]:
        """What the counters of one field stand at, each for itself."""
        for item in found:
            if not self._is_unset(item):
                value = _count(item.value)
                if value is None:
                    notes.removed(Removal.INVALID, item.path)
                else:
                    yield Part(field, key_of(item.path), value, self._most(field))

    def _parts(self, field: str, found: list[Found], notes: Notes) -> Iterator[Part]:
        """The instances of one field that other messages have more of."""
        group, _, name = field.partition(".")
        for item in found:
            if (value := self._field(group, name, [item], notes)) is not UNSET:
                yield Part(field, key_of(item.path), value, self._most(field), item.alias.combine)

    def _most(self, field: str) -> float:
        entry = self._compiled.catalogue.fields.get(field.partition(".")[2])
        return inf if entry is None or entry.max is None else entry.max

    def _is_unset(self, item: Found) -> bool:
        return item.value is None or any(same(item.value, raw) for raw in (*item.alias.unset, *self._map.unset))

    def _converted(self, group: str, name: str, item: Found, notes: Notes) -> Any:
        alias, value = item.alias, item.value
        if self._is_unset(item):
            return NOTHING
        try:
            if alias.values is not None:
                meant = alias.values[value.strip() if isinstance(value, str) else str(value)]
                return NOTHING if meant == "" else meant
            convert = CONVERTERS[alias.convert] if alias.convert else _BY_TYPE.get(self._types[group, name])  # type: ignore[index]
            made = (convert or CONVERTERS["text"])(value)
        except (ValueError, KeyError, TypeError, OverflowError):
            notes.removed(Removal.INVALID, item.path)
            return NOTHING
        return NOTHING if any(same(made, raw) for raw in alias.unset) else made

    def _tree(self, groups: dict[str, dict[str, Any]], events: list[dict[str, Any]], reading: Reading) -> Any:
        compiled = self._compiled
        made: dict[str, Any] = {g: compiled.wire[g](**members) for g, members in groups.items()}  # type: ignore[index]
        when = None if reading.time is None else _moment(reading.time)
        if when is not None:
            made["time"] = when
            timed = [compiled.wire["event"](time=when, **members) for members in events[:MAX_EVENTS]]
            if timed:
                made["events"] = timed
        return compiled.report(**made)


def _by_field(found: Iterable[Found]) -> dict[str, list[Found]]:
    """By field, the names to prefer first; the order of the message decides between instances."""
    fields: dict[str, list[Found]] = {}
    for item in sorted(found, key=lambda item: item.order):
        fields.setdefault(item.alias.field, []).append(item)
    return fields


def _joined(found: list[Found]) -> list[Found]:
    """Parts of one value put together, in the order the entry names them."""
    made = [item for item in found if not item.alias.joined]
    parts: dict[int, list[Found]] = {}
    for item in found:
        if item.alias.joined:
            parts.setdefault(item.order // 1000, []).append(item)
    whole = [several for several in parts.values() if len(several) == len(several[0].alias.names)]
    made += [several[0]._replace(value=[item.value for item in several]) for several in whole]
    return sorted(made, key=lambda item: item.order)


def key_of(path: str) -> str:
    """What tells instances apart between messages, without the name that the router gave them."""
    return f"{crc32(path.encode('utf-8', 'replace')):08x}"


def _count(value: Any) -> int | None:
    try:
        found = CONVERTERS["whole"](value)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if isinstance(found, int) and 0 <= found < _COUNTERS_END else None


def _member(events: list[dict[str, Any]], kind: str, name: str, value: Any) -> None:
    """Put a member into the event of its kind; a sample has one of each kind."""
    event = next((event for event in events if event["event"] == kind), None)
    if event is None:
        event = {"event": kind}
        events.append(event)
    event[name] = value


def _moment(milliseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(milliseconds / _MILLISECONDS, UTC)
    except (ValueError, OverflowError, OSError):
        return None
