"""The registry: who is on it, what its word is worth, and that no name is in it."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from records import until
from support import make_rules, minimal_document, reason_of, settings_of

from collector.errors import StoreUnavailable
from collector.listing import Group, Listing
from collector.model import DropReason, Region
from collector.pseudonym import Key, Pseudonymiser
from collector.registry import Entry, Registry
from collector.registry_watch import SECONDS, RegistryWatch
from collector.rules import consent_rules
from collector.stores.listed import read
from collector.stores.places import Changes, RegistryStore
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_registry import SQLiteRegistry

PSEUDONYMS = {region: Pseudonymiser([Key(bytes([number]) * 32)]) for number, region in enumerate(Region)}
GERMANY = PSEUDONYMS[Region.GERMANY]


def listing(countries: dict[bytes, str]) -> Listing:
    """These routers and no others."""
    return Listing().changed(countries)


def registry(*, required: bool = False, **lists: dict[str, str]) -> Registry:
    """A registry of these lists: region, router, country."""
    made = Registry(PSEUDONYMS, required=required)
    for name, routers in lists.items():
        refs = PSEUDONYMS[Region(name)]
        made.learn(Region(name), listing({refs.identity(r).device_ref: country for r, country in routers.items()}))
    return made


@pytest.mark.parametrize(
    ("said", "required", "word"),
    [
        ("DE", False, "DE"),
        (None, False, None),
        ("DE", True, DropReason.REGION_UNKNOWN),
        (None, True, DropReason.REGION_UNKNOWN),
    ],
)  # fmt: skip
def test_of_a_router_that_is_not_listed_the_message_has_the_word(
    said: str | None, required: bool, word: str | DropReason | None
) -> None:
    """Unless the list is said to be whole."""
    assert word == registry(required=required, germany={"other": "DE"}).country("r1", said)


@pytest.mark.parametrize(
    ("setting", "outcome"), [("none", "accepted"), ("known", "accepted"), ("required", "region_unknown")]
)
def test_the_setting_says_what_a_list_is_worth(setting: str, outcome: str) -> None:
    """On receipt and again at the commit (K22)."""
    sections = {"registry": setting}
    rules, at_commit = make_rules(regions=sections), consent_rules(settings_of(regions=sections))

    assert (setting == "none") is (rules.registry is None)
    assert outcome == reason_of(minimal_document(), rules)
    assert (setting == "required") is at_commit.listed_only


@pytest.mark.parametrize("said", ["DE", None])
def test_of_a_listed_router_the_list_has_the_word(said: str | None) -> None:
    """A format without a country gets one."""
    assert registry(germany={"r1": "DE"}).country("r1", said) == "DE"


def test_two_words_that_disagree_are_a_conflict() -> None:
    """Never a guess (R22)."""
    assert registry(germany={"r1": "DE"}).country("r1", "FR") is DropReason.REGION_CONFLICT
    assert registry(germany={"r1": "DE"}, china={"r1": "CN"}).country("r1", None) is DropReason.REGION_CONFLICT


@pytest.mark.parametrize("required", [False, True])
def test_a_list_that_was_written_under_an_older_key_has_the_word_still(required: bool) -> None:
    """A new key in front of the old one makes no router unlisted, and hands none the word on where it belongs (D17)."""
    old, new = Key(b"o" * 32), Key(b"n" * 32)
    made = Registry({Region.GERMANY: Pseudonymiser([new, old])}, required=required)
    listed = Pseudonymiser([old]).identity("r1").device_ref
    made.learn(Region.GERMANY, listing({listed: "DE"}))

    assert made.country("r1", None) == "DE"
    assert made.country("r1", "CN") is DropReason.REGION_CONFLICT
    assert made.country("r2", "FR") == (DropReason.REGION_UNKNOWN if required else "FR")
    made.learn(Region.GERMANY, listing({listed: "DE", Pseudonymiser([new]).identity("r1").device_ref: "FR"}))
    assert made.country("r1", None) == "FR"


@given(st.text(max_size=8), st.none() | st.sampled_from(["DE", "CN", "xx", ""]), st.booleans())
def test_a_router_nobody_listed_is_never_given_a_country(router: str, said: str | None, required: bool) -> None:
    """There is no default."""
    found = registry(required=required, germany={"r-1": "DE"}).country(f"x{router}", said)

    assert found is DropReason.REGION_UNKNOWN if required else found == said


async def stored(folder: Path) -> SQLiteRegistry:
    """The registry of a new store."""
    store = SQLiteStore(folder / "store.db", Region.GERMANY, ConsentRules())
    await store.open()
    await store.close()
    return SQLiteRegistry(folder / "store.db", Region.GERMANY)


async def test_what_is_entered_stands_and_every_change_is_a_new_version(tmp_path: Path) -> None:
    """The same again is no change."""
    found = await stored(tmp_path)
    one, versions = GERMANY.identity("ZTESERIAL0001"), [found.version()]
    for entry in (Entry("DE"), Entry("DE"), Entry("FR"), Entry("FR", 2)):
        found.put([(one, entry)])
        versions.append(found.version())

    assert 0 == versions[0]
    assert versions[1] == versions[2]
    assert 4 == len(set(versions))
    assert found.of([b"nobody", one.device_ref]) == Entry("FR", 2)
    assert (found.remove([one.device_ref]), found.remove([one.device_ref])) == (True, False)
    assert found.version() not in versions
    assert 0 == len(read(found, None).listing)


async def test_the_file_holds_no_name(tmp_path: Path) -> None:
    """Pseudonyms only (F5)."""
    found = await stored(tmp_path)
    found.put([(GERMANY.identity(f"ZTECANARY{n:04d}"), Entry("DE")) for n in range(50)])

    assert b"ZTECANARY" not in bytes_in(tmp_path)


def bytes_in(folder: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_a_key_that_was_rotated_finds_the_router_and_moves_it(tmp_path: Path) -> None:
    """Entered under the old key, changed under the new one."""
    found, old = await stored(tmp_path), Key(b"o" * 32)
    found.put([(Pseudonymiser([old]).identity("r1"), Entry("DE"))])
    now = Pseudonymiser([Key(b"n" * 32), old])

    assert found.of(now.all_refs("router", "r1")) == Entry("DE")
    found.put([(now.identity("r1"), Entry("FR"))])
    listed = read(found, None).listing
    assert (1, "FR") == (len(listed), listed.country(now.identity("r1").device_ref))


async def test_a_watch_learns_before_the_first_message_and_after_every_change(tmp_path: Path) -> None:
    """And keeps what it knows while a store is away."""
    found, made = await stored(tmp_path), Registry({Region.GERMANY: GERMANY}, required=True)
    found.put([(GERMANY.identity("r1"), Entry("DE"))])
    watch = RegistryWatch(made, {Region.GERMANY: found})
    learning = asyncio.create_task(watch.run())
    await watch.known(or_else=asyncio.Event())
    assert made.country("r1", None) == "DE"

    found.remove([GERMANY.identity("r1").device_ref])
    await until(lambda: made.country("r1", None) != "DE")
    (tmp_path / "store.db").rename(tmp_path / "away.db")
    with pytest.raises(StoreUnavailable):
        found.version()
    assert not learning.done()
    learning.cancel()


class Listed:
    """A region's registry that is read as often as it is counted."""

    exists = True

    def __init__(self) -> None:
        self.at, self.asked, self.read, self.logged = 1, 0, 0, 0
        self.away = False

    def version(self) -> int:
        self.asked += 1
        if self.away:
            raise StoreUnavailable("away")
        return self.at

    def page(self, after: bytes, most: int) -> list[Group]:
        self.read += 1
        return []

    def changes(self, since: int) -> Changes | None:
        self.asked += 1
        if since < self.logged:
            return None
        return Changes(self.at, {} if since == self.at else {bytes(16): "DE"})


