"""The notes of a PostgreSQL store about itself; one says what was erased and may still be in its files.

Rule 1: a transaction that changes that note has it alone until it ends, even while others erase.
"""

from typing import Final, NamedTuple

from collector.stores.postgres_session import Session
from collector.stores.rows import ERASED, of_a_note

_LOCK: Final = 0x55454951  # the number after that of the region (`postgres_rows`)
_NOTING: Final = f"SELECT pg_advisory_xact_lock({_LOCK})"
"""Until the transaction ends, no other one can change the note of what was erased."""
_NOTE: Final = "INSERT INTO ueip.note VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


class Erased(NamedTuple):
    """The note of erasures whose bytes may still be in files: times of the oldest and the newest, and the tables."""

    oldest: int = 0
    newest: int = 0
    tables: frozenset[str] = frozenset()

    @classmethod
    def noted(cls, text: str) -> "Erased":
        """What was noted."""
        with of_a_note():
            oldest, newest, *tables = text.split()
            return cls(int(oldest), int(newest), frozenset(tables))

    def text(self) -> str:
        """As it is noted."""
        return " ".join((str(self.oldest), str(self.newest), *sorted(self.tables)))


async def noted(session: Session, name: str) -> str | None:
    """A note of the store about itself."""
    row = await session.row("SELECT value FROM ueip.note WHERE name = $1", name)
    return row[0] if row else None


async def note(session: Session, name: str, value: str) -> None:
    """Write a note of the store about itself."""
    await session.do(_NOTE, name, value)


async def noted_erased(session: Session) -> Erased | None:
    """The note of what was erased; for the rest of the transaction only the caller can change it."""
    await session.rows(_NOTING)
    text = await noted(session, ERASED)
    return None if text is None else Erased.noted(text)


async def note_erased(session: Session, tables: set[str], now: int) -> None:
    """Note that rows of these tables were erased and their bytes are still in the files."""
    before = await noted_erased(session) or Erased()
    await note(session, ERASED, Erased(before.oldest or now, now, before.tables | tables).text())
