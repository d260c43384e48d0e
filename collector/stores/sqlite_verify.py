"""Verifies a store against its own ledger: the chain, the standings made from it, and the records they allow.

Rule 1: the store is read, never written, in short looks of some thousand rows: commits go on meanwhile.
Rule 2: a finding names numbers of entries and counts; never a pseudonym.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from collector.consent.acts import EXITS, LEFT, erases_until
from collector.consent.chain import Chain, Row
from collector.consent.ledger import Head
from collector.consent.standing import Standing, State
from collector.errors import Cause, StoreUnusable
from collector.model import Region
from collector.stores.sqlite_faults import refused
from collector.stores.sqlite_rows import ROUTER_COLUMNS, decode_entry, head_of, standing_of
from collector.stores.sqlite_schema import connect_read_only

LOOK: Final = 2000
"""Rows of one look."""
TAIL: Final = 256
"""Entries looked at whenever a store is opened: some ten milliseconds."""
_MOST_TOLD: Final = 20
_ROWS: Final = "SELECT seq, device_ref, event_ref, hash, CAST(entry AS BLOB) FROM ledger"
_RECORDS: Final = f"""
    SELECT r.consent_seq, count(*), min(r.received_at), max(r.received_at),
        {", ".join(f"w.{name}" for name in ROUTER_COLUMNS.split(", "))}
    FROM record r JOIN router w ON w.id = r.router_id
    WHERE r.router_id BETWEEN ? AND ? GROUP BY w.id, r.consent_seq"""  # noqa: S608 - columns are ours
_LAST_ENTRY: Final = "SELECT entry FROM ledger WHERE device_ref = ? ORDER BY seq DESC LIMIT 1"


class Verified(msgspec.Struct):
    """What was found in one region's store; `faults` are the first of `fault_count`, a sentence each."""

    region: Region
    head: Head = msgspec.field(default_factory=Head)
    entries: int = 0
    routers: int = 0
    joined: int = 0
    records: int = 0
    fault_count: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    def fault(self, sentence: str) -> None:
        """Note a finding."""
        self.fault_count += 1
        if len(self.faults) < _MOST_TOLD:
            self.faults.append(sentence)


class Expected(NamedTuple):
    """What a ledger is held against: heads that were kept elsewhere, and whether an exit erases."""

    heads: tuple[Head, ...] = ()
    erase_on_exit: bool = True


def verify(path: Path, region: Region, expected: Expected) -> Verified:
    """Verify the store at *path*, all of it. That SQLite cannot make out the file is a finding too.

    Raises:
        StoreUnavailable: it cannot be read now.
        StoreUnusable: it is no store of this region, or of a newer schema.
    """
    found = Verified(region)
    try:
        with closing(connect_read_only(path, region)) as connection:
            for step in (_chain, _indexes, _standings, _records, _leftovers):
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
        StoreUnavailable, StoreUnusable: as `verify`.
    """
    try:
        with closing(connect_read_only(path, region)) as connection:
            return head_of(connection)
    except sqlite3.Error as error:
        raise refused(error, path, region) from error


def _chain(connection: sqlite3.Connection, found: Verified, expected: Expected) -> None:
    wanted = {head.seq: head.hash for head in expected.heads if head.seq}
    chain = Chain()
    for values in _looks(connection, f"{_ROWS} WHERE seq > ? ORDER BY seq LIMIT {LOOK}"):
        row = Row(*values)
        _, fault = chain.follow(row)
        if fault:
            found.fault(f"entry {row.seq} {fault}")
        if wanted.pop(row.seq, row.hash) != row.hash:
            found.fault(f"entry {row.seq} has another hash than the head that was kept elsewhere")
        found.entries += 1
    found.head = chain.head
    for seq in sorted(wanted):
        found.fault(f"entry {seq} is missing, which was the head kept elsewhere; the ledger ends at {chain.head.seq}")


def _indexes(connection: sqlite3.Connection, found: Verified, _: Expected) -> None:
    """An index that lost a row would hide an exit from the gate."""
    for table in ("ledger", "router"):
        for (line,) in connection.execute(f"PRAGMA integrity_check({table})").fetchall():
            if line != "ok":
                found.fault(f"SQLite finds the table {table} damaged")


def _standings(connection: sqlite3.Connection, found: Verified, _: Expected) -> None:
    sql = f"SELECT id, {ROUTER_COLUMNS} FROM router WHERE id > ? ORDER BY id LIMIT {LOOK}"  # noqa: S608 - ours
    for _, *row in _looks(connection, sql):
        found.routers += 1
        standing = _standing(row)
        found.joined += standing is not None and standing.state is State.JOINED
        if fault := _standing_fault(connection, standing, row[0]):
            found.fault(fault)
    orphans = """SELECT count(DISTINCT device_ref) FROM ledger
        WHERE device_ref NOT IN (SELECT device_ref FROM router)"""
    if number := connection.execute(orphans).fetchone()[0]:
        found.fault(f"the ledger knows {number} routers that the standings do not")


def _standing(row: list[Any]) -> Standing | None:
    try:
        return standing_of(row)
    except sqlite3.DatabaseError:
        return None


def _standing_fault(connection: sqlite3.Connection, standing: Standing | None, device_ref: Any) -> str | None:
    """Whether a router stands as the ledger's last entry about it says."""
    last = connection.execute(_LAST_ENTRY, (device_ref,)).fetchone()
    if last is None:
        return "a router has a standing and no entry in the ledger"
    try:
        entry = decode_entry(last[0])
    except sqlite3.DatabaseError:
        return "a router has a last entry that cannot be read"
    if standing is None:
        return f"the standing of the router of entry {entry.seq} cannot be read"
    said = entry.standing()
    if standing != said:
        return f"the router of entry {entry.seq} stands as {standing.state.value}, not as that entry says"
    return None


