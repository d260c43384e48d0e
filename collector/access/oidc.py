"""Signs people in through an OpenID Connect provider: authorization code, PKCE, state and nonce.

Rule 1: a sign-in that comes back must have begun here, in the same browser, a few minutes ago, and counts once: its
        state leads to what was sent, which must match a cookie that only that browser has.
Rule 2: a provider is believed only in what it publishes itself (`published`) and in what it signed (`tokens`).
"""

import base64
import hmac
import secrets
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

import httpx2

from collector.access.nouns import Viewer
from collector.access.published import Metadata, Published, answer_of
from collector.access.tokens import Doubt, NotAccepted, UnknownKey, claims_of, viewer_of
from collector.config_access import OidcSettings
from collector.model import Sealed

CALLBACK: Final = "/sign-in/oidc/callback"
PENDING_SECONDS: Final = 600.0
_MOST_PENDING: Final = 10_000
_TIMEOUT: Final = 10.0


class _Tokens(Sealed, frozen=True):
    id_token: str


class Begun(Sealed, frozen=True):
    """A sign-in that was sent to the provider."""

    browser: bytes
    nonce: str
    verifier: str
    next: str
    at: float


def provider_of(settings: OidcSettings) -> "Provider | None":
    """The provider that the settings name, if signing in through one is enabled.

    Raises:
        OSError, ssl.SSLError: a file cannot be used; `file_faults` reports it at the start.
    """
    if not settings.enabled:
        return None
    secret = None
    if settings.client_secret_file is not None:
        secret = settings.client_secret_file.read_text("utf-8").partition("\n")[0].strip()
    tls = None if settings.ca_file is None else ssl.create_default_context(cafile=settings.ca_file)
    return Provider(settings, secret=secret, tls=tls)


class Provider:
    """The provider of the settings. *clock* does not step, *wall* gives the time; both in seconds."""

    def __init__(
        self,
        settings: OidcSettings,
        *,
        secret: str | None = None,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._secret = secret
        self._client = httpx2.AsyncClient(verify=tls or True, timeout=_TIMEOUT, follow_redirects=False)
        self._clock = clock
        self._wall = wall
        self._pending: OrderedDict[str, Begun] = OrderedDict()
        self._published = Published(str(settings.issuer), self._client, clock)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def begin(self, browser: str, after: str) -> str:
        """Where to send the browser that has *browser* in a cookie; once signed in, it goes to *after*.

        Raises:
            NotAccepted: the provider cannot be asked.
        """
        metadata = await self._published.metadata()
        state, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(3))
        self._pending[state] = Begun(
            browser=_digest(browser), nonce=nonce, verifier=verifier, next=after, at=self._clock()
        )
        while len(self._pending) > _MOST_PENDING:
            self._pending.popitem(last=False)
        asked = {
            "response_type": "code",
            "client_id": str(self._settings.client_id),
            "redirect_uri": self._redirect,
            "scope": " ".join(self._settings.scopes),
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        joint = "&" if "?" in metadata.authorization_endpoint else "?"
        return f"{metadata.authorization_endpoint}{joint}{urlencode(asked)}"

    async def finish(self, answer: Mapping[str, str], browser: str) -> tuple[Viewer, str]:
        """Who came back with *answer*, the parameters of the callback, and where they want to go.

        Raises:
            NotAccepted: it is not a sign-in that began in this browser, or the provider does not vouch for them.
        """
        begun = self._pending.pop(answer.get("state", ""), None)
        if begun is None or self._clock() - begun.at > PENDING_SECONDS:
            raise NotAccepted(Doubt.STATE)
        if not hmac.compare_digest(begun.browser, _digest(browser)):
            raise NotAccepted(Doubt.STATE)
        metadata = await self._published.metadata()
        said = answer.get("iss")
        # RFC 9207, 2.4: the code of another provider must not be shown to ours.
        if said != metadata.issuer and (said is not None or metadata.authorization_response_iss_parameter_supported):
            raise NotAccepted(Doubt.MIX_UP)
        if "error" in answer or not answer.get("code"):
            raise NotAccepted(Doubt.DENIED)
        token = await self._exchange(metadata, answer["code"], begun.verifier)
        claims = await self._claims(metadata, token, begun.nonce)
        return viewer_of(claims, self._settings, now=self._wall()), begun.next

    @property
    def _redirect(self) -> str:
        return str(self._settings.public_url).rstrip("/") + CALLBACK

    async def _exchange(self, metadata: Metadata, code: str, verifier: str) -> str:
        """The ID token for a code (OpenID Connect Core, 3.1.3.1)."""
        client = str(self._settings.client_id)
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._redirect,
            "code_verifier": verifier,
        }
        headers = {"Accept": "application/json"}
        if self._secret is None:
            form["client_id"] = client
        elif "client_secret_basic" in metadata.token_endpoint_auth_methods_supported:
            # RFC 6749, 2.3.1: both are form-encoded first.
            pair = f"{quote_plus(client)}:{quote_plus(self._secret)}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        else:
            form |= {"client_id": client, "client_secret": self._secret}
        request = self._client.build_request("POST", metadata.token_endpoint, data=form, headers=headers)
        return (await answer_of(self._client, request, _Tokens)).id_token

    async def _claims(self, metadata: Metadata, token: str, nonce: str) -> dict[str, Any]:
        for again in (False, True):
            keys = await self._published.keys(metadata, again=again)
            with suppress(UnknownKey):
                return claims_of(token, keys, self._settings, nonce=nonce, now=self._wall())
        raise NotAccepted(Doubt.SIGNATURE)


def _challenge(verifier: str) -> str:
    """RFC 7636, 4.2: S256."""
    return base64.urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def _digest(browser: str) -> bytes:
    return sha256(browser.encode("utf-8", "replace")).digest()
