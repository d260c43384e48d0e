"""The guard: a ledger that is not the one its witness knows keeps the store closed; a healthy one is copied."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from records import HOUR, START, join, leave, numbers, record, router, until

from collector.consent.ledger import Head
from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.model import Region
from collector.stores.guard import GuardedStore
from collector.stores.links import end_of
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from collector.stores.witness import Witness, WitnessFault
from collector.stores.witnessing import HANGS_SECONDS, NOTE, WitnessState

HERE = Region.GERMANY
LATER = START + HOUR
DAYS = 36_500
"""Longer ago than any time of these tests."""


class Place:
    """A store and its witness, in two folders."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "data" / "germany.sqlite"
        self.witness = Witness(folder / "keys" / "germany.witness", HERE)
        self.backup = folder / "backup.sqlite"

    def guarded(self, *, days: int = DAYS, witness: Witness | None = None) -> GuardedStore:
        """The store behind its guard, not opened yet."""
        return GuardedStore(lambda: SQLiteStore(self.path, HERE, ConsentRules()), HERE, witness or self.witness, days)

    @contextlib.asynccontextmanager
    async def opened(self, *, days: int = DAYS, witness: Witness | None = None) -> AsyncIterator[GuardedStore]:
        """The store, for as long as it is needed."""
        store = self.guarded(days=days, witness=witness)
        try:
            await store.open()
            yield store
        finally:
            await store.close()

    def back_up(self) -> None:
        """Make a copy, as SQLite's own backup does."""
        with (
            contextlib.closing(sqlite3.connect(self.path)) as store,
            contextlib.closing(sqlite3.connect(self.backup)) as c,
        ):
            store.backup(c)

    def restore(self) -> None:
        """Put the copy in the store's place."""
        for file in self.path.parent.iterdir():
            file.unlink()
        shutil.copy(self.backup, self.path)

    def restore_in_place(self) -> None:
        """Write the copy over the store through SQLite, as `.restore` does, whoever has it open."""
        with (
            contextlib.closing(sqlite3.connect(self.path)) as store,
            contextlib.closing(sqlite3.connect(self.backup)) as c,
        ):
            c.backup(store)

    def lose_store(self) -> None:
        """Remove the store's files."""
        shutil.rmtree(self.path.parent)

    def lose_witness(self) -> None:
        """Remove the witness."""
        self.witness.path.unlink()

    def spoil_witness(self) -> None:
        """Write over it."""
        self.witness.path.write_bytes(b"rubbish\n")

    def texts(self) -> list[str]:
        """What the witness holds."""
        return list(self.witness.entries())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Nothing yet."""
    return Place(tmp_path)


async def refused(place: Place) -> Cause:
    """Why the store is not opened."""
    with pytest.raises(StoreUnusable) as why:
        async with place.opened():
            pass
    return why.value.cause


# What it keeps


async def test_a_new_store_gets_a_witness_when_it_is_opened(place: Place) -> None:
    """Before there is an entry: a store that is lost right away is missed already."""
    async with place.opened() as store:
        assert "1" == await store.noted(NOTE)

    assert [] == place.texts()


async def test_what_is_appended_is_in_the_witness_soon(place: Place) -> None:
    """With the writer's next look, word for word; the state says how far it is."""
    async with place.opened() as store:
        await store.commit([record("a", 1), leave("b", at=LATER)])
        before = (store.state.ledger, store.state.kept)
        await store.changes(0)
        await until(lambda: store.state.kept == 2)

        assert (2, 0) == before
        assert await store.entries() == place.texts()


async def test_what_is_appended_is_in_the_witness_when_the_store_is_closed(place: Place) -> None:
    """As after `ueip exit`, which takes no second look."""
    async with place.opened() as store:
        await store.commit([record("a", 1), leave("a", at=LATER)])

    assert 2 == len(place.texts())


async def test_reading_writes_nothing_to_the_witness(place: Place) -> None:
    """What a running collector has not copied yet is its own to copy."""
    async with place.opened() as store:
        await store.commit([record("a", 1)])
    async with unguarded(place) as store:
        await store.commit([record("b", 1)])
    async with place.opened() as store:
        await store.find([("router", router("a").device_ref)])

    assert 1 == len(place.texts())


@contextlib.asynccontextmanager
async def unguarded(place: Place) -> AsyncIterator[SQLiteStore]:
    """The store without its guard."""
    store = SQLiteStore(place.path, HERE, ConsentRules())
    await store.open()
    yield store
    await store.close()


async def test_what_other_processes_append_is_kept_too(place: Place) -> None:
    """And what was appended before there was a witness at all."""
    async with unguarded(place) as before:
        await before.commit([record(f"old{n}", 1) for n in range(3)])
    async with place.opened() as one, place.opened() as two:
        await two.commit([leave("a", at=LATER)])
        await one.changes(0)
        await until(lambda: one.state.kept == 4)
        await one.commit([leave("b", at=LATER)])
        await two.changes(0)
        await until(lambda: two.state.kept == 5)

        assert await one.entries() == place.texts()


