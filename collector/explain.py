"""What would happen to a message, field by field. Stores nothing; key names go to the user's own terminal only."""

import os
from collections.abc import Iterator
from typing import Any, Literal

import orjson

from collector.config import Settings
from collector.consent.joining import flag_join_refusal, version_of
from collector.fields.catalogue import Catalogue, load_catalogue
from collector.fields.clean import Tally
from collector.fields.names import RefusedNames
from collector.formats.report import parse_topic
from collector.formats.strict_json import NotStrict, parse_object
from collector.model import (
    Accepted,
    Action,
    ConsentChange,
    Dropped,
    Message,
    Record,
    Region,
    Removal,
    Sealed,
    Several,
)
from collector.pipeline import Rules, judge, process
from collector.pseudonym import Key, Pseudonymiser
from collector.rules import assemble

Verdict = Literal["kept", "coarsened", "pseudonymised", "derived", "removed", "envelope"]
_DONE: dict[str, Verdict] = {
    "keep": "kept",
    "coarsen": "coarsened",
    "pseudonymise": "pseudonymised",
    "derive": "derived",
}
_ENVELOPE = {
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


class Finding(Sealed, frozen=True):
    """What becomes of one key of the message."""

    path: str
    verdict: Verdict
    as_what: str
    clause: str


class Explanation(Sealed, frozen=True):
    """What becomes of the message, and of each of its keys."""

    outcome: str
    reason: str
    region: Region | None
    findings: tuple[Finding, ...]
    stored: dict[str, Any] | None


class _Recorder(Tally):
    """Keeps what a `Tally` forgets: the names."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: dict[str, Removal] = {}

    def removed(self, removal: Removal, path: str) -> None:
        super().removed(removal, path)
        self.paths[path] = removal


def rules_for_explaining(settings: Settings) -> Rules:
    """Rules with keys made for the occasion: explaining needs no secret, and its pseudonyms mean nothing."""
    return assemble(settings, {region: Pseudonymiser([Key(os.urandom(32))]) for region in settings.regions.enabled})


def explain(message: Message, rules: Rules, catalogue: Catalogue | None = None) -> Explanation:
    """Run *message* through `process`, as a router's first one, and say what becomes of each key."""
    outcome = process(message, rules)
    catalogue = catalogue or load_catalogue()
    findings = tuple(_findings(message, rules, catalogue))
    if isinstance(outcome, Accepted):
        stored = orjson.loads(outcome.record.body)
        told = tuple(_checked(finding, stored, catalogue) for finding in findings)
        why = f"{_WHY_STORED} {_notice(outcome.record, rules)}"
        return Explanation("stored", why, outcome.record.region, told, stored)
    if isinstance(outcome, Dropped):
        more = " It also counts as an exit of this router." if outcome.exits else ""
        return Explanation(f"dropped: {outcome.reason}", outcome.reason.meaning + more, None, findings, None)
    if isinstance(outcome, Several):
        each = ", ".join(_told(one) for one in outcome.outcomes)
        return Explanation("several reports", f"Each for itself: {each}.", None, findings, None)
    if isinstance(outcome, ConsentChange):
        regions = ", ".join(region for region, _ in outcome.events)
        event = outcome.events[0][1]
        under = f", under version {version_of(event, rules.gate.policies)} of the notice"
        said = f"Goes to the ledger of {regions}{under if event.action is Action.JOIN else ''}."
        return Explanation(f"consent event: {event.action}", said, None, (), None)
    return Explanation(f"refused: {outcome.reason}", outcome.reason.meaning, None, (), None)


def _told(outcome: Accepted | Dropped) -> str:
    return "stored" if isinstance(outcome, Accepted) else f"dropped: {outcome.reason}"


def _notice(record: Record, rules: Rules) -> str:
    """Which version of the notice it would come in under."""
    policies, declared = rules.gate.policies, record.policy_version
    held = [p.version for p in policies.versions if policies.admits(p.version, declared, record.received_at)]
    joined = f"It is kept under a consent to version {' or '.join(held)} of the notice."
    if rules.gate.mode == "registered":
        return f"{joined} A join event has to come first."
    refused = flag_join_refusal(record, policies)
    if refused is None:
        return f"{joined} A router nobody knows yet joins by it, under version {version_of(record, policies)}."
    return f"{joined} A router nobody knows yet does not join by it ({refused}); it needs a join event."


_WHY_STORED = "The flag is true, the country has a region, and nothing speaks against either. The ledger decides last."


def _findings(message: Message, rules: Rules, catalogue: Catalogue) -> Iterator[Finding]:
    topic = parse_topic(message.topic)
    if topic is None or topic[1] != "report":
        return
    recorder = _Recorder()
    report = rules.reports.decode_slowly(message, topic[0], recorder)
    try:
        document = parse_object(message.payload, max_depth=64)
    except NotStrict:
        return
    if not isinstance(report, str):
        judge(report, message, rules)
    names = RefusedNames(catalogue)
    for path, name in _leaves(document, recorder.paths):
        yield _finding(path, name, recorder.paths.get(path), catalogue, names)


def _checked(finding: Finding, stored: dict[str, Any], catalogue: Catalogue) -> Finding:
    """The finding, unless the body says otherwise: a treatment may also leave a value out."""
    group, _, name = finding.path.rpartition(".")
    if finding.verdict in {"removed", "envelope"} or not group:
        return finding
    given = next((i for i in catalogue.input if i.name == name), None)
    wanted = given.feeds if given else (name,)
    if any(catalogue.fields[target].place != "body" for target in wanted):
        return finding
    if any(target in _texts_of(stored, group) for target in wanted):
        return finding
    return Finding(finding.path, "removed", "left out: " + _why_left_out(finding.path, name), finding.clause)


def _texts_of(stored: dict[str, Any], group: str) -> dict[str, Any]:
    """What the body holds where *group* was in the message; any event, for events may have been left out before it."""
    if not group.startswith("events["):
        found: dict[str, Any] = stored.get(group, {})
        return found
    inner = group.partition("].")[2]
    merged: dict[str, Any] = {}
    for event in stored.get("events", ()):
        node = event
        for step in inner.split(".") if inner else ():
            node = node.get(step, {})
        merged |= node
    return merged


def _why_left_out(path: str, name: str) -> str:
    if name.startswith(("wifi_station_", "wifi_association_")):
        return "fewer than 3 stations are connected"
    if name == "cell_id":
        return "no plmn beside it"
    if path.startswith("events["):
        return "its event is outside the time window"
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
        return _removed(path, name, removal, catalogue, names)
    if entry := catalogue.fields.get(name):
        return Finding(path, _DONE[entry.treatment], name, entry.clause)
    if given := next((i for i in catalogue.input if i.name == name), None):
        return Finding(path, _DONE[given.treatment], "to " + ", ".join(given.feeds), given.clause)
    if path.startswith("events[") and name == "time":
        return Finding(path, "envelope", "kept, to the second", "")
    return Finding(path, "envelope", _ENVELOPE.get(name, ""), "")


def _removed(path: str, name: str, removal: Removal, catalogue: Catalogue, names: RefusedNames) -> Finding:
    if removal is Removal.INVALID:
        entry = catalogue.fields.get(name)
        return Finding(path, "removed", "invalid: outside its type or bounds", entry.clause if entry else "F3")
    if removal is Removal.UNKNOWN:
        return Finding(path, "removed", "unknown: not in the catalogue", "F1")
    family = names.family_of(name)
    title = family.title if family else "beside refused names"
    return Finding(path, "removed", f"{removal}: {title}", family.clause if family else "1.7.3")
