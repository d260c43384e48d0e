"""What the PostgreSQL store promises beyond the contract: roles, months, commits side by side, lost connections."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from engines import Halting, needs_postgresql, opened
from postgresql import ADMIN, DATABASES, PASSWORD, elsewhere, shared
from records import HOUR, MINUTE, SECOND, START, act, join, leave, numbers, part, readable, record, ref, router, until

from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.model import Action, DropReason, Entry, Region
from collector.registry import Entry as Listing
from collector.stores import postgres_session
from collector.stores.known import referred_to
from collector.stores.plan import Committed, ConsentRules
from collector.stores.postgres import _FORGET, _OUTLIVED, FORGOTTEN_AT_ONCE, LOOK_BACK, PostgresStore
from collector.stores.postgres_faults import refused
from collector.stores.postgres_notes import Erased, note_erased
from collector.stores.postgres_once import Wariness
from collector.stores.postgres_partitions import CURRENT, Current, Month
from collector.stores.postgres_reading import now_ms
from collector.stores.postgres_registry import PostgresRegistry
from collector.stores.postgres_retention import _DELETE, _LEFTOVERS
from collector.stores.postgres_rows import _ERASE, BEGIN_ALONE, BEGIN_BESIDE
from collector.stores.postgres_schema import SCHEMA_VERSION
from collector.stores.postgres_session import Session
from collector.stores.postgres_setup import prepare
from collector.stores.postgres_tidy import tidy
from collector.stores.retention import Purged
from collector.stores.rows import ERASED, Damaged

pytestmark = needs_postgresql
RULES = ConsentRules()
HERE = Region.GERMANY
LATER = START + HOUR
DAY = 24 * HOUR
DECEMBER = 1_764_547_200_000
"""2025-12-01 00:00:00 UTC."""


Open = Callable[..., Any]


@pytest.fixture
async def another(path: Path) -> AsyncIterator[Open]:
    """Opens stores of one database, as collectors on several machines do."""

    def make(
        user: str = "germany_writer", rules: ConsentRules = RULES, look_back: int = LOOK_BACK, **more: Any
    ) -> PostgresStore:
        return PostgresStore(DATABASES.settings(path, user, **more), HERE, rules, look_back=look_back)

    async with opened(make) as another:
        yield another


@pytest.fixture
async def store(another: Open) -> PostgresStore:
    """An open store."""
    made: PostgresStore = await another()
    return made


def ask(path: Path, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements as the administrator."""
    return shared().ask(DATABASES.at(path), *statements)


def rows(path: Path) -> int:
    """How many records there are."""
    return int(ask(path, "SELECT count(*) FROM ueip.record")[0][0])


def content(path: Path) -> list[tuple[Any, ...]]:
    """Records, entries and tombstones, by what they are known by."""
    return ask(
        path,
        """SELECT 'record', record_id FROM ueip.record UNION ALL SELECT 'entry', device_ref FROM ueip.ledger
        UNION ALL SELECT 'tombstone', record_id FROM ueip.tombstone ORDER BY 1, 2""",
    )


# Made ready


@pytest.fixture
def empty() -> Iterator[str]:
    """A database without a store."""
    shared().ask("postgres", "CREATE DATABASE empty_one", "SELECT 1")
    yield "empty_one"
    shared().ask("postgres", "DROP DATABASE empty_one WITH (FORCE)", "SELECT 1")


async def test_a_database_without_a_store_is_refused_until_it_is_made_ready(empty: str) -> None:
    """The collector makes nothing itself: its role may not. Made ready twice, it is as once."""
    settings = shared().settings(empty, ADMIN)
    store = PostgresStore(settings, HERE, RULES)
    with pytest.raises(StoreUnusable, match="Make one with: ueip store init") as refusal:
        await store.open()
    done = [await prepare(settings, HERE, ADMIN) for _ in range(2)]
    await store.open()
    committed = await store.commit([record()])
    await store.close()

    assert Cause.OLDER_SCHEMA is refusal.value.cause
    assert [0, SCHEMA_VERSION] == done
    assert 1 == committed.stored


async def test_it_is_not_made_ready_for_another_region(path: Path) -> None:
    """Nor opened by one."""
    settings = DATABASES.settings(path)
    with pytest.raises(StoreUnusable, match="is the store of region germany, expected china"):
        await prepare(settings, Region.CHINA, ADMIN)
    with pytest.raises(StoreUnusable, match="is the store of region germany, expected china") as refusal:
        await PostgresStore(settings, Region.CHINA, RULES).open()

    assert Cause.WRONG_STORE is refusal.value.cause


async def test_a_store_from_the_future_closes_its_region(path: Path, store: PostgresStore, another: Open) -> None:
    """Also one that was brought up while it was open; an older one waits to be brought up."""
    causes = []
    for version in (SCHEMA_VERSION + 1, SCHEMA_VERSION - 1):
        ask(path, f"UPDATE ueip.about SET schema = {version}", "SELECT 1")
        for work in (store.changes(0), another()):
            with pytest.raises(StoreUnusable) as refusal:
                await work
            causes.append(refusal.value.cause)
    ask(path, f"UPDATE ueip.about SET schema = {SCHEMA_VERSION}", "SELECT 1")

    assert [Cause.NEWER_SCHEMA] * 2 + [Cause.OLDER_SCHEMA] * 2 == causes
    assert [] == await store.changes(0)


@pytest.mark.parametrize("step", [1, -1])
async def test_nothing_is_written_by_what_a_collector_of_another_schema_knows(
    path: Path, store: PostgresStore, step: int
) -> None:
    """From the very transaction that brought the store up, not from the next look: rows may mean something else."""
    await store.commit([record("a", 1)])
    before = content(path)
    ask(path, f"UPDATE ueip.about SET schema = schema + {step}", "SELECT 1")
    registry = PostgresRegistry(DATABASES.settings(path, "germany_rights"), HERE)
    causes = []
    for work in (
        lambda: store.commit([record("a", 2)]),
        lambda: store.commit([leave("a")]),
        store.purge,
        lambda: store.restore([]),
        lambda: asyncio.to_thread(registry.put, [(router("a"), Listing("DE", 1))]),
    ):
        with pytest.raises(StoreUnusable) as refusal:
            await work()
        causes.append(refusal.value.cause)
    await asyncio.to_thread(registry.close)
    ask(path, f"UPDATE ueip.about SET schema = {SCHEMA_VERSION}", "SELECT 1")

    assert [Cause.NEWER_SCHEMA if step > 0 else Cause.OLDER_SCHEMA] * 5 == causes
    assert before == content(path)
    assert [(0,)] == ask(path, "SELECT count(*) FROM ueip.registry")


async def test_a_store_is_brought_up_between_commits(path: Path) -> None:
    """One that is under way has read what will not be so any more; those that come after it see the new schema."""
    settings = DATABASES.settings(path, ADMIN)
    committing = await Session.connect(settings, HERE)
    await committing.run(BEGIN_BESIDE)
    upgrading = asyncio.create_task(prepare(settings, HERE, ADMIN))
    waiting = "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    await until(lambda: bool(ask(path, waiting)) or upgrading.done())
    waited = not upgrading.done()
    await committing.run("COMMIT")
    await upgrading
    await committing.close()

    assert waited


