"""Plays many rounds: `python tests/faults/run.py --rounds 200 --seed 1`. Exits with 1 at the end if any failed.

Rounds are played side by side, one a core: they mostly wait. Each is told as it ends, all are summed up at the end.
Ended early (Ctrl-C, SIGTERM), rounds under way are cleaned up; a run goes on from nothing that an earlier one did.

A round is replayed with `python tests/faults/run.py --rounds 1 --seed N`: the same faults at the same moments and the
same traffic; how the processes run is up to the machine, so a rare race may take several replays.
"""

import argparse
import multiprocessing
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import click

from faults.round import SECONDS, Outcome, play

_KILLS: Final = ("kill", "kill_waiting", "broker_kill")
_STALLS: Final = ("stall", "freeze", "lock", "long_lock", "full", "half_open")


def main() -> int:
    """Play, print, sum up."""
    given = _arguments()
    _end_in_order()
    click.echo(f"rounds {given.rounds}, seeds from {given.seed}, {given.jobs} at a time")
    counts: Counter[str] = Counter()
    failed: list[int] = []
    began = time.monotonic()
    for seed, outcome in played(given):
        if isinstance(outcome, str):
            faults, line = [outcome], "could not be judged"
            counts["errors"] += 1
        else:
            faults, line = outcome.faults, describe(outcome)
            counts.update(outcome.counts, stored=outcome.verdict.stored, owed=outcome.verdict.owed)
            counts.update({kind: len(texts) for kind, texts in outcome.verdict.faults.items()})
        click.echo(f"seed {seed}: {'FAILED' if faults else 'ok'}, {line}")
        for fault in faults[:20]:
            click.echo(f"    {fault}")
        if not isinstance(outcome, str) and outcome.remains:
            click.echo(f"    to be erased within a day: {len(outcome.remains)}, {outcome.remains[0]}")
        if faults:
            failed.append(seed)
    summary(given.rounds, counts, sorted(failed), time.monotonic() - began)
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--rounds", type=int, default=20)
    words.add_argument("--seed", type=int, default=1, help="of the first round; the others follow")
    words.add_argument("--seconds", type=float, default=SECONDS, help="of traffic and faults in each")
    words.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), help="rounds at a time; one a core")
    words.add_argument("--keep", type=Path, help="a new folder for the files of every round")
    return words.parse_args()


def played(given: argparse.Namespace) -> Iterator[tuple[int, Outcome | str]]:
    """Every round's seed and outcome, as they end."""
    seeds = range(given.seed, given.seed + given.rounds)
    keeps = {seed: given.keep / str(seed) if given.keep else None for seed in seeds}
    if given.jobs == 1 or given.rounds == 1:
        yield from ((seed, attempt(seed, given.seconds, keeps[seed])) for seed in seeds)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.jobs, mp_context=context, initializer=_end_in_order) as pool:
        playing = {pool.submit(attempt, seed, given.seconds, keeps[seed]): seed for seed in seeds}
        try:
            for done in as_completed(playing):
                yield playing[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_in_order() -> None:
    """Let a round that is told to end stop what it started, and give its disk back."""

    def end(*_: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)


def attempt(seed: int, seconds: float, keep: Path | None) -> Outcome | str:
    """One round; a round that breaks off is a failure with its reason, not the end."""
    try:
        return play(seed, seconds, keep=keep)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - pytest's own failures are no Exception
        return f"{type(error).__name__}: {error}"


def describe(outcome: Outcome) -> str:
    """The round in a line."""
    did = ", ".join(f"{name} {count}" for name, count in sorted(outcome.counts.items()) if count)
    return f"{outcome.seconds:.1f} s, stored {outcome.verdict.stored} (owed {outcome.verdict.owed}), {did}"


def summary(rounds: int, counts: Counter[str], failed: list[int], seconds: float) -> None:
    """The table at the end."""
    table = {
        "rounds": rounds,
        "minutes": round(seconds / 60),
        "messages": counts["messages"],
        "kills": sum(counts[name] for name in _KILLS),
        "orderly stops": counts["stop"] + counts["broker_stop"],
        "cuts": counts["cut"],
        "stalls": sum(counts[name] for name in _STALLS),
        "  of them locked stores": counts["lock"] + counts["long_lock"],
        "  of them full disks": counts["full"],
        "rounds without a disk to fill": counts["no_disk"],
        "joins": counts["joins"],
        "exits": counts["exits"],
        "stored": counts["stored"],
        "owed": counts["owed"],
        **{name: counts[name] for name in ("lost", "duplicated", "leaked", "misrouted", "ledger", "sum", "crash")},
        "bytes of erased records left": counts["remains"],
        "rounds not judged": counts["errors"],
        "rounds failed": len(failed),
    }
    for name, count in table.items():
        click.echo(f"{name:32}{count:>10}")
    for seed in failed:
        click.echo(f"replay: python tests/faults/run.py --rounds 1 --seed {seed}")
        click.echo(f"    or: python -m pytest tests/faults --fault-seed {seed}")


if __name__ == "__main__":
    sys.exit(main())
