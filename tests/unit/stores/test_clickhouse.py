"""What the store with records in ClickHouse promises beyond the contract: purges, lost answers, two halves that fit."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from engines import HAS_CLICKHOUSE, let_go, needs_clickhouse, opened
from postgresql import ADMIN, DATABASES, elsewhere, shared
from records import HOUR, MINUTE, START, act, join, leave, numbers, part, record, ref, router, until

from collector.config_clickhouse import ClickHouseSettings
from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.model import Action, DropReason, Entry, Region
from collector.stores import postgres_session
from collector.stores.plan import Committed, ConsentRules
from collector.stores.postgres_notes import Erased
from collector.stores.postgres_partitions import Month
from collector.stores.postgres_reading import now_ms
from collector.stores.postgres_tidy import tidy
from collector.stores.retention import DAY
from collector.stores.rows import ERASED, PURGING

if HAS_CLICKHOUSE:
    from clickhouse import RECORDS, Settling, ask, in_process, tell
    from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

    from collector.stores import clickhouse_purge, clickhouse_retention, clickhouse_table, clickhouse_verify
    from collector.stores.clickhouse import ClickHouseStore
    from collector.stores.clickhouse_faults import refused
    from collector.stores.clickhouse_place import ClickHousePlace
    from collector.stores.clickhouse_purge import PURGED
    from collector.stores.clickhouse_schema import MARK, About, grants, script
    from collector.stores.clickhouse_session import FRESH, Records, limits
    from collector.stores.clickhouse_setup import prepare
    from collector.stores.clickhouse_table import ORDERED, Group, Table
    from collector.stores.clickhouse_tidy import months_of
    from collector.stores.verified import Expected, Verified

pytestmark = needs_clickhouse
RULES = ConsentRules()
HERE = Region.GERMANY
LATER = START + HOUR
Open = Callable[..., Any]


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """What the databases of the test stand for."""
    yield tmp_path / "store"
    let_go(tmp_path)


@pytest.fixture
async def another(path: Path) -> AsyncIterator[Open]:
    """Opens stores of one region, as collectors on several machines do."""

    def make(user: str = "germany_writer", rules: ConsentRules = RULES, dialled: Any = None) -> ClickHouseStore:
        settings = DATABASES.settings(path, user)
        store = Settling(settings, RECORDS.settings(path), HERE, rules, dialled=dialled or in_process)
        store.sweep_waits = 60.0
        return store

    async with opened(make) as another:
        yield another


@pytest.fixture
async def store(another: Open) -> "Settling":
    """An open store."""
    made: Settling = await another()
    return made


def rows(path: Path) -> list[tuple[bytes, bytes, int]]:
    """What lies in the table, told to anybody or not: routers, ids and the numbers of consents."""
    return [(a, b, c) for a, b, c in ask(f"SELECT device_ref, record_id, consent_seq FROM {RECORDS.at(path)}.record")]


def write(path: Path, name: str = "a", number: int = 9, *, consent_seq: int = 1, at: int = START) -> None:
    """A row is written past the store, as a write does that was let in earlier and arrives now."""
    one = record(name, number, at=at)
    values = [one.identity.device_ref.hex(), one.record_id.hex(), str(-at), "1", str(at), str(at), str(consent_seq)]
    device, record_id, *more = values
    tell(
        f"INSERT INTO {RECORDS.at(path)}.record VALUES (unhex('{device}'), unhex('{record_id}'), {', '.join(more)}, "
        "'2020-03-14', 'report-v1', '', '{}')"
    )


async def carried_out(store: "Settling") -> None:
    """Everything that is due was looked for, however long that takes on this machine."""
    async with asyncio.timeout(60):
        while await store.noted(PURGING) is not None:
            await store.changes(0)
            await store.settled()
            await asyncio.sleep(0.02)


# Exits


async def test_an_exit_deletes_the_rows_and_buries_their_ids(path: Path, store: "Settling") -> None:
    """What comes again is a duplicate of what was erased, also for who has joined anew."""
    await store.commit([record(number=1), record(number=2), record("b", 1)])
    committed = await store.commit([leave(at=LATER)])
    left = rows(path)
    await store.commit([join(at=LATER + HOUR)])
    again = await store.commit([record(number=1, at=LATER + 2 * HOUR, measured=LATER + 2 * HOUR)])

    assert 2 == committed.erased
    assert [router("b").device_ref] == [row[0] for row in left]
    assert {DropReason.DUPLICATE: 1} == dict(again.dropped)


@pytest.mark.parametrize("number", [9, 10])
async def test_of_what_exits_erase_a_page_of_ids_is_held_and_no_more(
    path: Path, store: "Settling", monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """There may be millions of them; each is buried, and counted once."""
    monkeypatch.setattr(clickhouse_table, "IDS", 3, raising=False)
    asked, held = Records.rows, list[int]()

    async def seen(records: "Records", sql: str) -> Sequence[Any]:
        found = await asked(records, sql)
        held.append(len(found))
        return found

    await store.commit([record(name, n) for name in "ab" for n in range(number)])
    monkeypatch.setattr(Records, "rows", seen)
    left = await store.commit([leave(name, at=LATER) for name in "ab"])
    monkeypatch.undo()
    buried = shared().ask(DATABASES.at(path), "SELECT count(*) FROM ueip.tombstone")

    assert (2 * number, [(2 * number,)]) == (left.erased, buried)
    assert [] == rows(path)
    assert 3 == max(held)


async def test_thousands_of_exits_in_one_commit_are_as_one(store: "Settling") -> None:
    """As those are that waited for a store that was away; what the server reads of one statement has bounds."""
    store._keep_up = lambda session: None  # type: ignore[method-assign]
    names = [str(number) for number in range(4000)]
    await store.commit([record(name, 1) for name in names])
    committed = await store.commit([leave(name, at=LATER) for name in names])

    assert 4000 == committed.erased


async def test_a_record_that_cannot_be_read_is_damage(path: Path, store: "Settling") -> None:
    """Whoever asks for it is told of the store's trouble."""
    await store.commit([record()])
    write(path, number=9)
    tell(f"ALTER TABLE {RECORDS.at(path)}.record UPDATE stripped = 'no JSON' WHERE true SETTINGS mutations_sync = 2")
    with pytest.raises(StoreUnavailable) as refusal:
        await numbers(store)

    assert Cause.CORRUPT is refusal.value.cause


