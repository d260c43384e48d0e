"""Wi-Fi: driver errors, coverage, passwords and encryption, crowded and badly set bands."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from collector.diagnosis.case import (
    Case,
    at_least,
    codes_told,
    found_events,
    found_samples,
    lasting,
    mostly,
    much,
    standing,
    telling,
    trailing,
)
from collector.diagnosis.history import HOUR, History, Sample
from collector.diagnosis.nouns import Found
from collector.diagnosis.rules import Rule
from collector.diagnosis.sentences import Listed, Said, Value, Word, say
from collector.diagnosis.spells import Mark, increments

_BANDS: Final = ("2g", "5g")
_ALONE_OR_BOTH: Final = (("2g",), ("5g",), _BANDS)
"""Alone too: where records are of one band and the other in turn, half of them say nothing about a full one."""
_WEAK: Final = frozenset({"none", "low"})
_BROKEN: Final = frozenset({"none", "wep", "wpa"})
_USUAL_CHANNELS: Final = frozenset({0, 1, 5, 6, 9, 11, 13})
"""0 is automatic; 1, 6, 11 everywhere, 1, 5, 9, 13 where all neighbours use them."""


def driver_errors(case: Case) -> Found | None:
    """By the counter, else by events."""
    rule = case.rule
    marks = _new_errors(case.history)
    spell = much(case, marks, "errors")
    if spell is None:
        return _driver_events(case)
    errors = sum(mark.weight for mark in spell.marks)
    hours = max(1.0, ((spell.until or case.history.now) - spell.since) / HOUR)
    known = (mark.what.get("wifi", "wifi_driver_error_code") for mark in spell.marks)
    codes = codes_told(code for code in known if code is not None)
    names = ("wifi.wifi_driver_errors_total", "wifi.wifi_driver_error_code", "wifi.wifi_station_count")
    told = [mark for mark in spell.marks if mark.weight]
    return Found(
        since=spell.since,
        until=spell.until,
        said=say("finding.wifi_driver_errors", rate=errors / hours, codes=codes),
        observations=round(errors),
        needed=rule["errors"],
        evidence=tuple(mark.what.evidence(*names) for mark in telling(told)),
    )


def _driver_events(case: Case) -> Found | None:
    spell = at_least(case, case.history.of_kind("wifi_driver_error"), "events", "event_hours")
    if spell is None:
        return None
    codes = codes_told(mark.what.details.get("wifi_driver_error_code") for mark in spell.marks)
    said = say("finding.wifi_driver_events", n=len(spell.marks), codes=codes)
    return found_events(case, spell, said, "wifi_driver_error_code", needed="events")


def _new_errors(history: History) -> list[Mark[Sample]]:
    readings = history.readings("wifi", "wifi_driver_errors_total")
    return increments((sample.at, value, sample) for sample, value in readings)


def errors_an_hour(history: History, _: Rule) -> float | None:
    """The measure of driver errors."""
    marks = _new_errors(history)
    return sum(mark.weight for mark in marks) * HOUR / history.observed if marks else None


def short_range(case: Case) -> Found | None:
    """By the router's own report, else by its weakest station while the range is set low."""
    spell = at_least(case, case.history.of_kind("wifi_short_range"), "events", "event_hours")
    if spell is not None:
        mode = case.history.latest("wifi", "wifi_coverage_mode")
        told = Word("wifi_coverage_mode", mode) if mode else Word("absent", "an unknown value")
        said = say("finding.wifi_short_range_told", n=len(spell.marks), mode=told)
        return found_events(case, spell, said, needed="events")
    rule = case.rule
    readings = case.history.readings("wifi", "wifi_station_rssi_dbm_min")
    marks = [
        Mark(sample.at, float(value <= rule["station_rssi_dbm"] and _is_set_low(sample, rule)), sample)
        for sample, value in readings
    ]
    weak = mostly(case, marks)
    if weak is None:
        return None
    limit = rule["station_rssi_dbm"]
    said = say("finding.wifi_short_range_seen", limit=limit, n=len(weak.marks), seen=weak.seen)
    names = ("wifi.wifi_station_rssi_dbm_min", "wifi.wifi_coverage_mode", "wifi.wifi_tx_power_percent")
    return found_samples(case, weak, said, *names)


