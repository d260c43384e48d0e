"""What a deployment keeps is opened from settings; what was read at the start is not asked for again."""

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from records import HOUR, START, act, record, until

from collector.cli.setup import make_installation
from collector.config import Settings, WriterSettings, load_settings
from collector.consent.standing import ClosedRouters
from collector.data import data_path
from collector.errors import Cause
from collector.metrics import Metrics
from collector.model import Action, Region
from collector.storage import open_store
from collector.stores import sqlite_scrub
from collector.stores.rows import ERASED
from collector.stores.writer import Writer

HERE = Region.GERMANY


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A new installation."""
    make_installation(tmp_path)
    return load_settings(tmp_path / "collector.toml")


async def test_a_store_is_opened_anew_without_the_files_that_were_read_at_the_start(
    settings: Settings,
) -> None:
    """Keys may lie on a disk that is gone with the store, or are taken away once read: no region may stop for that."""
    store = open_store(settings, HERE)
    await store.open()
    for file in settings.regions.of(HERE).key_files:
        file.unlink()
    await store.open()

    assert 0 == (await store.head()).seq
    await store.close()


async def test_a_notice_that_cannot_be_read_closes_a_store_and_ends_nothing(settings: Settings, tmp_path: Path) -> None:
    """It is read with each opening, so that a version can be put back; while somebody writes it, it may be none."""
    policies = tmp_path / "policies.toml"
    policies.write_bytes(data_path("config", "policies.toml").read_bytes())
    own = settings.consent.model_copy(update={"policies": policies})
    store, metrics = open_store(settings.model_copy(update={"consent": own}), HERE), Metrics((HERE,))
    writer = Writer(store, WriterSettings(linger_milliseconds=0), metrics, ClosedRouters())
    policies.rename(tmp_path / "elsewhere")
    running = asyncio.create_task(writer.run())
    await until(lambda: bool(metrics.store_failures[HERE]))
    assert Cause.BAD_NOTICE is metrics.store_state(HERE)
    (tmp_path / "elsewhere").rename(policies)
    await until(lambda: metrics.store_up[HERE])
    writer.stop()
    await running
    await writer.close()


@pytest.mark.parametrize(("hours", "stored"), [(168, 1), (8760, 0)])
async def test_what_was_erased_is_known_for_as_long_as_it_may_come_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, hours: float, stored: int
) -> None:
    """A router that lost its uplink for months may send a report of then once more (K09); others are forgotten."""
    limits = settings.limits.model_copy(update={"max_age_hours": hours})
    store = open_store(settings.model_copy(update={"limits": limits}), HERE)
    await store.open()
    await store.commit([record(at=START, measured=START), act(Action.ERASE, at=START + HOUR)])
    later = time.time() + 100 * 86_400
    monkeypatch.setattr(sqlite_scrub, "time", SimpleNamespace(time=lambda: later, monotonic=time.monotonic))
    await store.changes(0)
    again = await store.commit([record(at=START + 2 * HOUR, measured=START)])
    await store.close()

    assert stored == again.stored


async def test_a_clock_that_is_years_ahead_makes_a_store_forget_no_more_than_a_day_of_what_was_erased(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With each look that forgets: a store whose clock is put right within the hour still knows of the rest."""
    store, file = open_store(settings, HERE), settings.regions.of(HERE).file
    await store.open()
    await store.commit([record(), act(Action.ERASE, at=START + HOUR)])
    ages = (91, 200, 200.9, 202)
    with closing(sqlite3.connect(file)) as database, database:
        rows = [(bytes([place]), round((time.time() - age * 86_400) * 1000)) for place, age in enumerate(ages)]
        database.executemany("INSERT INTO tombstone VALUES (?, ?)", rows)
    later = time.time() + 4000 * 86_400
    monkeypatch.setattr(sqlite_scrub, "time", SimpleNamespace(time=lambda: later, monotonic=time.monotonic))
    await store.changes(0)
    await store.close()
    with closing(sqlite3.connect(file)) as database:
        left = database.execute("SELECT count(*) FROM tombstone").fetchone()[0]

    assert 1 + len(ages) - 1 == left


async def test_a_store_with_a_note_that_was_damaged_ends_nothing(settings: Settings) -> None:
    """Whatever is asked of a store once a second may fail in ways that nobody thought of."""
    store, metrics = open_store(settings, HERE), Metrics((HERE,))
    writer = Writer(store, WriterSettings(linger_milliseconds=0), metrics, ClosedRouters())
    await store.open()
    await store.note(ERASED, "damaged")
    running = asyncio.create_task(writer.run())
    await until(lambda: bool(metrics.store_failures[HERE]) or running.done())
    assert not running.done()
    writer.stop()
    await running
    await writer.close()
