"""Every value a good report holds is in the catalogue, of its type and inside its bounds."""

import ipaddress
import json
import re
import tomllib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from collector.simulator import CANARY, Publication

CATALOGUE = Path(__file__).parents[3] / "schemas" / "fields.toml"
ENVELOPE = {"schema_version", "message_id", "ueip", "policy_version", "country", "time", "events"}
UPTIMES = {"uptime_at_event_seconds", "uptime_at_send_seconds"}
SNAPSHOT_GROUPS = {"network", "signal", "wifi", "power", "usage"}

Rounds = Callable[..., Iterator[tuple[datetime, Publication]]]
Entry = dict[str, Any]

PATTERNS = {
    "plmn": r"\d{5,6}",
    "country": "[A-Z]{2}",
    "mac": "[0-9A-F]{2}(:[0-9A-F]{2}){5}",
    "imei": r"\d{15}",
    "digits": r"\d+",
    "ver64": r"(?!.*\d{9})[A-Za-z0-9._+-]{1,64}",
    "code32": r"(?!.*\d{9})[A-Za-z0-9_.-]{1,32}",
    "time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ",
    "domain": r"[a-z0-9.-]+",
}


def is_good(entry: Entry, value: Any) -> bool:
    """Whether *value* is what *entry* allows."""
    match entry["type"]:
        case "int" | "number":
            number = isinstance(value, int | float) and not isinstance(value, bool)
            whole = entry["type"] == "number" or isinstance(value, int)
            return number and whole and entry["min"] <= value <= entry["max"]
        case "bool":
            return isinstance(value, bool)
        case "enum":
            return value in entry["values"]
        case "ipv4" | "ipv6":
            return ipaddress.ip_interface(value).version == int(entry["type"][-1])
        case "text" | "list" | "ssid":
            return isinstance(value, str) and 0 < len(value.encode()) <= entry["max_length"]
        case kind:
            fits = entry.get("min_length", 1) <= len(value) <= entry.get("max_length", 999)
            return fits and re.fullmatch(PATTERNS[kind], value) is not None


@pytest.fixture(scope="module")
def catalogue() -> dict[str, Any]:
    """The catalogue as it stands in the repository."""
    if not CATALOGUE.exists():
        pytest.skip("schemas/fields.toml is not there yet")
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def sendable(catalogue: dict[str, Any]) -> dict[str, dict[str, Entry]]:
    """What a router may send: by group, then by name."""
    groups: dict[str, dict[str, Entry]] = {}
    for entry in [*catalogue["field"], *catalogue["input"]]:
        if entry.get("sent", True) and entry["type"] != "ref" and entry.get("place", "body") == "body":
            groups.setdefault(entry["group"], {})[entry["name"]] = entry
    return groups


@pytest.fixture(scope="module")
def eventful(sendable: dict[str, dict[str, Entry]]) -> dict[str, Entry]:
    """What an event may carry."""
    everywhere = {name: e for group in sendable.values() for name, e in group.items() if e.get("on_events")}
    return sendable["event"] | everywhere


def faults(group: dict[str, Entry], values: dict[str, Any]) -> list[str]:
    """Names in *values* that the catalogue does not know, or whose value it does not allow."""
    return [name for name, value in values.items() if name not in group or not is_good(group[name], value)]


def honest_reports(rounds: Rounds) -> Iterator[dict[str, Any]]:
    """Reports of routers without a habit that touches the fields."""
    for _, publication in rounds(40, size=90):
        text = publication.payload.decode(errors="replace")
        spoilt = CANARY in text or '"lat"' in text or "antenna_layout" in text or "2147483647" in text
        if publication.expectation == "stored" and not spoilt:
            yield json.loads(publication.payload)


def test_every_value_of_a_good_report_is_in_bounds(rounds: Rounds, sendable: dict[str, dict[str, Entry]]) -> None:
    """Groups hold known names only, each value as the catalogue has it."""
    for report in honest_reports(rounds):
        for name in report.keys() - ENVELOPE - UPTIMES:
            assert [] == faults(sendable[name], report[name]), name


def test_every_value_of_an_event_is_in_bounds(
    rounds: Rounds, catalogue: dict[str, Any], sendable: dict[str, dict[str, Entry]], eventful: dict[str, Entry]
) -> None:
    """Events are of a known kind, their codes allowed, their snapshots like the report's own groups."""
    kinds = {entry["name"] for entry in catalogue["event"]}
    seen = set()
    for report in honest_reports(rounds):
        for event in report.get("events", ()):
            details = {k: v for k, v in event.items() if k not in {"event", "time", "disconnect_snapshot"}}
            seen.add(event["event"])
            assert [] == faults(eventful, details)
            for group, values in event.get("disconnect_snapshot", {}).items():
                assert group in SNAPSHOT_GROUPS
                assert [] == faults(sendable[group], values), group

    assert kinds == seen


def test_most_of_the_catalogue_is_sent_by_somebody(rounds: Rounds, sendable: dict[str, dict[str, Entry]]) -> None:
    """A demo fills the fields; what a 4G and 5G fleet cannot measure stays away."""
    known = {(group, name) for group, entries in sendable.items() if group != "event" for name in entries}
    sent = {
        (group, name)
        for report in honest_reports(rounds)
        for group in report.keys() - ENVELOPE - UPTIMES
        for name in report[group]
    }

    assert len(sent) > 0.9 * len(known)
