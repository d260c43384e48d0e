"""Whatever was changed in a store behind the collector's back, verifying it finds."""

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from records import HOUR, MINUTE, SECOND, START, act, join, leave, record, ref, router

from collector.consent.chain import content_hash
from collector.consent.ledger import Head, LedgerEntry
from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.model import Action, Region
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_rows import numbers_of, write_standings
from collector.stores.sqlite_schema import connect_read_only
from collector.stores.sqlite_verify import LOOK, TAIL, read_head, verify
from collector.stores.verified import Expected, Verified

HERE = Region.GERMANY
LATER = START + HOUR


async def make(path: Path, *, erase_on_exit: bool = True) -> None:
    """A store with a history: joins by flag and by event, exits, a rejoin, a restriction, a key that was rotated."""
    store = SQLiteStore(path, HERE, ConsentRules(erase_on_exit=erase_on_exit))
    await store.open()
    await store.commit([record("a", 1), record("b", 1), record("c", 1), join("d", at=START, event_ref=ref("d"))])
    await store.commit([leave("b", at=LATER, event_ref=ref("b")), act(Action.RESTRICT, "c", at=LATER)])
    await store.commit([join("b", at=LATER + SECOND), record("b", 2, at=LATER + MINUTE)])
    await store.commit([record("e", 1, at=LATER), leave("e", at=LATER + MINUTE), leave("never", at=LATER)])
    await store.commit([record("a", 2, at=LATER + MINUTE), record("d", 1, at=LATER + MINUTE)])
    await store.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that is as the collector left it; copied before anything is done to it."""
    path = tmp_path_factory.mktemp("made") / "germany.db"
    asyncio.run(make(path))
    return path


def copied(made: Path, folder: Path) -> Path:
    """A copy to tamper with."""
    return Path(shutil.copy(made, folder / "germany.db"))


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(made, tmp_path)


@contextlib.contextmanager
def tampering(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of somebody who has taken the ledger's guards off."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        for trigger in ("ledger_keeps_entries", "ledger_loses_nothing", "ledger_only_grows"):
            other.execute(f"DROP TRIGGER {trigger}")
        yield other


def found(path: Path, *heads: Head, erase_on_exit: bool = True) -> list[str]:
    """The findings."""
    return verify(path, HERE, Expected(heads, erase_on_exit)).faults


def test_a_store_that_nobody_touched_is_in_order(path: Path) -> None:
    """And counted: what a summary says of it."""
    verified = verify(path, HERE, Expected((read_head(path, HERE),)))

    assert [] == verified.faults
    assert (10, 6, 3, 5) == (verified.entries, verified.routers, verified.joined, verified.records)
    assert read_head(path, HERE) == verified.head


def test_verifying_changes_nothing(path: Path) -> None:
    """Not a byte of the file."""
    before = path.read_bytes()
    found(path)

    assert before == path.read_bytes()


# The chain


@st.composite
def changes_of_bytes(draw: st.DrawFn) -> tuple[str, int, int, int]:
    """A column, an entry, a place in it and what is put there."""
    column = draw(st.sampled_from(["entry", "entry", "entry", "hash", "device_ref", "event_ref"]))
    return column, draw(st.integers(1, 10)), draw(st.integers(0, 2000)), draw(st.integers(1, 255))


@settings(max_examples=300, deadline=None)
@given(change=changes_of_bytes())
def test_any_changed_byte_is_found(made: Path, change: tuple[str, int, int, int]) -> None:
    """Of any entry, in its text or in a column beside it."""
    column, seq, place, difference = change
    with TemporaryDirectory() as folder:
        copy = copied(made, Path(folder))
        with tampering(copy) as other:
            sql = f"SELECT CAST({column} AS BLOB) FROM ledger WHERE seq = ?"
            before = bytearray(other.execute(sql, (seq,)).fetchone()[0] or ref("nothing"))
            before[place % len(before)] ^= difference
            as_it_was = "TEXT" if column in {"entry", "hash"} else "BLOB"
            sql = f"UPDATE ledger SET {column} = CAST(? AS {as_it_was}) WHERE seq = ?"
            other.execute(sql, (bytes(before), seq))

        assert found(copy)


@pytest.mark.parametrize("seq", range(1, 11))
def test_any_removed_entry_is_found(path: Path, seq: int) -> None:
    """The last one too: its router stands as an entry says that is not there."""
    with tampering(path) as other:
        other.execute("DELETE FROM ledger WHERE seq = ?", (seq,))

    assert found(path)


@pytest.mark.parametrize("length", range(10))
def test_a_ledger_cut_short_is_found_by_a_head_kept_elsewhere(path: Path, length: int) -> None:
    """Even when the standings were made to fit."""
    head = read_head(path, HERE)
    with tampering(path) as other:
        other.execute("DELETE FROM ledger WHERE seq > ?", (length,))
        _fit_standings(other)
        other.execute("DELETE FROM record")
        other.execute("DELETE FROM lookup")

    assert [] == found(path)
    assert [f"entry 10 is missing, the head that was kept elsewhere; the ledger ends at {length}"] == found(path, head)


@settings(max_examples=60, deadline=None)
@given(order=st.permutations(range(1, 11)))
def test_any_other_order_is_found(made: Path, order: list[int]) -> None:
    """Entries filed under each other's numbers."""
    if order == sorted(order):
        return
    with TemporaryDirectory() as folder:
        copy = copied(made, Path(folder))
        with tampering(copy) as other:
            other.execute("UPDATE ledger SET seq = -seq")
            for seq, new in enumerate(order, start=1):
                other.execute("UPDATE ledger SET seq = ? WHERE seq = ?", (new, -seq))

        assert found(copy)


