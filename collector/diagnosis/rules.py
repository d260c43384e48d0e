"""`config/rules.toml`: the rules with their thresholds, loaded and checked.

Rule 1: a threshold is data, with its unit and its source; the code of a rule knows its name only.
Rule 2: a rule looks at fields of the catalogue and at nothing else.
"""

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from collector.data import data_path
from collector.diagnosis.nouns import Severity
from collector.documents import load_document
from collector.errors import DataFault
from collector.fields.catalogue import Catalogue, load_catalogue

SCHEMA_VERSION: Final = 1
_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{1,47}$")]
_Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Threshold(_Strict):
    """A number a rule goes by: its unit, and where it comes from."""

    value: float
    unit: _Text
    source: _Text


class Rule(_Strict):
    """One rule: what it means, what it looks at, what it goes by, what an engineer may do next."""

    id: _Name
    version: Annotated[int, Field(ge=1)]
    title: _Text
    severity: Severity
    fields: Annotated[tuple[str, ...], Field(min_length=1)]
    meaning: _Text
    next: Annotated[tuple[_Text, ...], Field(min_length=1)]
    thresholds: Annotated[dict[_Name, Threshold], Field(min_length=1)]

    def __getitem__(self, name: str) -> float:
        """The threshold of this name."""
        return self.thresholds[name].value


class CauseEntry(_Strict):
    """Causes given by the network that mean the same to an engineer."""

    kind: _Name
    codes: Annotated[tuple[Annotated[int, Field(ge=0, le=255)], ...], Field(min_length=1)]


class ImpossibleEntry(_Strict):
    """What engineers ask for and the records cannot say, and why."""

    title: _Text
    why: _Text


class RuleFile(_Strict):
    """The whole of `rules.toml`."""

    schema_version: Annotated[int, Field(ge=1, le=SCHEMA_VERSION)]
    rule: Annotated[tuple[Rule, ...], Field(min_length=1)]
    cause: tuple[CauseEntry, ...] = ()
    impossible: tuple[ImpossibleEntry, ...] = ()


class Rules:
    """All rules by their ids, and what they share."""

    def __init__(self, file: RuleFile) -> None:
        self.all = {rule.id: rule for rule in file.rule}
        self.impossible = file.impossible
        self.causes = {code: entry.kind for entry in file.cause for code in entry.codes}
        """What a refusal by the network is about, by its EMM or 5GMM cause number; other causes are no refusals."""

    def __getitem__(self, rule_id: str) -> Rule:
        """The rule of this id."""
        return self.all[rule_id]


def load_rules(path: Path | None = None, catalogue: Catalogue | None = None) -> Rules:
    """Read the rules from *path*, or the shipped ones; `judging` checks that each has its code.

    Raises:
        DataFault: every fault, each naming file, rule, what was found and what was expected.
    """
    path = path or data_path("config", "rules.toml")
    file = load_document(RuleFile, path)
    known = _fields_of(catalogue or load_catalogue())
    faults = [*_twice("rule", [rule.id for rule in file.rule])]
    faults += _twice("cause", [code for entry in file.cause for code in entry.codes])
    faults += [
        f"rule.entry '{rule.id}'.fields: found {name!r}, expected group.name of a field of a record "
        f"(docs/reference/fields.md). Correct it, or leave it out."
        for rule in file.rule
        for name in rule.fields
        if name not in known
    ]
    if faults:
        raise DataFault(f"{path}: {fault}" for fault in faults)
    return Rules(file)


def _fields_of(catalogue: Catalogue) -> frozenset[str]:
    return frozenset(f"{field.group}.{field.name}" for field in catalogue.field if field.place == "body")


def _twice(what: str, names: list[Any]) -> list[str]:
    again = dict.fromkeys(name for number, name in enumerate(names) if name in names[:number])
    return [f"{what}: found {name!r} more than once, expected it once. Remove one." for name in again]
