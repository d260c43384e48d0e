"""From the names of a format to the tree of our own: the one place where an alias map is applied.

Rule 1: the tree is built from what the map names and the catalogue allows; every other value is counted and forgotten.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, Final, NamedTuple
from zlib import crc32

from msgspec import UNSET

from collector.derive import EVENT
from collector.errors import DataFault
from collector.fields.clean import Cleaner, Notes
from collector.fields.compiled import MAX_EVENTS, Compiled
from collector.formats.aliases import Alias, AliasMap
from collector.formats.beside import Beside
from collector.formats.converters import CONVERTERS
from collector.formats.events import Events
from collector.formats.naming import Known, Naming
from collector.formats.reading import Reading
from collector.formats.values import Found, Values, entries_of, tell
from collector.model import Part, Removal

GATHERED: Final = frozenset({"sum", "max", "min", "any", "connected"})
"""Ways to combine values that work across messages, too."""
_SERVING: Final = "network.plmn"
_MILLISECONDS: Final = 1000
_COUNTERS_END: Final = 2**64 - 1
"""The last value of 64 bits is what agents send for a counter they do not have."""


class Translated(NamedTuple):
    """What a reading became: the tree of our own format, and what makes sense only together with other readings.

    `networks` are all serving networks that it names: a router with several modems has several.
    """

    tree: Any
    counters: tuple[Part, ...]
    parts: tuple[Part, ...]
    networks: tuple[str, ...] = ()


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
        self._naming = Naming(aliases, cleaner.refuses)
        self._values = Values(aliases, compiled)
        self._events = Events(aliases.alias, self._values)

    def translate(self, reading: Reading, notes: Notes) -> Translated:
        """The wire tree of what *reading* says, and its counters; *notes* is told of everything that is in neither."""
        found, unknown = self._sorted(reading)
        self._cleaner.refuse_paths(unknown, notes)
        groups: dict[str, dict[str, Any]] = {}
        counters: list[Part] = []
        parts: list[Part] = []
        plain = [item for item in found if item.alias.event is None or item.alias.counter]
        by_field = _by_field(plain)
        for field, values in by_field.items():
            group, name = field.split(".")
            said = [item for item in values if not item.alias.counter]
            if said and reading.partial and said[0].alias.combine in GATHERED:
                parts += self._parts(field, said, notes)
            elif (made := self._values.of(field, said, notes)) is not UNSET:
                groups.setdefault(group, {})[name] = made
            else:  # a rate that was sent needs no counter
                counters += self._counters(field, [item for item in values if item.alias.counter], notes)
        told = [item for item in found if item.alias.event is not None and not item.alias.counter]
        networks = self._values.every(_SERVING, by_field.get(_SERVING, ()))
        return Translated(self._tree(groups, told, reading, notes), tuple(counters), tuple(parts), networks)

    def entries(self, path: str) -> tuple[Alias, ...] | None:
        """The map's entries for a name; none for one that only conditions ask about, None for an unknown one."""
        known = self._naming.find(path)
        return None if known is None else tuple(alias for _, alias in known.entries)

    def _sorted(self, reading: Reading) -> tuple[list[Found], list[tuple[str, Any]]]:
        """What the map knows, and the rest."""
        known: list[tuple[str, Any, Known]] = []
        unknown: list[tuple[str, Any]] = []
        for path, value in reading.values:
            match = self._naming.find(path)
            if match is not None:
                known.append((path, value, match))
            # What only conditions ask about is not kept: if its name is refused, it counts as removed.
            if match is None or (not match.entries and self._cleaner.refuses(path)):
                unknown.append((path, value))
        wanted = self._naming.conditions
        asked = {(k.general, k.instance): value for _, value, k in known if k.general in wanted}
        beside = Beside(asked, self._map.prefixes)
        found = [
            Found(alias, order, path, value, k.general, k.instance)
            for path, value, k in known
            for order, alias in k.entries
            if not alias.conditions or beside.holds(alias, k.instance)
        ]
        return found, unknown

    def _counters(self, field: str, found: Sequence[Found], notes: Notes) -> list[Part]:
        """The counters of one field, one by one, from the first entry that has any."""
        return next((made for entry in entries_of(found) if (made := list(self._counted(field, entry, notes)))), [])

    def _counted(self, field: str, entry: list[Found], notes: Notes) -> Iterator[Part]:
        for item in entry:
            if self._values.is_unset(item.value, item.alias):
                tell(notes, "unset", item)
            elif (value := _count(item.value)) is None:
                notes.removed(Removal.INVALID, item.path)
            else:
                tell(notes, "kept", item, field)
                yield Part(field, key_of(item.path), value, self._most(field))

    def _parts(self, field: str, found: Sequence[Found], notes: Notes) -> Iterator[Part]:
        """The instances of one field; other messages may have more of them."""
        for item in found:
            if (value := self._values.of(field, [item], notes)) is not UNSET:
                yield Part(field, key_of(item.path), value, self._most(field), item.alias.combine)

    def _most(self, field: str) -> float:
        entry = self._compiled.catalogue.fields.get(field.partition(".")[2])
        return inf if entry is None or entry.max is None else entry.max

    def _tree(self, groups: dict[str, dict[str, Any]], told: list[Found], reading: Reading, notes: Notes) -> Any:
        compiled = self._compiled
        made: dict[str, Any] = {g: compiled.wire[g](**members) for g, members in groups.items()}  # type: ignore[index]
        when = None if reading.time is None else _moment(reading.time)
        if when is not None:
            made["time"] = when
            events = self._events.of(told, when, groups, notes) if told else []
            if events:
                made["events"] = [compiled.wire["event"](**members) for members in events[:MAX_EVENTS]]
        return compiled.report(**made)


def _by_field(found: Iterable[Found]) -> dict[str, list[Found]]:
    fields: dict[str, list[Found]] = {}
    for item in sorted(found, key=lambda item: item.order):
        fields.setdefault(item.alias.field or f"{EVENT}{item.alias.event}", []).append(item)
    return fields


def key_of(path: str) -> str:
    """What tells instances apart across messages; the record holds a pseudonym of it, for a name could be guessed."""
    return f"{crc32(path.encode('utf-8', 'replace')):08x}"


def _count(value: Any) -> int | None:
    try:
        found = CONVERTERS["whole"](value)
    except (ValueError, TypeError, OverflowError):
        return None
    return found if isinstance(found, int) and 0 <= found < _COUNTERS_END else None


def _moment(milliseconds: int) -> datetime | None:
    try:
        return datetime.fromtimestamp(milliseconds / _MILLISECONDS, UTC)
    except (ValueError, OverflowError, OSError):
        return None
