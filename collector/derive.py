"""What one sample of a router says only beside the one before: a disconnect, a restart, the rate of a counter. Pure.

Formats of others name states and counters, not events. What has to be known between two samples is little, of fixed
size, kept beside the router's records, erased with them, and unknown after too long a gap.

Rule 1: a sample older than the last one derives nothing and changes nothing: backlogs come after the fact.
Rule 2: what cannot be told is not guessed: no rate over a reset, no event from an unknown state.
Rule 3: nothing is derived that the router says itself in the same sample.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from collector.model import Sealed

WATCHDOG: Final = "event.watchdog_reboots_total"
"""The counter of which no rate is made: a rise says why the router restarted."""
LONGEST_GAP: Final = 86_400_000
"""Milliseconds after which the last sample says nothing about this one."""
_UP: Final = frozenset({"connected", "limited"})
_DOWN: Final = frozenset({"disconnected", "disconnecting", "no_service"})
_SLACK: Final = 90_000
"""Milliseconds by which two ways to tell when a router started may differ: clocks are set, samples take time."""
_DRIFT: Final = 0.01
"""And the part of the time between two samples."""
_WRAPS: Final = (2**32, 2**64)
_NEAR_THE_END: Final = 0.5
"""A counter in this upper part of its range that comes back small has wrapped; one below it was reset."""
_FASTEST: Final = 125_000_000_000
"""Bytes a second that no router moves (catalogue, `downlink_bytes_per_second`): a wrap that means more was a reset."""


class Observed(Sealed, frozen=True, gc=False):
    """What a sample says that only the next one makes use of. Times in milliseconds, uptime in seconds.

    `counters` are by the field that their rate is, as in `usage.downlink_bytes_per_second`.
    """

    at: int
    wan: str | None = None
    uptime: int | None = None
    watchdog: int | None = None
    counters: dict[str, int] = msgspec.field(default_factory=dict)


class Derived(Sealed, frozen=True):
    """What comes of a sample beside the last one: events and fields for its record, and what to remember."""

    events: tuple[dict[str, Any], ...]
    fields: dict[str, int]
    memory: Observed


def observed_in(body: Mapping[str, Any], at: int, counters: Mapping[str, int]) -> Observed | None:
    """What is worth remembering of a record's body and of the counters sent with it, None if nothing is."""
    rates = {field: value for field, value in counters.items() if field != WATCHDOG}
    watchdog = counters.get(WATCHDOG)
    wan = body.get("network", {}).get("wan_connection_state")
    uptime = body.get("router", {}).get("uptime_seconds")
    if wan is None and uptime is None and watchdog is None and not counters:
        return None
    return Observed(at=at, wan=wan, uptime=uptime, watchdog=watchdog, counters=rates)


def derive(before: Observed | None, now: Observed, said: frozenset[str]) -> Derived:
    """Compare a sample with what is remembered; *said* are the kinds of events that it tells of by itself."""
    if before is None or now.at - before.at > LONGEST_GAP:
        return Derived((), {}, now)
    if now.at <= before.at:
        return Derived((), {}, before)
    events = [event for event in (_disconnect(before, now), _restart(before, now)) if event]
    restarted = any(event["event"] == "unexpected_reboot" for event in events) or "unexpected_reboot" in said
    fields = {} if restarted else _rates(before, now)
    told = tuple(event for event in events if event["event"] not in said)
    return Derived(told, fields, _remembered(before, now))


def _remembered(before: Observed, now: Observed) -> Observed:
    """The newest of everything: not every sample says everything."""
    restarted = _restart(before, now) is not None
    counters = dict(now.counters) if restarted else {**before.counters, **now.counters}
    return Observed(
        at=now.at,
        wan=before.wan if now.wan is None else now.wan,
        uptime=_uptime_at(before, now.at) if now.uptime is None else now.uptime,
        watchdog=before.watchdog if now.watchdog is None else now.watchdog,
        # A counter that this sample does not have is as old as its own sample was: without that, no rate.
        counters=counters if set(counters) == set(now.counters) else dict(now.counters),
    )


def _uptime_at(before: Observed, at: int) -> int | None:
    return None if before.uptime is None else before.uptime + (at - before.at) // 1000


def _disconnect(before: Observed, now: Observed) -> dict[str, Any] | None:
    if before.wan in _UP and now.wan in _DOWN:
        return {"event": "wan_unexpected_disconnect", "time": text_of(now.at)}
    return None


def _restart(before: Observed, now: Observed) -> dict[str, Any] | None:
    """A restart shows in an uptime that is shorter than it should be; dated by that uptime."""
    if before.uptime is None or now.uptime is None:
        return None
    started, started_before = now.at - now.uptime * 1000, before.at - before.uptime * 1000
    if started - started_before <= _SLACK + _DRIFT * (now.at - before.at) or started <= before.at - _SLACK:
        return None
    watchdog = before.watchdog is not None and now.watchdog is not None and now.watchdog > before.watchdog
    return {
        "event": "unexpected_reboot",
        "time": text_of(started),
        "reboot_reason": "watchdog" if watchdog else "unknown",
    }


def _rates(before: Observed, now: Observed) -> dict[str, int]:
    seconds = (now.at - before.at) / 1000
    rates = {}
    for field, value in now.counters.items():
        step = None if field not in before.counters else step_of(before.counters[field], value, seconds)
        if step is not None:
            rates[field] = round(step / seconds)
    return rates


def step_of(before: int, now: int, seconds: float) -> int | None:
    """How far a counter went in *seconds*, over a wrap of 32 or 64 bits too; None over a reset."""
    if now >= before:
        return now - before
    for size in _WRAPS:
        if size * _NEAR_THE_END <= before < size and now < size * (1 - _NEAR_THE_END):
            step = size - before + now
            return step if step <= _FASTEST * seconds else None
    return None


def text_of(milliseconds: int) -> str:
    """RFC 3339 UTC to the second, as fault events have it (catalogue 1.6)."""
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(tzinfo=None).isoformat() + "Z"


encode: Final = msgspec.json.Encoder().encode
decode: Final = msgspec.json.Decoder(Observed).decode
