"""Rows of a spool: how they are found, written, removed, and saved from a damaged file."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from collector.durable import sync_folder
from collector.stores.sealing import Sealer, Unreadable
from collector.stores.spool_schema import RECORD
from collector.stores.sqlite_many import write

_VARIABLES: Final = 500
_COLUMNS: Final = "id, kind, tag, at, sealed"
_OVERHEAD: Final = 64
"""Bytes that a row takes besides what is sealed, roughly."""
_PARTS: Final = ("", "-wal", "-shm", "-journal")


class Row(NamedTuple):
    """One entry as it lies in the file; `at` is when it came there, in milliseconds."""

    id: int
    kind: int
    tag: bytes
    at: int
    sealed: bytes

    def size(self) -> int:
        """Bytes that the row takes of the room for records; acts take none."""
        return len(self.sealed) + _OVERHEAD if self.kind == RECORD else 0


class Total(NamedTuple):
    """How many records, and how many bytes they take."""

    records: int
    size: int


def total(connection: sqlite3.Connection, where: str = "", values: Sequence[Any] = ()) -> Total:
    """The records of the whole file, or of a part of it."""
    sql = f"SELECT count(*), coalesce(sum(length(sealed)), 0) FROM entry WHERE kind = {RECORD} {where}"  # noqa: S608
    records, size = connection.execute(sql, values).fetchone()
    return Total(records, size + records * _OVERHEAD)


def oldest_at(connection: sqlite3.Connection) -> int | None:
    """When the oldest record came here, in milliseconds; None if there is none."""
    found = connection.execute(f"SELECT at FROM entry WHERE kind = {RECORD} ORDER BY id LIMIT 1").fetchone()  # noqa: S608
    return _time(found[0]) if found else None


def last_id(connection: sqlite3.Connection) -> int:
    """The highest row number, 0 if there is no row."""
    highest: int = connection.execute("SELECT coalesce(max(id), 0) FROM entry").fetchone()[0]
    return highest


def rows_of_kind(connection: sqlite3.Connection, kind: int, most: int) -> list[Row]:
    """The oldest rows of a kind, at most *most*; -1 for all."""
    sql = f"SELECT {_COLUMNS} FROM entry WHERE kind = ? ORDER BY id LIMIT ?"  # noqa: S608 - names of ours
    return [Row(*row) for row in connection.execute(sql, (kind, most)).fetchall()]


def records_of(connection: sqlite3.Connection, tags: Iterable[bytes]) -> list[Row]:
    """The rows of the records under these tags."""
    sql = f"SELECT {_COLUMNS} FROM entry WHERE tag = ? AND kind = {RECORD}"  # noqa: S608 - names of ours
    return [Row(*row) for tag in tags for row in connection.execute(sql, (tag,)).fetchall()]


def missing(connection: sqlite3.Connection, ids: Iterable[int]) -> list[int]:
    """Those of *ids* that have no row."""
    sql = "SELECT 1 FROM entry WHERE id = ?"
    return [row for row in ids if connection.execute(sql, (row,)).fetchone() is None]


def insert(connection: sqlite3.Connection, rows: Sequence[Row], *, once: bool = False) -> None:
    """Write rows; with *once*, rows that exist already stay as they are."""
    verb = "INSERT OR IGNORE" if once else "INSERT"
    write(connection, verb + " INTO entry VALUES {}", rows)


def remove(connection: sqlite3.Connection, ids: Sequence[int]) -> Total:
    """Delete rows; returns how many of them were records, and their size."""
    records = size = 0
    for start in range(0, len(ids), _VARIABLES):
        some = ids[start : start + _VARIABLES]
        among = f"id IN ({','.join('?' * len(some))})"
        found = total(connection, f"AND {among}", some)
        records, size = records + found.records, size + found.size
        connection.execute(f"DELETE FROM entry WHERE {among}", some)  # noqa: S608 - marks only
    return Total(records, size)


def set_aside(path: Path) -> None:
    """Move a damaged file and its log out of the way, durably."""
    number = 1
    while any(Path(f"{_aside(path, number)}{part}").exists() for part in _PARTS):
        number += 1
    # The log before the file: SQLite discards a log that it finds without its file.
    for part in reversed(_PARTS):
        with suppress(FileNotFoundError):
            Path(f"{path}{part}").rename(f"{_aside(path, number)}{part}")
    sync_folder(path.parent)


def end_setting_aside(path: Path) -> None:
    """Move a damaged file after its log, if a crash came between the two moves."""
    for log in path.parent.glob(f"{path.stem}.damaged-*{path.suffix}-wal"):
        file = log.with_name(log.name.removesuffix("-wal"))
        # A file that has a log of its own is not the damaged one.
        if path.exists() and not file.exists() and not Path(f"{path}-wal").exists():
            path.rename(file)
            sync_folder(path.parent)


def _aside(path: Path, number: int) -> str:
    return f"{path.with_suffix('')}.damaged-{number}{path.suffix}"


def damaged(path: Path) -> list[Path]:
    """The files set aside and not dealt with yet."""
    return sorted(path.parent.glob(f"{path.stem}.damaged-*{path.suffix}"))


def discard(path: Path) -> None:
    """Remove a damaged file: what nobody can purge must not stay (4.5)."""
    for part in reversed(_PARTS):
        Path(f"{path}{part}").unlink(missing_ok=True)
    sync_folder(path.parent)


def intact(path: Path, sealer: Sealer) -> Iterator[Row]:
    """The intact rows of a damaged file: read from the front up to the damage, then from the back."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.text_factory = bytes
        reached = 0
        for order, within in (("", "id > ?"), ("DESC", "id > ?")):
            sql = f"SELECT {_COLUMNS} FROM entry WHERE {within} ORDER BY id {order}"  # noqa: S608 - words of ours
            with suppress(sqlite3.DatabaseError, UnicodeDecodeError):  # the latter from decoding SQLite's own message
                for found in connection.execute(sql, (reached,)):
                    row = Row(*found)
                    row = row._replace(at=_time(row.at))
                    reached = row.id if not order else reached
                    if _is_intact(row, sealer):
                        yield row


def _time(found: object) -> int:
    """A time read from the file; 0, which is long ago, if damage has made something else of it."""
    return found if isinstance(found, int) else 0


def _is_intact(row: Row, sealer: Sealer) -> bool:
    try:
        sealer.open(row.kind, row.tag, row.sealed)
    except Unreadable:
        return False
    return True
