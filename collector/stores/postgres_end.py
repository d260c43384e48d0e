"""A PostgreSQL store as one end of a move, signed in to as its administrator."""

from collections.abc import Collection, Sequence
from typing import Any, Final

from collector.config_postgres import PostgresSettings
from collector.consent.chain import followed
from collector.consent.ledger import Head
from collector.errors import Cause, StoreUnavailable
from collector.model import Region
from collector.stores.ends import Kept, Known, Page, Progress, Row, Table, progress_note
from collector.stores.known import check_known, referred_to
from collector.stores.move_rows import Dialect, check_written, page_of
from collector.stores.plan import ConsentRules
from collector.stores.postgres_notes import note, noted
from collector.stores.postgres_once import FLOATING
from collector.stores.postgres_partitions import CURRENT, Current, Month
from collector.stores.postgres_reading import now_ms
from collector.stores.postgres_rows import BEGIN_ALONE, append_again, head_of
from collector.stores.postgres_schema import check_kind
from collector.stores.postgres_session import Session, not_open
from collector.stores.rows import ERASED, Damaged

_SQL: Final = Dialect("ueip.", lambda number: f"${number}")
_STAGING: Final = """
    CREATE TEMPORARY TABLE IF NOT EXISTS moving (
        place bigint, record_id bytea, device_ref bytea, event_time bigint, received_at bigint, consent_seq bigint,
        policy_version text, source_adapter text, stripped text, body text, since bigint, until bigint
    ) ON COMMIT DELETE ROWS"""
# A move does not carry over whether a record floats, so each is taken to float: a redelivery is then found by its id.
# Of several with one id (K39), the first of each month stands for all: one for all months would not do, as a redelivery
# is looked for only as far back as it can come from. Scalar subqueries, as in `postgres_once`.
_RECORDS: Final = """
    INSERT INTO ueip.record
    SELECT nextval.number + m.place, m.record_id, w.id, m.event_time, m.received_at, m.consent_seq, m.policy_version,
        m.source_adapter, m.stripped, m.body,
        row_number() OVER (PARTITION BY m.since, m.record_id ORDER BY m.place) = 1
            AND (SELECT r.id FROM ueip.record r WHERE r.floating AND r.record_id = m.record_id
                AND r.received_at >= m.since AND r.received_at < m.until LIMIT 1) IS NULL
    FROM (SELECT nextval('ueip.record_numbers') AS number) AS nextval, pg_temp.moving m
        JOIN ueip.router w USING (device_ref)"""
_RECEIVED_AT: Final = Table.RECORDS.columns.index("received_at")
_WRITE: Final = {
    Table.NAMES: """
        INSERT INTO ueip.lookup (ref, kind, router_id) SELECT n.ref, n.kind, w.id
        FROM unnest($1::bytea[], $2::text[], $3::bytea[]) AS n(ref, kind, device_ref)
            JOIN ueip.router w USING (device_ref)""",
    Table.MEMORIES: """
        INSERT INTO ueip.memory (router_id, state) SELECT w.id, n.state
        FROM unnest($1::bytea[], $2::bytea[]) AS n(device_ref, state) JOIN ueip.router w USING (device_ref)""",
    Table.TOMBSTONES: """
        INSERT INTO ueip.tombstone (record_id, erased_at) SELECT * FROM unnest($1::bytea[], $2::bigint[])""",
    Table.REGISTRY: """
        INSERT INTO ueip.registry (device_ref, key_id, country, generation)
        SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[])""",
}
_REMOVE: Final = "DELETE FROM ueip.note WHERE name = $1"
_TABLES: Final = ("ledger", "router", "record", "lookup", "memory", "tombstone", "registry")


