"""Whether one region's store answers: for the writer, and as metrics, log and /readyz show it.

Rule 1: a store is away once it has not answered for longer than the patience allows, whether it refuses or hangs.
Rule 2: it is back with the first commit that it takes; that it can be read proves nothing.
"""

import time
from collections.abc import Callable
from typing import Final

from collector.errors import Cause, StoreUnavailable, where
from collector.log import LOG
from collector.metrics import Metrics
from collector.model import Region
from collector.stores.rows import Damaged

STAYS_OPEN: Final = frozenset({Cause.LOCKED, Cause.DISK_FULL})
"""After these causes the connection is as good as before; after all others the store is reopened and checked."""
_SHORTEST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 5.0


class Health:
    """The health of one store."""

    def __init__(
        self, region: Region, metrics: Metrics, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.is_open = False
        """Whether the connection can be used as it is."""
        self.is_away = False
        self.is_doubted = False
        """Whether the store was last found in a state in which its ledger cannot be relied on."""
        self.pause = _SHORTEST_PAUSE
        """Seconds to wait before the next attempt."""
        self._region = region
        self._metrics = metrics
        self._patience = patience
        self._clock = clock
        self._silent_since: float | None = None

    @property
    def is_up(self) -> bool:
        """Whether the store answered when it was last asked."""
        return self._metrics.store_up[self._region]

    def asks(self) -> None:
        """Something is asked of the store now."""
        if self._silent_since is None:
            self._silent_since = self._clock()

    def opened(self) -> None:
        """The store could be opened."""
        self.is_open, self.is_doubted = True, False

    def answers(self) -> None:
        """The store took a commit, or could be read while nothing waits to be written."""
        self.pause = _SHORTEST_PAUSE
        self._silent_since = None
        self.is_away = self.is_doubted = False
        if not self.is_up:
            LOG.info("store_ready", region=self._region)
        self._metrics.store_up[self._region] = True

    def reads(self, *, idle: bool) -> None:
        """The store could be read. If something waits to be written, or was refused, that proves nothing."""
        if idle and not self.is_away:
            self.answers()
        elif self.is_up:
            self._silent_since = None

    def refuses(self, error: Exception) -> StoreUnavailable:
        """The store refused, or our code failed: one region's trouble either way. Returns the error to be reported."""
        if isinstance(error, Damaged):
            error = StoreUnavailable(f"the store of {self._region}: {error}", Cause.CORRUPT)
        elif not isinstance(error, StoreUnavailable):
            failed = f"{type(error).__name__} at {where(error)}"
            error = StoreUnavailable(f"asking the store of {self._region} failed: {failed}")
        self._note(error)
        self.is_open = self.is_open and error.cause in STAYS_OPEN
        self.is_doubted = self.is_doubted or error.cause.doubts_the_ledger
        self.pause = min(_LONGEST_PAUSE, self.pause * 2)
        return error

    def is_overdue(self) -> bool:
        """Whether the store has not answered for longer than it may."""
        return self._silent_since is not None and self._clock() - self._silent_since > self._patience

    def goes_away(self) -> None:
        """Patience has run out: the store is away."""
        self.is_away = True
        if self.is_up:
            self._note(StoreUnavailable(f"the store of {self._region} has not answered for {self._patience:g} s"))
        LOG.warning("store_away", region=self._region)

    def _note(self, error: StoreUnavailable) -> None:
        metrics, cause = self._metrics, error.cause
        metrics.store_failures[self._region] += 1
        if metrics.store_state(self._region) is not cause:
            LOG.error("store_closed", region=self._region, cause=cause, error=str(error), todo=cause.advice)
        metrics.store_cause[self._region] = cause
        metrics.store_up[self._region] = False
