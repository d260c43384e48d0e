"""The API's description (OpenAPI 3.1), made from `OPERATIONS` and the types of its answers."""

import json
from typing import Any, Final

import msgspec

from collector.console.api import CSRF, OPERATIONS, VERSION, Operation
from collector.console.questions import BEFORE, SINCE
from collector.model import Region, Sealed

Schema = dict[str, Any]
_REF: Final = "#/components/schemas/{name}"
COOKIE: Final[Schema] = {
    "type": "apiKey",
    "in": "cookie",
    "name": "__Host-ueip",
    "description": "Given at sign-in. Without TLS, on this machine only, its name is `ueip`.",
}


class ErrorBody(Sealed, frozen=True):
    """Why nothing is shown: a code for programs, a sentence for people."""

    code: str
    message: str


class Problem(Sealed, frozen=True):
    """Every answer that is not 200."""

    error: ErrorBody


_QUERY: Final[dict[str, Schema]] = {
    "since": {
        "description": "How far back: a number and m, h or d, at most 400 days.",
        "schema": {"type": "string", "pattern": SINCE, "default": "7d"},
    },
    "region": {
        "description": "This region only; it must be served here.",
        "schema": {"type": "string", "enum": [region.value for region in Region]},
    },
    "before": {
        "description": "Entries with lower numbers only.",
        "schema": {"type": "string", "pattern": BEFORE},
    },
}
_PATH: Final[dict[str, Schema]] = {
    "handle": {
        "description": "What a look-up of this session gave for the router.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$"},
    },
    "rule": {
        "description": "The id of a rule.",
        "schema": {"type": "string", "pattern": "^[a-z][a-z0-9_]{1,47}$"},
    },
}
_ABOUT: Final = (
    "The answers of the console's pages as JSON (docs/engineer.md). Members may be added, so ignore those you do "
    "not know. Made by `make docs` from collector/console/; change that, not this file."
)
_STATUSES: Final = {
    400: "The request cannot be accepted; the message names the member and what is expected.",
    401: "Nobody is signed in, or the session is over.",
    403: "Refused: by role, by region, for want of a reason, or without the session's word. It is written down.",
    404: "Not there: another session's handle, an unknown rule, a region that is not served here.",
    405: "Not by this method.",
    408: "The whole request did not come in time.",
    413: "The request is too large.",
    414: "The address is too long.",
    421: "The console is not known by the name in the request.",
    429: "Too many requests.",
    500: "A bug of ours.",
    503: "A store is away, or the audit log cannot be written; nothing is shown then.",
}


def openapi() -> Schema:
    """The description."""
    kinds = [kind for one in OPERATIONS for kind in (one.answer, one.body) if kind is not None]
    _, components = msgspec.json.schema_components([*kinds, Problem], ref_template=_REF)
    paths: dict[str, Schema] = {}
    for operation in OPERATIONS:
        paths.setdefault(VERSION + operation.path, {})[operation.method.lower()] = _described(operation)
    return _named(
        components,
        {
            "openapi": "3.1.0",
            "info": {
                "title": "UEIP collector: console",
                "version": "1",
                "description": _ABOUT,
            },
            "security": [{"session": []}],
            "paths": paths,
            "components": {
                "securitySchemes": {"session": COOKIE},
                "schemas": dict(sorted(components.items())),
            },
        },
    )


def _named(components: Schema, document: Schema) -> Schema:
    """The document with names of one word: msgspec puts the module before the name if two types share one."""
    text = json.dumps(document)
    for name in components:
        if "." in name:
            *_, room, kind = name.split(".")
            text = text.replace(f'"{name}"', f'"{room.title()}{kind}"').replace(
                _REF.format(name=name), _REF.format(name=f"{room.title()}{kind}")
            )
    named: Schema = json.loads(text)
    return named


def _described(operation: Operation) -> Schema:
    described: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.public:
        described["security"] = []
    if operation.right is not None:
        described["description"] = f"Asks for the right `{operation.right}`."
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _json(_schema(operation.body))}
    return described


def _parameters(operation: Operation) -> list[Schema]:
    names = [word[1:-1] for word in operation.path.split("/") if word.startswith("{")]
    found: list[Schema] = [{"name": name, "in": "path", "required": True, **_PATH[name]} for name in names]
    found += [{"name": name, "in": "query", **_QUERY[name]} for name in operation.query]
    if operation.method != "GET":
        word = {"description": "The word `csrf` of the session.", "schema": {"type": "string"}}
        found.append({"name": CSRF, "in": "header", "required": True, **word})
    return found


def _responses(operation: Operation) -> Schema:
    problem = _json({"$ref": "#/components/schemas/Problem"})
    refused = {str(status): {"description": text, "content": problem} for status, text in _STATUSES.items()}
    return {"200": {"description": operation.summary, "content": _json(_schema(operation.answer))}, **refused}


def _schema(kind: Any) -> Schema:
    [schema], _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return schema


def _json(schema: Schema) -> Schema:
    return {"application/json": {"schema": schema}}
