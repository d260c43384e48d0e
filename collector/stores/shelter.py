"""Moves to the spool what waits for a store that is away, and leaves with the broker what may not go there.

Rule 1: a record is acknowledged once it is on disk. An act is kept there too, and takes effect at once, but is
        acknowledged only when the ledger has it: until then the broker keeps it as well.
Rule 2: what is left with the broker holds back no other message's acknowledgement.
Rule 3: entries are looked at in order; an act that closes the gate drops its router's earlier records, wherever they
        wait.
"""

from collections.abc import Sequence

import msgspec

from collector.consent.acts import hides, reaches_until
from collector.errors import SpoolUnavailable
from collector.model import ConsentEvent, DropReason, Record
from collector.stores.outage import Outage, Way
from collector.stores.outcomes import Outcomes, records_in
from collector.stores.queue import TAKEN_BACK, Batch, Item, Queue, refs_of
from collector.stores.spool import Spool


class Shelter:
    """Finds a place for one region's entries while its store is away."""

    def __init__(self, spool: Spool, outage: Outage, outcomes: Outcomes) -> None:
        self.held = Queue()
        """What stays in memory until the store is back."""
        self._spool = spool
        self._outage = outage
        self._outcomes = outcomes

    async def take_in(self, queue: Queue, most: int, under_way: Batch | None) -> None:
        """Deal with what waits, at most *most* of the queue; *under_way* is the batch whose commit does not return."""
        if under_way is not None and not under_way.sheltered:
            under_way.sheltered = True
            await self._look_at([item for item in under_way.items if not item.row], under_way, under_way)
            under_way.seen = True
        await self._look_at(queue.take(most).items, None, under_way)

    async def _look_at(self, items: Sequence[Item], source: Batch | None, under_way: Batch | None) -> None:
        """*source* is the batch that *items* belong to, None for what waited in the queue."""
        run: list[Item] = []
        for item in items:
            if source is not None and source.has_ended:
                return
            way = self._way(item)
            if way is Way.SPOOL:
                run.append(item)
                if isinstance(item.entry, ConsentEvent):  # what its router sends after it has to wait for the ledger
                    await self._put(run, source)
                    run = []
            elif way is Way.CLOSE:
                await self._put([i for i in run if not _is_record_of(item, i)], source)
                await self._close(item, [i for i in run if _is_record_of(item, i)], source, under_way)
                run = []
            elif way is Way.LEAVE:
                self._leave([item], source)
            else:
                self._drop([item], self._outage.reason(item.entry.identity), source)
        await self._put(run, source)

    def _way(self, item: Item) -> Way:
        entry = item.entry
        way = self._outage.way_of_record(entry) if isinstance(entry, Record) else self._outage.way_of_act(entry)
        return Way.LEAVE if way in {Way.SPOOL, Way.CLOSE} and not self._spool.answers else way

    async def _put(self, run: Sequence[Item], source: Batch | None) -> None:
        """Put *run* into the spool; what there is no room for stays with the broker."""
        if not run:
            return
        try:
            rows = await self._spool.put([item.entry for item in run], in_hand=source is not None)
        except SpoolUnavailable:
            self._leave(run, source)
            return
        if source is not None and source.has_ended:
            # They are in the store by now, or wait in memory again; either way they are not for the spool.
            self._spool.delete(rows)
            return
        self._spooled(run[: len(rows)], rows)
        self._outcomes.refused(records_in(run[len(rows) :]))
        self._leave(run[len(rows) :], source)

    def _spooled(self, items: Sequence[Item], rows: Sequence[int]) -> None:
        for item, row in zip(items, rows, strict=True):
            if isinstance(item.entry, Record):
                item.row = row
            else:
                self._wait_for_ledger(item, item.entry, row)
        self._outcomes.sheltered([item for item in items if isinstance(item.entry, Record)])

    def _wait_for_ledger(self, item: Item, act: ConsentEvent, row: int) -> None:
        """The broker keeps the act too, and sends it again if this process or its spool is lost."""
        self._outcomes.leave(item)
        item.entry, item.row = act, row
        self._outage.act_waits(item)

    async def _close(self, item: Item, before: Sequence[Item], source: Batch | None, under_way: Batch | None) -> None:
        """Put the act into the spool, and take its router's records out of the spool, memory and what is under way."""
        act = item.entry
        assert isinstance(act, ConsentEvent)
        reason = hides(act.action).reason
        held = [i for i in self.held.queued if _is_record_of(item, i)]
        limbo = [i for i in under_way.items if not i.row and _is_record_of(item, i)] if under_way else []
        gone = {i.entry.record_id for i in (*before, *held, *limbo) if isinstance(i.entry, Record)}
        act = msgspec.structs.replace(act, spent=(*act.spent, *gone))
        try:
            row, act = await self._spool.close_gate(act, refs_of(act.identity), reason)
        except SpoolUnavailable:
            self._leave([*before, item], source)
            return
        # Those no longer held are in the queue again, as the store came back; the act names them as spent.
        self._outcomes.drop(self.held.remove(held), reason)
        if under_way is not None:
            self._drop(limbo, reason, under_way)
        if source is None:
            self._outcomes.drop(before, reason)
        elif source.has_ended:
            # The act was decided, or waits in memory again and then has to name what it took.
            item.entry = act
            self._spool.delete([row])
            return
        self._wait_for_ledger(item, act, row)

    def _leave(self, items: Sequence[Item], source: Batch | None) -> None:
        if source is not None and source.has_ended:
            return
        for item in items:
            if isinstance(item.entry, Record):
                self._outage.leave(item.entry.identity)
            else:
                self._outage.leave_act(item.entry)
            self._outcomes.leave(item)
            if source is None:
                self.held.add(item)

    def _drop(self, items: Sequence[Item], reason: DropReason, source: Batch | None) -> None:
        """Drop *items*; of those under way the outcome is still open, but nobody needs to wait for it."""
        if source is None:
            self._outcomes.drop(items, reason)
        elif not source.has_ended:
            self._outcomes.let_go(items)
            for item in items:
                item.row = TAKEN_BACK


def _is_record_of(act: Item, item: Item) -> bool:
    """Whether *item* is a record of the act's router, and not received after the time up to which the act reaches."""
    event, record = act.entry, item.entry
    if not isinstance(record, Record) or not isinstance(event, ConsentEvent):
        return False
    return record.identity.device_ref == event.identity.device_ref and record.received_at <= reaches_until(event)
