"""Stores with as many records as one likes, written in bulk by the store's own schema and without its code.

Rule 1: what is filled in lies as if it had come one by one: record ids all over their range, routers in turn, times of
        the last months. Only the order of writing differs, and with it how full the pages of an index are. In SQLite a
        half is written after the other, in between, so that pages are neither all full nor all half empty; in
        PostgreSQL an index leaves a tenth of each page free when it is made.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from crowd import REGION

from collector.stores.postgres_partitions import Month
from collector.stores.postgres_roles import role

_DAYS: Final = 150
MONTHS: Final = 5
"""Before this one."""
_IDS: Final = 1 << 128
_INSERT: Final = "INSERT INTO record VALUES (NULL, ?, ?, ?, ?, ?, ?, 'report-v1', NULL, NULL, ?)"
_INDEX: Final = "CREATE UNIQUE INDEX record_by_router ON record (router_id, event_time, record_id)"
_FAST: Final = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000", "temp_store = FILE")


def fill_file(path: Path, upto: int) -> None:
    """Add records to the closed store at *path* until there are so many; its routers have joined before."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        have = connection.execute("SELECT count(*) FROM record").fetchone()[0]
        wanted = upto - have
        if wanted <= 0:
            return
        for setting in _FAST:
            connection.execute(f"PRAGMA {setting}")
        routers = connection.execute("SELECT id, seq, policy_version FROM router").fetchall()
        bodies = [row[0] for row in connection.execute("SELECT body FROM record ORDER BY id DESC LIMIT 1000")]
        connection.execute("BEGIN")
        connection.execute("DROP INDEX record_by_router")
        for half in range(2):
            connection.executemany(_INSERT, _rows(wanted // 2, have + half, routers, bodies))
        connection.execute(_INDEX)
        connection.execute("COMMIT")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")


def _rows(number: int, salt: int, routers: list[tuple[int, int, str]], bodies: list[str]) -> Iterator[tuple[Any, ...]]:
    step, offset, many = _IDS // number, salt * 0x9E3779B97F4A7C15 % (_IDS // number), len(routers)
    now = int(time.time() * 1000)
    span = _DAYS * 86_400_000
    for n in range(number):
        router_id, seq, version = routers[n * 7919 % many]
        when = now - span + span * n // number
        record_id, body = (n * step + offset).to_bytes(16, "big"), bodies[n % len(bodies)]
        yield record_id, router_id, when // 60_000 * 60_000, when, seq, version, body


async def fill_months(connection: "asyncpg.Connection[asyncpg.Record]", upto: int, months: int = MONTHS) -> None:
    """The same for a PostgreSQL store, signed in as its administrator: *months* before this one, made and attached.

    This month's partition takes its share by plain inserts, as nothing that is in use can be attached.
    """
    have = await connection.fetchval("SELECT count(*) FROM ueip.record")
    wanted = upto - have
    if wanted <= 0:
        return
    now = int(time.time() * 1000)
    month, each = Month.of(now), wanted // (months + 1)
    await _insert(connection, "record", Month(month.start, now), each, have)
    for number in range(1, months + 1):
        month = Month.of(month.start - 1)
        name = f"record_{datetime.fromtimestamp(month.start / 1000, UTC):%Y_%m}"
        if await connection.fetchval("SELECT to_regclass('ueip.' || $1) IS NULL", name):
            await connection.execute(f"CREATE TABLE ueip.{name} (LIKE ueip.record)")
            await _insert(connection, name, month, each, have + number * each)
            await connection.execute(
                f"SELECT ueip.index_partition('{name}'); CREATE INDEX ON ueip.{name} (id); "
                f"ALTER TABLE ueip.{name} OWNER TO {role(REGION, 'owner')}; "
                f"ALTER TABLE ueip.record ATTACH PARTITION ueip.{name} FOR VALUES FROM ({month.start}) TO ({month.end})"
            )
        else:
            await _insert(connection, "record", month, each, have + number * each)
    # As the server would have done in the months it took: it would begin with it now, beside what is measured.
    await connection.execute("VACUUM (ANALYZE) ueip.record")


async def _insert(
    connection: "asyncpg.Connection[asyncpg.Record]", table: str, month: Month, number: int, first: int
) -> None:
    await connection.execute("SET synchronous_commit = off")
    await connection.execute(
        f"""
        INSERT INTO ueip.{table}
        SELECT -{first}::bigint - n, decode(md5(({first}::bigint + n)::text), 'hex'), w.id, t.at / 60000 * 60000, t.at,
            w.seq, w.policy_version, 'report-v1', NULL, b.body, false
        FROM generate_series(1, {number}) AS n
        CROSS JOIN LATERAL (SELECT {month.start} + ({month.end} - {month.start}) / {number + 1} * n AS at) AS t
        JOIN (SELECT row_number() OVER () - 1 AS place, id, seq, policy_version FROM ueip.router) AS w
            ON w.place = n::bigint * 7919 % (SELECT count(*) FROM ueip.router)
        JOIN (SELECT row_number() OVER () - 1 AS place, body FROM ueip.record WHERE id >= 0 LIMIT 1000) AS b
            ON b.place = n % 1000
        """
    )
