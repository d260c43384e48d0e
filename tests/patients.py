"""What tests of the diagnosis are made of: histories with short words, and what the rules find in them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import orjson
from records import HOUR, MINUTE, START, ref
from support import make_rules, milliseconds

from collector.derive import text_of
from collector.diagnosis.history import DAY, History
from collector.diagnosis.judging import checked_rules, diagnose
from collector.diagnosis.nouns import Finding
from collector.model import Accepted, Message, Record
from collector.pipeline import Rules, process
from collector.simulator.ward import Delivery
from collector.stores import StoredRecord

Body = dict[str, Any]
SINCE: Final = START
NOW: Final = START + 7 * DAY
STEP: Final = 15 * MINUTE


def stored(number: int, at: int, body: Body, *, late: int = 5000, router: str = "a") -> StoredRecord:
    """Record *number* of a router, measured at a time and received *late* milliseconds after."""
    return StoredRecord(
        record_id=ref("record", router, number),
        device_ref=ref("router", router),
        key_id="key-1",
        event_time=at // MINUTE * MINUTE,
        received_at=at + late,
        consent_id="c-1",
        consent_seq=1,
        policy_version="2020-03-14",
        source_adapter="report-v1",
        stripped={},
        body=orjson.dumps(body),
    )


def every(step: int = STEP, *, since: int = SINCE, until: int = NOW) -> Iterator[int]:
    """The times of samples, from one time to before another."""
    return iter(range(since + step, until, step))


def history(bodies: Iterable[tuple[int, Body]], *, now: int = NOW, late: int = 5000) -> History:
    """The history that these bodies at these times make."""
    records = [stored(number, at, body, late=late) for number, (at, body) in enumerate(bodies)]
    return History(records[::-1], since=SINCE, now=now)


def steady(body: Body, *, step: int = STEP, since: int = SINCE, until: int = NOW) -> list[tuple[int, Body]]:
    """The same in every sample."""
    return [(at, body) for at in every(step, since=since, until=until)]


def with_events(*events: Body, body: Body | None = None) -> list[tuple[int, Body]]:
    """Quiet samples, and one with each of these events at its time."""
    quiet = steady(body or {"router": {"uptime_seconds": 1000}})
    told = [(event["at"] + MINUTE, {"events": [_told(event)]}) for event in events]
    return sorted([*quiet, *told], key=lambda found: found[0])


def event(kind: str, at: int, **details: Any) -> Body:
    """A fault event at a time."""
    return {"event": kind, "at": at, **details}


def _told(event: Body) -> Body:
    return {"time": text_of(event["at"]), **{name: value for name, value in event.items() if name != "at"}}


def hours(number: float) -> int:
    """A time so many hours after the beginning."""
    return round(SINCE + number * HOUR)


def found(history: History) -> dict[str, Finding]:
    """What the shipped rules find in a history, by rule."""
    return {finding.rule: finding for finding in diagnose(history, checked_rules())}


def as_stored(record: Record) -> StoredRecord:
    """A record as a store gives it back."""
    return StoredRecord(
        record_id=record.record_id,
        device_ref=record.identity.device_ref,
        key_id=record.identity.key_id,
        event_time=record.event_time,
        received_at=record.received_at,
        consent_id="c-1",
        consent_seq=1,
        policy_version="2020-03-14",
        source_adapter=record.source_adapter,
        stripped={},
        body=record.body,
    )


def collected(deliveries: Sequence[Delivery], rules: Rules | None = None) -> list[StoredRecord]:
    """What the collector makes of what a router sent: the real steps, all but the store."""
    rules = rules or make_rules()
    records = []
    for delivery in deliveries:
        message = Message(delivery.topic, delivery.payload, False, milliseconds(delivery.received_at))
        outcome = process(message, rules)
        assert isinstance(outcome, Accepted), outcome
        records.append(as_stored(outcome.record))
    return records
