"""Compares the collector's clock with what it showed before and what stores have seen.

Rule 1: nothing is taken while it is behind (K38).
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from collector.clock import Clock
from collector.log import LOG
from collector.model import Region

_SECONDS: Final = 1.0
"""How often the clock is looked at."""


class Dated(Protocol):
    """A store, as far as its times go."""

    @property
    def newest_seen(self) -> int: ...


class Heed(Protocol):
    """Told whenever the clock falls behind, or is right again."""

    def __call__(self, *, behind: bool) -> None: ...


class ClockWatch:
    """The watch over one collector's clock."""

    def __init__(self, clock: Clock, stores: Mapping[Region, Dated], heed: Heed) -> None:
        self._clock = clock
        self._stores = stores
        self._heed = heed
        self._heeding = False

    async def run(self) -> None:
        """Look, again and again."""
        while True:
            await asyncio.sleep(_SECONDS)
            self.look()

    def look(self) -> None:
        """Look once."""
        for region, store in self._stores.items():
            self._clock.learn(region, store.newest_seen)
        behind = self._clock.look()
        if self._heeding == bool(behind):
            return
        self._heeding = bool(behind)
        self._heed(behind=self._heeding)
        if behind:
            LOG.error(
                "clock_behind", seconds=behind // 1000, todo="Set it: see docs/operating.md, When a store is closed."
            )
        else:
            LOG.info("clock_right")
