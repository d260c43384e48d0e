"""Batteries: worn, hot, always on the charger."""

from statistics import median

from collector.diagnosis.case import Case, found_samples, lasting, mostly, trailing
from collector.diagnosis.history import HOUR, History, Sample
from collector.diagnosis.nouns import Found
from collector.diagnosis.rules import Rule
from collector.diagnosis.sentences import say
from collector.diagnosis.spells import Mark, Spell


def worn(case: Case) -> Found | None:
    """It drains too fast, by the median of what was measured off the charger."""
    readings = _discharges(case.history)
    if len(readings) < case.rule["samples"]:
        return None
    rate = median(mark.weight for mark in readings)
    if rate < case.rule["percent_per_hour"]:
        return None
    said = say("finding.battery_worn", rate=rate, hours=100 / rate)
    names = ("power.battery_discharge_percent_per_hour", "power.battery_percent", "power.battery_voltage_mv")
    return found_samples(case, Spell(readings, len(readings), lasts=True), said, *names)


def _discharges(history: History) -> list[Mark[Sample]]:
    readings = history.readings("power", "battery_discharge_percent_per_hour")
    return [Mark(s.at, rate, s) for s, rate in readings if rate > 0 and s.get("power", "battery_charging") is not True]


def discharge(history: History, _: Rule) -> float | None:
    """The measure of worn batteries."""
    marks = _discharges(history)
    return median(mark.weight for mark in marks) if marks else None


def hot(case: Case) -> Found | None:
    """Hotter than it may be while charging, or in use."""
    rule = case.rule
    marks = []
    for sample, celsius in case.history.readings("power", "battery_temperature_celsius"):
        charging = sample.get("power", "battery_charging") is True
        limit = rule["charging_celsius"] if charging else rule["discharging_celsius"]
        marks.append(Mark(sample.at, float(celsius >= limit), sample))
    spell = mostly(case, marks)
    if spell is None:
        return None
    highest = max(mark.what.get("power", "battery_temperature_celsius") for mark in spell.marks)
    said = say("finding.battery_hot", n=len(spell.marks), seen=spell.seen, highest=highest)
    return found_samples(case, spell, said, "power.battery_temperature_celsius", "power.battery_charging")


def temperature(history: History, _: Rule) -> float | None:
    """The measure of hot batteries."""
    readings = history.readings("power", "battery_temperature_celsius")
    return median(value for _, value in readings) if readings else None


def long_charge(case: Case) -> Found | None:
    """Full and on the charger for days, until now, without the mode meant for that."""
    full = case.rule["full_percent"]
    run = trailing((s, _is_kept_full(s, full)) for s, _ in case.history.readings("power", "battery_percent"))
    if len(run) < case.rule["samples"] or run[-1].at - run[0].at < case.rule["hours"] * HOUR:
        return None
    said = say("finding.battery_long_charge", days=(run[-1].at - run[0].at) / (24 * HOUR))
    names = ("power.battery_percent", "power.battery_charging", "power.battery_long_charge_mode")
    return found_samples(case, lasting(run), said, *names)


def _is_kept_full(sample: Sample, percent: float) -> bool:
    power = sample.body["power"]
    draining = (power.get("battery_discharge_percent_per_hour") or 0) > 0 and power.get("battery_charging") is not True
    return bool(power["battery_percent"] >= percent and not draining and power.get("battery_long_charge_mode") is False)
