"""What is done alongside the commits of a store whose records are in ClickHouse: erasing, and the daily sweep.

Rule 1: it has a connection of its own: a deletion takes as long as it takes, and no commit waits for it.
Rule 2: what fails is tried again with the next look at the store; none of it is kept in memory alone.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from collector.consent.ledger import LedgerEntry
from collector.errors import StoreUnavailable
from collector.stores.clickhouse_purge import Purges, erase, note_done, unfinished
from collector.stores.clickhouse_retention import Sweep
from collector.stores.clickhouse_session import Records
from collector.stores.clickhouse_table import Table
from collector.stores.plan import ConsentRules
from collector.stores.postgres_session import Session
from collector.stores.retention import Purged

_CLOSING_SECONDS: Final = 5.0


class Upkeep:
    """The upkeep of one region's store while it is open."""

    def __init__(self, records: Records, rules: ConsentRules, sweep_waits: float) -> None:
        """A sweep is waited for *sweep_waits* seconds at a time; then it goes on beside commits."""
        self.purges = Purges(rules)
        self._records = records
        self._table = Table(records)
        self._sweep = Sweep(rules.retention, erase_on_exit=rules.erase_on_exit)
        self._sweep_waits = sweep_waits
        self._erasing: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[int] | None = None

    async def opened(self, session: Session) -> None:
        """Learn what was not finished before."""
        async with session.turn():
            done, entries = await unfinished(session)
        self.purges.noted(done)
        self.learn(entries)

    def learn(self, entries: Iterable[LedgerEntry]) -> None:
        """Take entries that were appended to the ledger."""
        self.purges.learn(entries, time.monotonic())

    def go_on(self, session: Session) -> None:
        """Erase what is due, unless that is under way."""
        is_at_it = self._erasing is not None and not self._erasing.done()
        if not is_at_it and (self.purges.due(time.monotonic()) or self.purges.done is not None):
            self._erasing = asyncio.create_task(self._erase(session))

    async def _erase(self, session: Session) -> None:
        """Erase until nothing is due, and note how far that is."""
        with suppress(StoreUnavailable):
            while numbers := self.purges.due(time.monotonic()):
                if not await erase(session, self._table, self.purges.bounds(numbers), int(time.time() * 1000)):
                    self.purges.nothing_found(numbers, time.monotonic())
            if (done := self.purges.done) is not None:
                async with session.turn():
                    await note_done(session, done)
                self.purges.noted(done)

    async def purge(self, session: Session) -> Purged:
        """As `Store.purge`: a whole sweep, waited for a while each time it is asked for."""
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep.run(session, self._table, int(time.time() * 1000)))
        await asyncio.wait([self._sweeping], timeout=self._sweep_waits)
        if not self._sweeping.done():
            return Purged(0, more=True)
        done, self._sweeping = self._sweeping, None
        return Purged(done.result(), more=False)

    async def close(self) -> None:
        """End; wait for what is being erased, but not for long: the ledger says what is left to do."""
        tasks = [task for task in (self._erasing, self._sweeping) if task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSING_SECONDS)
        for task in tasks:
            task.cancel()
        await self._records.close()
