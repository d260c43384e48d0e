"""Records that make sense only together with others, inside a commit: derivation, and parts of one sample. Pure.

The stores read what is remembered of the routers concerned and the bodies of samples already begun, ask here, and write
what comes out, all in the transaction of the commit: two collectors on one store derive nothing twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
import orjson

from collector.consent.ledger import LedgerEntry
from collector.consent.standing import Standing, State
from collector.derive import Derived, Memory, Sample, applied, decode, derive, merged
from collector.model import Action, Record, Sealed
from collector.stores.plan import Insert
from collector.stores.rows import Damaged


class Stored(Sealed, frozen=True, gc=False):
    """What is stored of a sample that was begun before this commit."""

    body: bytes
    seq: int
    """Number of the ledger entry that admitted it."""


class Gathered(msgspec.Struct):
    """What a store is to write instead of the inserts it passed in."""

    inserts: list[Insert]
    updates: dict[bytes, Insert]
    """Samples begun before this commit, by record id, each with its new body."""
    memories: dict[bytes, Memory]
    """What to remember, by device_ref."""
    joined: list[Insert]
    """Parts merged into their sample's record: they count as stored, but make no record of their own."""


def needs_gathering(inserts: Iterable[Insert]) -> bool:
    """Whether any of these needs more than to be inserted; records of our own format never do."""
    return bool([insert for insert in inserts if insert.record.counters is not None])


def remembered(state: bytes) -> Memory:
    """What a store remembers of a router, from its bytes.

    Raises:
        Damaged: no collector wrote them.
    """
    try:
        return decode(state)
    except (msgspec.DecodeError, TypeError):
        raise Damaged("what is remembered of a router cannot be read") from None


def parted(entries: Iterable[LedgerEntry]) -> dict[bytes, list[int]]:
    """The routers whose memory of earlier samples ends with one of these entries, and the numbers of those entries.

    It ends when the gate closes, even where records are kept (`consent.on_exit = "keep"`): nothing is derived across a
    time without consent. Under a hold it stays, because what waited when the hold came is still compared with it; it
    ends with the release. A new version of the notice ends a consent without an entry: there the join to the new
    version ends the memory.
    """
    found: dict[bytes, list[int]] = {}
    for entry in entries:
        if _parts(entry):
            found.setdefault(bytes.fromhex(entry.device_ref), []).append(entry.seq)
    return found


def _parts(entry: LedgerEntry) -> bool:
    begins = entry.action is Action.JOIN and entry.effective_at >= entry.received_at
    ends = entry.action is Action.ERASE or entry.state is not State.JOINED
    return begins or entry.action is Action.RELEASE or (ends and not entry.holds)


def gather(
    inserts: list[Insert],
    memories: Mapping[bytes, Memory],
    begun: Mapping[bytes, Stored],
    acts: Mapping[bytes, Sequence[int]],
) -> Gathered:
    """Derive, and put parts together.

    *memories* are what is remembered of the routers, by device_ref; *begun* is what is stored under the ids of records
    that are parts; *acts* is what `parted` says of this same commit. A part that came too late to join its record
    stays among the inserts, where the store finds that it is a duplicate.
    """
    gathering = _Gathering(memories, begun, acts)
    for insert in inserts:
        gathering.add(insert)
    return gathering.done()


class _Gathering:
    """The state of `gather` while it walks the inserts."""

    def __init__(
        self, memories: Mapping[bytes, Memory], begun: Mapping[bytes, Stored], acts: Mapping[bytes, Sequence[int]]
    ) -> None:
        self._known = dict(memories)
        self._changed: dict[bytes, Memory] = {}
        self._acts = acts
        self._seqs: dict[bytes, int] = {}
        """Numbers of the ledger entries that admitted the last samples, by device_ref."""
        self._begun = begun
        self._bodies: dict[bytes, dict[str, Any]] = {}
        self._place: dict[bytes, Insert] = {}
        self._made: list[Insert | bytes] = []
        """What is to be inserted, in order; for a sample in parts, its record id."""
        self._joined: list[Insert] = []

    def add(self, insert: Insert) -> None:
        record = insert.record
        if record.counters is None:
            self._made.append(insert)
            return
        self._turn_to(insert.standing)
        if self._is_cut_off(insert):
            self._made.append(insert)
            return
        body: dict[str, Any] = orjson.loads(record.body)
        derived = self._derived(insert, body)
        if record.interval is None:
            self._made.append(_with(insert, applied(body, derived)))
        else:
            self._part(insert, body, derived)

    def _turn_to(self, standing: Standing) -> None:
        """Forget what was remembered, if an act came between it and this router's next sample."""
        ref, seq = standing.device_ref, standing.seq
        if any(self._seqs.get(ref, seq) < act <= seq for act in self._acts.get(ref, ())):
            self._known.pop(ref, None)
            self._changed.pop(ref, None)
        self._seqs[ref] = seq

    def _is_cut_off(self, insert: Insert) -> bool:
        """Whether an act came between this part and the earlier parts of its sample, so that those are forgotten.

        Then the record stays as it is: a sum of only some parts would be wrong, and the act may have ended the consent
        that admitted the earlier ones.
        """
        record, standing = insert.record, insert.standing
        if record.interval is None:
            return False
        stored, placed = self._begun.get(record.record_id), self._place.get(record.record_id)
        seq = stored.seq if stored else placed.standing.seq if placed else standing.seq
        if seq == standing.seq:
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
        # The join covers only what was measured since; a restart may be older than the join (D8).
        timely = tuple(e for e in derived.events if _milliseconds(e["time"]) >= insert.standing.effective_at)
        return msgspec.structs.replace(derived, events=timely)

    def _part(self, insert: Insert, body: dict[str, Any], derived: Derived) -> None:
        record_id, body = insert.record.record_id, applied(body, derived)
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
            memories={ref: one for ref, one in self._changed.items() if self._is_open(ref)},
            joined=self._joined,
        )

    def _is_open(self, ref: bytes) -> bool:
        """Whether no act came after this router's last sample."""
        return all(act <= self._seqs[ref] for act in self._acts.get(ref, ()))


def _with(insert: Insert, body: dict[str, Any]) -> Insert:
    record: Record = msgspec.structs.replace(insert.record, body=orjson.dumps(body))
    return Insert(record=record, standing=insert.standing)


def _milliseconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1000
