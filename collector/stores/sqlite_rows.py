"""Rows and statements of a SQLite store: how records, standings and entries lie in its tables."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from collector.consent.acts import LEFT
from collector.consent.ledger import Head
from collector.consent.standing import Standing
from collector.stores import Router
from collector.stores.plan import Insert
from collector.stores.rows import ROUTER_COLUMNS, decode_entry, router_row, standing_of, tombstone
from collector.stores.sqlite_many import write
from collector.stores.staying import MOVE, check_staying

VARIABLES: Final = 500
"""Most values that one statement names."""
APPEND: Final = "INSERT INTO ledger VALUES {}"
_INSERT_ROUTERS: Final = f"INSERT OR ROLLBACK INTO router ({ROUTER_COLUMNS}, id) VALUES {{}}"  # noqa: S608 - columns are ours
_UPDATE_ROUTERS: Final = f"""
    INSERT OR ROLLBACK INTO router ({ROUTER_COLUMNS}) VALUES {{}}
    ON CONFLICT (device_ref) DO UPDATE SET state = excluded.state, seq = excluded.seq, consent_id = excluded.consent_id,
        generation = excluded.generation, effective_at = excluded.effective_at,
        policy_version = excluded.policy_version, storage_regions = excluded.storage_regions,
        attested = excluded.attested, holds = excluded.holds, beneath = excluded.beneath,
        erased_until = excluded.erased_until"""  # noqa: S608 - columns are ours
_INSERT_RECORDS: Final = """
    INSERT OR ROLLBACK INTO record (policy_version, source_adapter, record_id, router_id, event_time, received_at,
        consent_seq, body, stripped, floating) VALUES {} ON CONFLICT DO NOTHING"""
_RECORD: Final = "(?,?,?,?,?,?,?,?,nullif(?,0),nullif(?,0))"
"""Empty values are bound as 0, for the reason given in `sqlite_many`."""
_ALIKE: Final = "(?1,?2,?,?,?,?,?,?,nullif(?,0),nullif(?,0))"
"""As `_RECORD`, if all rows share their first two texts: binding a text takes five times as long as a number."""
_LEFT_AT: Final = f"""
    (SELECT coalesce(max(seq), 0) FROM ledger WHERE ledger.device_ref = router.device_ref
        AND json_extract(entry, '$.state') IN ({", ".join(f"'{state.value}'" for state in LEFT)}))"""  # noqa: S608
"""The number of the entry by which a router last left: what was kept from before stays hidden after a join (K40)."""
RECORDS: Final = f"""
    SELECT r.record_id, ?1, (SELECT key_id FROM router WHERE device_ref = ?1), r.event_time, r.received_at,
        json_extract(l.entry, '$.consent_id'), r.consent_seq, r.policy_version, r.source_adapter, r.stripped, r.body
    FROM record r JOIN ledger l ON l.seq = r.consent_seq
    WHERE r.router_id = (SELECT id FROM router WHERE device_ref = ?1 AND state = 'joined')
        AND r.consent_seq > (SELECT {_LEFT_AT} FROM router WHERE device_ref = ?1)
        AND r.event_time >= ?2 AND r.received_at > ?3
    ORDER BY r.event_time DESC, r.id DESC LIMIT ?4"""  # noqa: S608 - words of ours
"""The router is looked up in subqueries, not in a join: so the index gives the newest first, and only the few that are
wanted are read."""
ON_CELL: Final = f"""
    SELECT r.record_id, router.device_ref, router.key_id, r.event_time, r.received_at,
        json_extract(l.entry, '$.consent_id'), r.consent_seq, r.policy_version, r.source_adapter, r.stripped, r.body
    FROM record r CROSS JOIN router ON router.id = r.router_id CROSS JOIN ledger l ON l.seq = r.consent_seq
    WHERE r.id > (SELECT max(id) FROM record) - ?1
        AND r.body GLOB ?3 AND r.event_time >= ?2 AND r.received_at > ?4 AND router.state = 'joined'
        AND r.consent_seq > {_LEFT_AT}
    ORDER BY r.event_time DESC"""  # noqa: S608 - words of ours
"""A pattern over the records in place: that is four times as fast as `instr` over a subquery of the newest."""
NEWEST: Final = """
    SELECT * FROM (SELECT json_extract(entry, '$.received_at') FROM ledger WHERE seq > ?1 ORDER BY seq DESC LIMIT 1)
    UNION ALL SELECT * FROM (SELECT received_at FROM record WHERE id > ?2 ORDER BY id DESC LIMIT 1)"""
BY_REF: Final = "SELECT id FROM router WHERE device_ref = :ref"
BY_LOOKUP: Final = "SELECT router_id FROM lookup WHERE ref = :ref AND kind = :kind"


def check_staying_here(connection: sqlite3.Connection, place: str) -> None:
    """As `check_staying`, inside the transaction that is to write."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (MOVE,)).fetchone()
    check_staying(row[0] if row else None, place)


