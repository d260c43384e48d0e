"""The table of a region's records in ClickHouse, and all statements on it.

Rule 1: records are read and counted with FINAL: rows of one id are one record, merged on the disk or not.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from collector.stores.clickhouse_bounds import Bound
from collector.stores.clickhouse_schema import COLUMNS
from collector.stores.clickhouse_session import Records
from collector.stores.clickhouse_text import Tables, listed, octets

T = TypeVar("T")
Wanted = tuple[Iterable[bytes], Iterable[bytes]]
"""The pseudonyms that a record may be stored under, and the ids."""
AT_ONCE: Final = 1000
"""Pseudonyms that one statement names."""
IDS: Final = 10_000
"""Ids that are held at a time: a condition may cover millions."""
_MONTH: Final = "toYYYYMM(fromUnixTimestamp64Milli(received_at, 'UTC'))"
_AHEAD: Final = 86_400_000
"""How far a router's clock may be ahead of the receipt: the most that `limits.max_ahead_seconds` can be set to."""
DURABLE: Final = {"async_insert": 0, "distributed_foreground_insert": 1}
"""An insert is answered once it is on a disk of each shard concerned."""
QUORUM: Final = {"insert_quorum": "auto", "insert_quorum_timeout": 8000}
"""An insert is answered once it is on most replicas of its shard too."""
ORDERED: Final = {"lightweight_deletes_sync": 0, "alter_sync": 0, "distributed_ddl_task_timeout": 0}
"""A deletion is answered once it is certain to be made, on a cluster too, without waiting until it is."""


class Group(NamedTuple):
    """Records of one router under one consent."""

    device_ref: bytes
    consent_seq: int
    number: int
    first: int
    last: int


