"""Where a benchmark was run, and with what."""

import os
import platform
import sqlite3
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import postgres

from collector import __version__
from collector.broker import find_mosquitto
from collector.formats.plain import IS_COMPILED

_PACKAGES: Final = ("msgspec", "orjson", "mqtt5", "asyncpg")
"""What the message path is made of."""


def machine() -> dict[str, str]:
    """Machine and versions, for the head of a report."""
    cpu = next(
        (line.partition(": ")[2] for line in _lines("/proc/cpuinfo") if line.startswith("model name")), "unknown"
    )
    memory = next((int(line.split()[1]) >> 20 for line in _lines("/proc/meminfo") if line.startswith("MemTotal")), 0)
    program = find_mosquitto()
    broker = subprocess.run([str(program), "-h"], capture_output=True, text=True, check=False).stdout if program else ""
    commit = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"],
        capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    return {
        "cpu": f"{len(os.sched_getaffinity(0))} x {cpu}",
        "memory": f"{memory} GiB",
        "system": f"{_distribution()}, {platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "postgresql": postgres.version(),
        "broker": broker.splitlines()[0] if broker else "unknown",
        "packages": ", ".join(f"{name} {_version(name)}" for name in _PACKAGES),
        "collector": f"{__version__} ({commit or 'no repository'}), {'compiled' if IS_COMPILED else 'not compiled'}",
    }


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()
