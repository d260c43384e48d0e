"""Canaries: made-up content in every place a router might put it; none may be found behind the collector.

Each name of schemas/fields.toml that must not be kept carries a canary in every position of a report, and so do the
transport's own places (F9). Then the raw bytes of everything the collector wrote or said are searched, for the plain
text and for its disguises. A control shows that the search does find what is there.
"""

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from paho.mqtt.client import Client
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from collector.fields.catalogue import GROUPS, SNAPSHOT_GROUPS, Catalogue, load_catalogue

from .harness import (
    REGIONS,
    Collector,
    Site,
    consent,
    disguises,
    files_below,
    new_id,
    now_text,
    report,
    traces,
    wait_until,
)

CANARY: Final = "kanarie7Wq9vXz3Tg"
NUMBER: Final = 491550055500917
ADDRESS: Final = "203.0.113.217"
MOST_BYTES: Final = 60_000
TOP: Final = frozenset({"schema_version", "message_id", "ueip", "policy_version", "country", "time", "events", *GROUPS})
"""What stands at the top of a report in its own right."""


def refused_names() -> list[str]:
    """Every name the catalogue refuses: names, paths, bare names, envelopes; with a decoration too."""
    catalogue = load_catalogue()
    lists = [(*f.names, *f.paths, *f.bare, *f.envelopes) for f in catalogue.refused]
    names = dict.fromkeys(name.replace("{i}", "1").removesuffix(".*") for found in lists for name in found)
    return list(names)


def ucs2(text: str) -> str:
    """Hex UCS-2, as modems give messages."""
    return text.encode("utf-16-be").hex().upper()


def wrapped(name: str, value: str) -> dict[str, Any]:
    """One refused name in every position below a group or an event."""
    inner = json.dumps({name: value, "ssid": value})
    return {
        name: value,
        f"{name}_ui": [value, {name: value, value: 1}],
        f"x{name}": {"list": [{name: value}], name: {value: NUMBER}},
        f"j{name}": inner,
        f"b{name}": base64.b64encode(inner.encode()).decode(),
        f"u{name}": ucs2(value),
        f"q{name}": f"{name}={value}&{value}=1",
        f"m{name}": f"<{name}>{value}</{name}>",
        f"p{name}": f"user:{value}($){value};{value},{ADDRESS}",
    }


def layout(name: str, number: int) -> dict[str, Any]:
    """Where *name* goes in a report: at the top, in a group, in an event, in a snapshot; each with all it can carry."""
    value = f"{CANARY}{number:05d}"
    group, inner = GROUPS[number % len(GROUPS)], SNAPSHOT_GROUPS[number % len(SNAPSHOT_GROUPS)]
    return {
        "top": {key: content for key, content in wrapped(name, value).items() if key not in TOP},
        group: {name: value, f"o{name}": {name: [value]}},
        "event": {name: value, f"o{name}": [value]},
        "snapshot": {name: value},
        inner: {name: [{name: value}]},
    }


def kept_names(catalogue: Catalogue) -> set[str]:
    """Names that mean something in a report; those are tried apart, below."""
    return {*catalogue.fields, *(i.name for i in catalogue.input), *TOP, "event"}


def crowded_reports(router: str) -> Iterator[dict[str, Any]]:
    """Reports that carry every refused name, each as large as a message may be."""
    meaningful = kept_names(load_catalogue())
    names = [name for name in refused_names() if name not in meaningful]
    assert len(names) > 1300
    document, size = _crowded(router), 0
    for number, name in enumerate(names):
        made = layout(name, number)
        added = len(json.dumps(made))
        if size + added > MOST_BYTES:
            yield document
            document, size = _crowded(router), 0
        size += added
        _add(document, made)
    yield document


def _crowded(router: str) -> dict[str, Any]:
    snapshot: dict[str, Any] = {group: {} for group in SNAPSHOT_GROUPS}
    snapshot["signal"]["rsrp_dbm"] = -120
    event = {"event": "wan_unexpected_disconnect", "time": now_text(), "disconnect_snapshot": snapshot}
    unknown: dict[str, Any] = {CANARY: CANARY, f"{CANARY}2": [CANARY, {CANARY: [CANARY]}]}
    document = report(router, events=[event], **unknown)
    return {**{group: {} for group in GROUPS}, **document}


def _add(document: dict[str, Any], made: dict[str, Any]) -> None:
    event = document["events"][0]
    snapshot = event["disconnect_snapshot"]
    document |= made.pop("top")
    event |= made.pop("event")
    snapshot |= made.pop("snapshot")
    for group, content in made.items():
        target = snapshot if isinstance(next(iter(content.values())), list) else document
        target[group] = content | target[group]