async def test_what_is_listed_is_known_once_every_region_was_read_and_is_not_read_again_unchanged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Until then a router may be on the list that is missing; and a list of millions is not read each second.

    Nor after a change, as long as the log has it.
    """
    monkeypatch.setattr("collector.registry_watch.SECONDS", 0)
    lists = {region: Listed() for region in (Region.GERMANY, Region.CHINA)}
    here, away = lists.values()
    away.away = True
    made = Registry({region: PSEUDONYMS[region] for region in lists}, required=True)
    watch = RegistryWatch(made, cast("dict[Region, RegistryStore]", lists))
    learning = asyncio.create_task(watch.run())
    knowing = asyncio.create_task(watch.known(or_else=asyncio.Event()))
    await until(lambda: min(here.asked, away.asked) > 5)
    waited, at_first = not knowing.done(), here.read
    away.away = False
    async with asyncio.timeout(10):
        await knowing
    here.at += 1
    await until(lambda: len(watch._read[Region.GERMANY].listing) == 1)
    changed = here.read
    here.at, here.logged = 3, 3
    await until(lambda: here.read == 2)
    learning.cancel()

    assert waited
    assert made.is_known
    assert (1, 1, 1) == (at_first, changed, away.read)


async def test_a_registry_that_hangs_leaves_what_is_said_of_other_regions_known(tmp_path: Path) -> None:
    """A router that moved would else be stored where it was. A pipe in the file's place hangs as a disk does."""
    places = {region: tmp_path / region.value for region in (Region.GERMANY, Region.CHINA)}
    lists = {}
    for region, place in places.items():
        await SQLiteStore(place, region, ConsentRules()).open()
        lists[region] = SQLiteRegistry(place, region)
    made = Registry({region: PSEUDONYMS[region] for region in places}, required=True)
    watch = RegistryWatch(made, lists)
    learning = asyncio.create_task(watch.run())
    await watch.known(or_else=asyncio.Event())
    pipe = places[Region.GERMANY]
    pipe.rename(tmp_path / "away")
    os.mkfifo(pipe)
    await asyncio.sleep(2 * SECONDS)
    lists[Region.CHINA].put([(PSEUDONYMS[Region.CHINA].identity("r1"), Entry("CN"))])
    try:
        await until(lambda: made.country("r1", None) == "CN")
    finally:
        learning.cancel()
        with pipe.open("wb"):  # who waits there goes on
            await asyncio.sleep(0.1)


