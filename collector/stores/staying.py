"""Marks of a move: they say that a store takes nothing, as its content is moving elsewhere or in (decision 0024).

Rule 1: a mark is a note in the store itself. Every transaction that writes reads it, so what was not committed before a
        store was marked never will be; and the mark outlives the process that made it.
"""

from typing import Final, NamedTuple

from collector.errors import Cause, StoreUnusable
from collector.stores.rows import of_a_note

MOVE: Final = "move"
"""The name of the note."""
OUT, GONE, IN = "out", "gone", "in"
"""Being moved to another store; moved there; being moved into, and not complete."""


class Mark(NamedTuple):
    """A store's part in a move. Both ends of a move carry the same number."""

    way: str
    move: str
    until: int
    """Records received up to this time, in milliseconds, had expired when the move began."""

    @classmethod
    def noted(cls, text: str | None) -> "Mark | None":
        """The mark in a note, None for a store that takes part in no move.

        Raises:
            Damaged: no collector wrote it.
        """
        if text is None:
            return None
        with of_a_note():
            way, move, until = text.split(" ")
            return cls(way, move, int(until))

    def text(self) -> str:
        """The mark as the text of its note."""
        return f"{self.way} {self.move} {self.until}"


def check_staying(text: str | None, place: str) -> None:
    """Refuse a store that takes part in a move; *text* is its note, *place* says where it is.

    Raises:
        StoreUnusable: its content is being moved elsewhere, was moved there, or is not yet complete here.
    """
    mark = Mark.noted(text)
    if mark is None:
        return
    cause, found = {
        OUT: (Cause.MOVING, "its content is being moved to another store, and nothing is taken meanwhile"),
        GONE: (Cause.MOVED, "its content was moved to another store, where the ledger goes on"),
    }.get(mark.way, (Cause.UNFINISHED, "what is moved into it from another store is not complete"))
    raise StoreUnusable(f"{place}: {found}. {cause.advice}", cause)
