"""A region's store for large fleets: records in ClickHouse, the ledger and all that decisions depend on in PostgreSQL.

ClickHouse has no transaction that could hold an entry of the ledger and a record together. So:

Rule 1: an act is durable in the ledger first, and from then on nobody can read what it ended; the records concerned are
        erased after that, again and again until none is left (`clickhouse_purge`).
Rule 2: records are written while the transaction of the ledger's database that let them in is open and keeps exits
        waiting (K03). If that transaction is lost meanwhile, and exits no longer wait, the commit has failed: it is
        made again, and what it may have written is found by the exit that overtook it, which looks twice.
"""

from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Any, Final, NamedTuple

from collector.config_clickhouse import ClickHouseSettings
from collector.config_postgres import PostgresSettings
from collector.consent.ledger import LedgerEntry
from collector.errors import Cause, StoreUnavailable
from collector.model import ConsentEvent, Entry, Record, Region
from collector.stores import CHANGES_AT_ONCE, Change, Router, StoredRecord
from collector.stores.clickhouse_bounds import Bound
from collector.stores.clickhouse_commit import Left, Step, bury_doomed
from collector.stores.clickhouse_reading import find_routers, on_cell, records_of
from collector.stores.clickhouse_schema import MARK, check_about
from collector.stores.clickhouse_session import Dial, Records, dial
from collector.stores.clickhouse_table import Table
from collector.stores.clickhouse_times import Times
from collector.stores.clickhouse_upkeep import Upkeep
from collector.stores.gathering import parted
from collector.stores.plan import Committed, ConsentRules, Insert, Plan, erased_by, refs_of, removed_from
from collector.stores.postgres import LOOK_BACK, PostgresStore
from collector.stores.postgres_notes import noted
from collector.stores.postgres_reading import now_ms
from collector.stores.postgres_rows import BEGIN_ALONE, BEGIN_BESIDE, append, forget, upsert
from collector.stores.postgres_schema import check_taking
from collector.stores.postgres_session import Session
from collector.stores.retention import Purged, expired_until
from collector.stores.rows import PURGING, decode_entry

_ROUNDS: Final = 8
"""Two are needed, or four if concurrent commits get in each other's way."""


