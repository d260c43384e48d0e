"""Which records a PostgreSQL store has already, so that each is stored once (D7).

Rule 1: as in `sqlite_once`: a record is known by its router, its time and its id, and one that floats by its id alone.
        Each month has an index for either, and they decide between commits beside each other.
Rule 2: no index decides between a delivery that floats and one that does not. So whatever may come as the other kind
        too is written alone in the region, and a note says up to when records that float were received: whoever is
        written after them, also beside others, looks for its records among them.
"""

from collections.abc import Iterable, Mapping, Sequence
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
_INSERT: Final = "INSERT INTO ueip.record SELECT * FROM pg_temp.staging AS s{} ON CONFLICT DO NOTHING"
# Scalar subqueries, so that the planner has no choice but to look each up in the index of each partition concerned.
_BY_KEY: Final = """(SELECT r.id FROM ueip.record r
    WHERE r.router_id = {0}.router_id AND r.event_time = {0}.event_time AND r.record_id = {0}.record_id{1} LIMIT 1)"""
_AMONG_FLOATING: Final = """(SELECT r.id FROM ueip.record r
    WHERE r.floating AND r.record_id = {0}.record_id{1} LIMIT 1)"""
_STORED: Final = f"""
    SELECT k.record_id FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS k(router_id, event_time, record_id)
    WHERE {_BY_KEY.format("k", "")} IS NOT NULL"""  # noqa: S608 - words of ours
_FLOATING: Final = f"""
    SELECT k.record_id FROM unnest($1::bytea[]) AS k(record_id)
    WHERE {_AMONG_FLOATING.format("k", "")} IS NOT NULL"""  # noqa: S608 - words of ours
_MINE: Final = "SELECT id FROM ueip.record WHERE id >= $1 AND id < $2 AND received_at >= $3"


class Elsewhere(NamedTuple):
    """Where records have to be looked for when they are inserted, beside the index that keeps them unique."""

    months: tuple[int, int] | None
    """Between which times of receipt other partitions may hold them; None if none can."""
    floating: int | None
    """Since which time of receipt there may be others of them that float; None if there are none."""


async def stored(
    session: Session, records: Iterable[Record], ids: Mapping[bytes, int], *, older: bool = False
) -> set[bytes]:
    """Ids of the records that are stored at any time that is known of them; *ids* and *older* as in `keys_of`."""
    keys = list(keys_of(records, ids, older=older))
    if not keys:
        return set()
    return {row[0] for row in await session.rows(_STORED, *(list(column) for column in zip(*keys, strict=True)))}


async def floating(session: Session, record_ids: Sequence[bytes]) -> set[bytes]:
    """Those of *record_ids* that are stored and float."""
    return {row[0] for row in await session.rows(_FLOATING, record_ids)} if record_ids else set()


async def insert(session: Session, rows: Sequence[tuple[Any, ...]], elsewhere: Elsewhere) -> int:
    """Insert records, each unless it is stored already; how many were not."""
    await session.run(_STAGING)
    await session.copy("staging", rows)
    looks, values = list[str](), list[int]()
    if elsewhere.months is not None:
        looks.append(_BY_KEY.format("s", " AND r.received_at >= $1 AND r.received_at < $2"))
        values += elsewhere.months
    if elsewhere.floating is not None:
        looks.append(_AMONG_FLOATING.format("s", f" AND r.received_at >= ${len(values) + 1}"))
        values.append(elsewhere.floating)
    where = " AND ".join(f"{look} IS NULL" for look in looks)
    return await session.do(_INSERT.format(f" WHERE {where}" if where else ""), *values)


async def inserted(session: Session, first: int, number: int, since: int) -> set[int]:
    """Which of *number* records, numbered from *first* on by this transaction and received *since*, it has inserted."""
    return {row[0] for row in await session.rows(_MINE, first, first + number, since)}
