"""NetJSON as OpenWISP's agents make it on other routers: samples written from its source, and the record of each.

Sources: openwrt-openwisp-monitoring (netjson-monitoring, its interfaces, wifi and neighbours), the NetJSON objects that
openwisp-monitoring tests itself with, ModemManager's JSON. No value of a sample is in here.
"""

import json
from typing import Any, Final

import pytest
from tr369 import COLLECTED, RECEIVED, body, outcome, rules_of

from collector.derive import Memory, Sample, applied, derive
from collector.model import Accepted, Dropped, DropReason, Outcome, Removal

SOURCE: Final = {"name": "ow", "topic": "netjson/+/#", "format": "netjson", "router_level": 2, "country": "DE"}
MAC: Final = "02:00:5e:7f:00:01"
Body = dict[str, Any]


def told(document: Any, topic: str = "netjson/MF286D7", **source: Any) -> Outcome:
    """What becomes of a document."""
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return outcome(data, topic, rules_of({**SOURCE, **source}), RECEIVED)


def sample(*interfaces: dict[str, Any], **more: Any) -> Body:
    """A sample with these interfaces."""
    general = {"hostname": "annas-router", "local_time": COLLECTED, "uptime": 812}
    return {"type": "DeviceMonitoring", "general": general, "interfaces": list(interfaces), **more}


def kept(*interfaces: dict[str, Any], **source: Any) -> Body:
    """The body of its record, without what is of the router."""
    found = body(told(sample(*interfaces), **source))
    assert {"uptime_seconds": 812} == found.pop("router")
    return {group: {n: v for n, v in members.items() if not n.endswith("_ref")} for group, members in found.items()}


def address(text: str, family: str = "ipv4", **more: Any) -> Body:
    """An address of an interface."""
    return {"address": text, "mask": 24 if family == "ipv4" else 64, "family": family, "proto": "dhcp", **more}


def port(name: str, kind: str = "ethernet", **more: Any) -> Body:
    """An interface."""
    common = {"mac": MAC, "mtu": 1500, "multicast": True, "txqueuelen": 1000, "speed": "1000F"}
    return {"name": name, "type": kind, "up": True, **common, **more}


def modem(signal: Any = None, name: str = "wwan0", **more: Any) -> Body:
    """A modem."""
    mobile = {"manufacturer": "QUECTEL", "model": "EC25", "power_status": "on", **more}
    return port(name, "modem-manager", mobile=mobile if signal is None else {**mobile, "signal": signal})


def radio(mode: str = "access_point", name: str = "wlan0", stations: Any = None, **more: Any) -> Body:
    """A wireless interface."""
    wireless = {"mode": mode, "ssid": "Anna und Ben", "signal": -3, "noise": 0, "tx_power": 23, "country": "PL", **more}
    return port(name, "wireless", wireless=wireless if stations is None else {**wireless, "clients": stations})


LTE: Final = {"lte": {"rsrp": -106.0, "rsrq": -14.0, "rssi": -75.0, "snr": 1.4}}
BOTH: Final = {**LTE, "5g": {"rsrp": -99.0, "rsrq": -11.0, "snr": 17.5, "error-rate": 0}}
STATIONS: Final = [{"mac": f"02:00:5e:7f:01:0{n}", "signal": -45 - 7 * n, "assoc": True, "aid": n} for n in range(5)]


