"""What is fuzzed: where its inputs come from, how they are made, how they are judged, and how often."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from .case import Case, corpus
from .messages import new_message, seeds
from .mutate import mutated_bytes
from .on_bytes import check_json, check_packed, check_packets, check_treatments, new_packets, new_text
from .on_files import check_regions, check_settings, new_settings, new_tables
from .on_plan import check_plan
from .on_process import check_process
from .on_reports import check_explain, check_report
from .on_sources import check_source, new_source_message, source_seeds

Make = Callable[[str, random.Random, list[Case]], Case]


@dataclass(frozen=True)
class Target:
    """One thing that is fuzzed. *share* is its part of the inputs, in per cent; *check* names the outcome or fails."""

    name: str
    share: float
    folders: tuple[str, ...]
    make: Make
    check: Callable[[Case], str]

    def seeds(self) -> list[Case]:
        """Its part of the corpus."""
        if self.make is new_message:
            return seeds(self.name, *self.folders)
        if self.make is new_source_message:
            return source_seeds(self.name, *self.folders)
        about: dict[str, dict[str, Any]] = {
            "regions": {"country": "DE", "plmns": ["26201"]},
            "packets": {"cuts": 0, "most": 100_000},
        }
        return [Case(self.name, data, about.get(self.name, {})) for data in corpus(*self.folders)]


def _bytes(target: str, chance: random.Random, pool: list[Case]) -> Case:
    return Case(target, mutated_bytes(chance.choice(pool).data, chance, [other.data for other in pool[:20]]))


def _choices(target: str, chance: random.Random, pool: list[Case]) -> Case:
    if chance.random() < 0.5:
        return Case(target, chance.randbytes(chance.choice((10, 30, 60, 120))))
    return _bytes(target, chance, pool)


TARGETS: Final = {
    target.name: target
    for target in (
        Target("process", 29, ("report", "consent"), new_message, check_process),
        Target("bulk_data", 3, ("bulk_data",), new_source_message, check_source),
        Target("usp", 3, ("usp",), new_source_message, check_source),
        Target("netjson", 2.5, ("netjson",), new_source_message, check_source),
        Target("goform", 3, ("goform",), new_source_message, check_source),
        Target("ubus", 2, ("goform",), new_source_message, check_source),
        Target("collectd", 1.5, ("collectd",), new_source_message, check_source),
        Target("report", 18, ("report",), new_message, check_report),
        Target("explain", 0.5, ("report", "consent"), new_message, check_explain),
        Target("json", 8, ("report", "consent", "json"), new_text, check_json),
        Target("packets", 8, ("packets",), new_packets, check_packets),
        Target("packed", 6, ("packed", "json"), new_text, check_packed),
        Target("treatments", 5, ("addresses",), _bytes, check_treatments),
        Target("settings", 2, ("settings",), new_settings, check_settings),
        Target("regions", 1.5, ("tables",), new_tables, check_regions),
        Target("plan", 7, ("plan",), _choices, check_plan),
    )
}
