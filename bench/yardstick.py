"""The yardstick: a subscriber in C that does nothing but receive at QoS 1, under the same load.

What it receives is what broker, publisher and machine leave to be had; a collector is measured as a share of it.
"""

import mmap
import struct
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from installation import cpu_seconds
from installing import NotToBeHad, cached, debian, program, run

_SOURCES: Final = Path(__file__).parent
_LIBRARY: Final = "libmosquitto-dev"


def compiled() -> tuple[Path, str]:
    """The program, compiled if need be, and what it is made with.

    Raises:
        NotToBeHad: there is no C compiler.
    """
    compiler = program("cc", "gcc")
    try:
        return _compile(compiler, "yardstick", "-lmosquitto"), "libmosquitto"
    except NotToBeHad:
        pass
    try:
        debian(_LIBRARY)
        return _compile(compiler, "yardstick", "-lmosquitto"), "libmosquitto"
    except NotToBeHad:
        return _compile(compiler, "yardstick_raw"), "plain C"


def _compile(compiler: str, name: str, *libraries: str) -> Path:
    source, made = _SOURCES / f"{name}.c", cached("yardstick") / name
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        run([compiler, "-O2", "-o", made, source, *libraries], f"{source.name} could not be compiled")
    return made


class Yardstick:
    """The subscriber as a process of its own; as `Subject`, and a context manager."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        made, self.made_with = compiled()
        self._file = folder / "yardstick"
        self._process = subprocess.Popen([made, str(broker_port), self._file], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            sys.exit("the yardstick could not subscribe")
        with self._file.open("rb") as file:
            self._count = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
        self._received = 0
        self.last = 0.0
        self.latencies: list[float] = []

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def probe(self) -> None:
        """As `Subject.probe`; nothing is timed here."""

    def look(self, *, closely: bool = False) -> None:  # noqa: ARG002 - a look costs nothing
        """As `Subject.look`."""
        received = struct.unpack("Q", self._count[:8])[0]
        if received != self._received:
            self._received, self.last = received, time.perf_counter()

    def settled(self) -> int:
        """As `Subject.settled`."""
        return self._received

    def guess(self) -> int:
        """As `Subject.guess`."""
        return self._received

    def is_settled(self, published: int) -> bool:
        """As `Subject.is_settled`."""
        return self._received >= published

    def cpu(self) -> dict[str, float]:
        """As `Subject.cpu`."""
        return {"yardstick": cpu_seconds(self.pid)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)
