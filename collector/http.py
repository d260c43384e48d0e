"""For operators: /metrics, /healthz, /readyz. Nothing in them is personal data (F10)."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from collector.config_console import ConsoleSettings
from collector.config_http import ApiSettings, HttpSettings
from collector.errors import CollectorError

Readiness = Callable[[], dict[str, str]]
"""The state of each part by name; a part that works is `ready`."""
Freshen = Callable[[], Awaitable[None]]
"""Fetches what is shown, if it is kept elsewhere."""
READY = "ready"
_LOOK_SECONDS: Final = 0.01
_CONNECTIONS: Final = 200
"""Open connections of one listener; further ones are turned away."""
_GOODBYE_SECONDS: Final = 5
"""For open requests at the end: a client that does not read its answer must not hold up the process."""
HEAD_SECONDS: Final = 10.0
"""For the whole head of a request, from the connection or the last answer on: idle clients make room for others."""


async def _at_once() -> None:
    """Nothing has to be asked for."""


def make_app(registry: CollectorRegistry, readiness: Readiness, freshen: Freshen = _at_once) -> Starlette:
    """The three pages; *freshen* is awaited before the numbers or the states are shown."""

    async def metrics(_: Request) -> Response:
        await freshen()
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("alive\n")

    async def readyz(_: Request) -> Response:
        await freshen()
        parts = readiness()
        ready = all(state == READY for state in parts.values())
        return JSONResponse({"ready": ready, "parts": parts}, status_code=200 if ready else 503)

    return Starlette(routes=[Route("/metrics", metrics), Route("/healthz", healthz), Route("/readyz", readyz)])


class Listener:
    """Serves one application on the collector's own event loop, on a socket of its own, without a log of requests.

    Raises:
        CollectorError: the address cannot be listened on; *section* is its section in the settings.
    """

    def __init__(
        self,
        app: Starlette,
        section: str,
        settings: HttpSettings | ApiSettings | ConsoleSettings,
        tls: ssl.SSLContext | None = None,
        bound: socket.socket | None = None,
    ) -> None:
        """*bound* is a socket that is already bound, for when several processes serve one address."""
        self._socket = bound or listen(section, settings.host, settings.port)
        config = uvicorn.Config(
            app,
            http=_Prompt,
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            server_header=False,
            limit_concurrency=_CONNECTIONS,
            timeout_graceful_shutdown=_GOODBYE_SECONDS,
        )
        config.load()
        config.ssl = tls
        self._scheme = "https" if tls else "http"
        self._server = _Quiet(config)

    @property
    def address(self) -> str:
        """Where it listens, such as `http://127.0.0.1:9464`."""
        return address_of(self._socket, self._scheme)

    async def is_serving(self, running: asyncio.Task[None]) -> None:
        """Wait until connections are taken, or until *running*, which is `run`, has ended."""
        while not (self._server.started or running.done()):  # noqa: ASYNC110 - the server tells it by a flag alone
            await asyncio.sleep(_LOOK_SECONDS)

    async def run(self) -> None:
        """Serve until `stop`."""
        await self._server.serve(sockets=[self._socket])

    async def stop(self) -> None:
        """Finish open requests and stop."""
        self._server.should_exit = True
        await asyncio.sleep(0)


class Pages(Protocol):
    """What shows the service's numbers and state to others."""

    @property
    def address(self) -> str:
        """Where they can be seen."""
        ...

    async def run(self) -> None:
        """Do so until `stop`."""
        ...

    async def stop(self) -> None:
        """End `run`."""
        ...


MakePages = Callable[[HttpSettings, CollectorRegistry, Readiness], Pages]
"""Makes the pages for a registry of metrics and the states of the parts."""


class HttpServer(Listener):
    """The operators' pages."""

    def __init__(
        self, settings: HttpSettings, registry: CollectorRegistry, readiness: Readiness, freshen: Freshen = _at_once
    ) -> None:
        super().__init__(make_app(registry, readiness, freshen), "http", settings)


class _Prompt(H11Protocol):
    """Ends a connection on which no request comes in time, and one on which nobody reads the answer.

    A few hundred of either would keep everybody else out. A client that reads slowly gets the whole answer.
    """

    _waiting: asyncio.TimerHandle | None = None
    _unread: int = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        super().connection_lost(exc)
        if self._waiting is not None:
            self._waiting.cancel()

    def on_response_complete(self) -> None:
        """The client has its answer, or it is on its way."""
        super().on_response_complete()
        self._await_request()

    def _await_request(self) -> None:
        # The server's own timer only starts after an answer, and ends with the first byte of whatever comes.
        self._unread = 0
        self._look_later()

    def _look_later(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._look)

    def _look(self) -> None:
        before, self._unread = self._unread, self.transport.get_write_buffer_size()
        if self.cycle is None or (self._unread and self._unread == before):
            self.transport.abort()
            return
        if self.cycle.response_complete:
            self.transport.close()  # not abort: under TLS, the rest of the answer is not seen from here
        self._look_later()


class _Quiet(uvicorn.Server):
    """Leaves the signals to the service."""

    def install_signal_handlers(self) -> None:
        """None: the service stops everything in order."""

    def capture_signals(self) -> "_NoSignals":  # type: ignore[override]
        """None, under uvicorn's newer name."""
        return _NoSignals()


class _NoSignals:
    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        return None


def address_of(bound: socket.socket, scheme: str) -> str:
    """The address of a bound socket, as people type it."""
    host, port = bound.getsockname()[:2]
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


def listen(section: str, host: str, port: int) -> socket.socket:
    """Bind before anything else starts, so that people see that a port is taken.

    Raises:
        CollectorError: the address cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise CollectorError(
            f"{section}: cannot listen on {host}:{port}: {error.strerror}. "
            f"Choose another {section}.port (0 for a free one) or stop what uses it."
        ) from None
    except (TypeError, ValueError):  # for a text that cannot be a name
        listening.close()
        raise CollectorError(
            f"{section}: found {host!a} as host, expected an address or a name of this machine. Set {section}.host"
        ) from None
    return listening