def among(
    connection: sqlite3.Connection, table: str, ids: list[bytes], column: str = "record_id", where: str = ""
) -> set[bytes]:
    """Those of *ids* that are in *column* of *table*, in rows for which *where* is true: a condition and "AND"."""
    found: set[bytes] = set()
    for start in range(0, len(ids), VARIABLES):
        some = ids[start : start + VARIABLES]
        marks = ",".join("?" * len(some))
        sql = f"SELECT {column} FROM {table} WHERE {where}{column} IN ({marks})"  # noqa: S608 - names and marks of ours
        found.update(row[0] for row in connection.execute(sql, [*map(bytearray, some)]).fetchall())
    return found


_LOOK: Final = """
    SELECT (SELECT data_version FROM pragma_data_version), (SELECT seq FROM ledger ORDER BY seq DESC LIMIT 1),
        (SELECT hash FROM ledger ORDER BY seq DESC LIMIT 1), EXISTS (SELECT 1 FROM tombstone),
        EXISTS (SELECT 1 FROM record WHERE floating = 1),
        (SELECT max(id) FROM record)"""


class Look(NamedTuple):
    """What a commit has to know first, read in one statement for the reason given in `sqlite_many`."""

    version: int
    """Changes when another connection commits."""
    head: Head
    """The end of the ledger."""
    has_tombstones: bool
    has_floating: bool
    """Whether there are records that may come again with another time."""
    last: int
    """Number of the last record, 0 for none."""


def look(connection: sqlite3.Connection) -> Look:
    """What a commit has to know of the store, as of this transaction."""
    version, seq, digest, tombstones, floating, last = connection.execute(_LOOK).fetchone()
    return Look(version, Head(seq=seq, hash=digest) if seq else Head(), bool(tombstones), bool(floating), last or 0)


def inserted(connection: sqlite3.Connection, inserts: list[Insert], *, after: int) -> list[Insert]:
    """Those of *inserts* that were not duplicates; nothing else of a duplicate is written either (D7)."""
    sql = "SELECT json_group_array(hex(record_id)) FROM record WHERE id > ?"
    written = set(map(bytes.fromhex, orjson.loads(connection.execute(sql, (after,)).fetchone()[0])))
    first: dict[bytes, Insert] = {}
    for insert in inserts:
        first.setdefault(insert.record.record_id, insert)
    return [insert for record_id, insert in first.items() if record_id in written]


def erase_router(connection: sqlite3.Connection, router_id: int, until: int, now: int) -> int:
    """Erase a router's records received up to *until*, keeping what shows that one of them has come again.

    The names that the router is found by go with its last record; what its next sample would be compared with goes at
    once.
    """
    which = "router_id = ? AND received_at <= ?"
    ids = connection.execute(f"SELECT record_id FROM record WHERE {which}", (router_id, until)).fetchall()  # noqa: S608
    bury(connection, (row[0] for row in ids), now)
    erased = connection.execute(f"DELETE FROM record WHERE {which}", (router_id, until)).rowcount  # noqa: S608
    left = "EXISTS (SELECT 1 FROM record WHERE router_id = ?1)"
    connection.execute(f"DELETE FROM lookup WHERE router_id = ?1 AND NOT {left}", (router_id,))  # noqa: S608
    forget(connection, [router_id])
    return erased


def forget(connection: sqlite3.Connection, router_ids: Iterable[int]) -> None:
    """Forget what the routers' next samples would be compared with."""
    if rows := [(router_id,) for router_id in router_ids]:
        connection.executemany("DELETE FROM memory WHERE router_id = ?", rows)


def bury(connection: sqlite3.Connection, record_ids: Iterable[bytes], now: int) -> None:
    """Keep what shows that a record with one of these ids has come again."""
    write(connection, "INSERT OR IGNORE INTO tombstone VALUES {}", [(tombstone(ref), now) for ref in record_ids])


def head_of(connection: sqlite3.Connection) -> Head:
    """The end of the ledger."""
    row = connection.execute("SELECT seq, hash FROM ledger ORDER BY seq DESC LIMIT 1").fetchone()
    return Head(seq=row[0], hash=row[1]) if row else Head()


