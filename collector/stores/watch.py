"""The watch over one region's store: has what waits sheltered while the store is away, and committed once it is back.

Rule 1: it never waits for the store; the task that writes to it does (`Writer`).
Rule 2: it has the turn while something is on its way to the spool: that is there before what came after it is written.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from collector.acks import NO_TOKEN
from collector.errors import SpoolUnavailable
from collector.stores.committing import Committing
from collector.stores.health import Health
from collector.stores.news import REFRESH_SECONDS
from collector.stores.outage import Outage
from collector.stores.outcomes import Outcomes
from collector.stores.queue import Item, Queue, takes_its_turn
from collector.stores.shelter import Shelter
from collector.stores.spool import Spool

_TICK_AWAY: Final = 0.02
"""Seconds between two looks at what waits while the store is away; what comes together shares a write."""
_ASK_AGAIN_SECONDS: Final = 5.0
"""Seconds between two requests to have what was left with the broker sent again, once the store is back."""


class Watch:
    """One region's, over its store and its spool."""

    def __init__(
        self,
        queue: Queue,
        shelter: Shelter,
        spool: Spool,
        health: Health,
        outage: Outage,
        outcomes: Outcomes,
        *,
        most: int,
        work: asyncio.Event,
        stopped: asyncio.Event,
        guard: Callable[[], None],
        left: Callable[[], None],
        back: Callable[[], None],
    ) -> None:
        """*work* is set when there is something to commit, *stopped* when nothing new is to be begun.

        *guard* is called when the store went away or came back; *left* and *back* as in `Writer`.
        """
        self.turn = asyncio.Lock()
        self._queue = queue
        self._shelter = shelter
        self._spool = spool
        self._health = health
        self._outage = outage
        self._outcomes = outcomes
        self._most = most
        self._work = work
        self._stopped = stopped
        self._guard = guard
        self._left = left
        self._told_back = back
        self._asked_again = float("-inf")

    async def begin(self) -> None:
        """Look what an earlier process spooled: that goes first."""
        self._recovering = asyncio.create_task(self.recover())
        # A large file takes a while to be looked through; then it goes first later on.
        await asyncio.wait({self._recovering}, timeout=self._spool.after_seconds)

    async def run(self, committing: Committing) -> None:
        """Watch until it is stopped."""
        tick = min(REFRESH_SECONDS, self._spool.after_seconds) / 4
        while not self._stopped.is_set():
            await rest(self._stopped, _TICK_AWAY if self._health.is_away else tick)
            await self.look_after_spool()
            if self._health.is_overdue() and not self._health.is_away:
                self._health.goes_away()
                self._guard()
            if self._health.is_away and not self._stopped.is_set():
                await self.take_shelter(committing)
            elif self._outage.left_any and time.monotonic() - self._asked_again > _ASK_AGAIN_SECONDS:
                # Something may have been left while the store came back: without this nobody would ask for it.
                self._ask_again()

    def end(self) -> None:
        """Look no further."""
        self._recovering.cancel()

    async def take_shelter(self, committing: Committing) -> None:
        """Have all that waits sheltered, and what is in a commit that does not return."""
        while True:
            async with self.turn:
                await self._shelter.take_in(self._queue, self._most, committing.under_way)
                if not self._health.is_away:
                    # The store came back meanwhile; what the spool then would not take nobody else would look for.
                    self._back()
                    self._work.set()
            if not self._queue or not self._health.is_away:
                break
        self._left()
        self._outcomes.acts_wait(self._outage.acts)

    async def look_after_spool(self) -> None:
        """Try a spool that refused once more, if it is time to."""
        if self._spool.cause is None or not self._spool.may_try():
            return
        if self._spool.is_open:
            with suppress(SpoolUnavailable):
                await self._spool.try_again()
        elif self._recovering.done():
            self._recovering = asyncio.create_task(self.recover())

    async def recover(self) -> None:
        """Take over what an earlier process spooled: its records are this one's to deliver, its acts go first."""
        try:
            acts = await self._spool.open()
        except SpoolUnavailable:
            return
        self._outcomes.recovered(self._spool.records)
        for row, act in acts:
            if takes_its_turn(act):
                self._outage.closed.join_waits(act.identity.device_ref)
            else:
                self._outcomes.leaving.begun(act)
            self._outage.act_waits(Item(act, NO_TOKEN, 0, row))
        self._work.set()

    def came_back(self) -> None:
        """The store took a commit again. What the shelter has in hand comes behind what is held: it is waited for."""
        if not self.turn.locked():
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


async def rest(stopped: asyncio.Event, seconds: float) -> None:
    """Wait, but not for the end."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopped.wait()
