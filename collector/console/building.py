"""Makes the documents that the console shows from what was read."""

from collections.abc import Sequence
from typing import Final

from collector.access.entry import AuditEntry
from collector.consent.ledger import LedgerEntry
from collector.consent.standing import Standing
from collector.console.views import (
    AuditEntryView,
    AuditView,
    ConsentEntry,
    ConsentView,
    RuleView,
    SeriesView,
    ThresholdView,
)
from collector.derive import text_of
from collector.diagnosis.history import History
from collector.diagnosis.rules import Rule
from collector.diagnosis.series import Lines
from collector.model import Region

SHAPE: Final = 1


def series_view(region: Region, device_ref: bytes, history: History, lines: Lines, *, readable: bool) -> SeriesView:
    """What a router measured over the time of its history."""
    return SeriesView(
        shape=SHAPE,
        region=region,
        device_ref=device_ref.hex(),
        readable=readable,
        since=history.since // 1000,
        until=history.now // 1000,
        times=lines.times,
        lines=lines.lines,
        marks=lines.marks,
        gaps=lines.gaps,
        thinned=lines.thinned,
    )


def consent_view(region: Region, standing: Standing, entries: Sequence[LedgerEntry]) -> ConsentView:
    """What the ledger says of a router."""
    return ConsentView(
        region=region,
        device_ref=standing.device_ref.hex(),
        state=standing.state.value,
        since=text_of(standing.effective_at),
        entries=[_entry(entry) for entry in entries],
    )


def _entry(entry: LedgerEntry) -> ConsentEntry:
    return ConsentEntry(
        seq=entry.seq,
        time=text_of(entry.received_at),
        action=entry.action.value,
        channel=entry.channel.value,
        state=entry.state.value,
        policy_version=entry.policy_version,
    )


def audit_view(region: Region | None, entries: Sequence[AuditEntry], *, more: bool) -> AuditView:
    """A page of an audit log."""
    return AuditView(region, [_audit_entry(entry) for entry in entries], more)


def _audit_entry(entry: AuditEntry) -> AuditEntryView:
    return AuditEntryView(
        seq=entry.seq,
        time=text_of(entry.at),
        who=entry.who,
        role=entry.role,
        source=entry.source,
        what=entry.what,
        outcome=entry.outcome,
        device_ref=entry.device_ref,
        why=entry.why,
        shown=entry.shown,
        whom=entry.whom,
    )


def rule_view(rule: Rule) -> RuleView:
    """A rule, with its thresholds."""
    return RuleView(
        id=rule.id,
        version=rule.version,
        title=rule.title,
        severity=rule.severity.value,
        meaning=" ".join(rule.meaning.split()),
        fields=list(rule.fields),
        thresholds=[ThresholdView(name, t.value, t.unit, t.source) for name, t in rule.thresholds.items()],
        next=list(rule.next),
    )
