"""The writer of one region: gathers entries, commits them in one transaction, then settles their messages.

Rule 1: nothing is settled before its commit returned; a commit that failed is tried again with the same entries.
Rule 2: an exit does not queue: it goes with the next commit, and what waits of its router goes with it, before it.
        Whether it is a new exit or an old one that came again, and so what is dropped, the ledger says.
Rule 3: a batch grows while the writer is busy; an idle writer waits no longer than the linger.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from collector.acks import Settling, complete_all
from collector.config import WriterSettings
from collector.consent.ledger import STATE_AFTER, Result
from collector.consent.standing import ClosedRouters, State
from collector.errors import Cause, StoreUnavailable, where
from collector.log import LOG
from collector.metrics import Metrics
from collector.model import ConsentEvent, DropReason, Entry, Record
from collector.stores import Committed, Store
from collector.stores.answer import Answer

REFRESH_SECONDS: Final = 1.0
"""How often the ledger is asked for what other processes wrote, `ueip exit` for one."""
_STAYS_OPEN: Final = frozenset({Cause.LOCKED, Cause.DISK_FULL})
"""After these a connection is as good as before; after all others the store is opened, and looked at, anew."""
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
        self._open = False
        self._seq = 0
        self._refreshed = 0.0
        self._backoff = _SHORTEST_PAUSE
        self._settled = settled

    def submit(self, record: Record, token: Settling, size: int) -> None:
        """Take a record; *token* is completed once it is stored or dropped."""
        self._queue.append(Item(record, token, size))
        self._waiting[record.identity.device_ref] += 1
        self._work.set()

    def submit_event(self, event: ConsentEvent, token: Settling, size: int = 0) -> None:
        """Take a consent event. Whatever closes the gate closes it now."""
        device_ref = event.identity.device_ref
        if _queues(event):
            self._closed.join_waits(device_ref)
            self._queue.append(Item(event, token, size))
            self._waiting[device_ref] += 1
        else:
            if self._waiting[device_ref]:
                mine = [item for item in self._queue if item.entry.identity.device_ref == device_ref]
                self._queue = deque(item for item in self._queue if item.entry.identity.device_ref != device_ref)
                del self._waiting[device_ref]
                self._urgent += mine
            self._urgent.append(Item(event, token, size))
        self._metrics.in_flight_bytes += size
        self._work.set()

    async def run(self) -> None:
        """Write until `stop`; the commit under way is finished, what waits stays unacknowledged."""
        while True:
            if not self._open:
                await self._opened()
            await self._some_work()
            if self._stopping:
                return
            if self._urgent or self._queue:
                await self._commit(*self._take())
            await self._refresh()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopping = True
        self._work.set()

    async def _opened(self) -> None:
        while not self._stopping:
            try:
                await self.store.open()
                # In this order: what another process writes in between is learnt with the next refresh.
                self._seq = (await self.store.head()).seq
                standings = [*await self.store.closed(), *await self.store.changes(self._seq)]
            except StoreUnavailable as error:
                self._failed(error)
                await self._pause()
            else:
                self._open = True
                self._closed.learn(standings)
                self._answered_if_idle()
                return

    async def _some_work(self) -> None:
        if not self._urgent and not self._queue and not self._stopping:
            self._work.clear()
            try:
                async with asyncio.timeout(REFRESH_SECONDS):
                    await self._work.wait()
            except TimeoutError:
                return
            if self._linger and not self._urgent and len(self._queue) < self._most:
                await asyncio.sleep(self._linger)

    def _take(self) -> tuple[list[Item], list[Item]]:
        """What goes into the next commit: all that does not queue, and the head of the queue."""
        urgent, self._urgent = self._urgent, []
        queued = [self._queue.popleft() for _ in range(min(self._most, len(self._queue)))]
        self._forget(queued)
        return urgent, queued

    def _forget(self, items: Iterable[Item]) -> None:
        waiting = self._waiting
        for item in items:
            ref = item.entry.identity.device_ref
            if waiting[ref] == 1:
                del waiting[ref]
            else:
                waiting[ref] -= 1

    async def _commit(self, urgent: list[Item], queued: list[Item]) -> None:
        batch, began = urgent + queued, time.perf_counter()
        try:
            committed = await self.store.commit([item.entry for item in batch])
        except StoreUnavailable as error:
            self._failed(error)
            self._put_back(urgent, queued)
            await self._pause()
        except Exception:  # noqa: BLE001 - one entry that a bug of ours chokes on must not stop the region
            await self._one_by_one(urgent, queued)
        else:
            self._committed(batch, committed, began)

    def _committed(self, batch: list[Item], committed: Committed, began: float) -> None:
        self._answered()
        self._metrics.commit_seconds.labels(self.region).observe(time.perf_counter() - began)
        self._metrics.batch_rows.labels(self.region).observe(len(batch))
        self._closed.learn(committed.standings)
        if committed.decided:
            self._decided(batch, committed.decided)
        self._count(committed)
        self._settle(batch, stored=committed.stored, dropped=committed.dropped)

    def _decided(self, batch: list[Item], results: list[Result]) -> None:
        """Tell those who wait what the ledger made of each act."""
        acts = [item for item in batch if isinstance(item.entry, ConsentEvent)]
        for item, result in zip(acts, results, strict=True):
            if _queues(item.entry):
                self._closed.join_settled(item.entry.identity.device_ref)
            if isinstance(item.token, Answer):
                item.token.decided(self.region, result)

    async def _one_by_one(self, urgent: list[Item], queued: list[Item]) -> None:
        """Find the entry that cannot be written, and write the others. A record becomes a counted drop."""
        stuck: list[Item] = []
        try:
            while rest := urgent or queued:
                await self._write_one(rest[0], stuck)
                del rest[0]
        except StoreUnavailable as error:
            self._failed(error)
        if stuck or urgent or queued:
            self._put_back(stuck + urgent, queued)
            await self._pause()

    async def _write_one(self, item: Item, stuck: list[Item]) -> None:
        began = time.perf_counter()
        try:
            committed = await self.store.commit([item.entry])
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - see above
            LOG.seldom("entry_failed", region=self.region, error=type(error).__name__, at=where(error))
            if isinstance(item.entry, Record):
                self._settle([item], stored=0, dropped=Counter({DropReason.INTERNAL_ERROR: 1}))
            else:
                # What the owner wants is not dropped for a bug of ours: it stays unacknowledged and is tried again.
                stuck.append(item)
        else:
            self._committed([item], committed, began)

    def _put_back(self, urgent: list[Item], queued: list[Item]) -> None:
        """Before everything else, in the order it had; what left meanwhile makes way for the exit that waits.

        Only for one that came during the commit: what follows an exit within a batch came after it.
        """
        came = self._urgent
        leaving = {item.entry.identity.device_ref for item in came if not _queues(item.entry)}
        # What waited of them came along with the exit; what was in this commit came before that.
        first = [item for item in queued if item.entry.identity.device_ref in leaving]
        queued = [item for item in queued if item.entry.identity.device_ref not in leaving]
        self._urgent = [*urgent, *first, *came]
        self._queue.extendleft(reversed(queued))
        self._waiting.update(item.entry.identity.device_ref for item in queued)

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
        self._answered_if_idle()

    def _count(self, committed: Committed) -> None:
        metrics = self._metrics
        metrics.erased[self.region] += committed.erased
        for (action, result), count in committed.results.items():
            metrics.consent[self.region, action, result] += count
        metrics.removed.update(committed.removed)

    def _settle(self, items: list[Item], *, stored: int, dropped: Counter[DropReason]) -> None:
        """Count the outcomes and let the messages go, in one step: the sum of outcomes holds at every moment."""
        records = sum([type(item.entry) is Record for item in items])
        metrics = self._metrics
        metrics.stored[self.region] += stored
        metrics.dropped.update(dropped)
        metrics.in_flight -= records
        metrics.in_flight_bytes -= sum([item.size for item in items])
        complete_all([item.token for item in items])
        self._settled()

    def _failed(self, error: StoreUnavailable) -> None:
        metrics, cause = self._metrics, error.cause
        metrics.store_failures[self.region] += 1
        if metrics.store_state(self.region) is not cause:
            LOG.error("store_closed", region=self.region, cause=cause, error=str(error), todo=cause.advice)
        metrics.store_cause[self.region] = cause
        metrics.store_up[self.region] = False
        self._open = self._open and cause in _STAYS_OPEN

    def _answered_if_idle(self) -> None:
        """A store that can be read and not written has not recovered while something waits to be written."""
        if not self._queue and not self._urgent:
            self._answered()

    def _answered(self) -> None:
        self._backoff = _SHORTEST_PAUSE
        if not self._metrics.store_up[self.region]:
            LOG.info("store_ready", region=self.region)
        self._metrics.store_up[self.region] = True


def _queues(entry: Entry) -> bool:
    """Whether an entry takes its turn. What closes the gate does not."""
    return isinstance(entry, Record) or STATE_AFTER[entry.action] is State.JOINED
