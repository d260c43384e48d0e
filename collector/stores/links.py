"""Entries of a ledger as links of its chain, from their texts alone, whole or cut off, as a witness has them."""

from typing import Final

import msgspec

from collector.consent.chain import content_hash
from collector.consent.ledger import Head
from collector.model import Sealed


class Link(Sealed, frozen=True):
    """What of an entry ties it to its neighbours, and its age."""

    seq: int
    prev_hash: str
    hash: str
    received_at: int

    @classmethod
    def of(cls, text: str) -> "Link":
        """The link in the text of an entry."""
        return _decode(text)

    @property
    def head(self) -> Head:
        """The head of a ledger that ends with it."""
        return Head(seq=self.seq, hash=self.hash)

    def follows(self, head: Head) -> bool:
        """Whether it is the next one of a ledger that ends at *head*."""
        return (self.seq, self.prev_hash) == (head.seq + 1, head.hash)


_decode: Final = msgspec.json.Decoder(Link).decode


def end_of(entry: str) -> Head:
    """The head of a ledger that ends with *entry*."""
    return Link.of(entry).head


def read_link(line: bytes) -> Link | None:
    """The entry of a line; None if it was not written whole, which its hash shows."""
    if not line.endswith(b"\n"):
        return None
    try:
        document = msgspec.json.decode(line)
        link = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return link if content_hash(document) == link.hash else None


def last_link(lines: bytes, *, whole: bool) -> tuple[Link, int] | None:
    """The last line that is an entry, and where it ends; the first line counts if *lines* begin with a *whole* one."""
    end = lines.rfind(b"\n") + 1
    while end > 0:
        begin = lines.rfind(b"\n", 0, end - 1) + 1
        if begin == 0 and not whole:
            return None
        if link := read_link(lines[begin:end]):
            return link, end
        end = begin
    return None
