"""How long the next batch of a writer grows before it is committed.

Rule 1: an idle writer waits for the linger, so that what comes together shares a commit.
Rule 2: a busy one waits as long as the commit before took, within bounds: what a commit costs whatever its size is then
        never more than half of the time.
Rule 3: a batch that is full already does not wait, nor does what closes the gate.
"""

import asyncio
from contextlib import suppress
from typing import Final

from collector.config import WriterSettings
from collector.stores.queue import Queue

_LONGEST: Final = 0.03
"""Seconds, however long the commit before took: so much later may a record be stored for a store that is slow."""


class Growing:
    """The pauses in which what waits in a queue becomes more."""

    def __init__(self, queue: Queue, settings: WriterSettings) -> None:
        self._queue = queue
        self._linger = settings.linger_milliseconds / 1000
        self._most = settings.max_batch_rows
        self._hurry = asyncio.Event()
        self._stopped = False

    def hurry(self) -> None:
        """Something closes the gate: the batch goes now."""
        self._hurry.set()

    def stop(self) -> None:
        """Nothing grows any more."""
        self._stopped = True
        self._hurry.set()

    async def before_first(self) -> None:
        """The pause of a writer that had nothing to do."""
        await self._grow(self._linger)

    async def after(self, took: float) -> None:
        """The pause after a commit that took so many seconds, if there is anything yet that could become more."""
        if self._queue.queued:
            await self._grow(max(self._linger, min(took, _LONGEST)))

    async def _grow(self, seconds: float) -> None:
        if not self._linger or self._queue.urgent or self._stopped or len(self._queue.queued) >= self._most:
            return
        self._hurry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
