"""What goes over in a move, as statements for the engines that speak SQL.

Rule 1: a statement looks at a fixed number of rows, however many of them go over: a page costs the same anywhere.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from collector.stores.ends import Kept, Page, Row, Table
from collector.stores.rows import Damaged

PAGE: Final = 2000
"""Rows that one statement looks at; a transaction writes as many."""


class _Lies(NamedTuple):
    """How a table is stored: its name, its key, and the column that names its router, if there is one."""

    name: str
    key: tuple[str, ...]
    router: str | None = "router_id"


_LIES: Final = {
    Table.RECORDS: _Lies("record", ("id",)),
    Table.NAMES: _Lies("lookup", ("ref", "kind", "router_id")),
    Table.MEMORIES: _Lies("memory", ("router_id",)),
    Table.TOMBSTONES: _Lies("tombstone", ("record_id",), None),
    Table.REGISTRY: _Lies("registry", ("device_ref",), None),
}


class Dialect(NamedTuple):
    """What the engines write differently: the prefix of a table's name, and the placeholder of a value's number."""

    schema: str
    mark: Callable[[int], str]

    def read(self, table: Table, after: Row, kept: Kept | None) -> str:
        """The statement that gives the next rows after a key: the key, whether the row goes over, the columns."""
        name, key, router = _LIES[table]
        marks = ", ".join(self.mark(number) for number in range(1, len(key) + 1))
        behind = f"WHERE ({', '.join(key)}) > ({marks})" if after else ""
        order = ", ".join(key)
        of = {"device_ref": "w.device_ref"} if router else {}
        columns = [of.get(column, f"p.{column}") for column in table.columns]
        joined = f"LEFT JOIN {self.schema}router w ON w.id = p.{router}" if router else ""
        selected = [*(f"p.{column}" for column in key), self._goes_over(table, kept), *columns]
        return f"""
            WITH page AS (SELECT * FROM {self.schema}{name} {behind} ORDER BY {order} LIMIT {PAGE})
            SELECT {", ".join(selected)} FROM page p {joined} ORDER BY {", ".join(f"p.{column}" for column in key)}
            """  # noqa: S608 - names, marks and numbers of ours

    def number(self, table: Table, kept: Kept | None) -> str:
        """The statement that counts what goes over."""
        name, _, router = _LIES[table]
        if kept is None or router is None:
            return f"SELECT count(*) FROM {self.schema}{name}"  # noqa: S608 - ours
        return f"""
            SELECT count(*) FROM {self.schema}{name} p JOIN {self.schema}router w ON w.id = p.{router}
            WHERE {self._goes_over(table, kept)}"""  # noqa: S608 - ours

    def number_before(self, kept: Kept) -> str:
        """The statement that gives, as `Known`, the last record up to a number that goes over."""
        return f"""
            SELECT w.device_ref, p.event_time, p.record_id
            FROM {self.schema}record p JOIN {self.schema}router w ON w.id = p.router_id
            WHERE p.id <= {self.mark(1)} AND {self._goes_over(Table.RECORDS, kept)}
            ORDER BY p.id DESC LIMIT 1"""  # noqa: S608 - ours

    def number_of(self) -> str:
        """The statement that gives the number of a record, by `Known`."""
        router = f"(SELECT id FROM {self.schema}router WHERE device_ref = {self.mark(1)})"  # noqa: S608 - ours
        return f"""
            SELECT id FROM {self.schema}record
            WHERE router_id = {router} AND event_time = {self.mark(2)} AND record_id = {self.mark(3)}"""  # noqa: S608

    def newest(self) -> str:
        """The statement that gives when the last record was received."""
        return f"SELECT received_at FROM {self.schema}record ORDER BY id DESC LIMIT 1"  # noqa: S608 - ours

    def is_empty(self) -> str:
        """The statement that says whether there is nothing at all."""
        tables = ["ledger", *(lies.name for lies in _LIES.values())]
        there = " OR ".join(f"EXISTS (SELECT 1 FROM {self.schema}{name})" for name in tables)  # noqa: S608 - ours
        return f"SELECT NOT ({there})"

    def _goes_over(self, table: Table, kept: Kept | None) -> str:
        router = _LIES[table].router
        if router is None:
            return "true"
        if kept is None:
            return "w.id IS NOT NULL"
        left = ", ".join(f"'{state}'" for state in kept.left)
        stays = f"w.state NOT IN ({left})"
        if table is Table.RECORDS:
            stays += f" AND p.received_at > {kept.until} AND p.received_at > w.erased_until"
        # NULL for a router that is not there, which `page_of` refuses.
        return f"(w.holds <> '' OR ({stays}))"


def page_of(table: Table, found: Sequence[Any]) -> Page | None:
    """The page in the rows of `Dialect.read`.

    Raises:
        Damaged: a row belongs to no router that the store knows.
    """
    if not found:
        return None
    width = len(_LIES[table].key)
    if any(row[width] is None for row in found):
        raise Damaged(f"rows of the {table} belong to no router that the store knows")
    rows = [tuple(row)[width + 1 :] for row in found if row[width]]
    return Page(rows, tuple(found[-1])[:width])


def check_written(table: Table, written: int, rows: Sequence[Row]) -> None:
    """Check that every row found its router.

    Raises:
        Damaged: one did not.
    """
    if written != len(rows):
        raise Damaged(f"{len(rows) - written} rows of the {table} belong to no router that the ledger knows")
