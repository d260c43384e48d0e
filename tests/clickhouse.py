"""ClickHouse in this very process: the real engine as a library (chdb), behind the driver that servers are asked with.

One engine a process, in a folder that goes with it; each store is a database in it, used again once a test has let go
of it. The ledgers are in the PostgreSQL server of the test run.
"""

import atexit
import functools
import shutil
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from postgresql import ADMIN, DATABASES, elsewhere, shared

from collector.config_clickhouse import ClickHouseSettings
from collector.model import Entry, Region
from collector.stores.clickhouse import ClickHouseStore
from collector.stores.clickhouse_schema import MARK
from collector.stores.clickhouse_session import limits
from collector.stores.clickhouse_setup import prepare
from collector.stores.plan import Committed, ConsentRules

HAS_CHDB: Final = find_spec("chdb") is not None


@functools.cache
def folder() -> str:
    # In memory where that can be: what is proven here are processes that die, not machines that lose power.
    memory = Path("/dev/shm")
    folder = tempfile.mkdtemp(prefix="ueip-chdb-", dir=memory if memory.is_dir() else None)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


_UNUSED: Final[dict[int, list[Client]]] = {}
"""Connections that were hung up, by the seconds that a question may take: making one takes as long as ten questions."""


def in_process(settings: ClickHouseSettings) -> Client:
    """A connection to this process's own engine, whatever server *settings* name."""
    asked = limits(settings)
    unused = _UNUSED.setdefault(asked["max_execution_time"], [])
    if unused:
        return unused.pop()
    client = clickhouse_connect.get_client(interface="chdb", path=folder(), settings=asked)
    client.close = lambda: unused.append(client)  # type: ignore[method-assign]
    return client


def ask(sql: str) -> list[tuple[Any, ...]]:
    """The rows of a query, as anybody finds them who asks the engine."""
    return [tuple(row) for row in _asking().query(sql).result_rows]


def tell(sql: str) -> None:
    """Run a statement, as the engine's administrator."""
    _asking().command(sql)


@functools.cache
def _asking() -> Client:
    return clickhouse_connect.get_client(interface="chdb", path=folder())


class ClickHouses:
    """Databases of records, each of the ledger in one of `DATABASES`, and used again together with that."""

    def __init__(self) -> None:
        self._marks: dict[str, str] = {}

    def at(self, path: Path) -> str:
        """The database of records for *path*."""
        ledger = DATABASES.at(path)
        name = f"records_of_{ledger}"
        if ledger in self._marks:
            shared().ask(
                ledger,
                f"INSERT INTO ueip.note VALUES ('{MARK}', '{self._marks[ledger]}') ON CONFLICT DO NOTHING",
                "SELECT 1",
            )
        else:
            records = ClickHouseSettings(database=name, user="default")
            settings = DATABASES.settings(path, ADMIN)
            elsewhere(prepare(settings, records, Region.GERMANY, ADMIN, in_process, with_grants=False))
            [(self._marks[ledger],)] = shared().ask(ledger, f"SELECT value FROM ueip.note WHERE name = '{MARK}'")
        return name

    def settings(self, path: Path) -> ClickHouseSettings:
        """The settings that name it."""
        # As much patience as it takes: a machine that is busy with other tests is no server that does not answer.
        settings = ClickHouseSettings(database=self.at(path), user="default")
        return settings.model_copy(update={"patience_seconds": 600.0})

    def store(self, path: Path, rules: ConsentRules) -> ClickHouseStore:
        """A store for *path*, not opened yet."""
        made = ClickHouseStore(DATABASES.settings(path), self.settings(path), Region.GERMANY, rules, dialled=in_process)
        made.sweep_waits = 60.0
        return made

    def let_go(self, folder: Path) -> None:
        """Whatever stands for paths in *folder* is not needed any more; before the ledgers are let go of."""
        for ledger in DATABASES.in_folder(folder):
            if ledger in self._marks:
                tell(f"TRUNCATE TABLE records_of_{ledger}.record SYNC")


class Settling(ClickHouseStore):
    """A commit returns once what it ended is deleted, so that the rows themselves can be looked at."""

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """As `Store.commit`."""
        committed = await super().commit(entries)
        await self.settled()
        return committed

    async def settled(self) -> None:
        """Wait until the erasing that is under way is at its end."""
        if self._upkeep is not None and self._upkeep._erasing is not None:
            await self._upkeep._erasing


RECORDS: Final = ClickHouses()
