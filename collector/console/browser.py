"""What is settled with a browser: its cookies, and whether a form that it sends is from a page of ours.

Rule 1: a cookie is for as long as the browser runs (O109), for no script, for this host alone, over TLS where there is.
Rule 2: what changes anything comes from a page of ours: the browser says so in Origin or Sec-Fetch-Site, and the form
        holds a word that no other site can read.
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
        # A cookie of that prefix can be set by this host alone, and over TLS alone (RFC 6265bis, 4.1.3.2).
        self.name = f"__Host-{name}" if secure else name
        self._secure = secure

    def of(self, request: Request) -> str | None:
        """What the browser holds."""
        return request.cookies.get(self.name)

    def put(self, response: Response, value: str) -> None:
        """Have the browser hold *value*."""
        # Lax, for the answer of a provider comes from another site.
        response.set_cookie(self.name, value, path="/", secure=self._secure, httponly=True, samesite="lax")

    def forget(self, response: Response) -> None:
        """Have it hold nothing."""
        response.delete_cookie(self.name, path="/", secure=self._secure, httponly=True, samesite="lax")


class Words:
    """Words for forms of whoever has no session yet: only we can make one, and it fits one browser's cookie alone."""

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
        # A browser that is told not to say from where says at least whether it is ours.
        return request.headers.get("sec-fetch-site") == "same-origin"
    return origin == f"{request.url.scheme}://{request.headers.get('host', '')}" or origin in origins


def after_of(asked: str | None) -> str:
    """Where to go next: a path of ours, or the first page."""
    if asked is None or len(asked) > _MOST_NEXT or not asked.startswith("/") or asked.startswith("//"):
        return "/"
    # A browser takes \ for / and leaves control characters out: nothing that is left may name a host.
    return "/" if "\\" in asked or not asked.isprintable() else asked


def is_same(shown: str, word: str) -> bool:
    """Whether two words are one, in a time that tells nothing of either."""
    return hmac.compare_digest(shown.encode("utf-8", "replace"), word.encode())
