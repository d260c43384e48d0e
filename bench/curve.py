"""What a message costs as a fleet grows to a million routers, and as a store grows to 50 million records.

    python bench/curve.py                                  100 to 1,000,000 routers, then 0 to 10 million records
    python bench/curve.py --routers 100,100000             these numbers of routers
    python bench/curve.py --records 0,1000000,50000000     these numbers of records; 10 million need some 6 GB of disk

Both with the product's own `process` and SQLite store, in this process, one after the other, so that each has its own
figure: CPU and wall time in microseconds a message. A point is measured over `--messages` messages, in commits of
1000. Every router has joined before. The report goes to bench/reports/.
"""

import argparse
import gc
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from corpus import Corpus
from crowd import MOST, REGION, Crowd
from filled import fill
from machine import machine

from collector.model import Message, Record
from collector.rules import consent_rules
from collector.stores.sqlite import SQLiteStore

_REPORTS: Final = Path(__file__).with_name("reports")
_BATCH: Final = 1000
_COLUMNS: Final = (
    "routers", "records", "process, CPU", "commit, CPU", "both", "commit, wall", "longest commit, ms", "file, MiB",
)  # fmt: skip
_BYTES_A_RECORD: Final = 800
"""On the disk, with indexes, and with room for the sorting of one."""


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve; microseconds a message."""

    routers: int
    records: int
    process: float
    commit_cpu: float
    commit_wall: float
    worst_commit_ms: float
    file_mib: int

    @property
    def cpu(self) -> float:
        """Of both."""
        return self.process + self.commit_cpu


class Place:
    """A store in a folder of its own, with *routers* that have joined."""

    def __init__(self, folder: Path, routers: int) -> None:
        corpus = Corpus(folder, 1)
        self.crowd = Crowd(corpus.rules, routers)
        self.path = folder / "curve.sqlite"
        self._rules = consent_rules(corpus.settings)
        with self.opened() as store:
            self._commit(store, self.crowd.records(self.crowd.first_messages()))

    @contextmanager
    def opened(self) -> Iterator[SQLiteStore]:
        """The store, on this thread."""
        store = SQLiteStore(self.path, REGION, self._rules)
        store._open()  # noqa: SLF001 - on this thread, whose time is measured
        try:
            yield store
        finally:
            store._close()  # noqa: SLF001

    def measure(self, messages: int) -> Point:
        """What so many messages cost here."""
        crowd = self.crowd
        with self.opened() as store:
            # What comes first fills caches, and makes the first splits of the pages that were filled in.
            self._commit(store, crowd.records(crowd.messages(messages)))
            records = store._all("SELECT max(id) FROM record")[0][0]  # noqa: SLF001
            batch = crowd.messages(messages)
            gc.collect()
            found, process = self._processed(batch)
            cpu, wall, worst = self._commit(store, found)
        process, cpu, wall = (round(1e6 * seconds / messages, 2) for seconds in (process, cpu, wall))
        size = self.path.stat().st_size >> 20
        return Point(crowd.size, records, process, cpu, wall, round(1000 * worst, 1), size)

    def _processed(self, messages: Sequence[Message]) -> tuple[list[Record], float]:
        began = time.process_time()
        found = self.crowd.records(list(messages))
        return found, time.process_time() - began

    @staticmethod
    def _commit(store: SQLiteStore, records: list[Record]) -> tuple[float, float, float]:
        """CPU seconds, seconds, and the longest commit's seconds."""
        cpu, wall, worst = time.process_time(), time.perf_counter(), 0.0
        for start in range(0, len(records), _BATCH):
            began = time.perf_counter()
            store._commit(records[start : start + _BATCH])  # noqa: SLF001
            worst = max(worst, time.perf_counter() - began)
        return time.process_time() - cpu, time.perf_counter() - wall, worst


def by_routers(folder: Path, sizes: Sequence[int], messages: int) -> Iterator[Point]:
    """A point for each size of the fleet, each on a store of its own."""
    for size in sizes:
        place = Place(folder / f"routers-{size}", size)
        yield place.measure(messages)
        shutil.rmtree(place.path.parent)


def by_records(folder: Path, sizes: Sequence[int], messages: int, routers: int) -> Iterator[Point]:
    """A point for each size of the store, which grows from one to the next; stops where the disk is full."""
    place = Place(folder / "records", routers)
    for size in sorted(sizes):
        have = place.path.stat().st_size // (_BYTES_A_RECORD // 2)
        if (size - have) * _BYTES_A_RECORD > shutil.disk_usage(folder).free:
            print(f"stopped before {size:,} records: the disk has no room for them", file=sys.stderr)
            return
        fill(place.path, size)
        yield place.measure(messages)


def page(document: dict[str, object], curves: dict[str, list[Point]]) -> str:
    """The report for people."""
    lines = [f"# Curves of {str(document['when'])[:16].replace('T', ' ')} UTC", ""]
    lines += ["Microseconds a message; SQLite, one region, commits of 1000 records on this thread.", ""]
    for title, points in curves.items():
        lines += [
            f"## {title}",
            "",
            f"| {' | '.join(_COLUMNS)} |",
            "|---" * len(_COLUMNS) + "|",
            *map(_row, points),
            "",
        ]
    head: dict[str, object] = {**machine(), "command": document["command"]}
    return "\n".join([*lines, *(f"- {name}: {value}" for name, value in head.items())]) + "\n"


def _row(point: Point) -> str:
    costs = (point.process, point.commit_cpu, point.cpu, point.commit_wall)
    cells = [f"{point.routers:,}", f"{point.records:,}", *(f"{cost:.1f}" for cost in costs)]
    return f"| {' | '.join([*cells, f'{point.worst_commit_ms:.0f}', f'{point.file_mib:,}'])} |"


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routers", type=_numbers, default=[100, 1000, 10_000, 100_000, MOST])
    parser.add_argument("--records", type=_numbers, default=[0, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--messages", type=int, default=50_000, help="a point (default: %(default)s)")
    parser.add_argument("--fleet", type=int, default=10_000, help="routers of the records (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where stores are made, to measure another disk")
    parser.add_argument("--no-report", action="store_true", help="only print")
    return parser.parse_args()


def main() -> None:
    """Measure, tell each point as it comes, and write the report."""
    given = _arguments()
    when = datetime.now(UTC)
    curves: dict[str, list[Point]] = {"More routers": [], "More records": []}
    with tempfile.TemporaryDirectory(prefix="ueip-curve-", dir=given.folder) as folder:
        runs = {
            "More routers": by_routers(Path(folder), given.routers, given.messages),
            "More records": by_records(Path(folder), given.records, given.messages, given.fleet),
        }
        for title, points in runs.items():
            for point in points:
                curves[title].append(point)
                print(title, json.dumps(asdict(point)), flush=True)
    document: dict[str, object] = {
        "when": when.isoformat(timespec="seconds"),
        "command": " ".join(["python", "bench/curve.py", *sys.argv[1:]]),
        "machine": machine(),
        "curves": {title: [asdict(point) for point in points] for title, points in curves.items()},
    }
    text = page(document, curves)
    print(text)
    if not given.no_report:
        path = _REPORTS / f"curve-{when:%Y-%m-%d-%H%M}.md"
        path.write_text(text)
        path.with_suffix(".json").write_text(json.dumps(document) + "\n")
        print(f"written: {path}")


if __name__ == "__main__":
    main()
