"""How long a batch grows."""

import asyncio
import time

import pytest
from records import START, leave, record

from collector.acks import NO_TOKEN
from collector.config import WriterSettings
from collector.stores.growing import Growing
from collector.stores.queue import Item, Queue

NEVER_ENDS = 60.0


def growing(waiting: int = 1, *, linger: float = 1, most: int = 100) -> tuple[Growing, Queue]:
    """With so many reports waiting."""
    queue = Queue()
    for number in range(waiting):
        queue.add(Item(record(number=number), NO_TOKEN, 0))
    settings = WriterSettings(linger_milliseconds=linger, max_batch_rows=most)
    return Growing(queue, settings), queue


async def seconds_after(batch: Growing, took: float) -> float:
    """How long it waits after a commit."""
    began = time.monotonic()
    await batch.after(took)
    return time.monotonic() - began


async def test_it_waits_for_as_long_as_the_commit_took() -> None:
    """But never less than the linger."""
    batch, _ = growing()

    assert 0.02 <= await seconds_after(batch, 0.02)
    assert 0.001 <= await seconds_after(batch, 0.0)


async def test_a_slow_store_makes_nobody_wait_for_long() -> None:
    """However long a commit took."""
    batch, _ = growing()
    async with asyncio.timeout(NEVER_ENDS / 2):
        await batch.after(NEVER_ENDS)


async def test_without_a_linger_nothing_waits() -> None:
    """Least delay was asked for."""
    batch, _ = growing(linger=0)
    waiting = asyncio.ensure_future(batch.after(NEVER_ENDS))
    await asyncio.sleep(0)

    assert waiting.done()


@pytest.mark.parametrize("waiting", [0, 100])
async def test_nothing_and_a_full_batch_do_not_wait(waiting: int) -> None:
    """There is nothing that could become more, or enough."""
    batch, _ = growing(waiting)
    resting = asyncio.ensure_future(batch.after(NEVER_ENDS))
    await asyncio.sleep(0)

    assert resting.done()


async def test_what_closes_the_gate_does_not_wait() -> None:
    """Neither when it is there already nor when it comes."""
    batch, queue = growing()
    batch._linger = NEVER_ENDS
    pausing = asyncio.create_task(batch.before_first())
    await asyncio.sleep(0)
    queue.add(Item(leave("z", at=START), NO_TOKEN, 0))
    batch.hurry()
    async with asyncio.timeout(NEVER_ENDS / 2):
        await pausing
        await batch.before_first()


async def test_nothing_grows_once_it_is_stopped() -> None:
    """The end does not wait."""
    batch, _ = growing()
    batch._linger = NEVER_ENDS
    pausing = asyncio.create_task(batch.before_first())
    await asyncio.sleep(0)
    batch.stop()
    async with asyncio.timeout(NEVER_ENDS / 2):
        await pausing
        await batch.after(0)
