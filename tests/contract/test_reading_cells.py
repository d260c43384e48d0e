"""What every store shows of a cell: its routers' events, and nothing of routers that may not be read."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engines import ENGINES, Engine, let_go, make
from records import HOUR, MINUTE, SECOND, START, act, join, leave, record

from collector.model import Action, Record
from collector.stores import Store
from collector.stores.plan import ConsentRules
from collector.stores.retention import DAY

CELL = "0123456789abcdef0123456789abcdef"
OTHER = "fedcba9876543210fedcba9876543210"
EVENT = '{"event":"wan_unexpected_disconnect","time":"2025-11-21T14:00:00Z","cell_ref":"%s"}'


@pytest.fixture(params=ENGINES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store of one engine."""
    engine: Engine = request.param
    made = make(engine, tmp_path / "store.db", ConsentRules(mode="flag", erase_on_exit=False))
    await made.open()
    yield made
    await made.close()
    let_go(tmp_path)


def lost(name: str, number: int = 1, *, cell: str = CELL, at: int = START) -> Record:
    """A record with a disconnect on a cell."""
    return record(name, number, at=at, body=(f'{{"events":[{EVENT % cell}]}}').encode())


async def routers(store: Store, *, since: int = 0, newest: int = 1000) -> list[bytes]:
    return [found.record_id for found in await store.on_cell(CELL, since=since, newest=newest)]


async def test_a_cell_shows_the_events_of_all_its_routers_newest_first(store: Store) -> None:
    """And of no other cell."""
    first, second = lost("a"), lost("b", at=START + MINUTE)
    await store.commit([first, second, lost("c", cell=OTHER), record("d")])

    assert [second.record_id, first.record_id] == await routers(store)


async def test_a_cell_shows_nothing_from_before_the_time_asked_for(store: Store) -> None:
    """By when it was measured."""
    old, new = lost("a"), lost("a", 2, at=START + HOUR)
    await store.commit([old, new])

    assert [new.record_id] == await routers(store, since=START + MINUTE)


async def test_a_cell_is_looked_for_in_the_newest_records_only(store: Store) -> None:
    """However large the store is."""
    await store.commit([lost("a"), record("b"), record("c")])

    assert [] == await routers(store, newest=2)
    assert 1 == len(await routers(store, newest=3))


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_cell_shows_nothing_that_is_past_its_time(engine: Engine, tmp_path: Path) -> None:
    """Deleted yet or not (K37)."""
    now = int(time.time() * 1000)
    aging = make(engine, tmp_path / "aging.db", ConsentRules(retention=2 * DAY))
    await aging.open()
    young = lost("a", 2, at=now - DAY)
    await aging.commit([lost("a", 1, at=now - 3 * DAY), young])

    assert [young.record_id] == await routers(aging)
    await aging.close()
    let_go(tmp_path)


@pytest.mark.parametrize("action", [Action.EXIT, Action.RESTRICT, Action.VOID])
async def test_a_cell_shows_nothing_of_a_router_that_may_not_be_read(store: Store, action: Action) -> None:
    """Left, restricted, void, whatever is on disk (K37)."""
    kept = lost("b")
    await store.commit([lost("a"), kept])
    await store.commit([act(action, "a", at=START + HOUR)])

    assert [kept.record_id] == await routers(store)


async def test_a_cell_shows_nothing_from_before_a_router_came_back(store: Store) -> None:
    """A join gives nothing away that was kept from before (K40)."""
    await store.commit([lost("a")])
    await store.commit([leave("a", at=START + HOUR), join("a", at=START + HOUR + 2 * SECOND)])
    again = lost("a", 2, at=START + 2 * HOUR)
    await store.commit([again])

    assert [again.record_id] == await routers(store)
