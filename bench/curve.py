"""What a message costs as a fleet grows to a million routers, and as a store grows to 50 million records.

    python bench/curve.py                                  100 to 1,000,000 routers, then 0 to 10 million records
    python bench/curve.py --routers 100,100000             these numbers of routers
    python bench/curve.py --records 0,1000000,50000000     these numbers of records; 10 million need some 6 GB of disk
    python bench/curve.py --store sqlite postgresql        on both stores

With the product's own `process` and store, in this process, one after the other, so that each has its own figure: CPU
and wall time in microseconds a message, and, where the processor counts them for us, instructions, which no other work
on the machine changes. A point is measured over `--messages` messages, in commits of 1000. Every router has joined
before. The report goes to bench/reports/.
"""

import argparse
import json
import shlex
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from crowd import MOST
from curve_places import ENGINES, Place, Point
from filled import MONTHS
from machine import machine

_REPORTS: Final = Path(__file__).with_name("reports")
_COLUMNS: Final = (
    "store",
    "routers", "records", "process, CPU", "commit, CPU", "both", "database, CPU",
    "database, log, bytes",
    "commit, wall", "longest commit, ms", "on the disk, MiB",
    "process, instructions",
    "commit, instructions",
)  # fmt: skip
_BYTES_A_RECORD: Final = 800
"""On the disk, with indexes, and with room for the sorting of one."""


def by_routers(folder: Path, sizes: Sequence[int], messages: int, store: str, *, checkpoint: bool) -> Iterator[Point]:
    """A point for each size of the fleet, each on a store of its own."""
    for size in sizes:
        here = folder / f"{store}-routers-{size}"
        with Place(here, size, store) as place:
            yield place.measure(messages, checkpoint=checkpoint)
        shutil.rmtree(here)


def by_records(
    folder: Path, sizes: Sequence[int], messages: int, store: str, routers: int, *, months: int, checkpoint: bool
) -> Iterator[Point]:
    """A point for each size of the store, which grows from one to the next; stops where the disk is full."""
    here, have = folder / f"{store}-records", 0
    with Place(here, routers, store) as place:
        for size in sorted(sizes):
            if (size - have) * _BYTES_A_RECORD > shutil.disk_usage(folder).free:
                print(f"stopped before {size:,} records: the disk has no room for them", file=sys.stderr)
                break
            place.engine.fill(size, months)
            have = size
            yield place.measure(messages, checkpoint=checkpoint)
    shutil.rmtree(here)


def page(document: dict[str, object], curves: dict[str, list[Point]]) -> str:
    """The report for people."""
    lines = [f"# Curves of {str(document['when'])[:16].replace('T', ' ')} UTC", ""]
    lines += [
        "Microseconds a message; one region, `process` first, then commits of 1000 records.",
        "",
    ]
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
    costs = (point.process, point.commit_cpu, point.cpu, point.database, point.commit_wall)
    cells = [point.store, f"{point.routers:,}", f"{point.records:,}", *(f"{cost:.1f}" for cost in costs)]
    cells.insert(-1, str(point.log or ""))
    counted = [str(count or "") for count in (point.process_instructions, point.commit_instructions)]
    return f"| {' | '.join([*cells, f'{point.worst_commit_ms:.0f}', f'{point.mib:,}', *counted])} |"


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",") if number]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routers", type=_numbers, default=[100, 1000, 10_000, 100_000, MOST])
    parser.add_argument("--records", type=_numbers, default=[0, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--store", choices=ENGINES, nargs="+", default=["sqlite"], help="(default: %(default)s)")
    parser.add_argument("--messages", type=int, default=50_000, help="a point (default: %(default)s)")
    parser.add_argument("--fleet", type=int, default=10_000, help="routers of the records (default: %(default)s)")
    parser.add_argument(
        "--months", type=int, default=MONTHS, help="before this one with records (default: %(default)s)"
    )
    parser.add_argument(
        "--checkpoint", action="store_true", help="of the server before each point, as comes every few minutes"
    )
    parser.add_argument("--folder", type=Path, help="where stores are made, to measure another disk")
    parser.add_argument("--no-report", action="store_true", help="only print")
    return parser.parse_args()


def main() -> None:
    """Measure, tell each point as it comes, and write the report."""
    given = _arguments()
    when = datetime.now(UTC)
    curves: dict[str, list[Point]] = {"More routers": [], "More records": []}
    with tempfile.TemporaryDirectory(prefix="ueip-curve-", dir=given.folder) as folder:
        here = Path(folder)
        here.chmod(0o711)
        for store in given.store:
            runs = {
                "More routers": by_routers(here, given.routers, given.messages, store, checkpoint=given.checkpoint),
                "More records": by_records(
                    here,
                    given.records,
                    given.messages,
                    store,
                    given.fleet,
                    months=given.months,
                    checkpoint=given.checkpoint,
                ),
            }
            for title, points in runs.items():
                for point in points:
                    curves[title].append(point)
                    print(title, json.dumps(asdict(point)), flush=True)
    document: dict[str, object] = {
        "when": when.isoformat(timespec="seconds"),
        "command": shlex.join(["python", "bench/curve.py", *sys.argv[1:]]),
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
