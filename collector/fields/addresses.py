"""What is worked out from IP addresses; they are stored nowhere themselves."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final

_CACHED: Final = 16_384
_CGNAT: Final = IPv4Network("100.64.0.0/10")  # RFC 6598
_ULA: Final = IPv6Network("fc00::/7")  # RFC 4193; `is_private` would take documentation and Teredo addresses too
_GLOBAL: Final = IPv6Network("2000::/3")  # RFC 4291, 2.4: what is assigned of global unicast


@lru_cache(_CACHED)
def wan_class(ipv4: str | None, ipv6: str | None) -> str | None:
    """The class of the WAN addresses (U11), None if what was sent is no address."""
    try:
        four = _class_of_ipv4(IPv4Address(ipv4.partition("/")[0])) if ipv4 else None
        six = _class_of_ipv6(IPv6Address(ipv6.partition("/")[0])) if ipv6 else None
    except ValueError:
        return None
    if four and six == "gua_v6":
        return "dual"
    return four or six or "none"


@lru_cache(_CACHED)
def overlap(lan: str, wan: str) -> bool:
    """Whether the two IPv4 networks share addresses; an address without a prefix length stands alone."""
    (one, length), (other, other_length) = _ipv4_and_length(lan), _ipv4_and_length(wan)
    return (one ^ other) >> (32 - min(length, other_length)) == 0


def _ipv4_and_length(text: str) -> tuple[int, int]:
    """An address as a number, and its prefix length; a tenth of `ipaddress`'s time, for a text known to be in form."""
    address, _, length = text.partition("/")
    return int.from_bytes(bytes(map(int, address.split("."))), "big"), int(length or 32)


def _class_of_ipv4(address: IPv4Address) -> str | None:
    if address.is_unspecified or address.is_loopback or address.is_link_local or address.is_multicast:
        return None
    if address in _CGNAT:
        return "cgnat_v4"
    return "private_v4" if address.is_private else "public_v4"


def _class_of_ipv6(address: IPv6Address) -> str | None:
    if (mapped := address.ipv4_mapped) is not None:  # as dual-stack sockets show an IPv4 address (RFC 4291, 2.5.5.2)
        return _class_of_ipv4(mapped)
    return "gua_v6" if address in _GLOBAL else "ula_v6" if address in _ULA else None
