"""What a router needs besides a signal: software, data, its management server, a clock; its codes, and its silence."""

from collections import deque
from itertools import pairwise
from statistics import median, quantiles
from typing import Any, Final

from msgspec.structs import replace

from collector.diagnosis.case import (
    NOT_TOLD,
    Case,
    at_least,
    codes_told,
    counted,
    found_events,
    found_samples,
    lasting,
    mostly,
    much,
    telling,
    trailing,
)
from collector.diagnosis.history import DAY, HOUR, MINUTE, Event, History, Sample
from collector.diagnosis.nouns import Evidence, Found, Severity
from collector.diagnosis.rules import Rule
from collector.diagnosis.sentences import Word, say
from collector.diagnosis.spells import Mark, Spell

_AVAILABLE: Final = "available_software_version"
_LENGTHS: Final = 9
"""How many of the last sessions the usual length is the median of."""


def data_limit_reached(case: Case) -> Found | None:
    """Reported by the router; over when the month's count starts anew."""
    told = case.history.of_kind("data_limit_exceeded")
    if not told:
        return None
    last = told[-1]
    # Times of records are to the minute: the record that reports it counts too.
    begin = last.at // MINUTE * MINUTE
    used = [(s, s.get("usage", "wan_rx_bytes_month")) for s in case.history.samples if s.at >= begin]
    known = [(sample, value) for sample, value in used if value is not None]
    renewed = next((later[0].at for earlier, later in pairwise(known) if later[1] < earlier[1]), None)
    spell = Spell([Mark(event.at, 1.0, event) for event in told], len(told), lasts=True)
    found = found_events(case, spell, say("finding.data_limit_reached"), "data_alert_percent")
    return replace(found, since=last.at, until=renewed, certain=True)


def software_old(case: Case) -> Found | None:
    """A newer version has been offered for days, and the old one still runs."""
    current = case.history.latest("router", "software_version")
    offers = [(sample, offered) for sample in case.history.samples if (offered := _offer(sample, current)) is not None]
    if not offers or offers[-1][1] == current:
        return None
    run = trailing((sample, offered != current) for sample, offered in offers)
    if len(run) < case.rule["samples"] or run[-1].at - run[0].at < case.rule["days"] * DAY:
        return None
    automatic = {True: "on", False: "off"}.get(case.history.latest("settings", "auto_update_check_enabled"), "unknown")
    said = say(
        "finding.software_old",
        current=str(current),
        offered=str(offers[-1][1]),
        automatic=Word("automatic", automatic),
    )
    names = ("router.software_version", f"settings.{_AVAILABLE}", f"event.{_AVAILABLE}")
    return found_samples(case, lasting(run), said, *names)


def _offer(sample: Sample, current: Any) -> Any:
    """The version that a record says is offered, in its settings or an event; None for a record of other software."""
    if sample.get("router", "software_version") not in {current, None}:
        return None
    told = [event.get(_AVAILABLE) for event in sample.body.get("events", ()) if _AVAILABLE in event]
    return sample.get("settings", _AVAILABLE) or (told[-1] if told else None)


def acs_flapping(case: Case) -> Found | None:
    """One short session after another with the management server."""
    rule = case.rule
    marks = _sessions(case.history, rule["seconds"])
    spell = much(case, marks, "sessions")
    if spell is None:
        return None
    sessions = sum(mark.weight for mark in spell.marks)
    hours = max(1.0, ((spell.until or case.history.now) - spell.since) / HOUR)
    length = median(mark.what.get("session", "acs_session_seconds") for mark in spell.marks)
    names = ("session.acs_session_start_time", "session.acs_session_seconds", "session.acs_session_seconds_total")
    said = say("finding.acs_flapping", rate=sessions / hours, seconds=length)
    evidence = tuple(mark.what.evidence(*names) for mark in telling(spell.marks))
    return Found(spell.since, spell.until, said, round(sessions), rule["sessions"], evidence)


def _sessions(history: History, short: float) -> list[Mark[Sample]]:
    """How many short sessions there were from one sample to the next.

    A sample names only the last one. If the seconds of all sessions are counted, those of the others, divided by the
    usual length, say how many more there were. The usual length is the median of the last few, since there may be a
    long session among short ones between two samples.
    """
    found: list[Mark[Sample]] = []
    lengths: deque[int] = deque(maxlen=_LENGTHS)
    before: tuple[str, int | None] | None = None
    for sample, started in history.readings("session", "acs_session_start_time"):
        seconds, total = (
            sample.get("session", "acs_session_seconds"),
            sample.get("session", "acs_session_seconds_total"),
        )
        if before is not None and started != before[0] and seconds is not None:
            lengths.append(seconds)
            usual = median(lengths)
            grown = total - before[1] if total is not None and before[1] is not None else 0
            if usual <= short:
                found.append(Mark(sample.at, 1.0 + max(0.0, grown - seconds) / max(1.0, usual), sample))
        before = started, total
    return found


