"""Signing in by a provider: one that is honest, and one that is not."""

import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from provider import Claims, OwnProvider

from collector.access.nouns import Role, Viewer
from collector.access.oidc import Provider
from collector.access.tokens import Doubt, NotAccepted
from collector.config_access import OidcSettings
from collector.model import Region

ADA = Viewer(name="ada", role=Role.ENGINEER, regions=frozenset({Region.GERMANY}), source="oidc")
BROWSER = "what the cookie holds"
NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody, and is made at once: what is asked here is on this machine."""
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "first"})


@pytest.fixture(scope="module")
def running() -> Iterator[OwnProvider]:
    made = OwnProvider()
    made.start()
    yield made
    made.stop()


@pytest.fixture
def own(running: OwnProvider) -> OwnProvider:
    """The provider, honest again."""
    running.keys, running.published, running.metadata = running.keys[-1:], None, {}
    running.claims, running.sign = lambda claims: claims, running.signed
    running.asked.clear()
    return running


def settings_for(own: OwnProvider, **said: Any) -> OidcSettings:
    given = {"issuer": own.issuer, "client_id": "console", "public_url": "http://127.0.0.1:9466", **said}
    return OidcSettings(enabled=True, **given)


class Clock:
    """One that the test moves, in seconds."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
async def provider(own: OwnProvider) -> AsyncIterator[Provider]:
    made = Provider(settings_for(own), secret="sécret", tls=NO_TLS, clock=Clock())
    yield made
    await made.close()


async def sign_in(provider: Provider, own: OwnProvider, **said: str) -> tuple[Viewer, str]:
    answer = own.approve(await provider.begin(BROWSER, "/fleet"))
    return await provider.finish(answer | said, BROWSER)


async def doubt_of(provider: Provider, own: OwnProvider, **said: str) -> Doubt:
    with pytest.raises(NotAccepted) as refused:
        await sign_in(provider, own, **said)
    return refused.value.doubt


async def test_who_the_provider_vouches_for_comes_in(own: OwnProvider, provider: Provider) -> None:
    """With PKCE, a secret with other letters in it (RFC 6749, 2.3.1), state and nonce; and goes where they wanted."""
    assert (ADA, "/fleet") == await sign_in(provider, own)
    assert (ADA, "/fleet") == await sign_in(provider, own)
    assert ["configuration", "keys"] == own.asked


async def test_every_sign_in_has_words_of_its_own(own: OwnProvider, provider: Provider) -> None:
    asked = [parse_qs(urlsplit(await provider.begin(BROWSER, "/")).query) for _ in range(2)]

    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert all(len(one[name][0]) == 43 for one in asked)
    assert ["openid profile"] == asked[0]["scope"]
    assert ["http://127.0.0.1:9466/sign-in/oidc/callback"] == asked[0]["redirect_uri"]


def altered(**said: Any) -> Any:
    return lambda claims: {name: value for name, value in (claims | said).items() if value is not None}


NOW = int(time.time())
CLAIMS: list[tuple[Any, Doubt]] = [
    (altered(nonce="another"), Doubt.NONCE),
    (altered(nonce=None), Doubt.NONCE),
    (altered(nonce=["x"]), Doubt.NONCE),
    (altered(aud="another"), Doubt.AUDIENCE),
    (altered(aud=["another", "third"]), Doubt.AUDIENCE),
    (altered(aud=["console", "another"]), Doubt.AUDIENCE),
    (altered(aud=["console", "another"], azp="another"), Doubt.AUDIENCE),
    (altered(azp="another"), Doubt.AUDIENCE),
    (altered(aud=None), Doubt.AUDIENCE),
    (altered(iss="https://evil.example"), Doubt.ISSUER),
    (altered(iss=None), Doubt.ISSUER),
    (altered(exp=NOW - 3600), Doubt.EXPIRED),
    (altered(exp=None), Doubt.EXPIRED),
    (altered(exp=True), Doubt.EXPIRED),
    (altered(exp="soon"), Doubt.EXPIRED),
    (altered(iat=NOW - 7200), Doubt.EXPIRED),
    (altered(iat=NOW + 7200), Doubt.EXPIRED),
    (altered(iat=None), Doubt.EXPIRED),
    (altered(nbf=NOW + 7200), Doubt.EXPIRED),
    (altered(sub=None), Doubt.NAME),
    (altered(sub=""), Doubt.NAME),
    (altered(sub="a\nb"), Doubt.NAME),
    (altered(sub="x" * 65), Doubt.NAME),
    (altered(ueip_role=None), Doubt.ROLE),
    (altered(ueip_role="admin"), Doubt.ROLE),
    (altered(ueip_role="terminal"), Doubt.ROLE),
    (altered(ueip_role=["engineer", "auditor"]), Doubt.ROLE),
    (altered(ueip_role={"engineer": True}), Doubt.ROLE),
]


@pytest.mark.parametrize(("claims", "doubt"), CLAIMS)
async def test_claims_that_are_not_for_us_now_let_nobody_in(
    claims: Any, doubt: Doubt, own: OwnProvider, provider: Provider
) -> None:
    """OpenID Connect Core 3.1.3.7; the signature is right."""
    own.claims = claims

    assert doubt is await doubt_of(provider, own)


def unsigned(claims: Claims) -> str:
    def part(document: Claims) -> str:
        return jwt.encode({"alg": "HS256"}, document, OctKey.import_key("x" * 32)).split(".")[1]

    return f"{part({'alg': 'none', 'kid': 'first'})}.{part(claims)}."


SIGNATURES: dict[str, Callable[[OwnProvider], Callable[[Claims], str]]] = {
    "alg none": lambda own: unsigned,
    "another key of the same name": lambda own: (
        lambda claims: jwt.encode({"alg": "RS256", "kid": own.keys[0].kid}, claims, OTHER_KEY)
    ),
    "the public key as a secret": lambda own: (
        lambda claims: jwt.encode(
            {"alg": "HS256", "kid": own.keys[0].kid}, claims, OctKey.import_key(own.keys[0].as_pem(private=False).hex())
        )
    ),
    "an algorithm that is not taken": lambda own: lambda claims: own.signed(claims, alg="RS512"),
    "the key in the token itself": lambda own: (
        lambda claims: jwt.encode({"alg": "RS256", "jwk": OTHER_KEY.as_dict(private=False)}, claims, OTHER_KEY)
    ),
    "changed afterwards": lambda own: lambda claims: own.signed(claims)[:-8] + "AAAAAAAA",
    "no token": lambda own: lambda claims: "nothing",
}


@pytest.mark.parametrize("name", SIGNATURES)
async def test_a_signature_that_is_not_the_providers_lets_nobody_in(
    name: str, own: OwnProvider, provider: Provider
) -> None:
    own.sign = SIGNATURES[name](own)

    assert Doubt.SIGNATURE is await doubt_of(provider, own)
