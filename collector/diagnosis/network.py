"""Attach and registration trouble, disconnects and what preceded them, addresses that overlap."""

from bisect import bisect_right
from typing import Final

from msgspec.structs import replace

from collector.diagnosis.case import (
    NOT_TOLD,
    Case,
    at_least,
    codes_told,
    counted,
    found_events,
    found_samples,
    mostly,
    much,
    per_day,
    standing,
)
from collector.diagnosis.history import DAY, MINUTE, Event, History, Sample
from collector.diagnosis.nouns import Found
from collector.diagnosis.rules import Rule
from collector.diagnosis.sentences import Word, say
from collector.diagnosis.spells import Mark, increments

DISCONNECT: Final = "wan_unexpected_disconnect"
RESTART: Final = "unexpected_reboot"
_NOT_REGISTERED: Final = frozenset({"no_service", "limited"})
ON_PURPOSE: Final = frozenset({"user_disconnect", "idle_disconnect", "not_enabled_for_internet", "command_aborted"})
"""Causes of disconnects that somebody asked for or configured."""


def attach_refused(case: Case) -> Found | None:
    """The network refuses the SIM, the router or the place, again and again."""
    refused = [event for event in case.history.of_kind(DISCONNECT) if _refusal(case, event)]
    spell = at_least(case, refused)
    if spell is None:
        return None
    kinds = counted(Word("refusal", _refusal(case, mark.what)) for mark in spell.marks)
    causes = (mark.what.details.get("nas_cause_code") for mark in spell.marks)
    codes = codes_told(causes, absent=Word("absent", "none"))
    said = say("finding.attach_refused", n=len(spell.marks), kinds=kinds, codes=codes)
    return found_events(case, spell, said, "disconnect_cause", "nas_cause_code")


def _refusal(case: Case, event: Event) -> str:
    """What a refusal is about; empty for a disconnect that is not a refusal."""
    kind = case.causes.get(event.details.get("nas_cause_code", -1))
    if kind is None and event.details.get("disconnect_cause") in {"account_disabled", "account_expired"}:
        return "subscription"
    return kind or ""


def registration_lost(case: Case) -> Found | None:
    """For hours, the router says that it has no service."""
    cellular = case.history.readings("network", "wan_connection_state")
    marks = [Mark(sample.at, float(state in _NOT_REGISTERED), sample) for sample, state in cellular]
    spell = mostly(case, marks)
    if spell is None:
        return None
    states = counted(
        Word("wan_connection_state", mark.what.get("network", "wan_connection_state")) for mark in spell.marks
    )
    said = say("finding.registration_lost", n=len(spell.marks), seen=spell.seen, states=states)
    return found_samples(case, spell, said, "network.wan_connection_state", "network.rat", "signal.rsrp_dbm")


def disconnects_frequent(case: Case) -> Found | None:
    """Many disconnects a day, their causes and what preceded them; by a counter in formats without events."""
    own = own_disconnects(case.history, round(case.rule["after_restart_minutes"] * MINUTE))
    spell = at_least(case, own)
    if spell is None:
        return None if case.history.of_kind(DISCONNECT) else _counted_by_router(case)
    events = [mark.what for mark in spell.marks]
    causes = (event.details.get("disconnect_cause") for event in events)
    said = say(
        "finding.disconnects_frequent",
        rate=per_day(spell, case.history.now),
        causes=counted(NOT_TOLD if cause is None else Word("disconnect_cause", cause) for cause in causes),
        before=counted(Word("before", _before(case, event)) for event in events),
    )
    return found_events(case, spell, said, "disconnect_cause", "nas_cause_code")


def own_disconnects(history: History, after_restart: int) -> list[Event]:
    """Unexpected disconnects that nobody wanted and that follow no restart within *after_restart* milliseconds."""
    restarts = [event.at for event in history.of_kind(RESTART)]

    def follows(event: Event) -> bool:
        earlier = bisect_right(restarts, event.at)
        return earlier > 0 and event.at - restarts[earlier - 1] <= after_restart

    lost = history.of_kind(DISCONNECT)
    return [e for e in lost if e.details.get("disconnect_cause") not in ON_PURPOSE and not follows(e)]


def _before(case: Case, event: Event) -> str:
    """What was seen before a disconnect, or at the moment of it."""
    rule, history = case.rule, case.history
    at_loss = event.details.get("disconnect_snapshot", {}).get("signal", {})
    sample = history.before(event.at, round(rule["before_minutes"] * MINUTE))
    level = sample.get("signal", "rsrp_dbm") if sample else None
    lost, sinr = (
        at_loss.get("rsrp_dbm", level),
        at_loss.get("sinr_db", sample.get("signal", "sinr_db") if sample else None),
    )
    if lost is not None and (lost <= rule["lost_rsrp_dbm"] or (level is not None and level - lost >= rule["drop_db"])):
        return "signal lost"
    if sinr is not None and sinr <= rule["bad_sinr_db"]:
        return "interference"
    return "nothing seen" if sample or at_loss else "no data"


def _counted_by_router(case: Case) -> Found | None:
    """By `wan_disconnects_day`, for routers that send no such events: the days on which it grew too high."""
    highest: dict[int, Mark[Sample]] = {}
    for sample, value in case.history.readings("network", "wan_disconnects_day"):
        day = sample.at // DAY
        if day not in highest or value > highest[day].weight:
            highest[day] = Mark(sample.at, float(value), sample)
    days = [mark for mark in highest.values() if mark.weight >= case.rule["count"]]
    spell = much(case, days, "count")
    if spell is None:
        return None
    most = max(mark.weight for mark in spell.marks)
    said = say("finding.disconnects_counted", rate=most)
    found = found_samples(case, spell, said, "network.wan_disconnects_day", needed="count")
    begin, end = spell.since // DAY * DAY, spell.marks[-1].at
    counted_then = sum(mark.weight for mark in _counted(case.history) if begin <= mark.at <= end)
    # It rests on disconnects, not on days.
    return replace(found, observations=round(max(most, counted_then)))


def _counted(history: History) -> list[Mark[Sample]]:
    """How many disconnects the router counted from one sample to the next; its counter starts anew at its midnight."""
    readings = history.readings("network", "wan_disconnects_day")
    return increments((sample.at, value, sample) for sample, value in readings)


def addresses_overlap(case: Case) -> Found | None:
    """The LAN uses the addresses of the network before the router, so nothing gets through."""
    readings = case.history.readings("network", "lan_wan_subnet_overlap")
    name = "network.lan_wan_subnet_overlap"
    return standing(case, readings, lambda _: say("finding.addresses_overlap"), name)


def disconnects_a_day(history: History, rule: Rule) -> float | None:
    """The measure of disconnects: by the router's own count if it sends no such events."""
    if not history.of_kind(DISCONNECT) and (told := _counted(history)):
        return sum(mark.weight for mark in told) / history.days
    own = own_disconnects(history, round(rule["after_restart_minutes"] * MINUTE))
    return len(own) / history.days
