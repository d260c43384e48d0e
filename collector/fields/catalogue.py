"""The catalogue of fields as data (D9): `schemas/fields.toml`, loaded and checked.

Rule 1: a field without an entry cannot be stored; everything that handles fields is made from this catalogue.
Rule 2: a fault names file, entry, what was found and what was expected; all faults are reported at once.
"""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from collector.data import data_path
from collector.documents import load_document

Group = Literal["router", "sim", "network", "signal", "wifi", "power", "usage", "session", "settings", "event"]
GROUPS: tuple[Group, ...] = ("router", "sim", "network", "signal", "wifi", "power", "usage", "session", "settings")
SNAPSHOT_GROUPS: tuple[Group, ...] = ("network", "signal", "wifi", "power", "usage")
Category = Literal[
    "device identity", "subscriber identity", "network", "cell & location", "Wi-Fi", "power", "usage", "session",
    "fault events", "router settings", "connected terminals", "communications content", "credentials", "account",
]  # fmt: skip
Treatment = Literal["keep", "coarsen", "pseudonymise", "derive", "local_only", "not_collected"]
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,47}$")]
NUMERIC = ("int", "number")
WITHOUT_BOUNDS = ("bool", "ref", "mcc", "plmn", "country", "time", "ver64", "code32", "snapshot", "mac", "imei")


class _Row(BaseModel):
    """What every entry of the catalogue says (D9)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: Category
    treatment: Treatment
    since: Annotated[int, Field(ge=1)]
    clause: Annotated[str, StringConstraints(min_length=3)]


class _Value(_Row):
    """What fields and inputs have in common: a name, a place, a type with bounds."""

    name: Name
    row: Annotated[str, StringConstraints(pattern=r"^[UZ][0-9]{2}[a-b]?$")]
    group: Group
    unit: str | None = None
    min: int | float | None = None
    max: int | float | None = None
    min_length: int | None = None
    max_length: int | None = None
    values: tuple[str, ...] | tuple[int, ...] | None = None
    class_: Annotated[Literal["direct", "indirect", "sensitive", "content", "none"], Field(alias="class")]
    description: Annotated[str, StringConstraints(min_length=8, pattern=r"\.$")]
    type: str

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        """Every value is bounded (F3), so that nothing can be smuggled through a permitted field."""
        if self.type in NUMERIC and (self.min is None or self.max is None or self.min > self.max):
            raise ValueError(f"found no usable bounds, expected min and max, min <= max, for type {self.type}")
        if self.type == "enum" and not self.values:
            raise ValueError("found no values, expected the list of values of an enum")
        if self.type not in (*NUMERIC, "enum", *WITHOUT_BOUNDS) and self.max_length is None:
            raise ValueError(f"found no max_length, expected one for type {self.type}")
        return self


class FieldEntry(_Value):
    """A canonical field of the stored record."""

    type: Literal[
        "bool", "int", "number", "enum", "list", "ver64", "code32", "plmn", "mcc", "country", "time", "ref", "snapshot"
    ]
    treatment: Literal["keep", "coarsen", "pseudonymise", "derive"]
    place: Literal["body", "envelope", "registry"] = "body"
    sent: bool = True
    on_events: bool = False
    values_from: Literal["manufacturers", "models", "carriers"] | None = None

    @property
    def on_the_wire(self) -> bool:
        """Whether a router may send the field in its final form."""
        return self.sent and self.place == "body" and self.type != "ref"


class InputEntry(_Value):
    """What a router may send so that fields can be worked out from it; never stored."""

    type: Literal["text", "int", "imei", "mac", "digits", "ipv4", "ipv6", "ssid", "domain"]
    treatment: Literal["pseudonymise", "derive"]
    feeds: Annotated[tuple[Name, ...], Field(min_length=1)]


class EventEntry(BaseModel):
    """A kind of fault event."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    row: str
    category: Literal["fault events"]
    since: Annotated[int, Field(ge=1)]
    clause: str
    description: str


class RefusedFamily(_Row):
    """Names of things that stay on the router, or that the programme has no use for."""

    family: Annotated[str, StringConstraints(pattern=r"^[LN][0-9]{1,2}$")]
    title: str
    rows: tuple[str, ...] = ()
    type: Literal["any"] = "any"
    treatment: Literal["local_only", "not_collected"]
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()
    envelopes: tuple[str, ...] = ()
    siblings: tuple[str, ...] = ()
    """Names that are not refused themselves but give a bare name beside them away, as `ssid` does `key`."""


class NameRules(BaseModel):
    """How names are compared when looking for refused ones (catalogue 1.7.1, 1.7.2, 1.7.7)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suffixes: tuple[str, ...]
    prefixes: tuple[str, ...]
    prefix_patterns: tuple[str, ...] = ()
    false_friends: tuple[str, ...]
    flag_spellings: tuple[str, ...]
    flag_lookalikes: tuple[str, ...]


class Catalogue(BaseModel):
    """The whole of `fields.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal[1]
    field: tuple[FieldEntry, ...]
    input: tuple[InputEntry, ...]
    event: tuple[EventEntry, ...]
    refused: tuple[RefusedFamily, ...]
    names: NameRules

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        values, events = Counter(v.name for v in (*self.field, *self.input)), Counter(e.name for e in self.event)
        twice = [name for names in (values, events) for name, n in names.items() if n > 1]
        faults = [f"found {', '.join(twice)} more than once, expected every name once"] if twice else []
        faults += [
            f"entry '{entry.name}': feeds: found '{fed}', expected the name of a field"
            for entry in self.input for fed in entry.feeds if fed not in self.fields
        ]  # fmt: skip
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @cached_property
    def fields(self) -> dict[str, FieldEntry]:
        """The fields by name."""
        return {entry.name: entry for entry in self.field}

    def in_group(self, group: Group) -> list[FieldEntry]:
        """The fields of *group* that a record's body may hold."""
        return [
            f for f in self.field
            if f.place == "body" and (f.group == group or (group == "event" and f.on_events))
        ]  # fmt: skip

    def inputs_of(self, group: Group) -> list[InputEntry]:
        """What a router may send in *group* for others to be worked out from."""
        return [i for i in self.input if i.group == group]


def load_catalogue(path: Path | None = None) -> Catalogue:
    """Read the catalogue from *path*, or the shipped one.

    Raises:
        DataFault: every fault found, each naming file, entry, what was found and what was expected.
    """
    path = path or data_path("schemas", "fields.toml")
    return load_document(Catalogue, path, shown=path.relative_to(path.parent.parent))
