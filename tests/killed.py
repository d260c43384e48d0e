"""A process that holds a store with records in ClickHouse, to be killed; see `integration/test_clickhouse_killed.py`.

Its words: a folder for the engine, the ledger's settings as JSON, where it stops for good, and from which number on
it stores. It says each number that is stored, and where it stopped; at `look` it tells what is there.
"""

import asyncio
import itertools
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from records import HOUR, MINUTE, START, leave, numbers, record

from collector.config_clickhouse import ClickHouseSettings
from collector.config_postgres import PostgresSettings
from collector.model import Region
from collector.stores import clickhouse_upkeep
from collector.stores.clickhouse import ClickHouseStore
from collector.stores.clickhouse_purge import erase
from collector.stores.clickhouse_session import Records, limits
from collector.stores.clickhouse_setup import prepare
from collector.stores.clickhouse_table import Table
from collector.stores.plan import ConsentRules
from collector.stores.rows import PURGING

ADMIN: Final = "postgres"
EXIT_AFTER: Final = 6
PLACE: Final = ClickHouseSettings(database="killed", user="default")
Question = Callable[..., Coroutine[Any, Any, Any]]


def dial(settings: ClickHouseSettings) -> Client:
    """A connection to the engine in this process's folder."""
    return clickhouse_connect.get_client(interface="chdb", path=sys.argv[1], settings=limits(settings))


def say(line: str) -> None:
    """Tell the test, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def stop(where: str) -> None:
    """Say it, and stay there."""
    say(where)
    await asyncio.Event().wait()


def stopping(does: Question, where: str, *, after: bool) -> Question:
    """*does*, and this process stops before or after it."""

    async def done(*args: Any) -> Any:
        found = await does(*args) if after else None
        await stop(where)
        return found

    return done


async def store_on(store: ClickHouseStore, where: str, first: int) -> None:
    """Store one number after the other, each said once it is; the exit of a comes after some."""
    for number in itertools.count(first):
        if where in {"insert", "inserted"} and number == first + 2:
            Table.insert = stopping(Table.insert, where, after=where == "inserted")  # type: ignore[method-assign]
        at = START + number * MINUTE
        await store.commit([record(name, number, at=at) for name in ("a", "b")])
        say(str(number))
        if where == "erase" and number == EXIT_AFTER:
            setattr(clickhouse_upkeep, "erase", stopping(erase, where, after=False))  # noqa: B010
            await store.commit([leave("a", at=START + HOUR)])


async def look(store: ClickHouseStore, last: int) -> None:
    """What is there, before and after all of it was delivered again."""
    found = {name: sorted(await numbers(store, name)) for name in ("a", "b")}
    again = [record(name, number, at=START + number * MINUTE) for number in range(last + 1) for name in ("a", "b")]
    committed = await store.commit(again)
    while store._upkeep is not None and (erasing := store._upkeep._erasing) is not None and not erasing.done():
        await erasing
    table = Records(PLACE, Region.GERMANY, dial)
    rows = await table.rows("SELECT device_ref, record_id FROM `killed`.record FINAL")
    await table.close()
    told = {
        "found": found,
        "stored": committed.stored,
        "dropped": {reason.value: number for reason, number in committed.dropped.items()},
        "rows": sorted(row[1].hex() for row in rows),
        "purging": await store.noted(PURGING),
    }
    say(json.dumps(told))


async def main() -> None:
    """Open the store, and do as told."""
    _, _, ledger, where, number = sys.argv
    settings = PostgresSettings.model_validate_json(ledger)
    await prepare(settings, PLACE, Region.GERMANY, ADMIN, dial, with_grants=False)
    store = ClickHouseStore(settings, PLACE, Region.GERMANY, ConsentRules(), dialled=dial)
    await store.open()
    await (look(store, int(number)) if where == "look" else store_on(store, where, int(number)))
    await store.close()


if __name__ == "__main__":
    asyncio.run(main())
