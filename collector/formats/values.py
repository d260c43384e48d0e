"""One field from the values that an alias map found for it: converted, put together, and checked by the catalogue.

Rule 1: an entry's names and instances make one value; of several entries the first that says something wins.
Rule 2: a value is checked by the catalogue as if the router had sent it in our own format.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from statistics import median
from typing import Any, Final, Literal, NamedTuple, Protocol

import msgspec
from msgspec import UNSET

from collector.fields.clean import Notes, Tally
from collector.fields.compiled import Compiled
from collector.fields.treatments import MIN_STATIONS
from collector.formats.aliases import Alias, AliasMap
from collector.formats.conditions import Raw, same
from collector.formats.converters import CONVERTERS
from collector.formats.naming import entry_of, place_of
from collector.formats.nothing import NOTHING, Convert
from collector.formats.paths import Instance, numbers_of
from collector.model import Removal

_BY_TYPE: Final[dict[str, Convert]] = {
    "bool": CONVERTERS["boolean"],
    "int": CONVERTERS["whole"],
    "number": CONVERTERS["number"],
    "plmn": CONVERTERS["plmn"],
    "time": CONVERTERS["time"],
}
"""What a value is converted by when its alias names nothing; everything else is text."""
_AGREED: Final = "agreed"
_COMBINE: Final[dict[str, Callable[[Alias, list[Any]], Any]]] = {
    "sum": lambda _, values: sum(values),
    "max": lambda _, values: max(values),
    "min": lambda _, values: min(values),
    "median": lambda _, values: median(values),
    "any": lambda _, values: any(values),
    "count": lambda _, values: len(values),
    "best": lambda alias, values: min(values, key=lambda value: alias.rank.get(value, len(alias.rank))),
    "connected": lambda _, values: "connected" if "connected" in values else values[0],
    _AGREED: lambda _, values: values[0] if all(value == values[0] for value in values) else UNSET,
}
_OVER_STATIONS: Final = frozenset({"wifi.wifi_station_rssi_dbm_min", "wifi.wifi_station_rssi_dbm_median"})
"""Fields that, taken over few stations, would describe a person's device, however many others there are (U33)."""
_NTH: Final = {"lowest": 0, "second": 1}
_LONGEST_TEXT: Final = 256
"""Characters of a text that are searched for words."""
YES_OR_NO: Final = ""
"""In place of a field: whether an event without one happened."""


class Found(NamedTuple):
    """One value under a name that the map knows; *order* is that of the entry and of the name in it."""

    alias: Alias
    order: int
    path: str
    value: Any
    general: str = ""
    instance: Instance = ()
    beside: tuple[str, ...] = ()
    """The other names of a value that was joined."""


class Keeper(Notes, Protocol):
    """Notes that are also told what is kept as which field or event, and what is no measurement."""

    def kept(self, path: str, field: str) -> None: ...

    def unset(self, path: str) -> None: ...


def tell(notes: Notes, what: Literal["kept", "unset"], item: Found, *more: str) -> None:
    """Tell a `Keeper` what became of a value, under all names it came under; other notes are not told."""
    listener = getattr(notes, what, None)
    if listener is not None:
        for path in (item.path, *item.beside):
            listener(path, *more)


def entries_of(found: Sequence[Found]) -> Iterator[list[Found]]:
    """What was found, entry by entry, the one to prefer first; instances by their numbers."""
    ranked = sorted(found, key=lambda item: (item.order, numbers_of(item.instance)))
    for _, group in groupby(ranked, key=lambda item: entry_of(item.order)):
        yield list(group)


