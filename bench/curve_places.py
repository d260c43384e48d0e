"""The stores that a curve is measured on: one region's, in a folder of its own, with routers that have joined."""

import asyncio
import gc
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, Self, TypeVar

from corpus import Corpus
from counters import Instructions
from crowd import REGION, Crowd
from filled import fill_file, fill_months
from installation import cpu_of_family
from postgres import Server

from collector.model import Record
from collector.rules import consent_rules
from collector.stores.postgres import PostgresStore
from collector.stores.sqlite import SQLiteStore

T = TypeVar("T")
_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a curve; microseconds a message."""

    store: str
    routers: int
    records: int
    process: float
    commit_cpu: float
    database: float
    """CPU of the server, where there is one."""
    log: int
    """Bytes that the server wrote to its log, where there is one; no other work on the machine changes it."""
    commit_wall: float
    worst_commit_ms: float
    mib: int
    process_instructions: int | None
    commit_instructions: int | None
    """Of this thread, the kernel's share for it included; None where nobody counts them."""

    @property
    def cpu(self) -> float:
        """Of the collector's part."""
        return self.process + self.commit_cpu


class Engine(Protocol):
    """A store, as far as a curve needs it; used on one thread."""

    name: str

    def commit(self, records: list[Record]) -> object:
        """Commit a batch."""
        ...

    def count(self) -> int:
        """How many records there are."""
        ...

    def fill(self, upto: int, months: int) -> None:
        """Add records in bulk until there are so many, of this month and so many before it where months lie apart."""
        ...

    def server_cpu(self) -> float:
        """CPU seconds of its server so far."""
        ...

    def log_bytes(self) -> int:
        """What its server has written to its log so far."""
        ...

    def checkpoint(self) -> None:
        """Have its server make a checkpoint: each page is written whole to the log when it is first changed after."""
        ...

    def mebibytes(self) -> int:
        """On the disk."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class SQLiteEngine:
    """A file; its work is done on the thread that asks, whose time is measured."""

    name = "SQLite"

    def __init__(self, corpus: Corpus) -> None:
        self._path = corpus.folder / "curve.sqlite"
        self._make: Callable[[], SQLiteStore] = lambda: SQLiteStore(self._path, REGION, consent_rules(corpus.settings))
        self._open()

    def _open(self) -> None:
        self._store = self._make()
        self._store._open()  # noqa: SLF001

    def commit(self, records: list[Record]) -> object:
        """As `Engine.commit`."""
        return self._store._commit(records)  # noqa: SLF001

    def count(self) -> int:
        """As `Engine.count`."""
        return int(self._store._all("SELECT max(id) FROM record")[0][0])  # noqa: SLF001

    def fill(self, upto: int, months: int) -> None:  # noqa: ARG002
        """As `Engine.fill`."""
        self.close()
        fill_file(self._path, upto)
        self._open()

    def server_cpu(self) -> float:
        """As `Engine.server_cpu`."""
        return 0.0

    def log_bytes(self) -> int:
        """As `Engine.log_bytes`."""
        return 0

    def checkpoint(self) -> None:
        """As `Engine.checkpoint`."""

    def mebibytes(self) -> int:
        """As `Engine.mebibytes`."""
        return self._path.stat().st_size >> 20

    def close(self) -> None:
        """As `Engine.close`."""
        self._store._close()  # noqa: SLF001


class PostgresEngine:
    """A database of a server of its own, and a loop that runs as long as a commit takes."""

    name = "PostgreSQL"

    def __init__(self, corpus: Corpus) -> None:
        self._stack = ExitStack()
        self._server = self._stack.enter_context(Server(corpus.folder))
        self._server.make_stores()
        self._loop = asyncio.new_event_loop()
        self._settings = self._server.settings(REGION)
        self._store = PostgresStore(self._settings, REGION, consent_rules(corpus.settings))
        self._do(self._store.open())
        self._reading = self._do(self._server.connect(self._settings.database))

    def commit(self, records: list[Record]) -> object:
        """As `Engine.commit`."""
        return self._do(self._store.commit(records))

    def count(self) -> int:
        """As `Engine.count`."""
        return int(self._do(self._reading.fetchval("SELECT count(*) FROM ueip.record")))

    def fill(self, upto: int, months: int) -> None:
        """As `Engine.fill`."""
        self._do(fill_months(self._reading, upto, months))

    def server_cpu(self) -> float:
        """As `Engine.server_cpu`."""
        return cpu_of_family(self._server.pid)

    def log_bytes(self) -> int:
        """As `Engine.log_bytes`."""
        return int(self._do(self._reading.fetchval("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")))

    def checkpoint(self) -> None:
        """As `Engine.checkpoint`."""
        self._do(self._reading.execute("CHECKPOINT"))

    def mebibytes(self) -> int:
        """As `Engine.mebibytes`."""
        return int(self._do(self._reading.fetchval("SELECT pg_database_size(current_database())"))) >> 20

    def close(self) -> None:
        """As `Engine.close`."""
        self._do(self._reading.close())
        self._do(self._store.close())
        self._loop.close()
        self._stack.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)


ENGINES: Final[dict[str, Callable[[Corpus], Engine]]] = {"sqlite": SQLiteEngine, "postgresql": PostgresEngine}


class Place:
    """A store with *routers* that have joined; a context manager."""

    def __init__(self, folder: Path, routers: int, store: str) -> None:
        folder.mkdir()
        corpus = Corpus(folder, 1)
        self.crowd = Crowd(corpus.rules, routers)
        self._instructions = Instructions()
        self.engine = ENGINES[store](corpus)
        self._commit(self.crowd.records(self.crowd.first_messages()))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.close()

    def measure(self, messages: int, *, checkpoint: bool = False) -> Point:
        """What so many messages cost here, after a *checkpoint* of the server or as it comes."""
        crowd, engine = self.crowd, self.engine
        # What comes first fills caches, and makes the first splits of the pages that were filled in.
        self._commit(crowd.records(crowd.messages(messages)))
        records, batch = engine.count(), crowd.messages(messages)
        if checkpoint:
            engine.checkpoint()
        gc.collect()
        began, first = time.process_time(), self._instructions.now()
        found = crowd.records(batch)
        process, server, second = time.process_time() - began, engine.server_cpu(), self._instructions.now()
        log = engine.log_bytes()
        cpu, wall, worst = self._commit(found)
        third, log = self._instructions.now(), engine.log_bytes() - log
        server = engine.server_cpu() - server
        return Point(
            store=engine.name,
            routers=crowd.size,
            records=records,
            process=_each(process, messages),
            commit_cpu=_each(cpu, messages),
            database=_each(server, messages),
            log=round(log / messages),
            commit_wall=_each(wall, messages),
            worst_commit_ms=round(1000 * worst, 1),
            mib=engine.mebibytes(),
            process_instructions=_counted(first, second, messages),
            commit_instructions=_counted(second, third, messages),
        )

    def _commit(self, records: Sequence[Record]) -> tuple[float, float, float]:
        """CPU seconds of this process, seconds, and the longest commit's seconds."""
        cpu, wall, worst = time.process_time(), time.perf_counter(), 0.0
        for start in range(0, len(records), _BATCH):
            began = time.perf_counter()
            self.engine.commit(list(records[start : start + _BATCH]))
            worst = max(worst, time.perf_counter() - began)
        return time.process_time() - cpu, time.perf_counter() - wall, worst


def _each(seconds: float, messages: int) -> float:
    """Microseconds a message."""
    return round(1e6 * seconds / messages, 2)


def _counted(since: int | None, until: int | None, messages: int) -> int | None:
    return None if since is None or until is None else round((until - since) / messages)