# Who may do what

FORBIDDEN = {
    "germany_writer": (
        "UPDATE ueip.ledger SET entry = ''",
        "DELETE FROM ueip.ledger",
        "TRUNCATE ueip.ledger",
        "UPDATE ueip.about SET region = 'china'",
        "DELETE FROM ueip.router",
        "UPDATE ueip.record SET received_at = 0",
        "INSERT INTO ueip.registry VALUES ('a', 'b', 'DE', 1)",
        "DROP TABLE ueip.tombstone",
        "CREATE TABLE ueip.mine (a int)",
        "CREATE SCHEMA mine",
        "ALTER TABLE ueip.ledger DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
        "CREATE ROLE mine",
        "SELECT ueip.index_partition('record')",
        "SET ROLE ueip_germany_owner",
    ),
    "germany_rights": (
        "INSERT INTO ueip.record VALUES (1, 'a', 1, 1, 1, 1, '', '', NULL, '', false)",
        "UPDATE ueip.record SET body = ''",
        "INSERT INTO ueip.lookup VALUES ('a', 'b', 1)",
        "INSERT INTO ueip.memory VALUES (1, 'a')",
        "DELETE FROM ueip.tombstone",
        "DELETE FROM ueip.ledger",
        "SELECT ueip.make_partition(0)",
        "SELECT ueip.index_partition('record')",
        "UPDATE ueip.about SET schema = 9",
    ),
    "germany_reader": (
        "INSERT INTO ueip.note VALUES ('a', 'b')",
        "INSERT INTO ueip.ledger VALUES (1, 'a', NULL, '', '')",
        "DELETE FROM ueip.record",
        "UPDATE ueip.router SET state = 'joined'",
        "SELECT ueip.make_partition(0)",
        "CREATE TEMPORARY TABLE mine (a int)",
    ),
}


@pytest.mark.parametrize(("user", "statement"), [(u, s) for u, statements in FORBIDDEN.items() for s in statements])
async def test_a_role_may_do_what_it_is_for_and_nothing_else(path: Path, user: str, statement: str) -> None:
    """Least privilege: whoever takes over the collector cannot change the ledger, and who reads cannot write."""
    session = await Session.connect(DATABASES.settings(path, user), HERE)
    with pytest.raises(StoreUnavailable) as refusal:
        async with session.turn():
            await session.run(statement)
    await session.close()

    assert Cause.NO_ACCESS is refusal.value.cause


async def test_others_do_not_even_get_in(path: Path) -> None:
    """A role of the server that is no member of one of the region's."""
    outsider = f"DO $$ BEGIN CREATE ROLE outsider LOGIN PASSWORD '{PASSWORD}'; EXCEPTION WHEN OTHERS THEN END $$"
    ask(path, outsider, "SELECT 1")
    with pytest.raises(StoreUnavailable) as refusal:
        await PostgresStore(DATABASES.settings(path, "outsider"), HERE, RULES).open()

    assert Cause.NO_ACCESS is refusal.value.cause


async def test_each_role_can_do_what_it_is_for(store: PostgresStore, another: Open) -> None:
    """The collector stores, the rights desk erases and writes no record, the reader reads."""
    await store.commit([record("a", 1), record("b", 1)])
    desk, reader = await another("germany_rights"), await another("germany_reader")
    left = await desk.commit([leave("a", at=LATER)])
    with pytest.raises(StoreUnavailable) as stored:
        await desk.commit([record("b", 2)])
    with pytest.raises(StoreUnavailable) as erased:
        await reader.commit([leave("b", at=LATER)])

    assert 1 == left.erased
    assert {Cause.NO_ACCESS} == {stored.value.cause, erased.value.cause}
    assert ([], [1]) == (await numbers(reader, "a"), await numbers(reader, "b"))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ueip.ledger SET hash = 'x' WHERE seq = 1",
        "DELETE FROM ueip.ledger WHERE seq = 1",
        "TRUNCATE ueip.ledger",
        "INSERT INTO ueip.ledger VALUES (9, 'a', NULL, '', '')",
        "INSERT INTO ueip.ledger VALUES (0, 'a', NULL, '', '')",
    ],
)
async def test_the_ledger_is_append_only_whoever_asks(path: Path, store: PostgresStore, statement: str) -> None:
    """For the administrator too, unless the triggers are taken away first."""
    await store.commit([record()])
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        ask(path, statement, "SELECT 1")


# Looked at when it is opened


@pytest.mark.parametrize(
    "damage",
    [
        """UPDATE ueip.ledger SET entry = replace(entry, '"generation":1', '"generation":2') WHERE seq = 1""",
        "UPDATE ueip.router SET state = 'joined' WHERE state = 'exited'",
        "UPDATE ueip.router SET state = 'nonsense' WHERE state = 'exited'",
        "DELETE FROM ueip.router WHERE state = 'exited'",
        "UPDATE ueip.ledger SET hash = 'x' WHERE seq = 2",
    ],
)
async def test_what_no_collector_wrote_is_found_when_it_is_opened(
    path: Path, store: PostgresStore, another: Open, damage: str
) -> None:
    """A gate must not guess: the region is closed, and `ueip ledger verify` says what it is."""
    await store.commit([record(), leave("b", at=LATER)])
    ask(path, "SET session_replication_role = replica", damage, "SELECT 1")
    with pytest.raises(StoreUnavailable) as refusal:
        await another()

    assert Cause.CORRUPT is refusal.value.cause


async def test_a_ledger_that_goes_back_while_it_is_open_closes_the_region(path: Path, store: PostgresStore) -> None:
    """Put back under the running collector, or cut short: nothing is written, nothing is let in."""
    await store.commit([record("a"), record("b"), leave("a", at=LATER)])
    ask(path, "SET session_replication_role = replica", "DELETE FROM ueip.ledger WHERE seq = 3", "SELECT 1")
    for work in (store.commit([record("b", 2)]), store.changes(0), store.head()):
        with pytest.raises(StoreUnusable) as refusal:
            await work

        assert Cause.ROLLED_BACK is refusal.value.cause
    assert 1 == rows(path)


async def test_what_is_remembered_of_a_router_and_cannot_be_read_drops_no_message(
    path: Path, store: PostgresStore
) -> None:
    """It is damage like any other."""
    await store.commit([part(1, "phy0")])
    ask(path, "UPDATE ueip.memory SET state = '\\x00'", "SELECT 1")
    with pytest.raises(StoreUnavailable) as refusal:
        await store.commit([part(2, "phy1")])

    assert Cause.CORRUPT is refusal.value.cause


