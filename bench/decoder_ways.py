"""Three ways to decode a report by the product's own schema, each made from the same catalogue.

Rule 1: each takes a payload only if every key is known, every value is of its type and within its bounds, and no key
        stands twice; what it took it can write as JSON.
"""

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal, NamedTuple

import msgspec
import orjson
import typing_extensions
from msgspec import UNSET
from pydantic import AwareDatetime, ConfigDict, Field, TypeAdapter

from collector.fields.catalogue import GROUPS, SNAPSHOT_GROUPS, Catalogue, FieldEntry, Group, InputEntry
from collector.fields.compiled import ENVELOPE, MAX_EVENTS, MESSAGE_ID, Compiled, entries_of
from collector.fields.generated import function
from collector.fields.types import annotation, pattern_of
from collector.model import POLICY_VERSION

Entry = FieldEntry | InputEntry
Decode = Callable[[bytes], Any]
Encode = Callable[[Any], bytes]
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
_UPTIME_MOST: Final = 2**32


class Way(NamedTuple):
    """A way to decode: *decode* gives None for what is refused, *encode* writes what was taken."""

    decode: Decode
    encode: Encode


def structs(catalogue: Catalogue) -> Way:
    """The product's own: closed msgspec structs; patterns remembered, a key twice seen by counting quotes."""
    compiled, encode = Compiled(catalogue), msgspec.json.Encoder().encode

    def decode(payload: bytes) -> Any:
        tree = compiled.decode(payload)
        return tree if tree is not None and payload.count(b'"') == encode(tree).count(b'"') else None

    return Way(decode, encode)


def structs_alone(catalogue: Catalogue) -> Way:
    """The same with the patterns in the structs, where msgspec asks them anew each time."""
    compiled, encode = Compiled(catalogue), msgspec.json.Encoder().encode
    decoder = msgspec.json.Decoder(compiled.report)

    def decode(payload: bytes) -> Any:
        try:
            tree = decoder.decode(payload)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None
        return tree if payload.count(b'"') == encode(tree).count(b'"') else None

    return Way(decode, encode)


def generated(catalogue: Catalogue) -> Way:
    """orjson, then a function a group written out from the catalogue, as `fields.generated` makes them."""
    checks: dict[str, Any] = {group: _group_check(catalogue, group, {}) for group in GROUPS}
    snapshot = _members_check("snapshot", {group: _call(group) for group in SNAPSHOT_GROUPS}, _named(checks))
    kinds = f"value in {tuple(event.name for event in catalogue.event)!r}"
    own = {"event": kinds, "time": "is_time(value)", "disconnect_snapshot": "check_snapshot(value)"}
    event = _group_check(catalogue, "event", own, {"check_snapshot": snapshot, "is_time": _is_time})
    known = {**_named(checks), "check_event": event, "is_time": _is_time}
    known |= {"has_id": _whole_match(MESSAGE_ID), "has_policy": _whole_match(POLICY_VERSION)}
    listed = f"type(value) is list and len(value) <= {MAX_EVENTS} and all(map(check_event, value))"
    members: dict[str, str] = {**_ENVELOPE_CHECKS, **{group: _call(group) for group in GROUPS}, "events": listed}
    check = _members_check("report", members, known)

    def decode(payload: bytes) -> Any:
        try:
            document = orjson.loads(payload)
        except orjson.JSONDecodeError:
            return None
        taken = check(document) and payload.count(b'"') == orjson.dumps(document).count(b'"')
        return document if taken else None

    return Way(decode, orjson.dumps)


_ENVELOPE_CHECKS: Final = {
    "schema_version": f"type(value) is int and 0 <= value <= {2**31}",
    "message_id": "type(value) is str and has_id(value)",
    "ueip": "value is True or value is False",
    "policy_version": "type(value) is str and has_policy(value)",
    "country": "type(value) is str and len(value) <= 64",
    "time": "is_time(value)",
    "uptime_at_event_seconds": f"type(value) is int and 0 <= value <= {_UPTIME_MOST}",
    "uptime_at_send_seconds": f"type(value) is int and 0 <= value <= {_UPTIME_MOST}",
}


def _call(group: str) -> str:
    return f"check_{group}(value)"


def _named(checks: dict[str, Any]) -> dict[str, Any]:
    return {f"check_{group}": check for group, check in checks.items()}


def _group_check(
    catalogue: Catalogue, group: Group, own: dict[str, str], known: dict[str, Any] | None = None
) -> Callable[[Any], bool]:
    entries, known = entries_of(catalogue, group), dict(known or {})
    for entry in entries:
        if pattern := pattern_of(entry):
            known[f"matches_{entry.name}"] = _remembered(pattern)
    members = {entry.name: _condition(entry) for entry in entries if entry.name not in own}
    known["is_time"] = _is_time
    return _members_check(group, {**members, **own}, known)


