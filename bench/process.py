"""Measures the parts of the collector alone: `process` by shape and step, the packet reader, commits of a SQLite store.

    python bench/process.py                     all of it, a table each
    python bench/process.py --profile process   where the time of `process` goes, by function (cProfile; slows it down)
    python bench/process.py --profile commit    the same for commits

Every figure is the median of the repeats, lowest and highest beside it, in microseconds of wall time per message.
"""

import argparse
import cProfile
import gc
import json
import pstats
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from statistics import median

from corpus import Corpus
from parts import Part, commits, steps, whole
from payloads import SHAPES
from rich.console import Console
from rich.table import Table

Figures = dict[str, list[float]]


def per_message(part: Part, number: int) -> float:
    """Microseconds a message that a step takes over what *number* messages give it."""
    items = part.prepare(number)
    gc.collect()
    began = time.perf_counter()
    for item in items:
        part.work(item)
    return 1e6 * (time.perf_counter() - began) / (number if part.is_shared else len(items))


def measure(corpus: Corpus, repeats: int, number: int) -> dict[str, Figures]:
    """Every table: its name, its rows, the figures of each repeat."""
    tables = {
        f"steps: {name}": steps(corpus, partial(corpus.messages, shape=shape)) for shape, name in enumerate(SHAPES)
    }
    tables["process"] = whole(corpus)
    found = {title: _repeated(parts, repeats, number) for title, parts in tables.items()}
    for batch in (100, 1000, 4000):
        found[f"a record, batches of {batch}"] = _repeated(commits(corpus, batch), repeats, 4000)
    return found


def _repeated(parts: dict[str, Part], repeats: int, number: int) -> Figures:
    for part in parts.values():
        per_message(part, number)
    return {name: [per_message(part, number) for _ in range(repeats)] for name, part in parts.items()}


def show(tables: dict[str, Figures]) -> None:
    """The tables for people."""
    for title, figures in tables.items():
        table = Table(title=title, title_justify="left")
        for heading in ("us", "median", "lowest", "highest"):
            table.add_column(heading, justify="left" if heading == "us" else "right")
        for name, values in figures.items():
            table.add_row(name, *(f"{value:.2f}" for value in (median(values), min(values), max(values))))
        Console(width=100).print(table)


def profile(corpus: Corpus, what: str, number: int) -> None:
    """Where the time goes, by function."""
    part = commits(corpus, 4000)["commit"] if what == "commit" else whole(corpus)["process, as the fleet sends"]
    items = part.prepare(number)
    profiler = cProfile.Profile()
    profiler.runcall(lambda: [part.work(item) for item in items])
    pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(30)


def main() -> None:
    """Measure and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routers", type=int, default=1000, help="size of the fleet (default: %(default)s)")
    parser.add_argument("--messages", type=int, default=10_000, help="of one repeat (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--profile", choices=("process", "commit"), help="profile instead")
    parser.add_argument("--json", action="store_true", help="every repeat of every figure as JSON")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ueip-bench-") as folder:
        corpus = Corpus(Path(folder), given.routers)
        if given.profile:
            profile(corpus, given.profile, given.messages)
            return
        tables = measure(corpus, given.repeats, given.messages)
    if given.json:
        print(json.dumps(tables))
    else:
        show(tables)


if __name__ == "__main__":
    main()
