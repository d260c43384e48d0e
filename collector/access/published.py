"""What an OpenID Connect provider publishes about itself: its addresses and its keys.

Rule 1: it is believed if it calls itself what the settings call it, over TLS (or on this machine).
Rule 2: a key that the provider has withdrawn is trusted for an hour at most, a new one at once.
"""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

import httpx2
import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from collector.access.tokens import Doubt, NotAccepted
from collector.config_access import is_secure
from collector.model import Sealed

_FRESH: Final = 3600.0
"""How many seconds an answer of the provider is used before it is asked again."""
_AGAIN: Final = 30.0
"""The least number of seconds between two looks for new keys."""
_MOST_BYTES: Final = 262_144
T = TypeVar("T")


class Metadata(Sealed, frozen=True):
    """The part of a provider's configuration that is used (OpenID Connect Discovery 1.0, 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] | None = None
    authorization_response_iss_parameter_supported: bool = False


class _Keys(Sealed, frozen=True):
    keys: list[Any]


class Published:
    """What the provider that the settings name as *issuer* publishes. *clock* does not step."""

    def __init__(self, issuer: str, client: httpx2.AsyncClient, clock: Callable[[], float]) -> None:
        self._issuer = issuer
        self._client = client
        self._clock = clock
        self._metadata: tuple[float, Metadata] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._learning = asyncio.Lock()
        self._unknown_at = -math.inf

    async def metadata(self) -> Metadata:
        """The addresses of the provider, and how it is asked.

        Raises:
            NotAccepted: it cannot be asked, or is not the one in the settings.
        """
        asked = self._clock()
        async with self._learning:
            if self._metadata is None or self._clock() - self._metadata[0] > _FRESH:
                if self._unknown_at > asked:
                    # Whoever waited while another got no answer gets none either, instead of waiting as long again.
                    raise NotAccepted(Doubt.PROVIDER)
                try:
                    self._metadata = self._clock(), self._checked(await self._configuration())
                except NotAccepted:
                    self._unknown_at = self._clock()
                    raise
            return self._metadata[1]

    async def keys(self, metadata: Metadata, *, again: bool = False) -> KeySet:
        """Its keys; with *again*, also those that it may have added since the last look.

        Raises:
            NotAccepted: it cannot be asked, or none of its keys can be used.
        """
        async with self._learning:
            if self._keys is None or self._clock() - self._keys[0] > (_AGAIN if again else _FRESH):
                found = await answer_of(self._client, self._client.build_request("GET", metadata.jwks_uri), _Keys)
                self._keys = self._clock(), _usable(found)
            return self._keys[1]

    async def _configuration(self) -> Metadata:
        address = self._issuer.rstrip("/") + "/.well-known/openid-configuration"
        return await answer_of(self._client, self._client.build_request("GET", address), Metadata)

    def _checked(self, found: Metadata) -> Metadata:
        # Discovery, 4.3: word for word, or somebody else answers for the issuer.
        if found.issuer != self._issuer:
            raise NotAccepted(Doubt.ISSUER)
        if not all(map(is_secure, (found.authorization_endpoint, found.token_endpoint, found.jwks_uri))):
            raise NotAccepted(Doubt.PROVIDER)
        if "S256" not in (found.code_challenge_methods_supported or ("S256",)):
            raise NotAccepted(Doubt.PROVIDER)
        return found


async def answer_of(client: httpx2.AsyncClient, request: httpx2.Request, kind: type[T]) -> T:
    """The document that a provider answers a request with.

    Raises:
        NotAccepted: there is no answer, or it is not such a document.
    """
    try:
        return msgspec.json.decode(await _body(client, request), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise NotAccepted(Doubt.PROVIDER) from None


async def _body(client: httpx2.AsyncClient, request: httpx2.Request) -> bytes:
    body = b""
    try:
        response = await client.send(request, stream=True)
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


def _usable(published: _Keys) -> KeySet:
    """The keys that can be used (RFC 7517, 5: others are ignored).

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
