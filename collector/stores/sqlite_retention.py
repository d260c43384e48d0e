"""Deletes from a SQLite store what is past its time, oldest first (O30).

Rule 1: a sweep never goes further than a few days beyond the oldest record: a clock that is far ahead costs no more.
Rule 2: what a legal hold keeps stays on disk; nobody can read it meanwhile, or afterwards.
Rule 3: a sweep ends at the first records still within their time. It passes over those that only look so because the
        clock was ahead, once somebody has found that (`Store.accept_times`): older ones may come after them.
"""

import sqlite3
import time
from contextlib import suppress
from typing import Final

from collector.stores.retention import DAY, Purged, expired_until
from collector.stores.sqlite_schema import check_taking
from collector.stores.sqlite_scrub import note_erasure

REACH: Final = 7 * DAY
"""How far beyond the oldest record one sweep may go, in milliseconds."""
PURGED_AT_ONCE: Final = 1000
"""Records looked at in one transaction."""


class Sweep:
    """A purge that works through the records of a SQLite store step by step, oldest first."""

    def __init__(self, retention: int) -> None:
        self._retention = retention
        self._after = 0
        self._until: int | None = None

    def step(self, connection: sqlite3.Connection, place: str, wrong: int) -> Purged:
        """Delete what is past its time among the next records, in one transaction.

        The times of records up to the number *wrong* say nothing about the records after them.
        """
        connection.execute("BEGIN IMMEDIATE")
        try:
            check_taking(connection, place)
            until = self._begun(connection) if self._until is None else self._until
            erased, last = _purge(connection, self._after, until, wrong)
            if erased:
                note_erasure(connection, int(time.time() * 1000))
            connection.execute("COMMIT")
        except BaseException:
            with suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise
        self._after, self._until = (0, None) if last is None else (last, until)
        return Purged(erased, last is not None)

    def _begun(self, connection: sqlite3.Connection) -> int:
        """The time up to which this sweep deletes."""
        found = connection.execute(_OLDEST).fetchone()
        reach = (found[0] if found else 0) + REACH
        return min(reach, expired_until(self._retention))


_OLDEST: Final = """
    SELECT r.received_at FROM record r JOIN router w ON w.id = r.router_id WHERE w.holds = '' ORDER BY r.id LIMIT 1"""
_NEXT: Final = f"""
    SELECT r.id, r.router_id, r.received_at, w.holds = '' FROM record r JOIN router w ON w.id = r.router_id
    WHERE r.id > ? ORDER BY r.id LIMIT {PURGED_AT_ONCE}"""  # noqa: S608 - a number of ours
_NOTHING_LEFT: Final = "router_id = ?1 AND NOT EXISTS (SELECT 1 FROM record WHERE router_id = ?1)"


def _purge(connection: sqlite3.Connection, after: int, until: int, wrong: int) -> tuple[int, int | None]:
    """How many were deleted, and the last record looked at; None if the sweep is finished."""
    rows = connection.execute(_NEXT, (after,)).fetchall()
    old = [row for row in rows if row[2] <= until]
    gone = [(record_id,) for record_id, _, _, free in old if free]
    connection.executemany("DELETE FROM record WHERE id = ?", gone)
    for router_id in {router_id for _, router_id, _, free in old if free}:
        connection.execute(f"DELETE FROM memory WHERE {_NOTHING_LEFT}", (router_id,))  # noqa: S608 - words of ours
        # A router that has joined stays findable: what it sends next is found by the same names.
        left = "AND NOT EXISTS (SELECT 1 FROM router WHERE id = ?1 AND state = 'joined')"
        connection.execute(f"DELETE FROM lookup WHERE {_NOTHING_LEFT} {left}", (router_id,))  # noqa: S608
    more = len(rows) == PURGED_AT_ONCE and (old or rows[-1][0] <= wrong)
    return len(gone), rows[-1][0] if more else None
