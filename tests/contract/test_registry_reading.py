"""The registry of every store that lasts: whoever reads on from what he knows ends with what is there."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from engines import LASTING, Engine, make, place, registry_at
from hypothesis import given, settings
from hypothesis import strategies as st
from postgresql import DATABASES, shared
from records import router

from collector.listing import Group
from collector.model import Region
from collector.pseudonym import Key, Pseudonymiser
from collector.registry import Entry, Registry
from collector.stores import listed
from collector.stores.listed import Known, read
from collector.stores.places import Changes, RegistryStore
from collector.stores.plan import ConsentRules

NAMES = "abcdefgh"
OLD, NEW = Pseudonymiser([Key(b"o" * 32)]), Pseudonymiser([Key(b"n" * 32), Key(b"o" * 32)])


@pytest.fixture
def folder() -> Iterator[Path]:
    with place() as folder:
        yield folder


def stored(engine: Engine, folder: Path) -> RegistryStore:
    """The registry of a new store."""

    async def made() -> None:
        store = make(engine, folder / "store.db", ConsentRules())
        await store.open()
        await store.close()

    asyncio.run(made())
    return registry_at(engine, folder / "store.db")


def by_hand(engine: Engine, folder: Path, *statements: str) -> None:
    """Change a store as no release does now; the tables have their names of SQLite."""
    if engine == "sqlite":
        with closing(sqlite3.connect(folder / "store.db")) as other, other:
            for statement in statements:
                other.execute(statement)
        return
    named = [f"UPDATE ueip.{one.removeprefix('UPDATE ').replace('meta', 'note', 1)}" for one in statements]
    shared().ask(DATABASES.at(folder / "store.db"), *named, "SELECT 1")


def says(known: Known) -> dict[str, str]:
    """The countries of the routers of these tests."""
    refs = {name: router(name).device_ref for name in NAMES}
    found = {name: country for name, ref in refs.items() if (country := known.listing.country(ref))}
    assert len(found) == len(known.listing)
    return found


def put(store: RegistryStore, **countries: str) -> int:
    return store.put([(router(name), Entry(country)) for name, country in countries.items()])


def pages_read(store: RegistryStore, monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Where pages begin that are read from now on."""
    begun, page = list[bytes](), store.page

    def noting(after: bytes, most: int) -> Sequence[Group]:
        begun.append(after)
        return page(after, most)

    monkeypatch.setattr(store, "page", noting)
    return begun


