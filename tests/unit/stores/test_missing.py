"""A store that was there and is gone is told; nothing is made in its place."""

from functools import partial
from pathlib import Path

import pytest
from records import record, router

from collector.errors import Cause, SpoolUnavailable, StoreUnavailable, StoreUnusable
from collector.model import Region
from collector.pseudonym import Key
from collector.registry import Entry
from collector.stores.guard import GuardedStore
from collector.stores.missing import check_there, is_there
from collector.stores.plan import ConsentRules
from collector.stores.sealing import Sealer
from collector.stores.spool_file import SpoolFile
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_registry import SQLiteRegistry
from collector.stores.witness import Witness

HERE = Region.GERMANY


class Place:
    """Where one region's files are."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "data" / "germany.sqlite"
        self.witness = folder / "keys" / "germany.witness"

    def guarded(self) -> GuardedStore:
        """The store as a collector opens it."""
        return GuardedStore(
            lambda: SQLiteStore(self.store, HERE, ConsentRules(), (), self.witness),
            HERE,
            Witness(self.witness, HERE),
            180,
        )

    async def served(self) -> None:
        """A collector has been here."""
        store = self.guarded()
        await store.open()
        await store.commit([record()])
        await store.close()

    def lose(self, what: str) -> None:
        """The files are gone, or the folder with them."""
        for file in list(self.store.parent.iterdir()):
            file.unlink()
        if what == "folder":
            self.store.parent.rmdir()

    def files(self) -> list[str]:
        """Everything there is of the store."""
        return [str(path) for path in self.folder.rglob("*") if path.parent != self.witness.parent]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty one."""
    return Place(tmp_path)


async def test_a_first_start_makes_the_store_and_its_folder(place: Place) -> None:
    """Nobody has to say anything; nor does a second start."""
    before = is_there(place.store, place.witness)
    await place.served()
    await place.served()

    assert (False, True) == (before, is_there(place.store, place.witness))


@pytest.mark.parametrize("what", ["store", "folder"])
async def test_a_store_that_is_gone_is_told_and_not_made_anew(place: Place, what: str) -> None:
    """Where it was, who says so, and what to do."""
    await place.served()
    place.lose(what)
    before = place.files()
    with pytest.raises(StoreUnusable, match=f"sqlite: found no {what}, and the witness .*witness tells") as told:
        await place.guarded().open()

    assert Cause.MISSING is told.value.cause
    assert "ueip ledger repair" in str(told.value)
    assert before == place.files()


@pytest.mark.parametrize("what", ["store", "folder"])
async def test_nobody_else_makes_anything_in_its_place(place: Place, what: str) -> None:
    """Neither its spool, which lies beside it, nor the command that changes the registry."""
    await place.served()
    place.lose(what)
    before = place.files()
    spool = SpoolFile(
        place.store.with_name("germany.spool"),
        HERE,
        Sealer([Key(b"k" * 32)], HERE),
        1 << 20,
        partial(check_there, place.store, place.witness),
    )
    registry = SQLiteRegistry(place.store, HERE, (), place.witness)
    with pytest.raises(SpoolUnavailable) as refused:
        spool.open()
    with pytest.raises(StoreUnavailable):
        registry.put([(router("a"), Entry("DE", 1))])

    assert Cause.MISSING is refused.value.cause
    assert before == place.files()


async def test_a_spool_that_is_there_is_used(place: Place, tmp_path: Path) -> None:
    """On a disk of its own it holds what was acknowledged."""
    await place.served()
    beside = partial(check_there, place.store, place.witness)
    spool = SpoolFile(tmp_path / "spool", HERE, Sealer([Key(b"k" * 32)], HERE), 1 << 20, beside)
    spool.open()
    spool.put([record(number=2)])
    spool.close()
    place.lose("folder")

    assert [] == spool.open()
    assert 1 == spool.counts().records


async def test_a_store_that_is_begun_anew_by_a_person_is_made(place: Place) -> None:
    """`ueip ledger repair` opens it without the word of the witness."""
    await place.served()
    place.lose("folder")
    store = SQLiteStore(place.store, HERE, ConsentRules())
    await store.open()
    await store.close()

    assert is_there(place.store, place.witness)


async def test_a_store_that_is_back_is_opened(place: Place) -> None:
    """By the same guard, as a running collector tries it."""
    await place.served()
    away = place.store.parent.rename(place.folder / "away")
    store = place.guarded()
    with pytest.raises(StoreUnusable):
        await store.open()
    away.rename(place.store.parent)
    await store.open()

    assert 1 == (await store.head()).seq
    await store.close()