async def test_entries_older_than_backups_are_left_out(place: Place) -> None:
    """When the day's first copy is made."""
    async with place.opened(days=1) as store:
        await store.commit([record("a", 1), leave("a", at=LATER)])
        head = await store.head()
    kept = place.witness.read()

    assert [] == place.texts()
    assert kept is not None
    assert (head, head) == (kept.after, kept.head)
    async with place.opened() as store:
        assert Head(seq=2, hash=head.hash) == await store.head()


# What it refuses


async def test_a_restored_store_is_closed(place: Place) -> None:
    """It would let in who has left since (K17); it is neither written nor read."""
    async with place.opened() as store:
        await store.commit([record("a", 1)])
        await asyncio.to_thread(place.back_up)
        await store.commit([leave("a", at=LATER)])
    place.restore()

    assert Cause.ROLLED_BACK is await refused(place)
    closed = place.guarded()
    with pytest.raises(StoreUnusable):
        await closed.open()
    for ask in (closed.commit([record("a", 2)]), closed.find([]), closed.ledger(), closed.changes(0), closed.head()):
        with pytest.raises(StoreUnavailable, match="is not open"):
            await ask
    with pytest.raises(StoreUnavailable, match="is not open"):
        await numbers(closed)
    await closed.close()


async def test_a_restored_store_that_went_on_is_closed(place: Place) -> None:
    """With as many entries as before and more, but other ones."""
    async with place.opened() as store:
        await store.commit([record("a", 1)])
        await asyncio.to_thread(place.back_up)
        await store.commit([leave("a", at=LATER)])
    place.restore()
    async with unguarded(place) as old:
        await old.commit([record("b", 1), record("c", 1), record("d", 1)])

    assert Cause.ROLLED_BACK is await refused(place)


async def test_a_store_that_was_lost_is_not_begun_anew(place: Place) -> None:
    """An empty ledger would let everybody in again."""
    async with place.opened() as store:
        await store.commit([leave("a", at=LATER)])
    place.lose_store()

    assert Cause.ROLLED_BACK is await refused(place)


async def test_a_store_restored_under_a_running_collector_is_noticed(place: Place) -> None:
    """By the next commit and by the next look, whichever comes first; then it is held against the witness."""
    async with place.opened() as store:
        await store.commit([record("a", 1)])
        await asyncio.to_thread(place.back_up)
        await store.commit([leave("a", at=LATER)])
        await store.changes(0)
        await until(lambda: store.state.kept == 2)
        await asyncio.to_thread(place.restore_in_place)
        for ask in (store.commit([record("a", 2, at=LATER + 1)]), store.changes(0), store.open()):
            with pytest.raises(StoreUnusable) as why:
                await ask

            assert Cause.ROLLED_BACK is why.value.cause


async def test_a_lost_witness_keeps_the_store_closed(place: Place) -> None:
    """Nobody can tell whether the store is an old one; back in its place, it opens."""
    async with place.opened() as store:
        await store.commit([leave("a", at=LATER)])
    kept = place.witness.path.read_bytes()
    place.lose_witness()

    assert Cause.NO_WITNESS is await refused(place)
    place.witness.path.write_bytes(kept)
    async with place.opened() as store:
        assert 1 == (await store.head()).seq


async def test_an_unreadable_witness_keeps_the_store_closed(place: Place) -> None:
    """Unknown is closed."""
    async with place.opened() as store:
        await store.commit([leave("a", at=LATER)])
    place.spoil_witness()

    assert Cause.BAD_WITNESS is await refused(place)


async def test_a_witness_that_lags_behind_is_no_fault(place: Place) -> None:
    """As a crash leaves it between a commit and its copy; it catches up."""
    async with place.opened() as store:
        await store.commit([record("a", 1)])
    async with unguarded(place) as crashed:
        await crashed.commit([leave("a", at=LATER)])
    async with place.opened() as store:
        await store.changes(0)
        await until(lambda: store.state.kept == 2)

    assert 2 == len(place.texts())


# What keeps nothing waiting


async def test_a_witness_that_cannot_be_made_is_told_and_made_later(place: Place) -> None:
    """The region works: its store is no old one, for it never had a witness."""
    blocker = place.witness.path.parent
    make_file(blocker)
    async with place.opened() as store:
        await store.commit([record("a", 1)])
        told = store.state.trouble
        await store.changes(0)
        remove(blocker)
        await until_copied(store, 1)

        assert Cause.NOT_ANSWERING is told
        assert store.state.trouble is None
        assert "1" == await store.noted(NOTE)


async def test_a_witness_that_could_not_be_made_is_there_before_it_is_noted(place: Place) -> None:
    """With nothing to be copied it is made all the same: noted and not there, the next start would find it lost."""
    blocker = place.witness.path.parent
    make_file(blocker)
    async with place.opened() as store:
        remove(blocker)
        await until_copied(store, 0)

        assert ("1", [], None) == (await store.noted(NOTE), place.texts(), place.witness.oldest())
    async with place.opened() as store:
        assert store.state.trouble is None


