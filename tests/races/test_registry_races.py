"""K22 with a registry: what it says inside the transaction of the commit decides, whatever was known on receipt."""

import asyncio
from pathlib import Path

import pytest
from engines import LASTING, Engine, let_go, make, needs_postgresql, registry_at
from postgresql import DATABASES, shared
from records import START, numbers, record, router

from collector.errors import StoreUnavailable
from collector.model import DropReason, Region
from collector.registry import Entry
from collector.stores.listed import read
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore


@pytest.mark.parametrize("engine", LASTING)
@pytest.mark.parametrize("listed_under", ["key-1", "key-0"])
async def test_k22_a_router_struck_off_the_list_between_gate_and_commit(
    tmp_path: Path, engine: Engine, listed_under: str
) -> None:
    """Dropped at the commit, under whichever key it was listed; the others go on."""
    store = make(engine, tmp_path / "store.db", ConsentRules(listed_only=True))
    await store.open()
    registry = registry_at(engine, tmp_path / "store.db")
    listed = [(router(name, key=listed_under), Entry("DE")) for name in ("a", "b")]
    assert 2 == await asyncio.to_thread(registry.put, listed)
    a, b = (router(name, older=["key-0"]) for name in ("a", "b"))
    first = await store.commit([record("a", 1, identity=a), record("b", 1, identity=b)])

    received = [record("a", 2, at=START + 1, identity=a), record("b", 2, at=START + 1, identity=b)]
    assert await asyncio.to_thread(registry.remove, [router("b", key=listed_under).device_ref])
    second = await store.commit(received)

    assert (2, 1) == (first.stored, second.stored)
    assert {DropReason.REGION_UNKNOWN: 1} == dict(second.dropped)
    assert [2, 1] == await numbers(store, "a")
    await store.close()
    let_go(tmp_path)


@pytest.mark.parametrize("engine", LASTING)
async def test_a_registry_tells_what_was_entered_and_when_it_has_changed(tmp_path: Path, engine: Engine) -> None:
    """Each change is another version; entering what is there already is none."""
    store = make(engine, tmp_path / "store.db", ConsentRules())
    await store.open()
    registry = registry_at(engine, tmp_path / "store.db")
    a, renamed = router("a"), router("a", key="key-2", older=["key-1"])

    def work() -> list[object]:
        found: list[object] = [registry.version()]
        for identity, entry in ((a, Entry("DE")), (a, Entry("DE")), (renamed, Entry("FR", 2))):
            known = read(registry, None)
            found += [registry.put([(identity, entry)]), registry.version() != known.version]
            for listing in (read(registry, None).listing, read(registry, known).listing):
                found.append((len(listing), *(listing.country(who.device_ref) for who in (a, renamed))))
        return [*found, registry.of([a.device_ref, renamed.device_ref]), registry.of([b"x"])]

    found = await asyncio.to_thread(work)
    await store.close()
    let_go(tmp_path)

    assert [0, 1, True, *2 * [(1, "DE", None)], 0, False, *2 * [(1, "DE", None)]] == found[:9]
    assert [1, True, *2 * [(1, None, "FR")], Entry("FR", 2), None] == found[9:]


@needs_postgresql
async def test_a_registry_is_asked_again_after_its_connection_was_lost(tmp_path: Path) -> None:
    """Refused once, as a store that is away, and then there again."""
    path = tmp_path / "store.db"
    registry = registry_at("postgresql", path)
    await asyncio.to_thread(registry.put, [(router("a"), Entry("DE"))])
    kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'germany_rights'"
    shared().ask(DATABASES.at(path), kill)
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(registry.version)
    version = await asyncio.to_thread(registry.version)
    let_go(tmp_path)

    assert version


async def test_k22_the_list_is_asked_only_where_it_has_to_name_everybody(tmp_path: Path) -> None:
    """With `regions.registry = "known"` a router that nobody listed has the word of its message."""
    store = SQLiteStore(tmp_path / "store.db", Region.GERMANY, ConsentRules())
    await store.open()

    committed = await store.commit([record("a", 1)])

    assert committed.stored == 1
    await store.close()
