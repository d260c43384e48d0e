"""K37: a purge and a read at the same moment. A read goes by the time, not by what is still there."""

import contextlib
import json
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest
from integration.harness import Site, report
from records import START, number_of, numbers, readable, record, router
from test_broker_races import site

from collector.model import Region
from collector.stores import retention
from collector.stores.plan import ConsentRules
from collector.stores.retention import DAY, Purged
from collector.stores.sqlite import SQLiteStore

__all__ = ["site"]

HERE: Final = Region.GERMANY
ROUTER: Final = "ZTEAB0A000001"
RULES: Final = ConsentRules(retention=30 * DAY)
OLD, YOUNG = 2500, 5


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SQLiteStore]:
    """A store with many records past their time, and a few that are not."""
    made, now = SQLiteStore(tmp_path / "germany.sqlite", HERE, RULES), int(time.time() * 1000)
    await made.open()
    await made.commit([record(number=n, at=now - 31 * DAY) for n in range(1, OLD + 1)])
    await made.commit([record(number=OLD + n, at=now - DAY) for n in range(1, YOUNG + 1)])
    yield made
    await made.close()


async def test_k37_a_read_between_any_two_steps_of_a_purge_shows_the_same(store: SQLiteStore) -> None:
    """By the collector's own connection and by another process's, which is what engineers read with."""
    other = SQLiteStore(store.path, HERE, RULES)
    await other.open()
    seen = [[await numbers(one) for one in (store, other)]]
    steps: list[Purged] = []
    while not steps or steps[-1].more:
        steps.append(await store.purge())
        seen.append([await numbers(one) for one in (store, other)])
    await other.close()
    young = [OLD + n for n in range(YOUNG, 0, -1)]

    assert [[young, young]] * len(seen) == seen
    assert (OLD, 3) == (sum(step.erased for step in steps), len(steps))


async def test_k37_a_read_that_began_before_a_purge_shows_nothing_of_what_it_deletes(store: SQLiteStore) -> None:
    """Its rows are those of one moment, at which they were past their time already."""
    found = []
    async for one in store.records(router("a").device_ref):
        await store.purge()
        found.append(number_of(one))

    assert YOUNG == len(found)
    assert min(found) > OLD


async def test_k37_a_record_cannot_be_read_from_the_moment_its_time_is_over(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the millisecond, without a purge."""
    await store.commit([record("b", 1, at=START)])
    seen = {}
    for late in (-1, 0, 1):
        at = (START + RULES.retention + late) / 1000
        monkeypatch.setattr(retention, "time", SimpleNamespace(time=lambda at=at: at))
        seen[late] = [number_of(one) for one in await readable(store, "b")]

    assert {-1: [1], 0: [], 1: []} == seen


def test_k37_a_command_shows_nothing_past_its_time(site: Site) -> None:
    """`ueip find` counts and shows what is within the region's days."""
    collector = site.start()
    with site.publisher() as router:
        for _ in range(3):
            router.report(report(ROUTER))
        router.settle()
        collector.wait_settled(3)
    with contextlib.closing(sqlite3.connect(site.store(HERE), isolation_level=None, timeout=20)) as other:
        other.execute("UPDATE record SET received_at = received_at - ? WHERE id < 3", (366 * DAY,))
    [found] = json.loads(site.ueip("find", ROUTER, "--json", "-c", str(site.config)).stdout)

    assert (1, 1) == (found["records_stored"], len(found["records"]))
    assert 3 == site.count(HERE)
