"""Alias maps as data: `schemas/formats/<format>.toml` says which name of a format is which field of the catalogue.

Rule 1: a name has to match as a whole, letter by letter; `{i}` stands for an instance number of a TR path or a list,
        `X_{v}_` for any vendor's extension of a data model, `*` for any part of a name without a slash.
Rule 2: what no entry names is never stored, whatever it looks like.
Rule 3: every entry names the source of its names, so that doubts can be settled.
"""

import re
from collections.abc import Container, Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from collector.data import data_path
from collector.derive import WATCHDOG
from collector.documents import load_document
from collector.fields.catalogue import Catalogue
from collector.formats.conditions import Place, Raw, Spelling, Unless, When
from collector.formats.converters import CONVERTERS

Combine = Literal[
    "first", "lowest", "second", "sum", "max", "min", "median", "any", "count", "best", "agreed", "connected",
]  # fmt: skip
"""How the values of several names and instances become one; the lowest instance numbers come first.

first: the first valid value. lowest, second: the value of the instance with the lowest number, or of the one after it,
even if it says nothing. connected: a link with several states is up if any of them says so. best: the value whose
meaning comes first in `values`. agreed: the value that all of them have, other such entries for the field included.
"""
_OTHERS: Final = "*"
_BETWEEN: Final = re.compile(r"[\s_-]+")
FORMATS: Final = ("tr369", "goform", "collectd", "netjson")
"""The alias maps that are shipped; USP records carry TR-181 parameters too and share `tr369`."""


class Alias(BaseModel):
    """One field, and the names it comes under."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: Annotated[tuple[Spelling, ...], Field(min_length=1)]
    """Spellings, the preferred one first. With `joined`, the parts of one value."""
    field: Place | None = None
    """Group and name of a field or an input of the catalogue; with `event`, of a member of that event."""
    event: str | None = None
    """The kind of event that the value tells of. Without a field, the value says whether it happened.

    Each object (TR path) that tells of events of a kind makes one of them; `event.time` is the event's own time.
    """
    joins: bool = False
    """The value is added to such events if another entry makes them; it makes none itself.

    If its name has instance numbers, it is added to the event of its object, else to all.
    """
    unless: Unless | None = None
    top: bool = False
    """Whether the names count at the top of a message only, in a map that allows names `below` others."""
    joined: bool = False
    counter: bool = False
    """The value only counts up: the field is its rate a second; without a field, a rise is an event.

    A rise of `watchdog_reboots_total` says why a router restarted.
    """
    convert: str | None = None
    """A conversion, where the one of the field's type will not do."""
    values: dict[str, Raw] | None = None
    """What each value means; with an empty text nothing is kept. Unlisted values mean what `*` does, or are invalid.

    A value that is not listed exactly is compared again, regardless of case and of blanks, hyphens and underscores.
    """
    words: dict[str, Raw] | None = None
    """What a text means in which a word begins like this; the first match counts, other texts say nothing (F8)."""
    unset: tuple[Raw, ...] = ()
    """Values that stand for no measurement."""
    combine: Combine = "first"
    when: When | tuple[When, ...] = ()
    source: Annotated[str, StringConstraints(min_length=5)]

    @property
    def conditions(self) -> tuple[When, ...]:
        """What has to hold for the entry to be used, all of it."""
        return (self.when,) if isinstance(self.when, When) else self.when

    @cached_property
    def _folded(self) -> dict[str, Raw]:
        return {_fold(value): meant for value, meant in (self.values or {}).items()}

    def meaning(self, value: Any) -> Raw:
        """What *value* means by `values`.

        Raises:
            KeyError: it is not listed.
        """
        listed = self.values or {}
        text = value.strip() if isinstance(value, str) else str(value)
        if text in listed:
            return listed[text]
        folded = _fold(text)
        return self._folded[folded if folded in self._folded else _OTHERS]

    @cached_property
    def rank(self) -> Mapping[Raw, int]:
        """The meanings of `values`, best first."""
        return {meaning: place for place, meaning in enumerate(dict.fromkeys((self.values or {}).values()))}

    @model_validator(mode="after")
    def _known(self) -> Self:
        if self.field is None and self.event is None:
            raise ValueError("field: found none, expected a field, an event, or both")
        if self.convert is not None and self.convert not in CONVERTERS:
            raise ValueError(f"convert: found '{self.convert}', expected one of {', '.join(CONVERTERS)}")
        return self


