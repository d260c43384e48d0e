"""What a spool counts: the records that wait in it, and those that it had to drop.

Rule 1: rows in hand are in a commit to the store. They may be purged meanwhile; whether that is their outcome is known
        only when the commit has ended, so they are counted as dropped only if they are given back.
Rule 2: what was counted in a transaction that fails is forgotten.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from collector.model import DropReason
from collector.stores.spool_rows import Row, Total
from collector.stores.spool_schema import RECORD


class Tally:
    """The counts of one spool."""

    def __init__(self) -> None:
        self.held = Total(0, 0)
        """The records in the file."""
        self.dropped: Counter[DropReason] = Counter()
        self._in_hand: dict[int, DropReason | None] = {}
        """Rows in hand, each with the reason for its drop if it was purged meanwhile."""

    @contextmanager
    def in_one(self) -> Iterator[None]:
        """Forget what was counted inside if the transaction inside fails."""
        before = self.held, Counter(self.dropped), dict(self._in_hand)
        try:
            yield
        except BaseException:
            self.held, self.dropped, self._in_hand = before
            raise

    @property
    def in_hand(self) -> list[int]:
        """The rows in hand, without those purged meanwhile."""
        return [row for row, reason in self._in_hand.items() if reason is None]

    def found(self, held: Total, missing: Sequence[int]) -> None:
        """The file was opened or mended: it holds *held*, and the rows in hand that are *missing* are not in it."""
        lost = self.held.records - held.records - len(missing)
        self.held = held
        self._in_hand.update(dict.fromkeys(missing, DropReason.SPOOL_DAMAGED))
        if lost > 0:
            self.dropped[DropReason.SPOOL_DAMAGED] += lost

    def added(self, rows: Sequence[Row]) -> None:
        """These were written."""
        records = sum(row.kind == RECORD for row in rows)
        self.held = Total(self.held.records + records, self.held.size + sum(row.size() for row in rows))

    def removed(self, gone: Total) -> None:
        """*gone* was deleted; what became of it is counted elsewhere."""
        self.held = Total(self.held.records - gone.records, self.held.size - gone.size)

    def take_in_hand(self, ids: Iterable[int]) -> None:
        """These are in a commit from now on."""
        self._in_hand.update(dict.fromkeys(ids))

    def give_back(self, ids: Iterable[int]) -> None:
        """Their commit failed: those purged meanwhile are dropped now."""
        for row in ids:
            if (reason := self._in_hand.pop(row, None)) is not None:
                self.dropped[reason] += 1

    def settle(self, ids: Iterable[int]) -> None:
        """The commit that took these has decided their outcome."""
        for row in ids:
            self._in_hand.pop(row, None)

    def drop(self, ids: Iterable[int], reason: DropReason) -> None:
        """These are dropped, or will be once they are given back."""
        for row in ids:
            if row in self._in_hand:
                self._in_hand[row] = reason
            else:
                self.dropped[reason] += 1

    def lose(self, records: int) -> None:
        """*records* records could not be read."""
        self.dropped[DropReason.SPOOL_DAMAGED] += records
