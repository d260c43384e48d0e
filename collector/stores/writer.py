"""The writer of one region: what comes in, when it goes to the store, and what becomes of it while the store is away.

Rule 1: nothing is settled before its commit returned, or before it is in the spool; a commit that failed is tried again
        with the same entries.
Rule 2: an exit does not queue: it goes with the next commit, and what waits of its router goes with it, before it.
        Whether it is a new exit or an old one that came again, and so what is dropped, the ledger says.
Rule 3: a batch grows while the writer is busy, and a while longer (`Growing`).
Rule 4: two tasks share the work: one asks the store and may have to wait for it; the other watches it, and shelters
        what waits once the patience has ended.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from collector.acks import NO_TOKEN, Settling
from collector.config import WriterSettings
from collector.consent.standing import ClosedRouters
from collector.errors import SpoolUnavailable, StoreUnavailable
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

_CLOSING_SECONDS: Final = 2.0
_TICK_AWAY: Final = 0.02
"""Seconds between two looks at what waits while the store is away; what comes together shares a write."""
_ASK_AGAIN_SECONDS: Final = 5.0
"""Seconds between two requests to have what was left with the broker sent again, once the store is back."""


class Writer:
    """One region's way into its store."""

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
        """*settled* is called after messages left the memory, *left* when one was left with the broker, *back* when
        those can be taken. Without a *spool*, all that a store cannot take is left there. *joins_by_flag* says that a
        router may join by a report (D3, mode flag).
        """
        self.store = store
        self.region = store.region
        self.spool = spool = spool or Spool(None, self.region)
        self.guarded = False
        """Whether `door` has to be asked before a report is handed over; acts ask by themselves."""
        self._most = settings.max_batch_rows
        self._metrics = metrics
        self._left = left
        self._told_back = back
        self._queue = Queue()
        self._growing = Growing(self._queue, settings)
        self._health = Health(self.region, metrics, spool.after_seconds)
        self._outage = Outage(closed, self._health, joins_by_flag=joins_by_flag, known_routers=spool.known_routers)
        self._outcomes = Outcomes(self.region, metrics, settled)
        self._shelter = Shelter(spool, self._outage, self._outcomes)
        self._news = News(store, self._health, spool, self._outage, self._outcomes, self._queue)
        self._committing = Committing(
            store, self._health, spool, self._outage, self._outcomes, self._news,
            queue=self._queue, held=self._shelter.held, most=self._most, back=self._came_back,
        )  # fmt: skip
        self.door = Door(self._health, self._outage, self._outcomes, spool, left, self._has_waiting)
        self._work = asyncio.Event()
        self._stopped = asyncio.Event()
        self._turn = asyncio.Lock()
        self._asked_again = float("-inf")
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
        """There is a new connection: what was left with the broker comes again."""
        self._outage.renewed([*self._shelter.held.urgent, *self._shelter.held.queued])
        self._guard()

    def acts_renewed(self) -> None:
        """There is a new connection for consent events: the acts that were left with the broker come again."""
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
        """What there is to say of the spool; None if nothing."""
        if self.spool.cause is not None:
            return self.spool.cause
        if not self._health.is_away:
            return None
        return "full" if self.spool.is_full else "in use"

    async def run(self) -> None:
        """Write until `stop`; the commit under way is finished, what waits stays unacknowledged or in the spool."""
        self._recovering = asyncio.create_task(self._recover())
        # What waits there goes first. A large file takes a while to be looked through; then it goes first later on.
        await asyncio.wait({self._recovering}, timeout=self.spool.after_seconds)
        tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._watch())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in (*tasks, self._recovering):
                task.cancel()

    def stop(self) -> None:
        """Begin nothing new."""
        self._stopped.set()
        self._work.set()
        self._growing.stop()

    async def close(self) -> None:
        """Let go of store and spool, unless they hang."""
        closing = [asyncio.create_task(self.store.close()), asyncio.create_task(self.spool.close())]
        await asyncio.wait(closing, timeout=_CLOSING_SECONDS)
        for task in closing:
            task.cancel()

    # The store

    async def _write(self) -> None:
        while True:
            if not self._health.is_open:
                await self._open()
            await self._some_work()
            if self._stopped.is_set():
                return
            began = time.perf_counter()
            well = await self.step()
            # What was spooled, and what is written singly, waits for no company.
            if well and self._committing.is_ordinary:
                await self._growing.after(time.perf_counter() - began)
            fresh = not self._news.is_due() or await self._news.refresh()
            # A store that has to be opened anew is so at once: that lets go of a file that is not the right one.
            if not well or (not fresh and self._health.is_open):
                await self._wait(self._health.pause)

    async def step(self) -> bool:
        """Commit what is next, if anything waits; False if the store took nothing."""
        batch = None if self._turn.locked() else self._committing.ordinary()
        if batch is None:
            # What is on its way to the spool is there before anything that came after it is written.
            async with self._turn:
                batch = await self._committing.next()
        return batch is None or await self._committing.commit(batch)

    async def _open(self) -> None:
        while not self._stopped.is_set():
            try:
                await self._committing.open()
            except StoreUnavailable:
                await self._wait(self._health.pause)
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

    async def _wait(self, seconds: float) -> None:
        """Wait, but not for the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()

    # The watch over it

    async def _watch(self) -> None:
        tick = min(REFRESH_SECONDS, self.spool.after_seconds) / 4
        while not self._stopped.is_set():
            await self._wait(_TICK_AWAY if self._health.is_away else tick)
            await self._look_after_spool()
            if self._health.is_overdue() and not self._health.is_away:
                self._health.goes_away()
                self._guard()
            if self._health.is_away and not self._stopped.is_set():
                await self._take_shelter()
            elif self._outage.left_any and time.monotonic() - self._asked_again > _ASK_AGAIN_SECONDS:
                # Something may have been left while the store came back: without this nobody would ask for it.
                self._ask_again()

    async def _take_shelter(self) -> None:
        while True:
            async with self._turn:
                await self._shelter.take_in(self._queue, self._most, self._committing.under_way)
                if not self._health.is_away:
                    # The store came back meanwhile; what the spool then would not take nobody else would look for.
                    self._back()
                    self._work.set()
            if not self._queue or not self._health.is_away:
                break
        self._left()
        self._metrics.spools.acts[self.region] = self._outage.acts

    async def _look_after_spool(self) -> None:
        if self.spool.cause is None or not self.spool.may_try():
            return
        if self.spool.is_open:
            with suppress(SpoolUnavailable):
                await self.spool.try_again()
        elif self._recovering.done():
            self._recovering = asyncio.create_task(self._recover())

    async def _recover(self) -> None:
        """Take over what an earlier process spooled: its records are this one's to deliver, its acts go first."""
        try:
            acts = await self.spool.open()
        except SpoolUnavailable:
            return
        self._outcomes.recovered(self.spool.records)
        for row, act in acts:
            if takes_its_turn(act):
                self._outage.closed.join_waits(act.identity.device_ref)
            else:
                self._outcomes.leaving.begun(act)
            self._outage.act_waits(Item(act, NO_TOKEN, 0, row))
        self._work.set()

    def _came_back(self) -> None:
        """The store took a commit again. What the shelter has in hand comes behind what is held: it is waited for."""
        if not self._turn.locked():
            self._back()

    def _back(self) -> None:
        """What is held waits for a commit again, before everything else."""
        self._queue.put_back(*self._shelter.held.take_all())
        self._guard()
        if self._outage.left_any:
            self._ask_again()

    def _ask_again(self) -> None:
        """Have what was left with the broker sent again."""
        self._asked_again = time.monotonic()
        self._told_back()

    def _guard(self) -> None:
        self.guarded = self._health.is_away or self._outage.left_any
