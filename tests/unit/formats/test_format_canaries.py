"""Canaries in other formats: what nobody may keep is in no byte of the store, however it is named, nested or packed."""

import base64
import csv
import json
import re
from collections.abc import Callable, Iterator
from hashlib import md5, sha1, sha256
from io import StringIO
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import pytest
from support import ROUTER, catalogue, make_rules, settings_of
from tr369 import event, notify, record

from collector.formats.adapters import KINDS
from collector.formats.aliases import load_aliases
from collector.model import Accepted, Message, Region
from collector.pipeline import process
from collector.rules import consent_rules
from collector.stores.sqlite import SQLiteStore

CANARY: Final = "kanarie5Tz8mWq1Jb"
CONTROL: Final = "CONTROL-7.B07"
RECEIVED_AT: Final = 1_795_281_370_000
AT_ONCE: Final = 200
VERSION: Final = "Device.DeviceInfo.SoftwareVersion"
SENDER: Final = f"os::012345-{ROUTER}"


def refused_names() -> list[str]:
    """Every name the catalogue refuses."""
    lists = [(*f.names, *f.paths, *f.bare, *f.envelopes) for f in catalogue().refused]
    return list(dict.fromkeys(n.replace("{i}", "1").removesuffix(".*") for found in lists for n in found))


def packed(name: str, value: str) -> dict[str, Any]:
    """One name in the packings that firmware has, under itself and under names nobody knows."""
    inner = json.dumps({name: value})
    return {
        name: value,
        f"j_{name}": inner,
        f"b_{name}": base64.b64encode(inner.encode()).decode(),
        f"u_{name}": value.encode("utf-16-be").hex().upper(),
        f"l_{name}": f"profile($){value}($)manual($)*99#($)chap($)user($){value}($)IPv4",
        f"q_{name}": f"WIFI:S:{value};T:WPA;P:{value};;",
        f"o_{name}": {name: [value, {name: value, value: 1}]},
        f"s_{name}": [{name: value, "hostname": value}],
    }


def crowded(aliases: str) -> Iterator[dict[str, Any]]:
    """Messages with all refused names, each in every packing, and the canary under each name of the map."""
    entries = load_aliases(aliases).alias
    known = {name.replace("{i}", "1") for alias in entries for name in alias.names}
    networks = {name.replace("{i}", "1") for alias in entries for name in alias.names if alias.field == "network.plmn"}
    # A text that a kept field could hold has no such mark in it. A network that cannot be read refuses the message.
    yield {name: f"{CANARY} is here!" for name in sorted(known - networks) if not name.startswith("@")}
    names = [name for name in refused_names() if name not in known]
    for start in range(0, len(names), AT_ONCE):
        yield {k: v for name in names[start : start + AT_ONCE] for k, v in packed(name, CANARY).items()}


def disguises() -> list[bytes]:
    """The canary as it could stand in a file."""
    plain = CANARY.encode()
    shifted = [base64.b64encode(b"x" * pad + plain)[4:-4] for pad in (0, 1, 2)]
    wide = [CANARY.encode("utf-16-be"), CANARY.encode("utf-16-be").hex().encode(), plain.hex().encode()]
    return [*(found for one in (plain, *wide) for found in (one, one.upper(), one.lower())), *shifted]


def everything_below(folder: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in folder.iterdir())


def flat(document: dict[str, Any]) -> bytes:
    """A map of the local interface."""
    return json.dumps({**document, "uptime": "77", "wa_inner_version": CONTROL}).encode()


def nested(document: dict[str, Any]) -> bytes:
    """Answers of ubus, alone and below the name of a call."""
    answer = {"jsonrpc": "2.0", "id": 1, "result": [0, {**document, "wa_inner_version": CONTROL}]}
    return json.dumps({"nwinfo": answer, "clients": [document], CANARY: document}).encode()


