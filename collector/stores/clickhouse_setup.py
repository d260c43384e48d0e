"""Makes a ClickHouse database ready for a region's records, and notes it in the ledger's. See `ueip store init`.

Rule 1: what is there is left as it is; run again, it repeats the grants.
"""

import secrets
from collections.abc import Iterator
from typing import Final

from collector.config_clickhouse import ClickHouseSettings
from collector.config_postgres import PostgresSettings
from collector.model import Region
from collector.stores.clickhouse_schema import MARK, check_about, grants, script
from collector.stores.clickhouse_session import Dial, Records, dial
from collector.stores.clickhouse_table import Table
from collector.stores.postgres_notes import noted
from collector.stores.postgres_session import Session

_MAKE: Final = "INSERT INTO ueip.note VALUES ($1, $2) ON CONFLICT DO NOTHING"


def new_mark() -> str:
    """A mark that ties records and ledger together, so that neither is used with another's."""
    return secrets.token_hex(16)


async def prepare(
    ledger: PostgresSettings,
    records: ClickHouseSettings,
    region: Region,
    admin: str,
    dialled: Dial = dial,
    *,
    with_grants: bool = True,
) -> bool:
    """Make the tables of *records*, signed in to the ledger's database as *admin*; whether they were there.

    Raises:
        StoreUnavailable: a server did not answer, or does not let the user do this.
        StoreUnusable: the tables are another region's, or of another ledger.
    """
    session, connection = (
        await Session.connect(ledger, region, user=admin),
        Records(records, region, dialled, patient=True),
    )
    try:
        there = await Table(connection).comment()
        if there is not None:
            async with session.turn():
                check_about(there, region, await noted(session, MARK))
        async with session.turn():
            # First, as tables that no ledger knows would be taken for another's. Somebody else may just have made it.
            await session.do(_MAKE, MARK, new_mark())
            made = await noted(session, MARK)
        assert made is not None
        for statement in (*script(records, region, made), *(grants(records, region) if with_grants else ())):
            await connection.do(statement)
    finally:
        await connection.close()
        await session.close()
    return there is not None


def both(records: ClickHouseSettings, region: Region) -> Iterator[str]:
    """The statements that make empty databases ready, for somebody else to run: on PostgreSQL, and on ClickHouse."""
    mark = new_mark()
    yield "-- And in the same database of PostgreSQL:"
    yield f"INSERT INTO ueip.note VALUES ('{MARK}', '{mark}') ON CONFLICT DO NOTHING;"  # noqa: S608 - words of ours
    yield "-- On ClickHouse, if that has made the note; else with the mark that is in it:"
    yield from (f"{statement};" for statement in (*script(records, region, mark), *grants(records, region)))
