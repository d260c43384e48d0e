"""What happened to a router, in order: records, gaps, events, sessions, consent and software. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from collector.consent.ledger import LedgerEntry
from collector.diagnosis.history import HOUR, Event, History, Sample, moment_of
from collector.diagnosis.sentences import Listed, Said, Value, Word, english, say
from collector.model import Sealed

_SESSIONS_SHOWN_APART: Final = HOUR
_DETAILS: Final[Mapping[str, Callable[[Any], Value]]] = {
    "disconnect_cause": lambda cause: Word("disconnect_cause", cause),
    "nas_cause_code": lambda code: say("part.cause", code=str(code)),
    "reboot_reason": lambda reason: Word("reboot_reason", reason),
    "wifi_driver_error_code": lambda code: say("part.code", code=str(code)),
    "fault_code": lambda code: say("part.code", code=str(code)),
    "fault_severity": lambda severity: Word("fault_severity", severity),
    "available_software_version": lambda version: say("part.offered", version=str(version)),
    "data_alert_percent": lambda percent: say("part.percent", n=percent),
}
"""Members of events that are shown, in this order."""


class Kind(StrEnum):
    """What an entry of the timeline is about."""

    RECORDS = "records"
    GAP = "gap"
    EVENT = "event"
    SESSION = "session"
    CHANGE = "change"
    CONSENT = "consent"


class Entry(Sealed, frozen=True):
    """One thing that happened; `until` is set if it took time."""

    at: int
    kind: Kind
    said: Said
    until: int | None = None

    @property
    def text(self) -> str:
        """What it says, in English."""
        return english(self.said)


def timeline(
    history: History, ledger: Iterable[LedgerEntry] = (), *, first_received_at: int | None = None
) -> list[Entry]:
    """Everything, oldest first; *first_received_at* says whether there were records before the time looked at."""
    entries = [
        *_stretches(history, known=first_received_at is not None and first_received_at < history.since),
        *_events(history),
        *_sessions(history),
        *_changes(history.samples),
        *(_consent(entry) for entry in ledger if entry.received_at >= history.since),
    ]
    return sorted(entries, key=lambda entry: (entry.at, entry.kind, entry.text))


def _stretches(history: History, *, known: bool) -> Iterator[Entry]:
    """Times with records, and times without any: no data is not the same as no fault."""
    begin = history.samples[0].at if history.samples else history.now
    if known and begin - history.since > HOUR:
        yield Entry(history.since, Kind.GAP, say("timeline.no_records"), begin)
    if not history.samples:
        return
    for gap in history.gaps:
        yield _records(history, begin, gap.since)
        yield Entry(gap.since, Kind.GAP, say("timeline.no_records"), gap.until)
        begin = gap.until
    if begin <= history.samples[-1].at:
        yield _records(history, begin, history.samples[-1].at)


def _records(history: History, since: int, until: int) -> Entry:
    number = len(history.between(since, until))
    said = say("timeline.one_record") if number == 1 else say("timeline.records", n=number)
    return Entry(since, Kind.RECORDS, said, until)


def _events(history: History) -> Iterator[Entry]:
    for event in history.events:
        yield Entry(event.at, Kind.EVENT, _event(event))


def _event(event: Event) -> Said:
    details = [told(event.details[name]) for name, told in _DETAILS.items() if name in event.details]
    if not details:
        return say("timeline.event", event=Word("event", event.kind))
    return say("timeline.event_told", event=Word("event", event.kind), details=Listed("blank", details))


def _sessions(history: History) -> Iterator[Entry]:
    """Sessions with the management server; of many within an hour only the first, since the finding tells of the rest.

    Only those of the time looked at: a record may name a session of long ago, and a wrong clock one in the future.
    """
    last: tuple[Any, int] = (None, 0)
    for sample in history.samples:
        started = sample.get("session", "acs_session_start_time")
        at = moment_of(started)
        if at is None or not history.since <= at <= history.now or started == last[0]:
            continue
        if 0 <= at - last[1] < _SESSIONS_SHOWN_APART:
            continue
        last = started, at
        seconds = sample.get("session", "acs_session_seconds")
        lasted = None if seconds is None else say("timeline.session_lasted", seconds=seconds)
        yield Entry(at, Kind.SESSION, lasted or say("timeline.session"))


def _changes(samples: Sequence[Sample]) -> Iterator[Entry]:
    for group, name, told in _CHANGES:
        values = [(sample, value) for sample in samples if (value := sample.get(group, name)) is not None]
        for (_, before), (sample, value) in pairwise(values):
            if before != value:
                yield Entry(sample.at, Kind.CHANGE, told(before, value))


def _new_software(before: Any, after: Any) -> Said:
    return say("timeline.software", before=str(before), after=str(after))


def _new_operator(before: Any, after: Any) -> Said:
    return say("timeline.operator", before=str(before), after=str(after))


def _new_connection(before: Any, after: Any) -> Said:
    state = "wan_connection_state"
    return say("timeline.connection", before=Word(state, before), after=Word(state, after))


_CHANGES: Final = (
    ("router", "software_version", _new_software),
    ("network", "plmn", _new_operator),
    ("network", "wan_connection_state", _new_connection),
)


def _consent(entry: LedgerEntry) -> Entry:
    action, channel = Word("action", entry.action.value), Word("channel", entry.channel.value)
    said = say("timeline.consent", action=action, channel=channel, state=Word("state", entry.state.value))
    return Entry(entry.received_at, Kind.CONSENT, said)
