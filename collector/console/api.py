"""The HTTP API: the answers of the pages as JSON. `OPERATIONS` is all of it; routes and description are made from it.

Rule 1: an identifier comes in a body and goes nowhere; addresses have handles, which are worth nothing outside their
        session.
Rule 2: what changes anything, a look-up among it, carries the session's word in `X-CSRF-Token`: another site's page can
        not send that.
"""

import hmac
import re
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from collector.access.nouns import Right, Session
from collector.console import views
from collector.console.app import Console
from collector.console.failures import CsrfMissing, Invalid, NotThere
from collector.console.reading import LONGEST_WINDOW
from collector.diagnosis.document import Document
from collector.diagnosis.history import DAY
from collector.model import Region, Sealed

VERSION: Final = "/api/v1"
CSRF: Final = "X-CSRF-Token"
SINCE: Final = r"^[1-9][0-9]{0,3}[mhd]$"
BEFORE: Final = r"^[1-9][0-9]{0,17}$"
IDENTIFIER: Final = r"[\x20-\x7e]{4,64}"
_UNLIKE: Final = "identifier: expected 4 to 64 printable characters; region: a region's name or none"
_JSON: Final = "application/json"
_UNITS: Final = {"m": 60_000, "h": 3_600_000, "d": DAY}
_encode: Final = msgspec.json.Encoder(order="deterministic").encode


class LookupBody(Sealed, frozen=True, forbid_unknown_fields=True):
    """What to look up: a serial number, IMEI or MAC as it is read out. `region` leaves the others out."""

    identifier: Annotated[str, msgspec.Meta(min_length=4, max_length=64, pattern=r"^[\x20-\x7e]+$")]
    region: Region | None = None


Do = Callable[[Console, Request, Any], Awaitable[Any]]
"""What answers a request of a session; of what is public, there may be none."""


class Operation(NamedTuple):
    """One thing the API does. `right` is asked of `may`; without one whoever is signed in may."""

    method: str
    path: str
    summary: str
    right: Right | None
    answer: Any
    do: Do
    query: tuple[str, ...] = ()
    body: type[Sealed] | None = None
    public: bool = False
    """Whether it is answered without a session: it says nothing of anybody."""

    @property
    def name(self) -> str:
        """Its name for programs, from its path."""
        words = [word for word in self.path.split("/") if word and not word.startswith("{")]
        return "_".join([self.method.lower(), *words]) + ("_one" if self.path.endswith("}") else "")


def region_of(request: Request) -> Region | None:
    """The region that the query names.

    Raises:
        Invalid: there is none of that name.
    """
    text = request.query_params.get("region")
    if text is None:
        return None
    try:
        return Region(text)
    except ValueError:
        raise Invalid(f"region: expected one of {', '.join(Region)}") from None


def window_of(request: Request) -> int:
    """How far back the query asks, in milliseconds; a week when it does not say.

    Raises:
        Invalid: it is no span of time, or one of more than 400 days.
    """
    text = request.query_params.get("since", "7d")
    if not re.fullmatch(SINCE, text) or (window := int(text[:-1]) * _UNITS[text[-1]]) > LONGEST_WINDOW:
        raise Invalid("since: expected a number and m, h or d, at most 400 days, as in 90m, 12h or 7d")
    return window


def before_of(request: Request) -> int | None:
    """The number of the entry that the query goes back from.

    Raises:
        Invalid: it is no number.
    """
    text = request.query_params.get("before")
    if text is not None and not re.fullmatch(BEFORE, text):
        raise Invalid("before: expected the number of an entry")
    return None if text is None else int(text)


def identifier_of(text: str) -> str:
    """What is looked up, without the blanks around it.

    Raises:
        Invalid: nothing that is read out from a router is like it.
    """
    identifier = text.strip()
    if not re.fullmatch(IDENTIFIER, identifier):
        raise Invalid(_UNLIKE)
    return identifier


async def _lookup(console: Console, request: Request, session: Session) -> views.LookupView:
    body = await _body(request, LookupBody)
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


async def _health(console: Console, _: Request, session: Session) -> views.HealthView:
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
    """Made once: it takes the loop as long as a page does, and anybody may ask for it."""
    # Made from the operations, of which this is one.
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
    Operation("GET", "/health", "The health of the regions", Right.HEALTH, views.HealthView, _health),
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
        del unknown  # not told: it may be anything
        known = ", ".join(operation.query) or "none"
        raise Invalid(f"query: found a parameter that is not known here, expected: {known}")


async def _body(request: Request, model: type[LookupBody]) -> LookupBody:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Invalid("Content-Type: expected application/json")
    try:
        return msgspec.json.decode(await request.body(), type=model)
    except msgspec.ValidationError:
        raise Invalid(_UNLIKE) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise Invalid("body: expected one JSON object in UTF-8") from None
