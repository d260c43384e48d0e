"""NetJSON DeviceMonitoring: interfaces in lists, terminals that stay where they are, times in the agent's own form."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from support import make_rules

from collector.fields.catalogue import GROUPS, load_catalogue
from collector.fields.clean import Cleaner
from collector.fields.compiled import Compiled
from collector.fields.names import RefusedNames
from collector.formats.adapters import make_sources
from collector.formats.sources import Source
from collector.model import Accepted, Dropped, DropReason, Flag, Message, Removal, Report
from collector.pipeline import process
from collector.source_settings import SourceSettings

COMPILED = Compiled(load_catalogue())
CLEANER = Cleaner(COMPILED, RefusedNames(COMPILED.catalogue))
RECEIVED_AT = 1_795_281_370_000
MEASURED_AT = 1_795_280_400_000
"""2026-11-21 17:00:00 UTC, sixteen minutes before."""
SETTINGS: dict[str, Any] = {
    "name": "openwisp",
    "topic": "netjson/+/#",
    "format": "netjson",
    "router_level": 2,
    "country": "DE",
}
RULES = make_rules(consent={"mode": "registered"}, sources=[SETTINGS])
Body = dict[str, dict[str, Any]]

ACCESS_POINT: dict[str, Any] = {
    "name": "phy0-ap0",
    "type": "wireless",
    "up": True,
    "mac": "02:00:5e:10:00:01",
    "txqueuelen": 1000,
    "mtu": 1500,
    "statistics": {"rx_bytes": 7, "tx_bytes": 9, "rx_errors": 3, "tx_errors": 2, "tx_crc_errors": 1, "rx_dropped": 5},
    "wireless": {
        "ssid": "Haus am See",
        "mode": "access_point",
        "channel": 6,
        "frequency": 2437,
        "tx_power": 20,
        "signal": -3,
        "noise": 0,
        "bitrate": 144_400,
        "country": "DE",
        "htmode": "HE20",
        "clients": [{"mac": f"02:00:5e:10:01:0{n}", "assoc": True, "signal": -50 - n} for n in range(3)],
    },
}
MODEM: dict[str, Any] = {
    "name": "wwan0",
    "type": "modem-manager",
    "up": True,
    "mac": "02:00:5e:10:00:02",
    "speed": "-1F",
    "statistics": {"rx_bytes": 70_000, "tx_bytes": 9000, "rx_errors": 4},
    "addresses": [{"proto": "static", "family": "ipv4", "address": "100.72.14.9", "mask": 30}],
    "mobile": {
        "imei": "490154203237518",
        "manufacturer": "QUALCOMM INCORPORATED",
        "model": "0",
        "operator_name": "Telekom.de",
        "operator_code": "26201",
        "connection_status": "connected",
        "power_status": "on",
        "signal": {"lte": {"rssi": -65, "rsrp": -97, "rsrq": -12, "snr": 9.4}},
    },
}
LAN: dict[str, Any] = {
    "name": "br-lan",
    "type": "bridge",
    "up": True,
    "mac": "02:00:5e:10:00:03",
    "bridge_members": ["lan1", "phy0-ap0"],
    "addresses": [
        {"proto": "static", "family": "ipv4", "address": "192.168.1.1", "mask": 24},
        {"proto": "static", "family": "ipv6", "address": "fe80::5eff:fe10:3", "mask": 64},
    ],
}
SAMPLE: dict[str, Any] = {
    "type": "DeviceMonitoring",
    "general": {"hostname": "haus-am-see", "local_time": 1_795_280_400, "uptime": 7000},
    "resources": {"load": [0.1, 0.2, 0.3], "cpus": 4, "memory": {"total": 512, "free": 100}, "disk": []},
    "dhcp_leases": [
        {
            "expiry": 1,
            "mac": "02:00:5e:10:01:00",
            "ip": "192.168.1.5",
            "client_name": "toms-phone",
            "client_id": "01:02",
        }
    ],
    "neighbors": [{"mac": "02:00:5e:10:01:00", "state": "REACHABLE", "interface": "br-lan", "ip": "192.168.1.5"}],
    "dns_servers": ["10.0.0.1"],
    "dns_search": ["lan"],
    "interfaces": [ACCESS_POINT, MODEM, LAN],
}
EXPECTED: Body = {
    "router": {"uptime_seconds": 7000, "imei": "490154203237518", "mac": "02:00:5e:10:00:03"},
    "network": {
        "plmn": "26201",
        "rat": "lte",
        "wan_connection_state": "connected",
        "wan_bearer": "cellular",
        "wan_ipv4": "100.72.14.9",
        "lan_ipv4": "192.168.1.1/24",
    },
    "signal": {"rssi_dbm": -65, "rsrp_dbm": -97, "rsrq_db": -12, "sinr_db": 9.4},
    "wifi": {
        "ssid_2g": "Haus am See",
        "wifi_enabled": True,
        "wifi_enabled_2g": True,
        "wifi_channel_2g": 6,
        "wifi_bandwidth_2g_mhz": 20,
        "wifi_mode_2g": "ax",
        "wifi_station_count": 3,
        "wifi_station_count_2g": 3,
        "wifi_regulatory_country": "DE",
        "wifi_station_rssi_dbm_min": -52,
        "wifi_station_rssi_dbm_median": -51,
        "wifi_driver_errors_total": 5,
    },
}


def source(**more: Any) -> Source:
    """A source of such objects."""
    found = make_sources([SourceSettings(**{**SETTINGS, **more})], COMPILED, CLEANER, 16).of("netjson/lab-1")
    assert found is not None
    return found


def sent(payload: Any, topic: str = "netjson/lab-1") -> Message:
    """A message of these bytes, or of this document."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(topic, data, retained=False, received_at=RECEIVED_AT)


