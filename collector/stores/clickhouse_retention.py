"""Deletes from ClickHouse what is past its time, and what the ledger says should not be there (O30, catalogue 4.5).

Rule 1: a month that is wholly past its time is dropped, files and all; from other months rows are deleted.
Rule 2: what a legal hold keeps is kept on the disk; nobody can read it meanwhile, or afterwards. A hold waits while a
        deletion looks for holds and is ordered; nobody waits for the deletion itself. An order that takes too long is
        given up, as nobody can tell then whether a hold still waits.
Rule 3: a sweep never goes further than a few days beyond the oldest record: a clock far ahead cannot cost more.
Rule 4: each sweep looks up all routers that ever left: a restored backup of ClickHouse, or a write that waited for
        longer than any should, brings nothing back for good.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from collector.consent.acts import EXITS, LEFT
from collector.stores.clickhouse_bounds import Bound
from collector.stores.clickhouse_purge import erase, noting
from collector.stores.clickhouse_table import Table, some
from collector.stores.clickhouse_text import listed, octets
from collector.stores.postgres_partitions import Month
from collector.stores.postgres_rows import BEGIN_BESIDE, routers_after
from collector.stores.postgres_session import Session
from collector.stores.retention import DAY, expired_until
from collector.stores.rows import ROUTER_COLUMNS, standing_of

REACH: Final = 7 * DAY
"""How far beyond the oldest record one sweep may go, in milliseconds."""
_WINDOW: Final = 1000
"""Routers that one statement looks at: few of them may have to be told of, and it has to end within patience."""
_ONCE: Final = 100
_NAMED: Final = 10_000
"""Routers under a hold that one statement names."""
_ORDER_SECONDS: Final = 10.0
"""How long an order may take: half the time that the ledger's database keeps an idle transaction open."""
_HELD: Final = "SELECT device_ref FROM ueip.router WHERE holds <> '' ORDER BY device_ref"
_LEAVERS: Final = f"""
    SELECT {ROUTER_COLUMNS}, id, (SELECT coalesce(max(l.seq), 0) FROM ueip.ledger l
        WHERE l.device_ref = router.device_ref AND l.entry::json->>'state' = ANY($3::text[]))
    FROM ueip.router
    WHERE id > $1 AND id <= $2 AND holds = '' AND (buried OR state <> 'joined' OR erased_until > 0) ORDER BY id"""  # noqa: S608 - words of ours
_REMAINS: Final = """
    SELECT w.device_ref, w.id FROM ueip.router w WHERE w.id > $1 AND w.id <= $2 AND (
        EXISTS (SELECT FROM ueip.memory m WHERE m.router_id = w.id)
        OR (w.state <> 'joined' AND EXISTS (SELECT FROM ueip.lookup l WHERE l.router_id = w.id)))"""
_LEFTOVERS: Final = (
    "DELETE FROM ueip.memory WHERE router_id = ANY($1::bigint[])",
    # A router that has joined stays findable: what it sends next is found by the same names.
    """WITH gone AS (
            DELETE FROM ueip.lookup l USING ueip.router w
            WHERE l.router_id = ANY($1::bigint[]) AND w.id = l.router_id AND w.state <> 'joined' RETURNING l.router_id)
        UPDATE ueip.router SET names = NULL WHERE id IN (SELECT router_id FROM gone)""",
)


