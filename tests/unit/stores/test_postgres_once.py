"""A PostgreSQL store has each record once: over months, on several collectors at once, and in stores of before."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest
from engines import Halting, needs_postgresql, opened, place
from hypothesis import given, settings
from hypothesis import strategies as st
from postgresql import ADMIN, DATABASES, shared
from records import HOUR, MINUTE, START, join, leave, numbers, record, ref, router

from collector.config_postgres import PostgresSettings
from collector.errors import Cause, StoreUnusable
from collector.model import DropReason, Record, Region
from collector.stores import postgres_setup
from collector.stores.plan import Committed, ConsentRules
from collector.stores.postgres import PostgresStore
from collector.stores.postgres_migrations import MIGRATIONS
from collector.stores.postgres_once import FLOATING
from collector.stores.postgres_partitions import Month
from collector.stores.postgres_rows import RECORDS
from collector.stores.postgres_schema import SCHEMA_VERSION
from collector.stores.postgres_setup import prepare, script

pytestmark = needs_postgresql
RULES = ConsentRules()
HERE = Region.GERMANY
DECEMBER = 1_764_547_200_000
"""2025-12-01 00:00:00 UTC."""
SAID = DECEMBER - 10 * MINUTE
"""When messages say that they were measured."""

Delivery = Callable[..., Record]


def trusted(number: int, at: int, **more: Any) -> Record:
    """A delivery whose time counts."""
    return record(number=number, at=at, measured=SAID, **more)


def doubted(number: int, at: int, **more: Any) -> Record:
    """Another of the same message: its time is not believed, and that of its receipt counts."""
    return msgspec.structs.replace(record(number=number, at=at, **more), floating=(SAID,))


def silent(number: int, at: int, **more: Any) -> Record:
    """One of a message that says no time."""
    return record(number=number, at=at, **more)


PAIRS = {
    "its time counts": (trusted, trusted),
    "it says none": (silent, silent),
    "it is doubted later": (trusted, doubted),
    "it was doubted before": (doubted, trusted),
    "it is doubted both times": (doubted, doubted),
}
"""Two deliveries of one message."""


Open = Callable[..., Any]


@pytest.fixture
async def another(path: Path) -> AsyncIterator[Open]:
    """Opens stores of one database, as collectors on several machines do."""

    def make(kind: type[PostgresStore] = PostgresStore) -> PostgresStore:
        return kind(DATABASES.settings(path), HERE, RULES)

    async with opened(make) as another:
        yield another


def ask(path: Path, *statements: str) -> list[tuple[Any, ...]]:
    """Run statements as the administrator."""
    return shared().ask(DATABASES.at(path), *statements)


def outcome(committed: Committed) -> tuple[int, dict[DropReason, int]]:
    """How many records a commit stored, and how many it dropped for which reasons."""
    return committed.stored, dict(committed.dropped)


ONCE = [(1, {}), (0, {DropReason.DUPLICATE: 1})]


# Over the end of a month


@pytest.mark.parametrize("turned", [True, False])
@pytest.mark.parametrize(("first", "second"), [(-1, 1), (1, -1)])
@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
async def test_a_redelivery_over_the_end_of_a_month_is_a_duplicate(
    another: Open, pair: tuple[Delivery, Delivery], first: int, second: int, turned: bool
) -> None:
    """Whichever was received first, and whether the second is the first of its month or one that runs beside others."""
    here, there = await another(), await another()
    await here.commit([join(at=START)])
    done = [await here.commit([pair[0](1, DECEMBER + first)])]
    if turned:
        await there.commit([trusted(2, DECEMBER + second)])
        await there.commit([trusted(3, DECEMBER + second)])
    done.append(await there.commit([pair[1](1, DECEMBER + second)]))

    assert ONCE == [outcome(committed) for committed in done]


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
async def test_a_redelivery_under_a_newer_key_is_a_duplicate_over_the_end_of_a_month_too(
    another: Open, pair: tuple[Delivery, Delivery]
) -> None:
    """Its id is another then; what it would be under the older key is looked for (K09)."""
    here, there = await another(), await another()
    await here.commit([join(at=START)])
    before = pair[0](1, DECEMBER - 1)
    renamed = router("a", key="key-2", older=["key-1"])
    after = pair[1](1, DECEMBER + 1, identity=renamed)
    after = msgspec.structs.replace(after, record_id=ref("newer"), older_ids=(before.record_id,))
    done = [await here.commit([before]), await there.commit([after])]

    assert ONCE == [outcome(committed) for committed in done]


# On two collectors at once


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
async def test_two_collectors_with_one_message_at_once_store_it_once(
    path: Path, another: Open, pair: tuple[Delivery, Delivery]
) -> None:
    """An index decides, or the second waits until it can see the first: never do both go on."""
    slow, quick = await another(Halting), await another()
    await quick.commit([join(at=START), doubted(9, SAID)])
    going = asyncio.create_task(slow.commit([pair[0](1, SAID + 1)]))
    await slow.halts.wait()
    coming = asyncio.create_task(quick.commit([pair[1](1, SAID + 2)]))
    async with asyncio.timeout(60):
        while not ask(path, "SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0]:  # noqa: ASYNC110 - from outside
            await asyncio.sleep(0.01)
    assert not coming.done()
    slow.may_go.set()

    assert ONCE == [outcome(await going), outcome(await coming)]


@pytest.mark.parametrize("delivery", [trusted, silent])
async def test_records_of_which_all_deliveries_are_alike_are_written_beside_each_other(
    another: Open, delivery: Delivery
) -> None:
    """Whether they float or not; that there are such was noted by the first of the month."""
    slow, quick = await another(Halting), await another()
    await quick.commit([join(at=START), silent(9, SAID)])
    await quick.commit([trusted(8, SAID)])
    going = asyncio.create_task(slow.commit([delivery(1, SAID + 1)]))
    await slow.halts.wait()
    await quick.commit([delivery(2, SAID + 1)])
    assert not going.done()
    slow.may_go.set()

    assert 1 == (await going).stored


Sent = tuple[int, bool, int]
"""A message by its number, whether its time counts in this delivery, and the time of receipt against December's."""
BATCHES = st.lists(
    st.lists(st.tuples(st.integers(1, 6), st.booleans(), st.sampled_from([-HOUR, -1, 1, HOUR])), max_size=5), max_size=4
)


