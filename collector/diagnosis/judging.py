"""Every rule with its code, and what they find in a router's history."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from collector.diagnosis import network, power, restarts, signal, upkeep, wifi
from collector.diagnosis.case import Case, Judge
from collector.diagnosis.history import History
from collector.diagnosis.nouns import Confidence, Finding, Found, Severity
from collector.diagnosis.rules import Rule, Rules, load_rules
from collector.errors import DataFault


class Measure(NamedTuple):
    """The number that says how much of a fault a router has, for comparing it with others; more is worse."""

    name: str
    unit: str
    of: Callable[[History, Rule], float | None]


class Code(NamedTuple):
    """The code of a rule: what it does, and the thresholds it needs from the file."""

    judge: Judge
    thresholds: tuple[str, ...]
    measure: Measure | None = None


_SHARE: Final = ("share", "hours", "samples")
_BURST: Final = ("count", "hours")
_LEVELS: Final = ("lte_rsrp_dbm", "nr_rsrp_dbm", "umts_rscp_dbm")


def _restarts(reasons: frozenset[str | None], *more: str) -> Code:
    measure = Measure("such restarts", "a day", restarts.restarts_a_day(reasons))
    return Code(restarts.restarts(reasons), (*_BURST, *more), measure)


CODE: Final[dict[str, Code]] = {
    "signal_weak": Code(
        signal.weak, (*_LEVELS, "gsm_rssi_dbm", "clean_sinr_db", "clean_ecno_db", "deep_db", "deep_hours", *_SHARE)
    ),
    "signal_interfered": Code(signal.interfered, (*_LEVELS, "sinr_db", "rsrq_db", "ecno_db", *_SHARE)),
    "attach_refused": Code(network.attach_refused, _BURST),
    "registration_lost": Code(network.registration_lost, _SHARE),
    "disconnects_frequent": Code(
        network.disconnects_frequent,
        (*_BURST, "before_minutes", "after_restart_minutes", "lost_rsrp_dbm", "drop_db", "bad_sinr_db"),
        Measure("disconnects", "a day", network.disconnects_a_day),
    ),
    "addresses_overlap": Code(network.addresses_overlap, ("samples",)),
    "restarts_watchdog": _restarts(restarts.WATCHDOG),
    "restarts_crash": _restarts(restarts.CRASH),
    "restarts_power": _restarts(restarts.POWER, "empty_percent"),
    "restarts_thermal": _restarts(restarts.HEAT),
    "restarts_unexplained": _restarts(restarts.UNKNOWN),
    "wifi_driver_errors": Code(
        wifi.driver_errors,
        ("errors", "hours", "events", "event_hours"),
        Measure("driver errors", "an hour", wifi.errors_an_hour),
    ),
    "wifi_short_range": Code(
        wifi.short_range, ("events", "event_hours", "station_rssi_dbm", "tx_power_percent", *_SHARE)
    ),
    "wifi_password_weak": Code(wifi.password_weak, ("samples",)),
    "wifi_security_old": Code(wifi.security_old, ("samples",)),
    "wifi_crowded": Code(wifi.crowded, ("occupied", *_SHARE)),
    "wifi_badly_set": Code(wifi.badly_set, ("bandwidth_mhz", "samples")),
    "battery_worn": Code(
        power.worn, ("percent_per_hour", "samples"), Measure("discharge", "percent an hour", power.discharge)
    ),
    "battery_hot": Code(
        power.hot,
        ("charging_celsius", "discharging_celsius", *_SHARE),
        Measure("median temperature", "Celsius", power.temperature),
    ),
    "battery_long_charge": Code(power.long_charge, ("hours", "full_percent", "samples")),
    "data_limit_reached": Code(upkeep.data_limit_reached, ("count",)),
    "software_old": Code(upkeep.software_old, ("days", "samples")),
    "acs_flapping": Code(
        upkeep.acs_flapping, ("sessions", "hours", "seconds"), Measure("sessions", "an hour", upkeep.sessions_an_hour)
    ),
    "abnormal_codes": Code(
        upkeep.abnormal_codes,
        ("critical", "major", "same_code", "hours"),
        Measure("abnormal codes", "a day", upkeep.codes_a_day),
    ),
    "clock_wrong": Code(upkeep.clock_wrong, ("ahead_seconds", "behind_seconds", "spread_seconds", *_SHARE)),
    "data_stopped": Code(upkeep.data_stopped, ("hours", "battery_hours", "factor")),
}
"""By the rule's id. A finding of a rule without a measure is compared by how many of a group have it."""

_ORDER: Final = {severity: place for place, severity in enumerate(Severity)}
_SURE: Final = 3.0
_FAIR: Final = 1.5


def load_checked_rules(path: Path | None = None) -> Rules:
    """The rules of a file, or the shipped ones, each with its code.

    Raises:
        DataFault: every fault of the file; a rule without code, code without a rule, a threshold missing or unknown.
    """
    rules = load_rules(path)
    name = path or "config/rules.toml"
    faults = [
        f"{name}: rule.entry '{rule}': found a rule without code, expected one of {', '.join(CODE)}. Remove it."
        for rule in rules.all.keys() - CODE.keys()
    ]
    faults += [f"{name}: rule.entry '{rule}': missing. Put it back." for rule in CODE.keys() - rules.all.keys()]
    for rule_id, code in CODE.items():
        found = set(rules.all[rule_id].thresholds) if rule_id in rules.all else set(code.thresholds)
        if found != set(code.thresholds):
            faults.append(
                f"{name}: rule.entry '{rule_id}'.thresholds: found {', '.join(sorted(found))}, "
                f"expected {', '.join(sorted(code.thresholds))}. Correct the names."
            )
    if faults:
        raise DataFault(sorted(faults))
    return rules


@cache
def checked_rules() -> Rules:
    """The shipped rules, each with its code."""
    return load_checked_rules()


def diagnose(history: History, rules: Rules) -> list[Finding]:
    """What is wrong with a router, the worst first; within a severity first what lasts, then what began last."""
    found = []
    for rule in rules.all.values():
        seen = CODE[rule.id].judge(Case(history, rule, rules.causes))
        if seen is not None:
            found.append(_finding(rule, seen))
    return sorted(found, key=lambda f: (_ORDER[f.severity], f.until is not None, -f.since))


def _finding(rule: Rule, found: Found) -> Finding:
    return Finding(
        rule=rule.id,
        version=rule.version,
        title=rule.title,
        severity=found.severity or rule.severity,
        since=found.since,
        until=found.until,
        said=found.said,
        confidence=_confidence(found),
        observations=found.observations,
        evidence=found.evidence,
        next=rule.next,
        cell=found.cell,
    )


def _confidence(found: Found) -> Confidence:
    """By how much more there is than the rule asks for: three times is high, half as much again is medium."""
    if found.certain:
        return Confidence.HIGH
    ratio = found.observations / found.needed
    if ratio >= _SURE:
        return Confidence.HIGH
    return Confidence.MEDIUM if ratio >= _FAIR else Confidence.LOW