class Sweep:
    """What is done once a day with the records of a region."""

    def __init__(self, retention: int, *, erase_on_exit: bool) -> None:
        self._retention = retention
        self._ending = [state.value for state in LEFT if erase_on_exit or state not in EXITS]

    async def run(self, session: Session, table: Table, now: int) -> int:
        """All of it; how many records were deleted because they were past their time."""
        gone = await self._expire(session, table, now)
        if gone:
            await self._leftovers(session, table)
        await self.overtaken(session, table, now)
        return gone

    async def _expire(self, session: Session, table: Table, now: int) -> int:
        async with session.turn():
            free = _free(await _held(session))
        times, expired = [await table.oldest(part) for part in free], expired_until(self._retention)
        oldest = min((time for time in times if time is not None), default=None)
        if oldest is None or oldest > expired:
            return 0
        until = min(oldest + REACH, expired)
        found = await _by_month(table, [f"{part} AND received_at <= {until}" for part in free])
        whole = [month for month in found if Month.of(_first_of(month)).end <= until + 1]
        dropped = [month for month in whole if await _drop(session, table, month)]
        if parts := found.keys() - set(dropped):
            async with noting(session, parts, now):
                await _delete(session, table, until)
        return sum(found.values())

    async def _leftovers(self, session: Session, table: Table) -> None:
        """Of routers without records, delete what finds those that left, and what next samples are compared with."""
        async for rows in _pages(session, _REMAINS):
            there = await table.routers(f"device_ref IN {listed(row[0] for row in rows)}")
            gone = [row[1] for row in rows if row[0] not in there]
            async with session.turn():
                await session.run(BEGIN_BESIDE)
                for sql in _LEFTOVERS:
                    await session.do(sql, gone)
                await session.run("COMMIT")

    async def overtaken(self, session: Session, table: Table, now: int) -> None:
        """Erase what is still there of routers that left, or from before an erasure."""
        async for rows in _pages(session, _LEAVERS, self._ending):
            bounds = [bound for row in rows for bound in _bounds(row)]
            for part in some(bounds, _ONCE):
                while await erase(session, table, part, now):
                    pass


async def _drop(session: Session, table: Table, month: int) -> bool:
    """Drop a month, unless a hold keeps something in it; whether it was dropped."""
    async with session.turn():
        held = await _held(session)
    if month in await _by_month(table, [f"device_ref IN {listed(part)}" for part in some(held, _NAMED)]):
        return False
    async with session.turn():
        await session.run(BEGIN_BESIDE)
        if is_free := await _held(session) == held:
            async with asyncio.timeout(_ORDER_SECONDS):
                await table.drop_month(month)
        await session.run("COMMIT")
    return is_free


async def _delete(session: Session, table: Table, until: int) -> None:
    """Delete what was received up to a time and is not held."""
    async with session.turn():
        await session.run(BEGIN_BESIDE)
        conditions = [f"{part} AND received_at <= {until}" for part in _free(await _held(session))]
        async with asyncio.timeout(_ORDER_SECONDS):
            for condition in conditions:
                await table.delete(condition, wait=False)
        await session.run("COMMIT")
    for condition in conditions:
        await table.delete(condition)  # deletions are made in turn: the one that was ordered is done when this returns


async def _by_month(table: Table, conditions: Iterable[str]) -> Counter[int]:
    """The months with rows that any of the conditions names, and how many; no two may name the same row."""
    found = Counter[int]()
    for condition in conditions:
        found.update(dict(await table.by_month(condition)))
    return found


async def _held(session: Session) -> list[bytes]:
    """The routers under a legal hold, in their order."""
    return [row[0] for row in await session.rows(_HELD)]


def _free(held: Sequence[bytes]) -> list[str]:
    """All but these routers, which are in their order, as conditions, no two of which cover the same router."""
    parts = [*some(held, _NAMED)]
    if not parts:
        return ["true"]
    names = [f"device_ref NOT IN {listed(part)}" for part in parts]
    above = [f" AND device_ref > {octets(part[-1])}" for part in parts[:-1]]
    up_to = [f" AND device_ref <= {octets(part[-1])}" for part in parts[:-1]]
    return ["".join(words) for words in zip(names, ["", *above], [*up_to, ""], strict=True)]


def _bounds(row: Any) -> list[Bound]:
    """What must not be there of a router: what is from before it left, or from before an erasure on request."""
    standing, left_at = standing_of(row), row[-1]
    found = [Bound(standing.device_ref, left_at)] if left_at else []
    if standing.erased_until:
        found.append(Bound(standing.device_ref, standing.seq + 1, standing.erased_until))
    return found


async def _pages(session: Session, sql: str, *more: Any) -> AsyncIterator[Sequence[Any]]:
    """The rows of *sql*, which takes the numbers of routers that it looks at, after one and up to another."""
    after = 0
    while True:
        async with session.turn():
            routers = await routers_after(session, after, _WINDOW)
            rows = await session.rows(sql, after, routers[-1], *more) if routers else ()
        if not routers:
            return
        if rows:
            yield rows
        after = routers[-1]


def _first_of(month: int) -> int:
    """The first millisecond of a month (yyyymm)."""
    return int(datetime(month // 100, month % 100, 1, tzinfo=UTC).timestamp()) * 1000
