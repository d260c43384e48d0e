"""The metrics of the regions' spools, and of what is left with the broker; declared here, shown by `metrics`."""

import time
from collections import Counter
from collections.abc import Iterator
from typing import Final, NamedTuple

from prometheus_client.core import Metric

from collector.exposition import Declared, counter, gauge
from collector.model import DropReason, Region

SPOOL_RECORDS: Final = Declared(
    "collector_spool_records", "gauge", "Records that wait in the region's spool; they are in flight.", ("region",)
)
SPOOL_BYTES: Final = Declared(
    "collector_spool_bytes", "gauge", "Bytes of the records in the region's spool.", ("region",)
)
SPOOL_OLDEST: Final = Declared(
    "collector_spool_oldest_seconds",
    "gauge",
    "How long the oldest record in the spool has waited; 0 for none.",
    ("region",),
)
SPOOLED: Final = Declared(
    "collector_records_spooled_total", "counter", "Records written to the region's spool and acknowledged.", ("region",)
)
DRAINED: Final = Declared(
    "collector_records_drained_total", "counter", "Records from the spool that the store has decided on.", ("region",)
)
RECOVERED: Final = Declared(
    "collector_records_recovered_total", "counter", "Records found in the region's spool at the start.", ("region",)
)
SPOOL_FULL: Final = Declared(
    "collector_spool_refused_total", "counter", "Records that the region's spool had no room for.", ("region",)
)
SPOOL_DAMAGES: Final = Declared(
    "collector_spool_damages_total", "counter", "Times that the spool's file was damaged and was mended.", ("region",)
)
SPOOL_ACTS: Final = Declared(
    "collector_spool_acts", "gauge", "Acts in the spool that the ledger does not have yet.", ("region",)
)
LEFT: Final = Declared(
    "collector_messages_left_total",
    "counter",
    "Deliveries left with the broker, unacknowledged, because store and spool could not take them; each comes again.",
    ("region",),
)

SPOOL_DECLARED: Final = (
    SPOOL_RECORDS, SPOOL_BYTES, SPOOL_OLDEST, SPOOLED, DRAINED, RECOVERED, SPOOL_FULL, SPOOL_DAMAGES, SPOOL_ACTS, LEFT,
)  # fmt: skip


class SpoolCounts(NamedTuple):
    """What is in a region's spool, and why, since it was opened, records were dropped from it."""

    records: int = 0
    size: int = 0
    oldest_at: int | None = None
    """When the oldest came, in milliseconds."""
    dropped: Counter[DropReason] = Counter()  # noqa: RUF012 - nobody changes one in place
    damages: int = 0


class SpoolMetrics:
    """The numbers of all regions."""

    def __init__(self, regions: tuple[Region, ...]) -> None:
        self.counts = dict.fromkeys(regions, SpoolCounts())
        self.spooled: Counter[Region] = Counter()
        self.drained: Counter[Region] = Counter()
        self.recovered: Counter[Region] = Counter()
        self.refused: Counter[Region] = Counter()
        self.acts: Counter[Region] = Counter()
        self.left: Counter[Region] = Counter()

    def collect(self) -> Iterator[Metric]:
        """For a scrape."""
        now, counts = time.time(), self.counts.items()
        oldest = {(r,): max(0.0, now - c.oldest_at / 1000) if c.oldest_at else 0.0 for r, c in counts}
        yield gauge(SPOOL_RECORDS, {(region,): c.records for region, c in counts})
        yield gauge(SPOOL_BYTES, {(region,): c.size for region, c in counts})
        yield gauge(SPOOL_OLDEST, oldest)
        yield counter(SPOOL_DAMAGES, {(region,): c.damages for region, c in counts})
        yield gauge(SPOOL_ACTS, self._by_region(self.acts))
        yield counter(SPOOLED, self._by_region(self.spooled))
        yield counter(DRAINED, self._by_region(self.drained))
        yield counter(RECOVERED, self._by_region(self.recovered))
        yield counter(SPOOL_FULL, self._by_region(self.refused))
        yield counter(LEFT, self._by_region(self.left))

    def _by_region(self, counts: Counter[Region]) -> dict[tuple[Region], int]:
        return {(region,): counts[region] for region in self.counts}
