"""A region's spool: what was acknowledged while its store was away, encrypted, durable, in a file of its own.

Rule 1: what `put` returned a row for is on the disk.
Rule 2: everything is done in order on one thread. Nobody waits longer than the patience for it: what comes about later
        is taken back, for whoever asked has helped himself otherwise.
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
"""Longer than for a store: behind the spool there is nothing but the broker."""
RETRY_SECONDS: Final = 1.0
"""How often a spool that refused is tried again."""
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
        """It takes over when the store has been silent for *after_seconds*; itself it may take *patience* seconds.

        Without a *file* it takes nothing. *known_routers* is how many routers that have joined the writer remembers, of
        which alone records come here.
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
        """Called with what there was and what there is, after everything that was done."""
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
        """Records that wait here."""
        return self.counts.records

    @property
    def answers(self) -> bool:
        """Whether it can be used now."""
        return self.is_open and self.cause is None

    @property
    def has_room(self) -> bool:
        """Whether records may be given to it."""
        return self.answers and not self.is_full

    @property
    def hangs(self) -> bool:
        """Whether it did not answer last. `try_again` finds out whether it does; nobody else is to wait for that."""
        return self.cause is Cause.NOT_ANSWERING

    def may_try(self) -> bool:
        """Whether it is time to try a spool that refused once more."""
        return self.cause is None or time.monotonic() - self._tried > RETRY_SECONDS

    async def open(self) -> list[tuple[int, ConsentEvent]]:
        """Open it, however long it takes; the acts in it with their rows, oldest first.

        Raises:
            SpoolUnavailable: it cannot be used now.
        """
        self._tried = time.monotonic()
        # Without patience: it looks through the whole file.
        asked = self._ask(self._file.open)
        await asyncio.wait({asked})
        acts = self._result(asked)
        self.is_open = True
        return acts

    async def close(self) -> None:
        """Let go of it."""
        self.is_open = False
        self.cause = None  # that it can be let go of does not mean that it works
        if self._given is not None:
            await self._patiently(self._file.close)
        self._worker.stop()

    async def try_again(self) -> None:
        """Find out whether a spool that refused can be used again.

        Raises:
            SpoolUnavailable: it cannot.
        """
        await self._patiently(self._file.check)

    async def put(self, entries: Sequence[Entry], *, in_hand: bool = False) -> list[int]:
        """Keep *entries*, records while there is room; the rows of those kept, which are the first of them.

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

        The row of the act, and the act, which names what it took as spent.

        Raises:
            SpoolUnavailable: neither was done.
        """
        return await self._patiently(
            self._file.close_gate, act, refs, reason, late=lambda taken: self._file.delete([taken[0]])
        )

    async def read(self, most: int) -> list[tuple[int, Record]]:
        """The oldest records with their rows; they are in hand until deleted or given back.

        Raises:
            SpoolUnavailable: it cannot be read now.
        """
        return await self._patiently(
            self._file.read, most, late=lambda found: self._file.give_back([row for row, _ in found])
        )

    async def ids_of(self, refs: Sequence[bytes], until: int) -> tuple[bytes, ...]:
        """The ids of these routers' records that were received *until* then, in milliseconds.

        Raises:
            SpoolUnavailable: it cannot be read now.
        """
        return await self._patiently(self._file.ids_of, refs, until)

    def delete(self, rows: Sequence[int]) -> None:
        """Forget rows whose outcome is known; before anything is read again."""
        if rows:
            self._later(self._file.delete, rows)

    def give_back(self, rows: Sequence[int]) -> None:
        """Rows in hand go on waiting."""
        if rows:
            self._later(self._file.give_back, rows)

    def purge(self, refs: Sequence[bytes], reason: DropReason) -> None:
        """Remove the records of these routers; before anything is read again."""
        self._later(self._file.purge, refs, reason)

    # How it is done

    async def _patiently(self, work: Callable[..., T], *args: Any, late: Callable[[T], object] = lambda _: None) -> T:
        """Ask for *work* and wait for it; *late* takes back what comes after the patience has ended.

        On the same thread, before anything else is done: a purge that was asked for meanwhile would count it.
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
        # Here, and not where the result is taken: who waits may come to it after others that were asked for later.
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
            with suppress(SpoolUnavailable):  # said already; what has to be done is done before the next reading
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
