"""An alias map made ready to be asked: by whole name, by name with `*`, by the end of a path."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from collector.formats.aliases import Alias, AliasMap, generalise, glob, same, tails_of

Place = tuple[str, tuple[str, ...]]
"""A general name, and the instances in it."""
Entries = list[tuple[int, Alias]]
"""Entries of a name, each with its place in the order of preference: that of the file, then that of its names."""
_LONGEST_NAME: Final = 256
NAMES: Final = 1000
"""More names than any entry has."""


class AliasIndex:
    """Finds entries by the names of a message."""

    def __init__(self, aliases: AliasMap) -> None:
        self._prefixes = aliases.prefixes
        self._known: dict[str, Entries] = {}
        for order, alias in enumerate(aliases.alias):
            for place, name in enumerate(alias.names):
                self._known.setdefault(name, []).append((order * NAMES + place, alias))
        self._globs = [(glob(name), entries) for name, entries in self._known.items() if "*" in name]
        self._tails = _unambiguous(aliases) if aliases.tails else {}
        self._of = lru_cache(16_384)(self._find)
        self.conditions = frozenset(alias.when.name for alias in aliases.alias if alias.when)
        """Names that entries make conditions of."""

    def general(self, path: str) -> Place:
        """The general name of a path, with the prefix that some senders leave away, and its instances."""
        if self._prefixes and not path.startswith(self._prefixes):
            path = next((p + path for p in self._prefixes if generalise(p + path)[0] in self._known), path)
        return generalise(path)

    def entries(self, general: str) -> Entries | None:
        """The entries of a general name, or None where nobody knows it."""
        return self._of(general) if len(general) <= _LONGEST_NAME else None  # the length bounds what is remembered

    def conditions_in(self, values: Iterable[tuple[str, Any]]) -> dict[Place, Any]:
        """The values that conditions are on, by general name and instance."""
        if not self.conditions:
            return {}
        found = ((self.general(path), value) for path, value in values)
        return {place: value for place, value in found if place[0] in self.conditions}

    def _find(self, general: str) -> Entries | None:
        if found := self._known.get(general):
            return found
        matching = [entry for pattern, entries in self._globs if pattern.fullmatch(general) for entry in entries]
        return matching or next((self._tails[tail] for tail in tails_of(general) if tail in self._tails), None)


def holds(alias: Alias, instance: tuple[str, ...], beside: Mapping[Place, Any]) -> bool:
    """Whether the condition of an entry is met for an instance."""
    if alias.when is None:
        return True
    count = alias.when.name.count("{i}")
    value = beside.get((alias.when.name, instance[:count]))
    return value is not None and any(same(value, raw) for raw in alias.when.is_)


def _unambiguous(aliases: AliasMap) -> dict[str, Entries]:
    """The tails that belong to one field only."""
    fields: dict[str, set[str]] = {}
    entries: dict[str, Entries] = {}
    for order, alias in enumerate(aliases.alias):
        if alias.when is None and alias.event is None:
            for tail in {tail for name in alias.names for tail in tails_of(name)}:
                fields.setdefault(tail, set()).add(alias.field)
                entries.setdefault(tail, []).append((order * NAMES, alias))
    return {tail: entries[tail] for tail, named in fields.items() if len(named) == 1}
