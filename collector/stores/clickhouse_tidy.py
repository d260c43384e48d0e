"""Takes the bytes of erased rows out of ClickHouse's files (O28): the months that were erased from are written anew.

A deletion marks rows, which nobody is told any more; their bytes go when the part they lie in is written anew. Parts
that were replaced are removed by the server some minutes later (`old_parts_lifetime`); backups are the operator's.
"""

from collector.config_clickhouse import ClickHouseSettings
from collector.config_postgres import PostgresSettings
from collector.model import Region
from collector.stores.clickhouse_rows import MONTH, Table
from collector.stores.clickhouse_session import Dial, Records, dial
from collector.stores.postgres_reading import check_kind
from collector.stores.postgres_rows import Erased, noted
from collector.stores.postgres_session import Session
from collector.stores.rows import ERASED


async def tidy(
    ledger: PostgresSettings, records: ClickHouseSettings, region: Region, admin: str, dialled: Dial = dial
) -> list[str]:
    """Write anew what erasures have left bytes in, as far as it is ClickHouse's; which months that were.

    Before `postgres_tidy.tidy`, which lets go of the note that both go by.

    Raises:
        StoreUnavailable: a server did not answer, or who signed in may not.
        StoreUnusable: it is no store of the region.
    """
    session = await Session.connect(ledger, region, user=admin, patient=True)
    connection = Records(records, region, dialled, patient=True)
    try:
        async with session.turn():
            await check_kind(session, region)
            text = await noted(session, ERASED)
        months = sorted(name for name in Erased.noted(text).tables if name.startswith(MONTH))
        for name in months:
            await Table(connection).write_anew(int(name.removeprefix(MONTH)))
    finally:
        await connection.close()
        await session.close()
    return months
