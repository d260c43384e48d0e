"""What OB-USPA sent, captured; TR-369's examples; whole data models of two routers: the record each says it is."""

import csv
import json
import os
from pathlib import Path
from typing import Any, Final

import pytest
from tr369 import BULK, COLLECTED, RECEIVED, USP, body, outcome, readings, rules_of

from collector.model import Accepted, Dropped, DropReason, Outcome, Removal
from collector.pipeline import Rules

ROOT: Final = Path(__file__).resolve().parents[3]
SAMPLES: Final = Path(os.environ.get("UEIP_SAMPLES", ROOT.parent / "shared" / "samples"))
SECTIONS: Final[list[dict[str, Any]]] = [
    {**BULK, "topic": "bulkdata/+"},
    {**BULK, "name": "alt", "topic": "bulkdata/alt/+", "router_level": 3, "names": {"up": "Device.DeviceInfo.UpTime"}},
    {**USP, "names": {"info": "Device.DeviceInfo"}},
]
CAPTURED_AT: Final = 1_795_280_300_000
"""Just after the last of them."""
AGENT: Final = {"manufacturer": "other", "model_name": "other"}
"""OB-USPA calls its maker "Manufacturer" and itself "USP Agent", which are on no list."""


def sample(name: str) -> bytes:
    """The bytes of a sample."""
    path = SAMPLES / name
    if not path.is_file():
        pytest.skip("the captured samples are not here; set UEIP_SAMPLES to their folder")
    return path.read_bytes()


def captured(name: str, rules: Rules | None = None) -> Outcome:
    """What becomes of a captured message on its topic."""
    payload = sample(f"captured/usp-mqtt5-stock/{name}")
    [topic] = [
        entry["topic"]
        for entry in json.loads((SAMPLES / "index.json").read_text("utf-8"))["samples"]
        if entry["file"].endswith(f"/{name}")
    ]
    return outcome(payload, topic, rules or rules_of(*SECTIONS), CAPTURED_AT)


def removed(found: Outcome) -> dict[Removal, int]:
    """What was counted."""
    assert isinstance(found, Accepted)
    return dict(found.record.stripped)


@pytest.mark.parametrize("name", ["01.usp.bin", "06.usp.bin"])
def test_a_greeting_and_a_heartbeat_say_nothing(name: str) -> None:
    """mqtt_connect and Periodic!."""
    assert Dropped(DropReason.NOTHING_SAID) == captured(name)


def test_a_start_is_an_event_of_its_time() -> None:
    """Cause LocalFactoryReset, by the message id at 16:56:57; a serial of zeros and no version in the ParameterMap."""
    found = captured("02.usp.bin")

    assert {
        "events": [{"event": "unexpected_reboot", "reboot_reason": "factory_reset", "time": "2026-11-21T16:56:57Z"}]
    } == body(found)
    assert isinstance(found, Accepted)
    assert 1_795_280_217_000 == found.record.measured_at


@pytest.mark.parametrize(
    ("name", "seconds", "uptime"), [("03.usp.bin", 1_795_280_220, 698), ("08.usp.bin", 1_795_280_227, 705)]
)
def test_a_pushed_report_is_a_report(name: str, seconds: int, uptime: int) -> None:
    """Profile 2 calls `Device.DeviceInfo.` `info`."""
    found = captured(name)

    assert {"router": {**AGENT, "uptime_seconds": uptime}} == body(found)
    assert isinstance(found, Accepted)
    assert seconds * 1000 == found.record.measured_at


@pytest.mark.parametrize(
    ("name", "seconds", "uptime"),
    [
        ("04.json", 1_795_280_222, 700),
        ("07.json", 1_795_280_227, 705),
        ("10.json", 1_795_280_232, 710),
        ("12.json", 1_795_280_237, 715),
        ("14.json", 1_795_280_242, 720),
    ],
)
def test_a_report_of_the_device_and_its_client(name: str, seconds: int, uptime: int) -> None:
    """Of the MQTT client its user, its password, its id and its broker's address are for the router alone."""
    found = captured(name)

    assert {"router": {**AGENT, "uptime_seconds": uptime}} == body(found)
    assert isinstance(found, Accepted)
    assert seconds * 1000 == found.record.measured_at
    assert 4 == removed(found)[Removal.LOCAL_ONLY]
    assert Removal.INVALID not in removed(found)


@pytest.mark.parametrize(
    ("name", "seconds", "uptime"),
    [
        ("05.json", 1_795_280_222, 700),
        ("09.json", 1_795_280_228, 706),
        ("11.json", 1_795_280_234, 712),
        ("13.json", 1_795_280_240, 718),
        ("15.json", 1_795_280_246, 724),
    ],
)
def test_a_report_under_a_name_of_its_profile(name: str, seconds: int, uptime: int) -> None:
    """`up`, with ISO-8601 time; the topic alone says whose it is."""
    found = captured(name)

    assert {"router": {"uptime_seconds": uptime}} == body(found)
    assert isinstance(found, Accepted)
    assert seconds * 1000 == found.record.measured_at


