"""Measures exits: from the receipt of an act until nothing of its router can be read any more (catalogue 4.5).

Rule 1: an exit that cannot be carried out is seen while it waits, not only once it is done.
Rule 2: an act is measured once, by the process whose commit recorded it, not by others that hear of it or read it in
        the ledger. What a command wrote there is measured by one worker of a machine (`ExitMetrics.of_commands`).
Rule 3: seconds are those of a clock that never steps; what waited before this process began counts from its receipt.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress

from collector.consent.ledger import Result
from collector.errors import StoreUnavailable
from collector.exit_metrics import WayIn
from collector.metrics import Metrics
from collector.model import Channel, ConsentEvent, Region
from collector.stores import Change, Store
from collector.stores.rows import ERASED, PURGING, of_a_note

Key = tuple[WayIn, bytes, bytes | None, int]


class Leaving:
    """Acts of one region that close a gate or erase: which of them wait, and how long the others took."""

    def __init__(
        self,
        region: Region,
        metrics: Metrics,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._metrics = metrics.exits
        self._seconds = metrics.exits.seconds.labels(region)
        self._clock = clock
        self._now = now
        self._since: dict[Key, float] = {}
        self._bytes_since: float | None = None
        self._purging: tuple[int, float] | None = None
        metrics.exits.waiting[region] = self.waiting
        metrics.exits.erased_bytes_seconds[region] = self.bytes_seconds
        metrics.exits.purges_waiting[region] = self.purging

    def begun(self, act: ConsentEvent) -> None:
        """An act waits to be carried out."""
        self._since.setdefault(_key(act), self._clock() - max(0.0, self._now() - act.received_at / 1000))

    def done(self, act: ConsentEvent, result: Result) -> None:
        """The ledger has decided, durably; the same commit took what the act erases out of the tables."""
        since = self._since.pop(_key(act), None)
        if since is not None and result is Result.RECORDED:
            self._seconds.observe(self._clock() - since)

    def forget(self, act: ConsentEvent) -> None:
        """The act is no longer waited for, and was not carried out: there was nothing for it to end."""
        self._since.pop(_key(act), None)

    async def learnt(self, changes: Iterable[Change], store: Store) -> None:
        """Measure what was done by a command, such as `ueip exit`: from now on its router's messages are dropped here.

        Also learn whether erased bytes may still be in the store's files, whoever erased them.
        """
        for change in changes:
            if self._metrics.of_commands and change.commanded_at is not None:
                self._seconds.observe(max(0.0, self._now() - change.commanded_at / 1000))
        with suppress(StoreUnavailable):
            noted = await store.noted(ERASED)
            with of_a_note():
                self._bytes_since = int(noted.split()[0]) / 1000 if noted is not None else None
            told = await store.noted(PURGING)
            self._purging = (int(told.split()[0]), int(told.split()[1]) / 1000) if told else None

    def bytes_seconds(self) -> float:
        """How long ago the oldest erasure was whose bytes may still be in the files; 0 for none."""
        return 0.0 if self._bytes_since is None else max(0.0, self._now() - self._bytes_since)

    def purging(self) -> tuple[int, float]:
        """Acts whose records are still being erased: how many, and how many seconds ago the oldest was received."""
        return (0, 0.0) if self._purging is None else (self._purging[0], max(0.0, self._now() - self._purging[1]))

    def waiting(self) -> tuple[Counter[WayIn], float]:
        """How many acts wait, by the way they came, and for how many seconds the oldest has waited.

        One that came twice, as from the topic on both connections, counts once.
        """
        oldest = min(self._since.values(), default=None)
        acts = {(way, router, act or received_at) for way, router, act, received_at in self._since}
        return Counter(way for way, _, _ in acts), 0.0 if oldest is None else self._clock() - oldest


def _key(act: ConsentEvent) -> Key:
    """What an act is known by, even after it was written to the spool and read back."""
    return _way_of(act), act.identity.device_ref, act.event_ref, act.received_at


def _way_of(act: ConsentEvent) -> WayIn:
    if act.channel is Channel.TELEMETRY_FLAG:
        return "report"
    return "topic" if act.actor_auth is None else "api"
