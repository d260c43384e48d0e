"""A region's outage stays that region's (D19): what of it is in memory keeps nobody else waiting."""

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from outage import HERE, GatedStore, Region, done
from records import Receipt, leave, record, until

from collector.stores.retention import Purged


async def test_memory_that_was_full_of_what_was_left_with_the_broker_is_room_again(tmp_path: Path) -> None:
    """Reading goes on for the other regions: nothing of this one may be settled before its store is back."""
    here = await Region(tmp_path / "germany").open()
    rooms: list[int] = []
    here.writer._outcomes._settled = lambda: rooms.append(here.metrics.in_flight_bytes)
    here.put(record("x", 1), record("y", 2), size=10_000)
    await here.refuse()

    assert [0] == rooms[-1:], "who reads is told that there is room"


@pytest.mark.parametrize("known", [True, False], ids=["joined", "unknown"])
async def test_a_commit_that_fails_while_it_is_spooled_holds_up_nobody(tmp_path: Path, known: bool) -> None:
    """What of it was not looked at yet is looked at all the same: the acknowledgements of others stand behind it."""
    here = await Region(tmp_path / "germany").open()
    here.put(*(record(name, 0) for name in "ab"))
    await here.drain()
    receipts = here.put(record("a", 1), *([record("b", 2)] if known else [record("x", 2), record("b", 3)]))
    here.store.gate.clear()
    here.store.began.clear()
    committing = asyncio.create_task(here.writer.step())
    await here.store.began.wait()
    here.goes_away()
    put, ended = here.file.put, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(*arguments: Any) -> list[int]:
        loop.call_soon_threadsafe(here.store.gate.set)
        asyncio.run_coroutine_threadsafe(ended.wait(), loop).result()
        return put(*arguments)

    here.file.put = slow  # type: ignore[method-assign, assignment]
    here.store.fail_next = 1 << 30
    committing.add_done_callback(lambda _: ended.set())
    await here.shelter()
    here.file.put = put  # type: ignore[method-assign]
    for _ in range(3):
        await here.step()
        await here.shelter()

    assert "waits" not in done(receipts)
    await here.heal()
    assert [0, 0, 1, *([2] if known else [2, 3])] == here.stored()


class HangsInPurge(GatedStore):
    """A store that hangs while it deletes what is past its time."""

    def __init__(self) -> None:
        super().__init__()
        self.purging = asyncio.Event()

    async def purge(self) -> Purged:
        """It does not return."""
        self.purging.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_store_that_hangs_in_a_purge_is_away(tmp_path: Path) -> None:
    """As one is that hangs in a commit: what comes is spooled, not kept in memory until that is full."""
    store = HangsInPurge()
    here = Region(tmp_path / "germany", store=store, after_seconds=0.1)
    here.writer._news._purging._next = 0
    running = asyncio.create_task(here.writer.run())
    receipt = Receipt()
    await asyncio.wait_for(store.purging.wait(), 10)
    here.metrics.received += 1
    here.metrics.in_flight += 1
    here.writer.submit(record("x", 1), receipt, 0)
    await until(lambda: bool(receipt.left))
    running.cancel()

    assert not here.metrics.store_up[HERE]


async def test_a_spool_that_hangs_while_it_drains_does_not_slow_a_store_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for once; then what comes is committed at full speed, exits too, until the spool answers again."""
    monkeypatch.setattr("collector.stores.spool.RETRY_SECONDS", 0.04)
    here = await Region(tmp_path / "germany").open()
    here.put(*(record(name, 0) for name in "abc"))
    await here.drain()
    await here.refuse()
    here.put(record("a", 1))
    await here.shelter()
    hangs, answers = threading.Event(), threading.Event()

    def hanging() -> None:
        hangs.set()
        answers.wait(30)

    here.spool.patience = 0.2
    stuck = here.spool._worker.call(hanging)
    await asyncio.to_thread(hangs.wait)
    here.store.fail_next = 0
    began = time.monotonic()
    for number in range(8):
        receipts = here.put(record("b", 10 + number), *([leave("c", event_ref=b"e")] if number == 4 else []))
        while "waits" in done(receipts):
            await here.writer.step()
    took = time.monotonic() - began
    answers.set()
    await stuck
    await until(lambda: here.spool.cause is None)
    await here.drain()

    assert took < 3 * 0.2
    assert [0, 0, 1, *range(10, 18)] == here.stored()
