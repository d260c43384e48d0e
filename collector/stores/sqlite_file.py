"""One region's SQLite file: opens, checks and reads it.

All work is done on a thread of the file's own, so that a slow disk delays only this region.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from collector.consent.ledger import Head, LedgerEntry
from collector.consent.standing import State
from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.model import Region
from collector.stores import Router, StoredRecord
from collector.stores.retention import UNLIMITED, expired_until
from collector.stores.rows import (
    CLOSED,
    Damaged,
    closed_of,
    decode_entry,
    of_a_note,
    on_cell_text,
    stored_record,
)
from collector.stores.sqlite_faults import OpenedFile, refused
from collector.stores.sqlite_rows import (
    NEWEST,
    ON_CELL,
    RECORDS,
    check_staying_here,
    find_routers,
    head_of,
)
from collector.stores.sqlite_schema import connect
from collector.stores.sqlite_verify import check_tail
from collector.stores.worker import Worker

T = TypeVar("T")
_TIMES: Final = "times"
"""Name of the note that says up to which entry and which record the times were found wrong."""


class StoreFile:
    """The reading half of a `Store`."""

    def __init__(
        self,
        path: Path,
        region: Region,
        key_ids: Collection[str] = (),
        versions: Collection[str] = (),
        witness: Path | None = None,
        retention: int = UNLIMITED,
    ) -> None:
        """*key_ids* names the region's live keys, *versions* those of the notice; a store with others is refused.

        If *witness* tells that there was a store, a missing one is not made. Records can be read for *retention*
        milliseconds after their receipt.
        """
        self.path = path
        self.region = region
        self._key_ids = key_ids
        self._versions = versions
        self._witness = witness
        self._retention = retention
        self._worker = Worker(f"store-{region}")
        self._connection: sqlite3.Connection | None = None
        self._file = OpenedFile(path)
        self._end = 0
        self._wrong_times = 0
        """The times of entries up to this number were found wrong."""
        self._wrong_records = 0
        """The times of records up to this number were found wrong."""

    async def open(self) -> None:
        """As `Store.open`."""
        await self._do(self._open)

    async def close(self) -> None:
        """As `Store.close`."""
        await self._do(self._close)
        self._worker.stop()

    async def head(self) -> Head:
        """As `Store.head`."""
        return await self._do(self._head)

    async def closed(self, most: int) -> dict[bytes, State]:
        """As `Store.closed`."""
        return await self._do(lambda: closed_of(self._all(CLOSED.format("router", "?"), most)))

    async def joined(self, after: bytes, most: int) -> list[bytes]:
        """As `Store.joined`."""
        sql = "SELECT device_ref FROM router WHERE device_ref > ? AND state = 'joined' ORDER BY device_ref LIMIT ?"
        return await self._do(lambda: [row[0] for row in self._all(sql, after, most)])

    async def find(self, refs: Sequence[tuple[str, bytes]]) -> list[Router]:
        """As `Store.find`."""
        return await self._do(lambda: find_routers(self._db, refs, expired_until(self._retention)))

    async def records(self, device_ref: bytes, *, since: int = 0, limit: int = 1000) -> AsyncIterator[StoredRecord]:
        """As `Store.records`."""
        for record in await self._do(self._stored, RECORDS, device_ref, since, expired_until(self._retention), limit):
            yield record

    async def on_cell(self, cell_ref: str, *, since: int, newest: int) -> list[StoredRecord]:
        """As `Store.on_cell`."""
        what = (newest, since, f"*{on_cell_text(cell_ref)}*", expired_until(self._retention))
        return await self._do(self._stored, ON_CELL, *what)

    async def ledger(self, device_ref: bytes | None = None) -> list[LedgerEntry]:
        """As `Store.ledger`."""
        sql = "SELECT entry FROM ledger WHERE ?1 IS NULL OR device_ref = ?1 ORDER BY seq"
        return await self._do(lambda: [decode_entry(row[0]) for row in self._all(sql, device_ref)])

    async def entries(self, after: int = 0, limit: int = 1000) -> list[str]:
        """As `Store.entries`."""
        sql = "SELECT entry FROM ledger WHERE seq > ? ORDER BY seq LIMIT ?"
        return [row[0] for row in await self._do(self._all, sql, after, limit)]

    async def noted(self, name: str) -> str | None:
        """As `Store.noted`."""
        found = await self._do(self._all, "SELECT value FROM meta WHERE name = ?", name)
        return found[0][0] if found else None

    async def note(self, name: str, value: str) -> None:
        """As `Store.note`."""
        await self._do(self._all, "INSERT OR REPLACE INTO meta VALUES (?, ?)", name, value)

    async def newest(self) -> int:
        """As `Store.newest`."""
        return await self._do(self._newest)

    async def accept_times(self) -> None:
        """As `Store.accept_times`."""
        ends = "SELECT (SELECT max(seq) FROM ledger), (SELECT max(id) FROM record)"
        [(seq, record_id)] = await self._do(self._all, ends)
        await self.note(_TIMES, f"{seq or 0}:{record_id or 0}")
        await self._do(self._newest)

    async def _do(self, work: Callable[..., T], *args: Any) -> T:
        """Run *work* on the store's thread; SQLite's errors are raised as ours."""
        try:
            return await self._worker.call(work, *args)
        except (sqlite3.Error, Damaged) as error:
            raise refused(error, self.path, self.region) from error

    def _open(self) -> None:
        # Close first: if the file was replaced, the old connection would take the log away from under the new one.
        self._close()
        connection = connect(self.path, self.region, self._key_ids, self._versions, self._witness)
        try:
            check_staying_here(connection, str(self.path))
            check_tail(connection, self.path)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        self._file.opened()
        self._end = 0
        self._newest()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    @property
    def _db(self) -> sqlite3.Connection:
        if self._connection is None:
            raise StoreUnavailable(f"the store of {self.region} is not open")
        return self._connection

    def _all(self, sql: str, *values: Any) -> list[Any]:
        return self._db.execute(sql, values).fetchall()

    def _stored(self, sql: str, *values: Any) -> list[StoredRecord]:
        return [stored_record(row) for row in self._all(sql, *values)]

    def _newest(self) -> int:
        found = self._all("SELECT value FROM meta WHERE name = ?", _TIMES)
        with of_a_note():
            seq, record_id = map(int, found[0][0].split(":")) if found else (0, 0)
        self._wrong_times, self._wrong_records = seq, record_id
        return max((row[0] for row in self._all(NEWEST, seq, record_id) if isinstance(row[0], int)), default=0)

    def _head(self) -> Head:
        """The ledger's end, which never moves back while the store is open."""
        return self._ends_at(head_of(self._db))

    def _ends_at(self, head: Head) -> Head:
        """Return *head* if the ledger has not become shorter.

        Raises:
            StoreUnusable: it has.
        """
        if head.seq < self._end:
            raise StoreUnusable(
                f"{self.path}: found a ledger that ends at entry {head.seq}, expected at least entry {self._end}",
                Cause.ROLLED_BACK,
            )
        self._end = head.seq
        return head
