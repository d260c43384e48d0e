"""What the benchmark installs for itself: programs into `.bench/` beside the code, Debian packages where it is root.

Rule 1: nothing is installed twice, and nothing anywhere else without being root.
Rule 2: what cannot be had is no error: the one who asks says so in the report.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

CACHE: Final = Path(__file__).parents[1] / ".bench"
_PATIENCE_SECONDS: Final = 1200


class NotToBeHad(Exception):
    """A program is not there and cannot be installed from here; says why in a few words."""


def cached(name: str) -> Path:
    """A folder of that name for what is installed, made if absent."""
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(command: Sequence[str | Path], why: str) -> None:
    """Run a command of an installation.

    Raises:
        NotToBeHad: it failed; *why* says what that means.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE_SECONDS)
    except (OSError, subprocess.TimeoutExpired):
        raise NotToBeHad(why) from None
    if done.returncode:
        raise NotToBeHad(why)


@cache
def debian(package: str) -> None:
    """Install a Debian package.

    Raises:
        NotToBeHad: not root, no Debian, or no such package.
    """
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NotToBeHad(f"needs {package}; on Debian: apt-get install {package}")
    environment = [f"{name}={value}" for name, value in {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}.items()]
    command = ["env", *environment, "apt-get", "install", "-y", "-qq", "--no-install-recommends", package]
    run(command, f"apt-get could not install {package}")


def program(name: str, package: str | None = None) -> str:
    """The path of a program, installed as a Debian package if absent.

    Raises:
        NotToBeHad: it is not there and cannot be installed.
    """
    if found := shutil.which(name):
        return found
    if package is None:
        raise NotToBeHad(f"{name} not found on PATH")
    debian(package)
    if found := shutil.which(name):
        return found
    raise NotToBeHad(f"{package} was installed and has no {name}")
