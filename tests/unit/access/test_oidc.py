"""Signing in by a provider: one that is honest, one that is not, and one that is not ours."""

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey
from provider import Claims, OwnProvider
from pydantic import ValidationError

from collector.access.nouns import Role, Viewer
from collector.access.oidc import PENDING_SECONDS, Provider, provider_of
from collector.access.tokens import Doubt, NotAccepted, viewer_of
from collector.config_access import OidcSettings, is_secure
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
    running.odd = []
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


async def test_a_nonce_that_is_no_text_is_another(own: OwnProvider, provider: Provider) -> None:
    """JSON can name half a character."""
    header = {"alg": "RS256", "kid": own.keys[0].kid}
    own.sign = lambda claims: jws.serialize_compact(header, json.dumps({**claims, "nonce": "\ud800"}), own.keys[0])

    assert Doubt.NONCE is await doubt_of(provider, own)


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


async def test_a_code_counts_once_and_so_does_an_answer(own: OwnProvider, provider: Provider) -> None:
    """Who reads an answer on its way and sends it again gets nothing; nor with a sign-in of their own around it."""
    answer = own.approve(await provider.begin(BROWSER, "/"))
    await provider.finish(answer, BROWSER)

    with pytest.raises(NotAccepted, match="state"):
        await provider.finish(answer, BROWSER)
    assert Doubt.PROVIDER is await doubt_of(provider, own, code=answer["code"])


async def test_a_code_of_another_sign_in_fits_no_verifier(own: OwnProvider, provider: Provider) -> None:
    """PKCE: a stolen code, brought into a sign-in of the thief's own."""
    stolen = own.approve(await provider.begin("the victim's", "/"))

    assert Doubt.PROVIDER is await doubt_of(provider, own, code=stolen["code"])


async def test_an_answer_for_another_browser_is_not_taken(own: OwnProvider, provider: Provider) -> None:
    answer = own.approve(await provider.begin(BROWSER, "/"))

    with pytest.raises(NotAccepted, match="state"):
        await provider.finish(answer, "another one")
    with pytest.raises(NotAccepted, match="state"):
        await provider.finish(answer, BROWSER)


@pytest.mark.parametrize("state", ["", "made-up"])
async def test_an_answer_that_nobody_waits_for_is_not_taken(state: str, own: OwnProvider, provider: Provider) -> None:
    assert Doubt.STATE is await doubt_of(provider, own, state=state)


async def test_an_answer_that_comes_late_is_not_taken(own: OwnProvider) -> None:
    clock = Clock()
    provider = Provider(settings_for(own), secret="sécret", tls=NO_TLS, clock=clock)
    answer = own.approve(await provider.begin(BROWSER, "/"))
    clock.at += PENDING_SECONDS + 1

    with pytest.raises(NotAccepted, match="state"):
        await provider.finish(answer, BROWSER)
    await provider.close()


async def test_an_answer_of_another_provider_is_not_taken_to_ours(own: OwnProvider, provider: Provider) -> None:
    """The mix-up of RFC 9207: the code stays here."""
    assert Doubt.MIX_UP is await doubt_of(provider, own, iss="https://evil.example")
    assert (ADA, "/fleet") == await sign_in(provider, own, iss=own.issuer)


async def test_a_provider_that_says_that_it_names_itself_must(own: OwnProvider) -> None:
    own.metadata = {"authorization_response_iss_parameter_supported": True}
    provider = Provider(settings_for(own), secret="sécret", tls=NO_TLS)

    assert Doubt.MIX_UP is await doubt_of(provider, own)
    assert (ADA, "/fleet") == await sign_in(provider, own, iss=own.issuer)
    await provider.close()


async def test_who_says_no_at_the_provider_is_not_let_in(own: OwnProvider, provider: Provider) -> None:
    assert Doubt.DENIED is await doubt_of(provider, own, error="access_denied")
    assert Doubt.DENIED is await doubt_of(provider, own, code="")


@pytest.mark.parametrize(
    ("metadata", "doubt"),
    [
        ({"issuer": "https://evil.example"}, Doubt.ISSUER),
        ({"token_endpoint": "http://evil.example/token"}, Doubt.PROVIDER),
        ({"jwks_uri": "file:///etc/passwd"}, Doubt.PROVIDER),
        ({"authorization_endpoint": "javascript:alert(1)"}, Doubt.PROVIDER),
        ({"code_challenge_methods_supported": ["plain"]}, Doubt.PROVIDER),
        ({"issuer": None}, Doubt.PROVIDER),
        ({"filler": "x" * 300_000}, Doubt.PROVIDER),
    ],
)
async def test_a_provider_that_publishes_something_else_is_not_asked(
    metadata: dict[str, Any], doubt: Doubt, own: OwnProvider
) -> None:
    own.metadata = metadata
    provider = Provider(settings_for(own), secret="sécret", tls=NO_TLS)

    with pytest.raises(NotAccepted) as refused:
        await provider.begin(BROWSER, "/")

    assert doubt is refused.value.doubt
    await provider.close()


