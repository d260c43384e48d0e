"""Which entries of an alias map a name in a message belongs to.

Rule 1: a name is looked up letter by letter first, as any vendor's extension, or by an entry with `*`; then with a
        prefix that the sender left out, by its tail, or without the objects it stands below, each only if the map
        allows it.
Rule 2: what stands in a list or below a refused name is somebody else's: a terminal's signal is not the router's.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from collector.formats.aliases import Alias, AliasMap, glob
from collector.formats.paths import LONGEST, Instance, generalise, of_any_vendor, tails_of

_REMEMBERED: Final = 16_384
_OBJECT: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What an object that names stand below may be called: a call's name, not a terminal's address."""
_DEEPEST: Final = 16
"""Objects that a name may stand below: it is looked for below each, and a message may have thousands of names."""
_PLACES: Final = 1000
OF_ADAPTERS: Final = "@"
"""How names begin that adapters themselves give to what they see in a message."""
Entries = tuple[tuple[int, Alias], ...]
"""Each with its `order_of`."""


class Known(NamedTuple):
    """A name as the map has it, its instance numbers, and the entries for it, in order."""

    general: str
    instance: Instance
    entries: Entries


def order_of(entry: int, place: int) -> int:
    """One number to sort by, of an entry and the place of a name in it."""
    return entry * _PLACES + place


def entry_of(order: int) -> int:
    """The entry of such a number."""
    return order // _PLACES


def place_of(order: int) -> int:
    """The place of such a number."""
    return order % _PLACES


class Naming:
    """The names of one alias map, ready to be asked; *refused* says whether a name is refused."""

    def __init__(self, aliases: AliasMap, refused: Callable[[str], bool]) -> None:
        self._map = aliases
        self._refused = refused
        self._known: dict[str, Entries] = {}
        for entry, alias in enumerate(aliases.alias):
            for place, name in enumerate(alias.names):
                self._known[name] = (*self._known.get(name, ()), (order_of(entry, place), alias))
        self._globs = tuple((glob(name), entries) for name, entries in self._known.items() if "*" in name)
        self._tails = _unambiguous(aliases) if aliases.tails else {}
        self._roots = {_root_of(name[len(p) :]) for name in self._known for p in aliases.prefixes if name.startswith(p)}
        whens = [when for alias in aliases.alias for when in alias.conditions]
        self.conditions: Final = frozenset(name for when in whens for name in (when.name, *when.via))
        """Names that conditions of entries ask about."""
        self._remembered = lru_cache(_REMEMBERED)(self._find)

    def find(self, path: str) -> Known | None:
        """What the map knows of a name, None if no entry and no condition has it."""
        return self._remembered(path) if len(path) <= LONGEST else None

    def _find(self, path: str) -> Known | None:
        return self._exactly(path) or self._by_prefix(path) or self._by_tail(path) or self._below(path)

    def _exactly(self, path: str) -> Known | None:
        name, instance = generalise(path)
        for general in (name, of_any_vendor(name)):
            entries = self._known.get(general, ())
            if entries or general in self.conditions:
                return Known(general, instance, entries)
        entries = self._by_glob(name)
        return Known(name, instance, entries) if entries else None

    def _by_glob(self, general: str) -> Entries:
        return tuple(entry for pattern, found in self._globs if pattern.fullmatch(general) for entry in found)

    def _by_prefix(self, path: str) -> Known | None:
        if not self._map.prefixes or path.startswith(self._map.prefixes):
            return None
        return next((found for prefix in self._map.prefixes if (found := self._exactly(prefix + path))), None)

    def _by_tail(self, path: str) -> Known | None:
        if not self._tails or path.startswith(self._map.prefixes) or self._refused(path):
            return None
        general, instance = generalise(path)
        if _root_of(general) in self._roots:  # the data model itself, without its prefix: known whole or not at all
            return None
        found = next((self._tails[tail] for tail in tails_of(general) if tail in self._tails), None)
        return None if found is None else Known(general, instance, found)

    def _below(self, path: str) -> Known | None:
        if not self._map.below:
            return None
        parts = path.split(".")
        for place, above in enumerate(parts[:-1][:_DEEPEST], start=1):
            if not _OBJECT.fullmatch(above) or self._refused(above):
                return None
            found = self._exactly(".".join(parts[place:]))
            anywhere = tuple(entry for entry in found.entries if not entry[1].top) if found else ()
            if found and (anywhere or found.general in self.conditions):
                return found._replace(entries=anywhere)
        return None


def _root_of(general: str) -> str:
    """The object at the beginning of a general name, and whether there are several of it."""
    first, _, rest = general.partition(".")
    return f"{first}.{{i}}" if rest.startswith("{i}") else first


def _unambiguous(aliases: AliasMap) -> dict[str, Entries]:
    """The tails that belong to one field only.

    An entry with a condition or an event is never found by its tails, yet no other entry is by the same ones. One that
    depends on what only the adapter says is left out of all this.
    """
    fields: dict[str, set[str | None]] = {}
    entries: dict[str, Entries] = {}
    for entry, alias in enumerate(aliases.alias):
        if any(when.name.startswith(OF_ADAPTERS) for when in alias.conditions):
            continue
        plain = alias.field if not alias.conditions and alias.event is None else None
        for tail in {tail for name in alias.names for tail in tails_of(name)}.difference(aliases.generic):
            fields.setdefault(tail, set()).add(plain)
            entries[tail] = (*entries.get(tail, ()), (order_of(entry, 0), alias))
    return {tail: entries[tail] for tail, named in fields.items() if len(named) == 1 and None not in named}
