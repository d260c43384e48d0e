"""The local accounts: a file of mode 0600 that commands change and a running console reads.

Rule 1: the file is replaced whole, once the new one is on the disk; a reader sees the old one or the new one.
Rule 2: a change is made under a lock, to what the file says then, so that of two commands neither loses the other's.
Rule 3: an account has a stamp, renewed with every change that ends its sessions and forgives its wrong passwords.
"""

import fcntl
import os
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from collector.access.nouns import ACCOUNT_ROLES, Role, Viewer
from collector.durable import replace_file
from collector.errors import DataFault
from collector.model import Region, Sealed

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
_UNREADABLE: Final = (
    "{}: found something that cannot be read as accounts, expected what ueip user wrote. Restore it from a backup, or "
    "move it away and add the accounts again with: ueip user add"
)


class Account(Sealed, frozen=True):
    """Somebody who may sign in with a password, unless they are locked."""

    name: str
    role: Role
    regions: tuple[Region, ...]
    password: str
    stamp: str
    locked: bool = False

    @property
    def viewer(self) -> Viewer:
        """Who they are once they are signed in."""
        return Viewer(name=self.name, role=self.role, regions=frozenset(self.regions), source="local")


class Book(Sealed, frozen=True):
    """All accounts, and when people were last signed out everywhere (`ended`, by name, in milliseconds)."""

    version: int = 1
    accounts: tuple[Account, ...] = ()
    ended: dict[str, int] = msgspec.field(default_factory=dict)

    def get(self, name: str) -> Account | None:
        """The account of that name."""
        return next((account for account in self.accounts if account.name == name), None)

    def having(self, account: Account) -> "Book":
        """The book with *account* added, in place of any other of its name."""
        others = [one for one in self.accounts if one.name != account.name]
        return msgspec.structs.replace(self, accounts=tuple(sorted([*others, account], key=lambda one: one.name)))

    def without(self, name: str) -> "Book":
        """The book without the account of that name."""
        return msgspec.structs.replace(self, accounts=tuple(one for one in self.accounts if one.name != name))


_decode: Final = msgspec.json.Decoder(Book).decode


class Accounts:
    """The accounts in the file at *path*; none as long as there is no file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[tuple[int, int, int], Book] | None = None

    def book(self) -> Book:
        """What the file says now; it is read again only when it has changed.

        Raises:
            DataFault: it is not a file of accounts, or others may read or write it.
        """
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return Book()
        except OSError as error:
            raise DataFault([f"{self.path}: {error.strerror}. Make it a file that the collector can read."]) from None
        seen = found.st_ino, found.st_ctime_ns, found.st_size
        if self._read is None or self._read[0] != seen:
            self._read = seen, self._load(found.st_mode & 0o777)
        return self._read[1]

    def change(self, changed: Callable[[Book], Book]) -> None:
        """Replace the accounts by what *changed* makes of them; on return that is on the disk.

        Raises:
            DataFault: the file cannot be read or written. If *changed* raises, nothing is changed.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = self.path.with_name(f"{self.path.name}.lock")
            with os.fdopen(os.open(lock, os.O_CREAT | os.O_RDWR, 0o600), "wb") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._read = None
                self._write(changed(self.book()))
        except OSError as error:
            raise DataFault([f"{self.path}: {error.strerror}. Make its folder one that you can write to."]) from None

    def rehash(self, account: Account, hashed: str) -> None:
        """Store a new hash of the same password, unless the account was changed since.

        Raises:
            DataFault: as `change`.
        """

        def changed(book: Book) -> Book:
            found = book.get(account.name)
            same = found is not None and found.stamp == account.stamp
            return book.having(msgspec.structs.replace(account, password=hashed)) if same else book

        self.change(changed)

    def _load(self, mode: int) -> Book:
        if mode & 0o077:
            raise DataFault([f"{self.path}: found mode {mode:o}, expected 600. Run: chmod 600 {self.path}"])
        try:
            book = _decode(self.path.read_bytes())
        except (msgspec.DecodeError, UnicodeDecodeError, OSError):
            raise DataFault([_UNREADABLE.format(self.path)]) from None
        if book.version != 1 or any(account.role not in ACCOUNT_ROLES for account in book.accounts):
            raise DataFault([f"{self.path}: found accounts of another version, expected 1."])
        return book

    def _write(self, book: Book) -> None:
        replace_file(self.path, [msgspec.json.format(msgspec.json.encode(book)), b"\n"])


def new_stamp() -> str:
    """A stamp that no account has had."""
    return secrets.token_hex(8)
