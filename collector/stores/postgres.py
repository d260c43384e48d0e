"""A region's store in a PostgreSQL database: the writing half, over `postgres_reading`.

Rule 1: a commit that only adds records of routers that have joined runs beside others of its kind, in this process or
        another. One that appends to the ledger, erases, puts samples together or has a record that no index would
        recognise (`postgres_once`) runs alone in its region. So an exit waits for the commits under way and erases what
        they wrote, and every commit after it sees the exit (K03).
"""

import time
from collections.abc import Collection, Sequence
from typing import Any, Final

from collector.config_postgres import PostgresSettings
from collector.consent.chain import followed
from collector.consent.ledger import Head, LedgerEntry
from collector.errors import Cause, StoreUnusable
from collector.model import Entry, Record, Region
from collector.stores import CHANGES_AT_ONCE, Change
from collector.stores.plan import Committed, ConsentRules, refs_of
from collector.stores.postgres_commit import Begun, Terms, Transaction
from collector.stores.postgres_known import KnownRouters
from collector.stores.postgres_once import FLOATING
from collector.stores.postgres_partitions import CURRENT, Current, make_ahead
from collector.stores.postgres_reading import PostgresReader, now_ms
from collector.stores.postgres_retention import Sweep
from collector.stores.postgres_rows import BEGIN_ALONE, BEGIN_BESIDE, append_again
from collector.stores.postgres_schema import check_taking, check_version
from collector.stores.postgres_session import Session
from collector.stores.retention import DAY, Purged
from collector.stores.rows import Damaged, decode_entry, of_a_note
from collector.stores.staying import MOVE, check_staying

LOOK_BACK: Final = 8 * 86_400_000
"""A day more than both defaults: how long a broker keeps a session, and how old a message may be."""
TOMBSTONE_LIFE: Final = 90 * 86_400_000
"""At least this long; longer if the settings allow a message to be delivered again later than that."""
# By the server's clock too, and at most a day's worth at a time: a clock that is far ahead must not let erased records
# come back (K09).
_OUTLIVED: Final = f"""
    SELECT least(least($1, (extract(epoch FROM now()) * 1000)::bigint) - $2::bigint, min(erased_at) + {DAY})
    FROM ueip.tombstone"""  # noqa: S608 - a number of ours
"""Gives the time before which tombstones have outlived theirs."""
FORGOTTEN_AT_ONCE: Final = 5000
"""Tombstones deleted by one statement."""
# In the order in which they lie: two collectors that delete the same ones do not deadlock.
_FORGET: Final = f"""
    DELETE FROM ueip.tombstone WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM ueip.tombstone WHERE erased_at < $1 ORDER BY erased_at LIMIT {FORGOTTEN_AT_ONCE}))"""  # noqa: S608
_HOUR_SECONDS: Final = 3600.0
_BEGUN: Final = f"""
    SELECT a.schema, m.value, n.value, f.value, nextval('ueip.record_numbers'), l.seq, l.hash, l.entry
    FROM ueip.about a LEFT JOIN ueip.note n ON n.name = '{CURRENT}' LEFT JOIN ueip.note m ON m.name = '{MOVE}'
        LEFT JOIN ueip.note f ON f.name = '{FLOATING}' LEFT JOIN ueip.ledger l ON l.seq >= $1
    ORDER BY l.seq"""  # noqa: S608 - names of ours