async def test_what_is_remembered_of_a_router_and_cannot_be_read_drops_no_message(
    path: Path, store: "Settling"
) -> None:
    """It is damage like any other."""
    await store.commit([part(1, "phy0")])
    shared().ask(DATABASES.at(path), "UPDATE ueip.memory SET state = '\\x00'", "SELECT 1")
    with pytest.raises(StoreUnavailable) as refusal:
        await store.commit([part(2, "phy1")])

    assert Cause.CORRUPT is refusal.value.cause


async def test_an_act_between_records_of_one_commit_leaves_those_before_it_as_they_were_let_in(
    path: Path, store: "Settling"
) -> None:
    """Written after the ledger, under the consent that was there before the act: a hold keeps them over the exit."""
    hold = act(Action.HOLD, "a", at=LATER, reference="CASE-1")
    committed = await store.commit([record("a", 1), record("b", 1), hold, leave("a", at=LATER), leave("b", at=LATER)])

    assert (1, 0, {DropReason.WITHDRAWN: 1}) == (committed.stored, committed.erased, dict(committed.dropped))
    assert [(router("a").device_ref, record("a", 1).record_id, 1)] == rows(path)


async def test_an_exit_by_another_between_the_ledger_and_the_records_ends_what_was_let_in_early(
    path: Path, another: Open
) -> None:
    """What a commit has decided holds as long as the router's last entry is the commit's own."""
    store, other = await another(), await another()
    asks = store._round

    async def asked(session: Any, left: Any, *, alone: bool) -> Any:
        if left.early:
            await other.commit([act(Action.RELEASE, at=LATER + 1, reference="CASE-1"), leave(at=LATER + 1)])
        return await asks(session, left, alone=alone)

    store._round = asked
    committed = await store.commit([record(), act(Action.HOLD, at=LATER, reference="CASE-1")])
    await other.settled()

    assert (0, {DropReason.WITHDRAWN: 1}) == (committed.stored, dict(committed.dropped))
    assert [] == rows(path)


async def test_what_an_earlier_act_has_buried_is_not_counted_as_erased_by_the_next(store: "Settling") -> None:
    """Though its rows are still there, since nobody has come to delete them."""
    store._keep_up = lambda session: None  # type: ignore[method-assign]
    await store.commit([record(number=1), record(number=2)])
    first = await store.commit([act(Action.ERASE, at=LATER)])
    second = await store.commit([leave(at=LATER + 1)])

    assert (2, 0) == (first.erased, second.erased)


