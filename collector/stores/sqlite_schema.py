"""How a SQLite store is opened: made, brought up to the newest schema, and checked.

Rule 1: a store with a newer schema is refused: nothing is guessed.
"""

import os
import sqlite3
from collections.abc import Collection
from contextlib import closing, suppress
from pathlib import Path
from typing import Final
from urllib.parse import quote

from collector.errors import Cause, StoreUnusable
from collector.model import Region
from collector.stores.known import check_known, referred_to
from collector.stores.missing import check_there
from collector.stores.rows import ERASED, Damaged
from collector.stores.sqlite_faults import cause_of, not_opened, refused, told
from collector.stores.sqlite_migrations import MIGRATIONS
from collector.stores.sqlite_rows import check_staying_here

_BUSY_SECONDS: Final = 5
OVERWRITING: Final = "PRAGMA secure_delete = ON"
IN_MEMORY: Final = "PRAGMA temp_store = MEMORY"
"""Where a statement keeps what it may have to undo and what it sorts."""
IN_FILES: Final = "PRAGMA temp_store = FILE"
APPLICATION_ID: Final = 0x55454950  # "UEIP", so that no other SQLite file is taken for a store
SCHEMA_VERSION: Final = len(MIGRATIONS)
_NOT_REWRITTEN: Final = """
    UPDATE meta SET value = rtrim(value, '0123456789') || (SELECT schema_version FROM pragma_schema_version)
    WHERE name = ? AND value LIKE ?"""
"""A migration raises SQLite's schema version, as a VACUUM does; it must not be taken for one (`Remains`)."""


def prepare(connection: sqlite3.Connection, region: Region, path: str) -> None:
    """Create or migrate the store behind *connection*.

    Raises:
        StoreUnusable: the file is not a store, is another region's, or has a newer schema.
    """
    if _is_ready(connection, region):
        return
    connection.execute(OVERWRITING)  # so that a migration that rebuilds a table leaves no copy of its rows
    connection.execute("BEGIN IMMEDIATE")
    try:
        count = connection.execute("PRAGMA schema_version").fetchone()[0]
        if not check_kind(connection, path):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        version = check_schema(connection, path)
        for number, script in enumerate(MIGRATIONS[version:], start=version + 1):
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(_NOT_REWRITTEN, (ERASED, f"% {count}"))
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('region', ?)", (region.value,))
        check_region(connection, region, path)
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise


def _is_ready(connection: sqlite3.Connection, region: Region) -> bool:
    """Whether there is nothing to prepare; checked first, so that a reader need not wait for a writer."""
    if connection.execute("PRAGMA user_version").fetchone()[0] != SCHEMA_VERSION:
        return False
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        return False
    return bool(
        connection.execute("SELECT 1 FROM meta WHERE name = 'region' AND value = ?", (region.value,)).fetchone()
    )


def _statements(script: str) -> list[str]:
    """The statements of a script, one by one: `executescript` would commit the transaction around a migration."""
    found, rest = [], ""
    for line in script.splitlines():
        rest += line + "\n"
        if sqlite3.complete_statement(rest):
            found.append(rest)
            rest = ""
    return found


def check_kind(connection: sqlite3.Connection, path: str) -> bool:
    """Whether there is a store already; False for an empty file.

    Raises:
        StoreUnusable: it is something else.
    """
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if application == 0 and tables == 0:
        return False
    if application != APPLICATION_ID:
        raise StoreUnusable(f"{path}: found another program's SQLite database, expected a store. Choose another path.")
    return True


def check_schema(connection: sqlite3.Connection, path: str) -> int:
    """The schema version. It is checked in an open store too, as a newer collector may migrate the store meanwhile.

    Raises:
        StoreUnusable: it is newer than this collector.
    """
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise StoreUnusable(
            f"{path}: found schema version {version}, expected at most {SCHEMA_VERSION}. "
            f"A newer collector made it; run that one, or use another store.",
            Cause.NEWER_SCHEMA,
        )
    return version


