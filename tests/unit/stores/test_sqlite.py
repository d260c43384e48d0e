"""What the SQLite store promises beyond the contract: its file, its durability, its refusals, its scrubbing."""

import asyncio
import contextlib
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from ledgers import first_fault
from notices import later, notice
from records import FIRST, HOUR, MINUTE, SECOND, START, join, leave, numbers, readable, record, ref, router, until

from collector.config import WriterSettings
from collector.consent.ledger import Result
from collector.consent.standing import ClosedRouters, State
from collector.errors import StoreUnavailable, StoreUnusable
from collector.metrics import Metrics
from collector.model import Action, DropReason, Region, Removal
from collector.registry import Entry as Listing
from collector.stores import sqlite_schema as engine
from collector.stores import sqlite_scrub
from collector.stores.known import referred_to
from collector.stores.plan import ConsentRules
from collector.stores.rows import ERASED
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_migrations import MIGRATIONS
from collector.stores.sqlite_registry import SQLiteRegistry
from collector.stores.sqlite_schema import APPLICATION_ID, SCHEMA_VERSION
from collector.stores.writer import Writer

RULES = ConsentRules()
LATER = START + HOUR


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the store of the test is."""
    return tmp_path / "germany.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SQLiteStore]:
    """An open store."""
    made = SQLiteStore(path, Region.GERMANY, RULES)
    await made.open()
    yield made
    await made.close()


@contextlib.asynccontextmanager
async def opened(path: Path, region: Region = Region.GERMANY) -> AsyncIterator[SQLiteStore]:
    """A store for the length of a block."""
    made = SQLiteStore(path, region, RULES)
    try:
        await made.open()
        yield made
    finally:
        await made.close()


def write(path: Path, content: bytes) -> None:
    """Put a file where a store is looked for."""
    path.write_bytes(content)


def mode(folder: str, bits: int) -> None:
    """Say who may do what in a folder."""
    Path(folder).chmod(bits)


def pragma(store: SQLiteStore, name: str) -> object:
    """A setting of the store's own connection."""
    return store._db.execute(f"PRAGMA {name}").fetchone()[0]


def raw(path: Path) -> bytes:
    """Every byte of the store's files, the log and the shared memory included."""
    files = [path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm")]
    return b"".join(file.read_bytes() for file in files if file.exists())


# The file


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
async def test_only_its_owner_may_read_it(path: Path, umask: int) -> None:
    """Database, log and shared memory, whatever the process's umask."""
    before = os.umask(umask)
    try:
        async with opened(path) as store:
            await store.commit([record()])
            modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)

    assert {0o600} == modes


async def test_it_makes_the_folder_it_lies_in(path: Path) -> None:
    """Closed to others as well."""
    deep = path.parent / "new" / "germany.db"
    async with opened(deep):
        pass

    assert 0o700 == stat.S_IMODE(deep.parent.stat().st_mode)


async def test_a_commit_is_on_the_disk_when_it_returns(store: SQLiteStore) -> None:
    """WAL with synchronous FULL: the log is synced at every commit; what is deleted is overwritten."""
    assert "wal" == pragma(store, "journal_mode")
    assert 2 == pragma(store, "synchronous")
    assert 1 == pragma(store, "secure_delete")


@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize(
    ("differs", "kept"),
    [
        ({}, (FIRST.version, "report-v1", None, None)),
        ({"policy_version": "v2"}, ("v2", "report-v1", None, None)),
        ({"source_adapter": "other-v1"}, (FIRST.version, "other-v1", None, None)),
        ({"floating": ()}, (FIRST.version, "report-v1", 1, None)),
        ({"stripped": ((Removal.UNKNOWN, 1),)}, (FIRST.version, "report-v1", None, '{"unknown":1}')),
    ],
)
async def test_each_record_is_written_with_its_own_whatever_the_others_have_in_common(
    path: Path, differs: dict[str, Any], kept: object, place: int
) -> None:
    """What all records of a commit share is given to SQLite once."""
    store = SQLiteStore(path, Region.GERMANY, ConsentRules(policies=notice(later("v2", "minor", at=START - HOUR))))
    await store.open()
    records = [record("a", number, measured=START) for number in range(3)]
    expected: list[object] = [(FIRST.version, "report-v1", None, None)] * 3
    records.insert(place, msgspec.structs.replace(record("b", measured=START), **differs))
    expected.insert(place, kept)
    await store.commit(records)
    sql = "SELECT policy_version, source_adapter, floating, stripped FROM record ORDER BY id"

    assert expected == store._all(sql)
    await store.close()