async def test_a_write_that_an_exit_overtook_is_gone_with_the_second_look(
    path: Path, another: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And is shown to nobody meanwhile; whoever opens the store next goes on where the last one was."""
    store = await another()
    await store.commit([record(number=1)])
    await store.commit([leave(at=LATER)])
    write(path)
    waiting, hidden = await store.noted(PURGING), await numbers(store)
    await store.close()
    monkeypatch.setattr(clickhouse_purge, "LONGEST_WRITE", 0.0)
    later = await another()
    await carried_out(later)

    assert ([], []) == (hidden, rows(path))
    assert f"1 {LATER}" == waiting
    assert "2" == await later.noted(PURGED)


async def test_what_a_router_sends_after_it_came_back_is_not_taken_for_what_it_left(
    path: Path, another: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second look goes by the consent that let a record in, not by the router."""
    store = await another()
    await store.commit([record(number=1)])
    await store.commit([leave(at=LATER)])
    await store.commit([join(at=LATER + HOUR), record(number=2, at=LATER + 2 * HOUR, measured=LATER + 2 * HOUR)])
    write(path, number=9)
    await store.close()
    monkeypatch.setattr(clickhouse_purge, "LONGEST_WRITE", 0.0)
    later = await another()
    await carried_out(later)

    assert [2] == await numbers(later)
    assert [record(number=2).record_id] == [row[1] for row in rows(path)]


async def test_a_write_that_arrives_while_it_is_erased_was_of_no_commit_that_told_it_stored(
    path: Path, store: "Settling", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes with what was looked up before, unburied: its commit has failed and is made again, after the erasure.

    What a commit did tell as stored was there when the erasure looked, for that waits for those under way.
    """
    await store.commit([record(number=1)])
    delete = Table.delete

    async def behind_the_last_page(table: "Table", condition: str, *, wait: bool = True) -> None:
        monkeypatch.setattr(Table, "delete", delete)
        write(path, number=9)
        await delete(table, condition, wait=wait)

    monkeypatch.setattr(Table, "delete", behind_the_last_page)
    monkeypatch.setattr(clickhouse_purge, "LONGEST_WRITE", 0.0)
    await store.commit([act(Action.ERASE, at=LATER)])
    await carried_out(store)
    left = rows(path)
    again = await store.commit([record(number=9), record(number=1)])
    later = await store.commit([record(number=n, at=LATER + HOUR, measured=START) for n in (1, 9)])

    assert [] == left == rows(path)
    assert {DropReason.ERASED: 1, DropReason.DUPLICATE: 1} == dict(again.dropped)
    assert {DropReason.DUPLICATE: 2} == dict(later.dropped)


@pytest.mark.parametrize("action", [Action.EXIT, Action.ERASE])
async def test_a_write_that_waited_for_longer_than_any_should_goes_with_the_next_sweep(
    path: Path, store: "Settling", monkeypatch: pytest.MonkeyPatch, action: Action
) -> None:
    """As does what a restored backup of ClickHouse brought back (K31); of others nothing goes."""
    monkeypatch.setattr(clickhouse_purge, "LONGEST_WRITE", 0.0)
    await store.commit([record(number=1), record("b", 1)])
    await store.commit([act(action, at=LATER)])
    await carried_out(store)
    write(path, number=1)
    hidden = await numbers(store)
    purged = await store.purge()

    assert ([], (0, False)) == (hidden, purged)
    assert [router("b").device_ref] == [row[0] for row in rows(path)]


async def test_a_sweep_asks_about_few_routers_at_a_time_even_if_nothing_is_to_be_told_of_them(
    path: Path, store: "Settling", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement that has to look at every router of a large fleet takes longer than anybody waits for it."""
    monkeypatch.setattr(clickhouse_purge, "LONGEST_WRITE", 0.0)
    monkeypatch.setattr(clickhouse_retention, "_WINDOW", 2)
    await store.commit([record(name, 1) for name in "abcde"])
    await store.commit([leave("e", at=LATER)])
    known = [number for (number,) in shared().ask(DATABASES.at(path), "SELECT id FROM ueip.router ORDER BY id")]
    await carried_out(store)
    write(path, "e", number=1)
    session, asked = store._open, list[list[int]]()
    work = session.rows

    async def rows_(sql: str, *values: Any) -> Any:
        if sql == clickhouse_retention._LEAVERS:
            asked.append([number for number in known if values[0] < number <= values[1]])
        return await work(sql, *values)

    monkeypatch.setattr(session, "rows", rows_)
    await store.purge()

    assert [known[:2], known[2:4], known[4:]] == asked[:3]
    assert sorted(router(name).device_ref for name in "abcd") == sorted(row[0] for row in rows(path))


async def test_a_sweep_leaves_what_a_hold_keeps_and_what_an_exit_may_keep(path: Path, another: Open) -> None:
    """A hold over an exit, and `on_exit = "keep"`."""
    store = await another(rules=ConsentRules(erase_on_exit=False))
    await store.commit([record("a", 1), record("b", 1), record("c", 1)])
    await store.commit([act(Action.HOLD, "a", at=LATER, reference="CASE-1"), leave("b", at=LATER)])
    await store.commit([act(Action.VOID, "a", at=LATER + 1), act(Action.VOID, "c", at=LATER + 1)])
    await store.purge()

    assert sorted(router(name).device_ref for name in "ab") == sorted(row[0] for row in rows(path))


async def test_a_row_under_no_consent_of_its_router_is_told_to_nobody(path: Path, store: "Settling") -> None:
    """Neither under one that the ledger lost, nor under another router's."""
    await store.commit([record("a", 1), record("b", 1)])
    write(path, "a", 7, consent_seq=2)
    write(path, "a", 8, consent_seq=99)

    assert [1] == await numbers(store)


class Away:
    """ClickHouse that does not answer from a question on: before it has done what it is asked, or after."""

    def __init__(self) -> None:
        self.answers = 1 << 30
        self.late = False
        self.asked = 0

    def __call__(self, settings: ClickHouseSettings) -> Any:
        """A connection to it."""
        if self.asked >= self.answers:
            raise OperationalError("no connection to ch.example.net as c4n4ry")
        return Asked(in_process(settings), self)


class Asked:
    """A connection whose questions are counted."""

    def __init__(self, client: Any, away: Away) -> None:
        self._client = client
        self._away = away
        self.close = client.close

    def __getattr__(self, name: str) -> Any:
        does = getattr(self._client, name)

        def done(*args: Any, **more: Any) -> Any:
            self._away.asked += 1
            lost = self._away.asked > self._away.answers
            found = does(*args, **more) if not lost or self._away.late else None
            if lost:
                raise OperationalError("lost ch.example.net c4n4ry")
            return found

        return done


STEPS: Sequence[Sequence[Entry]] = (
    [record("a", 1), record("b", 1)],
    [record("a", 2, at=START + MINUTE), record("b", 1, at=START + MINUTE)],
    [leave("a", at=LATER, event_ref=ref("exit")), record("b", 2, at=LATER)],
    [act(Action.ERASE, "b", at=LATER + MINUTE)],
    [join("a", at=LATER + HOUR), record("a", 3, at=LATER + HOUR, measured=LATER + HOUR)],
)


async def insisting(store: "Settling", away: Away, entries: Sequence[Entry]) -> Committed:
    """Commit as a writer does, again and again; ClickHouse is back after the first time."""
    told = None
    try:
        return await store.commit(entries)
    except StoreUnavailable as error:
        told = error
    away.answers = 1 << 30
    committed = await store.commit(entries)
    assert (Cause.NOT_ANSWERING, False) == (told.cause, "c4n4ry" in str(told))
    return committed


@pytest.mark.parametrize("late", [False, True], ids=["nothing was done", "the answer was lost"])
@pytest.mark.parametrize("answers", range(0, 24, 3))
async def test_clickhouse_that_goes_away_at_any_question_loses_nothing_and_keeps_nothing(
    path: Path, another: Open, answers: int, *, late: bool
) -> None:
    """What is made again is there once, and what was ended is not there."""
    away = Away()
    away.late = late
    store = await another(dialled=away)
    away.asked, away.answers = 0, answers
    for entries in STEPS:
        await insisting(store, away, entries)
    await store.purge()
    await store.changes(0)
    await store.settled()
    found = {row[1] for row in rows(path)}

    assert [3] == await numbers(store)
    assert [] == await numbers(store, "b")
    assert {record("a", 3).record_id} == found
    assert [Action.JOIN, Action.EXIT, Action.JOIN] == [e.action for e in await store.ledger(router("a").device_ref)]


async def test_an_exit_while_clickhouse_is_away_is_in_the_ledger_at_once(path: Path, another: Open) -> None:
    """Other collectors know of it; it is not acknowledged, and its purge is done when ClickHouse is back."""
    away = Away()
    store, other = await another(dialled=away), await another()
    await store.commit([record(number=1)])
    away.asked = away.answers = 0
    with pytest.raises(StoreUnavailable):
        await store.commit([leave(at=LATER)])
    known = [state.value for state in (await other.closed(10)).values()]
    refused_there = await other.commit([record(number=2, at=LATER + MINUTE)])
    away.answers = 1 << 30
    await store.commit([leave(at=LATER)])
    await other.settled()

    assert ["exited"] == known
    assert {DropReason.WITHDRAWN: 1} == dict(refused_there.dropped)
    assert [] == rows(path)


async def test_a_write_whose_lock_was_lost_is_found_by_the_exit_that_overtook_it(
    path: Path, another: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server of the ledger ends the connection while the row is on its way to ClickHouse."""
    monkeypatch.setattr(clickhouse_purge, "LONGEST_WRITE", 0.0)
    store, other = await another(), await another()
    await store.commit([record(number=1)])
    insert = Table.insert

    async def overtaken(table: "Table", made: Any) -> None:
        monkeypatch.setattr(Table, "insert", insert)
        shared().ask("postgres", "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
        await other.commit([leave(at=LATER)])
        await insert(table, made)

    monkeypatch.setattr(Table, "insert", overtaken)
    with pytest.raises(StoreUnavailable):
        await store.commit([record(number=2, at=START + MINUTE)])
    hidden = await numbers(other)
    await other.purge()
    await store.open()
    again = await store.commit([record(number=2, at=START + MINUTE)])

    assert [] == hidden
    assert [] == rows(path)
    assert {DropReason.WITHDRAWN: 1} == dict(again.dropped)


async def test_a_write_that_was_given_up_while_another_question_was_asked_is_never_made() -> None:
    """It would come later than any write may: an exit that overtook it had looked twice by then."""
    asked, goes_on = list[str](), threading.Event()

    class Slow:
        def query(self, sql: str) -> Any:
            asked.append(sql)
            goes_on.wait(20)
            return SimpleNamespace(result_rows=[])

        def insert(self, *_: Any, **__: Any) -> None:
            asked.append("insert")

    records = Records(ClickHouseSettings(database="de", user="x"), HERE, lambda _: cast("Any", Slow()))
    slow = asyncio.create_task(records.rows("slow"))
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await records.insert("record", {"number": "Int64"}, [[1]])
    goes_on.set()
    await slow
    await records.rows("last")

    assert ["slow", "last"] == asked


async def test_the_parts_of_a_large_commit_find_what_was_begun(path: Path) -> None:
    """The server reads no statement of more than 4 MiB, and the same commit would be made again and again."""
    records = Records(RECORDS.settings(path), HERE, in_process)
    write(path, number=1)
    one = record(number=1)
    wanted = [(one.identity.device_ref, one.record_id), *((ref(number), ref("id", number)) for number in range(40_000))]
    found = await Table(records).rows_of(wanted)
    await records.close()

    assert [one.record_id] == [*found]


# The two halves


async def test_made_ready_twice_it_is_as_once(path: Path, store: "Settling") -> None:
    """What is there is kept."""
    await store.commit([record(number=1)])
    ledger, records = DATABASES.settings(path, ADMIN), RECORDS.settings(path)
    there = await prepare(ledger, records, HERE, ADMIN, in_process, with_grants=False)

    assert there
    assert [1] == await numbers(store)


async def test_made_ready_by_two_at_once_the_halves_fit(
    path: Path, store: "Settling", monkeypatch: pytest.MonkeyPatch
) -> None:
    """As what sets up all machines of a site does: neither sees what the other is about to make."""
    ledger, name = DATABASES.settings(path, ADMIN), f"{RECORDS.at(path)}_at_once"
    records = ClickHouseSettings(database=name, user="default")
    shared().ask(ledger.database, f"UPDATE ueip.note SET name = 'kept' WHERE name = '{MARK}'", "SELECT 1")
    comment, both = Table.comment, asyncio.Barrier(2)

    async def looked(table: "Table") -> str | None:
        found = await comment(table)
        await both.wait()
        return found

    try:
        with monkeypatch.context() as patched:
            patched.setattr(Table, "comment", looked)
            await asyncio.gather(*(prepare(ledger, records, HERE, ADMIN, in_process, with_grants=False) for _ in "ab"))
        there = await prepare(ledger, records, HERE, ADMIN, in_process, with_grants=False)
    finally:
        tell(f"DROP DATABASE {name} SYNC")
        shared().ask(ledger.database, f"DELETE FROM ueip.note WHERE name = '{MARK}'", "SELECT 1")
        shared().ask(ledger.database, f"UPDATE ueip.note SET name = '{MARK}' WHERE name = 'kept'", "SELECT 1")

    assert there


@pytest.mark.parametrize(
    ("comment", "told", "cause"),
    [
        ("a table", "found another program's table", Cause.WRONG_STORE),
        (About("china", 1, "0" * 32).text(), "found those of region china", Cause.WRONG_STORE),
        (About("germany", 1, "0" * 32).text(), "found records of another ledger", Cause.WRONG_STORE),
        (About("germany", 9, "0" * 32).text(), "found schema version 9, expected 1", Cause.NEWER_SCHEMA),
        (About("germany", 0, "0" * 32).text(), "Run: ueip store init", Cause.OLDER_SCHEMA),
    ]
    if HAS_CLICKHOUSE
    else [],
)
async def test_records_that_are_not_of_this_store_are_refused(
    path: Path, another: Open, comment: str, told: str, cause: Cause
) -> None:
    """So that halves of different stores are never put together."""
    name = RECORDS.at(path)
    [(before,)] = ask(f"SELECT comment FROM system.tables WHERE database = '{name}' AND name = 'record'")
    tell(f"ALTER TABLE {name}.record MODIFY COMMENT '{comment}'")
    try:
        with pytest.raises(StoreUnusable, match=told) as refusal:
            await another()
    finally:
        tell(f"ALTER TABLE {name}.record MODIFY COMMENT '{before}'")

    assert cause is refusal.value.cause


async def test_a_database_without_records_is_refused_until_it_is_made_ready(path: Path) -> None:
    """The collector makes nothing itself."""
    records = ClickHouseSettings(database="nothing_there", user="default")
    store = ClickHouseStore(DATABASES.settings(path), records, HERE, RULES, dialled=in_process)
    with pytest.raises(StoreUnusable, match="Make it ready with: ueip store init"):
        await store.open()
    await store.close()


def test_a_cluster_gets_replicas_and_shards_by_router() -> None:
    """What only servers can run; the names of the settings are in it, quoted."""
    settings = ClickHouseSettings(database="de", user="x", cluster="fleet")
    made = "\n".join([*script(settings, HERE, "0" * 32), *grants(settings, HERE)])

    assert "CREATE TABLE IF NOT EXISTS `de`.record_local ON CLUSTER `fleet` (" in made
    assert "ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/de/record', '{replica}', version)" in made
    assert "ENGINE = Distributed('fleet', 'de', 'record_local', sipHash64(device_ref))" in made
    assert "fsync_after_insert = 1" in made
    assert "GRANT ON CLUSTER `fleet` CLUSTER ON *.* TO ueip_germany_writer, ueip_germany_rights" in made


def test_the_server_is_asked_to_keep_no_statement(path: Path) -> None:
    """They name pseudonyms; its log of queries would outlive the records."""
    client = in_process(RECORDS.settings(path))
    [[kept]] = client.query("SELECT getSetting('log_queries')").result_rows
    client.close()

    assert not kept


def test_every_statement_for_a_cluster_is_one_that_the_engine_can_read() -> None:
    """Keepers and other servers are not to be had in a process; the parser is."""
    settings = ClickHouseSettings(database="de", user="x", cluster="fleet")
    for statement in (*script(settings, HERE, "0" * 32), *grants(settings, HERE)):
        assert ask(f"EXPLAIN AST {statement}")


def test_on_a_cluster_a_replica_that_lags_is_asked_nothing() -> None:
    """Less than an exit's second look comes after the last write that it can have overtaken."""
    one, many = (limits(ClickHouseSettings(database="de", user="x", cluster=name)) for name in (None, "fleet"))
    [patience] = [m.le for m in ClickHouseSettings.model_fields["patience_seconds"].metadata if hasattr(m, "le")]
    known = {name for (name,) in ask("SELECT name FROM system.settings")}

    assert many.keys() | ORDERED.keys() <= known
    assert many.keys() - one.keys() == FRESH.keys()
    assert FRESH["max_replica_delay_for_distributed_queries"] < clickhouse_purge.LONGEST_WRITE - patience


async def test_on_a_cluster_what_deletes_runs_on_every_server_and_what_is_written_waits_for_a_quorum(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the statements; that servers do so is theirs to show."""
    said: list[tuple[Any, ...]] = []

    async def do(_: Any, sql: str, **settings: Any) -> None:
        said.append((sql, settings))

    async def insert(_: Any, table: str, *more: Any, **settings: Any) -> None:
        said.append((table, settings))

    monkeypatch.setattr(Records, "do", do)
    monkeypatch.setattr(Records, "insert", insert)
    table = Table(Records(ClickHouseSettings(database="de", user="x", cluster="fleet"), HERE))
    await table.delete("true")
    await table.drop_month(202601)
    await table.write_anew(202601)
    await table.insert([(1,)])

    assert [
        "DELETE FROM `de`.record_local ON CLUSTER `fleet` WHERE true",
        "ALTER TABLE `de`.record_local ON CLUSTER `fleet` DROP PARTITION 202601",
        "ALTER TABLE `de`.record_local ON CLUSTER `fleet` APPLY DELETED MASK IN PARTITION 202601",
        "record",
    ] == [sql for sql, _ in said]
    assert {"distributed_ddl_task_timeout": 0}.items() <= said[1][1].items()  # within a transaction of the ledger's
    assert {"insert_quorum": "auto", "distributed_foreground_insert": 1, "async_insert": 0}.items() <= said[-1][
        1
    ].items()


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        (243, Cause.DISK_FULL),
        (242, Cause.READ_ONLY),
        (516, Cause.NO_ACCESS),
        (60, Cause.CORRUPT),
        (None, Cause.NOT_ANSWERING),
    ],
)
def test_a_trouble_has_one_cause_and_tells_nothing_of_the_server(code: int | None, cause: Cause) -> None:
    """Its words may name hosts, users and values."""
    told = refused(DatabaseError("Code: at ch.example.net for c4n4ry", code=code), HERE)

    assert cause is told.cause
    assert "c4n4ry" not in str(told)
    assert "example" not in str(told)


# Looked after


async def test_tidying_takes_the_deleted_rows_out_of_the_parts(path: Path, store: "Settling") -> None:
    """And lets go of the note, which the metric goes by."""
    await store.commit([record("a", 1), record("b", 1)])
    await store.commit([leave("a", at=LATER)])
    noted = await store.noted(ERASED)
    masked = f"""SELECT sum(has_lightweight_delete) FROM system.parts
        WHERE active AND database = '{RECORDS.at(path)}' AND table = 'record'"""
    before = ask(masked)
    beside = months_of(RECORDS.settings(path), HERE, in_process)
    done = await tidy(DATABASES.settings(path, ADMIN), HERE, ADMIN, beside)

    assert noted is not None
    assert await store.noted(ERASED) is None
    assert ["records_202511", "ueip.lookup", "ueip.memory"] == done
    assert (1, 0) == (before[0][0], ask(masked)[0][0])
    assert 1 == len(rows(path))


async def test_what_is_tidied_before_it_is_deleted_is_tidied_again(
    path: Path, store: "Settling", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files that were written anew had the rows still."""
    delete = Table.delete

    async def late(table: "Table", condition: str) -> None:
        await tidy(DATABASES.settings(path, ADMIN), HERE, ADMIN, months_of(RECORDS.settings(path), HERE, in_process))
        await delete(table, condition)

    monkeypatch.setattr(Table, "delete", late)
    await store.commit([record("a", 1)])
    await store.commit([leave("a", at=LATER)])
    noted = await store.noted(ERASED)

    assert [] == rows(path)
    assert noted is not None
    assert {"records_202511"} == set(Erased.noted(noted).tables)


async def test_tidying_leaves_the_records_of_another_ledger_alone(path: Path, store: "Settling") -> None:
    """And the note with them: somebody has to correct the settings, and do it again."""
    await store.commit([record("a", 1)])
    await store.commit([leave("a", at=LATER)])
    other = path.with_name("other")
    beside = months_of(RECORDS.settings(other), HERE, in_process)
    with pytest.raises(StoreUnusable, match="found records of another ledger"):
        await tidy(DATABASES.settings(path, ADMIN), HERE, ADMIN, beside)

    assert await store.noted(ERASED) is not None


def verified(path: Path) -> "Verified":
    """What `ueip ledger verify` finds, by a role that can only read, outside any loop."""
    settings = DATABASES.settings(path, "germany_reader")
    place = ClickHousePlace(settings, RECORDS.settings(path), HERE, (), 0, in_process)

    async def asked() -> "Verified":
        return await asyncio.to_thread(place.verify, Expected())

    return elsewhere(asked())


async def test_a_store_is_as_the_collector_left_it(path: Path, store: "Settling") -> None:
    """All of it is counted; what is just being erased is told of nobody."""
    await store.commit([record("a", 1), record("b", 1), record("c", 1), record("c", 2)])
    await store.commit([leave("a", at=LATER), act(Action.ERASE, "b", at=LATER)])
    write(path, "a", 9)
    found = verified(path)

    assert [] == found.faults
    assert (5, 3, 2, 2) == (found.entries, found.routers, found.joined, found.records)


async def test_the_entries_of_many_routers_are_told_apart_without_looking_at_all_for_each() -> None:
    """Over the years a router has tens of entries, and a thousand routers are looked at together."""
    compared: list[object] = []

    class Ref(bytes):
        def __eq__(self, other: object) -> bool:
            compared.append(other)
            return super().__eq__(other)

        __hash__ = bytes.__hash__

    refs = [Ref(ref(number)) for number in range(40)]
    acts = [(one, seq, "") for seq in range(10) for one in refs]
    answers = iter([[(one,) for one in refs], acts])
    session = cast("Any", SimpleNamespace(rows=lambda *_: asyncio.sleep(0, next(answers))))
    told: list[int] = []
    found = cast("Verified", SimpleNamespace(covered=lambda *what: told.append(len(what[3]))))
    await clickhouse_verify._look(session, [Group(one, 5, 1, 0, 0) for one in refs], found, Expected())

    assert [5] * 40 == told
    assert 400 > len(compared)


async def test_what_no_collector_wrote_is_found(path: Path, store: "Settling", monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a router that nobody knows, under another's consent, and of one that left."""
    monkeypatch.setattr(clickhouse_purge, "LONGEST_WRITE", 0.0)
    await store.commit([record("a", 1), record("b", 1)])
    await store.commit([leave("a", at=LATER)])
    await carried_out(store)
    write(path, "a", 9)
    write(path, "b", 9, consent_seq=1)
    write(path, "z", 9)
    faults = verified(path).faults

    assert ["1 records belong to no router that the store knows"] == [f for f in faults if "no router" in f]
    assert 1 == sum("were not erased by entry 3" in fault for fault in faults)
    assert 1 == sum("name entry 1 as their consent" in fault for fault in faults)


async def test_messages_to_which_a_router_gave_one_id_are_no_finding(path: Path, store: "Settling") -> None:
    """One of them is stored (K39)."""
    for at in (START, START + MINUTE, START + 2 * MINUTE):
        await store.commit([record("a", 1, at=at, measured=at)])
    found = verified(path)

    assert ([], 1) == (found.faults, found.records)


async def test_the_ledger_waits_while_the_records_are_verified(
    path: Path, store: "Settling", monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes: its server ends what does nothing in a transaction, but not this."""
    await store.commit([record("a", 1)])
    monkeypatch.setitem(postgres_session.SETTINGS, "idle_in_transaction_session_timeout", "200ms")
    twice = Table.twice

    async def slow(table: Table) -> int:
        await asyncio.sleep(0.6)
        return await twice(table)

    monkeypatch.setattr(Table, "twice", slow)

    assert [] == verified(path).faults


async def test_a_month_that_is_past_its_time_is_dropped_as_a_whole(
    path: Path, another: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a hold keeps something of it; of a month that is not, rows are deleted."""
    dropped: list[int] = []
    drop = Table.drop_month

    async def seen(table: "Table", month: int) -> None:
        dropped.append(month)
        await drop(table, month)

    monkeypatch.setattr(Table, "drop_month", seen)
    store = await another(rules=ConsentRules(retention=30 * DAY))
    end = Month.of(now_ms() - 100 * DAY).end
    entries = [record("a", n, at=at) for n, at in enumerate((end - 2, end - 1, end + 1, now_ms() - DAY))]
    await store.commit([*entries, record("b", 1, at=end - 1)])
    await store.commit([act(Action.HOLD, "b", at=now_ms() - 2 * DAY, reference="CASE-1")])
    held, kept = await store.purge(), [row[0] for row in rows(path)]
    await store.commit([act(Action.RELEASE, "b", at=now_ms() - DAY, reference="CASE-1")])
    released = await store.purge()

    assert (3, 1) == (held.erased, released.erased)
    assert {router("a").device_ref, router("b").device_ref} == set(kept)
    assert 1 == len(dropped)
    assert 1 == len(rows(path))


async def past_its_time(another: Open, month: str) -> tuple["Settling", "Settling", Entry]:
    """A store with records of a and b that a sweep deletes, *month* as a whole or in part, another, and b's hold."""
    store = await another(rules=ConsentRules(retention=30 * DAY))
    first = Month.of(now_ms() - 100 * DAY)
    at = first.end - 1 if month == "as a whole" else first.start
    await store.commit([record("a", 1, at=at), record("b", 1, at=at)])
    return store, await another(), act(Action.HOLD, "b", at=now_ms() - 2 * DAY, reference="CASE-1")


@pytest.mark.parametrize("month", ["as a whole", "in part"])
@pytest.mark.parametrize("when", ["looked", "at it"])
async def test_what_a_hold_keeps_that_is_recorded_beside_a_sweep_stays(
    path: Path, another: Open, monkeypatch: pytest.MonkeyPatch, month: str, when: str
) -> None:
    """After the sweep has looked it is kept; once the sweep is at it, the hold is recorded after that."""
    store, other, hold = await past_its_time(another, month)
    by_month, before = Table.by_month, list[bool]()
    does = {name: getattr(Table, name) for name in ("drop_month", "delete")}
    holding: list[asyncio.Task[Committed]] = []

    async def looked(table: "Table", condition: str) -> Any:
        found = await by_month(table, condition)
        if not holding:
            holding.append(asyncio.create_task(other.commit([hold])))
            await holding[0]
        return found

    def at_it(name: str) -> Callable[..., Any]:
        async def done(*args: Any, **more: Any) -> None:
            if not holding:
                holding.append(asyncio.create_task(other.commit([hold])))
                await asyncio.sleep(0.3)
                before.append(holding[0].done())
            await does[name](*args, **more)

        return done

    if when == "looked":
        monkeypatch.setattr(Table, "by_month", looked)
    else:
        for name in does:
            monkeypatch.setattr(Table, name, at_it(name))
    await store.purge()
    await holding[0]
    kept = [row[0] for row in rows(path)]

    assert ([router("b").device_ref] if when == "looked" else []) == kept
    assert ([] if when == "looked" else [False]) == before


@pytest.mark.parametrize("month", ["as a whole", "in part"])
async def test_what_could_not_be_ordered_while_holds_waited_is_not_deleted(
    path: Path, another: Open, monkeypatch: pytest.MonkeyPatch, month: str
) -> None:
    """Behind a deletion that takes long; the ledger's database ends the transaction that keeps holds waiting."""
    monkeypatch.setattr(clickhouse_retention, "_ORDER_SECONDS", 0.1, raising=False)
    store, other, hold = await past_its_time(another, month)
    does = {name: getattr(Table, name) for name in ("drop_month", "delete")}
    beside: list[asyncio.Future[Any]] = []

    def behind(name: str) -> Callable[..., Any]:
        async def done(table: "Table", *args: Any, **more: Any) -> None:
            if not beside:
                beside.append(asyncio.ensure_future(table._records._worker.call(time.sleep, 1.0)))
                beside.append(asyncio.create_task(other.commit([hold])))
            await does[name](table, *args, **more)

        return done

    for name in does:
        monkeypatch.setattr(Table, name, behind(name))
    await store._open.run("SET idle_in_transaction_session_timeout = '300ms'")
    with pytest.raises(StoreUnavailable):
        await store.purge()
    await asyncio.gather(*beside)
    await asyncio.sleep(1)  # what was ordered is done by then

    assert router("b").device_ref in {row[0] for row in rows(path)}


async def test_any_number_of_holds_is_kept_by_a_sweep(
    path: Path, another: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By as many statements as it takes; each names so many and no more."""
    monkeypatch.setattr(clickhouse_retention, "_NAMED", 2, raising=False)
    said: list[str] = []
    delete = Table.delete

    async def seen(table: "Table", condition: str, **more: bool) -> None:
        said.append(condition)
        await delete(table, condition, **more)

    monkeypatch.setattr(Table, "delete", seen)
    store = await another(rules=ConsentRules(retention=30 * DAY))
    first, names = Month.of(now_ms() - 100 * DAY), "abcdefghij"
    await store.commit([record(name, n, at=at) for name in names for n, at in ((1, first.start), (2, first.end - 1))])
    held = names[:5]
    await store.commit([act(Action.HOLD, name, at=now_ms() - 2 * DAY, reference="CASE-1") for name in held])
    gone = sum([(await store.purge()).erased for _ in range(6)])

    assert 10 == gone
    assert {router(name).device_ref for name in held} == {row[0] for row in rows(path)}
    assert 10 == len(rows(path))
    assert 2 == max(condition.count("'") // 2 - condition.count("> '") - condition.count("<= '") for condition in said)


async def test_a_sweep_that_breaks_off_after_it_deleted_has_noted_every_month_that_it_deleted_from(
    path: Path, another: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of each are still in the files, and tidying goes by the note."""
    delete = Table.delete

    async def lost(table: "Table", condition: str, **more: bool) -> None:
        await delete(table, condition, **more)
        raise StoreUnavailable("as in a test")

    store = await another(rules=ConsentRules(retention=30 * DAY))
    first = Month.of(now_ms() - 100 * DAY)
    await store.commit([record("a", 1, at=first.end - 1), record("a", 2, at=first.end + 1), record("b", 1)])
    await store.commit([record("b", 2, at=first.end - 1)])
    await store.commit([act(Action.HOLD, "b", at=now_ms() - 2 * DAY, reference="CASE-1")])
    monkeypatch.setattr(Table, "delete", lost)
    with pytest.raises(StoreUnavailable):
        await store.purge()
    noted = Erased.noted(await store.noted(ERASED))

    assert 2 == len(noted.tables)
    # It was ordered and not waited for.
    await until(lambda: {router("b").device_ref} == {row[0] for row in rows(path)})
