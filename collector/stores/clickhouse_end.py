"""A store with records in ClickHouse as one end of a move: the records here, all else in the ledger's database.

Rule 1: a source is read only when no write let in before the store was marked can arrive any more, and when what the
        ledger has ended is erased: what a late write or a restored backup brought back is not moved.
Rule 2: if a page was written but not noted, because the process died, each row replaces itself when it is written
        again: number and version of a row follow from how many went before it.
"""

import asyncio
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, Final

from collector.config_clickhouse import ClickHouseSettings
from collector.config_postgres import PostgresSettings
from collector.consent.standing import Standing
from collector.model import Region
from collector.stores import move_rows
from collector.stores.clickhouse_purge import PURGED, write_may_arrive
from collector.stores.clickhouse_retention import Sweep
from collector.stores.clickhouse_schema import COLUMNS, MARK, check_about
from collector.stores.clickhouse_session import Dial, dial
from collector.stores.clickhouse_session import Records as Connection
from collector.stores.clickhouse_table import Table as Records
from collector.stores.clickhouse_table import some
from collector.stores.clickhouse_text import listed, octets
from collector.stores.ends import Kept, Known, Page, Progress, Row, Table
from collector.stores.plan import ConsentRules
from collector.stores.postgres_end import PostgresEnd
from collector.stores.postgres_notes import note
from collector.stores.postgres_rows import BEGIN_ALONE
from collector.stores.postgres_session import Session
from collector.stores.rows import ROUTER_COLUMNS, Damaged, standing_of
from collector.stores.staying import MOVE

_PAGES: Final = 10
"""Pages that are read at a time, as each reading looks at the numbers of all records."""
_AT_ONCE: Final = 20_000
"""Rows of one insert; each insert makes a part of the table."""
_CONDITIONS: Final = 100
_HERE: Final = {name: place for place, name in enumerate(COLUMNS)}
_OVER: Final = {name: place for place, name in enumerate(Table.RECORDS.columns)}
_REF, _ID = _OVER["device_ref"], _OVER["record_id"]
_ROUTERS: Final = f"SELECT {ROUTER_COLUMNS} FROM ueip.router WHERE device_ref = ANY($1::bytea[])"  # noqa: S608
_NUMBERS: Final = "SELECT setval('ueip.record_numbers', greatest(last_value, $1)) FROM ueip.record_numbers"


