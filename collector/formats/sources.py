"""Sources: topics of routers that speak a format other than ours, and how their messages are read.

Rule 1: a source says which level of the topic is the router, because the broker's access rules tie that level to its
        credentials; a router that only the payload names has to be allowed expressly.
Rule 2: a message of a source becomes reports like our own, and nothing later knows the difference.
Rule 3: what a format does not say (country, flag) comes from the registry and the ledger, or the message is refused.
"""

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from typing import Final

from msgspec import UNSET
from msgspec.structs import replace

from collector.fields.catalogue import GROUPS
from collector.fields.clean import Tally
from collector.formats.endpoint import router_of
from collector.formats.reading import Adapter, Reading
from collector.formats.translate import Translator
from collector.model import DropReason, Flag, Message, Report, Sealed

_LONGEST_TOPIC: Final = 512
_INTERVAL: Final = 60_000
"""Milliseconds within which two messages with the same bytes and no time of their own are one."""


class Source(Sealed, frozen=True):
    """One source of the settings, ready to be asked.

    `level` is the topic level that is the router, counted from 0; None for a router that the payload names.
    `arrival` lets a message without any time count as measured when it arrived; `interval` is the time, in
    milliseconds, that the parts of one sample share.
    """

    name: str
    format: str
    filter: tuple[str, ...]
    adapter: Adapter
    translator: Translator
    max_bytes: int
    level: int | None
    sender: bool = False
    arrival: bool = False
    interval: int = _INTERVAL
    country: str | None = None

    def read(self, message: Message) -> tuple[Report, ...] | DropReason:
        """The reports in *message*, none for one that says nothing of a router, or why it cannot be read."""
        readings = self.readings(message)
        if isinstance(readings, DropReason):
            return readings
        reports = [self.report(reading, message, Tally()) for reading in readings]
        reports = [report for report in reports if isinstance(report, DropReason) or not says_nothing(report)]
        return next((r for r in reports if isinstance(r, DropReason)), None) or tuple(
            r for r in reports if isinstance(r, Report)
        )

    def readings(self, message: Message) -> tuple[Reading, ...] | DropReason:
        """The samples in *message*, their names not understood yet, or why it cannot be read."""
        if len(message.payload) > self.max_bytes:
            return DropReason.OVERSIZE
        return self.adapter.read(message.payload, tuple(message.topic.split("/")[self._fixed() :]))

    def _fixed(self) -> int:
        return next((place for place, level in enumerate(self.filter) if level in {"+", "#"}), len(self.filter))

    def report(self, reading: Reading, message: Message, tally: Tally) -> Report | DropReason:
        """The report that one of these samples makes, or why there is none; *tally* counts what is left out."""
        named = self._named(reading, message)
        router = None if named is None else router_of(named)
        if router is None:
            return DropReason.UNKNOWN_TOPIC
        time = self._time(reading, message)
        arrived = reading.time is None and time is not None
        # Events take the time of the sample, even if that is only when it arrived.
        tree, counters, parts, networks = self.translator.translate(replace(reading, time=time), tally)
        return Report(
            router=router,
            format=f"{self.format}+arrival" if arrived else self.format,
            message_id=self._key(reading, message, time),
            schema_version=1,
            flag=reading.flag,
            policy_version=None,
            country=reading.country or self.country,
            time=time,
            age=None,
            plmns=networks,
            suspect_plmn=tally.suspect_plmn,
            names_another=reading.endpoint is not None and router_of(reading.endpoint) != router,
            content=tree,
            removed=tuple(sorted(tally.counts.items())),
            counters=counters,
            parts=parts,
            # Its beginning, not its number: once intervals are made longer, numbers would go back to those long over.
            interval=(time or 0) // self.interval * self.interval if reading.partial else None,
            arrived=arrived,
        )

    def _named(self, reading: Reading, message: Message) -> str | None:
        if self.sender:
            return message.sender
        if self.level is None:
            return reading.endpoint
        levels = message.topic.split("/")
        return levels[self.level] if self.level < len(levels) else None

    def _time(self, reading: Reading, message: Message) -> int | None:
        said = reading.time
        if said is None and self.arrival and not reading.late:
            return message.received_at
        return said

    def _key(self, reading: Reading, message: Message, time: int | None) -> str:
        """What tells this sample from the router's others; the same for the same message delivered again."""
        if reading.partial:
            return f"{self.name}:{(time or 0) // self.interval}"
        if reading.key is not None:
            return f"{self.name}:{reading.key}"
        when = reading.time if reading.time is not None else message.received_at // _INTERVAL
        return f"{self.name}:{when}:{sha256(repr(reading.values).encode('utf-8', 'replace')).hexdigest()[:32]}"


def says_nothing(report: Report) -> bool:
    """Whether there is nothing in a report to be kept: it is blank, or has unknown names only.

    A refusal always says something. So does a report without a time, which events need: it is refused for that.
    """
    if report.flag not in {Flag.YES, Flag.NONE} or report.time is None:
        return False
    tree = report.content
    empty = tree.events is UNSET and all(getattr(tree, group) is UNSET for group in GROUPS)
    return empty and not report.counters and not report.parts


class Sources:
    """The sources of the settings; a topic belongs to the first whose filter it matches."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._of = lru_cache(65_536)(self._find)

    def of(self, topic: str) -> Source | None:
        """The source of a topic, or None."""
        return self._of(topic) if self._sources and len(topic) <= _LONGEST_TOPIC else None

    def _find(self, topic: str) -> Source | None:
        levels = topic.split("/")
        return next((source for source in self._sources if matches(source.filter, levels)), None)


NO_SOURCES: Final = Sources(())


def matches(pattern: tuple[str, ...], levels: list[str]) -> bool:
    """Whether a topic's levels match those of a filter (MQTT 5, 4.7)."""
    for place, level in enumerate(pattern):
        if level == "#":
            return True
        if place >= len(levels) or level not in {"+", levels[place]}:
            return False
    return len(levels) == len(pattern)
