"""`[[sources]]` of the settings: routers that speak another format than ours, and what such a source says of itself."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, StringConstraints

from collector.config_section import Check, Section, told

Format = Literal["bulk_data", "usp", "goform", "ubus", "collectd", "netjson"]
WITH_FLAG: Final[tuple[Format, ...]] = ("goform", "ubus")
"""Formats that have a place for the flag (D1)."""
NAMELESS: Final[tuple[Format, ...]] = ("goform", "ubus", "collectd", "netjson")
"""Formats whose payloads do not name their router: identifiers in them are for look-ups and never believed."""
OWN: Final = "ueip"


class SourceSettings(Section):
    """One source: its topics, its format, and what the format does not say."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,31}$")] = Field(
        description="The source's name; part of its records' ids."
    )
    topic: Annotated[str, StringConstraints(min_length=1, max_length=256)] = Field(
        description="Topic filter (MQTT 5, 4.7), such as `bulkdata/+`. Filters must not overlap."
    )
    format: Format = Field(description="The format of the payloads.")
    router_level: Annotated[int, Field(ge=1, le=32)] | None = Field(
        default=None, description="Level of the topic that names the router, counted from 1; the broker must guard it."
    )
    router_from: Literal["topic", "payload", "sender"] = Field(
        default="topic",
        description="What names the router. topic: level `router_level`. sender: the user property "
        "`broker.sender_property`. payload: the message (bulk_data, usp), only if the broker lets just one trusted "
        "sender publish there.",
    )
    flag: Literal["message", "ledger"] = Field(
        default="ledger",
        description="message: in each message (goform, ubus). ledger: there is none, consent events decide.",
    )
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] | None = Field(
        default=None, description="Country of all routers of this source; if absent, the registry's."
    )
    time_zone: str = Field(default="UTC", description="Time zone of local times without one (IANA name).")
    arrival_time: bool = Field(
        default=False, description="Take a message without a time as measured on arrival; else it is `clock_invalid`."
    )
    interval_seconds: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=60, description="collectd: the values of this many seconds become one record."
    )
    counters: bool = Field(
        default=False, description="collectd: the values are counters (`StoreRates false`), not rates."
    )
    max_message_bytes: Annotated[int, Field(ge=1024, le=16_777_216)] = Field(
        default=1_048_576, description="Larger payloads are dropped (`oversize`)."
    )
    names: dict[str, str] = Field(
        default={}, description="bulk_data: what each name stands for that the profile gives (`Parameter.Name`)."
    )

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (
            lambda: _filter_faults(self.topic.split("/")),
            lambda: _level_faults(self.topic.split("/"), self.router_level, needed=self.router_from == "topic"),
            lambda: _zone_faults(self.time_zone),
            self._flag,
            self._names_a_router,
        )

    def _flag(self) -> Iterator[str]:
        if self.flag == "message" and self.format not in WITH_FLAG:
            yield (
                f'flag: found "message", expected "ledger": {self.format} has no place for a flag (D3). Remove the '
                f'line; with consent.mode = "registered" join events let its routers in.'
            )

    def _names_a_router(self) -> Iterator[str]:
        if self.router_from == "payload" and self.format in NAMELESS:
            yield (
                f'router_from: found "payload", expected "topic" or "sender": {self.format} names no router. '
                f"Have routers publish below their own name, and set router_level."
            )

    def summary(self) -> str:
        """What the source will do, in a line for operators."""
        router = {
            "topic": f"level {self.router_level} of the topic",
            "sender": "the property that the broker sets",
            "payload": "the payload",
        }[self.router_from]
        flag = "the message" if self.flag == "message" else "nowhere: the ledger alone"
        return (
            f"{self.name}: {self.format} on {self.topic}; router from {router}; flag from {flag}; "
            f"country {self.country or 'from the message or the registry'}; "
            f"without a time {'measured on arrival' if self.arrival_time else 'dropped'}{self._gathers()}"
        )

    def _gathers(self) -> str:
        if self.format != "collectd":
            return ""
        return f"; values of {self.interval_seconds} s make one record; {'counters' if self.counters else 'rates'}"


