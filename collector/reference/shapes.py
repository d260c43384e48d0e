"""What a value may be, in words for people."""

from typing import Final

from collector.fields.catalogue import NUMERIC, SNAPSHOT_GROUPS, FieldEntry, InputEntry
from collector.reference.markdown import codes

TYPES: Final = {
    "bool": "JSON `true` or `false`; never 0, 1 or text.",
    "int": 'JSON number without fraction or exponent, within its bounds: `20`, never `20.0` or `"20"`.',
    "number": "JSON number within its bounds.",
    "enum": "One of the values listed, spelt as listed.",
    "list": "Text. A value of the closed list in `config/` is stored; any other is stored as `other`.",
    "ver64": "1 to 64 of `A-Z a-z 0-9 . _ + -`, with no nine digits in a row.",
    "code32": "1 to 32 of `A-Z a-z 0-9 . _ -`, with no nine digits in a row.",
    "plmn": "MCC and MNC as text of 5 or 6 digits, with leading zeros.",
    "mcc": "Mobile country code, 3 digits as text.",
    "country": "ISO 3166-1 alpha-2, two capital letters.",
    "time": "RFC 3339 in UTC, as `2026-11-21T17:00:00Z`.",
    "ref": "A pseudonym, 32 hex digits. Made by the collector, never sent.",
    "snapshot": f"An object of the groups {codes(SNAPSHOT_GROUPS)}.",
    "text": "1 or more printable ASCII characters without spaces.",
    "imei": "15 digits (IMEI) or 16 (IMEISV), as text.",
    "mac": "12 hex digits, with `:`, `-` or nothing between the pairs.",
    "digits": "Digits, as text.",
    "ipv4": "Dotted IPv4 address, with or without a prefix length.",
    "ipv6": "IPv6 address, with or without a prefix length.",
    "ssid": "Network name, 1 to 32 characters and no more than 32 octets of UTF-8.",
    "domain": "Letters, digits, dots and hyphens.",
}
"""Every type of the catalogue."""

_SHORT: Final = {
    "bool": "`true`, `false`",
    "ver64": "1 to 64 of `A-Z a-z 0-9 . _ + -`",
    "code32": "1 to 32 of `A-Z a-z 0-9 . _ -`",
    "plmn": "5 or 6 digits",
    "mcc": "3 digits",
    "country": "2 capital letters",
    "time": "RFC 3339, UTC",
    "ref": "32 hex digits",
    "imei": "15 or 16 digits",
    "mac": "12 hex digits",
    "ipv4": "IPv4",
    "ipv6": "IPv6",
    "snapshot": codes(SNAPSHOT_GROUPS),
}


def bounds(entry: FieldEntry | InputEntry) -> str:
    """The bounds or values of *entry*."""
    if entry.type in NUMERIC:
        return f"{entry.min} to {entry.max}"
    if entry.values:
        return codes(entry.values)
    if entry.type == "digits":
        return f"{entry.min_length} to {entry.max_length} digits"
    return _SHORT.get(entry.type, f"1 to {entry.max_length} characters")
