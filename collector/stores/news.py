"""What a writer knows of its region's ledger, and how it learns what others write to it: `ueip exit` for one.

Rule 1: the ledger is read from where it was known; what this writer's own commits appended is no news.
Rule 2: who has joined is read a page at a time, between commits; before the last one nobody is taken for a stranger.
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
"""How often the ledger is asked for what other processes wrote."""
_JOINED_AT_ONCE: Final = 10_000


class News:
    """The news of one region's ledger."""

    def __init__(
        self, store: Store, health: Health, spool: Spool, outage: Outage, outcomes: Outcomes, queue: Queue
    ) -> None:
        """*queue* is what waits for a commit: that a store can be read proves nothing while something does."""
        self._store = store
        self._health = health
        self._spool = spool
        self._outage = outage
        self._outcomes = outcomes
        self._queue = queue
        self._seq = 0
        """The last entry that is known of."""
        self._refreshed = float("-inf")
        self._purging = Purging()
        self._page: bytes | None = b""
        """After which router the next page of those who have joined begins; None when all are known."""

    async def of_opened(self) -> list[Standing]:
        """What the ledger of a store that has just been opened says of routers that are not joined, to be learnt.

        Those who have joined are known at once if they were before, else page by page.
        """
        # In this order: what another process writes in between is learnt with the next refresh.
        head = await self._store.head()
        standings = [*await self._store.closed(), *(one.standing for one in await self._store.changes(head.seq))]
        await self._catch_up(head.seq)
        return standings

    async def _catch_up(self, seq: int) -> None:
        """Who has joined: what was known is brought up to date, unless this is not the ledger it was known from."""
        if 0 < self._seq <= seq and not self._health.is_doubted:
            self._outage.joined.learn(one.standing for one in await self._store.changes(self._seq))
        else:
            self._outage.joined.clear()
            self._page = b""
        self._seq = seq

    def learn(self, standings: Iterable[Standing]) -> None:
        """What the ledger said last of each router; what is spooled of those it has closed is purged."""
        last = {standing.device_ref: standing for standing in standings}.values()
        self._outage.learn(last)
        if self._spool.records:
            for standing in last:
                if standing.state is not State.JOINED:
                    self._spool.purge([standing.device_ref], standing.state.refusal)

    def wrote(self, appended: range) -> None:
        """Entries of our own are no news: what follows on what is known need not even be read."""
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
        """Learn what other processes wrote to the ledger; also shows whether an idle store still answers.

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
        except Exception as error:  # noqa: BLE001 - a bug of ours too is one region's trouble
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
        """Another page of those who have joined."""
        refs = await self._store.joined(after, _JOINED_AT_ONCE)
        self._outage.joined.add(refs)
        self._page = refs[-1] if len(refs) == _JOINED_AT_ONCE else None
        if self._page is None:
            self._outage.joined.is_complete = not self._outage.joined.is_full
