"""Names of routers are written once, however many ways a router names itself, and again when they went."""

import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from records import HOUR, SECOND, START, act, join, leave, record, router

from collector.errors import StoreUnavailable
from collector.model import Action, Entry, Region
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore

LATER = START + HOUR
SERIAL = (("serial", b"s" * 16),)
WITH_MAC = (*SERIAL, ("mac", b"m" * 16))


@contextlib.asynccontextmanager
async def opened(folder: Path, rules: ConsentRules | None = None) -> AsyncIterator[SQLiteStore]:
    """The store in *folder*, which remembers nothing yet."""
    store = SQLiteStore(folder / "s.sqlite", Region.GERMANY, rules or ConsentRules())
    await store.open()
    yield store
    await store.close()


def listened(store: SQLiteStore) -> list[str]:
    """The statements that the store makes from now on."""
    said = list[str]()
    store._db.set_trace_callback(said.append)
    return said


async def found(store: SQLiteStore, names: tuple[tuple[str, bytes], ...] = SERIAL) -> list[bytes]:
    """The routers that all of these names find."""
    return [one.standing.device_ref for name in names for one in await store.find([name])]


def noted(store: SQLiteStore) -> list[bytes | None]:
    """What is noted of names, by router."""
    return [row[0] for row in store._all("SELECT names FROM router ORDER BY id")]


async def test_names_are_written_once_whichever_of_them_a_report_has(tmp_path: Path) -> None:
    """A MAC address is in one kind of report and not in another: neither is news the second time."""
    async with opened(tmp_path) as store:
        said = listened(store)
        for number, names in enumerate([SERIAL, WITH_MAC] * 5):
            await store.commit([record(number=number, lookup=names)])

        assert [router("a").device_ref] * 2 == await found(store, WITH_MAC)
        assert 2 == sum("INTO lookup" in statement for statement in said)


async def test_nobody_has_to_remember_that_names_are_written(tmp_path: Path) -> None:
    """It is noted in the router's row, which is read anyway: a store that was opened anew writes none again."""
    async with opened(tmp_path) as store:
        await store.commit([record(number=1, lookup=WITH_MAC), record("b", 1, lookup=())])
    async with opened(tmp_path) as store:
        said = listened(store)
        await store.commit([record(number=2, lookup=SERIAL), record("b", 2, lookup=())])
        await store.commit([record(number=3, lookup=WITH_MAC)])

        assert [] == [statement for statement in said if "INTO lookup" in statement or "UPDATE router" in statement]
        assert [router("a").device_ref] * 2 == await found(store, WITH_MAC)


@pytest.mark.parametrize("remembers", [True, False], ids=["remembered", "read anew"])
async def test_a_router_with_a_new_name_is_found_by_both(tmp_path: Path, remembers: bool) -> None:
    """As after a repair: the old name finds it, for its records are the same router's."""
    before, after = (("imei", b"b" * 16),), (("imei", b"a" * 16),)
    async with opened(tmp_path) as store:
        await store.commit([record(number=1, lookup=before)])
        if remembers:
            await store.commit([record(number=2, lookup=after)])
    async with opened(tmp_path) as store:
        await store.commit([record(number=3, lookup=after)])

        assert [router("a").device_ref] * 2 == await found(store, (*before, *after))


@pytest.mark.parametrize("at_once", [True, False], ids=["in one commit", "one by one"])
@pytest.mark.parametrize(
    "acts",
    [[act(Action.ERASE, at=LATER)], [leave(at=LATER), join(at=LATER + SECOND)]],
    ids=["erased on request", "left and joined again"],
)
async def test_names_are_written_again_after_they_were_erased(tmp_path: Path, acts: list[Entry], at_once: bool) -> None:
    """What was noted of them goes with them."""
    entries = [*acts, record(number=2, lookup=WITH_MAC, at=LATER + 2 * SECOND)]
    async with opened(tmp_path) as store:
        await store.commit([record(number=1, lookup=WITH_MAC)])
        for batch in [entries] if at_once else [[entry] for entry in entries]:
            await store.commit(batch)

        assert [router("a").device_ref] * 2 == await found(store, WITH_MAC)