class ClickHouseStore(PostgresStore):
    """One region in one database of each. See `Store` for what is promised."""

    sweep_waits: float = 0.5
    """For how many seconds a sweep may keep commits waiting; then it goes on beside them."""

    def __init__(
        self,
        ledger: PostgresSettings,
        records: ClickHouseSettings,
        region: Region,
        rules: ConsentRules,
        key_ids: Collection[str] = (),
        look_back: int = LOOK_BACK,
        dialled: Dial = dial,
    ) -> None:
        """As `PostgresStore` for the *ledger*; *dialled* makes the connections to the *records*."""
        super().__init__(ledger, region, rules, key_ids, look_back)
        self._places = (records, region, dialled)
        self._records: Records | None = None
        self._upkeep: Upkeep | None = None
        self._receipts = Times()

    async def open(self) -> None:
        """As `Store.open`."""
        await super().open()
        self._upkeep = Upkeep(Records(*self._places, patient=True), self._terms.consent, self.sweep_waits)
        await self._upkeep.opened(self._open)
        self._upkeep.go_on(self._open)

    async def close(self) -> None:
        """As `Store.close`."""
        upkeep, self._upkeep = self._upkeep, None
        records, self._records = self._records, None
        if upkeep is not None:
            await upkeep.close()
        if records is not None:
            await records.close()
        await super().close()

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """As `Store.commit`."""
        session = self._open
        async with session.turn():
            try:
                return await self._rounds(session, entries)
            finally:
                self._keep_up(session)

    async def changes(self, after: int, most: int = CHANGES_AT_ONCE) -> list[Change]:
        """As `PostgresStore.changes`."""
        found = await super().changes(after, most)
        self._keep_up(self._open)
        return found

    async def purge(self) -> Purged:
        """As `Store.purge`."""
        session = self._open
        assert self._upkeep is not None
        async with session.turn():
            await check_taking(session, self.region)
        return await self._upkeep.purge(session)

    async def find(self, refs: Sequence[tuple[str, bytes]]) -> list[Router]:
        """As `Store.find`."""
        return await find_routers(self._open, self._table, refs, expired_until(self._retention))

    async def records(self, device_ref: bytes, *, since: int = 0, limit: int = 1000) -> AsyncIterator[StoredRecord]:
        """As `Store.records`."""
        expired = expired_until(self._retention)
        for record in await records_of(self._open, self._table, device_ref, since, expired, limit):
            yield record

    async def on_cell(self, cell_ref: str, *, since: int, newest: int) -> list[StoredRecord]:
        """As `Store.on_cell`."""
        return await on_cell(self._open, self._table, cell_ref, since, expired_until(self._retention), newest)

    async def noted(self, name: str) -> str | None:
        """As `Store.noted`; `PURGING` tells how many acts are not carried out yet, and when the oldest was received."""
        if name != PURGING:
            return await super().noted(name)
        purges = self._upkeep and self._upkeep.purges
        return f"{len(purges)} {purges.oldest}" if purges else None

    async def accept_times(self) -> None:
        """As `Store.accept_times`."""
        session = self._open
        async with session.turn():
            await self._receipts.accept(session, self._table)
            await self._times(session)

    async def restore(self, entries: Sequence[str]) -> int:
        """As `Store.restore`."""
        erased = await super().restore(entries)
        self._learnt([decode_entry(text) for text in entries])
        self._keep_up(self._open)
        return erased

    @property
    def _table(self) -> Table:
        if self._records is None:
            self._records = Records(*self._places)
        return Table(self._records)

    async def _rounds(self, session: Session, entries: Sequence[Entry]) -> Committed:
        """Commit in rounds: first what goes into the ledger, and once that is durable the records that it lets in."""
        total, left = Committed(0, Counter(), Counter(), 0, [], Counter()), Left(entries)
        alone = self._was_alone or any(isinstance(entry, ConsentEvent) for entry in entries)
        self._was_alone = False
        for _ in range(_ROUNDS):
            done = await self._round(session, left, alone=alone)
            alone = done is None
            if done is None:
                continue
            total.add(done.committed)
            if done.left is None:
                break
            left = done.left
        else:
            raise StoreUnavailable(f"the store of {self.region}: the ledger changed again and again", Cause.LOCKED)
        if not any(isinstance(entry, Record) for entry in entries):
            await self._table.ping()  # a store that takes a commit counts as back, even if the commit has only acts
        return total

    async def _round(self, session: Session, left: Left, *, alone: bool) -> "_Round | None":
        """One transaction; None, with nothing written, if it has to be done alone."""
        await session.run(BEGIN_ALONE if alone else BEGIN_BESIDE)
        begun = await self._begin(session, refs_of(left.entries))
        work = Step(session, self._table, self._terms, self._known, begun, now=now_ms())
        plan = await work.plan_of(left)
        if work.has_to_be_alone(plan):
            self._was_alone = True
            if not alone:
                await session.run("ROLLBACK")
                return None
        told = await work.write_ledger(plan)
        if told is None:
            return _Round(await self._keep(session, work, plan), None)
        await self._finish(session)
        self._wrote(work, plan, work.named)
        if work.trouble is not None:
            raise work.trouble
        return _Round(told, work.left_of(plan))

    async def _keep(self, session: Session, work: Step, plan: Plan) -> Committed:
        kept = await work.keep(plan)
        await self._finish(session)
        self._wrote(work, plan, kept.new)
        stored, removed = len(kept.new) + len(kept.joined), removed_from([*kept.new, *kept.joined])
        return Committed(stored, plan.dropped, plan.results, 0, plan.unchanged, removed, plan.decided)

    def _wrote(self, work: Step, plan: Plan, findable: Sequence[Insert]) -> None:
        """Remember what is durable now."""
        self._head = plan.head
        self._known.wrote((entry.standing() for entry in plan.appends), work.rows, work.erased)
        self._known.found(findable)
        self._learnt(plan.appends)

    def _learn(self, rows: Sequence[Any]) -> list[LedgerEntry]:
        found = super()._learn(rows)
        self._learnt(found)
        return found

    def _learnt(self, entries: Sequence[LedgerEntry]) -> None:
        if self._upkeep is not None:
            self._upkeep.learn(entries)

    def _keep_up(self, session: Session) -> None:
        if self._upkeep is not None:
            self._upkeep.go_on(session)

    async def _append_again(self, session: Session, found: list[LedgerEntry], texts: Sequence[str]) -> int:
        await append(session, found, texts)
        ended = {s.device_ref: s for s in (entry.standing() for entry in found)}
        rows = await upsert(session, list(ended.values()))
        ids = {ref: router_id for ref, (router_id, _) in rows.items()}
        await forget(session, [ids[ref] for ref in parted(found)])
        bounds = [Bound(ref, ended[ref].seq, until) for ref, until in erased_by(found, self._terms.consent)]
        return await bury_doomed(session, self._table, bounds, ids, now_ms()) if bounds else 0

    async def _check(self, session: Session) -> None:
        await super()._check(session)
        check_about(await self._table.comment(), self.region, await noted(session, MARK))

    async def _times(self, session: Session) -> int:
        wrong = await self._receipts.wrong(session)
        self._wrong_times, _ = wrong
        return await self._receipts.newest(session, self._table, wrong)

    async def _make_ahead(self, session: Session, now: int) -> None:
        """Nothing: records lie in ClickHouse."""


class _Round(NamedTuple):
    """What one transaction did, and what is left to be done."""

    committed: Committed
    left: Left | None
