"""Alias maps as data: `schemas/formats/<format>.toml` says which name of a format is which field of the catalogue.

Rule 1: an entry is matched whole, letter by letter; `{i}` stands for an instance number of a TR path or a list, `*`
        for any part of a name without a slash.
Rule 2: what no entry names is never stored, whatever it looks like.
Rule 3: every entry names the source it was seen in, so that a doubt can be settled.
"""

import re
from functools import cached_property
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from collector.data import data_path
from collector.derive import WATCHDOG
from collector.documents import load_document
from collector.fields.catalogue import Catalogue
from collector.formats.converters import CONVERTERS

Spelling = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Raw = str | int | float | bool
Values = Annotated[tuple[Raw, ...], Field(min_length=1)]
Combine = Literal["first", "sum", "max", "min", "any", "count"]
_OTHERS: Final = "*"
_BETWEEN: Final = re.compile(r"[\s_-]+")
_INSTANCE: Final = re.compile(r"(?<![^.])[0-9]+(?![^.])")
FORMATS: Final = ("tr369", "goform", "collectd", "netjson")
"""The alias maps that are shipped; USP records carry TR-181 parameters too and share `tr369`."""


class When(BaseModel):
    """A condition on another value of the same sample: it is one of some, or not. `{i}` is the entry's instance.

    What is not there is not one of any.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Spelling
    is_: Annotated[Values | None, Field(alias="is")] = None
    not_: Annotated[Values | None, Field(alias="not")] = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.is_ is None) == (self.not_ is None):
            raise ValueError("when: found both or neither of is and not, expected one of them")
        return self

    def holds(self, value: Any) -> bool:
        """Whether it holds of *value*, None for a name that did not come."""
        one = value is not None and any(same(value, raw) for raw in self.is_ or self.not_ or ())
        return one if self.is_ is not None else not one


class Alias(BaseModel):
    """One field, and the names it comes under."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: Annotated[tuple[Spelling, ...], Field(min_length=1)]
    """Spellings, the one to prefer first. With `joined`, the parts of one value."""
    field: Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z0-9_]+$")] | None = None
    """Group and name of a field or an input of the catalogue; of a member of an event with `event`."""
    event: str | None = None
    """The kind of event that such a value is. Without a field, the value says yes or no to it."""
    top: bool = False
    """Whether the names stand at the top of a message only, though those of this map may stand below others."""
    joined: bool = False
    counter: bool = False
    """The value only counts up: the field is its rate a second. Of `watchdog_reboots_total`, why a router restarted."""
    convert: str | None = None
    """A conversion, where the one of the field's type will not do."""
    values: dict[str, Raw] | None = None
    """What each value means; an empty text stands for nothing to be kept. Others mean what `*` does, or are invalid.

    Case is no matter where a value is not listed as it came, nor whether it has blanks, hyphens or underscores.
    """
    unset: tuple[Raw, ...] = ()
    """Values that stand for no measurement."""
    combine: Combine = "first"
    """What becomes of several names and instances."""
    when: When | tuple[When, ...] = ()
    source: Annotated[str, StringConstraints(min_length=5)]

    @property
    def conditions(self) -> tuple[When, ...]:
        """What has to hold for the entry to be asked; all of it."""
        return (self.when,) if isinstance(self.when, When) else self.when

    @cached_property
    def _folded(self) -> dict[str, Raw]:
        return {_fold(value): meant for value, meant in (self.values or {}).items()}

    def meaning(self, value: Any) -> Raw:
        """What *value* means by `values`.

        Raises:
            KeyError: it is not among them.
        """
        listed = self.values or {}
        text = value.strip() if isinstance(value, str) else str(value)
        if text in listed:
            return listed[text]
        folded = _fold(text)
        return self._folded[folded if folded in self._folded else _OTHERS]

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
    """What some senders leave away at the front of a name, `Device.` for one."""
    tails: bool = False
    """Whether a name may be known by its last segments alone, where they are those of one field only."""
    below: bool = False
    """Whether the names may stand below objects of any name (`nwinfo.lte_rsrp`), as answers below the names of calls.

    Never below a list, nor below a name that is refused: what stands there is not the router's.
    """
    alias: tuple[Alias, ...]

    def faults(self, catalogue: Catalogue) -> list[str]:
        """Entries that speak of fields or events the catalogue does not have."""
        events = {entry.name for entry in catalogue.event}
        places = {(f.group, f.name) for f in catalogue.field if f.on_the_wire}
        places |= {("event", f.name) for f in catalogue.field if f.on_events}
        places |= {(i.group, i.name) for i in catalogue.input}
        return [
            f"entry '{alias.names[0]}': found {what}, expected one of the catalogue"
            for alias in self.alias
            for what, wrong in (
                (f"a counter of '{alias.field}'", alias.counter and not _counts(catalogue, alias.field or "")),
                (f"field '{alias.field}'", alias.field is not None and tuple(alias.field.split(".")) not in places),
                (f"field '{alias.field}' of no event", (alias.field or "").startswith("event.") and not alias.event),
                (f"event '{alias.event}'", alias.event is not None and alias.event not in events),
            )
            if wrong
        ]


def _counts(catalogue: Catalogue, field: str) -> bool:
    """Whether a field may be the rate of a counter: what is derived late passes by the treatments."""
    entry = catalogue.fields.get(field.partition(".")[2])
    return entry is not None and (entry.treatment == "keep" or field == WATCHDOG)


def load_aliases(name: str) -> AliasMap:
    """Read the alias map *name*.

    Raises:
        DataFault: every fault, each naming file, entry, what was found and what was expected.
    """
    path = data_path("schemas", "formats", f"{name}.toml")
    return load_document(AliasMap, path, shown=path.relative_to(path.parents[2]))


def _fold(text: str) -> str:
    return _BETWEEN.sub("_", text.strip().lower())


def generalise(name: str) -> tuple[str, tuple[str, ...]]:
    """A TR path with `{i}` for its instance numbers, and those numbers."""
    if not any("0" <= letter <= "9" for letter in name):
        return name, ()
    return _INSTANCE.sub("{i}", name), tuple(_INSTANCE.findall(name))


def tails_of(name: str) -> list[str]:
    """The ends of a generalised path by which it may be known: from two names down to the last one."""
    parts = [part for part in name.split(".") if part != "{i}"]
    return [".".join(parts[-count:]) for count in (3, 2, 1) if count < len(parts)]


def glob(name: str) -> re.Pattern[str]:
    """The pattern of a name with `*` in it."""
    return re.compile("[^/]*".join(map(re.escape, name.split("*"))))


def same(value: Any, raw: Raw) -> bool:
    """Whether a value is *raw*, written as a number or as text; true is not 1."""
    if isinstance(value, bool) or isinstance(raw, bool):
        return value is raw or (isinstance(value, str) and value.strip().lower() == str(raw).lower())
    if isinstance(value, str) and isinstance(raw, int | float):
        return value.strip() == str(raw)
    return bool(value == raw) or (isinstance(raw, str) and str(value).strip() == raw)
