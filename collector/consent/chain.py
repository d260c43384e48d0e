"""Follows the chain of a ledger, entry by entry, over the bytes that were written, not what a program makes of them.

Rule 1: an entry is in order when its text is the one that the collector writes, its hash is that of its content, it
        follows the entry before, and the columns that find it say the same.
Rule 2: members that a later version adds change nothing for entries written before: the hash covers those in the text.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec
import orjson

from collector.consent.ledger import Head, LedgerEntry

_decode: Final = msgspec.json.Decoder(LedgerEntry).decode


class Row(NamedTuple):
    """An entry as a store holds it: its text, and the columns beside it."""

    seq: Any
    device_ref: Any
    event_ref: Any
    hash: Any
    text: bytes

    @classmethod
    def of(cls, text: str) -> "Row":
        """The row that a text will be stored as."""
        try:
            said = msgspec.json.decode(text, type=_Columns)
        except msgspec.DecodeError:
            return cls(None, None, None, None, text.encode())
        return cls(said.seq, _bytes(said.device_ref), _bytes(said.event_ref), said.hash, text.encode())


class _Columns(msgspec.Struct):
    seq: int
    device_ref: str
    event_ref: str | None
    hash: str


class Chain:
    """The walk along a ledger; `head` is how far it has come."""

    def __init__(self, head: Head | None = None) -> None:
        self.head = head or Head()

    def follow(self, row: Row) -> tuple[LedgerEntry | None, str | None]:
        """The entry of *row*, if it can be read, and what is wrong with it, if anything is; goes on from it."""
        try:
            document, entry = msgspec.json.decode(row.text), _decode(row.text)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.head = Head(seq=row.seq if isinstance(row.seq, int) else self.head.seq + 1)
            return None, "is no entry that a collector wrote"
        fault = self._fault(row, entry, document)
        self.head = Head(seq=entry.seq, hash=entry.hash)
        return entry, fault

    def _fault(self, row: Row, entry: LedgerEntry, document: dict[str, Any]) -> str | None:
        if msgspec.json.encode(document) != row.text:
            return "is not written as a collector writes"
        if content_hash(document) != entry.hash:
            return "is not what its hash is of"
        if (row.seq, row.hash) != (entry.seq, entry.hash):
            return "is filed under another number or hash"
        if row.device_ref != _bytes(entry.device_ref) or row.event_ref != _bytes(entry.event_ref):
            return "is filed under another router or act"
        if entry.seq != self.head.seq + 1:
            return f"does not follow: the one before it is {self.head.seq}"
        return None if entry.prev_hash == self.head.hash else "does not hold the hash of the one before it"


def followed(head: Head, texts: Iterable[str]) -> list[LedgerEntry]:
    """The entries written as *texts*, which follow from *head*.

    Raises:
        ValueError: one does not; says which and why.
    """
    chain, found = Chain(head), list[LedgerEntry]()
    for text in texts:
        entry, fault = chain.follow(Row.of(text))
        if fault or entry is None:
            raise ValueError(f"what should follow entry {head.seq + len(found)} {fault}")
        found.append(entry)
    return found


def content_hash(document: dict[str, Any]) -> str:
    """SHA-256 over every member but the hash, as `LedgerEntry.computed_hash` makes it when the entry is written."""
    members = {name: value for name, value in document.items() if name != "hash"}
    return sha256(orjson.dumps(members, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _bytes(ref: str | None) -> bytes | None:
    try:
        return None if ref is None else bytes.fromhex(ref)
    except ValueError:
        return b""