def sample(document: dict[str, Any]) -> bytes:
    """A NetJSON sample; names with dots in them are taken for paths, as the map's are."""
    interface = {
        "name": "br-lan",
        "type": "modem-manager",
        "addresses": [document],
        "mobile": {"imei": CANARY, "operator_name": CANARY, "signal": {"lte": {"rsrp": -97, CANARY: CANARY}}},
        "wireless": {"mode": "access_point", "frequency": 2437, "clients": [document, {"mac": CANARY}], CANARY: CANARY},
        **document,
    }
    general = {"uptime": 77, "hostname": CANARY, **document}
    lists = {"dhcp_leases": [document], "neighbors": [document], "dns_servers": [CANARY], CANARY: [document]}
    whole = {"type": "DeviceMonitoring", "general": general, "interfaces": [interface], **lists, "resources": document}
    return json.dumps(whole).encode()


def pairs(document: dict[str, Any]) -> bytes:
    """A bulk data report."""
    said = {"CollectionTime": RECEIVED_AT // 1000, VERSION: CONTROL}
    return json.dumps({"Report": [{**document, **said}], CANARY: document}).encode()


def hierarchy(document: dict[str, Any]) -> bytes:
    """The same as objects in objects; what is none, or is a parameter and an object, stays as it is."""
    made: dict[str, Any] = {"CollectionTime": RECEIVED_AT // 1000}
    for name, value in {**document, VERSION: CONTROL}.items():
        *path, last = name.split(".") if isinstance(value, str) else [name]
        inner = made
        for level in path:
            inner = inner.setdefault(level, {}) if isinstance(inner.get(level, {}), dict) else made
        inner[name if last in inner else last] = value
    return json.dumps({"Report": [made]}).encode()


def one_by_one(document: dict[str, Any]) -> bytes:
    """A report of RDK-B: an element for each parameter, values as texts."""
    said = {"Time": RECEIVED_AT // 1000, **document, VERSION: CONTROL}
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in said.items()}
    return json.dumps({"searchResult": [{name: value} for name, value in texts.items()]}).encode()


def table(document: dict[str, Any]) -> bytes:
    """A report in CSV, a row for each parameter."""
    made = StringIO()
    rows = csv.writer(made, delimiter=";")
    rows.writerow(["ReportTimestamp", "ParameterName", "ParameterValue", "ParameterType"])
    for name, value in {**document, VERSION: CONTROL}.items():
        rows.writerow([RECEIVED_AT // 1000, name, value if isinstance(value, str) else json.dumps(value), CANARY])
    return made.getvalue().encode()


def started(document: dict[str, Any]) -> bytes:
    """A `Boot!` of a USP agent."""
    texts = {f"p_{name}": value for name, value in document.items() if isinstance(value, str)}
    mine = {name: value for name, value in document.items() if not name.startswith("Device.Boot!.")}
    carried = json.dumps({**mine, VERSION: CONTROL})
    return record(notify(**event("Boot!", CANARY, ParameterMap=carried, Cause=CANARY, **texts)), SENDER)


def pushed(document: dict[str, Any]) -> bytes:
    """A report that a USP agent pushes, among other parameters."""
    return record(notify(**event("Push!", CANARY, Data=pairs(document).decode(), CommandKey=CANARY)), SENDER)


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("goform", flat),
        ("ubus", nested),
        ("netjson", sample),
        ("bulk_data", pairs),
        ("bulk_data", hierarchy),
        ("bulk_data", one_by_one),
        ("bulk_data", table),
        ("usp", started),
        ("usp", pushed),
    ],
)
async def test_nothing_that_must_not_be_kept_is_in_the_store(
    kind: str, shape: Callable[[dict[str, Any]], bytes], tmp_path: Path
) -> None:
    """Through all steps into the file; the control shows that the search does find what is there."""
    source = {"name": "lab", "topic": "lab/+", "format": kind, "router_level": 2, "country": "DE", "arrival_time": True}
    rules = make_rules(consent={"mode": "registered"}, sources=[{**source, "max_message_bytes": 16_777_216}])
    store = SQLiteStore(tmp_path / "germany.db", Region.GERMANY, consent_rules(settings_of()))
    await store.open()
    messages = [
        Message(f"lab/{ROUTER}", shape(document), retained=False, received_at=RECEIVED_AT + n)
        for n, document in enumerate(crowded(KINDS[kind].aliases))
    ]

    outcomes = [process(message, rules) for message in messages]
    kept = [outcome.record for outcome in outcomes if isinstance(outcome, Accepted)]
    assert len(kept) == len(messages)
    await store.commit(kept)
    await store.close()

    written = everything_below(tmp_path)
    assert (CONTROL.encode() if kind != "netjson" else b'"uptime_seconds":77') in written
    assert [] == [trace for trace in disguises() if trace in written]
    assert CANARY not in repr(kept)


IDENTIFIERS: Final = {
    "D8:0A:E6:CA:FE:01": rb"D8.?0A.?E6.?CA.?FE.?01",
    "2a02:3030:61:cafe::1": rb"2a02.?3030.?61.?cafe",
    "+49 (151) 2345 6789": rb"49.{0,2}151.{0,2}2345.{0,2}6789",
    "4901 5420 3237 518": rb"4901.?5420.?3237.?518",
}
"""Addresses and numbers as people write them, and what is left of one whatever its parts are joined by."""


@pytest.mark.parametrize("identifier", IDENTIFIERS)
@pytest.mark.parametrize(("kind", "shape"), [("goform", flat), ("netjson", sample), ("bulk_data", pairs)])
def test_an_identifier_in_another_fields_place_is_not_made_fit_to_be_kept(
    kind: str, shape: Callable[[dict[str, Any]], bytes], identifier: str
) -> None:
    """What a version must not have in it is not taken out of it: a MAC address with other marks is one still (F3)."""
    source = {"name": "lab", "topic": "lab/+", "format": kind, "router_level": 2, "country": "DE", "arrival_time": True}
    rules = make_rules(consent={"mode": "registered"}, sources=[source])
    entries = load_aliases(KINDS[kind].aliases).alias
    names = {name.replace("{i}", "1") for alias in entries for name in alias.names if alias.field != "network.plmn"}
    document = {name: identifier for name in sorted(names) if not name.startswith("@") and name != "wa_inner_version"}

    outcome = process(Message(f"lab/{ROUTER}", shape(document), retained=False, received_at=RECEIVED_AT), rules)

    assert isinstance(outcome, Accepted)
    assert re.search(IDENTIFIERS[identifier], identifier.encode())
    assert not re.search(IDENTIFIERS[identifier], outcome.record.body)


async def test_what_tells_instances_apart_is_no_hash_that_a_dictionary_finds(tmp_path: Path) -> None:
    """Who has the store and no key cannot try out what a router pings, or calls its interfaces (F5, O24)."""
    source = {"name": "lab", "topic": "lab/+/#", "format": "collectd", "router_level": 2, "country": "DE"}
    rules = make_rules(consent={"mode": "registered"}, sources=[{**source, "counters": True}])
    store = SQLiteStore(tmp_path / "germany.db", Region.GERMANY, consent_rules(settings_of()))
    await store.open()
    names = ["ping/ping_droprate-anna.dyndns.example", "interface-wwan0/if_octets", "iwinfo-anna/stations"]
    values = {name: b"7:9" if "octets" in name else b"0" for name in names}

    messages = [
        Message(f"lab/{ROUTER}/{name}", b"%d:%b\x00" % (at, value), retained=False, received_at=at * 1000)
        for at in (RECEIVED_AT // 1000, RECEIVED_AT // 1000 + 60)
        for name, value in values.items()
    ]
    outcomes = [process(message, rules) for message in messages]
    kept = [outcome.record for outcome in outcomes if isinstance(outcome, Accepted)]
    await store.commit(kept)
    await store.close()

    instances = [part.key for record in kept for part in (*record.parts, *(record.counters or ()))]
    written = everything_below(tmp_path)
    assert (8, 4) == (len(instances), len(set(instances)))
    assert all(instance.encode() in written for instance in instances)
    for name in (*names, "interface-wwan0/if_octets.rx", "interface-wwan0/if_octets.tx"):
        tried = [f"{crc32(name.encode()):08x}", *(make(name.encode()).hexdigest() for make in (md5, sha1, sha256))]
        assert not [found for found in (name, *tried) if found[:8].encode() in written]
