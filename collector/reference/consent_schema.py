"""`schemas/consent-v1.schema.json`: the consent event, made from the model that reads it."""

from typing import Any, Final

from collector.fields.types import PATTERNS
from collector.formats.consent_event import ConsentDocument
from collector.formats.report import SCHEMA_VERSION
from collector.reference.schema import DIALECT, Schema, time_schema

_KEPT: Final = ("type", "const", "enum", "pattern", "format", "items", "maxItems", "default", "description")
_NEEDED_TO_JOIN: Final = ("time", "country")
"""Required of a join, though optional in the model, which also reads exits."""


def consent_schema() -> Schema:
    """The JSON Schema of a consent event. The collector ignores further keys; there is no reason to send any."""
    model = ConsentDocument.model_json_schema()
    properties = {name: plain(found, model.get("$defs", {})) for name, found in model["properties"].items()}
    properties["time"] = time_schema(properties["time"]["description"])
    properties["country"] = {"type": "string", "pattern": PATTERNS["country"], **properties["country"]}
    return {
        "$schema": DIALECT,
        "$id": f"urn:ueip:schema:consent:v{SCHEMA_VERSION}",
        "$comment": "Made by `make docs` from collector/formats/consent_event.py. Change that, not this file.",
        "title": f"UEIP consent event, version {SCHEMA_VERSION}",
        "description": f"{model['description']} Topic ueip/v1/<router>/consent. See docs/firmware.md.",
        "type": "object",
        "required": model["required"],
        "if": {"properties": {"action": {"const": "join"}}, "required": ["action"]},
        "then": {"required": list(_NEEDED_TO_JOIN)},
        "additionalProperties": False,
        "properties": properties,
    }


def plain(found: Schema, defs: Schema) -> Schema:
    """A property without references, without null (what is unknown is left out) and without made-up titles."""
    branches = [branch for branch in found.get("anyOf", ()) if branch.get("type") != "null"]
    merged = {**(branches[0] if branches else {}), **{k: v for k, v in found.items() if k != "anyOf"}}
    if "$ref" in merged:
        merged = {**defs[_name(merged["$ref"])], **merged}
    if "items" in merged:
        merged["items"] = {k: v for k, v in plain(merged["items"], defs).items() if k != "description"}
    return {key: merged[key] for key in _KEPT if key in merged and not _says_nothing(key, merged[key])}


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _says_nothing(key: str, value: Any) -> bool:
    return key == "default" and value in (None, [])
