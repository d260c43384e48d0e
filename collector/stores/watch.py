"""The watch over one region's store: shelters what waits while the store is away, and hands it back afterwards.

Rule 1: it never waits for the store; the task that writes to the store does (`Writer`).
Rule 2: it holds the turn while something is on its way to the spool: nothing that came later is written before that.
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
"""Seconds between two looks at what waits while the store is away; what came in between shares a write."""
_ASK_AGAIN_SECONDS: Final = 5.0
"""Seconds between two requests to have what was left with the broker sent again, once the store is back."""


class Watch:
    """Watches over the store and the spool of one region."""

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

        *guard* is called when the store has gone away or come back; *left* and *back* are as in `Writer`.
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
        """Take over what an earlier process spooled: that goes first."""
        self._recovering = asyncio.create_task(self.recover())
        # A large file takes a while to read; new entries do not wait for it longer than this.
        await asyncio.wait({self._recovering}, timeout=self._spool.after_seconds)

    async def run(self, committing: Committing) -> None:
        """Watch until *stopped* is set."""
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
                # Something may have been left while the store came back: without this, nobody would ask for it again.
                self._ask_again()

    def end(self) -> None:
        """Stop looking into the spool."""
        self._recovering.cancel()

    async def take_shelter(self, committing: Committing) -> None:
        """Shelter everything that waits, and what is in a commit that does not return."""
        while True:
            async with self.turn:
                await self._shelter.take_in(self._queue, self._most, committing.under_way)
                if not self._health.is_away:
                    # The store came back meanwhile: nobody else would look for what the spool did not take.
                    self._back()
                    self._work.set()
            if not self._queue or not self._health.is_away:
                break
        self._left()
        self._outcomes.acts_wait(self._outage.acts)

    async def look_after_spool(self) -> None:
        """If a spool has failed, try it again when it is time to."""
        if self._spool.cause is None or not self._spool.may_try():
            return
        if self._spool.is_open:
            with suppress(SpoolUnavailable):
                await self._spool.try_again()
        elif self._recovering.done():
            self._recovering = asyncio.create_task(self.recover())

    async def recover(self) -> None:
        """Take over what an earlier process spooled: its records are ours to deliver now, its acts go first."""
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
        """The store has taken a commit again. A shelter at work ends first: what it has in hand goes behind `held`."""
        if not self.turn.locked():
            self._back()

    def _back(self) -> None:
        """Put what is held back into the queue, before everything else."""
        self._queue.put_back(*self._shelter.held.take_all())
        self._guard()
        if self._outage.left_any:
            self._ask_again()

    def _ask_again(self) -> None:
        """Ask for what was left with the broker to be sent again."""
        self._asked_again = time.monotonic()
        self._told_back()


async def rest(stopped: asyncio.Event, seconds: float) -> None:
    """Wait for *seconds*, or until *stopped* is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopped.wait()
