"""A region whose records are in ClickHouse and its ledger in PostgreSQL, as commands look at it."""

from collections.abc import Collection

from collector.config_clickhouse import ClickHouseSettings
from collector.config_postgres import PostgresSettings
from collector.model import Region
from collector.stores import Store
from collector.stores.clickhouse import ClickHouseStore
from collector.stores.clickhouse_schema import MARK, check_about
from collector.stores.clickhouse_session import Dial, Records, dial
from collector.stores.clickhouse_table import Table
from collector.stores.clickhouse_verify import verify
from collector.stores.plan import ConsentRules
from collector.stores.postgres_notes import noted
from collector.stores.postgres_place import PostgresPlace
from collector.stores.postgres_session import Session
from collector.stores.verified import Expected, Verified


class ClickHousePlace(PostgresPlace):
    """As `Place`; no event loop may run in the calling thread."""

    def __init__(
        self,
        ledger: PostgresSettings,
        records: ClickHouseSettings,
        region: Region,
        key_ids: Collection[str],
        look_back: int,
        dialled: Dial = dial,
    ) -> None:
        """*look_back* is how long after it was stored a record may be delivered again, in milliseconds."""
        super().__init__(ledger, region, key_ids, look_back)
        self.setting = f"regions.{region}.postgresql and clickhouse"
        self._records = records
        self._dial = dialled

    def store(self, rules: ConsentRules, *, anew: bool) -> Store:  # noqa: ARG002 - none is ever made here
        """As `Place.store`."""
        return ClickHouseStore(
            self._settings, self._records, self.region, rules, self._key_ids, self._look_back, self._dial
        )

    def inspect(self, versions: Collection[str]) -> None:
        """As `Place.inspect`."""
        super().inspect(versions)

        async def looked(session: Session) -> None:
            connection = Records(self._records, self.region, self._dial)
            try:
                check_about(await Table(connection).comment(), self.region, await noted(session, MARK))
            finally:
                await connection.close()

        self._ask(looked)

    async def _verify(self, session: Session, expected: Expected) -> Verified:
        connection = Records(self._records, self.region, self._dial, patient=True)
        try:
            return await verify(session, Table(connection), self.region, expected)
        finally:
            await connection.close()