@pytest.mark.parametrize(
    ("interfaces", "expected"),
    [
        pytest.param(
            [modem(LTE, imei="356938035643809", operator_code="26202", connection_status="connected")],
            {"network": {"plmn": "26202", "carrier_name": "Vodafone Germany", "rat": "lte",
                         "wan_connection_state": "connected", "wan_bearer": "cellular"},
             "signal": {"rsrp_dbm": -106, "rsrq_db": -14, "rssi_dbm": -75, "sinr_db": 1.4}},
            id="LTE",
        ),
        pytest.param([modem(BOTH)],
                     {"network": {"rat": "nr_nsa"},
                      "signal": {"rsrp_dbm": -106, "rsrq_db": -14, "rssi_dbm": -75, "sinr_db": 1.4}},
                     id="5G with its anchor"),
        pytest.param([modem({"5g": BOTH["5g"]}, connection_status="connected")],
                     {"network": {"rat": "nr_sa", "wan_connection_state": "connected", "wan_bearer": "cellular"},
                      "signal": {"rsrp_dbm": -99, "rsrq_db": -11, "sinr_db": 17.5}},
                     id="5G alone"),
        pytest.param([modem({"umts": {"rscp": -91.0, "ecio": -6.5, "rssi": -82.0}}, connection_status="registered")],
                     {"network": {"rat": "umts", "wan_connection_state": "disconnected"},
                      "signal": {"rscp_dbm": -91, "ecno_db": -6.5, "rssi_dbm": -82}},
                     id="UMTS, registered and no more"),
        pytest.param([modem({"gsm": {"rssi": -97.0}}, connection_status="searching")],
                     {"network": {"rat": "gsm", "wan_connection_state": "no_service"}, "signal": {"rssi_dbm": -97}},
                     id="GSM, searching"),
        pytest.param([modem({"evdo": {"rssi": -80, "ecio": -4, "sinr": 8, "io": -103}}, connection_status="connected")],
                     {"network": {"wan_connection_state": "connected", "wan_bearer": "cellular"}},
                     id="a kind of network that has no field"),
        pytest.param([modem({"lte": {"rsrp": -32768, "rsrq": 0, "rssi": 2147483647, "snr": -32768}})], {},
                     id="readings that are none"),
        pytest.param([modem({"lte": {"rsrp": -200, "rsrq": -12.0}})],
                     {"network": {"rat": "lte"}, "signal": {"rsrq_db": -12}}, id="a reading out of bounds"),
        pytest.param([modem({}, operator_name="--", operator_code="--", imei="--", connection_status="--")], {},
                     id="ModemManager's dashes"),
        pytest.param(
            [modem(connection_status="disabled"), modem(connection_status="connected", name="wwan1")],
            {"network": {"wan_connection_state": "connected", "wan_bearer": "cellular"}},
            id="of two modems the one that is connected",
        ),
        pytest.param(
            [port("eth1", addresses=[address("10.0.2.4", gateway="10.0.2.1"), address("fe80::1", "ipv6")])],
            {"network": {"wan_connection_state": "connected", "wan_bearer": "ethernet", "wan_ip_class": "private_v4"}},
            id="an uplink that only its gateway shows",
        ),
        pytest.param(
            [port("eth0.2", "vlan", addresses=[address("93.184.216.34", gateway="93.184.216.1"),
                                               address("2a02:908::7", "ipv6", gateway="93.184.216.1")])],
            {"network": {"wan_connection_state": "connected", "wan_bearer": "ethernet", "wan_ip_class": "dual"}},
            id="an uplink on a VLAN, with addresses of both kinds",
        ),
        pytest.param(
            [modem(connection_status="registered"),
             port("wan", addresses=[address("100.66.1.2", gateway="100.66.0.1")])],
            {"network": {"wan_connection_state": "connected", "wan_bearer": "ethernet", "wan_ip_class": "cgnat_v4"}},
            id="a modem in reserve behind an uplink that works",
        ),
        pytest.param([port("wan", up=False)], {"network": {"wan_connection_state": "disconnected"}},
                     id="an uplink whose cable is out"),
        pytest.param([port("wan")], {}, id="a cable that is in says no more"),
        pytest.param([port("pppoe-wan", "other", addresses=[address("80.1.2.3")]), port("wan", up=True)],
                     {"network": {"wan_connection_state": "connected", "wan_ip_class": "public_v4"}},
                     id="a PPPoE session"),
        pytest.param(
            [{**radio("station", frequency=2437, channel=6),
              "addresses": [address("192.168.9.4", gateway="192.168.9.1")]}],
            {"network": {"wan_bearer": "wifi_uplink", "wan_ip_class": "private_v4"}},
            id="somebody else's network as uplink",
        ),
        pytest.param(
            [port("br-lan", "bridge", addresses=[address("192.168.1.41", gateway="192.168.1.1")]),
             port("wg0", "virtual", addresses=[address("172.16.0.9", gateway="172.16.0.1")])],
            {"network": {}},
            id="neither a bridge nor a VPN is an uplink",
        ),
        pytest.param(
            [port("br-lan", "bridge", addresses=[address("192.168.8.1")]),
             port("wan", addresses=[address("192.168.8.23", gateway="192.168.8.254")])],
            {"network": {"wan_connection_state": "connected", "wan_bearer": "ethernet", "wan_ip_class": "private_v4",
                         "lan_wan_subnet_overlap": True}},
            id="the same network on both sides",
        ),
        pytest.param(
            [radio(channel=13, frequency=2472, htmode="HE40", stations=STATIONS)],
            {"wifi": {"ssid_is_default": False, "wifi_enabled": True, "wifi_enabled_2g": True, "wifi_channel_2g": 13,
                      "wifi_bandwidth_2g_mhz": 40, "wifi_mode_2g": "ax", "wifi_station_count": 5,
                      "wifi_station_count_2g": 5, "wifi_regulatory_country": "PL", "wifi_station_rssi_dbm_min": -73,
                      "wifi_station_rssi_dbm_median": -59}},
            id="a network of five",
        ),
        pytest.param(
            [radio(channel=140, frequency=5700, htmode="VHT160", stations=STATIONS[:2])],
            {"wifi": {"ssid_is_default": False, "wifi_enabled": True, "wifi_enabled_5g": True, "wifi_channel_5g": 140,
                      "wifi_bandwidth_5g_mhz": 160, "wifi_mode_5g": "ac", "wifi_station_count": 2,
                      "wifi_station_count_5g": 2, "wifi_regulatory_country": "PL"}},
            id="levels of two stations say too much",
        ),
        pytest.param(
            [radio(channel="36", country="00")],
            {"wifi": {"ssid_is_default": False, "wifi_enabled": True, "wifi_enabled_5g": True, "wifi_channel_5g": 36}},
            id="the band by a channel that is a text",
        ),
        pytest.param(
            [radio(channel=37, frequency=6135, stations=[])],
            {"wifi": {"wifi_enabled": True, "wifi_station_count": 0, "wifi_regulatory_country": "PL"}},
            id="6 GHz has no fields",
        ),
        pytest.param(
            [radio(channel=1, frequency=2412), radio(name="wlan0-1", channel=1, frequency=2412, ssid="Guests of Anna",
                                                     stations=STATIONS[:1])],
            {"wifi": {"ssid_is_default": False, "wifi_enabled": True, "wifi_enabled_2g": True, "wifi_channel_2g": 1,
                      "wifi_station_count": 1, "wifi_station_count_2g": 1, "guest_wifi_enabled": True,
                      "guest_station_count": 1, "wifi_regulatory_country": "PL"}},
            id="guests, by the name of their network",
        ),
        pytest.param([radio("802.11s", channel=6, frequency=2437, stations=STATIONS)], {},
                     id="a mesh is no network of this router's alone"),
        pytest.param(
            [{**radio("station"), "statistics": {"rx_errors": 4294967295, "tx_errors": 0}}],
            {"wifi": {"wifi_driver_errors_total": 4294967295}},
            id="errors at the end of 32 bits",
        ),
        pytest.param(
            [{**radio("monitor"), "statistics": {"rx_errors": 2**32, "tx_errors": 5}}], {},
            id="errors beyond the field",
        ),
        pytest.param(
            [{"name": "wlan1", "statistics": {"rx_errors": 2, "tx_errors": 3, "tx_crc_errors": 9},
              "wireless": {"mode": "access_point", "frequency": 2437, "channel": 6, "ssid": "OpenWrt"}}],
            {"wifi": {"ssid_is_default": False, "wifi_channel_2g": 6, "wifi_driver_errors_total": 5}},
            id="an interface that says no type",
        ),
        pytest.param([port("eth0"), port("lo", "loopback", addresses=[address("127.0.0.1")]),
                      port("tun0", "virtual", addresses=[address("10.8.0.2")])], {}, id="ports of no interest"),
        pytest.param(["wan", None, 7, [], {"name": 5, "type": [], "up": "yes", "addresses": "x", "wireless": 9}], {},
                     id="interfaces that are none"),
    ],
)  # fmt: skip
def test_a_sample_becomes(interfaces: list[Any], expected: Body) -> None:
    """Beside the router's uptime."""
    assert expected == kept(*interfaces)


