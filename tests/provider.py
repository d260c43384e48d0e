"""An OpenID Connect provider that does as it is told: honest, or in one way dishonest. It serves real HTTP.

What it checks of whoever asks it is what the standards say, written apart from the code it is asked by: the code counts
once, the redirect address is the one it was given for, PKCE is S256 (RFC 7636, 4.6), the client shows its secret.
"""

import base64
import secrets
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, urlsplit

import uvicorn
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Claims = dict[str, Any]


class OwnProvider:
    """Told by its attributes what to do; `claims` alters those of the next token, `sign` makes it."""

    def __init__(self) -> None:
        self.keys = [RSAKey.generate_key(2048, {"kid": "first"})]
        self.published: list[RSAKey] | None = None
        self.odd: list[Any] = []
        self.metadata: dict[str, Any] = {}
        self.claims: Callable[[Claims], Claims] = lambda claims: claims
        self.sign: Callable[[Claims], str] = self.signed
        self.asked: list[str] = []
        self.now: Callable[[], float] = time.time
        self._codes: dict[str, dict[str, str]] = {}
        routes = [
            Route("/.well-known/openid-configuration", self._configuration),
            Route("/keys", self._keys),
            Route("/token", self._token, methods=["POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), port=0, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        """Listen."""
        self._thread.start()
        deadline = time.monotonic() + 60
        while not self._server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.issuer = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        """Listen no more."""
        self._server.should_exit = True
        self._thread.join(60)

    def approve(self, address: str, **said: str) -> dict[str, str]:
        """What a browser is sent back with, after somebody said yes at *address*."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return {"code": code, "state": asked["state"], **said}

    def signed(self, claims: Claims, *, alg: str = "RS256", **header: Any) -> str:
        """An ID token by the first key."""
        made = {"alg": alg, "kid": self.keys[0].kid, **header}
        return jwt.encode(made, claims, self.keys[0], algorithms=[alg])

    async def _configuration(self, _: Request) -> Response:
        self.asked.append("configuration")
        document = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "code_challenge_methods_supported": ["plain", "S256"],
        }
        return JSONResponse(document | self.metadata)

    async def _keys(self, _: Request) -> Response:
        self.asked.append("keys")
        shown = self.keys if self.published is None else self.published
        return JSONResponse({"keys": [*self.odd, *(key.as_dict(private=False) | {"use": "sig"} for key in shown)]})

    async def _token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        asked = self._codes.pop(form.get("code", ""), None)
        verifier = form.get("code_verifier", "")
        challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        shown = base64.b64decode(request.headers.get("authorization", "").removeprefix("Basic ")).decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form.get("redirect_uri")
            or shown != "console:s%C3%A9cret"
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        now = int(self.now())
        claims = {
            "iss": self.issuer,
            "sub": "ada",
            "aud": "console",
            "exp": now + 300,
            "iat": now,
            "nonce": asked["nonce"],
            "ueip_role": "engineer",
            "ueip_regions": ["germany"],
        }
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "id_token": self.sign(self.claims(claims))})
