"""What the console answers when it shows nothing: a status, a code for programs, a sentence for people.

Rule 1: an answer that refuses holds nothing of what was sent or is stored.
"""

from http import HTTPStatus
from typing import Final

from starlette.exceptions import HTTPException

from collector.access.nouns import Refusal
from collector.console.reading import NotAllowed, NotServed, UnknownHandle
from collector.errors import AuditUnavailable, StoreUnavailable
from collector.model import Sealed

RETRY_SECONDS: Final = 5
_WORDS: Final = {413: "Content Too Large", 414: "URI Too Long"}
"""As RFC 9110 has them; the standard library's words for these differ between versions of Python."""
_OF_FILES: Final = "GET, HEAD"
"""The methods for static files; the library that serves them does not say."""


class NotSignedIn(Exception):
    """Nobody is signed in, or the session is over."""


class Invalid(Exception):
    """A request that cannot be accepted; the text names the member and what is expected, never what was sent."""


class NotThere(Exception):
    """Nothing is at this address."""


class CsrfMissing(Exception):
    """A request that changes something without the session's word."""


class Busy(Exception):
    """Too many requests from one place."""


class Failure(Sealed, frozen=True):
    """An answer that shows nothing."""

    status: int
    code: str
    message: str
    retry_after: int | None = None
    refusal: Refusal | None = None
    """Why `may` refused, if it did; `refusal.by_purpose` says that giving a reason would change the answer."""
    allow: str | None = None
    """The methods that are accepted, if another one was tried."""

    @property
    def headers(self) -> dict[str, str]:
        """What a program is told beside status and code (RFC 9110, 10.2.1 and 10.2.3)."""
        said = {"Retry-After": self.retry_after, "Allow": self.allow}
        return {name: str(value) for name, value in said.items() if value is not None}


_FIXED: Final[dict[type[Exception], Failure]] = {
    NotSignedIn: Failure(401, "not_signed_in", "Sign in first; a session ends by itself after a while."),
    UnknownHandle: Failure(404, "unknown_router", "No such router in this session. Look it up again."),
    NotServed: Failure(404, "region_not_here", "This region is not served here."),
    NotThere: Failure(404, "not_found", "Not Found."),
    CsrfMissing: Failure(403, "csrf", "The session's word is missing: send `csrf` of /api/v1/session in X-CSRF-Token."),
    Busy: Failure(429, "too_many_requests", "Too many requests; wait a little.", RETRY_SECONDS),
    AuditUnavailable: Failure(
        503, "audit_unavailable", "Who looks could not be written down, so nothing is shown.", RETRY_SECONDS
    ),
}


def failure_of(error: Exception) -> Failure:
    """The answer to what went wrong."""
    if isinstance(error, NotAllowed):
        return Failure(403, error.refused.reason.value, error.refused.reason.meaning, refusal=error.refused.reason)
    if isinstance(error, Invalid):
        return Failure(400, "invalid", str(error))
    if isinstance(error, StoreUnavailable):
        return Failure(503, "store_unavailable", f"The region's store is away: {error.cause}.", RETRY_SECONDS)
    if isinstance(error, HTTPException):
        return _of_http(error)
    return _FIXED.get(type(error), Failure(500, "internal_error", "The console failed; this is a bug of ours."))


def _of_http(error: HTTPException) -> Failure:
    phrase = _WORDS.get(error.status_code) or HTTPStatus(error.status_code).phrase
    code, allow = phrase.lower().replace(" ", "_"), None
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allow = (error.headers or {}).get("Allow", _OF_FILES)
    return Failure(error.status_code, code, f"{phrase}.", allow=allow)
