"""What was stored, against what had to be: every single message, by its record id."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from collecting import Collecting
from installation import Collector
from load import Load
from payloads import expected, fleet

from collector.model import Region


@dataclass(frozen=True, slots=True)
class Verdict:
    """Lost: had to be stored and is not. Unexpected: is stored and had not to be. Duplicated: is stored twice."""

    published: int
    received: int
    stored: int
    dropped: dict[str, int]
    lost: int
    unexpected: int
    duplicated: int
    in_flight: int

    @property
    def faults(self) -> list[str]:
        """What is wrong with the run, in words."""
        dropped = sum(self.dropped.values())
        checks = {
            f"{self.lost} messages lost": self.lost,
            f"{self.unexpected} records that should not be there": self.unexpected,
            f"{self.duplicated} records stored twice": self.duplicated,
            "received is not stored + dropped + in flight": self.received - self.stored - dropped - self.in_flight,
            f"{self.published - self.received} messages published and not received": self.published - self.received,
            f"messages dropped for another reason than a missing flag: {self.dropped}": len(self.dropped) - 1,
        }
        return [words for words, wrong in checks.items() if wrong]


class Difference(NamedTuple):
    """What the stores have against what they must have."""

    lost: int
    unexpected: int
    duplicated: int


def compare(subject: Collecting, published: int, load: Load) -> Difference:
    """Hold every record in the stores against what was published."""
    regions, stores = subject.collector.settings.regions.enabled, subject.stores
    must: dict[Region, set[bytes]] = {region: set() for region in regions}
    for router, message in expected(fleet(load.routers), range(published if load.flagged else 0)):
        must[router.region].add(subject.ids.of(router.region, router.name, message))
    for region, record_id in subject.probes.sent if subject.probes else ():
        must[region].add(record_id)
    there = {region: stores.record_ids(region) for region in regions}
    return Difference(
        lost=sum(len(must[region] - there[region]) for region in regions),
        unexpected=sum(len(there[region] - must[region]) for region in regions),
        duplicated=sum(stores.count(region) - len(there[region]) for region in regions),
    )


def verify(subject: Collecting, published: int, load: Load) -> Verdict:
    """Compare the stores with what was published, and the collector's own sums with both."""
    metrics = _settled_metrics(subject.collector, published + subject.sent)
    totals: Counter[str] = Counter()
    for name, value in metrics.items():
        totals[name.partition("{")[0]] += int(value)
    return Verdict(
        published=published + subject.sent,
        received=totals["collector_messages_received_total"],
        stored=totals["collector_records_stored_total"],
        dropped=_dropped(metrics),
        **compare(subject, published, load)._asdict(),
        in_flight=totals["collector_messages_in_flight"],
    )


def _settled_metrics(collector: Collector, published: int) -> dict[str, float]:
    """The collector's metrics once it has received everything; the last messages may be ones that are dropped."""
    deadline = time.monotonic() + 10
    while True:
        metrics = collector.metrics()
        done = metrics["collector_messages_received_total"] >= published
        if (done and not metrics["collector_messages_in_flight"]) or time.monotonic() > deadline:
            return metrics
        time.sleep(0.1)


def _dropped(metrics: dict[str, float]) -> dict[str, int]:
    name = "collector_messages_dropped_total"
    found = {key: int(value) for key, value in metrics.items() if key.startswith(name) and value}
    return {key.removeprefix(name + '{reason="').removesuffix('"}'): value for key, value in found.items()}
