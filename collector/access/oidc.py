"""Signs people in by an OpenID Connect provider: authorization code, PKCE, state and nonce.

Rule 1: a sign-in that comes back is one that began here, in the same browser, a few minutes ago, once: its state leads
        to what was sent, and a cookie that only that browser has fits it.
Rule 2: what the provider publishes is believed when it names itself as the settings do, over TLS (or on this machine).
Rule 3: a key that the provider has withdrawn is believed for an hour at most, one that is new at once.
"""

import asyncio
import base64
import hmac
import math
import secrets
import ssl
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import Any, Final, TypeVar
from urllib.parse import quote_plus, urlencode

import httpx2
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from collector.access.nouns import Viewer
from collector.access.tokens import Doubt, NotAccepted, UnknownKey, claims_of, viewer_of
from collector.config_access import OidcSettings, is_secure
from collector.model import Sealed

CALLBACK: Final = "/sign-in/oidc/callback"
PENDING_SECONDS: Final = 600.0
_MOST_PENDING: Final = 10_000
_FRESH: Final = 3600.0
"""Seconds for which what the provider publishes is used."""
_AGAIN: Final = 30.0
"""Seconds between two looks for new keys."""
_TIMEOUT: Final = 10.0
_MOST_BYTES: Final = 262_144
T = TypeVar("T")


class Metadata(Sealed, frozen=True):
    """What of a provider's configuration is used (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(Sealed, frozen=True):
    id_token: str


class _Keys(Sealed, frozen=True):
    keys: list[Any]


class Begun(Sealed, frozen=True):
    """A sign-in that was sent to the provider."""

    browser: bytes
    nonce: str
    verifier: str
    next: str
    at: float


def provider_of(settings: OidcSettings) -> "Provider | None":
    """The provider that the settings name, if signing in by one is enabled.

    Raises:
        OSError, ssl.SSLError: a file cannot be used; `file_faults` tells at start.
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
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._learning = asyncio.Lock()
        self._unknown_at = -math.inf

    async def close(self) -> None:
        """Close what is open."""
        await self._client.aclose()

    async def begin(self, browser: str, after: str) -> str:
        """Where to send a browser that holds *browser* in a cookie; it comes to *after* in the end.

        Raises:
            NotAccepted: the provider cannot be asked.
        """
        metadata = await self._known()
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
        metadata = await self._known()
        said = answer.get("iss")
        # RFC 9207, 2.4: an answer of another provider, brought here, is not taken to ours.
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
        return _read(await self._body(request), _Tokens).id_token

    async def _claims(self, metadata: Metadata, token: str, nonce: str) -> dict[str, Any]:
        try:
            return claims_of(token, await self._key_set(metadata), self._settings, nonce=nonce, now=self._wall())
        except UnknownKey:
            pass
        try:
            keys = await self._key_set(metadata, older_than=_AGAIN)
            return claims_of(token, keys, self._settings, nonce=nonce, now=self._wall())
        except UnknownKey:
            raise NotAccepted(Doubt.SIGNATURE) from None

    async def _known(self) -> Metadata:
        """What the provider publishes of itself."""
        asked = self._clock()
        async with self._learning:
            if self._metadata is None or self._clock() - self._metadata[0] > _FRESH:
                if self._unknown_at > asked:
                    # Who waited beside one that got no answer gets none either, and not after as long again.
                    raise NotAccepted(Doubt.PROVIDER)
                try:
                    self._metadata = self._clock(), self._checked(await self._published())
                except NotAccepted:
                    self._unknown_at = self._clock()
                    raise
            return self._metadata[1]

    async def _published(self) -> Metadata:
        address = str(self._settings.issuer).rstrip("/") + "/.well-known/openid-configuration"
        return _read(await self._body(self._client.build_request("GET", address)), Metadata)

    def _checked(self, found: Metadata) -> Metadata:
        # Discovery, 4.3: word for word, or somebody else answers for the issuer.
        if found.issuer != self._settings.issuer:
            raise NotAccepted(Doubt.ISSUER)
        if not all(map(is_secure, (found.authorization_endpoint, found.token_endpoint, found.jwks_uri))):
            raise NotAccepted(Doubt.PROVIDER)
        if "S256" not in (found.code_challenge_methods_supported or ("S256",)):
            raise NotAccepted(Doubt.PROVIDER)
        return found

    async def _key_set(self, metadata: Metadata, older_than: float = _FRESH) -> KeySet:
        async with self._learning:
            if self._keys is None or self._clock() - self._keys[0] > older_than:
                found = await self._body(self._client.build_request("GET", metadata.jwks_uri))
                self._keys = self._clock(), _usable(_read(found, _Keys))
            return self._keys[1]

    async def _body(self, request: httpx2.Request) -> bytes:
        body = b""
        try:
            response = await self._client.send(request, stream=True)
            try:
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise NotAccepted(Doubt.PROVIDER)
            finally:
                await response.aclose()
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError):
            raise NotAccepted(Doubt.PROVIDER) from None
        if response.status_code != httpx2.codes.OK:
            raise NotAccepted(Doubt.PROVIDER)
        return body


def _read(body: bytes, kind: type[T]) -> T:
    """A document of the provider.

    Raises:
        NotAccepted: it is another.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotAccepted(Doubt.PROVIDER) from None


def _usable(published: _Keys) -> KeySet:
    """The keys that can be used (RFC 7517, 5: others are passed over).

    Raises:
        NotAccepted: there is none.
    """
    keys = []
    for one in published.keys:
        with suppress(JoseError, ValueError, TypeError, KeyError):
            keys += KeySet.import_key_set({"keys": [one]}).keys
    if not keys:
        raise NotAccepted(Doubt.PROVIDER)
    return KeySet(keys)


def _challenge(verifier: str) -> str:
    """RFC 7636, 4.2: S256."""
    return base64.urlsafe_b64encode(sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def _digest(browser: str) -> bytes:
    return sha256(browser.encode("utf-8", "replace")).digest()
