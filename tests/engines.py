"""Stores of every engine, for suites that hold all of them to the same promises."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, TypeVar

import pytest
from postgresql import ADMIN, DATABASES, binaries

from collector.model import Region
from collector.stores import Store
from collector.stores.ends import End
from collector.stores.memory import MemoryStore
from collector.stores.places import RegistryStore
from collector.stores.plan import ConsentRules
from collector.stores.postgres import PostgresStore
from collector.stores.postgres_end import PostgresEnd
from collector.stores.postgres_registry import PostgresRegistry
from collector.stores.postgres_session import Session
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_end import SQLiteEnd
from collector.stores.sqlite_registry import SQLiteRegistry

S = TypeVar("S", bound=Store)
Engine = Literal["memory", "sqlite", "postgresql", "clickhouse"]
HAS_POSTGRESQL: Final = binaries() is not None
needs_postgresql: Final = pytest.mark.skipif(
    not HAS_POSTGRESQL, reason="PostgreSQL 15 or newer is not installed (apt-get install postgresql)"
)
HAS_CLICKHOUSE: Final = HAS_POSTGRESQL and find_spec("chdb") is not None
needs_clickhouse: Final = pytest.mark.skipif(
    not HAS_CLICKHOUSE, reason="chdb cannot be had on this platform, or PostgreSQL 15 is not installed for the ledger"
)
ENGINES: Final = (
    "memory",
    "sqlite",
    pytest.param("postgresql", marks=needs_postgresql),
    pytest.param("clickhouse", marks=needs_clickhouse),
)
"""For `parametrize`."""
LASTING: Final = ENGINES[1:]
"""Those whose content outlives the process."""
HERE_NOW: Final[tuple[Engine, ...]] = (
    "memory",
    "sqlite",
    *(("postgresql",) if HAS_POSTGRESQL else ()),
    *(("clickhouse",) if HAS_CLICKHOUSE else ()),
)
"""Those that can be used on this machine."""


def make(engine: Engine, path: Path, rules: ConsentRules) -> Store:
    """A store of the engine, not opened yet; *path* stands for it, whatever it is."""
    if engine == "memory":
        return MemoryStore(Region.GERMANY, rules)
    if engine == "sqlite":
        return SQLiteStore(path, Region.GERMANY, rules)
    if engine == "postgresql":
        return DATABASES.store(path, rules)
    # Here, and not above: where there is no chdb, nothing of this is needed.
    from clickhouse import RECORDS  # noqa: PLC0415

    return RECORDS.store(path, rules)


def registry_at(engine: Engine, path: Path) -> RegistryStore:
    """The registry in the lasting store that *path* stands for, as the rights desk has it."""
    if engine == "sqlite":
        return SQLiteRegistry(path, Region.GERMANY)
    return PostgresRegistry(DATABASES.settings(path, "germany_rights"), Region.GERMANY)


async def memories(store: Store) -> int:
    """Of how many routers a lasting store remembers something for derivation."""
    if isinstance(store, SQLiteStore):
        return int(store._all("SELECT count(*) FROM memory")[0][0])
    assert isinstance(store, PostgresStore)
    [number] = await store._each(lambda row: int(row[0]), "SELECT count(*) FROM ueip.memory")
    return number


def let_go(folder: Path) -> None:
    """The stores that paths in *folder* stand for are not needed any more."""
    if HAS_CLICKHOUSE:
        from clickhouse import RECORDS  # noqa: PLC0415

        RECORDS.let_go(folder)
    DATABASES.let_go(folder)


@contextmanager
def place() -> Iterator[Path]:
    """A folder for stores, for the length of a block."""
    with TemporaryDirectory() as folder:
        try:
            yield Path(folder)
        finally:
            let_go(Path(folder))


class Halting(PostgresStore):
    """A store whose commits wait, their work done, before they become durable, until they may go."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.halts = asyncio.Event()
        self.may_go = asyncio.Event()

    async def _finish(self, session: Session) -> None:
        self.halts.set()
        await self.may_go.wait()
        await super()._finish(session)


@asynccontextmanager
async def opened(make: Callable[..., S]) -> AsyncIterator[Callable[..., Awaitable[S]]]:
    """Opens stores that *make* makes, as collectors on several machines do; they are closed at the end of the block."""
    made: list[S] = []

    async def another(*args: object, **options: object) -> S:
        store = make(*args, **options)
        made.append(store)
        await store.open()
        return store

    yield another
    for store in made:
        await store.close()


def end(engine: Engine, path: Path, rules: ConsentRules, *, source: bool = False) -> End:
    """The store that `make` makes for *path*, as one end of a move; not opened yet."""
    if engine == "sqlite":
        return SQLiteEnd(path, Region.GERMANY, (), rules, path.with_name("no.witness") if source else None)
    settings = DATABASES.settings(path, ADMIN, password_file=None)
    if engine == "clickhouse":
        from clickhouse import RECORDS, in_process  # noqa: PLC0415

        from collector.stores.clickhouse_end import ClickHouseEnd  # noqa: PLC0415

        records = RECORDS.settings(path)
        return ClickHouseEnd(settings, records, Region.GERMANY, (), rules, ADMIN, in_process)
    assert engine == "postgresql", "what is in memory goes nowhere"
    return PostgresEnd(settings, Region.GERMANY, (), rules, ADMIN)
