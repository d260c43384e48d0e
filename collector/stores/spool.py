"""A region's spool: what was acknowledged while its store was away, encrypted, durable, in a file of its own.

Rule 1: an entry for which `put` has returned a row is on disk.
Rule 2: everything is done in order on one thread. Nobody waits for it longer than the patience allows: what is done
        later is undone, as whoever asked has found another way by then.
Rule 3: a record here is in flight until the store has it, or until it is counted as dropped.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from collector.consent.joined import MOST
from collector.errors import Cause, SpoolUnavailable
from collector.log import LOG
from collector.model import ConsentEvent, DropReason, Entry, Record, Region
from collector.spool_metrics import SpoolCounts
from collector.stores.patience import Patience
from collector.stores.spool_file import SpoolFile
from collector.stores.worker import Worker

T = TypeVar("T")
PATIENCE_SECONDS: Final = 5.0
"""Longer than for a store: after the spool there is only the broker."""
RETRY_SECONDS: Final = 1.0
"""Seconds before a spool that failed is tried again."""
_NOTHING: Final = SpoolCounts(0, 0, None, Counter(), 0)


class Spool:
    """The spool of one region."""

    def __init__(
        self,
        file: SpoolFile | None,
        region: Region,
        *,
        max_bytes: int = 0,
        after_seconds: float = 1.0,
        patience: float = PATIENCE_SECONDS,
        known_routers: int = MOST,
    ) -> None:
        """It takes over when the store has been silent for *after_seconds*, and may itself take *patience* seconds.

        Without a *file* it takes nothing. *known_routers* is how many routers the writer remembers as joined; only
        their records come here.
        """
        self.region = region
        self.known_routers = known_routers
        self.after_seconds = after_seconds
        self.patience = patience
        self.is_open = False
        self.is_full = False
        self.cause: Cause | None = Cause.OPENING if file else None
        """Why it cannot be used now, if so."""
        self.counts = _NOTHING
        self.changed: Callable[[SpoolCounts, SpoolCounts], None] = lambda _before, _after: None
        """Called after each piece of work, with the counts before and after it."""
        self._given = file
        self._most = max_bytes
        self._worker = Worker(f"spool-{region}")
        self._tried = float("-inf")

    @property
    def _file(self) -> SpoolFile:
        if self._given is None:
            raise SpoolUnavailable(f"{self.region} has no spool")
        return self._given

    @property
    def records(self) -> int:
        """How many records wait here."""
        return self.counts.records

    @property
    def answers(self) -> bool:
        """Whether the spool can be used now."""
        return self.is_open and self.cause is None

    @property
    def has_room(self) -> bool:
        """Whether the spool takes records now."""
        return self.answers and not self.is_full

    @property
    def hangs(self) -> bool:
        """Whether it did not answer when last asked. Only `try_again` finds out whether it answers again."""
        return self.cause is Cause.NOT_ANSWERING

    def may_try(self) -> bool:
        """Whether the spool works, or it is time to try it again."""
        return self.cause is None or time.monotonic() - self._tried > RETRY_SECONDS

    async def open(self) -> list[tuple[int, ConsentEvent]]:
        """Open the spool, however long it takes; returns the acts in it with their rows, oldest first.

        Raises:
            SpoolUnavailable: it cannot be used now.
        """
        self._tried = time.monotonic()
        # With no limit of patience: the whole file is checked.
        asked = self._ask(self._file.open)
        await asyncio.wait({asked})
        acts = self._result(asked)
        self.is_open = True
        return acts

    async def close(self) -> None:
        """Close the spool."""
        self.is_open = False
        self.cause = None  # else a close that succeeds would be logged as "spool_ready"
        if self._given is not None:
            await self._patiently(self._file.close)
        self._worker.stop()

    async def try_again(self) -> None:
        """Find out whether a spool that failed can be used again.

        Raises:
            SpoolUnavailable: it cannot.
        """
        await self._patiently(self._file.check)

    async def put(self, entries: Sequence[Entry], *, in_hand: bool = False) -> list[int]:
        """Keep *entries*, up to the first record for which there is no room; returns the rows of those kept.

        Raises:
            SpoolUnavailable: none was kept.
        """
        rows = await self._patiently(self._file.put, entries, in_hand, late=self._file.delete)
        self.is_full = len(rows) < len(entries)
        return rows

    async def close_gate(
        self, act: ConsentEvent, refs: Sequence[bytes], reason: DropReason
    ) -> tuple[int, ConsentEvent]:
        """Keep a closing act and purge its router's records, which are dropped for *reason*.

        Returns the row of the act, and the act, which now names the purged records as spent.

        Raises:
            SpoolUnavailable: neither was done.
        """
        return await self._patiently(
            self._file.close_gate, act, refs, reason, late=lambda taken: self._file.delete([taken[0]])
        )

    async def read(self, most: int) -> list[tuple[int, Record]]:
        """The oldest records with their rows; they are in hand until they are deleted or given back.

        Raises:
            SpoolUnavailable: it cannot be read now.
        """
        return await self._patiently(
            self._file.read, most, late=lambda found: self._file.give_back([row for row, _ in found])
        )

    async def ids_of(self, refs: Sequence[bytes], until: int) -> tuple[bytes, ...]:
        """The ids of these routers' records received up to *until*, in milliseconds.

        Raises:
            SpoolUnavailable: it cannot be read now.
        """
        return await self._patiently(self._file.ids_of, refs, until)

    def delete(self, rows: Sequence[int]) -> None:
        """Delete rows whose outcome is known; done before anything is read again."""
        if rows:
            self._later(self._file.delete, rows)

    def give_back(self, rows: Sequence[int]) -> None:
        """Let rows in hand wait again."""
        if rows:
            self._later(self._file.give_back, rows)

    def purge(self, refs: Sequence[bytes], reason: DropReason) -> None:
        """Remove the records of these routers; done before anything is read again."""
        self._later(self._file.purge, refs, reason)

    # Work on the thread

    async def _patiently(self, work: Callable[..., T], *args: Any, late: Callable[[T], object] = lambda _: None) -> T:
        """Ask for *work* and wait for it; if patience runs out first, *late* undoes it once it is done.

        That happens on the same thread, before anything else: a purge asked for meanwhile would count what was done.
        """
        self._tried = time.monotonic()
        patience = Patience(partial(work, *args), late)
        asked = self._ask(patience.do)
        if not await patience.lasts(asked, self.patience):
            asked.add_done_callback(self._came_late)
            error = SpoolUnavailable(f"the spool of {self.region} does not answer")
            self._refused(error)
            raise error
        return self._result(asked)

    def _later(self, work: Callable[..., object], *args: Any) -> None:
        self._ask(work, *args).add_done_callback(self._came_late)

    def _ask(self, work: Callable[..., T], *args: Any) -> asyncio.Future[tuple[T, SpoolCounts]]:
        asked = self._worker.call(lambda: (work(*args), self._file.counts()))
        # Here, not where the result is taken: by then the counts of work that was asked for later may have been taken.
        asked.add_done_callback(self._counted)
        return asked

    def _result(self, done: asyncio.Future[tuple[T, SpoolCounts]]) -> T:
        try:
            result, _ = done.result()
        except SpoolUnavailable as error:
            self._refused(error)
            raise
        if self.cause is not None and self.cause is not Cause.OPENING:
            LOG.info("spool_ready", region=self.region)
        self.cause = None
        return result

    def _came_late(self, done: asyncio.Future[tuple[Any, SpoolCounts]]) -> None:
        if not done.cancelled():
            with suppress(SpoolUnavailable):  # logged already; what still has to be done is done before the next read
                self._result(done)

    def _counted(self, done: asyncio.Future[tuple[Any, SpoolCounts]]) -> None:
        if done.cancelled() or done.exception() is not None:
            return
        before, (_, counts) = self.counts, done.result()
        self.counts = counts
        if counts.size <= self._most - self._most // 16:
            self.is_full = False
        self.changed(before, counts)

    def _refused(self, error: SpoolUnavailable) -> None:
        if self.cause is not error.cause:
            LOG.error("spool_unavailable", region=self.region, cause=error.cause, error=str(error))
        self.cause = error.cause
