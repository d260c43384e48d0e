"""Looks inside strings that carry structures: JSON, base64 of it, XML, query strings and packed lists (1.7.1, step 6).

Only names are wanted, to count refused ones; values are never returned. Patterns are linear in the text.
"""

import base64
import binascii
import re
from typing import Any, Final

import orjson

_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]{12,}={0,2}")
_XML_NAME: Final = re.compile(r"<([A-Za-z_][A-Za-z0-9_.:-]{0,63})")
_PAIR_NAME: Final = re.compile(r"(?:^|[&;,?\s)])([A-Za-z_][A-Za-z0-9_.-]{0,63})[=:]")
_PEM: Final = "-----BEGIN"
PEM_NAME: Final = "private_key"
"""The refused name that stands for any value that starts like a PEM block."""


def unpack(text: str) -> Any:
    """The structure in *text*, names as keys, or None if it is plain text."""
    stripped = text.strip()
    if stripped.startswith(_PEM):
        return {PEM_NAME: None}
    if stripped.startswith(("{", "[")):
        return _json(stripped)
    if stripped.startswith("<"):
        return _named(_XML_NAME, stripped)
    if _BASE64.fullmatch(stripped):
        return _base64(stripped)
    return _named(_PAIR_NAME, stripped) if "=" in stripped or ":" in stripped else None


def _json(text: str) -> Any:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict | list) else None


def _base64(text: str) -> Any:
    padded = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        plain = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None
    # Text that decodes to more base64 is left alone: firmware uses one layer.
    return None if _BASE64.fullmatch(plain.strip()) else unpack(plain)


def _named(pattern: re.Pattern[str], text: str) -> dict[str, None] | None:
    return dict.fromkeys(pattern.findall(text)) or None
