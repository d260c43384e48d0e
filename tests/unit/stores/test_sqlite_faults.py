"""Why a store is closed: each trouble has one cause, and rows that no collector wrote are one of them."""

import asyncio
import contextlib
import os
import resource
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from records import HOUR, START, Receipt, leave, numbers, part, readable, record, router, until

from collector.config import WriterSettings
from collector.consent.standing import ClosedRouters
from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.metrics import Metrics
from collector.model import Region
from collector.registry import Entry
from collector.stores import sqlite_registry, sqlite_schema, sqlite_verify
from collector.stores.ends import Progress, Sums, Table
from collector.stores.plan import ConsentRules
from collector.stores.rows import ERASED, ROUTER_COLUMNS
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_end import SQLiteEnd
from collector.stores.sqlite_faults import cause_of, not_opened
from collector.stores.sqlite_registry import SQLiteRegistry
from collector.stores.sqlite_schema import SCHEMA_VERSION, connect, inspect
from collector.stores.verified import Expected
from collector.stores.writer import Writer

HERE = Region.GERMANY
LATER = START + HOUR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of the test is."""
    return tmp_path / "germany.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    """An open store with one record in it."""
    made = SQLiteStore(path, HERE, ConsentRules())
    await made.open()
    await made.commit([record("a", 1)])
    yield made
    await made.close()


def elsewhere(path: Path, *statements: str) -> None:
    """What another program does to the file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
        for statement in statements:
            other.execute(statement)


def remove(path: Path) -> None:
    """Take the file away."""
    path.unlink()


def files_in(folder: Path) -> list[Path]:
    """What is there."""
    return sorted(folder.iterdir())


def copy_of(path: Path) -> Path:
    """A whole copy beside it."""
    copy = path.with_suffix(".copy")
    with contextlib.closing(sqlite3.connect(path)) as whole, contextlib.closing(sqlite3.connect(copy)) as made:
        whole.backup(made)
    return copy


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (sqlite3.SQLITE_FULL, Cause.DISK_FULL),
        (sqlite3.SQLITE_READONLY, Cause.READ_ONLY),
        (sqlite3.SQLITE_READONLY_ROLLBACK, Cause.READ_ONLY),
        (sqlite3.SQLITE_BUSY, Cause.LOCKED),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Cause.LOCKED),
        (sqlite3.SQLITE_LOCKED, Cause.LOCKED),
        (sqlite3.SQLITE_CORRUPT, Cause.CORRUPT),
        (sqlite3.SQLITE_CORRUPT_INDEX, Cause.CORRUPT),
        (sqlite3.SQLITE_NOTADB, Cause.CORRUPT),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, Cause.CORRUPT),
        (sqlite3.SQLITE_IOERR_FSYNC, Cause.NOT_ANSWERING),
        (sqlite3.SQLITE_CANTOPEN, Cause.NOT_ANSWERING),
        (sqlite3.SQLITE_INTERRUPT, Cause.NOT_ANSWERING),
    ],
)
def test_a_result_code_has_one_cause(path: Path, code: int, cause: Cause) -> None:
    """The extended ones as their primary ones."""
    path.touch()
    error = sqlite3.OperationalError("as SQLite says")
    error.sqlite_errorcode = code

    assert cause is cause_of(error, path)


async def test_a_row_that_does_not_fit_is_told_without_the_words_of_sqlite(path: Path, store: SQLiteStore) -> None:
    """Which name tables and columns; nobody who reads it has made any."""
    end = SQLiteEnd(path, HERE, (), ConsentRules(), None)
    await end.open()
    row, once = (b"a", b"b"), Progress((1,), Sums(1))
    await end.write(Table.TOMBSTONES, [row], Progress(), once)
    with pytest.raises(StoreUnavailable) as refused:
        await end.write(Table.TOMBSTONES, [row], once, Progress((2,), Sums(2)))
    await end.close()

    told = str(refused.value)
    assert "the store of germany did not answer: a row does not fit those that are there" in told
    assert ("constraint failed" in told, "tombstone" in told) == (False, False)
    assert Cause.CORRUPT is refused.value.cause


def test_every_cause_comes_with_advice() -> None:
    """A sentence for the log."""
    assert all(cause.advice.endswith(".") for cause in Cause)


