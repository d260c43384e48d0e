"""The diagnosis of a router as JSON: what `ueip diagnose --json` prints. Its shape is stable.

Rule 1: `shape` grows when a member goes, is renamed or changes its meaning; members may be added without that, so
        programs should ignore what they do not know.
Rule 2: times are RFC 3339 in UTC; pseudonyms and record ids are hex.
"""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import asdict

from collector.derive import text_of
from collector.diagnosis.history import History
from collector.diagnosis.likeness import sentence
from collector.diagnosis.nouns import Compared, Confidence, Evidence, Finding, Severity
from collector.diagnosis.sentences import Said
from collector.diagnosis.timeline import Entry, Kind
from collector.model import Region, Sealed

SHAPE: Final = 1
MOST_ENTRIES: Final = 2000
"""Entries of the timeline in a document, the newest."""


class EvidenceDocument(Sealed, frozen=True):
    """A record that a finding rests on, when it was measured, and the values in it that count."""

    record_id: str
    time: str
    values: dict[str, Any]


class ComparedDocument(Compared, frozen=True):
    """The finding compared with routers like this one. Groups of fewer than ten are left out.

    `own` and `median` are of `measure` in `unit`; without a unit, 1 means that a router has the finding. `routers` is
    the group's size without this router, `as_much` how many in it have as much or more.
    """

    sentence: str


class CellDocument(Sealed, frozen=True):
    """Of `routers` seen on the finding's cell, how many lost the network since `since`. Fewer than ten are left out."""

    routers: int
    affected: int
    since: str


class FindingDocument(Sealed, frozen=True):
    """A fault. `until` is null while it lasts; `observations` are the samples or events it rests on.

    `said` is `summary` in parts, for other languages: the id of a text and the values to fill in.
    """

    rule: str
    rule_version: int
    title: str
    severity: Severity
    confidence: Confidence
    since: str
    until: str | None
    summary: str
    said: Said
    observations: int
    evidence: list[EvidenceDocument]
    compared: list[ComparedDocument]
    cell: CellDocument | None
    next: list[str]


class EntryDocument(Sealed, frozen=True):
    """One thing that happened; `until` is null for what took no time.

    `said` is `text` in parts, for other languages.
    """

    time: str
    until: str | None
    kind: Kind
    text: str
    said: Said


class AboutDocument(Sealed, frozen=True):
    """What the router last said of itself and its network; null for what it did not say in that time."""

    model: str | None
    software: str | None
    carrier: str | None
    plmn: str | None
    technology: str | None


class Document(Sealed, frozen=True):
    """The diagnosis of one router. `readable` is false if it may not be read: then nothing of what it sent is here."""

    shape: Literal[1]
    region: Region
    device_ref: str
    readable: bool
    since: str
    until: str
    records: int
    more_records: bool
    """Whether there were more in that time than were looked at."""
    last_received_at: str | None
    findings: list[FindingDocument]
    timeline: list[EntryDocument]
    about: AboutDocument


def document(
    region: Region,
    device_ref: bytes,
    history: History,
    findings: Sequence[Finding],
    entries: Sequence[Entry],
    *,
    readable: bool,
    cut_off: bool,
) -> Document:
    """The document of a diagnosis."""
    last = history.last_received_at if readable else None
    return Document(
        shape=SHAPE,
        region=region,
        device_ref=device_ref.hex(),
        readable=readable,
        since=text_of(history.since),
        until=text_of(history.now),
        records=len(history.samples),
        more_records=cut_off,
        last_received_at=_text(last),
        findings=[_finding(finding) for finding in findings],
        timeline=[
            EntryDocument(text_of(e.at), _text(e.until), e.kind, e.text, e.said) for e in entries[-MOST_ENTRIES:]
        ],
        about=AboutDocument(
            model=history.latest("router", "model_name"),
            software=history.latest("router", "software_version"),
            carrier=history.latest("network", "carrier_name"),
            plmn=history.latest("network", "plmn"),
            technology=history.latest("network", "rat"),
        ),
    )


def _finding(finding: Finding) -> FindingDocument:
    cell = finding.on_cell
    return FindingDocument(
        rule=finding.rule,
        rule_version=finding.version,
        title=finding.title,
        severity=finding.severity,
        confidence=finding.confidence,
        since=text_of(finding.since),
        until=_text(finding.until),
        summary=finding.summary,
        said=finding.said,
        observations=finding.observations,
        evidence=[_evidence(evidence) for evidence in finding.evidence],
        compared=[ComparedDocument(**asdict(c), sentence=sentence(c)) for c in finding.compared],
        cell=None if cell is None else CellDocument(cell.routers, cell.affected, text_of(cell.since)),
        next=list(finding.next),
    )


def _evidence(evidence: Evidence) -> EvidenceDocument:
    return EvidenceDocument(evidence.record_id.hex(), text_of(evidence.at), evidence.values)


def _text(moment: int | None) -> str | None:
    return None if moment is None else text_of(moment)


def document_schema() -> dict[str, Any]:
    """The JSON Schema of what is printed: a list, one document for each router."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What `ueip diagnose --json` prints, one document a router",
        **msgspec.json.schema(list[Document]),
    }
