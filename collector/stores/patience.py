"""Waits for work on a thread, but not for ever.

Rule 1: what is done only after patience has run out is undone, as whoever asked has found another way by then: on the
        same thread, before anything else is done there.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Patience(Generic[T]):
    """The wait for one piece of work; if it is given up, the thread that does the work undoes it."""

    def __init__(self, work: Callable[[], T], late: Callable[[T], object]) -> None:
        """*late* undoes what *work* did."""
        self._work = work
        self._late = late
        self._lock = threading.Lock()
        self._taken = False

    def do(self) -> T:
        """Do the work; called on the thread."""
        result = self._work()
        if not self._take():
            self._late(result)
        return result

    async def lasts(self, asked: asyncio.Future[Any], seconds: float) -> bool:
        """Wait for *asked*, the future of what `do` returns; False if that took too long."""
        if (await asyncio.wait({asked}, timeout=seconds))[0]:
            return True
        if self._take():
            return False
        await asyncio.wait({asked})
        return True

    def _take(self) -> bool:
        """Whether this is the first to take the result."""
        with self._lock:
            free, self._taken = not self._taken, True
        return free
