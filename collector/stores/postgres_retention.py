"""Deletes from a PostgreSQL store what is past its time: whole months, then the oldest one record by record (O30).

Rule 1: what a legal hold keeps is kept on the disk; nobody can read it meanwhile, or afterwards.
Rule 2: a sweep never goes further than a few days beyond the oldest record: a clock far ahead cannot cost more.
Rule 3: the current month is emptied and not dropped: commits beside a sweep write into it.
Rule 4: a sweep ends where the records are young. Those of a clock that was ahead, once somebody has found that out
        (`Store.accept_times`), do not end it: older ones may come after them.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from collector.errors import Cause, StoreUnavailable
from collector.stores.postgres_notes import note, note_erased, noted
from collector.stores.postgres_partitions import CURRENT, Current
from collector.stores.postgres_rows import BEGIN_BESIDE, routers_after
from collector.stores.postgres_session import Session
from collector.stores.retention import DAY, Purged, expired_until
from collector.stores.rows import of_a_note

REACH: Final = 7 * DAY
"""How far beyond the oldest record one sweep may go, in milliseconds."""
PURGED_AT_ONCE: Final = 1000
"""Records looked at in one transaction."""
ROUTERS_AT_ONCE: Final = 1000
"""Routers looked at in one transaction for what is left of them."""
_OLDEST: Final = """
    SELECT r.received_at FROM ueip.record r JOIN ueip.router w ON w.id = r.router_id
    WHERE w.holds = '' ORDER BY r.id LIMIT 1"""
LEFTOVERS: Final = "leftovers"
"""The note of the router after which to go on deleting what is left of routers without records; empty when done."""
_DROP: Final = "SELECT ueip.drop_partition($1)"
# By number and not by time: once the records are young, no more have to be looked at.
_NEXT: Final = f"""
    SELECT r.id, r.router_id, r.received_at, w.holds = '' FROM ueip.record r JOIN ueip.router w ON w.id = r.router_id
    WHERE r.id > $1 ORDER BY r.id LIMIT {PURGED_AT_ONCE}"""  # noqa: S608 - a number of ours
_DELETE: Final = """
    WITH gone AS (DELETE FROM ueip.record WHERE id = ANY($1::bigint[]) AND received_at <= $2 RETURNING tableoid)
    SELECT DISTINCT tableoid::regclass::text FROM gone"""
_LEFTOVERS: Final = (
    """DELETE FROM ueip.memory m WHERE m.router_id = ANY($1::bigint[])
        AND NOT EXISTS (SELECT FROM ueip.record r WHERE r.router_id = m.router_id)""",
    # A router that has joined stays findable: what it sends next is found by the same names.
    """WITH gone AS (
            DELETE FROM ueip.lookup l USING ueip.router w
            WHERE l.router_id = ANY($1::bigint[]) AND w.id = l.router_id AND w.state <> 'joined'
                AND NOT EXISTS (SELECT FROM ueip.record r WHERE r.router_id = l.router_id)
            RETURNING l.router_id)
        UPDATE ueip.router SET names = NULL WHERE id IN (SELECT router_id FROM gone)""",
)


class Sweep:
    """A purge on its way through the records of a store, oldest first."""

    def __init__(self, retention: int) -> None:
        self._retention = retention
        self._after = 0
        self._until: int | None = None

    async def step(self, session: Session, now: int, check: Callable[[Session], Awaitable[None]], wrong: int) -> Purged:
        """Delete what is past its time among the next records, in one transaction.

        A month that cannot be dropped because of a reader is left to the next sweep. *check* refuses a store that
        nothing may be written to. The times of records up to the number *wrong* say nothing about those after them.
        """
        try:
            async with session.turn():
                await session.run(BEGIN_BESIDE)
                await check(session)
                purged, last = await self._purge(session, now, wrong)
                await session.run("COMMIT")
        except StoreUnavailable as error:
            if error.cause is not Cause.LOCKED:
                raise
            purged, last = Purged(0, more=False), None
        self._after, self._until = (last or 0, self._until) if purged.more else (0, None)
        return purged

    async def _purge(self, session: Session, now: int, wrong: int) -> tuple[Purged, int | None]:
        """What one step did, and the last record looked at."""
        if self._until is None:
            oldest, expired = await session.row(_OLDEST), expired_until(self._retention)
            self._until = min(oldest[0] + REACH, expired) if oldest else expired
        current = await noted(session, CURRENT)
        until = min(self._until, Current.noted(current).month.start - 1) if current else self._until
        while (dropped := (await session.row(_DROP, until))[0]) == 0:
            pass  # an empty month leaves nothing behind
        if dropped is not None:
            await note(session, LEFTOVERS, "0")
            return Purged(dropped, more=True), self._after
        if after := await noted(session, LEFTOVERS):
            await self._clear(session, after)
            return Purged(0, more=True), self._after
        rows = await session.rows(_NEXT, self._after)
        old = [row for row in rows if row[2] <= self._until]
        gone = [row for row in old if row[3]]
        await self._delete(session, gone, now)
        more = len(rows) == PURGED_AT_ONCE and (bool(old) or rows[-1][0] <= wrong)
        return Purged(len(gone), more), rows[-1][0] if more else None

    async def _clear(self, session: Session, noted_after: str) -> None:
        """Delete what is left of the next routers, if they have no records any more, and note how far this has come."""
        with of_a_note():
            after = int(noted_after)
        routers = await routers_after(session, after, ROUTERS_AT_ONCE)
        for sql in _LEFTOVERS:
            await session.do(sql, routers)
        await note(session, LEFTOVERS, str(routers[-1]) if len(routers) == ROUTERS_AT_ONCE else "")

    async def _delete(self, session: Session, gone: Sequence[Any], now: int) -> None:
        if not gone:
            return
        tables = await session.rows(_DELETE, [row[0] for row in gone], self._until)
        routers = list({row[1] for row in gone})
        for sql in _LEFTOVERS:
            await session.do(sql, routers)
        await note_erased(session, {row[0] for row in tables}, now)
