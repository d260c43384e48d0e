"""Takes the bytes of erased rows out of ClickHouse's files (O28): the months that were erased from are written anew.

A deletion marks rows, which nobody is told any more; their bytes go when the part they lie in is written anew. Parts
that were replaced are removed by the server some minutes later (`old_parts_lifetime`); backups are the operator's.
"""

from collector.config_clickhouse import ClickHouseSettings
from collector.model import Region
from collector.stores.clickhouse_purge import MONTH
from collector.stores.clickhouse_schema import MARK, check_about
from collector.stores.clickhouse_session import Dial, Records, dial
from collector.stores.clickhouse_table import Table
from collector.stores.postgres_notes import noted
from collector.stores.postgres_session import Session
from collector.stores.postgres_tidy import Beside


def months_of(records: ClickHouseSettings, region: Region, dialled: Dial = dial) -> Beside:
    """What writes anew the months in *records* that erasures have left bytes in; beside `postgres_tidy.tidy`.

    Raises:
        StoreUnavailable: the server did not answer, or who signed in may not.
        StoreUnusable: they are no records of the region, or another ledger's.
    """

    async def write_anew(session: Session, erased_from: frozenset[str]) -> list[str]:
        connection = Records(records, region, dialled, patient=True)
        try:
            table = Table(connection)
            check_about(await table.comment(), region, await noted(session, MARK))
            months = sorted(name for name in erased_from if name.startswith(MONTH))
            for name in months:
                await table.write_anew(int(name.removeprefix(MONTH)))
        finally:
            await connection.close()
        return months

    return write_anew
