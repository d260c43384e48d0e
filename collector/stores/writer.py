"""The writer of one region: what comes in, when it goes to the store, and what becomes of it while the store is away.

Rule 1: nothing is settled before its commit has returned, or before it is in the spool; a failed commit is tried again
        with the same entries.
Rule 2: an exit does not queue: it goes into the next commit, behind everything of its router that was waiting. The
        ledger says whether it is a new exit or an old one that came again, and so what is dropped.
Rule 3: a batch grows while the writer is busy, and a little longer (`Growing`).
Rule 4: two tasks share the work: one talks to the store and may have to wait for it; the other watches the store, and
        shelters what waits once patience has run out (`Watch`).
"""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from collector.acks import Settling
from collector.config import WriterSettings
from collector.consent.standing import ClosedRouters
from collector.errors import StoreUnavailable
from collector.metrics import Metrics
from collector.model import ConsentEvent, Record
from collector.stores import Store
from collector.stores.committing import Committing
from collector.stores.door import Door
from collector.stores.growing import Growing
from collector.stores.health import Health
from collector.stores.news import REFRESH_SECONDS, News
from collector.stores.outage import Outage
from collector.stores.outcomes import Outcomes
from collector.stores.queue import Item, Queue, takes_its_turn
from collector.stores.shelter import Shelter
from collector.stores.spool import Spool
from collector.stores.watch import Watch, rest

_CLOSING_SECONDS: Final = 2.0


class Writer:
    """Takes the entries of one region, and writes them to its store."""

    def __init__(
        self,
        store: Store,
        settings: WriterSettings,
        metrics: Metrics,
        closed: ClosedRouters,
        *,
        spool: Spool | None = None,
        joins_by_flag: bool = True,
        settled: Callable[[], None] = lambda: None,
        left: Callable[[], None] = lambda: None,
        back: Callable[[], None] = lambda: None,
    ) -> None:
        """*settled* is called after messages have left memory, *left* when one was left with the broker, *back* when
        the broker may send those again. Without a *spool*, everything that the store cannot take is left with the
        broker. *joins_by_flag* says that a router may join by a report (D3, mode flag).
        """
        self.store = store
        self.region = store.region
        self.spool = spool = spool or Spool(None, self.region)
        self.guarded = False
        """Whether `door` has to be asked before a report is submitted; for acts, `submit_event` asks."""
        self._metrics = metrics
        self._queue = Queue()
        self._growing = Growing(self._queue, settings)
        self._health = Health(self.region, metrics, spool.after_seconds)
        self._outage = Outage(closed, self._health, joins_by_flag=joins_by_flag, known_routers=spool.known_routers)
        self._outcomes = Outcomes(self.region, metrics, settled)
        self._shelter = Shelter(spool, self._outage, self._outcomes)
        self._work = asyncio.Event()
        self._stopped = asyncio.Event()
        self._watch = Watch(
            self._queue, self._shelter, spool, self._health, self._outage, self._outcomes,
            most=settings.max_batch_rows, work=self._work, stopped=self._stopped,
            guard=self._guard, left=left, back=back,
        )  # fmt: skip
        self._turn = self._watch.turn
        self._news = News(store, self._health, spool, self._outage, self._outcomes, self._queue)
        self._committing = Committing(
            store, self._health, spool, self._outage, self._outcomes, self._news,
            queue=self._queue, held=self._shelter.held, most=settings.max_batch_rows, back=self._watch.came_back,
        )  # fmt: skip
        self.door = Door(self._health, self._outage, self._outcomes, spool, left, self._has_waiting)
        spool.changed = self._outcomes.spool_changed

    def submit(self, record: Record, token: Settling, size: int) -> None:
        """Take a record; *token* is completed once it is stored, spooled or dropped."""
        queued = self._queue.queued
        if not queued:
            self._work.set()
        queued.append(Item(record, token, size))

    def submit_event(self, event: ConsentEvent, token: Settling, size: int = 0) -> None:
        """Take a consent event. Whatever closes the gate closes it now."""
        if self.guarded and self.door.turns_away_act(event, token):
            return
        if takes_its_turn(event):
            self._outage.closed.join_waits(event.identity.device_ref)
        else:
            self._outcomes.leaving.begun(event)
        self._queue.add(Item(event, token, size))
        self._metrics.in_flight_bytes += size
        self._work.set()
        self._growing.hurry()

    def renewed(self) -> None:
        """There is a new connection: what was left with the broker is sent again."""
        self._outage.renewed([*self._shelter.held.urgent, *self._shelter.held.queued])
        self._guard()

    def acts_renewed(self) -> None:
        """There is a new connection for consent events: the acts that were left with the broker are sent again."""
        self._outage.acts_renewed()
        self._guard()

    def _has_waiting(self, ref: bytes) -> bool:
        under_way = self._committing.under_way
        if self._queue.has(ref) or under_way is None or under_way.sheltered:
            return self._queue.has(ref)
        return any(item.entry.identity.device_ref == ref for item in under_way.items)

    @property
    def waiting(self) -> int:
        """Entries in memory that wait for a commit, and acts in the spool."""
        return len(self._queue) + len(self._shelter.held) + self._outage.acts

    def spool_state(self) -> str | None:
        """What is to be said about the spool; None if nothing."""
        if self.spool.cause is not None:
            return self.spool.cause
        if not self._health.is_away:
            return None
        return "full" if self.spool.is_full else "in use"

    async def run(self) -> None:
        """Write until `stop`; a commit under way is finished, and what waits stays unacknowledged or in the spool."""
        await self._watch.begin()
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._watch.run(self._committing))]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            self._watch.end()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopped.set()
        self._work.set()
        self._growing.stop()

    async def close(self) -> None:
        """Close store and spool; one that hangs is given up."""
        closing = [asyncio.create_task(self.store.close()), asyncio.create_task(self.spool.close())]
        await asyncio.wait(closing, timeout=_CLOSING_SECONDS)
        for task in closing:
            task.cancel()

    async def _write(self) -> None:
        while True:
            if not self._health.is_open:
                await self._open()
            await self._some_work()
            if self._stopped.is_set():
                return
            began = time.perf_counter()
            well = await self.step()
            # What was spooled, and what is written one by one, does not wait for more to come.
            if well and self._committing.is_ordinary:
                await self._growing.after(time.perf_counter() - began)
            fresh = not self._news.is_due() or await self._news.refresh()
            # A store that has to be reopened is reopened at once: that lets go of a file that is not the right one.
            if not well or (not fresh and self._health.is_open):
                await rest(self._stopped, self._health.pause)

    async def step(self) -> bool:
        """Commit what comes next, if anything waits; False if the store took nothing."""
        batch = None if self._turn.locked() else self._committing.ordinary()
        if batch is None:
            # What is on its way to the spool has to be there before anything that came after it is written.
            async with self._turn:
                batch = await self._committing.next()
        return batch is None or await self._committing.commit(batch)

    async def _open(self) -> None:
        while not self._stopped.is_set():
            try:
                await self._committing.open()
            except StoreUnavailable:
                await rest(self._stopped, self._health.pause)
            else:
                return

    async def _some_work(self) -> None:
        if self._committing.has_work or self._stopped.is_set():
            return
        self._work.clear()
        try:
            async with asyncio.timeout(REFRESH_SECONDS):
                await self._work.wait()
        except TimeoutError:
            return
        await self._growing.before_first()

    def _guard(self) -> None:
        self.guarded = self._health.is_away or self._outage.left_any