def sessions_an_hour(history: History, rule: Rule) -> float | None:
    """The measure of flapping sessions."""
    marks = _sessions(history, rule["seconds"])
    return sum(mark.weight for mark in marks) * HOUR / history.observed if marks else None


def abnormal_codes(case: Case) -> Found | None:
    """A critical code, several major ones, or one code over and over."""
    told = case.history.of_kind("abnormal_data")
    by_severity = {name: [e for e in told if e.details.get("fault_severity") == name] for name in ("critical", "major")}
    for name in ("critical", "major"):
        if (spell := at_least(case, by_severity[name], name)) is not None:
            found = _codes(case, spell, name)
            return found if name == "major" else _with_severity(found, Severity.CRITICAL)
    by_code: dict[str, list[Event]] = {}
    for event in told:
        if "fault_code" in event.details:
            by_code.setdefault(event.details["fault_code"], []).append(event)
    for same in sorted(by_code.values(), key=len, reverse=True):
        if (spell := at_least(case, same, "same_code")) is not None:
            return _with_severity(_codes(case, spell, "same_code"), Severity.MINOR)
    return None


def _codes(case: Case, spell: Spell[Event], needed: str) -> Found:
    codes = codes_told(mark.what.details.get("fault_code") for mark in spell.marks)
    parts = (mark.what.details.get("fault_component") for mark in spell.marks)
    components = counted(NOT_TOLD if part is None else Word("fault_component", part) for part in parts)
    names = ("fault_code", "fault_component", "fault_severity", "fault_count")
    said = say("finding.abnormal_codes", codes=codes, components=components)
    return found_events(case, spell, said, *names, needed=needed)


def _with_severity(found: Found, severity: Severity) -> Found:
    return replace(found, severity=severity)


def codes_a_day(history: History, _: Rule) -> float | None:
    """The measure of abnormal codes."""
    return len(history.of_kind("abnormal_data")) / history.days


def clock_wrong(case: Case) -> Found | None:
    """Off by the same amount, report after report."""
    rule = case.rule
    late = {sample.record_id: (sample.received_at - sample.at) / 1000 for sample in case.history.samples}
    marks = [
        Mark(s.at, float(late[s.record_id] <= -rule["ahead_seconds"] or late[s.record_id] >= rule["behind_seconds"]), s)
        for s in case.history.samples
    ]
    spell = mostly(case, marks)
    if spell is None:
        return None
    offs = [late[mark.what.record_id] for mark in spell.marks]
    off, lowest = median(offs), quantiles(offs, n=10)[0]
    # A backlog is late by less and less, a wrong clock is off by the same amount, to which waiting can only add.
    if off - lowest > rule["spread_seconds"]:
        return None
    minutes = abs(off) / 60
    said = say("finding.clock_behind", minutes=minutes) if off > 0 else say("finding.clock_ahead", minutes=minutes)
    evidence = tuple(
        Evidence(mark.what.record_id, mark.what.at, {"received_after_seconds": round(late[mark.what.record_id])})
        for mark in telling(spell.marks)
    )
    return Found(spell.since, spell.until, said, len(spell.marks), rule["samples"], evidence)


def data_stopped(case: Case) -> Found | None:
    """Silence far longer than any before it."""
    history, rule = case.history, case.rule
    last = history.last_received_at
    if last is None:
        return None
    # If the router sent nothing in all that time, it is not known here whether it has one.
    battery = not history.samples or history.latest("power", "battery_percent") is not None
    longest = max((later.at - earlier.at for earlier, later in pairwise(history.samples)), default=0)
    least = max(rule["battery_hours" if battery else "hours"] * HOUR, rule["factor"] * longest)
    if history.now - last < least:
        return None
    evidence = tuple(s.evidence("router.uptime_seconds", "power.battery_percent") for s in history.samples[-1:])
    said = say("finding.data_stopped", hours=(history.now - last) / HOUR, longest=longest / HOUR)
    return Found(last, None, said, round((history.now - last) / HOUR), least / HOUR, evidence)