@pytest.mark.parametrize("note", ["soon", "1", "1 x record_202511", ""])
async def test_a_note_of_what_was_erased_that_cannot_be_read_is_damage(store: PostgresStore, note: str) -> None:
    """No time makes it readable, and so it is no outage."""
    await store.commit([record()])
    await store.note(ERASED, note)
    with pytest.raises(StoreUnavailable) as refusal:
        await store.commit([leave(at=LATER)])

    assert Cause.CORRUPT is refusal.value.cause


async def test_a_note_of_the_month_that_cannot_be_read_is_damage(store: PostgresStore) -> None:
    """It says which files a record goes into."""
    await store.commit([record()])
    await store.note(CURRENT, "soon")
    with pytest.raises(StoreUnavailable) as refusal:
        await store.commit([record(number=2)])

    assert Cause.CORRUPT is refusal.value.cause


async def test_a_record_that_cannot_be_read_is_damage(path: Path, store: PostgresStore) -> None:
    """Whoever asks for it is told of the store's trouble; it had ended the command with a bug of ours."""
    await store.commit([record()])
    ask(path, "UPDATE ueip.record SET stripped = 'no JSON'", "SELECT 1")
    with pytest.raises(StoreUnavailable) as refusal:
        await readable(store)

    assert Cause.CORRUPT is refusal.value.cause


async def test_a_table_that_is_gone_is_a_closed_gate(path: Path, store: PostgresStore) -> None:
    """K16: nothing stored, and not the last that was known."""
    await store.commit([record()])
    ask(path, "ALTER TABLE ueip.ledger RENAME TO lost", "SELECT 1")
    try:
        with pytest.raises(StoreUnavailable) as refusal:
            await store.commit([record(number=2)])
    finally:
        ask(path, "ALTER TABLE ueip.lost RENAME TO ledger", "SELECT 1")
    again = await store.commit([record(number=2)])

    assert Cause.CORRUPT is refusal.value.cause
    assert 1 == again.stored


# Months


async def test_records_lie_in_the_month_of_their_receipt(path: Path, store: PostgresStore) -> None:
    """Whatever they say of when they were measured; the month after is made ahead."""
    await store.commit([record(number=1), record(number=2, at=DECEMBER - 1), record(number=3, at=DECEMBER)])
    await store.commit([record(number=4, at=DECEMBER + 40 * DAY)])
    await store.changes(0)
    found = ask(path, "SELECT tableoid::regclass::text, count(*) FROM ueip.record GROUP BY 1 ORDER BY 1")
    tables = {row[0] for row in ask(path, "SELECT inhrelid::regclass::text FROM pg_inherits")}
    ahead = ask(path, "SELECT 'ueip.record_' || to_char((now() AT TIME ZONE 'UTC') + interval '1 month', 'YYYY_MM')")

    assert [("ueip.record_2025_11", 2), ("ueip.record_2025_12", 1), ("ueip.record_2026_01", 1)] == found
    assert ahead[0][0] in tables
    assert [4, 3, 2, 1] == await numbers(store)


@pytest.mark.parametrize("at", [START, DECEMBER - 1, DECEMBER, 1_709_164_800_000, 1_735_689_599_999])
def test_a_month_begins_with_its_first_and_ends_with_the_next(at: int) -> None:
    """As the server cuts them, leap years and years' ends included."""
    month = Month.of(at)
    cut = "extract(epoch FROM date_trunc('month', to_timestamp({}), 'UTC')) * 1000"
    sql = f"SELECT ({cut.format(at // 1000)})::bigint, ({cut.format(month.end // 1000)})::bigint"

    assert [(month.start, month.end)] == shared().ask("postgres", sql)
    assert (month, at) == Current.noted(Current(month, at).note())
    assert (month, month.end) == Current.noted(f"{month.start} {month.end}"), "as it was noted before"


@pytest.mark.parametrize("first", [DECEMBER - MINUTE, DECEMBER + MINUTE])
async def test_a_redelivery_over_the_end_of_a_month_is_a_duplicate(another: Open, first: int) -> None:
    """By another collector too, and in whichever order: a spool may bring the older receipt later."""
    here, there = await another(), await another()
    second = 2 * DECEMBER - first
    await here.commit([join("a", at=START), record(number=1, at=first)])
    again = await there.commit([record(number=1, at=second), record(number=2, at=second)])
    back = await here.commit([record(number=1, at=first), record(number=2, at=first), record(number=3, at=first)])

    assert (1, {DropReason.DUPLICATE: 1}) == (again.stored, dict(again.dropped))
    assert (1, {DropReason.DUPLICATE: 2}) == (back.stored, dict(back.dropped))


async def test_a_record_twice_in_a_batch_that_spans_two_months_is_stored_once(store: PostgresStore) -> None:
    """The indexes of the months know nothing of each other."""
    batch = [record(number=1, at=DECEMBER - 1), record(number=1, at=DECEMBER), record(number=2, at=DECEMBER)]
    committed = await store.commit(batch)

    assert (2, {DropReason.DUPLICATE: 1}) == (committed.stored, dict(committed.dropped))


async def test_two_collectors_may_turn_the_month_at_once(path: Path, another: Open) -> None:
    """Each with the same messages, received on either side of midnight: each is stored once."""
    here, there = await another(), await another()
    await here.commit([record(name, 0, at=DECEMBER - HOUR) for name in "abcd"])
    for number in range(1, 9):
        old = [record(name, number, at=DECEMBER - 1) for name in "abcd"]
        new = [record(name, number, at=DECEMBER + 1) for name in "abcd"]
        both = await asyncio.gather(here.commit(old), there.commit(new))

        assert 4 == sum(committed.stored for committed in both)
    assert 36 == rows(path)


async def test_the_current_month_is_what_the_last_commit_elsewhere_wrote(path: Path, store: PostgresStore) -> None:
    """Read by the next one, whoever's it is; and how far others had come."""
    found = []
    for at in (START, DECEMBER, START + 1, DECEMBER + 1):
        await store.commit([record(number=at % 97, at=at)])
        found.append(await store.noted(CURRENT))

    november, december = Month.of(START), Month.of(DECEMBER)
    ends = (november.end, *[december.end] * 3)
    turned = [Current(*pair).note() for pair in zip((november, december) * 2, ends, strict=True)]
    assert turned == found


def months_ago(number: int) -> int:
    """The middle of a month, in milliseconds."""
    month = Month.of(now_ms())
    for _ in range(number):
        month = Month.of(month.start - 1)
    return (month.start + month.end) // 2


def keeping(days: int, *, erase_on_exit: bool = True) -> ConsentRules:
    """Rules that keep records for so many days."""
    return ConsentRules(retention=days * DAY, erase_on_exit=erase_on_exit)


async def swept(store: PostgresStore) -> int:
    """Sweep until nothing is left to do; how many records went."""
    gone, steps = 0, 0
    for _ in range(9):  # a sweep goes no further than a week beyond the oldest
        more = True
        while more:
            purged = await store.purge()
            gone, more, steps = gone + purged.erased, purged.more, steps + 1
    return gone


def months(path: Path) -> set[str]:
    """The partitions."""
    return {row[0] for row in ask(path, "SELECT inhrelid::regclass::text FROM pg_inherits")}