async def test_nothing_of_a_record_goes_by_way_of_a_temporary_file(store: SQLiteStore) -> None:
    """What a statement may have to undo would be copied there, out of the store; 2 is memory (SQLite, temp_store)."""
    await store.commit([record(number=number) for number in range(600)])

    assert 2 == store._db.execute("PRAGMA temp_store").fetchone()[0]


async def test_everything_is_there_after_reopening(path: Path) -> None:
    """Records, routers, ledger and what was seen of acts and messages."""
    async with opened(path) as store:
        await store.commit([record("a", 1), record("b", 1), leave("b", at=LATER, event_ref=ref("act"))])
        entries, head = await store.ledger(), await store.head()
    async with opened(path) as store:
        again = await store.commit([record("a", 1, at=LATER), leave("b", at=LATER, event_ref=ref("act"))])

        assert (entries, head) == (await store.ledger(), await store.head())
        assert first_fault(entries) is None
        assert [1] == await numbers(store, "a")
        assert [router("b").device_ref] == [*await store.closed(10)]
        assert (0, {DropReason.DUPLICATE: 1}) == (again.stored, dict(again.dropped))
        assert {(Action.EXIT, Result.REPEATED): 1} == dict(again.results)


async def test_what_another_process_committed_survives_its_death(path: Path) -> None:
    """Killed right after the commit returned, without a goodbye."""
    script = f"""
import asyncio, os, pathlib
from collector.model import Region
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from records import record

async def main():
    store = SQLiteStore(pathlib.Path({str(path)!r}), Region.GERMANY, ConsentRules())
    await store.open()
    await store.commit([record()])
    os._exit(9)

asyncio.run(main())
"""
    assert 9 == run(script)
    async with opened(path) as store:
        assert [1] == await numbers(store)


async def test_it_can_be_opened_twice(path: Path) -> None:
    """A service tries its stores before it starts; nothing is lost by that."""
    async with opened(path) as store:
        await store.open()
        committed = await store.commit([record()])

        assert 1 == committed.stored


async def test_a_store_that_is_not_open_is_unavailable(path: Path) -> None:
    """A commit before `open` is a commit to try again."""
    store = SQLiteStore(path, Region.GERMANY, RULES)
    with pytest.raises(StoreUnavailable, match="the store of germany is not open"):
        await store.commit([record()])
    await store.close()


# Its schema


async def test_an_empty_file_becomes_a_store(path: Path) -> None:
    """All migrations run; the file says what it is, of which schema and which region."""
    write(path, b"")
    async with opened(path) as store:
        assert APPLICATION_ID == pragma(store, "application_id")
        assert SCHEMA_VERSION == len(MIGRATIONS) == pragma(store, "user_version")
        assert [("region", "germany")] == store._all("SELECT name, value FROM meta")


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
async def test_an_older_store_is_brought_up_to_date(path: Path, version: int) -> None:
    """With all that is in it; whatever time a redelivery has, it is a duplicate of what was stored then."""
    newer = path.with_name("newer.db")
    async with opened(newer) as store:
        await store.commit([record("a", number) for number in range(50)])
        await store.commit([record("b", 1), leave("b", at=LATER)])
        store._db.execute("INSERT INTO memory SELECT id, x'00' FROM router WHERE state = 'joined'")
        ledger = await store.ledger()
    SQLiteRegistry(newer, Region.GERMANY).put([(router("c"), Listing("DE", 1))])
    kept = {}
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as made:
        for number, script in enumerate(MIGRATIONS[:version], start=1):
            made.executescript(script)
            made.execute(f"PRAGMA user_version = {number}")
        made.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        made.execute("ATTACH ? AS newer", (str(newer),))
        for (table,) in made.execute("SELECT name FROM main.sqlite_schema WHERE type = 'table'").fetchall():
            columns = ", ".join(row[1] for row in made.execute(f"PRAGMA main.table_info({table})"))
            made.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}")
            kept[f"SELECT {columns} FROM {table}"] = made.execute(f"SELECT {columns} FROM {table}").fetchall()
    async with opened(path) as store:
        assert kept == {look: store._all(look) for look in kept}
        again = await store.commit([record("a", 1), record("a", 2, at=LATER), record("a", 99, measured=LATER)])

        assert (1, {DropReason.DUPLICATE: 2}) == (again.stored, dict(again.dropped))
        assert ledger == await store.ledger()
        assert [99, *reversed(range(50))] == await numbers(store, "a")
        await store.commit([leave("a", at=LATER)])
    assert b"uptime_seconds" not in raw(path)


