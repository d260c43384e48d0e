"""Erases from ClickHouse what the ledger has ended: the entries of the ledger are the list of what is to be done.

Rule 1: what an entry erases is looked for at once, deleted, and counted again until nothing is found. It is looked for
        once more when every write that was let in before the entry has ended; only then is the entry carried out.
Rule 2: a note in the ledger's database says how far the ledger was carried out: another process, or a later one, goes
        on from there.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Final, NamedTuple

from collector.consent.acts import erases_until
from collector.consent.ledger import LedgerEntry
from collector.stores.clickhouse_bounds import BOUNDS, Bound, any_of
from collector.stores.clickhouse_table import Table
from collector.stores.plan import ConsentRules
from collector.stores.postgres_notes import note_erased
from collector.stores.postgres_rows import BEGIN_BESIDE, bury
from collector.stores.postgres_session import Session
from collector.stores.rows import decode_entry, of_a_note, tombstone

LONGEST_WRITE: Final = 45.0
"""Seconds after which any write that was let in has ended: three times what one may take, here and on the server."""
MONTH: Final = "records_"
"""Stands before a month (yyyymm) in the ledger database's note of what was erased from."""
PURGED: Final = "purged"
"""The note of the last entry of the ledger up to which everything was erased from the records."""
_WORTH_A_NOTE: Final = 10_000
"""So many entries that erase nothing are worth a note: opening a store reads no more of them than these."""
_SINCE: Final = """
    SELECT entry FROM ueip.ledger WHERE seq > coalesce((SELECT value::bigint FROM ueip.note WHERE name = $1), 0)
        AND entry::json->>'action' <> 'join' ORDER BY seq"""
_DONE: Final = """
    INSERT INTO ueip.note AS n VALUES ($1, $2::bigint::text)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE n.value::bigint < $2"""


class Pending(NamedTuple):
    """What one entry erases, and when it has to be looked for next, by a clock that never steps."""

    bound: Bound
    received_at: int
    """When the act was received, in milliseconds since 1970."""
    since: float
    due: float


class Purges:
    """What is still to be erased from a region's records."""

    def __init__(self, rules: ConsentRules) -> None:
        self._rules = rules
        self._pending: dict[int, Pending] = {}
        self._head = 0
        self._noted = 0
        self._carried_out = False

    def __len__(self) -> int:
        return len(self._pending)

    @property
    def oldest(self) -> int | None:
        """When the oldest act that is not carried out yet was received."""
        return min((one.received_at for one in self._pending.values()), default=None)

    @property
    def done(self) -> int | None:
        """The entry up to which all is done, if that is worth a note."""
        last = min(self._pending, default=self._head + 1) - 1
        return last if last >= self._noted + (1 if self._carried_out else _WORTH_A_NOTE) else None

    def learn(self, entries: Iterable[LedgerEntry], now: float) -> None:
        """Take entries that were appended to the ledger."""
        for entry in entries:
            after = entry.standing()
            until = erases_until(entry.action, after, erase_on_exit=self._rules.erase_on_exit)
            if until is not None:
                bound = Bound(after.device_ref, entry.seq, until)
                self._pending.setdefault(entry.seq, Pending(bound, entry.received_at, now, now))
            self._head = max(self._head, entry.seq)

    def noted(self, seq: int) -> None:
        """Learn that all was noted as done up to an entry."""
        self._noted, self._head, self._carried_out = seq, max(self._head, seq), False

    def due(self, now: float) -> list[int]:
        """The numbers of the entries that are to be looked at now, at most as many as one statement covers."""
        return [seq for seq, one in self._pending.items() if one.due <= now][:BOUNDS]

    def bounds(self, numbers: Iterable[int]) -> list[Bound]:
        """What these entries erase."""
        return [self._pending[seq].bound for seq in numbers]

    def nothing_found(self, numbers: Iterable[int], now: float) -> None:
        """Learn that nothing was found of what these entries erase."""
        for seq in numbers:
            one = self._pending[seq]
            if now - one.since >= LONGEST_WRITE:
                del self._pending[seq]
                self._carried_out = True
            else:
                self._pending[seq] = one._replace(due=one.since + LONGEST_WRITE)


def write_may_arrive(since: float, now: float) -> float:
    """For how many more seconds a write that was let in before a time may still arrive."""
    return max(0.0, since + LONGEST_WRITE - now)


async def unfinished(session: Session) -> tuple[int, list[LedgerEntry]]:
    """The entry up to which all was done, and those after it that may erase."""
    row = await session.row("SELECT value FROM ueip.note WHERE name = $1", PURGED)
    with of_a_note():
        done = int(row[0]) if row else 0
    return done, [decode_entry(row[0]) for row in await session.rows(_SINCE, PURGED)]


async def note_done(session: Session, seq: int) -> None:
    """Note that all is done up to an entry; a note that is further stays."""
    await session.do(_DONE, PURGED, seq)


async def erase(session: Session, table: Table, bounds: Sequence[Bound], now: int) -> int:
    """Bury the ids of what *bounds* cover, then delete it; how many records were found, 0 once nothing is left.

    Raises:
        StoreUnavailable: nobody can tell whether it was done; do it again.
    """
    condition, number = any_of(bounds), 0
    async for ids in table.ids(condition):
        async with session.turn():
            await session.run(BEGIN_BESIDE)
            await bury(session, [tombstone(record_id) for record_id in ids], now)
            await session.run("COMMIT")
        number += len(ids)
    if number:
        async with noting(session, [month for month, _ in await table.by_month(condition)], now):
            await table.delete(condition)
    return number


@asynccontextmanager
async def noting(session: Session, months: Iterable[int], now: int) -> AsyncIterator[None]:
    """Note that the files of these months still have the bytes of what is deleted within the block.

    Noted before, so that a process that dies meanwhile leaves no bytes unknown; and after, because files that were
    tidied meanwhile may still have them.
    """
    names = {f"{MONTH}{month}" for month in months}
    await _note(session, names, now)
    yield
    await _note(session, names, now)


async def _note(session: Session, names: set[str], now: int) -> None:
    async with session.turn():
        await session.run(BEGIN_BESIDE)
        await note_erased(session, names, now)
        await session.run("COMMIT")
