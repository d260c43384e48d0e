"""K22 with a registry: what it says inside the transaction of the commit decides, whatever was known on receipt."""

from pathlib import Path

import pytest
from records import START, numbers, record, router

from collector.model import DropReason, Region
from collector.registry import Entry
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_registry import SQLiteRegistry


@pytest.mark.parametrize("listed_under", ["key-1", "key-0"])
async def test_k22_a_router_struck_off_the_list_between_gate_and_commit(tmp_path: Path, listed_under: str) -> None:
    """Dropped at the commit, under whichever key it was listed; the others go on."""
    store = SQLiteStore(tmp_path / "store.db", Region.GERMANY, ConsentRules(listed_only=True))
    await store.open()
    registry = SQLiteRegistry(tmp_path / "store.db", Region.GERMANY)
    registry.put([(router(name, key=listed_under), Entry("DE")) for name in ("a", "b")])
    a, b = (router(name, older=["key-0"]) for name in ("a", "b"))
    first = await store.commit([record("a", 1, identity=a), record("b", 1, identity=b)])

    received = [record("a", 2, at=START + 1, identity=a), record("b", 2, at=START + 1, identity=b)]
    registry.remove([router("b", key=listed_under).device_ref])
    second = await store.commit(received)

    assert (2, 1) == (first.stored, second.stored)
    assert {DropReason.REGION_UNKNOWN: 1} == dict(second.dropped)
    assert [2, 1] == await numbers(store, "a")
    await store.close()


async def test_k22_the_list_is_asked_only_where_it_has_to_name_everybody(tmp_path: Path) -> None:
    """With `regions.registry = "known"` a router that nobody listed has the word of its message."""
    store = SQLiteStore(tmp_path / "store.db", Region.GERMANY, ConsentRules())
    await store.open()

    committed = await store.commit([record("a", 1)])

    assert committed.stored == 1
    await store.close()
