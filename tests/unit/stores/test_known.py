"""Which keys and versions of the notice the routers of a store refer to."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
from engines import let_go, make, needs_postgresql, opened
from postgresql import DATABASES, shared
from records import record, router

from collector.errors import Cause, StoreUnusable
from collector.model import Region
from collector.stores import Store
from collector.stores.known import referred_to
from collector.stores.plan import ConsentRules
from collector.stores.postgres import PostgresStore
from collector.stores.sqlite import SQLiteStore

HERE: Final = Region.GERMANY
Row = tuple[Any, ...]
STANDING: Final = [*product(("key-1", "key-2"), ("joined", "exited"), ("v1", "v2", "v3")), ("key-3", "void", "v4")]
"""Key, state and version: of the last key nobody has joined."""
_COLUMNS: Final = """device_ref, key_id, state, policy_version, seq, consent_id, generation, effective_at,
    storage_regions, attested, holds, erased_until"""


def routers(without: str = "") -> list[str]:
    """Statements that make two routers of each standing, but for those that have joined under *without*."""
    standing = [one for one in STANDING for _ in range(2) if (one[1], one[2]) != ("joined", without)]
    values = (
        f"(X'{number:04x}', '{key}', '{state}', '{version}', 1, 'c', 1, 1, '', 0, '', 0)"
        for number, (key, state, version) in enumerate(standing)
    )
    return [f"INSERT INTO router ({_COLUMNS}) VALUES {value}" for value in values]


async def in_a_file(path: Path, *statements: str) -> list[Row]:
    """What the routers of a file refer to, and how that is looked up."""
    store = make("sqlite", path, ConsentRules())
    await store.open()
    await store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)
        return connection.execute(referred_to("router")).fetchall()


async def in_a_database(path: Path, *statements: str) -> list[Row]:
    """The same of a database."""
    inserted = [one.replace("INTO router", "INTO ueip.router").replace("(X'", "('\\x") for one in statements]
    found = shared().ask(DATABASES.at(path), *inserted, referred_to("ueip.router"))
    let_go(path.parent)
    return [tuple(row) for row in found]


@pytest.mark.parametrize("of", [in_a_file, pytest.param(in_a_database, marks=needs_postgresql)])
@pytest.mark.parametrize("without", ["", "v1", "v3"])
async def test_every_key_is_told_and_every_version_of_a_consent_that_stands(
    tmp_path: Path, of: Any, without: str
) -> None:
    """Once each, and no version that only those who left have agreed to."""
    found = await of(tmp_path / "store", *routers(without))
    versions = [version for version in ("v1", "v2", "v3") if version != without]

    assert {"key-1", "key-2", "key-3"} == {key for key, _ in found}
    assert [*product(("key-1", "key-2"), versions)] == sorted(row for row in found if row[1] is not None)


@pytest.mark.parametrize("of", [in_a_file, pytest.param(in_a_database, marks=needs_postgresql)])
async def test_an_empty_store_refers_to_nothing(tmp_path: Path, of: Any) -> None:
    """Neither to a key nor to a version."""
    assert [] == await of(tmp_path / "store")


def a_file(path: Path, *key_ids: str) -> Store:
    """A store in a file, of a collector with these keys."""
    return SQLiteStore(path, HERE, ConsentRules(), key_ids)


def a_database(path: Path, *key_ids: str) -> Store:
    """The same in a database."""
    return PostgresStore(DATABASES.settings(path, "germany_writer"), HERE, ConsentRules(), key_ids)


@pytest.mark.parametrize("of", [a_file, pytest.param(a_database, marks=needs_postgresql)])
async def test_who_joined_under_a_key_that_is_not_listed_here_is_not_taken_for_a_new_router(
    tmp_path: Path, of: Callable[..., Store]
) -> None:
    """While collectors are restarted with a new key one after the other; an exit would end only one of the two."""
    path = tmp_path / "store"
    async with opened(of) as another:
        before, after = await another(path, "key-1"), await another(path, "key-1", "key-2")
        await before.commit([record("a", 1)])
        await after.commit([record("b", 1, identity=router("b", key="key-2", older=["key-1"]))])
        with pytest.raises(StoreUnusable, match="holds routers of key key-2") as refused:
            await before.commit([record("b", 2)])
        entries = len(await after.entries())
    let_go(tmp_path)

    assert (Cause.LOST_KEY, 2) == (refused.value.cause, entries)
