"""Which records a PostgreSQL store has already, so that each is stored once (D7).

Rule 1: as in `sqlite_once`: a record is known by its router, its time and its id, and one that floats by its id alone.
        Each month has an index for either kind, and these decide between concurrent commits.
Rule 2: no index decides between a delivery that floats and one that does not. So whatever may also come as the other
        kind is written alone in the region, and a note says up to when records that float were received: every later
        commit, even one that runs beside others, looks for its records among them.
Rule 3: every commit writes its records in the order of their ids: otherwise two commits of the same records, as after a
        redelivery, could wait for each other for ever.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple

from collector.model import Record
from collector.stores.postgres_session import Session
from collector.stores.rows import keys_of

FLOATING: Final = "floating"
"""The note of the time before which all records that float were received."""

_STAGING: Final = """
    CREATE TEMPORARY TABLE IF NOT EXISTS staging (
        id bigint, record_id bytea, router_id bigint, event_time bigint, received_at bigint, consent_seq bigint,
        policy_version text, source_adapter text, stripped text, body text, floating boolean
    ) ON COMMIT DELETE ROWS"""
_INSERT: Final = "INSERT INTO ueip.record SELECT * FROM pg_temp.staging ON CONFLICT DO NOTHING"
# Scalar subqueries, so that the planner has no choice but to look each up in the index of each partition concerned.
_BY_KEY: Final = """(SELECT r.id FROM ueip.record r
    WHERE r.router_id = {0}.router_id AND r.event_time = {0}.event_time AND r.record_id = {0}.record_id{1} LIMIT 1)"""
_AMONG_FLOATING: Final = """(SELECT r.id FROM ueip.record r
    WHERE r.floating AND r.record_id = {0}.record_id{1} LIMIT 1)"""
_LOOKED_UP: Final = """
    SELECT k.record_id FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS k(router_id, event_time, record_id)
    WHERE {}"""
_STORED: Final = _LOOKED_UP.format(f"{_BY_KEY.format('k', '')} IS NOT NULL")
_FLOATING: Final = f"""
    SELECT k.record_id FROM unnest($1::bytea[]) AS k(record_id)
    WHERE {_AMONG_FLOATING.format("k", "")} IS NOT NULL"""  # noqa: S608 - words of ours
_RECORD_ID: Final = 1
_KEY: Final = (2, 3, _RECORD_ID)
"""Where a row of the staging table has its router, time and id."""
_MINE: Final = "SELECT id FROM ueip.record WHERE id >= $1 AND id < $2 AND received_at >= $3"
_WARY: Final = 64
"""For so many commits after a duplicate another one is expected: redeliveries seldom come alone."""


class Elsewhere(NamedTuple):
    """Where records have to be looked for when they are inserted, besides the index that keeps them unique."""

    months: tuple[int, int] | None
    """Between which times of receipt other partitions may hold them; None if none can."""
    floating: int | None
    """Since which time of receipt they may be stored as records that float; None if they cannot be."""


class Wariness:
    """Whether a commit is likely to have a duplicate."""

    def __init__(self) -> None:
        self._left = 0

    def __bool__(self) -> bool:
        """Whether a duplicate is likely."""
        return self._left > 0

    def saw(self, *, duplicates: bool) -> None:
        """Learn whether a commit had duplicates."""
        self._left = _WARY if duplicates else max(0, self._left - 1)


async def stored(
    session: Session, records: Iterable[Record], ids: Mapping[bytes, int], *, older: bool = False
) -> set[bytes]:
    """Ids of the records that are stored under any of their known times; *ids* and *older* as in `keys_of`."""
    keys = list(keys_of(records, ids, older=older))
    if not keys:
        return set()
    return {row[0] for row in await session.rows(_STORED, *(list(column) for column in zip(*keys, strict=True)))}


async def floating(session: Session, record_ids: Sequence[bytes]) -> set[bytes]:
    """Those of *record_ids* that are stored and float."""
    return {row[0] for row in await session.rows(_FLOATING, record_ids)} if record_ids else set()


async def insert(session: Session, rows: Sequence[tuple[Any, ...]], elsewhere: Elsewhere, wary: Wariness) -> int:
    """Insert those records that are not stored yet; how many they were."""
    there = await _found(session, rows, elsewhere)
    new = [row for row in rows if row[_RECORD_ID] not in there] if there else rows
    some = sorted(new, key=itemgetter(_RECORD_ID))
    straight = not some or (not wary and await session.try_copy("record", some))
    number = len(some) if straight else await _insert_by_staging(session, some)
    wary.saw(duplicates=number < len(rows))
    return number


async def _found(session: Session, rows: Sequence[tuple[Any, ...]], elsewhere: Elsewhere) -> set[bytes]:
    """The ids of those that are stored where no index would see them."""
    looks, values = list[str](), list[int]()
    if elsewhere.months is not None:
        looks.append(_BY_KEY.format("k", " AND r.received_at >= $4 AND r.received_at < $5"))
        values += elsewhere.months
    if elsewhere.floating is not None:
        looks.append(_AMONG_FLOATING.format("k", f" AND r.received_at >= ${len(values) + 4}"))
        values.append(elsewhere.floating)
    if not looks:
        return set()
    where = " OR ".join(f"{look} IS NOT NULL" for look in looks)
    columns = ([row[place] for row in rows] for place in _KEY)
    return {row[0] for row in await session.rows(_LOOKED_UP.format(where), *columns, *values)}


async def _insert_by_staging(session: Session, rows: Sequence[tuple[Any, ...]]) -> int:
    await session.run(_STAGING)
    await session.copy("staging", rows)
    return await session.do(_INSERT)


async def inserted(session: Session, first: int, number: int, since: int) -> set[int]:
    """Which of *number* records, numbered from *first* on by this transaction and received *since*, it has inserted."""
    return {row[0] for row in await session.rows(_MINE, first, first + number, since)}
