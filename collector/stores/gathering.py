"""Records that make sense beside others only, inside a commit: derivation, and parts of one sample. Pure.

The stores read what is remembered of the routers concerned and the bodies of samples already begun, ask here, and write
what comes out, all in the transaction of the commit: two collectors on one store derive nothing twice.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import orjson

from collector.derive import Memory, Sample, applied, derive, merged
from collector.model import Record
from collector.stores.plan import Insert


class Gathered(msgspec.Struct):
    """What a store is to write instead of the inserts it asked about."""

    inserts: list[Insert]
    updates: dict[bytes, Insert]
    """Samples begun before this commit, by record id, with the body they have now."""
    memories: dict[bytes, Memory]
    """What to remember, by device_ref."""
    joined: int
    """Parts that found their record; they are stored and make no record of their own."""


def needs_gathering(inserts: Iterable[Insert]) -> bool:
    """Whether any of these asks for more than to be inserted; records of our own format never do."""
    return any(insert.record.counters is not None for insert in inserts)


def gather(inserts: list[Insert], memories: Mapping[bytes, Memory], begun: Mapping[bytes, bytes]) -> Gathered:
    """Derive, and put parts together.

    *memories* are what is remembered of the routers, by device_ref; *begun* the bodies that are stored under the ids of
    records that are parts.
    """
    gathering = _Gathering(memories, begun)
    for insert in inserts:
        gathering.add(insert)
    return gathering.done()


class _Gathering:
    """The state of `gather` while it walks the inserts."""

    def __init__(self, memories: Mapping[bytes, Memory], begun: Mapping[bytes, bytes]) -> None:
        self._known = dict(memories)
        self._changed: dict[bytes, Memory] = {}
        self._begun = begun
        self._bodies: dict[bytes, dict[str, Any]] = {}
        self._place: dict[bytes, Insert] = {}
        self._whole: list[Insert] = []
        self._joined = 0

    def add(self, insert: Insert) -> None:
        record = insert.record
        if record.counters is None:
            self._whole.append(insert)
            return
        body = self._derived(insert, orjson.loads(record.body))
        if record.interval is None:
            self._whole.append(_with(insert, body))
        else:
            self._part(insert, body)

    def _derived(self, insert: Insert, body: dict[str, Any]) -> dict[str, Any]:
        record, ref = insert.record, insert.standing.device_ref
        sample = Sample(
            body=body,
            at=record.measured_at,
            counters=record.counters or (),
            parts=record.parts,
            interval=record.interval,
        )
        derived = derive(self._known.get(ref), sample)
        if derived.memory != self._known.get(ref):
            self._known[ref] = self._changed[ref] = derived.memory
        # The join covers what was measured since; a restart may be older than that (D8).
        timely = tuple(e for e in derived.events if _milliseconds(e["time"]) >= insert.standing.effective_at)
        return applied(body, msgspec.structs.replace(derived, events=timely))

    def _part(self, insert: Insert, body: dict[str, Any]) -> None:
        record_id = insert.record.record_id
        if record_id in self._bodies:
            self._joined += 1
            self._bodies[record_id] = merged(self._bodies[record_id], body)
        else:
            stored = self._begun.get(record_id)
            self._joined += stored is not None
            self._place[record_id] = insert
            self._bodies[record_id] = body if stored is None else merged(orjson.loads(stored), body)

    def done(self) -> Gathered:
        parts = {record_id: _with(insert, self._bodies[record_id]) for record_id, insert in self._place.items()}
        return Gathered(
            inserts=[*self._whole, *(part for record_id, part in parts.items() if record_id not in self._begun)],
            updates={record_id: part for record_id, part in parts.items() if record_id in self._begun},
            memories=self._changed,
            joined=self._joined,
        )


def _with(insert: Insert, body: dict[str, Any]) -> Insert:
    record: Record = msgspec.structs.replace(insert.record, body=orjson.dumps(body))
    return Insert(record=record, standing=insert.standing)


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000
