"""What a writer knows of its region's ledger, and how it learns what others write there, such as `ueip exit`.

Rule 1: the ledger is read from the last entry known; what this writer's own commits appended is not news.
Rule 2: who has joined is read page by page, between commits; until the last page is read nobody counts as unknown.
"""

import time
from collections.abc import Iterable
from typing import Final

from collector.consent.standing import Standing, State
from collector.stores import Store
from collector.stores.health import Health
from collector.stores.outage import Outage
from collector.stores.outcomes import Outcomes
from collector.stores.queue import Queue
from collector.stores.retention import Purging
from collector.stores.spool import Spool

REFRESH_SECONDS: Final = 1.0
"""Seconds between two looks for what other processes wrote to the ledger."""
_JOINED_AT_ONCE: Final = 10_000


class News:
    """The news of one region's ledger."""

    def __init__(
        self, store: Store, health: Health, spool: Spool, outage: Outage, outcomes: Outcomes, queue: Queue
    ) -> None:
        """*queue* is what waits for a commit: while something does, that the store can be read proves nothing."""
        self._store = store
        self._health = health
        self._spool = spool
        self._outage = outage
        self._outcomes = outcomes
        self._queue = queue
        self._seq = 0
        """Number of the last entry known."""
        self._refreshed = float("-inf")
        self._purging = Purging()
        self._page: bytes | None = b""
        """The router after which the next page of those who have joined begins; None when all are known."""

    async def of_opened(self) -> list[Standing]:
        """What the ledger of a store just opened says of routers that have not joined; the caller passes it to `learn`.

        Those who have joined are known at once if they were known before, else page by page.
        """
        # The head first: then what another process writes in between is learnt with the next refresh.
        head = await self._store.head()
        standings = [*await self._store.closed(), *(one.standing for one in await self._store.changes(head.seq))]
        await self._catch_up(head.seq)
        return standings

    async def _catch_up(self, seq: int) -> None:
        """Bring up to date who has joined, or begin anew if this may not be the ledger known before."""
        if 0 < self._seq <= seq and not self._health.is_doubted:
            self._outage.joined.learn(one.standing for one in await self._store.changes(self._seq))
        else:
            self._outage.joined.clear()
            self._page = b""
        self._seq = seq

    def learn(self, standings: Iterable[Standing]) -> None:
        """Learn the latest standing of each router; spooled records of routers whose gate is closed are purged."""
        last = {standing.device_ref: standing for standing in standings}.values()
        self._outage.learn(last)
        if self._spool.records:
            for standing in last:
                if standing.state is not State.JOINED:
                    self._spool.purge([standing.device_ref], standing.state.refusal)

    def wrote(self, appended: range) -> None:
        """Our own commit wrote these entries: if they directly follow the last one known, they need not be read."""
        if appended and appended.start == self._seq + 1:
            self._seq = appended.stop - 1

    @property
    def has_more(self) -> bool:
        """Whether there is another page of those who have joined."""
        return self._page is not None

    def is_due(self) -> bool:
        """Whether it is time for `refresh`."""
        return self.has_more or time.monotonic() - self._refreshed >= REFRESH_SECONDS

    async def refresh(self) -> bool:
        """Learn what other processes wrote to the ledger, and see whether an idle store still answers.

        False if it does not, and a pause is due.
        """
        now = time.monotonic()
        self._health.asks()
        try:
            if self._page is not None:
                await self._more_joined(self._page)
            if now - self._refreshed >= REFRESH_SECONDS:
                self._refreshed = now
                await self._look()
        except Exception as error:  # noqa: BLE001 - even a bug of ours must stay one region's trouble
            self._health.refuses(error)
            return False
        self._health.reads(idle=not self._queue)
        return True

    async def _look(self) -> None:
        changes = await self._store.changes(self._seq)
        self._seq = max((one.standing.seq for one in changes), default=self._seq)
        self.learn(one.standing for one in changes)
        self._outcomes.expired(await self._purging.go_on(self._store.purge))
        await self._outcomes.leaving.learnt(changes, self._store)

    async def _more_joined(self, after: bytes) -> None:
        """Read another page of those who have joined."""
        refs = await self._store.joined(after, _JOINED_AT_ONCE)
        self._outage.joined.add(refs)
        self._page = refs[-1] if len(refs) == _JOINED_AT_ONCE else None
        if self._page is None:
            self._outage.joined.is_complete = not self._outage.joined.is_full