def test_all_captured_messages_are_of_one_router() -> None:
    """The level of the topic and the record's sender are the same endpoint id."""
    rules = rules_of(*SECTIONS)
    identities = [
        found.record.identity
        for name in ("02.usp.bin", "03.usp.bin", "04.json", "05.json")
        if isinstance(found := captured(name, rules), Accepted)
    ]

    assert 4 == len(identities)
    assert all(identity == identities[0] for identity in identities)


MOCA: Final = "Device.MoCA.Interface."


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "objecthierarchy.json",
            [{f"{MOCA}1.Stats.BroadPktSent": 25_248, f"{MOCA}2.Stats.MultiPktReceived": 900_543_250}],
        ),
        (
            "parameterperrow.csv",  # `Stats.` doubled, and a blank after the comma
            [{f"{MOCA}1.Stats.BroadPktSent": "25248", f"{MOCA}1.Stats.BytesSent": "7682161"}],
        ),
        (
            "parameterpercolumn.csv",
            [{"BroadPktSent": sent} for sent in ("25248", "25249", "25255", "25252")],
        ),
    ],
)
def test_the_examples_of_the_standard_are_read_and_not_believed(name: str, said: list[dict[str, Any]]) -> None:
    """They are of 2013, from before there was any consent; and of MoCA alone, which no field is made of."""
    payload = sample(f"fixtures/spec/bulkdata-{name}")
    found = outcome(payload, "bulkdata/R1", rules_of(*SECTIONS))

    told = readings(payload)
    assert [None, 1_464_639_150_000, 1_564_749_151_000, 1_664_859_152_000][: len(said)] == [one.time for one in told]
    assert said == [{n: v for n, v in one.values if n in one_said} for one, one_said in zip(told, said, strict=True)]
    assert Dropped(DropReason.CLOCK_INVALID) == found


