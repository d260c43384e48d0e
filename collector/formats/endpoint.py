"""USP endpoint ids (TR-369, 2.2): which router one names.

    scheme ":" authority ":" instance     os::00256D-0123456789, uuid::f81d4fae-..., oui:00256D:box-42

Rule 1: `os` and `ops` carry the serial number, behind the manufacturer's OUI (and the product class): the serial is
        the router, as it is in topics of our own format, in the registry and in what a customer reads out.
Rule 2: an instance is unique within its authority only, so the authority, if there is one, is part of the identity.
Rule 3: what is no endpoint id is taken as it is.
"""

import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from collector.formats.report import ROUTER

_ENDPOINT: Final = re.compile(
    r"(?:urn:bbf:usp:id:)?(?P<scheme>[a-z][a-z-]{1,15}):(?P<authority>[^:/]{0,64}):(?P<instance>[^:/]{1,128})"
)
_PARTS: Final = {"os": 2, "ops": 3}
"""How many parts, with hyphens between them, the instance of a scheme with a serial number has (TR-069, 3.4.4)."""
_REPLY_TO: Final = "reply-to="
_OUI_AND_SERIAL: Final = re.compile(r"[0-9A-F]{6}-(?P<serial>.+)")


_LONGEST: Final = 512
"""Most characters of a name: no topic of a source is longer. It bounds the memory for names."""


def router_of(named: str) -> str | None:
    """The router's identity as in topics of our own format, or None for what cannot be one.

    In a level `reply-to=<topic>`, by which MQTT 3.1.1 agents say where answers go (TR-369, 4.4.2), the last level of
    that topic counts.
    """
    return _router_of(named) if len(named) <= _LONGEST else None


@lru_cache(65_536)
def _router_of(named: str) -> str | None:
    if named.startswith(_REPLY_TO):
        return _of_reply_topic(unquote(named.removeprefix(_REPLY_TO)))
    identity = _identity(named)
    return identity if ROUTER.fullmatch(identity) else None


def _identity(named: str) -> str:
    match = _ENDPOINT.fullmatch(named)
    if match is None:
        return named
    instance = unquote(match["instance"])
    if match["scheme"] == "imei-esn":
        return instance.partition("-")[0]
    if (serial := serial_of(named)) is not None:
        return serial
    return f"{match['authority']}-{instance}" if match["authority"] else instance


def serial_of(endpoint: str) -> str | None:
    """The serial number in an endpoint id, None where its scheme has none.

    OUI, product class and serial number are split before they are decoded: hyphens within them are written `%2D`.
    """
    match = _ENDPOINT.fullmatch(endpoint)
    if match is None or match["scheme"] not in _PARTS:
        return None
    parts = match["instance"].split("-", _PARTS[match["scheme"]] - 1)
    return unquote(parts[-1]) if len(parts) == _PARTS[match["scheme"]] else None


def _of_reply_topic(topic: str) -> str | None:
    level = topic.rpartition("/")[2]
    if match := _OUI_AND_SERIAL.fullmatch(level):
        level = unquote(match["serial"])
    return router_of(level) if not level.startswith(_REPLY_TO) else None