def delivered(sent: Sent) -> Record:
    """One delivery; of some messages none says a time."""
    number, counts, at = sent
    if number > 4:
        return silent(number, DECEMBER + at)
    return (trusted if counts else doubted)(number, DECEMBER + at)


async def storing(store: PostgresStore, batches: Sequence[Sequence[Sent]]) -> int:
    """Commit them all; how many were stored."""
    stored = 0
    for batch in batches:
        entries = [delivered(sent) for sent in sorted(batch)]
        committed = await store.commit(entries)
        assert len(entries) == committed.stored + committed.dropped[DropReason.DUPLICATE]
        stored += committed.stored
    return stored


@settings(max_examples=25, deadline=None)
@given(st.lists(BATCHES, min_size=2, max_size=2))
def test_however_collectors_take_turns_each_message_is_stored_once(collectors: list[list[list[Sent]]]) -> None:
    """Two of them at once, over the end of a month, with whatever deliveries."""

    async def run(folder: Path) -> tuple[int, int]:
        stores = [PostgresStore(DATABASES.settings(folder / "store"), HERE, RULES) for _ in collectors]
        for store in stores:
            await store.open()
        await stores[0].commit([join(at=START)])
        stored = await asyncio.gather(*map(storing, stores, collectors))
        found = await numbers(stores[0])
        for store in stores:
            await store.close()
        assert len(found) == len(set(found))
        return sum(stored), len(found)

    with place() as folder, asyncio.Runner() as runner:
        sent = {number for batches in collectors for batch in batches for number, _, _ in batch}
        assert (len(sent), len(sent)) == runner.run(run(folder))


# What it costs


async def test_nothing_is_noted_where_nothing_floats(another: Open) -> None:
    """So nothing is looked for; once something does, the note says until when."""
    store = await another()
    await store.commit([join(at=START), trusted(1, SAID)])
    before = await store.noted(FLOATING)
    await store.commit([silent(2, SAID)])
    first = await store.noted(FLOATING)
    await store.commit([doubted(3, DECEMBER), trusted(4, DECEMBER + 1)])
    await store.commit([silent(5, SAID)])

    assert (None, str(DECEMBER)) == (before, first)
    assert str(Month.of(DECEMBER).end) == await store.noted(FLOATING)


async def test_the_newest_records_of_a_router_are_read_by_the_index_that_keeps_them_unique(
    path: Path, another: Open
) -> None:
    """In its order and backwards, in each month."""
    store = await another()
    await store.commit([record(number=n, at=at) for n, at in enumerate([SAID, DECEMBER])])
    values = (f"'\\x{router('a').device_ref.hex()}'", "0", "0", "5")
    sql = RECORDS
    for number, value in enumerate(values, start=1):
        sql = sql.replace(f"${number}", value)
    plan = "\n".join(row[0] for row in ask(path, "SET enable_seqscan = off; SET jit = off", f"EXPLAIN {sql}"))

    for month in ("2025_11", "2025_12"):
        assert f"Index Scan Backward using record_{month}_once" in plan, plan


# From before


@pytest.fixture
def older(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgresSettings]:
    """A database of the first schema or a later one, without content."""
    version = getattr(request, "param", 1)
    shared().ask("postgres", "CREATE DATABASE older_one", "SELECT 1")
    made = shared().settings("older_one", ADMIN)
    with monkeypatch.context() as then:
        then.setattr(postgres_setup, "MIGRATIONS", MIGRATIONS[:version])
        then.setattr(postgres_setup, "SCHEMA_VERSION", version)
        then.setattr(postgres_setup, "grants_within", lambda _: "SELECT 1")  # they name tables that come later
        asyncio.run(prepare(made, HERE, ADMIN))
    yield made
    shared().ask("postgres", "DROP DATABASE older_one WITH (FORCE)", "SELECT 1")


