"""One step of a commit to a store whose records are in ClickHouse: what is read and written in one transaction of the
ledger's database, and in ClickHouse meanwhile.

Rule 1: a transaction either writes the ledger or lets records in, not both: records are written while the transaction
        that let them in is open and the consent behind them is durable.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Final, NamedTuple

from collector.consent.ledger import LedgerEntry
from collector.derive import encode
from collector.errors import StoreUnavailable
from collector.model import DropReason, Entry, Record
from collector.stores.clickhouse_bounds import BOUNDS, Bound, all_but, any_of
from collector.stores.clickhouse_rows import record_row, with_body
from collector.stores.clickhouse_schema import COLUMNS
from collector.stores.clickhouse_table import Table, some
from collector.stores.gathering import Gathered, Stored, gather, needs_gathering, parted, remembered
from collector.stores.plan import Committed, Insert, Plan
from collector.stores.postgres_commit import Begun, Terms, Transaction, record_ids
from collector.stores.postgres_gathering import MEMORIES, REMEMBER
from collector.stores.postgres_known import KnownRouters
from collector.stores.postgres_rows import among, bury, forget
from collector.stores.postgres_session import Session
from collector.stores.rows import tombstone

_BODY: Final = -1
_CONSENT_SEQ: Final = list(COLUMNS).index("consent_seq")
_BURIED: Final = "UPDATE ueip.router SET buried = true, names = NULL WHERE id = ANY($1::bigint[])"
_UNNAME: Final = "DELETE FROM ueip.lookup WHERE router_id = ANY($1::bigint[])"


class Kept(NamedTuple):
    """What became of the records of a plan."""

    new: list[Insert]
    joined: list[Insert]
    """Parts that found their record and make none of their own."""


class Early(NamedTuple):
    """A record that was followed by an act of its router in the same commit."""

    insert: Insert
    """As it was let in: under the standing before the act, which is not the last one."""
    seq: int
    """The number of its router's last entry once the commit had written to the ledger."""


class Left(NamedTuple):
    """What is still to be done of a commit, in this order; records let in early are among the entries."""

    entries: Sequence[Entry]
    early: Mapping[int, Early] = MappingProxyType({})
    """By their place among the entries."""
    appends: Sequence[LedgerEntry] = ()
    """What the commit has written to the ledger."""


