"""What was found in place of a value, and what was expected. Of a text that was found, only that it is one."""

from typing import Any, Final

from collector.fields.catalogue import GROUPS, FieldEntry, InputEntry
from collector.fields.compiled import MAX_EVENTS

_ID: Final = "text, 1 to 64 of A-Z a-z 0-9 . _ : -"
TIME: Final = "RFC 3339 in UTC as text, such as 2026-11-21T17:00:00Z"
_UPTIME: Final = "a whole number from 0 to 4294967296"
_TYPES: Final = {
    "bool": "true or false",
    "ver64": "text, 1 to 64 of A-Z a-z 0-9 . _ + -, no nine digits in a row",
    "code32": "text, 1 to 32 of A-Z a-z 0-9 . _ -, no nine digits in a row",
    "plmn": "text of 5 or 6 digits",
    "country": "two capital letters as text",
    "time": TIME,
    "snapshot": "an object",
    "imei": "text of 15 or 16 digits",
    "mac": "text of 12 hex digits, with : or - or nothing between",
    "ipv4": "an IPv4 address as text",
    "ipv6": "an IPv6 address as text",
    "domain": "text of letters, digits, dots and hyphens",
}
_ENVELOPE: Final[dict[str, str]] = {
    "schema_version": "the number 1",
    "message_id": _ID,
    "event_id": _ID,
    "country": "two capital letters as text",
    "time": TIME,
    "uptime_at_event_seconds": _UPTIME,
    "uptime_at_send_seconds": _UPTIME,
    "policy_version": "a version of the notice as text",
    "policy_digest": "text of 64 lower-case hex digits",
    "language": "BCP 47 as text, such as en",
    "action": "join or exit",
    "channel": "app or webui",
    "storage_regions": "a list of hong_kong, germany, china",
    "adult_or_guardian": "adult or guardian",
    "events": f"a list of up to {MAX_EVENTS} objects",
    **dict.fromkeys(GROUPS, "an object"),
}
_KINDS: Final[dict[type[Any], str]] = {
    type(None): "null", bool: "true or false", int: "a whole number", str: "text", list: "a list", dict: "an object",
}  # fmt: skip


def found(value: Any) -> str:
    """What kind of JSON value it is, in words."""
    if value == "":
        return "an empty text"
    if isinstance(value, float):
        return f"{value!r}, a number with a fraction or an exponent"
    return _KINDS[type(value)]


def of_entry(entry: FieldEntry | InputEntry) -> str:
    """What a field or an input may be."""
    kind: str = entry.type
    match kind:
        case "int":
            return f"a whole number from {entry.min:.0f} to {entry.max:.0f}"
        case "number":
            return f"a number from {entry.min:g} to {entry.max:g}"
        case "enum":
            return "one of " + ", ".join(map(str, entry.values or ()))
        case "digits":
            return f"text of {entry.min_length} to {entry.max_length} digits"
        case "list" | "ssid":
            return f"text of {entry.min_length or 1} to {entry.max_length} characters"
        case "text":
            return f"text of 1 to {entry.max_length} printable ASCII characters, without spaces"
        case _:
            return _TYPES[kind]


def of_envelope(name: str) -> str:
    """What a key of the envelope or of a consent event may be; empty for one that is neither."""
    return _ENVELOPE.get(name, "")


def mismatch(value: Any, expected: str) -> str:
    """What was found and what was expected, in one clause."""
    said, number = found(value), type(value) is int or (type(value) is float and expected.startswith("a number"))
    if number and "number" in expected:
        said = f"{value}"
    elif said == "text" and (expected.startswith("text") or "as text" in expected):
        said = "another text"
    elif said == "a list" and expected.startswith(said):
        said = "another list"
    return f"found {said}, expected {expected}"