def typed(kind: str, text: str) -> Any:
    """A value as a report has it."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return int(text) if text and kind in {"int", "unsignedInt", "long", "unsignedLong"} else text


def reported(parameters: dict[str, Any]) -> Outcome:
    """What becomes of a report of everything a router has."""
    report = {"CollectionTime": COLLECTED, **parameters}
    return outcome(json.dumps({"Report": [report]}, indent=1).encode(), "bulkdata/R1", rules_of(*SECTIONS), RECEIVED)


def ex220() -> dict[str, Any]:
    """The data model of a TP-Link EX220 (TR-181)."""
    rows = (line.split("\t") for line in sample("fixtures/tr181/tplink-ex220.tsv").decode().splitlines())
    return {name: typed(kind, value) for name, kind, value in rows}


def h199a() -> dict[str, Any]:
    """The data model of a ZTE H199A (TR-098), as its management server lists it; objects have no value."""
    rows = csv.DictReader(sample("fixtures/tr098/zte-zxhn-h199a.csv").decode().splitlines())
    return {
        row["Parameter"]: typed(row["Value type"].removeprefix("xsd:"), row["Value"])
        for row in rows
        if row["Object"] == "false" and row["Parameter"].startswith("InternetGatewayDevice.")
    }


def test_everything_a_tr181_router_has() -> None:
    """Ethernet 7 is up and upstream, IP interface 4 has 192.168.88.38/24 and the LAN 192.168.0.2/24.

    Access points 1 and 3 are up (radios at 2.4 and 5 GHz, channels 2 and 44, 40 and 80 MHz, b/g/n and a/n/ac/ax), with
    a station each, too few for their levels; those of the guests are off, some open. SSID 1 counts 2225 errors, 3
    counts 303. The firewall is off, its level low. Names of networks begin with the maker: as it was sold.
    """
    found = reported(ex220())

    told = body(found)
    assert {told["wifi"].pop(name) for name in ("ssid_2g_ref", "ssid_5g_ref")}.isdisjoint(set(ex220().values()))
    assert {
        "router": {
            "manufacturer": "TP-Link",
            "device_type": "cpe",
            "model_name": "other",
            "software_version": "0.14.0_2.0.0_v605f.0_Build_221227_Rel.55257n",
            "hardware_version": "EX220_v1.20_00000000",
            "uptime_seconds": 2480,
        },
        "network": {
            "wan_connection_state": "connected",
            "wan_bearer": "ethernet",
            "wan_ip_class": "private_v4",
            "lan_wan_subnet_overlap": False,
        },
        "wifi": {
            "ssid_is_default": True,
            "wifi_enabled": True,
            "wifi_enabled_2g": True,
            "wifi_channel_2g": 2,
            "wifi_bandwidth_2g_mhz": 40,
            "wifi_mode_2g": "n",
            "wifi_security_mode_2g": "wpa2",
            "wifi_ssid_hidden_2g": False,
            "wifi_ap_isolation_2g": False,
            "wifi_enabled_5g": True,
            "wifi_channel_5g": 44,
            "wifi_bandwidth_5g_mhz": 80,
            "wifi_mode_5g": "ax",
            "wifi_security_mode_5g": "wpa2",
            "wifi_ssid_hidden_5g": False,
            "wifi_ap_isolation_5g": False,
            "wifi_station_count": 2,
            "wifi_station_count_2g": 1,
            "wifi_station_count_5g": 1,
            "guest_wifi_enabled": False,
            "guest_wifi_security_mode": "none",
            "guest_station_count": 0,
            "guest_wifi_isolation": True,
            "wifi_tx_power_percent": 100,
            "wifi_regulatory_country": "BR",
            "wifi_driver_errors_total": 2528,
        },
        "settings": {
            "dhcp_server_enabled": True,
            "firewall_enabled": False,
            "firewall_policy_level": "low",
            "port_forward_rule_count": 0,
            "upnp_enabled": True,
        },
    } == told
    assert Removal.INVALID not in removed(found)


def test_everything_a_tr098_router_has() -> None:
    """WANPPPConnection 2 is connected for 2446 s with a private address and a global one.

    WANIPConnection 1 of the second WAN has no carrier, which is no disconnect of a router that is connected.
    WLANConfiguration 1 is at 2.4 GHz, channel 3, 5 at 5 GHz, channel 116, a/n/ac and 80 MHz; at most 32 stations each,
    one in all; 106 and 419 errors. The second of each, which are the guests', are off.
    """
    found = reported(h199a())

    told = body(found)
    assert {told["wifi"].pop(name) for name in ("ssid_2g_ref", "ssid_5g_ref")}.isdisjoint(set(h199a().values()))
    assert {
        "router": {
            "manufacturer": "ZTE",
            "model_name": "H199A",
            "software_version": "V9.1.0P4N3_MUL",
            "hardware_version": "V9.1.1",
            "uptime_seconds": 2468,
        },
        "network": {
            "wan_connection_state": "connected",
            "wan_bearer": "ethernet",
            "wan_uptime_seconds": 2446,
            "wan_ip_class": "dual",
            "lan_wan_subnet_overlap": False,
        },
        "wifi": {
            "ssid_is_default": False,
            "wifi_enabled": True,
            "wifi_enabled_2g": True,
            "wifi_channel_2g": 3,
            "wifi_mode_2g": "n",
            "wifi_security_mode_2g": "wpa2",
            "wifi_ssid_hidden_2g": False,
            "wifi_ap_isolation_2g": False,
            "wifi_max_stations_2g": 32,
            "wifi_enabled_5g": True,
            "wifi_channel_5g": 116,
            "wifi_bandwidth_5g_mhz": 80,
            "wifi_mode_5g": "ac",
            "wifi_security_mode_5g": "wpa2",
            "wifi_ssid_hidden_5g": False,
            "wifi_ap_isolation_5g": False,
            "wifi_max_stations_5g": 32,
            "wifi_station_count": 1,
            "wifi_station_count_2g": 1,
            "wifi_station_count_5g": 0,
            "wifi_band_steering_enabled": False,
            "guest_wifi_enabled": False,
            "guest_wifi_security_mode": "wpa2",
            "guest_station_count": 0,
            "guest_wifi_isolation": False,
            "wifi_tx_power_percent": 100,
            "wifi_regulatory_country": "BR",
            "wifi_driver_errors_total": 525,
        },
        "settings": {
            "dhcp_server_enabled": True,
            "lan_domain_is_default": True,
            "firewall_enabled": True,
            "firewall_policy_level": "high",
            "port_forward_rule_count": 0,
            "upnp_enabled": False,
            "dmz_enabled": False,
        },
    } == told
    assert Removal.INVALID not in removed(found)


@pytest.mark.parametrize("dump", [ex220, h199a])
def test_nothing_of_a_router_that_could_say_who_or_where_it_is_is_in_its_record(dump: Any) -> None:
    """No address, name or number of it, of its networks or of those who use it."""
    found = reported(dump())

    assert isinstance(found, Accepted)
    kept = {str(value) for group in body(found).values() for value in group.values() if isinstance(value, str)}
    identifying = {"MACAddress", "SerialNumber", "IPAddress", "SSID", "BSSID", "HostName", "Name", "KeyPassphrase"}
    told = {str(value) for name, value in dump().items() if name.rpartition(".")[2] in identifying and value != ""}
    assert told
    assert kept.isdisjoint(told)
