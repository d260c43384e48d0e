"""Conversions from what routers write to what the catalogue takes. An alias names the one it needs.

Rule 1: a conversion returns a value, or `NOTHING` where none was measured; it raises ValueError for anything else.
Rule 2: no conversion decides on bounds; the catalogue does.
"""

import math
import re
from typing import Any, Final

from collector.formats import parameters
from collector.formats.nothing import NOTHING, Convert

_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,20}(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")
_YES: Final = frozenset({"1", "true", "on", "enable", "enabled", "yes", "up"})
_NO: Final = frozenset({"0", "false", "off", "disable", "disabled", "no", "down"})
_CLOCK: Final = re.compile(r"(?:(\d{1,4})w\s*)?(?:(\d{1,6})\s*d(?:ays?)?,?\s*)?(\d{1,4}):(\d{2}):(\d{2})")
_SPELT: Final = re.compile(r"(?:(\d{1,6})\s*d\s*)?(?:(\d{1,6})\s*h\s*)?(?:(\d{1,6})\s*m\s*)?(?:(\d{1,6})\s*s)?")
"""Blanks belong to the part before them: between optional parts, one blank could be matched in several ways."""
_DAY, _HOUR, _MINUTE = 86_400, 3600, 60
_THREE_DIGITS: Final = frozenset(
    "302 310 311 312 313 314 315 316 330 334 338 342 344 346 348 352 354 356 358 360 364 365 366 376 708 722 732"
    " 750".split()
)
"""Country codes whose networks have codes of three digits (ITU-T E.212, its annex of networks); others have two."""
_ZTE: Final = re.compile(r"zte\b(\s*corp(\.|oration)?)?[\s_-]*", re.IGNORECASE)
_SERIES: Final = re.compile(r"zx[a-z0-9]{2,3}\s+", re.IGNORECASE)
"""ZTE's fixed-line series, which its gateways write before the model: "ZXHN H199A", "ZXV10 H108L"."""
_HOTTEST: Final = 80
"""Degrees Celsius; no battery gets hotter than this."""
_THOUSANDTHS: Final = 1000
_VOLTS: Final = 30
_MICROVOLTS: Final = 100_000


def number(value: Any) -> Any:
    """A number, also written as text; NaN and infinity are no measurement."""
    if isinstance(value, bool):
        raise ValueError("a boolean is not a number")  # noqa: TRY004 - rule 1: one exception for all of them
    if isinstance(value, str):
        text = value.strip()
        if text.lower() in {"nan", "-nan"}:
            return NOTHING
        if not _NUMBER.fullmatch(text):
            raise ValueError("not a number")
        value = float(text) if any(mark in text for mark in ".eE") else int(text)
    if isinstance(value, float):
        if not math.isfinite(value):
            return NOTHING
        return int(value) if value.is_integer() else value
    if isinstance(value, int):
        return value
    raise ValueError("not a number")


def whole(value: Any) -> Any:
    """A whole number; a fraction is rounded to the nearest."""
    found = number(value)
    return found if found is NOTHING or isinstance(found, int) else round(found)


def boolean(value: Any) -> Any:
    """Yes or no, in the spellings routers use."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    if text in _YES or text in _NO:
        return text in _YES
    raise ValueError("neither yes nor no")


def text(value: Any) -> Any:
    """Text without blanks at its ends; a number is taken as it is written."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("no text")  # noqa: TRY004 - rule 1
    return str(value).strip() or NOTHING


def inverse(value: Any) -> Any:
    """The opposite of `boolean`, for names that say what is off."""
    return not boolean(value)


def _scaled(factor: float) -> Convert:
    def convert(value: Any) -> Any:
        found = number(value)
        return found if found is NOTHING else round(found * factor, 3)

    return convert


def negative(value: Any) -> Any:
    """A level in dBm that has lost its sign."""
    found = number(value)
    return found if found is NOTHING else -abs(found)


def hexadecimal(value: Any) -> Any:
    """A whole number written in hex without a prefix."""
    if not isinstance(value, str) or not re.fullmatch(r"(0[xX])?[0-9A-Fa-f]{1,16}", value.strip()):
        raise ValueError("no hex number")
    return int(value.strip(), 16)


def duration(value: Any) -> Any:
    """Seconds of a duration: a number, ` 0h 11m 22s`, RouterOS's `1w2d03:04:05`, or `2 days, 3:04:05`."""
    if not isinstance(value, str) or _NUMBER.fullmatch(value.strip()):
        return whole(value)
    if match := _CLOCK.fullmatch(value.strip()):
        weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        return (weeks * 7 + days) * _DAY + hours * _HOUR + minutes * _MINUTE + seconds
    match = _SPELT.fullmatch(value.strip())
    if not match or not any(match.groups()):
        raise ValueError("no duration")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return days * _DAY + hours * _HOUR + minutes * _MINUTE + seconds


def plmn(value: Any) -> Any:
    """A PLMN, or its country and network code put together with the zeros that numbers lose (3GPP TS 23.003, 2.2).

    A country code of zero belongs to no network.
    """
    parts = [str(part).strip() for part in value] if isinstance(value, list) else [str(value).strip()]
    if not parts or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError("no digits")
    if not parts[0].strip("0"):
        return NOTHING
    if len(parts) == 1:
        return parts[0]
    mcc, mnc = parts
    mcc = mcc.zfill(3)
    return mcc + mnc.zfill(3 if mcc in _THREE_DIGITS else 2)


def maker(value: Any) -> Any:
    """A maker under its listed name: routers add the kind of company."""
    name = text(value)
    return "ZTE" if isinstance(name, str) and _ZTE.match(name) else name


def model(value: Any) -> Any:
    """A model without its maker and series, as models are listed."""
    name = text(value)
    return _SERIES.sub("", _ZTE.sub("", name)) or name if isinstance(name, str) else name


def country(value: Any) -> Any:
    """An ISO 3166-1 alpha-2 code, also in small letters."""
    return str(value).strip().upper()


def channel(value: Any) -> Any:
    """A Wi-Fi channel; 0 for one that the router chooses."""
    return 0 if isinstance(value, str) and value.strip().lower() == "auto" else whole(value)


def minutes(value: Any) -> Any:
    """Minutes after which something happens; 0 for never, which ZTE writes as -1."""
    found = whole(value)
    return 0 if found == -1 else found


def celsius(value: Any) -> Any:
    """Degrees of a battery, from degrees, tenths or thousandths: the size tells which, for none is at 80 degrees."""
    found = number(value)
    if found is NOTHING or abs(found) <= _HOTTEST:
        return found
    return round(found / (10 if abs(found) < _THOUSANDTHS else 1000), 1)


def millivolts(value: Any) -> Any:
    """Millivolts of a battery from volts, millivolts or microvolts: a cell has 3 to 5 V, a pack up to 30."""
    found = number(value)
    if found is NOTHING:
        return found
    return round(found * 1000 if abs(found) <= _VOLTS else found / 1000 if abs(found) > _MICROVOLTS else found)


def ucs2(value: Any) -> Any:
    """Text that came as the hex of UCS-2."""
    raw = bytes.fromhex(str(value).strip())
    return raw.decode("utf-16-be").strip("\0 ") or NOTHING


def reachable(value: Any) -> Any:
    """The state of the link, by the share of packets that were lost."""
    lost = number(value)
    if lost is NOTHING:
        return NOTHING
    if not 0 <= lost <= 1:
        raise ValueError("not a share")
    return "disconnected" if lost == 1 else "connected"


CONVERTERS: Final[dict[str, Convert]] = {
    "number": number,
    "whole": whole,
    "boolean": boolean,
    "inverse": inverse,
    "text": text,
    "tenths": _scaled(0.1),
    "hundredths": _scaled(0.01),
    "thousandths": _scaled(0.001),
    "thousands": _scaled(1000),
    "kibibytes": _scaled(1024),
    "kilobits_per_second": _scaled(125),
    "bits_per_second": _scaled(0.125),
    "negative": negative,
    "hexadecimal": hexadecimal,
    "duration": duration,
    "plmn": plmn,
    "plmn_or_name": parameters.plmn_or_name,
    "iccid": parameters.iccid,
    "ipv4_network": parameters.ipv4_network,
    "maker": maker,
    "model": model,
    "country": country,
    "channel": channel,
    "minutes": minutes,
    "celsius": celsius,
    "millivolts": millivolts,
    "time": parameters.time,
    "version": parameters.version,
    "serial": parameters.serial,
    "endpoint_serial": parameters.endpoint_serial,
    "newest_standard": parameters.newest_standard,
    "regulatory_country": parameters.regulatory_country,
    "beacon_security": parameters.beacon_security,
    "public_ipv4": parameters.public_ipv4,
    "global_ipv6": parameters.global_ipv6,
    "rcpi": parameters.rcpi,
    "ucs2": ucs2,
    "reachable": reachable,
}
"""By the names that alias maps use."""