def smuggled(router: str) -> dict[str, tuple[dict[str, Any], str]]:
    """Canaries as values of what may be kept or is worked with, and what becomes of the message."""
    spoken = f"{CANARY} is here"
    ids = {"serial": CANARY, "imei": router, "mac": spoken}
    versions = dict.fromkeys(("software_version", "hardware_version", "manufacturer", "model_name"), spoken)
    event = {"event": "abnormal_data", "time": now_text(), "fault_code": spoken, "fault_component": CANARY,
             "available_software_version": spoken, "cell_id": NUMBER % 2**36}  # fmt: skip
    good: dict[str, Any] = {
        "router": ids | versions | {"device_type": CANARY, "uptime_seconds": CANARY},
        "sim": {"imsi": str(NUMBER), "iccid": f"8949{NUMBER}"},
        "network": {"wan_ipv4": ADDRESS, "lan_ipv4": ADDRESS, "wan_ipv6": f"2001:db8::{CANARY}", "rat": CANARY,
                    "carrier_name": CANARY, "apn_class": CANARY},
        "wifi": {"ssid_2g": CANARY, "ssid_5g": spoken, "wifi_password_strength_2g": CANARY,
                 "wifi_regulatory_country": CANARY, "wifi_channel_2g": NUMBER},
        "session": {"acs_session_start_time": spoken, "acs_session_seconds": NUMBER},
        "settings": {"lan_domain": f"{CANARY}.lan", "firewall_policy_level": CANARY},
        "signal": {"rsrp_dbm": spoken, "sinr_db": -float(NUMBER)},
        "events": [event, {"event": CANARY, "time": now_text()}, {"event": "abnormal_data", "time": spoken}],
    }  # fmt: skip
    return {
        "values of fields and inputs": (report(router, **good), "stored"),
        "message id": (report(router, router=None, message_id=CANARY), "stored"),
        "policy version": (report(router, router=None, policy_version=CANARY), "policy_outdated"),
        "country": (report(router, router=None, country=CANARY), "region_unknown"),
        "plmn": (report(router, router=None, network={"plmn": CANARY}), "region_unknown"),
        "time": (report(router, router=None, time=CANARY), "clock_invalid"),
        "flag": (report(router, router=None, ueip=CANARY), "flag_invalid"),
        "flag in a user property only": (report(router, router=None, ueip=None), "flag_absent"),
        "another router": (report(router, router={"serial": CANARY}), "identity_mismatch"),
        "a list": (report(router, router=None, signal=[CANARY], wifi=CANARY, events=[CANARY]), "stored"),
    }


def carried() -> Properties:
    """Canaries in everything MQTT 5 lets a message carry beside its payload."""
    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    made.UserProperty = [(CANARY, CANARY), ("sms", CANARY), ("ueip", "true")]
    made.ResponseTopic = f"ueip/v1/{CANARY}/answer"
    made.CorrelationData = CANARY.encode()
    made.ContentType = f"text/{CANARY}"
    made.MessageExpiryInterval = 3600
    return made


def leave_a_will(client: Client) -> None:
    """A last will that holds canaries."""
    properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
    properties.UserProperty = (CANARY, CANARY)
    client.will_set(f"ueip/v1/{CANARY}/report", f"{CANARY} says goodbye", qos=1, properties=properties)


def everything_said(site: Site) -> dict[str, bytes]:
    """All that operators and engineers get to see, and every file of the installation."""
    words = {
        "find": ("find", CANARY), "find --json": ("find", CANARY, "--json"), "find by IMEI": ("find", IMEI, "--json"),
        "find nobody": ("find", f"{CANARY}{CANARY}"), "check-config": ("check-config", "--broker"),
    }  # fmt: skip
    answers = {name: site.ueip(*command) for name, command in words.items()}
    assert [0, 0, 0, 1, 0] == [answer.returncode for answer in answers.values()]
    assert "timeline" in answers["find"].stdout
    pages = {page: site.collector.get(page)[1] for page in ("/metrics", "/readyz", "/healthz", "/nowhere")}
    said = {name: f"{answer.stdout}\n{answer.stderr}".encode() for name, answer in answers.items()}
    return {**pages, **said, **dict(files_below(site.folder))}


IMEI: Final = "356938035643809"


def plant(site: Site, collector: Collector) -> dict[str, int]:
    """Send canaries in everything that a router may send; returns how many reports come to which outcome.

    Three more are dropped: of an unknown topic, oversize, malformed.
    """
    expected: dict[str, int] = {}
    with site.publisher(client_id=CANARY, username=CANARY, password=CANARY, prepare=leave_a_will) as router:
        for document in crowded_reports(IMEI):
            router.publish(f"ueip/v1/{CANARY}/report", document | {"router": document["router"] | {"serial": CANARY}})
            expected["stored"] = expected.get("stored", 0) + 1
        for document, outcome in smuggled(IMEI).values():
            router.publish(f"ueip/v1/{IMEI}/report", document, properties=carried())
            expected[outcome] = expected.get(outcome, 0) + 1
        router.publish(f"ueip/v1/{CANARY}/{CANARY}", CANARY, properties=carried())
        router.publish(f"ueip/v1/{CANARY}/report", CANARY * 4000, properties=carried())
        extra: dict[str, Any] = {"note": CANARY, CANARY: {CANARY: [CANARY]}}
        event = consent("join", event_id=CANARY, channel="app", **extra)
        router.publish(f"ueip/v1/{CANARY}/consent", event, retain=True, properties=carried())
        router.publish(f"ueip/v1/{CANARY}/consent", consent("join", language=f"{CANARY} text"))
        router.publish(f"ueip/v1/{CANARY}/consent", consent(CANARY))
        router.publish(f"ueip/v1/{CANARY}/consent", consent("join", policy_version=CANARY))
        router.publish(f"ueip/v1/{CANARY}-left/consent", consent("exit", policy_version=CANARY))
        # The last to be sent, and the only exit: with it, all consent events are settled.
        wait_until(lambda: collector.metrics().total("collector_consent_events_total", action="exit"), what="the exit")
        # Without a goodbye, so that the broker publishes the will.
        connection = router.client.socket()
        assert isinstance(connection, socket.socket)
        router.settle()
        router.client.loop_stop()
        connection.shutdown(socket.SHUT_RDWR)
        collector.wait_settled(sum(expected.values()) + 3)
    return expected


