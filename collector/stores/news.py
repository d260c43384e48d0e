"""What a writer knows of its region's ledger, and how it learns what others write there, such as `ueip exit`.

Rule 1: the ledger is read from the last entry known; what this writer's own commits appended is not news.
Rule 2: who has joined is read page by page, between commits; until the last page is read nobody counts as unknown.
"""

import time
from collections.abc import Mapping
from typing import Final

from collector.consent.standing import MOST_CLOSED, State, states_of
from collector.log import LOG
from collector.stores import CHANGES_AT_ONCE, Store
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
        self._is_behind = False
        """Whether there may be more entries than were read at the last look."""
        self._refreshed = float("-inf")
        self._purging = Purging()
        self._page: bytes | None = b""
        """The router after which the next page of those who have joined begins; None when all are known."""
        self._said_full = False

    async def opened(self) -> None:
        """Learn what the ledger of a store just opened says: what is new, or all if it may not be the one known before.

        Who has joined is then read page by page.
        """
        head = await self._store.head()
        if self._health.is_doubted or not 0 < self._seq <= head.seq:
            self._outage.forget_ledger()
            self._page = b""
            self._seq = head.seq  # asked before the closed are read: what is written in between is then read twice
            self.learn(await self._store.closed(MOST_CLOSED))
        while await self._more():
            pass

    def learn(self, states: Mapping[bytes, State]) -> None:
        """Learn the latest state of each router; spooled records of routers whose gate is closed are purged."""
        self._outage.learn(states)
        if self._spool.records:
            for device_ref, state in states.items():
                if state is not State.JOINED:
                    self._spool.purge([device_ref], state.refusal)

    def wrote(self, appended: range) -> None:
        """Our own commit wrote these entries: if they directly follow the last one known, they need not be read."""
        if appended and appended.start == self._seq + 1:
            self._seq = appended.stop - 1

    @property
    def has_more(self) -> bool:
        """Whether there is another page, of those who have joined or of what others wrote."""
        return self._page is not None or self._is_behind

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
            if self._is_behind or now - self._refreshed >= REFRESH_SECONDS:
                self._refreshed = now
                await self._look()
        except Exception as error:  # noqa: BLE001 - even a bug of ours must stay one region's trouble
            self._health.refuses(error)
            return False
        self._health.reads(idle=not self._queue)
        return True

    async def _look(self) -> None:
        self._is_behind = await self._more()
        self._say_if_full()
        self._outcomes.expired(await self._purging.go_on(self._store.purge))

    def _say_if_full(self) -> None:
        """Say once that no more routers can be known: what they send would stay with the broker in an outage."""
        joined = self._outage.joined
        if joined.is_full and self._spool.is_open and not self._said_full:
            self._said_full = True
            LOG.warning(
                "known_routers_full",
                region=self._store.region,
                known=len(joined),
                todo="Raise spool.known_routers: see docs/operating.md, The spool.",
            )

    async def _more(self) -> bool:
        """Learn what others wrote, a page of it; whether there may be another."""
        changes = await self._store.changes(self._seq)
        if changes:
            self._seq = changes[-1].standing.seq
            self.learn(states_of(one.standing for one in changes))
        await self._outcomes.leaving.learnt(changes, self._store)
        return len(changes) >= CHANGES_AT_ONCE

    async def _more_joined(self, after: bytes) -> None:
        """Read another page of those who have joined."""
        refs = await self._store.joined(after, _JOINED_AT_ONCE)
        self._outage.joined.add(refs)
        self._page = refs[-1] if len(refs) == _JOINED_AT_ONCE else None
        if self._page is None:
            self._outage.joined.is_complete = not self._outage.joined.is_full
