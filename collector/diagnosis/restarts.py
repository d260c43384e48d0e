"""Unexpected restarts, by their reasons."""

from collections.abc import Callable
from typing import Final

from collector.diagnosis.case import Case, Judge, at_least, counted, found_events, per_day
from collector.diagnosis.history import DAY, Event, History
from collector.diagnosis.network import RESTART
from collector.diagnosis.nouns import Found
from collector.diagnosis.rules import Rule
from collector.diagnosis.sentences import Said, Word, say
from collector.diagnosis.spells import Spell

WATCHDOG: Final = frozenset({"watchdog"})
CRASH: Final = frozenset({"kernel_panic", "out_of_memory"})
POWER: Final = frozenset({"power_loss"})
HEAT: Final = frozenset({"overheat"})
UNKNOWN: Final = frozenset({"unknown", None})
_EMPTY_WITHIN: Final = DAY
"""How long before a restart the battery's level may have been measured and still tell whether it ran empty."""


def restarts(reasons: frozenset[str | None]) -> Judge:
    """The code of a rule about restarts for these reasons."""

    def judge(case: Case) -> Found | None:
        spell = at_least(case, _of_reason(case.history, case.rule, reasons))
        if spell is None:
            return None
        return found_events(case, spell, _said(case.history, spell), "reboot_reason", "watchdog_reboots_total")

    return judge


def _said(history: History, spell: Spell[Event]) -> Said:
    told = counted(Word("reboot_reason", mark.what.details.get("reboot_reason", "unknown")) for mark in spell.marks)
    rate, hours = per_day(spell, history.now), _ran_for(history, spell.marks[-1].what)
    if hours is None:
        return say("finding.restarts", rate=rate, reasons=told)
    return say("finding.restarts_ran", rate=rate, reasons=told, hours=hours)


def restarts_a_day(reasons: frozenset[str | None]) -> Callable[[History, Rule], float | None]:
    """The measure of restarts for these reasons."""

    def measure(history: History, rule: Rule) -> float | None:
        return len(_of_reason(history, rule, reasons)) / history.days

    return measure


def _of_reason(history: History, rule: Rule, reasons: frozenset[str | None]) -> list[Event]:
    found = [event for event in history.of_kind(RESTART) if event.details.get("reboot_reason") in reasons]
    if "empty_percent" not in rule.thresholds:
        return found
    return [event for event in found if not _ran_empty(history, event, rule["empty_percent"])]


def _ran_empty(history: History, event: Event, percent: float) -> bool:
    """Whether the router went off because its battery was empty, which is no fault of the power supply."""
    sample = history.ahead_of(event, _EMPTY_WITHIN)
    level = sample.get("power", "battery_percent") if sample else None
    if sample is None or level is None or sample.get("power", "battery_charging"):
        return False
    rate = sample.get("power", "battery_discharge_percent_per_hour") or 0.0
    return bool(level - rate * (event.at - sample.at) / 3_600_000 <= percent)


def _ran_for(history: History, last: Event) -> float | None:
    """How many hours it had run before the last restart; None if the last sample before that does not say."""
    sample = history.ahead_of(last, DAY)
    uptime = sample.get("router", "uptime_seconds") if sample else None
    return None if uptime is None else uptime / 3600
