"""A fresh installation in a folder of its own, the collector running in it, and what the operating system says of it.

CPU time and memory are the kernel's own figures (`/proc/PID/stat`, `VmHWM`), so Linux only.
"""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from collector.broker import free_port
from collector.cli.setup import make_installation
from collector.config import Settings, load_settings

_STARTED_SECONDS: Final = 30.0
_SAMPLE: Final = re.compile(r"^([a-z_]+)(?:\{(.*)\})? (\S+)$", re.MULTILINE)


class Collector:
    """`ueip run` as a process of its own, or with its workers as several."""

    def __init__(self, folder: Path, broker_port: int, changes: dict[str, dict[str, Any]], *, workers: int = 1) -> None:
        """*changes* are settings by section; None takes one away."""
        make_installation(folder)
        self._workers = workers
        self._configuration = folder / "collector.toml"
        self._log = folder / "log"
        self._port = free_port()
        document = tomllib.loads(self._configuration.read_text())
        own: dict[str, dict[str, Any]] = {
            "broker": {"port": broker_port},
            "http": {"port": self._port},
            "log": {"level": "warning"},
        }
        for section, values in (*own.items(), *changes.items()):
            _update(document.setdefault(section, {}), values)
        self._configuration.write_text("\n".join(_toml(document, ())))
        self.settings: Settings = load_settings(self._configuration)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    @property
    def address(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self._port}"

    def metrics(self) -> dict[str, float]:
        """Its counters now, as `name` or `name{labels}`."""
        try:
            with urllib.request.urlopen(f"{self.address}/metrics", timeout=60) as answer:
                text = answer.read().decode()
        except OSError as error:
            assert self._process is not None
            sys.exit(f"the collector does not answer ({error}, exit code {self._process.poll()}): {self.last_words()}")
        return {
            f"{name}{{{labels}}}" if labels else name: float(value) for name, labels, value in _SAMPLE.findall(text)
        }

    def last_words(self) -> str:
        """The end of what it wrote to its log."""
        return "\n".join(self._log.read_text().splitlines()[-3:])

    def __enter__(self) -> Self:
        command = [str(Path(sys.executable).with_name("ueip")), "run", "-c", str(self._configuration)]
        command += ["--workers", str(self._workers)] if self._workers > 1 else []
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stderr=log)
        deadline = time.monotonic() + _STARTED_SECONDS
        while not self._is_ready():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                sys.exit(f"the collector did not start: {self.last_words()}")
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def kill(self) -> None:
        """End all its processes as the kernel does when memory is short, without a word."""
        for pid in family(self.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        assert self._process is not None
        self._process.wait(60)

    def start(self) -> None:
        """Start it, anew after a `kill`, and wait until it is ready."""
        self.__enter__()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (OSError, urllib.error.URLError):
            return False


def _update(table: dict[str, Any], changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if isinstance(value, dict):
            _update(table.setdefault(name, {}), value)
        elif value is None:
            table.pop(name, None)
        else:
            table[name] = value


def _toml(table: dict[str, Any], path: tuple[str, ...]) -> list[str]:
    """A table as TOML; numbers, texts and lists are written there as in JSON."""
    lines = [f"[{'.'.join(path)}]"] if path else []
    lines += [f"{name} = {json.dumps(value)}" for name, value in table.items() if not isinstance(value, dict)]
    for name, value in table.items():
        if isinstance(value, dict):
            lines += _toml(value, (*path, name))
    return lines


def child_named(name: str) -> int:
    """The process of that name that this one started."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, command, _, parent = stat.read_text().split()[:4]
        except OSError:
            continue
        if command == f"({name})" and int(parent) == os.getpid():
            return int(pid)
    sys.exit(f"no {name} was started")


def family(pid: int) -> list[int]:
    """A process and all that descend from it, as far as they live."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, of its threads, and of its children that have ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")


def cpu_of_family(pid: int) -> float:
    """The same of all that descend from it."""
    return sum(map(cpu_seconds, family(pid)))


def peak_mebibytes(pid: int) -> float:
    """The most memory a process ever had resident, added up over those that descend from it."""
    peaks = []
    for one in family(pid):
        with contextlib.suppress(OSError):
            peaks += re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{one}/status").read_text())
    return sum(map(int, peaks)) / 1024
