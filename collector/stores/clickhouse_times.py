"""When something was last received by a store whose records are in ClickHouse, for the collector's clock (K38).

Rule 1: only records numbered above the last known one are looked at.
"""

from typing import Final

from collector.stores.clickhouse_table import Table
from collector.stores.postgres_notes import note, noted
from collector.stores.postgres_reading import TIMES
from collector.stores.postgres_session import Session
from collector.stores.rows import decode_entry, of_a_note

_LAST_ENTRY: Final = "SELECT entry FROM ueip.ledger WHERE seq > $1 ORDER BY seq DESC LIMIT 1"


class Times:
    """The times of receipt of one region."""

    def __init__(self) -> None:
        self._last = (0, 0)
        """Number and time of receipt of the last record, as of the last look."""

    async def accept(self, session: Session, table: Table) -> None:
        """As `Store.accept_times`."""
        row = await session.row("SELECT max(seq) FROM ueip.ledger")
        number, _ = await table.last(0)
        await note(session, TIMES, f"{row[0] or 0}:{number}")

    async def wrong(self, session: Session) -> tuple[int, int]:
        """The numbers of entry and record up to which times were found wrong."""
        text = await noted(session, TIMES)
        with of_a_note():
            entry, record = map(int, text.split(":")) if text else (0, 0)
        return entry, record

    async def newest(self, session: Session, table: Table, wrong: tuple[int, int]) -> int:
        """As `Store.newest`."""
        seq, number = wrong
        self._last = max(self._last, await table.last(max(self._last[0], number)))
        row = await session.row(_LAST_ENTRY, seq)
        of_entry = decode_entry(row[0]).received_at if row else 0
        return max(of_entry, self._last[1] if self._last[0] > number else 0)