def test_a_ledger_written_anew_is_found_by_a_head_kept_elsewhere(path: Path) -> None:
    """Somebody who makes every hash and standing fit is found by what was kept out of reach, and by nothing else."""
    head = read_head(path, HERE)
    with tampering(path) as other:
        _rewrite(other, 4, effective_at=START - HOUR)
        _fit_standings(other)

    assert [] == found(path)
    assert ["entry 10 has another hash than the head that was kept elsewhere"] == found(path, head)


def _rewrite(other: sqlite3.Connection, first: int, **changed: Any) -> None:
    """Change one entry and make the chain behind it fit."""
    rows = other.execute("SELECT seq, entry FROM ledger ORDER BY seq").fetchall()
    entries = [msgspec.json.decode(text, type=LedgerEntry) for _, text in rows]
    before = entries[first - 2].hash
    for entry in entries[first - 1 :]:
        more = changed if entry.seq == first else {}
        new = msgspec.structs.replace(entry, prev_hash=before, **more)
        new = msgspec.structs.replace(new, hash=new.computed_hash())
        before = new.hash
        text = msgspec.json.encode(new).decode()
        other.execute("UPDATE ledger SET hash = ?, entry = ? WHERE seq = ?", (new.hash, text, new.seq))


def _fit_standings(other: sqlite3.Connection) -> None:
    """Make the table of standings say what the ledger says."""
    rows = other.execute("SELECT entry FROM ledger ORDER BY seq").fetchall()
    last = {entry.device_ref: entry for entry in (msgspec.json.decode(row[0], type=LedgerEntry) for row in rows)}
    other.execute("DELETE FROM router WHERE seq > (SELECT coalesce(max(seq), 0) FROM ledger)")
    standings = [entry.standing() for entry in last.values()]
    write_standings(other, standings, numbers_of(other, [standing.device_ref for standing in standings]))


def test_the_hash_is_of_what_was_written(path: Path) -> None:
    """So members that a later version adds break no chain: of an older entry's text they are no part."""
    with contextlib.closing(sqlite3.connect(path)) as other:
        texts = [row[0] for row in other.execute("SELECT entry FROM ledger")]
    for text in texts:
        document = msgspec.json.decode(text)
        entry = msgspec.json.decode(text, type=LedgerEntry)

        assert entry.computed_hash() == content_hash(document) == entry.hash


