"""What every store promises of records that make sense beside others: derived once, put together, forgotten at exit."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from records import MINUTE, SECOND, START, join, leave, record, router

from collector.model import Part, Record, Region, Removal
from collector.stores import Store
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore

STATIONS, RATE = "wifi.wifi_station_count", "usage.downlink_bytes_per_second"


@pytest.fixture(params=["memory", "sqlite"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A store of each engine, with router a joined an hour ago."""
    made: Store
    if request.param == "memory":
        made = MemoryStore(Region.GERMANY, ConsentRules())
    else:
        made = SQLiteStore(tmp_path / "store.db", Region.GERMANY, ConsentRules())
    await made.open()
    await made.commit([join(at=START - 60 * MINUTE)])
    yield made
    await made.close()


def sample(number: int, at: int, *, body: Any = None, **more: Any) -> Record:
    """A sample of a format that tells states, not events."""
    made = record(number=number, at=at, measured=at, body=json.dumps(body or {}).encode())
    return msgspec.structs.replace(made, **({"counters": ()} | more))


def part(value: int, key: str, at: int = START, *, interval: int = 1) -> Record:
    """The stations of one radio, sent alone."""
    return sample(1000 + interval, at, parts=(Part(STATIONS, key, value, 255),), interval=interval)


def state(number: int, at: int, wan: str) -> Record:
    """A sample that says how the link is."""
    return sample(number, at, body={"network": {"wan_connection_state": wan}})


async def bodies(store: Store) -> list[dict[str, Any]]:
    """The bodies stored of router a, newest first."""
    return [json.loads(found.body) async for found in store.records(router("a").device_ref)]


@pytest.mark.parametrize("apart", [True, False])
async def test_a_disconnect_between_two_samples_is_an_event(store: Store, apart: bool) -> None:
    """In one commit or in two."""
    samples = [state(1, START, "connected"), state(2, START + MINUTE, "disconnected")]
    for entries in [[one] for one in samples] if apart else [samples]:
        await store.commit(entries)

    newest, before = await bodies(store)

    assert [event["event"] for event in newest["events"]] == ["wan_unexpected_disconnect"]
    assert "events" not in before


async def test_a_redelivery_derives_nothing_again(store: Store) -> None:
    """A duplicate is a duplicate."""
    samples = [state(1, START, "connected"), state(2, START + MINUTE, "disconnected")]
    await store.commit(samples)

    again = await store.commit([*samples, state(3, START + 2 * MINUTE, "disconnected")])

    assert (1, 2) == (again.stored, again.dropped.total())
    assert "events" not in (await bodies(store))[0]


async def test_parts_of_one_interval_are_one_record(store: Store) -> None:
    """Each message is stored, and makes no record of its own."""
    first = await store.commit([part(3, "a"), part(2, "b", START + SECOND)])
    second = await store.commit([part(4, "c", START + 2 * SECOND), part(4, "c", START + 2 * SECOND)])

    assert (2, 2) == (first.stored, second.stored)
    assert [{"wifi": {"wifi_station_count": 9}}] == await bodies(store)


async def test_parts_of_the_next_interval_are_another_record(store: Store) -> None:
    """Five stations, then one."""
    await store.commit([part(5, "a")])
    await store.commit([part(1, "a", START + MINUTE, interval=2)])

    assert [{"wifi": {"wifi_station_count": n}} for n in (1, 5)] == await bodies(store)


async def test_a_part_delivered_again_does_not_bring_back_what_was(store: Store) -> None:
    """The link was down and came up within the minute; so it stays, in one commit or in several."""
    down, up = (
        sample(7, START + at, interval=1, body={"network": {"wan_connection_state": wan}})
        for at, wan in ((SECOND, "disconnected"), (2 * SECOND, "connected"))
    )
    for entries in ([down], [up, down], [down]):
        await store.commit(entries)

    assert [{"network": {"wan_connection_state": "connected"}}] == await bodies(store)


async def test_parts_of_two_samples_may_come_mixed(store: Store) -> None:
    """As they do while a spool is drained: each sample is whole in the end."""
    await store.commit([part(3, "a")])
    await store.commit([part(5, "a", START + MINUTE, interval=2)])
    await store.commit([part(2, "b", START + SECOND), part(1, "b", START + MINUTE, interval=2)])

    assert [{"wifi": {"wifi_station_count": n}} for n in (6, 5)] == await bodies(store)


async def test_what_is_left_out_of_a_part_is_counted_with_it(store: Store) -> None:
    """Also of one that makes no record of its own: a local-only key alerts whatever it came beside (D10)."""
    parts = [part(n, key, START + n) for n, key in enumerate("abc")]
    stripped = [msgspec.structs.replace(one, stripped=((Removal.LOCAL_ONLY, 1),)) for one in parts]

    first, second = await store.commit(stripped[:2]), await store.commit(stripped[2:])

    assert ({Removal.LOCAL_ONLY: 2}, {Removal.LOCAL_ONLY: 1}) == (first.removed, second.removed)


async def test_counters_become_rates(store: Store) -> None:
    """600,000 bytes in a minute."""
    for number, (at, value) in enumerate([(START, 100), (START + MINUTE, 600_100)]):
        counters = (Part(RATE, "a", value, 125e9),)
        await store.commit(
            [sample(number, at, counters=counters, body={"router": {"uptime_seconds": 900 + number * 60}})]
        )

    newest, before = await bodies(store)

    assert newest["usage"] == {"downlink_bytes_per_second": 10_000}
    assert "usage" not in before


async def test_nothing_is_derived_over_an_exit(store: Store) -> None:
    """What was remembered is gone with the records, also within one commit."""
    await store.commit([state(1, START, "connected"), part(3, "a")])
    later = START + 10 * MINUTE
    await store.commit([leave(at=later), join(at=later + MINUTE), state(2, later + 2 * MINUTE, "disconnected")])
    await store.commit([part(2, "b", later + 2 * MINUTE, interval=9)])

    found = await bodies(store)

    assert all("events" not in body for body in found)
    assert {"wifi": {"wifi_station_count": 2}} in found
    assert len(found) == 2


async def test_a_restart_older_than_the_join_is_not_told(store: Store) -> None:
    """It was not covered (D8)."""
    await store.commit([leave(at=START), join(at=START + MINUTE)])
    at = START + 2 * MINUTE
    await store.commit([sample(1, at, body={"router": {"uptime_seconds": 90_000}})])

    await store.commit([sample(2, at + 10 * MINUTE, body={"router": {"uptime_seconds": 700}})])

    assert "events" not in (await bodies(store))[0]
    await store.commit([sample(3, at + 20 * MINUTE, body={"router": {"uptime_seconds": 60}})])
    assert [event["event"] for event in (await bodies(store))[0]["events"]] == ["unexpected_reboot"]


async def test_what_is_remembered_survives_a_restart(tmp_path: Path) -> None:
    """It is in the store, not in the process."""
    for number, wan in enumerate(["connected", "disconnected"]):
        store = SQLiteStore(tmp_path / "store.db", Region.GERMANY, ConsentRules())
        await store.open()
        entries = [state(number, START + number * MINUTE, wan)]
        await store.commit([*([join(at=START - 60 * MINUTE)] if number == 0 else []), *entries])
        found = await bodies(store)
        await store.close()

    assert [event["event"] for event in found[0]["events"]] == ["wan_unexpected_disconnect"]
