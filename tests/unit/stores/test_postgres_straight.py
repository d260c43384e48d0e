"""Records go straight into their table of a PostgreSQL store, and by way of another where one may be there already."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from engines import needs_postgresql, opened, place
from hypothesis import given, settings
from hypothesis import strategies as st
from postgresql import ADMIN, DATABASES, shared
from records import HOUR, MINUTE, START, join, leave, numbers, record, ref

from collector.model import DropReason, Record, Region
from collector.stores.plan import ConsentRules
from collector.stores.postgres import PostgresStore
from collector.stores.postgres_once import Wariness
from collector.stores.postgres_session import Session
from collector.stores.postgres_setup import prepare
from collector.stores.postgres_tidy import tidy

pytestmark = needs_postgresql
RULES = ConsentRules()
HERE = Region.GERMANY
Open = Callable[..., Any]


@pytest.fixture
async def another(path: Path) -> AsyncIterator[Open]:
    """Opens stores of one database, as collectors on several machines do."""
    async with opened(lambda: PostgresStore(DATABASES.settings(path, "germany_writer"), HERE, RULES)) as another:
        yield another


@pytest.fixture
async def store(another: Open) -> PostgresStore:
    """An open store that router a has joined."""
    made: PostgresStore = await another()
    await made.commit([join(at=START)])
    return made


def timed(number: int, name: str = "a", **more: Any) -> Record:
    """A report that says when it was measured, so that an index knows it again."""
    return record(name, number, measured=START + number * MINUTE, **more)


async def has_staging(store: PostgresStore) -> bool:
    """Whether anything of this connection went by way of the other table."""
    return bool((await store._open.row("SELECT to_regclass('pg_temp.staging') IS NOT NULL"))[0])


@pytest.mark.parametrize("make", [timed, lambda number: record(number=number)], ids=["timed", "floating"])
async def test_what_is_new_is_written_once(store: PostgresStore, make: Callable[[int], Record]) -> None:
    """The other table, which a commit has to empty, is not even made; also not where some records float."""
    for number in range(0, 30, 10):
        await store.commit([make(number + place) for place in range(10)])

    assert not await has_staging(store)
    assert 30 == len(await numbers(store))


async def test_a_duplicate_keeps_nothing_else_of_its_commit_out(store: PostgresStore) -> None:
    """Wherever in the commit it stands; what was appended to the ledger before the records stays too."""
    await store.commit([timed(1)])
    done = [
        await store.commit([timed(1), timed(2), timed(1, "b")]),
        await store.commit([timed(3), timed(2)]),
    ]
    found = [await numbers(store), await numbers(store, "b")]

    assert await has_staging(store)
    assert [(2, 1), (1, 1)] == [(one.stored, one.dropped[DropReason.DUPLICATE]) for one in done]
    assert [[1, 2, 3], [1]] == [sorted(one) for one in found]


@settings(max_examples=25, deadline=None)
@given(commits=st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8), min_size=1, max_size=12))
def test_each_record_is_stored_once_whatever_comes_again_when(commits: Sequence[Sequence[int]]) -> None:
    """And counted: new ones as stored, others as duplicates."""

    async def run(store: PostgresStore) -> None:
        await store.open()
        await store.commit([join(at=START)])
        known = set[int]()
        for commit in commits:
            done = await store.commit([timed(number) for number in commit])
            new = set(commit) - known
            assert (len(new), len(commit) - len(new)) == (done.stored, done.dropped[DropReason.DUPLICATE])
            known |= new
        assert known == set(await numbers(store))
        await store.close()

    with place() as folder:
        asyncio.run(run(PostgresStore(DATABASES.settings(folder / "store"), HERE, RULES)))
        DATABASES.let_go(folder)


def test_a_duplicate_is_expected_for_a_while_after_one() -> None:
    """What comes again seldom comes alone, and an attempt that fails is written in vain."""
    wary = Wariness()
    before = bool(wary)
    wary.saw(duplicates=True)
    after = []
    for _ in range(100):
        after.append(bool(wary))
        wary.saw(duplicates=False)

    assert not before
    assert [True] * 64 + [False] * 36 == after


async def test_the_server_writes_no_id_into_its_log_when_it_refuses_one(store: PostgresStore, path: Path) -> None:
    """Though it is set to tell its log of refusals, as most are, and roles were given all rights on all months anew."""
    await store.commit([timed(9)])
    await prepare(DATABASES.settings(path, ADMIN, password_file=None), HERE, ADMIN)
    database = DATABASES.at(path)
    log = shared().data / "server.log"
    already = len(log.read_bytes())
    shared().ask(database, f"ALTER DATABASE {database} SET log_min_messages = 'error'", "SELECT 1")
    try:
        store._open.terminate()
        await store.open()
        await store.commit([timed(1)])
        await store.commit([timed(1)])
    finally:
        shared().ask(database, f"ALTER DATABASE {database} RESET log_min_messages", "SELECT 1")
    told = log.read_bytes()[already:]

    assert b"duplicate key value violates unique constraint" in told
    for canary in (timed(1).record_id, timed(1).identity.device_ref):
        assert canary.hex().encode() not in told
        assert canary not in told


@contextmanager
def reading_all(path: Path, who: str) -> Iterator[None]:
    """Somebody may read all tables that there are by now, beside what the store gave."""
    database, kinds = DATABASES.at(path), ("TABLES", "SEQUENCES")
    shared().ask(database, *(f"GRANT SELECT ON ALL {kind} IN SCHEMA ueip TO {who}" for kind in kinds), "SELECT 1")
    yield
    shared().ask(database, *(f"REVOKE SELECT ON ALL {kind} IN SCHEMA ueip FROM {who}" for kind in kinds), "SELECT 1")


@pytest.mark.parametrize("who", ["writer", "reader", "rights"])
async def test_who_names_a_month_is_shown_nothing_and_who_asks_for_records_all(
    store: PostgresStore, path: Path, who: str
) -> None:
    """The months are secured, so that the server keeps their keys out of its log; the table gives what it gave."""
    await store.commit([timed(1), timed(2)])
    [(month,)] = shared().ask(DATABASES.at(path), "SELECT DISTINCT tableoid::regclass::text FROM ueip.record")
    with reading_all(path, f"germany_{who}"):
        session = await Session.connect(DATABASES.settings(path, f"germany_{who}"), HERE)
        found = [(await session.rows(f"SELECT count(*) FROM {table}"))[0][0] for table in ("ueip.record", month)]
        await session.close()

    assert [2, 0] == found


async def test_a_dump_is_made_by_the_administrator_and_by_no_reader(store: PostgresStore, path: Path) -> None:
    """Which leaves nothing out in silence: who may not see the months is refused."""
    await store.commit([timed(1)])
    with reading_all(path, "germany_reader"):
        dumps = {user: shared().dump(DATABASES.at(path), user) for user in (ADMIN, "germany_reader")}

    assert 0 == dumps[ADMIN].returncode
    assert timed(1).record_id.hex().encode() in dumps[ADMIN].stdout
    assert 0 != dumps["germany_reader"].returncode
    assert b"row-level security" in dumps["germany_reader"].stderr


async def test_who_left_leaves_nothing_of_what_was_written_in_vain(store: PostgresStore, path: Path) -> None:
    """What a refused attempt wrote lies in a month that has records of its router, which an exit notes to be tidied."""
    await store.commit([timed(1)])
    await store.commit([timed(2, body=b'{"note":"canary-in-vain"}'), timed(1)])
    await store.commit([leave(at=START + HOUR, event_ref=ref("exit"))])
    before = _raw(path)
    await tidy(DATABASES.settings(path, ADMIN, password_file=None), HERE, ADMIN)

    assert 2 == before.count(b"canary-in-vain")
    assert b"canary-in-vain" not in _raw(path)


def _raw(path: Path) -> bytes:
    """All bytes of a database's files."""
    shared().ask(DATABASES.at(path), "CHECKPOINT", "SELECT 1")
    [(oid,)] = shared().ask("postgres", f"SELECT oid FROM pg_database WHERE datname = '{DATABASES.at(path)}'")
    return b"".join(file.read_bytes() for file in (shared().data / "base" / str(oid)).iterdir() if file.is_file())