class PostgresEnd:
    """As `End`."""

    def __init__(
        self, settings: PostgresSettings, region: Region, key_ids: Collection[str], rules: ConsentRules, admin: str
    ) -> None:
        """*admin* is the user to sign in as, the tables' owner or superuser: the writer may not write the registry."""
        self.region = region
        self.at_once = 1
        self.place = f"the database of {region}"
        self._settings = settings
        self._key_ids = key_ids
        self._rules = rules
        self._admin = admin
        self._session: Session | None = None

    async def open(self) -> None:
        """As `End.open`; making or migrating a store is left to `ueip store init`."""
        session = await Session.connect(self._settings, self.region, user=self._admin, patient=True)
        self._session = session
        async with session.turn():
            await check_kind(session, self.region)
            known = [(row[0], row[1]) for row in await session.rows(referred_to("ueip.router"))]
            check_known(known, self._key_ids, self._rules.policies.ends, self.place)

    async def close(self) -> None:
        """As `End.close`."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def is_empty(self) -> bool:
        """As `End.is_empty`."""
        return bool(await self._one(_SQL.is_empty()))

    async def noted(self, name: str) -> str | None:
        """As `End.noted`."""
        async with self._open.turn():
            return await noted(self._open, name)

    async def note(self, name: str, value: str | None, *, instead_of: str | None) -> None:
        """As `End.note`."""
        session = self._open
        async with session.turn():
            await session.run(BEGIN_ALONE)
            await self._note(session, name, value, instead_of)
            await session.run("COMMIT")

    async def newest(self) -> int:
        """As `End.newest`."""
        return await self._one(_SQL.newest()) or 0

    async def head(self) -> Head:
        """As `End.head`."""
        async with self._open.turn():
            return await head_of(self._open)

    async def entries(self, after: int, limit: int) -> list[str]:
        """As `End.entries`."""
        sql = "SELECT entry FROM ueip.ledger WHERE seq > $1 ORDER BY seq LIMIT $2"
        return [row[0] for row in await self._rows(sql, after, limit)]

    async def append(self, texts: Sequence[str]) -> Head:
        """As `End.append`."""
        session = self._open
        async with session.turn():
            await session.run(BEGIN_ALONE)
            try:
                found = followed(await head_of(session), texts)
            except ValueError as error:
                raise Damaged(str(error)) from error
            await append_again(session, found, texts, self._rules, now_ms())
            await session.run("COMMIT")
            return Head(seq=found[-1].seq, hash=found[-1].hash)

    async def number(self, table: Table, kept: Kept | None) -> int:
        """As `End.number`."""
        return int(await self._one(_SQL.number(table, kept)))

    async def read(self, table: Table, after: Row, kept: Kept | None) -> Page | None:
        """As `End.read`."""
        session = self._open
        async with session.turn():
            return page_of(table, await session.rows(_SQL.read(table, after, kept), *after))

    async def fitting(self, table: Table, rows: Sequence[Row], before: Progress) -> Sequence[Row]:  # noqa: ARG002
        """As `End.fitting`: all of them."""
        return rows

    async def write(self, table: Table, rows: Sequence[Row], before: Progress, now: Progress) -> None:
        """As `End.write`."""
        session = self._open
        async with session.turn():
            await session.run(BEGIN_ALONE)
            await self._note(session, progress_note(table), now.text(), None if before == Progress() else before.text())
            if rows:
                check_written(table, await self._write(session, table, rows, before), rows)
            await session.run("COMMIT")

    async def _write(self, session: Session, table: Table, rows: Sequence[Row], before: Progress) -> int:  # noqa: ARG002
        """Write rows in the transaction that notes them, *before* as in `write`; how many found their router."""
        if table is not Table.RECORDS:
            return await session.do(_WRITE[table], *(list(column) for column in zip(*rows, strict=True)))
        months = [Month.of(row[_RECEIVED_AT]) for row in rows]
        for month in {*months}:
            await session.rows("SELECT ueip.make_partition($1)", month.start)
        await session.run(_STAGING)
        await session.copy("moving", [(place, *row, *months[place]) for place, row in enumerate(rows)])
        return await session.do(_RECORDS)

    async def number_before(self, number: int, kept: Kept) -> Known | None:
        """As `End.number_before`."""
        found = await self._rows(_SQL.number_before(kept), number)
        return Known(*found[0]) if found else None

    async def number_of(self, known: Known) -> int:
        """As `End.number_of`."""
        return await self._one(_SQL.number_of(), *known) or 0

    async def settle(self) -> None:
        """As `End.settle`: note the month that commits go on with, and renew the planner's statistics.

        Whether a moved record floats is not known, so it is looked for among those that do (`_RECORDS`).
        What the entries erased had not been written here yet: no byte of it is in the files.
        """
        newest = await self._one("SELECT max(received_at) FROM ueip.record")
        session = self._open
        async with session.turn():
            await session.run(BEGIN_ALONE)
            await session.do(_REMOVE, ERASED)
            if newest is not None:
                month = Month.of(newest)
                await note(session, CURRENT, Current(month, month.end).note())
                await note(session, FLOATING, str(month.end))
            await session.run("COMMIT")
            for table in _TABLES:
                await session.run(f"ANALYZE ueip.{table}")

    @property
    def _open(self) -> Session:
        if self._session is None:
            raise not_open(self.region)
        return self._session

    async def _rows(self, sql: str, *values: Any) -> Sequence[Any]:
        async with self._open.turn():
            return await self._open.rows(sql, *values)

    async def _one(self, sql: str, *values: Any) -> Any:
        found = await self._rows(sql, *values)
        return found[0][0] if found else None

    async def _note(self, session: Session, name: str, value: str | None, instead_of: str | None) -> None:
        if await noted(session, name) != instead_of:
            raise StoreUnavailable(f"{self.place}: another ueip store migrate is at work here", Cause.LOCKED)
        if value is None:
            await session.do(_REMOVE, name)
        else:
            await note(session, name, value)