async def test_opening_a_store_looks_at_a_few_of_its_routers_however_many_there_are(path: Path) -> None:
    """Every command opens one, and the console does so every two seconds: an index leads from one key to the next."""
    async with opened(path) as store:
        plan = [row[3] for row in store._all(f"EXPLAIN QUERY PLAN {referred_to('router')}")]

    assert [] == [line for line in plan if line.startswith("SCAN router")]
    assert 4 == sum(line.startswith("SEARCH router USING COVERING INDEX router_by_key") for line in plan)


async def test_what_was_erased_is_forgotten_a_bounded_number_at_a_time_and_found_by_age(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commits wait meanwhile, and a large fleet leaves tens of millions."""
    last_year, number = round(time.time() * 1000) - 365 * 86_400_000, sqlite_scrub.FORGOTTEN_AT_ONCE + 1
    monkeypatch.setattr(sqlite_scrub, "REWRITE_SECONDS", 0)
    async with opened(path) as store:
        monkeypatch.setattr(sqlite_scrub, "_may_be_rewritten", lambda _: False)
        rows = ((place.to_bytes(16, "big"), last_year) for place in range(number))
        store._db.executemany("INSERT INTO tombstone VALUES (?, ?)", rows)
        left = []
        for _ in range(2):
            await store.note(ERASED, f"{last_year} {last_year} {pragma(store, 'schema_version')}")
            await store.changes(0)
            left.append(store._all("SELECT count(*) FROM tombstone")[0][0])
        plan = [row[3] for row in store._db.execute(f"EXPLAIN QUERY PLAN {sqlite_scrub._FORGET}", [0])]

    assert [1, 0] == left
    assert [] == [line for line in plan if line.startswith("SCAN tombstone")]


async def test_a_store_from_the_future_is_refused(path: Path) -> None:
    """A newer collector made it; guessing at its meaning could break it."""
    async with opened(path):
        pass
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    with pytest.raises(StoreUnusable) as refused:
        async with opened(path):
            pass

    assert str(refused.value) == (
        f"{path}: found schema version {SCHEMA_VERSION + 1}, expected at most {SCHEMA_VERSION}. "
        f"A newer collector made it; run that one, or use another store."
    )


async def test_the_database_of_another_program_is_refused_untouched(path: Path) -> None:
    """Not a byte of it changes, its journal mode included."""
    with contextlib.closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE holidays (year)")
    before = raw(path)
    with pytest.raises(StoreUnusable) as refused:
        async with opened(path):
            pass

    assert f"{path}: found another program's SQLite database, expected a store. Choose another path." == str(
        refused.value
    )
    assert before == raw(path)
    assert [path] == list(path.parent.iterdir())


async def test_what_is_no_database_is_refused_untouched(path: Path) -> None:
    """A path that was mistyped costs no file."""
    write(path, b"To whom it may concern, " * 100)
    with pytest.raises(StoreUnusable) as refused:
        async with opened(path):
            pass

    assert f"{path}: found no SQLite database (file is not a database). Choose another path." == str(refused.value)
    assert b"To whom it may concern, " * 100 == raw(path)


async def test_the_store_of_another_region_is_refused(path: Path) -> None:
    """Records never move between regions, not by a wrong path either."""
    async with opened(path):
        pass
    with pytest.raises(StoreUnusable) as refused:
        async with opened(path, Region.CHINA):
            pass

    assert str(refused.value) == (
        f"{path}: found the store of region germany, expected china. Records never move between regions; "
        f"give each region its own store."
    )


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger SET entry = '{}' WHERE seq = 1",
        "UPDATE ledger SET seq = 9 WHERE seq = 1",
        "DELETE FROM ledger WHERE seq = 2",
        "DELETE FROM ledger",
        "INSERT OR REPLACE INTO ledger SELECT seq, device_ref, event_ref, hash, '{}' FROM ledger WHERE seq = 1",
        "INSERT OR IGNORE INTO ledger SELECT 0, device_ref, NULL, hash, '{}' FROM ledger WHERE seq = 1",
    ],
)
async def test_the_ledger_refuses_all_but_new_entries(path: Path, store: SQLiteStore, statement: str) -> None:
    """From any program that opens the file, on any connection."""
    await store.commit([record(), leave(at=LATER)])
    before = await store.ledger()
    with contextlib.closing(sqlite3.connect(path)) as other, pytest.raises(sqlite3.IntegrityError, match="append-only"):
        other.execute(statement)

    assert before == await store.ledger()


# Unavailable, and back


async def test_a_locked_database_is_unavailable_until_it_is_free(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the commit was written; the next one writes it."""
    store._db.execute("PRAGMA busy_timeout = 20")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="the store of germany did not answer: database is locked"):
            await store.commit([record()])
        other.execute("ROLLBACK")
    committed = await store.commit([record()])

    assert 1 == committed.stored


