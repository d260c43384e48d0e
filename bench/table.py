"""One table of all workloads, and how far they are what was asked for; `make bench`.

    python bench/table.py                some five minutes
    python bench/table.py --quick        two minutes, one turn of each
    python bench/table.py --report       also written to bench/reports/

Rates are compared within one run, in which all kinds take turns: a ratio means something on a machine that is not
quiet, a rate does not. The exit code is 1 if a message was lost, stored twice or not explained.
"""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any, Final

from asked import verdicts
from installing import NotToBeHad
from load import CONNECTIONS
from machine import machine
from rich.console import Console
from rich.table import Table
from workloads import CPU, Extent, Outcome, ratio, run_all, workloads
from yardstick import compiled

_REPORTS: Final = Path(__file__).with_name("reports")
_QUICK: Final = Extent(seconds=4, repeats=1)
_COLUMNS: Final = ("workload", "messages/s", "of C", "p50 ms", "p99 ms", "us/msg", *CPU, "MiB", "faults")


def rows(found: dict[str, list[Outcome]]) -> list[list[str]]:
    """The table's rows, the yardstick first."""
    yardstick = next(iter(found.values()))
    return [
        [
            name,
            _span([one.per_second for one in outcomes]) + _not_held(outcomes),
            f"{ratio(outcomes, yardstick):.2f}" if outcomes[0].held is None else "",
            _middle([one.p50 for one in outcomes]),
            _middle([one.p99 for one in outcomes]),
            _middle([one.cpu for one in outcomes]),
            *(_middle([one.others.get(kind) for one in outcomes]) for kind in CPU),
            str(max(one.mebibytes or 0 for one in outcomes) or ""),
            "; ".join(sorted({fault for one in outcomes for fault in one.faults})) or "none",
        ]
        for name, outcomes in found.items()
    ]


def _not_held(outcomes: Sequence[Outcome]) -> str:
    return " (not held)" if any(one.held is False for one in outcomes) else ""


def _span(values: Sequence[int]) -> str:
    middle = f"{median(values):,.0f}"
    return middle if len(values) == 1 else f"{middle} [{min(values):,}-{max(values):,}]"


def _middle(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{median(known):.1f}" if known else ""


def show(document: dict[str, Any], found: dict[str, list[Outcome]]) -> None:
    """For people, as wide as it is."""
    console = Console(width=180)
    table = Table(title="us/msg: CPU of what is measured; behind it, of what runs beside it", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in {"workload", "faults"} else "right")
    for row in rows(found):
        table.add_row(*row)
    console.print(table)
    for line in document["asked"]:
        console.print(line, highlight=False)
    for name, value in _head(document).items():
        console.print(f"{name}: {value}", highlight=False)


def page(document: dict[str, Any], found: dict[str, list[Outcome]]) -> str:
    """The same in Markdown."""
    lines = [f"# `make bench` of {document['when'][:16].replace('T', ' ')} UTC", "", " | ".join(("", *_COLUMNS, ""))]
    lines += ["|".join(("", *("---" for _ in _COLUMNS), "")), *(" | ".join(("", *row, "")) for row in rows(found))]
    lines += ["", *(f"- {line}" for line in document["asked"])]
    lines += ["", *(f"- {name}: {value}" for name, value in _head(document).items())]
    return "\n".join(line.strip() for line in lines) + "\n"


def _head(document: dict[str, Any]) -> dict[str, str]:
    return {**document["machine"], "load average before": document["load_before"], "command": document["command"]}


def _written(document: dict[str, Any], found: dict[str, list[Outcome]]) -> Path:
    when = datetime.fromisoformat(document["when"])
    path = _REPORTS / f"bench-{when:%Y-%m-%d-%H%M}.md"
    path.write_text(page(document, found))
    path.with_suffix(".json").write_text(json.dumps(document) + "\n")
    return path


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one short turn of each")
    parser.add_argument("--seconds", type=float, default=8, help="of load (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="turns of what saturates (default: %(default)s)")
    parser.add_argument("--routers", type=int, default=1000, help="size of the fleet (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=CONNECTIONS, help="of the publisher (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of the rows with workers (default: %(default)s)")
    parser.add_argument("--only", metavar="TEXT", help="only the yardstick and the workloads named like this")
    parser.add_argument("--report", action="store_true", help=f"write a page to {_REPORTS.name}/")
    return parser.parse_args()


def main() -> None:
    """Run, tell, and write if asked."""
    given = _arguments()
    extent = Extent(given.seconds, given.repeats, given.routers, given.workers, connections=given.connections)
    if given.quick:
        extent = extent._replace(seconds=_QUICK.seconds, repeats=_QUICK.repeats)
    wanted = workloads(extent)
    if given.only:
        wanted = [wanted[0], *(one for one in wanted[1:] if given.only.lower() in one.name.lower())]
    try:
        made_with = compiled()[1]
    except NotToBeHad as absent:
        sys.exit(f"there is no yardstick: {absent}")
    when, load_before = datetime.now(UTC), f"{os.getloadavg()[0]:.1f}"
    found = run_all(wanted, extent.repeats, lambda words: print(f"running: {words}", file=sys.stderr, flush=True))
    document = {
        "when": when.isoformat(timespec="seconds"),
        "command": shlex.join(["python", "bench/table.py", *sys.argv[1:]]),
        "machine": {**machine(), "C subscriber": made_with, "connections of the publisher": str(given.connections)},
        "load_before": load_before,
        "asked": verdicts(found),
        "outcomes": {name: [asdict(one) for one in outcomes] for name, outcomes in found.items()},
    }
    show(document, found)
    if given.report:
        print(f"written: {_written(document, found)}")
    sys.exit(1 if any(one.faults for outcomes in found.values() for one in outcomes) else 0)


if __name__ == "__main__":
    main()
