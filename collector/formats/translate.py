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
from collector.fields.clean import Cleaner, Notes, Tally
from collector.fields.compiled import MAX_EVENTS, Compiled
from collector.formats.aliases import Alias, AliasMap, same
from collector.formats.converters import CONVERTERS, NOTHING, Convert
from collector.formats.naming import Known, Naming, holds
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
        self._naming = Naming(aliases, cleaner.refuses)

    def translate(self, reading: Reading, notes: Notes) -> Translated:
        """The wire tree of what *reading* says, and its counters; *notes* is told of everything that is in neither."""
        found, unknown = self._sorted(reading)
        self._cleaner.refuse_paths(unknown, notes)
        groups: dict[str, dict[str, Any]] = {}
        events: list[dict[str, Any]] = []
        counters: list[Part] = []
        parts: list[Part] = []
        for (field, event), values in _by_field(found).items():
            group, _, name = (field or "event.").partition(".")
            if field and values[0].alias.counter:
                counters += self._counters(field, values, notes)
                continue
            if field and reading.partial and values[0].alias.combine in GATHERED:
                parts += self._parts(field, values, notes)
                continue
            if (made := self._field(group, name, values, notes)) is UNSET:
                continue
            if event is None:
                groups.setdefault(group, {})[name] = made
            elif name or made is True:
                _member(events, event, {name: made} if name else {})
        return Translated(self._tree(groups, events, reading), tuple(counters), tuple(parts))

    def _sorted(self, reading: Reading) -> tuple[list[Found], list[tuple[str, Any]]]:
        """What the map knows, and the rest."""
        known: list[tuple[str, Any, Known]] = []
        unknown: list[tuple[str, Any]] = []
        for path, value in reading.values:
            match = self._naming.find(path)
            if match is not None:
                known.append((path, value, match))
            # What is asked for as a condition only is not kept: it counts as removed if it is a refused name.
            if match is None or (not match.entries and self._cleaner.refuses(path)):
                unknown.append((path, value))
        wanted = self._naming.conditions
        beside = {(k.general, k.instance): value for _, value, k in known if k.general in wanted}
        found = [
            Found(alias, order, path, value)
            for path, value, k in known
            for order, alias in k.entries
            if holds(alias, k.instance, beside)
        ]
        return found, unknown

    def _field(self, group: str, name: str, found: list[Found], notes: Notes) -> Any:
        """The value of one field, checked by the catalogue; the first entry that has one decides. UNSET for none."""
        for entry in _by_entry(found):
            alias = entry[0].alias
            if alias.combine == "first":
                made = next((m for item in entry if (m := self._one(group, name, item, notes)) is not UNSET), UNSET)
            else:
                values = [v for item in entry if (v := self._converted(group, name, item, notes)) is not NOTHING]
                combined = _COMBINE[alias.combine](values) if values else NOTHING
                made = self._checked(group, name, combined, entry[0], notes)
            if made is not UNSET:
                return made
        return UNSET

    def _one(self, group: str, name: str, item: Found, notes: Notes) -> Any:
        return self._checked(group, name, self._converted(group, name, item, notes), item, notes)

    def _checked(self, group: str, name: str, value: Any, item: Found, notes: Notes) -> Any:
        """The value if the catalogue allows it, else UNSET."""
        if value is NOTHING:
            return UNSET
        if name:
            try:
                kind: Any = self._compiled.values[group][name]  # type: ignore[index]
                value = msgspec.convert({"value": value}, kind).value
            except msgspec.ValidationError:
                self._refuse(group, name, item, notes)
                return UNSET
        if hasattr(notes, "kept"):
            notes.kept(item.path, f"{group}.{name or item.alias.event}")
        return value

    def _refuse(self, group: str, name: str, item: Found, notes: Notes) -> None:
        notes.removed(Removal.INVALID, item.path)
        # A serving network that cannot be read may be one of another region, whatever the format calls it.
        if (group, name) == ("network", "plmn") and isinstance(notes, Tally):
            notes.suspect_plmn = True

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
        return self._unset(item.value, item.alias)

    def _unset(self, value: Any, alias: Alias) -> bool:
        return value is None or any(same(value, raw) for raw in (*alias.unset, *self._map.unset))

    def _converted(self, group: str, name: str, item: Found, notes: Notes) -> Any:
        alias, value = item.alias, item.value
        if alias.joined:
            value = [None if self._unset(part, alias) else part for part in value]
            if None in value:
                # Half a network names a country, and cannot be read (3.2); half of anything else says nothing.
                if name == "plmn" and any(part is not None for part in value):
                    self._refuse(group, name, item, notes)
                return NOTHING
        elif self._unset(value, alias):
            return NOTHING
        try:
            made = alias.meaning(value) if alias.values is not None else self._convert(group, name, alias)(value)
        except (ValueError, KeyError, TypeError, OverflowError):
            self._refuse(group, name, item, notes)
            return NOTHING
        return NOTHING if made == "" or any(same(made, raw) for raw in alias.unset) else made

    def _convert(self, group: str, name: str, alias: Alias) -> Convert:
        if alias.convert:
            return CONVERTERS[alias.convert]
        kind = self._types[group, name] if name else "bool"  # type: ignore[index]
        return _BY_TYPE.get(kind, CONVERTERS["text"])

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


def _by_field(found: Iterable[Found]) -> dict[tuple[str | None, str | None], list[Found]]:
    """By field and event, the names to prefer first; the order of the message decides between instances."""
    fields: dict[tuple[str | None, str | None], list[Found]] = {}
    for item in sorted(found, key=lambda item: item.order):
        fields.setdefault((item.alias.field, item.alias.event), []).append(item)
    return fields


def _by_entry(found: Iterable[Found]) -> list[list[Found]]:
    """By entry of the map, parts of one value put together; a part that did not come is None."""
    entries: dict[int, list[Found]] = {}
    for item in found:
        entries.setdefault(item.order // 1000, []).append(item)
    return [_joined(entry) if entry[0].alias.joined else entry for entry in entries.values()]


def _joined(parts: list[Found]) -> list[Found]:
    came = {part.order % 1000: part.value for part in parts}
    return [parts[0]._replace(value=[came.get(place) for place in range(len(parts[0].alias.names))])]


def key_of(path: str) -> str:
    """What tells instances apart between messages, without the name that the router gave them."""
    return f"{crc32(path.encode('utf-8', 'replace')):08x}"


def _count(value: Any) -> int | None:
    try:
        found = CONVERTERS["whole"](value)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if isinstance(found, int) and 0 <= found < _COUNTERS_END else None


def _member(events: list[dict[str, Any]], kind: str, members: dict[str, Any]) -> None:
    """Put members into the event of their kind; a sample has one of each kind."""
    event = next((event for event in events if event["event"] == kind), None)
    if event is None:
        event = {"event": kind}
        events.append(event)
    event |= members


def _moment(milliseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(milliseconds / _MILLISECONDS, UTC)
    except (ValueError, OverflowError, OSError):
        return None
