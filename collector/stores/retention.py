"""How long records are kept (O30, K37): what is past its time cannot be read, and is deleted little by little.

Rule 1: a read goes by the time of receipt and the clock, never by whether a purge has already run.
Rule 2: a purge takes a share of each second and works in steps: a commit waits for one step and no more.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

DAY: Final = 86_400_000
UNLIMITED: Final = 1 << 62
"""Only for stores outside a deployment: the settings of every region name a number of days."""
SWEEP_SECONDS: Final = 86_400.0
"""Seconds between two sweeps for what is past its time; reads leave it out without waiting for a sweep."""
SHARE: Final = 0.2
"""The part of each second that a sweep may take; commits have the rest."""
FIRST_SECONDS: Final = 60.0
"""Seconds from the start, or from a sweep that failed, to the next: a collector that restarts again and again does not
sweep each time."""


class Purged(NamedTuple):
    """What one step of a sweep did; `more` says that the sweep is not finished."""

    erased: int
    more: bool


def expired_until(retention: int) -> int:
    """The time up to which what was received is now past its time, in milliseconds."""
    return int(time.time() * 1000) - retention


class Purging:
    """Decides when one store is purged: a little with each look at the store, until a sweep is finished."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock() + FIRST_SECONDS

    async def go_on(self, purge: Callable[[], Awaitable[Purged]]) -> int:
        """Call *purge* for the steps that are due; returns how many records were deleted."""
        began, erased = self._clock(), 0
        while (now := self._clock()) >= self._next and now - began < SHARE:
            try:
                purged = await purge()
            except Exception:
                # It closes the region's store for a while: were it tried at once, nothing else would be done any more.
                self._next = self._clock() + FIRST_SECONDS
                raise
            erased += purged.erased
            if not purged.more:
                self._next = now + SWEEP_SECONDS
        return erased
