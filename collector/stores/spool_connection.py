"""The connection to a spool's file: opened when it is needed, and mended when the file turns out to be damaged.

Rule 1: a damaged file is mended without anybody's help: what is intact goes into a new one, and the damaged one is
        removed, as an exit could not reach what is in it (4.5). A crash meanwhile leaves both, and the next opening
        goes on from there.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from collector.errors import Cause, SpoolUnavailable
from collector.log import LOG
from collector.model import Region
from collector.stores import spool_rows as rows_in
from collector.stores.sealing import Sealer
from collector.stores.spool_schema import connect
from collector.stores.sqlite_faults import cause_of, not_opened

T = TypeVar("T")
_SAVED_AT_ONCE: Final = 500


class SpoolConnection:
    """One file, one thread, one process."""

    def __init__(self, path: Path, region: Region, sealer: Sealer, opened: Callable[[], None]) -> None:
        """*opened* is called whenever the file has been opened, or replaced by a new one."""
        self.damages = 0
        self._path = path
        self._region = region
        self._sealer = sealer
        self._opened = opened
        self._connection: sqlite3.Connection | None = None

    @property
    def db(self) -> sqlite3.Connection:
        """The connection, inside `safely`."""
        assert self._connection is not None
        return self._connection

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def safely(self, work: Callable[[], T]) -> T:
        """Do *work*, and do it again if the file had to be mended first.

        Raises:
            SpoolUnavailable: the file cannot be used now.
        """
        try:
            if self._connection is None:
                self._open()
            try:
                return work()
            except sqlite3.DatabaseError as error:
                self._mend(error)
                return work()
        except sqlite3.Error as error:
            text = f"the spool of {self._region} did not answer: {error}"
            raise SpoolUnavailable(text, cause_of(error, self._path)) from error
        except OSError as error:  # while files were set aside or removed
            text = f"the spool of {self._region} did not answer: {error.strerror}"
            raise SpoolUnavailable(text, not_opened(error, self._path).cause) from error

    def in_one(self, work: Callable[[], T]) -> T:
        """Do *work* in one transaction."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            result = work()
            self.db.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")
            raise
        return result

    def touch(self) -> None:
        """Write something that changes nothing."""
        self.db.execute("INSERT OR REPLACE INTO meta SELECT 'region', value FROM meta WHERE name = 'region'")

    def scrub(self) -> None:
        """Take what was deleted out of the log too; in an empty spool, no trace of it is left in the file either."""
        with suppress(sqlite3.Error):  # no room just now: in the file itself, deleted rows are overwritten anyway
            if not rows_in.last_id(self.db):
                self.db.execute("DELETE FROM used_key WHERE key_id <> ?", (self._sealer.key_id,))
                self.db.execute("VACUUM")
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _open(self) -> None:
        rows_in.end_setting_aside(self._path)
        try:
            self._connection = self._connected()
            self._save()
            self._opened()
        except sqlite3.DatabaseError as error:
            self._mend(error)

    def _connected(self) -> sqlite3.Connection:
        connection = connect(self._path, self._region, self._sealer.key_ids)
        try:
            _check(connection)
            used = ((key_id,) for key_id in self._sealer.key_ids)
            connection.executemany("INSERT OR IGNORE INTO used_key VALUES (?)", used)
        except BaseException:
            connection.close()
            raise
        return connection

    def _mend(self, error: sqlite3.DatabaseError) -> None:
        """Begin a new file with what is intact of the old one; an *error* that is no sign of damage is raised again."""
        if isinstance(error, sqlite3.OperationalError) and cause_of(error, self._path) is not Cause.CORRUPT:
            raise error
        self.damages += 1
        self.close()
        rows_in.set_aside(self._path)
        self._connection = self._connected()
        self._save()
        LOG.error("spool_damaged", region=self._region, error=str(error), records_saved=rows_in.total(self.db).records)
        self._opened()

    def _save(self) -> None:
        """Take over what is intact in files that were set aside, and remove them."""
        try:
            for file in rows_in.damaged(self._path):
                intact = rows_in.intact(file, self._sealer)
                while some := list(islice(intact, _SAVED_AT_ONCE)):
                    self.in_one(lambda some=some: rows_in.insert(self.db, some, once=True))  # type: ignore[misc]
                rows_in.discard(file)
        except BaseException:
            self.close()
            raise


def _check(connection: sqlite3.Connection) -> None:
    """Check the whole file: damage is better found before an exit relies on an index.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != b"ok":
        raise sqlite3.DatabaseError(found.decode(errors="replace"))
