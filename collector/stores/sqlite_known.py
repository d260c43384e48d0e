"""What a SQLite store remembers of its routers from one commit to the next, and which names they can be found by.

Rule 1: nothing here decides: what this connection read or wrote before still holds, unless another one has committed
        since; that is what `data_version` tells, and inside an immediate transaction nobody can (K15).
Rule 2: what is remembered is forgotten when a commit fails: it may be of rows that were never written.
Rule 3: whatever takes a name of a router out of `lookup` takes its `router.names` along: a trigger sees to that.
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
"""Routers remembered from one commit to the next; bounds memory, forgetting only costs work."""
_NOTED: Final = 8
"""Bytes of a pseudonym that are noted of it; those of two kinds are never alike (`Key.ref`)."""
_MOST_NOTED: Final = 32 * _NOTED
"""Of one router, the newest: one that names itself anew with each report does not grow its row."""
_VARIANTS: Final = 4
"""Remembered of one router: it names itself by its MAC in one kind of report and not in another."""

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
    """What is noted of the names that are in `lookup`: by reports, one after the other."""
    said: tuple[Names, ...] = ()
    """Those of its last reports that differ, all of which are: most often the next one has one of these objects."""

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
        """What is remembered is no longer what is there."""
        self._rows.clear()
        self._version = -1

    def is_of(self, version: int) -> bool:
        """Whether nobody else has committed since what is remembered was read; else it is forgotten."""
        if version == self._version:
            return True
        self._rows.clear()
        self._version = version
        return False

    def read(self, connection: sqlite3.Connection, refs: set[bytes]) -> list[tuple[bytes, Row]]:
        """The rows of these routers; those that there are."""
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
        """The row of this router was written in this transaction. Which names it has left is not known."""
        self._rows[standing.device_ref] = Row(router_id, standing, b"")

    def make_findable(self, connection: sqlite3.Connection, inserts: Iterable[Insert]) -> None:
        """Write the names of routers that they do not have yet, or not any more."""
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
    """What is noted of names that were said together."""
    return b"".join([ref[:_NOTED] for _, ref in names])