def report(payload: Any, topic: str = "netjson/lab-1", **more: Any) -> Report:
    """The one report of a message."""
    found = source(**more).read(sent(payload, topic))
    assert isinstance(found, tuple)
    [only] = found
    return only


def kept(payload: Any) -> Body:
    """What is taken of a message, by group."""
    content = report(payload).content
    groups = {group: getattr(content, group) for group in GROUPS if getattr(content, group) is not UNSET}
    return {
        group: {n: v for n in members.__struct_fields__ if (v := getattr(members, n)) is not UNSET}
        for group, members in groups.items()
    }


def with_interface(**changes: Any) -> dict[str, Any]:
    """A sample with one interface, changed."""
    base: dict[str, Any] = {"type": "DeviceMonitoring", "general": {"uptime": 5}}
    return {**base, "interfaces": [{"name": "x0", **deepcopy(changes)}]}


def with_wireless(**changes: Any) -> dict[str, Any]:
    """A sample with one access point, changed."""
    wireless = {"ssid": "Haus am See", "mode": "access_point", "channel": 36, "frequency": 5180, **changes}
    return with_interface(type="wireless", up=True, wireless=wireless)


def with_mobile(**changes: Any) -> dict[str, Any]:
    """A sample with one modem, changed."""
    return with_interface(type="modem-manager", up=True, mobile=changes)


# ------------------------------------------------------------------------------------------------------- what is kept


def test_a_sample_is_taken_apart() -> None:
    """A router with a modem, an access point and a LAN."""
    assert kept(SAMPLE) == EXPECTED


def test_the_order_of_interfaces_is_no_matter() -> None:
    """They come as the kernel lists them."""
    assert kept({**SAMPLE, "interfaces": [LAN, MODEM, ACCESS_POINT]}) == EXPECTED


def test_bytes_of_the_uplink_are_counters() -> None:
    """Their rates are derived between two samples; an access point's are not the uplink's."""
    counted = {part.field: part.value for part in report(SAMPLE).counters or ()}

    assert counted == {"usage.uplink_bytes_per_second": 9000, "usage.downlink_bytes_per_second": 70_000}


