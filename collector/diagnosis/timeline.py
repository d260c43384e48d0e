"""What happened to a router, in order: records, gaps, events, sessions, consent and software. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from collector.consent.ledger import LedgerEntry
from collector.diagnosis.history import HOUR, History, Sample, moment_of
from collector.model import Sealed

_SESSIONS_SHOWN_APART: Final = HOUR
_CHANGES: Final = (
    ("router", "software_version", "software"),
    ("network", "plmn", "operator"),
    ("network", "wan_connection_state", "connection"),
)
_DETAILS: Final = (
    "disconnect_cause", "nas_cause_code", "reboot_reason", "wifi_driver_error_code", "fault_code", "fault_severity",
    "available_software_version", "data_alert_percent",
)  # fmt: skip


class Kind(StrEnum):
    """What an entry of the timeline is about."""

    RECORDS = "records"
    GAP = "gap"
    EVENT = "event"
    SESSION = "session"
    CHANGE = "change"
    CONSENT = "consent"


class Entry(Sealed, frozen=True):
    """One thing that happened; `until` for what took a time."""

    at: int
    kind: Kind
    text: str
    until: int | None = None


def timeline(
    history: History, ledger: Iterable[LedgerEntry] = (), *, first_received_at: int | None = None
) -> list[Entry]:
    """Everything, oldest first; *first_received_at* says whether there were records before the time looked at."""
    entries = [
        *_stretches(history, known=first_received_at is not None and first_received_at < history.since),
        *_events(history),
        *_sessions(history.samples),
        *_changes(history.samples),
        *(_consent(entry) for entry in ledger if entry.received_at >= history.since),
    ]
    return sorted(entries, key=lambda entry: (entry.at, entry.kind, entry.text))


def _stretches(history: History, *, known: bool) -> Iterator[Entry]:
    """Times with records, and times without any: no data is not the same as no fault."""
    begin = history.samples[0].at if history.samples else history.now
    if known and begin - history.since > HOUR:
        yield Entry(history.since, Kind.GAP, "no records", begin)
    if not history.samples:
        return
    for gap in history.gaps:
        yield _records(history, begin, gap.since)
        yield Entry(gap.since, Kind.GAP, "no records", gap.until)
        begin = gap.until
    if begin <= history.samples[-1].at:
        yield _records(history, begin, history.samples[-1].at)


def _records(history: History, since: int, until: int) -> Entry:
    number = len(history.between(since, until))
    return Entry(since, Kind.RECORDS, f"{number} record{'' if number == 1 else 's'}", until)


def _events(history: History) -> Iterator[Entry]:
    for event in history.events:
        details = [str(event.details[name]) for name in _DETAILS if name in event.details]
        yield Entry(event.at, Kind.EVENT, " ".join([event.kind, *details]))


def _sessions(samples: Sequence[Sample]) -> Iterator[Entry]:
    """Sessions with the management server; of many in an hour the first, for the finding tells of the rest."""
    last: tuple[Any, int] = (None, 0)
    for sample in samples:
        started = sample.get("session", "acs_session_start_time")
        at = moment_of(started)
        if at is None or started == last[0] or at - last[1] < _SESSIONS_SHOWN_APART:
            continue
        last = started, at
        seconds = sample.get("session", "acs_session_seconds")
        yield Entry(at, Kind.SESSION, "management session" + ("" if seconds is None else f", {seconds} s"))


def _changes(samples: Sequence[Sample]) -> Iterator[Entry]:
    for group, name, title in _CHANGES:
        values = [(sample, value) for sample in samples if (value := sample.get(group, name)) is not None]
        for (_, before), (sample, value) in pairwise(values):
            if before != value:
                yield Entry(sample.at, Kind.CHANGE, f"{title}: {before} to {value}")


def _consent(entry: LedgerEntry) -> Entry:
    return Entry(entry.received_at, Kind.CONSENT, f"{entry.action} by {entry.channel}: {entry.state.value}")
