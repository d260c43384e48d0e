"""What is particular to a move out of ClickHouse: what lies in its table and is no record, or is one twice."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from engines import HAS_CLICKHOUSE, end, let_go, make, needs_clickhouse
from msgspec import structs
from records import HOUR, MINUTE, START, act, join, leave, numbers, record, ref, router

from collector.consent.acts import LEFT
from collector.model import Action, Entry
from collector.stores import move_rows
from collector.stores.ends import Kept, Table
from collector.stores.move import Move
from collector.stores.plan import ConsentRules

if HAS_CLICKHOUSE:
    from clickhouse import RECORDS, ask, tell

    from collector.stores import clickhouse_end, clickhouse_purge
    from collector.stores.clickhouse_table import Table as Records

pytestmark = needs_clickhouse
RULES = ConsentRules()
LATER = START + HOUR
ALL_LEFT = tuple(state.value for state in LEFT)


@pytest.fixture(autouse=True)
def nobody_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that was let in before is still on its way."""
    monkeypatch.setattr(clickhouse_purge, "LONGEST_WRITE", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A place for stores."""
    yield tmp_path
    let_go(tmp_path)


async def filled(folder: Path, *commits: list[Entry]) -> str:
    """The source, in ClickHouse; the name of its table."""
    store = make("clickhouse", folder / "0.db", RULES)
    await store.open()
    for entries in commits:
        await store.commit(entries)
    await store.close()
    return f"{RECORDS.at(folder / '0.db')}.record"


def again(table: str, where: str, **columns: object) -> None:
    """Write rows of the table once more, with other values in some columns, as nobody should."""
    changed = ", ".join(f"{value!r} AS {name}" for name, value in columns.items())
    tell(f"INSERT INTO {table} SELECT * REPLACE({changed}) FROM {table} WHERE {where} LIMIT 1")


async def moved(folder: Path, until: int = 0) -> list[list[int]]:
    """Move it to a file; the numbers of what is readable there, router by router."""
    ends = end("clickhouse", folder / "0.db", RULES, source=True), end("sqlite", folder / "1.db", RULES)
    for one in ends:
        await one.open()
    moving = Move(*ends, ALL_LEFT)
    await moving.begin(until)
    await moving.copy()
    await moving.settle()
    await moving.verify()
    await moving.end()
    for one in ends:
        await one.close()
    target = make("sqlite", folder / "1.db", RULES)
    await target.open()
    found = [await numbers(target, name) for name in "ab"]
    await target.close()
    return found


async def test_what_an_exit_should_have_taken_is_taken_before_the_move(folder: Path) -> None:
    """Of a router that came back as well: a row of its former consent, which a write or a backup brought."""
    table = await filled(folder, [record("a", 1), record("b", 1)], [leave("b", at=LATER)], [join("b", at=LATER + HOUR)])
    again(table, f"device_ref = unhex('{router('a').device_ref.hex()}')", record_id="late-late-late-0")
    of_b = f"unhex('{router('b').device_ref.hex()}') AS device_ref, 2 AS consent_seq, 'late-late-late-1' AS record_id"
    tell(f"INSERT INTO {table} SELECT * REPLACE({of_b}) FROM {table} LIMIT 1")
    found = await moved(folder)

    assert [[1, 1], []] == found  # nobody can tell that the row of one who has joined was not let in
    assert [(0,)] == ask(f"SELECT count() FROM {table} WHERE consent_seq = 2")


async def test_a_row_that_is_there_twice_is_moved_once(folder: Path) -> None:
    """The one that counts: that with the highest version."""
    table = await filled(folder, [record("a", 1), record("a", 2)])
    tell(f"SYSTEM STOP MERGES {table}")
    try:
        again(table, "number > 0", version=-1, body='{"router":{"uptime_seconds":7}}')
        rows, found = ask(f"SELECT count() FROM {table}"), await moved(folder)
    finally:
        tell(f"SYSTEM START MERGES {table}")

    assert [(3,)] == rows
    assert 7 in found[0]
    assert 2 == len(found[0])


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("after", [1, 2, 3])
async def test_a_page_that_was_written_and_not_noted_leaves_the_same_behind_when_it_is_written_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Of an id that a router has used again the first one; what is there of the page itself is not taken for that."""
    monkeypatch.setattr(move_rows, "PAGE", 2)
    monkeypatch.setattr(clickhouse_end, "_AT_ONCE", 2)
    store = make("sqlite", folder / "0.db", RULES)
    await store.open()
    for number, name in enumerate("abacadbae", start=1):
        at = START + number * MINUTE
        made = record(name, number, at=at, measured=at)
        await store.commit([structs.replace(made, record_id=ref("same", name))])
    await store.close()
    insert, inserted = Records.insert, []

    async def killed(table: "Records", rows: Sequence[Sequence[object]]) -> None:
        await insert(table, rows)
        inserted.append(len(rows))
        if len(inserted) == after:
            raise Killed

    monkeypatch.setattr(Records, "insert", killed)
    left = None
    while left is None:
        left = await moved_there(folder)
    target = make("clickhouse", folder / "1.db", RULES)
    await target.open()
    found = [await numbers(target, name) for name in "abcde"]
    await target.close()

    assert len(inserted) == 5  # one of them once more
    assert ([[1], [2], [4], [6], [9]], 4) == (found, left)


async def moved_there(folder: Path) -> int | None:
    """Move it from a file; how many had no room, None if it was killed."""
    ends = end("sqlite", folder / "0.db", RULES, source=True), end("clickhouse", folder / "1.db", RULES)
    for one in ends:
        await one.open()
    moving = Move(*ends, ALL_LEFT)
    try:
        await moving.begin(0)
        await moving.copy()
        await moving.settle()
        await moving.verify()
        return await moving.end()
    except Killed:
        return None
    finally:
        for one in ends:
            await one.close()


async def test_what_goes_over_is_counted_as_it_is_read(folder: Path) -> None:
    """Of those who left, are held, were erased up to a time, and of what has expired: number and rows agree."""
    await filled(
        folder,
        [record(name, number, at=START + number) for name in "abcde" for number in (1, 2, 3)],
        [act(Action.HOLD, "b", at=LATER, reference="CASE-1"), leave("b", at=LATER), leave("c", at=LATER)],
        [act(Action.ERASE, "d", at=LATER), record("d", 4, at=LATER + 1, measured=LATER + 1)],
    )
    source = end("clickhouse", folder / "0.db", RULES, source=True)
    await source.open()
    found = {}
    for until in (0, START + 1, START + 3, LATER + 1):
        kept = Kept(until, ALL_LEFT)
        page = await source.read(Table.RECORDS, (), kept)
        assert page is not None
        found[until] = (await source.number(Table.RECORDS, kept), len(page.rows))
    await source.close()

    assert {0: (10, 10), START + 1: (8, 8), START + 3: (4, 4), LATER + 1: (3, 3)} == found