def _members_check(name: str, members: dict[str, str], known: dict[str, Any]) -> Callable[[Any], bool]:
    """A function that holds each member against its condition, and refuses a member without one."""
    lines = ["if type(tree) is not dict: return False", "left = len(tree)"]
    for member, condition in members.items():
        assert _NAME.fullmatch(member)
        lines += [f"if (value := tree.get({member!r}, UNSET)) is not UNSET:", "    left -= 1"]
        lines += [f"    if not ({condition}): return False"]
    return function(f"check_{name}", "tree", [*lines, "return not left"], {"UNSET": UNSET, **known})


def _condition(entry: Entry) -> str:
    match entry.type:
        case "bool":
            return "value is True or value is False"
        case "int":
            return f"type(value) is int and {entry.min!r} <= value <= {entry.max!r}"
        case "number":
            return f"(type(value) is int or type(value) is float) and {entry.min!r} <= value <= {entry.max!r}"
        case "enum":
            kind = type((entry.values or ("",))[0]).__name__
            return f"type(value) is {kind} and value in {entry.values!r}"
        case "list" | "ssid":
            return f"type(value) is str and 1 <= len(value) <= {entry.max_length}"
        case "time":
            return "is_time(value)"
        case _:
            return f"type(value) is str and len(value) <= {entry.max_length or 64} and matches_{entry.name}(value)"


def _whole_match(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern).fullmatch


def _remembered(pattern: str) -> Callable[[str], bool]:
    """Whether a text has the pattern, asked once a text, as the product does."""
    matches = re.compile(pattern).match
    return lru_cache(16_384)(lambda text: matches(text) is not None)


def _is_time(value: Any) -> bool:
    try:
        return type(value) is str and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False


def models(catalogue: Catalogue) -> Way:
    """pydantic, strict, unknown keys forbidden. Typed dicts: models, with hundreds of absent members, cost double."""
    made: dict[str, Any] = {group: _typed(group, _kinds(catalogue, group)) for group in GROUPS}
    snapshot = _typed("snapshot", {group: made[group] for group in SNAPSHOT_GROUPS})
    own = {"event": Literal[tuple(event.name for event in catalogue.event)], "time": AwareDatetime}
    event = _typed("event", {**_kinds(catalogue, "event"), **own, "disconnect_snapshot": snapshot})
    events = Annotated[list[event], Field(max_length=MAX_EVENTS)]  # type: ignore[valid-type]
    adapter = TypeAdapter(_typed("report", {**_envelope(), **made, "events": events}))
    validate = adapter.validate_json

    def decode(payload: bytes) -> Any:
        try:
            tree = validate(payload)
        except ValueError:
            return None
        return tree if payload.count(b'"') == orjson.dumps(tree).count(b'"') else None

    return Way(decode, orjson.dumps)


_TYPED_DICT: Final[Any] = typing_extensions.TypedDict
"""To make one of names that only the catalogue knows; a type checker has no use for that."""


def _typed(name: str, kinds: dict[str, Any]) -> Any:
    made = _TYPED_DICT(name, kinds, total=False)
    made.__pydantic_config__ = ConfigDict(extra="forbid", strict=True, regex_engine="python-re")
    return made


def _envelope() -> dict[str, Any]:
    texts = {"message_id": MESSAGE_ID, "policy_version": POLICY_VERSION}
    whole = {"schema_version": 2**31, "uptime_at_event_seconds": _UPTIME_MOST, "uptime_at_send_seconds": _UPTIME_MOST}
    known: dict[str, Any] = {name: Annotated[str, Field(pattern=pattern)] for name, pattern in texts.items()}
    known |= {name: Annotated[int, Field(ge=0, le=most)] for name, most in whole.items()}
    known |= {"ueip": bool, "country": Annotated[str, Field(max_length=64)], "time": AwareDatetime}
    assert known.keys() == ENVELOPE.keys()
    return known


def _kinds(catalogue: Catalogue, group: Group) -> dict[str, Any]:
    return {entry.name: _kind(entry) for entry in entries_of(catalogue, group)}


def _kind(entry: Entry) -> Any:
    match entry.type:
        case "int":
            return Annotated[int, Field(ge=entry.min, le=entry.max)]
        case "number":
            return Annotated[int | float, Field(ge=entry.min, le=entry.max)]
        case "list" | "ssid":
            return Annotated[str, Field(min_length=1, max_length=entry.max_length)]
        case "time":
            return AwareDatetime
        case "bool" | "enum":
            return annotation(entry)
        case _:
            return Annotated[str, Field(pattern=pattern_of(entry), max_length=entry.max_length or 64)]


WAYS: Final[dict[str, Callable[[Catalogue], Way]]] = {
    "msgspec, patterns remembered: the product": structs,
    "msgspec alone": structs_alone,
    "orjson and generated code": generated,
    "pydantic": models,
}
