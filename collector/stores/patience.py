"""Waits for work on a thread, but not for ever.

Rule 1: what comes about once the patience has ended is taken back, for whoever asked has helped himself otherwise: on
        the same thread, before anything else is done there.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Patience(Generic[T]):
    """The wait for one piece of work: whoever gives up leaves its result to the thread that does it."""

    def __init__(self, work: Callable[[], T], late: Callable[[T], object]) -> None:
        """*late* takes back what *work* did."""
        self._work = work
        self._late = late
        self._lock = threading.Lock()
        self._taken = False

    def do(self) -> T:
        """Do it, on the thread."""
        result = self._work()
        if not self._take():
            self._late(result)
        return result

    async def lasts(self, asked: asyncio.Future[Any], seconds: float) -> bool:
        """Wait until *asked*, which brings what `do` gives, is there; False if that took too long."""
        if (await asyncio.wait({asked}, timeout=seconds))[0]:
            return True
        if self._take():
            return False
        await asyncio.wait({asked})
        return True

    def _take(self) -> bool:
        """Whether nobody has had it before."""
        with self._lock:
            free, self._taken = not self._taken, True
        return free