@pytest.mark.parametrize(
    ("interfaces", "up"),
    [
        ([("wan", "ethernet", 5), ("pppoe-wan", "other", 4)], 4),
        ([("wan", "ethernet", 5), ("wwan0", "modem-manager", 3)], 3),
        ([("wan", "ethernet", 5), ("br-lan", "bridge", 9), ("wlan0", "wireless", 8)], 5),
        ([("eth0", "ethernet", 5)], None),
    ],
)
def test_the_uplink_is_counted_once(interfaces: list[tuple[str, str, int]], up: int | None) -> None:
    """A PPPoE session's bytes pass the line below it too."""
    made = [{"name": name, "type": kind, "statistics": {"tx_bytes": count}} for name, kind, count in interfaces]
    found = report({"type": "DeviceMonitoring", "general": {"uptime": 5}, "interfaces": made}).counters

    assert ([] if up is None else [up]) == [part.value for part in found or ()]


@pytest.mark.parametrize(
    ("signal", "rat", "rsrp"),
    [
        ({"lte": {"rsrp": -97}}, "lte", -97),
        ({"lte": {"rsrp": -97}, "5g": {"rsrp": -88}}, "nr_nsa", -97),
        ({"5g": {"rsrp": -88, "rsrq": -10, "snr": 20}}, "nr_sa", -88),
        ({"5g": {"rsrp": -88}, "lte": {"rsrp": "--"}}, "nr_sa", -88),
        ({"5g": {"rsrp": "--"}, "lte": {"rsrp": -97}}, "lte", -97),
        ({"umts": {"rssi": -70, "rscp": -80, "ecio": -7}}, "umts", None),
        ({"gsm": {"rssi": -75}}, "gsm", None),
        ({"evdo": {"rssi": -75, "sinr": 3}}, None, None),
        ({}, None, None),
    ],
)
def test_the_kind_of_network_is_the_one_that_has_readings(signal: Any, rat: str | None, rsrp: int | None) -> None:
    """Both kinds at once are non-standalone 5G and its anchor, whose readings count."""
    body = kept(with_mobile(signal=signal))

    assert (rat, rsrp) == (body.get("network", {}).get("rat"), body.get("signal", {}).get("rsrp_dbm"))


@pytest.mark.parametrize(
    ("state", "kept_as"),
    [("connected", "connected"), ("registered", "disconnected"), ("searching", "no_service"), ("locked", "no_service"),
     ("connecting", "connecting"), ("initializing", None), ("--", None), ("", None)],
)  # fmt: skip
def test_states_of_the_modem_are_those_of_the_uplink(state: str, kept_as: str | None) -> None:
    """As ModemManager names them."""
    assert kept(with_mobile(connection_status=state)).get("network", {}).get("wan_connection_state") == kept_as


@pytest.mark.parametrize(
    ("radio", "band"),
    [
        ({"frequency": 2412, "channel": 1}, "2g"),
        ({"frequency": 2484, "channel": 14}, "2g"),
        ({"frequency": 5180, "channel": 36}, "5g"),
        ({"frequency": 5885, "channel": 177}, "5g"),
        ({"frequency": 5955, "channel": 1}, None),
        ({"frequency": 0, "channel": 11}, "2g"),
        ({"frequency": None, "channel": 100}, "5g"),
        ({"frequency": "5180", "channel": "36"}, "5g"),
        ({"frequency": True, "channel": "auto"}, None),
        ({"frequency": None, "channel": 0}, None),
        ({"frequency": " " * 16 + "2437", "channel": None}, "2g"),
        ({"frequency": 5180, "channel": None}, "5g"),
        ({"frequency": 2437.0, "channel": None}, "2g"),
        ({"frequency": "5" * 5000, "channel": None}, None),
    ],
)
def test_the_band_of_an_access_point_is_that_of_its_frequency(radio: dict[str, Any], band: str | None) -> None:
    """Else of its channel; 6 GHz has numbers of its own, and no field."""
    wifi = kept(with_wireless(**radio))["wifi"]

    assert (["ssid_" + band] if band else []) == [n for n in wifi if n.startswith("ssid_") and n[-2:] in {"2g", "5g"}]
    assert wifi["wifi_enabled"] is True