class PostgresStore(PostgresReader):
    """One region in one database. See `Store` for what is promised."""

    def __init__(
        self,
        settings: PostgresSettings,
        region: Region,
        rules: ConsentRules,
        key_ids: Collection[str] = (),
        look_back: int = LOOK_BACK,
    ) -> None:
        """As `PostgresReader`; *rules* say how its ledger is kept, *look_back* for how long duplicates may come."""
        super().__init__(settings, region, key_ids, rules.policies.ends, rules.retention)
        self._terms = Terms(region, rules, look_back)
        self._known = KnownRouters()
        self._sweep = Sweep(rules.retention)
        self._was_alone = False
        self._kept_house = float("-inf")
        self._outlived: int | None = None
        """Tombstones from before that time are being deleted; None when none are left."""

    async def open(self) -> None:
        """As `Store.open`."""
        self._known.forget()
        self._kept_house = float("-inf")
        await super().open()

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """As `Store.commit`."""
        session = self._open
        async with session.turn():
            # New routers come in crowds: if the last commit had to be alone, so is this one, rather than begin twice.
            alone = self._was_alone or bool([e for e in entries if not isinstance(e, Record) or e.floating])
            committed = await self._commit(session, entries, alone=alone)
            return committed or await self._alone(session, entries)

    async def _alone(self, session: Session, entries: Sequence[Entry]) -> Committed:
        committed = await self._commit(session, entries, alone=True)
        assert committed is not None
        return committed

    async def _commit(self, session: Session, entries: Sequence[Entry], *, alone: bool) -> Committed | None:
        """Commit *entries*; None, with nothing written, if that has to be done alone."""
        await session.run(BEGIN_ALONE if alone else BEGIN_BESIDE)
        begun = await self._begin(session, refs_of(entries))
        work = Transaction(session, self._terms, self._known, begun, now=now_ms())
        plan = await work.plan(entries)
        self._was_alone = work.has_to_be_alone(plan)
        if self._was_alone and not alone:
            await session.run("ROLLBACK")
            return None
        committed, new = await work.write(plan)
        await self._finish(session)
        self._head = plan.head
        self._known.wrote((entry.standing() for entry in plan.appends), work.rows, work.erased)
        self._known.found(new)
        return committed

    async def _begin(self, session: Session, refs: set[bytes]) -> Begun:
        rows = await session.rows(_BEGUN, self._head.seq)
        schema, move, month, wary, number = rows[0][:5]
        check_version(schema)
        check_staying(move, f"the database of {self.region}")
        self._learn([row[5:] for row in rows if row[5] is not None])
        with of_a_note():
            current, floating = Current.noted(month) if month else None, int(wary or 0)
        known = await self._known.read(session, refs)
        return Begun(self._head, current, number, known, self._wrong_times, floating)

    async def _finish(self, session: Session) -> None:
        await session.run("COMMIT")

    def _learn(self, rows: Sequence[Any]) -> list[LedgerEntry]:
        found = super()._learn(rows)
        self._known.learn(found)
        return found

    async def changes(self, after: int, most: int = CHANGES_AT_ONCE) -> list[Change]:
        """As `Store.changes`; also checks that the store is still what it was, as this is asked once a second or so."""
        session = self._open
        async with session.turn():
            await check_taking(session, self.region)
            await self._check_writable(session)
            await self._look(session)
            sql = "SELECT entry FROM ueip.ledger WHERE seq > $1 ORDER BY seq LIMIT $2"
            rows = await session.rows(sql, after, most)
            found = [Change.by(decode_entry(row[0])) for row in rows]
        if time.monotonic() - self._kept_house > _HOUR_SECONDS:
            self._kept_house = time.monotonic()
            await self._keep_house(session)
        if self._outlived is not None:
            await self._forget(session, self._outlived)
        return found

    async def _check_writable(self, session: Session) -> None:
        """Notice a server that became a standby, or read-only, before a message has to wait for it."""
        sql = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"
        if (await session.row(sql))[0]:
            raise StoreUnusable(f"the database of {self.region}: found a server that takes no writes", Cause.READ_ONLY)

    async def _keep_house(self, session: Session) -> None:
        """Make partitions ahead, and see which tombstones nothing can ask for any more."""
        now = now_ms()
        async with session.turn():
            await self._make_ahead(session, now)
            life = max(TOMBSTONE_LIFE, self._terms.look_back)
            self._outlived = (await session.row(_OUTLIVED, now, life))[0]

    async def _make_ahead(self, session: Session, now: int) -> None:
        await session.run(BEGIN_ALONE)
        await make_ahead(session, now)
        await session.run("COMMIT")

    async def _forget(self, session: Session, outlived: int) -> None:
        """Delete some of the tombstones from before a time; the next look goes on."""
        async with session.turn():
            if await session.do(_FORGET, outlived) < FORGOTTEN_AT_ONCE:
                self._outlived = None

    async def purge(self) -> Purged:
        """As `Store.purge`."""
        return await self._sweep.step(
            self._open, now_ms(), lambda session: check_taking(session, self.region), self._wrong_records
        )

    async def restore(self, entries: Sequence[str]) -> int:
        """As `Store.restore`."""
        session = self._open
        async with session.turn():
            self._known.forget()
            await session.run(BEGIN_ALONE)
            await check_taking(session, self.region)
            await self._look(session)
            try:
                found = followed(self._head, entries)
            except ValueError as error:
                raise Damaged(str(error)) from error
            erased = await self._append_again(session, found, entries) if found else 0
            await self._finish(session)
            if found:
                self._head = Head(seq=found[-1].seq, hash=found[-1].hash)
            return erased

    async def _append_again(self, session: Session, found: list[LedgerEntry], texts: Sequence[str]) -> int:
        return await append_again(session, found, texts, self._terms.consent, now_ms())
