"""Handles: words that stand for a router in addresses, so that no identifier and no pseudonym is in one.

Rule 1: a handle belongs to one session and does not exist in any other. One that is kept in a browser's history or a
        proxy's log is worth nothing to anybody else, and nothing after the session.
Rule 2: bounded: the oldest are forgotten first; whoever needs one again looks the router up again.
"""

from secrets import token_urlsafe
from typing import Final

from collector.model import Region, Sealed

MOST: Final = 10_000
_BYTES: Final = 16


class Handled(Sealed, frozen=True):
    """The router that a handle stands for."""

    region: Region
    device_ref: bytes


class Handles:
    """All handles that are known, in memory only: they end with the process."""

    def __init__(self) -> None:
        self._routers: dict[tuple[str, str], Handled] = {}
        self._words: dict[tuple[str, Region, bytes], str] = {}

    def give(self, session: str, region: Region, device_ref: bytes) -> str:
        """The handle of a router in the session of this digest."""
        known = session, region, device_ref
        word = self._words.get(known)
        if word is None:
            word = self._words[known] = token_urlsafe(_BYTES)
            self._routers[session, word] = Handled(region, device_ref)
            self._forget_oldest()
        return word

    def of(self, session: str, word: str) -> Handled | None:
        """The router that a word stands for in a session."""
        return self._routers.get((session, word))

    def _forget_oldest(self) -> None:
        if len(self._words) > MOST:
            oldest = next(iter(self._words))
            del self._routers[oldest[0], self._words.pop(oldest)]
