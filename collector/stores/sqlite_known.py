"""What a SQLite store remembers of its routers from one commit to the next, and which names they can be found by.

Rule 1: nothing here decides: what this connection has read or written still holds, unless another one has committed
        since. `data_version` tells whether one has; inside an immediate transaction none can (K15).
Rule 2: what is remembered is forgotten when a commit fails: it may be of rows that were never written.
Rule 3: when a name of a router is deleted from `lookup`, its `router.names` is emptied too: a trigger sees to that.
"""

import sqlite3
from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec
import orjson

from collector.consent.standing import Standing
from collector.stores.named import Names
from collector.stores.plan import Insert
from collector.stores.rows import ROUTER_COLUMNS, standing_of
from collector.stores.sqlite_many import write
from collector.stores.sqlite_rows import VARIABLES

_REMEMBERED: Final = 16_384
"""Routers remembered from one commit to the next. This bounds memory; forgetting only costs work."""
_NOTED: Final = 8
"""How many bytes of a pseudonym are noted; pseudonyms of two kinds are never alike (`Key.ref`)."""
_MOST_NOTED: Final = 32 * _NOTED
"""Most bytes noted of one router, the newest: one that changes its names with each report does not grow its row."""
_VARIANTS: Final = 4
"""Sets of names remembered of one router: it may name its MAC in one kind of report and not in another."""

_ROWS: Final = f"""
    SELECT json_group_array(json_array(hex(device_ref), {ROUTER_COLUMNS.removeprefix("device_ref, ")}, id, hex(names)))
    FROM router WHERE device_ref IN ({{}})"""  # noqa: S608 - columns and marks
"""All in one row, for the reason that `sqlite_many` has."""
_LOOKUP: Final = "INSERT OR IGNORE INTO lookup VALUES {}"
_NAMES: Final = """
    WITH noted (id, names) AS (VALUES {}) UPDATE router SET names = noted.names FROM noted WHERE router.id = noted.id"""


class Row(msgspec.Struct, gc=False):
    """A router's row."""

    id: int
    standing: Standing
    names: bytes
    """What is noted of its names that are in `lookup`: those of one report after those of another."""
    said: tuple[Names, ...] = ()
    """Differing names of its last reports, all of them in `lookup`: most often the next report has one of these."""

    def has(self, names: Names) -> bool:
        """Whether the router can be found by all of these."""
        if self.names.find(_noted(names)) < 0:
            return False
        self.said = (names, *self.said[: _VARIANTS - 1])
        return True

    def name(self, names: Names) -> None:
        """Note that the router can be found by these from now on."""
        if not self.has(names):
            self.names = (self.names + _noted(names))[-_MOST_NOTED:]
            self.has(names)


class KnownRouters:
    """Rows of `router` as of this transaction, and what makes them findable."""

    def __init__(self) -> None:
        self._rows: dict[bytes, Row] = {}
        self._version = -1

    def forget(self) -> None:
        """Forget everything: it may no longer be what is in the file."""
        self._rows.clear()
        self._version = -1

    def is_of(self, version: int) -> bool:
        """Whether no other connection has committed since what is remembered was read; else it is forgotten."""
        if version == self._version:
            return True
        self._rows.clear()
        self._version = version
        return False

    def read(self, connection: sqlite3.Connection, refs: set[bytes]) -> list[tuple[bytes, Row]]:
        """The rows of these routers, as far as they have one."""
        rows = self._rows
        if len(rows) > _REMEMBERED:
            for ref in list(islice(rows, _REMEMBERED // 2)):  # those that were read first
                del rows[ref]
        wanted = [*refs.difference(rows)]
        for start in range(0, len(wanted), VARIABLES):
            some = wanted[start : start + VARIABLES]
            asked = connection.execute(_ROWS.format(",".join("?" * len(some))), [*map(bytearray, some)])
            for ref, *row, router_id, names in orjson.loads(asked.fetchone()[0]):
                standing = standing_of((bytes.fromhex(ref), *row))
                rows[standing.device_ref] = Row(router_id, standing, bytes.fromhex(names))
        return [(ref, row) for ref in refs if (row := rows.get(ref)) is not None]

    def wrote(self, router_id: int, standing: Standing) -> None:
        """The row of this router was written in this transaction. Which of its names are still there is not known."""
        self._rows[standing.device_ref] = Row(router_id, standing, b"")

    def make_findable(self, connection: sqlite3.Connection, inserts: Iterable[Insert]) -> None:
        """Write the names that routers cannot be found by yet, or no longer."""
        rows = self._rows
        missing = [
            (row, i.record.lookup)
            for i in inserts
            if i.record.lookup not in (row := rows[i.standing.device_ref]).said and not row.has(i.record.lookup)
        ]
        if not missing:
            return
        for row, names in missing:
            row.name(names)
        write(connection, _LOOKUP, list({(ref, kind, row.id) for row, names in missing for kind, ref in names}))
        write(connection, _NAMES, list({row.id: row.names for row, _ in missing}.items()))


def _noted(names: Names) -> bytes:
    """What is noted of the names in one report."""
    return b"".join([ref[:_NOTED] for _, ref in names])
