"""One region of a collector whose store can be made to refuse, to hang and to come back, step by step.

Everything is the real thing, save that a gate stands before the store, which is the one in memory or the one on the
disk; the spool is on the disk. `Region` is one process; `restarted` is the next one, with nothing but what the disk
and the store hold.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from records import Receipt, number_of

from collector.config import WriterSettings
from collector.consent.joined import MOST
from collector.consent.standing import ClosedRouters
from collector.errors import Cause, StoreUnavailable
from collector.metrics import Metrics
from collector.model import DropReason, Entry, Record
from collector.model import Region as Name
from collector.pseudonym import Key
from collector.stores import Committed, Store
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules
from collector.stores.sealing import Sealer
from collector.stores.spool import Spool
from collector.stores.spool_file import SpoolFile
from collector.stores.writer import Writer

HERE = Name.GERMANY
KEY = Key(b"k" * 32)


class GatedStore:
    """A store whose commits wait until they are let through, and can be made to refuse."""

    def __init__(self, store: Store | None = None) -> None:
        self.store: Any = store or MemoryStore(HERE, ConsentRules())
        self.region = HERE
        self.fail_next = 0
        self.fails_with = Cause.NOT_ANSWERING
        self.gate = asyncio.Event()
        self.gate.set()
        self.began = asyncio.Event()
        self.commits: list[list[Entry]] = []

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """Wait for the gate, then commit."""
        self.began.set()
        await self.gate.wait()
        if self.fail_next:
            self.fail_next -= 1
            raise StoreUnavailable("the store was told to fail", self.fails_with)
        committed: Committed = await self.store.commit(entries)
        if entries:
            self.commits.append(list(entries))
        return committed

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


class Region:
    """One region in one process."""

    def __init__(
        self, folder: Path, *, store: GatedStore | None = None, max_bytes: int = 1 << 30, keys: Sequence[Key] = (KEY,),
        after_seconds: float = 30.0, patience: float = 30.0, linger: float = 0, batch: int = 4000,
        known_routers: int = MOST,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.store = store or GatedStore()
        self.metrics = Metrics((HERE,))
        self.closed = ClosedRouters()
        self._max_bytes = max_bytes
        self.file = SpoolFile(folder, HERE, Sealer(keys, HERE), max_bytes)
        self.spool = Spool(
            self.file, HERE, max_bytes=max_bytes, after_seconds=after_seconds, patience=patience,
            known_routers=known_routers,
        )  # fmt: skip
        self.left = self.back = 0
        settings = WriterSettings(linger_milliseconds=linger, max_batch_rows=batch)
        self.writer = Writer(
            self.store, settings, self.metrics, self.closed, spool=self.spool, left=self._left, back=self._back
        )
        self.receipts: list[Receipt] = []

    def _left(self) -> None:
        self.left += 1

    def _back(self) -> None:
        self.back += 1

    async def open(self) -> Self:
        """As the writer does before it takes the first message."""
        await self.writer._watch.recover()
        await self.writer._open()
        while self.writer._news._page is not None:
            await self.writer._news.refresh()
        self.check()
        return self

    async def restarted(
        self, *, open_store: bool = True, keys: Sequence[Key] = (KEY,), known_routers: int = MOST
    ) -> "Region":
        """The next process, after this one was killed: it has no more than what is on the disk."""
        await self.spool._worker.call(self.file.close)  # the kernel lets go of a lock when a process dies
        after = Region(self.folder, store=self.store, max_bytes=self._max_bytes, keys=keys, known_routers=known_routers)
        if open_store:
            return await after.open()
        await after.writer._watch.recover()
        return after

    # What comes

    def put(self, *entries: Entry, size: int = 100, promised: bool = True) -> list[Receipt]:
        """Hand entries over as the intake does; a receipt each."""
        receipts = [self._put(entry, size, Receipt(promised=promised)) for entry in entries]
        self.receipts += receipts
        self.check()
        return receipts

    def _put(self, entry: Entry, size: int, receipt: Receipt) -> Receipt:
        if not isinstance(entry, Record):
            self.writer.submit_event(entry, receipt, size)
        elif self.closed.get(entry.identity.device_ref) is not None:
            self.metrics.received += 1
            self.metrics.drop(DropReason.WITHDRAWN)
            receipt.complete()
        elif not (self.writer.guarded and self.writer.door.turns_away(entry, receipt)):
            self.metrics.received += 1
            self.metrics.in_flight += 1
            self.metrics.in_flight_bytes += size
            self.writer.submit(entry, receipt, size)
        return receipt

    # What is done

    async def step(self) -> bool:
        """One turn with the store."""
        well = await self.writer.step()
        await self.spool._worker.call(int)  # what was asked of the spool meanwhile is done, and counted
        self.check()
        assert self.metrics.in_flight >= self.spool.records
        return well

    async def drain(self) -> None:
        """Turns with the store until nothing waits anywhere."""
        for _ in range(1000):
            waits = self.writer.waiting or self.spool.records or self.writer._outage.acts
            if not (waits or self.writer._health.is_away):
                return
            await self.step()
        raise AssertionError("it never ends")

    async def refuse(self) -> None:
        """The store refuses for so long that it is away."""
        self.store.fail_next = 1 << 30
        await self.step()
        self.goes_away()
        await self.shelter()

    def goes_away(self) -> None:
        """The patience has ended."""
        self.writer._health.goes_away()
        self.writer._guard()

    async def hang(self) -> "asyncio.Task[bool]":
        """The next commit does not return until `heal`, and so the store is away; the commit."""
        self.store.gate.clear()
        self.store.began.clear()
        committing = asyncio.create_task(self.writer.step())
        await self.store.began.wait()
        self.goes_away()
        await self.shelter()
        return committing

    async def shelter(self) -> None:
        """What waits is dealt with."""
        await self.writer._watch.take_shelter(self.writer._committing)
        self.check()

    async def spools(self, *entries: Entry) -> None:
        """These wait in the spool, as far as they may, and the store takes again."""
        await self.refuse()
        self.put(*entries)
        await self.shelter()
        self.store.fail_next = 0

    async def heal(self, committing: "asyncio.Task[bool] | None" = None, *, fails: bool = False) -> None:
        """The store works again; the commit that hangs comes about, or *fails* in the end."""
        self.store.fail_next = int(fails)
        self.store.gate.set()
        if committing is not None:
            await committing
        await self.drain()

    # What is seen

    def check(self) -> None:
        """Every report has one outcome or is in flight (D21)."""
        metrics = self.metrics
        assert metrics.received == metrics.stored[HERE] + metrics.dropped.total() + metrics.in_flight
        assert metrics.in_flight_bytes >= 0
        assert all(receipt.completed + receipt.left <= 1 for receipt in self.receipts)

    @property
    def outcomes(self) -> tuple[int, dict[str, int]]:
        """Stored, and dropped by reason."""
        return self.metrics.stored[HERE], {r.value: n for r, n in self.metrics.dropped.items() if n}

    async def acts(self) -> list[str]:
        """The ledger's acts, in order."""
        return [entry.action.value for entry in await self.store.ledger()]

    def stored(self) -> list[int]:
        """The numbers of the reports in the store in memory, sorted."""
        assert isinstance(self.store.store, MemoryStore)
        return sorted(number_of(insert.record) for insert in self.store.store._records.values())

    def raw(self) -> bytes:
        """The bytes of the spool's files."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file())


def done(receipts: Sequence[Receipt]) -> list[str]:
    """What became of each message: acknowledged, left with the broker, or waiting."""
    return ["acknowledged" if r.completed else "left" if r.left else "waits" for r in receipts]