def newest_of(connection: sqlite3.Connection, after: int) -> int:
    """The latest time that the ledger's last entry knows of; 0 if its number is not above *after*."""
    row = connection.execute("SELECT entry FROM ledger WHERE seq > ? ORDER BY seq DESC LIMIT 1", (after,)).fetchone()
    return decode_entry(row[0]).newest if row else 0


def numbers_of(connection: sqlite3.Connection, refs: Sequence[bytes]) -> dict[bytes, int]:
    """The numbers of these routers, as far as they have a row."""
    found: dict[bytes, int] = {}
    for start in range(0, len(refs), VARIABLES):
        some = refs[start : start + VARIABLES]
        marks = ",".join("?" * len(some))
        sql = f"SELECT device_ref, id FROM router WHERE device_ref IN ({marks})"  # noqa: S608 - marks only
        found.update(connection.execute(sql, [*map(bytearray, some)]).fetchall())
    return found


def write_standings(
    connection: sqlite3.Connection, standings: Sequence[Standing], ids: Mapping[bytes, int]
) -> dict[bytes, int]:
    """Write what the ledger says of routers; returns the numbers of those that are new.

    *ids* are the numbers of those that have a row already. One that has a row and is not among them fails the
    transaction.
    """
    last = connection.execute("SELECT coalesce(max(id), 0) FROM router").fetchone()[0]
    new = [standing for standing in standings if standing.device_ref not in ids]
    numbers = {standing.device_ref: last + place for place, standing in enumerate(new, start=1)}
    write(connection, _INSERT_ROUTERS, new, lambda standing: (*router_row(standing), numbers[standing.device_ref]))
    write(connection, _UPDATE_ROUTERS, [standing for standing in standings if standing.device_ref in ids], router_row)
    return numbers


def insert_records(connection: sqlite3.Connection, inserts: Sequence[Insert], ids: Mapping[bytes, int]) -> int:
    """Insert the records that are not stored yet; returns how many those were. *ids* are the numbers of the routers.

    All in their order, by one statement: readers go by the numbers, the clock is judged by the last record (K38), and
    the first of two with the same id is kept.
    """
    if common := _in_common(inserts):
        return write(connection, _INSERT_RECORDS, inserts, partial(_own_values, ids), _ALIKE, common)
    return write(connection, _INSERT_RECORDS, inserts, partial(_all_values, ids), _RECORD)


def _in_common(inserts: Sequence[Insert]) -> tuple[str, str] | None:
    """The version of the notice and the source, if all of them share these, as they mostly do."""
    if not inserts:
        return None
    policy, source = inserts[0].standing.policy_version, inserts[0].record.source_adapter
    others = [i for i in inserts if i.standing.policy_version != policy or i.record.source_adapter != source]
    return None if others else (policy, source)


def _all_values(ids: Mapping[bytes, int], insert: Insert) -> tuple[Any, ...]:
    return insert.standing.policy_version, insert.record.source_adapter, *_own_values(ids, insert)


def _own_values(ids: Mapping[bytes, int], insert: Insert) -> tuple[Any, ...]:
    """The values that each record has for itself."""
    record, standing = insert.record, insert.standing
    return (
        bytearray(record.record_id),
        ids[standing.device_ref],
        record.event_time,
        record.received_at,
        standing.seq,
        record.body.decode(),
        msgspec.json.encode(dict(record.stripped)).decode() if record.stripped else 0,
        0 if record.floating is None else 1,
    )


def find_routers(connection: sqlite3.Connection, refs: Sequence[tuple[str, bytes]], expired: int) -> list[Router]:
    """The routers known by any of these pseudonyms (kind, ref); records received up to *expired* no longer count."""
    found: dict[int, None] = {}
    for kind, ref in refs:
        sql = BY_REF if kind == "router" else BY_LOOKUP
        found |= {row[0]: None for row in connection.execute(sql, {"ref": ref, "kind": kind})}
    return [_router(connection, router_id, expired) for router_id in found]


def _router(connection: sqlite3.Connection, router_id: int, expired: int) -> Router:
    sql = f"SELECT {ROUTER_COLUMNS}, {_LEFT_AT} AS left_at FROM router WHERE id = ?"  # noqa: S608 - words of ours
    row = connection.execute(sql, (router_id,)).fetchone()
    times = "SELECT count(*), min(received_at), max(received_at) FROM record"
    sql = f"{times} WHERE router_id = ? AND consent_seq > ? AND received_at > ?"
    records, first, last = connection.execute(sql, (router_id, row[-1], expired)).fetchone()
    return Router(standing=standing_of(row), records=records, first_received_at=first, last_received_at=last)
