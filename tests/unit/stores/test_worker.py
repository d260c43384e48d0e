"""A worker does one thing after another on its own thread, and never keeps the process from ending."""

import asyncio
import subprocess
import sys
import threading

import pytest

from collector.stores.worker import Worker


async def test_calls_are_done_in_order_on_one_thread() -> None:
    """Whatever they take; results come back where they were asked for."""
    worker, done = Worker("test"), list[tuple[int, str]]()

    def work(number: int) -> int:
        done.append((number, threading.current_thread().name))
        return number * 2

    found = await asyncio.gather(*(worker.call(work, number) for number in range(20)))
    worker.stop()

    assert [number * 2 for number in range(20)] == found
    assert [(number, "test") for number in range(20)] == done


async def test_what_a_call_raises_is_raised_where_it_is_awaited() -> None:
    """And the next call is done all the same."""
    worker = Worker("test")
    with pytest.raises(KeyError, match="lost"):
        await worker.call({}.__getitem__, "lost")

    assert 3 == await worker.call(len, "abc")
    worker.stop()


async def test_a_call_that_nobody_awaits_any_more_harms_nobody() -> None:
    """Cancelled while it runs: its result is dropped."""
    worker, go_on = Worker("test"), threading.Event()
    forgotten = worker.call(go_on.wait, 20)
    forgotten.cancel()
    go_on.set()

    assert 3 == await worker.call(len, "abc")
    worker.stop()


async def test_it_stops_after_what_was_asked_for_before() -> None:
    """Nothing is lost by stopping."""
    worker = Worker("test")
    found = [worker.call(abs, -1), worker.call(abs, -2)]
    worker.stop()

    assert [1, 2] == [await one for one in found]
    worker._thread.join(10)
    assert not worker._thread.is_alive()


HANGS = """
import asyncio, threading
from collector.stores.worker import Worker

async def main():
    Worker("hangs").call(threading.Event().wait)
    await asyncio.sleep(0.05)

asyncio.run(main())
print("ended")
"""


def test_a_call_that_never_returns_does_not_keep_the_process_from_ending() -> None:
    """As a disk that hangs would."""
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=True)

    assert "ended\n" == done.stdout