class ClickHouseEnd(PostgresEnd):
    """As `End`. Signs in to ClickHouse as the collector does, whose rights to write, read and delete are enough."""

    def __init__(
        self,
        ledger: PostgresSettings,
        records: ClickHouseSettings,
        region: Region,
        key_ids: Collection[str],
        rules: ConsentRules,
        admin: str,
        dialled: Dial = dial,
    ) -> None:
        """*admin* is the user to sign in to the ledger's database as; see `PostgresEnd`."""
        super().__init__(ledger, region, key_ids, rules, admin)
        self.place = f"the databases of {region}"
        self.at_once = _AT_ONCE
        self._connection = Connection(records, region, dialled, patient=True)
        self._table = Records(self._connection)
        self._sweep = Sweep(rules.retention, erase_on_exit=rules.erase_on_exit)
        self._marked = time.monotonic()
        self._is_carried_out = False
        self._ahead: list[Sequence[Any]] = []
        """Rows that were read ahead."""
        self._ahead_of: Row = ()

    async def open(self) -> None:
        """As `End.open`."""
        await super().open()
        check_about(await self._table.comment(), self.region, await self.noted(MARK))

    async def close(self) -> None:
        """As `End.close`."""
        await self._connection.close()
        await super().close()

    async def is_empty(self) -> bool:
        """As `End.is_empty`."""
        return await super().is_empty() and not await self._table.number()

    async def newest(self) -> int:
        """As `End.newest`."""
        return (await self._table.last(0))[1]

    async def note(self, name: str, value: str | None, *, instead_of: str | None) -> None:
        """As `End.note`."""
        await super().note(name, value, instead_of=instead_of)
        if name == MOVE:
            self._marked = time.monotonic()

    async def number(self, table: Table, kept: Kept | None) -> int:
        """As `End.number`."""
        if table is not Table.RECORDS:
            return await super().number(table, kept)
        if kept is None:
            return await self._table.number()
        await self._carry_out()
        number, after = 0, b""
        while refs := await self._table.refs(after):
            after = refs[-1]
            for condition in _conditions((await self._routers(refs)).values(), kept):
                number += sum(group.number for group in await self._table.counted(condition))
        return number

    async def read(self, table: Table, after: Row, kept: Kept | None) -> Page | None:
        """As `End.read`."""
        if table is not Table.RECORDS:
            return await super().read(table, after, kept)
        if kept is not None:
            await self._carry_out()
        rows = await self._next(after)
        if not rows:
            return None
        routers = await self._routers(row[_HERE["device_ref"]] for row in rows)
        going = [row for row in rows if goes_over(routers[row[_HERE["device_ref"]]], row[_HERE["received_at"]], kept)]
        return Page([to_move(row) for row in going], _key(rows[-1]))

    async def fitting(self, table: Table, rows: Sequence[Row], before: Progress) -> Sequence[Row]:
        """As `End.fitting`: the first row of each id.

        Rows that a page wrote before the process died do not count as there: they are numbered above *before*, and
        are written again.
        """
        if table is not Table.RECORDS:
            return rows
        first = {row[_ID]: row for row in reversed(rows)}
        wanted = [((row[_REF],), (record_id,)) for record_id, row in first.items()]
        number = before.sums.number
        there = await self._table.present(wanted, f"number <= {number}") if number else set()
        return [row for row in rows if row is first[row[_ID]] and row[_ID] not in there]

    async def _write(self, session: Session, table: Table, rows: Sequence[Row], before: Progress) -> int:
        if table is not Table.RECORDS:
            return await super()._write(session, table, rows, before)
        known = {row[0] for row in await session.rows(_ROUTERS, list({row[_REF] for row in rows}))}
        number = sum(row[_REF] in known for row in rows)
        if number == len(rows):
            await self._table.insert([moved(before.sums.number + place, row) for place, row in enumerate(rows, 1)])
        return number

    async def number_before(self, number: int, kept: Kept) -> Known | None:
        """As `End.number_before`."""
        while rows := await self._table.stored_before(number, move_rows.PAGE):
            found = [(Known(*row[1:4]), row[4]) for row in rows]
            routers = await self._routers(known.device_ref for known, _ in found)
            for known, received_at in found:
                if goes_over(routers[known.device_ref], received_at, kept):
                    return known
            number = rows[-1][0] - 1
        return None

    async def number_of(self, known: Known) -> int:
        """As `End.number_of`."""
        return await self._table.number_of(known.device_ref, known.record_id)

    async def settle(self) -> None:
        """As `End.settle`: commits count on from here; note that nothing the ledger has ended came over."""
        await super().settle()
        (last, _), head = await self._table.last(0), await self.head()
        session = self._open
        async with session.turn():
            await session.run(BEGIN_ALONE)
            await session.rows(_NUMBERS, max(last, 1))
            await note(session, PURGED, str(head.seq))
            await session.run("COMMIT")

    async def _carry_out(self) -> None:
        if not self._is_carried_out:
            await asyncio.sleep(write_may_arrive(self._marked, time.monotonic()))
            await self._sweep.overtaken(self._open, self._table, int(time.time() * 1000))
            self._is_carried_out = True

    async def _next(self, after: Row) -> Sequence[Sequence[Any]]:
        """The next page of rows after a key, from what was read ahead if that begins there."""
        if self._ahead_of != after or not self._ahead:
            number, record_id = after or (0, b"")
            self._ahead = [*await self._table.stored_after(number, record_id, move_rows.PAGE * _PAGES)]
        page, self._ahead = self._ahead[: move_rows.PAGE], self._ahead[move_rows.PAGE :]
        self._ahead_of = _key(page[-1]) if page else ()
        return page

    async def _routers(self, refs: Iterable[bytes]) -> dict[bytes, Standing]:
        """What the ledger says about routers.

        Raises:
            Damaged: it does not know one of them.
        """
        wanted = set(refs)
        found = {row[0]: standing_of(row) for row in await self._rows(_ROUTERS, list(wanted))}
        if wanted - found.keys():
            raise Damaged("rows of the records belong to no router that the store knows")
        return found


def goes_over(router: Standing, received_at: int, kept: Kept | None) -> bool:
    """Whether a record of a router goes over; `move_rows` says the same in SQL."""
    if kept is None or router.holds:
        return True
    return router.state.value not in kept.left and received_at > max(kept.until, router.erased_until)


def _conditions(routers: Iterable[Standing], kept: Kept) -> Iterator[str]:
    """What goes over of these routers, as `goes_over` says: conditions no two of which cover the same record."""
    held, rest = [], list[Standing]()
    for router in routers:
        if router.holds:
            held.append(router.device_ref)
        elif router.state.value not in kept.left:
            rest.append(router)
    plain = [router.device_ref for router in rest if router.erased_until <= kept.until]
    if held:
        yield f"device_ref IN {listed(held)}"
    if plain:
        yield f"device_ref IN {listed(plain)} AND received_at > {kept.until}"
    for part in some([router for router in rest if router.erased_until > kept.until], _CONDITIONS):
        yield " OR ".join(
            f"(device_ref = {octets(one.device_ref)} AND received_at > {one.erased_until})" for one in part
        )


def to_move(row: Sequence[Any]) -> Row:
    """A row of `COLUMNS` as it goes over."""
    made = [row[_HERE[name]] for name in _OVER]
    made[_OVER["stripped"]] = made[_OVER["stripped"]] or None
    return tuple(made)


def moved(number: int, row: Row) -> tuple[Any, ...]:
    """A row that came over, as one of `COLUMNS`."""
    of = dict(zip(_OVER, row, strict=True))
    more = {"version": -of["received_at"], "number": number, "stripped": of["stripped"] or ""}
    return tuple({**of, **more}[name] for name in COLUMNS)


def _key(row: Sequence[Any]) -> Row:
    return row[_HERE["number"]], row[_HERE["record_id"]]
