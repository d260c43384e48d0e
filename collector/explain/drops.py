"""What a message of our own format was dropped for: what was found in it, and what was expected."""

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec
from pydantic import ValidationError

from collector.explain.expected import mismatch, of_envelope
from collector.fields.clean import agrees
from collector.fields.compiled import ENVELOPE
from collector.fields.names import RefusedNames
from collector.fields.types import PATTERNS, strict
from collector.formats.consent_event import ConsentDocument
from collector.formats.report import parse_topic, rfc3339
from collector.formats.strict_json import NotStrict, parse_object
from collector.model import DropReason, Message
from collector.pipeline import Rules

_UPTIMES: Final = ("uptime_at_event_seconds", "uptime_at_send_seconds")
_HOUR: Final = 3_600_000
_PLMN: Final = re.compile(strict(PATTERNS["plmn"]))


class Seen:
    """A message that was dropped, as its author sees it."""

    def __init__(self, message: Message, rules: Rules, names: RefusedNames) -> None:
        self.message, self.rules, self.names = message, rules, names
        self.router, kind = parse_topic(message.topic) or ("", "")
        self.is_act = kind == "consent"
        self.regions = rules.regions.at(message.received_at)
        try:
            self.document = parse_object(message.payload, max_depth=rules.reports.max_depth)
        except NotStrict:
            self.document = {}

    @property
    def country(self) -> str | DropReason | None:
        """The country that decides, or why there is none."""
        said = self.document.get("country")
        said = said if isinstance(said, str) and said else None
        registry = self.rules.registry
        return said if registry is None else registry.country(self.router, said)

    def has(self, name: str) -> bool:
        """Whether a key of the envelope is there and can be read."""
        try:
            msgspec.convert(self.document.get(name), ENVELOPE[name])
        except msgspec.ValidationError:
            return False
        return True


def what_was_found(reason: DropReason, seen: Seen) -> str:
    """A sentence or two on what a message was dropped for; empty where there is nothing to add."""
    tell = _TELLERS.get(reason)
    return tell(seen) if tell is not None else ""


def what_act_lacks(seen: Seen) -> str:
    """What keeps a message that is valid JSON from being a consent event."""
    readable = {name: value for name, value in seen.document.items() if name != "time"}
    try:
        ConsentDocument.model_validate(readable)
    except ValidationError as error:
        return " ".join(_key(name, seen) for name in dict.fromkeys(str(fault["loc"][0]) for fault in error.errors()))
    return _key("time", seen)


def _oversize(seen: Seen) -> str:
    return f"Found {len(seen.message.payload)} bytes, expected {seen.rules.reports.max_bytes} at most."


def _key(name: str, seen: Seen) -> str:
    if name not in seen.document:
        return f"`{name}` is missing, expected {of_envelope(name)}."
    return f"`{name}`: {mismatch(seen.document[name], of_envelope(name))}."


def _identity(seen: Seen) -> str:
    router = seen.document.get("router")
    named = [name for name in ("serial", "imei") if isinstance(router, dict) and name in router]
    where = " and ".join(f"`router.{name}`" for name in named)
    return f"The topic names '{seen.router}'; the payload names another in {where}." if named else ""


def _no_flag(seen: Seen) -> str:
    spelt = [name for name in seen.document if seen.names.spells_the_flag(name)]
    inside = [f"{group}.ueip" for group, held in seen.document.items() if isinstance(held, dict) and "ueip" in held]
    others = ", ".join(f"`{name}`" for name in (*spelt, *inside))
    return f"Found {others}, expected `ueip` at the top." if others else "Expected `ueip` at the top."


def _bad_flag(seen: Seen) -> str:
    if (flag := seen.document.get("ueip")) is not True:
        return f"`ueip`: {mismatch(flag, 'the JSON value true')}."
    spelt = (name for name in seen.document if name != "ueip" and seen.names.spells_the_flag(name))
    others = [name for name in spelt if not agrees(seen.document[name])]
    return f"`ueip` is true, but {', '.join(f'`{name}`' for name in others)} beside it does not say yes."


