"""The pages: look-up, a router, the fleet, the regions, the audit log, and the page of a failure.

Rule 1: a page asks for the session first and shows what `Reader` gives it: who may see what is decided there.
Rule 2: an identifier is posted, used and forgotten; the address of a router's page holds a handle of the session.
"""

import asyncio
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from collector.access.nouns import TABLE, Right, Session
from collector.console.app import Console
from collector.console.browser import after_of
from collector.console.charts import chart_of, table_of
from collector.console.failures import Failure, Invalid, NotThere
from collector.console.plots import course_plot, ratio_plot
from collector.console.questions import identifier_of, window_of
from collector.console.rendering import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, back_to, places_of, render, texts_for
from collector.console.texts import LANGUAGES
from collector.model import Region

_YEAR: Final = 31_536_000
_WINDOWS: Final = ("1d", "2d", "7d", "14d", "30d")
_ACCOUNTS: Final = "accounts"
"""The log that belongs to no region."""
_SEE_OTHER: Final = 303
_UNAUTHORISED: Final = 401
FAULTS: Final = {
    "not_signed_in": "expired",
    "role": "role",
    "region": "region",
    "purpose_other": "purpose",
    "unknown_router": "not_found",
    "not_found": "not_found",
    "region_not_here": "not_found",
    "invalid": "not_found",
    "method_not_allowed": "not_found",
    "csrf": "csrf",
    "too_many_requests": "too_many",
    "store_unavailable": "away",
    "audit_unavailable": "away",
    "misdirected_request": "name",
    "request_timeout": "refused",
    "content_too_large": "refused",
    "uri_too_long": "refused",
}
"""Codes of failures, and the texts that tell of them."""


def region_named(name: str) -> Region:
    """The region of a name.

    Raises:
        NotThere: there is none.
    """
    try:
        return Region(name)
    except ValueError:
        raise NotThere from None


class ConsolePages:
    """The pages of a console."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Every page, by its address."""
        return (
            Route("/", self._start),
            Route("/lookup", self._lookup, methods=["POST"]),
            Route("/routers/{handle}", self._router),
            Route("/fleet", self._fleet),
            Route("/regions", self._regions),
            Route("/audit", self._audit),
            Route("/preferences", self._prefer, methods=["POST"]),
        )

    async def failed(self, request: Request, failure: Failure) -> Response:
        """The answer to a failure: the way to sign in or to give a reason, or a page that says what failed."""
        back = urlencode({"next": back_to(request)})
        if failure.refusal is not None and failure.refusal.by_purpose:
            return RedirectResponse(f"/reason?{back}", _SEE_OTHER)
        if failure.status == _UNAUTHORISED and request.url.path == "/":
            return RedirectResponse("/sign-in", _SEE_OTHER)
        session = None if failure.status == _UNAUTHORISED else self._session_if_any(request)
        fault = FAULTS.get(failure.code, "fault")
        given = {"fault": fault, "sign_in": f"/sign-in?{back}"}
        answer = render(request, "error.html", session=session, status=failure.status, **given)
        answer.headers.update(failure.headers)
        return answer

    def _session_if_any(self, request: Request) -> Session | None:
        try:
            return self._console.session(request)
        except Exception:  # noqa: BLE001 - an error page must not fail for want of a session
            return None

    async def _start(self, request: Request) -> Response:
        session = self._console.session(request)
        if Right.LOOKUP not in TABLE.get(session.viewer.role, {}):
            return RedirectResponse(places_of(session)[0].path, _SEE_OTHER)
        if (await self._console.reader.viewer(session)).purpose is None:
            return RedirectResponse("/reason", _SEE_OTHER)
        return self._lookup_page(request, session, None)

    def _lookup_page(self, request: Request, session: Session, fault: str | None, status: int = 200) -> Response:
        return render(request, "lookup.html", session=session, here="lookup", back="/", status=status, fault=fault)

    async def _lookup(self, request: Request) -> Response:
        session = self._console.session(request)
        form = await self._console.sign_in.check(request, session)
        window = form.get("since", "7d")
        query = f"?since={window}" if window in _WINDOWS else ""
        try:
            identifier = identifier_of(form.get("identifier", ""))
        except Invalid:
            return self._lookup_page(request, session, "invalid", 400)
        found = await self._console.reader.lookup(session, identifier)
        if not found.routers:
            return self._lookup_page(request, session, "unknown", 404)
        if len(found.routers) == 1 and not found.away:
            return RedirectResponse(f"/routers/{found.routers[0].handle}{query}", _SEE_OTHER)
        return render(request, "routers.html", session=session, here="lookup", found=found, query=query)

    async def _router(self, request: Request) -> Response:
        session = self._console.session(request)
        handle = request.path_params["handle"]
        rights = TABLE.get(session.viewer.role, {})
        if Right.DIAGNOSIS not in rights and Right.CONSENT in rights:
            consent = await self._console.reader.consent(session, handle)
            return render(request, "consent.html", session=session, here="lookup", consent=consent)
        view = await self._console.reader.router(session, handle, window_of(request))
        texts = texts_for(request)
        chart, table = await asyncio.to_thread(lambda: (chart_of(view, texts), table_of(view, texts)))
        return render(
            request,
            "router.html",
            session=session,
            here="lookup",
            handle=handle,
            router=view.diagnosis,
            window=request.query_params.get("since", "7d"),
            windows=_WINDOWS,
            chart=chart,
            chart_table=table,
        )

    async def _fleet(self, request: Request) -> Response:
        session = self._console.session(request)
        name = request.query_params.get("region")
        fleets = await self._console.reader.fleet(session, None if name is None else region_named(name))
        plots = {
            (fleet.region, number): (ratio_plot(alarm), course_plot(alarm))
            for fleet in fleets
            if fleet.survey is not None
            for number, alarm in enumerate(fleet.survey.alarms)
        }
        return render(request, "fleet.html", session=session, here="fleet", fleets=fleets, plots=plots)

    async def _regions(self, request: Request) -> Response:
        session = self._console.session(request)
        health = await self._console.reader.health(session)
        return render(request, "regions.html", session=session, here="regions", health=health)

    async def _audit(self, request: Request) -> Response:
        session = self._console.session(request)
        served = self._console.reader.settings.regions.enabled
        logs = [_ACCOUNTS, *(region for region in served if region in session.viewer.regions)]
        log = request.query_params.get("log", logs[-1])
        before = request.query_params.get("before", "")
        region = None if log == _ACCOUNTS else region_named(log)
        audit = await self._console.reader.audit(session, region, int(before) if before.isdecimal() else None)
        return render(request, "audit.html", session=session, here="audit", logs=logs, log=log, audit=audit)

    async def _prefer(self, request: Request) -> Response:
        """Keep language and colours in cookies. They work without signing in too, so no session's word is asked for."""
        form = await self._console.sign_in.form(request)
        answer = RedirectResponse(after_of(form.get("back")), _SEE_OTHER)
        wanted = {LANGUAGE_COOKIE: (form.get("language"), LANGUAGES), THEME_COOKIE: (form.get("theme"), THEMES)}
        for cookie, (value, known) in wanted.items():
            if value in known:
                answer.set_cookie(
                    cookie,
                    str(value),
                    max_age=_YEAR,
                    httponly=True,
                    samesite="lax",
                    secure=request.url.scheme == "https",
                )
            elif value is not None:
                answer.delete_cookie(cookie)
        return answer
