"""One region's PostgreSQL database: how it is opened and checked, and what can be read from it."""

import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import Any, Final, TypeVar

from collector.config_postgres import PostgresSettings
from collector.consent.ledger import Head, LedgerEntry
from collector.consent.standing import State
from collector.errors import Cause, StoreUnusable
from collector.model import Region
from collector.stores import Router, StoredRecord
from collector.stores.known import check_known, referred_to
from collector.stores.postgres_notes import note
from collector.stores.postgres_rows import NEWEST, ON_CELL, RECORDS, find_routers, head_of
from collector.stores.postgres_schema import check_taking
from collector.stores.postgres_session import Session, not_open
from collector.stores.postgres_verify import check_tail
from collector.stores.retention import UNLIMITED, expired_until
from collector.stores.rows import (
    CLOSED,
    closed_of,
    decode_entry,
    of_a_note,
    on_cell_text,
    stored_record,
)

T = TypeVar("T")
TIMES: Final = "times"
"""The note that says up to which entry and record times were found wrong."""


class PostgresReader:
    """The reading half of a `Store`."""

    def __init__(
        self,
        settings: PostgresSettings,
        region: Region,
        key_ids: Collection[str] = (),
        versions: Collection[str] = (),
        retention: int = UNLIMITED,
    ) -> None:
        """*key_ids* name the region's live keys, *versions* those of the notice; a store with others is refused.

        Records are read for *retention* milliseconds after their receipt.
        """
        self.region = region
        self._settings = settings
        self._key_ids = key_ids
        self._versions = versions
        self._retention = retention
        self._session: Session | None = None
        self._head = Head()
        """The last entry that this connection has seen."""
        self._wrong_times = 0
        """The times of entries up to this number were found wrong."""
        self._wrong_records = 0
        """The times of records up to this number were found wrong."""

    async def open(self) -> None:
        """As `Store.open`; making or migrating a store is left to `ueip store init`."""
        await self.close()
        session = await Session.connect(self._settings, self.region)
        try:
            async with session.turn():
                await self._check(session)
                self._head = await head_of(session)
                await self._times(session)
        except BaseException:
            session.terminate()
            raise
        self._session = session

    async def close(self) -> None:
        """As `Store.close`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def head(self) -> Head:
        """As `Store.head`."""
        session = self._open
        async with session.turn():
            await self._look(session)
            return self._head

    async def closed(self, most: int) -> dict[bytes, State]:
        """As `Store.closed`."""
        session = self._open
        async with session.turn():
            return closed_of(await session.rows(CLOSED.format("ueip.router", "$1"), most))

    async def joined(self, after: bytes, most: int) -> list[bytes]:
        """As `Store.joined`."""
        sql = """SELECT device_ref FROM ueip.router WHERE device_ref > $1 AND state = 'joined'
            ORDER BY device_ref LIMIT $2"""
        return await self._each(_first, sql, after, most)

    async def find(self, refs: Sequence[tuple[str, bytes]]) -> list[Router]:
        """As `Store.find`."""
        session = self._open
        async with session.turn():
            return await find_routers(session, refs, expired_until(self._retention))

    async def records(self, device_ref: bytes, *, since: int = 0, limit: int = 1000) -> AsyncIterator[StoredRecord]:
        """As `Store.records`."""
        for record in await self._each(
            stored_record, RECORDS, device_ref, since, expired_until(self._retention), limit
        ):
            yield record

    async def on_cell(self, cell_ref: str, *, since: int, newest: int) -> list[StoredRecord]:
        """As `Store.on_cell`."""
        expired = expired_until(self._retention)
        return await self._each(stored_record, ON_CELL, newest, since, on_cell_text(cell_ref), expired)

    async def ledger(self, device_ref: bytes | None = None) -> list[LedgerEntry]:
        """As `Store.ledger`."""
        sql = "SELECT entry FROM ueip.ledger WHERE $1::bytea IS NULL OR device_ref = $1 ORDER BY seq"
        return await self._each(lambda row: decode_entry(row[0]), sql, device_ref)

    async def entries(self, after: int = 0, limit: int = 1000) -> list[str]:
        """As `Store.entries`."""
        sql = "SELECT entry FROM ueip.ledger WHERE seq > $1 ORDER BY seq LIMIT $2"
        return await self._each(_first, sql, after, limit)

    async def noted(self, name: str) -> str | None:
        """As `Store.noted`."""
        found: list[str] = await self._each(_first, "SELECT value FROM ueip.note WHERE name = $1", name)
        return found[0] if found else None

    async def note(self, name: str, value: str) -> None:
        """As `Store.note`."""
        session = self._open
        async with session.turn():
            await note(session, name, value)

    async def newest(self) -> int:
        """As `Store.newest`."""
        session = self._open
        async with session.turn():
            return await self._times(session)

    async def accept_times(self) -> None:
        """As `Store.accept_times`."""
        session = self._open
        async with session.turn():
            row = await session.row("SELECT (SELECT max(seq) FROM ueip.ledger), (SELECT max(id) FROM ueip.record)")
            await note(session, TIMES, f"{row[0] or 0}:{row[1] or 0}")
            await self._times(session)

    @property
    def _open(self) -> Session:
        if self._session is None:
            raise not_open(self.region)
        return self._session

    async def _each(self, make: Callable[[Any], T], sql: str, *values: Any) -> list[T]:
        """What *make* makes of each row; a row that it finds damaged is a fault of the store."""
        session = self._open
        async with session.turn():
            return [make(row) for row in await session.rows(sql, *values)]

    async def _check(self, session: Session) -> None:
        """Refuse what is no store, or not one of this region, these keys and these versions of the notice.

        Raises:
            StoreUnusable: says which.
        """
        await check_taking(session, self.region)
        place = f"the database of {self.region}"
        known = [(row[0], row[1]) for row in await session.rows(referred_to("ueip.router"))]
        check_known(known, self._key_ids, self._versions, place)
        await check_tail(session, self.region)

    async def _times(self, session: Session) -> int:
        found = await session.row("SELECT value FROM ueip.note WHERE name = $1", TIMES)
        with of_a_note():
            seq, record_id = map(int, found[0].split(":")) if found else (0, 0)
        self._wrong_times, self._wrong_records = seq, record_id
        return max((row[0] for row in await session.rows(NEWEST, seq, record_id) if row[0] is not None), default=0)

    async def _look(self, session: Session) -> list[LedgerEntry]:
        """The entries since the last look. The ledger never gets shorter while the store is open.

        Raises:
            StoreUnusable: it ends earlier than it did, has another entry where it ended, or a new one of a key that is
                not live here.
        """
        sql = "SELECT seq, hash, entry FROM ueip.ledger WHERE seq >= $1 ORDER BY seq"
        return self._learn(await session.rows(sql, self._head.seq))

    def _learn(self, rows: Sequence[Any]) -> list[LedgerEntry]:
        """Learn the entries in *rows*, the first of which is the last entry known so far."""
        if self._head.seq:
            if not rows or (rows[0][0], rows[0][1]) != (self._head.seq, self._head.hash):
                raise StoreUnusable(
                    f"the database of {self.region}: found another ledger than before, expected it to go on from entry "
                    f"{self._head.seq}",
                    Cause.ROLLED_BACK,
                )
            rows = rows[1:]
        found = [decode_entry(row[2]) for row in rows]
        # Somebody else may have a newer key: to this collector his routers would all be new ones.
        check_known(((entry.key_id, None) for entry in found), self._key_ids, (), f"the database of {self.region}")
        if found:
            self._head = Head(seq=found[-1].seq, hash=found[-1].hash)
        return found


def _first(row: Any) -> Any:
    return row[0]


def now_ms() -> int:
    """The time, in milliseconds since 1970."""
    return int(time.time() * 1000)
