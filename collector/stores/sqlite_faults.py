"""What SQLite's and the file system's troubles mean: each has one cause, in the words that operators read."""

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
    sqlite3.SQLITE_CONSTRAINT: Cause.CORRUPT,  # as of the other engine: rows that no code of ours meets
    sqlite3.SQLITE_ERROR: Cause.CORRUPT,  # of statements that are ours: a table or a column is missing
}
"""By SQLite's primary result code; what is not here is looked for on the disk."""
_BY_ERRNO: Final = {
    errno.ENOSPC: Cause.DISK_FULL,
    errno.EDQUOT: Cause.DISK_FULL,
    errno.EROFS: Cause.READ_ONLY,
    errno.EACCES: Cause.READ_ONLY,
    errno.EPERM: Cause.READ_ONLY,
}


def cause_of(error: sqlite3.Error | Damaged, path: Path) -> Cause:
    """Why SQLite refused the store at *path*; rows that no code of ours wrote are as bad as its own `malformed`."""
    if isinstance(error, Damaged):
        return Cause.CORRUPT
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return Cause.CORRUPT if _is_of_a_text(error) else Cause.NOT_ANSWERING
    return _BY_CODE.get(code & 0xFF) or _cause_on_disk(path)


def _is_of_a_text(error: sqlite3.Error) -> bool:
    """Whether a text was read that is no UTF-8, and so not written by us; Python says so itself, without a code."""
    return not hasattr(error, "sqlite_errorcode") and "decode" in str(error)


def _cause_on_disk(path: Path) -> Cause:
    """For `unable to open` and `disk I/O error`, which SQLite says of several things."""
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
    """SQLite's trouble as ours."""
    return StoreUnavailable(f"the store of {region} did not answer: {told(error)}", cause_of(error, path))


def told(error: sqlite3.Error | Damaged) -> str:
    """What can be said of it; SQLite says of a constraint which table and columns it is of, which helps nobody."""
    if isinstance(error, sqlite3.IntegrityError):
        name = getattr(error, "sqlite_errorname", "SQLITE_CONSTRAINT")
        return f"a row does not fit those that are there ({name})"
    if isinstance(error, sqlite3.Error) and _is_of_a_text(error):
        return "a text is not UTF-8"  # Python quotes it, whosever it is
    return str(error)


def not_opened(error: OSError, path: Path) -> StoreUnavailable:
    """The file system's trouble as ours."""
    cause = _BY_ERRNO.get(error.errno or 0, Cause.NOT_ANSWERING)
    return StoreUnavailable(f"{path}: cannot be opened: {error.strerror}", cause)


def unwritable(file: Path) -> str | None:
    """Why whoever asks could not write *file*, or make it and the folders it is in; None if they could."""
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
    """Which file a connection was opened on: a path may come to name another one meanwhile."""

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
        """Notice a file that was replaced or removed: what is written to the old one nobody will find.

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
