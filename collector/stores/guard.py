"""A store whose ledger is held against its witness: when it is opened, and with every look of the writer's.

Rule 1: a ledger that is behind its witness, or another one, keeps the store closed: nothing is written and nothing read
        (K17, K31). So does a witness that is missing where there was one.
Rule 2: what a commit appended is copied to the witness within a second or so, apart from commits: a witness whose disk
        fails or hangs is told and keeps nothing waiting.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Final, Protocol

from collector.consent.ledger import Head, LedgerEntry
from collector.consent.standing import Standing
from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.log import LOG
from collector.model import Entry, Region
from collector.stores import Change, Router, Store, StoredRecord
from collector.stores.links import end_of
from collector.stores.plan import Committed
from collector.stores.retention import Purged
from collector.stores.sqlite_faults import not_opened
from collector.stores.witness import Kept, Witness, WitnessFault
from collector.stores.worker import Worker

LOOK: Final = 1000
"""Entries copied at a time."""
HANGS_SECONDS: Final = 30.0
_CLOSING_SECONDS: Final = 5.0
_DAY_SECONDS: Final = 86_400.0
NOTE: Final = "witness"
"""The store's note that it has a witness: one that is lost must not be taken for one that never was."""


class WitnessState:
    """How far the witness has come, for operators."""

    def __init__(self) -> None:
        self.ledger = 0
        """Number of the ledger's last entry."""
        self.kept = 0
        """Number of the last one that the witness holds."""
        self.failed: Cause | None = None
        self.since: float | None = None
        """When the copying under way began."""

    @property
    def trouble(self) -> Cause | None:
        """Why the witness cannot be written, if it cannot."""
        hangs = self.since is not None and time.monotonic() - self.since > HANGS_SECONDS
        return Cause.NOT_ANSWERING if hangs else self.failed


class GuardedStore:
    """As `Store`; *make* gives the store itself, anew for each time it is opened."""

    def __init__(self, make: Callable[[], Store], region: Region, witness: Witness, keep_days: int) -> None:
        self.region = region
        self.state = WitnessState()
        self.newest_seen = 0
        """As `Store.newest` said at the last look, for the collector's clock."""
        self._make = make
        self._witness = witness
        self._keep = keep_days * _DAY_SECONDS
        self._store: Store | None = None
        self._copying: asyncio.Task[None] | None = None
        self._appended = False
        self._doubtful = False
        self._noted = False
        self._pruned = float("-inf")
        self._worker = Worker(f"witness-{region}")

    async def open(self) -> None:
        """As `Store.open`.

        Raises:
            StoreUnusable: the ledger is not the one its witness knows, or the witness cannot be asked.
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
        if self._copying is not None:
            await asyncio.wait([self._copying], timeout=_CLOSING_SECONDS)
        if self._store is not None and self._appended and (self._copying is None or self._copying.done()):
            await asyncio.wait([asyncio.create_task(self._copy(self._store))], timeout=_CLOSING_SECONDS)
        await self._let_go()
        self._worker.stop()

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """As `Store.commit`."""
        committed = await self._open.commit(entries)
        if committed.standings:
            self._appended = True
            self._know(committed.standings)
        return committed

    async def changes(self, after: int) -> list[Change]:
        """As `Store.changes`; also brings the witness up."""
        store = self._open
        if self._doubtful:
            await self._check(store)
        changed = await store.changes(after)
        self.newest_seen = await store.newest()
        self._know(change.standing for change in changed)
        behind = self.state.kept < self.state.ledger or self.state.failed is not None
        if behind and (self._copying is None or self._copying.done()):
            self._copying = asyncio.create_task(self._copy(store), name=f"witness-{self.region}")
        return changed

    async def head(self) -> Head:
        """As `Store.head`."""
        return await self._open.head()

    async def closed(self) -> list[Standing]:
        """As `Store.closed`."""
        return await self._open.closed()

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

    async def entries(self, after: int = 0, limit: int = LOOK) -> list[str]:
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
        if self._copying is not None:
            self._copying.cancel()  # what it would ask this store for, nobody answers any more
        if store is not None:
            # One whose disk hangs is left behind, so that a disk that answers again can be opened anew.
            await asyncio.wait([asyncio.ensure_future(store.close())], timeout=_CLOSING_SECONDS)

    def _know(self, standings: Iterable[Standing]) -> None:
        self.state.ledger = max([self.state.ledger, *(standing.seq for standing in standings)])

    async def _check(self, store: Store) -> None:
        """Hold the ledger against the witness.

        Raises:
            StoreUnusable: it is behind or another one; there is no witness where there was one; it cannot be read.
        """
        kept, head = await self._worker.call(self._read), await store.head()
        if kept is None:
            await self._first(store)
        elif (fault := await mismatch(store, head, kept)) is not None:
            raise StoreUnusable(f"{self._witness.path}: {fault}", Cause.ROLLED_BACK)
        self.state.ledger, self.state.kept = head.seq, kept.head.seq if kept else 0
        self._doubtful = False

    def _read(self) -> Kept | None:
        try:
            return self._witness.read()
        except (OSError, WitnessFault) as error:
            raise StoreUnusable(f"{self._witness.path}: cannot be read: {error}", Cause.BAD_WITNESS) from error

    async def _first(self, store: Store) -> None:
        """There is no witness: make one for a store that never had one."""
        self._noted = await store.noted(NOTE) is not None
        if self._noted:
            raise StoreUnusable(
                f"{self._witness.path}: found no witness, and the store says that it has one. Without it nobody can "
                f"tell whether the store is an old one.",
                Cause.NO_WITNESS,
            )
        try:
            await self._worker.call(self._witness.make)
        except OSError as error:
            self._failed(error)
        else:
            await self._note(store)

    async def _note(self, store: Store) -> None:
        if not self._noted:
            await store.note(NOTE, "1")
            self._noted = True

    async def _copy(self, store: Store) -> None:
        """Bring the witness up to the ledger."""
        self.state.since = time.monotonic()
        try:
            if self.state.failed is not None:  # perhaps it could not even be made, and nothing waits to be copied
                self.state.kept = (await self._worker.call(self._append, [])).seq
            while texts := await store.entries(self.state.kept, LOOK):
                self.state.kept = (await self._worker.call(self._append, texts)).seq
            await self._worker.call(self._prune)
            await self._note(store)
            self.state.failed, self._appended = None, False
        except OSError as error:
            self._failed(error)
        except WitnessFault:
            self._doubtful = True  # the next look holds the ledger against what is there
        except StoreUnavailable:
            pass  # told by whoever asks it next
        finally:
            self.state.since = None

    def _append(self, texts: Sequence[str]) -> Head:
        try:
            return self._witness.append(texts)
        except FileNotFoundError:
            # The ledger has been under our eyes since it was checked, so what somebody removed can be made anew.
            self._witness.make()
            return Head()

    def _prune(self) -> None:
        """Forget what is older than the oldest backup, a tenth later than could be: it means writing the file anew."""
        if time.monotonic() - self._pruned < _DAY_SECONDS:
            return
        self._pruned = time.monotonic()
        oldest = self._witness.oldest()
        if oldest is not None and oldest < (time.time() - self._keep * 1.1) * 1000:
            self._witness.forget(int((time.time() - self._keep) * 1000))

    def _failed(self, error: OSError) -> None:
        cause = not_opened(error, self._witness.path).cause
        if self.state.failed is not cause:
            LOG.error("witness_not_written", region=self.region, cause=cause, error=error.strerror)
        self.state.failed = cause


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