async def test_a_provider_that_is_away_lets_nobody_in() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        issuer = f"http://127.0.0.1:{held.getsockname()[1]}"
        settings = OidcSettings(enabled=True, issuer=issuer, client_id="x", public_url="http://127.0.0.1")
        provider = Provider(settings, tls=NO_TLS)

        with pytest.raises(NotAccepted, match="provider"):
            await provider.begin(BROWSER, "/")
        await provider.close()


async def test_a_new_key_is_believed_at_once_and_one_that_is_withdrawn_within_the_hour(own: OwnProvider) -> None:
    """Rotation; a key that nobody published is looked for twice a minute at most."""
    clock = Clock()
    provider = Provider(settings_for(own), secret="sécret", tls=NO_TLS, clock=clock)
    await sign_in(provider, own)
    older = own.keys[0]
    own.keys = [RSAKey.generate_key(2048, {"kid": f"kid {time.time_ns()}"})]
    assert Doubt.SIGNATURE is await doubt_of(provider, own)
    assert 1 == own.asked.count("keys")
    clock.at += 31

    assert ADA == (await sign_in(provider, own))[0]
    assert 2 == own.asked.count("keys")
    published = own.keys
    own.keys, own.published = [older], published
    clock.at += 3601
    assert Doubt.SIGNATURE is await doubt_of(provider, own)
    own.keys, own.published = published, None
    await provider.close()


ODD_KEYS: list[Any] = [
    {"kty": "EC", "crv": "BP-256", "x": "AA", "y": "AA", "kid": "brainpool"},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "on no curve"},
    {"kty": "RSA", "n": 5, "e": "AQAB"},
    {"kty": "RSA", "kid": "nothing of it"},
    {"kty": []},
    {},
    "no key",
]


@pytest.mark.parametrize("odd", ODD_KEYS, ids=str)
async def test_a_key_that_cannot_be_used_keeps_nobody_out_by_the_others(
    odd: Any, own: OwnProvider, provider: Provider
) -> None:
    """RFC 7517, 5: what is not understood is passed over."""
    own.odd = [odd]
    assert ADA == (await sign_in(provider, own))[0]


@pytest.mark.parametrize("odd", ODD_KEYS, ids=str)
async def test_without_a_key_that_can_be_used_nobody_comes_in(odd: Any, own: OwnProvider, provider: Provider) -> None:
    own.odd, own.published = [odd], []
    assert Doubt.PROVIDER is await doubt_of(provider, own)


# Who somebody is


@pytest.mark.parametrize(
    ("claims", "said", "expected"),
    [
        ({"groups": ["x", "g-eng"]}, {"role_claim": "groups", "roles": {"g-eng": "engineer"}}, (Role.ENGINEER, set())),
        ({"a": {"b": {"c": "auditor"}}}, {"role_claim": "a.b.c"}, (Role.AUDITOR, set())),
        ({"https://x.y/role": "operator"}, {"role_claim": "https://x.y/role"}, (Role.OPERATOR, set())),
        (
            {"ueip_role": "privacy_officer", "where": ["HK", "CN", "US"]},
            {"region_claim": "where", "regions": {"HK": "hong_kong", "CN": "china"}},
            (Role.PRIVACY_OFFICER, {Region.HONG_KONG, Region.CHINA}),
        ),
        ({"ueip_role": "engineer", "ueip_regions": "china"}, {}, (Role.ENGINEER, {Region.CHINA})),
        ({"ueip_role": "engineer", "ueip_regions": ["everywhere", 3, None]}, {}, (Role.ENGINEER, set())),
        ({"ueip_role": "engineer", "ueip_regions": {"china": 1}}, {}, (Role.ENGINEER, set())),
    ],
)
def test_roles_and_regions_are_what_the_settings_make_of_the_claims(
    claims: Claims, said: dict[str, Any], expected: tuple[Role, set[Region]]
) -> None:
    viewer = viewer_of({"sub": "ada", **claims}, OidcSettings(**said), now=NOW)

    assert expected == (viewer.role, set(viewer.regions))


def test_claims_that_are_mapped_have_no_meaning_of_their_own() -> None:
    with pytest.raises(NotAccepted, match="role"):
        viewer_of({"sub": "ada", "ueip_role": "engineer"}, OidcSettings(roles={"x": "operator"}), now=NOW)


