"""The routes for signing in and out, and for giving a reason.

Rule 1: a sign-in that cannot be written to the audit log does not happen.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import Any, Final, Protocol
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from collector.access.accounts import Account, Accounts
from collector.access.audit import NOBODY
from collector.access.entry import Event, NotAReason, checked_reason, is_ticket
from collector.access.local import LocalSignIn, Wrong
from collector.access.nouns import OWNERS_RIGHTS, Purpose, Role, Session, Viewer
from collector.access.oidc import CALLBACK, Provider
from collector.access.passwords import Passwords, TooBusy
from collector.access.throttle import Throttle, place_of
from collector.access.tokens import Doubt, NotAccepted
from collector.auditing import Logs
from collector.config_access import SignInSettings
from collector.console.browser import Cookie, Words, after_of, is_same
from collector.console.failures import Busy, NotSignedIn
from collector.console.shield import Rate
from collector.console.signed_in import SignedIn
from collector.log import LOG
from collector.model import PURPOSE

SIGN_IN: Final = "/sign-in"
SIGN_IN_OIDC: Final = "/sign-in/oidc"
SIGN_OUT: Final = "/sign-out"
REASON: Final = "/reason"
_HOUR: Final = 3_600_000
_REFUSALS_PER_SECOND: Final = 1 / 60
_REFUSALS_AT_ONCE: Final = 30.0
"""Most refusals at once for one address. Each is an entry in the audit log, which strangers must not fill up."""
_NOTICES: Final = frozenset({"expired", "signed_out"})


class Forms(Protocol):
    """Renders pages."""

    def form(
        self, request: Request, template: str, *, status: int = 200, session: Session | None = None, **said: Any
    ) -> Response:
        """The page that *template* makes of what is *said*."""
        ...


class Signing:
    """The routes by which people sign in, give a reason, and sign out. *signed_in* keeps their sessions."""

    def __init__(
        self,
        settings: SignInSettings,
        signed_in: SignedIn,
        accounts: Accounts,
        logs: Logs,
        forms: Forms,
        *,
        provider: Provider | None = None,
        secure: bool,
        passwords: Passwords | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """*secure* says whether browsers come over TLS."""
        self._settings = settings
        self._signed_in = signed_in
        self._accounts = accounts
        self._log = logs.of(None)
        self._forms = forms
        self._provider = provider
        self._wall = wall
        self._words = Words()
        throttle = Throttle(
            by_account=settings.attempts,
            by_address=settings.attempts_by_address,
            first_seconds=settings.lock_out_seconds,
        )
        self._refusals = Rate(_REFUSALS_PER_SECOND, _REFUSALS_AT_ONCE)
        self._local = LocalSignIn(accounts, throttle, passwords)
        self._browser = Cookie("ueip-browser", secure=secure)
        """Ties a form, and a sign-in that is under way at a provider, to the browser that it began in."""

    @property
    def routes(self) -> list[BaseRoute]:
        """The pages of signing in and out."""
        made: list[BaseRoute] = [
            Route(SIGN_IN, self._sign_in_page, methods=["GET"]),
            Route(SIGN_IN, self._sign_in, methods=["POST"]),
            Route(SIGN_OUT, self._sign_out, methods=["POST"]),
            Route(REASON, self._reason_page, methods=["GET"]),
            Route(REASON, self._give_reason, methods=["POST"]),
        ]
        if self._provider is not None:
            made += [
                Route(SIGN_IN_OIDC, self._to_provider, methods=["GET"]),
                Route(CALLBACK, self._from_provider, methods=["GET"]),
            ]
        return made

    async def _sign_in_page(self, request: Request) -> Response:
        if self._signed_in.session_of(request) is not None:
            return _to(after_of(request.query_params.get("next")))
        return self._page(request, after=after_of(request.query_params.get("next")))

    async def _sign_in(self, request: Request) -> Response:
        fields = await self._signed_in.form(request)
        browser = self._browser.of(request) or ""
        after = after_of(fields.get("next"))
        if not browser or not is_same(fields.get("csrf", ""), self._words.of(browser)):
            return self._page(request, after=after, fault="expired", status=403)
        try:
            found = await self._local.attempt(fields.get("name", ""), fields.get("password", ""), _address(request))
        except TooBusy:
            raise Busy from None
        if isinstance(found, Account):
            return await self._begin(request, found.viewer, found.stamp, after)
        if isinstance(found, Wrong):
            await self._note(Event.SIGN_IN_REFUSED, found.viewer, found.why)
            return self._page(request, after=after, fault="wrong", status=403)
        made = self._page(request, after=after, fault="locked", status=429)
        made.headers["Retry-After"] = str(int(found.seconds) + 1)
        return made

    async def _to_provider(self, request: Request) -> Response:
        assert self._provider is not None
        browser = self._browser.of(request) or secrets.token_urlsafe(32)
        after = after_of(request.query_params.get("next"))
        try:
            made = RedirectResponse(await self._provider.begin(browser, after), 303)
        except NotAccepted as refused:
            return await self._doubted(request, refused.doubt)
        self._browser.put(made, browser)
        return made

    async def _from_provider(self, request: Request) -> Response:
        assert self._provider is not None
        pairs = request.query_params.multi_items()
        # A parameter given twice could be read in two ways.
        answer = dict(pairs) if len(dict(pairs)) == len(pairs) else {}
        try:
            viewer, after = await self._provider.finish(answer, self._browser.of(request) or "")
        except NotAccepted as refused:
            return await self._doubted(request, refused.doubt)
        return await self._begin(request, viewer, "", after)

    async def _doubted(self, request: Request, doubt: Doubt) -> Response:
        LOG.seldom("sign_in_by_provider_refused", why=doubt.value)
        if not self._refusals.take(place_of(_address(request))):
            raise Busy
        await self._note(Event.SIGN_IN_REFUSED, NOBODY, f"oidc_{doubt.value}")
        return self._page(request, after="/", fault="failed", status=403)

    async def _sign_out(self, request: Request) -> Response:
        session = self._signed_in.session_of(request)
        if session is not None:
            await self._signed_in.check(request, session)
            self._signed_in.end(session)
            await self._note(Event.SIGNED_OUT, session.viewer)
        made = _to(f"{SIGN_IN}?notice=signed_out")
        self._signed_in.forget(made)
        return made

    async def _reason_page(self, request: Request) -> Response:
        session, now = self._who(request), int(self._wall() * 1000)
        over = session.purpose is not None and not session.purpose.holds(now)
        return self._reason(request, session, after_of(request.query_params.get("next")), "over" if over else None)

    async def _give_reason(self, request: Request) -> Response:
        session = self._who(request)
        fields = await self._signed_in.check(request, session)
        after = after_of(fields.get("back"))
        try:
            text, hours = checked_reason(fields.get("reason", "")), int(fields.get("hours", "1"))
        except (NotAReason, ValueError):
            return self._reason(request, session, after, "invalid", status=400)
        now = int(self._wall() * 1000)
        length = min(max(1, hours) * _HOUR, int(self._settings.purpose_minutes * 60_000))
        aim = OWNERS_RIGHTS if session.viewer.role is Role.PRIVACY_OFFICER else PURPOSE
        purpose = Purpose(text=text, ticket=is_ticket(text), given_at=now, until=now + length, aim=aim)
        await self._note(Event.PURPOSE_GIVEN, session.viewer, purpose=purpose)
        self._signed_in.give(session, purpose)
        return _to(after)

    def _who(self, request: Request) -> Session:
        session = self._signed_in.session_of(request)
        if session is None:
            raise NotSignedIn
        return session

    async def _begin(self, request: Request, viewer: Viewer, stamp: str, after: str) -> Response:
        await self._note(Event.SIGNED_IN, viewer)
        made = _to(after)
        self._signed_in.begin(request, made, viewer, stamp)
        self._browser.forget(made)
        return made

    async def _note(self, event: Event, who: Viewer, outcome: str = "done", *, purpose: Purpose | None = None) -> None:
        await asyncio.to_thread(lambda: self._log.note(event, who, outcome=outcome, purpose=purpose))

    def _page(self, request: Request, *, after: str, fault: str | None = None, status: int = 200) -> Response:
        browser = self._browser.of(request) or secrets.token_urlsafe(32)
        notice = request.query_params.get("notice")
        if notice is None and self._signed_in.shows_any(request):
            notice = "expired"
        made = self._forms.form(
            request,
            "sign_in.html",
            status=status,
            fault=fault,
            notice=notice if notice in _NOTICES and fault is None else None,
            sso=f"{SIGN_IN_OIDC}?{urlencode({'next': after})}" if self._provider else None,
            local=self._provider is None or bool(self._accounts.book().accounts),
            csrf=self._words.of(browser),
            next=after,
        )
        self._browser.put(made, browser)
        return made

    def _reason(
        self, request: Request, session: Session, back: str, fault: str | None, *, status: int = 200
    ) -> Response:
        hours = max(1, int(self._settings.purpose_minutes / 60))
        said = {"fault": fault, "back": back, "most_hours": hours}
        return self._forms.form(request, "reason.html", status=status, session=session, **said)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _to(path: str) -> Response:
    return RedirectResponse(path, 303)
