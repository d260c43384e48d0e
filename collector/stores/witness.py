"""The witness of a ledger: a copy of its newest entries in a file apart from the store (K17, K31).

Its first line says which head the copy begins after, each further line is an entry as the ledger holds it; so the file
proves itself by the same chain, and what a restored store has lost can be put back word for word.

Rule 1: nothing goes in that is not durable in the store. The witness may lag behind; it is never ahead.
Rule 2: a line is written and synced before the next is begun; what a crash left half written is cut off.
Rule 3: several processes may add to it: each holds the file's lock and adds what is not there yet.
"""

import fcntl
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

import msgspec

from collector.consent.ledger import Head
from collector.durable import new_file, replace_file
from collector.model import Region, Sealed
from collector.stores.links import Link, last_link, read_link

_WINDOW: Final = 1 << 16
"""Bytes at the end that are looked at first; an entry has fewer than two thousand."""


class WitnessFault(Exception):
    """The file is no witness of this ledger; says what is wrong with it."""


class Start(Sealed, frozen=True):
    """The first line. `accepted` is the reason somebody gave for beginning anew."""

    witness: int
    region: Region
    seq: int
    hash: str
    accepted: str | None = None


class Kept(Sealed, frozen=True):
    """What a witness holds: all entries after `after`, up to `head`."""

    after: Head
    head: Head


_start: Final = msgspec.json.Decoder(Start).decode


class Witness:
    """One region's witness, at *path*. Its calls wait for the disk."""

    def __init__(self, path: Path, region: Region) -> None:
        self.path = path
        self._region = region

    def read(self) -> Kept | None:
        """What it holds, from its two ends; None when there is none.

        Raises:
            WitnessFault: the file is something else.
            OSError: it cannot be read.
        """
        try:
            with self.path.open("rb") as file:
                return self._ends(file)[0]
        except (FileNotFoundError, NotADirectoryError):
            return None

    def make(self) -> None:
        """Make an empty one, if there is none: a crash leaves none or a whole one."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        new_file(self.path, _content(self._first_line(Head())))

    def begin_anew(self, accepted: str) -> Path | None:
        """Put an empty one in the place of what is there; *accepted* says why. Returns where the old one was put."""
        old = None
        if self.path.exists():
            old = self.path.with_name(f"{self.path.name}.{time.time_ns()}")
            os.link(self.path, old)
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(self.path, _content(self._first_line(Head(), accepted)))
        return old

    def append(self, entries: Sequence[str]) -> Head:
        """Add those of *entries*, given in order, that it does not hold; they are on the disk on return.

        Returns:
            Its head afterwards, which may be beyond these.

        Raises:
            WitnessFault: they do not belong to the chain that it holds.
            OSError: they could not be written; a later call puts that right.
        """
        with self._locked() as file:
            kept, end = self._ends(file)
            head, lines = kept.head, []
            for text in entries:
                link = Link.of(text)
                if link.seq == head.seq and link.hash != head.hash:
                    raise WitnessFault(f"{self.path}: entry {link.seq} differs from its last")
                if link.seq <= head.seq:
                    continue
                if not link.follows(head):
                    raise WitnessFault(f"{self.path}: entry {link.seq} does not follow entry {head.seq}, its last")
                head = link.head
                lines.append(text)
            file.seek(end)
            file.truncate()
            file.write("".join(f"{line}\n" for line in lines).encode())
            file.flush()
            os.fsync(file.fileno())
        return head

    def entries(self, after: int = 0) -> Iterator[str]:
        """The entries numbered above *after*, as they were written, oldest first; stops where the file breaks off."""
        with self.path.open("rb") as file:
            file.readline()
            for line in file:
                link = read_link(line)
                if link is None:
                    return
                if link.seq > after:
                    yield line.decode().rstrip("\n")

    def breaks_off(self) -> int | None:
        """Number of the last entry before the first that does not follow, in mid-file; None if the file is whole.

        Raises:
            WitnessFault, OSError: as `read`.
        """
        with self.path.open("rb") as file:
            kept, _ = self._ends(file)
            file.seek(0)
            file.readline()
            head = kept.after
            while head.seq < kept.head.seq:
                link = read_link(file.readline())
                if link is None or not link.follows(head):
                    return head.seq
                head = link.head
        return None

    def forget(self, before: int) -> None:
        """Remove entries received before that time, in milliseconds, from the beginning of the file."""
        with self._locked() as file:
            start = self._start(file)
            line = file.readline()
            while (link := read_link(line)) and link.received_at < before:
                start = msgspec.structs.replace(start, seq=link.seq, hash=link.hash)
                line = file.readline()
            replace_file(self.path, _content(start, _chunks(line, file)))

    def oldest(self) -> int | None:
        """When its first entry was received; None when it holds none."""
        with self.path.open("rb") as file:
            file.readline()
            link = read_link(file.readline())
        return link.received_at if link else None

    def _ends(self, file: IO[bytes]) -> tuple[Kept, int]:
        """What the file holds, and where its last whole entry ends; *file* is at its beginning."""
        start = self._start(file)
        after = Head(seq=start.seq, hash=start.hash)
        first = file.tell()
        size = file.seek(0, os.SEEK_END)
        window = _WINDOW
        while True:
            begin = max(first, size - window)
            file.seek(begin)
            found = last_link(file.read(), whole=begin == first)
            if found:
                link, end = found
                return Kept(after=after, head=link.head), begin + end
            if begin == first:
                return Kept(after=after, head=after), first
            window *= 8

    def _start(self, file: IO[bytes]) -> Start:
        try:
            start = _start(file.readline())
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise WitnessFault(f"{self.path}: found no witness of a ledger") from None
        if (start.witness, start.region) != (1, self._region):
            raise WitnessFault(f"{self.path}: found a witness of {start.region}, expected one of {self._region}")
        return start

    @contextmanager
    def _locked(self) -> Iterator[IO[bytes]]:
        """The file, locked for us alone, even if somebody has just put a new one in its place."""
        while True:
            with self.path.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.path.samestat(os.fstat(file.fileno()), self.path.stat()):
                    yield file
                    return

    def _first_line(self, after: Head, accepted: str | None = None) -> Start:
        return Start(witness=1, region=self._region, seq=after.seq, hash=after.hash, accepted=accepted)


def _content(start: Start, rest: Iterable[bytes] = ()) -> Iterator[bytes]:
    yield msgspec.json.encode(start) + b"\n"
    yield from rest


def _chunks(first: bytes, file: IO[bytes]) -> Iterator[bytes]:
    yield first
    while chunk := file.read(_WINDOW):
        yield chunk
