"""The console as one application: pages, API, sign-in and what they share."""

from collections.abc import Sequence
from importlib.resources import files
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
from starlette.staticfiles import StaticFiles

from collector.access.nouns import Session
from collector.config_console import ConsoleSettings
from collector.console.failures import Failure, NotSignedIn
from collector.console.reading import Reader
from collector.console.shield import Shield
from collector.rights.problem import json_response

STATIC: Final = "/static"
API: Final = "/api/"
_HERE: Final = Path(str(files("collector.console")))


class SignIn(Protocol):
    """What knows who is signed in."""

    def session_of(self, request: Request) -> Session | None:
        """The session of a request, None if there is no valid one."""
        ...

    async def form(self, request: Request) -> dict[str, str]:
        """The fields of a form that anybody may send.

        Raises:
            CsrfMissing: it does not come from a page of ours.
            Invalid: it is no form.
        """
        ...

    async def check(self, request: Request, session: Session) -> dict[str, str]:
        """The fields of a form that *session* sent.

        Raises:
            CsrfMissing: it does not come from a page of ours, or without the session's word.
            Invalid: it is no form.
        """
        ...


class Pages(Protocol):
    """What renders the pages, and the page of a failure."""

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """The pages. Each asks `console.session(request)` first and shows what `console.reader` gives it."""
        ...

    async def failed(self, request: Request, failure: Failure) -> Response:
        """The page of a failure. `not_signed_in` leads to the sign-in, `failure.refusal.by_purpose` to the reason."""
        ...


class Console:
    """What pages and API share."""

    def __init__(self, settings: ConsoleSettings, reader: Reader, sign_in: SignIn) -> None:
        self.settings = settings
        self.reader = reader
        self.sign_in = sign_in

    def session(self, request: Request) -> Session:
        """The session of whoever asks.

        Raises:
            NotSignedIn: there is none.
        """
        session = self.sign_in.session_of(request)
        if session is None:
            raise NotSignedIn
        return session


def make_console(console: Console, pages: Pages, routes: Sequence[BaseRoute]) -> Starlette:
    """The application; *routes* are those of API and sign-in."""

    async def answer(request: Request, failure: Failure) -> Response:
        if request.url.path.startswith(API):
            return problem(failure)
        return await pages.failed(request, failure)

    async def refuse(_: Request, error: Exception) -> Response:
        raise error  # past Starlette's own text, to the shield, which knows both kinds of answers

    static = StaticFiles(directory=_HERE / "static", check_dir=False)
    return Starlette(
        routes=[Mount(STATIC, static), *routes, *pages.routes],
        middleware=[Middleware(Shield, names=names_of(console.settings), answer=answer)],
        exception_handlers={HTTPException: refuse},
    )


def problem(failure: Failure) -> Response:
    """A failure as the API reports it."""
    error: dict[str, Any] = {"code": failure.code, "message": failure.message}
    return json_response(failure.status, {"error": error}, failure.headers)


def names_of(settings: ConsoleSettings) -> frozenset[str]:
    """The host names a browser may ask for, as it writes them."""
    public = urlsplit(settings.oidc.public_url or "").hostname or settings.host
    return frozenset({"127.0.0.1", "::1", "localhost", *map(_written, (settings.host, public)), *settings.names})


def _written(host: str) -> str:
    try:
        return str(ip_address(host))
    except ValueError:
        return host.lower()
