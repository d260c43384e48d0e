"""One commit to a PostgreSQL store: what it reads inside its transaction, and what it writes there.

Rule 1: all of it in one transaction, in the order of `Plan`: ledger entries, erasures, records.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from collector.consent.ledger import Head
from collector.consent.standing import Standing
from collector.model import ConsentEvent, DropReason, Entry, Record, Region
from collector.stores.deciding import make_plan
from collector.stores.gathering import needs_gathering, parted
from collector.stores.plan import Committed, ConsentRules, Insert, Plan, removed_from
from collector.stores.postgres_gathering import gathered
from collector.stores.postgres_known import Known, KnownRouters
from collector.stores.postgres_notes import note
from collector.stores.postgres_once import FLOATING, Elsewhere, floating, insert, inserted, stored
from collector.stores.postgres_partitions import Current, Month, Span, span_of, turn_to
from collector.stores.postgres_rows import among, append, bury, erase, forget, record_row, upsert
from collector.stores.postgres_session import Session
from collector.stores.rows import decode_entry, tombstone

_LAST: Final = "SELECT entry FROM ueip.ledger WHERE seq > $1 ORDER BY seq DESC LIMIT 1"


class Terms(NamedTuple):
    """What a store's decisions and look-ups depend on."""

    region: Region
    consent: ConsentRules
    look_back: int
    """For how many milliseconds after it was stored a record may be delivered again."""


class Begun(NamedTuple):
    """What a transaction found when it began."""

    head: Head
    current: Current | None
    """The current partition."""
    number: int
    """Of the first record to be written; the others count up from it."""
    rows: dict[bytes, Known]
    """The routers concerned."""
    wrong_times: int
    """The times of entries up to this number were found wrong."""
    floating: int
    """All records that float were received before this time; 0 where there are none."""


