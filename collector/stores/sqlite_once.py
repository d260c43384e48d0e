"""Which records a SQLite store has already, so that each is stored once (D7).

Rule 1: a record is known by its router, its time and its id; the same index finds a router's records.
Rule 2: a record that may have another time when it is delivered again (`Record.floating`) is known by its id alone, in
        an index of its own; so both indexes are searched wherever one of the two deliveries may be such a record.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from collector.model import Record
from collector.stores.plan import Insert
from collector.stores.rows import keys_of, tombstone
from collector.stores.sqlite_rows import VARIABLES, Look, among

_KEYS_AT_ONCE: Final = VARIABLES // 3
_THESE: Final = """
    WITH key (router_id, event_time, record_id) AS (VALUES {})
    SELECT record_id FROM key CROSS JOIN record USING (router_id, event_time, record_id)"""
"""A join: for tuples that are `IN` some values, SQLite would scan the whole index."""


def spent_ids(
    connection: sqlite3.Connection, records: Sequence[Record], ids: Mapping[bytes, int], seen: Look
) -> set[bytes]:
    """Ids of those of *records* that were erased, or are stored under an older key (K09).

    *ids* are the numbers of the routers concerned.
    """
    older = [ref for record in records if record.older_ids for ref in record.older_ids]
    spent = _stored(connection, records, ids, older=True) if older else set()
    if seen.has_floating and older:
        spent |= floating(connection, older)
    if seen.has_tombstones:
        hashes = {tombstone(ref): ref for ref in (*(record.record_id for record in records), *older)}
        spent.update(hashes[found] for found in among(connection, "tombstone", list(hashes)))
    return spent


def stored_ids(
    connection: sqlite3.Connection, records: Sequence[Record], ids: Mapping[bytes, int], seen: Look
) -> set[bytes]:
    """Ids of those of *records* that are stored now."""
    stored = _stored(connection, records, ids)
    return stored | floating(connection, [record.record_id for record in records]) if seen.has_floating else stored


def stored_at_another_time(
    connection: sqlite3.Connection, records: Sequence[Record], ids: Mapping[bytes, int], seen: Look
) -> set[bytes]:
    """Ids of those of *records* that are stored, but that no unique index would stop from being inserted again."""
    # If both deliveries float, the index of floating records stops the second.
    fixed = [record.record_id for record in records if record.floating is None] if seen.has_floating else []
    found = floating(connection, fixed) if fixed else set()
    if moving := [record for record in records if record.floating]:
        found |= _stored(connection, moving, ids)
    return found


def first_of(inserts: list[Insert], stored: AbstractSet[bytes]) -> list[Insert]:
    """The inserts without those that came before, here or in *stored*, with another time: no index would stop them."""
    if not stored and not [insert for insert in inserts if insert.record.floating is not None]:
        return inserts
    first: dict[bytes, Insert] = {}
    for insert in inserts:
        first.setdefault(insert.record.record_id, insert)
    return [insert for record_id, insert in first.items() if record_id not in stored]


def floating(connection: sqlite3.Connection, ids: Sequence[bytes]) -> set[bytes]:
    """Those of *ids* that are stored and float."""
    return among(connection, "record", list(ids), where="floating = 1 AND ")


def _stored(
    connection: sqlite3.Connection, records: Iterable[Record], ids: Mapping[bytes, int], *, older: bool = False
) -> set[bytes]:
    keys = list(keys_of(records, ids, older=older))
    found: set[bytes] = set()
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        some = keys[start : start + _KEYS_AT_ONCE]
        marks = ",".join(["(?,?,?)"] * len(some))
        values = [value for key in some for value in key]
        found.update(row[0] for row in connection.execute(_THESE.format(marks), values))
    return found
