"""Verifies a store against its own ledger: the chain, the standings made from it, and the records they allow.

Rule 1: the store is read, never written, some thousand rows at a time: commits go on meanwhile.
Rule 2: a finding names numbers of entries and counts; never a pseudonym.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from collector.consent.acts import EXITS, LEFT
from collector.consent.chain import Chain, Row
from collector.consent.ledger import Head
from collector.errors import Cause, StoreUnusable
from collector.model import Region
from collector.stores.rows import ROUTER_COLUMNS
from collector.stores.sqlite_faults import refused
from collector.stores.sqlite_rows import head_of
from collector.stores.sqlite_schema import connect_read_only
from collector.stores.verified import STRAYS, TWICE, Expected, Following, Span, Verified, standing_fault

LOOK: Final = 2000
"""Rows read at a time."""
TAIL: Final = 256
"""Entries checked whenever a store is opened: that takes some ten milliseconds."""
_ROWS: Final = "SELECT seq, device_ref, event_ref, hash, CAST(entry AS BLOB) FROM ledger"
_RECORDS: Final = f"""
    SELECT r.consent_seq, count(*), min(r.received_at), max(r.received_at),
        {", ".join(f"w.{name}" for name in ROUTER_COLUMNS.split(", "))}
    FROM record r JOIN router w ON w.id = r.router_id
    WHERE r.router_id BETWEEN ? AND ? GROUP BY w.id, r.consent_seq"""  # noqa: S608 - columns are ours
# The index of a router's records keeps these unique; an older store, not yet migrated, has no such index. One id at
# several times is several messages of a faulty router (K39).
_TWICE: Final = """
    SELECT coalesce(sum(number - 1), 0) FROM (SELECT count(*) AS number FROM record WHERE router_id BETWEEN ? AND ?
        GROUP BY router_id, event_time, record_id HAVING count(*) > 1)"""
# An index that lost a row would hide its record from readers, and from the exit that should erase it.
_HIDDEN: Final = f"""
    SELECT max(r.id), count(*) FILTER (WHERE NOT EXISTS (
        SELECT 1 FROM record i INDEXED BY record_by_router WHERE i.router_id = r.router_id
            AND i.event_time = r.event_time AND i.record_id = r.record_id AND i.id = r.id))
    FROM (SELECT id, router_id, event_time, record_id FROM record NOT INDEXED WHERE id > ?
        ORDER BY id LIMIT {LOOK}) AS r"""  # noqa: S608 - a number of ours
_LAST_ENTRY: Final = "SELECT entry FROM ledger WHERE device_ref = ? ORDER BY seq DESC LIMIT 1"
_ACTS: Final = "SELECT entry FROM ledger WHERE device_ref = ? AND seq >= ? ORDER BY seq"


def verify(path: Path, region: Region, expected: Expected) -> Verified:
    """Verify the whole store at *path*. If SQLite cannot make sense of the file, that is a finding too.

    Raises:
        StoreUnavailable: it cannot be read now.
        StoreUnusable: it is not a store of this region, or has a newer schema.
    """
    found = Verified(region)
    try:
        with closing(connect_read_only(path, region)) as connection:
            for step in (_chain, _indexes, _standings, _records, _hidden, _twice, _leftovers):
                step(connection, found, expected)
    except sqlite3.Error as error:
        trouble = refused(error, path, region)
        if trouble.cause is not Cause.CORRUPT:
            raise trouble from error
        found.fault(str(trouble))
    except StoreUnusable as error:
        if error.cause is not Cause.CORRUPT:
            raise
        found.fault(str(error))
    return found


def read_head(path: Path, region: Region) -> Head:
    """The end of the ledger of the store at *path*.

    Raises:
        StoreUnavailable, StoreUnusable: as for `verify`.
    """
    try:
        with closing(connect_read_only(path, region)) as connection:
            return head_of(connection)
    except sqlite3.Error as error:
        raise refused(error, path, region) from error


def _chain(connection: sqlite3.Connection, found: Verified, expected: Expected) -> None:
    following = Following(found, expected)
    for values in _looks(connection, f"{_ROWS} WHERE seq > ? ORDER BY seq LIMIT {LOOK}"):
        following.entry(Row(*values))
    following.end()


def _indexes(connection: sqlite3.Connection, found: Verified, _: Expected) -> None:
    """No index of the ledger or the standings has lost a row: that would hide an exit from the gate."""
    for table in ("ledger", "router"):
        for (line,) in connection.execute(f"PRAGMA integrity_check({table})").fetchall():
            if line != "ok":
                found.fault(f"SQLite finds the table {table} damaged")


def _standings(connection: sqlite3.Connection, found: Verified, _: Expected) -> None:
    sql = f"SELECT id, {ROUTER_COLUMNS} FROM router WHERE id > ? ORDER BY id LIMIT {LOOK}"  # noqa: S608 - ours
    for _, *row in _looks(connection, sql):
        found.standing(row, connection.execute(_LAST_ENTRY, (row[0],)).fetchone())
    orphans = """SELECT count(DISTINCT device_ref) FROM ledger
        WHERE device_ref NOT IN (SELECT device_ref FROM router)"""
    if number := connection.execute(orphans).fetchone()[0]:
        found.fault(f"the ledger knows {number} routers that the standings do not")


def _records(connection: sqlite3.Connection, found: Verified, expected: Expected) -> None:
    """Every record was admitted by a consent that stands, or may be kept after it."""
    last = connection.execute("SELECT max(id) FROM router").fetchone()[0] or 0
    for first in range(0, last + 1, LOOK):
        with _look(connection):
            rows = connection.execute(_RECORDS, (first, first + LOOK - 1)).fetchall()
            for consent_seq, number, first_at, last_at, *row in rows:
                acts = connection.execute(_ACTS, (row[0], consent_seq)).fetchall()
                found.covered(row, consent_seq, Span(number, first_at, last_at), acts, expected)
    orphans = "SELECT count(*) FROM record WHERE router_id NOT IN (SELECT id FROM router)"
    if number := connection.execute(orphans).fetchone()[0]:
        found.fault(STRAYS.format(number))


def _hidden(connection: sqlite3.Connection, found: Verified, _: Expected) -> None:
    """Every record is found through the index by router. A store without that index hides none."""
    number, index = 0, "SELECT 1 FROM sqlite_schema WHERE name = 'record_by_router'"
    if not connection.execute(index).fetchone():
        return
    last: int | None = 0
    while last is not None:
        last, hidden = connection.execute(_HIDDEN, (last,)).fetchone()
        number += hidden
    if number:
        found.fault(f"{number} records are missing in the index by which they are read and erased")


def _twice(connection: sqlite3.Connection, found: Verified, _: Expected) -> None:
    """No message is stored twice."""
    number = 0
    last = connection.execute("SELECT max(id) FROM router").fetchone()[0] or 0
    for first in range(0, last + 1, LOOK):
        number += connection.execute(_TWICE, (first, first + LOOK - 1)).fetchone()[0]
    if number:
        found.fault(TWICE.format(number))


def _leftovers(connection: sqlite3.Connection, found: Verified, expected: Expected) -> None:
    """No names and no memory are left of routers whose records were erased."""
    left = [state for state in LEFT if expected.erase_on_exit or state not in EXITS]
    marks = ",".join("?" * len(left))
    for table in ("lookup", "memory"):
        sql = f"""SELECT count(*) FROM {table} t LEFT JOIN router w ON w.id = t.router_id
            WHERE w.id IS NULL OR (w.holds = '' AND w.state IN ({marks}))"""  # noqa: S608 - names and marks of ours
        if number := connection.execute(sql, [state.value for state in left]).fetchone()[0]:
            found.fault(f"{number} rows of the table {table} are of routers that left")


@contextmanager
def _look(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything read inside is of the same moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")


def _looks(connection: sqlite3.Connection, sql: str) -> Iterator[Any]:
    """The rows of *sql*, which takes the last key seen and gives the next rows in the order of keys."""
    last = -1
    while True:
        with _look(connection):
            rows = connection.execute(sql, (last,)).fetchall()
            yield from rows
        if not rows:
            return
        last = rows[-1][0]


def check_tail(connection: sqlite3.Connection, path: Path) -> None:
    """Check the newest entries and the standings made from them, as is done whenever a store is opened.

    Raises:
        StoreUnusable: they are not as the collector left them.
    """
    end = connection.execute("SELECT max(seq) FROM ledger").fetchone()[0] or 0
    before = connection.execute("SELECT seq, hash FROM ledger WHERE seq = ?", (end - TAIL,)).fetchone()
    chain = Chain(Head(seq=before[0], hash=before[1]) if before else None)
    refs: set[bytes] = set()
    for values in connection.execute(f"{_ROWS} WHERE seq > ? ORDER BY seq", (chain.head.seq,)).fetchall():
        entry, fault = chain.follow(Row(*values))
        if fault or entry is None:
            raise _damaged(path, f"entry {values[0]} {fault}")
        refs.add(values[1])
    for ref in refs:
        row = connection.execute(f"SELECT {ROUTER_COLUMNS} FROM router WHERE device_ref = ?", (ref,)).fetchone()  # noqa: S608
        if fault := standing_fault(row, connection.execute(_LAST_ENTRY, (ref,)).fetchone()):
            raise _damaged(path, fault)


def _damaged(path: Path, finding: str) -> StoreUnusable:
    return StoreUnusable(
        f"{path}: found a ledger that is not as it was written: {finding}. Look closer with: ueip ledger verify. "
        f"{Cause.CORRUPT.advice}",
        Cause.CORRUPT,
    )