@pytest.mark.parametrize("mode", ["station", "monitor", "adhoc", "802.11s", None])
def test_of_a_client_only_errors_are_kept(mode: Any) -> None:
    """The network that it is in belongs to somebody else."""
    payload = with_wireless(mode=mode, clients=[{"mac": "02:00:5e:10:01:00"}], country="DE")
    payload["interfaces"][0]["statistics"] = {"rx_errors": 3, "tx_errors": 4}

    assert kept(payload)["wifi"] == {"wifi_driver_errors_total": 7}


def test_access_points_are_put_together() -> None:
    """Stations of all are one number, of a band another; one that is up is enough."""
    two = [ACCESS_POINT, {**ACCESS_POINT, "name": "phy0-ap1", "up": False}]
    wide = {**ACCESS_POINT["wireless"], "channel": 36, "frequency": 5180, "htmode": "VHT80", "clients": []}
    wifi = kept({**SAMPLE, "interfaces": [*two, {**ACCESS_POINT, "up": False, "wireless": wide}]})["wifi"]

    assert (6, 6, 0) == tuple(wifi[f"wifi_station_count{band}"] for band in ("", "_2g", "_5g"))
    assert (True, True, False) == tuple(wifi[f"wifi_enabled{band}"] for band in ("", "_2g", "_5g"))
    assert (36, 80, "ac", 15) == tuple(
        wifi[name] for name in ("wifi_channel_5g", "wifi_bandwidth_5g_mhz", "wifi_mode_5g", "wifi_driver_errors_total")
    )


def test_junk_is_no_measurement() -> None:
    """Signal and noise of an access point, a speed without sense, a country that is not set."""
    body = kept(with_wireless(signal=-3, noise=0, bitrate=144_400, country="00", htmode="NOHT", channel=0, frequency=0))

    assert body == {"router": {"uptime_seconds": 5}, "wifi": {"wifi_enabled": True}}


def test_a_network_that_cannot_be_read_refuses_the_message() -> None:
    """It may be one of another region."""
    rules = make_rules(consent={"mode": "registered"}, sources=[{**SETTINGS, "arrival_time": True}])

    for code, refused in (("2620", True), ("--", False), ("26201", False)):
        outcome = process(sent(with_mobile(operator_code=code)), rules)
        assert isinstance(outcome, Dropped if refused else Accepted)
        assert not isinstance(outcome, Dropped) or outcome.reason is DropReason.REGION_UNKNOWN


# ------------------------------------------------------------------------------------------------------------- times


def at(topic: str = "", zone: str = "UTC", **members: Any) -> int | None:
    """When a sample with these members was measured, and what its topic says."""
    general = {"uptime": 5, **members.pop("general", {})}
    payload = {"type": "DeviceMonitoring", "general": general, **members}
    return report(payload, "netjson/lab-1" + topic, time_zone=zone).time


def test_the_time_is_what_the_agent_puts_into_its_query() -> None:
    """As a member, or as a level of the topic; day first, UTC whatever the zone."""
    query = "21-11-2026_17:00:00.000000"

    assert at(time=query, zone="Asia/Shanghai") == MEASURED_AT
    assert at(f"/{query}") == at(f"/time={query}") == at(f"/sub/time={query}") == MEASURED_AT
    assert at(f"/?time={query}") == at(f"/key=x&time={query}&current=true") == MEASURED_AT
    assert at(f"/uptime={query}") is None
    assert at(time="2026-11-21T17:00:00Z") == at(time=1_795_280_400) == MEASURED_AT


def test_without_one_the_routers_clock_is_asked() -> None:
    """It counts seconds of local time. Of both the agent's counts: a sample may have waited."""
    assert at(general={"local_time": 1_795_280_400}) == MEASURED_AT
    assert at(general={"local_time": 1_795_280_400 + 8 * 3600}, zone="Asia/Shanghai") == MEASURED_AT
    assert at("/21-11-2026_17:00:00.000000", general={"local_time": 1_795_999_999}) == MEASURED_AT


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"time": ""},
        {"time": "21-11-2026"},
        {"time": 7},
        {"general": {"local_time": 7}},
        {"general": {"local_time": "x"}},
    ],
)
def test_a_clock_that_was_never_set_says_nothing(members: dict[str, Any]) -> None:
    """The message is refused, or taken as of its arrival where the source says so."""
    assert at(**members) is None


