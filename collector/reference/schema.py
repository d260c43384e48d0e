"""`schemas/report-v1.schema.json`: the report as firmware authors may write it, made from the catalogue.

Rule 1: what is valid by the schema loses nothing in the collector, once topic, country and time fit.
Rule 2: the collector may take more than the schema admits (a time with an offset, say); it never asks for more.
"""

from typing import Any, Final

from collector.fields.catalogue import GROUPS, SNAPSHOT_GROUPS, Catalogue, FieldEntry, Group, InputEntry
from collector.fields.compiled import MAX_EVENTS, MESSAGE_ID
from collector.fields.types import PATTERNS
from collector.formats.report import SCHEMA_VERSION
from collector.model import POLICY_VERSION

Schema = dict[str, Any]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TIME: Final = (
    r"^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?Z$"
)
_GROUP_TITLES: Final[dict[Group, str]] = {
    "router": "The router itself",
    "sim": "The SIM in use",
    "network": "The WAN connection",
    "signal": "The radio signal",
    "wifi": "The router's Wi-Fi",
    "power": "Battery and charging",
    "usage": "Data use and speeds",
    "session": "Sessions with the management server",
    "settings": "Switches and levels set on the router",
    "event": "A fault event",
}


def report_schema(catalogue: Catalogue) -> Schema:
    """The JSON Schema of a report."""
    groups = {group: {"$ref": f"#/$defs/{group}"} for group in GROUPS}
    return {
        "$schema": DIALECT,
        "$id": f"urn:ueip:schema:report:v{SCHEMA_VERSION}",
        "$comment": "Made by `make docs` from schemas/fields.toml. Change that, not this file.",
        "title": f"UEIP report, version {SCHEMA_VERSION}",
        "description": "One message of a router, topic ueip/v1/<router>/report. See docs/firmware.md.",
        "type": "object",
        "required": ["schema_version", "message_id", "ueip", "country"],
        "anyOf": [{"required": ["time"]}, {"required": ["uptime_at_event_seconds", "uptime_at_send_seconds"]}],
        "additionalProperties": False,
        "properties": {**_envelope(), **groups, "events": {"$ref": "#/$defs/events"}},
        "$defs": {
            **{group: _group(catalogue, group) for group in GROUPS},
            "events": _events(),
            "event": _event(catalogue),
            "snapshot": _snapshot(catalogue),
        },
    }


def time_schema(description: str) -> Schema:
    """A time in UTC. The pattern stands beside the format because a format is only a hint to most validators."""
    return {"type": "string", "format": "date-time", "pattern": _TIME, "description": description}


def _envelope() -> Schema:
    """What stands beside the groups; a test compares it with the decoder's own list."""
    uptime = {"type": "integer", "minimum": 0, "maximum": 2**32}
    return {
        "schema_version": {"type": "integer", "const": SCHEMA_VERSION, "description": "Version of this format."},
        "message_id": _text(MESSAGE_ID, "Unique for this router for ever; a message sent again keeps its id."),
        "ueip": {
            "type": "boolean",
            "const": True,
            "description": "The owner has joined the programme. Anything but true keeps the message out; false leaves.",
        },
        "policy_version": _text(POLICY_VERSION, "Version of the notice the owner agreed to."),
        "country": _text(PATTERNS["country"], "Country the router belongs to, ISO 3166-1 alpha-2."),
        "time": time_schema("When the report was measured. Left out while the clock is not set."),
        "uptime_at_event_seconds": {**uptime, "description": "Uptime when the report was measured. Unit: s."},
        "uptime_at_send_seconds": {**uptime, "description": "Uptime when the report is sent. Unit: s."},
    }


def _text(pattern: str, description: str) -> Schema:
    return {"type": "string", "pattern": pattern, "description": description}


def _object(title: str, properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    made: Schema = {"title": title, "type": "object"}
    if required:
        made["required"] = list(required)
    return {**made, "additionalProperties": False, "properties": properties}


def _group(catalogue: Catalogue, group: Group) -> Schema:
    return _object(_GROUP_TITLES[group], {entry.name: value_schema(entry) for entry in on_the_wire(catalogue, group)})


def on_the_wire(catalogue: Catalogue, group: Group) -> list[FieldEntry | InputEntry]:
    """What a router may send in *group*: inputs (its identity among them), then fields in their final form."""
    return [*catalogue.inputs_of(group), *(f for f in catalogue.in_group(group) if f.on_the_wire)]


def _events() -> Schema:
    return {
        "title": "Fault events since the last report",
        "type": "array",
        "maxItems": MAX_EVENTS,
        "items": {"$ref": "#/$defs/event"},
    }


def _event(catalogue: Catalogue) -> Schema:
    own = {
        "event": {"type": "string", "enum": [entry.name for entry in catalogue.event], "description": "Kind of event."},
        "time": time_schema("When it happened; stored to the second."),
    }
    others = {entry.name: value_schema(entry) for entry in on_the_wire(catalogue, "event")}
    return _object(_GROUP_TITLES["event"], {**own, **others}, ("event", "time"))


def _snapshot(catalogue: Catalogue) -> Schema:
    entry = next((f for f in catalogue.field if f.type == "snapshot"), None)
    groups: Schema = {group: {"$ref": f"#/$defs/{group}"} for group in SNAPSHOT_GROUPS}
    return _object("Measured when the network was lost", groups) | ({} if entry is None else _annotations(entry))


def value_schema(entry: FieldEntry | InputEntry) -> Schema:
    """The schema of one value, with its treatment and its clause."""
    if entry.type == "snapshot":
        return {"$ref": "#/$defs/snapshot"}
    return {**_constraint(entry), **_annotations(entry)}


def _constraint(entry: FieldEntry | InputEntry) -> Schema:
    match entry.type:
        case "bool":
            return {"type": "boolean"}
        case "int" | "number":
            kind = "integer" if entry.type == "int" else "number"
            return {"type": kind, "minimum": entry.min, "maximum": entry.max}
        case "enum":
            values = list(entry.values or ())
            return {"type": "string" if isinstance(values[0], str) else "integer", "enum": values}
        case "list" | "ssid":
            return {"type": "string", "minLength": 1, "maxLength": entry.max_length}
        case "digits":
            return {"type": "string", "pattern": f"^[0-9]{{{entry.min_length},{entry.max_length}}}$"}
        case "time":
            return {key: value for key, value in time_schema("").items() if key != "description"}
        case kind:
            longest = {} if entry.max_length is None else {"maxLength": entry.max_length}
            return {"type": "string", "pattern": PATTERNS[kind], **longest}


def _annotations(entry: FieldEntry | InputEntry) -> Schema:
    unit = f" Unit: {entry.unit}." if entry.unit else ""
    fed = f" Never stored; feeds {', '.join(entry.feeds)}." if isinstance(entry, InputEntry) else ""
    return {
        "description": entry.description + unit + fed,
        "x-treatment": entry.treatment,
        "x-clause": entry.clause,
        "x-since": entry.since,
    }
