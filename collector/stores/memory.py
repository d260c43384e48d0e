"""A store in memory, for tests and for `ueip explain`: the same promises, except that nothing outlives the process."""

from collections.abc import AsyncIterator, Sequence
from operator import attrgetter

import msgspec
import orjson

from collector.consent.acts import LEFT
from collector.consent.chain import followed
from collector.consent.ledger import Head, LedgerEntry
from collector.consent.standing import Standing, State, states_of
from collector.derive import Memory
from collector.errors import Cause, StoreUnavailable
from collector.model import DropReason, Entry, Record, Region, Removal
from collector.stores import CHANGES_AT_ONCE, Change, Router, StoredRecord
from collector.stores.deciding import make_plan
from collector.stores.gathering import Stored, gather, parted
from collector.stores.plan import Committed, ConsentRules, Insert, erased_by, removed_from
from collector.stores.retention import Purged, expired_until


class MemoryStore:
    """One region in memory. `fail_next` is how many of the next commits fail, as if the store were down."""

    def __init__(self, region: Region, rules: ConsentRules) -> None:
        self.region = region
        self.fail_next = 0
        self._rules = rules
        self._head = Head()
        self._entries: list[LedgerEntry] = []
        self._standings: dict[bytes, Standing] = {}
        self._records: dict[bytes, Insert] = {}
        self._erased: set[bytes] = set()
        self._lookup: dict[tuple[str, bytes], set[bytes]] = {}
        self._memories: dict[bytes, Memory] = {}
        self._notes: dict[str, str] = {}
        self._accepted = self._last_received_at = 0

    async def open(self) -> None:
        """Nothing to do."""

    async def close(self) -> None:
        """Nothing to do."""

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """As `Store.commit`."""
        if self.fail_next:
            self.fail_next -= 1
            raise StoreUnavailable("the store was told to fail")
        seen = {bytes.fromhex(e.event_ref) for e in self._entries if e.event_ref}
        plan = make_plan(
            entries,
            region=self.region,
            rules=self._rules,
            head=self._head,
            standings=self._standings,
            seen_events=seen,
            spent_ids=self._spent_ids(entries),
            newest=max((entry.newest for entry in self._entries[self._accepted :][-1:]), default=0),
            stored_ids={e.record_id for e in entries if isinstance(e, Record) and e.record_id in self._records},
        )
        changed = self._append(plan.appends)
        erased = sum(self._erase(ref, until) for ref, until in plan.erase)
        self._forget(plan.appends)
        self._erased.update(plan.bury)
        begun = {key: Stored(i.record.body, i.standing.seq) for key, i in self._records.items()}
        made = gather(plan.inserts, self._memories, begun, parted(plan.appends))
        self._records.update({key: self._with_body(key, part.record.body) for key, part in made.updates.items()})
        self._memories.update(made.memories)
        new = [insert for insert in made.inserts if self._insert(insert)]
        if len(made.inserts) > len(new):
            plan.dropped[DropReason.DUPLICATE] += len(made.inserts) - len(new)
        told = [*plan.unchanged, *changed]
        stored, removed = len(new) + len(made.joined), removed_from([*new, *made.joined])
        return Committed(stored, plan.dropped, plan.results, erased, told, removed, plan.decided, plan.numbers)

    def _append(self, entries: list[LedgerEntry]) -> list[Standing]:
        """Add to the ledger, and update the routers' standings."""
        self._entries += entries
        self._head = Head(seq=entries[-1].seq, hash=entries[-1].hash) if entries else self._head
        changed = [entry.standing() for entry in entries]
        self._standings.update({standing.device_ref: standing for standing in changed})
        return changed

    def _spent_ids(self, entries: Sequence[Entry]) -> set[bytes]:
        older = {ref for entry in entries if isinstance(entry, Record) for ref in entry.older_ids}
        return self._erased | (older & self._records.keys())

    def _insert(self, insert: Insert) -> bool:
        record = insert.record
        if record.record_id in self._records:
            return False
        self._records[record.record_id] = insert
        self._last_received_at = record.received_at
        for kind, ref in record.lookup:
            self._lookup.setdefault((kind, ref), set()).add(insert.standing.device_ref)
        return True

    def _with_body(self, record_id: bytes, body: bytes) -> Insert:
        """A record with the body it has after a part joined it; everything else stays as its first part had it."""
        begun = self._records[record_id]
        return Insert(msgspec.structs.replace(begun.record, body=body), begun.standing)

    def _forget(self, entries: Sequence[LedgerEntry]) -> None:
        for ref in parted(entries):
            self._memories.pop(ref, None)

    def _erase(self, device_ref: bytes, until: int) -> int:
        whole = [key for key, insert in self._records.items() if insert.standing.device_ref == device_ref]
        mine = [key for key in whole if self._records[key].record.received_at <= until]
        self._erased.update(mine)
        for key in mine:
            del self._records[key]
        for known in self._lookup.values() if len(mine) == len(whole) else ():
            known.discard(device_ref)
        self._memories.pop(device_ref, None)
        return len(mine)

    async def changes(self, after: int, most: int = CHANGES_AT_ONCE) -> list[Change]:
        """As `Store.changes`."""
        return [Change.by(entry) for entry in self._entries if entry.seq > after][:most]

    async def head(self) -> Head:
        """As `Store.head`."""
        return self._head

    async def closed(self, most: int) -> dict[bytes, State]:
        """As `Store.closed`."""
        closed = [standing for standing in self._standings.values() if standing.state is not State.JOINED]
        return states_of(sorted(closed, key=attrgetter("seq"))[-most:])

    async def joined(self, after: bytes, most: int) -> list[bytes]:
        """As `Store.joined`."""
        refs = (ref for ref, standing in self._standings.items() if ref > after and standing.state is State.JOINED)
        return sorted(refs)[:most]

    async def find(self, refs: Sequence[tuple[str, bytes]]) -> list[Router]:
        """As `Store.find`."""
        found: set[bytes] = {ref for kind, ref in refs if kind == "router" and ref in self._standings}
        for pair in refs:
            found |= self._lookup.get(pair, set())
        return [self._router(device_ref) for device_ref in sorted(found)]

    def _router(self, device_ref: bytes) -> Router:
        times = [i.record.received_at for i in self._current(device_ref)]
        return Router(
            standing=self._standings[device_ref],
            records=len(times),
            first_received_at=min(times, default=None),
            last_received_at=max(times, default=None),
        )

    async def records(self, device_ref: bytes, *, since: int = 0, limit: int = 1000) -> AsyncIterator[StoredRecord]:
        """As `Store.records`."""
        standing = self._standings.get(device_ref)
        if standing is None or standing.state is not State.JOINED:
            return
        oldest_first = sorted(self._current(device_ref), key=lambda i: i.record.event_time)
        for insert in [i for i in reversed(oldest_first) if i.record.event_time >= since][:limit]:
            yield _stored(insert)

    async def on_cell(self, cell_ref: str, *, since: int, newest: int) -> list[StoredRecord]:
        """As `Store.on_cell`."""
        looked_at = {i.record.record_id for i in list(self._records.values())[-newest:]} if newest else set()
        found = [
            insert
            for device_ref, standing in self._standings.items()
            if standing.state is State.JOINED
            for insert in self._current(device_ref)
            if insert.record.record_id in looked_at and insert.record.event_time >= since
            if any(event.get("cell_ref") == cell_ref for event in orjson.loads(insert.record.body).get("events", ()))
        ]
        return [_stored(i) for i in sorted(found, key=lambda i: i.record.event_time, reverse=True)]

    def _current(self, device_ref: bytes) -> list[Insert]:
        """What was written since the router last left (K40) and is not past its time."""
        left = max((e.seq for e in self._entries if e.device_ref == device_ref.hex() and e.state in LEFT), default=0)
        mine = [i for i in self._records.values() if i.standing.device_ref == device_ref and i.standing.seq > left]
        return [i for i in mine if i.record.received_at > expired_until(self._rules.retention)]

    async def ledger(self, device_ref: bytes | None = None) -> list[LedgerEntry]:
        """As `Store.ledger`."""
        return [e for e in self._entries if device_ref is None or e.device_ref == device_ref.hex()]

    async def entries(self, after: int = 0, limit: int = 1000) -> list[str]:
        """As `Store.entries`."""
        return [msgspec.json.encode(entry).decode() for entry in self._entries[after : after + limit]]

    async def restore(self, entries: Sequence[str]) -> int:
        """As `Store.restore`."""
        try:
            found = followed(self._head, entries)
        except ValueError as error:
            raise StoreUnavailable(str(error), Cause.CORRUPT) from error
        self._append(found)
        self._forget(found)
        return sum(self._erase(ref, until) for ref, until in erased_by(found, self._rules))

    async def noted(self, name: str) -> str | None:
        """As `Store.noted`."""
        return self._notes.get(name)

    async def note(self, name: str, value: str) -> None:
        """As `Store.note`."""
        self._notes[name] = value

    async def purge(self) -> Purged:
        """As `Store.purge`."""
        until = expired_until(self._rules.retention)
        old = {key: i for key, i in self._records.items() if i.record.received_at <= until}
        gone = [key for key, i in old.items() if not self._standings[i.standing.device_ref].holds]
        for key in gone:
            del self._records[key]
        return Purged(len(gone), more=False)

    async def newest(self) -> int:
        """As `Store.newest`."""
        times = [entry.received_at for entry in self._entries[self._accepted :][-1:]]
        return max([self._last_received_at, *times])

    async def accept_times(self) -> None:
        """As `Store.accept_times`."""
        self._accepted, self._last_received_at = len(self._entries), 0


def _stored(insert: Insert) -> StoredRecord:
    record, standing = insert.record, insert.standing
    return StoredRecord(
        record_id=record.record_id,
        device_ref=standing.device_ref,
        key_id=standing.key_id,
        event_time=record.event_time,
        received_at=record.received_at,
        consent_id=standing.consent_id,
        consent_seq=standing.seq,
        policy_version=standing.policy_version,
        source_adapter=record.source_adapter,
        stripped={str(Removal(name)): count for name, count in record.stripped},
        body=record.body,
    )