class Values:
    """Makes values of one alias map."""

    def __init__(self, aliases: AliasMap, compiled: Compiled) -> None:
        self._map = aliases
        self._checks = compiled.values
        catalogue = compiled.catalogue
        self._types: dict[str, str] = {f"{v.group}.{v.name}": v.type for v in (*catalogue.field, *catalogue.input)}
        self._types |= {f"event.{f.name}": f.type for f in catalogue.field if f.on_events}
        self._types |= {"event.time": "time", YES_OR_NO: "bool"}

    def of(self, field: str, found: Sequence[Found], notes: Notes) -> Any:
        """The value of one field, UNSET if there is none; *notes* is told of what was used and what is invalid."""
        agreed: list[Any] = []
        for entry in entries_of(found):
            if agreed and entry[0].alias.combine != _AGREED:
                continue
            made = self._of_entry(field, entry, notes)
            if made is not UNSET and entry[0].alias.combine != _AGREED:
                return made
            agreed += [made] if made is not UNSET else []
        return agreed[0] if agreed and all(made == agreed[0] for made in agreed) else UNSET

    def every(self, field: str, found: Sequence[Found]) -> tuple[Any, ...]:
        """The values of all names and instances of the first entry that says something."""
        for entry in entries_of(found):
            items = _joined(entry) if entry[0].alias.joined else entry
            if made := [one for item in items if (one := self._one(field, item, Tally())) is not UNSET]:
                return tuple(made)
        return ()

    def is_unset(self, value: Any, alias: Alias) -> bool:
        """Whether a value stands for no measurement."""
        return value is None or any(same(value, raw) for raw in (*alias.unset, *self._map.unset))

    def _of_entry(self, field: str, entry: list[Found], notes: Notes) -> Any:
        alias = entry[0].alias
        items = _joined(entry) if alias.joined else entry
        if alias.combine in {"first", *_NTH}:
            of_one = (self._one(field, item, notes) for item in _nth(items, _NTH.get(alias.combine)))
            return next((made for made in of_one if made is not UNSET), UNSET)
        values = [(item, made) for item in items if (made := self._converted(field, item, notes)) is not NOTHING]
        if not values:
            return UNSET
        combined = _COMBINE[alias.combine](alias, [made for _, made in values])
        return self._checked(field, combined, [item for item, _ in values], notes)

    def _one(self, field: str, item: Found, notes: Notes) -> Any:
        made = self._converted(field, item, notes)
        return UNSET if made is NOTHING else self._checked(field, made, [item], notes)

    def _checked(self, field: str, made: Any, items: list[Found], notes: Notes) -> Any:
        """The value if the catalogue allows it, else UNSET."""
        group, _, name = field.partition(".")
        if made is UNSET:
            return UNSET
        if field != YES_OR_NO:
            try:
                kind: Any = self._checks[group][name]  # type: ignore[index]
                made = msgspec.convert({"value": made}, kind).value
            except msgspec.ValidationError:
                _refuse(field, items[0], notes)
                return UNSET
        if hasattr(notes, "kept"):
            for item in items:
                tell(notes, "kept", item, field or item.alias.event or "")
        is_of_few = field in _OVER_STATIONS and items[0].alias.combine != "first" and len(items) < MIN_STATIONS
        return UNSET if is_of_few else made

    def _converted(self, field: str, item: Found, notes: Notes) -> Any:
        alias, value = item.alias, item.value
        parts = value if alias.joined else [value]
        said = [part for part in parts if not self.is_unset(part, alias)]
        if len(said) < len(parts):
            # Half a PLMN names a country or a network and cannot be read (3.2); half of anything else says nothing.
            if field == "network.plmn" and said:
                _refuse(field, item, notes)
            tell(notes, "unset", item)
            return NOTHING
        try:
            made = self._made(field, alias, value)
        except (ValueError, KeyError, TypeError, OverflowError):
            _refuse(field, item, notes)
            return NOTHING
        if made is NOTHING or made == "" or any(same(made, raw) for raw in alias.unset):
            tell(notes, "unset", item)
            return NOTHING
        return made

    def _made(self, field: str, alias: Alias, value: Any) -> Any:
        if alias.values is not None:
            return alias.meaning(value)
        if alias.words is not None:
            return _meaning(alias.words, str(value))
        kind = self._types[field]
        convert = CONVERTERS[alias.convert] if alias.convert else _BY_TYPE.get(kind)
        made = (convert or CONVERTERS["text"])(value)
        # A unit's factor may leave a fraction where the field takes whole numbers: 3.98 V are 3980 mV.
        return round(made) if kind == "int" and isinstance(made, float) else made


def _nth(items: list[Found], nth: int | None) -> list[Found]:
    """The items, or those of the instance that is the *nth* by its numbers."""
    if nth is None:
        return items
    instances = sorted({item.instance for item in items}, key=numbers_of)
    return [item for item in items if item.instance in instances[nth : nth + 1]]


def _joined(entry: list[Found]) -> list[Found]:
    """Parts of one value put together, in the order the entry names them; a part that did not come is None."""
    instances: dict[Instance, list[Found]] = {}
    for item in entry:
        instances.setdefault(item.instance, []).append(item)
    return [
        several[0]._replace(value=_parts(several), beside=tuple(item.path for item in several[1:]))
        for several in instances.values()
    ]


def _parts(several: list[Found]) -> list[Any]:
    came = {place_of(item.order): item.value for item in several}
    return [came.get(place) for place in range(len(several[0].alias.names))]


def _meaning(words: dict[str, Raw], text: str) -> Raw:
    found = (meaning for word, meaning in words.items() if _begins(word)(text[:_LONGEST_TEXT].lower()))
    return next(found, "")


@lru_cache(1024)
def _begins(word: str) -> Callable[[str], Any]:
    return re.compile(rf"(?<![a-z0-9]){re.escape(word.lower())}").search


def _refuse(field: str, item: Found, notes: Notes) -> None:
    notes.removed(Removal.INVALID, item.path)
    # A serving network that cannot be read may belong to another region, whatever the format calls it.
    if field == "network.plmn" and isinstance(notes, Tally):
        notes.suspect_plmn = True