class Transaction:
    """A transaction that has begun; what it wrote is to be remembered only once it is durable."""

    def __init__(self, session: Session, terms: Terms, known: KnownRouters, begun: Begun, *, now: int) -> None:
        self.erased: set[int] = set()
        """The numbers of the routers whose records were erased."""
        self.rows: dict[bytes, tuple[int, bool]] = {}
        """The rows of routers whose standing was written: number, and whether records were erased before."""
        self._session = session
        self._terms = terms
        self._known = known
        self._begun = begun
        self._now = now
        self._ids = {ref: row.id for ref, row in begun.rows.items()}

    async def plan(self, entries: Sequence[Entry]) -> Plan:
        """What is to be done with *entries*, by what the store says inside this transaction (K15)."""
        begun, rules = self._begun, self._terms.consent
        acts = [entry for entry in entries if not isinstance(entry, Record)]
        records = [entry for entry in entries if isinstance(entry, Record)]
        return make_plan(
            entries,
            region=self._terms.region,
            rules=rules,
            head=begun.head,
            standings={ref: row.standing for ref, row in begun.rows.items()},
            seen_events=await self._seen_events(acts),
            spent_ids=await self._spent_ids(records),
            stored_ids=await self._stored(records) if acts else (),
            listed=await self._listed(entries) if rules.listed_only else None,
            newest=await self._newest() if acts else 0,
        )

    def has_to_be_alone(self, plan: Plan) -> bool:
        """Whether no other commit may run meanwhile: see `PostgresStore`, `postgres_partitions`, `postgres_once`."""
        if plan.appends or plan.erase or plan.bury or needs_gathering(plan.inserts):
            return True
        span = span_of([insert.record.received_at for insert in plan.inserts])
        if span is not None and not span.is_within(self._begun.current):
            return True
        some = _floating(plan.inserts)
        return any(record.floating for record in some) or self._newly_floating(some) is not None

    def _newly_floating(self, records: Sequence[Record]) -> int | None:
        """What to note when these floating records are written; None if it is noted. By whole months, to be rare."""
        span = span_of([record.received_at for record in records])
        until = Month.of(span.last).end if span else 0
        return until if until > self._begun.floating else None

    async def write(self, plan: Plan) -> tuple[Committed, list[Insert]]:
        """Write the plan; what it did, and the records that were new."""
        changed = await self._append(plan)
        erased = await self._erase(plan)
        inserts, joined = plan.inserts, list[Insert]()
        if needs_gathering(inserts):
            made = await gathered(self._session, inserts, self._ids, parted(plan.appends))
            inserts, joined = made.inserts, made.joined
        new = await self._insert(inserts) if inserts else []
        if len(new) < len(inserts):
            plan.dropped[DropReason.DUPLICATE] += len(inserts) - len(new)
        await self._known.make_findable(self._session, new, self._ids, plan.erase)
        told, removed = [*plan.unchanged, *changed], removed_from([*new, *joined])
        done = Committed(
            len(new) + len(joined), plan.dropped, plan.results, erased, told, removed, plan.decided, plan.numbers
        )
        return done, new

    async def _append(self, plan: Plan) -> list[Standing]:
        """Write the plan's ledger entries and what they say about their routers."""
        if not plan.appends:
            return []
        await append(self._session, plan.appends)
        changed = list({s.device_ref: s for s in (entry.standing() for entry in plan.appends)}.values())
        self.rows = await upsert(self._session, changed)
        self._ids.update((ref, router_id) for ref, (router_id, _) in self.rows.items())
        return changed

    async def _erase(self, plan: Plan) -> int:
        routers = [(self._ids[ref], until) for ref, until in plan.erase if ref in self._ids]
        number = await erase(self._session, routers, self._now) if routers else 0
        await forget(self._session, [self._ids[ref] for ref in parted(plan.appends)])
        await bury(self._session, [tombstone(record_id) for record_id in plan.bury], self._now)
        self.erased = {router_id for router_id, _ in routers}
        return number

    async def _insert(self, inserts: list[Insert]) -> list[Insert]:
        """Write records; those that were not duplicates. Nothing else of a duplicate is written either (D7)."""
        first = await self._first_of(inserts)
        span = span_of([one.record.received_at for one in first])
        if span is None:
            return []
        elsewhere = self._elsewhere(span)
        if not span.is_within(self._begun.current):
            await turn_to(self._session, span, self._begun.current)
        if (until := self._newly_floating(_floating(first))) is not None:
            await note(self._session, FLOATING, str(until))
        number, ids = self._begun.number, self._ids
        rows = [
            record_row(number + place, one.record, one.standing, ids[one.standing.device_ref])
            for place, one in enumerate(first)
        ]
        if await insert(self._session, rows, elsewhere, self._known.wary) == len(first):
            return first
        mine = await inserted(self._session, number, len(first), span.first)
        return [one for place, one in enumerate(first) if number + place in mine]

    async def _first_of(self, inserts: list[Insert]) -> list[Insert]:
        """The inserts without those that come twice, or are stored already under another of their known times."""
        first: dict[bytes, Insert] = {}
        for one in inserts:
            first.setdefault(one.record.record_id, one)
        moving = [one.record for one in first.values() if one.record.floating]
        there = await stored(self._session, moving, self._ids) if moving else ()
        return [one for record_id, one in first.items() if record_id not in there] if there else list(first.values())

    def _elsewhere(self, span: Span) -> Elsewhere:
        look_back, since = self._terms.look_back, span.since(self._terms.look_back)
        months = span.elsewhere(self._begun.current, look_back)
        return Elsewhere(months, since if since < self._begun.floating else None)

    async def _stored(self, records: Sequence[Record], *, older: bool = False) -> set[bytes]:
        """Ids of the records that are stored; with *older*, the ids under which they are stored with older keys."""
        found = await stored(self._session, records, self._ids, older=older)
        if self._begun.floating:
            found |= await floating(self._session, record_ids(records, older=older))
        return found

    async def _seen_events(self, acts: Sequence[ConsentEvent]) -> set[bytes]:
        refs = [ref for act in acts if act.event_ref for ref in (act.event_ref, *act.older_event_refs)]
        return await among(self._session, "ledger", refs, "event_ref")

    async def _spent_ids(self, records: Sequence[Record]) -> set[bytes]:
        """Ids of the records that were erased, or are stored under an older key (K09)."""
        older = [record for record in records if record.older_ids]
        spent = await self._stored(older, older=True) if older else set()
        marked = {ref for ref, row in self._begun.rows.items() if row.buried or row.standing.erased_until}
        if marked:
            some = [r for r in records if not marked.isdisjoint((r.identity.device_ref, *r.identity.older))]
            hashes = {tombstone(ref): ref for record in some for ref in (record.record_id, *record.older_ids)}
            spent.update(hashes[found] for found in await among(self._session, "tombstone", list(hashes)))
        return spent

    async def _listed(self, entries: Sequence[Entry]) -> set[bytes]:
        refs = {ref for entry in entries for ref in (entry.identity.device_ref, *entry.identity.older)}
        return await among(self._session, "registry", list(refs), "device_ref")

    async def _newest(self) -> int:
        """The latest time that the ledger's last entry knows of; 0 if its time was found wrong."""
        row = await self._session.row(_LAST, self._begun.wrong_times)
        return decode_entry(row[0]).newest if row else 0


def _floating(inserts: Sequence[Insert]) -> list[Record]:
    return [one.record for one in inserts if one.record.floating is not None]


def record_ids(records: Sequence[Record], *, older: bool) -> list[bytes]:
    """The ids of records, or those that they would have under *older* keys."""
    if not older:
        return [record.record_id for record in records]
    return [record_id for record in records for record_id in record.older_ids]
