"""A PostgreSQL server of the test run's own: the real one, on a free port, in a folder that goes with it.

Started by the first test that needs it. It does not sync (`fsync = off`): what is proven here are processes that die,
not machines that lose power.
"""

import asyncio
import atexit
import contextlib
import functools
import glob
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import pytest

from collector.broker import free_port
from collector.config_postgres import PostgresSettings
from collector.model import Region
from collector.stores.plan import ConsentRules
from collector.stores.postgres import PostgresStore
from collector.stores.postgres_roles import role
from collector.stores.postgres_setup import prepare

T = TypeVar("T")
PASSWORD: Final = "postgres-c4n4ry-secret"
ADMIN: Final = "postgres"
_TABLES: Final = ("note", "ledger", "router", "record", "tombstone", "lookup", "memory", "registry", "registry_change")


def binaries() -> Path | None:
    """Where the server's programs are, of version 15 or newer; None if nowhere."""
    beside = shutil.which("initdb")
    found = [Path(beside).resolve().parent] if beside else []
    found += [Path(path) for path in sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)]  # noqa: PTH207
    for folder in found:
        if (folder / "initdb").exists():
            said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
            if int(said.split()[2].partition(".")[0]) >= 15:
                return folder
    return None


class Server:
    """One server."""

    def __init__(self, folder: Path, bin_: Path, *, tls: tuple[Path, Path] | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self._bin = bin_
        self._asking: dict[str, asyncpg.Connection[asyncpg.Record]] = {}
        self._user = _as_nobody_special()
        folder.chmod(0o711)
        self.data.mkdir(mode=0o700)
        self.password_file = folder / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.password_file.chmod(0o600)
        if self._user:
            shutil.chown(self.data, self._user)
        self._run("initdb", "-D", str(self.data), "-U", ADMIN, "--no-sync", "-A", "trust", "-E", "UTF8", "--locale=C")
        self._configure(tls)

    def _configure(self, tls: tuple[Path, Path] | None) -> None:
        # Chosen as late as can be: `initdb` takes seconds, in which somebody else may take it.
        self.port = free_port()
        lines = [
            f"port = {self.port}", "listen_addresses = '127.0.0.1'", f"unix_socket_directories = '{self.data}'",
            "fsync = off", "full_page_writes = off", "max_connections = 400", "shared_buffers = 32MB",
            "log_min_messages = fatal", "autovacuum_naptime = 1d", "wal_recycle = off", "wal_keep_size = 0",
        ]  # fmt: skip
        if tls is not None:
            for name, given in zip(("server.crt", "server.key"), tls, strict=True):
                place = self.data / name
                shutil.copy(given, place)
                place.chmod(0o600)
                if self._user:
                    shutil.chown(place, self._user)
            lines.append("ssl = on")
        with (self.data / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
        # The administrator needs no password here; everybody else shows one.
        rules = [f"local all {ADMIN} trust", f"host all {ADMIN} 127.0.0.1/32 trust"]
        rules.append("hostssl all all 127.0.0.1/32 scram-sha-256" if tls else "host all all 127.0.0.1/32 scram-sha-256")
        (self.data / "pg_hba.conf").write_text("\n".join(rules) + "\n")

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._bin / program), *words]
        if self._user:
            command = ["setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups", *command]
        environment = {**os.environ, "LC_ALL": "C", "HOME": str(self.data)}
        done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr + done.stdout

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        log = self.data / "server.log"
        self._run("pg_ctl", "-D", str(self.data), "-l", str(log), "-w", "-t", "120", "-o", "-c fsync=off", "start")

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; `immediate` as a crash does."""
        self._run("pg_ctl", "-D", str(self.data), "-m", mode, "-w", "-t", "120", "stop")

    def dump(self, database: str, user: str) -> subprocess.CompletedProcess[bytes]:
        """What `pg_dump` makes of the rows of a database, as that user."""
        command = [
            str(self._bin / "pg_dump"),
            "--data-only",
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
            "-U",
            user,
            database,
        ]
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        return subprocess.run(command, cwd="/", env=environment, capture_output=True, check=False)

    def settings(self, database: str, user: str, **more: Any) -> PostgresSettings:
        """The settings that name a database of this server."""
        usual = {"port": self.port, "database": database, "user": user, "password_file": self.password_file}
        # A machine that is busy with other tests is no server that does not answer.
        usual["patience_seconds"] = 600
        return PostgresSettings.model_validate({**usual, **more})

    async def connect(self, database: str = "postgres") -> "asyncpg.Connection[asyncpg.Record]":
        """The administrator's own connection."""
        return await asyncpg.connect(
            host="127.0.0.1", port=self.port, user=ADMIN, database=database, ssl="disable", statement_cache_size=0
        )

    def ask(self, database: str, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements as the administrator, from any thread and inside any loop; the rows of the last."""

        async def asked() -> list[tuple[Any, ...]]:
            connection = self._asking.get(database)
            if connection is None or connection.is_closed():
                connection = self._asking[database] = await self.connect(database)
            try:
                for statement in statements[:-1]:
                    await connection.execute(statement)
                return [tuple(row) for row in await connection.fetch(statements[-1])]
            finally:
                with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    await connection.execute("RESET ALL")

        return asyncio.run_coroutine_threadsafe(asked(), _loop()).result()

    def make(self, database: str, region: Region = Region.GERMANY) -> None:
        """A database that is the store of a region, and who signs in to it: `<region>_writer` and so on."""
        self.ask("postgres", f'CREATE DATABASE "{database}"')
        settings = self.settings(database, ADMIN)
        elsewhere(prepare(settings, region, ADMIN))
        for name in ("writer", "reader", "rights"):
            login = f"{region}_{name}"
            self.ask(
                "postgres",
                f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{login}') THEN CREATE ROLE {login} "
                f"LOGIN PASSWORD '{PASSWORD}' IN ROLE {role(region, name)}; END IF; END $$",
                "SELECT 1",
            )


@functools.cache
def _loop() -> asyncio.AbstractEventLoop:
    """A loop in a thread of its own, for questions from inside other loops."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    return loop


def elsewhere(work: Coroutine[Any, Any, T]) -> T:
    """Do *work* on another thread's loop, and wait for it; so that it can be done while one runs here."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append((asyncio.run(work), None))
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            found.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    result, error = found[0]
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]


def _as_nobody_special() -> str | None:
    """Who runs the server: it refuses to be root's."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    pytest.skip("there is no user to run PostgreSQL as")


def new_server(**more: Any) -> Server:
    """A server that runs until the end of the test run."""
    found = binaries()
    if found is None:
        pytest.skip("PostgreSQL 15 or newer is not installed (apt-get install postgresql)")
    folder = Path(tempfile.mkdtemp(prefix="ueip-postgresql-"))
    server = Server(folder, found, **more)
    server.start()

    def end() -> None:
        with contextlib.suppress(AssertionError):  # a test has stopped it
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)

    atexit.register(end)
    return server