def check_taking(connection: sqlite3.Connection, place: str) -> None:
    """Refuse a store that nothing may be written to: of a newer schema, or moving; in the transaction that is to write.

    Raises:
        StoreUnusable: says which.
    """
    check_schema(connection, place)
    check_staying_here(connection, place)


def check_region(connection: sqlite3.Connection, region: Region, path: str) -> None:
    """Refuse the store of another region.

    Raises:
        StoreUnusable: it names both.
    """
    found = connection.execute("SELECT value FROM meta WHERE name = 'region'").fetchone()[0]
    if found != region:
        raise StoreUnusable(
            f"{path}: found the store of region {found}, expected {region}. Records never move between regions; "
            f"give each region its own store."
        )


def configure(connection: sqlite3.Connection) -> None:
    """Make commits durable and the store readable during them, and have what is deleted overwritten."""
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(OVERWRITING)
    connection.execute("PRAGMA cache_size = -8192")
    # Records stay in the store: nothing of them goes through the system's temporary folder.
    connection.execute(IN_MEMORY)
    # A log four times as long as usual: pages that change with every commit are copied to the file a quarter as often.
    connection.execute("PRAGMA wal_autocheckpoint = 4000")


def connect(
    path: Path, region: Region, key_ids: Collection[str], versions: Collection[str] = (), witness: Path | None = None
) -> sqlite3.Connection:
    """A connection to the store at *path*, made with mode 0600 if absent, prepared and checked.

    It is not made if *witness* tells that there was one.

    Raises:
        StoreUnavailable: it cannot be opened now.
        StoreUnusable: it is not a store of this region, these keys and these versions of the notice, or is damaged.
    """
    check_there(path, witness)
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # An existing file is not opened here: closing any descriptor of it would drop this process's own locks on it
        # (POSIX), and the next reader to close would take the log away from under us.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except OSError as error:
        raise not_opened(error, path) from error
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        prepare(connection, region, str(path))
        configure(connection)
        check_known(connection.execute(referred_to("router")).fetchall(), key_ids, versions, str(path))
    except BaseException as error:
        connection.close()
        _tell_if_damaged(error, path)
        raise
    return connection


def _tell_if_damaged(error: BaseException, path: Path) -> None:
    if not isinstance(error, sqlite3.Error) or cause_of(error, path) is not Cause.CORRUPT:
        return
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
        sentence = f"{path}: found no SQLite database ({error}). Choose another path."
    else:
        sentence = f"{path}: found a damaged store ({told(error)}). {Cause.CORRUPT.advice}"
    raise StoreUnusable(sentence, Cause.CORRUPT) from error


def connect_read_only(path: Path, region: Region) -> sqlite3.Connection:
    """A connection that changes nothing, not even an older schema, to the region's store at *path*.

    Raises:
        StoreUnavailable: it cannot be read now.
        StoreUnusable: it is not a store of this region, is damaged, or has a newer schema.
    """
    connection = None
    try:
        address = f"file:{quote(str(path))}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)
        _check_all(connection, region, str(path))
    except BaseException as error:
        if connection is not None:
            connection.close()
        _tell_if_damaged(error, path)
        if isinstance(error, sqlite3.Error):
            raise refused(error, path, region) from error
        raise
    return connection


def _check_all(connection: sqlite3.Connection, region: Region, path: str) -> None:
    if not check_kind(connection, path):
        raise StoreUnusable(f"{path}: found an empty file, expected a store of {region}.")
    check_schema(connection, path)
    check_region(connection, region, path)


def inspect(path: Path, region: Region, key_ids: Collection[str], versions: Collection[str] = ()) -> None:
    """Check a store without changing it, as `ueip check-config` does.

    Raises:
        StoreUnavailable: it cannot be read now.
        StoreUnusable: it is not a store of this region, these keys and these versions of the notice, or is damaged.
    """
    with closing(connect_read_only(path, region)) as connection:
        try:
            check_staying_here(connection, str(path))
            check_known(connection.execute(referred_to("router")).fetchall(), key_ids, versions, str(path))
        except (sqlite3.Error, Damaged) as error:
            _tell_if_damaged(error, path)
            raise refused(error, path, region) from error
