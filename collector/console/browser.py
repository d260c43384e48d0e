"""What concerns the browser: our cookies in it, and whether a form that it sends is from a page of ours.

Rule 1: a cookie lasts as long as the browser runs (O109), is hidden from scripts and goes to this host only, over TLS
        if there is any.
Rule 2: a request that changes anything has to come from a page of ours: the browser says so in Origin or
        Sec-Fetch-Site, and the form holds a word that no other site can read.
"""

import hmac
import secrets
from hashlib import sha256
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from collector.console.failures import CsrfMissing, Invalid

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 20
_MOST_NEXT: Final = 512


class Cookie:
    """One cookie of ours. *secure* says whether browsers come by TLS."""

    def __init__(self, name: str, *, secure: bool) -> None:
        # A cookie with that prefix can be set only by this host, and only over TLS (RFC 6265bis, 4.1.3.2).
        self.name = f"__Host-{name}" if secure else name
        self._secure = secure

    def of(self, request: Request) -> str | None:
        """What the browser holds."""
        return request.cookies.get(self.name)

    def put(self, response: Response, value: str) -> None:
        """Have the browser hold *value*."""
        # Lax, since the answer of a provider comes from another site.
        response.set_cookie(self.name, value, path="/", secure=self._secure, httponly=True, samesite="lax")

    def forget(self, response: Response) -> None:
        """Have it hold nothing."""
        response.delete_cookie(self.name, path="/", secure=self._secure, httponly=True, samesite="lax")


class Words:
    """Words for the forms of people without a session: only we can make one, and it fits only one browser's cookie."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, browser: str) -> str:
        """The word that fits what the browser holds."""
        return hmac.new(self._key, browser.encode("utf-8", "replace"), sha256).hexdigest()


async def fields_of(request: Request, origins: frozenset[str]) -> dict[str, str]:
    """The fields of a form that a page of ours sent.

    Raises:
        CsrfMissing: another site's page sent it.
        Invalid: it is no form.
    """
    if not _is_own(request, origins):
        raise CsrfMissing
    if request.headers.get("content-type", "").partition(";")[0].strip() != _FORM:
        raise Invalid("body: expected a form")
    try:
        text = (await request.body()).decode("utf-8")
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError:
        raise Invalid("body: expected a form in UTF-8") from None
    if len(dict(pairs)) != len(pairs):
        raise Invalid("body: expected every field once")
    return dict(pairs)


def _is_own(request: Request, origins: frozenset[str]) -> bool:
    origin = request.headers.get("origin", "null")
    if origin == "null":
        # A browser that is told to hide the origin says at least whether it is ours.
        return request.headers.get("sec-fetch-site") == "same-origin"
    return origin == f"{request.url.scheme}://{request.headers.get('host', '')}" or origin in origins


def after_of(asked: str | None) -> str:
    """Where to go next: a path of ours, or the first page."""
    if asked is None or len(asked) > _MOST_NEXT or not asked.startswith("/") or asked.startswith("//"):
        return "/"
    # A browser takes \ for / and ignores control characters: with either, the path could name a host.
    return "/" if "\\" in asked or not asked.isprintable() else asked


def is_same(shown: str, word: str) -> bool:
    """Whether two words are equal, in a time that reveals nothing about either."""
    return hmac.compare_digest(shown.encode("utf-8", "replace"), word.encode())
