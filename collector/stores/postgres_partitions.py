"""The months of a PostgreSQL store: one partition each, by time of receipt.

Rule 1: concurrent commits write into one partition, the current one, whose index keeps record ids unique. What belongs
        to another month, and what begins a new one, is written alone in the region, where it can be seen whether an
        earlier month has it: so a record is stored once, even across the end of a month.
Rule 2: the current partition is a note in the store, read inside the transaction.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from collector.stores.postgres_notes import note
from collector.stores.postgres_session import Session
from collector.stores.rows import of_a_note

CURRENT: Final = "partition"
"""The note of the current partition."""
_FOR_EVER: Final = 1 << 62


class Month(NamedTuple):
    """A month of receipt: from its first millisecond to the first of the next."""

    start: int
    end: int

    @classmethod
    def of(cls, at: int) -> "Month":
        """The month that *at* lies in, UTC."""
        first = datetime.fromtimestamp(at // 1000, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (first + timedelta(days=32)).replace(day=1)
        return cls(int(first.timestamp()) * 1000, int(following.timestamp()) * 1000)


class Current(NamedTuple):
    """The month that concurrent commits write into."""

    month: Month
    latest: int
    """The end of the latest month that was ever current: a record received before may turn back to an earlier one."""

    @classmethod
    def noted(cls, text: str) -> "Current":
        """What was noted."""
        with of_a_note():
            start, end, *latest = map(int, text.split())
            return cls(Month(start, end), *(latest or [end]))

    def note(self) -> str:
        """As it is noted."""
        return " ".join(map(str, (*self.month, self.latest)))


class Span(NamedTuple):
    """The times of receipt of some records."""

    first: int
    last: int

    def is_within(self, current: Current | None) -> bool:
        """Whether all of them belong to the current month."""
        return current is not None and current.month.start <= self.first and self.last < current.month.end

    def elsewhere(self, current: Current | None, look_back: int) -> tuple[int, int] | None:
        """Between which times of receipt other partitions may hold the same records; None if none can."""
        since = self.first - look_back
        if current is None or not self.is_within(current) or current.latest > current.month.end:
            return since, _FOR_EVER
        return (since, current.month.start) if since < current.month.start else None

    def since(self, look_back: int) -> int:
        """How far back duplicates of these may be stored: over all of the first month, at least."""
        return min(self.first - look_back, Month.of(self.first).start)


def span_of(times: Sequence[int]) -> Span | None:
    """The first and the last of *times*."""
    return Span(min(times), max(times)) if times else None


async def turn_to(session: Session, span: Span, before: Current | None) -> None:
    """Make the partitions of *span* where they are missing; the last of them is the current one from here on."""
    month = Month.of(span.first)
    while True:
        await session.rows("SELECT ueip.make_partition($1)", month.start)
        if span.last < month.end:
            break
        month = Month.of(month.end)
    latest = max(month.end, before.latest if before else 0)
    await note(session, CURRENT, Current(month, latest).note())


async def make_ahead(session: Session, now: int) -> None:
    """Make the partitions of this month and the next, so that no commit has to."""
    month = Month.of(now)
    for start in (month.start, month.end):
        await session.rows("SELECT ueip.make_partition($1)", start)