def name_of(at: int) -> str:
    """The partition of a time."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("ueip.record_%Y_%m")


async def test_months_past_their_time_are_dropped_as_a_whole(path: Path, another: Open) -> None:
    """With what found routers that have left; the ledger stays, and those who have joined stay findable."""
    store = await another(rules=keeping(20, erase_on_exit=False))
    await store.commit([join(name, at=months_ago(5)) for name in "ab"])
    batch = [record(name, n, at=months_ago(n)) for n in (4, 3, 2, 0) for name in "ab"]
    await store.commit(batch)
    await store.commit([leave("b", at=months_ago(0) + 1)])
    gone = await swept(store)

    assert (6, 2) == (gone, rows(path))
    assert set() == months(path) & {name_of(months_ago(n)) for n in (4, 3)}
    assert name_of(months_ago(0)) in months(path)
    assert [0] == await numbers(store)
    assert (3, 1) == (len(await store.ledger()), len(await store.find([("serial", ref("serial", "a"))])))


async def test_a_month_with_records_under_a_hold_stays_with_those_and_no_others(path: Path, another: Open) -> None:
    """K36: until the hold ends; then the month goes as a whole."""
    store = await another(rules=keeping(20))
    await store.commit([join(name, at=months_ago(5)) for name in "ab"])
    await store.commit([record(name, 1, at=months_ago(3)) for name in "ab"])
    await store.commit([act(Action.HOLD, "a", at=months_ago(2), reference="CASE-1")])
    await store.commit([record("c", 1, at=now_ms() - DAY)])
    await swept(store)
    held = (rows(path), name_of(months_ago(3)) in months(path))
    await store.commit([act(Action.RELEASE, "a", at=months_ago(0), reference="CASE-1")])
    await swept(store)

    assert ((2, True), 1) == (held, rows(path))
    assert name_of(months_ago(3)) not in months(path)


async def test_the_month_that_commits_go_into_is_emptied_and_not_dropped(path: Path, another: Open) -> None:
    """After a long outage it may be one that is past its time; what still comes of it is stored like any other."""
    store = await another(rules=keeping(20))
    await store.commit([record(number=1, at=months_ago(3))])
    await swept(store)
    swept_away = rows(path)
    later = await store.commit([record(number=2, at=months_ago(3) + 1)])

    assert (0, 1) == (swept_away, later.stored)


async def test_a_reader_in_the_way_of_dropping_closes_nothing(path: Path, another: Open) -> None:
    """It is done with the next sweep."""
    store = await another(rules=keeping(20))
    await store.commit([join("a", at=months_ago(5)), record(number=1, at=months_ago(3))])
    await store.commit([record("b", 1, at=months_ago(0))])
    ask(path, f"DELETE FROM ueip.record WHERE received_at < {months_ago(2)}", "SELECT 1")
    store._sweep._until = months_ago(1)
    other = await shared().connect(DATABASES.at(path))
    try:
        await other.execute("BEGIN; SELECT count(*) FROM ueip.record")
        purged = await store.purge()
    finally:
        await other.close()

    assert (0, False) == purged
    assert name_of(months_ago(3)) in months(path)
    assert 1 == (await store.commit([record("b", 2, at=months_ago(0))])).stored


async def test_a_clock_that_is_far_ahead_purges_no_more_than_a_week(
    path: Path, another: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even a month as a whole."""
    store = await another(rules=keeping(30))
    await store.commit([record(number=n, at=months_ago(3) + n * DAY) for n in range(1, 12)])
    ahead = (now_ms() + 3650 * DAY) / 1000
    monkeypatch.setattr("collector.stores.retention.time", SimpleNamespace(time=lambda: ahead))

    assert (8, False) == await store.purge()
    assert 3 == rows(path)