# Standings and records


@pytest.mark.parametrize(
    "tampered",
    [
        "state = 'joined' WHERE state = 'exited'",
        "state = 'joined' WHERE state = 'restricted'",
        "state = 'exited' WHERE state = 'joined'",
        "state = 'welcome'",
        "effective_at = 0 WHERE state = 'joined'",
        "effective_at = effective_at + 1",
        "storage_regions = 'germany,china'",
        "policy_version = '1999-01-01'",
        "consent_id = 'x'",
        "generation = 2",
        "attested = 1 - attested",
        "seq = seq + 1",
        "key_id = 'key-2'",
        "device_ref = x'00112233445566778899aabbccddeeff' WHERE id = 1",
    ],
)
def test_a_standing_that_the_ledger_does_not_give_is_found(path: Path, tampered: str) -> None:
    """The gate goes by the standings, so whoever changes one opens it."""
    with tampering(path) as other:
        other.execute(f"UPDATE router SET {tampered}")

    assert found(path)


def test_a_router_without_its_standing_is_found(path: Path) -> None:
    """It would join by flag as if it had never left."""
    with tampering(path) as other:
        other.execute("DELETE FROM router WHERE state = 'exited'")

    assert ["the ledger knows 2 routers that the standings do not"] == found(path)


def test_an_index_that_lost_a_router_is_found(path: Path) -> None:
    """The gate would not see it, though it is in the table."""
    with tampering(path) as other:
        other.execute("PRAGMA writable_schema = ON")
        empty = "(SELECT rootpage FROM sqlite_schema WHERE name = 'ledger_by_event')"
        other.execute(f"UPDATE sqlite_schema SET rootpage = {empty} WHERE name = 'sqlite_autoindex_router_1'")

    assert found(path)


def test_a_record_that_its_index_has_lost_is_found(path: Path) -> None:
    """Nobody would read it, and no exit erase it."""
    with tampering(path) as other:
        schema = "SELECT * FROM sqlite_schema WHERE name = 'record_by_router'"
        other.execute("PRAGMA writable_schema = ON")
        index = other.execute(schema).fetchone()
        other.execute("DELETE FROM sqlite_schema WHERE name = 'record_by_router'")
        other.execute("PRAGMA writable_schema = RESET")
        _record_of(other, "a", consent_seq=1, received_at=START)
        other.execute("PRAGMA writable_schema = ON")
        other.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", index)
        other.execute("PRAGMA writable_schema = RESET")

    assert ["1 records are missing in the index by which they are read and erased"] == found(path)


def test_the_numbers_of_records_that_are_gone_cost_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between what a legal hold has kept for years and the newest record lie as many as have gone since."""
    asked: list[str] = []

    def traced(*where: Any) -> sqlite3.Connection:
        connection = connect_read_only(*where)
        connection.set_trace_callback(asked.append)
        return connection

    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE record SET id = 100000000 WHERE id = (SELECT max(id) FROM record)")
    monkeypatch.setattr("collector.stores.sqlite_verify.connect_read_only", traced)

    assert [] == found(path)
    assert 100 > len(asked)


def _record_of(other: sqlite3.Connection, name: str, *, consent_seq: int, received_at: int) -> None:
    """A record that no collector wrote."""
    sql = """INSERT INTO record SELECT NULL, ?, id, ?, ?, ?, '2020-03-14', 'report-v1', NULL, NULL, '{}'
        FROM router WHERE device_ref = ?"""
    new = ref("forged", name)
    assert other.execute(sql, (new, received_at, received_at, consent_seq, router(name).device_ref)).rowcount == 1


@pytest.mark.parametrize(
    ("name", "consent_seq", "received_at", "finding"),
    [
        ("e", 8, LATER, "1 records of the router of entry 9 were not erased by entry 9"),
        ("b", 2, START, "1 records of the router of entry 7 were not erased by entry 5"),
        ("never", 10, LATER, "name entry 10 as their consent, which is no consent of"),
        ("a", 2, START, "name entry 2 as their consent, which is no consent of that router"),
        ("a", 99, START, "name entry 99 as their consent"),
        ("c", 3, LATER + 1, "were received after it closed the gate"),
    ],
)
def test_a_record_that_no_consent_covers_is_found(
    path: Path, name: str, consent_seq: int, received_at: int, finding: str
) -> None:
    """Of a router that left, from before it came back, under somebody else's consent, after the gate was closed."""
    with tampering(path) as other:
        _record_of(other, name, consent_seq=consent_seq, received_at=received_at)
    [told] = found(path)

    assert finding in told


