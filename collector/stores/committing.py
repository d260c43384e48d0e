"""What a writer does with its store: it opens it, and commits what waits and what was spooled.

Rule 1: acts that waited in the spool are committed first of all; then spooled and new entries take turns.
Rule 2: what the store decided on is settled, and deleted from the spool, after the commit has returned, never before.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec

from collector.acks import NO_TOKEN
from collector.consent.acts import reaches_until
from collector.consent.ledger import Result
from collector.consent.standing import states_of
from collector.errors import SpoolUnavailable, StoreUnavailable, where
from collector.log import LOG
from collector.model import ConsentEvent, DropReason, Record
from collector.stores import Committed, Store
from collector.stores.answer import Answer
from collector.stores.health import Health
from collector.stores.news import News
from collector.stores.outage import Outage
from collector.stores.outcomes import Outcomes, records_in
from collector.stores.queue import TAKEN_BACK, Batch, Item, Queue, refs_of, takes_its_turn
from collector.stores.spool import Spool

DRAINED_AT_ONCE: Final = 1000
"""Most records out of the spool in one commit: new entries wait for no more than these."""
CROWD: Final = 1024
"""Most rows in a commit while routers join in crowds. A join costs as much as ten records of who has joined, so a full
commit of them would take so long, on a slow machine, that the store would seem away."""


class Committing:
    """One region's store at work."""

    def __init__(
        self,
        store: Store,
        health: Health,
        spool: Spool,
        outage: Outage,
        outcomes: Outcomes,
        news: News,
        *,
        queue: Queue,
        held: Queue,
        most: int,
        back: Callable[[], None],
    ) -> None:
        """*most* is the most rows in a commit; *back* is called when a store that was away has taken a commit."""
        self.under_way: Batch | None = None
        self._store = store
        self._health = health
        self._spool = spool
        self._outage = outage
        self._outcomes = outcomes
        self._news = news
        self._queue = queue
        self._held = held
        self._usual = most
        self._most = min(most, CROWD)  # what comes first, nobody knows
        self._back = back
        self._singly = 0
        self._stuck: list[Item] = []
        self._spool_next = True

    @property
    def has_work(self) -> bool:
        """Whether there is something to ask of the store, besides what is new in its ledger."""
        if self._queue or self._health.is_away or self._outage.acts or self._news.has_more:
            return True
        return self._may_drain()

    def _may_drain(self) -> bool:
        return bool(self._spool.records) and self._spool.may_try() and not self._spool.hangs

    async def open(self) -> None:
        """Open the store and learn who has left.

        Raises:
            StoreUnavailable: the store cannot be used now.
        """
        self._health.asks()
        try:
            await self._store.open()
            await self._news.opened()
        except StoreUnavailable as error:
            self._health.refuses(error)
            raise
        except Exception as error:  # whatever it is, the other regions go on
            raise self._health.refuses(error) from error
        self._health.opened()
        self._health.reads(idle=not self._queue)

    @property
    def is_ordinary(self) -> bool:
        """Whether all is well: only new entries have to be written."""
        return not (self._spool.records or self._health.is_away or self._singly or self._outage.acts)

    def ordinary(self) -> Batch | None:
        """The batch to be committed now while all is well; None if nothing waits, or something else goes first."""
        return self._queue.take_some(self._most) if self._queue and self.is_ordinary else None

    async def next(self) -> Batch | None:
        """The batch to be committed now; None if there is nothing to commit."""
        if acts := self._outage.oldest_acts(1 if self._singly else self._most):
            return Batch(acts, [], sheltered=True)
        if self._health.is_away or self._spool_next or not self._queue:
            self._spool_next = False
            if batch := await self._from_spool():
                return batch
        self._spool_next = True
        queue = self._held if self._health.is_away else self._queue
        if not queue:
            # Only a commit, even an empty one, shows whether a store that is away takes commits again.
            return Batch([], []) if self._health.is_away else None
        batch = queue.take_one() if self._singly else queue.take(self._most)
        batch.sheltered = batch.seen = self._health.is_away
        await self._name_spent(batch)
        return batch

    async def _from_spool(self) -> Batch | None:
        if not self._may_drain():
            return None
        try:
            found = await self._spool.read(1 if self._singly else min(self._most, DRAINED_AT_ONCE))
        except SpoolUnavailable:
            return None
        return Batch([], [Item(record, NO_TOKEN, 0, row) for row, record in found], sheltered=True) if found else None

    async def _name_spent(self, batch: Batch) -> None:
        """Name in each act the records that it will take out of the spool: they must not come again either (K09)."""
        if not self._spool.records:
            return
        for item in batch.items[: batch.urgent]:
            if isinstance(item.entry, ConsentEvent) and not self._spool.hangs:
                with suppress(SpoolUnavailable):
                    spent = await self._spool.ids_of(refs_of(item.entry.identity), reaches_until(item.entry))
                    item.entry = msgspec.structs.replace(item.entry, spent=tuple({*item.entry.spent, *spent}))

    async def commit(self, batch: Batch) -> bool:
        """Write *batch* and settle it; False if nothing could be written and a pause is due."""
        self.under_way, began = batch, time.perf_counter()
        self._health.asks()
        try:
            committed = await self._store.commit([item.entry for item in batch.items])
        except StoreUnavailable as error:
            self._health.refuses(error)
            self._give_back(batch)
            return False
        except Exception as error:  # noqa: BLE001 - one entry on which a bug of ours chokes must not stop the region
            return self._choked(batch, error)
        self._committed(batch, committed, time.perf_counter() - began)
        return self._one_less()

    def _end(self, batch: Batch) -> None:
        batch.has_ended = True
        self.under_way = None

    def _committed(self, batch: Batch, committed: Committed, seconds: float) -> None:
        self._end(batch)
        was_away = self._health.is_away
        self._most = min(self._usual, CROWD) if len(committed.appended) > CROWD // 2 else self._usual
        self._news.wrote(committed.appended)
        self._health.answers()
        if committed.decided:
            self._decided(batch, committed.decided)
        self._news.learn(states_of(committed.standings))
        if batch.items:
            self._outcomes.committed(batch.items, committed, seconds)
        if batch.sheltered and (spooled := [item for item in batch.items if item.row > 0]):
            self._outcomes.drained(records_in(spooled))
            self._spool.delete([item.row for item in spooled])
        if was_away:
            self._back()

    def _decided(self, batch: Batch, results: list[Result]) -> None:
        """Tell those who wait for an answer what the ledger decided on each act."""
        acts = [item for item in batch.items if isinstance(item.entry, ConsentEvent)]
        for item, result in zip(acts, results, strict=True):
            assert isinstance(item.entry, ConsentEvent)
            self._outcomes.leaving.done(item.entry, result)
            if takes_its_turn(item.entry):
                self._outage.closed.join_settled(item.entry.identity.device_ref)
            if item.row > 0:
                self._outage.act_decided(item)
            if isinstance(item.token, Answer):
                item.token.decided(self._store.region, result)

    def _give_back(self, batch: Batch) -> None:
        """The commit failed: what is not in the spool waits in memory again."""
        self._end(batch)
        if not batch.sheltered:
            self._queue.put_back(*batch.left())
            return
        self._spool.give_back([i.row for i in batch.items if i.row > 0 and isinstance(i.entry, Record)])
        for item in batch.items:
            if item.row == TAKEN_BACK:
                self._outcomes.drop([item], self._outage.reason(item.entry.identity))
        # What the shelter has not yet seen it meets in the queue: held in memory, it would keep others' messages back.
        (self._held if batch.seen else self._queue).put_back(*batch.left())

    def _choked(self, batch: Batch, error: Exception) -> bool:
        """Find the entry that cannot be written, by writing one at a time. A record becomes a counted drop."""
        if len(batch.items) != 1:
            self._singly = len(batch.items)
            self._give_back(batch)
            return True
        self._end(batch)
        [item] = batch.items
        LOG.seldom("entry_failed", region=self._store.region, error=type(error).__name__, at=where(error))
        if isinstance(item.entry, Record):
            self._outcomes.drop([item], DropReason.INTERNAL_ERROR)
            self._spool.delete([item.row] if item.row > 0 else [])
        elif item.row > 0:
            self._outage.give_up(item)
        else:
            # An owner's wish is not dropped because of a bug of ours: it stays unacknowledged and is tried again.
            self._stuck.append(item)
        return self._one_less()

    def _one_less(self) -> bool:
        """Count down the entries that are written one by one; False once all are done and some are stuck."""
        self._singly = max(0, self._singly - 1)
        if self._singly or not self._stuck:
            return True
        self._queue.put_back(self._stuck, [])
        self._stuck = []
        return False
