"""Which module reads which format, and which alias map says what its names mean."""

from collections.abc import Callable, Container, Sequence
from functools import cache
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from collector.errors import DataFault
from collector.fields.clean import Cleaner
from collector.fields.compiled import Compiled
from collector.formats.aliases import AliasMap, load_aliases
from collector.formats.bulk_data import BulkData
from collector.formats.collectd import Collectd
from collector.formats.goform import Maps
from collector.formats.netjson import DeviceMonitoring
from collector.formats.reading import Adapter, Options
from collector.formats.sources import Source, Sources
from collector.formats.translate import Translator
from collector.formats.usp import Usp
from collector.source_settings import SourceSettings


class Kind(NamedTuple):
    """A format: how an adapter for it is made, and the file of its names."""

    make: Callable[[Options], Adapter]
    aliases: str


KINDS: Final[dict[str, Kind]] = {
    "bulk_data": Kind(BulkData, "tr369"),
    "usp": Kind(Usp, "tr369"),
    "collectd": Kind(Collectd, "collectd"),
    "goform": Kind(Maps, "goform"),
    "ubus": Kind(Maps, "goform"),
    "netjson": Kind(DeviceMonitoring, "netjson"),
}


@cache
def _aliases(name: str) -> AliasMap:
    return load_aliases(name)


def make_sources(
    settings: Sequence[SourceSettings],
    compiled: Compiled,
    cleaner: Cleaner,
    max_depth: int,
    left_out: Container[str] = (),
) -> Sources:
    """The sources of the settings; the alias maps leave out what is *left_out* of the catalogue.

    Raises:
        DataFault: alias maps have faults; all faults of all maps are listed.
    """
    faults: list[str] = []
    made: list[Source] = []
    for source in settings:
        try:
            made.append(_source(source, compiled, cleaner, max_depth, left_out))
        except DataFault as fault:
            faults += fault.faults
    if faults:
        raise DataFault(dict.fromkeys(faults))
    return Sources(made)


def _source(
    settings: SourceSettings, compiled: Compiled, cleaner: Cleaner, max_depth: int, left_out: Container[str]
) -> Source:
    kind = KINDS[settings.format]
    options = Options(
        zone=ZoneInfo(settings.time_zone),
        flagged=settings.flag == "message",
        counters=settings.counters,
        names=settings.names,
        named=settings.router_from == "payload",
        max_depth=max_depth,
        spells_the_flag=cleaner.spells_the_flag,
    )
    return Source(
        name=settings.name,
        format=settings.format,
        filter=tuple(settings.topic.split("/")),
        adapter=kind.make(options),
        translator=Translator(_aliases(kind.aliases).without(left_out), compiled, cleaner),
        max_bytes=settings.max_message_bytes,
        level=None if settings.router_level is None else settings.router_level - 1,
        sender=settings.router_from == "sender",
        arrival=settings.arrival_time,
        interval=settings.interval_seconds * 1000,
        country=settings.country,
    )