@functools.cache
def shared() -> Server:
    """The server that tests share."""
    return new_server()


class Databases:
    """Databases of the shared server, each the store of a region, used again once a test has let go of them."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._free: list[str] = []
        self._of: dict[Path, str] = {}

    def at(self, path: Path) -> str:
        """The database that stands for *path*; an empty one when it is asked for first."""
        if path not in self._of:
            self._of[path] = self._free.pop() if self._free else self._made()
        return self._of[path]

    def _made(self) -> str:
        name = f"germany_{next(self._numbers)}"
        shared().make(name)
        return name

    def in_folder(self, folder: Path) -> list[str]:
        """The databases that stand for paths in *folder*."""
        return [name for path, name in self._of.items() if path.is_relative_to(folder)]

    def let_go(self, folder: Path) -> None:
        """Whatever stands for paths in *folder* is not needed any more."""
        for path in [path for path in self._of if path.is_relative_to(folder)]:
            name = self._of.pop(path)
            wipe = [f"DELETE FROM ueip.{table}" for table in _TABLES]
            shared().ask(name, "SET session_replication_role = replica", *wipe, "SELECT 1")
            self._free.append(name)

    def settings(self, path: Path, user: str = "germany_writer", **more: Any) -> PostgresSettings:
        """The settings that name the database for *path*."""
        return shared().settings(self.at(path), user, **more)

    def store(self, path: Path, rules: ConsentRules, key_ids: Sequence[str] = ()) -> PostgresStore:
        """A store in the database for *path*, not opened yet."""
        return PostgresStore(self.settings(path), Region.GERMANY, rules, key_ids)


DATABASES: Final = Databases()