def some(values: Sequence[T], number: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """*values*, so many at a time."""
    return (values[start : start + number] for start in range(0, len(values), number))


class Table:
    """The table of records, behind one connection."""

    def __init__(self, records: Records) -> None:
        self.names = Tables.of(records.settings)
        self._records = records

    async def ping(self) -> None:
        """See that it answers."""
        await self._records.rows(f"SELECT 1 FROM {self.names.record} LIMIT 0")  # noqa: S608

    async def comment(self) -> str | None:
        """What the table says about itself; None if there is no table."""
        sql = f"SELECT comment FROM system.tables WHERE database = '{self.names.database}' AND name = 'record'"  # noqa: S608
        row = await self._records.row(sql)
        return row[0] if row else None

    async def present(self, wanted: Sequence[Wanted], condition: str) -> set[bytes]:
        """The ids among *wanted* under which records that a condition names are stored."""
        found: set[bytes] = set()
        for part in some(wanted):
            sql = f"""SELECT record_id FROM {self.names.record}
                WHERE device_ref IN {listed({ref for refs, _ in part for ref in refs})}
                    AND record_id IN {listed({id_ for _, ids in part for id_ in ids})}
                    AND {condition}"""  # noqa: S608
            found.update(row[0] for row in await self._records.rows(sql))
        return found

    async def insert(self, rows: Sequence[Sequence[Any]]) -> None:
        """Write rows, durably."""
        quorum = QUORUM if self.names.cluster else {}
        columns = [list(column) for column in zip(*rows, strict=True)]
        await self._records.insert("record", COLUMNS, columns, **DURABLE, **quorum)

    async def rows_of(self, wanted: Sequence[tuple[bytes, bytes]]) -> dict[bytes, Sequence[Any]]:
        """Whole rows, by record id, of what is *wanted* by router and id."""
        found: dict[bytes, Sequence[Any]] = {}
        for part in some(wanted):
            sql = f"""SELECT {", ".join(COLUMNS)} FROM {self.names.record} FINAL
                WHERE device_ref IN {listed({ref for ref, _ in part})}
                    AND record_id IN {listed({record_id for _, record_id in part})}"""  # noqa: S608
            found.update((row[1], row) for row in await self._records.rows(sql))
        return found

    async def newest_of(self, bound: Bound, since: int, expired: int, most: int) -> Sequence[Any]:
        """A router's newest rows that were admitted after an entry and received after a time, newest first."""
        sql = f"""SELECT {", ".join(COLUMNS)} FROM {self.names.record} FINAL
            WHERE device_ref = {octets(bound.device_ref)} AND consent_seq > {bound.before}
                AND received_at > {max(bound.until, expired)} AND event_time >= {since}
            ORDER BY event_time DESC, number DESC LIMIT {most}"""  # noqa: S608
        return await self._records.rows(sql)

    async def holding(self, text: str, since: int, expired: int, newest: int) -> Sequence[Any]:
        """The rows measured since a time whose body holds *text*, among the newest of the store."""
        from_ = max(since - _AHEAD, expired + 1)
        quoted = text.replace("\\", "\\\\").replace("'", "\\'")
        sql = f"""SELECT {", ".join(COLUMNS)} FROM {self.names.record} FINAL
            WHERE received_at >= {from_} AND event_time >= {since} AND position(body, '{quoted}') > 0
                AND number >= (SELECT min(number) FROM (SELECT number FROM {self.names.record}
                    WHERE received_at >= {from_} ORDER BY number DESC LIMIT {newest}))
            ORDER BY event_time DESC"""  # noqa: S608
        return await self._records.rows(sql)

    async def counted(self, condition: str) -> list[Group]:
        """The records that a condition names, by router and consent."""
        sql = f"""SELECT device_ref, consent_seq, count(), min(received_at), max(received_at)
            FROM {self.names.record} FINAL WHERE {condition} GROUP BY device_ref, consent_seq
            ORDER BY device_ref, consent_seq"""  # noqa: S608
        return [Group(*row) for row in await self._records.rows(sql)]

    async def refs(self, after: bytes) -> list[bytes]:
        """The next routers with records above a pseudonym, in their order."""
        beyond = f"device_ref > {octets(after)}" if after else "true"
        sql = f"""SELECT DISTINCT device_ref FROM {self.names.record} WHERE {beyond}
            ORDER BY device_ref LIMIT {AT_ONCE}"""  # noqa: S608
        return [row[0] for row in await self._records.rows(sql)]

    async def page(self, after: bytes) -> list[Group]:
        """Records by router and consent, of routers above a pseudonym, in their order."""
        refs = await self.refs(after)
        return await self.counted(f"device_ref IN {listed(refs)}") if refs else []

    async def stored_after(self, number: int, record_id: bytes, most: int) -> Sequence[Any]:
        """The rows after a number, or of that number after an id, in the order of both, with all of `COLUMNS`."""
        sql = f"""SELECT {", ".join(COLUMNS)} FROM {self.names.record} FINAL
            WHERE number >= {number} AND (number > {number} OR record_id > {octets(record_id)})
            ORDER BY number, record_id LIMIT {most}"""  # noqa: S608
        return await self._records.rows(sql)

    async def stored_before(self, number: int, most: int) -> Sequence[Any]:
        """Number, router, time, id and time of receipt of the rows up to a number, the last first."""
        sql = f"""SELECT number, device_ref, event_time, record_id, received_at FROM {self.names.record} FINAL
            WHERE number <= {number} ORDER BY number DESC, record_id DESC LIMIT {most}"""  # noqa: S608
        return await self._records.rows(sql)

    async def number_of(self, device_ref: bytes, record_id: bytes) -> int:
        """The number of a router's record; 0 if it is not there."""
        sql = f"""SELECT number FROM {self.names.record} FINAL
            WHERE device_ref = {octets(device_ref)} AND record_id = {octets(record_id)}"""  # noqa: S608
        row = await self._records.row(sql)
        return row[0] if row else 0

    async def number(self) -> int:
        """How many records there are."""
        return int((await self._records.row(f"SELECT count() FROM {self.names.record} FINAL"))[0])  # noqa: S608

    async def twice(self) -> int:
        """How many records have the id of another one."""
        sql = f"SELECT count() - uniqExact(record_id) FROM {self.names.record} FINAL"  # noqa: S608
        return int((await self._records.row(sql))[0])

    async def last(self, after: int) -> tuple[int, int]:
        """Number and time of receipt of the last record, if it is numbered above *after*; zeros if there is none."""
        sql = f"""SELECT number, received_at FROM {self.names.record} WHERE number > {after}
            ORDER BY number DESC LIMIT 1"""  # noqa: S608
        row = await self._records.row(sql)
        return (row[0], row[1]) if row else (0, 0)

    async def ids(self, condition: str) -> AsyncIterator[list[bytes]]:
        """The ids of the records that a condition names, in their order, a page at a time."""
        beyond, number = "", IDS
        while number == IDS:
            sql = f"""SELECT DISTINCT record_id FROM {self.names.record} WHERE ({condition}){beyond}
                ORDER BY record_id LIMIT {IDS}"""  # noqa: S608
            page = [row[0] for row in await self._records.rows(sql)]
            if page:
                yield page
                beyond = f" AND record_id > {octets(page[-1])}"
            number = len(page)

    async def routers(self, condition: str) -> set[bytes]:
        """The routers with rows that a condition names."""
        sql = f"SELECT DISTINCT device_ref FROM {self.names.record} WHERE {condition}"  # noqa: S608
        return {row[0] for row in await self._records.rows(sql)}

    async def by_month(self, condition: str) -> list[tuple[int, int]]:
        """The months (yyyymm) with rows that a condition names, and how many."""
        sql = f"""SELECT {_MONTH} AS month, count() FROM {self.names.record} WHERE {condition}
            GROUP BY month ORDER BY month"""  # noqa: S608
        return [(row[0], row[1]) for row in await self._records.rows(sql)]

    async def oldest(self, condition: str) -> int | None:
        """When the oldest of the rows that a condition names was received."""
        sql = f"SELECT min(received_at) FROM {self.names.record} WHERE {condition} HAVING count() > 0"  # noqa: S608
        row = await self._records.row(sql)
        return row[0] if row else None

    async def delete(self, condition: str, *, wait: bool = True) -> None:
        """Delete what a condition names, on every shard and replica; it is gone from reads when this returns.

        Without *wait* it is only certain to go.
        """
        names = self.names
        sql = f"DELETE FROM {names.local}{names.on_cluster} WHERE {condition}"  # noqa: S608
        await self._records.do(sql, **({"lightweight_deletes_sync": 2} if wait else ORDERED))

    async def write_anew(self, month: int) -> None:
        """Write a month's files anew without the rows that were deleted; takes as long as it takes."""
        names = self.names
        sql = f"ALTER TABLE {names.local}{names.on_cluster} APPLY DELETED MASK IN PARTITION {month}"
        await self._records.do(sql, mutations_sync=2)

    async def drop_month(self, month: int) -> None:
        """Drop a month, rows and files; not waited for on a cluster."""
        names = self.names
        await self._records.do(f"ALTER TABLE {names.local}{names.on_cluster} DROP PARTITION {month}", **ORDERED)