def test_a_store_that_is_only_away_leaves_what_the_ledger_said() -> None:
    """Of all others nothing that was known of it may be gone by, not even elsewhere than in the store."""
    away = {Cause.OPENING, Cause.NOT_ANSWERING, Cause.LOCKED, Cause.DISK_FULL, Cause.READ_ONLY, Cause.NO_ACCESS}

    # Of one that is being moved nobody writes the ledger meanwhile, and a notice is no part of it.
    assert away | {Cause.MOVING, Cause.BAD_NOTICE} == {cause for cause in Cause if not cause.doubts_the_ledger}


@pytest.mark.parametrize(
    ("number", "cause"), [(28, Cause.DISK_FULL), (30, Cause.READ_ONLY), (13, Cause.READ_ONLY), (5, Cause.NOT_ANSWERING)]
)
def test_what_the_file_system_refuses_has_a_cause_too(path: Path, number: int, cause: Cause) -> None:
    """By its number: ENOSPC, EROFS, EACCES, EIO."""
    assert cause is not_opened(OSError(number, os.strerror(number)), path).cause


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """The disk takes no more of a file than so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_disk_that_refuses_at_the_start_is_no_damage(path: Path) -> None:
    """SQLite takes the transaction back by itself then; that there is none left says nothing of the store."""
    store = SQLiteStore(path, HERE, ConsentRules())
    with no_file_above(20_000), pytest.raises(StoreUnavailable) as refused:
        await store.open()
    await store.open()
    committed = await store.commit([record("a", 1)])
    await store.close()

    assert Cause.NOT_ANSWERING is refused.value.cause
    assert 1 == committed.stored


async def test_a_disk_that_is_full_is_no_damage_of_the_registry(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is a part of the routers in it."""
    registry = SQLiteRegistry(path, HERE)
    pages = store._db.execute("PRAGMA page_count").fetchone()[0]
    monkeypatch.setattr(sqlite_schema, "OVERWRITING", f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreUnavailable) as refused:
        registry.put([(router(f"r{number}"), Entry("DE", 1)) for number in range(1000)])

    assert Cause.DISK_FULL is refused.value.cause
    assert (0, []) == (registry.version(), registry.page(b"", 1))