def test_a_record_of_nobody_is_found(path: Path) -> None:
    """Its router's row was removed under it, and with it the way to erase it."""
    with tampering(path) as other:
        other.execute("UPDATE record SET router_id = 999 WHERE id = 1")

    assert ["1 records belong to no router that the store knows"] == found(path)


TWICE = """INSERT INTO record SELECT NULL, record_id, router_id, event_time, received_at + 1, consent_seq,
    policy_version, source_adapter, stripped, floating, body FROM record WHERE id = 1"""


def test_a_record_that_is_stored_twice_is_found(path: Path) -> None:
    """Which the index keeps anybody from as long as it is there."""
    with tampering(path) as other:
        other.execute("DROP INDEX record_by_router")
        other.execute("DROP INDEX record_floating")
        other.execute(TWICE)

    assert ["1 records are stored twice"] == found(path)


async def test_messages_to_which_a_router_gave_one_id_are_no_finding(tmp_path: Path) -> None:
    """They are stored if their minutes differ, also where they say the same (K39)."""
    path = tmp_path / "germany.db"
    store = SQLiteStore(path, HERE, ConsentRules())
    await store.open()
    for at in (START, START + MINUTE, START + 2 * MINUTE):
        await store.commit([record("a", 1, at=at, measured=at)])
    await store.close()
    verified = verify(path, HERE, Expected())

    assert ([], 3) == (verified.faults, verified.records)


@pytest.mark.parametrize(
    "row", ["INTO lookup SELECT x'00', 'imei', id", "INTO memory SELECT id, x'00'", "INTO memory SELECT 999, x'00'"]
)
def test_what_finds_a_router_that_left_is_found(path: Path, row: str) -> None:
    """Or what its next sample would be compared with, or what is nobody's."""
    with tampering(path) as other:
        other.execute(f"INSERT {row} FROM router WHERE state = 'exited' LIMIT 1")
    [told] = found(path)

    assert told.startswith("1 rows of the table")


async def test_records_kept_after_an_exit_are_in_order_where_they_may_be_kept(tmp_path: Path) -> None:
    """With `on_exit = keep`; with `erase` they are what should not be there."""
    path = tmp_path / "germany.db"
    await make(path, erase_on_exit=False)

    assert [] == found(path, erase_on_exit=False)
    assert 1 == len(found(path))


# How it looks


def test_findings_are_counted_and_the_first_are_told(path: Path) -> None:
    """A store that is all wrong does not fill the terminal."""
    with tampering(path) as other:
        for number in range(50):
            sql = "INSERT INTO router SELECT NULL, ?, key_id, state, seq, consent_id, generation, effective_at, "
            other.execute(
                sql
                + "policy_version, storage_regions, attested, holds, beneath, erased_until, names "
                + "FROM router WHERE id = 1",
                (ref("x", number),),
            )
    verified = verify(path, HERE, Expected())

    assert (50, 20) == (verified.fault_count, len(verified.faults))