def _is_set_low(sample: Sample, rule: Rule) -> bool:
    power = sample.get("wifi", "wifi_tx_power_percent")
    return sample.get("wifi", "wifi_coverage_mode") == "short" or (
        power is not None and power <= rule["tx_power_percent"]
    )


def password_weak(case: Case) -> Found | None:
    """Of the router's own network; a guest network may be open."""
    return _setting(case, "wifi_password_strength", _WEAK, _password)


def security_old(case: Case) -> Found | None:
    """No encryption, WEP or WPA."""
    return _setting(case, "wifi_security_mode", _BROKEN, _encryption)


def _password(band: Word, strength: Word) -> Said:
    return say("part.password", band=band, strength=strength)


def _encryption(band: Word, mode: Word) -> Said:
    return say("part.encryption", band=band, mode=mode)


def _setting(case: Case, name: str, bad: frozenset[str], told: Callable[[Word, Word], Said]) -> Found | None:
    """A bad setting of a band that is on. Each band by itself: a record may say nothing about the other."""

    def judged(band: str) -> Iterator[tuple[Sample, bool]]:
        for sample in case.history.samples:
            value, is_on = sample.get("wifi", f"{name}_{band}"), _is_on(sample, band)
            if value is not None or not is_on:
                yield sample, is_on and value in bad

    runs = {band: run for band in _BANDS if len(run := trailing(judged(band))) >= case.rule["samples"]}
    if not runs:
        return None
    wrong = {sample.record_id for run in runs.values() for sample in run}
    bands: list[Value] = [
        told(_title(band), Word(name, run[-1].get("wifi", f"{name}_{band}"))) for band, run in runs.items()
    ]
    spell = lasting([sample for sample in case.history.samples if sample.record_id in wrong])
    said = say("finding.wifi_setting", bands=Listed("comma", bands))
    return found_samples(case, spell, said, *(f"wifi.{name}_{band}" for band in _BANDS))


def crowded(case: Case) -> Found | None:
    """A band is at its limit of stations for much of a day."""
    spells = [spell for bands in _ALONE_OR_BOTH if (spell := mostly(case, _full(case, bands))) is not None]
    if not spells:
        return None
    spell = max(spells, key=lambda one: (one.lasts, one.until or 0, len(one.marks)))
    said = say("finding.wifi_crowded", n=len(spell.marks), seen=spell.seen)
    fields = tuple(f"wifi.wifi_{name}_{band}" for band in _BANDS for name in ("station_count", "max_stations"))
    return found_samples(case, spell, said, *fields)


def _full(case: Case, bands: Iterable[str]) -> list[Mark[Sample]]:
    """The samples that tell of any of these bands, and whether one of them is at its limit."""
    return [
        Mark(sample.at, float(max(found) >= case.rule["occupied"]), sample)
        for sample in case.history.samples
        if (found := [share for band in bands if (share := _occupied(sample, band)) is not None])
    ]


def _occupied(sample: Sample, band: str) -> float | None:
    count, most = sample.get("wifi", f"wifi_station_count_{band}"), sample.get("wifi", f"wifi_max_stations_{band}")
    return count / most if count is not None and most else None


def badly_set(case: Case) -> Found | None:
    """A 2.4 GHz channel that is too wide or not a usual one."""

    def wrong(sample: Sample) -> list[Value]:
        if not _is_on(sample, "2g"):
            return []
        width, channel = sample.get("wifi", "wifi_bandwidth_2g_mhz"), sample.get("wifi", "wifi_channel_2g")
        return [
            *([say("part.width", mhz=width)] if width is not None and width > case.rule["bandwidth_mhz"] else []),
            *([say("part.channel", number=channel)] if channel is not None and channel not in _USUAL_CHANNELS else []),
        ]

    samples = [sample for sample in case.history.samples if sample.get("wifi", "wifi_channel_2g") is not None]
    names = ("wifi.wifi_channel_2g", "wifi.wifi_bandwidth_2g_mhz")

    def said(sample: Sample) -> Said:
        return say("finding.wifi_badly_set", faults=Listed("comma", wrong(sample)))

    return standing(case, ((sample, bool(wrong(sample))) for sample in samples), said, *names)


def _is_on(sample: Sample, band: str) -> bool:
    wifi = sample.body.get("wifi", {})
    return wifi.get("wifi_enabled", True) is not False and wifi.get(f"wifi_enabled_{band}", True) is not False


def _title(band: str) -> Word:
    return Word("band", "2.4 GHz" if band == "2g" else "5 GHz")
