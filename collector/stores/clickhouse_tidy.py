"""Removes the bytes of erased rows from ClickHouse's files (O28): the months that were erased from are written anew.

A deletion marks rows, which nobody can read any more; their bytes go when the part they are in is written anew. The
server removes replaced parts some minutes later (`old_parts_lifetime`); backups are up to its operator.
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
    """A function for `postgres_tidy.tidy` that writes anew the months in *records* that erasures left bytes in.

    Raises:
        StoreUnavailable: the server did not answer, or does not let the user do this.
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