def test_a_registry_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    """Nobody joins the thread that waits for a disk."""
    os.mkfifo(tmp_path / "pipe")
    code = f"""
import asyncio
from pathlib import Path
from collector.model import Region
from collector.registry import Registry
from collector.registry_watch import SECONDS, RegistryWatch
from collector.stores.sqlite_registry import SQLiteRegistry

async def main():
    here = Region.GERMANY
    registry = SQLiteRegistry(Path({str(tmp_path / "pipe")!r}), here)
    watch = RegistryWatch(Registry({{}}, required=True), {{here: registry}})
    running = asyncio.create_task(watch.run())
    await asyncio.sleep(0.3)
    running.cancel()

asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", code], timeout=20, check=False)

    assert 0 == ended.returncode


async def test_a_registry_with_a_note_that_was_damaged_ends_nothing(tmp_path: Path) -> None:
    """It cannot be read; what was learnt before stays."""
    found, made = await stored(tmp_path), Registry({Region.GERMANY: GERMANY}, required=True)
    found.put([(GERMANY.identity("r1"), Entry("DE"))])
    watch = RegistryWatch(made, {Region.GERMANY: found})
    learning = asyncio.create_task(watch.run())
    await watch.known(or_else=asyncio.Event())
    with closing(sqlite3.connect(tmp_path / "store.db")) as other, other:
        other.execute("UPDATE meta SET value = 'damaged' WHERE name = 'registry'")
    await asyncio.sleep(2 * SECONDS)

    assert not learning.done()
    assert made.country("r1", None) == "DE"
    learning.cancel()


async def test_who_stops_need_not_wait_for_a_registry_that_cannot_be_read(tmp_path: Path) -> None:
    """SIGTERM during an outage."""
    absent = SQLiteRegistry(tmp_path / "none.db", Region.GERMANY)
    watch = RegistryWatch(Registry({Region.GERMANY: GERMANY}, required=True), {Region.GERMANY: absent})
    running, stop = asyncio.create_task(watch.run()), asyncio.Event()
    asyncio.get_running_loop().call_later(0.1, stop.set)

    await watch.known(or_else=stop)

    running.cancel()
