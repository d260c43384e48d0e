"""What a router is compared with: routers like it, and those on its cell. Pure.

Rule 1: only numbers come out about other routers, never a pseudonym of one.
Rule 2: a group of fewer than ten is not shown (O25).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from statistics import median
from typing import Any, Final, NamedTuple

import orjson
from msgspec.structs import replace

from collector.diagnosis.case import Case
from collector.diagnosis.history import HOUR, History, moment_of
from collector.diagnosis.judging import CODE
from collector.diagnosis.network import DISCONNECT
from collector.diagnosis.nouns import Compared, Finding, OnCell
from collector.diagnosis.rules import Rule, Rules
from collector.diagnosis.sentences import number
from collector.diagnosis.signal import TECHNOLOGIES
from collector.stores import StoredRecord

LEAST: Final = 10
"""Routers in the smallest group that may be shown (O25)."""


class Likeness(NamedTuple):
    """What makes routers alike; None where it is not known."""

    model: str | None
    software: str | None
    operator: str | None
    technology: str | None
    """The one whose level is measured: `lte` (aggregated and as anchor too), `nr`, `umts`, `gsm`; else as sent."""

    @classmethod
    def of(cls, get: Callable[[str, str], Any]) -> "Likeness":
        """The likeness of a router whose fields *get* gives, by group and name."""
        rat = get("network", "rat")
        technology = TECHNOLOGIES.get(rat) if rat else None
        return cls(
            model=_named(get("router", "model_name")),
            software=get("router", "software_version"),
            operator=get("network", "plmn"),
            technology=technology.threshold.partition("_")[0] if technology else rat,
        )


def _named(model: Any) -> Any:
    """A model, but None for `other`: that stands for any model, and makes no routers alike."""
    return None if model == "other" else model


GROUPS: Final[Mapping[str, Callable[[Likeness, Likeness], bool]]] = {
    "same model and software": lambda a, b: _alike(a.model, b.model) and _alike(a.software, b.software),
    "same model, other software": lambda a, b: _alike(a.model, b.model) and _differ(a.software, b.software),
    "same operator and technology": lambda a, b: _alike(a.operator, b.operator) and _alike(a.technology, b.technology),
}
"""The groups by their names, in the order they are shown."""


def _alike(one: str | None, other: str | None) -> bool:
    return one is not None and one == other


def _differ(one: str | None, other: str | None) -> bool:
    return None not in {one, other} and one != other


def compare(
    finding: Finding, own: History, peers: Sequence[tuple[Likeness, History]], likeness: Likeness, rules: Rules
) -> Finding:
    """The finding compared with routers like this one, over the time that all histories cover.

    Not compared is a finding that was over before that time, or whose rule needs a longer time. Nor is one compared by
    how many routers have it, if this router itself does not have it within that time, such as a longer silence.
    """
    if finding.until is not None and finding.until < own.since:
        return finding
    rule = rules[finding.rule]
    if _needed_hours(rule) * HOUR > own.now - own.since:
        return finding
    if CODE[rule.id].measure is None and not _has(own, rule, rules):
        return finding
    groups = ((name, [h for like, h in peers if same(likeness, like)]) for name, same in GROUPS.items())
    found = (_compared(name, rule, own, group, rules) for name, group in groups if len(group) >= LEAST)
    return replace(finding, compared=tuple(compared for compared in found if compared is not None))


def _compared(name: str, rule: Rule, own: History, group: Sequence[History], rules: Rules) -> Compared | None:
    measure = CODE[rule.id].measure
    if measure is None:
        mine, values = 1.0, [_has(history, rule, rules) for history in group]
        told = ("routers with this finding", "")
    else:
        value = measure.of(own, rule)
        values = [measured for history in group if (measured := measure.of(history, rule)) is not None]
        # Only routers of which the measure is known make up the group.
        if value is None or len(values) < LEAST:
            return None
        mine, told = value, (measure.name, measure.unit)
    as_much = sum(value >= mine for value in values)
    return Compared(name, *told, own=mine, routers=len(values), median=median(values), as_much=as_much)


def _needed_hours(rule: Rule) -> float:
    """How many hours a rule without a measure has to look at."""
    if CODE[rule.id].measure is not None:
        return 0.0
    found = {name: entry.value for name, entry in rule.thresholds.items()}
    return max(found.get("hours", 0.0), found.get("days", 0.0) * 24, found.get("event_hours", 0.0))


def _has(history: History, rule: Rule, rules: Rules) -> float:
    return float(CODE[rule.id].judge(Case(history, rule, rules.causes)) is not None)


def on_cell(finding: Finding, records: Iterable[StoredRecord]) -> Finding:
    """The finding with how many of the routers on its cell lost the network since it began, this one included.

    *records* are those that name the cell. A router names it only with fault events, so routers that had no fault
    there are not counted at all.
    """
    seen: Counter[bytes] = Counter()
    for record in records:
        seen[record.device_ref] += sum(_lost(event, finding) for event in orjson.loads(record.body).get("events", ()))
    if len(seen) < LEAST:
        return finding
    affected = sum(count > 0 for count in seen.values())
    return replace(finding, on_cell=OnCell(routers=len(seen), affected=affected, since=finding.since))


def _lost(event: Mapping[str, Any], finding: Finding) -> bool:
    at = moment_of(event.get("time"))
    if at is None or event.get("event") != DISCONNECT or event.get("cell_ref") != finding.cell:
        return False
    return finding.since <= at and (finding.until is None or at <= finding.until)


def sentence(compared: Compared) -> str:
    """A comparison as an engineer reads it."""
    if not compared.unit:
        return f"{compared.group}: {compared.as_much} of {compared.routers} routers have it too"
    return (
        f"{compared.group}: {number(compared.own)} {compared.measure} {compared.unit} here; {compared.routers} routers "
        f"have a median of {number(compared.median)}, {compared.as_much} of them as much or more"
    )
