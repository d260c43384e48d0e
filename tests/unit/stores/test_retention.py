"""When records are purged, and how far one sweep goes."""

import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from records import act, record

from collector.config import WriterSettings
from collector.consent.standing import ClosedRouters
from collector.metrics import Metrics
from collector.model import Action, Region
from collector.stores import retention
from collector.stores.plan import ConsentRules
from collector.stores.retention import DAY, FIRST_SECONDS, SHARE, SWEEP_SECONDS, Purged, Purging
from collector.stores.rows import ERASED
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_retention import PURGED_AT_ONCE
from collector.stores.writer import Writer

HERE = Region.GERMANY
NOW = int(time.time() * 1000)


class Steps:
    """A purge of so many steps, each of which takes a while."""

    def __init__(self, number: int, seconds: float = 0.0) -> None:
        self.now, self.left, self.number, self._seconds = 0.0, number, number, seconds

    def clock(self) -> float:
        """A clock that only the steps move."""
        return self.now

    async def step(self) -> Purged:
        """One of them."""
        self.left -= 1
        self.now += self._seconds
        return Purged(10, self.left > 0)


async def test_a_sweep_begins_a_minute_after_the_start_and_then_daily() -> None:
    """However often it is asked."""
    steps = Steps(3)
    purging = Purging(steps.clock)
    counts = []
    for at in (0.0, FIRST_SECONDS - 1, FIRST_SECONDS, FIRST_SECONDS + 1, FIRST_SECONDS + SWEEP_SECONDS):
        steps.now, steps.left = at, 3
        counts.append(await purging.go_on(steps.step))

    assert [0, 0, 30, 0, 30] == counts


async def test_a_sweep_takes_its_share_of_a_second_and_goes_on_with_the_next() -> None:
    """So that commits are not kept waiting by a million rows."""
    steps = Steps(5, SHARE / 2)
    purging = Purging(steps.clock)
    steps.now = FIRST_SECONDS

    assert [20, 20, 10, 0] == [await purging.go_on(steps.step) for _ in range(4)]


async def test_a_purge_that_fails_is_tried_again_a_minute_later() -> None:
    """It is not taken for one that was done, and the region is not kept from commits by one that always fails."""
    steps = Steps(1)
    purging = Purging(steps.clock)
    steps.now = FIRST_SECONDS

    async def fails() -> Purged:
        raise OSError

    with pytest.raises(OSError):
        await purging.go_on(fails)
    at_once = await purging.go_on(steps.step)
    steps.now += FIRST_SECONDS

    assert [0, 10] == [at_once, await purging.go_on(steps.step)]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    """Records are kept for thirty days."""
    made = SQLiteStore(tmp_path / "germany.sqlite", HERE, ConsentRules(retention=30 * DAY))
    await made.open()
    yield made
    await made.close()


def rows(store: SQLiteStore, table: str) -> int:
    """How many there are."""
    with closing(sqlite3.connect(store.path)) as other:
        return int(other.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


async def test_a_clock_that_is_far_ahead_does_not_empty_the_store(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep goes a week beyond the oldest record at most; what it leaves is read again once the clock is right."""
    await store.commit([record(number=n, at=NOW - n * DAY) for n in range(20, 0, -1)])
    monkeypatch.setattr(retention, "time", SimpleNamespace(time=lambda: time.time() + 400 * 86_400))
    purged, [unreadable] = await store.purge(), await store.find([("router", record().identity.device_ref)])
    monkeypatch.undo()
    [found] = await store.find([("router", record().identity.device_ref)])

    assert ((8, False), 0) == (purged, unreadable.records)
    assert 12 == found.records


async def test_what_is_held_does_not_keep_the_rest(store: SQLiteStore) -> None:
    """Though it lies at the beginning, for years."""
    await store.commit([record("held", 1, at=NOW - 900 * DAY)])
    hold = msgspec.structs.replace(act(Action.HOLD, "held", at=NOW - 800 * DAY), reference="CASE-1")
    await store.commit([hold])
    await store.commit([record("b", 1, at=NOW - 31 * DAY), record("b", 2, at=NOW)])

    assert (1, False) == await store.purge()
    assert 2 == rows(store, "record")


async def test_what_found_a_router_that_left_goes_with_its_last_record(tmp_path: Path) -> None:
    """With `on_exit = "keep"`; the ledger stays."""
    store = SQLiteStore(tmp_path / "germany.sqlite", HERE, ConsentRules(erase_on_exit=False, retention=30 * DAY))
    await store.open()
    await store.commit([record(number=1, at=NOW - 31 * DAY)])
    await store.commit([act(Action.EXIT, at=NOW - DAY)])
    await store.purge()
    left = [rows(store, table) for table in ("record", "lookup", "memory", "ledger")]
    await store.close()

    assert [0, 0, 0, 2] == left


async def test_what_was_deleted_is_taken_out_of_the_files_too(store: SQLiteStore) -> None:
    """As after an exit; its message does not come again as long as it could be taken (`limits.max_age_hours`)."""
    marker = b"V7.Marker-kwx"
    await store.commit([record(number=1, at=NOW - 31 * DAY, body=b'{"router":{"software_version":"%s"}}' % marker)])
    await store.purge()
    await store.changes(0)

    assert [] == [file.name for file in store.path.parent.iterdir() if marker in file.read_bytes()]


async def test_a_sweep_that_does_not_come_to_its_end_has_noted_what_it_deleted(store: SQLiteStore) -> None:
    """Whoever opens the store next finds nothing more to delete, and takes the bytes out of the files all the same."""
    await store.commit([record(number=n, at=NOW - 31 * DAY) for n in range(PURGED_AT_ONCE)])
    purged = await store.purge()

    assert (PURGED_AT_ONCE, True) == purged
    assert await store.noted(ERASED) is not None


async def test_a_writer_purges_with_its_looks_at_the_store(store: SQLiteStore) -> None:
    """And counts it."""
    await store.commit([record(number=1, at=NOW - 31 * DAY), record(number=2, at=NOW)])
    metrics, steps = Metrics(), Steps(1)
    writer = Writer(store, WriterSettings(), metrics, ClosedRouters())
    writer._news._purging = Purging(steps.clock)
    before = (await writer._news.refresh(), metrics.expired[HERE])
    steps.now = FIRST_SECONDS
    writer._news._refreshed = float("-inf")
    after = (await writer._news.refresh(), metrics.expired[HERE])

    assert ((True, 0), (True, 1)) == (before, after)
    assert 1 == rows(store, "record")