class AliasMap(BaseModel):
    """A whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str
    unset: tuple[Raw, ...] = ()
    """Values that stand for no measurement under every name."""
    prefixes: tuple[str, ...] = ()
    """What some senders leave out at the front of a name, such as `Device.`."""
    tails: bool = False
    """Whether a name may be known by its last segments alone, if they belong to one field only.

    A name with a prefix may not: a whole path means what it says.
    """
    generic: tuple[str, ...] = ()
    """Last segments that say nothing by themselves."""
    below: bool = False
    """Whether the names may stand below objects of any name (`nwinfo.lte_rsrp`), as answers do below names of calls.

    Never below a list, nor below a name that is refused: what stands there is not the router's.
    """
    tables: dict[str, dict[str, Raw]] = {}
    """Values and meanings that several entries share: `values` may name one of these."""
    alias: tuple[Alias, ...]

    @model_validator(mode="before")
    @classmethod
    def _with_tables(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("alias"), list):
            return data
        tables = data.get("tables", {})
        return data | {"alias": [_with_table(entry, tables) for entry in data["alias"]]}

    def without(self, left_out: Container[str]) -> Self:
        """The map without the entries of these fields, inputs and kinds of event."""
        kept = (a for a in self.alias if (a.field or "").partition(".")[2] not in left_out and a.event not in left_out)
        return self.model_copy(update={"alias": tuple(kept)})

    def faults(self, catalogue: Catalogue) -> list[str]:
        """Entries that speak of fields or events the catalogue does not have."""
        events = {entry.name for entry in catalogue.event}
        places = {(f.group, f.name) for f in catalogue.field if f.on_the_wire}
        places |= {("event", f.name) for f in catalogue.field if f.on_events} | {("event", "time")}
        places |= {(i.group, i.name) for i in catalogue.input}
        return [
            f"entry '{alias.names[0]}': found {what}, expected one of the catalogue"
            for alias in self.alias
            for what, wrong in (
                (f"a counter of '{alias.field}'", alias.counter and not _counts(catalogue, alias)),
                (f"field '{alias.field}'", alias.field is not None and tuple(alias.field.split(".")) not in places),
                (
                    f"field '{alias.field}' without an event",
                    (alias.field or "").startswith("event.") and not (alias.event or alias.counter),
                ),
                (f"event '{alias.event}'", alias.event is not None and alias.event not in events),
            )
            if wrong
        ]


def _with_table(entry: Any, tables: Any) -> Any:
    name = entry.get("values") if isinstance(entry, dict) else None
    if not isinstance(name, str):
        return entry
    if name not in tables:
        raise ValueError(f"values: found '{name}', expected one of {', '.join(tables) or 'no table'}")
    return entry | {"values": tables[name]}


def _counts(catalogue: Catalogue, alias: Alias) -> bool:
    """Whether a field may be the rate of a counter: rates are derived after the treatments, so none is applied."""
    if alias.field is None:
        return True
    entry = catalogue.fields.get(alias.field.partition(".")[2])
    return alias.event is None and entry is not None and (entry.treatment == "keep" or alias.field == WATCHDOG)


def load_aliases(name: str) -> AliasMap:
    """Read the alias map *name*.

    Raises:
        DataFault: every fault, each naming file, entry, what was found and what was expected.
    """
    path = data_path("schemas", "formats", f"{name}.toml")
    return load_document(AliasMap, path, shown=path.relative_to(path.parents[2]))


def _fold(text: str) -> str:
    return _BETWEEN.sub("_", text.strip().lower())


def glob(name: str) -> re.Pattern[str]:
    """The pattern of a name with `*` in it."""
    return re.compile("[^/]*".join(map(re.escape, name.split("*"))))
