"""A region's registry in its SQLite store: which routers the deployment has, and in which country. Pseudonymous (F5).

It has connections of its own: a read must not wait for a commit, and the command that changes it is another process.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

from collector.model import Identity, Region
from collector.registry import Entry
from collector.stores.sqlite_faults import not_opened, refused
from collector.stores.sqlite_rows import check_staying_here
from collector.stores.sqlite_schema import connect

T = TypeVar("T")


class SQLiteRegistry:
    """Reads and writes the registry of one region.

    Every method raises StoreUnavailable when the store cannot be reached or used.
    """

    def __init__(self, path: Path, region: Region, key_ids: Collection[str] = (), witness: Path | None = None) -> None:
        """*witness* is as for `StoreFile`."""
        self._path = path
        self._region = region
        self._key_ids = key_ids
        self._witness = witness

    @property
    def exists(self) -> bool:
        """Whether there is a store at all; without one, nobody is listed."""
        try:
            return self._path.exists()
        except OSError as error:
            raise not_opened(error, self._path) from error

    def version(self) -> int:
        """A number that is different after every change."""
        return self._read(_version)

    def entries(self) -> tuple[int, dict[bytes, Entry]]:
        """The version, and all routers of that version by pseudonym."""
        return self._read(lambda db: (_version(db), _entries(db)))

    def of(self, refs: Sequence[bytes]) -> Entry | None:
        """The entry of a router known by any of these pseudonyms."""
        return self._read(lambda db: next((found for ref in refs if (found := _entry(db, ref))), None))

    def put(self, routers: Iterable[tuple[Identity, Entry]]) -> int:
        """Enter these routers, replacing their earlier entries; returns how many were new or have changed."""
        return self._write(lambda db: sum(_put(db, identity, entry) for identity, entry in routers))

    def remove(self, refs: Sequence[bytes]) -> bool:
        """Remove a router known by any of these pseudonyms; returns whether it was there."""
        return self._write(lambda db: _remove(db, refs)) > 0

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read the file without checking it: this happens once a second, and whoever opens the store checks it."""
        return self._with(lambda: sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True), work)

    def _with(self, opened: Callable[[], sqlite3.Connection], work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with closing(opened()) as connection:
                return work(connection)
        except sqlite3.Error as error:
            raise refused(error, self._path, self._region) from error

    def _write(self, work: Callable[[sqlite3.Connection], int]) -> int:
        """Do *work* in one transaction; returns how many rows it changed. A change makes a new version."""

        def whole(connection: sqlite3.Connection) -> int:
            connection.execute("BEGIN IMMEDIATE")
            try:
                check_staying_here(connection, str(self._path))
                changed = work(connection)
                if changed:
                    connection.execute(_NEXT_VERSION)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            return changed

        return self._with(lambda: connect(self._path, self._region, self._key_ids, witness=self._witness), whole)


def _version(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = 'registry'").fetchone()
    return int(row[0]) if row else 0


def _entries(connection: sqlite3.Connection) -> dict[bytes, Entry]:
    known: dict[tuple[str, int], Entry] = {}  # a fleet has few countries, so equal entries share one object
    rows = connection.execute("SELECT device_ref, country, generation FROM registry")
    return {ref: known.setdefault((country, number), Entry(country, number)) for ref, country, number in rows}


def _entry(connection: sqlite3.Connection, ref: bytes) -> Entry | None:
    row = connection.execute("SELECT country, generation FROM registry WHERE device_ref = ?", (ref,)).fetchone()
    return Entry(*row) if row else None


def _put(connection: sqlite3.Connection, identity: Identity, entry: Entry) -> int:
    _remove(connection, identity.older)
    row = (identity.device_ref, identity.key_id, entry.country, entry.generation)
    return connection.execute(_PUT, row).rowcount


def _remove(connection: sqlite3.Connection, refs: Sequence[bytes]) -> int:
    return sum(connection.execute("DELETE FROM registry WHERE device_ref = ?", (ref,)).rowcount for ref in refs)


_PUT: Final = """
    INSERT INTO registry VALUES (?, ?, ?, ?) ON CONFLICT (device_ref) DO UPDATE
    SET key_id = excluded.key_id, country = excluded.country, generation = excluded.generation
    WHERE country <> excluded.country OR generation <> excluded.generation"""
_NEXT_VERSION: Final = """
    INSERT INTO meta VALUES ('registry', '1')
    ON CONFLICT (name) DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT)"""
