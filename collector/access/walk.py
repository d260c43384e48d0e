"""Follows an audit log, entry by entry, over the bytes that were written, not over what a program makes of them.

An entry is in order when its text is exactly what the collector writes, its hash is that of its content, it follows the
entry before it and belongs to the log's region; a log is whole when it also reaches the head that is kept apart.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from collector.access.entry import AuditEntry
from collector.consent.chain import content_hash
from collector.consent.ledger import Head
from collector.model import Region

_NAME: Final = re.compile(r"[0-9]{4}-(?:0[1-9]|1[0-2])\.jsonl")
_WINDOW: Final = 1 << 16
_decode: Final = msgspec.json.Decoder(AuditEntry).decode
_head: Final = msgspec.json.Decoder(dict[str, int | str]).decode


class Wrong(NamedTuple):
    """What is wrong, and where: a file's name and its line."""

    where: str
    what: str


def files_of(folder: Path) -> list[Path]:
    """The files of a log, in the order of its chain.

    Raises:
        OSError: the folder cannot be read.
    """
    try:
        return sorted(path for path in folder.iterdir() if _NAME.fullmatch(path.name))
    except FileNotFoundError:
        return []


def read_head(path: Path) -> Head | None:
    """The head that is kept at *path*; None if there is none, or one that fits no entry if it cannot be read as a head.

    Raises:
        OSError: it cannot be read.
    """
    try:
        found = _head(path.read_bytes())
        return Head(seq=int(found["seq"]), hash=str(found["hash"]))
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError):
        return Head(seq=-1, hash="unreadable")


def last_line(path: Path) -> tuple[bytes, int]:
    """The last complete line of a file, empty if there is none, and where it ends.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        window = _WINDOW
        while True:
            begin = max(0, size - window)
            file.seek(begin)
            text = file.read()
            end = text.rfind(b"\n") + 1
            start = text.rfind(b"\n", 0, max(0, end - 1)) + 1
            if start or not begin:
                return text[start:end], begin + end if end else 0
            window *= 8


def read_line(line: bytes) -> tuple[AuditEntry | None, str | None]:
    """The entry of a line, if it can be read, and what is wrong with it, if anything is."""
    try:
        document, entry = msgspec.json.decode(line), _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None, "is no entry that a collector wrote"
    if msgspec.json.encode(document) + b"\n" != line:
        return entry, "is not written as a collector writes"
    return entry, None if content_hash(document) == entry.hash else "is not what its hash is of"


class Walk:
    """A walk along a log. `head` is how far it has come, `count` the entries so far, `wrong` the faults it met."""

    def __init__(self, folder: Path, head: Path, region: Region | None) -> None:
        self._folder = folder
        self._kept = head
        self._region = None if region is None else region.value
        self.head = Head()
        self.count = 0
        self.wrong: list[Wrong] = []

    def entries(self) -> Iterator[AuditEntry]:
        """Every entry that can be read, oldest first; `wrong` is complete after the last one.

        Raises:
            OSError: a file cannot be read.
        """
        seen = {self.head.seq: self.head.hash}
        witnessed = read_head(self._kept)
        for path in files_of(self._folder):
            with path.open("rb") as file:
                for number, line in enumerate(file, start=1):
                    entry = self._follow(f"{path.name}, line {number}", line)
                    if entry is not None:
                        self.count += 1
                        if witnessed is not None and entry.seq == witnessed.seq:
                            seen[entry.seq] = entry.hash
                        yield entry
        self._end(witnessed, seen)

    def miss(self, expected: Head) -> None:
        """Note that a head that was kept elsewhere was not met."""
        self.wrong.append(Wrong(f"head {expected.seq}", "was kept elsewhere, but no entry with it was found"))

    def _follow(self, where: str, line: bytes) -> AuditEntry | None:
        if not line.endswith(b"\n"):
            self.wrong.append(Wrong(where, "is incomplete: a crash left it so, or it was cut off"))
            return None
        entry, what = read_line(line)
        if entry is None:
            self.head = Head(seq=self.head.seq + 1)
        else:
            what = what or self._out_of_place(entry)
            self.head = Head(seq=entry.seq, hash=entry.hash)
        if what:
            self.wrong.append(Wrong(where, what))
        return entry

    def _out_of_place(self, entry: AuditEntry) -> str | None:
        if entry.seq != self.head.seq + 1:
            return f"is entry {entry.seq}, but the one before it is {self.head.seq}"
        if entry.prev_hash != self.head.hash:
            return "does not hold the hash of the one before it"
        return None if entry.region == self._region else "is of another log"

    def _end(self, witnessed: Head | None, seen: dict[int, str]) -> None:
        if witnessed is None:
            if self.head.seq > 1:
                self.wrong.append(
                    Wrong(self._kept.name, "is missing, so newer entries may have been cut off unnoticed")
                )
        elif witnessed.seq > self.head.seq:
            what = f"says that there were {witnessed.seq} entries, but {self.head.seq} were found"
            self.wrong.append(Wrong(self._kept.name, what))
        elif seen.get(witnessed.seq) != witnessed.hash:
            self.wrong.append(Wrong(self._kept.name, f"belongs to another entry {witnessed.seq} than the one found"))
