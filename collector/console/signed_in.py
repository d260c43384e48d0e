"""Who is signed in: the session of a browser's cookie, while what it rests on holds.

Rule 1: who signs in gets a session of a new id; one they had before has ended.
Rule 2: what cannot be read says no: an account that is not found to be in order has no session.
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
    """Who is signed in, as every route asks it. *wall* gives the time, in seconds."""

    def __init__(
        self,
        settings: SignInSettings,
        accounts: Accounts,
        *,
        secure: bool,
        origins: frozenset[str] = frozenset(),
        wall: Callable[[], float] = time.time,
    ) -> None:
        """*secure* says whether browsers come by TLS, *origins* what else they call us than the Host they ask for."""
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
        """The session of a request; None if there is none that holds."""
        shown = self._cookie.of(request)
        return None if shown is None else self._sessions.find(shown)

    def shows_any(self, request: Request) -> bool:
        """Whether the browser shows a session, be it over."""
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
            CsrfMissing: it does not come from a page of ours, or without the session's word.
            Invalid: it is no form.
        """
        fields = await self.form(request)
        if not is_same(fields.get("csrf", ""), session.csrf):
            raise CsrfMissing
        return fields

    def begin(self, request: Request, answer: Response, viewer: Viewer, stamp: str) -> None:
        """*viewer* is signed in in the browser that *answer* goes to."""
        before = self.session_of(request)
        if before is not None:
            self._sessions.end(before)
        shown, _ = self._sessions.begin(viewer, stamp)
        self._cookie.put(answer, shown)

    def end(self, session: Session) -> None:
        """*session* is over."""
        self._sessions.end(session)

    def forget(self, answer: Response) -> None:
        """Have the browser that *answer* goes to show no session any more."""
        self._cookie.forget(answer)

    def give(self, session: Session, purpose: Purpose) -> None:
        """*session* has a reason from now on."""
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
