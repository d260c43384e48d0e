"""The HTTP API for acts of consent: `POST /v1/consent`, and `POST /v1/consent/state` to ask what a ledger says.

Rule 1: nothing without the secret, which is checked before the body is read, in constant time.
Rule 2: no identifier goes into a URL, because others log URLs, and none comes back in an answer.
Rule 3: 200 says that every ledger concerned has the act, durably; what is not durable is 503, and may be sent again.
"""

import asyncio
import hmac
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from collector.consent.standing import Standing
from collector.errors import where
from collector.formats.report import rfc3339
from collector.formats.strict_json import NotStrict, parse_object
from collector.log import LOG
from collector.model import DropReason, Region
from collector.rights.acts import most_telling
from collector.rights.desk import Decision, Desk
from collector.rights.document import DeskDocument, RouterDocument
from collector.rights.problem import Problem, json_response, problem_of

MAX_BYTES: Final = 16_384
_MAX_DEPTH: Final = 3
_BODY_SECONDS: Final = 10.0
RETRY_SECONDS: Final = 5
ACTS: Final = "/v1/consent"
STATE: Final = "/v1/consent/state"
M = TypeVar("M", bound=BaseModel)
Handler = Callable[[Request], Awaitable[Response]]


def make_api(desk: Desk, tokens: Sequence[bytes], answers: Counter[int]) -> Starlette:
    """The application; *tokens* are the secrets that open it, *answers* counts the answers by status."""
    digests = [sha256(token).digest() for token in tokens]

    async def acts(request: Request) -> Response:
        received_at = _now()
        decision = await desk.act(await _document(request, DeskDocument), received_at)
        if isinstance(decision, DropReason):
            raise Problem(422, decision.value, decision.meaning)
        return _decided(decision)

    async def state(request: Request) -> Response:
        document = await _document(request, RouterDocument)
        return _standings(await desk.standings(document.router, _now()))

    def guarded(handler: Handler) -> Handler:
        async def answer(request: Request) -> Response:
            try:
                _authenticate(request, digests)
                made = await handler(request)
            except Problem as problem:
                made = problem.response()
            except ClientDisconnect:
                raise
            except Exception as error:  # noqa: BLE001 - the text of an error may quote what was sent
                LOG.seldom("api_failed", error=type(error).__name__, at=where(error))
                made = Problem(500, "internal_error", "The collector failed; this is a bug of ours.").response()
            answers[made.status_code] += 1
            return made

        return answer

    async def refuse(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        made = problem_of(status).response()
        made.headers.update(getattr(error, "headers", None) or {})
        answers[status] += 1
        return made

    routes = [Route(ACTS, guarded(acts), methods=["POST"]), Route(STATE, guarded(state), methods=["POST"])]
    return Starlette(routes=routes, exception_handlers={404: refuse, 405: refuse})


def _authenticate(request: Request, digests: Sequence[bytes]) -> None:
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    digest = sha256(shown.strip().encode("latin-1", "replace")).digest()
    # Every one is compared, as a whole, so that the time taken tells nothing about a secret or which one fits.
    fits = [hmac.compare_digest(digest, known) for known in digests]
    if scheme.lower() != "bearer" or not any(fits):
        raise Problem(401, "unauthorized", "Show a secret of api.token_file: Authorization: Bearer <secret>.")


async def _document(request: Request, model: type[M]) -> M:
    """The body, read within limits and checked.

    Raises:
        Problem: it is too large, too slow, not strict JSON, or not what the model takes.
    """
    body = await _body(request)
    try:
        parse_object(body, max_depth=_MAX_DEPTH)
    except NotStrict:
        raise Problem(400, "malformed", "Expected one JSON object, UTF-8, no key twice.") from None
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise Problem(400, "invalid", "The body is not what is expected.", fields=_faults(error, model)) from None


async def _body(request: Request) -> bytes:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Problem(415, "content_type", "Expected Content-Type: application/json.")
    body = b""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for part in request.stream():
                body += part
                if len(body) > MAX_BYTES:
                    raise Problem(413, "oversize", f"Expected a body of at most {MAX_BYTES} bytes.")
    except TimeoutError:
        raise Problem(408, "slow", f"Expected the whole body within {_BODY_SECONDS:.0f} seconds.") from None
    return body


def _faults(error: ValidationError, model: type[BaseModel]) -> dict[str, str]:
    """What was expected, by the names of our fields; never a key or a value that was sent."""
    faults = {}
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        name = str(fault["loc"][0]) if fault["loc"] else ""
        text = fault["msg"].removeprefix("Value error, ")
        if fault["type"] == "extra_forbidden":
            name, text = "", "a field is not known here"
        elif not name and ": " in text:
            name, _, text = text.partition(": ")
        faults[name if name in model.model_fields else "body"] = text
    return faults


def _decided(decision: Decision) -> Response:
    regions = {region.value: "unavailable" if result is None else result.value for region, result in decision.items()}
    away = [region for region, result in decision.items() if result is None]
    if away:
        text = f"The ledger of {', '.join(away)} did not answer in time. Send the act again, with the same event_id."
        raise Problem(503, "ledger_unavailable", text, regions=regions, retry_after=RETRY_SECONDS)
    overall = most_telling(result for result in decision.values() if result is not None)
    return json_response(200, {"result": overall.value, "regions": regions})


def _now() -> int:
    return int(time.time() * 1000)


def _standings(found: Mapping[Region, list[Standing] | None]) -> Response:
    away = [region for region, standings in found.items() if standings is None]
    if away:
        text = f"The ledger of {', '.join(away)} did not answer in time."
        raise Problem(503, "ledger_unavailable", text, retry_after=RETRY_SECONDS)
    regions = {region.value: [_standing(standing) for standing in found[region] or ()] for region in found}
    return json_response(200, {"regions": regions})


def _standing(standing: Standing) -> dict[str, Any]:
    return {
        "state": standing.state.value,
        "since": rfc3339(standing.effective_at),
        "policy_version": standing.policy_version,
        "storage_regions": list(standing.storage_regions),
        "consent_id": standing.consent_id,
        "seq": standing.seq,
    }