def _filter_faults(levels: list[str]) -> list[str]:
    faults = []
    if levels[0] in {OWN, "#", "+"} or levels[0].startswith("$"):
        faults.append(
            f"topic: found '{levels[0]}' at its beginning, expected a first level of its own, not '{OWN}'. "
            f"Have its routers publish below another word, as in 'bulkdata/+'."
        )
    if any("#" in level and level != "#" for level in levels) or "#" in levels[:-1]:
        faults.append("topic: found '#' within, expected it alone and last. Use '+' for one level.")
    if any("+" in level and level != "+" for level in levels):
        faults.append("topic: found '+' within a level, expected it alone. Leave out the rest of that level.")
    return faults


def _level_faults(levels: list[str], level: int | None, *, needed: bool) -> list[str]:
    if not needed:
        return [] if level is None else ["router_level: found one, expected none with this router_from. Remove it."]
    if level is None:
        expected = "the level of the topic that is the router, counted from 1"
        return [f"router_level: found none, expected {expected}. Set it, and have the broker guard that level."]
    if level <= len(levels) and levels[level - 1] not in {"+", "#"}:
        found = f"found {level}, where the filter says '{levels[level - 1]}'"
        return [f"router_level: {found}, expected the place of a '+'. Correct it; levels are counted from 1."]
    if level > len(levels) and levels[-1] != "#":
        most = f"at most {len(levels)}, as many as the filter has"
        return [f"router_level: found {level}, expected {most}. Correct it, or end the filter with '#'."]
    return []


def _zone_faults(name: str) -> list[str]:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        expected = "an IANA name such as 'Asia/Shanghai'"
        return [f"time_zone: found no such zone, expected {expected}. Correct it or remove it."]
    return []


def source_faults(
    sources: Sequence[SourceSettings], by_ledger: Callable[[], bool], sender_property: Callable[[], str | None]
) -> list[str]:
    """What is wrong between sources, and between them and the other settings.

    *by_ledger* says whether they may rest on the ledger alone (D3), *sender_property* where the broker names senders.
    """
    pairs = [(one, other) for place, one in enumerate(sources) for other in sources[place + 1 :]]
    return told(
        *(partial(_same_name, *pair) for pair in pairs),
        *(partial(_same_topics, *pair) for pair in pairs),
        *(partial(_without_a_ledger, source, by_ledger) for source in sources),
        *(partial(_without_a_property, source, sender_property) for source in sources),
    )


def _same_name(one: SourceSettings, other: SourceSettings) -> Iterator[str]:
    if one.name == other.name:
        yield (
            f"sources: found '{one.name}' twice, expected two names. Rename one of them; records are told apart by it."
        )


def _same_topics(one: SourceSettings, other: SourceSettings) -> Iterator[str]:
    if overlap(one.topic, other.topic):
        yield (
            f"sources: found '{one.name}' and '{other.name}' with overlapping topics, expected each topic in one "
            f"source. Give each a first level of its own."
        )


def _without_a_ledger(source: SourceSettings, by_ledger: Callable[[], bool]) -> Iterator[str]:
    if source.flag == "ledger" and not by_ledger():
        yield (
            f"sources: found '{source.name}' resting on the ledger alone with consent.mode = \"flag\", expected "
            f'"registered" (D3). Set it, or the source\'s flag to "message" where the format has one.'
        )


def _without_a_property(source: SourceSettings, sender_property: Callable[[], str | None]) -> Iterator[str]:
    if source.router_from == "sender" and sender_property() is None:
        yield (
            f"sources: found '{source.name}' with router_from = \"sender\" and no broker.sender_property, expected the "
            f"user property in which the broker names who published. Set it, and have the broker remove it from what "
            f"clients send."
        )


def overlap(one: str, other: str) -> bool:
    """Whether some topic matches both filters: a broker could deliver it twice."""
    return _overlap(one.split("/"), other.split("/"))


def _overlap(one: list[str], other: list[str]) -> bool:
    if not one or not other:
        return one == other or ["#"] in (one, other)
    if "#" in {one[0], other[0]}:
        return True
    return ("+" in {one[0], other[0]} or one[0] == other[0]) and _overlap(one[1:], other[1:])
