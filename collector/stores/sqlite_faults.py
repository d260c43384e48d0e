"""What errors of SQLite and of the file system mean: each has one cause, in the words that operators read."""

import errno
import os
import sqlite3
from pathlib import Path
from typing import Final

from collector.errors import Cause, StoreUnavailable
from collector.model import Region
from collector.stores.rows import Damaged

_BY_CODE: Final = {
    sqlite3.SQLITE_FULL: Cause.DISK_FULL,
    sqlite3.SQLITE_READONLY: Cause.READ_ONLY,
    sqlite3.SQLITE_BUSY: Cause.LOCKED,
    sqlite3.SQLITE_LOCKED: Cause.LOCKED,
    sqlite3.SQLITE_CORRUPT: Cause.CORRUPT,
    sqlite3.SQLITE_NOTADB: Cause.CORRUPT,
    sqlite3.SQLITE_FORMAT: Cause.CORRUPT,
    sqlite3.SQLITE_CONSTRAINT: Cause.CORRUPT,  # as in PostgreSQL: our code never breaks one, unless rows were changed
    sqlite3.SQLITE_ERROR: Cause.CORRUPT,  # our statements are right, so a table or a column is missing
}
"""By SQLite's primary result code; for any other code, the disk is looked at."""
_BY_ERRNO: Final = {
    errno.ENOSPC: Cause.DISK_FULL,
    errno.EDQUOT: Cause.DISK_FULL,
    errno.EROFS: Cause.READ_ONLY,
    errno.EACCES: Cause.READ_ONLY,
    errno.EPERM: Cause.READ_ONLY,
}


def cause_of(error: sqlite3.Error | Damaged, path: Path) -> Cause:
    """Why SQLite refused the store at *path*; rows that no collector wrote are as bad as SQLite's own `malformed`."""
    if isinstance(error, Damaged):
        return Cause.CORRUPT
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Cause.CORRUPT if _is_of_a_text(error) else Cause.NOT_ANSWERING
    return _BY_CODE.get(code & 0xFF) or _cause_on_disk(path)


def _is_of_a_text(error: sqlite3.Error) -> bool:
    """Whether a text was read that is not UTF-8, so not written by us; Python raises this itself, without a code."""
    return not hasattr(error, "sqlite_errorcode") and "decode" in str(error)


def _cause_on_disk(path: Path) -> Cause:
    """The cause of `unable to open` or `disk I/O error`, which SQLite says in several cases."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return Cause.NOT_ANSWERING
    if not _writable(path, disk):
        return Cause.READ_ONLY
    return Cause.DISK_FULL if disk.f_bavail == 0 else Cause.NOT_ANSWERING


def _writable(path: Path, disk: os.statvfs_result) -> bool:
    places = [place for place in (path.parent, path) if place.exists()]
    return not disk.f_flag & os.ST_RDONLY and all(os.access(place, os.W_OK) for place in places)


def refused(error: sqlite3.Error | Damaged, path: Path, region: Region) -> StoreUnavailable:
    """SQLite's error as one of ours."""
    return StoreUnavailable(f"the store of {region} did not answer: {told(error)}", cause_of(error, path))


def told(error: sqlite3.Error | Damaged) -> str:
    """What a message may say of it: not which table and columns a constraint is about, as SQLite does."""
    if isinstance(error, sqlite3.IntegrityError):
        name = getattr(error, "sqlite_errorname", "SQLITE_CONSTRAINT")
        return f"a row does not fit those that are there ({name})"
    if isinstance(error, sqlite3.Error) and _is_of_a_text(error):
        return "a text is not UTF-8"  # Python would quote the text, whatever it contains
    return str(error)


def not_opened(error: OSError, path: Path) -> StoreUnavailable:
    """An error of the file system as one of ours."""
    cause = _BY_ERRNO.get(error.errno or 0, Cause.NOT_ANSWERING)
    return StoreUnavailable(f"{path}: cannot be opened: {error.strerror}", cause)


def unwritable(file: Path) -> str | None:
    """Why this process could not write *file*, or make it and its folders; None if it could."""
    try:
        there = next(place for place in (file, *file.parents) if place.exists())
        if there.is_dir() is (there == file):
            return f"{there}: found a {'folder' if there == file else 'file'} there. Name another place."
        folder = file.parent if there == file else there
        # SQLite makes files of its own beside the one it is given.
        refused = (place for place in (there, folder) if not os.access(place, os.W_OK, effective_ids=True))
        place = next(refused, None)
    except OSError as error:
        return f"{file}: {error.strerror}. {Cause.READ_ONLY.advice}"
    return None if place is None else f"{place}: cannot be written. {Cause.READ_ONLY.advice}"


class OpenedFile:
    """Remembers which file a connection was opened on: its path may name another one later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None

    def opened(self) -> None:
        """The connection was opened just now."""
        self._identity = self._look()

    def _look(self) -> tuple[int, int]:
        found = self._path.stat()
        return found.st_dev, found.st_ino

    def check_same(self) -> None:
        """Notice a file that was replaced or removed: nobody would find what is written to the old one.

        Raises:
            StoreUnavailable: it was.
        """
        try:
            same = self._look() == self._identity
        except OSError:
            same = False
        if not same:
            raise StoreUnavailable(f"{self._path}: the file was replaced or removed", Cause.REPLACED)

    def check_writable(self) -> None:
        """Notice a file or a disk that became read-only before a message has to wait for it.

        Raises:
            StoreUnavailable: it did.
        """
        try:
            writable = _writable(self._path, os.statvfs(self._path.parent))
        except OSError as error:
            raise not_opened(error, self._path) from error
        if not writable:
            raise StoreUnavailable(f"{self._path}: found a file that cannot be written", Cause.READ_ONLY)
