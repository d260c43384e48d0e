"""Connections to the ClickHouse database of a region's records. Only this and `clickhouse_faults` import the driver.

Rule 1: what is asked of a session is done in order, on a thread of its own; the collector's loop waits for none of it.
Rule 2: nothing takes longer than the settings allow, here and on the server: by then a statement is over. One that was
        given up before its turn is not sent at all.
"""

import asyncio
import functools
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.httputil import get_pool_manager
from urllib3 import PoolManager

from collector.config_clickhouse import ClickHouseSettings
from collector.errors import StoreUnavailable
from collector.model import Region
from collector.stores.clickhouse_faults import refused
from collector.stores.worker import Worker

T = TypeVar("T")
Dial = Callable[[ClickHouseSettings], Client]
"""Makes a connection, as `dial` does to a server."""
_CONNECT_SECONDS: Final = 5
_CLOSE_SECONDS: Final = 2.0
_PATIENT: Final = 3600.0
_MOST_WAYS: Final = 16
"""More than there are regions, so that only those with outdated certificates are dropped."""
_LARGEST_STATEMENT: Final = 4 << 20
"""In bytes; a thousand pseudonyms and a thousand record ids take 130,000."""

FRESH: Final = {
    "max_replica_delay_for_distributed_queries": 20,
    "fallback_to_stale_replicas_for_distributed_queries": 0,
}
"""A replica that lags by so many seconds is not asked: an exit's second look must not miss what such a one lacks."""


def dial(settings: ClickHouseSettings) -> Client:
    """A connection to the server of *settings*.

    Raises:
        ClickHouseError, OSError, UnicodeDecodeError: it could not be made.
    """
    files = (settings.ca_file, settings.cert_file, settings.key_file)
    password = password_of(settings)
    return clickhouse_connect.get_client(
        interface="https" if settings.tls else "http", host=settings.host, port=settings.port,
        username=settings.user, password=password,
        # "mutual" signs in by the certificate alone, "strict" by the password on a connection with the certificate.
        client_cert=settings.cert_file and str(settings.cert_file), tls_mode="strict" if password else "mutual",
        connect_timeout=_CONNECT_SECONDS, send_receive_timeout=int(settings.patience_seconds) + 1, query_retries=0,
        autogenerate_session_id=False, client_name="ueip", settings=limits(settings),
        pool_mgr=ways(*files),
    )  # fmt: skip


def ways(*files: Path | None) -> PoolManager:
    """What makes connections to servers with these files (authority, certificate, key), as they are now.

    Raises:
        OSError: one of them cannot be read.
    """
    return _ways(tuple((str(file), file.stat().st_mtime_ns) if file else None for file in files))


@functools.lru_cache(_MOST_WAYS)
def _ways(files: tuple[tuple[str, int] | None, ...]) -> PoolManager:
    """Ours, and not the driver's: that follows `http_proxy` and the like, and would give records and password to a
    proxy. Kept, so that nothing piles up while a server is away for hours; made anew when a certificate is new.
    """
    authority, certificate, key = (file and file[0] for file in files)
    made = get_pool_manager(ca_cert=authority, client_cert=certificate, client_cert_key=key)
    assert isinstance(made, PoolManager)
    return made


def limits(settings: ClickHouseSettings) -> dict[str, Any]:
    """The server's settings for all statements of a connection."""
    fresh = FRESH if settings.cluster else {}
    return {
        "max_execution_time": int(settings.patience_seconds),
        "max_query_size": _LARGEST_STATEMENT,
        "log_queries": 0,  # statements name pseudonyms, and the server's log of them would outlive their records
        **fresh,
    }


def password_of(settings: ClickHouseSettings) -> str:
    """The first line of the password's file; without a file, CLICKHOUSE_PASSWORD of the environment.

    Raises:
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    if settings.password_file is None:
        return os.environ.get("CLICKHOUSE_PASSWORD", "")
    return settings.password_file.read_text("utf-8").partition("\n")[0].rstrip("\r")


class Records:
    """A connection, made when it is first used."""

    def __init__(
        self, settings: ClickHouseSettings, region: Region, dialled: Dial = dial, *, patient: bool = False
    ) -> None:
        """A *patient* one lets a statement take its time."""
        self.settings = settings.model_copy(update={"patience_seconds": _PATIENT}) if patient else settings
        self._region = region
        self._dial = dialled
        self._worker = Worker(f"records-{region}")
        self._client: Client | None = None

    async def rows(self, sql: str) -> Sequence[Any]:
        """The rows of a query."""
        return await self._do(lambda client: client.query(sql).result_rows)

    async def row(self, sql: str) -> Any:
        """The first row of a query, or None."""
        return next(iter(await self.rows(sql)), None)

    async def do(self, sql: str, **settings: Any) -> None:
        """Run a statement that gives no rows; *settings* are the server's, for this statement."""
        await self._do(lambda client: client.command(sql, settings=settings))

    async def insert(
        self, table: str, columns: dict[str, str], values: Sequence[Sequence[Any]], **settings: Any
    ) -> None:
        """Write rows, given by columns; *columns* are their names and types."""
        database = self.settings.database

        def insert(client: Client) -> None:
            client.insert(
                table, values, database=database, column_names=list(columns), column_type_names=list(columns.values()),
                column_oriented=True, settings=settings,
            )  # fmt: skip

        await self._do(insert)

    async def close(self) -> None:
        """Hang up once the statement under way is done; one that takes long is left behind."""
        hung_up = self._worker.call(self._hang_up)
        self._worker.stop()
        await asyncio.wait([hung_up], timeout=_CLOSE_SECONDS)

    async def _do(self, work: Callable[[Client], T]) -> T:
        """Let *work* use the connection; troubles come out as ours.

        Raises:
            StoreUnavailable: what was asked was not done, or nobody can tell.
        """
        given_up = threading.Event()
        try:
            return await self._worker.call(self._ask, work, given_up)
        except asyncio.CancelledError:
            given_up.set()
            raise

    def _ask(self, work: Callable[[Client], T], given_up: threading.Event) -> T:
        if given_up.is_set():
            raise StoreUnavailable(f"nobody waits any more for what was asked of the records of {self._region}")
        try:
            if self._client is None:
                self._client = self._dial(self.settings)
            return work(self._client)
        except Exception as error:  # noqa: BLE001 - on an answer that it cannot read the driver may raise anything
            trouble = refused(error, self._region)
        self._hang_up()
        raise trouble from None

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.close()


def not_open(region: Region) -> StoreUnavailable:
    """Nothing can be asked of records before their store is opened."""
    return StoreUnavailable(f"the store of {region} is not open")
