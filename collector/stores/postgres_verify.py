"""Verifies a PostgreSQL store against its own ledger: the chain, the standings made from it, the records they allow.

Rule 1: the store is read, never written, as of one moment and by pages: commits go on meanwhile.
"""

from collections.abc import AsyncIterator
from typing import Any, Final

from collector.consent.acts import EXITS, LEFT
from collector.consent.chain import Chain, Row
from collector.consent.ledger import Head
from collector.errors import Cause, StoreUnusable
from collector.model import Region
from collector.stores.postgres_rows import routers_after
from collector.stores.postgres_session import Session
from collector.stores.rows import ROUTER_COLUMNS
from collector.stores.verified import STRAYS, TWICE, Expected, Following, Span, Verified, standing_fault

_PAGE: Final = 2000
TAIL: Final = 256
"""Entries checked whenever a store is opened, which takes some ten milliseconds."""
_ENTRIES: Final = """
    SELECT seq, device_ref, event_ref, hash, convert_to(entry, 'UTF8') FROM ueip.ledger WHERE seq > $1
    ORDER BY seq LIMIT 2000"""
_COLUMNS: Final = ", ".join(f"w.{name}" for name in ROUTER_COLUMNS.split(", "))
_LAST: Final = "(SELECT entry FROM ueip.ledger l WHERE l.device_ref = w.device_ref ORDER BY seq DESC LIMIT 1)"
_ROUTERS: Final = f"""
    SELECT {ROUTER_COLUMNS}, {_LAST}, id FROM ueip.router w WHERE id > $1 ORDER BY id LIMIT 2000"""  # noqa: S608
_RECORDS: Final = f"""
    SELECT {_COLUMNS}, r.consent_seq, count(*), min(r.received_at), max(r.received_at),
        (SELECT array_agg(l.entry ORDER BY l.seq) FROM ueip.ledger l
            WHERE l.device_ref = w.device_ref AND l.seq >= r.consent_seq)
    FROM ueip.router w JOIN ueip.record r ON r.router_id = w.id
    WHERE w.id > $1 AND w.id <= $2 GROUP BY w.id, r.consent_seq"""  # noqa: S608 - columns are ours
_WIDTH: Final = len(ROUTER_COLUMNS.split(","))
_UNKNOWN: Final = """
    SELECT count(DISTINCT device_ref) FROM ueip.ledger l
    WHERE NOT EXISTS (SELECT FROM ueip.router w WHERE w.device_ref = l.device_ref)"""
_STRAYS: Final = """
    SELECT count(*) FROM ueip.record r WHERE NOT EXISTS (SELECT FROM ueip.router w WHERE w.id = r.router_id)"""
SNAPSHOT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""Begins a look as of one moment."""
# What the indexes of a month keep unique: an id at one time, here over all months, and the id of those that float.
# One id at several times is several messages of a faulty router (K39). Their bodies do not tell them from one message
# stored twice: a router that gives every message the same id may say the same each time.
_TWICE: Final = """
    SELECT coalesce(sum(greatest(number - times, floating - months)), 0) FROM
        (SELECT count(*) AS number, count(DISTINCT event_time) AS times,
            count(*) FILTER (WHERE floating) AS floating, count(DISTINCT tableoid) FILTER (WHERE floating) AS months
        FROM ueip.record GROUP BY record_id HAVING count(*) > 1) AS found"""


async def verify(session: Session, region: Region, expected: Expected) -> Verified:
    """Verify the store that *session* is connected to, all of it."""
    found = Verified(region)
    await session.run(SNAPSHOT)
    await verify_ledger(session, found, expected)
    await _records(session, found, expected)
    if number := (await session.row(_STRAYS))[0]:
        found.fault(STRAYS.format(number))
    if number := (await session.row(_TWICE))[0]:
        found.fault(TWICE.format(number))
    await session.run("ROLLBACK")
    return found


async def verify_ledger(session: Session, found: Verified, expected: Expected) -> None:
    """Verify the chain, the standings made from it, and what is kept besides records."""
    following = Following(found, expected)
    async for row in _pages(session, _ENTRIES, 0):
        following.entry(Row(*row))
    following.end()
    async for row in _pages(session, _ROUTERS, -1):
        found.standing(row, None if row[-2] is None else (row[-2],))
    if number := (await session.row(_UNKNOWN))[0]:
        found.fault(f"the ledger knows {number} routers that the standings do not")
    await _leftovers(session, found, expected)


async def _pages(session: Session, sql: str, last: int) -> AsyncIterator[Any]:
    """The rows of *sql*, which takes the last key and gives the next rows by key, their first or last column."""
    while rows := await session.rows(sql, last):
        for row in rows:
            yield row
        last = rows[-1][0] if isinstance(rows[-1][0], int) else rows[-1][-1]


async def _records(session: Session, found: Verified, expected: Expected) -> None:
    """Check that every record was admitted by a consent that stands, or may be kept after it."""
    after = 0
    while routers := await routers_after(session, after, _PAGE):
        for row in await session.rows(_RECORDS, after, routers[-1]):
            consent_seq, number, first_at, last_at, acts = row[_WIDTH:]
            found.covered(row, consent_seq, Span(number, first_at, last_at), [(act,) for act in acts or ()], expected)
        after = routers[-1]


async def _leftovers(session: Session, found: Verified, expected: Expected) -> None:
    """Check that what finds a router, and what its next sample is compared with, went with its records."""
    left = [state for state in LEFT if expected.erase_on_exit or state not in EXITS]
    for table in ("lookup", "memory"):
        sql = f"""SELECT count(*) FROM ueip.{table} t LEFT JOIN ueip.router w ON w.id = t.router_id
            WHERE w.id IS NULL OR (w.holds = '' AND w.state = ANY($1::text[]))"""  # noqa: S608 - names of ours
        if number := (await session.row(sql, [state.value for state in left]))[0]:
            found.fault(f"{number} rows of the table {table} are of routers that left")


async def check_tail(session: Session, region: Region) -> None:
    """Check the newest entries and the standings made from them; done whenever a store is opened.

    Raises:
        StoreUnusable: they are not as the collector left them.
    """
    end = (await session.row("SELECT max(seq) FROM ueip.ledger"))[0] or 0
    before = await session.row("SELECT seq, hash FROM ueip.ledger WHERE seq = $1", end - TAIL)
    chain = Chain(Head(seq=before[0], hash=before[1]) if before else None)
    refs: set[bytes] = set()
    for row in await session.rows(_ENTRIES, chain.head.seq):
        entry, fault = chain.follow(Row(*row))
        if fault or entry is None:
            raise _damaged(region, f"entry {row[0]} {fault}")
        refs.add(row[1])
    sql = f"SELECT {ROUTER_COLUMNS}, {_LAST} FROM ueip.router w WHERE device_ref = ANY($1::bytea[])"  # noqa: S608
    rows = {row[0]: row for row in await session.rows(sql, list(refs))}
    if len(rows) < len(refs):
        raise _damaged(region, "the ledger knows routers that the standings do not")
    for row in rows.values():
        if fault := standing_fault(row, (row[-1],)):
            raise _damaged(region, fault)


def _damaged(region: Region, finding: str) -> StoreUnusable:
    return StoreUnusable(
        f"the database of {region}: found a ledger that is not as it was written: {finding}. Look closer with: "
        f"ueip ledger verify. {Cause.CORRUPT.advice}",
        Cause.CORRUPT,
    )