async def test_a_clock_that_is_far_ahead_lets_nothing_come_again_that_was_erased(
    another: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's clock has a word in it too."""
    store = await another()
    await store.commit([record(number=1)])
    await store.commit([act(Action.ERASE, at=LATER)])
    monkeypatch.setattr("collector.stores.postgres.now_ms", lambda: now_ms() + 400 * DAY)
    await store.open()
    await store.changes(0)
    monkeypatch.undo()
    again = await store.commit([record(number=1, at=LATER + DAY, measured=START)])

    assert {DropReason.DUPLICATE: 1} == dict(again.dropped)


async def test_what_is_known_of_what_was_erased_is_forgotten_in_its_time_and_not_all_at_once(
    path: Path, another: Open
) -> None:
    """A day of it, the oldest."""
    ages = (89, 91, 200, 200.9, 202)
    values = ", ".join(f"('\\x{place:02}', {now_ms() - int(age * DAY)})" for place, age in enumerate(ages))
    ask(path, f"INSERT INTO ueip.tombstone VALUES {values}", "SELECT 1")
    left = []
    for _ in range(4):
        store = await another()
        await store.changes(0)
        left.append(ask(path, "SELECT count(*) FROM ueip.tombstone")[0][0])

    assert [4, 2, 1, 1] == left


async def test_what_was_erased_is_forgotten_a_bounded_number_at_a_time(path: Path, store: PostgresStore) -> None:
    """With each look until nothing is left, but no more than a day of it in an hour; a large fleet leaves millions."""
    old, number = now_ms() - 365 * DAY, FORGOTTEN_AT_ONCE + 1
    ages = f"SELECT int4send(n), {old} FROM generate_series(1, {number}) AS n"
    ask(path, f"INSERT INTO ueip.tombstone {ages}", f"INSERT INTO ueip.tombstone VALUES ('', {old + DAY})", "SELECT 1")
    left = []
    for _ in range(3):
        await store.changes(0)
        left.append(ask(path, "SELECT count(*) FROM ueip.tombstone")[0][0])

    assert [2, 1, 1] == left


@pytest.mark.parametrize("sql", [_FORGET, _OUTLIVED, referred_to("ueip.router")])
async def test_no_whole_table_is_looked_at_while_commits_wait_or_a_store_is_opened(
    path: Path, store: PostgresStore, sql: str
) -> None:
    """Indexes lead to what is old, and from one key to the next; the tables are as long as the fleet is large."""
    del store
    asked = sql.replace("$1", "1").replace("$2", "1")
    plan = [row[0] for row in ask(path, "SET enable_seqscan = off", f"EXPLAIN {asked}")]

    assert [] == [line for line in plan if "Seq Scan" in line]


async def test_no_month_is_looked_at_as_a_whole_even_if_nobody_knows_how_much_is_in_it(
    path: Path, store: PostgresStore
) -> None:
    """As after a restore, or while the server is at something larger than the tables that are to be analysed."""
    number = 20_000
    made = f"""SELECT n, int4send(n), n, {START}, {START}, 1, 'v', 'a', NULL, '', false
        FROM generate_series(1, {number}) AS n"""
    ask(path, f"SELECT ueip.make_partition({START})", f"INSERT INTO ueip.record {made}", "SELECT 1")
    session, ids = store._open, list(range(1, number, 20))
    async with session.turn():
        plans = [
            await session.rows(f"EXPLAIN {_DELETE}", ids, START),
            *[await session.rows(f"EXPLAIN {sql}", ids) for sql in _LEFTOVERS],
            await session.rows(f"EXPLAIN {_ERASE}", ids, [START] * len(ids), START),
        ]

    assert [] == [row[0] for plan in plans for row in plan if "Seq Scan" in row[0]]


async def test_what_was_erased_is_known_for_as_long_as_the_settings_let_it_come_again(
    path: Path, another: Open
) -> None:
    """A router that lost its uplink for months may send a report of then once more (K09)."""
    ask(path, f"INSERT INTO ueip.tombstone VALUES ('\\x01', {now_ms() - 100 * DAY})", "SELECT 1")
    left = []
    for look_back in (101 * DAY, 99 * DAY):
        await (await another(look_back=look_back)).changes(0)
        left.append(ask(path, "SELECT count(*) FROM ueip.tombstone")[0][0])

    assert [1, 0] == left


async def test_what_is_left_of_routers_goes_after_their_month_and_little_by_little(
    path: Path, another: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can commit from the drop of a month until that is durable; another collector goes on where one stopped."""
    monkeypatch.setattr("collector.stores.postgres_retention.ROUTERS_AT_ONCE", 1)
    store = await another(rules=keeping(20, erase_on_exit=False))
    end = Month.of(months_ago(3)).end
    for number, name in enumerate("abc"):
        await store.commit([record(name, number, at=end - HOUR)])
        await store.commit([leave(name, at=end - MINUTE)])
    await store.commit([record("d", at=now_ms())])
    left, more = [4], True
    while more:
        more = (await (await another(rules=keeping(20, erase_on_exit=False))).purge()).more
        left.append(ask(path, "SELECT count(*) FROM ueip.lookup")[0][0])

    assert [4, 1] == [left[1], left[-1]]
    assert {0, 1} == {before - after for before, after in pairwise(left)}


async def test_numbers_that_no_router_has_cost_a_sweep_nothing(path: Path, another: Open) -> None:
    """Each consent event of a known router uses one up: in a fleet of years most numbers are nobody's."""
    store = await another(rules=keeping(20, erase_on_exit=False))
    end = Month.of(months_ago(3)).end
    await store.commit([record("a", at=end - HOUR)])
    await store.commit([leave("a", at=end - MINUTE)])
    ask(path, "SELECT setval(pg_get_serial_sequence('ueip.router', 'id'), 1000000000000)")
    await store.commit([record("b", at=now_ms())])
    purged = [await store.purge() for _ in range(3)]

    assert [True, True, False] == [step.more for step in purged]
    assert [(1,)] == ask(path, "SELECT count(*) FROM ueip.lookup")


async def test_a_long_month_is_dropped_without_counting_what_was_in_it(path: Path, another: Open) -> None:
    """To count billions takes longer than anybody waits for a statement; the statistics say how many they are."""
    store = await another(rules=keeping(20))
    end = Month.of(months_ago(3)).end
    await store.commit([record("a", at=end - HOUR)])
    await store.commit([record("b", at=now_ms())])
    table = f"record_{datetime.fromtimestamp((end - HOUR) / 1000, UTC):%Y_%m}"
    long = f"UPDATE pg_class SET relpages = 1 << 28, reltuples = 1::bigint << 32 WHERE relname = '{table}'"
    ask(path, long, "SELECT 1")
    purged = await store.purge()

    assert Purged(1 << 32, more=True) == purged


async def test_who_left_before_its_records_were_past_their_time_is_found_again_once_it_is_back(another: Open) -> None:
    """What found it went with its last record, kept until then; a new consent makes it findable anew."""
    store = await another(rules=keeping(20, erase_on_exit=False))
    await store.commit([join("a", at=months_ago(4))])
    await store.commit([record(number=1, at=months_ago(3)), leave("a", at=months_ago(3) + 1)])
    await swept(store)
    gone = await store.find([("serial", ref("serial", "a"))])
    later = await another()
    await later.commit([join("a", at=months_ago(1)), record(number=2, at=months_ago(1) + 1)])

    assert ([], 1) == (gone, len(await later.find([("serial", ref("serial", "a"))])))


async def test_a_router_that_tells_other_names_now_and_then_is_found_by_all_of_them(
    path: Path, store: PostgresStore
) -> None:
    """Each is written once; a report that tells fewer changes nothing."""
    both, one = (("serial", ref("s")), ("imei", ref("i"))), (("serial", ref("s")),)
    await store.commit([record(number=1, lookup=one)])
    await store.commit([record(number=2, lookup=both)])
    noted = ask(path, "SELECT names, xmin::text FROM ueip.router")
    for number in range(3, 9):
        await store.commit([record(number=number, lookup=one if number % 2 else both)])

    assert noted == ask(path, "SELECT names, xmin::text FROM ueip.router")
    assert [1, 1] == [len(await store.find([name])) for name in both]
    assert [(2,)] == ask(path, "SELECT count(*) FROM ueip.lookup")


# Beside each other


@pytest.fixture
async def halting(path: Path, store: PostgresStore) -> AsyncIterator[Halting]:
    """One, with routers a and b joined."""
    await store.commit([record("a", 0)])
    await store.commit([join("b")])
    await store.commit([record("a", 0)])  # whoever had to be alone is so once more
    made = Halting(DATABASES.settings(path), HERE, RULES)
    await made.open()
    yield made
    made.may_go.set()
    await made.close()


async def waits_for_a_lock(path: Path) -> None:
    """Until some connection does."""
    sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
    async with asyncio.timeout(60):
        while not ask(path, sql)[0][0]:  # noqa: ASYNC110 - seen from outside
            await asyncio.sleep(0.01)


async def test_commits_of_records_run_beside_each_other(halting: Halting, store: PostgresStore) -> None:
    """One that takes its time holds up nobody else's."""
    slow = asyncio.create_task(halting.commit([record("a", 1)]))
    await halting.halts.wait()
    quick = await store.commit([record("b", 1)])
    halting.may_go.set()

    assert (1, 1) == (quick.stored, (await slow).stored)


@pytest.mark.parametrize("what", ["records", "names"])
async def test_commits_beside_each_other_that_write_the_same_wait_for_each_other_in_one_order(
    path: Path, another: Open, what: str
) -> None:
    """As after a redelivery, whichever order each of the collectors has them in."""
    here, there = await another(), await another()
    await here.commit([record("a", 1), record("b", 1)])
    for number, store in ((2, here), (3, here), (2, there), (3, there)):
        await store.commit([record("a", number, measured=START), record("b", number, measured=START)])
    for store in (here, there):
        store._known.wary = Wariness()
    other_names = {name: (("imei", ref("imei", name)),) for name in "ab"} if what == "names" else {"a": None, "b": None}
    entries = [record(name, 4, measured=START, lookup=other_names[name]) for name in "ab"]
    others = [record(name, 5, measured=START, lookup=other_names[name]) for name in "ba"]
    with slowly(path, "ueip.lookup" if what == "names" else name_of(START)):
        both = await asyncio.gather(
            here.commit(entries), there.commit(others if what == "names" else entries[::-1]), return_exceptions=True
        )

    stored = [found.stored for found in both if isinstance(found, Committed)]
    assert [2, 2 if what == "names" else 0] == sorted(stored, reverse=True)


@contextmanager
def slowly(path: Path, table: str) -> Iterator[None]:
    """Each row of a table takes a while to be written, for the length of a block."""
    ask(
        path,
        "CREATE FUNCTION public.slowly() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM pg_sleep(0.2); RETURN NEW; END $$",
        f"CREATE TRIGGER slowly BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION public.slowly()",
        "SELECT 1",
    )
    try:
        yield
    finally:
        ask(path, f"DROP TRIGGER slowly ON {table}", "DROP FUNCTION public.slowly", "SELECT 1")


@pytest.mark.parametrize("action", [Action.EXIT, Action.VOID, Action.ERASE, Action.CANCEL])
async def test_k03_an_exit_waits_for_the_commit_under_way_and_erases_what_it_wrote(
    path: Path, halting: Halting, store: PostgresStore, action: Action
) -> None:
    """Never a row that was committed after the exit: it is ordered behind, whoever it is made by."""
    slow = asyncio.create_task(halting.commit([record("a", 1)]))
    await halting.halts.wait()
    leaving = asyncio.create_task(store.commit([act(action, at=LATER)]))
    await waits_for_a_lock(path)
    assert not leaving.done()
    halting.may_go.set()

    assert (1, 2) == ((await slow).stored, (await leaving).erased)
    assert [] == await numbers(store, "a")


async def test_k03_a_commit_that_waits_for_an_exit_knows_of_it(
    path: Path, halting: Halting, store: PostgresStore
) -> None:
    """It reads the ledger only once the exit is durable, whatever it remembers."""
    await store.commit([record("a", 1)])
    leaving = asyncio.create_task(halting.commit([leave("a", at=LATER)]))
    await halting.halts.wait()
    coming = asyncio.create_task(store.commit([record("a", 2, at=LATER - 1), record("b", 1)]))
    await waits_for_a_lock(path)
    halting.may_go.set()
    await leaving
    committed = await coming

    assert (1, {DropReason.WITHDRAWN: 1}) == (committed.stored, dict(committed.dropped))
    assert 1 == rows(path)


@pytest.mark.parametrize("isolation", ["repeatable read", "serializable"])
async def test_k03_holds_whatever_the_database_is_set_to(path: Path, another: Open, isolation: str) -> None:
    """A snapshot from before the wait for the lock would not know of the exit; another table is not taken for ours."""
    database = DATABASES.at(path)
    ask(
        path,
        f"ALTER DATABASE {database} SET default_transaction_isolation = '{isolation}'",
        f"ALTER DATABASE {database} SET search_path = public, ueip, pg_temp",
        "CREATE TABLE public.staging (a int); GRANT ALL ON public.staging TO PUBLIC",
        "SELECT 1",
    )
    try:
        store, halting = await another(), Halting(DATABASES.settings(path), HERE, RULES)
        await halting.open()
        await store.commit([record("a", 1), record("b", 1)])
        leaving = asyncio.create_task(halting.commit([leave("a", at=LATER)]))
        await halting.halts.wait()
        coming = asyncio.create_task(store.commit([record("a", 2, at=LATER - 1), record("b", 2)]))
        await waits_for_a_lock(path)
        halting.may_go.set()
        await leaving
        committed = await coming
        await halting.close()
    finally:
        settings = ("default_transaction_isolation", "search_path")
        resets = [f"ALTER DATABASE {database} RESET {name}" for name in settings]
        ask(path, *resets, "DROP TABLE public.staging", "SELECT 1")

    assert (1, {DropReason.WITHDRAWN: 1}) == (committed.stored, dict(committed.dropped))
    assert ([], [2, 1]) == (await numbers(store, "a"), await numbers(store, "b"))


async def test_one_router_joins_once_on_two_collectors(path: Path, another: Open) -> None:
    """Each finds that it has to append, and has to be alone for it: one does, the other sees that it is done."""
    here, there = await another(), await another()
    for number in range(8):
        name = f"new-{number}"
        await asyncio.gather(here.commit([record(name, 1)]), there.commit([record(name, 2)]))
    acts = [entry.device_ref for entry in await here.ledger()]

    assert (8, 8, 16) == (len(acts), len(set(acts)), rows(path))


# Connections that are lost

OPERATIONS = ("run", "do", "rows", "row", "copy", "try_copy")


def hook(store: PostgresStore, happens: Callable[[int], None]) -> None:
    """Let something happen before each thing that is asked of the server, and after it."""
    session: Any = store._session
    count = iter(range(10_000))

    def hooked(name: str) -> Any:
        work = getattr(session, name)

        async def asked(*args: Any) -> Any:
            happens(next(count))
            result = await work(*args)
            happens(next(count))
            return result

        return asked

    for name in OPERATIONS:
        setattr(session, name, hooked(name))


async def pid(store: PostgresStore) -> int:
    """The server's process behind a store."""
    found = await store._each(lambda row: row[0], "SELECT pg_backend_pid()")
    return int(found[0])


WORK: dict[str, list[Entry]] = {
    "records": [record("a", 2), record("b", 2)],
    "a join": [record("a", 2), record("new", 1)],
    "an exit": [record("b", 2), leave("a", at=LATER, event_ref=ref("exit"))],
    "a new month": [record("a", 2, at=DECEMBER + 1), record("b", 2, at=DECEMBER + 2)],
}


@pytest.mark.parametrize("work", WORK)
async def test_a_connection_lost_at_any_step_loses_nothing_and_stores_nothing_twice(
    path: Path, another: Open, work: str
) -> None:
    """The backend is killed before or after each thing asked of it; then, as a writer does: open anew, commit again."""
    steps: list[int] = []
    calm = await another()
    await calm.commit([record("a", 1), record("b", 1)])
    hook(calm, steps.append)
    await calm.commit(WORK[work])
    expected = content(path)
    await calm.close()
    assert len(steps) > 8
    for step in steps:
        DATABASES.let_go(path.parent)
        store = await another()
        await store.commit([record("a", 1), record("b", 1)])
        victim = await pid(store)

        def happens(now: int, step: int = step, victim: int = victim) -> None:
            if now == step:
                ask(path, f"SELECT pg_terminate_backend({victim}, 5000)")

        hook(store, happens)
        try:
            await store.commit(WORK[work])
        except StoreUnavailable as error:
            assert Cause.NOT_ANSWERING is error.cause  # noqa: PT017 - the answer to the last of them may arrive
            await store.open()
            await store.commit(WORK[work])

        assert expected == content(path), step
        await store.close()


async def test_a_server_that_crashes_is_back_by_itself(another: Open, path: Path) -> None:
    """All connections are ended at once, as the server does when one of its processes is killed."""
    store = await another()
    await store.commit([record()])
    ask(path, f"SELECT pg_terminate_backend({await pid(store)}, 5000)")
    with pytest.raises(StoreUnavailable):
        await store.commit([record(number=2)])
    await store.open()

    assert 1 == (await store.commit([record(number=2)])).stored


async def test_a_commit_that_hangs_is_given_up(path: Path, another: Open) -> None:
    """After `patience_seconds`; what it held is let go of, and nothing was written."""
    store = await another(patience_seconds=0.3)
    await store.commit([record()])
    other = await shared().connect(DATABASES.at(path))
    try:
        await other.execute("BEGIN; LOCK TABLE ueip.router")
        with pytest.raises(StoreUnavailable):
            await store.commit([record("new", 1)])
    finally:
        await other.close()
    await store.open()

    assert 1 == rows(path)
    assert 1 == (await store.commit([record("new", 1)])).stored


async def test_a_commit_that_gives_up_waiting_for_its_turn_leaves_no_transaction(path: Path, another: Open) -> None:
    """Not even one that the server begins after that: the next commit goes by the same connection."""
    store = await another(patience_seconds=0.3)
    await store.commit([record()])
    other = await shared().connect(DATABASES.at(path))
    try:
        await other.execute(BEGIN_ALONE)
        with pytest.raises(StoreUnavailable):
            await store.commit([record(number=2)])
        state = ask(path, f"SELECT state FROM pg_stat_activity WHERE pid = {await pid(store)}")
    finally:
        await other.close()

    assert [("idle",)] == state
    assert 1 == (await store.commit([record(number=2)])).stored


class Way:
    """What lies between collector and server: it passes everything on, until it passes nothing on and says nothing."""

    def __init__(self) -> None:
        self.opens = asyncio.Event()
        self.opens.set()
        self.port = 0
        self._passing: set[asyncio.Task[None]] = set()

    async def lay(self) -> asyncio.Server:
        """Listen."""
        server = await asyncio.start_server(self._came, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _came(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", shared().port)
        self._passing = {asyncio.create_task(self._pass(reader, back)), asyncio.create_task(self._pass(there, writer))}

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self.opens.wait()
            writer.write(data)
        writer.close()


async def test_a_way_that_swallows_everything_is_given_up_and_tried_again(path: Path, another: Open) -> None:
    """No refusal, no end of the connection: after `patience_seconds`, and well again once it passes things on."""
    way = Way()
    async with await way.lay():
        store = await another(port=way.port, patience_seconds=0.5)
        await store.commit([record()])
        way.opens.clear()
        with pytest.raises(StoreUnavailable) as refusal:
            await store.commit([record(number=2)])
        way.opens.set()
        await store.open()
        again = await store.commit([record(number=2)])
        await store.close()

    assert Cause.NOT_ANSWERING is refusal.value.cause
    assert (again.stored, again.dropped.total()) in {(1, 0), (0, 1)}
    assert 2 == rows(path)


async def test_a_commit_that_is_cancelled_leaves_nothing_open(
    path: Path, halting: Halting, store: PostgresStore
) -> None:
    """As at the end of the process: the server takes back what was not committed."""
    slow = asyncio.create_task(halting.commit([record("a", 1), leave("b", at=LATER)]))
    await halting.halts.wait()
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow
    committed = await store.commit([leave("a", at=LATER)])

    assert (1, 0) == (committed.erased, rows(path))
    assert [Action.JOIN] == [entry.action for entry in await store.ledger(router("b").device_ref)]


# Causes


@pytest.mark.parametrize(
    ("setting", "value", "cause"),
    [
        ("port", 1, Cause.NOT_ANSWERING),
        ("user", "nobody-there", Cause.NO_ACCESS),
        ("database", "nowhere", Cause.WRONG_STORE),
    ],
)
async def test_a_trouble_has_one_cause_and_tells_nothing_of_where_or_whom(
    path: Path, setting: str, value: Any, cause: Cause
) -> None:
    """Neither host, port, database nor user is in what goes to the log."""
    user = {"user": value} if setting == "user" else {}
    settings = DATABASES.settings(path).model_copy(update={setting: value, **user})
    with pytest.raises(StoreUnavailable) as refusal:
        await PostgresStore(settings, HERE, RULES).open()

    assert cause is refusal.value.cause
    secrets = ("127.0.0.1", str(settings.port), settings.database, settings.user, PASSWORD)
    assert [] == [secret for secret in secrets if secret in str(refusal.value)]


async def test_a_wrong_password_is_no_access(path: Path, tmp_path: Path) -> None:
    """And is not told."""
    wrong = tmp_path / "wrong"
    wrong.write_text("an0ther-c4n4ry")
    with pytest.raises(StoreUnavailable) as refusal:
        await PostgresStore(DATABASES.settings(path, password_file=wrong), HERE, RULES).open()

    assert Cause.NO_ACCESS is refusal.value.cause
    assert "c4n4ry" not in str(refusal.value)


async def test_a_server_that_takes_no_writes_is_noticed_before_a_message_waits(path: Path, another: Open) -> None:
    """A standby, or one set to reading alone."""
    database = DATABASES.at(path)
    ask(path, f"ALTER DATABASE {database} SET default_transaction_read_only = on", "SELECT 1")
    try:
        store = await another()
        causes = []
        for work in (store.changes(0), store.commit([record()])):
            with pytest.raises(StoreUnavailable) as refusal:
                await work
            causes.append(refusal.value.cause)
    finally:
        reset = f"ALTER DATABASE {database} RESET default_transaction_read_only"
        ask(path, "SET default_transaction_read_only = off", reset, "SELECT 1")

    assert [Cause.READ_ONLY] * 2 == causes


async def test_a_lock_that_another_holds_is_told(path: Path, another: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection stays good for the next attempt."""
    monkeypatch.setitem(postgres_session.SETTINGS, "lock_timeout", "100ms")
    store = await another()
    other = await shared().connect(DATABASES.at(path))
    try:
        await other.execute("BEGIN; LOCK TABLE ueip.router")
        with pytest.raises(StoreUnavailable) as refusal:
            await store.commit([record()])
    finally:
        await other.close()

    assert Cause.LOCKED is refusal.value.cause
    assert 1 == (await store.commit([record()])).stored


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (asyncpg.DiskFullError(""), Cause.DISK_FULL),
        (asyncpg.DeadlockDetectedError(""), Cause.LOCKED),
        (asyncpg.DataCorruptedError(""), Cause.CORRUPT),
        (asyncpg.AdminShutdownError(""), Cause.NOT_ANSWERING),
        (asyncpg.TooManyConnectionsError(""), Cause.NOT_ANSWERING),
        (asyncpg.InterfaceError("closed"), Cause.NOT_ANSWERING),
        (TimeoutError(), Cause.NOT_ANSWERING),
        (Damaged("rows"), Cause.CORRUPT),
    ],
)
def test_what_cannot_be_made_to_happen_here_has_its_cause_too(error: Exception, cause: Cause) -> None:
    """By its SQLSTATE, or by what it is."""
    assert cause is refused(error, HERE).cause


async def test_what_is_acknowledged_is_on_the_servers_disk(path: Path, store: PostgresStore) -> None:
    """Whatever the server, the database or the role is set to (D20)."""
    database = DATABASES.at(path)
    ask(path, f"ALTER DATABASE {database} SET synchronous_commit = off", "SELECT 1")
    await store.open()
    found = await store._each(lambda row: row[0], "SHOW synchronous_commit")
    ask(path, f"ALTER DATABASE {database} RESET synchronous_commit", "SELECT 1")

    assert ["on"] == found


@pytest.mark.parametrize("name", ["statement_timeout", "idle_session_timeout"])
async def test_what_takes_long_comes_to_its_end_whatever_the_database_is_set_to(
    path: Path, store: PostgresStore, name: str
) -> None:
    """Writing a month anew for one, and waiting for what keeps it from that; so does a connection that waits."""
    database, admin = DATABASES.at(path), DATABASES.settings(path, ADMIN)
    await store.commit([record()])
    await store.commit([leave(at=LATER)])
    ask(path, f"ALTER DATABASE {database} SET {name} = '200ms'", "SELECT 1")
    reader = await shared().connect(database)
    try:
        await store.open()
        await reader.execute(f"SET {name} = 0; BEGIN; SELECT FROM {name_of(START)}")
        tidying = asyncio.create_task(tidy(admin, HERE, ADMIN))
        await asyncio.sleep(0.5)
        await reader.execute("COMMIT")
        done = await tidying
        back = await store.commit([join(at=LATER + HOUR)])
    finally:
        ask(path, f"ALTER DATABASE {database} RESET {name}", "SELECT 1")
        await reader.close()

    assert (name_of(START) in done, 1) == (True, len(back.appended))


async def test_a_store_that_is_not_open_is_unavailable(path: Path) -> None:
    """A commit before `open` is a commit to try again."""
    store = PostgresStore(DATABASES.settings(path), HERE, RULES)
    with pytest.raises(StoreUnavailable, match="the store of germany is not open"):
        await store.commit([record()])
    await store.close()


# What is remembered


async def test_what_others_wrote_is_learnt_before_it_counts(another: Open) -> None:
    """K15: exits, rejoins and erasures by other processes, for routers that this one remembers as joined."""
    here, there = await another(), await another()
    await here.commit([record("a", 1), record("b", 1)])
    await there.commit([leave("a", at=LATER), act(Action.ERASE, "b", at=LATER)])
    first = await here.commit([record("a", 2, at=LATER + 1), record("b", 1, at=LATER + 1), record("b", 2, at=LATER)])
    await there.commit([join("a", at=LATER + MINUTE)])
    second = await here.commit([record("a", 1, at=LATER + HOUR), record("a", 3, at=LATER + HOUR)])

    assert (0, {DropReason.WITHDRAWN: 1, DropReason.DUPLICATE: 1, DropReason.ERASED: 1}) == (
        first.stored,
        dict(first.dropped),
    )
    assert (1, {DropReason.DUPLICATE: 1}) == (second.stored, dict(second.dropped))


async def test_a_router_erased_by_another_is_found_again_by_what_it_sends_later(another: Open) -> None:
    """Though this process has made it findable before."""
    here, there = await another(), await another()
    await here.commit([record("a", 1)])
    await there.commit([act(Action.ERASE, "a", at=LATER)])
    await here.commit([record("a", 2, at=LATER + SECOND)])

    assert 1 == len(await there.find([("serial", ref("serial", "a"))]))
    assert router("a").device_ref == (await here.joined(b"", 9))[0]


def test_the_server_can_be_asked_from_inside_a_loop() -> None:
    """What these tests look through works."""

    async def asked() -> int:
        return 1

    assert 1 == elsewhere(asked())


# Erased bytes


async def erased(store: PostgresStore) -> Erased | None:
    """What is noted of erasures whose bytes may still be in files."""
    text = await store.noted(ERASED)
    return None if text is None else Erased.noted(text)


async def test_erasures_of_two_collectors_at_the_same_time_are_both_noted(path: Path, store: PostgresStore) -> None:
    """Though both found no note when they began."""
    settings = DATABASES.settings(path, "germany_writer")
    first, second = [await Session.connect(settings, HERE) for _ in range(2)]

    async def noted_by_the_second() -> None:
        await note_erased(second, {"ueip.record_2025_12"}, LATER)
        await second.run("COMMIT")

    for session in (first, second):
        await session.run(BEGIN_BESIDE)
    await note_erased(first, {"ueip.record_2025_11"}, START)
    beside = asyncio.create_task(noted_by_the_second())
    asked = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(60):
        while not beside.done():
            [waits] = await store._open.row(asked)
            if waits:
                break
            await asyncio.sleep(0.01)
    await first.run("COMMIT")
    await beside
    for session in (first, second):
        await session.close()

    assert Erased(START, LATER, frozenset({"ueip.record_2025_11", "ueip.record_2025_12"})) == await erased(store)


async def test_what_is_erased_while_it_is_tidied_is_tidied_the_next_time(path: Path, store: PostgresStore) -> None:
    """And that alone; the age of what is left is counted from what was done."""
    settings = DATABASES.settings(path, ADMIN)
    await store.commit([record("a", 1), record("b", 1, at=DECEMBER)])
    await store.commit([leave("a", at=LATER)])
    before = await erased(store)

    async def left(_: Session, tables: frozenset[str]) -> list[str]:
        await store.commit([leave("b", at=DECEMBER + HOUR)])
        return [f"beside {', '.join(tables)}"]

    done = await tidy(settings, HERE, ADMIN, left)
    meanwhile = await erased(store)
    again = await tidy(settings, HERE, ADMIN)

    assert before is not None
    assert meanwhile is not None
    assert ["beside ueip.record_2025_11", "ueip.lookup", "ueip.memory", "ueip.record_2025_11"] == done
    assert (before.newest, {"ueip.record_2025_12"}) == (meanwhile.oldest, set(meanwhile.tables))
    assert ["ueip.lookup", "ueip.memory", "ueip.record_2025_12"] == again
    assert await erased(store) is None


async def test_tidying_that_broke_off_is_done_again_as_a_whole(path: Path, store: PostgresStore) -> None:
    """The note is let go of at the end."""
    settings = DATABASES.settings(path, ADMIN)
    await store.commit([record("a", 1)])
    await store.commit([leave("a", at=LATER)])
    before = await erased(store)

    async def lost(_: Session, tables: frozenset[str]) -> list[str]:
        raise StoreUnavailable("as in a test")

    with pytest.raises(StoreUnavailable):
        await tidy(settings, HERE, ADMIN, lost)
    after = await erased(store)
    done = await tidy(settings, HERE, ADMIN)

    assert before is not None
    assert after is not None
    assert (before.oldest, before.newest) == (after.oldest, after.newest)
    assert "ueip.record_2025_11" in done
    assert await erased(store) is None
