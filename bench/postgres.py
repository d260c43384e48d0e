"""A PostgreSQL server of the benchmark's own: on a free port, in a folder that goes with it, durable as in real use.

Rule 1: what makes a commit durable is as the server comes: `fsync`, `full_page_writes` and `synchronous_commit` are on.
Rule 2: only loopback, and no password: it holds nothing but made-up routers, for a minute.
"""

import asyncio
import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import asyncpg

from collector.broker import free_port
from collector.config_postgres import PostgresSettings
from collector.model import Region
from collector.stores.postgres_roles import role
from collector.stores.postgres_setup import prepare

ADMIN: Final = "postgres"
SETTINGS: Final = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "off",
    "log_min_messages": "fatal",
    "max_connections": "100",
}
"""What differs from the server as it comes: what any server of this load is given. The rest is the default."""
_OLDEST: Final = 15


def binaries() -> Path | None:
    """Where the server's programs are, of version 15 or newer; None if nowhere."""
    beside = shutil.which("initdb")
    found = [Path(beside).parent] if beside else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    there = [folder for folder in found if (folder / "initdb").exists()]
    return next((folder for folder in there if int(_version(folder).partition(".")[0]) >= _OLDEST), None)


def version() -> str:
    """The server's version, for the head of a report."""
    folder = binaries()
    return "not installed" if folder is None else _version(folder)


def _version(folder: Path) -> str:
    said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]


class Server:
    """One server; a context manager."""

    def __init__(self, folder: Path) -> None:
        found = binaries()
        if found is None:
            sys.exit("PostgreSQL 15 or newer is not installed. On Debian: apt-get install postgresql")
        self.port = free_port()
        self._bin = found
        self._user = _not_root()
        self._data = folder / "postgresql"
        self._data.mkdir(mode=0o700)
        if self._user:
            for parent in (folder, *folder.parents):
                if not parent.stat().st_mode & 0o001:
                    parent.chmod(parent.stat().st_mode | 0o001)
            shutil.chown(self._data, self._user)
        self._run("initdb", "-D", str(self._data), "-U", ADMIN, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
        own = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self._data, **SETTINGS}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in own.items())

    def __enter__(self) -> Self:
        self._run("pg_ctl", "-D", str(self._data), "-l", str(self._data / "log"), "-w", "-t", "60", "start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "-D", str(self._data), "-m", "immediate", "-w", "-t", "60", "stop")

    @property
    def pid(self) -> int:
        """The postmaster; its children are the rest."""
        return int((self._data / "postmaster.pid").read_text().split()[0])

    def settings(self, region: Region) -> PostgresSettings:
        """The settings that name a region's database."""
        return PostgresSettings.model_validate(self._named(region))

    def make_stores(self) -> None:
        """Make a database for each region, with the roles of the product."""
        asyncio.run(self._make_stores())

    def changes(self, spools: Path) -> dict[str, dict[str, Any]]:
        """What has to be said in a configuration, so that all regions are stored here."""
        regions = {
            region.value: {"store": None, "spool": str(spools / region), "postgresql": self._named(region)}
            for region in Region
        }
        return {"regions": regions}

    async def connect(self, database: str = "postgres") -> "asyncpg.Connection[asyncpg.Record]":
        """The administrator's own connection."""
        return await asyncpg.connect(host="127.0.0.1", port=self.port, user=ADMIN, database=database, ssl="disable")

    def _named(self, region: Region) -> dict[str, Any]:
        return {"port": self.port, "database": f"ueip_{region}", "user": f"ueip_{region}_collector"}

    async def _make_stores(self) -> None:
        connection = await self.connect()
        for region in Region:
            named = self._named(region)
            await connection.execute(f"CREATE DATABASE {named['database']}")
            await prepare(self.settings(region), region, ADMIN)
            await connection.execute(f"CREATE ROLE {named['user']} LOGIN IN ROLE {role(region, 'writer')}")
        await connection.close()

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._bin / program), *words]
        if self._user:
            command = ["setpriv", f"--reuid={self._user}", f"--regid={self._user}", "--clear-groups", *command]
        environment = {**os.environ, "LC_ALL": "C", "HOME": str(self._data)}
        done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{program} failed: {done.stderr}{done.stdout}")


def _not_root() -> str | None:
    """Who runs the server: it refuses to be root's."""
    if os.getuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)
