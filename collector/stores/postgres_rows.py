"""Statements of a PostgreSQL store, and what goes into them and comes out.

Rule 1: a statement takes any number of rows, as arrays or from the staging table: nothing is awaited row by row.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from collector.consent.acts import LEFT
from collector.consent.ledger import Head, LedgerEntry
from collector.consent.standing import Standing
from collector.model import Record
from collector.stores import Router
from collector.stores.gathering import parted
from collector.stores.plan import ConsentRules, erased_by
from collector.stores.postgres_notes import note_erased
from collector.stores.postgres_session import Session
from collector.stores.rows import ROUTER_COLUMNS, ledger_row, router_row, standing_of

_LOCK: Final = 0x55454950  # "UEIP"
# Every statement sees what was committed when it began, whatever the server's default is: what is read after waiting
# for the lock must be as of then.
BEGIN: Final = "BEGIN ISOLATION LEVEL READ COMMITTED"
BEGIN_BESIDE: Final = f"{BEGIN}; SELECT pg_advisory_xact_lock_shared({_LOCK})"
"""A transaction that runs beside others of its kind: nobody appends to the ledger before they have ended (K03)."""
BEGIN_ALONE: Final = f"{BEGIN}; SELECT pg_advisory_xact_lock({_LOCK})"
"""A transaction alone in its region."""

_LEFT_AT: Final = f"""
    (SELECT coalesce(max(l.seq), 0) FROM ueip.ledger l WHERE l.device_ref = router.device_ref
        AND l.entry::json->>'state' IN ({", ".join(f"'{state.value}'" for state in LEFT)}))"""  # noqa: S608
"""The number of the entry by which a router last left: a join gives no access to what was kept from before (K40)."""
RECORDS: Final = f"""
    SELECT r.record_id, $1::bytea, (SELECT key_id FROM ueip.router WHERE device_ref = $1), r.event_time, r.received_at,
        l.entry::json->>'consent_id', r.consent_seq, r.policy_version, r.source_adapter, r.stripped, r.body
    FROM ueip.record r JOIN ueip.ledger l ON l.seq = r.consent_seq
    WHERE r.router_id = (SELECT id FROM ueip.router WHERE device_ref = $1 AND state = 'joined')
        AND r.consent_seq > (SELECT {_LEFT_AT} FROM ueip.router WHERE device_ref = $1)
        AND r.event_time >= $2 AND r.received_at > $3
    ORDER BY r.event_time DESC, r.id DESC LIMIT $4"""  # noqa: S608 - words of ours
"""Conditions on the router are in subqueries and not in a join: so the index gives the newest first, and only the few
that are wanted are read."""
ON_CELL: Final = f"""
    WITH newest AS (SELECT * FROM ueip.record ORDER BY id DESC LIMIT $1)
    SELECT r.record_id, router.device_ref, router.key_id, r.event_time, r.received_at,
        l.entry::json->>'consent_id', r.consent_seq, r.policy_version, r.source_adapter, r.stripped, r.body
    FROM newest r JOIN ueip.router ON router.id = r.router_id JOIN ueip.ledger l ON l.seq = r.consent_seq
    WHERE strpos(r.body, $3) > 0 AND r.event_time >= $2 AND r.received_at > $4 AND router.state = 'joined'
        AND r.consent_seq > {_LEFT_AT}
    ORDER BY r.event_time DESC"""  # noqa: S608 - words of ours
NEWEST: Final = """
    SELECT * FROM (SELECT (entry::json->>'received_at')::bigint FROM ueip.ledger WHERE seq > $1
        ORDER BY seq DESC LIMIT 1) AS last_entry
    UNION ALL SELECT * FROM (SELECT received_at FROM ueip.record WHERE id > $2 ORDER BY id DESC LIMIT 1) AS last"""
_NEXT: Final = "SELECT id FROM ueip.router WHERE id > $1 ORDER BY id LIMIT $2"
_FIND: Final = f"""
    SELECT {ROUTER_COLUMNS}, n.records, n.first, n.last
    FROM (SELECT *, {_LEFT_AT} AS left_at FROM ueip.router WHERE id IN (
            SELECT id FROM ueip.router WHERE device_ref = ANY($1::bytea[])
            UNION SELECT router_id FROM ueip.lookup
                JOIN unnest($2::bytea[], $3::text[]) AS named(ref, kind) USING (ref, kind))) AS w,
        LATERAL (SELECT count(*) AS records, min(received_at) AS first, max(received_at) AS last
            FROM ueip.record r
            WHERE r.router_id = w.id AND r.consent_seq > w.left_at AND r.received_at > $4) AS n
    ORDER BY w.id"""  # noqa: S608 - words of ours

_ARRAYS: Final = (
    "bytea[], text[], text[], bigint[], text[], bigint[], bigint[], text[], text[], integer[], text[], text[], bigint[]"
)
_UPSERT_ROUTERS: Final = f"""
    INSERT INTO ueip.router ({ROUTER_COLUMNS})
    SELECT * FROM unnest({", ".join(f"${n}::{kind}" for n, kind in enumerate(_ARRAYS.split(", "), start=1))})
    ON CONFLICT (device_ref) DO UPDATE SET state = excluded.state, seq = excluded.seq, consent_id = excluded.consent_id,
        generation = excluded.generation, effective_at = excluded.effective_at,
        policy_version = excluded.policy_version, storage_regions = excluded.storage_regions,
        attested = excluded.attested, holds = excluded.holds, beneath = excluded.beneath,
        erased_until = excluded.erased_until
    RETURNING device_ref, id, buried"""  # noqa: S608 - words of ours
_APPEND: Final = """
    INSERT INTO ueip.ledger SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bytea[], $4::text[], $5::text[])"""

_ERASE: Final = """
    WITH gone AS (
        DELETE FROM ueip.record r USING unnest($1::bigint[], $2::bigint[]) AS e(router_id, until)
        WHERE r.router_id = e.router_id AND r.received_at <= e.until RETURNING r.record_id, r.tableoid),
    buried AS (
        INSERT INTO ueip.tombstone SELECT substr(sha256('tombstone'::bytea || record_id), 1, 16), $3 FROM gone
        ON CONFLICT DO NOTHING)
    SELECT count(*), coalesce(array_agg(DISTINCT tableoid::regclass::text), '{}') FROM gone"""
_MEMORY: Final = "DELETE FROM ueip.memory WHERE router_id = ANY($1::bigint[])"
_FORGET: Final = (
    "UPDATE ueip.router SET buried = true, names = NULL WHERE id = ANY($1::bigint[])",
    """DELETE FROM ueip.lookup l WHERE router_id = ANY($1::bigint[])
        AND NOT EXISTS (SELECT FROM ueip.record r WHERE r.router_id = l.router_id)""",
    _MEMORY,
)
_BURY: Final = "INSERT INTO ueip.tombstone SELECT unnest($1::bytea[]), $2 ON CONFLICT DO NOTHING"
_LOOKUP: Final = """
    INSERT INTO ueip.lookup SELECT * FROM unnest($1::bytea[], $2::text[], $3::bigint[]) ON CONFLICT DO NOTHING
    RETURNING router_id"""
# Only for a new name, or where none is noted: a name that comes with every other report must not change the row each
# time.
_NAMED: Final = """
    UPDATE ueip.router w SET names = n.names FROM unnest($1::bigint[], $2::bytea[], $3::boolean[]) AS n(id, names, new)
    WHERE w.id = n.id AND (n.new OR w.names IS NULL)"""


async def head_of(session: Session) -> Head:
    """The end of the ledger."""
    row = await session.row("SELECT seq, hash FROM ueip.ledger ORDER BY seq DESC LIMIT 1")
    return Head(seq=row[0], hash=row[1]) if row else Head()


async def routers_after(session: Session, number: int, most: int) -> list[int]:
    """The numbers of the next routers, in their order.

    To look at them little by little: every consent event uses a number up, so most numbers may be nobody's.
    """
    return [row[0] for row in await session.rows(_NEXT, number, most)]


async def find_routers(session: Session, refs: Sequence[tuple[str, bytes]], expired: int) -> list[Router]:
    """The routers known by any of these pseudonyms (kind, ref); records received up to *expired* do not count."""
    own = [ref for kind, ref in refs if kind == "router"]
    named = [(ref, kind) for kind, ref in refs if kind != "router"]
    rows = await session.rows(_FIND, own, [ref for ref, _ in named], [kind for _, kind in named], expired)
    return [
        Router(standing=standing_of(row), records=row[-3], first_received_at=row[-2], last_received_at=row[-1])
        for row in rows
    ]


async def append(session: Session, entries: Sequence[LedgerEntry], texts: Sequence[str] | None = None) -> None:
    """Append to the ledger; *texts* are the entries as they were written before, if they were."""
    rows = map(ledger_row, entries, texts) if texts else map(ledger_row, entries)
    await session.do(_APPEND, *_columns([*rows]))


async def upsert(session: Session, standings: Sequence[Standing]) -> dict[bytes, tuple[int, bool]]:
    """Write how routers stand, each once; their numbers, and whether records of them were erased."""
    rows = await session.rows(_UPSERT_ROUTERS, *_columns([router_row(standing) for standing in standings]))
    return {row[0]: (row[1], row[2]) for row in rows}


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def erase(session: Session, routers: Sequence[tuple[int, int]], now: int) -> int:
    """Erase routers' records received up to a time each; tombstones stay, to know the records by if they come again.

    What finds a router goes with its last record; what its next sample would be compared with goes at once. A note says
    which tables' files still have bytes of them; `ueip store tidy` goes by it.
    """
    ids = [router_id for router_id, _ in routers]
    row = await session.row(_ERASE, ids, [until for _, until in routers], now)
    for sql in _FORGET:
        await session.do(sql, ids)
    await note_erased(session, set(row[1]), now)
    return int(row[0])


async def forget(session: Session, router_ids: Sequence[int]) -> None:
    """Forget what the routers' next samples would be compared with."""
    if router_ids:
        await session.do(_MEMORY, router_ids)