def test_a_routers_name_is_no_time() -> None:
    """Though it be a number of seconds."""
    payload = {"type": "DeviceMonitoring", "general": {"uptime": 5}}

    assert report(payload, "netjson/1795280400").time is None


# ------------------------------------------------------------------------------------------------- shape of messages


@pytest.mark.parametrize("envelope", [lambda s: {"data": s}, lambda s: {"key": "x", "data": s, "current": True}])
def test_a_sample_may_stand_in_an_envelope(envelope: Any) -> None:
    """As whatever posts it on wraps it; the time may stand beside it."""
    found = report({**envelope(SAMPLE), "time": "21-11-2026_16:00:00.000000"})

    assert kept(envelope(SAMPLE)) == EXPECTED
    assert found.time == MEASURED_AT - 3_600_000


def test_what_stands_around_a_sample_is_counted_as_what_it_is() -> None:
    """A secret there is one; the time is none, and the sample is not counted twice."""
    alone = dict(report(SAMPLE).removed)
    around = dict(report({"data": SAMPLE, "password": "x", "time": "21-11-2026_16:00:00.000000"}).removed)

    assert {**alone, Removal.LOCAL_ONLY: alone[Removal.LOCAL_ONLY] + 1} == around


def test_what_says_what_a_sample_is_and_when_is_not_counted_as_left_out() -> None:
    """Kind, time and clock are taken, though into no field."""
    general = {"uptime": 5, "local_time": 1_795_280_400}

    assert () == report({"type": "DeviceMonitoring", "general": general, "time": 1_795_280_400}).removed


def test_an_access_point_without_terminals_may_say_so_with_an_object() -> None:
    """An empty table of Lua is either."""
    nobody: tuple[Any, ...] = ([], {})

    assert [0, 0] == [kept(with_wireless(clients=none))["wifi"]["wifi_station_count"] for none in nobody]


@pytest.mark.parametrize(
    "payload",
    [b"", b"{}", b"[]", b"1", b'{"type": "DeviceConfiguration", "general": {"uptime": 5}}', b"\xff",
     b'{"type": "NetworkGraph"}',
     b'{"type": "DeviceMonitoring", "type": "DeviceMonitoring"}', b'{"a": {"b": {"type": "DeviceMonitoring"}}}',
     b'{"type": "DeviceMonitoring", "interfaces": [{"up": true, "up": false}]}',
     b'{"type": "DeviceMonitoring", "a.b": 1, "a": {"b": 1}}', b'{"type": "DeviceMonitoring", "x": NaN}',
     b'{"type": "DeviceMonitoring", "x": ' + b"[" * 20 + b"]" * 20 + b"}"],
)  # fmt: skip
def test_what_is_no_sample_is_malformed(payload: bytes) -> None:
    """One counted drop."""
    assert source().read(sent(payload)) is DropReason.MALFORMED


