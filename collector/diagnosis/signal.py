"""Weak and interfered signal: level and quality read together, each technology by its own measures."""

from statistics import median
from typing import Any, Final, NamedTuple

from collector.diagnosis.case import Case, found_samples, mostly
from collector.diagnosis.history import Sample
from collector.diagnosis.nouns import Found, Severity
from collector.diagnosis.rules import Rule
from collector.diagnosis.sentences import Listed, Said, Value, Word, say
from collector.diagnosis.spells import Mark, Spell


class _Technology(NamedTuple):
    """What is measured of a technology: the level, its threshold's name, and the measures of quality."""

    level: str
    threshold: str
    quality: tuple[str, ...]


_LTE: Final = _Technology("rsrp_dbm", "lte_rsrp_dbm", ("sinr_db", "rsrq_db"))
_NR: Final = _Technology("rsrp_dbm", "nr_rsrp_dbm", ("sinr_db", "rsrq_db"))
_UMTS: Final = _Technology("rscp_dbm", "umts_rscp_dbm", ("ecno_db",))
_GSM: Final = _Technology("rssi_dbm", "gsm_rssi_dbm", ())
TECHNOLOGIES: Final = {
    "lte": _LTE, "lte_ca": _LTE, "nr_nsa": _LTE, "nr_sa": _NR, "umts": _UMTS, "hspa": _UMTS, "gsm": _GSM,
}  # fmt: skip
"""By `network.rat`. A router on `nr_nsa` is anchored on LTE, and reports the LTE cell."""
_FIELDS: Final = (
    "network.rat", "signal.rsrp_dbm", "signal.rsrq_db", "signal.sinr_db", "signal.rscp_dbm", "signal.ecno_db",
    "signal.rssi_dbm",
)  # fmt: skip


def weak(case: Case) -> Found | None:
    """The level is low for hours."""
    rule = case.rule
    below = [(sample, case.rule[technology.threshold] - level) for sample, technology, level in _levels(case)]
    spell = mostly(case, [Mark(sample.at, float(by >= 0), sample) for sample, by in below]) or mostly(
        case, [Mark(sample.at, float(by >= rule["deep_db"]), sample) for sample, by in below], "deep_hours"
    )
    if spell is None:
        return None
    if _is_clean(rule, spell):
        said = say("finding.signal_weak_clean", **_measured(spell))
        return found_samples(case, spell, said, *_FIELDS, severity=Severity.MINOR)
    return found_samples(case, spell, say("finding.signal_weak_poor", **_measured(spell)), *_FIELDS)


def interfered(case: Case) -> Found | None:
    """The level is good enough and the quality is bad for hours."""
    marks = []
    for sample, technology, level in _levels(case):
        if not technology.quality or technology.threshold not in case.rule.thresholds:
            continue
        values = {name: sample.get("signal", name) for name in technology.quality}
        if None in values.values():
            continue
        bad = level > case.rule[technology.threshold] and all(value <= case.rule[n] for n, value in values.items())
        marks.append(Mark(sample.at, float(bad), sample))
    spell = mostly(case, marks)
    if spell is None:
        return None
    return found_samples(case, spell, say("finding.signal_interfered", **_measured(spell)), *_FIELDS)


def _levels(case: Case) -> list[tuple[Sample, _Technology, float]]:
    found = []
    for sample in case.history.samples:
        technology = TECHNOLOGIES.get(sample.get("network", "rat"))
        if technology is not None and (level := sample.get("signal", technology.level)) is not None:
            found.append((sample, technology, level))
    return found


def _is_clean(rule: Rule, spell: Spell[Sample]) -> bool:
    """Whether the quality is good though the level is not; unknown is not good."""
    medians = {"sinr_db": "clean_sinr_db", "ecno_db": "clean_ecno_db"}
    for name, threshold in medians.items():
        values = _values(spell, name)
        if values:
            return bool(median(values) >= rule[threshold])
    return False


def _measured(spell: Spell[Sample]) -> dict[str, Value]:
    """The medians of what was measured while it was bad."""
    names = {"rsrp_dbm": "RSRP", "rscp_dbm": "RSCP", "sinr_db": "SINR", "rsrq_db": "RSRQ", "ecno_db": "Ec/No"}
    if not _values(spell, "rsrp_dbm") and not _values(spell, "rscp_dbm"):
        names = {"rssi_dbm": "RSSI", **names}
    found: list[Value] = [
        _level(name, title, median(values)) for name, title in names.items() if (values := _values(spell, name))
    ]
    rats: list[Value] = [Word("rat", rat) for rat in sorted({mark.what.get("network", "rat") for mark in spell.marks})]
    technologies = Listed("and", rats)
    return {"levels": Listed("comma", found), "technologies": technologies, "n": len(spell.marks), "seen": spell.seen}


def _level(name: str, title: str, value: float) -> Said:
    if name.endswith("dbm"):
        return say("part.level", name=title, level=value)
    return say("part.quality", name=title, level=value)


def _values(spell: Spell[Sample], name: str) -> list[Any]:
    return [value for mark in spell.marks if (value := mark.what.get("signal", name)) is not None]
