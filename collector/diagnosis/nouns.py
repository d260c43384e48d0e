"""The nouns of diagnosis: a finding, what it rests on, how sure it is, what it was compared with."""

from enum import StrEnum
from typing import Any

from collector.diagnosis.sentences import Said, english
from collector.model import Sealed


class Severity(StrEnum):
    """How bad a fault is, in the words of ITU-T X.733."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"
    WARNING = "warning"


class Confidence(StrEnum):
    """How sure a finding is: by how much more the records show than the rule asks for."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Evidence(Sealed, frozen=True):
    """One record a finding rests on, and the values in it that count."""

    record_id: bytes
    at: int
    values: dict[str, Any]


class Found(Sealed, frozen=True):
    """What the code of a rule found.

    `observations` are the samples or events it rests on, `needed` how many the rule asks for; `evidence` is all of
    them or the most telling. `until` is None while it lasts.
    """

    since: int
    until: int | None
    said: Said
    """What was measured, in parts."""
    observations: int
    needed: float
    evidence: tuple[Evidence, ...]
    severity: Severity | None = None
    cell: str | None = None
    """The cell (pseudonym, hex) that most of its events were on."""
    certain: bool = False
    """Whether one observation is as sure as many, since the router itself does the counting."""


class Compared(Sealed, frozen=True):
    """A finding compared with routers like this one; never with a group of fewer than ten (O25)."""

    group: str
    """What they have in common, in words."""
    measure: str
    unit: str
    own: float
    routers: int
    """The group's size, without this router."""
    median: float
    as_much: int
    """How many of the group have as much or more, in the direction that is bad."""


class OnCell(Sealed, frozen=True):
    """How many routers seen on a cell had disconnects since a time, this one included; never fewer than ten in all."""

    routers: int
    affected: int
    since: int


class Finding(Sealed, frozen=True):
    """A fault with its evidence."""

    rule: str
    version: int
    title: str
    severity: Severity
    since: int
    until: int | None
    said: Said
    confidence: Confidence
    observations: int
    evidence: tuple[Evidence, ...]
    next: tuple[str, ...]
    cell: str | None = None
    compared: tuple[Compared, ...] = ()
    on_cell: OnCell | None = None

    @property
    def summary(self) -> str:
        """What was measured, in English."""
        return english(self.said)
