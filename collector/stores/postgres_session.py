"""One connection to a region's database. Only this module and `postgres_faults` import the driver.

Rule 1: one caller at a time; the others wait, in their order.
Rule 2: a connection whose state is in doubt, after anything went wrong on it, is ended and not mended.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from collector.config_files import tls_context
from collector.config_postgres import PostgresSettings
from collector.errors import StoreUnavailable
from collector.model import Region
from collector.stores.postgres_faults import TROUBLES, refused

_CONNECT_SECONDS: Final = 10.0
_CLOSE_SECONDS: Final = 2.0
SETTINGS: Final = {
    "application_name": "ueip",
    "timezone": "UTC",
    # Our statements name the schema each time, so that nobody else's table is taken for one of ours.
    "search_path": "pg_catalog",
    # A server may be set to answer before a commit is on its disk; what we acknowledge must be (D20).
    "synchronous_commit": "on",
    # A lock that a dead machine holds keeps its region waiting for no longer than these.
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "20s",
    # How long a statement may take, and how long a connection may be idle, is for us to say: writing a month anew takes
    # as long as it takes.
    "statement_timeout": "0",
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20s",
    "jit": "off",
}
"""What each session asks of the server."""
_IMPATIENT: Final = {"enable_seqscan": "off"}
"""What one asks whose statements have to end soon: to look only where an index leads. A server that has no statistics
of a table, as after a restore or while it is at larger ones, takes reading all of it for as good.
"""


def password_of(settings: PostgresSettings) -> str | None:
    """The first line of the password's file; None leaves it to PGPASSWORD and ~/.pgpass.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    if settings.password_file is None:
        return None
    return settings.password_file.read_text("utf-8").partition("\n")[0].rstrip("\r")


class Session:
    """A connection, made by `connect`."""

    def __init__(
        self, connection: "asyncpg.Connection[asyncpg.Record]", region: Region, patience: float | None
    ) -> None:
        self._connection = connection
        self._region = region
        self._patience = patience
        self._turn = asyncio.Lock()

    @classmethod
    async def connect(
        cls, settings: PostgresSettings, region: Region, *, user: str | None = None, patient: bool = False
    ) -> "Session":
        """A new connection; *user* replaces that of the settings, and a *patient* one lets statements take their time.

        Raises:
            StoreUnavailable: it could not be made.
        """
        try:
            context = tls_context(settings)
            connection = await asyncpg.connect(
                host=settings.host, port=settings.port, database=settings.database, user=user or settings.user,
                password=password_of(settings), ssl=context or "disable", timeout=_CONNECT_SECONDS,
                server_settings=SETTINGS if patient else SETTINGS | _IMPATIENT,
            )  # fmt: skip
        except (*TROUBLES, ValueError) as error:
            raise refused(error, region) from None
        return cls(connection, region, None if patient else settings.patience_seconds)

    @property
    def is_closed(self) -> bool:
        """Whether it is gone, as far as this side knows."""
        return self._connection.is_closed()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Give the connection to the caller alone. Troubles come out as ours, and leave no transaction open.

        Raises:
            StoreUnavailable: what was asked was not done, or nobody can tell.
        """
        async with self._turn:
            try:
                async with asyncio.timeout(self._patience):
                    yield
            except TROUBLES as error:
                # The server may still be at what was given up: whether that has begun a transaction shows later.
                await self._leave(in_doubt=isinstance(error, TimeoutError))
                raise refused(error, self._region) from error
            except asyncio.CancelledError:
                self._connection.terminate()
                raise
            except BaseException:
                await self._leave()
                raise

    async def _leave(self, *, in_doubt: bool = False) -> None:
        """Roll back the transaction that is or may be open, if any; end the connection if that does not work."""
        connection = self._connection
        if connection.is_closed() or not (in_doubt or connection.is_in_transaction()):
            return
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.execute("ROLLBACK")
        except BaseException:  # noqa: BLE001 - the first trouble is the one to report
            connection.terminate()

    async def run(self, sql: str) -> None:
        """Run statements that take no values and give no rows."""
        await self._connection.execute(sql)

    async def do(self, sql: str, *values: Any) -> int:
        """Run one statement; how many rows it wrote."""
        told = await self._connection.execute(sql, *values)
        return int(told.rpartition(" ")[2])

    async def rows(self, sql: str, *values: Any) -> Sequence[Any]:
        """The rows of a query."""
        return await self._connection.fetch(sql, *values)

    async def row(self, sql: str, *values: Any) -> Any:
        """The first row of a query, or None."""
        return await self._connection.fetchrow(sql, *values)

    async def copy(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Write many rows at once, by the protocol's binary COPY."""
        await self._connection.copy_records_to_table(table, records=rows)

    async def try_copy(self, table: str, rows: Iterable[tuple[Any, ...]]) -> bool:
        """As `copy`, into a table of the store; False, with nothing written, if a row would not be unique."""
        await self.run("SAVEPOINT before_copy")
        try:
            await self._connection.copy_records_to_table(table, records=rows, schema_name="ueip")
        except asyncpg.UniqueViolationError:
            await self.run("ROLLBACK TO SAVEPOINT before_copy")
            return False
        return True

    async def close(self) -> None:
        """Say goodbye, or hang up."""
        with suppress(*TROUBLES):
            await self._connection.close(timeout=_CLOSE_SECONDS)

    def terminate(self) -> None:
        """Hang up."""
        self._connection.terminate()


def not_open(region: Region) -> StoreUnavailable:
    """Nothing can be asked of a store before it is opened."""
    return StoreUnavailable(f"the store of {region} is not open")
