"""What goes wrong on purpose: each router has at most one bad habit, and each habit one expected outcome.

Rule 1: a habit spoils one thing only, so that the reason for a drop does not hang on the order of the checks.
Rule 2: a habit that the collector takes for an exit (`ueip: false`) is never mixed with good reports: the collector
        would refuse those too, as withdrawn.
"""

from collections.abc import Callable, Iterable

from collector.simulator import leaks
from collector.simulator.habits import Habit
from collector.simulator.publication import Draft, dropped

_OVERSIZE_BYTES = 66 * 1024
_TOO_LARGE_READING = 2_147_483_647  # what a modem driver without a reading passes on
_LOOK_ALIKES: dict[str, object] = {
    "tr069_user_improv_notify_flag": "1",
    "privacy_read_flag": "1",
    "dm_user_grant_flag": "1",
}

Spoiler = Callable[[Draft], None]


def spoil(habit: Habit, draft: Draft) -> None:
    """Change *draft* as *habit* does, and what is expected of it."""
    _SPOILERS.get(habit, _leave_alone)(draft)


def _leave_alone(_draft: Draft) -> None:
    """Change nothing."""


def _flag_absent(draft: Draft) -> None:
    del draft.report["ueip"]
    draft.expectation = dropped("flag_absent")


def _flag_false(draft: Draft) -> None:
    draft.report["ueip"] = False
    draft.expectation = dropped("flag_false")


def _flag_text(draft: Draft) -> None:
    draft.report["ueip"] = "1" if draft.number % 2 else "true"
    draft.expectation = dropped("flag_invalid")


def _look_alike(draft: Draft) -> None:
    _flag_absent(draft)
    draft.report |= _LOOK_ALIKES


def _country_unusable(draft: Draft) -> None:
    country = str(draft.report.pop("country"))
    match draft.number % 3:
        case 1:
            draft.report["country"] = country.lower()
        case 2:
            draft.report["country"] = "UK"
    draft.expectation = dropped("region_unknown")


def _roams_across(draft: Draft) -> None:
    # As if two days at home, two abroad: the timeline shows a gap, not a router that was never there.
    if draft.number % 4 < 2:
        return
    abroad = {"plmn": "26201" if draft.report["country"] == "CN" else "46000", "roaming_state": "international"}
    draft.group("network").update(abroad)
    for snapshot in _snapshots(draft):
        snapshot["network"].update(abroad)
    draft.expectation = dropped("region_conflict")


def _leaks(draft: Draft) -> None:
    leaks.add(draft)


def _clock_unset(draft: Draft) -> None:
    _forget_the_date(draft)
    draft.expectation = dropped("too_old")
    if draft.number % 2:
        del draft.report["time"]
        draft.expectation = dropped("clock_invalid")


def _clock_unset_with_uptimes(draft: Draft) -> None:
    _forget_the_date(draft)
    if draft.number % 2:
        del draft.report["time"]
    uptime = draft.group("router")["uptime_seconds"]
    # The same age every time: each report then lies after the one before, however fast a history is replayed.
    draft.report["uptime_at_event_seconds"] = uptime
    draft.report["uptime_at_send_seconds"] = int(str(uptime)) + 20


def _clock_ahead(draft: Draft) -> None:
    year = int(str(draft.report["time"])[:4])
    draft.report["time"] = f"{year + 14}-01-01T00:00:00Z"
    draft.report.pop("events", None)
    draft.expectation = dropped("future")


def _retains(draft: Draft) -> None:
    if draft.number % 3 == 1:
        draft.retain = True
        draft.expectation = dropped("retained")


def _repeats(draft: Draft) -> None:
    draft.repeat = draft.number % 2 == 1


def _wrong_topic(draft: Draft) -> None:
    if draft.number % 3 == 1:
        draft.topic = draft.topic.removesuffix("report") + "debug"
        draft.expectation = dropped("unknown_topic")


def _truncates(draft: Draft) -> None:
    if draft.number % 3 == 1:
        draft.truncate = True
        draft.expectation = dropped("malformed")


def _oversize(draft: Draft) -> None:
    if draft.number % 3 == 1:
        draft.report["trace"] = "." * _OVERSIZE_BYTES
        draft.expectation = dropped("oversize")


def _names_another(draft: Draft) -> None:
    if draft.number % 3 == 1:
        draft.group("router").update(serial="ZTEXX0A000001", imei="004402450000018")
        draft.expectation = dropped("identity_mismatch")


def _schema_too_new(draft: Draft) -> None:
    draft.report["schema_version"] = 99
    draft.expectation = dropped("schema_version")


def _message_id_missing(draft: Draft) -> None:
    del draft.report["message_id"]
    draft.expectation = dropped("message_id")


def _unknown_keys(draft: Draft) -> None:
    draft.report["vendor_build_flavour"] = "nightly"
    draft.report["self_test"] = {"passed": True, "steps": [1, 2, 3]}
    draft.group("wifi")["antenna_layout"] = "2x2"


def _out_of_bounds(draft: Draft) -> None:
    draft.group("signal").update(rsrp_dbm=_TOO_LARGE_READING, sinr_db=-3276.8)
    draft.group("wifi").update(wifi_channel_2g=99, wifi_security_mode_5g="wpa9")
    draft.group("power")["battery_percent"] = 250


def _forget_the_date(draft: Draft) -> None:
    uptime = int(str(draft.group("router")["uptime_seconds"]))
    draft.report["time"] = f"1970-01-{1 + uptime // 86400 % 28:02d}T00:{uptime // 60 % 60:02d}:{uptime % 60:02d}Z"
    # Without a clock there is no date to put on an event or a session.
    draft.report.pop("events", None)
    draft.report.pop("session", None)


def _snapshots(draft: Draft) -> Iterable[dict[str, dict[str, object]]]:
    events = draft.report.get("events")
    found = [event.get("disconnect_snapshot") for event in events] if isinstance(events, list) else []
    return [snapshot for snapshot in found if snapshot is not None]


_SPOILERS: dict[Habit, Spoiler] = {
    Habit.FLAG_ABSENT: _flag_absent,
    Habit.FLAG_FALSE: _flag_false,
    Habit.FLAG_TEXT: _flag_text,
    Habit.LOOK_ALIKE: _look_alike,
    Habit.COUNTRY_UNUSABLE: _country_unusable,
    Habit.ROAMS_ACROSS: _roams_across,
    Habit.LEAKS: _leaks,
    Habit.CLOCK_UNSET: _clock_unset,
    Habit.CLOCK_UNSET_WITH_UPTIMES: _clock_unset_with_uptimes,
    Habit.CLOCK_AHEAD: _clock_ahead,
    Habit.RETAINS: _retains,
    Habit.REPEATS: _repeats,
    Habit.WRONG_TOPIC: _wrong_topic,
    Habit.TRUNCATES: _truncates,
    Habit.OVERSIZE: _oversize,
    Habit.NAMES_ANOTHER: _names_another,
    Habit.SCHEMA_TOO_NEW: _schema_too_new,
    Habit.MESSAGE_ID_MISSING: _message_id_missing,
    Habit.UNKNOWN_KEYS: _unknown_keys,
    Habit.OUT_OF_BOUNDS: _out_of_bounds,
}
