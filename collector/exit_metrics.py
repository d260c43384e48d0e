"""The metrics of acts that close a gate or erase, against their deadlines; declared here, shown by `metrics`."""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import product
from typing import Final, Literal

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from collector.exposition import Declared, gauge, histogram
from collector.model import Region

WayIn = Literal["topic", "report", "api"]
WAYS_IN: Final[tuple[WayIn, ...]] = ("topic", "report", "api")
"""How an act came. One on the consent topic reaches every worker, any other only one."""

EXIT_SECONDS: Final = Declared(
    "collector_exit_seconds",
    "histogram",
    "Time from the receipt of an act that closes a gate or erases until its records cannot be read, measured by the "
    "worker that recorded it; for an act by a command, until the machine's first worker knows of it.",
    ("region",),
)
EXITS_WAITING: Final = Declared(
    "collector_exits_waiting",
    "gauge",
    "Acts that close a gate or erase and wait for the region's ledger, by the way they came; an act that several "
    "workers receive counts once.",
    ("region", "way"),
)
EXIT_OLDEST: Final = Declared(
    "collector_exit_oldest_seconds",
    "gauge",
    "Age of the oldest act that closes a gate or erases and waits for the region's ledger; 0 for none.",
    ("region",),
)
ERASED_BYTES: Final = Declared(
    "collector_erased_bytes_seconds",
    "gauge",
    "Time since the oldest erasure whose bytes may still be in the store's files; 0 for none.",
    ("region",),
)
PURGES_WAITING: Final = Declared(
    "collector_purges_waiting",
    "gauge",
    "Acts whose records are still being erased from ClickHouse, or looked for once more; nobody can read them.",
    ("region",),
)
PURGE_OLDEST: Final = Declared(
    "collector_purge_oldest_seconds",
    "gauge",
    "Time since the receipt of the oldest act whose records are still being erased from ClickHouse; 0 for none.",
    ("region",),
)

EXIT_DECLARED: Final = (EXIT_SECONDS, EXITS_WAITING, EXIT_OLDEST, ERASED_BYTES, PURGES_WAITING, PURGE_OLDEST)

_BUCKETS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 3600, 86_400)
"""60 seconds is the deadline (catalogue 4.5)."""


Waiting = Callable[[], tuple[Counter[WayIn], float]]
"""Tells of the acts that wait: how many came which way, and how many seconds the oldest has waited."""


class ExitMetrics:
    """The numbers of all regions."""

    def __init__(self, regions: tuple[Region, ...], registry: CollectorRegistry) -> None:
        self.of_commands = True
        """Whether acts by commands are measured here. No collector commits them, so one of several workers does it."""
        self.waiting: dict[Region, Waiting] = dict.fromkeys(regions, lambda: (Counter(), 0.0))
        self.erased_bytes_seconds: dict[Region, Callable[[], float]] = dict.fromkeys(regions, lambda: 0.0)
        self.purges_waiting: dict[Region, Callable[[], tuple[int, float]]] = dict.fromkeys(regions, lambda: (0, 0.0))
        self.seconds = histogram(EXIT_SECONDS, _BUCKETS, registry)
        for region in regions:
            self.seconds.labels(region)  # there from the start: an alert needs the zero before the first

    def collect(self) -> Iterator[Metric]:
        """For a scrape."""
        waiting = {region: ask() for region, ask in self.waiting.items()}
        ways = product(waiting, WAYS_IN)
        yield gauge(EXITS_WAITING, {(region, way): waiting[region][0][way] for region, way in ways})
        yield gauge(EXIT_OLDEST, {(region,): seconds for region, (_, seconds) in waiting.items()})
        yield gauge(ERASED_BYTES, {(region,): ask() for region, ask in self.erased_bytes_seconds.items()})
        purging = {region: ask() for region, ask in self.purges_waiting.items()}
        yield gauge(PURGES_WAITING, {(region,): count for region, (count, _) in purging.items()})
        yield gauge(PURGE_OLDEST, {(region,): seconds for region, (_, seconds) in purging.items()})
