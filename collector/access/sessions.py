"""Who is signed in: only in memory, so that a restart signs everybody out and no file holds what opens the console.

Rule 1: the id is 256 random bits, new at every sign-in, and only its digest is kept.
Rule 2: a session ends after a time without a request, after a longest time in any case, at sign-out, and when its
        account is changed, locked or removed.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from msgspec.structs import replace

from collector.access.nouns import Purpose, Session, Viewer
from collector.clock import TOLERANCE

MOST: Final = 10_000
MOST_OF_ONE: Final = 20
"""Sessions of one account; one more ends the oldest."""
_ID_BYTES: Final = 32


class Sessions:
    """The sessions. *is_current* says whether what a session rests on still holds; *clock* gives milliseconds."""

    def __init__(
        self, *, idle: float, longest: float, clock: Callable[[], int], is_current: Callable[[Session], bool]
    ) -> None:
        """*idle* and *longest* in seconds."""
        self._idle = int(idle * 1000)
        self._longest = int(longest * 1000)
        self._clock = clock
        self._is_current = is_current
        self._held: OrderedDict[str, Session] = OrderedDict()

    def begin(self, viewer: Viewer, stamp: str = "") -> tuple[str, Session]:
        """Begin a session; returns the id for the cookie, which is never told again, and the session."""
        made, now = secrets.token_urlsafe(_ID_BYTES), self._clock()
        session = Session(
            digest=_digest(made),
            viewer=viewer,
            begun_at=now,
            seen_at=now,
            csrf=secrets.token_urlsafe(_ID_BYTES),
            stamp=stamp,
        )
        self._make_room(viewer)
        self._held[session.digest] = session
        return made, session

    def find(self, shown: str) -> Session | None:
        """The session of an id, marked as seen now; None if there is none or it has ended."""
        session = self._held.get(_digest(shown))
        if session is None:
            return None
        now = self._clock()
        # A clock that is set back makes no session longer; one that is slewed ends none.
        idle, age = now - session.seen_at, now - session.begun_at
        if (
            not -TOLERANCE <= idle < self._idle
            or not -TOLERANCE <= age < self._longest
            or not self._is_current(session)
        ):
            del self._held[session.digest]
            return None
        session = replace(session, seen_at=now)
        self._held[session.digest] = session
        return session

    def give(self, session: Session, purpose: Purpose) -> None:
        """Give *session* a reason from now on."""
        if session.digest in self._held:
            self._held[session.digest] = replace(self._held[session.digest], purpose=purpose)

    def end(self, session: Session) -> None:
        """End it."""
        self._held.pop(session.digest, None)

    def _make_room(self, viewer: Viewer) -> None:
        own = [digest for digest, held in self._held.items() if held.viewer.name == viewer.name]
        for digest in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
            del self._held[digest]
        while len(self._held) >= MOST:
            self._held.popitem(last=False)


def _digest(shown: str) -> str:
    """Looked up instead of the id: comparing a digest, which nobody can choose, reveals no secret."""
    return sha256(shown.encode("utf-8", "replace")).hexdigest()
