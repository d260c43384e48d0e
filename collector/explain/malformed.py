"""Why a payload is malformed, in a sentence: what `process` only counts, for the eyes of the message's own author."""

import json
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
_JSON: Final = ("goform", "ubus", "netjson")


class _Fault(ValueError):
    """A fault in words."""


def why_malformed(payload: bytes, max_depth: int, form: str | None = None) -> str:
    """What is wrong with a payload of our own format, or of another one."""
    if form is None:
        return json_fault(payload, max_depth) or "It is JSON in order; a value in it cannot be read."
    expected = f"Expected {_LAYOUT.get(form, form)}."
    if not payload.strip(b"\0 \t\r\n"):
        return f"The payload is empty. {expected}"
    if form in _JSON or (form == "bulk_data" and payload.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in b"{["):
        fault = json_fault(payload, max_depth, objects_only=False)
        return f"{fault or 'It is JSON in order, laid out otherwise.'} {expected}"
    return f"The payload is none. {expected}"


def json_fault(payload: bytes, max_depth: int, *, objects_only: bool = True) -> str | None:
    """Why bytes are not strict JSON (G1), with its place; None if they are."""
    try:
        text = payload.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"Not UTF-8: byte {error.start + 1} of {len(payload)} is none of a character."
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        return f"Not JSON: {error.msg} at line {error.lineno}, column {error.colno}."
    except _Fault as fault:
        return str(fault)
    except (RecursionError, ValueError):
        return f"Too deep: nested deeper than the {max_depth} levels that are allowed, or a number nobody can read."
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
            raise _Fault(f"A key twice in one object: '{name}'.")
        made[name] = value
    return made


def _constant(name: str) -> NoReturn:
    raise _Fault(f"Not JSON: found {name}, which JSON has no number for.")
