"""A SQLite store with as many records as one likes, written in bulk by the store's own schema and without its code.

Rule 1: what is filled in lies as if it had come one by one: record ids all over their range, routers in turn, times of
        the last months. Only the order of writing differs, and with it how full the pages of an index are: a half is
        written after the other, in between, so that pages are neither all full nor all half empty.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

_DAYS: Final = 150
_IDS: Final = 1 << 128
_INSERT: Final = "INSERT INTO record VALUES (NULL, ?, ?, ?, ?, ?, ?, 'report-v1', NULL, ?)"
_INDEX: Final = "CREATE INDEX record_by_router ON record (router_id, event_time)"
_FAST: Final = ("journal_mode = OFF", "synchronous = OFF", "cache_size = -2000000", "temp_store = FILE")


def fill(path: Path, upto: int) -> None:
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