def make_file(path: Path) -> None:
    """Put a file where a folder should be."""
    path.write_bytes(b"")


def remove(path: Path) -> None:
    """Take it away."""
    path.unlink()


async def until_copied(store: GuardedStore, kept: int) -> None:
    """Look again and again, as the writer does, until the witness holds that entry and nothing is wrong with it."""
    async with asyncio.timeout(60):
        while store.state.kept < kept or store.state.failed:
            await store.changes(0)
            await asyncio.sleep(0.01)


async def test_a_witness_that_cannot_be_written_is_told_and_commits_go_on(place: Place) -> None:
    """Then it catches up."""

    class Full(Witness):
        full = True

        def append(self, entries: Sequence[str]) -> Head:
            if self.full:
                raise OSError(28, os.strerror(28))
            return super().append(entries)

    witness = Full(place.witness.path, HERE)
    async with place.opened(witness=witness) as store:
        for number in range(3):
            await store.commit([leave(f"r{number}", at=LATER)])
            await store.changes(0)
        await until(lambda: store.state.trouble is not None)
        told = (store.state.trouble, store.state.ledger, store.state.kept)
        witness.full = False
        await until_copied(store, 3)

        assert (Cause.DISK_FULL, 3, 0) == told
        assert store.state.trouble is None


def test_a_copy_under_way_hangs_once_it_takes_too_long() -> None:
    """Not from its first moment: each look would tell of a trouble."""
    state = WitnessState()
    state.since = time.monotonic()
    at_once = state.trouble
    state.since -= HANGS_SECONDS + 1

    assert (None, Cause.NOT_ANSWERING) == (at_once, state.trouble)


async def test_a_witness_whose_disk_hangs_is_told_and_commits_go_on(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither commits nor the end of the process wait for it."""
    monkeypatch.setattr("collector.stores.witnessing.HANGS_SECONDS", 0.02)
    monkeypatch.setattr("collector.stores.witnessing._CLOSING_SECONDS", 0.02)
    answers = threading.Event()

    class Hanging(Witness):
        def append(self, entries: Sequence[str]) -> Head:
            assert answers.wait(30)
            return super().append(entries)

    async with place.opened(witness=Hanging(place.witness.path, HERE)) as store:
        for number in range(3):
            await store.commit([leave(f"r{number}", at=LATER)])
            await store.changes(0)
        await until(lambda: store.state.trouble is Cause.NOT_ANSWERING)

        assert 3 == (await store.head()).seq
    answers.set()


async def test_a_store_opened_anew_while_its_witness_hangs_is_copied_again(place: Place) -> None:
    """The copying under way asked the store that was let go: nobody answers there any more."""
    answers, began = threading.Event(), threading.Event()

    class Slow(Witness):
        def append(self, entries: Sequence[str]) -> Head:
            began.set()
            assert answers.wait(30)
            return super().append(entries)

    async with place.opened(witness=Slow(place.witness.path, HERE)) as store:
        await store.commit([leave("a", at=LATER)])
        await store.changes(0)
        await asyncio.to_thread(began.wait, 10)
        opening = asyncio.create_task(store.open())
        await until(lambda: store._store is None)
        await asyncio.sleep(0.05)
        answers.set()
        await opening
        await store.commit([leave("b", at=LATER)])
        await until_copied(store, 2)


async def test_a_witness_that_is_removed_from_a_running_collector_is_made_anew(place: Place) -> None:
    """Whole: the ledger was under the collector's eyes all the time."""
    async with place.opened() as store:
        await store.commit([leave("a", at=LATER)])
        await until_copied(store, 1)
        await asyncio.to_thread(place.lose_witness)
        await store.commit([join("b", at=LATER)])
        await until_copied(store, 2)

    assert 2 == len(place.texts())


async def test_a_witness_that_changed_under_a_running_collector_closes_the_store(place: Place) -> None:
    """Somebody put another one there: with the next look the ledger is held against it."""
    async with place.opened() as store:
        await store.commit([leave("a", at=LATER), leave("b", at=LATER)])
        await until_copied(store, 2)
    other = Place(place.path.parent.parent / "other")
    async with other.opened() as another:
        await another.commit([leave(f"x{n}", at=LATER) for n in range(3)])
    async with place.opened() as store:
        shutil.copy(other.witness.path, place.witness.path)
        await store.commit([leave("c", at=LATER)])
        with pytest.raises(StoreUnusable) as why:
            await until_copied(store, 3)

    assert Cause.ROLLED_BACK is why.value.cause


def test_the_end_of_an_entry_is_what_the_next_one_follows(place: Place) -> None:
    """Number and hash; what is no entry has none."""
    place.witness.make()
    with pytest.raises(WitnessFault):
        place.witness.append(['{"seq":7,"prev_hash":"a","hash":"b","received_at":1}'])

    assert Head(seq=7, hash="b") == end_of('{"seq":7,"prev_hash":"a","hash":"b","received_at":1}')
