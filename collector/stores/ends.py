"""The two ends of a move: what each engine offers, so that the content of its stores can go to any other (0024).

Rule 1: rows contain no numbers of their own store: a router is its `device_ref`, a consent the number of its entry.
        What one engine reads, every other can write.
Rule 2: a page and how far the copying has come are written together, or so that writing them again changes nothing:
        wherever copying was interrupted, going on from what is noted gives the same.
"""

from collections.abc import Sequence
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from collector.consent.ledger import Head
from collector.model import Region

Row = tuple[Any, ...]
_MODULUS: Final = 1 << 256


class Table(StrEnum):
    """What a store holds besides its ledger, in the order it is moved; the ledger goes first (see `move`)."""

    RECORDS = "records"
    NAMES = "names"
    MEMORIES = "memories"
    TOMBSTONES = "tombstones"
    REGISTRY = "registry"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a row, in their order."""
        return _COLUMNS[self]


_COLUMNS: Final[dict[Table, tuple[str, ...]]] = {
    Table.RECORDS: (
        "record_id", "device_ref", "event_time", "received_at", "consent_seq", "policy_version", "source_adapter",
        "stripped", "body",
    ),
    Table.NAMES: ("ref", "kind", "device_ref"),
    Table.MEMORIES: ("device_ref", "state"),
    Table.TOMBSTONES: ("record_id", "erased_at"),
    Table.REGISTRY: ("device_ref", "key_id", "country", "generation"),
}  # fmt: skip


class Kept(NamedTuple):
    """What of a store goes over: not what has expired, nor what is of routers that left."""

    until: int
    """Records received up to then have expired, unless a legal hold keeps them."""
    left: tuple[str, ...]
    """The states in which nothing of a router stays, unless a legal hold keeps it."""


class Page(NamedTuple):
    """Some rows of a table in the order of the store's own key, and the key that the next ones come after."""

    rows: list[Row]
    last: Row


class Known(NamedTuple):
    """What tells a record from all others in every store: another one may have the same id (K39)."""

    device_ref: bytes
    event_time: int
    record_id: bytes


class Sums(NamedTuple):
    """Number and digest of rows: the sum of the SHA-256 of each, so that it is the same in any order."""

    number: int = 0
    digest: int = 0

    def with_(self, rows: Sequence[Row]) -> "Sums":
        """The sums with these rows added."""
        found = sum(int.from_bytes(sha256(msgspec.msgpack.encode(row)).digest()) for row in rows)
        return Sums(self.number + len(rows), (self.digest + found) % _MODULUS)


class Progress(NamedTuple):
    """How far a table has been copied: up to which key of the source, and what was copied."""

    after: Row = ()
    sums: Sums = Sums()
    left: int = 0
    """How many rows were left behind because the target has no room for them (`End.fitting`)."""

    @property
    def rows(self) -> int:
        """How many rows of the source that is, those left behind included."""
        return self.sums.number + self.left

    @classmethod
    def noted(cls, text: str | None) -> "Progress":
        """What was noted; the beginning, if nothing was."""
        if text is None:
            return cls()
        key, count, digest, *left = text.split(" ")
        after = tuple(msgspec.msgpack.decode(bytes.fromhex(key)))
        return cls(after, Sums(int(count), int(digest, 16)), *map(int, left))

    def on(self, page: Page, fitting: Sequence[Row]) -> "Progress":
        """The progress once the rows of *page* that are *fitting* are written."""
        return Progress(page.last, self.sums.with_(fitting), self.left + len(page.rows) - len(fitting))

    def text(self) -> str:
        """As it is noted; if nothing was left behind, in the form of collectors that did not count that."""
        text = f"{msgspec.msgpack.encode(self.after).hex()} {self.sums.number} {self.sums.digest:x}"
        return f"{text} {self.left}" if self.left else text


def progress_note(table: Table) -> str:
    """The name of the note in the target that says how far a table has been copied."""
    return f"moved {table}"


class End(Protocol):
    """One region's store as one end of a move. Nobody else writes to it: it carries a mark.

    Every method raises StoreUnavailable when the store cannot be reached or used.
    """

    @property
    def region(self) -> Region:
        """Whose store it is."""
        ...

    @property
    def place(self) -> str:
        """Where it is, for people."""
        ...

    @property
    def at_once(self) -> int:
        """The fewest rows that are best written at a time; pages are put together until there are as many."""
        ...

    async def open(self) -> None:
        """Connect. A target that can be made is made; a source must be there.

        Raises:
            StoreUnusable: it is no store of this region, these keys, this schema.
        """
        ...

    async def close(self) -> None:
        """Let go of it."""
        ...

    async def is_empty(self) -> bool:
        """Whether it holds nothing at all."""
        ...

    async def noted(self, name: str) -> str | None:
        """A note of the store about itself."""
        ...

    async def note(self, name: str, value: str | None, *, instead_of: str | None) -> None:
        """Write a note, or remove it with None, where *instead_of* stands. Alone: commits under way have ended before.

        Raises:
            StoreUnavailable: something else stands there; nothing was written.
        """
        ...

    async def newest(self) -> int:
        """When the last record was received; 0 if there is none."""
        ...

    async def head(self) -> Head:
        """The end of the ledger."""
        ...

    async def entries(self, after: int, limit: int) -> list[str]:
        """Entries of the ledger numbered above *after*, oldest first, as they were written."""
        ...

    async def append(self, texts: Sequence[str]) -> Head:
        """Append entries that follow the ledger's end, and write what they say about their routers; the new end.

        Raises:
            StoreUnavailable: nothing was written; cause `corrupt` when they do not follow.
        """
        ...

    async def number(self, table: Table, kept: Kept | None) -> int:
        """How many rows go over; with None, how many there are in all."""
        ...

    async def read(self, table: Table, after: Row, kept: Kept | None) -> Page | None:
        """The next rows after a key, without those that do not go over; None at the end."""
        ...

    async def fitting(self, table: Table, rows: Sequence[Row], before: Progress) -> Sequence[Row]:
        """Those of the next rows after *before* that the store has room for; the same ones however often this is asked.

        An engine that keeps one record per id leaves the others behind: a faulty router has used that id again.
        """
        ...

    async def write(self, table: Table, rows: Sequence[Row], before: Progress, now: Progress) -> None:
        """Write rows that fit, of routers that the ledger knows, and note *now* as the progress in place of *before*.

        Raises:
            StoreUnavailable: nothing was written, for instance because another move is at work on the store.
        """
        ...

    async def number_before(self, number: int, kept: Kept) -> Known | None:
        """The last record up to *number*, as this store counts them, that goes over."""
        ...

    async def number_of(self, known: Known) -> int:
        """The number of a record, as this store counts them; 0 if it is not there.

        If it was left behind, the number of the one that has its id.
        """
        ...

    async def settle(self) -> None:
        """Do what the engine needs done once everything is there."""
        ...