@pytest.mark.parametrize(
    ("topic", "members", "milliseconds"),
    [
        ("netjson/MF286D7", {"time": "21-11-2026_16:20:00.000000"}, 1_795_278_000_000),
        ("netjson/MF286D7/time=21-11-2026_16:20:00.5", {}, 1_795_278_000_500),
        ("netjson/MF286D7/21-11-2026_16:20:00.000000", {}, 1_795_278_000_000),
        ("netjson/MF286D7/?key=0123abcd&time=21-11-2026_16:20:00.000000&current=true", {}, 1_795_278_000_000),
        ("netjson/MF286D7/?time=21-11-2026_16%3A20%3A00.000000", {}, 1_795_278_000_000),
        ("netjson/MF286D7/?key=0123abcd", {}, COLLECTED * 1000),
        ("netjson/MF286D7", {}, COLLECTED * 1000),
    ],
)
def test_a_sample_of_a_backlog_is_of_when_it_was_taken(topic: str, members: Body, milliseconds: int) -> None:
    """The agent's own time, which is UTC, before the clock of the router."""
    found = told(sample(**members), topic)

    assert isinstance(found, Accepted)
    assert milliseconds == found.record.measured_at


def test_the_clock_of_the_router_shows_local_time() -> None:
    """OpenWrt's `localtime` counts it as if it were UTC."""
    ahead = sample()
    ahead["general"]["local_time"] = COLLECTED + 8 * 3600
    found = told(ahead, time_zone="Asia/Shanghai")

    assert isinstance(found, Accepted)
    assert COLLECTED * 1000 == found.record.measured_at


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", DropReason.MALFORMED),
        (b"[]", DropReason.MALFORMED),
        (b'{"type":"DeviceMonitoring","general":{"uptime":1,"uptime":2}}', DropReason.MALFORMED),
        (b'{"type":"DeviceMonitoring","general":{"uptime":NaN}}', DropReason.MALFORMED),
        ({"type": "DeviceConfiguration", "general": {"uptime": 5}}, DropReason.MALFORMED),
        ({"type": "OpenSoho", "radios": []}, DropReason.MALFORMED),
        ({"type": "DeviceMonitoring", "general": {"uptime": 5}}, DropReason.CLOCK_INVALID),
        ({"type": "DeviceMonitoring", "general": {"uptime": 5, "local_time": 41}}, DropReason.CLOCK_INVALID),
        ({"type": "DeviceMonitoring", "general": {"local_time": COLLECTED}}, DropReason.NOTHING_SAID),
        (sample(modem(operator_code="46000")), DropReason.REGION_CONFLICT),
        (sample(modem(operator_code="26x")), DropReason.REGION_UNKNOWN),
    ],
)
def test_a_sample_is_refused(document: Any, reason: DropReason) -> None:
    """Of no kind we know, without a clock, of a network that cannot be the country's."""
    assert Dropped(reason) == told(document)


