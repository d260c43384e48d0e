"""The writer of one region: gathers entries, commits them in one transaction, then settles their messages.

Rule 1: nothing is settled before its commit returned; a commit that failed is tried again with the same entries.
Rule 2: an exit does not queue: what waits of its router is dropped on the spot, and the exit goes with the next commit.
Rule 3: a batch grows while the writer is busy; an idle writer waits no longer than the linger.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from collector.config import WriterSettings
from collector.consent.standing import ClosedRouters
from collector.errors import StoreUnavailable, where
from collector.ingest.acks import Settling, complete_all
from collector.log import LOG
from collector.metrics import Metrics
from collector.model import Action, ConsentEvent, DropReason, Entry, Record
from collector.stores import Committed, Store

REFRESH_SECONDS: Final = 1.0
"""How often the ledger is asked for what other processes wrote, `ueip exit` for one."""
_SHORTEST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0


class Item(NamedTuple):
    """An entry, who waits for it, and how many bytes of memory it stands for."""

    entry: Entry
    token: Settling
    size: int


class Writer:
    """One region's way into its store."""

    def __init__(
        self,
        store: Store,
        settings: WriterSettings,
        metrics: Metrics,
        closed: ClosedRouters,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        self.store = store
        self.region = store.region
        self._linger = settings.linger_milliseconds / 1000
        self._most = settings.max_batch_rows
        self._metrics = metrics
        self._closed = closed
        self._queue: deque[Item] = deque()
        self._urgent: list[Item] = []
        self._waiting: Counter[bytes] = Counter()
        self._work = asyncio.Event()
        self._stopping = False
        self._seq = 0
        self._refreshed = 0.0
        self._backoff = _SHORTEST_PAUSE
        self._settled = settled

    def submit(self, record: Record, token: Settling, size: int) -> None:
        """Take a record; *token* is completed once it is stored or dropped."""
        self._queue.append(Item(record, token, size))
        self._waiting[record.identity.device_ref] += 1
        self._work.set()

    def submit_event(self, event: ConsentEvent, token: Settling) -> None:
        """Take a consent event. Whatever closes the gate closes it now."""
        if _queues(event):
            self._queue.append(Item(event, token, 0))
        else:
            if self._waiting[event.identity.device_ref]:
                self._drop_waiting(event.identity.device_ref)
            self._urgent.append(Item(event, token, 0))
        self._work.set()

    def _drop_waiting(self, device_ref: bytes) -> None:
        """Drop what waits of a router that leaves: it is not committed, so it never will be (D5)."""
        mine = [i for i in self._queue if isinstance(i.entry, Record) and i.entry.identity.device_ref == device_ref]
        gone = set(map(id, mine))
        self._queue = deque(item for item in self._queue if id(item) not in gone)
        self._forget(mine)
        self._settle(mine, stored=0, dropped=Counter({DropReason.WITHDRAWN: len(mine)}))

    async def run(self) -> None:
        """Write until `stop`; the commit under way is finished, what waits stays unacknowledged."""
        await self._opened()
        while True:
            await self._some_work()
            if self._stopping:
                return
            if batch := self._take():
                await self._commit(batch)
            await self._refresh()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopping = True
        self._work.set()

    async def _opened(self) -> None:
        while not self._stopping:
            try:
                await self.store.open()
                standings = await self.store.closed()
                self._seq = (await self.store.head()).seq
            except StoreUnavailable as error:
                self._failed(error)
                await self._pause()
            else:
                self._closed.learn(standings)
                self._answered()
                return

    async def _some_work(self) -> None:
        if not self._urgent and not self._queue:
            self._work.clear()
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._work.wait()
            except TimeoutError:
                return
            if self._linger and not self._urgent and len(self._queue) < self._most:
                await asyncio.sleep(self._linger)

    def _take(self) -> list[Item]:
        urgent, self._urgent = self._urgent, []
        batch = [*urgent, *(self._queue.popleft() for _ in range(min(self._most, len(self._queue))))]
        self._forget(batch)
        return batch

    def _forget(self, items: Iterable[Item]) -> None:
        waiting = self._waiting
        for item in items:
            if isinstance(item.entry, Record):
                ref = item.entry.identity.device_ref
                if waiting[ref] == 1:
                    del waiting[ref]
                else:
                    waiting[ref] -= 1

    async def _commit(self, batch: list[Item]) -> None:
        began = time.perf_counter()
        try:
            committed = await self.store.commit([item.entry for item in batch])
        except StoreUnavailable as error:
            self._failed(error)
            self._put_back(batch)
            await self._pause()
            return
        except Exception as error:  # noqa: BLE001 - one entry that a bug of ours chokes on must not stop the region
            await self._one_by_one(batch, error)
            return
        self._answered()
        self._metrics.commit_seconds.labels(self.region).observe(time.perf_counter() - began)
        self._metrics.batch_rows.labels(self.region).observe(len(batch))
        self._closed.learn(committed.standings)
        self._count(batch, committed)
        self._settle(batch, stored=committed.stored, dropped=committed.dropped)

    async def _one_by_one(self, batch: list[Item], error: Exception) -> None:
        """Find the entry that cannot be written, and write the others. A record becomes a counted drop."""
        if len(batch) > 1:
            for item in batch:
                await self._commit([item])
            return
        LOG.error("entry_failed", region=self.region, error=type(error).__name__, at=where(error))
        if isinstance(batch[0].entry, Record):
            self._settle(batch, stored=0, dropped=Counter({DropReason.INTERNAL_ERROR: 1}))
        else:
            # What the owner wants is not dropped for a bug of ours: it stays unacknowledged and is tried again.
            self._put_back(batch)
            await self._pause()

    def _put_back(self, batch: list[Item]) -> None:
        """Before everything else, in the order it had. What left meanwhile is dropped by the exit that waits."""
        self._urgent[:0] = [item for item in batch if not _queues(item.entry)]
        queued = [item for item in batch if _queues(item.entry)]
        self._queue.extendleft(reversed(queued))
        self._waiting.update(i.entry.identity.device_ref for i in queued if isinstance(i.entry, Record))
        for item in self._urgent:
            if self._waiting[item.entry.identity.device_ref]:
                self._drop_waiting(item.entry.identity.device_ref)

    async def _pause(self) -> None:
        self._backoff = min(_LONGEST_PAUSE, self._backoff * 2)
        await asyncio.sleep(self._backoff)

    async def _refresh(self) -> None:
        """Learn what other processes wrote to the ledger; also shows whether an idle store still answers."""
        now = time.monotonic()
        if now - self._refreshed < REFRESH_SECONDS:
            return
        self._refreshed = now
        try:
            changed = await self.store.changes(self._seq)
        except StoreUnavailable as error:
            self._failed(error)
            return
        self._seq = max((standing.seq for standing in changed), default=self._seq)
        self._closed.learn(changed)
        self._answered()

    def _count(self, batch: list[Item], committed: Committed) -> None:
        metrics = self._metrics
        metrics.erased[self.region] += committed.erased
        for (action, result), count in committed.results.items():
            metrics.consent[self.region, action, result] += count
        for item in batch:
            if isinstance(item.entry, Record) and item.entry.stripped:
                metrics.removed.update(dict(item.entry.stripped))

    def _settle(self, items: list[Item], *, stored: int, dropped: Counter[DropReason]) -> None:
        """Count the outcomes and let the messages go, in one step: the sum of outcomes holds at every moment."""
        records = [item for item in items if isinstance(item.entry, Record)]
        metrics = self._metrics
        metrics.stored[self.region] += stored
        metrics.dropped.update(dropped)
        metrics.in_flight -= len(records)
        metrics.in_flight_bytes -= sum(item.size for item in records)
        complete_all(item.token for item in items)
        self._settled()

    def _failed(self, error: Exception) -> None:
        self._metrics.store_failures[self.region] += 1
        if self._metrics.store_up[self.region] or self._metrics.store_failures[self.region] == 1:
            LOG.error("store_unavailable", region=self.region, error=str(error.__cause__ or "cannot be opened"))
        self._metrics.store_up[self.region] = False

    def _answered(self) -> None:
        self._backoff = _SHORTEST_PAUSE
        if not self._metrics.store_up[self.region]:
            LOG.info("store_ready", region=self.region)
        self._metrics.store_up[self.region] = True


def _queues(entry: Entry) -> bool:
    """Whether an entry takes its turn. What closes the gate does not."""
    return isinstance(entry, Record) or entry.action is Action.JOIN
