"""The audit log: one for each region, and one for accounts and sign-ins. Append-only and hash-chained (O82).

A log is a folder with a file for each month; the chain goes on from one file to the next. Its head (the number and hash
of the newest entry) is kept in a separate file, so that a log that was cut short can be told from a whole one.

Rule 1: what could not be logged is not shown: whatever shows something takes a `Logged`, and only `AuditLog.write`
        makes one, once the entry is on the disk.
Rule 2: several processes may write: each holds the log's lock and goes on from what the others wrote.
Rule 3: after a crash the head may lag behind the log, but it is never ahead of it. An entry that a crash left half
        written belongs to nothing that was shown, and is cut off.
Rule 4: nothing here deletes or changes an entry; a log found to be wrong is set aside whole (`begin_anew`).
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from collector.access.entry import AuditEntry, Event, Shown, line_of
from collector.access.nouns import Allowed, Purpose, Refused, Role, Viewer
from collector.access.walk import Walk, files_of, last_line, read_head, read_line
from collector.consent.ledger import Head
from collector.durable import make_file, replace_file, sync_folder
from collector.errors import AuditUnavailable
from collector.model import Region, Sealed

SHOWN: Final = "shown"
DONE: Final = "done"
NOBODY: Final = Viewer(name="-", role=Role.TERMINAL, regions=frozenset(), source="-")
"""Somebody who is not known, because their sign-in was refused."""


class Logged(Sealed, frozen=True):
    """Proof that *asked* is written down, durably. Only an `AuditLog` makes one."""

    asked: Allowed | Refused
    seq: int


class AuditLog:
    """One log: the entries in *folder*, its head in the file *head*. Its calls wait for the disk.

    *region* is None for the log of accounts and sign-ins. *wall* gives the time in seconds.
    """

    def __init__(
        self, folder: Path, head: Path, region: Region | None, *, wall: Callable[[], float] = time.time
    ) -> None:
        self.folder = folder
        self.head = head
        self.region = region
        self._wall = wall

    def write(self, asked: Allowed | Refused, *, device_ref: bytes | None = None, shown: Shown | None = None) -> Logged:
        """Write down how *asked* was answered; on return it is on the disk.

        *device_ref* is the router's pseudonym, if one was found; *shown* says how much of it was shown.

        Raises:
            AuditUnavailable: it could not be written; show nothing.
        """
        if asked.region is not self.region:
            raise AssertionError("an entry belongs into the log of its region")
        outcome = SHOWN if isinstance(asked, Allowed) else asked.reason.value
        entry = self._entry(asked.viewer, asked.right.value, outcome, asked.purpose)
        entry = msgspec.structs.replace(
            entry, device_ref=None if device_ref is None else device_ref.hex(), shown=shown or {}
        )
        return Logged(asked=asked, seq=self._append(entry).seq)

    def note(
        self,
        event: Event,
        who: Viewer,
        *,
        outcome: str = DONE,
        purpose: Purpose | None = None,
        whom: str | None = None,
    ) -> None:
        """Write down what somebody did that showed no router: sign in, change the account of *whom*.

        Raises:
            AuditUnavailable: as `write`.
        """
        self._append(msgspec.structs.replace(self._entry(who, event.value, outcome, purpose), whom=whom))

    def begin_anew(self, who: Viewer, reason: str) -> Path | None:
        """Set aside what is there, whole, and begin a log whose first entry says why. Returns where the old one is.

        Raises:
            AuditUnavailable: it could not be done.
        """
        with self._telling(), self._locked():
            aside = None
            if files_of(self.folder) or self.head.exists():
                aside = self.folder.with_name(f"{self.folder.name}.{time.time_ns()}")
                aside.mkdir(mode=0o700)
                if self.head.exists():  # on another disk, mostly
                    replace_file(aside / self.head.name, [self.head.read_bytes()])
                for path in files_of(self.folder):
                    path.rename(aside / path.name)
                sync_folder(aside)
                self.head.unlink(missing_ok=True)
            first = self._entry(who, Event.BEGUN.value, "accepted" if aside else DONE, None)
            self._add(msgspec.structs.replace(first, why=reason), Head())
        return aside

    def _entry(self, who: Viewer, what: str, outcome: str, purpose: Purpose | None) -> AuditEntry:
        return AuditEntry(
            seq=0,
            at=int(self._wall() * 1000),
            who=who.name,
            role=who.role.value,
            source=who.source,
            what=what,
            outcome=outcome,
            region=None if self.region is None else self.region.value,
            why=None if purpose is None else purpose.text,
        )

    def _append(self, entry: AuditEntry) -> Head:
        with self._telling(), self._locked():
            end, witnessed = self._end(), read_head(self.head)
            if not _fits(end, witnessed or Head()):
                raise AuditUnavailable(
                    f"{self.folder}: found a log that does not end as {self.head} says. See what is wrong with: ueip "
                    f"audit verify. Restore it from a backup, or set it aside with: ueip audit begin-anew"
                )
            head = Head(seq=end.seq, hash=end.hash) if isinstance(end, AuditEntry) else end
            if not head.seq:
                head = self._add(self._entry(NOBODY, Event.BEGUN.value, DONE, None), head)
            return self._add(entry, head)

    def _end(self) -> AuditEntry | Head:
        """The newest entry; whatever a crash left after it is cut off."""
        for path in reversed(files_of(self.folder)):
            line, end = last_line(path)
            if end < path.stat().st_size:
                os.truncate(path, end)
            if line:
                entry, wrong = read_line(line)
                # An entry that cannot be trusted fits no head.
                return Head(seq=-1) if entry is None or wrong else entry
        return Head()

    def _add(self, entry: AuditEntry, after: Head) -> Head:
        line, head = line_of(msgspec.structs.replace(entry, seq=after.seq + 1, prev_hash=after.hash))
        path = max([*files_of(self.folder), self.folder / _month(entry.at)])
        is_new = not path.exists()
        # Before the entry: if the log went on where no head can be written, the two would no longer fit.
        made = make_file(self.head, [msgspec.json.encode({"seq": head.seq, "hash": head.hash}), b"\n"])
        with os.fdopen(os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600), "wb") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self.folder)
        made.replace(self.head)
        sync_folder(self.head.parent)
        return head

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.head.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with os.fdopen(os.open(self.folder / "lock", os.O_CREAT | os.O_RDWR, 0o600), "wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AuditUnavailable(
                f"{error.filename or self.folder}: the audit log cannot be written: {error.strerror}. Nothing is "
                f"shown until it can: make the folder writable for the collector, and free space on its disk"
            ) from None


def _fits(end: AuditEntry | Head, witnessed: Head) -> bool:
    """Whether a log may end like this: the head is of this entry, or of an older one if a crash left it behind."""
    if end.seq == witnessed.seq:
        return end.hash == witnessed.hash
    if isinstance(end, AuditEntry) and end.seq == witnessed.seq + 1:
        return end.prev_hash == witnessed.hash
    return end.seq > witnessed.seq > 0


def _month(at: int) -> str:
    return f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m}.jsonl"


def walk(log: AuditLog) -> Walk:
    """The walk along *log*, from its first entry on."""
    return Walk(log.folder, log.head, log.region)
