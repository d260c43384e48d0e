"""The file of a spool: how it is made, opened and checked.

Rule 1: one process at a time: the file is locked for as long as it is open.
Rule 2: a file with a newer schema, of another region or of a key that is gone is refused: nothing is guessed.
Rule 3: whatever an earlier version sealed can be read: what `Record` and `ConsentEvent` gain has a safe default. Any
        other change of theirs makes a newer schema, or an older version would take what it reads for damage.
"""

import os
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector.durable import sync_folder
from collector.errors import Cause, SpoolUnavailable
from collector.model import Region
from collector.stores.sqlite_faults import not_opened

APPLICATION_ID: Final = 0x55455350  # "UESP", so that no other SQLite file is taken for a spool
SCHEMA_VERSION: Final = 1
RECORD, ACT = 0, 1
"""The kinds of entries."""
FILE: Final = "spool.sqlite"
_SCHEMA: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # The keys that entries here may be sealed under.
    "CREATE TABLE used_key (key_id TEXT PRIMARY KEY) WITHOUT ROWID",
    # What waits for the store: `sealed` is the entry, `tag` stands for its router, `at` is when it came here.
    """CREATE TABLE entry (
        id INTEGER PRIMARY KEY,
        kind INTEGER NOT NULL,
        tag BLOB NOT NULL,
        at INTEGER NOT NULL,
        sealed BLOB NOT NULL
    )""",
    "CREATE INDEX entry_by_router ON entry (tag)",
    f"CREATE INDEX entry_acts ON entry (id) WHERE kind = {ACT}",
)


def connect(path: Path, region: Region, key_ids: Collection[str]) -> sqlite3.Connection:
    """A connection to the spool at *path*, made with mode 0600 if absent, for this process alone.

    Raises:
        SpoolUnavailable: it cannot be opened now, or never: it is another region's, of a newer collector, or holds
            entries of a key that is gone.
        sqlite3.DatabaseError: it is damaged.
    """
    _create(path)
    # One thread uses it, but another may close it after a failure.
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    # Damage may turn a text into any bytes; that shows when it is decoded.
    connection.text_factory = bytes
    try:
        _configure(connection)
        _prepare(connection, path, region)
        _check_keys(connection, path, key_ids)
    except UnicodeDecodeError:  # from SQLite's own message, which quotes what it found
        connection.close()
        raise sqlite3.DatabaseError("a text is not what was written") from None
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    """Make the folder and an empty file in it, both durable: what is acknowledged must not vanish with a directory."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            for folder in (path.parent, path.parent.parent):
                sync_folder(folder)
    except OSError as error:
        raise SpoolUnavailable(f"{path}: cannot be opened: {error.strerror}", not_opened(error, path).cause) from error


def _configure(connection: sqlite3.Connection) -> None:
    """Make commits durable, keep other processes out, and have what is deleted overwritten."""
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    connection.execute("PRAGMA cache_size = -4096")


def _prepare(connection: sqlite3.Connection, path: Path, region: Region) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        _check_kind(connection, path, version)
        if version == 0:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("INSERT INTO meta VALUES ('region', ?)", (region.value,))
        _check_tables(connection)
        _check_region(connection, path, region)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _check_kind(connection: sqlite3.Connection, path: Path, version: int) -> None:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    empty = not connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application != APPLICATION_ID and not (empty and application == 0):
        raise SpoolUnavailable(
            f"{path}: found another program's database, expected a spool. Choose another folder.", Cause.WRONG_STORE
        )
    if version > SCHEMA_VERSION:
        raise SpoolUnavailable(
            f"{path}: found schema version {version}, expected at most {SCHEMA_VERSION}. A newer collector made it; "
            f"run that one until the spool is empty.",
            Cause.NEWER_SCHEMA,
        )


def _check_tables(connection: sqlite3.Connection) -> None:
    """Damage may change the definitions of tables too: without the row number in one, no row could be removed."""
    found = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
    if {row[0] for row in found} != {statement.encode() for statement in _SCHEMA}:
        raise sqlite3.DatabaseError("its tables are not as they were made")


def _check_region(connection: sqlite3.Connection, path: Path, region: Region) -> None:
    row = connection.execute("SELECT value FROM meta WHERE name = 'region'").fetchone()
    found = _text(row[0] if row else None)
    if found != region:
        raise SpoolUnavailable(
            f"{path}: found the spool of region {found}, expected {region}. Records never move between regions; give "
            f"each region its own folder.",
            Cause.WRONG_STORE,
        )


def _check_keys(connection: sqlite3.Connection, path: Path, key_ids: Collection[str]) -> None:
    waiting = connection.execute("SELECT EXISTS (SELECT 1 FROM entry)").fetchone()[0]
    used = {_text(row[0]) for row in connection.execute("SELECT key_id FROM used_key")}
    if waiting and (lost := sorted(used.difference(key_ids))):
        raise SpoolUnavailable(
            f"{path}: holds records sealed under key {', '.join(lost)}, which is not among the region's key_files. "
            f"Put that key back, after the current one, until the spool is empty.",
            Cause.LOST_KEY,
        )


def _text(found: object) -> str:
    """A text read from the file.

    Raises:
        sqlite3.DatabaseError, UnicodeDecodeError: damage has made something else of it.
    """
    if not isinstance(found, bytes):
        raise sqlite3.DatabaseError("a text is missing")
    return found.decode()
