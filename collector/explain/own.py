"""Reports of our own format, key by key."""

from collections.abc import Iterator
from typing import Any, Final

from collector.explain.expected import mismatch, of_entry, of_envelope
from collector.explain.nouns import DONE, Finding, Recorder, removed
from collector.fields.catalogue import Catalogue
from collector.fields.compiled import MAX_EVENTS
from collector.fields.names import RefusedNames
from collector.formats.report import milliseconds, parse_topic
from collector.formats.strict_json import NotStrict, parse_object
from collector.model import Message, Removal, Report
from collector.pipeline import Rules

_ENVELOPE: Final = {
    "schema_version": "version of the format",
    "message_id": "becomes record_id, a pseudonym",
    "ueip": "the flag; opens the gate, is not stored",
    "policy_version": "compared with the consent's, which is stored",
    "country": "chooses the region, is not stored",
    "time": "stored as event_time, to the minute",
    "uptime_at_event_seconds": "gives the age where the clock is not set",
    "uptime_at_send_seconds": "gives the age where the clock is not set",
    "event": "kind of the event, kept",
}


def findings(message: Message, rules: Rules, catalogue: Catalogue, stored: dict[str, Any] | None) -> Iterator[Finding]:
    """What becomes of each key; nothing if it is no report or cannot be read. *stored* is the body of its record."""
    topic = parse_topic(message.topic)
    if topic is None or topic[1] != "report":
        return
    recorder = Recorder()
    report = rules.reports.decode_slowly(message, topic[0], recorder)
    try:
        document = parse_object(message.payload, max_depth=64)
    except NotStrict:
        return
    places = _places(document, report, recorder, message, rules) if isinstance(report, Report) else {}
    names, told, invalid = RefusedNames(catalogue), set(), _Invalid(document, recorder.paths, catalogue)
    for path, name in _leaves(document, recorder.paths):
        told.add(path)
        found = invalid.finding(path) or _finding(path, name, recorder.paths.get(path), catalogue, names)
        yield _checked(found, stored, catalogue, places)
    for path, removal in recorder.paths.items():
        if path not in told:
            yield invalid.finding(path) or removed(path, path.rpartition(".")[2], removal, catalogue, names)


class _Invalid:
    """What is wrong with the values that were removed as invalid."""

    def __init__(self, document: dict[str, Any], removals: dict[str, Removal], catalogue: Catalogue) -> None:
        self._paths = {path for path, removal in removals.items() if removal is Removal.INVALID}
        self._values = dict(_values(document)) if self._paths else {}
        self._fields = catalogue.fields
        self._inputs = {(str(i.group), i.name): i for i in catalogue.input}
        self._kinds = ", ".join(kind.name for kind in catalogue.event)

    def finding(self, path: str) -> Finding | None:
        """The finding on a path; None if it was not removed as invalid."""
        if path not in self._paths or path not in self._values:
            return None
        entry = self._fields.get(path.rpartition(".")[2])
        return Finding(path, "removed", f"invalid: {self._why(path)}", entry.clause if entry else "F3")

    def _why(self, path: str) -> str:
        value, (above, _, name) = self._values[path], path.rpartition(".")
        if not above and path.endswith("]"):
            return self._why_no_event(path, value)
        if _is_event(above) and name in {"event", "time"}:
            return mismatch(value, f"one of {self._kinds}" if name == "event" else of_envelope("time"))
        group = "event" if _is_event(above) else above.rpartition(".")[2]
        entry = self._inputs.get((group, name)) or (self._fields.get(name) if above else None)
        return mismatch(value, of_entry(entry) if entry else of_envelope(name))

    def _why_no_event(self, path: str, value: Any) -> str:
        if (_event_of(path) or 0) >= MAX_EVENTS:
            return f"more than {MAX_EVENTS} events"
        if not isinstance(value, dict):
            return mismatch(value, "an object")
        missing = [name for name in ("event", "time") if name not in value or f"{path}.{name}" in self._paths]
        return "missing or wrong in it: " + ", ".join(missing)


