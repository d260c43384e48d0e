"""A long run at a steady rate in which one region's store fails and heals every minute.

    python bench/soak.py --minutes 30 --rate 12500

What is looked for: flat memory, nothing lost, nothing stored twice, sums that add up, and regions that do not hurt each
other. A second is a sample. The report goes to bench/reports/; the exit code is 1 if anything is wrong.
"""

import argparse
import contextlib
import json
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ids import RecordIdBag
from installation import Collector, peak_mebibytes
from load import Publisher
from outages import Outages
from payloads import expected, fleet
from soak_report import write_report
from watch import RecordIds

from collector.broker import LocalBroker
from collector.model import Region

_DRAIN_SECONDS: Final = 900.0
"""After the load, for what waits in the broker and in spools."""
_CALM_SECONDS: Final = 3
"""So long nothing comes and nothing waits before all is taken to be over."""
_BYTES_A_RECORD: Final = 700
"""On the disk, roughly, with its share of indexes and of the log."""
_RSS: Final = re.compile(r"VmRSS:\s+(\d+) kB")


@dataclass(frozen=True, slots=True)
class Sample:
    """The collector, once a second. Spool bytes are those of all regions."""

    second: float
    rss_mebibytes: float
    in_flight: int
    in_flight_bytes: int
    spool_bytes: int
    stored: dict[str, int]
    out: str
    not_ready: dict[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run."""

    minutes: float
    rate: float
    routers: int
    region: Region
    period: float
    outage: float


class Soak:
    """One run."""

    def __init__(self, plan: Plan, collector: Collector, broker_port: int) -> None:
        self.plan = plan
        self.collector = collector
        self.samples: list[Sample] = []
        self.publisher = Publisher(broker_port, plan.routers)
        own = collector.settings.regions.of(plan.region)
        self.outages = Outages(own.file, period=plan.period, seconds=plan.outage)
        self.publishing_seconds = 0.0

    def run(self) -> None:
        """Warm up, load, and wait until all is settled."""
        self.publisher.order("burst", self.plan.routers * 2)
        self.publisher.answer()
        self._settle(60)
        seconds = self.plan.minutes * 60
        self._began = time.perf_counter()
        self.publisher.order("pace", seconds, self.plan.rate)
        self.outages.start(self._began)
        while time.perf_counter() - self._began < seconds:
            self._sample()
        self.outages.stop()
        self.publisher.answer()
        self.publishing_seconds = time.perf_counter() - self._began
        self._settle(_DRAIN_SECONDS)
        self.publisher.end()

    def _sample(self) -> None:
        now = time.perf_counter() - self._began
        metrics = self.collector.metrics()
        status = Path(f"/proc/{self.collector.pid}/status").read_text()
        self.samples.append(
            Sample(
                second=round(now, 2),
                rss_mebibytes=round(int(_RSS.findall(status)[0]) / 1024, 1),
                in_flight=int(metrics["collector_messages_in_flight"]),
                in_flight_bytes=int(metrics.get("collector_in_flight_bytes", 0)),
                spool_bytes=int(_total(metrics, "collector_spool_bytes")),
                stored=by_label(metrics, "collector_records_stored_total"),
                out=self.outages.out,
                not_ready=not_ready(self.collector.address),
            )
        )
        time.sleep(max(0.0, self._began + len(self.samples) - time.perf_counter()))

    def _settle(self, patience: float) -> None:
        """Wait until all that was published is received and has its outcome, and for what the broker sends again."""
        deadline, before, calm = time.monotonic() + patience, 0.0, 0
        while time.monotonic() < deadline and calm < _CALM_SECONDS:
            metrics = self.collector.metrics()
            received = metrics["collector_messages_received_total"]
            waits = sum(
                _total(metrics, f"collector_{name}")
                for name in ("messages_in_flight", "spool_records", "broker_window_left")
            )
            calm = calm + 1 if before == received >= self.publisher.published and not waits else 0
            before = received
            time.sleep(1)

    def verdict(self) -> dict[str, Any]:
        """What was stored, against what had to be: every single message, by its record id."""
        ids, regions = RecordIds(self.collector.settings), self.collector.settings.regions.enabled
        must = {region: RecordIdBag() for region in regions}
        for router, message in expected(fleet(self.plan.routers), range(self.publisher.published)):
            must[router.region].add(ids.of(router.region, router.name, message))
        there = {region: RecordIdBag(stored_ids(self.collector.settings.regions.of(region).file)) for region in regions}
        metrics = self.collector.metrics()
        return {
            "published": self.publisher.published,
            "received": int(metrics["collector_messages_received_total"]),
            "stored": int(_total(metrics, "collector_records_stored_total")),
            "dropped": by_label(metrics, "collector_messages_dropped_total"),
            "in_flight": int(metrics["collector_messages_in_flight"]),
            "must_be_stored": sum(map(len, must.values())),
            "rows": sum(map(len, there.values())),
            "lost": sum(must[region].missing_from(there[region]) for region in regions),
            "unexpected": sum(there[region].missing_from(must[region]) for region in regions),
            "duplicated": sum(there[region].repeated() for region in regions),
        }


def stored_ids(store: Path) -> Iterator[bytes]:
    """The ids of all records in a store."""
    with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as reader:
        yield from (row[0] for row in reader.execute("SELECT record_id FROM record"))


def not_ready(address: str) -> dict[str, str]:
    """The parts that /readyz says are not ready."""
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=10) as answer:
            told = json.load(answer)
    except urllib.error.HTTPError as error:
        told = json.load(error)
    return {name: state for name, state in told["parts"].items() if state != "ready"}


def by_label(metrics: dict[str, float], name: str) -> dict[str, int]:
    """The samples of a metric with one label, by its value; zeros left out."""
    found = {key.partition('="')[2].rstrip('"}'): int(v) for key, v in metrics.items() if key.startswith(name + "{")}
    return {label: value for label, value in found.items() if value}


def _total(metrics: dict[str, float], name: str) -> float:
    return sum(value for key, value in metrics.items() if key.partition("{")[0] == name)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="of load (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=12_500, help="messages a second (default: %(default)s)")
    parser.add_argument("--routers", type=int, default=1000, help="size of the fleet (default: %(default)s)")
    parser.add_argument("--region", type=Region, default=Region.GERMANY, help="whose store fails (default: germany)")
    parser.add_argument("--period", type=float, default=60, help="seconds between outages' beginnings (60)")
    parser.add_argument("--outage", type=float, default=25, help="seconds that an outage lasts (25)")
    parser.add_argument("--folder", type=Path, help="where the installation is made; it needs room for all records")
    parser.add_argument("--report", type=Path, default=Path(__file__).with_name("reports"), help="folder of the report")
    return parser.parse_args()


def _check_room(folder: Path, plan: Plan) -> None:
    needed = plan.minutes * 60 * plan.rate * _BYTES_A_RECORD
    free = shutil.disk_usage(folder).free
    if free < needed * 1.2:
        sys.exit(
            f"{folder}: {free >> 30} GiB free, about {int(needed * 1.2) >> 30} GiB needed. Choose --folder, or less."
        )


def main() -> None:
    """Run, judge, tell."""
    given = _arguments()
    plan = Plan(given.minutes, given.rate, given.routers, given.region, given.period, given.outage)
    with tempfile.TemporaryDirectory(prefix="ueip-soak-", dir=given.folder) as made:
        folder = Path(made)
        _check_room(folder, plan)
        (folder / "broker").mkdir()
        with LocalBroker(folder / "broker") as broker:
            collector = Collector(folder / "ueip", broker.port, _apart(folder / "ueip"))
            with collector:
                soak = Soak(plan, collector, broker.port)
                soak.run()
                peak = peak_mebibytes(collector.pid)
                verdict = soak.verdict()
        faults = write_report(given.report, datetime.now(UTC), soak, verdict, peak)
    sys.exit(1 if faults else 0)


def _apart(folder: Path) -> dict[str, dict[str, Any]]:
    """Each region's store in a folder of its own, so that one of them can be gone, and its spool elsewhere."""
    for region in Region:
        (folder / region).mkdir(parents=True)
    return {"regions": {region.value: _places(region) for region in Region}}


def _places(region: Region) -> dict[str, Any]:
    return {
        "store": f"{region}/store.sqlite",
        "spool": f"spools/{region}",
        "key_files": [f"keys/{region}.key"],
        "retention_days": 365,
    }


if __name__ == "__main__":
    main()