async def test_a_verification_that_a_disk_ends_is_no_finding(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite takes a transaction that only reads back too, where the disk does not answer."""

    def ended(connection: sqlite3.Connection, *_: object) -> None:
        with sqlite_verify._look(connection):
            connection.execute("ROLLBACK")
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise error

    monkeypatch.setattr(sqlite_verify, "_chain", ended)
    with pytest.raises(StoreUnavailable) as refused:
        sqlite_verify.verify(path, HERE, Expected())

    assert Cause.NOT_ANSWERING is refused.value.cause


@pytest.mark.parametrize(
    "tampered",
    [
        "UPDATE router SET state = 'welcome'",
        "UPDATE router SET effective_at = 'soon'",
        "UPDATE router SET storage_regions = x'00'",
        "UPDATE router SET holds = x'00'",
        "UPDATE router SET beneath = 'welcome'",
        "UPDATE router SET erased_until = 'soon'",
    ],
)
async def test_a_standing_that_cannot_be_read_closes_the_store(path: Path, store: SQLiteStore, tampered: str) -> None:
    """What no collector wrote must not be guessed at, and a message is not dropped for it."""
    elsewhere(path, tampered)
    with pytest.raises(StoreUnavailable) as refused:
        await store.commit([record("a", 2)])

    assert Cause.CORRUPT is refused.value.cause


@pytest.mark.parametrize("entry", ["'{}'", "'no JSON'", "CAST(x'ff' AS TEXT)"])
async def test_an_entry_that_cannot_be_read_closes_the_store(path: Path, store: SQLiteStore, entry: str) -> None:
    """Also when nothing is to be written."""
    elsewhere(path, "DROP TRIGGER ledger_keeps_entries", f"UPDATE ledger SET entry = {entry}")
    with pytest.raises(StoreUnavailable) as refused:
        await store.changes(0)

    assert Cause.CORRUPT is refused.value.cause


SECRET = "c4n4ry"
DAMAGED_TEXT = f"CAST(x'{SECRET.encode().hex()}ff' AS TEXT)"


@pytest.mark.parametrize("what", ["record SET body", "ledger SET entry"])
async def test_a_damaged_text_is_not_quoted(path: Path, store: SQLiteStore, what: str) -> None:
    """A report and an entry are of somebody, and what is told goes into the log."""
    elsewhere(path, "DROP TRIGGER ledger_keeps_entries", f"UPDATE {what} = {DAMAGED_TEXT}")
    with pytest.raises(StoreUnavailable) as refused:
        await readable(store) if what.startswith("record") else await store.changes(0)

    assert "the store of germany did not answer: a text is not UTF-8" == str(refused.value)
    assert Cause.CORRUPT is refused.value.cause


@pytest.mark.parametrize("what", ["router SET key_id", "meta SET value"])
def test_a_damaged_text_is_damage_when_a_store_is_opened(path: Path, what: str) -> None:
    """Then nothing that was known of its ledger may be gone by; and neither is it quoted here."""
    with contextlib.closing(connect(path, HERE, [])) as made:
        row = "x'00', 'k', '', 0, '', 0, 0, '', '', 0, '', '', 0"
        made.execute(f"INSERT INTO router ({ROUTER_COLUMNS}) VALUES ({row})")
        made.execute(f"UPDATE {what} = {DAMAGED_TEXT}")
    told = []
    for look in (connect, inspect):
        with pytest.raises(StoreUnusable) as refused:
            look(path, HERE, ["k"])
        told.append((refused.value.cause, SECRET in str(refused.value)))

    assert [(Cause.CORRUPT, False)] * 2 == told


@pytest.mark.parametrize("note", ["soon", "1", "1:x", ""])
async def test_a_note_that_cannot_be_read_closes_the_store(path: Path, store: SQLiteStore, note: str) -> None:
    """It says which times were found wrong; a guess could make the clock be believed."""
    await store.accept_times()
    elsewhere(path, f"UPDATE meta SET value = '{note}' WHERE name = 'times'")
    for ask in (store.newest(), store.open()):
        with pytest.raises(StoreUnavailable) as refused:
            await ask

        assert Cause.CORRUPT is refused.value.cause


NOTES = ["soon", "1 2", "1 2 x", "", "1 2 3 4"]


@pytest.mark.parametrize("note", NOTES)
async def test_a_note_of_what_was_erased_that_cannot_be_read_is_damage(
    path: Path, store: SQLiteStore, note: str
) -> None:
    """Whoever looks at it or adds to it; no time makes it readable, and so it is no outage."""
    await store.note(ERASED, note)
    for ask in (store.changes(0), store.commit([leave("a", at=LATER)])):
        with pytest.raises(StoreUnavailable) as refused:
            await ask

        assert Cause.CORRUPT is refused.value.cause


@pytest.mark.parametrize(
    "damage", ["stripped = 'no JSON'", "stripped = '[1]'", "stripped = x'ff'", "body = x'ff'", "body = x'7b7d'"]
)
async def test_a_record_that_cannot_be_read_is_damage(path: Path, store: SQLiteStore, damage: str) -> None:
    """Whoever asks for it is told of the store's trouble; it had ended the command with a bug of ours."""
    elsewhere(path, f"UPDATE record SET {damage}")
    with pytest.raises(StoreUnavailable) as refused:
        await readable(store)

    assert Cause.CORRUPT is refused.value.cause


async def test_a_damaged_standing_drops_no_message(path: Path, store: SQLiteStore) -> None:
    """The writer keeps it, unacknowledged, and writes it when the store is mended."""
    metrics, receipt = Metrics((HERE,)), Receipt()
    elsewhere(path, "UPDATE router SET state = 'welcome'")
    writer = Writer(store, WriterSettings(), metrics, ClosedRouters())
    metrics.in_flight += 1
    writer.submit(record("a", 2), receipt, 0)
    await writer.step()
    held = (receipt.completed, metrics.in_flight, metrics.store_state(HERE))
    elsewhere(path, "UPDATE router SET state = 'joined'")
    await writer.step()

    assert (0, 1, Cause.CORRUPT) == held
    assert (1, 0, None) == (receipt.completed, metrics.in_flight, metrics.store_state(HERE))


@pytest.mark.parametrize("state", ["x'00'", "7"])
async def test_what_is_remembered_of_a_router_and_cannot_be_read_drops_no_message(
    path: Path, store: SQLiteStore, state: str
) -> None:
    """It is damage like any other; each report of that router had been dropped for a bug of ours."""
    await store.commit([part(1, "phy0")])
    elsewhere(path, f"UPDATE memory SET state = {state}")
    with pytest.raises(StoreUnavailable) as refused:
        await store.commit([part(2, "phy1")])

    assert Cause.CORRUPT is refused.value.cause


async def test_a_file_that_was_replaced_is_noticed_before_anything_is_acknowledged(
    path: Path, store: SQLiteStore
) -> None:
    """What went into the old file is written to the new one too, for nobody will ever look into the old."""
    copy_of(path).replace(path)
    with pytest.raises(StoreUnavailable) as at_commit:
        await store.commit([record("a", 2), leave("b", at=LATER)])
    with pytest.raises(StoreUnavailable) as at_a_look:
        await store.changes(0)
    await store.open()
    committed = await store.commit([record("a", 2), leave("b", at=LATER)])

    assert [Cause.REPLACED] * 2 == [at_commit.value.cause, at_a_look.value.cause]
    assert 1 == committed.stored
    assert [2, 1] == await numbers(store)


async def test_a_file_that_was_removed_is_noticed(path: Path, store: SQLiteStore) -> None:
    """It is not made anew by a commit."""
    remove(path)
    with pytest.raises(StoreUnavailable) as refused:
        await store.commit([record("a", 2)])

    assert Cause.REPLACED is refused.value.cause
    assert path not in files_in(path.parent)


async def test_a_newer_schema_is_noticed_while_running(path: Path, store: SQLiteStore) -> None:
    """A newer collector beside this one has brought the store up to its own."""
    elsewhere(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreUnusable) as refused:
        await store.changes(0)

    assert Cause.NEWER_SCHEMA is refused.value.cause


@pytest.mark.parametrize(
    "work",
    [lambda store: store.commit([record("a", 2)]), lambda store: store.purge(), lambda store: store.restore([])],
)
async def test_nothing_is_written_by_what_an_older_collector_knows(
    path: Path, store: SQLiteStore, work: Callable[[SQLiteStore], Awaitable[object]]
) -> None:
    """From the very transaction that brought the store up, not from the next look: rows may mean something else."""
    elsewhere(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreUnusable) as refused:
        await work(store)

    assert Cause.NEWER_SCHEMA is refused.value.cause
    assert [1] == await numbers(store)


def test_no_registry_is_written_by_what_an_older_command_knows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer collector brings the store up after the command has opened it."""
    registry = SQLiteRegistry(path, HERE)
    registry.put([(router("a"), Entry("DE", 1))])
    before = registry.version()

    def overtaken(*args: Any, **more: Any) -> sqlite3.Connection:
        connection = connect(*args, **more)
        elsewhere(path, f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
        return connection

    monkeypatch.setattr(sqlite_registry, "connect", overtaken)
    with pytest.raises(StoreUnusable) as refused:
        registry.put([(router("a"), Entry("CN", 1))])

    assert Cause.NEWER_SCHEMA is refused.value.cause
    assert before == registry.version()


async def test_a_store_that_cannot_be_used_is_tried_until_it_can(path: Path) -> None:
    """The writer goes on asking; the process does not end."""
    elsewhere(path, "CREATE TABLE holidays (year)")
    metrics = Metrics((HERE,))
    store = SQLiteStore(path, HERE, ConsentRules())
    writer = Writer(store, WriterSettings(), metrics, ClosedRouters())
    running = asyncio.create_task(writer.run())
    await until(lambda: metrics.store_failures[HERE] > 1)
    closed = metrics.store_state(HERE)
    remove(path)
    await until(lambda: metrics.store_up[HERE])
    writer.stop()
    await running
    await store.close()

    assert Cause.WRONG_STORE is closed


def test_inspecting_a_store_leaves_it_as_it_is(path: Path) -> None:
    """Nothing is made of what is no store yet."""
    path.touch()
    with pytest.raises(StoreUnusable, match="found an empty file"):
        inspect(path, HERE, [])

    assert b"" == path.read_bytes()
    assert [path] == files_in(path.parent)
