"""What can be read from a region whose records are in ClickHouse: the ledger has the first word and the last.

Rule 1: the ledger is asked which records may be shown before they are read, and again afterwards: nobody sees what an
        exit has ended meanwhile, even while ClickHouse still holds it (catalogue 4.5).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from collector.consent.acts import LEFT
from collector.consent.standing import Standing, State
from collector.stores import Router, StoredRecord
from collector.stores.clickhouse_bounds import Bound
from collector.stores.clickhouse_rows import told_row
from collector.stores.clickhouse_table import Table
from collector.stores.clickhouse_text import octets
from collector.stores.postgres_session import Session
from collector.stores.rows import ROUTER_COLUMNS, on_cell_text, standing_of, stored_record

LEFT_AT: Final = f"""
    (SELECT coalesce(max(l.seq), 0) FROM ueip.ledger l WHERE l.device_ref = router.device_ref
        AND l.entry::json->>'state' IN ({", ".join(f"'{state.value}'" for state in LEFT)}))"""  # noqa: S608
"""The number of the entry by which a router last left: a join gives no access to what was kept from before (K40)."""
_ERASED_UNTIL: Final = """
    CASE WHEN holds = '' THEN erased_until ELSE (SELECT coalesce(max((l.entry::json->>'erased_until')::bigint), 0)
        FROM ueip.ledger l WHERE l.device_ref = router.device_ref
            AND json_array_length(l.entry::json->'holds') = 0) END"""
"""Up to which time of receipt a router's records were erased on request: what was asked for while a hold stands waits
for its end, what was asked for before is not kept by it, whether ClickHouse still has it or not (K36)."""
_BY_REF: Final = f"""
    SELECT {ROUTER_COLUMNS}, id, {_ERASED_UNTIL}, {LEFT_AT} FROM ueip.router
    WHERE device_ref = ANY($1::bytea[])"""  # noqa: S608
_BY_NAME: Final = f"""
    SELECT {ROUTER_COLUMNS}, id, {_ERASED_UNTIL}, {LEFT_AT} FROM ueip.router
    WHERE device_ref = ANY($1::bytea[]) OR id IN (SELECT router_id FROM ueip.lookup
        JOIN unnest($2::bytea[], $3::text[]) AS named(ref, kind) USING (ref, kind))
    ORDER BY id"""  # noqa: S608
_CONSENTS: Final = """
    SELECT seq, device_ref, entry::json->>'consent_id' FROM ueip.ledger WHERE seq = ANY($1::bigint[])"""


class Tellable(NamedTuple):
    """What the ledger allows to be shown of a router."""

    standing: Standing
    erased_until: int
    """What was received up to then was erased on request."""
    left_at: int

    @classmethod
    def of(cls, row: Sequence[Any]) -> Self:
        """Made of a row of the ledger's database."""
        return cls(standing_of(row), *row[-2:])

    def has(self, row: Sequence[Any]) -> bool:
        """Whether a row of `COLUMNS` may be shown."""
        joined = self.standing.state is State.JOINED
        return joined and row[6] > self.left_at and row[5] > self.erased_until


async def tellable(session: Session, refs: Iterable[bytes]) -> dict[bytes, Tellable]:
    """What may be shown of these routers now."""
    rows = await session.rows(_BY_REF, list(refs))
    return {row[0]: Tellable.of(row) for row in rows}


async def find_routers(session: Session, table: Table, refs: Sequence[tuple[str, bytes]], expired: int) -> list[Router]:
    """The routers known by any of these pseudonyms (kind, ref); records received up to *expired* do not count."""
    own = [ref for kind, ref in refs if kind == "router"]
    named = [(ref, kind) for kind, ref in refs if kind != "router"]
    async with session.turn():
        rows = await session.rows(_BY_NAME, own, [ref for ref, _ in named], [kind for _, kind in named])
    found = [Tellable.of(row) for row in rows]
    groups = await table.counted(_countable(found, expired)) if found else []
    return [_router(one, [group for group in groups if group.device_ref == one.standing.device_ref]) for one in found]


def _countable(routers: Iterable[Tellable], expired: int) -> str:
    return " OR ".join(
        f"(device_ref = {octets(one.standing.device_ref)} AND consent_seq > {one.left_at} "
        f"AND received_at > {max(one.erased_until, expired)})"
        for one in routers
    )


def _router(one: Tellable, groups: Sequence[Any]) -> Router:
    return Router(
        standing=one.standing,
        records=sum(group.number for group in groups),
        first_received_at=min((group.first for group in groups), default=None),
        last_received_at=max((group.last for group in groups), default=None),
    )


async def records_of(
    session: Session, table: Table, device_ref: bytes, since: int, expired: int, most: int
) -> list[StoredRecord]:
    """The newest records of a router that may be shown, newest first."""
    async with session.turn():
        before = (await tellable(session, [device_ref])).get(device_ref)
    if before is None or before.standing.state is not State.JOINED:
        return []
    bound = Bound(device_ref, before.left_at, before.erased_until)
    return await _told(session, await table.newest_of(bound, since, expired, most))


async def on_cell(
    session: Session, table: Table, cell_ref: str, since: int, expired: int, newest: int
) -> list[StoredRecord]:
    """The records measured since a time with an event on a cell, among the store's newest, if they may be shown."""
    return await _told(session, await table.holding(on_cell_text(cell_ref), since, expired, newest))


async def _told(session: Session, rows: Sequence[Any]) -> list[StoredRecord]:
    """The records in *rows* that the ledger allows to be shown now, each under a consent that it has of that router."""
    if not rows:
        return []
    async with session.turn():
        now = await tellable(session, {row[0] for row in rows})
        consents = await _consents(session, {row[6] for row in rows})
        told = [row for row in rows if row[0] in now and now[row[0]].has(row) and (row[0], row[6]) in consents]
        names = {seq: consent_id for (_, seq), consent_id in consents.items()}
        return [stored_record(told_row(row, now[row[0]].standing.key_id, names)) for row in told]


async def _consents(session: Session, numbers: Iterable[int]) -> Mapping[tuple[bytes, int], str]:
    return {(row[1], row[0]): row[2] for row in await session.rows(_CONSENTS, list(numbers))}