def test_what_a_household_is_stays_where_it_is() -> None:
    """Host names, leases, neighbours, terminals; bytes of an access point, which agents turn round, are unused."""
    terminal = {
        "mac": "02:00:5e:7f:02:09",
        "ip": "192.168.1.77",
        "client_name": "Bens-iPad",
        "client_id": "01:02005e7f0209",
    }
    access_point = {**radio(channel=6, frequency=2437, stations=[{**terminal, "signal": -51}]),
                    "statistics": {"rx_bytes": 1, "tx_bytes": 2, "rx_errors": 3, "tx_errors": 4}}  # fmt: skip
    found = told(sample(access_point, dhcp_leases=[terminal], neighbors=[terminal], dns_servers=["9.9.9.9"],
                        dns_search=["anna.example"]))  # fmt: skip

    assert isinstance(found, Accepted)
    assert () == found.record.counters
    assert 7 == body(found)["wifi"]["wifi_driver_errors_total"]
    assert dict(found.record.stripped)[Removal.LOCAL_ONLY]
    for secret in (
        "annas-router",
        "Bens-iPad",
        "192.168.1.77",
        "02:00:5e",
        "02005e",
        "9.9.9.9",
        "anna.example",
        "Anna",
    ):
        assert secret.encode() not in found.record.body


def through(*documents: Any) -> list[Body]:
    """The bodies that a store makes of samples of one router, a minute apart."""
    memory: Memory | None = None
    bodies, rules = [], rules_of(SOURCE)
    for place, document in enumerate(documents):
        document["general"]["local_time"] = COLLECTED - 3600 + 60 * place
        found = outcome(json.dumps(document).encode(), "netjson/MF286D7", rules, RECEIVED)
        assert isinstance(found, Accepted)
        made = body(found)
        derived = derive(memory, Sample(made, found.record.measured_at, found.record.counters or ()))
        memory = derived.memory
        bodies.append(applied(made, derived))
    return bodies


def counted(sent: int, received: int, **more: Any) -> Body:
    """A sample of an uplink whose counters stand so."""
    return sample(port("wan", statistics={"tx_bytes": sent, "rx_bytes": received}), **more)


@pytest.mark.parametrize(
    ("before", "now", "rates"),
    [
        ((1000, 5000), (61_000, 605_000), {"uplink_bytes_per_second": 1000, "downlink_bytes_per_second": 10_000}),
        ((2**32 - 1000, 7), (5000, 7), {"uplink_bytes_per_second": 100, "downlink_bytes_per_second": 0}),
        ((2**64 - 6000, 0), (0, 6000), {"uplink_bytes_per_second": 100, "downlink_bytes_per_second": 100}),
        ((900_000, 6000), (10, 12_000), {"downlink_bytes_per_second": 100}),
    ],
)
def test_counters_of_the_uplink_are_rates_of_two_samples(before: Any, now: Any, rates: Body) -> None:
    """Over a wrap of 32 and of 64 bits too; a counter that was set back says nothing."""
    [first, second] = through(counted(*before), counted(*now))

    assert "usage" not in first
    assert rates == second["usage"]


def test_a_cable_pulled_and_a_restart_are_events() -> None:
    """Each once."""
    up, down = port("wan", addresses=[address("100.66.1.2", gateway="100.66.0.1")]), port("wan", up=False)
    again = sample(up)
    again["general"]["uptime"] = 20
    bodies = through(sample(up), sample(down), sample(down), again)

    assert [[], ["wan_unexpected_disconnect"], [], ["unexpected_reboot"]] == [
        [event["event"] for event in each.get("events", [])] for each in bodies
    ]
