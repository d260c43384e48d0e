"""Before and after everything the console answers: how often who may ask and with how much, and the headers.

Rule 1: nothing is logged about a request but the kind and the place of a failure of ours.
Rule 2: no page runs a script, uses a style or loads anything that is not the console's own.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from collector.access.throttle import place_of
from collector.console.failures import Busy, Failure, failure_of
from collector.errors import where
from collector.log import LOG

MOST_BYTES: Final = 16_384
"""Of a request's body: an identifier, a reason, a password."""
BODY_SECONDS: Final = 10.0
"""For the whole body."""
MOST_PATH: Final = 2048
PER_SECOND: Final = 10.0
"""Requests of one address, in the long run."""
AT_ONCE: Final = 60.0
"""And at once: a page with its parts, several times."""
_ADDRESSES: Final = 10_000
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SECURE: Final = "max-age=31536000"
_GIVEN: Final = frozenset({200, 206, 304})
"""Statuses with a file of ours; any other status has a page, which names who is signed in."""
OfFailure = Callable[[Request, Failure], Awaitable[Response]]


class Shield:
    """Wraps the application; *answer* makes the answers that show nothing, *names* are the console's host names.

    A request for another name is refused: somebody else's page must not reach a console on this machine by a name of
    its own (DNS rebinding).
    """

    def __init__(self, app: ASGIApp, *, names: frozenset[str], answer: OfFailure, static: str = "/static/") -> None:
        self._app = app
        self._names = names
        self._answer = answer
        self._static = static
        self._rate = Rate(PER_SECOND, AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._head(scope, message["status"], MutableHeaders(scope=message))
            await send(message)

        request = Request(scope, _limited(receive))
        try:
            self._check(scope)
            await self._app(scope, request.receive, sent)
        except ClientDisconnect:
            return
        except Exception as error:  # noqa: BLE001 - the text of an error may quote what was sent
            failure = failure_of(error)
            if failure.status == 500:  # noqa: PLR2004
                LOG.seldom("console_failed", error=type(error).__name__, at=where(error))
            if not started:
                await (await self._answer(request, failure))(scope, receive, sent)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        name = _host(headers.get("host", ""))
        if name not in self._names:
            raise HTTPException(421)
        if len(scope["raw_path"]) + len(scope["query_string"]) > MOST_PATH:
            raise HTTPException(414)
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            raise HTTPException(413)
        address = (scope["client"] or ("", 0))[0]
        if not scope["path"].startswith(self._static) and not self._rate.take(place_of(address)):
            raise Busy

    def _head(self, scope: Scope, status: int, headers: MutableHeaders) -> None:
        headers.update(HEADERS)
        if scope["scheme"] == "https":
            headers["Strict-Transport-Security"] = _SECURE
        if scope["path"].startswith(self._static) and status in _GIVEN:
            headers.setdefault("Cache-Control", "public, max-age=3600")
        else:
            headers["Cache-Control"] = "no-store"


def _host(header: str) -> str:
    """The name in a Host header, without the port."""
    name, _, port = header.rpartition(":")
    return (name if name and port.isdigit() else header).strip("[]").lower()


def _limited(receive: Receive) -> Receive:
    """A body without a declared length is cut off all the same, and one that does not come in time is given up."""
    taken, whole = 0, False
    until = time.monotonic() + BODY_SECONDS

    async def limited() -> Message:
        nonlocal taken, whole
        if whole:  # what comes now says that the client has gone
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), max(0.0, until - time.monotonic()))
        except TimeoutError:
            raise HTTPException(408) from None
        taken += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if taken > MOST_BYTES:
            raise HTTPException(413)
        return message

    return limited


class Rate:
    """How often each address may do something: a bucket that refills steadily."""

    def __init__(self, per_second: float, at_once: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._at_once = at_once
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> bool:
        """Whether the address may do it once more now."""
        now = self._clock()
        level, at = self._buckets.pop(address, (self._at_once, now))
        level = min(self._at_once, level + (now - at) * self._per_second)
        may = level >= 1
        # A refusal takes nothing: a client that does not let up is slowed down, and others at its address not shut out.
        self._buckets[address] = level - 1 if may else level, now
        if len(self._buckets) > _ADDRESSES:
            self._buckets.popitem(last=False)
        return may
