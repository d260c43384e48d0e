"""Keeps the witness of a ledger up to date.

Rule 1: what a commit appended is copied to the witness within a second or so, apart from commits: a witness whose disk
        fails or hangs is reported and keeps nothing waiting.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import Final

from collector.consent.ledger import Head
from collector.consent.standing import Standing
from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.log import LOG
from collector.model import Region
from collector.stores import Store
from collector.stores.sqlite_faults import not_opened
from collector.stores.witness import Kept, Witness, WitnessFault
from collector.stores.worker import Worker

HANGS_SECONDS: Final = 30.0
_AT_ONCE: Final = 1000
"""Entries copied at a time."""
_CLOSING_SECONDS: Final = 5.0
_DAY_SECONDS: Final = 86_400.0
NOTE: Final = "witness"
"""The store's note that it has a witness: one that is lost must not be taken for one that never was."""


class WitnessState:
    """How far the witness has come, for operators."""

    def __init__(self) -> None:
        self.ledger = 0
        """Number of the ledger's last entry."""
        self.kept = 0
        """Number of the last one that the witness holds."""
        self.failed: Cause | None = None
        self.since: float | None = None
        """When the copying under way began."""

    @property
    def trouble(self) -> Cause | None:
        """Why the witness cannot be written, if it cannot."""
        hangs = self.since is not None and time.monotonic() - self.since > HANGS_SECONDS
        return Cause.NOT_ANSWERING if hangs else self.failed


class Witnessing:
    """The copying of one region's ledger; what waits for the witness's disk does so on a thread of its own."""

    def __init__(self, witness: Witness, region: Region, keep_days: int) -> None:
        self.path = witness.path
        self.state = WitnessState()
        self.is_doubtful = False
        """Whether the file turned out not to hold what was copied to it: the ledger must be checked against it."""
        self._witness = witness
        self._region = region
        self._keep = keep_days * _DAY_SECONDS
        self._copying: asyncio.Task[None] | None = None
        self._appended = False
        self._noted = False
        self._pruned = float("-inf")
        self._worker = Worker(f"witness-{region}")

    async def read(self) -> Kept | None:
        """What the witness holds; None when there is none.

        Raises:
            StoreUnusable: it cannot be read.
        """
        return await self._worker.call(self._read)

    def _read(self) -> Kept | None:
        try:
            return self._witness.read()
        except (OSError, WitnessFault) as error:
            raise StoreUnusable(f"{self.path}: cannot be read: {error}", Cause.BAD_WITNESS) from error

    async def begin(self, store: Store) -> None:
        """Make a witness, as there is none, for a store that never had one.

        Raises:
            StoreUnusable: it had one.
        """
        self._noted = await store.noted(NOTE) is not None
        if self._noted:
            raise StoreUnusable(
                f"{self.path}: found no witness, but the store says that it has one. Without it nobody can "
                f"tell whether the store is an old one.",
                Cause.NO_WITNESS,
            )
        try:
            await self._worker.call(self._witness.make)
        except OSError as error:
            self._failed(error)
        else:
            await self._note(store)

    def checked(self, ledger: int, kept: int) -> None:
        """Take it that the ledger continues the witness; the numbers are those of their last entries."""
        self.state.ledger, self.state.kept = ledger, kept
        self.is_doubtful = False

    def appended(self, standings: Sequence[Standing]) -> None:
        """A commit of this process changed how routers stand."""
        self._appended = True
        self.know(standings)

    def know(self, standings: Iterable[Standing]) -> None:
        """Take it that the ledger reaches as far as these."""
        self.state.ledger = max([self.state.ledger, *(standing.seq for standing in standings)])

    def go_on(self, store: Store) -> None:
        """Copy what is missing, if anything is, unless that is under way."""
        behind = self.state.kept < self.state.ledger or self.state.failed is not None
        if behind and (self._copying is None or self._copying.done()):
            self._copying = asyncio.create_task(self._copy(store), name=f"witness-{self._region}")

    def let_go(self) -> None:
        """Stop the copying under way: the store is closed and answers no more questions."""
        if self._copying is not None:
            self._copying.cancel()

    async def finish(self, store: Store | None) -> None:
        """Copy what this process appended, unless the witness's disk refuses or hangs."""
        if self._copying is not None:
            await asyncio.wait([self._copying], timeout=_CLOSING_SECONDS)
        if store is not None and self._appended and (self._copying is None or self._copying.done()):
            await asyncio.wait([asyncio.create_task(self._copy(store))], timeout=_CLOSING_SECONDS)

    def stop(self) -> None:
        """End the thread; nothing is asked of the witness any more."""
        self._worker.stop()

    async def _note(self, store: Store) -> None:
        if not self._noted:
            await store.note(NOTE, "1")
            self._noted = True

    async def _copy(self, store: Store) -> None:
        """Bring the witness up to the ledger."""
        self.state.since = time.monotonic()
        try:
            if self.state.failed is not None:  # perhaps it could not even be made, and nothing waits to be copied
                self.state.kept = (await self._worker.call(self._append, [])).seq
            while texts := await store.entries(self.state.kept, _AT_ONCE):
                self.state.kept = (await self._worker.call(self._append, texts)).seq
            await self._worker.call(self._prune)
            await self._note(store)
            self.state.failed, self._appended = None, False
        except OSError as error:
            self._failed(error)
        except WitnessFault:
            self.is_doubtful = True  # the next look checks the ledger against what is there
        except StoreUnavailable:
            pass  # reported by whoever asks the store next
        finally:
            self.state.since = None

    def _append(self, texts: Sequence[str]) -> Head:
        try:
            return self._witness.append(texts)
        except FileNotFoundError:
            # The ledger has been under our eyes since it was checked, so what somebody removed can be made anew.
            self._witness.make()
            return Head()

    def _prune(self) -> None:
        """Forget what is older than the oldest backup; a tenth late, so as to write the file anew less often."""
        if time.monotonic() - self._pruned < _DAY_SECONDS:
            return
        self._pruned = time.monotonic()
        oldest = self._witness.oldest()
        if oldest is not None and oldest < (time.time() - self._keep * 1.1) * 1000:
            self._witness.forget(int((time.time() - self._keep) * 1000))

    def _failed(self, error: OSError) -> None:
        cause = not_opened(error, self.path).cause
        if self.state.failed is not cause:
            LOG.error("witness_not_written", region=self._region, cause=cause, error=error.strerror)
        self.state.failed = cause
