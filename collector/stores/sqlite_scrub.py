"""Takes the bytes of erased rows out of a store's files too (O28): the log is cut off, the file is written anew.

SQLite overwrites the row it deletes (`secure_delete`); what is left are older frames of the write-ahead log, and copies
on pages that the row was moved from.
"""

import sqlite3
import time
from contextlib import suppress
from typing import Final

REWRITTEN_BYTES: Final = 256 << 20
"""A larger file is left to its operator, for nothing can be committed while it is written (docs/operating.md)."""
REWRITE_SECONDS: Final = 60.0
_TOMBSTONE_LIFE: Final = 90 * 86_400_000
"""Longer than a message may be old, and than a broker keeps one."""


class Scrubber:
    """What is still to be done after erasures, on the connection given with each call."""

    def __init__(self) -> None:
        self._scrub_due = False
        self._rewrite_due = False
        self._rewritten = float("-inf")

    def opened(self) -> None:
        """A process that died between an exit and its scrubbing leaves erased rows in the log."""
        self._scrub_due = True

    def erased_elsewhere(self) -> None:
        """Another process that erased may have been kept from cutting off the log, and be gone by now."""
        self._scrub_due = self._rewrite_due = True

    def erased(self, connection: sqlite3.Connection) -> None:
        """Rows were erased by the commit that just returned."""
        self._rewrite_due = True
        self.scrub(connection)

    def look(self, connection: sqlite3.Connection) -> None:
        """Do what could not be done before."""
        if self._scrub_due:
            self.scrub(connection)
        if self._rewrite_due:
            self._rewrite(connection)

    def scrub(self, connection: sqlite3.Connection) -> None:
        """Cut off the log."""
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.Error:
            busy = 1
        # A reader may hold the log; it is cut off at the next look, about a second later.
        self._scrub_due = bool(busy)

    def _rewrite(self, connection: sqlite3.Connection) -> None:
        """Write the file anew, now and then."""
        if time.monotonic() - self._rewritten < REWRITE_SECONDS:
            return
        self._rewritten = time.monotonic()
        with suppress(sqlite3.Error):  # busy, or no room: the next look, a minute later, tries again
            # Here, once a minute at most, and not with every exit: it looks at all tombstones.
            last = int(time.time() * 1000) - _TOMBSTONE_LIFE
            connection.execute("DELETE FROM tombstone WHERE erased_at < ?", (last,))
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            if pages * connection.execute("PRAGMA page_size").fetchone()[0] > REWRITTEN_BYTES:
                return
            connection.execute("VACUUM")
            self._rewrite_due = False
            self.scrub(connection)
