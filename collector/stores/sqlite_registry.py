"""A region's registry in its SQLite store: which routers the deployment has, and in which country. Pseudonymous (F5).

It has connections of its own: a read must not wait for a commit, and the command that changes it is another process.
"""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import quote

from collector.listing import Group
from collector.model import Identity, Region
from collector.registry import Entry
from collector.stores.listed import MOST_CHANGES, changes_of, new_version
from collector.stores.places import Changes
from collector.stores.sqlite_faults import not_opened, refused
from collector.stores.sqlite_schema import check_taking, connect

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

    def page(self, after: bytes, most: int) -> Sequence[Group]:
        """As `RegistryStore.page`."""
        rows = self._read(lambda db: db.execute(_PAGE, (after, most)).fetchall())
        return [(key, bytes.fromhex(packed)) for key, packed in rows]

    def changes(self, since: int) -> Changes | None:
        """As `RegistryStore.changes`."""
        return self._read(lambda db: _changes(db, since))

    def of(self, refs: Sequence[bytes]) -> Entry | None:
        """The entry of a router known by any of these pseudonyms."""
        return self._read(lambda db: next((found for ref in refs if (found := _entry(db, ref))), None))

    def put(self, routers: Iterable[tuple[Identity, Entry]]) -> int:
        """Enter these routers, replacing their earlier entries; returns how many were new or have changed."""

        def put(connection: sqlite3.Connection) -> tuple[int, list[bytes]]:
            removed, entered = list[bytes](), list[bytes]()
            for identity, entry in routers:
                removed += _remove(connection, identity.older)
                row = (identity.device_ref, identity.key_id, entry.country, entry.generation)
                if connection.execute(_PUT, row).rowcount:
                    entered.append(identity.device_ref)
            return len(entered), [*removed, *entered]

        return self._write(put)

    def remove(self, refs: Sequence[bytes]) -> bool:
        """Remove a router known by any of these pseudonyms; returns whether it was there."""

        def remove(connection: sqlite3.Connection) -> tuple[int, list[bytes]]:
            removed = _remove(connection, refs)
            return len(removed), removed

        return self._write(remove) > 0

    def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read the file without checking it: this happens once a second, and whoever opens the store checks it."""
        return self._with(lambda: sqlite3.connect(f"file:{quote(str(self._path))}?mode=ro", uri=True), work)

    def _with(self, opened: Callable[[], sqlite3.Connection], work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with closing(opened()) as connection:
                return work(connection)
        except sqlite3.Error as error:
            raise refused(error, self._path, self._region) from error

    def _write(self, work: Callable[[sqlite3.Connection], tuple[int, list[bytes]]]) -> int:
        """Do *work* in one transaction; it returns a number, and whom it changed. A change makes a new version."""

        def whole(connection: sqlite3.Connection) -> int:
            connection.execute("BEGIN IMMEDIATE")
            try:
                check_taking(connection, str(self._path))
                number, changed = work(connection)
                if changed:
                    _log(connection, changed)
                connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
                raise
            return number

        return self._with(lambda: connect(self._path, self._region, self._key_ids, witness=self._witness), whole)


def _version(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = 'registry'").fetchone()
    return int(row[0]) if row else 0


def _changes(connection: sqlite3.Connection, since: int) -> Changes | None:
    noted = _version(connection)  # read first: what is changed meanwhile has a newer version
    if noted == since:
        return Changes(noted, {})
    return changes_of(since, noted, connection.execute(_CHANGES, (since,)).fetchall())


def _entry(connection: sqlite3.Connection, ref: bytes) -> Entry | None:
    row = connection.execute("SELECT country, generation FROM registry WHERE device_ref = ?", (ref,)).fetchone()
    return Entry(*row) if row else None


def _remove(connection: sqlite3.Connection, refs: Sequence[bytes]) -> list[bytes]:
    return [ref for ref in refs if connection.execute("DELETE FROM registry WHERE device_ref = ?", (ref,)).rowcount]


def _log(connection: sqlite3.Connection, changed: Sequence[bytes]) -> None:
    """Make a new version and log whom it changed. A log that does not go up to the version before begins anew."""
    before, now = _version(connection), new_version()
    connection.execute(_CUT_OFF, (before,))
    connection.execute(_BEGIN_LOG, (before,))
    connection.execute(_NOTE_VERSION, (str(now),))
    connection.executemany(_LOG, ((now, ref) for ref in changed[-MOST_CHANGES:]))
    connection.execute(_FORGET, (MOST_CHANGES,))


_PAGE: Final = """
    SELECT substr(device_ref, 1, 2), group_concat(
        hex(substr(device_ref, 3)) || iif(length(hex(country)) = 4, hex(country), '3F3F'), '')
    FROM (SELECT device_ref, country FROM registry WHERE device_ref > ? AND length(device_ref) = 16
        ORDER BY device_ref LIMIT ?)
    GROUP BY 1 ORDER BY 1"""
"""Put together by SQLite: a row for each router would take Python's lock for each. What is no country is "??"."""
_PUT: Final = """
    INSERT INTO registry VALUES (?, ?, ?, ?) ON CONFLICT (device_ref) DO UPDATE
    SET key_id = excluded.key_id, country = excluded.country, generation = excluded.generation
    WHERE country <> excluded.country OR generation <> excluded.generation"""
_CHANGES: Final = """
    SELECT c.version, c.device_ref, r.country FROM registry_change c LEFT JOIN registry r USING (device_ref)
    WHERE c.number >= (SELECT max(number) FROM registry_change WHERE version = ?)"""
_CUT_OFF: Final = """
    DELETE FROM registry_change WHERE (SELECT version FROM registry_change ORDER BY number DESC LIMIT 1) <> ?"""
_BEGIN_LOG: Final = """
    INSERT INTO registry_change (version) SELECT ? WHERE NOT EXISTS (SELECT 1 FROM registry_change)"""
_NOTE_VERSION: Final = """
    INSERT INTO meta VALUES ('registry', ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"""
_LOG: Final = "INSERT INTO registry_change (version, device_ref) VALUES (?, ?)"
_FORGET: Final = """
    DELETE FROM registry_change WHERE number <= (SELECT max(number) FROM registry_change) - ?"""
