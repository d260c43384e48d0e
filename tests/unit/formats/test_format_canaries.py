"""Canaries in other formats: what nobody may keep is in no byte of the store, however it is named, nested or packed."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from support import ROUTER, catalogue, make_rules, settings_of

from collector.formats.aliases import load_aliases
from collector.model import Accepted, Message, Region
from collector.pipeline import process
from collector.rules import consent_rules
from collector.stores.sqlite import SQLiteStore

CANARY: Final = "kanarie5Tz8mWq1Jb"
CONTROL: Final = "CONTROL-7.B07"
RECEIVED_AT: Final = 1_795_281_370_000
AT_ONCE: Final = 200


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
    # A text that a kept field could hold has no blank in it. A network that cannot be read refuses the message.
    yield dict.fromkeys(sorted(known - networks), f"{CANARY} is here")
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


def flat(document: dict[str, Any]) -> dict[str, Any]:
    """A map of the local interface."""
    return {**document, "uptime": "77", "wa_inner_version": CONTROL}


def nested(document: dict[str, Any]) -> Any:
    """Answers of ubus, alone and below the name of a call."""
    answer = {"jsonrpc": "2.0", "id": 1, "result": [0, {**document, "wa_inner_version": CONTROL}]}
    return {"nwinfo": answer, "clients": [document], CANARY: document}


def sample(document: dict[str, Any]) -> Any:
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
    return {"type": "DeviceMonitoring", "general": general, "interfaces": [interface], **lists, "resources": document}


@pytest.mark.parametrize(
    ("kind", "aliases", "shape"),
    [("goform", "goform", flat), ("ubus", "goform", nested), ("netjson", "netjson", sample)],
)
async def test_nothing_that_must_not_be_kept_is_in_the_store(
    kind: str, aliases: str, shape: Any, tmp_path: Path
) -> None:
    """Through all steps into the file; the control shows that the search does find what is there."""
    source = {"name": "lab", "topic": "lab/+", "format": kind, "router_level": 2, "country": "DE", "arrival_time": True}
    rules = make_rules(consent={"mode": "registered"}, sources=[{**source, "max_message_bytes": 16_777_216}])
    store = SQLiteStore(tmp_path / "germany.db", Region.GERMANY, consent_rules(settings_of()))
    await store.open()
    messages = [
        Message(f"lab/{ROUTER}", json.dumps(shape(d)).encode(), retained=False, received_at=RECEIVED_AT + n)
        for n, d in enumerate(crowded(aliases))
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
