"""`ueip explain` of the formats of the home, against what `process` makes of the same bytes."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import make_rules

from collector.explain import explain
from collector.formats.flatten import flatten
from collector.model import Accepted, Dropped, Message
from collector.pipeline import process

NOW = 1_795_281_370_000
RULES = make_rules(
    consent={"mode": "registered"},
    sources=[
        {
            "name": "zte",
            "topic": "zte/+/#",
            "format": "goform",
            "router_level": 2,
            "country": "DE",
            "arrival_time": True,
        },
        {"name": "lab", "topic": "collectd/#", "format": "collectd", "router_level": 2, "country": "DE"},
    ],
)
LISTS = st.sampled_from(["1795281366.793:1844\0", "1795281366:nan\0", "12.5:3\0", "1795281366:1:2", "x", "", ":", "\0"])
MAPS = st.dictionaries(
    st.sampled_from(
        ["lte_rsrp", "network_type", "rmcc", "rmnc", "wan_ipaddr", "SSID1", "WPAPSK1", "time", "x", "uptime"]
    ),
    st.sampled_from(["", "-97", "LTE", "262", "1", "0", "100.64.0.1", "2026-11-21T17:00:00Z", None, -1, 2.5, True]),
)
TOPICS = st.sampled_from(
    ["zte/r/status", "zte/a b/status", "zte/r", "collectd", "collectd/r", "collectd/r/uptime",
     "collectd/r/uptime/uptime", "collectd/r/x/uptime/uptime", "collectd/r/iwinfo-phy0/stations",
     "collectd/Ä/uptime/uptime"]
)  # fmt: skip


@given(TOPICS, LISTS | MAPS.map(json.dumps))
def test_what_is_told_is_what_happens(topic: str, payload: str) -> None:
    """On every topic, of every payload."""
    message = Message(topic, payload.encode(), retained=False, received_at=NOW)

    happens = process(message, RULES)
    assert isinstance(happens, Accepted | Dropped)

    wanted = "stored" if isinstance(happens, Accepted) else f"dropped: {happens.reason}"
    assert wanted == explain(message, RULES).outcome


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (
            "zte/r/status",
            {"lte_rsrp": "-97", "SSID1": "x", "WPAPSK1": "y", "z": {"q": [1, {"r": None}]}, "cell_id": "1d"},
        ),
        ("zte/r/ubus", [{"jsonrpc": "2.0", "result": [0, {"lte_rsrp": -97, "msisdn": "+49", "new": 1, "sn": "ZTE1"}]}]),
    ],
)
def test_every_key_is_told_of(topic: str, payload: Any) -> None:
    """Kept as what, removed as what, or unknown."""
    message = Message(topic, json.dumps(payload).encode(), retained=False, received_at=NOW)
    told = {finding.path: (finding.verdict, finding.as_what) for finding in explain(message, RULES).findings}
    names = payload if isinstance(payload, dict) else {"call1": payload[0]["result"][1]}

    assert {name for name, _ in flatten(names)} == set(told)
    assert all(verdict and words for verdict, words in told.values())
    assert ("kept", "signal.rsrp_dbm, dBm") in told.values()