async def bury(session: Session, hashes: Sequence[bytes], now: int) -> None:
    """Write tombstones, by which records that come again are known; in one order, as in `index`."""
    if hashes:
        await session.do(_BURY, sorted(hashes), now)


async def append_again(
    session: Session, found: Sequence[LedgerEntry], texts: Sequence[str], rules: ConsentRules, now: int
) -> int:
    """Append entries of this very ledger that were written elsewhere, and repeat what they did.

    Returns:
        How many records were erased by them.
    """
    await append(session, found, texts)
    rows = await upsert(session, list({s.device_ref: s for s in (entry.standing() for entry in found)}.values()))
    await forget(session, [rows[ref][0] for ref in parted(found)])
    gone = erased_by(found, rules)
    return await erase(session, [(rows[ref][0], until) for ref, until in gone], now) if gone else 0


async def index(session: Session, rows: Sequence[tuple[bytes, str, int]], names: Mapping[int, bytes]) -> bool:
    """Make routers findable by other names; *names* holds a hash of the names of each. Whether any was new.

    Always in one order: otherwise two writers could wait for each other, as with records (`postgres_once`).
    """
    new = {row[0] for row in await session.rows(_LOOKUP, *_columns(sorted(rows)))}
    noted = [(router_id, named, router_id in new) for router_id, named in sorted(names.items())]
    await session.do(_NAMED, *_columns(noted))
    return bool(new)


async def among(session: Session, table: str, ids: Sequence[bytes], column: str = "record_id") -> set[bytes]:
    """Those of *ids* that stand in *column* of *table*."""
    if not ids:
        return set()
    sql = f"SELECT {column} FROM ueip.{table} WHERE {column} = ANY($1::bytea[])"  # noqa: S608 - names of ours
    return {row[0] for row in await session.rows(sql, ids)}


def record_row(number: int, record: Record, standing: Standing, router_id: int) -> tuple[Any, ...]:
    """A record in the order of the staging table."""
    return (
        number,
        record.record_id,
        router_id,
        record.event_time,
        record.received_at,
        standing.seq,
        standing.policy_version,
        record.source_adapter,
        msgspec.json.encode(dict(record.stripped)).decode() if record.stripped else None,
        record.body.decode(),
        record.floating is not None,
    )
