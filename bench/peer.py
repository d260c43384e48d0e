"""A peer: what somebody would take instead of the collector, as a subject of the same load.

Rule 1: it is asked to keep what it is given, at QoS 1 and with a session that outlives it, as the collector is.
Rule 2: what counts is what is in its store in the end, read there, message by message.
"""

import asyncio
import os
import signal
import sqlite3
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Final, Self, TypeVar

from collecting import Flagged
from installation import cpu_of_family, peak_mebibytes
from postgres import Server

T = TypeVar("T")
_LOOK_SECONDS: Final = 0.05
_STOPPING_SECONDS: Final = 20
DATABASE: Final = "peer"
SCRIPTS: Final = Path(__file__).with_name("peers")


class Peer(ABC):
    """As `Subject`, and a context manager. Subclasses say what is run, and where it stores."""

    name: ClassVar[str]
    does: ClassVar[str]
    """What it does of the collector's work, and when it acknowledges."""
    filters: ClassVar[bool] = True
    """Whether it looks at the flag; else everything is kept."""
    holds_back: ClassVar[int] = 0
    """So many messages may wait in it for company for as long as it runs."""

    def __init__(self, folder: Path, broker_port: int, routers: int) -> None:
        self.folder = folder
        self.broker_port = broker_port
        self.latencies: list[float] = []
        self.last = 0.0
        self.peak = 0.0
        """The most memory it had, of all its lives, in MiB."""
        self._rows = 0
        self._looked = 0.0
        self._flagged = Flagged(routers)
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod  # noqa: B027 - some need nothing
    def ensure(cls) -> None:
        """See that all is there that is run.

        Raises:
            NotToBeHad: something is not, and cannot be installed.
        """

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What is run."""

    @abstractmethod
    def prepare(self) -> None:
        """Make the store."""

    @abstractmethod
    def rows(self) -> int:
        """How many messages have come as far as its store."""

    @abstractmethod
    def message_ids(self) -> list[str]:
        """The ids of all messages that are stored."""

    # Its life

    def start(self) -> None:
        """Start it, anew after a `kill`."""
        with (self.folder / "peer.log").open("ab") as log:
            self._process = subprocess.Popen(self.command(), stdout=log, stderr=log, start_new_session=True)

    def kill(self) -> None:
        """End all its processes as the kernel does when memory is short, without a word."""
        self._count_up()
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """Stop it in an orderly way, so that it stores what it has."""
        if self._process is None or self._process.poll() is not None:
            return
        self._count_up()
        self.ask_to_stop(self._process.pid)
        try:
            self._process.wait(_STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def ask_to_stop(self, pid: int) -> None:
        """Ask the first of its processes, or whoever passes it on."""
        os.kill(pid, signal.SIGTERM)

    def last_words(self) -> str:
        """The end of what it wrote."""
        return "\n".join((self.folder / "peer.log").read_text(errors="replace").splitlines()[-5:])

    def _count_up(self) -> None:
        assert self._process is not None
        self.peak = max(self.peak, peak_mebibytes(self._process.pid))

    # Subject

    def probe(self) -> None:  # noqa: B027 - whole as it is
        """As `Subject.probe`; nothing is timed here."""

    def look(self, *, closely: bool = False) -> None:
        """As `Subject.look`."""
        now = time.perf_counter()
        if closely or now - self._looked >= _LOOK_SECONDS:
            self._looked, rows = now, self.rows()
            if rows != self._rows:
                self._rows, self.last = rows, time.perf_counter()

    def settled(self) -> int:
        """As `Subject.settled`."""
        return self._rows

    def guess(self) -> int:
        """As `Subject.guess`."""
        return int(self._rows / 0.95) if self.filters else self._rows

    def is_settled(self, published: int) -> bool:
        """As `Subject.is_settled`."""
        wanted = self._flagged.upto(published) if self.filters else published
        return self._rows >= wanted - self.holds_back

    def cpu(self) -> dict[str, float]:
        """As `Subject.cpu`."""
        assert self._process is not None
        return {"peer": cpu_of_family(self._process.pid)}

    def __enter__(self) -> Self:
        self.prepare()
        self.start()
        return self

    def has_died(self) -> bool:
        """Whether it has ended of its own accord."""
        return self._process is None or self._process.poll() is not None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class SQLitePeer(Peer):
    """One that stores in a SQLite file: WAL, `synchronous = FULL`, and a key, so that a message is there once."""

    @property
    def file(self) -> Path:
        """Its file."""
        return self.folder / "peer.sqlite"

    def prepare(self) -> None:
        """As `Peer.prepare`."""
        with closing(sqlite3.connect(self.file)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "CREATE TABLE record (id INTEGER PRIMARY KEY, message_id TEXT UNIQUE, topic TEXT, body TEXT)"
            )
        self._reading = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, isolation_level=None)

    def rows(self) -> int:
        """As `Peer.rows`."""
        return int(self._reading.execute("SELECT max(id) FROM record").fetchone()[0] or 0)

    def message_ids(self) -> list[str]:
        """As `Peer.message_ids`."""
        return [row[0] for row in self._reading.execute("SELECT message_id FROM record")]


class PostgresPeer(Peer):
    """One that stores in a PostgreSQL database, whole payloads; ids are found in them afterwards."""

    table: ClassVar[str] = "CREATE TABLE raw (id bigserial, message text)"
    message: ClassVar[str] = "message"
    """The column that holds the payload."""
    counting: ClassVar[str] = "SELECT last_value FROM raw_id_seq WHERE is_called"
    """How many have come. What is not committed yet counts: nobody else could say how far a long COPY is."""

    def __init__(self, folder: Path, broker_port: int, routers: int) -> None:
        super().__init__(folder, broker_port, routers)
        self.server = Server(folder)
        self._loop = asyncio.new_event_loop()

    def prepare(self) -> None:
        """As `Peer.prepare`."""
        self.server.__enter__()
        first = self._do(self.server.connect())
        self._do(first.execute(f"CREATE DATABASE {DATABASE}"))
        self._do(first.close())
        self._reading = self._do(self.server.connect(DATABASE))
        self._do(self._reading.execute(self.table))

    def rows(self) -> int:
        """As `Peer.rows`."""
        return int(self._do(self._reading.fetchval(self.counting)) or 0)

    def message_ids(self) -> list[str]:
        """As `Peer.message_ids`."""
        rows = self._do(self._reading.fetch(f"SELECT {self.message}::json ->> 'message_id' FROM raw"))
        return [row[0] for row in rows]

    def cpu(self) -> dict[str, float]:
        """As `Subject.cpu`."""
        return {**super().cpu(), "database": cpu_of_family(self.server.pid)}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._do(self._reading.close())
        self.server.__exit__(kind, error, trace)
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)
