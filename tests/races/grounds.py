"""Where the store of a race is: what differs between engines when a commit is stopped, watched and looked at."""

import asyncio
import sqlite3
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol

from postgresql import DATABASES, shared

from collector.config import Settings
from collector.model import Entry, Region
from collector.rules import consent_rules
from collector.stores import Committed, Store
from collector.stores.postgres import PostgresStore
from collector.stores.postgres_rows import BEGIN_ALONE
from collector.stores.postgres_session import Session
from collector.stores.sqlite import SQLiteStore

Boundary = Literal["received", "decoded", "queued", "taken", "inside", "committed", "settled", "acknowledged"]
HERE: Final = Region.GERMANY


class Seen(NamedTuple):
    """What another process would find in the store: the numbers of rows, and the acts in the ledger."""

    rows: int
    acts: list[str]


class Stepped(Store, Protocol):
    """A store whose next commit stops where it is told to, until it is let go."""

    stop_at: Boundary | None

    async def reached(self) -> None:
        """Wait until the commit has stopped."""
        ...

    def let_go(self) -> None:
        """Let the commit that stopped go on."""
        ...

    def hide(self) -> None:
        """The store does not answer until it is shown again."""
        ...

    def show(self) -> None:
        """It does."""
        ...


class Stops:
    """Where a commit stops, of any engine."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.stop_at: Boundary | None = None
        self._reached = asyncio.Event()
        self._go_on = asyncio.Event()
        self._go_on_inside = threading.Event()

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """As `Store.commit`, with a stop before or after it."""
        await self._stop("taken")
        committed: Committed = await super().commit(entries)  # type: ignore[misc]
        await self._stop("committed")
        return committed

    async def _stop(self, boundary: Boundary) -> None:
        if self.stop_at == boundary:
            self.stop_at = None
            self._reached.set()
            await self._go_on.wait()

    async def reached(self) -> None:
        """As `Stepped.reached`."""
        async with asyncio.timeout(60):
            await self._reached.wait()

    def let_go(self) -> None:
        """As `Stepped.let_go`."""
        self._go_on.set()
        self._go_on_inside.set()


class SteppedStore(Stops, SQLiteStore):
    """In a file."""

    def __init__(self, path: Path, settings: Settings) -> None:
        super().__init__(path, HERE, consent_rules(settings))

    async def open(self) -> None:
        """As `Store.open`."""
        await super().open()
        loop = asyncio.get_running_loop()

        def before(sql: str) -> None:
            if self.stop_at == "inside" and sql == "COMMIT":
                self.stop_at = None
                loop.call_soon_threadsafe(self._reached.set)
                assert self._go_on_inside.wait(20)

        self._db.set_trace_callback(before)

    def hide(self) -> None:
        """As `Stepped.hide`."""
        self._connection, self._hidden = None, self._connection

    def show(self) -> None:
        """As `Stepped.show`."""
        self._connection = self._hidden


class StopsInSession(Stops):
    """Where a commit stops, of a store that is behind a session with a database."""

    _session: Session | None

    async def _finish(self, session: Session) -> None:
        await self._stop("inside")
        await super()._finish(session)  # type: ignore[misc]

    def hide(self) -> None:
        """As `Stepped.hide`."""
        self._session, self._hidden = None, self._session

    def show(self) -> None:
        """As `Stepped.show`."""
        self._session = self._hidden


class SteppedPostgres(StopsInSession, PostgresStore):
    """In a database."""

    def __init__(self, path: Path, settings: Settings) -> None:
        super().__init__(DATABASES.settings(path), HERE, consent_rules(settings))


def ask_at_begin(store: Any, asks: Callable[[], None]) -> None:
    """Have *asks* called whenever the store begins a transaction that is alone."""
    session = store._session
    run = session.run

    async def asked(sql: str) -> None:
        if sql == BEGIN_ALONE:
            asks()
        await run(sql)

    session.run = asked


class Ground(Protocol):
    """One engine, for races."""

    def store(self, path: Path, settings: Settings) -> Stepped:
        """A store that stops where it is told to, not opened yet."""
        ...

    def seen(self, path: Path) -> Seen:
        """What another process finds now."""
        ...

    def found(self, path: Path, traces: Sequence[bytes]) -> list[bytes]:
        """Which of *traces* are still somewhere in the store."""
        ...

    async def commanded(self, path: Path, settings: Settings, asks: Callable[[], None]) -> Store:
        """An open store of another process; *asks* is called when it asks for the store's lock."""
        ...

    def content(self, path: Path) -> tuple[set[bytes], list[str]]:
        """The ids of the records, and the entries of the ledger, as another process finds them."""
        ...

    def troubled(self, store: Any, path: Path, table: str | None) -> AbstractAsyncContextManager[None]:
        """Inside, *table* has another name, or, if it is None, somebody else holds the store's lock."""
        ...


