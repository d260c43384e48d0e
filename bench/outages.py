"""One region's store failing and healing, from outside the collector's process: a real lock, a folder that is gone.

Rule 1: nothing is done to the store that a machine could not do to it; what was committed is not touched.
"""

import contextlib
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

KINDS: Final = ("locked", "gone")
"""In turn: another program holds the write lock; the folder is away, and something else stands in its place."""


class Outage(NamedTuple):
    """One outage, in seconds since the beginning."""

    kind: str
    began: float
    ended: float


class Outages:
    """Lets the store at *store* fail once a period, for *seconds*, and heals it; on a thread of its own."""

    def __init__(self, store: Path, *, period: float, seconds: float) -> None:
        self.done: list[Outage] = []
        self.out = ""
        """What is wrong with the store now: one of `KINDS`, or nothing."""
        self._store = store
        self._period, self._seconds = period, seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outages", daemon=True)

    def start(self, began: float) -> None:
        """Begin; times are told since *began* (`time.perf_counter`)."""
        self._began = began
        self._thread.start()

    def stop(self) -> None:
        """Heal what is out, and begin nothing new."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        number = 0
        # The outage lies in the middle of its period: it begins and ends in one of its own.
        while not self._stop.wait((self._period - self._seconds) / (2 if number == 0 else 1)):
            kind = KINDS[number % len(KINDS)]
            began = time.perf_counter() - self._began
            with locked(self._store) if kind == "locked" else gone(self._store.parent):
                self.out = kind
                self._stop.wait(self._seconds)
                self.out = ""
            self.done.append(Outage(kind, began, time.perf_counter() - self._began))
            number += 1


@contextlib.contextmanager
def locked(store: Path) -> Iterator[None]:
    """Hold the write lock of a store."""
    with contextlib.closing(sqlite3.connect(store, isolation_level=None, timeout=60)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextlib.contextmanager
def gone(folder: Path) -> Iterator[None]:
    """Let a folder not be where it was: what is there instead cannot be taken for it."""
    away = folder.with_name(f"{folder.name}.away")
    folder.rename(away)
    folder.touch()
    try:
        yield
    finally:
        folder.unlink()
        away.rename(folder)
