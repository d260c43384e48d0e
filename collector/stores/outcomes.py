"""What becomes of entries: each is counted and its message let go in one step, so the sums hold at every moment."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from collector.acks import NO_TOKEN, complete_all
from collector.metrics import Metrics
from collector.model import ConsentEvent, DropReason, Record, Region
from collector.spool_metrics import SpoolCounts
from collector.stores import Committed
from collector.stores.leaving import Leaving
from collector.stores.queue import Item


class Outcomes:
    """The outcomes of one region."""

    def __init__(self, region: Region, metrics: Metrics, settled: Callable[[], None]) -> None:
        """*settled* is called after entries have left memory."""
        self._region = region
        self._metrics = metrics
        self._settled = settled
        self.leaving = Leaving(region, metrics)

    def committed(self, items: Sequence[Item], committed: Committed, seconds: float) -> None:
        """The store has decided on all of *items*, durably."""
        metrics, region = self._metrics, self._region
        metrics.commit_seconds.labels(region).observe(seconds)
        metrics.batch_rows.labels(region).observe(len(items))
        metrics.erased[region] += committed.erased
        for (action, result), count in committed.results.items():
            metrics.consent[region, action, result] += count
        metrics.removed.update(committed.removed)
        self.settle(items, stored=committed.stored, dropped=committed.dropped)

    def settle(self, items: Sequence[Item], *, stored: int, dropped: Counter[DropReason]) -> None:
        """These have their outcome: complete their messages, and count."""
        metrics = self._metrics
        metrics.stored[self._region] += stored
        metrics.dropped.update(dropped)
        metrics.in_flight -= records_in(items)
        self._release(items)

    def drop(self, items: Sequence[Item], reason: DropReason) -> None:
        """The records among these are dropped for *reason*; acts among them are only settled."""
        for item in items:
            if isinstance(item.entry, ConsentEvent):
                self.leaving.forget(item.entry)
        self.settle(items, stored=0, dropped=Counter({reason: records_in(items)}))

    def sheltered(self, items: Sequence[Item]) -> None:
        """These records are in the spool: they have no outcome yet, but they are kept, and no longer in memory."""
        self._metrics.spools.spooled[self._region] += len(items)
        self.let_go(items)

    def left(self) -> None:
        """A message was left with the broker before it was counted as received."""
        self._metrics.spools.left[self._region] += 1

    def leave(self, item: Item) -> None:
        """Leave a message with the broker. If it is still held in memory, it no longer counts towards pausing."""
        self._metrics.in_flight_bytes -= item.size
        item.size = 0
        if item.token.leave():
            item.token = NO_TOKEN
            self._metrics.spools.left[self._region] += 1
        self._settled()

    def expired(self, records: int) -> None:
        """The store has deleted this many records that were past their time."""
        self._metrics.expired[self._region] += records

    def drained(self, records: int) -> None:
        """The store has decided on this many records from the spool."""
        self._metrics.spools.drained[self._region] += records

    def lost(self, reason: DropReason) -> None:
        """A message came that can neither be kept nor be sent again."""
        self._metrics.received += 1
        self._metrics.drop(reason)

    def acts_wait(self, number: int) -> None:
        """*number* acts are in the spool."""
        self._metrics.spools.acts[self._region] = number

    def refused(self, records: int) -> None:
        """The spool had no room for this many records."""
        self._metrics.spools.refused[self._region] += records

    def spool_changed(self, before: SpoolCounts, after: SpoolCounts) -> None:
        """The spool's counts have changed; records that were purged or lost are dropped."""
        metrics, gone = self._metrics, after.dropped - before.dropped
        metrics.dropped.update(gone)
        metrics.in_flight -= gone.total()
        metrics.spools.counts[self._region] = after

    def recovered(self, records: int) -> None:
        """Records that an earlier process spooled are ours to deliver: they count as received, as a redelivery does."""
        self._metrics.spools.recovered[self._region] += records
        self._metrics.received += records
        self._metrics.in_flight += records

    def let_go(self, items: Sequence[Item]) -> None:
        """Nobody waits for these any more, though their outcome may be open."""
        self._release(items)
        for item in items:
            item.token, item.size = NO_TOKEN, 0

    def _release(self, items: Sequence[Item]) -> None:
        self._metrics.in_flight_bytes -= sum([item.size for item in items])
        complete_all([item.token for item in items])
        self._settled()


def records_in(items: Iterable[Item]) -> int:
    """How many of *items* are records."""
    return sum([type(item.entry) is Record for item in items])