class InFile:
    """SQLite; traces are looked for in the raw bytes of database, log and shared memory."""

    def store(self, path: Path, settings: Settings) -> Stepped:
        """As `Ground.store`."""
        return SteppedStore(path, settings)

    def seen(self, path: Path) -> Seen:
        """As `Ground.seen`."""
        with closing(sqlite3.connect(path)) as other:
            rows = other.execute("SELECT count(*) FROM record").fetchone()[0]
            acts = other.execute("SELECT json_extract(entry, '$.action') FROM ledger ORDER BY seq").fetchall()
        return Seen(rows, [row[0] for row in acts])

    def found(self, path: Path, traces: Sequence[bytes]) -> list[bytes]:
        """As `Ground.found`."""
        raw = b"".join(copy.read_bytes() for copy in self.image(path, path.parent / "looked-at"))
        return [trace for trace in traces if trace in raw]

    def image(self, path: Path, folder: Path) -> list[Path]:
        """The files as they are on the disk now, copied as a crash would leave them.

        By a process of its own: closing a file here would drop this process's locks on it (POSIX).
        """
        folder.mkdir(exist_ok=True)
        files = sorted(path.parent.glob(f"{path.name}*"))
        subprocess.run(["cp", *files, folder], check=True)
        return [folder / file.name for file in files]

    def content(self, path: Path) -> tuple[set[bytes], list[str]]:
        """As `Ground.content`."""
        with closing(sqlite3.connect(path)) as other:
            rows = other.execute("SELECT record_id FROM record").fetchall()
            entries = other.execute("SELECT entry FROM ledger ORDER BY seq").fetchall()
        return {row[0] for row in rows}, [row[0] for row in entries]

    async def commanded(self, path: Path, settings: Settings, asks: Callable[[], None]) -> Store:
        """As `Ground.commanded`."""
        store = SQLiteStore(path, HERE, consent_rules(settings))
        await store.open()
        store._db.set_trace_callback(lambda sql: asks() if sql == "BEGIN IMMEDIATE" else None)
        return store

    @asynccontextmanager
    async def troubled(self, store: Any, path: Path, table: str | None) -> AsyncIterator[None]:
        """As `Ground.troubled`."""
        store._db.execute("PRAGMA busy_timeout = 1")
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(f"ALTER TABLE {table} RENAME TO lost" if table else "BEGIN IMMEDIATE")
            yield
            other.execute(f"ALTER TABLE lost RENAME TO {table}" if table else "ROLLBACK")


class InDatabase:
    """PostgreSQL; traces are looked for in all rows that anybody can see. Its files are the server's business."""

    def store(self, path: Path, settings: Settings) -> Stepped:
        """As `Ground.store`."""
        return SteppedPostgres(path, settings)

    def seen(self, path: Path) -> Seen:
        """As `Ground.seen`."""
        sql = """SELECT (SELECT count(*) FROM ueip.record),
            (SELECT array_agg(entry::json->>'action' ORDER BY seq) FROM ueip.ledger)"""
        [(rows, acts)] = shared().ask(DATABASES.at(path), sql)
        return Seen(rows, acts or [])

    def found(self, path: Path, traces: Sequence[bytes]) -> list[bytes]:
        """As `Ground.found`."""
        tables = ("ledger", "router", "record", "tombstone", "lookup", "memory", "registry", "registry_change", "note")
        everything = " UNION ALL ".join(f"SELECT t::text FROM ueip.{table} t" for table in tables)
        raw = "\n".join(row[0] for row in shared().ask(DATABASES.at(path), everything)).encode()
        return [trace for trace in traces if trace in raw or trace.hex().encode() in raw]

    def content(self, path: Path) -> tuple[set[bytes], list[str]]:
        """As `Ground.content`."""
        rows = shared().ask(DATABASES.at(path), "SELECT record_id FROM ueip.record")
        entries = shared().ask(DATABASES.at(path), "SELECT entry FROM ueip.ledger ORDER BY seq")
        return {row[0] for row in rows}, [row[0] for row in entries]

    async def commanded(self, path: Path, settings: Settings, asks: Callable[[], None]) -> Store:
        """As `Ground.commanded`."""
        store = PostgresStore(DATABASES.settings(path, "germany_rights"), HERE, consent_rules(settings))
        await store.open()
        ask_at_begin(store, asks)
        return store

    @asynccontextmanager
    async def troubled(self, store: Any, path: Path, table: str | None) -> AsyncIterator[None]:
        """As `Ground.troubled`."""
        async with store._session.turn():
            await store._session.run("SET lock_timeout = '20ms'")
        other = await shared().connect(DATABASES.at(path))
        try:
            await other.execute(f"ALTER TABLE ueip.{table} RENAME TO lost" if table else BEGIN_ALONE)
            yield
            await other.execute(f"ALTER TABLE ueip.lost RENAME TO {table}" if table else "ROLLBACK")
        finally:
            await other.close()


IN_FILE: Final = InFile()
IN_DATABASE: Final = InDatabase()


def ground_of(name: Literal["file", "database", "clickhouse"]) -> Ground:
    """The ground of this name."""
    if name == "clickhouse":
        # Here, and not above: where there is no chdb, nothing of this is needed.
        from clickhouse_ground import IN_CLICKHOUSE  # noqa: PLC0415

        return IN_CLICKHOUSE
    return IN_FILE if name == "file" else IN_DATABASE