async def test_a_full_disk_is_unavailable_until_there_is_room(store: SQLiteStore) -> None:
    """All or nothing: neither the record nor the join it would have opened is half there."""
    await store.commit([record("a", 1)])
    store._db.execute(f"PRAGMA max_page_count = {pragma(store, 'page_count')}")
    large = [record("b", n, body=b'{"router":{"uptime_seconds":%d}}' % n + b" " * 9000) for n in range(20)]
    with pytest.raises(StoreUnavailable, match="full"):
        await store.commit([*large, leave("a", at=LATER)])
    meanwhile = (await numbers(store, "a"), await numbers(store, "b"), len(await store.ledger()))
    store._db.execute("PRAGMA max_page_count = 1000000")
    committed = await store.commit([*large, leave("a", at=LATER)])

    assert ([1], [], 1) == meanwhile
    assert (20, 1) == (committed.stored, committed.erased)
    assert first_fault(await store.ledger()) is None


async def test_an_exit_finds_room_where_the_log_has_filled_the_disk(path: Path, store: SQLiteStore) -> None:
    """With the next look at the store, for what the log has is in the file then."""
    await store.changes(0)
    for number in range(20):
        await store.commit([record("a", number)])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size(path, "-wal"), limits[1]))
    try:
        with pytest.raises(StoreUnavailable):
            await store.commit([leave("a", at=LATER)])
        await store.changes(0)
        committed = await store.commit([leave("a", at=LATER)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert 20 == committed.erased


async def test_a_path_through_a_file_is_unavailable(path: Path) -> None:
    """The sentence says which path and why."""
    write(path, b"")
    with pytest.raises(StoreUnavailable) as refused:
        async with opened(path / "germany.db"):
            pass

    assert str(refused.value).startswith(f"{path / 'germany.db'}: cannot be opened: ")


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a while, if we are root: root may write anywhere."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_a_read_only_folder_is_unavailable_until_it_can_be_written() -> None:
    """A volume mounted too late, or with the wrong owner: the collector waits for it to be mended."""
    with tempfile.TemporaryDirectory() as folder:
        mode(folder, 0o555)
        store = SQLiteStore(Path(folder) / "germany.db", Region.GERMANY, RULES)
        with without_privileges(), pytest.raises(StoreUnavailable, match="cannot be opened: Permission denied"):
            await store.open()
        mode(folder, 0o777)
        with without_privileges():
            await store.open()
            committed = await store.commit([record()])
            await store.close()

        assert 1 == committed.stored


# What an exit leaves behind

CANARY = b"c4n4ry-of-a-router"


def canaries(name: str, number: int, size: int = 40) -> list[bytes]:
    """What may not be found after router *name* has left: its body, its record ids, its lookup pseudonyms."""
    return [CANARY + name.encode() + b"-", ref("record", name, number), ref("serial", name), ref("imei", name)]


def planted(name: str, number: int, size: int = 40) -> tuple[bytes, tuple[tuple[str, bytes], ...]]:
    """A body and lookup pseudonyms with canaries in them."""
    body = b'{"note":"' + (CANARY + name.encode() + b"-") * (size // 20 + 1) + b'","router":{"uptime_seconds":1}}'
    return body, (("serial", ref("serial", name)), ("imei", ref("imei", name)))


async def test_no_byte_of_what_was_erased_is_left_in_the_files(path: Path, store: SQLiteStore) -> None:
    """Database, log and shared memory, while the store is open; what others sent is untouched."""
    for name in ("a", "b"):
        body, lookup = planted(name, 1)
        await store.commit([record(name, 1, body=body, lookup=lookup)])
    before = [canary in raw(path) for canary in canaries("a", 1)]
    await store.commit([leave("a", at=LATER)])
    after = raw(path)

    assert [True] * 4 == before
    assert [False] * 4 == [canary in after for canary in canaries("a", 1)]
    assert [True] * 4 == [canary in after for canary in canaries("b", 1)]
    assert router("a").device_ref.hex().encode() in after  # the ledger keeps the evidence


@pytest.mark.parametrize("seed", range(3))
async def test_nothing_is_left_of_many_routers_with_many_sizes(path: Path, store: SQLiteStore, seed: int) -> None:
    """Pages are split and merged and rows spill over pages; no copy is left on the way."""
    rng = Random(seed)
    names = [f"r{n:02}" for n in range(12)]
    entries = [(name, n) for name in names for n in range(25)]
    rng.shuffle(entries)
    for start in range(0, len(entries), 60):
        batch = []
        for name, number in entries[start : start + 60]:
            body, lookup = planted(name, number, size=rng.choice([0, 100, 700, 3000, 9000]))
            when = START + number * MINUTE
            batch.append(record(name, number, at=when, oldest=START - HOUR, body=body, lookup=lookup))
        await store.commit(batch)
    rng.shuffle(names)
    for gone in range(0, 9, 3):
        await store.commit([leave(name, at=LATER) for name in names[gone : gone + 3]])
        found = raw(path)
        for name in names[: gone + 3]:
            assert not [n for n in range(25) if any(canary in found for canary in canaries(name, n))]
        assert all(canary in found for name in names[gone + 3 :] for canary in canaries(name, 7))


async def test_a_reader_delays_the_scrubbing_to_the_next_look(path: Path, store: SQLiteStore) -> None:
    """An engineer who reads at the moment of the exit holds the log; a look at the ledger cuts it off afterwards."""
    store._db.execute("PRAGMA busy_timeout = 20")
    body, lookup = planted("a", 1)
    await store.commit([record("a", 1, body=body, lookup=lookup)])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM record").fetchone()
        await store.commit([leave("a", at=LATER)])
        during = CANARY in raw(path)
        reader.execute("ROLLBACK")
    await store.changes(0)

    assert during
    assert CANARY not in raw(path)


async def test_a_reader_holds_up_neither_an_exit_nor_the_looks_after_it(path: Path, store: SQLiteStore) -> None:
    """A backup reads for minutes: a store that waited for it with each look would seem away."""
    await store.commit([record("a", 1)])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM record").fetchone()
        began = time.monotonic()
        await store.commit([leave("a", at=LATER)])
        await store.changes(0)
        seconds = time.monotonic() - began
        reader.execute("ROLLBACK")

    assert seconds < engine._BUSY_SECONDS
    assert engine._BUSY_SECONDS * 1000 == pragma(store, "busy_timeout")


async def test_a_rewriting_that_finds_no_room_leaves_the_disk_as_it_was(path: Path, store: SQLiteStore) -> None:
    """It goes by way of the log, which would keep what it took until the next exit: stores of others may lie there."""
    for number in range(20):
        await store.commit([record("b", number, body=b'{"note":"%s","n":%d}' % (b"n" * 9000, number))])
    await store.commit([record("a", 1), leave("a", at=LATER)])
    before = size(path, "-wal")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size(path), limits[1]))
    try:
        await store.changes(0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert (0, 0) == (before, size(path, "-wal"))
    assert await noted(store)


async def test_a_rewriting_is_not_begun_without_room_for_it(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it looked for some, nobody else could write on that disk."""
    await store.commit([record("a", 1), leave("a", at=LATER)])
    monkeypatch.setattr(sqlite_scrub, "REWRITE_SECONDS", 0)
    found = []
    for free in (size(path) - 1, size(path)):
        monkeypatch.setattr(sqlite_scrub, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        await store.changes(0)
        found.append(await noted(store))

    assert [True, False] == found


def size(path: Path, part: str = "") -> int:
    """Bytes of the file, or of a part of the store beside it."""
    return Path(f"{path}{part}").stat().st_size


async def test_a_process_that_died_before_scrubbing_is_cleaned_up_after(path: Path) -> None:
    """The exit was committed, the log still holds the rows; the next collector's first look takes them out."""
    body, lookup = planted("a", 1)
    script = f"""
import asyncio, os, pathlib
from collector.model import Region
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from records import leave, record

async def main():
    store = SQLiteStore(pathlib.Path({str(path)!r}), Region.GERMANY, ConsentRules())
    await store.open()
    await store.commit([record("a", 1, body={body!r}, lookup={lookup!r})])
    store._scrubber.scrub = lambda _: os._exit(9)
    await store.commit([leave("a", at={LATER})])

asyncio.run(main())
"""
    assert 9 == run(script)
    assert CANARY in raw(path)
    async with opened(path) as store:
        await store.changes(0)

        assert CANARY not in raw(path)
        assert [] == await readable(store)


async def noted(store: SQLiteStore) -> bool:
    """Whether the store says that something of an erasure may be left."""
    return await store.noted(ERASED) is not None


async def test_an_erasure_is_noted_until_nothing_of_it_is_left(store: SQLiteStore) -> None:
    """From its own transaction on, until the file was written anew."""
    await store.commit([record("a", 1)])
    before = await noted(store)
    await store.commit([leave("a", at=LATER)])
    between = await noted(store)
    await store.changes(0)

    assert (False, True, False) == (before, between, await noted(store))


async def test_what_was_left_to_be_done_is_done_by_the_next_process(path: Path) -> None:
    """The command ends, or the collector dies: whoever opens the store next finds the note."""
    async with opened(path) as command:
        await command.commit([record("a", 1), leave("a", at=LATER)])
    async with opened(path) as store:
        found = await noted(store)
        await store.changes((await store.head()).seq)

        assert (True, False) == (found, await noted(store))


async def test_a_large_store_is_clean_once_its_operator_has_written_it_anew(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not done behind his back, for nothing can be committed meanwhile; and that he has done it is seen."""
    monkeypatch.setattr(sqlite_scrub, "REWRITTEN_BYTES", 0)
    monkeypatch.setattr(sqlite_scrub, "REWRITE_SECONDS", 0)
    await store.commit([record("a", 1), leave("a", at=LATER)])
    await store.changes(0)
    before = await noted(store)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as operator:
        operator.execute("VACUUM")
    await store.changes(0)

    assert (True, False) == (before, await noted(store))


@pytest.mark.parametrize("before", [True, False])
async def test_a_new_schema_is_not_taken_for_the_rewriting(
    path: Path, monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> None:
    """A migration raises SQLite's count too; only a rewriting *before* it has left nothing."""
    monkeypatch.setattr(sqlite_scrub, "REWRITTEN_BYTES", 0)
    async with opened(path) as store:
        await store.commit([record("a", 1), leave("a", at=LATER)])
    if before:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as operator:
            operator.execute("VACUUM")
    monkeypatch.setattr(engine, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (id INTEGER PRIMARY KEY);"))
    monkeypatch.setattr(engine, "SCHEMA_VERSION", SCHEMA_VERSION + 1)
    async with opened(path) as store:
        await store.changes(0)

        assert before is not await noted(store)


async def test_an_erasure_after_that_is_noted_anew(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the operator's rewriting did not reach, it did not clean; the oldest of what is left is told."""
    monkeypatch.setattr(sqlite_scrub, "REWRITTEN_BYTES", 0)
    monkeypatch.setattr(sqlite_scrub, "REWRITE_SECONDS", 0)
    await store.commit([record("a", 1), leave("a", at=LATER)])
    first = await store.noted(ERASED)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as operator:
        operator.execute("VACUUM")
    await store.commit([record("b", 1), leave("b", at=LATER)])
    await store.changes(0)
    second = await store.noted(ERASED)

    assert first is not None
    assert second is not None
    assert first.split()[0] == second.split()[0]
    assert first.split()[2] != second.split()[2]


# Several processes


def run(script: str) -> int:
    """Run *script* in a process of its own; its exit status."""
    folder = Path(__file__).resolve().parents[2]
    path = os.pathsep.join([str(folder.parent), str(folder)])
    return subprocess.run(
        [sys.executable, "-c", script], check=False, timeout=60, env={**os.environ, "PYTHONPATH": path}
    ).returncode


async def test_an_exit_by_another_process_closes_the_gate_for_the_next_commit(path: Path, store: SQLiteStore) -> None:
    """The ledger is read inside the transaction, so nothing remembered can keep the gate open (K15)."""
    await store.commit([record("a", 1), record("b", 1)])
    script = f"""
import asyncio, pathlib
from collector.model import Region
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from records import leave

async def main():
    store = SQLiteStore(pathlib.Path({str(path)!r}), Region.GERMANY, ConsentRules())
    await store.open()
    committed = await store.commit([leave("a", at={LATER})])
    await store.close()
    assert committed.erased == 1

asyncio.run(main())
"""
    assert 0 == run(script)
    committed = await store.commit([record("a", 2, at=LATER + 1), record("b", 2, at=LATER + 1)])

    assert (1, {DropReason.WITHDRAWN: 1}) == (committed.stored, dict(committed.dropped))
    assert ([], [2, 1]) == (await numbers(store, "a"), await numbers(store, "b"))


async def test_a_router_that_joins_again_by_another_process_can_be_found(path: Path, store: SQLiteStore) -> None:
    """What this process remembers of its lookup entries is not what the other has erased."""
    await store.commit([record("a", 1)])
    async with opened(path) as other:
        await other.commit([leave("a", at=LATER), join("a", at=LATER + SECOND)])
    await store.commit([record("a", 2, at=LATER + 2 * SECOND)])

    assert [1] == [found.records for found in await store.find([("serial", ref("serial", "a"))])]


async def test_an_exit_by_another_process_reaches_the_remembered(
    path: Path, store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the writer's refresh, without anything to commit: messages are then dropped before any work."""
    monkeypatch.setattr("collector.stores.writer.REFRESH_SECONDS", 0.01)
    await store.commit([record("a", 1)])
    closed = ClosedRouters()
    writer = Writer(store, WriterSettings(), Metrics(), closed)
    running = asyncio.create_task(writer.run())
    async with opened(path) as other:
        await other.commit([leave("a", at=LATER)])
        await until(lambda: closed.get(router("a").device_ref) is not None)
    writer.stop()
    await running

    assert State.EXITED is closed.get(router("a").device_ref)


async def test_two_processes_may_commit_at_once(path: Path, store: SQLiteStore) -> None:
    """The one waits for the other; the chain has no gap and no fork."""
    async with opened(path) as other:
        for number in range(0, 20, 2):
            await asyncio.gather(
                store.commit([record(f"s{number}", 1), leave(f"s{number}", at=LATER)]),
                other.commit([record(f"o{number}", 1), leave(f"o{number}", at=LATER)]),
            )
        entries = await store.ledger()

    assert 40 == len(entries)
    assert first_fault(entries) is None


async def test_the_busy_time_is_short_enough_for_a_connection_to_live() -> None:
    """A commit that waits for a lock must give up before the broker does."""
    assert engine._BUSY_SECONDS < 30