@pytest.mark.parametrize(
    ("date", "is_trained"),
    [("2027-01-31", True), ("2027-01-30", True), ("2027-01-29", False), (1801267200 + 1, True), (1801267199, False)]
    + [(said, False) for said in (None, "", "next year", True, ["2030-01-01"])],
)
def test_training_that_is_over_ends_access_where_it_is_asked_for(date: Any, is_trained: bool) -> None:
    """O83; 1801267200 is the beginning of 2027-01-30 UTC."""
    claims = {"sub": "ada", "ueip_role": "engineer", "trained_until": date}
    settings = OidcSettings(training_claim="trained_until")

    if is_trained:
        assert "ada" == viewer_of(claims, settings, now=1801267200).name
    else:
        with pytest.raises(NotAccepted, match="training"):
            viewer_of(claims, settings, now=1801267200)
    assert "ada" == viewer_of(claims, OidcSettings(), now=1801267200).name


# Settings


@pytest.mark.parametrize(
    ("url", "secure"),
    [
        ("https://id.example/realms/x", True),
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080/x", True),
        ("http://localhost", True),
        ("http://id.example", False),
        ("http://127.0.0.1@evil.example", False),
        ("https://", False),
        ("ftp://127.0.0.1", False),
        ("", False),
    ],
)
def test_a_provider_is_reached_over_tls_or_on_this_machine(url: str, secure: bool) -> None:
    assert secure == is_secure(url)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"enabled": True}, "issuer: found none"),
        ({"issuer": "http://id.example"}, "expected an https address"),
        ({"public_url": "https://[::1"}, "expected an https address"),
        ({"public_url": "https://console.example:https"}, "expected an https address"),
        ({"issuer": "https://id.example:99999"}, "expected an https address"),
        ({"scopes": ["profile"]}, "found no openid"),
        ({"algorithms": []}, "found none, expected at least one"),
        ({"algorithms": ["none"]}, "Input should be"),
        ({"algorithms": ["HS256"]}, "Input should be"),
        ({"roles": {"x": "terminal"}}, "Input should be"),
    ],
)
def test_settings_that_would_let_anybody_in_are_faults(said: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        OidcSettings(**said)


def test_a_provider_is_made_of_what_the_settings_name(tmp_path: Path, own: OwnProvider) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    ca_file = ssl.get_default_verify_paths().cafile

    assert None is provider_of(OidcSettings())
    made = provider_of(settings_for(own, client_secret_file=secret, ca_file=ca_file))
    assert made is not None
    assert "s3cret" == made._secret


# A provider that is not ours


@pytest.fixture(scope="module")
def theirs() -> Iterator[str]:
    """oidc-provider-mock, which is Authlib's provider, as a process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    user = {"sub": "grace", "ueip_role": "privacy_officer", "ueip_regions": ["germany", "china"]}
    words = [sys.executable, "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"]
    process = subprocess.Popen(
        [*words, "--user-claims", json.dumps(user)], stderr=subprocess.DEVNULL, env={**os.environ, "NO_COLOR": "1"}
    )
    issuer, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 120
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
    yield issuer
    process.terminate()
    process.wait(60)


async def test_a_provider_of_others_signs_people_in(theirs: str) -> None:
    """From our address to its form, its code, its token and its keys, and back."""
    settings = OidcSettings(enabled=True, issuer=theirs, client_id="console", public_url="http://127.0.0.1:9466")
    provider = Provider(settings, secret="any", tls=NO_TLS)
    address = await provider.begin(BROWSER, "/")
    async with httpx2.AsyncClient(verify=NO_TLS) as browser:
        answer = await browser.post(address, data={"sub": "grace"})
    query = {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}

    viewer, _ = await provider.finish(query, BROWSER)

    regions = frozenset({Region.GERMANY, Region.CHINA})
    assert Viewer(name="grace", role=Role.PRIVACY_OFFICER, regions=regions, source="oidc") == viewer
    with pytest.raises(NotAccepted):
        await provider.finish(query, BROWSER)
    await provider.close()


async def test_a_provider_that_does_not_answer_keeps_people_once_and_not_one_after_the_other(
    own: OwnProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty who sign in at once wait as long as one; who comes afterwards has it asked again."""
    provider, asked = Provider(settings_for(own), tls=NO_TLS), list[float]()

    async def silent(_: object, __: object) -> bytes:
        asked.append(0)
        await asyncio.sleep(0.05)
        raise NotAccepted(Doubt.PROVIDER)

    monkeypatch.setattr("collector.access.published._body", silent)
    answers = await asyncio.gather(*(provider.begin("browser", "/") for _ in range(20)), return_exceptions=True)
    first = len(asked)
    with pytest.raises(NotAccepted):
        await provider.begin("browser", "/")
    await provider.close()

    assert {NotAccepted} == {type(answer) for answer in answers}
    assert (1, 2) == (first, len(asked))
