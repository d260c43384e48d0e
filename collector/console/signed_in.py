"""Who is signed in: the session that a browser's cookie names, as long as what it rests on holds.

Rule 1: every sign-in makes a session with a new id, and ends the one that the browser had.
Rule 2: what cannot be read counts as a no: only an account that is seen to be in order has a session.
"""

import time
from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from collector.access.accounts import Accounts
from collector.access.nouns import Purpose, Session, Viewer
from collector.access.sessions import Sessions
from collector.config_access import SignInSettings
from collector.console.browser import Cookie, fields_of, is_same
from collector.console.failures import CsrfMissing
from collector.errors import DataFault
from collector.log import LOG

_COOKIE: Final = "ueip"


class SignedIn:
    """Tells every route who is signed in. *wall* gives the time, in seconds."""

    def __init__(
        self,
        settings: SignInSettings,
        accounts: Accounts,
        *,
        secure: bool,
        origins: frozenset[str] = frozenset(),
        wall: Callable[[], float] = time.time,
    ) -> None:
        """*secure* says whether browsers come over TLS; *origins* are ours beside that of the Host asked for."""
        self._accounts = accounts
        self._origins = origins
        self._sessions = Sessions(
            idle=settings.idle_minutes * 60,
            longest=settings.session_hours * 3600,
            clock=lambda: int(wall() * 1000),
            is_current=self._is_current,
        )
        self._cookie = Cookie(_COOKIE, secure=secure)

    def session_of(self, request: Request) -> Session | None:
        """The session of a request; None if there is none, or it is over."""
        shown = self._cookie.of(request)
        return None if shown is None else self._sessions.find(shown)

    def shows_any(self, request: Request) -> bool:
        """Whether the browser shows a session, even one that is over."""
        return self._cookie.of(request) is not None

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form that anybody may send.

        Raises:
            CsrfMissing: it does not come from a page of ours.
            Invalid: it is no form.
        """
        return await fields_of(request, self._origins)

    async def check(self, request: Request, session: Session) -> dict[str, str]:
        """The fields of a form that *session* sent.

        Raises:
            CsrfMissing: it does not come from a page of ours, or lacks the session's word.
            Invalid: it is no form.
        """
        fields = await self.form(request)
        if not is_same(fields.get("csrf", ""), session.csrf):
            raise CsrfMissing
        return fields

    def begin(self, request: Request, answer: Response, viewer: Viewer, stamp: str) -> None:
        """Sign *viewer* in, in the browser that *answer* goes to."""
        before = self.session_of(request)
        if before is not None:
            self._sessions.end(before)
        shown, _ = self._sessions.begin(viewer, stamp)
        self._cookie.put(answer, shown)

    def end(self, session: Session) -> None:
        """End *session*."""
        self._sessions.end(session)

    def forget(self, answer: Response) -> None:
        """Have the browser that *answer* goes to forget its session."""
        self._cookie.forget(answer)

    def give(self, session: Session, purpose: Purpose) -> None:
        """Give *session* a reason."""
        self._sessions.give(session, purpose)

    def _is_current(self, session: Session) -> bool:
        """Whether what a session rests on still holds."""
        try:
            book = self._accounts.book()
        except DataFault as fault:
            LOG.seldom("accounts_unreadable", error=type(fault).__name__)
            return False
        if book.ended.get(session.viewer.name, 0) >= session.begun_at:
            return False
        if session.viewer.source != "local":
            return True
        account = book.get(session.viewer.name)
        return account is not None and not account.locked and account.stamp == session.stamp