def test_a_sample_that_says_nothing_is_no_record() -> None:
    """Of a device without any of what is collected."""
    general = {"hostname": "x", "local_time": MEASURED_AT // 1000}

    assert source().read(sent({"type": "DeviceMonitoring", "general": general})) == ()


@pytest.mark.parametrize(
    "interfaces", [None, {}, "x", [], [None], [[]], ["x"], [{"wireless": None}], [{"wireless": {"clients": "x"}}]]
)
def test_odd_shapes_are_read_as_far_as_they_go(interfaces: Any) -> None:
    """No exception, and the rest counts."""
    odd = {"type": "DeviceMonitoring", "general": {"uptime": 5}, "interfaces": interfaces}

    assert kept(odd) == {"router": {"uptime_seconds": 5}}


def test_the_signal_of_one_terminal_is_not_kept_where_others_have_none() -> None:
    """An aggregate over one describes that one, however many there are (U33)."""
    wifi = kept(with_wireless(clients=[{"signal": -61}, {"signal": 0}, {"signal": 0}, {}]))["wifi"]

    assert (4, []) == (wifi["wifi_station_count"], [name for name in wifi if "rssi" in name])


def test_the_guests_network_is_not_the_main_one_because_it_comes_first() -> None:
    """Its name is nobody's to keep, as a pseudonym neither (U31)."""
    guest, main = (
        {"type": "wireless", "up": True, "wireless": {"ssid": ssid, "mode": "access_point", "channel": channel}}
        for ssid, channel in (("Guests of Anna", 6), ("Haus am See", 11))
    )
    document = {"type": "DeviceMonitoring", "time": "21-11-2026_17:00:00.000000", "interfaces": [guest, main]}

    assert "Haus am See" == kept(document)["wifi"]["ssid_2g"]
    assert not {"ssid_2g", "ssid_5g"} & kept({**document, "interfaces": [guest]})["wifi"].keys()


@pytest.mark.parametrize("first", ["26201", "46000"])
def test_the_networks_of_all_modems_are_asked(first: str) -> None:
    """A router with one modem in a network of another region was measured there (R15)."""
    modems = [
        {"type": "modem-manager", "mobile": {"operator_code": code, "signal": {"lte": {"rsrp": -97}}}}
        for code in (first, "26201", "46000")
    ]
    document = {"type": "DeviceMonitoring", "time": "21-11-2026_17:00:00.000000", "interfaces": modems}
    alike = {**document, "interfaces": modems[:2]}

    assert Dropped(DropReason.REGION_CONFLICT) == process(sent(document), RULES)
    assert isinstance(process(sent(alike), RULES), Accepted if first == "26201" else Dropped)


def test_what_the_collector_makes_cannot_be_sent() -> None:
    """How many terminals there are is counted here."""
    wifi = kept(with_wireless(**{"@clients": 50, "@band": "2g", "clients": [{}]}))["wifi"]

    assert (1, 1) == (wifi["wifi_station_count"], wifi["wifi_station_count_5g"])


def test_such_a_source_has_no_flag() -> None:
    """A flag of another format in it says nothing; the ledger decides."""
    found = report({**SAMPLE, "ueip": True, "tr069_user_improv_flag": "1"})

    assert found.flag is Flag.NONE
    refused = process(sent(SAMPLE), make_rules(consent={"mode": "registered"}, sources=[SETTINGS]))
    assert isinstance(refused, Accepted)
    assert refused.record.measured_at == MEASURED_AT


# -------------------------------------------------------------------------------------------------- what is refused


def test_people_and_their_devices_are_counted_as_what_must_stay() -> None:
    """Host name, leases, neighbours, terminals, name servers: nothing of them is in the record."""
    counts = dict(report(SAMPLE).removed)
    outcome = process(sent(SAMPLE), make_rules(consent={"mode": "registered"}, sources=[SETTINGS]))

    # A host name, five of a lease, four of a neighbour, two of each of three terminals, two of name servers, an MTU.
    assert counts[Removal.LOCAL_ONLY] == 1 + 5 + 4 + 3 * 2 + 2 + 1
    assert Removal.INVALID not in counts
    assert isinstance(outcome, Accepted)
    for secret in ("haus", "See", "toms", "02:00", "192.168", "100.72", "490154", "10.0.0", "REACHABLE"):
        assert secret not in outcome.record.body.decode()


# -------------------------------------------------------------------------------------------------------- anything


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
NAMES = st.sampled_from(
    ["wireless", "mobile", "signal", "lte", "5g", "rsrp", "clients", "mode", "name", "type", "up", "addresses",
     "family", "address", "mask", "statistics", "tx_bytes", "rx_errors", "frequency", "channel", "operator_code", "mac",
     "@band"]
)  # fmt: skip
TREES = st.recursive(
    SCALARS | st.just("access_point") | st.just("modem-manager"),
    lambda inner: st.dictionaries(NAMES, inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=24,
)


@given(TREES, TREES)
def test_anything_has_one_outcome(interfaces: Any, general: Any) -> None:
    """Never an exception."""
    document = {"type": "DeviceMonitoring", "interfaces": interfaces, "general": general}
    rules = make_rules(consent={"mode": "registered"}, sources=[{**SETTINGS, "arrival_time": True}])

    assert isinstance(process(sent(document), rules), Accepted | Dropped)
