"""collectd's MQTT plugin: one value list a message, `time:value[:value]` and a NUL, its name in the topic.

Source: collectd 5.12, `src/mqtt.c`; types and the order of their values from `types.db`. Names are
`plugin[-instance]/type[-instance]`, followed by the value's own name where a type has several values.

Rule 1: a number does not show whether it is a rate or a counter; the source says so (`counters`).
Rule 2: every message is a part; a router's parts of one interval make one record.
"""

import re
from typing import Final

from collector.formats.reading import Options, Reading
from collector.model import DropReason

VALUES: Final = "@values"
"""The name that tells entries what the numbers are: `rates` or `counters`."""
_LIST: Final = re.compile(rb"(?P<time>[0-9]{1,12}(\.[0-9]{1,9})?)(?P<values>(:[^:\s\x00]{1,40}){1,32})[\x00\s]*")
_NAMES: Final = {
    "if_octets": ("rx", "tx"),
    "if_packets": ("rx", "tx"),
    "if_errors": ("rx", "tx"),
    "if_dropped": ("rx", "tx"),
    "load": ("shortterm", "midterm", "longterm"),
    "disk_octets": ("read", "write"),
    "disk_ops": ("read", "write"),
    "ps_count": ("processes", "threads"),
}
"""Types with several values (`types.db`); the others have one, without a name."""
_TWIN: Final = re.compile(r"netlink-(?=.)")
"""The netlink plugin reads the same counters as the interface plugin: where both run, they are counted once."""
_LEVELS: Final = 3
_CLOCK_SET_SINCE: Final = 1_420_070_400
"""2015-01-01: earlier times come from clocks that were never set (1.7.8)."""


class Collectd:
    """Reads value lists."""

    def __init__(self, options: Options) -> None:
        self._kind = "counters" if options.counters else "rates"
        self._names = options.names

    def read(self, payload: bytes, levels: tuple[str, ...]) -> tuple[Reading, ...] | DropReason:
        """The value list as a part of its router's sample; *levels* end with host, plugin and type."""
        match = _LIST.fullmatch(payload)
        if match is None:
            return DropReason.MALFORMED
        if len(levels) < _LEVELS:
            return DropReason.UNKNOWN_TOPIC
        seconds = float(match["time"])
        values = match["values"][1:].decode("ascii", "replace").split(":")
        return (
            Reading(
                values=((VALUES, self._kind), *self._named(levels[-2], levels[-1], values)),
                time=int(seconds * 1000) if seconds >= _CLOCK_SET_SINCE else None,
                partial=True,
            ),
        )

    def _named(self, plugin: str, kind: str, values: list[str]) -> tuple[tuple[str, str], ...]:
        plugin = self._names.get(plugin, _TWIN.sub("interface-", plugin))
        name = f"{plugin}/{kind}"
        parts = _NAMES.get(kind.partition("-")[0], ())
        if len(parts) != len(values):
            parts = () if len(values) == 1 else tuple(map(str, range(len(values))))
        if not parts:
            return ((name, values[0]),)
        return tuple((f"{name}.{part}", value) for part, value in zip(parts, values, strict=True))
