"""How long the next batch of a writer grows before it is committed.

Rule 1: an idle writer waits for `linger_milliseconds`, so that what comes together shares a commit.
Rule 2: a busy one waits as long as its last commit took, within bounds: so the fixed cost of commits never takes more
        than half of the time.
Rule 3: a full batch does not wait, nor does an entry that closes the gate.
"""

import asyncio
from contextlib import suppress
from typing import Final

from collector.config import WriterSettings
from collector.stores.queue import Queue

_LONGEST: Final = 0.03
"""Seconds, however long the last commit took: with a slow store, a record is stored at most this much later."""


class Growing:
    """The pauses in which the queue grows."""

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
        """Pause no more."""
        self._stopped = True
        self._hurry.set()

    async def before_first(self) -> None:
        """The pause of a writer that had nothing to do."""
        await self._grow(self._linger)

    async def after(self, took: float) -> None:
        """The pause after a commit that *took* so many seconds, if anything is queued already."""
        if self._queue.queued:
            await self._grow(max(self._linger, min(took, _LONGEST)))

    async def _grow(self, seconds: float) -> None:
        if not self._linger or self._queue.urgent or self._stopped or len(self._queue.queued) >= self._most:
            return
        self._hurry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
