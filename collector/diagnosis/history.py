"""A router's records as a rule reads them: samples and events, oldest first, each with the record it is from."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import cached_property
from itertools import accumulate, pairwise
from statistics import median
from typing import Any, Final, NamedTuple

import orjson

from collector.diagnosis.nouns import Evidence
from collector.stores import StoredRecord

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
_GAP_FACTOR: Final = 3.0
_GAP_LEAST: Final = 30 * MINUTE


class Sample(NamedTuple):
    """One record: when it was measured and received, in milliseconds, and its body."""

    at: int
    received_at: int
    record_id: bytes
    body: dict[str, Any]

    def get(self, group: str, name: str) -> Any:
        """The value of a field, None if the record has none."""
        return self.body.get(group, {}).get(name)

    def evidence(self, *names: str) -> Evidence:
        """The record, with those of the fields *names* (as group.name) it has; event.name is from its last event."""
        values = {name: self._named(*name.split(".", 1)) for name in names}
        return Evidence(self.record_id, self.at, {name: value for name, value in values.items() if value is not None})

    def _named(self, group: str, name: str) -> Any:
        if group != "event":
            return self.get(group, name)
        return next((told[name] for told in reversed(self.body.get("events", ())) if name in told), None)


class Event(NamedTuple):
    """One fault event."""

    at: int
    kind: str
    record_id: bytes
    details: dict[str, Any]

    def evidence(self, *names: str) -> Evidence:
        """The record, with the kind of event and those of the members *names* it has."""
        values = {name: self.details[name] for name in names if name in self.details}
        return Evidence(self.record_id, self.at, {"event": self.kind, **values})


class Reading(NamedTuple):
    """A value and the sample it is from."""

    sample: Sample
    value: Any


class Gap(NamedTuple):
    """A time without records."""

    since: int
    until: int


class History:
    """What a router sent from *since* to *now*, milliseconds. `last_received_at` may lie before *since*."""

    def __init__(
        self,
        records: Iterable[StoredRecord],
        *,
        since: int,
        now: int,
        last_received_at: int | None = None,
        decode: Callable[[bytes], Any] = orjson.loads,
    ) -> None:
        """*records* come as stores give them, newest first; *decode* may read only a part of each body (`partial`)."""
        found = [Sample(r.event_time, r.received_at, r.record_id, decode(r.body)) for r in records]
        # Times are to the minute, and a backlog is received all at once: the order of storing decides between equals.
        found.reverse()
        found.sort(key=lambda sample: (sample.at, sample.received_at))
        self.samples: Sequence[Sample] = found
        self.since = since
        self.now = now
        newest = max((sample.received_at for sample in found), default=None)
        self.last_received_at = newest if last_received_at is None else last_received_at

    @cached_property
    def events(self) -> Sequence[Event]:
        """Every fault event since the beginning, oldest first; one reported twice counts once."""
        told = (event for sample in self.samples for event in _events(sample) if event.at >= self.since)
        # Several codes may come at one moment, but a router restarts or loses the network only once then.
        found = {(event.at, event.kind, event.details.get("fault_code", "")): event for event in told}
        return [found[key] for key in sorted(found)]

    def of_kind(self, *kinds: str) -> list[Event]:
        """The events of these kinds, oldest first."""
        return [event for event in self.events if event.kind in kinds]

    def readings(self, group: str, name: str) -> list[Reading]:
        """Every value of a field, oldest first."""
        values = ((sample, sample.get(group, name)) for sample in self.samples)
        return [Reading(sample, value) for sample, value in values if value is not None]

    def latest(self, group: str, name: str) -> Any:
        """The newest value of a field, None if there is none."""
        return next(
            (value for sample in reversed(self.samples) if (value := sample.get(group, name)) is not None), None
        )

    def before(self, moment: int, within: int) -> Sample | None:
        """The last sample at or before a time, at most *within* milliseconds older."""
        position = bisect_right(self._times, moment) - 1
        if position < 0 or moment - self._times[position] > within:
            return None
        return self.samples[position]

    def ahead_of(self, event: Event, within: int) -> Sample | None:
        """The last sample from before an event: one of the same minute may be later, like the one that reports it."""
        return self.before(event.at // MINUTE * MINUTE - 1, within)

    def between(self, since: int, until: int) -> Sequence[Sample]:
        """The samples from one time to another, both included."""
        return self.samples[bisect_left(self._times, since) : bisect_right(self._times, until)]

    @cached_property
    def usual_interval(self) -> int | None:
        """The median time between two samples, None with fewer than three."""
        steps = [later - earlier for earlier, later in pairwise(self._times) if later > earlier]
        return round(median(steps)) if len(steps) > 1 else None

    @cached_property
    def gaps(self) -> Sequence[Gap]:
        """Times without records, longer than three usual intervals and half an hour; the one until now too."""
        if self.usual_interval is None:
            return []
        least = max(_GAP_LEAST, _GAP_FACTOR * self.usual_interval)
        ends = [*self._times, self.now]
        return [Gap(earlier, later) for earlier, later in pairwise(ends) if later - earlier > least]

    def silence(self, since: int, until: int) -> int:
        """How many milliseconds of a time lie in gaps."""
        return max(0, self._silent_before(until) - self._silent_before(since))

    def _silent_before(self, moment: int) -> int:
        number = bisect_right(self.gaps, moment, key=lambda gap: gap.since)
        if not number:
            return 0
        last = self.gaps[number - 1]
        return self._silences[number - 1] + min(moment, last.until) - last.since

    @cached_property
    def _silences(self) -> Sequence[int]:
        """Milliseconds in gaps before each gap, kept since rules ask about thousands of events among as many gaps."""
        return list(accumulate((gap.until - gap.since for gap in self.gaps), initial=0))

    @cached_property
    def observed(self) -> int:
        """Milliseconds in which the router was seen: from its first record on, without gaps; at least an hour."""
        first = self.samples[0].at if self.samples else self.now
        return max(HOUR, self.now - first - self.silence(first, self.now))

    @property
    def days(self) -> float:
        """Days in which the router was seen, at least one: what happened once in an hour is not 24 a day."""
        return max(DAY, self.observed) / DAY

    @cached_property
    def _times(self) -> list[int]:
        return [sample.at for sample in self.samples]


def moment_of(text: Any) -> int | None:
    """A time as bodies write it (RFC 3339 UTC), in milliseconds; None if it is not one."""
    if not isinstance(text, str):
        return None
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000)
    except ValueError:
        return None


def _events(sample: Sample) -> Iterator[Event]:
    for details in sample.body.get("events", ()):
        at = moment_of(details.get("time"))
        yield Event(sample.at if at is None else at, details["event"], sample.record_id, details)
