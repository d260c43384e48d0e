"""`schemas/api-v1.openapi.json` and `docs/reference/api.md`: the API for acts of consent, made from its models."""

from typing import Any, Final

from pydantic import BaseModel

from collector.consent.ledger import Result
from collector.consent.standing import State
from collector.fields.types import PATTERNS
from collector.metrics import API_STATUSES
from collector.model import Region
from collector.reference.consent_schema import plain
from collector.reference.markdown import block, code, codes, page, table
from collector.reference.schema import Schema, time_schema
from collector.rights.api import ACTS, MAX_BYTES, RETRY_SECONDS, STATE
from collector.rights.document import DESK_ONLY, DeskDocument, RouterDocument

_RESULTS: Final = {
    Result.RECORDED: "The act is in the ledger and counts from now on. Under a legal hold, what it erases is erased "
    "when the hold is released.",
    Result.REPEATED: "The same act with the same `event_id`, for the same router, is in the ledger already.",
    Result.STALE: "A join that is not newer than the act that closed the gate. It opens nothing.",
    Result.REFUSED: "A join after a void consent, in which nobody attests to be of age. It opens nothing.",
    Result.WITHOUT_EFFECT: "There is nothing to change: no router is known by that name, or the act was done already. "
    "A join: a restriction or a legal hold prevents it. An act sent again with a serial number, IMEI or MAC: that name "
    "may have been erased with the records the first time.",
}
MEANINGS: Final = {
    200: "Every ledger concerned has the act, durably; `regions` gives the result in each.",
    400: "The body is not strict JSON, or not what is expected; `fields` says what was expected, by field.",
    401: "The secret is missing or wrong.",
    404: "There is nothing at this path.",
    405: "Only POST is allowed.",
    408: "The body did not come in time.",
    413: f"The body is larger than {MAX_BYTES} bytes.",
    415: "The content type is not `application/json`.",
    422: "The act is refused by the rules; `code` is the reason, one of the [drop reasons](drop-reasons.md).",
    500: "The collector failed; this is a bug in the collector.",
    503: f"A ledger did not answer in time. Send the act again after {RETRY_SECONDS} seconds with the same `event_id`, "
    f"until the answer is 200; before that, tell nobody that the act counts.",
}
"""What each status says. There are no others, save a plain 503 while too many are connected."""
_EXAMPLE: Final = """
POST /v1/consent HTTP/1.1
Authorization: Bearer <secret>
Content-Type: application/json

{"router": "ZTE1024300012", "action": "exit", "event_id": "7d0c2f6e-0002", "channel": "app"}
"""
_ANSWER: Final = """
{"result": "recorded", "regions": {"hong_kong": "without_effect", "germany": "recorded", "china": "without_effect"}}
"""
_INTRODUCTION: Final = (
    "For the service behind an app, and for a rights desk. Off unless `[api]` in the [settings](settings.md) turns "
    "it on ([how, and what that means](../operating.md#the-api-for-acts-of-consent)). The description for programs is "
    "`schemas/api-v1.openapi.json`."
)


def api_page() -> str:
    """The reference of the API."""
    return page(
        "API for acts of consent",
        "`collector/rights/`",
        _INTRODUCTION,
        block("http", _EXAMPLE),
        block("json", _ANSWER),
        f"## {code('POST ' + ACTS)}",
        "Records one act. An act that is sent again is recorded once.",
        _fields(DeskDocument),
        f"{codes(sorted(DESK_ONLY))} are taken only from the channel `rights_desk`. A join needs `time` and `country`, "
        "and [all that a join event must bring](../consent.md#the-two-modes).",
        "### Results",
        table(("result", "meaning"), ((code(result), meaning) for result, meaning in _RESULTS.items())),
        f"## {code('POST ' + STATE)}",
        "Asks what the ledgers say about a router now. It is a POST so that no identifier is in a URL that others log.",
        _fields(RouterDocument),
        "## Statuses",
        'Every other answer than 200 has a body of the form `{"error": {"code": ..., "message": ...}}`, which repeats '
        "nothing of what was sent.",
        table(("status", "meaning"), ((str(status), MEANINGS[status]) for status in API_STATUSES)),
    )


def _fields(model: type[BaseModel]) -> str:
    found = _body(model)
    rows = (
        (code(name), "yes" if name in found["required"] else "", _kind(what), what["description"])
        for name, what in found["properties"].items()
    )
    return table(("field", "needed", "value", "meaning"), rows)


def _kind(what: Schema) -> str:
    if "enum" in what:
        return codes(what["enum"])
    if "items" in what:
        return f"list of {_kind(what['items'])}"
    if "format" in what:
        return "RFC 3339, UTC"
    return code(what["pattern"]) if "pattern" in what else "text"


def _body(model: type[BaseModel]) -> Schema:
    """A body as JSON Schema."""
    found = model.model_json_schema()
    ordered = {"router": found["properties"].pop("router"), **found["properties"]}
    properties = {name: plain(what, found.get("$defs", {})) for name, what in ordered.items()}
    if "time" in properties:
        properties["time"] = time_schema(properties["time"]["description"])
        properties["country"] = {**properties["country"], "pattern": PATTERNS["country"]}
    return {
        "type": "object",
        "required": found["required"],
        "additionalProperties": False,
        "properties": properties,
    }


def openapi() -> dict[str, Any]:
    """The API as OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "UEIP collector: acts of consent",
            "version": "1",
            "description": "Made by `make docs` from collector/rights/. Change that, not this file.",
        },
        "security": [{"secret": []}],
        "paths": {
            ACTS: {"post": _operation("Record one act of consent", DeskDocument, _decided())},
            STATE: {"post": _operation("What the ledgers say about a router", RouterDocument, _standings())},
        },
        "components": {
            "securitySchemes": {"secret": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Problem": _problem()},
        },
    }


def _operation(summary: str, model: type[BaseModel], answer: Schema) -> dict[str, Any]:
    problem = {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    refused = {
        str(status): {"description": MEANINGS[status], "content": problem}
        for status in API_STATUSES
        if status not in {200, 404, 405}
    }
    refused["503"]["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": {"application/json": {"schema": _body(model)}}},
        "responses": {
            "200": {"description": MEANINGS[200], "content": {"application/json": {"schema": answer}}},
            **refused,
        },
    }


def _by_region(what: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "properties": {region.value: what for region in Region}}


def _decided() -> Schema:
    result = {"type": "string", "enum": [result.value for result in _RESULTS]}
    return {
        "type": "object",
        "required": ["result", "regions"],
        "properties": {"result": result, "regions": _by_region(result)},
    }


def _standings() -> Schema:
    text = {"type": "string"}
    standing = {
        "state": {"type": "string", "enum": [state.value for state in State]},
        "since": {"type": "string", "format": "date-time"},
        "policy_version": text,
        "storage_regions": {"type": "array", "items": text},
        "consent_id": text,
        "seq": {"type": "integer"},
    }
    known = {"type": "array", "items": {"type": "object", "required": list(standing), "properties": standing}}
    return {"type": "object", "required": ["regions"], "properties": {"regions": _by_region(known)}}


def _problem() -> Schema:
    text = {"type": "string"}
    fields = {"type": "object", "additionalProperties": text}
    error = {
        "type": "object",
        "required": ["code", "message"],
        "properties": {"code": text, "message": text, "fields": fields},
    }
    return {"type": "object", "required": ["error"], "properties": {"error": error, "regions": _by_region(text)}}