@pytest.mark.parametrize("engine", LASTING)
def test_pages_bring_every_router_once(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whatever size they are."""
    store = stored(engine, folder)
    many = [OLD.identity_anew(str(number)) for number in range(500)]
    assert 500 == store.put([(who, Entry("DE" if number % 2 else "FR")) for number, who in enumerate(many)])

    for size in (1, 7, 499, 500, 501):
        monkeypatch.setattr(listed, "PAGE", size)
        listing = read(store, None).listing
        assert ["FR", "DE"] * 250 == [listing.country(who.device_ref) for who in many]
        assert 500 == len(listing)


@pytest.mark.parametrize("engine", LASTING)
def test_after_a_change_no_page_is_read(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what was changed, over any number of versions; without a change, what was known is the same."""
    store = stored(engine, folder)
    before = read(store, None)
    put(store, a="DE", b="DE", c="DE")
    known = read(store, None)
    begun = pages_read(store, monkeypatch)
    put(store, b="FR", d="AT")
    store.remove([router("c").device_ref])
    put(store, e="DE")

    assert {"a": "DE", "b": "FR", "d": "AT", "e": "DE"} == says(read(store, known)) == says(read(store, before))
    now = read(store, known)
    assert read(store, now) is now
    assert [] == begun


@pytest.mark.parametrize("engine", LASTING)
def test_who_knows_less_than_the_log_reads_everything(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log is short; whoever it still reaches reads on."""
    for module in ("sqlite_registry", "postgres_registry"):
        monkeypatch.setattr(f"collector.stores.{module}.MOST_CHANGES", 3)
    store = stored(engine, folder)
    known = [read(store, None)]
    for name in NAMES:
        put(store, **{name: "DE"})
        known.append(read(store, known[-1]))
    begun = pages_read(store, monkeypatch)

    everybody = dict.fromkeys(NAMES, "DE")
    assert [everybody] * 3 == [says(read(store, one)) for one in known[-3:]]
    assert [] == begun
    assert [everybody] * 6 == [says(read(store, one)) for one in known[:-3]]
    assert 6 == begun.count(b"")
    put(store, **dict.fromkeys(NAMES, "FR"))
    assert dict.fromkeys(NAMES, "FR") == says(read(store, known[-1]))


@pytest.mark.parametrize("engine", LASTING)
def test_a_change_that_was_not_logged_is_read_all_the_same(engine: Engine, folder: Path) -> None:
    """By the command of an older release, or by hand: whether or not changes that were logged come after it."""
    store = stored(engine, folder)
    put(store, a="DE", b="DE")
    known = read(store, None)
    older = (
        "UPDATE registry SET country = 'FR'",
        "UPDATE meta SET value = CAST(CAST(value AS bigint) + 1 AS text) WHERE name = 'registry'",
    )
    by_hand(engine, folder, *older)

    unlogged = read(store, known)
    assert {"a": "FR", "b": "FR"} == says(unlogged)
    put(store, c="DE")
    assert {"a": "FR", "b": "FR", "c": "DE"} == says(read(store, known)) == says(read(store, unlogged))


@pytest.mark.parametrize("engine", LASTING)
def test_a_log_that_goes_on_beyond_what_the_store_holds_is_not_continued(engine: Engine, folder: Path) -> None:
    """As where content of an earlier version was put into a store that keeps the log of later ones."""
    store = stored(engine, folder)
    put(store, a="DE", c="DE")
    earlier = store.version()
    put(store, a="FR")
    put(store, c="FR")
    known = read(store, None)
    set_back = ("UPDATE registry SET country = 'DE'", f"UPDATE meta SET value = '{earlier}' WHERE name = 'registry'")
    by_hand(engine, folder, *set_back)

    assert {"a": "DE", "c": "DE"} == says(read(store, known))
    put(store, b="DE")
    assert {"a": "DE", "b": "DE", "c": "DE"} == says(read(store, known))


def test_a_store_of_before_has_a_log_from_its_first_change_on(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever knows what it said before reads no page."""
    store = stored("sqlite", folder)
    put(store, a="DE")
    before = (
        "UPDATE meta SET value = '7' WHERE name = 'registry'",
        *("DROP TABLE registry_change", "DROP INDEX tombstone_by_age", "DROP INDEX router_by_key"),
        "PRAGMA user_version = 5",
    )
    by_hand("sqlite", folder, *before)
    known = read(store, None)
    begun = pages_read(store, monkeypatch)
    put(store, b="FR")

    assert {"a": "DE"} == says(known)
    assert {"a": "DE", "b": "FR"} == says(read(store, known))
    assert [] == begun


def test_a_store_that_was_restored_is_read_anew_however_many_changes_it_has_seen_since(folder: Path) -> None:
    """As many as were lost: a version that counted changes would be the one that is known."""
    store = stored("sqlite", folder)
    put(store, a="DE", b="DE")
    with closing(sqlite3.connect(folder / "store.db")) as here, closing(sqlite3.connect(folder / "copy.db")) as copy:
        here.backup(copy)
    put(store, a="FR")
    put(store, b="FR")
    known = read(store, None)
    for name in ("store.db", "store.db-wal", "store.db-shm"):
        (folder / name).unlink(missing_ok=True)
    (folder / "copy.db").rename(folder / "store.db")

    assert {"a": "DE", "b": "DE"} == says(read(store, known))
    put(store, c="DE")
    put(store, d="DE")
    assert {"a": "DE", "b": "DE", "c": "DE", "d": "DE"} == says(read(store, known))


class Changing:
    """A registry that is changed after each page that is read of it."""

    exists = True

    def __init__(self, store: RegistryStore, change: Callable[[], object]) -> None:
        self._store, self._change = store, change
        self.version, self.changes, self.of = store.version, store.changes, store.of
        self.put, self.remove = store.put, store.remove

    def page(self, after: bytes, most: int) -> Sequence[Group]:
        page = self._store.page(after, most)
        self._change()
        return page


@pytest.mark.parametrize("engine", LASTING)
def test_a_router_is_not_lost_between_two_pages(engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Entered anew under another key while all is read, it goes from a page to come to one that was read already."""
    monkeypatch.setattr(listed, "PAGE", 2)
    store = stored(engine, folder)
    store.put([(OLD.identity(name), Entry("DE")) for name in NAMES])
    rest = iter(NAMES)

    def renew() -> None:
        for name in rest:
            store.put([(NEW.identity(name), Entry("FR"))])
            return

    changing: RegistryStore = Changing(store, renew)
    registry = Registry({Region.GERMANY: NEW}, required=True)
    known = read(changing, None)
    registry.learn(Region.GERMANY, known.listing)

    begun = len(NAMES) - len([*rest])
    assert begun >= len(NAMES) / 2
    assert ["FR"] * begun + ["DE"] * (len(NAMES) - begun) == [registry.country(name, None) for name in NAMES]
    assert len(NAMES) == len(known.listing)


CHANGES = st.dictionaries(st.sampled_from(NAMES), st.none() | st.sampled_from(["DE", "FR"]), min_size=1)
Step = str | dict[str, str | None]
STEPS = st.lists(st.sampled_from(["read", "behind"]) | CHANGES, max_size=25)


@settings(max_examples=40, deadline=None)
@given(STEPS, st.integers(1, 6))
def test_whoever_reads_on_knows_what_whoever_begins_anew_knows(
    steps: list[str | dict[str, str | None]], most: int
) -> None:
    """Two readers, one of whom looks seldom, and any changes between."""
    with place() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("collector.stores.sqlite_registry.MOST_CHANGES", most)
        patch.setattr(listed, "PAGE", 2)
        store, plain = stored("sqlite", folder), dict[str, str]()
        known = {"read": read(store, None), "behind": read(store, None)}
        for step in [*steps, "read", "behind"]:
            if isinstance(step, str):
                known[step] = read(store, known[step])
                assert plain == says(known[step]) == says(read(store, None))
                continue
            for name, country in step.items():
                if country is None:
                    store.remove([router(name).device_ref])
                    plain.pop(name, None)
            store.put([(router(name), Entry(country)) for name, country in step.items() if country])
            plain |= {name: country for name, country in step.items() if country}


def test_changes_are_told_from_the_log_only_if_it_has_both_ends() -> None:
    """What comes after the later one is no harm: it is newer."""
    rows: list[tuple[int, bytes | None, str | None]] = [
        (1, None, None),
        (2, b"a", "DE"),
        (2, b"b", None),
        (3, b"a", "FR"),
    ]

    assert Changes(2, {b"a": "FR", b"b": None}) == listed.changes_of(1, 2, rows)
    assert [None] * 3 == [listed.changes_of(*ends, rows) for ends in ((0, 3), (1, 4), (4, 5))]
    assert listed.changes_of(1, 2, []) is None
