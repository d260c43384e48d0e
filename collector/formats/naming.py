"""Which entries of an alias map a name of a message is known by.

Rule 1: letter by letter first, or with `*` for what is between; then with a prefix put back that the sender left
        away, by its tail, or without the objects it stands below, each only where the map says so.
Rule 2: what stands in a list or below a refused name is somebody else's: a terminal's signal is not the router's.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from collector.formats.aliases import Alias, AliasMap, generalise, glob, tails_of

_LONGEST: Final = 256
"""Characters of a name that a map may have; longer ones are looked up nowhere."""
_REMEMBERED: Final = 16_384
_OBJECT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What an object may be called that names stand below: a call's name, not a terminal's address."""
Entries = tuple[tuple[int, Alias], ...]


class Known(NamedTuple):
    """How the map calls a name, its instance numbers, and the entries it has for it, in order."""

    general: str
    instance: tuple[str, ...]
    entries: Entries


class Naming:
    """The names of one alias map, ready to be asked; *refused* says of a name whether it is a refused one."""

    def __init__(self, aliases: AliasMap, refused: Callable[[str], bool]) -> None:
        self._map = aliases
        self._refused = refused
        self._known: dict[str, Entries] = {}
        for order, alias in enumerate(aliases.alias):
            for place, name in enumerate(alias.names):
                self._known[name] = (*self._known.get(name, ()), (order * 1000 + place, alias))
        self._globs = tuple((glob(name), entries) for name, entries in self._known.items() if "*" in name)
        self._tails = _unambiguous(aliases) if aliases.tails else {}
        self.conditions: Final = frozenset(when.name for alias in aliases.alias for when in alias.conditions)
        """Names that entries make conditions of."""
        self._remembered = lru_cache(_REMEMBERED)(self._find)

    def find(self, path: str) -> Known | None:
        """What the map knows of a name, None if it is neither an entry's nor a condition's."""
        return self._remembered(path) if len(path) <= _LONGEST else None

    def _find(self, path: str) -> Known | None:
        return self._exactly(path) or self._by_prefix(path) or self._by_tail(path) or self._below(path)

    def _exactly(self, path: str) -> Known | None:
        general, instance = generalise(path)
        entries = self._known.get(general) or self._by_glob(general)
        return Known(general, instance, entries) if entries or general in self.conditions else None

    def _by_glob(self, general: str) -> Entries:
        return tuple(entry for pattern, found in self._globs if pattern.fullmatch(general) for entry in found)

    def _by_prefix(self, path: str) -> Known | None:
        if not self._map.prefixes or path.startswith(self._map.prefixes):
            return None
        return next((found for prefix in self._map.prefixes if (found := self._exactly(prefix + path))), None)

    def _by_tail(self, path: str) -> Known | None:
        general, instance = generalise(path)
        found = next((self._tails[tail] for tail in tails_of(general) if tail in self._tails), None)
        return None if found is None else Known(general, instance, found)

    def _below(self, path: str) -> Known | None:
        if not self._map.below:
            return None
        parts = path.split(".")
        for place, above in enumerate(parts[:-1], start=1):
            if not _OBJECT.fullmatch(above) or self._refused(above):
                return None
            found = self._exactly(".".join(parts[place:]))
            anywhere = tuple(entry for entry in found.entries if not entry[1].top) if found else ()
            if found and (anywhere or found.general in self.conditions):
                return found._replace(entries=anywhere)
        return None


def holds(alias: Alias, instance: tuple[str, ...], beside: dict[tuple[str, tuple[str, ...]], Any]) -> bool:
    """Whether the entry's conditions hold of what else the sample says, of the same instance."""
    return all(when.holds(beside.get((when.name, instance[: when.name.count("{i}")]))) for when in alias.conditions)


def _unambiguous(aliases: AliasMap) -> dict[str, Entries]:
    """The tails that belong to one field only."""
    fields: dict[str, set[str | None]] = {}
    entries: dict[str, Entries] = {}
    for order, alias in enumerate(aliases.alias):
        if not alias.conditions and alias.event is None:
            for tail in {tail for name in alias.names for tail in tails_of(name)}:
                fields.setdefault(tail, set()).add(alias.field)
                entries[tail] = (*entries.get(tail, ()), (order * 1000, alias))
    return {tail: entries[tail] for tail, named in fields.items() if len(named) == 1}
