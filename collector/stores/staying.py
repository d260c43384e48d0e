"""Marks of a move: whether a store takes anything now, or another has, or is to have, what it holds (decision 0024).

Rule 1: a mark is a note in the store itself. Every transaction that writes reads it, so what was not committed before a
        store was marked never is; and it outlives whoever made it.
"""

from typing import Final, NamedTuple

from collector.errors import Cause, StoreUnusable
from collector.stores.rows import of_a_note

MOVE: Final = "move"
"""The name of the note."""
OUT, GONE, IN = "out", "gone", "in"
"""Being moved to another store; was moved; what is moved into it is not complete."""


class Mark(NamedTuple):
    """A store's part in a move. Both ends of a move carry the same number."""

    way: str
    move: str
    until: int
    """Records received up to then had expired when the move began, in milliseconds."""

    @classmethod
    def noted(cls, text: str | None) -> "Mark | None":
        """The mark in a note, None for a store that takes part in no move.

        Raises:
            Damaged: nobody of ours wrote it.
        """
        if text is None:
            return None
        with of_a_note():
            way, move, until = text.split(" ")
            return cls(way, move, int(until))

    def text(self) -> str:
        """As it is noted."""
        return f"{self.way} {self.move} {self.until}"


def check_staying(text: str | None, place: str) -> None:
    """Refuse a store that takes part in a move; *text* is its note, *place* says where it is.

    Raises:
        StoreUnusable: its content is on its way elsewhere, or there, or not complete here.
    """
    mark = Mark.noted(text)
    if mark is None:
        return
    cause, found = {
        OUT: (Cause.MOVING, "its content is being moved to another store, and nothing is taken meanwhile"),
        GONE: (Cause.MOVED, "its content was moved to another store, where the ledger goes on"),
    }.get(mark.way, (Cause.UNFINISHED, "what is moved into it from another store is not complete"))
    raise StoreUnusable(f"{place}: {found}. {cause.advice}", cause)
