"""A SQLite store as one end of a move."""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from collector.consent.ledger import Head
from collector.errors import Cause, StoreUnavailable
from collector.model import Region
from collector.stores.ends import Kept, Known, Page, Progress, Row, Table, progress_note
from collector.stores.missing import is_there
from collector.stores.move_rows import Dialect, check_written, page_of
from collector.stores.plan import ConsentRules
from collector.stores.rows import ERASED, Damaged
from collector.stores.sqlite_faults import refused
from collector.stores.sqlite_restore import restore
from collector.stores.sqlite_rows import head_of
from collector.stores.sqlite_schema import connect

_SQL: Final = Dialect("", lambda number: f"?{number}")
_OF: Final = "FROM router WHERE device_ref ="
# Whether a record floats is not carried over, so each is taken to float: whatever comes again is found by its id.
# Of several with one id (K39), the first stands for all.
_WRITE: Final = {
    Table.RECORDS: f"""
        INSERT INTO record (record_id, router_id, event_time, received_at, consent_seq, policy_version, source_adapter,
            stripped, floating, body)
        SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8,
            CASE WHEN EXISTS (SELECT 1 FROM record WHERE floating = 1 AND record_id = ?1) THEN NULL ELSE 1 END, ?9
        {_OF} ?2""",  # noqa: S608 - ours
    Table.NAMES: f"INSERT INTO lookup (ref, kind, router_id) SELECT ?1, ?2, id {_OF} ?3",
    Table.MEMORIES: f"INSERT INTO memory (router_id, state) SELECT id, ?2 {_OF} ?1",
    Table.TOMBSTONES: "INSERT INTO tombstone (record_id, erased_at) VALUES (?, ?)",
    Table.REGISTRY: "INSERT INTO registry (device_ref, key_id, country, generation) VALUES (?, ?, ?, ?)",
}
_NOTED: Final = "SELECT value FROM meta WHERE name = ?"


class SQLiteEnd:
    """As `End`. Made for a command, so its calls may block on the disk."""

    def __init__(
        self, path: Path, region: Region, key_ids: Collection[str], rules: ConsentRules, witness: Path | None
    ) -> None:
        """A source names its *witness*, which tells whether there was a store; a target is made if it is missing."""
        self.region = region
        self.at_once = 1
        self.place = str(path)
        self._path = path
        self._key_ids = key_ids
        self._rules = rules
        self._witness = witness
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        """As `End.open`."""
        if self._witness is not None and not is_there(self._path, self._witness):
            raise StoreUnavailable(f"{self._path}: found no store, expected the one to be moved", Cause.MISSING)
        with self._troubles():
            versions = self._rules.policies.ends
            self._connection = connect(self._path, self.region, self._key_ids, versions)

    async def close(self) -> None:
        """As `End.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    async def is_empty(self) -> bool:
        """As `End.is_empty`."""
        return bool(self._one(_SQL.is_empty()))

    async def noted(self, name: str) -> str | None:
        """As `End.noted`."""
        found: str | None = self._one(_NOTED, name)
        return found

    async def note(self, name: str, value: str | None, *, instead_of: str | None) -> None:
        """As `End.note`."""
        with self._transaction() as db:
            self._note(db, name, value, instead_of)

    async def newest(self) -> int:
        """As `End.newest`."""
        return self._one(_SQL.newest()) or 0

    async def head(self) -> Head:
        """As `End.head`."""
        with self._troubles():
            return head_of(self._db)

    async def entries(self, after: int, limit: int) -> list[str]:
        """As `End.entries`."""
        return [
            row[0] for row in self._all("SELECT entry FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?", after, limit)
        ]

    async def append(self, texts: Sequence[str]) -> Head:
        """As `End.append`."""
        with self._troubles():
            restore(self._db, texts, self._rules)
            return head_of(self._db)

    async def number(self, table: Table, kept: Kept | None) -> int:
        """As `End.number`."""
        return int(self._one(_SQL.number(table, kept)))

    async def read(self, table: Table, after: Row, kept: Kept | None) -> Page | None:
        """As `End.read`."""
        with self._troubles():
            return page_of(table, self._db.execute(_SQL.read(table, after, kept), after).fetchall())

    async def fitting(self, table: Table, rows: Sequence[Row], before: Progress) -> Sequence[Row]:  # noqa: ARG002
        """As `End.fitting`: all of them."""
        return rows

    async def write(self, table: Table, rows: Sequence[Row], before: Progress, now: Progress) -> None:
        """As `End.write`."""
        with self._transaction() as db:
            name, start = progress_note(table), None if before == Progress() else before.text()
            self._note(db, name, now.text(), start)
            check_written(table, db.executemany(_WRITE[table], rows).rowcount if rows else 0, rows)

    async def number_before(self, number: int, kept: Kept) -> Known | None:
        """As `End.number_before`."""
        found = self._all(_SQL.number_before(kept), number)
        return Known(*found[0]) if found else None

    async def number_of(self, known: Known) -> int:
        """As `End.number_of`."""
        return self._one(_SQL.number_of(), *known) or 0

    async def settle(self) -> None:
        """As `End.settle`. What the entries erased was not written before them: no byte of it is in the file."""
        with self._transaction() as db:
            db.execute("DELETE FROM meta WHERE name = ?", (ERASED,))

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailable(f"the store of {self.region} is not open")
        return self._connection

    def _all(self, sql: str, *values: Any) -> list[Any]:
        with self._troubles():
            return self._db.execute(sql, values).fetchall()

    def _one(self, sql: str, *values: Any) -> Any:
        found = self._all(sql, *values)
        return found[0][0] if found else None

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        """Raise SQLite's errors as ours."""
        try:
            yield
        except (sqlite3.Error, Damaged) as error:
            raise refused(error, self._path, self.region) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._troubles():
            db = self._db
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    db.execute("ROLLBACK")
                raise

    def _note(self, db: sqlite3.Connection, name: str, value: str | None, instead_of: str | None) -> None:
        found = db.execute(_NOTED, (name,)).fetchone()
        if (found[0] if found else None) != instead_of:
            raise StoreUnavailable(f"{self._path}: another ueip store migrate is at work here", Cause.LOCKED)
        if value is None:
            db.execute("DELETE FROM meta WHERE name = ?", (name,))
        else:
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))
