"""Verifies records in ClickHouse against the ledger in PostgreSQL, after the ledger itself.

Rule 1: both are read, never written, and by pages: commits go on meanwhile. What came after the moment as of which the
        ledger is read, and what is just being erased, is not reported.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from collector.consent.acts import erases_until
from collector.model import Region
from collector.stores.clickhouse_bounds import Bound
from collector.stores.clickhouse_purge import unfinished
from collector.stores.clickhouse_table import Group, Table
from collector.stores.postgres_session import Session
from collector.stores.postgres_verify import SNAPSHOT, verify_ledger
from collector.stores.rows import ROUTER_COLUMNS
from collector.stores.verified import STRAYS, TWICE, Expected, Span, Verified

_ROUTERS: Final = f"SELECT {ROUTER_COLUMNS} FROM ueip.router WHERE device_ref = ANY($1::bytea[])"  # noqa: S608
_PATIENT: Final = f"{SNAPSHOT}; SET LOCAL idle_in_transaction_session_timeout = 0"
"""This transaction is idle while records are counted, and must not be ended for it; it keeps no commit waiting."""
_ACTS: Final = """
    SELECT device_ref, seq, entry FROM ueip.ledger WHERE device_ref = ANY($1::bytea[]) AND seq >= $2 ORDER BY seq"""


async def verify(session: Session, table: Table, region: Region, expected: Expected) -> Verified:
    """Verify all of the records in *table* and of the ledger that *session* is connected to."""
    found = Verified(region)
    await session.run(_PATIENT)
    await verify_ledger(session, found, expected)
    erasing = await _erasing(session, expected)
    after = b""
    while groups := await table.page(after):
        after = groups[-1].device_ref
        known = [group for group in groups if group.consent_seq <= found.head.seq]
        await _look(session, [group for group in known if not _is_erasing(group, erasing)], found, expected)
    if number := await table.twice():
        found.fault(TWICE.format(number))
    await session.run("ROLLBACK")
    return found


async def _erasing(session: Session, expected: Expected) -> Mapping[bytes, Bound]:
    """What is being erased now, as far as the ledger's database knows."""
    _, entries = await unfinished(session)
    found = {}
    for entry in entries:
        after = entry.standing()
        if (until := erases_until(entry.action, after, erase_on_exit=expected.erase_on_exit)) is not None:
            found[after.device_ref] = Bound(after.device_ref, entry.seq, until)
    return found


def _is_erasing(group: Group, erasing: Mapping[bytes, Bound]) -> bool:
    bound = erasing.get(group.device_ref)
    return bound is not None and group.consent_seq < bound.before and group.first <= bound.until


async def _look(session: Session, groups: Sequence[Group], found: Verified, expected: Expected) -> None:
    """Check that every record was admitted by a consent that stands, or may be kept after it."""
    if not groups:
        return
    refs = list({group.device_ref for group in groups})
    routers = {row[0]: row for row in await session.rows(_ROUTERS, refs)}
    acts = defaultdict[bytes, list[Any]](list)
    for act in await session.rows(_ACTS, refs, min(group.consent_seq for group in groups)):
        acts[act[0]].append(act)
    strays = 0
    for device_ref, of_router in groupby(groups, attrgetter("device_ref")):
        if device_ref not in routers:
            strays += sum(group.number for group in of_router)
            continue
        _covered(found, routers[device_ref], [*of_router], acts[device_ref], expected)
    if strays:
        found.fault(STRAYS.format(strays))


def _covered(
    found: Verified, router: Sequence[Any], groups: Collection[Group], acts: Sequence[Any], expected: Expected
) -> None:
    for group in groups:
        since = [(entry,) for _, seq, entry in acts if seq >= group.consent_seq]
        span = Span(group.number, group.first, group.last)
        found.covered(router, group.consent_seq, span, since, expected)
