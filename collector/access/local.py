"""Signs people in to local accounts: checks throttle, password and account in an order that reveals nothing.

Rule 1: an unknown name, a wrong password and a locked account get the same answer, after the same work.
"""

import asyncio
import time
from collections.abc import Callable

from collector.access.accounts import Account, Accounts
from collector.access.audit import NOBODY
from collector.access.nouns import Viewer
from collector.access.passwords import Passwords, TooBusy
from collector.access.throttle import Throttle, place_of
from collector.errors import DataFault
from collector.log import LOG
from collector.model import Sealed

_MOST_NAME = 64


class Wait(Sealed, frozen=True):
    """No password is taken for this many seconds."""

    seconds: float


class Wrong(Sealed, frozen=True):
    """The sign-in was wrong. Whose account it was and what was wrong is for the log; whoever tries is not told."""

    viewer: Viewer
    why: str


class LocalSignIn:
    """Checks names and passwords. *clock* gives seconds and does not step."""

    def __init__(
        self,
        accounts: Accounts,
        throttle: Throttle,
        passwords: Passwords | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._accounts = accounts
        self._throttle = throttle
        self._passwords = passwords or Passwords()
        self._clock = clock

    async def attempt(self, name: str, password: str, address: str) -> Account | Wait | Wrong:
        """The account that somebody at *address* has, if its password is right.

        Raises:
            DataFault: the accounts cannot be read.
            TooBusy: too many passwords are being checked.
        """
        name, place = name.strip().lower()[:_MOST_NAME], place_of(address)
        account = self._accounts.book().get(name)
        # By its stamp: whatever renews that, such as unlocking, forgives what was counted.
        counted = f"{name} {account.stamp if account else ''}"
        begun = self._clock()
        wait = self._throttle.attempt(counted, place, begun)
        if wait > 0:
            return Wait(seconds=wait)
        try:
            fits = await self._passwords.fits(password, account.password if account else None)
        except TooBusy:
            # Otherwise a flood of passwords would lock out everybody who tries again meanwhile.
            self._throttle.unchecked(counted, place, begun)
            raise
        if account is None or not fits or account.locked:
            is_over = self._throttle.wait(counted, place, self._clock()) > 0
            return Wrong(viewer=account.viewer if account else NOBODY, why=_why(account, over=is_over))
        self._throttle.succeeded(counted, place, begun)
        if self._passwords.is_outdated(account.password):
            await self._renew(account, password)
        return account

    async def _renew(self, account: Account, password: str) -> None:
        """Hash a password with today's parameters; if the accounts cannot be written, the old hash stays."""
        hashed = await asyncio.to_thread(self._passwords.hash, password)
        try:
            await asyncio.to_thread(self._accounts.rehash, account, hashed)
        except DataFault as fault:
            LOG.seldom("password_not_hashed_anew", error=type(fault).__name__)


def _why(account: Account | None, *, over: bool) -> str:
    if over:
        return "locked_out"
    if account is None:
        return "unknown"
    return "locked" if account.locked else "wrong_password"