async def test_nothing_is_noted_of_names_that_were_erased(tmp_path: Path) -> None:
    """Whoever erases them, another program too; nor in the row of a router that left."""
    async with opened(tmp_path) as store:
        await store.commit([record(number=1, lookup=SERIAL), record("b", 1, lookup=WITH_MAC)])
        before = [names is not None for names in noted(store)]
        await store.commit([leave(at=LATER)])
        left = [names is not None for names in noted(store)]
    with contextlib.closing(sqlite3.connect(tmp_path / "s.sqlite", isolation_level=None)) as other:
        other.execute("DELETE FROM lookup WHERE kind = 'mac'")
    async with opened(tmp_path) as store:
        now = noted(store)
        await store.commit([record("b", 2, lookup=WITH_MAC, at=LATER)])

        assert ([True, True], [False, True], [None, None]) == (before, left, now)
        assert [router("b").device_ref] * 2 == await found(store, WITH_MAC)


async def test_names_go_with_a_purge_and_come_with_a_new_consent(tmp_path: Path) -> None:
    """By the same process, which has read the row in between."""
    day, kept = 24 * HOUR, ConsentRules(erase_on_exit=False, retention=30 * 24 * HOUR)
    now = int(time.time() * 1000)
    async with opened(tmp_path, kept) as store:
        await store.commit([record(number=1, lookup=SERIAL, at=now - 31 * day)])
        await store.commit([leave(at=now - day)])
        await store.commit([record(number=2, lookup=SERIAL, at=now - day // 2)])
        await store.purge()
        gone = (await found(store), noted(store))
        await store.commit([join(at=now - SECOND), record(number=3, lookup=SERIAL, at=now)])

        assert ([], [None]) == gone
        assert [router("a").device_ref] == await found(store)


async def test_names_of_a_commit_that_failed_are_written_by_the_next(tmp_path: Path) -> None:
    """What was noted of them has never been."""
    async with opened(tmp_path) as store:
        await store.commit([record(number=1, lookup=())])
        store._db.execute("""CREATE TEMP TRIGGER full BEFORE UPDATE OF names ON router
            BEGIN SELECT RAISE(ABORT, 'full'); END""")
        with pytest.raises(StoreUnavailable):
            await store.commit([record(number=2, lookup=SERIAL)])
        store._db.execute("DROP TRIGGER full")
        await store.commit([record(number=2, lookup=SERIAL)])

        assert [router("a").device_ref] == await found(store)


async def test_a_router_that_names_itself_anew_each_time_does_not_grow_its_row(tmp_path: Path) -> None:
    """All names find it; of the oldest nothing is noted any more."""
    names = [(("imei", bytes([number]) * 16),) for number in range(60)]
    async with opened(tmp_path) as store:
        for number, lookup in enumerate([*names, *names]):
            await store.commit([record(number=number, lookup=lookup)])
        [kept] = noted(store)

        assert kept is not None
        assert 256 >= len(kept)
        assert [router("a").device_ref] * 60 == await found(store, tuple(name for (name,) in names))


async def test_more_routers_than_are_remembered_are_as_well_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is remembered is bounded; nothing that is stored depends on it."""
    monkeypatch.setattr("collector.stores.sqlite_known._REMEMBERED", 8)
    crowd = [f"r{number}" for number in range(30)]
    async with opened(tmp_path) as store:
        for turn in range(3):
            for start in range(0, len(crowd), 5):
                batch = crowd[start : start + 5]
                committed = await store.commit([record(name, turn, at=START + turn * SECOND) for name in batch])
                assert 5 == committed.stored
        await store.commit([leave("r0", at=LATER)])
        again = await store.commit([record(name, 9, at=LATER + SECOND) for name in crowd])

        assert (29, 1) == (again.stored, sum(again.dropped.values()))
        assert 8 + len(crowd) >= len(store._known._rows)
        for name in crowd[1:]:
            assert [router(name).device_ref] == await found(store, record(name).lookup)
        assert [] == await found(store, record("r0").lookup)
