"""What a spool does to its file, on the spool's own thread; each step is one transaction, durable when it returns.

Rule 1: a record that was taken is here until it is deleted, purged or lost to damage, and is counted accordingly.
Rule 2: a closing act and the purge of its router's records are one step.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from collector.consent.acts import EVERYTHING, reaches_until
from collector.errors import SpoolUnavailable, StoreUnavailable
from collector.log import LOG
from collector.model import ConsentEvent, DropReason, Entry, Record, Region
from collector.spool_metrics import SpoolCounts
from collector.stores import spool_rows as rows_in
from collector.stores.sealing import Sealer, Unreadable
from collector.stores.spool_connection import SpoolConnection
from collector.stores.spool_rows import Row
from collector.stores.spool_schema import ACT, FILE, RECORD
from collector.stores.spool_tally import Tally
from collector.stores.sqlite_faults import not_opened

T = TypeVar("T")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode_record: Final = msgspec.msgpack.Decoder(Record).decode
_decode_act: Final = msgspec.msgpack.Decoder(ConsentEvent).decode


class SpoolFile:
    """The file `spool.sqlite` in a folder of the region's own."""

    def __init__(
        self,
        folder: Path,
        region: Region,
        sealer: Sealer,
        max_bytes: int,
        beside: Callable[[], None] = lambda: None,
    ) -> None:
        """*beside* is called before the file is made; it raises StoreUnavailable if nothing may be made there."""
        self.path = folder / FILE
        self._beside = beside
        self._region = region
        self._sealer = sealer
        self._most = max_bytes
        self._file = SpoolConnection(self.path, region, sealer, self._found)
        self._next_id = 1
        self._tally = Tally()
        self._oldest_at: int | None = None
        self._owed: list[Callable[[], object]] = []

    def open(self) -> list[tuple[int, ConsentEvent]]:
        """Open or make the file; returns the acts in it with their rows, oldest first.

        Raises:
            SpoolUnavailable: it cannot be opened now.
        """
        self._may_be_made()
        return self._file.safely(lambda: self._read(ACT, -1, _decode_act))

    def _may_be_made(self) -> None:
        try:
            if not self.path.exists():
                self._beside()
        except StoreUnavailable as error:
            raise SpoolUnavailable(str(error), error.cause) from error
        except OSError as error:
            raise SpoolUnavailable(str(error), not_opened(error, self.path).cause) from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def counts(self) -> SpoolCounts:
        """What there is to be counted now."""
        held, dropped = self._tally.held, Counter(self._tally.dropped)
        return SpoolCounts(held.records, held.size, self._oldest_at, dropped, self._file.damages)

    def check(self) -> None:
        """Find out whether the file can be written, and do what could not be done before.

        Raises:
            SpoolUnavailable: it cannot.
        """
        self._file.safely(self._file.scrub)  # the log may be what fills the disk
        self._file.safely(lambda: self._file.in_one(self._file.touch))
        self._file.safely(self._do_what_is_owed)

    def put(self, entries: Sequence[Entry], in_hand: bool = False) -> list[int]:
        """Take *entries*, up to the first record for which there is no room; returns the rows of those taken."""
        return self._file.safely(lambda: self._put(entries, in_hand=in_hand))

    def close_gate(self, act: ConsentEvent, refs: Sequence[bytes], reason: DropReason) -> tuple[int, ConsentEvent]:
        """Take an act and purge the records it reaches; returns its row, and the act, which names these as spent."""
        taken = self._file.safely(lambda: self._in_one(lambda: self._close_gate(act, refs, reason)))
        self._file.scrub()
        return taken

    def read(self, most: int) -> list[tuple[int, Record]]:
        """Take the oldest records in hand; what cannot be read is deleted, and counted as lost."""
        return self._file.safely(lambda: self._take_in_hand(most))

    def ids_of(self, refs: Sequence[bytes], until: int) -> tuple[bytes, ...]:
        """The ids of these routers' records received up to *until*, in milliseconds."""
        _, records = self._file.safely(lambda: self._records_of(refs, self._next_id, until))
        return tuple(record.record_id for record in records)

    def delete(self, ids: Sequence[int]) -> None:
        """Delete rows whose outcome is known. If that fails now, it is done once the file can be written again."""
        self._now_or_before_reading(lambda: self._in_one(lambda: self._forget(ids)))
        if not self._tally.held.records:
            self._file.scrub()

    def purge(self, refs: Sequence[bytes], reason: DropReason) -> None:
        """Remove the records of these routers; they are dropped for *reason*. If that fails now, see `delete`."""
        before = self._next_id  # rows with higher numbers came after the reason for the purge
        self._now_or_before_reading(lambda: self._in_one(lambda: self._purge(refs, reason, before)))
        self._file.scrub()

    def give_back(self, ids: Iterable[int]) -> None:
        """Let rows in hand wait again, as their commit failed. Those purged meanwhile are dropped now."""
        self._tally.give_back(ids)

    # Steps

    def _found(self) -> None:
        """The file was opened or mended: see what is in it, and what is no longer there."""
        connection = self._file.db
        self._tally.found(rows_in.total(connection), rows_in.missing(connection, self._tally.in_hand))
        # Never reuse the number of a row that this process has deleted: it may still be in hand.
        self._next_id = max(self._next_id, rows_in.last_id(connection) + 1)
        self._oldest_at = rows_in.oldest_at(connection)

    def _in_one(self, work: Callable[[], T]) -> T:
        """Do *work* in a transaction; if that fails, what it counted is forgotten."""
        with self._tally.in_one():
            result = self._file.in_one(work)
        self._oldest_at = rows_in.oldest_at(self._file.db)
        return result

    def _now_or_before_reading(self, work: Callable[[], object]) -> None:
        """Take rows out now, or, if that fails, before anything is read again."""
        try:
            self._file.safely(work)
        except SpoolUnavailable:
            self._owed.append(work)
            raise

    def _put(self, entries: Sequence[Entry], *, in_hand: bool) -> list[int]:
        now, made, room = int(time.time() * 1000), list[Row](), self._most - self._tally.held.size
        for entry in entries:
            row = self._sealed(entry, self._next_id + len(made), now)
            room -= row.size()
            if room < 0 and row.kind == RECORD:
                break
            made.append(row)
        self._in_one(lambda: self._insert(made))
        ids = [row.id for row in made]
        if in_hand:
            self._tally.take_in_hand(row.id for row in made if row.kind == RECORD)
        return ids

    def _sealed(self, entry: Entry, row_id: int, now: int) -> Row:
        kind, tag = RECORD if isinstance(entry, Record) else ACT, self._sealer.tag(entry.identity.device_ref)
        return Row(row_id, kind, tag, now, self._sealer.seal(kind, tag, _encode(entry)))

    def _insert(self, made: Sequence[Row]) -> None:
        rows_in.insert(self._file.db, made)
        self._tally.added(made)
        # Even if this is rolled back: the number of a row that was in hand must not be given to another.
        self._next_id += len(made)

    def _close_gate(self, act: ConsentEvent, refs: Sequence[bytes], reason: DropReason) -> tuple[int, ConsentEvent]:
        gone = self._purge(refs, reason, self._next_id, reaches_until(act))
        act = msgspec.structs.replace(act, spent=(*act.spent, *(record.record_id for record in gone)))
        row = self._sealed(act, self._next_id, int(time.time() * 1000))
        self._insert([row])
        return row.id, act

    def _purge(self, refs: Sequence[bytes], reason: DropReason, before: int, until: int = EVERYTHING) -> list[Record]:
        mine, records = self._records_of(refs, before, until)
        ids = [row.id for row in mine]
        self._remove(ids)
        self._tally.drop(ids, reason)
        return records

    def _records_of(self, refs: Sequence[bytes], before: int, until: int) -> tuple[list[Row], list[Record]]:
        """The rows of these routers' records that are numbered below *before* and were received up to *until*, and
        the records in them that can be read; a row that cannot be read belongs to them whenever it was received.
        """
        mine, records = list[Row](), list[Record]()
        found = rows_in.records_of(self._file.db, self._sealer.tags(refs))
        for row in [row for row in found if row.id < before]:
            with suppress(Unreadable, msgspec.DecodeError):
                record = _decode_record(self._opened(row))
                if record.received_at > until:
                    continue
                records.append(record)
            mine.append(row)
        return mine, records

    def _take_in_hand(self, most: int) -> list[tuple[int, Record]]:
        self._do_what_is_owed()
        found = self._read(RECORD, most, _decode_record)
        self._tally.take_in_hand(row_id for row_id, _ in found)
        return found

    def _do_what_is_owed(self) -> None:
        while self._owed:
            self._owed[0]()
            self._owed.pop(0)
            self._file.scrub()

    def _read(self, kind: int, most: int, decode: Callable[[bytes], T]) -> list[tuple[int, T]]:
        found, lost = list[tuple[int, T]](), list[int]()
        for row in rows_in.rows_of_kind(self._file.db, kind, most):
            try:
                found.append((row.id, decode(self._opened(row))))
            except (Unreadable, msgspec.DecodeError):
                lost.append(row.id)
        if lost:
            LOG.error("spool_entries_unreadable", region=self._region, entries=len(lost))
            self._in_one(lambda: self._lose(lost))
        return found

    def _lose(self, ids: Sequence[int]) -> None:
        self._tally.lose(self._remove(ids))

    def _forget(self, ids: Sequence[int]) -> None:
        self._tally.settle(ids)
        self._remove(ids)

    def _remove(self, ids: Sequence[int]) -> int:
        gone = rows_in.remove(self._file.db, ids)
        self._tally.removed(gone)
        return gone.records

    def _opened(self, row: Row) -> bytes:
        return self._sealer.open(row.kind, row.tag, row.sealed)