def fill(path: Path, database: str) -> None:
    """Give a database of the first schema what the one of *path* has, as far as it knows of it."""
    columns = "id, record_id, router_id, event_time, received_at, consent_seq, policy_version, source_adapter, stripped"
    tables = {"ledger": "*", "router": "*", "record": f"{columns}, body", "lookup": "*", "note": "*"}
    found = {table: ask(path, f"SELECT {names} FROM ueip.{table}") for table, names in tables.items()}
    found["note"] = [row for row in found["note"] if row[0] != FLOATING]
    shared().ask(database, *(f"SELECT ueip.make_partition({at})" for at in (SAID, DECEMBER)), "SELECT 1")

    async def copied() -> None:
        connection = await shared().connect(database)
        for table, rows in found.items():
            await connection.copy_records_to_table(table, records=rows, schema_name="ueip")
        await connection.close()

    asyncio.run(copied())


def test_a_store_of_before_is_brought_up_and_refuses_what_it_has(path: Path, older: PostgresSettings) -> None:
    """Until then a collector says what to run. Whatever time a redelivery has, it is a duplicate of what was stored."""
    impatient = older.model_copy(update={"patience_seconds": 0.001})
    store = PostgresStore(older, HERE, RULES)

    async def filled() -> None:
        made = DATABASES.store(path, RULES)
        await made.open()
        await made.commit([trusted(1, SAID), trusted(2, SAID + 1), silent(3, DECEMBER), doubted(4, DECEMBER)])
        await made.close()

    async def brought_up() -> tuple[list[int], list[Committed], list[int]]:
        with pytest.raises(StoreUnusable, match=rf"expected {SCHEMA_VERSION}\. Run: ueip store init") as refusal:
            await store.open()
        assert Cause.OLDER_SCHEMA is refusal.value.cause
        done = [await prepare(impatient, HERE, ADMIN) for _ in range(2)]
        await store.open()
        kinds = {1: trusted, 2: doubted, 3: silent, 4: trusted}
        later = [await store.commit([kind(number, DECEMBER + 2)]) for number, kind in kinds.items()]
        later.append(await store.commit([trusted(5, DECEMBER + 3), doubted(6, SAID)]))
        found = await numbers(store)
        later.append(await store.commit([leave(at=DECEMBER + HOUR)]))
        await store.close()
        return done, later, found

    asyncio.run(filled())
    fill(path, "older_one")
    done, later, found = asyncio.run(brought_up())

    assert [1, SCHEMA_VERSION] == done
    assert [ONCE[1]] * 4 + [(2, {})] == [outcome(committed) for committed in later[:-1]]
    assert {1, 2, 3, 4, 5, 6} == set(found)
    assert 6 == later[-1].erased


@pytest.mark.parametrize(
    ("older", "by_hand"), [(1, True), *((version, False) for version in range(1, SCHEMA_VERSION))], indirect=["older"]
)
def test_a_store_that_was_brought_up_is_like_a_new_one(path: Path, older: PostgresSettings, *, by_hand: bool) -> None:
    """Its indexes, columns and functions, and who may do what; also where somebody else runs the SQL."""
    shared().ask("older_one", f"SELECT ueip.make_partition({SAID})")
    ask(path, f"SELECT ueip.make_partition({SAID})")
    if by_hand:
        shared().ask("older_one", "\n".join(("BEGIN;", *script(HERE, "older_one", 1), "COMMIT;")), "SELECT 1")
    else:
        asyncio.run(prepare(older, HERE, ADMIN))
    shared().ask("older_one", f"SELECT ueip.make_partition({DECEMBER})")
    ask(path, f"SELECT ueip.make_partition({DECEMBER})")
    looks = (
        "SELECT indexdef FROM pg_indexes WHERE tablename IN ('record', 'record_2025_11', 'record_2025_12') ORDER BY 1",
        """SELECT attrelid::regclass::text, attnum, attname, atttypid, attnotnull, atthasdef FROM pg_attribute
        WHERE attrelid IN ('ueip.record'::regclass, 'ueip.record_2025_11'::regclass) AND attnum > 0 ORDER BY 1, 2""",
        """SELECT proname, prosecdef, proowner::regrole::text, proacl::text, prosrc FROM pg_proc
        WHERE pronamespace = 'ueip'::regnamespace ORDER BY 1""",
    )
    for look in looks:
        assert ask(path, look) == shared().ask("older_one", look)


async def test_a_collector_of_before_stores_nothing_in_a_newer_store(path: Path, another: Open) -> None:
    """One that is still running when the store is brought up: it does not say whether its records float."""
    store = await another()
    await store.commit([trusted(1, SAID)])
    columns = "id, 'other', router_id, event_time, received_at, consent_seq, policy_version, source_adapter, stripped"
    with pytest.raises(asyncpg.NotNullViolationError):
        ask(path, f"INSERT INTO ueip.record SELECT {columns}, body FROM ueip.record", "SELECT 1")