def _is_event(path: str) -> bool:
    return path.startswith("events[") and path.endswith("]")


def _values(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a document, with its path."""
    if path:
        yield path, node
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _values(value, f"{path}.{name}" if path else name)
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _values(value, f"{path}[{index}]")


def _places(
    document: dict[str, Any], report: Report, recorder: Recorder, message: Message, rules: Rules
) -> dict[int, int | None]:
    """Where each event of the document is among those that are kept; None for one outside the time window."""
    events = document.get("events")
    count = len(events) if isinstance(events, list) else 0
    decoded = [i for i in range(count) if f"events[{i}]" not in recorder.paths]
    earliest, latest = message.received_at - rules.gate.max_age, message.received_at + rules.gate.max_ahead
    places: dict[int, int | None] = {}
    timely = 0
    for index, event in zip(decoded, report.content.events if decoded else (), strict=False):
        places[index] = timely if earliest <= milliseconds(event.time) <= latest else None
        timely += places[index] is not None
    return places


def _checked(
    finding: Finding, stored: dict[str, Any] | None, catalogue: Catalogue, places: dict[int, int | None]
) -> Finding:
    """The finding, unless the body says otherwise: a treatment may also leave a value out."""
    group, _, name = finding.path.rpartition(".")
    if finding.verdict == "removed":
        return finding
    index = _event_of(finding.path)
    if index is not None and places.get(index, index) is None:
        return Finding(finding.path, "removed", "left out: its event is outside the time window", finding.clause)
    if stored is None or finding.verdict == "envelope" or not group:
        return finding
    wanted = next((i.feeds for i in catalogue.input if i.name == name), (name,))
    if any(catalogue.fields[target].place != "body" for target in wanted):
        return finding
    held = _held(stored, group, None if index is None else places.get(index))
    if any(target in held for target in wanted):
        return finding
    return Finding(finding.path, "removed", "left out: " + _why_left_out(name, held), finding.clause)


def _event_of(path: str) -> int | None:
    """Which event of the document a path is in."""
    return int(path[len("events[") : path.index("]")]) if path.startswith("events[") else None


def _held(stored: dict[str, Any], group: str, event: int | None) -> dict[str, Any]:
    """What the body holds where *group* was in the message."""
    node = stored if event is None else stored["events"][event]
    steps = group if event is None else group.partition("].")[2]
    for step in steps.split(".") if steps else ():
        node = node.get(step, {})
    return node


def _why_left_out(name: str, held: dict[str, Any]) -> str:
    if name.startswith(("wifi_station_", "wifi_association_")):
        few = "wifi_station_count" in held
        return "fewer than 3 stations are connected" if few else "no wifi_station_count beside it"
    if name == "cell_id":
        return "no plmn beside it"
    return "the value says nothing that may be stored"


def _leaves(document: dict[str, Any], removed: dict[str, Removal], path: str = "") -> Iterator[tuple[str, str]]:
    """Path and name of every key that has a fate of its own: values, and whatever was removed whole."""
    for name, value in document.items():
        here = f"{path}{name}"
        if here in removed or not isinstance(value, dict | list):
            yield here, name
        elif isinstance(value, dict):
            yield from _leaves(value, removed, here + ".")
        else:
            for index, item in enumerate(value):
                if f"{here}[{index}]" in removed:
                    yield f"{here}[{index}]", name
                elif isinstance(item, dict):
                    yield from _leaves(item, removed, f"{here}[{index}].")


def _finding(path: str, name: str, removal: Removal | None, catalogue: Catalogue, names: RefusedNames) -> Finding:
    if removal is not None:
        return removed(path, name, removal, catalogue, names)
    if entry := catalogue.fields.get(name):
        return Finding(path, DONE[entry.treatment], name, entry.clause)
    if given := next((i for i in catalogue.input if i.name == name), None):
        return Finding(path, DONE[given.treatment], "to " + ", ".join(given.feeds), given.clause)
    if path.startswith("events[") and name == "time":
        return Finding(path, "envelope", "kept, to the second", "")
    return Finding(path, "envelope", _ENVELOPE.get(name, ""), "")
