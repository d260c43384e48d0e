"""The collector beside what people would take instead: speed, and what is lost when it is killed.

    python bench/peers.py               all of them, some four minutes once they are installed
    python bench/peers.py --only psql   some of them; the collector always
    python bench/peers.py --report      also written to bench/reports/

Same broker, same messages, same order for all: QoS 1, a session that is kept, a store that syncs each commit. Speed: as
many as go through, with a bounded backlog. Killed: 2000 messages a second for 8 seconds, all acknowledged to their
publisher; twice in between the peer is ended with SIGKILL and started again; when all is quiet, what is in its store is
counted against what has to be, message by message.
"""

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from contenders import Contender, Ours, Theirs
from installing import NotToBeHad
from machine import machine
from peer_kinds import PEERS
from rich.console import Console
from rich.table import Table

_REPORTS: Final = Path(__file__).with_name("reports")
_COLUMNS: Final = ("peer", "messages/s", "us/msg", "database", "MiB", "lost", "twice", "what it does, and does not")


@dataclass(frozen=True, slots=True)
class Fared:
    """How one peer fared; None for what could not be found out."""

    name: str
    does: str
    per_second: int | None = None
    cpu: float | None = None
    database: float | None = None
    mebibytes: int | None = None
    published: int | None = None
    lost: int | None = None
    twice: int | None = None
    why_not: str = ""


def fared(one: Contender, seconds: float) -> Fared:
    """Both things about one of them, or why there is nothing to say."""
    try:
        return Fared(one.name, one.does, **one.speed(seconds), **one.killed())
    except NotToBeHad as absent:
        return Fared(one.name, one.does, why_not=str(absent))


def rows(found: Sequence[Fared]) -> list[list[str]]:
    """The table's rows."""
    return [
        [one.name, *[""] * 6, f"not run: {one.why_not}"] if one.why_not else
        [
            one.name,
            f"{one.per_second:,}",
            f"{one.cpu:.1f}",
            "" if one.database is None else f"{one.database:.1f}",
            str(one.mebibytes),
            f"{one.lost:,} of {one.published:,}",
            f"{one.twice:,}",
            one.does,
        ]
        for one in found
    ]  # fmt: skip


def show(document: dict[str, Any], found: Sequence[Fared]) -> None:
    """For people, as wide as it is."""
    console = Console(width=190)
    table = Table(title="lost and twice: killed with SIGKILL twice, started again", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column in {"peer", _COLUMNS[-1]} else "right")
    for row in rows(found):
        table.add_row(*row)
    console.print(table)
    for name, value in document["head"].items():
        console.print(f"{name}: {value}", highlight=False)


def page(document: dict[str, Any], found: Sequence[Fared]) -> str:
    """The same in Markdown."""
    table = [list(_COLUMNS), ["---"] * len(_COLUMNS), *rows(found)]
    lines = [f"# The collector and its peers, {document['when'][:16].replace('T', ' ')} UTC", ""]
    lines += [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in table]
    lines += [
        "",
        "Lost and twice: killed with SIGKILL twice, started again; of messages whose publisher had its answer.",
        "",
    ]
    return "\n".join([*lines, *(f"- {name}: {value}" for name, value in document["head"].items())]) + "\n"


def main() -> None:
    """Run, tell, and write if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6, help="of load, for speed (default: %(default)s)")
    parser.add_argument("--only", metavar="TEXT", default="", help="only peers named like this")
    parser.add_argument("--report", action="store_true", help=f"write a page to {_REPORTS.name}/")
    given = parser.parse_args()
    when, before = datetime.now(UTC), f"{os.getloadavg()[0]:.1f}"
    wanted: list[Contender] = [Ours("SQLite"), Ours("PostgreSQL")]
    wanted += [Theirs(kind) for kind in PEERS if given.only.lower() in kind.name.lower()]
    found = []
    for one in wanted:
        print(f"running: {one.name}", file=sys.stderr, flush=True)
        found.append(fared(one, given.seconds))
    command = shlex.join(["python", "bench/peers.py", *sys.argv[1:]])
    document = {
        "when": when.isoformat(timespec="seconds"),
        "head": {**machine(), "load average before": before, "command": command},
        "peers": [asdict(one) for one in found],
    }
    show(document, found)
    if given.report:
        path = _REPORTS / f"peers-{when:%Y-%m-%d-%H%M}.md"
        path.write_text(page(document, found))
        path.with_suffix(".json").write_text(json.dumps(document) + "\n")
        print(f"written: {path}")


if __name__ == "__main__":
    main()
