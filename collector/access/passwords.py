"""Passwords: argon2id, made and checked in a thread, a few at once, so that neither memory nor the loop can be flooded.

The parameters are the second recommended option of RFC 9106, section 4: 64 MiB, three passes, four lanes. A hash that
was made with others is replaced at the next sign-in.

Rule 1: neither an answer nor the time it takes tells whether an account exists: if it does not, the password is checked
        all the same, against a hash that nothing fits.
"""

import asyncio
import secrets
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

MOST_CHARACTERS: Final = 256
AT_ONCE: Final = 2
"""Each takes 64 MiB."""
MOST_WAITING: Final = 20
_SAME: Final = 5
"""Least number of different characters in a password."""
_HASHER: Final = PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)


class TooBusy(Exception):
    """More passwords wait to be checked than there should be; try again."""


class Passwords:
    """Makes and checks hashes."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or _HASHER
        self._nobody = _of_nobody(self._hasher)
        self._room = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0

    def hash(self, password: str) -> str:
        """The hash of a password, with salt and parameters in it."""
        return self._hasher.hash(_normal(password))

    async def fits(self, password: str, hashed: str | None) -> bool:
        """Whether *password* is the one of *hashed*; without a hash it takes as long and never fits.

        Raises:
            TooBusy: too many wait already.
        """
        if self._waiting >= MOST_WAITING:
            raise TooBusy
        self._waiting += 1
        try:
            async with self._room:
                return await asyncio.to_thread(self._fits, password, hashed)
        finally:
            self._waiting -= 1

    def is_outdated(self, hashed: str) -> bool:
        """Whether a hash was made with other parameters than ours."""
        return self._hasher.check_needs_rehash(hashed)

    def _fits(self, password: str, hashed: str | None) -> bool:
        try:
            found = self._hasher.verify(self._nobody if hashed is None else hashed, _normal(password[:MOST_CHARACTERS]))
        except (VerificationError, InvalidHashError):
            return False
        return found and hashed is not None


def faults_of(password: str, name: str, least: int) -> str | None:
    """What is wrong with a new password, if anything is. Only how easily it can be guessed matters, not what it is
    made of (NIST SP 800-63B-4, 3.1.1.2).
    """
    if not least <= len(password) <= MOST_CHARACTERS:
        return f"found {len(password)} characters, expected {least} to {MOST_CHARACTERS}"
    if len(set(password)) < _SAME:
        return f"found fewer than {_SAME} different characters"
    plain = password.casefold()
    if any(word in plain and len(word) * 2 > len(plain) for word in (name.casefold(), "ueip", "password")):
        return "found little more than the account's name or a word that is tried first"
    return None


@cache
def _of_nobody(hasher: PasswordHasher) -> str:
    """A hash that nothing fits; made once, since it takes as long as a sign-in."""
    return hasher.hash(secrets.token_urlsafe())


def _normal(password: str) -> str:
    """One form of the text, however a keyboard composes it (NIST SP 800-63B-4, 3.1.1.2: NFKC)."""
    return unicodedata.normalize("NFKC", password)