def _country(seen: Seen) -> str:
    country = seen.country
    if not isinstance(country, str):
        return _key("country", seen)
    if isinstance(seen.regions.home(country), DropReason):
        whose = "`country`" if seen.document.get("country") else "The country of the registry"
        return f"{whose}: found '{country}', expected a code of ISO 3166-1 alpha-2, such as DE."
    return _network(seen)


def _network(seen: Seen) -> str:
    """The networks that speak against the country."""
    country, told = seen.country, []
    if isinstance(country, DropReason):
        return f"`country`: found '{seen.document.get('country')}', and the registry names another."
    for path, plmn in _networks(seen.document):
        if not path.endswith("plmn"):
            told.append(f"`{path}`: {mismatch(plmn, 'an object')}.")
        elif not (isinstance(plmn, str) and _PLMN.match(plmn)):
            told.append(f"`{path}`: {mismatch(plmn, 'text of 5 or 6 digits')}.")
        elif (found := seen.regions.route(country, (plmn,))) is DropReason.REGION_UNKNOWN:
            told.append(f"`{path}`: the mobile country code {plmn[:3]} belongs to no country, or is for tests.")
        elif isinstance(found, DropReason):
            told.append(f"`{path}`: the mobile country code {plmn[:3]} belongs to another region than the country.")
    return " ".join(told)


def _networks(document: dict[str, Any]) -> list[tuple[str, Any]]:
    """Path and value of the `plmn` of each group `network`, and of each `network` that is no group."""
    events = document.get("events")
    places = [("network", document)]
    for index, event in enumerate(events if isinstance(events, list) else ()):
        snapshot = event.get("disconnect_snapshot") if isinstance(event, dict) else None
        if isinstance(snapshot, dict):
            places.append((f"events[{index}].disconnect_snapshot.network", snapshot))
    held = [(path, around["network"]) for path, around in places if "network" in around]
    groups = [(f"{path}.plmn", group["plmn"]) for path, group in held if isinstance(group, dict) and "plmn" in group]
    return groups + [(path, group) for path, group in held if not isinstance(group, dict)]


def _policy(seen: Seen) -> str:
    known = ", ".join(policy.version for policy in seen.rules.gate.policies.versions)
    said, what = seen.document.get("policy_version"), "found none"
    if "policy_version" in seen.document:
        what = f"found '{said}'" if isinstance(said, str) else mismatch(said, "text").partition(",")[0]
    return f"`policy_version`: {what}; the notice has the versions {known}."


def _time(seen: Seen) -> str:
    """Which time is wrong, and the window it should be in."""
    limits, received = seen.rules.gate, rfc3339(seen.message.received_at)
    window = f"{limits.max_ahead // 1000} seconds after its receipt"
    if not seen.is_act:  # an act may be of any earlier time
        window = f"{limits.max_age // _HOUR} hours before and {window}"
    if seen.is_act or seen.has("time"):
        return f"`time`: found {seen.document['time']}, expected at most {window}, {received}."
    return f"Its uptimes give a time outside of {window}, {received}."


def _no_time(seen: Seen) -> str:
    if seen.is_act:  # no uptimes stand in for its time
        return _key("time", seen)
    wrong = " ".join(_key(name, seen) for name in _UPTIMES if name in seen.document and not seen.has(name))
    if not wrong and all(map(seen.has, _UPTIMES)):
        wrong = f"`{_UPTIMES[1]}` is less than `{_UPTIMES[0]}`."
    return f"{_key('time', seen)} {wrong or 'Both uptimes are needed to stand in for it.'}"


_TELLERS: Final[dict[DropReason, Callable[[Seen], str]]] = {
    DropReason.OVERSIZE: _oversize,
    DropReason.IDENTITY_MISMATCH: _identity,
    DropReason.SCHEMA_VERSION: lambda seen: _key("schema_version", seen),
    DropReason.MESSAGE_ID: lambda seen: _key("message_id", seen),
    DropReason.FLAG_ABSENT: _no_flag,
    DropReason.FLAG_INVALID: _bad_flag,
    DropReason.REGION_UNKNOWN: _country,
    DropReason.REGION_CONFLICT: _network,
    DropReason.POLICY_OUTDATED: _policy,
    DropReason.FUTURE: _time,
    DropReason.TOO_OLD: _time,
    DropReason.CLOCK_INVALID: _no_time,
}
