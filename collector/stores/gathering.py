"""Records that make sense beside others only, inside a commit: derivation, and parts of one sample. Pure.

The stores read what is remembered of the routers concerned and the bodies of samples already begun, ask here, and write
what comes out, all in the transaction of the commit: two collectors on one store derive nothing twice.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec
import orjson

from collector.consent.ledger import LedgerEntry
from collector.consent.standing import State
from collector.derive import Derived, Memory, Sample, applied, decode, derive, merged
from collector.model import Action, Record, Sealed
from collector.stores.plan import Insert
from collector.stores.rows import Damaged


class Stored(Sealed, frozen=True, gc=False):
    """What is stored of a sample that was begun before this commit."""

    body: bytes
    seq: int
    """Of the ledger entry that admitted it."""


class Gathered(msgspec.Struct):
    """What a store is to write instead of the inserts it asked about."""

    inserts: list[Insert]
    updates: dict[bytes, Insert]
    """Samples begun before this commit, by record id, with the body they have now."""
    memories: dict[bytes, Memory]
    """What to remember, by device_ref."""
    joined: list[Insert]
    """Parts that found their record; they are stored and make no record of their own."""


def needs_gathering(inserts: Iterable[Insert]) -> bool:
    """Whether any of these asks for more than to be inserted; records of our own format never do."""
    return bool([insert for insert in inserts if insert.record.counters is not None])


def remembered(state: bytes) -> Memory:
    """What a store remembers of a router, from its bytes.

    Raises:
        Damaged: they are none of ours.
    """
    try:
        return decode(state)
    except (msgspec.DecodeError, TypeError):
        raise Damaged("what is remembered of a router cannot be read") from None


def parted(entries: Iterable[LedgerEntry]) -> set[bytes]:
    """The routers that these entries close the gate for: what their next sample would be compared with goes.

    Also where records are kept (`consent.on_exit = "keep"`): nothing is derived over a time without consent. What is
    held is kept as it is, and goes with the release: what waited when the hold came is written with it. And that a
    consent ended by a new version of the notice shows with the join to it only, which does not go on with any.
    """
    return {bytes.fromhex(entry.device_ref) for entry in entries if _parts(entry)}


def _parts(entry: LedgerEntry) -> bool:
    begins = entry.action is Action.JOIN and entry.effective_at >= entry.received_at
    return begins or entry.action is Action.RELEASE or (entry.state is not State.JOINED and not entry.holds)


def gather(inserts: list[Insert], memories: Mapping[bytes, Memory], begun: Mapping[bytes, Stored]) -> Gathered:
    """Derive, and put parts together.

    *memories* are what is remembered of the routers, by device_ref; *begun* what is stored under the ids of records
    that are parts. A part that came too late for its record is among the inserts, which the store finds it to be a
    duplicate of.
    """
    gathering = _Gathering(memories, begun)
    for insert in inserts:
        gathering.add(insert)
    return gathering.done()


class _Gathering:
    """The state of `gather` while it walks the inserts."""

    def __init__(self, memories: Mapping[bytes, Memory], begun: Mapping[bytes, Stored]) -> None:
        self._known = dict(memories)
        self._changed: dict[bytes, Memory] = {}
        self._begun = begun
        self._bodies: dict[bytes, dict[str, Any]] = {}
        self._place: dict[bytes, Insert] = {}
        self._made: list[Insert | bytes] = []
        """What is to be inserted, in its order; a sample in parts by its record id."""
        self._joined: list[Insert] = []

    def add(self, insert: Insert) -> None:
        record = insert.record
        if record.counters is None or self._is_cut_off(insert):
            self._made.append(insert)
            return
        body: dict[str, Any] = orjson.loads(record.body)
        derived = self._derived(insert, body)
        if record.interval is None:
            self._made.append(_with(insert, applied(body, derived)))
        else:
            self._part(insert, body, derived)

    def _is_cut_off(self, insert: Insert) -> bool:
        """Whether an act came between a part and those that are stored of its sample, and nobody knows them any more.

        Then the record stays as it is: a part of a sum is none, and the act may have ended what admitted the others.
        """
        record, standing = insert.record, insert.standing
        stored = self._begun.get(record.record_id)
        if record.interval is None or stored is None or stored.seq == standing.seq:
            return False
        known = self._known.get(standing.device_ref)
        return known is None or record.interval not in known.parts.begun

    def _derived(self, insert: Insert, body: dict[str, Any]) -> Derived:
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
        return msgspec.structs.replace(derived, events=timely)

    def _part(self, insert: Insert, body: dict[str, Any], derived: Derived) -> None:
        record_id = insert.record.record_id
        found = self._bodies.get(record_id)
        stored = self._begun.get(record_id) if found is None else None
        if found is not None or stored is not None:
            self._joined.append(insert)
            found = found or orjson.loads(stored.body if stored else b"{}")
            body = merged(body, found) if derived.late else merged(found, body)
        if record_id not in self._begun and record_id not in self._place:
            self._made.append(record_id)
        self._place.setdefault(record_id, insert)
        self._bodies[record_id] = merged(body, applied({}, derived))

    def done(self) -> Gathered:
        parts = {record_id: _with(insert, self._bodies[record_id]) for record_id, insert in self._place.items()}
        return Gathered(
            inserts=[parts[one] if isinstance(one, bytes) else one for one in self._made],
            updates={record_id: part for record_id, part in parts.items() if record_id in self._begun},
            memories=self._changed,
            joined=self._joined,
        )


def _with(insert: Insert, body: dict[str, Any]) -> Insert:
    record: Record = msgspec.structs.replace(insert.record, body=orjson.dumps(body))
    return Insert(record=record, standing=insert.standing)


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000