class Step(Transaction):
    """A transaction of the ledger's database that has begun."""

    def __init__(
        self, session: Session, table: Table, terms: Terms, known: KnownRouters, begun: Begun, *, now: int
    ) -> None:
        super().__init__(session, terms, known, begun, now=now)
        self.trouble: StoreUnavailable | None = None
        """Why ClickHouse could not be asked what an act erases; raised once the ledger has the act."""
        self.named: list[Insert] = []
        """New records; the names of their routers were written where they were lacking."""
        self._table = table
        self._there: set[bytes] = set()
        self._appended: Sequence[LedgerEntry] = ()

    async def plan_of(self, left: Left) -> Plan:
        """As `Transaction.plan`; what was let in early stays let in, unless its router has had further acts."""
        records = [entry for entry in left.entries if isinstance(entry, Record)]
        self._appended = left.appends
        if records:
            wanted = [((r.identity.device_ref, *r.identity.older), (r.record_id, *r.older_ids)) for r in records]
            since = min(record.received_at for record in records) - self._terms.look_back
            self._there = await self._table.present(wanted, f"received_at >= {since}")
        if not left.early:
            return await self.plan(left.entries)
        still = await self._still_let_in(left.early)
        plan = await self.plan([entry for place, entry in enumerate(left.entries) if place not in still])
        places = {record.record_id: place for place, record in reversed([*enumerate(records)])}
        # Of a record that came twice the first counts, and what was let in early came before the act.
        plan.inserts = sorted([*still.values(), *plan.inserts], key=lambda one: places[one.record.record_id])
        return plan

    async def _still_let_in(self, early: Mapping[int, Early]) -> dict[int, Insert]:
        rows, there = self._begun.rows, self._there
        mine = {
            place: insert
            for place, (insert, seq) in early.items()
            if rows[insert.standing.device_ref].standing.seq == seq and there.isdisjoint(insert.record.older_ids)
        }
        if not self._terms.consent.listed_only:
            return mine
        listed = await self._listed([insert.record for insert in mine.values()])
        return {place: one for place, one in mine.items() if not listed.isdisjoint(_refs(one.record))}

    def left_of(self, plan: Plan) -> Left | None:
        """What is left to do of *plan* once the ledger has its part; None if nothing is."""
        last = {ref: row.standing.seq for ref, row in self._begun.rows.items()}
        last.update((after.device_ref, after.seq) for after in (entry.standing() for entry in plan.appends))
        early = {
            place: Early(one, last[one.standing.device_ref])
            for place, one in enumerate(plan.inserts)
            if last[one.standing.device_ref] != one.standing.seq
        }
        appends = (*self._appended, *plan.appends)
        return Left([one.record for one in plan.inserts], early, appends) if plan.inserts else None

    def has_to_be_alone(self, plan: Plan) -> bool:
        """Whether no other commit may run meanwhile: as in PostgreSQL alone, except that months do not matter."""
        return bool(plan.appends or plan.erase or plan.bury) or needs_gathering(plan.inserts)

    async def write_ledger(self, plan: Plan) -> Committed | None:
        """Write what the plan says about consents, and the new names of routers; None if there is neither."""
        changed = await self._append(plan)
        erased = await self._bury(plan)
        self.named = [one for one in once(plan.inserts) if one.record.record_id not in self._there]
        named = await self._known.make_findable(self._session, self.named, self._ids, plan.erase)
        if not (plan.appends or plan.erase or plan.bury or named):
            return None
        told = [*plan.unchanged, *changed]
        return Committed(0, plan.dropped, plan.results, erased, told, Counter(), plan.decided, plan.numbers)

    async def _bury(self, plan: Plan) -> int:
        """Bury the records that will be deleted once the ledger has the acts; how many they are."""
        await forget(self._session, [self._ids[ref] for ref in parted(plan.appends)])
        number = await self._bury_stored(plan)
        # After the counted ones, as a record that was delivered again may be both taken back here and stored.
        await bury(self._session, [tombstone(record_id) for record_id in plan.bury], self._now)
        return number

    async def _bury_stored(self, plan: Plan) -> int:
        ended = {s.device_ref: s for s in (entry.standing() for entry in plan.appends)}
        bounds = [Bound(ref, ended[ref].seq, until) for ref, until in plan.erase if ref in self._ids]
        self.erased = {self._ids[bound.device_ref] for bound in bounds}
        if not bounds:
            return 0
        try:
            return await bury_doomed(self._session, self._table, bounds, self._ids, self._now)
        except StoreUnavailable as error:
            # ClickHouse is in trouble: the owner's act does not wait. The purge finds and buries what is there.
            self.trouble = error
            await unname(self._session, bounds, self._ids, set())
            return 0

    async def keep(self, plan: Plan) -> Kept:
        """Write the plan's records; nothing is written of a duplicate (D7)."""
        inserts, joined, rows = plan.inserts, list[Insert](), list[Sequence[object]]()
        if needs_gathering(inserts):
            begun = await self._begun_samples(inserts)
            stored = {key: Stored(row[_BODY].encode(), int(row[_CONSENT_SEQ])) for key, row in begun.items()}
            made = await self._gathered(inserts, stored)
            inserts, joined = made.inserts, made.joined
            bodies = {record_id: one.record.body for record_id, one in made.updates.items()}
            rows = [with_body(begun[record_id], self._begun.number, body) for record_id, body in bodies.items()]
        new = [one for one in once(inserts) if one.record.record_id not in self._there]
        if len(inserts) > len(new):
            plan.dropped[DropReason.DUPLICATE] += len(inserts) - len(new)
        rows += [record_row(self._begun.number + place, one) for place, one in enumerate(new)]
        if rows:
            await self._table.insert(rows)
        return Kept(new, joined)

    async def _begun_samples(self, inserts: Iterable[Insert]) -> dict[bytes, Sequence[str]]:
        parts = {i.record.record_id: i.standing.device_ref for i in inserts if i.record.interval is not None}
        return await self._table.rows_of([(ref, record_id) for record_id, ref in parts.items()])

    async def _gathered(self, inserts: list[Insert], begun: dict[bytes, Stored]) -> Gathered:
        """As `postgres_gathering.gathered`, with the bodies in ClickHouse.

        What is remembered becomes durable after the records are written: a commit that is made again gives the same.
        """
        refs = {
            self._ids[i.standing.device_ref]: i.standing.device_ref for i in inserts if i.record.counters is not None
        }
        memories = {refs[row[0]]: remembered(row[1]) for row in await self._session.rows(MEMORIES, list(refs))}
        made = gather(inserts, memories, begun, parted(self._appended))
        if made.memories:
            states = [encode(memory) for memory in made.memories.values()]
            await self._session.do(REMEMBER, [self._ids[ref] for ref in made.memories], states)
        return made

    async def _stored(self, records: Sequence[Record], *, older: bool = False) -> set[bytes]:
        return self._there.intersection(record_ids(records, older=older))


async def bury_doomed(
    session: Session, table: Table, bounds: Sequence[Bound], ids: Mapping[bytes, int], now: int
) -> int:
    """Bury the records that acts erase, and forget what finds a router if none is left of it; how many were buried.

    Those that an earlier act has buried, and that wait to be deleted, are not counted again.
    """
    number, kept = 0, set[bytes]()
    for part in some(bounds, BOUNDS):
        async for page in table.ids(any_of(part)):
            doomed = [tombstone(record_id) for record_id in page]
            number += len(doomed) - len(await among(session, "tombstone", doomed))
            await bury(session, doomed, now)
        kept |= await table.routers(all_but(part))
    await unname(session, bounds, ids, kept)
    return number


async def unname(session: Session, bounds: Sequence[Bound], ids: Mapping[bytes, int], kept: AbstractSet[bytes]) -> None:
    """Forget what finds the routers, except those with records *kept*, and what is remembered of all of them."""
    routers = [ids[bound.device_ref] for bound in bounds]
    await forget(session, routers)
    await session.do(_BURIED, routers)
    await session.do(_UNNAME, [ids[bound.device_ref] for bound in bounds if bound.device_ref not in kept])


def once(inserts: Iterable[Insert]) -> list[Insert]:
    """The first of each record id."""
    first: dict[bytes, Insert] = {}
    for one in inserts:
        first.setdefault(one.record.record_id, one)
    return list(first.values())


def _refs(record: Record) -> tuple[bytes, ...]:
    return record.identity.device_ref, *record.identity.older
