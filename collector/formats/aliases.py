"""Alias maps as data: `schemas/formats/<format>.toml` says which name of a format is which field of the catalogue.

Rule 1: an entry is matched whole, letter by letter; `{i}` stands for an instance number of a TR path, `*` for any
        part of a name without a slash.
Rule 2: what no entry names is never stored, whatever it looks like.
Rule 3: every entry names the source it was seen in, so that a doubt can be settled.
"""

import re
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from collector.data import data_path
from collector.derive import WATCHDOG
from collector.documents import load_document
from collector.fields.catalogue import Catalogue
from collector.formats.converters import CONVERTERS

Spelling = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Raw = str | int | float | bool
Combine = Literal["first", "sum", "max", "min", "any", "count"]
_INSTANCE: Final = re.compile(r"(?<![^.])[0-9]+(?![^.])")
FORMATS: Final = ("tr369", "goform", "collectd", "netjson")
"""The alias maps that are shipped; USP records carry TR-181 parameters too and share `tr369`."""


class When(BaseModel):
    """A condition on another value of the same sample; `{i}` is the same instance as the entry's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Spelling
    is_: Annotated[tuple[Raw, ...], Field(alias="is", min_length=1)]


class Alias(BaseModel):
    """One field, and the names it comes under."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: Annotated[tuple[Spelling, ...], Field(min_length=1)]
    """Spellings, the one to prefer first. With `joined`, the parts of one value."""
    field: Annotated[str, StringConstraints(pattern=r"^[a-z]+\.[a-z0-9_]+$")]
    """Group and name of a field or an input of the catalogue; of a member of an event with `event`."""
    event: str | None = None
    """The kind of event that such a value is."""
    joined: bool = False
    counter: bool = False
    """The value only counts up: the field is its rate a second. Of `watchdog_reboots_total`, why a router restarted."""
    convert: str | None = None
    """A conversion, where the one of the field's type will not do."""
    values: dict[str, Raw] | None = None
    """What each value means; an empty text stands for nothing to be kept. Others are invalid."""
    unset: tuple[Raw, ...] = ()
    """Values that stand for no measurement."""
    combine: Combine = "first"
    """What becomes of several instances."""
    when: When | None = None
    source: Annotated[str, StringConstraints(min_length=5)]

    @model_validator(mode="after")
    def _known(self) -> Self:
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
                (f"a counter of '{alias.field}'", alias.counter and not _counts(catalogue, alias.field)),
                (f"field '{alias.field}'", tuple(alias.field.split(".")) not in places),
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
