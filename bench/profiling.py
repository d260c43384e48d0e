"""Profiles of a collector under load: which functions its threads are in, by samples of py-spy.

Rule 1: samples are taken from outside, and the collector is not stopped for them: what is measured is the same, nearly.
Rule 2: only the loaded part is looked at, not the start and not the end.
"""

import contextlib
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from installing import NotToBeHad, cached, run
from rich.console import Console
from rich.table import Table

_RATE: Final = 400
"""Samples a second."""
_SHOWN: Final = 40


def sampler() -> str:
    """The path of py-spy, installed into the cache if it is nowhere.

    Raises:
        NotToBeHad: it cannot be installed.
    """
    if found := shutil.which("py-spy"):
        return found
    folder = cached("py-spy")
    path = folder / "bin" / "py-spy"
    if not path.exists():
        run([sys.executable, "-m", "pip", "install", "--quiet", "--target", folder, "py-spy"], "pip has no py-spy")
    return str(path)


@contextmanager
def profiled(pid: int, to: Path) -> Iterator[None]:
    """Sample a process and its children for as long as this lasts; the stacks, folded, go to *to*.

    Raises:
        NotToBeHad: there is no py-spy.
    """
    command = [sampler(), "record", "--pid", str(pid), "--output", str(to), "--format", "raw", "--rate", str(_RATE)]
    options = ["--threads", "--subprocesses", "--nonblocking", "--nolineno"]
    process = subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)


def show(path: Path) -> None:
    """The functions with the most samples, their own and with what they call."""
    own, whole, total = Counter[str](), Counter[str](), 0
    for line in path.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        frames, samples = stack.split(";"), int(count)
        total += samples
        own[frames[-1]] += samples
        whole.update(dict.fromkeys(frames, samples))
    table = Table(title=f"{total} samples of running threads, {_RATE} a second and thread", title_justify="left")
    for heading in ("own %", "with calls %", "function"):
        table.add_column(heading, justify="left" if heading == "function" else "right")
    for name, samples in own.most_common(_SHOWN):
        table.add_row(f"{100 * samples / total:.1f}", f"{100 * whole[name] / total:.1f}", name)
    Console(width=120).print(table)
    print(f"stacks, for a flame graph: {path}")


def check() -> None:
    """Say at once if there is nothing to profile with."""
    try:
        sampler()
    except NotToBeHad as absent:
        sys.exit(f"cannot profile: {absent}. Install py-spy, or see: python bench/process.py --profile process")
