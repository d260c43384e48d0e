"""How long records are kept (O30, K37): what is past its time cannot be read, and is deleted by and by.

Rule 1: a read goes by the time of receipt and the clock, never by whether a purge has been there.
Rule 2: a purge takes a share of each second and works in steps: a commit waits for one step and no more.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

DAY: Final = 86_400_000
UNLIMITED: Final = 1 << 62
"""For stores that no region of a deployment uses: every region's settings name a number of days."""
SWEEP_SECONDS: Final = 86_400.0
"""How often what is past its time is looked for; reads do not wait for it."""
SHARE: Final = 0.2
"""How much of each second a sweep may take, in seconds; commits have the rest."""
FIRST_SECONDS: Final = 60.0
"""A collector that is started again and again does not sweep each time."""


class Purged(NamedTuple):
    """What one step of a sweep did; `more` says that the sweep is not at its end."""

    erased: int
    more: bool


def expired_until(retention: int) -> int:
    """What was received up to then is past its time, in milliseconds."""
    return int(time.time() * 1000) - retention


class Purging:
    """When one store is purged: some of it with each look at the store, until a sweep is at its end."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock() + FIRST_SECONDS

    async def go_on(self, purge: Callable[[], Awaitable[Purged]]) -> int:
        """Let *purge* take the steps that are due; how many records were deleted."""
        began, erased = self._clock(), 0
        while (now := self._clock()) >= self._next and now - began < SHARE:
            purged = await purge()
            erased += purged.erased
            if not purged.more:
                self._next = now + SWEEP_SECONDS
        return erased
