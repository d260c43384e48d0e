"""Messages of routers that speak another format, sample by sample and name by name."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from msgspec import UNSET

from collector.explain.nouns import DONE, Finding, Recorder, Told, removed, whys
from collector.fields.catalogue import Catalogue
from collector.fields.names import RefusedNames
from collector.formats.aliases import Alias
from collector.formats.reading import Reading
from collector.formats.report import rfc3339
from collector.formats.sources import Source, says_nothing
from collector.model import Accepted, Dropped, DropReason, Flag, Message, Report
from collector.pipeline import Rules, judge
from collector.straight import timely_events

_FLAGS: Final = {
    Flag.YES: "the flag says yes",
    Flag.NO: "the flag says no",
    Flag.ABSENT: "the flag is not there",
    Flag.INVALID: "the flag cannot be read",
    Flag.NONE: "the ledger alone decides on consent",
}
_HINTS: Final = {
    DropReason.REGION_UNKNOWN: "The country comes from the message, from `country` of the source or from the registry "
    "(ueip registry add); --country says what the registry would.",
    DropReason.CLOCK_INVALID: "With `arrival_time = true` its source takes a message without a time as measured on "
    "arrival.",
    DropReason.UNKNOWN_TOPIC: "The router must be named at the level of the topic that the source says, in letters, "
    "digits and . _ - : only, or by the payload or the sender, if the source says so.",
}


_BY_THE_SOURCE: Final = "@"
"""Names that begin so are in no message: they stand for what its source says."""


def reports(source: Source, message: Message, rules: Rules, catalogue: Catalogue) -> Iterator[Told]:
    """What becomes of each sample in a message of *source*; nothing if the message cannot be read."""
    readings = source.readings(message)
    names = RefusedNames(catalogue)
    for reading in () if isinstance(readings, DropReason) else readings:
        recorder = Recorder()
        report = source.report(reading, message, recorder)
        if isinstance(report, DropReason):
            yield Told(f"dropped: {report}", whys(report.meaning, _HINTS.get(report, "")), None)
        else:
            timely, _, _ = timely_events(report.content.events, 0, message.received_at, rules.gate)
            yield _told(_Sample(source, reading, report, timely, recorder, catalogue, names), message, rules)


class _Sample:
    """One sample, and all that is known of it."""

    def __init__(
        self,
        source: Source,
        reading: Reading,
        report: Report,
        events: list[Any],
        recorder: Recorder,
        catalogue: Catalogue,
        names: RefusedNames,
    ) -> None:
        self.reading, self.report, self._events = reading, report, events
        self._source, self._recorder, self._catalogue, self._names = source, recorder, catalogue, names
        self._late = {part.field for part in (*report.parts, *(report.counters or ()))}

    def where(self) -> str:
        """How the sample was understood, in a sentence."""
        said = self.reading.time
        clock = f"measured at {rfc3339(said)}" if said is not None else "it gives no time"
        if said is None and self.report.time is not None:
            clock = "it gives no time, so that of its arrival is taken"
        return (
            f"A message of the source '{self._source.name}' ({self._source.format}): {clock}; "
            f"{_FLAGS[self.report.flag]}."
        )

    def findings(self, stored: Mapping[str, Any] | None) -> Iterator[Finding]:
        """What becomes of each name; *stored* is the body of the sample's record."""
        recorder, told = self._recorder, set()
        for path, _ in self.reading.values:
            told.add(path)
            if not path.startswith(_BY_THE_SOURCE):
                yield self._finding(path, stored)
        for path, removal in recorder.paths.items():  # what was packed into values
            if path not in told:
                yield removed(path, path, removal, self._catalogue, self._names)

    def _finding(self, path: str, stored: Mapping[str, Any] | None) -> Finding:
        recorder = self._recorder
        if fields := recorder.fields.get(path):
            return self._kept(path, list(fields), stored)
        if path in recorder.paths:
            return removed(path, path, recorder.paths[path], self._catalogue, self._names)
        entries = self._source.translator.entries(path) or ()
        wanted = ", ".join(dict.fromkeys(map(_purpose, entries)))
        if path in recorder.unsets:
            return Finding(path, "unset", f"means that nothing was measured; would be {wanted}", "")
        if not entries:
            return Finding(path, "unused", "only tells what other names mean; not stored", "")
        return Finding(path, "unused", f"not needed: {wanted} is given by another name, or is not meant here", "")

    def _kept(self, path: str, fields: list[str], stored: Mapping[str, Any] | None) -> Finding:
        made = [self._as_field(field, stored) for field in fields]
        kept = [finding for finding in made if finding[0] != "removed"]
        verdict, _, clause = (kept or made)[0]
        words = ", ".join(dict.fromkeys(text for _, text, _ in kept or made))
        return Finding(path, verdict, words, clause)

    def _as_field(self, field: str, stored: Mapping[str, Any] | None) -> tuple[Any, str, str]:
        """Verdict, words and clause of a value that became *field*, or an event or a member of one."""
        group, _, name = field.rpartition(".")
        entry = self._catalogue.fields.get(name)
        if group in {"", "event"}:
            words = f"event {name}" if not group else f"{name} of its event"
            clause = entry.clause if entry else ""
            if name in self._told_by_events():
                return "kept", words, clause
            return "removed", f"left out: it makes no {words} here", clause
        if given := next((i for i in self._catalogue.input if i.name == name and i.group == group), None):
            return DONE[given.treatment], "to " + ", ".join(given.feeds), given.clause
        assert entry is not None
        words = f"{field}, {entry.unit}" if entry.unit else field
        if field in self._late:
            return "derived", f"{words}: together with other messages of the router", entry.clause
        if stored is not None and entry.place == "body" and name not in stored.get(group, {}):
            return "removed", f"left out: {words}; the value says nothing that may be stored", entry.clause
        return DONE[entry.treatment], words, entry.clause

    def _told_by_events(self) -> set[str]:
        made = self._events
        members = {name for event in made for name in event.__struct_fields__ if getattr(event, name) is not UNSET}
        return {*members, *(event.event for event in made)}


def _purpose(alias: Alias) -> str:
    return alias.field or f"event {alias.event}"


def _told(sample: _Sample, message: Message, rules: Rules) -> Told:
    report = sample.report
    if says_nothing(report):
        reason = DropReason.NOTHING_SAID
        return Told(f"dropped: {reason}", whys(sample.where(), reason.meaning), None, tuple(sample.findings(None)))
    outcome = judge(report, message, rules)
    if isinstance(outcome, Dropped):
        hint = _HINTS.get(outcome.reason, "")
        more = "It also counts as an exit of this router." if outcome.exits else ""
        why = whys(sample.where(), outcome.reason.meaning, hint, more)
        return Told(f"dropped: {outcome.reason}", why, None, tuple(sample.findings(None)))
    return _accepted(sample, outcome)


def _accepted(sample: _Sample, outcome: Accepted) -> Told:
    stored: dict[str, Any] = orjson.loads(outcome.record.body)
    shared = ""
    if sample.report.interval is not None:
        shared = "It is one part of a record, which all parts of the router's interval make up together."
    return Told("stored", whys(sample.where(), shared), outcome.record.region, tuple(sample.findings(stored)), stored)
