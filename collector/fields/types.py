"""The types of the catalogue as msgspec annotations: what a value must be to be taken, bounds included (F3)."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from collector.fields.catalogue import FieldEntry, InputEntry

_OCTET: Final = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
PATTERNS: Final = {
    # No run of nine digits: a version or code cannot carry a phone number, an IMEI or an account.
    "ver64": r"^(?!.*[0-9]{9})[A-Za-z0-9._+-]{1,64}$",
    "code32": r"^(?!.*[0-9]{9})[A-Za-z0-9_.-]{1,32}$",
    "plmn": r"^[0-9]{5,6}$",
    "mcc": r"^[0-9]{3}$",
    "country": r"^[A-Z]{2}$",
    "imei": r"^[0-9]{15,16}$",
    "mac": r"^([0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}$",
    "ipv4": rf"^({_OCTET}\.){{3}}{_OCTET}(/(3[0-2]|[12]?[0-9]))?$",
    "ipv6": r"^[0-9A-Fa-f:.]{2,39}(/[0-9]{1,3})?$",
    "domain": r"^[A-Za-z0-9.-]{1,253}$",
    "text": r"^[!-~]{1,64}$",
}
"""In the dialect that JSON Schema and Python share."""


def strict(pattern: str) -> str:
    """The pattern for Python, where `$` would also match before a line break at the end."""
    return pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern


def annotation(entry: FieldEntry | InputEntry) -> Any:
    """The msgspec annotation of what a router may send for *entry*."""
    match entry.type:
        case "bool":
            return bool
        case "int":
            return Annotated[int, Meta(ge=_whole(entry.min), le=_whole(entry.max))]
        case "number":
            low, high = entry.min, entry.max
            return Annotated[int, Meta(ge=low, le=high)] | Annotated[float, Meta(ge=low, le=high)]
        case "enum":
            return Literal[entry.values]
        case "list" | "ssid":
            return Annotated[str, Meta(min_length=1, max_length=entry.max_length)]
        case "time":
            return Annotated[datetime, Meta(tz=True)]
        case _:
            return Annotated[str, Meta(pattern=pattern_of(entry), max_length=entry.max_length)]


def pattern_of(entry: FieldEntry | InputEntry) -> str | None:
    """The pattern that a value of *entry* must have, for Python, or None for a type without one."""
    if entry.type == "digits":
        return rf"^[0-9]{{{entry.min_length},{entry.max_length}}}\Z"
    return strict(PATTERNS[entry.type]) if entry.type in PATTERNS else None


def optional(kind: Any) -> Any:
    """*kind*, or absent. JSON null is neither."""
    return kind | msgspec.UnsetType


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)
