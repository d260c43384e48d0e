"""The HTTP API: what the pages show, as JSON. `OPERATIONS` is all of it; routes and description are made from it.

Rule 1: an identifier comes in a body and is passed on nowhere; addresses have handles, which are worth nothing outside
        their session.
Rule 2: what changes anything, look-ups included, carries the session's word in `X-CSRF-Token`: another site's page
        cannot send that.
"""

import hmac
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from collector.access.nouns import Right, Session
from collector.console import views
from collector.console.app import Console
from collector.console.failures import CsrfMissing, Invalid, NotThere
from collector.console.health_views import HealthView
from collector.console.questions import LookupBody, before_of, identifier_of, lookup_of, region_of, window_of
from collector.diagnosis.document import Document
from collector.model import Sealed

VERSION: Final = "/api/v1"
CSRF: Final = "X-CSRF-Token"
_JSON: Final = "application/json"
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


Do = Callable[[Console, Request, Any], Awaitable[Any]]
"""Answers a request of a session, which is None for a public operation."""


class Operation(NamedTuple):
    """One thing the API does. `right` is what it takes (see `may`); with None, being signed in is enough."""

    method: str
    path: str
    summary: str
    right: Right | None
    answer: Any
    do: Do
    query: tuple[str, ...] = ()
    body: type[Sealed] | None = None
    public: bool = False
    """Whether it is answered without a session: it says nothing about anybody."""

    @property
    def name(self) -> str:
        """Its name for programs, from its path."""
        words = [word for word in self.path.split("/") if word and not word.startswith("{")]
        return "_".join([self.method.lower(), *words]) + ("_one" if self.path.endswith("}") else "")


async def _lookup(console: Console, request: Request, session: Session) -> views.LookupView:
    body = await lookup_of(request)
    return await console.reader.lookup(session, identifier_of(body.identifier), body.region)


async def _router(console: Console, request: Request, session: Session) -> Document:
    found = await console.reader.router(session, request.path_params["handle"], window_of(request))
    return found.diagnosis


async def _series(console: Console, request: Request, session: Session) -> views.SeriesView:
    found = await console.reader.router(session, request.path_params["handle"], window_of(request))
    return found.series


async def _consent(console: Console, request: Request, session: Session) -> views.ConsentView:
    return await console.reader.consent(session, request.path_params["handle"])


async def _fleet(console: Console, request: Request, session: Session) -> list[views.FleetView]:
    return await console.reader.fleet(session, region_of(request))


async def _health(console: Console, _: Request, session: Session) -> HealthView:
    return await console.reader.health(session)


async def _audit(console: Console, request: Request, session: Session) -> views.AuditView:
    return await console.reader.audit(session, region_of(request), before_of(request))


async def _rules(console: Console, _: Request, session: Session) -> list[views.RuleView]:
    return await console.reader.rules(session)


async def _rule(console: Console, request: Request, session: Session) -> views.RuleView:
    rules = {rule.id: rule for rule in await console.reader.rules(session)}
    if (rule := rules.get(request.path_params["rule"])) is None:
        raise NotThere
    return rule


async def _viewer(console: Console, _: Request, session: Session) -> views.ViewerView:
    return await console.reader.viewer(session)


async def _description(_: Console, __: Request, ___: Session | None) -> msgspec.Raw:
    return _described()


@cache
def _described() -> msgspec.Raw:
    """Made once: it keeps the loop busy as long as a page does, and anybody may ask for it."""
    # Not at the top: it is made from the operations, of which this is one.
    from collector.console.openapi import openapi  # noqa: PLC0415

    return msgspec.Raw(_encode(openapi()))


OPERATIONS: Final = (
    Operation("GET", "/session", "Who is signed in, and what they may ask for", None, views.ViewerView, _viewer),
    Operation(
        "POST",
        "/lookups",
        "The routers known by a serial number, IMEI or MAC",
        Right.LOOKUP,
        views.LookupView,
        _lookup,
        body=LookupBody,
    ),
    Operation(
        "GET",
        "/routers/{handle}",
        "What is wrong with a router, and what happened to it",
        Right.DIAGNOSIS,
        Document,
        _router,
        ("since",),
    ),
    Operation(
        "GET",
        "/routers/{handle}/series",
        "What a router measured, as lines on one axis of time",
        Right.DIAGNOSIS,
        views.SeriesView,
        _series,
        ("since",),
    ),
    Operation(
        "GET",
        "/routers/{handle}/consent",
        "What the ledger says of a router",
        Right.CONSENT,
        views.ConsentView,
        _consent,
    ),
    Operation(
        "GET",
        "/fleet",
        "What stands out in the fleet, region by region",
        Right.FLEET,
        list[views.FleetView],
        _fleet,
        ("region",),
    ),
    Operation("GET", "/health", "The health of the regions", Right.HEALTH, HealthView, _health),
    Operation(
        "GET",
        "/audit",
        "The audit log of a region, or that of accounts; newest first",
        Right.AUDIT,
        views.AuditView,
        _audit,
        ("region", "before"),
    ),
    Operation("GET", "/rules", "The rules of the diagnosis", None, list[views.RuleView], _rules),
    Operation("GET", "/rules/{rule}", "One rule of the diagnosis", None, views.RuleView, _rule),
    Operation("GET", "/openapi.json", "This description", None, dict[str, Any], _description, public=True),
)


def api_routes(console: Console) -> list[BaseRoute]:
    """A route for each operation."""
    return [
        Route(VERSION + one.path, _endpoint(console, one), methods=[one.method], name=one.name) for one in OPERATIONS
    ]


def _endpoint(console: Console, operation: Operation) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if operation.public:
            return Response(_encode(await operation.do(console, request, None)), media_type=_JSON)
        session = console.session(request)
        if operation.method != "GET":
            _check_csrf(request, session)
        _check_query(request, operation)
        return Response(_encode(await operation.do(console, request, session)), media_type=_JSON)

    return answer


def _check_csrf(request: Request, session: Session) -> None:
    shown = request.headers.get(CSRF, "")
    if not hmac.compare_digest(shown.encode("latin-1", "replace"), session.csrf.encode()):
        raise CsrfMissing


def _check_query(request: Request, operation: Operation) -> None:
    if unknown := set(request.query_params) - set(operation.query):
        del unknown  # not quoted: it may be anything
        known = ", ".join(operation.query) or "none"
        raise Invalid(f"query: found a parameter that is not known here, expected: {known}")
