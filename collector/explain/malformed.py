"""Why a payload is malformed, in a sentence for the message's own author; `process` only counts it."""

import json
import re
import sys
from typing import Any, Final, NoReturn

from collector.formats.strict_json import deeper_than

_LAYOUT: Final = {
    "bulk_data": "a bulk data report: an object with `Report`, or CSV (TR-369, annex A)",
    "usp": "a USP Record (TR-369, protobuf) that carries its message whole, unencrypted",
    "goform": "an object of names and values",
    "ubus": "an object of names and values, or answers of ubus",
    "collectd": "`time:value[:value]` and a NUL",
    "netjson": "an object of the type DeviceMonitoring",
}
_PACKED: Final = (
    b"\x1f\x8b", b"\x78\x01", b"\x78\x9c", b"\x78\xda", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ", b"PK\x03\x04",
)  # fmt: skip
"""How gzip, zlib, zstd, bzip2, xz and ZIP begin."""
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_ANY_DEPTH: Final = 64
_JSON: Final = ("goform", "ubus", "netjson")


class _Fault(ValueError):
    """A fault in words."""


def why_malformed(payload: bytes, max_depth: int, form: str | None = None) -> str:
    """What is wrong with a payload of our own format, or of *form*; of half a character, its escape is shown."""
    return _why(payload, max_depth, form).encode("utf-8", "backslashreplace").decode("utf-8")


def _why(payload: bytes, max_depth: int, form: str | None) -> str:
    if form is None:
        found = _mistaken(payload) or json_fault(payload, max_depth) or _unreadable(json.loads(payload))
        return found or "It is valid JSON, but a value in it cannot be read."
    expected = f"Expected {_LAYOUT.get(form, form)}."
    if not payload.strip(b"\0 \t\r\n"):
        return f"The payload is empty. {expected}"
    if form in _JSON or (form == "bulk_data" and payload.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in b"{["):
        fault = json_fault(payload, max_depth, objects_only=False)
        return f"{fault or 'It is valid JSON, but laid out differently.'} {expected}"
    return f"The payload is something else. {expected}"


def _mistaken(payload: bytes) -> str | None:
    """What bytes look like that are not JSON in UTF-8 by a common mistake; None for any others."""
    if not payload.strip():
        return "The payload is empty. Expected one JSON object."
    if payload.startswith(_PACKED):
        return "It looks compressed. Expected plain JSON: nothing is unpacked."
    if payload.startswith((b"\xff\xfe", b"\xfe\xff")) or (b"{" in payload[:2] and b"\0" in payload[:2]):
        return "It looks like UTF-16. Expected UTF-8, without a byte order mark."
    if payload.startswith(b"\xef\xbb\xbf"):
        return "It begins with a byte order mark (EF BB BF). Expected UTF-8 without one."
    if payload.endswith(b"\0") and json_fault(payload.rstrip(b"\0"), _ANY_DEPTH) is None:
        return "A NUL follows the object, as at the end of a C string. Expected only the bytes before it."
    return None


def _unreadable(node: Any, path: str = "") -> str:
    """Which value of strict JSON is one that programs cannot hold."""
    where = f"`{path}`: " if path else ""
    if isinstance(node, str) and _SURROGATE.search(node):
        return f"{where}found half a character (a lone surrogate, \\ud800 to \\udfff), expected both halves."
    if type(node) in {int, float} and not abs(node) <= sys.float_info.max:
        return f"{where}found a number that is too large."
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        inner = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}" if path else str(key)
        if said := (_unreadable(key, inner) if isinstance(key, str) else "") or _unreadable(child, inner):
            return said
    return ""


def json_fault(payload: bytes, max_depth: int, *, objects_only: bool = True) -> str | None:
    """Why bytes are not strict JSON (G1), with its place; None if they are."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"Not UTF-8: byte {error.start + 1} of {len(payload)} is not part of a character."
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        return f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
    except _Fault as fault:
        return str(fault)
    except (RecursionError, ValueError):
        return f"Too deep: nested deeper than the {max_depth} levels that are allowed; or a number has too many digits."
    if not isinstance(value, dict if objects_only else dict | list):
        return f"Not an object: found {_KINDS.get(type(value), 'a number')} at the top."
    if deeper_than(value, max_depth):
        return f"Too deep: nested deeper than the {max_depth} levels that are allowed."
    return None


_KINDS: Final[dict[type[Any], str]] = {
    list: "a list", str: "a text", bool: "true or false", type(None): "null",
}  # fmt: skip


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, value in pairs:
        if name in made:
            raise _Fault(f"A key appears twice in one object: '{name}'.")
        made[name] = value
    return made


def _constant(name: str) -> NoReturn:
    raise _Fault(f"Not JSON: found {name}, which is no number in JSON.")