def test_no_canary_is_found_behind_the_collector(site: Site) -> None:
    """Neither in the stores' raw bytes nor in logs, pages or answers, while records were kept of those messages."""
    collector = site.start()
    expected = plant(site, collector)
    found = collector.metrics()

    assert {"malformed", "policy_outdated"} == set(found.by("collector_consent_messages_refused_total", "reason"))
    stored = expected.pop("stored")
    assert stored == sum(found.stored.values()) == site.count("germany")
    assert expected | {"unknown_topic": 1, "oversize": 1, "malformed": 1} == {**found.dropped}
    assert found.by("collector_fields_removed_total", "treatment")["local_only"] > 5000
    running = everything_said(site)
    assert any(name.endswith("-wal") for name in running)
    collector.stop()
    stopped = dict(files_below(site.folder))
    for text in (CANARY, str(NUMBER), ADDRESS):
        assert [] == traces(text, running.items())
        assert [] == traces(text, stopped.items())


@pytest.mark.parametrize("disguise", range(len(list(disguises(CANARY)))))
def test_the_search_finds_a_canary_that_is_there(tmp_path: Path, disguise: int) -> None:
    """The control: planted on purpose in a file, in any of its disguises, the canary is found."""
    planted = [
        CANARY.upper().encode(), CANARY.encode().hex().encode(), base64.b64encode(CANARY.encode()),
        base64.b64encode(b"{" + CANARY.encode()), base64.b64encode(b'{"' + CANARY.encode()),
        CANARY.encode("utf-16-le"), ucs2(CANARY).encode(), json.dumps({"content": ucs2(CANARY)}).encode(),
        CANARY.encode("utf-16-be"), base64.b64encode(CANARY.encode("utf-16-le")),
        base64.b64encode(json.dumps({"key": CANARY}).encode()), f"x{CANARY}00017y".encode(),
        CANARY.encode("utf-16-le").hex().encode(), base64.b64encode(b"1" + CANARY.encode("utf-16-le")),
        base64.b64encode(b"12" + CANARY.encode("utf-16-be")),
    ]  # fmt: skip
    (tmp_path / "clean").write_bytes(b"\0" * 4096)
    (tmp_path / "planted").write_bytes(b"\0" * 1000 + planted[disguise] + b"\0" * 1000)

    assert ["planted"] == traces(CANARY, files_below(tmp_path))


MARKER: Final = "V7.Marker-kwx_QZJ"


def leave_by_command(site: Site, serial: str) -> None:
    """The rights desk acts."""
    assert 0 == site.ueip("exit", serial).returncode


def leave_by_event(site: Site, serial: str) -> None:
    """The owner acts in the app."""
    with site.publisher() as router:
        router.publish(f"ueip/v1/{serial}/consent", consent("exit"))
        router.settle()


def leave_by_flag(site: Site, serial: str) -> None:
    """The router says so itself."""
    with site.publisher() as router:
        router.report(report(serial, ueip=False))
        router.settle()


@pytest.mark.parametrize("leave", [leave_by_command, leave_by_event, leave_by_flag])
def test_after_an_exit_the_raw_bytes_hold_nothing_of_the_router(site: Site, leave: Any) -> None:
    """Erased means out of the database file and its log, not only out of the tables (O28); others stay."""
    serial, other = "ZTEAB0A123456", "ZTEXX0B654321"
    collector = site.start()
    with site.publisher() as router:
        for number in range(40):
            for name, version in ((serial, MARKER), (other, "V1.Other-kept")):
                document = report(name, message_id=new_id())
                document["router"] |= {"software_version": version, "uptime_seconds": number}
                router.report(document)
        collector.wait_settled(80)
    before = traces(MARKER, files_below(site.folder))

    leave(site, serial)

    wait_until(lambda: not traces(MARKER, files_below(site.folder)), what="the erasure")
    assert any(name.startswith("data/germany.sqlite") for name in before)
    assert 40 == site.count("germany")
    assert traces("V1.Other-kept", files_below(site.folder))
    collector.stop()
    assert [] == traces(MARKER, files_below(site.folder))
    assert [0, 0] == [site.count(region) for region in REGIONS if region != "germany"]
