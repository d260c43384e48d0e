"""Times as routers write them, to milliseconds since 1970.

Rule 1: a clock that was never set tells no time: 1970, 0001 and build dates are None, not the time of a measurement.
Rule 2: a time without a zone is the router's local one, in the zone the source names.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

_SET_SINCE: Final = 1_420_070_400_000
"""2015-01-01: earlier times come from clocks that were never set."""
_LAST: Final = 253_402_300_799_999
"""The end of the year 9999, where the calendar ends."""
_SECONDS_END: Final = 100_000_000_000
"""As seconds this is the year 5138, as milliseconds 1973: larger numbers are milliseconds."""
_NUMBER: Final = re.compile(r"[0-9]{9,17}(\.[0-9]{1,9})?")
_DAY_FIRST: Final = re.compile(
    r"(?P<day>\d{2})-(?P<month>\d{2})-(?P<year>\d{4})[_ T](?P<clock>\d{2}:\d{2}:\d{2}(\.\d{1,9})?)", re.ASCII
)
_ISO: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt_ ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?\s*([Zz]|[+-]\d{2}(:?\d{2})?)?", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def moment(value: Any, zone: ZoneInfo) -> int | None:
    """Milliseconds of a time in any of the ways routers write it, None if it says none.

    Epoch seconds or milliseconds, as number or text, and ISO 8601 with or without a zone.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return _plausible(_epoch(value))
    if not isinstance(value, str):
        return None
    text = value.strip()
    if _NUMBER.fullmatch(text):
        return _plausible(_epoch(float(text)))
    return _plausible(_iso(text, zone)) if _ISO.fullmatch(text) else None


def day_first(text: str) -> int | None:
    """Milliseconds of `21-11-2026_17:00:00.000000`, UTC, as OpenWISP agents write it; None for anything else."""
    match = _DAY_FIRST.fullmatch(text.strip())
    return _plausible(_iso("{year}-{month}-{day} {clock}".format(**match.groupdict()), UTC)) if match else None


def wall_clock(value: Any, zone: ZoneInfo) -> int | None:
    """Milliseconds of an epoch that counts local time: `localtime` of OpenWrt's `system info` (procd) is one."""
    shown = None if isinstance(value, bool) or not isinstance(value, int | float) else _plausible(_epoch(value))
    if shown is None:
        return None
    return _since(datetime.fromtimestamp(shown / 1000, UTC).replace(tzinfo=zone))


def _epoch(value: float) -> int | None:
    if not 0 <= value <= _LAST:  # NaN and infinity too
        return None
    return round(value if value >= _SECONDS_END else value * 1000)


def _iso(text: str, zone: Any) -> int | None:
    try:
        when = datetime.fromisoformat(
            text.upper().replace("_", "T").replace(",", ".").replace(" ", "T", 1).replace(" ", "")
        )
        return _since(when if when.tzinfo else when.replace(tzinfo=zone))
    except (ValueError, OverflowError):
        return None


def _since(when: datetime) -> int:
    return (when - _EPOCH) // timedelta(milliseconds=1)


def _plausible(milliseconds: int | None) -> int | None:
    return milliseconds if milliseconds is not None and _SET_SINCE <= milliseconds <= _LAST else None
