"""What the collector asks of its process: calm garbage collection, few heaps, no core files, signals that end it."""

import asyncio
import contextlib
import ctypes
import gc
import resource
import signal
from collections.abc import Iterator
from typing import Final

_ARENA_MAX: Final = -8
"""`M_ARENA_MAX` of glibc's malloc.h."""


def calm_garbage_collector() -> None:
    """Look for garbage less often: what start-up made stays for good, and records form no cycles.

    Not too seldom: each connection to an HTTP port leaves a cycle (asyncio's transports), some kilobytes in all.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 50, 100)


def few_heaps() -> None:
    """Let threads use what others gave back: glibc keeps a heap for each thread, as large as it ever was.

    It leaves one to the loop's thread, which must not wait for the others, and one to all others. To be called before
    there are any; without glibc it does nothing.
    """
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 2)


def no_core_dumps() -> None:
    """A core file would hold what routers sent (catalogue 4.5)."""
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


@contextlib.contextmanager
def signals(stop: asyncio.Event) -> Iterator[None]:
    """SIGTERM, SIGINT and SIGHUP set *stop*."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