async def test_a_ledger_longer_than_a_look_is_verified_to_its_end(tmp_path: Path) -> None:
    """Look by look, while the collector goes on writing."""
    path = tmp_path / "germany.db"
    store = SQLiteStore(path, HERE, ConsentRules())
    await store.open()
    number = LOOK + 7
    await store.commit([record(f"r{n}", 1) for n in range(number)])
    verified = await asyncio.to_thread(verify, path, HERE, Expected())
    await store.commit([leave("r3", at=LATER)])
    with tampering(path) as other:
        other.execute("UPDATE ledger SET hash = 'x' WHERE seq = ?", (number,))
    after = await asyncio.to_thread(verify, path, HERE, Expected())
    await store.close()

    assert ([], number, number) == (verified.faults, verified.entries, verified.routers)
    assert [f"entry {number} is filed under another number or hash"] == after.faults


async def test_commits_beside_it_give_no_finding(tmp_path: Path) -> None:
    """What is compared is of one moment."""
    path = tmp_path / "germany.db"
    store = SQLiteStore(path, HERE, ConsentRules())
    await store.open()
    await store.commit([record(f"r{n}", 1) for n in range(300)])
    stop = asyncio.Event()

    async def write() -> None:
        at = LATER
        while not stop.is_set():
            at += SECOND
            name = f"r{at // SECOND % 300}"
            await store.commit([leave(name, at=at), join(name, at=at + SECOND), record(name, at=at + SECOND + 1)])

    writing = asyncio.create_task(write())
    looks: list[Verified] = []
    while len(looks) < 15 or looks[-1].entries < looks[0].entries + 20:
        looks.append(await asyncio.to_thread(verify, path, HERE, Expected()))
    stop.set()
    await writing
    await store.close()

    assert [] == [fault for look in looks for fault in look.faults]


def test_a_file_that_sqlite_cannot_make_out_is_a_finding(path: Path) -> None:
    """The answer is no, not an error."""
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * (len(whole) - 4096))

    assert found(path)
    path.write_bytes(b"no database" * 500)
    assert "found no SQLite database" in found(path)[0]


def test_what_is_no_store_of_the_region_is_refused(path: Path) -> None:
    """A mistake of the asker, not a finding."""
    with pytest.raises(StoreUnusable) as wrong:
        verify(path, Region.CHINA, Expected())
    with pytest.raises(StoreUnavailable) as missing:
        verify(path.with_name("nowhere.db"), HERE, Expected())

    assert [Cause.WRONG_STORE, Cause.NOT_ANSWERING] == [wrong.value.cause, missing.value.cause]


# Whenever a store is opened


@contextlib.asynccontextmanager
async def opened(path: Path) -> AsyncIterator[SQLiteStore]:
    """The store, for as long as it is needed."""
    store = SQLiteStore(path, HERE, ConsentRules())
    try:
        await store.open()
        yield store
    finally:
        await store.close()


@pytest.mark.parametrize(
    "tampered",
    [
        "UPDATE ledger SET entry = replace(entry, 'exit', 'join') WHERE seq = 9",
        "DELETE FROM ledger WHERE seq = 7",
        "UPDATE router SET state = 'joined'",
        "DELETE FROM router WHERE state = 'exited'",
    ],
)
async def test_a_store_whose_newest_entries_do_not_hold_is_not_opened(path: Path, tampered: str) -> None:
    """The gate is closed, and the sentence says how to look closer."""
    with tampering(path) as other:
        other.execute(tampered)
    with pytest.raises(StoreUnusable, match="Look closer with: ueip ledger verify") as refused:
        async with opened(path):
            pass

    assert Cause.CORRUPT is refused.value.cause


async def test_opening_looks_at_the_newest_entries_only(tmp_path: Path) -> None:
    """Its time does not grow with the ledger; what is older, verifying finds."""
    path = tmp_path / "germany.db"
    async with opened(path) as store:
        await store.commit([record(f"r{n}", 1) for n in range(TAIL + 10)])
    with tampering(path) as other:
        other.execute("UPDATE ledger SET hash = 'x' WHERE seq = 5")
    async with opened(path) as store:
        committed = await store.commit([record("r1", 2)])

    assert 1 == committed.stored
    assert found(path)
