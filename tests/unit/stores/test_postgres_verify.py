"""`ueip ledger verify` on a database finds what no collector wrote, and nothing in what collectors did."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from engines import needs_postgresql
from postgresql import ADMIN, DATABASES, elsewhere, shared
from records import HOUR, MINUTE, START, act, join, leave, record

from collector.consent.ledger import Head
from collector.errors import Cause, StoreUnavailable
from collector.model import Action, Region
from collector.stores.plan import ConsentRules
from collector.stores.postgres import PostgresStore
from collector.stores.postgres_place import PostgresPlace
from collector.stores.verified import Expected, Verified

pytestmark = needs_postgresql
LATER = START + HOUR


@pytest.fixture
async def store(path: Path) -> AsyncIterator[PostgresStore]:
    """A store with six entries about three routers, and records of two."""
    made = DATABASES.store(path, ConsentRules())
    await made.open()
    await made.commit([record("a", 1), record("b", 1), record("c", 1), leave("a", at=LATER)])
    await made.commit([join("a", at=LATER + MINUTE), record("a", 2, at=LATER + 2 * MINUTE)])
    await made.commit([act(Action.ERASE, "b", at=LATER), record("b", 2, at=LATER + MINUTE)])
    yield made
    await made.close()


def verified(path: Path, expected: Expected | None = None, user: str = "germany_reader") -> Verified:
    """What is found, as the command asks: by a role that can only read, outside any loop."""
    place = PostgresPlace(DATABASES.settings(path, user), Region.GERMANY, (), 0)

    async def asked() -> Verified:
        return await to_thread(place, expected or Expected())

    return elsewhere(asked())


async def to_thread(place: PostgresPlace, expected: Expected) -> Verified:
    """The command's thread has no loop."""
    return await asyncio.to_thread(place.verify, expected)


async def test_a_store_is_as_the_collector_left_it(path: Path, store: PostgresStore) -> None:
    """All of it is counted."""
    found = verified(path)

    assert [] == found.faults
    assert (6, 3, 3, 3) == (found.entries, found.routers, found.joined, found.records)
    assert await store.head() == found.head


async def test_records_are_looked_at_router_by_router_whatever_their_numbers(path: Path, store: PostgresStore) -> None:
    """Each consent event uses a number up, whether or not its router is new."""
    shared().ask(DATABASES.at(path), "SELECT setval(pg_get_serial_sequence('ueip.router', 'id'), 2000000000000)")
    await store.commit([record("d", 1, at=LATER)])

    assert ([], 4) == (verified(path).faults, verified(path).records)


TWICE = """INSERT INTO ueip.record SELECT id, record_id, router_id, event_time, received_at + 1, consent_seq,
    policy_version, source_adapter, stripped, body, floating FROM ueip.record WHERE consent_seq = 5"""
TWICE_FLOATING = TWICE.replace("router_id, event_time", "router_id, event_time + 60000").replace("floating", "true")
DAMAGE = {
    "UPDATE ueip.ledger SET entry = replace(entry, 'joined', 'exited') WHERE seq = 2": "entry 2 is not what its hash",
    "DELETE FROM ueip.ledger WHERE seq = 3": "entry 4 does not follow: the one before it is 2",
    "UPDATE ueip.ledger SET device_ref = '\\x00' WHERE seq = 3": "entry 3 is filed under another router or act",
    "UPDATE ueip.router SET generation = 9 WHERE seq = 3": "the router of entry 3 stands as joined, not as that entry",
    "UPDATE ueip.router SET state = 'odd' WHERE seq = 3": "the standing of the router of entry 3 cannot be read",
    "DELETE FROM ueip.router WHERE seq = 3": "the ledger knows 1 routers that the standings do not",
    "UPDATE ueip.record SET consent_seq = 4 WHERE consent_seq = 5": "name entry 4 as their consent",
    "UPDATE ueip.record SET consent_seq = 1, received_at = received_at - 7200000 WHERE consent_seq = 5": "not erased",
    "UPDATE ueip.record SET router_id = 0 WHERE consent_seq = 5": "1 records belong to no router that the store knows",
    "INSERT INTO ueip.lookup VALUES ('a', 'serial', 0)": "1 rows of the table lookup are of routers that left",
    "INSERT INTO ueip.memory VALUES (0, 'a')": "1 rows of the table memory are of routers that left",
    TWICE: "1 records are stored twice",
    TWICE_FLOATING: "1 records are stored twice",
}


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_damage_is_found_and_told_by_numbers(path: Path, store: PostgresStore, damage: str) -> None:
    """One that the triggers and grants would have kept anybody but the administrator from."""
    once = "ALTER TABLE ueip.record_2025_11 DROP CONSTRAINT IF EXISTS nothing"
    if damage in {TWICE, TWICE_FLOATING}:
        once = "DROP INDEX ueip.record_2025_11_once, ueip.record_2025_11_floating"
    try:
        shared().ask(DATABASES.at(path), "SET session_replication_role = replica", once, damage, "SELECT 1")
        found = verified(path)
    finally:
        shared().ask(
            DATABASES.at(path),
            "DELETE FROM ueip.record",
            "DROP INDEX IF EXISTS ueip.record_2025_11_once, ueip.record_2025_11_floating",
            "SELECT ueip.index_partition('record_2025_11')",
        )

    assert any(DAMAGE[damage] in fault for fault in found.faults), found.faults


async def test_messages_to_which_a_router_gave_one_id_are_no_finding(path: Path, store: PostgresStore) -> None:
    """They are stored if their minutes differ, also where they say the same (K39)."""
    for at in (LATER, LATER + MINUTE, LATER + 2 * MINUTE):
        await store.commit([record("c", 9, at=at, measured=at)])
    found = verified(path)

    assert ([], 6) == (found.faults, found.records)


async def test_a_head_that_was_kept_elsewhere_has_to_be_there(path: Path, store: PostgresStore) -> None:
    """A ledger cut short, or another one."""
    later, other = Head(seq=9, hash="0" * 64), Head(seq=2, hash="0" * 64)

    assert verified(path, Expected((later,))).faults[0].startswith("entry 9 is missing")
    assert verified(path, Expected((other,))).faults[0].startswith("entry 2 has another hash")


async def test_what_is_no_store_cannot_be_verified(path: Path) -> None:
    """It is told, as of a store that is away."""
    settings = shared().settings("postgres", ADMIN)
    with pytest.raises(StoreUnavailable) as refusal:
        await to_thread(PostgresPlace(settings, Region.GERMANY, (), 0), Expected())

    assert Cause.OLDER_SCHEMA is refusal.value.cause
