"""Fuzzes: `python tests/fuzz/run.py --inputs 1000000 --seed 1`. Exits with 1 if anything failed.

The inputs of a seed are the same on every machine and with any number of processes. A failing input is made small,
written to tests/fuzz/found/ and replayed with: python tests/fuzz/run.py --replay FILE
"""

import argparse
import multiprocessing
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click

from fuzz.case import FOUND, Case
from fuzz.play import Failure, Played, failure, kept, minimised, plan, play
from fuzz.targets import TARGETS


def main() -> int:
    """Play, print, sum up."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--inputs", type=int, default=1_000_000)
    words.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31), help="random if not given")
    words.add_argument("--processes", type=int, default=len(os.sched_getaffinity(0)))
    words.add_argument("--target", choices=TARGETS, action="append", help="only this one; may be given more than once")
    words.add_argument("--each", action="store_true", help="so many inputs of every target, and not between all")
    words.add_argument("--replay", type=Path, nargs="+", metavar="FILE", help="these inputs, with the whole traceback")
    given = words.parse_args()
    if given.replay:
        return replay(given.replay)
    click.echo(f"seed {given.seed}, {given.inputs} inputs, {given.processes} processes")
    began = time.perf_counter()
    played = fuzz(given.seed, given.inputs, given.processes, given.target or list(TARGETS), each=given.each)
    summary(played, time.perf_counter() - began)
    tell(played.failures, FOUND)
    return 1 if played.failures else 0


def fuzz(seed: int, inputs: int, processes: int, targets: Sequence[str], *, each: bool = False) -> Played:
    """Play all chunks on several processes."""
    chunks = [(seed, *chunk) for chunk in plan(inputs, each=each) if chunk[0] in targets]
    played, done = Played(), 0
    with multiprocessing.get_context("spawn").Pool(processes, _quiet) as pool:
        for some in pool.imap_unordered(_play, chunks):
            played.add(some)
            done += 1
            if sys.stderr.isatty():
                sys.stderr.write(f"\r{done * 100 // len(chunks)} %, {played.inputs.total()} inputs ")
    return played


def _quiet() -> None:
    """The codec's library writes each of its panics to standard error."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _play(chunk: tuple[int, str, int, int]) -> Played:
    return play(*chunk)


def summary(played: Played, seconds: float) -> None:
    """What came of the inputs, by target."""
    for name in TARGETS:
        count = played.inputs[name]
        if count:
            click.echo(f"{name:12}{count:>9} inputs, slowest {played.slowest[name] * 1000:.0f} ms")
            for label, number in _outcomes(played, name).most_common():
                click.echo(f"{number:>21}  {label}")
    total = played.inputs.total()
    click.echo(f"{total} inputs in {seconds:.0f} s, {total / seconds:.0f} a second; {len(played.failures)} failed")


def _outcomes(played: Played, name: str) -> Counter[str]:
    """The outcomes of a target, without their details."""
    counts: Counter[str] = Counter()
    for (target, label), number in played.outcomes.items():
        if target == name:
            counts[label.partition(" | ")[0]] += number
    return counts


def tell(failures: Sequence[Failure], folder: Path) -> None:
    """One file for each way of failing, and how to replay it."""
    ways: dict[tuple[str, str], Failure] = {}
    for found in failures:
        ways.setdefault((found.case.target, found.how), found)
    for found in ways.values():
        path = kept(minimised(found), folder)
        click.echo(f"{found.case.target}: {found.how}")
        click.echo(f"    replay: python tests/fuzz/run.py --replay {os.path.relpath(path)}")


def replay(files: Sequence[Path]) -> int:
    """Run these inputs; the first failure comes out as it is."""
    for file in files:
        case = Case.of_file(file.read_bytes())
        click.echo(f"{file.name}: {case.target}, {len(case.data)} bytes")
        if isinstance(failure(case), Failure):
            click.echo(f"    {case.data[:400]!r}")
            TARGETS[case.target].check(case)
        click.echo("    nothing wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main())
