"""A store whose ledger is checked against its witness on opening, and that keeps the witness up to date (`witnessing`).

Rule 1: a ledger that is behind its witness, or is another one, keeps the store closed: nothing is written and nothing
        read (K17, K31). So does a witness that is missing where there was one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol

from collector.consent.ledger import Head, LedgerEntry
from collector.consent.standing import State
from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.model import Entry, Region
from collector.stores import CHANGES_AT_ONCE, Change, Router, Store, StoredRecord
from collector.stores.links import end_of
from collector.stores.plan import Committed
from collector.stores.retention import Purged
from collector.stores.witness import Kept, Witness
from collector.stores.witnessing import Witnessing, WitnessState

_CLOSING_SECONDS: Final = 5.0


class GuardedStore:
    """As `Store`; *make* makes the store itself, a new one each time it is opened."""

    def __init__(self, make: Callable[[], Store], region: Region, witness: Witness, keep_days: int) -> None:
        self.region = region
        self.newest_seen = 0
        """As `Store.newest` said at the last look, for the collector's clock."""
        self._make = make
        self._witnessing = Witnessing(witness, region, keep_days)
        self._store: Store | None = None

    @property
    def state(self) -> WitnessState:
        """How far the witness has come."""
        return self._witnessing.state

    async def open(self) -> None:
        """As `Store.open`.

        Raises:
            StoreUnusable: the ledger is not the one its witness knows, or the witness cannot be read.
        """
        await self._let_go()
        store = self._make()
        try:
            await store.open()
            await self._check(store)
            self.newest_seen = await store.newest()
        except BaseException:
            await store.close()
            raise
        self._store = store

    async def close(self) -> None:
        """As `Store.close`; what this process appended is in the witness then, unless its disk refuses or hangs."""
        await self._witnessing.finish(self._store)
        await self._let_go()
        self._witnessing.stop()

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """As `Store.commit`."""
        committed = await self._open.commit(entries)
        if committed.standings:
            self._witnessing.appended(committed.standings)
        return committed

    async def changes(self, after: int, most: int = CHANGES_AT_ONCE) -> list[Change]:
        """As `Store.changes`; also brings the witness up to date."""
        store = self._open
        if self._witnessing.is_doubtful:
            await self._check(store)
        changed = await store.changes(after, most)
        self.newest_seen = await store.newest()
        self._witnessing.know(change.standing for change in changed)
        self._witnessing.go_on(store)
        return changed

    async def head(self) -> Head:
        """As `Store.head`."""
        return await self._open.head()

    async def closed(self, most: int) -> dict[bytes, State]:
        """As `Store.closed`."""
        return await self._open.closed(most)

    async def joined(self, after: bytes, most: int) -> list[bytes]:
        """As `Store.joined`."""
        return await self._open.joined(after, most)

    async def find(self, refs: Sequence[tuple[str, bytes]]) -> list[Router]:
        """As `Store.find`."""
        return await self._open.find(refs)

    def records(self, device_ref: bytes, *, since: int = 0, limit: int = 1000) -> AsyncIterator[StoredRecord]:
        """As `Store.records`."""
        return self._open.records(device_ref, since=since, limit=limit)

    async def on_cell(self, cell_ref: str, *, since: int, newest: int) -> list[StoredRecord]:
        """As `Store.on_cell`."""
        return await self._open.on_cell(cell_ref, since=since, newest=newest)

    async def ledger(self, device_ref: bytes | None = None) -> list[LedgerEntry]:
        """As `Store.ledger`."""
        return await self._open.ledger(device_ref)

    async def entries(self, after: int = 0, limit: int = 1000) -> list[str]:
        """As `Store.entries`."""
        return await self._open.entries(after, limit)

    async def restore(self, entries: Sequence[str]) -> int:
        """As `Store.restore`."""
        return await self._open.restore(entries)

    async def noted(self, name: str) -> str | None:
        """As `Store.noted`."""
        return await self._open.noted(name)

    async def note(self, name: str, value: str) -> None:
        """As `Store.note`."""
        await self._open.note(name, value)

    async def purge(self) -> Purged:
        """As `Store.purge`."""
        return await self._open.purge()

    async def newest(self) -> int:
        """As `Store.newest`."""
        return await self._open.newest()

    async def accept_times(self) -> None:
        """As `Store.accept_times`."""
        await self._open.accept_times()

    @property
    def _open(self) -> Store:
        if self._store is None:
            raise StoreUnavailable(f"the store of {self.region} is not open")
        return self._store

    async def _let_go(self) -> None:
        store, self._store = self._store, None
        self._witnessing.let_go()
        if store is not None:
            # A store whose disk hangs is left behind, so that it can be opened anew once the disk answers again.
            await asyncio.wait([asyncio.ensure_future(store.close())], timeout=_CLOSING_SECONDS)

    async def _check(self, store: Store) -> None:
        """Check the ledger against the witness.

        Raises:
            StoreUnusable: the ledger is behind or another one; the witness is missing where there was one, or cannot be
                read.
        """
        kept, head = await self._witnessing.read(), await store.head()
        if kept is None:
            await self._witnessing.begin(store)
        elif (fault := await mismatch(store, head, kept)) is not None:
            raise StoreUnusable(f"{self._witnessing.path}: {fault}", Cause.ROLLED_BACK)
        self._witnessing.checked(head.seq, kept.head.seq if kept else 0)


class HasEntries(Protocol):
    """What a ledger can be read from."""

    async def entries(self, after: int, limit: int) -> list[str]:
        """As `Store.entries`."""
        ...


async def mismatch(store: HasEntries, head: Head, kept: Kept) -> str | None:
    """Why the ledger that ends at *head* cannot be the one that the witness knows, or None."""
    if head.seq < kept.head.seq:
        return f"found a ledger that ends at entry {head.seq}, expected at least entry {kept.head.seq}"
    if kept.head.seq and not await holds(store, kept.head):
        return f"found a ledger with another entry {kept.head.seq} than its witness"
    return None


async def holds(store: HasEntries, head: Head) -> bool:
    """Whether the ledger has this entry."""
    found = await store.entries(head.seq - 1, 1)
    return bool(found) and end_of(found[0]) == head
