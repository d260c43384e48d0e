"""Conversions for parameters of the TR-181 and TR-098 data models. The rules are those of `converters`."""

import re
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, Final
from zoneinfo import ZoneInfo

from collector.formats.endpoint import serial_of
from collector.formats.nothing import NOTHING
from collector.formats.times import moment

_BETWEEN: Final = re.compile(r"[\s/,;()&]+")
"""What separates the parts of a version. No colon: that separates the parts of an address."""
_NUMBER_PART: Final = re.compile(r"[0-9+-]+")
_LONGEST_NUMBER: Final = 8
"""Most digits in a row in a version (`ver64`); more in several parts, and nothing else, are somebody's number."""
_VERSION_WORDS: Final = frozenset(
    "alpha beta build final fw hotfix hw patch prod rc rel release rev revision sp sw ver version".split()
)
_VERSION_PART: Final = re.compile(r".*[0-9].*|[A-Z]{1,4}")
"""One of several parts of a version: it has a digit in it, or is a few capitals like `EU`."""
_REGULATORY: Final = re.compile(r"(?P<country>[A-Za-z]{2})[ IiOo]?")
_DIGITS_APART: Final = re.compile(r"([0-9]{3})[ -]?([0-9]{2,3})")
_STANDARD: Final = re.compile(r"(?<![a-z])(be|ax|ac|[abgn])(?![a-z])|(?<![a-z])([abgn]{2,4})(?![a-z])")
_NEWEST_FIRST: Final = ("be", "ax", "ac", "n", "g", "a", "b")
_BEACONS: Final = {
    "WPA": "wpa",
    "BasicandWPA": "wpa",
    "11i": "wpa2",
    "Basicand11i": "wpa2",
    "WPAand11i": "wpa_wpa2",
    "BasicandWPAand11i": "wpa_wpa2",
    "11iandWPA3": "wpa2_wpa3",
    "WPA3": "wpa3",
}
_NONE: Final = IPv4Address(0)
_GLOBAL: Final = IPv6Network("2000::/3")  # RFC 4291, 2.4: what is assigned of global unicast
_CGNAT: Final = IPv4Network("100.64.0.0/10")  # RFC 6598
_UTC: Final = ZoneInfo("UTC")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FOREVER: Final = 4_102_444_800_000
"""2100-01-01, in milliseconds: data models write the year 9999 for never."""
_RCPI_END: Final = 220


def version(value: Any) -> Any:
    """A version, its parts joined by `_` where firmware writes blanks, brackets or commas between them.

    With a word that no version has it is free text, which is not kept (F8).
    """
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("no version")  # noqa: TRY004 - rule 1
    parts = [part for part in _BETWEEN.split(str(value)) if part]
    if len(parts) > 1 and not all(
        _VERSION_PART.fullmatch(p) or p.lower().strip("._-") in _VERSION_WORDS for p in parts
    ):
        raise ValueError("a text")
    if all(map(_NUMBER_PART.fullmatch, parts)) and sum(map(str.isdigit, "".join(parts))) > _LONGEST_NUMBER:
        raise ValueError("a number")
    return "_".join(parts) or NOTHING


def serial(value: Any) -> Any:
    """A serial number; all zeros stand for a router that was given none."""
    text = "".join(str(value).split())
    return text if text.strip("0") else NOTHING


def endpoint_serial(value: Any) -> Any:
    """The serial number in a USP endpoint id, where its scheme has one (TR-369, R-ARC.2a)."""
    return serial_of(str(value).strip()) or NOTHING


def iccid(value: Any) -> Any:
    """An ICCID without the `F` that fills its last octet (ITU-T E.118, 3GPP TS 31.102, 4.2)."""
    return "".join(str(value).split()).rstrip("Ff") or NOTHING


def plmn_or_name(value: Any) -> Any:
    """A PLMN where the name of a network may stand; a name says nothing that is kept (Z12)."""
    match = _DIGITS_APART.fullmatch(str(value).strip())
    return match[1] + match[2] if match else NOTHING


def newest_standard(value: Any) -> Any:
    """The newest of a list of 802.11 amendments: `b,g,n`, `802.11a/n/ac mixed`, `bgn`."""
    found = _STANDARD.findall(str(value).lower().replace("802.11", " "))
    letters = {one for one, _ in found} | set("".join(several for _, several in found))
    newest = next((standard for standard in _NEWEST_FIRST if standard in letters), None)
    if newest is None:
        raise ValueError("no amendment")
    return newest


def beacon_security(value: Any) -> Any:
    """The security mode of a beacon type, the encryption of its basic kind, and how 802.11i authenticates (TR-098)."""
    beacon, basic, authentication = (str(part).strip() for part in value)
    if beacon in {"None", "Basic"}:
        return "wep" if beacon == "Basic" and basic.startswith("WEP") else "none"
    return "enterprise" if authentication.startswith("EAP") else _BEACONS[beacon]


def regulatory_country(value: Any) -> Any:
    """The country of a regulatory domain, whose third letter says indoors or outdoors (TR-181, RegulatoryDomain)."""
    match = _REGULATORY.fullmatch(str(value).strip())
    if match is None:
        raise ValueError("no regulatory domain")
    return match["country"].upper()


def ipv4_network(value: Any) -> Any:
    """An address with its prefix length, from address and mask."""
    address, mask = (str(part).strip() for part in value)
    if IPv4Address(address) == _NONE:
        return NOTHING
    return f"{address}/{IPv4Network(f'0.0.0.0/{mask}').prefixlen}"


def public_ipv4(value: Any) -> Any:
    """An address that no LAN can have: it is the WAN's, though nothing says so."""
    address = IPv4Address(str(value).strip())
    return str(address) if address.is_global or address in _CGNAT else NOTHING


def global_ipv6(value: Any) -> Any:
    """A global address; a link-local or unique local one may be the LAN's."""
    address = IPv6Address(str(value).strip().partition("/")[0])
    return str(address) if address in _GLOBAL else NOTHING


def rcpi(value: Any) -> Any:
    """A level in dBm from an RCPI: half decibels above -110 dBm, up to 220 (IEEE 802.11, 9.4.2.37)."""
    found = int(str(value).strip())
    if not 0 <= found <= _RCPI_END:
        return NOTHING
    return found / 2 - 110


def time(value: Any) -> Any:
    """A time; nothing for a clock that was never set and for a date that means never."""
    when = moment(value, _UTC)
    return NOTHING if when is None or when >= _FOREVER else _EPOCH + timedelta(milliseconds=when)
