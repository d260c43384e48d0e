"""One thread for one file: it does what it is asked in order, and nobody else waits for it.

Rule 1: the process can end while the thread hangs in a call that never returns; the thread is then left behind.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Final, NamedTuple, TypeVar

T = TypeVar("T")


class _Call(NamedTuple):
    """What to do, and the future that waits for it, with its event loop."""

    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    work: Callable[..., Any]
    args: tuple[Any, ...]


class Worker:
    """A thread of its own, begun with the first call.

    Not a `ThreadPoolExecutor`: the interpreter joins its threads before it ends, so one store that hangs would keep
    the process alive for ever (`concurrent.futures.thread`).
    """

    def __init__(self, name: str) -> None:
        self._calls: Final[SimpleQueue[_Call | None]] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def call(self, work: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Do *work* after everything asked for earlier; the future brings its result, or what it raised."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._calls.put(_Call(loop, future, work, args))
        if self._thread.ident is None:
            self._thread.start()
        return future

    def stop(self) -> None:
        """End the thread once it has done what it was asked for; does not wait."""
        self._calls.put(None)

    def _run(self) -> None:
        while (call := self._calls.get()) is not None:
            result, error = None, None
            try:
                result = call.work(*call.args)
            except BaseException as raised:  # noqa: BLE001 - whoever waits for it gets it
                error = raised
            with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                call.loop.call_soon_threadsafe(_bring, call.future, result, error)
            # Keep nothing of a call until the next one comes: it may hold a batch of records.
            del call, result, error


def _bring(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
