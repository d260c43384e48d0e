"""Counts the instructions that a message costs, step by step, and compares them with those kept in the repository.

    python bench/instructions.py            count and compare; exit code 1 if a step got slower
    python bench/instructions.py --write    keep what was counted in bench/instructions.json

Unlike times, instructions are the same on a busy machine. They are counted by Valgrind, which runs the program on a
processor of its own making, so they are the same on another machine too, with the same Python and the same packages.

Rule 1: a step is counted with n messages and with 2n; the difference is what n messages cost, without what surrounds.
Rule 2: it is warm: the interpreter has specialised its code and the caches are filled before anything is counted.
Rule 3: counts of another Python or of other packages, or without what is compiled, are shown and never judged.
"""

import argparse
import gc
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from corpus import FIXED, Corpus
from parts import Part, commits, steps, whole
from rich.console import Console
from rich.table import Table

from collector.formats.plain import IS_COMPILED
from collector.pipeline import the_long_way

KEPT: Final = Path(__file__).with_name("instructions.json")
_MESSAGES: Final = 1000
_ROUTERS: Final = 1000
_WARM_UP: Final = 8 * _ROUTERS
"""Messages that go the long way before all: by then nearly every router has named itself in every way."""
_TOLERANCE: Final = 0.02
"""Counts differ by some thousandths from run to run, for addresses differ and with them where things fall in a dict."""
_PACKAGES: Final = ("msgspec", "orjson", "mqtt5")
_MARK: Final = "getpgrp"
"""A function of the C library that nothing calls but `_mark`: each call ends one count and begins the next."""
_TOTAL: Final = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


def parts_of(corpus: Corpus) -> dict[str, Part]:
    """What is counted, in this order."""
    everything = {**steps(corpus, corpus.mixed), **whole(corpus), **commits(corpus)}
    return {name.removeprefix("process, "): part for name, part in everything.items() if name not in _LEFT_OUT}


_LEFT_OUT: Final = ("topic",)
"""So cheap that its count is the loop's."""


def run(folder: Path) -> None:
    """Do each step with n messages and with 2n, each time between two marks. Valgrind looks on."""
    corpus = Corpus(folder, _ROUTERS, now=FIXED)
    gc.disable()
    for message in corpus.mixed(_WARM_UP):
        the_long_way(message, corpus.rules)
    for name, part in parts_of(corpus).items():
        for number in (_MESSAGES, _MESSAGES, 2 * _MESSAGES):
            items = part.prepare(number)
            work = part.work
            _mark()
            for item in items:
                work(item)
            _mark()
        print(name, _MESSAGES if part.is_shared else len(items) // 2, sep="\t", flush=True)
        gc.collect()


def _mark() -> None:
    os.getpgrp()


def count() -> dict[str, int]:
    """Instructions a message, by step."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        sys.exit("valgrind is not installed. On Debian: apt-get install valgrind")
    with tempfile.TemporaryDirectory(prefix="ueip-instructions-") as folder:
        out = Path(folder) / "out"
        tool = [valgrind, "--tool=callgrind", f"--callgrind-out-file={out}", f"--dump-before={_MARK}"]
        command = [*tool, sys.executable, __file__, "--run", str(Path(folder) / "ueip")]
        environment = {**os.environ, "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"the run under valgrind failed:\n{done.stderr[-2000:]}")
        between = [int(_TOTAL.findall(dump.read_text())[-1]) for dump in sorted(out.parent.glob("out.*"), key=_number)]
    counts = between[1::2]
    found = {}
    for place, line in enumerate(done.stdout.splitlines()):
        name, messages = line.split("\t")
        _, once, twice = counts[3 * place : 3 * place + 3]
        found[name] = round((twice - once) / int(messages))
    return found


def _number(dump: Path) -> int:
    return int(dump.suffix[1:])


def made_with() -> dict[str, str]:
    """What counts depend on beside the code."""
    made = {"python": platform.python_version(), "compiled": "yes" if IS_COMPILED else "no"}
    return made | {name: version(name) for name in _PACKAGES}


def slower(before: dict[str, int], now: dict[str, int]) -> list[str]:
    """The steps that cost noticeably more than they did."""
    return [name for name, kept in before.items() if name in now and now[name] > kept * (1 + _TOLERANCE)]


def show(kept: dict[str, Any], now: dict[str, int]) -> None:
    """One table for people."""
    table = Table(title="instructions a message", title_justify="left")
    for heading in ("step", "kept", "now", "change"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for name, value in now.items():
        before = kept.get("instructions", {}).get(name)
        change = f"{value / before - 1:+.1%}" if before else ""
        table.add_row(name, f"{before:,}" if before else "", f"{value:,}", change)
    Console(width=100).print(table)


def main() -> None:
    """Count, then compare or keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help=f"keep the counts in {KEPT.name}")
    parser.add_argument("--steps", action="store_true", help="only name the steps, each on a line")
    parser.add_argument("--run", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.steps:
        with tempfile.TemporaryDirectory() as folder:
            print("\n".join(parts_of(Corpus(Path(folder), 1))))
        return
    if given.run:
        run(given.run)
        return
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    now, made = count(), made_with()
    show(kept, now)
    if given.write:
        KEPT.write_text(json.dumps({"made_with": made, "instructions": now}, indent=2) + "\n")
    elif kept and kept["made_with"] != made:
        print(f"not compared: kept with {kept['made_with']}, counted with {made}")
    elif worse := slower(kept.get("instructions", {}), now):
        sys.exit(f"slower by more than {_TOLERANCE:.0%}: {', '.join(worse)}. If that is meant: --write, and say why.")


if __name__ == "__main__":
    main()
