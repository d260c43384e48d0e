"""The rows of a SQLite store that `gather` needs: what is remembered of routers, and samples not yet complete."""

import sqlite3
from collections.abc import Mapping, Sequence

from collector.derive import Memory, encode
from collector.stores.gathering import Gathered, Stored, gather, needs_gathering, remembered
from collector.stores.plan import Insert
from collector.stores.sqlite_many import write
from collector.stores.sqlite_rows import VARIABLES


def gathered(
    connection: sqlite3.Connection, inserts: list[Insert], ids: Mapping[bytes, int], acts: Mapping[bytes, Sequence[int]]
) -> Gathered:
    """The inserts as they are to be written, derived and put together; samples begun earlier are updated here.

    *acts* are as for `gather`.

    To be called inside the commit's transaction, after its erasures: nothing is derived from what these forget.
    """
    if not needs_gathering(inserts):
        return Gathered(inserts=inserts, updates={}, memories={}, joined=[])
    routers = {i.standing.device_ref for i in inserts if i.record.counters is not None}
    parts = [i.record.record_id for i in inserts if i.record.interval is not None]
    memories = _memories(connection, {ids[ref]: ref for ref in routers})
    made = gather(inserts, memories, _begun(connection, parts), acts)
    updates = ((part.record.body.decode(), record_id) for record_id, part in made.updates.items())
    connection.executemany("UPDATE record SET body = ? WHERE floating = 1 AND record_id = ?", updates)
    rows = [(ids[ref], encode(memory)) for ref, memory in made.memories.items()]
    write(connection, "INSERT OR REPLACE INTO memory VALUES {}", rows)
    return made


def _memories(connection: sqlite3.Connection, refs: Mapping[int, bytes]) -> dict[bytes, Memory]:
    found = {}
    wanted = list(refs)
    for start in range(0, len(wanted), VARIABLES):
        some = wanted[start : start + VARIABLES]
        sql = f"SELECT router_id, state FROM memory WHERE router_id IN ({','.join('?' * len(some))})"  # noqa: S608
        found.update({refs[row[0]]: remembered(row[1]) for row in connection.execute(sql, some)})
    return found


def _begun(connection: sqlite3.Connection, record_ids: list[bytes]) -> dict[bytes, Stored]:
    found = {}
    columns = "record_id, body, consent_seq"
    for start in range(0, len(record_ids), VARIABLES):
        some = record_ids[start : start + VARIABLES]
        sql = f"SELECT {columns} FROM record WHERE floating = 1 AND record_id IN ({','.join('?' * len(some))})"  # noqa: S608
        found.update({row[0]: Stored(row[1].encode(), row[2]) for row in connection.execute(sql, some)})
    return found
