"""A spool answers within the patience or not at all; what comes about later is taken back."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from outage import HERE, KEY
from records import leave, record, router, until

from collector.errors import Cause, SpoolUnavailable
from collector.reasons import DropReason
from collector.spool_metrics import SpoolCounts
from collector.stores.sealing import Sealer
from collector.stores.spool import Spool
from collector.stores.spool_file import SpoolFile


class Slow:
    """A spool whose file does what it is asked only once it is let go."""

    def __init__(self, folder: Path, most: int = 1 << 30) -> None:
        self.file = SpoolFile(folder, HERE, Sealer([KEY], HERE), most)
        self.spool = Spool(self.file, HERE, max_bytes=most, patience=30)
        self.go_on = threading.Event()
        self.go_on.set()
        self.seen: list[tuple[SpoolCounts, SpoolCounts]] = []
        self.spool.changed = lambda before, after: self.seen.append((before, after))
        for name in ("_put", "_close_gate", "_take_in_hand"):
            setattr(self.file, name, self._gated(getattr(self.file, name)))

    def _gated(self, work: Callable[..., Any]) -> Callable[..., Any]:
        def gated(*args: Any, **more: Any) -> Any:
            assert self.go_on.wait(20)
            return work(*args, **more)

        return gated

    def hang(self) -> None:
        """Do nothing of what is asked from now on."""
        self.go_on.clear()
        self.spool.patience = 0.05

    async def recovered(self) -> None:
        """Wait until everything that was asked for is done, what was taken back included."""
        self.go_on.set()
        self.spool.patience = 30
        await until(lambda: self.spool.cause is None)
        for _ in range(2):
            await self.spool._worker.call(int)
            await asyncio.sleep(0)


@pytest.fixture
async def slow(tmp_path: Path) -> AsyncIterator[Slow]:
    """A spool that is open, and can be made to hang."""
    made = Slow(tmp_path / "germany")
    await made.spool.open()
    yield made
    made.go_on.set()
    await made.spool.close()


async def test_it_says_what_is_in_it_and_what_became_of_the_rest(slow: Slow) -> None:
    """After everything that was done, in order."""
    rows = await slow.spool.put([record("a", 1), record("b", 2), record("c", 3)])
    slow.spool.purge([router("a").device_ref], DropReason.VOID)
    slow.spool.delete(rows[2:])
    found = await slow.spool.read(10)

    assert [rows[1]] == [row for row, _ in found]
    assert [3, 2, 1, 1] == [after.records for _, after in slow.seen[-4:]]
    assert {DropReason.VOID: 1} == slow.spool.counts.dropped
    assert slow.spool.has_room


async def test_each_drop_is_told_once_whatever_else_is_asked_for_meanwhile(slow: Slow) -> None:
    """Who waits for an answer hears of it later than who waits for none: what was counted is told in its order."""
    await slow.spool.put([record("a", 1), record("b", 2)])
    slow.go_on.clear()
    putting = asyncio.create_task(slow.spool.put([record("c", 3)]))
    await asyncio.sleep(0)
    slow.spool.purge([router("a").device_ref], DropReason.WITHDRAWN)
    slow.go_on.set()
    time.sleep(0.3)  # noqa: ASYNC251 - a loop that is busy until both are done
    await putting
    await slow.spool.read(10)
    told = sum((after.dropped - before.dropped for before, after in slow.seen), Counter[DropReason]())

    assert {DropReason.WITHDRAWN: 1} == told
    assert 2 == slow.spool.records


async def test_what_was_put_too_late_is_taken_back(slow: Slow) -> None:
    """Whoever gave it was told that it is not there, and has left it with the broker."""
    slow.hang()
    with pytest.raises(SpoolUnavailable, match="does not answer"):
        await slow.spool.put([record("a", 1)])
    during = (slow.spool.answers, slow.spool.cause)
    await slow.recovered()

    assert (False, Cause.NOT_ANSWERING) == during
    assert 0 == slow.spool.records
    assert slow.spool.answers


async def test_what_was_put_too_late_is_no_drop_of_an_exit_that_came_meanwhile(slow: Slow) -> None:
    """It is in memory: its outcome is counted there, once."""
    slow.hang()
    with pytest.raises(SpoolUnavailable, match="does not answer"):
        await slow.spool.put([record("a", 1)])
    slow.spool.purge([router("a").device_ref], DropReason.WITHDRAWN)
    await slow.recovered()

    assert {} == +slow.spool.counts.dropped
    assert 0 == slow.spool.records


async def test_an_act_that_was_taken_too_late_is_taken_back_its_purge_is_not(slow: Slow) -> None:
    """The records are gone and counted: the act goes on waiting elsewhere."""
    await slow.spool.put([record("a", 1), record("b", 2)])
    slow.hang()
    with pytest.raises(SpoolUnavailable):
        await slow.spool.close_gate(leave("a"), [router("a").device_ref], DropReason.WITHDRAWN)
    await slow.recovered()

    assert 1 == slow.spool.records
    assert {DropReason.WITHDRAWN: 1} == slow.spool.counts.dropped
    assert [] == await slow.spool.open()


async def test_what_was_read_too_late_is_given_back(slow: Slow) -> None:
    """And can be read again; a purge counts at once."""
    await slow.spool.put([record("a", 1)])
    slow.hang()
    with pytest.raises(SpoolUnavailable):
        await slow.spool.read(10)
    await slow.recovered()
    slow.spool.purge([router("a").device_ref], DropReason.WITHDRAWN)

    assert [] == await slow.spool.read(10)
    assert {DropReason.WITHDRAWN: 1} == slow.spool.counts.dropped


async def test_a_full_one_takes_again_once_a_part_of_it_is_free(tmp_path: Path) -> None:
    """Not after every single record: that would be a write for each."""
    made = Slow(tmp_path / "germany", 1 << 16)
    await made.spool.open()
    rows = await made.spool.put([record("a", n) for n in range(500)])
    full = made.spool.has_room
    made.spool.delete(rows[:1])
    await made.spool._worker.call(int)
    still = made.spool.has_room
    made.spool.delete(rows[1:40])
    await made.recovered()

    assert len(rows) < 500
    assert (False, False, True) == (full, still, made.spool.has_room)
    await made.spool.close()


async def test_one_that_refused_is_tried_again_in_a_while(slow: Slow) -> None:
    """Not with every message, and without one."""
    slow.file._file.db.execute("PRAGMA query_only = ON")
    with pytest.raises(SpoolUnavailable):
        await slow.spool.put([record()])
    soon = slow.spool.may_try()
    slow.spool._tried = float("-inf")
    later = slow.spool.may_try()
    with pytest.raises(SpoolUnavailable):
        await slow.spool.try_again()
    slow.file._file.db.execute("PRAGMA query_only = OFF")
    await slow.spool.try_again()

    assert (False, True) == (soon, later)
    assert slow.spool.has_room


async def test_without_a_file_it_takes_nothing() -> None:
    """All stays with the broker then."""
    spool = Spool(None, HERE)
    with pytest.raises(SpoolUnavailable, match="has no spool"):
        await spool.open()

    assert (False, 0, None) == (spool.has_room, spool.records, spool.cause)
    await spool.close()


async def test_one_that_refused_is_not_said_to_be_ready_because_it_is_let_go_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As at the end of a collector that could not use it."""
    made = Slow(tmp_path / "germany")
    await made.spool.open()
    made.file._file.db.execute("PRAGMA query_only = ON")
    with pytest.raises(SpoolUnavailable):
        await made.spool.put([record()])
    with caplog.at_level("INFO"):
        await made.spool.close()

    assert ["spool_unavailable"] == [said.message for said in caplog.records]
