"""The timeline: everything in order, and gaps as gaps."""

from patients import NOW, SINCE, Body, event, history, hours, steady, with_events
from records import HOUR, MINUTE, join, leave

from collector.consent.ledger import LedgerEntry
from collector.diagnosis.history import History, moment_of
from collector.diagnosis.marks import MarkKind, marks_of
from collector.diagnosis.timeline import Entry, Kind, timeline
from collector.model import Region
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules

QUIET: Body = {"router": {"software_version": "V1"}}


def of(kind: Kind, entries: list[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.kind is kind]


def test_everything_is_told_in_order() -> None:
    """Whatever it is."""
    entries = timeline(history(with_events(event("abnormal_data", hours(50), fault_code="A-1"), body=QUIET)))

    assert entries == sorted(entries, key=lambda entry: entry.at)
    assert ["abnormal_data A-1"] == [entry.text for entry in of(Kind.EVENT, entries)]


def test_a_time_without_records_is_a_gap_between_records() -> None:
    """Not a time without faults."""
    looked_at = history([*steady(QUIET, until=hours(40)), *steady(QUIET, since=hours(60))])
    entries = timeline(looked_at)
    [gap] = of(Kind.GAP, entries)

    assert (hours(40) - 15 * MINUTE, hours(60) + 15 * MINUTE) == (gap.at, gap.until)
    assert [159, 431] == [int(entry.text.split()[0]) for entry in of(Kind.RECORDS, entries)]


def test_silence_until_now_is_a_gap() -> None:
    """It is the one an engineer asks about."""
    [gap] = of(Kind.GAP, timeline(history(steady(QUIET, until=NOW - 9 * HOUR))))

    assert NOW == gap.until


def test_silence_before_the_first_record_is_a_gap_of_a_router_known_before() -> None:
    """Of a new one it is nothing."""
    looked_at = history(steady(QUIET, since=hours(40)))

    assert [] == of(Kind.GAP, timeline(looked_at, first_received_at=hours(40)))
    assert [SINCE] == [gap.at for gap in of(Kind.GAP, timeline(looked_at, first_received_at=SINCE - HOUR))]


def test_changes_of_software_operator_and_connection_are_told() -> None:
    """With what was before and after."""
    before: Body = {
        "router": {"software_version": "V1"},
        "network": {"plmn": "26201", "wan_connection_state": "connected"},
    }
    after: Body = {
        "router": {"software_version": "V2"},
        "network": {"plmn": "26202", "wan_connection_state": "limited"},
    }
    entries = of(Kind.CHANGE, timeline(history([*steady(before, until=hours(40)), *steady(after, since=hours(40))])))

    assert {"software: V1 to V2", "operator: 26201 to 26202", "connection: connected to limited"} == {
        e.text for e in entries
    }


def test_sessions_are_told_an_hour_apart_at_least() -> None:
    """A hundred of an hour are the finding's to tell."""
    starts = [f"2025-11-22T0{n // 12}:{n % 12 * 5:02d}:00Z" for n in range(48)]
    bodies: list[tuple[int, Body]] = [
        (hours(10) + n * 5 * MINUTE, {"session": {"acs_session_start_time": start, "acs_session_seconds": 3}})
        for n, start in enumerate(starts)
    ]

    assert 4 == len(of(Kind.SESSION, timeline(history(bodies))))


def test_sessions_are_told_of_the_time_looked_at() -> None:
    """Not one of long before, which a record still tells; and a clock gone wild hides none that came after."""
    starts = ["2025-11-02T00:00:00Z", "2097-01-01T00:00:00Z", "2025-11-22T01:00:00Z", "2025-11-22T03:00:00Z"]
    bodies: list[tuple[int, Body]] = [
        (hours(30 + n), {"session": {"acs_session_start_time": start, "acs_session_seconds": 3}})
        for n, start in enumerate(starts)
    ]
    looked_at = history(bodies)

    assert [moment_of(start) for start in starts[2:]] == [e.at for e in of(Kind.SESSION, timeline(looked_at))]
    assert 2 == len([mark for mark in marks_of(looked_at) if mark.kind is MarkKind.SESSION])


async def test_acts_of_consent_are_told_from_the_ledger() -> None:
    """Those in the time looked at."""
    store = MemoryStore(Region.GERMANY, ConsentRules())
    await store.commit([join(at=SINCE - HOUR), leave(at=hours(10)), join(at=hours(20))])
    ledger: list[LedgerEntry] = await store.ledger()

    told = [entry.text for entry in of(Kind.CONSENT, timeline(History([], since=SINCE, now=NOW), ledger))]

    assert ["exit by webui: exited", "join by webui: joined"] == told
