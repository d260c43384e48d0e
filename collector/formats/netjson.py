"""NetJSON DeviceMonitoring, as OpenWISP's agent makes it: one object a sample, with lists of interfaces.

Source: NetJSON's DeviceMonitoring object, and what OpenWISP's `netjson-monitoring` for OpenWrt really sends. The agent
posts it over HTTP with the time in the query; over MQTT that time is a member, or a level of the topic.

Rule 1: interfaces and what is in them have numbers from 1, as instances of TR paths have.
Rule 2: what only the whole of an interface tells is given names of its own: how many terminals it has, its band, and
        whether a default route leaves there.
Rule 3: agents swap rx and tx of access points on purpose. It does not matter here: errors are added up over both.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote

from collector.formats.flatten import NotFlat, flatten
from collector.formats.reading import Options, Reading
from collector.formats.strict_json import NotStrict, parse_object
from collector.formats.times import day_first, moment, wall_clock
from collector.model import DropReason

KIND: Final = "DeviceMonitoring"
CLIENTS: Final = "@clients"
"""The name that tells entries how many terminals an interface has."""
BAND: Final = "@band"
"""The name of the band an interface is in: `2g`, `5g` or `6g`, by its frequency in MHz, else by its channel."""
GATEWAY: Final = "@gateway"
"""The name that tells entries that an interface has a gateway, and so leads to the Internet."""
_BANDS: Final = ((2400, 2500, "2g"), (4900, 5925, "5g"), (5925, 7200, "6g"), (1, 15, "2g"), (32, 200, "5g"))
"""From, below, band: frequencies and channels have no number in common (IEEE 802.11, annex E)."""
_TIME: Final = "time"
_CLOCK: Final = "general.local_time"
_OURS: Final = frozenset({"type", _TIME})
"""Members that say what the object is and when it was made."""
_IN_TOPIC: Final = re.compile(r"(?:^|[?&])time=([^&]+)")
"""The time in a level of the topic that is the agent's query or a part of it."""


class DeviceMonitoring:
    """Takes such objects apart, bare or as a member of an envelope."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def read(self, payload: bytes, levels: tuple[str, ...]) -> tuple[Reading, ...] | DropReason:
        """The sample; *levels* are those of the topic that the source does not fix, one of which may be the time."""
        try:
            document = parse_object(payload, max_depth=self._options.max_depth)
            sample, around = _unwrapped(document)
            if sample is None:
                return DropReason.MALFORMED
            values = dict(flatten({name: value for name, value in sample.items() if name not in _OURS}))
            beside = {name: value for name, value in around.items() if name != _TIME}
            values |= dict(flatten({"envelope": beside})) if beside else {}
        except (NotStrict, NotFlat):
            return DropReason.MALFORMED
        values.pop(_CLOCK, None)
        values |= dict(_of_interfaces(sample))
        return (Reading(values=tuple(values.items()), time=self._time(sample, around, levels)),)

    def _time(self, sample: Mapping[str, Any], around: Mapping[str, Any], levels: Sequence[str]) -> int | None:
        """When it was measured: as the agent says, else by the router's own clock, which shows local time."""
        said = (self._agents(members.get(_TIME)) for members in (sample, around))
        # A level may be the router's name, which can look like a number of seconds: only the agent's form is a time.
        shown = (day_first(_time_in(level)) for level in levels)
        found = next((when for when in (*said, *shown) if when is not None), None)
        general = sample.get("general")
        clock = general.get("local_time") if isinstance(general, dict) else None
        return wall_clock(clock, self._options.zone) if found is None else found

    def _agents(self, said: Any) -> int | None:
        when = day_first(said) if isinstance(said, str) else None
        return moment(said, self._options.zone) if when is None else when


def _unwrapped(document: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """The DeviceMonitoring object, None for none, and what stands around it."""
    if _is_one(document):
        return document, {}
    name = next((name for name, member in document.items() if _is_one(member)), None)
    return (None, {}) if name is None else (document[name], {n: v for n, v in document.items() if n != name})


def _is_one(node: Any) -> bool:
    return isinstance(node, dict) and node.get("type") == KIND


def _time_in(level: str) -> str:
    """What a level of the topic says of the time, or the level."""
    match = _IN_TOPIC.search(level)
    return unquote(match[1] if match else level)


def _of_interfaces(sample: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """What the whole of each interface tells."""
    interfaces = sample.get("interfaces")
    for number, interface in enumerate(interfaces if isinstance(interfaces, list) else (), start=1):
        if not isinstance(interface, dict):
            continue
        if _has_gateway(interface.get("addresses")):
            yield f"interfaces.{number}.{GATEWAY}", True
        wireless = interface.get("wireless")
        if isinstance(wireless, dict):
            yield f"interfaces.{number}.wireless.{BAND}", _band(wireless)
            clients = wireless.get("clients")
            if isinstance(clients, list | dict):
                yield f"interfaces.{number}.wireless.{CLIENTS}", len(clients)


def _has_gateway(addresses: Any) -> bool:
    listed = addresses if isinstance(addresses, list) else []
    return any(isinstance(address, dict) and address.get("gateway") for address in listed)


def _band(wireless: Mapping[str, Any]) -> str | None:
    numbers = [n for n in (_number(wireless.get("frequency")), _number(wireless.get("channel"))) if n is not None]
    return next((band for n in numbers for low, high, band in _BANDS if low <= n < high), None)


def _number(value: Any) -> float | None:
    """A frequency or channel, also written as text."""
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value.strip()[:16])
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
