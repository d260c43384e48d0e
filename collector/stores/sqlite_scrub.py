"""Removes the bytes of erased rows from a store's files too (O28): the log is truncated, the file rewritten.

SQLite overwrites the row it deletes (`secure_delete`); what is left are older frames of the write-ahead log, and copies
on pages that the row was moved from.
"""

import sqlite3
import time
from contextlib import suppress
from shutil import disk_usage
from typing import Final, NamedTuple

from collector.stores.retention import DAY
from collector.stores.rows import ERASED, of_a_note
from collector.stores.sqlite_schema import IN_FILES, IN_MEMORY

REWRITTEN_BYTES: Final = 256 << 20
"""A larger file is left to its operator, as nothing can be committed while it is rewritten (docs/operating.md)."""
REWRITE_SECONDS: Final = 60.0
_WAITS_MILLISECONDS: Final = 50
"""How long to wait for whoever holds the log: a reader may hold it for minutes, and until then nothing is committed."""
_TOMBSTONE_LIFE: Final = 90 * 86_400_000
"""Milliseconds at least; longer if the settings allow a message to be delivered again later than that."""
FORGOTTEN_AT_ONCE: Final = 5000
"""Tombstones deleted at a time, while commits wait."""
# No more than a day's at a time: a clock that is far ahead must not let what was erased come again (K09).
_FORGET: Final = f"""
    DELETE FROM tombstone WHERE record_id IN (SELECT record_id FROM tombstone
        WHERE erased_at < ? AND erased_at < (SELECT min(erased_at) FROM tombstone) + {DAY}
        ORDER BY erased_at LIMIT {FORGOTTEN_AT_ONCE})"""  # noqa: S608 - numbers of ours


class Remains(NamedTuple):
    """When the oldest and the newest of the erasures were whose bytes may still be in the files, in milliseconds;
    `schema` is SQLite's schema version then, which rises with every VACUUM, whoever runs it.
    """

    oldest: int
    newest: int
    schema: int


def note_erasure(connection: sqlite3.Connection, now: int) -> None:
    """Note, in the transaction that erases, that there is work left, so that even the next process knows."""
    before = _noted(connection)
    made = Remains(before[1].oldest if before else now, now, _schema(connection))
    text = " ".join(map(str, made))
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (ERASED, text))


def _noted(connection: sqlite3.Connection) -> tuple[str, Remains] | None:
    found = connection.execute("SELECT value FROM meta WHERE name = ?", (ERASED,)).fetchone()
    with of_a_note():
        return (found[0], Remains(*map(int, found[0].split()))) if found else None


def _schema(connection: sqlite3.Connection) -> int:
    number: int = connection.execute("PRAGMA schema_version").fetchone()[0]
    return number


class Scrubber:
    """Does the work left by erasures, ours and others', on the connection given with each call."""

    def __init__(self, look_back: int) -> None:
        """*look_back* is how long after it was stored a record may be delivered again, in milliseconds."""
        self._tombstone_life = max(_TOMBSTONE_LIFE, look_back)
        self._scrub_due = False
        self._scrubbed = ""
        self._rewritten = float("-inf")

    def opened(self) -> None:
        """The store was opened: a process that died between an exit and its scrubbing leaves erased rows in the log."""
        self._scrub_due = True
        self._scrubbed = ""

    def failed(self) -> None:
        """A commit failed: the log may be what fills the disk, and SQLite copies it to the file only after commits."""
        self._scrub_due = True

    def look(self, connection: sqlite3.Connection) -> None:
        """Do what could not be done before."""
        noted = _noted(connection)
        # Whoever erased may not have been able to truncate the log, and be gone by now.
        if self._scrub_due or (noted and noted[0] != self._scrubbed):
            self.scrub(connection)
            self._scrubbed = "" if self._scrub_due or not noted else noted[0]
        if noted is not None:
            self._finish(connection, *noted)

    def scrub(self, connection: sqlite3.Connection) -> None:
        """Truncate the log."""
        waits = connection.execute("PRAGMA busy_timeout").fetchone()[0]
        connection.execute(f"PRAGMA busy_timeout = {min(waits, _WAITS_MILLISECONDS)}")
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error:
            busy = 1
        finally:
            connection.execute(f"PRAGMA busy_timeout = {waits}")
        # A reader may hold the log; it is then truncated at the next look, about a second later.
        self._scrub_due = bool(busy)

    def _finish(self, connection: sqlite3.Connection, text: str, remains: Remains) -> None:
        """Rewrite the file, once a minute at most, or see that its operator has."""
        if time.monotonic() - self._rewritten < REWRITE_SECONDS:
            return
        self._rewritten = time.monotonic()
        with suppress(sqlite3.Error, OSError):  # busy, or no room: the next look, a minute later, tries again
            # Here, not with every exit: whoever leaves should not wait for it.
            connection.execute(_FORGET, (int(time.time() * 1000) - self._tombstone_life,))
            if _schema(connection) == remains.schema:
                if not _may_be_rewritten(connection):
                    return
                try:
                    _rewrite(connection)
                except sqlite3.Error:
                    self.scrub(connection)  # what it wrote before the disk was full would leave no room for anything
                    raise
            self.scrub(connection)
            if not self._scrub_due:
                # Unless somebody has erased meanwhile: then the note is a different one.
                connection.execute("DELETE FROM meta WHERE name = ? AND value = ?", (ERASED, text))


def _may_be_rewritten(connection: sqlite3.Connection) -> bool:
    """Whether the file is small enough, and its disk has room for a log with all of it."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    size: int = pages * connection.execute("PRAGMA page_size").fetchone()[0]
    path = connection.execute("PRAGMA database_list").fetchone()[2]
    return size <= min(REWRITTEN_BYTES, disk_usage(path).free)


def _rewrite(connection: sqlite3.Connection) -> None:
    """Rewrite the file, through one in the system's temporary folder: memory has no room for it."""
    connection.execute(IN_FILES)
    try:
        connection.execute("VACUUM")
    finally:
        connection.execute(IN_MEMORY)