def _records(connection: sqlite3.Connection, found: Verified, expected: Expected) -> None:
    """Every record was admitted by a consent that stands, or may be kept after it."""
    last = connection.execute("SELECT max(id) FROM router").fetchone()[0] or 0
    for first in range(0, last + 1, LOOK):
        with _look(connection):
            rows = connection.execute(_RECORDS, (first, first + LOOK - 1)).fetchall()
            for consent_seq, number, first_at, last_at, *row in rows:
                found.records += number
                standing = _standing(row)
                # One that cannot be read was told already.
                fault = standing and _record_fault(connection, standing, consent_seq, (first_at, last_at), expected)
                if standing and fault:
                    found.fault(f"{number} records of the router of entry {standing.seq} {fault}")
    orphans = "SELECT count(*) FROM record WHERE router_id NOT IN (SELECT id FROM router)"
    if number := connection.execute(orphans).fetchone()[0]:
        found.fault(f"{number} records are of no router that the store knows")


def _leftovers(connection: sqlite3.Connection, found: Verified, expected: Expected) -> None:
    """What finds a router, and what the next sample would be compared with, go with its records."""
    left = [state for state in LEFT if expected.erase_on_exit or state not in EXITS]
    marks = ",".join("?" * len(left))
    for table in ("lookup", "memory"):
        sql = f"""SELECT count(*) FROM {table} t LEFT JOIN router w ON w.id = t.router_id
            WHERE w.id IS NULL OR (w.holds = '' AND w.state IN ({marks}))"""  # noqa: S608 - names and marks of ours
        if number := connection.execute(sql, [state.value for state in left]).fetchone()[0]:
            found.fault(f"{number} rows of the table {table} are of routers that left")


def _record_fault(
    connection: sqlite3.Connection, standing: Standing, consent_seq: int, received: tuple[int, int], expected: Expected
) -> str | None:
    """What is wrong with a router's records under one consent, received between these times."""
    sql = "SELECT entry FROM ledger WHERE device_ref = ? AND seq >= ? ORDER BY seq"
    rows = connection.execute(sql, (standing.device_ref, consent_seq)).fetchall()
    try:
        acts = [decode_entry(row[0]) for row in rows]
    except sqlite3.DatabaseError:
        return None  # told already, with the chain
    if not acts or acts[0].seq != consent_seq or acts[0].state is not State.JOINED:
        return f"name entry {consent_seq} as their consent, which is none of that router"
    for act in acts[1:]:
        until = erases_until(act.action, act.standing(), erase_on_exit=expected.erase_on_exit)
        if until is not None and received[0] <= until:
            return f"were not erased by entry {act.seq}"
    if standing.state is not State.JOINED and received[1] > standing.effective_at:
        return "were received after it closed the gate"
    return None


@contextmanager
def _look(connection: sqlite3.Connection) -> Iterator[None]:
    """What is read inside is of one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _looks(connection: sqlite3.Connection, sql: str) -> Iterator[Any]:
    """The rows of *sql*, which takes the last key and gives the next rows by key."""
    last = -1
    while True:
        with _look(connection):
            rows = connection.execute(sql, (last,)).fetchall()
            yield from rows
        if not rows:
            return
        last = rows[-1][0]


def check_tail(connection: sqlite3.Connection, path: Path) -> None:
    """Look at the newest entries and at the standings made from them, as is done whenever a store is opened.

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
        if fault := _standing_fault(connection, _standing(row) if row else None, ref):
            raise _damaged(path, fault)


def _damaged(path: Path, finding: str) -> StoreUnusable:
    return StoreUnusable(
        f"{path}: found a ledger that is not as it was written: {finding}. Look closer with: ueip ledger verify. "
        f"{Cause.CORRUPT.advice}",
        Cause.CORRUPT,
    )
