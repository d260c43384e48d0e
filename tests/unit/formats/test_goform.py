"""Answers of ZTE's local interface: what is taken of flat maps and nested ones, what is no measurement, the flag."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET
from support import make_rules

from collector.fields.catalogue import GROUPS, load_catalogue
from collector.fields.clean import Cleaner, Tally
from collector.fields.compiled import Compiled
from collector.fields.names import RefusedNames
from collector.formats.adapters import make_sources
from collector.formats.aliases import load_aliases
from collector.formats.goform import FLAG
from collector.formats.sources import Source
from collector.model import Accepted, Dropped, DropReason, Flag, Message, Report
from collector.pipeline import process
from collector.source_settings import SourceSettings

COMPILED = Compiled(load_catalogue())
CLEANER = Cleaner(COMPILED, RefusedNames(COMPILED.catalogue))
RECEIVED_AT = 1_795_281_370_000
TOPIC = "zte/ZTE1024300012/status"
SETTINGS: dict[str, Any] = {
    "name": "homes",
    "topic": "zte/+/#",
    "format": "goform",
    "router_level": 2,
    "country": "DE",
    "flag": "message",
    "arrival_time": True,
}

Body = dict[str, dict[str, Any]]


def source(**more: Any) -> Source:
    """A source of such answers."""
    found = make_sources([SourceSettings(**{**SETTINGS, **more})], COMPILED, CLEANER, 16).of(TOPIC)
    assert found is not None
    return found


def sent(payload: Any) -> Message:
    """A message of these bytes, or of this document."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Message(TOPIC, data, retained=False, received_at=RECEIVED_AT)


def report(payload: Any, **more: Any) -> Report | DropReason | None:
    """The one report of a message, None for one that says nothing."""
    found = source(**more).read(sent(payload))
    if isinstance(found, DropReason):
        return found
    assert len(found) <= 1
    return found[0] if found else None


def kept(payload: Any, **more: Any) -> Body:
    """What is taken of a message, by group."""
    found = report(payload, **more)
    if found is None:
        return {}
    assert isinstance(found, Report)
    groups = {group: _set(getattr(found.content, group)) for group in GROUPS}
    return {group: members for group, members in groups.items() if members}


def _set(node: Any) -> dict[str, Any]:
    names = getattr(node, "__struct_fields__", ())
    return {name: value for name in names if (value := getattr(node, name)) is not UNSET}


def removed(payload: Any) -> dict[str, int]:
    """What is counted of a message beside what is taken, told of the router's uptime so that it says something."""
    found = report({**payload, "uptime": "5"})
    assert isinstance(found, Report)
    return {removal.value: count for removal, count in found.removed}


# ------------------------------------------------------------------------------------------------------------- the flag


@pytest.mark.parametrize("value", ["1", 1])
def test_one_is_a_yes(value: Any) -> None:
    """The form of the local interface is a text; ubus mixes types."""
    found = report({FLAG: value, "lte_rsrp": "-97"})

    assert isinstance(found, Report)
    assert (Flag.YES, -97) == (found.flag, found.content.signal.rsrp_dbm)


@pytest.mark.parametrize("value", ["0", 0])
@pytest.mark.parametrize("flag", ["message", "ledger"])
def test_a_zero_is_an_exit_wherever_consent_rests(value: Any, flag: str) -> None:
    """An explicit no is heard also where a yes would not be asked for (D2); nothing else of the message counts."""
    found = report({FLAG: value}, flag=flag)

    assert isinstance(found, Report)
    assert found.flag is Flag.NO

    mode = "flag" if flag == "message" else "registered"
    rules = make_rules(consent={"mode": mode}, sources=[{**SETTINGS, "flag": flag}])
    outcome = process(sent({FLAG: value, "lte_rsrp": "-97"}), rules)
    assert isinstance(outcome, Dropped)
    assert outcome.reason is DropReason.FLAG_FALSE
    assert outcome.exits


@pytest.mark.parametrize(
    "value",
    [True, False, 1.0, 0.0, 2, -1, "2", "01", " 1", "1 ", "true", "True", "yes", "on", "", " ", None, [1], {"1": 1}],
)
def test_anything_else_is_neither(value: Any) -> None:
    """It is dropped, and is no exit either."""
    found = report({FLAG: value, "lte_rsrp": "-97"})

    assert isinstance(found, Report)
    assert found.flag is Flag.INVALID


def test_the_flag_is_the_setting_that_firmware_calls_so() -> None:
    """Catalogue 1.7.2; by this name and no other."""
    found = report({"tr069_user_improv_flag": "1", "lte_rsrp": "-97"})

    assert isinstance(found, Report)
    assert found.flag is Flag.YES


LOOK_ALIKES = (
    "tr069_user_improv_notify_flag", "privacy_read_flag", "dm_user_grant_flag", "tr069_enable", "fota_upgrade_selector",
    "dm_update_mode", "UpgMode", "wizard_flag", "guest_switch", "Enable_Diag_Log", "tr069_user_improv", "user_improv",
    "TR069_USER_IMPROV_FLAG", "tr069_user_improv_flag ", "ueip", "ueip_opt_in",
)  # fmt: skip
"""Catalogue 1.7.2, and spellings of the flag that are not those of this format."""


@pytest.mark.parametrize("name", LOOK_ALIKES)
@pytest.mark.parametrize("value", ["1", 1, True])
def test_a_look_alike_is_no_flag(name: str, value: Any) -> None:
    """Closed by default."""
    found = report({name: value, "lte_rsrp": "-97"})

    assert isinstance(found, Report)
    assert found.flag in {Flag.ABSENT, Flag.INVALID}


@pytest.mark.parametrize(
    "payload",
    [{"system": {FLAG: "1"}, "lte_rsrp": "-97"}, [{FLAG: "1", "lte_rsrp": "-97"}],
     {"a": [0, {FLAG: "1"}], "lte_rsrp": "-97"}, {f"system.{FLAG}": "1", "lte_rsrp": "-97"}],
)  # fmt: skip
def test_the_flag_is_at_the_top_or_nowhere(payload: Any) -> None:
    """A copy of a setting somewhere else is not the setting."""
    found = report(payload)

    assert isinstance(found, Report)
    assert found.flag is Flag.ABSENT


@pytest.mark.parametrize("name", ["ueip", "UEIP", "tr069UserImprovFlag", "tr069-user-improv-flag"])
@pytest.mark.parametrize("value", ["0", "", False, None, "perhaps", 2])
def test_two_spellings_that_disagree_are_no_yes(name: str, value: Any) -> None:
    """Nobody guesses which is meant; where both say yes there is nothing to guess."""
    for other, flag in ((value, Flag.INVALID), ("1", Flag.YES), (True, Flag.YES)):
        found = report({FLAG: "1", name: other, "lte_rsrp": "-97"})
        assert isinstance(found, Report)
        assert found.flag is flag


def test_a_flag_that_comes_twice_is_malformed() -> None:
    """Whichever comes first."""
    for one, other in (("0", "1"), ("1", "0"), ("1", "1")):
        assert report(f'{{"{FLAG}": "{one}", "{FLAG}": "{other}"}}'.encode()) is DropReason.MALFORMED


@pytest.mark.parametrize("value", ["1", "2", "", None, True])
def test_where_the_ledger_decides_only_a_no_is_heard(value: Any) -> None:
    """The flag of such a source opens nothing, and another spelling of it is no place for a no."""
    for payload in ({FLAG: value}, {"ueip": value}, {"UEIP": "0"}):
        found = report({**payload, "lte_rsrp": "-97"}, flag="ledger")

        assert isinstance(found, Report)
        assert found.flag is Flag.NONE


def test_a_flagged_map_becomes_a_record_and_a_flagless_one_does_not() -> None:
    """Through all steps."""
    rules = make_rules(sources=[SETTINGS])

    outcome = process(sent({FLAG: "1", "lte_rsrp": "-97"}), rules)
    assert isinstance(outcome, Accepted)
    assert json.loads(outcome.record.body) == {"signal": {"rsrp_dbm": -97}}

    refused = process(sent({"lte_rsrp": "-97"}), rules)
    assert isinstance(refused, Dropped)
    assert refused.reason is DropReason.FLAG_ABSENT


# ------------------------------------------------------------------------------------------------- what says nothing


@pytest.mark.parametrize(
    "payload",
    [{}, {"ppp_status": ""}, {"ppp_status": "", "signalbar": " ", "lte_rsrp": None, "list": [], "deep": {"a": ""}},
     {"loginfo": "login"}, {"login": {"loginfo": "login"}}, {"loginfo": "ok", "LD": "6C1E", "RD": "77", "lte_rsrp": ""},
     [], [[], {}],
     {"wifi_coverage,m_ssid_enable,sn,imei,...,": ""}, {"jsonrpc": "2.0", "id": 1, "error": {"code": -32002}},
     [{"jsonrpc": "2.0", "id": 1, "result": [6]}, {"jsonrpc": "2.0", "id": 2, "result": [2, {}]}]],
)  # fmt: skip
def test_a_blank_map_says_nothing(payload: Any) -> None:
    """Sessions expire, and HTTP says 200 all the same: that is no router without signal."""
    assert source().read(sent(payload)) == ()
    outcome = process(sent(payload), make_rules(sources=[SETTINGS]))
    assert isinstance(outcome, Dropped)
    assert outcome.reason is DropReason.NOTHING_SAID


@pytest.mark.parametrize("value", [0, 0.0, False, "0"])
def test_a_map_of_zeros_is_not_blank(value: Any) -> None:
    """It has a flag to be missed."""
    found = report({"guest_switch": value, "lte_rsrp": ""})

    assert isinstance(found, Report)
    assert found.flag is Flag.ABSENT


def test_a_few_filled_values_among_blanks_are_taken() -> None:
    """Of a map with all keys and eight filled, the eight; nothing is made of the blanks."""
    blank = dict.fromkeys(("lte_rsrp", "wan_ipaddr", "battery_vol_percent", "ppp_status", "sta_count", "rssi"), "")

    assert {"signal": {"signal_bars": 3}, "network": {"rat": "lte"}} == kept(
        {**blank, "signalbar": "3", "network_type": "LTE", "loginfo": "login"}
    )


@pytest.mark.parametrize(
    "payload",
    [b"", b"not json at all", b"1", b'"1"', b"null", b"true", b"{", b'{"a": NaN}', b"\xff{}", b'{"a":1,"a":1}',
     b'{"a":{"b":1,"b":2}}', b'[{"a":1,"a":1}]', b'{"a.b":1,"a":{"b":1}}', b"[" * 20 + b"]" * 20,
     b'{"a":' * 20 + b"1" + b"}" * 20, b'{"lte_rsrp":"-97"}x', b"\x00"],
)  # fmt: skip
def test_what_is_no_answer_is_malformed(payload: bytes) -> None:
    """One published MF823 answer is invalid JSON."""
    assert report(payload) is DropReason.MALFORMED


@pytest.mark.parametrize(
    "payload", [b'\xef\xbb\xbf{"uptime":"5"}', b'{"uptime":"5"}\0', b'{\r\n\t"uptime" :\t"5"\n}\n\n']
)
def test_how_an_agent_writes_its_file_is_no_matter(payload: bytes) -> None:
    """A byte order mark, a NUL at the end, tabs and line breaks."""
    assert {"router": {"uptime_seconds": 5}} == kept(payload)


# ------------------------------------------------------------------------------------------------ shapes of answers


NESTED: dict[str, Any] = {
    "nwinfo": {"network_type": "ENDC", "lte_rsrp": -104, "nr5g_rsrp": "-99", "rmcc": 460, "rmnc": 1, "signalbar": 4},
    "common": {"device_market_name": "MC7510", "wa_inner_version": "BD_CLMC7510V1.0.0B04"},
    "traffic": {"real_tx_speed": 1250, "real_rx_speed": 3400},
}
EXPECTED: Body = {
    "router": {"model_name": "MC7510", "software_version": "BD_CLMC7510V1.0.0B04"},
    "network": {"plmn": "46001", "rat": "nr_nsa"},
    "signal": {"rsrp_dbm": -104, "signal_bars": 4},
    "usage": {"uplink_bytes_per_second": 1250, "downlink_bytes_per_second": 3400},
}


def rpc(data: Any, number: int = 1) -> dict[str, Any]:
    """A JSON-RPC answer of ubus."""
    return {"jsonrpc": "2.0", "id": number, "result": [0, data]}


@pytest.mark.parametrize(
    "payload",
    [
        NESTED,
        {name: rpc(data) for name, data in NESTED.items()},
        {name: [0, data] for name, data in NESTED.items()},
        [rpc(data, number) for number, data in enumerate(NESTED.values(), start=1)],
        rpc({name: value for data in NESTED.values() for name, value in data.items()}),
        {"answers": NESTED},
    ],
)
def test_nested_answers_are_taken_apart(payload: Any) -> None:
    """Objects below the names of calls, JSON-RPC answers below them, in a list, or one alone; types are mixed."""
    assert kept(payload, format="ubus") == EXPECTED


def test_a_refused_call_leaves_the_others() -> None:
    """A status that is not 0 has no data."""
    answers = [rpc({"lte_rsrp": -104}), {"jsonrpc": "2.0", "id": 2, "result": [6, {"wan_ipaddr": "192.0.2.1"}]}]

    assert {"signal": {"rsrp_dbm": -104}} == kept([*answers, {"jsonrpc": "2.0", "error": {"code": -32002}}])
    found = report([*answers, {"jsonrpc": "2.0", "error": {"code": -32002}}])
    assert isinstance(found, Report)
    assert () == found.removed, "what is the answers' envelope is no key of the router"


@pytest.mark.parametrize("status", [False, 0.0, "0", None])
def test_what_only_looks_like_an_answer_is_none(status: Any) -> None:
    """A status is a whole number, and what is answered an object."""
    lists = {"system": [status, {"uptime": "7"}], "uptime": [0, "7"], "answer": [0, {"uptime": "7"}, 0]}

    assert {"signal": {"rsrp_dbm": -97}} == kept({**lists, "lte_rsrp": "-97"})


def test_what_belongs_to_terminals_is_not_the_routers() -> None:
    """Lists of terminals have a signal, an address and an uptime too."""
    terminal = {
        "mac_address": "02:00:00:00:00:01",
        "rssi": "-40",
        "ip_addr": "192.168.0.7",
        "hostname": "x",
        "ssid": "y",
    }
    payload = {"station_list": [terminal], "clients": [terminal, terminal], "wifi": {"station_list": [terminal]}}

    assert {"router": {"uptime_seconds": 5}} == kept({**payload, "uptime": "5"})


# ------------------------------------------------------------------------------------------------- values and quirks


@pytest.mark.parametrize(
    "payload",
    [
        {"Z5g_rsrp": "-32768"}, {"Z5g_SINR": "-3276.8"}, {"rssi": "0"}, {"rscp": 0}, {"lte_rsrp": ""},
        {"lte_snr": "--"},
        {"wan_ipaddr": "0.0.0.0"}, {"wan_ipaddr": "0"}, {"wan_ipaddr": ""}, {"ipv6_wan_ipaddr": "::"},
        {"battery_vol_percent": "-1"}, {"battery_temp": "-40"}, {"rplmn_num": "0"},
        {"wifi_chip1_ssid1_country_code": "NONE"},
        {"network_provider": "Telekom.de"},
        {"battery_exist": "0", "battery_vol_percent": "100", "battery_charging": "1"},
    ],
)  # fmt: skip
def test_a_sentinel_is_no_measurement(payload: dict[str, str]) -> None:
    """Nor is it a fault: nothing is kept, nothing is counted as wrong."""
    assert {"router": {"uptime_seconds": 5}} == kept({**payload, "uptime": "5"})
    assert "invalid" not in removed(payload)


@pytest.mark.parametrize(
    ("payload", "group", "name", "value"),
    [
        ({"rssi": "67"}, "signal", "rssi_dbm", -67),
        ({"rssi": "-69"}, "signal", "rssi_dbm", -69),
        ({"lte_rssi": "-71"}, "signal", "rssi_dbm", -71),
        ({"ecio": "7"}, "signal", "ecno_db", -7),
        ({"uptime": " 0h 11m 22s"}, "router", "uptime_seconds", 682),
        ({"system": {"info": {"uptime": 86_400}}}, "router", "uptime_seconds", 86_400),
        ({"rmcc": "460", "rmnc": "01"}, "network", "plmn", "46001"),
        ({"rmcc": 460, "rmnc": 1}, "network", "plmn", "46001"),
        ({"rmcc": "310", "rmnc": "41"}, "network", "plmn", "310041"),
        ({"rplmn_num": "26202"}, "network", "plmn", "26202"),
        ({"network_provider": "62130"}, "network", "plmn", "62130"),
        ({"mdm_mcc": "262", "mdm_mnc": "01", "simcard_roam": "Home"}, "network", "plmn", "26201"),
        ({"network_type": "LTE"}, "network", "rat", "lte"),
        ({"network_type": "LTE-A"}, "network", "rat", "lte_ca"),
        ({"network_type": "ENDC"}, "network", "rat", "nr_nsa"),
        ({"network_type": "SA"}, "network", "rat", "nr_sa"),
        ({"network_type": "NR NSA"}, "network", "rat", "nr_nsa"),
        ({"network_type": "LTE+"}, "network", "rat", "lte_ca"),
        ({"5g_rsrp": "-95.5", "network_type": "5G"}, "signal", "rsrp_dbm", -95.5),
        ({"5g_sinr": "9", "network_type": "5G"}, "signal", "sinr_db", 9),
        ({"lte_rsrp_1": "-104", "lte_rsrp_2": "-99", "lte_rsrp_3": "-32768"}, "signal", "rsrp_dbm", -99),
        ({"lte_rsrp": "-97", "lte_rsrp_1": "-90"}, "signal", "rsrp_dbm", -97),
        ({"5g_rx0_rsrp": "-97", "5g_rx1_rsrp": "-95", "lte_rsrp_1": "-80", "network_type": "SA"},
         "signal", "rsrp_dbm", -95),
        ({"lte_snr_1": "5.5", "lte_snr_2": "-1"}, "signal", "sinr_db", 5.5),
        ({"network.interface.zte_wan.status": {"uptime": 123}}, "network", "wan_uptime_seconds", 123),
        ({"network.interface.zte_wan.status": {"ipv4-address": [{"address": "100.64.0.9", "mask": 30}]}},
         "network", "wan_ipv4", "100.64.0.9"),
        ({"wa_inner_version": "MF823 V1.0.0B03\n"}, "router", "software_version", "MF823_V1.0.0B03"),
        ({"network_type": "NR5G-SA"}, "network", "rat", "nr_sa"),
        ({"network_type": "HSPA+"}, "network", "rat", "hspa"),
        ({"network_type": "EDGE"}, "network", "rat", "gsm"),
        ({"network_type": "limited_service"}, "network", "rat", "none"),
        ({"network_type": "limited_service"}, "network", "wan_connection_state", "limited"),
        ({"network_type": "No Service"}, "network", "wan_connection_state", "no_service"),
        ({"ppp_status": "ppp_connected"}, "network", "wan_connection_state", "connected"),
        ({"ppp_status": "ipv4_ipv6_connected"}, "network", "wan_connection_state", "connected"),
        ({"ppp_status": "ppp_connecting"}, "network", "wan_connection_state", "connecting"),
        ({"ppp_status": "ppp_disconnected"}, "network", "wan_connection_state", "disconnected"),
        ({"modem_main_state": "modem_sim_undetected"}, "network", "wan_connection_state", "no_service"),
        ({"opms_wan_mode": "PPPOE", "pppoe_status": "ppp_disconnected", "ppp_status": "ppp_connected"},
         "network", "wan_connection_state", "disconnected"),
        ({"simcard_roam": "Home"}, "network", "roaming_state", "home"),
        ({"simcard_roam": "Internal"}, "network", "roaming_state", "national"),
        ({"simcard_roam": "International"}, "network", "roaming_state", "international"),
        ({"ppp_dial_conn_fail_counter": "3"}, "network", "wan_disconnects_day", 3),
        ({"realtime_time": "3600"}, "network", "wan_uptime_seconds", 3600),
        ({"realtime_tx_thrpt": "13745"}, "usage", "uplink_bytes_per_second", 13_745),
        ({"realtime_rx_thrpt": "27153"}, "usage", "downlink_bytes_per_second", 27_153),
        ({"battery_temp": "30000"}, "power", "battery_temperature_celsius", 30),
        ({"battery_temperature": "301"}, "power", "battery_temperature_celsius", 30.1),
        ({"battery_temperature": "30"}, "power", "battery_temperature_celsius", 30),
        ({"battery_charging": "2"}, "power", "battery_charging", False),
        ({"battery_vol_percent": "82", "battery_pers": "4"}, "power", "battery_percent", 82),
        ({"battery_voltage": 4_023_000}, "power", "battery_voltage_mv", 4023),
        ({"cr_version": "MF297DV1.0.0B06", "wa_inner_version": ""}, "router", "software_version", "MF297DV1.0.0B06"),
        ({"cr_version": "B06", "wa_inner_version": "B07"}, "router", "software_version", "B07"),
        ({"wifi_coverage": "short_mode"}, "wifi", "wifi_coverage_mode", "short"),
        ({"sysIdleTimeToSleep": "-1"}, "wifi", "wifi_idle_timeout_minutes", 0),
        ({"guest_switch": "1"}, "wifi", "guest_wifi_enabled", True),
        ({"wifi_chip1_ssid2_switch_onoff": "0", "wifi_chip2_ssid2_switch_onoff": "1"},
         "wifi", "guest_wifi_enabled", True),
        ({"wifi_chip1_ssid1_access_sta_num": "2", "wifi_chip2_ssid1_access_sta_num": "3"},
         "wifi", "wifi_station_count", 5),
        ({"wifi_chip1_ssid1_auth_mode": "WPA2PSKWPA3PSK"}, "wifi", "wifi_security_mode_2g", "wpa2_wpa3"),
        ({"AuthMode": "WPA2PSK", "wifi_band": "a"}, "wifi", "wifi_security_mode_5g", "wpa2"),
        ({"AuthMode": "WPA2PSK"}, "wifi", "wifi_security_mode_2g", "wpa2"),
        ({"AuthMode": "OPEN", "EncrypType": "WEP"}, "wifi", "wifi_security_mode_2g", "wep"),
        ({"wifi_chip2_ssid1_bandwidth": "3"}, "wifi", "wifi_bandwidth_5g_mhz", 160),
        ({"wifi_chip1_ssid1_channel": "auto"}, "wifi", "wifi_channel_2g", 0),
        ({"wifi_chip1_ssid1_country_code": "cn"}, "wifi", "wifi_regulatory_country", "CN"),
        ({"RadioOff": "1", "model_name": "MF823"}, "wifi", "wifi_enabled", True),
        ({"wifi_onoff_state": "0"}, "wifi", "wifi_enabled", False),
        ({"web_sleep_switch": "0", "web_wake_switch": "1"}, "settings", "sleep_schedule_enabled", True),
        ({"IPPortFilterEnable": "1"}, "settings", "firewall_enabled", True),
        ({"dm_new_version": "MC888V1.0.0B11"}, "settings", "available_software_version", "MC888V1.0.0B11"),
    ],
)  # fmt: skip
def test_a_value_becomes(payload: dict[str, Any], group: str, name: str, value: Any) -> None:
    """By the notes on each model; the source of each is in the map."""
    assert kept(payload)[group][name] == value
    assert "invalid" not in removed(payload)


@pytest.mark.parametrize(
    "payload",
    [{"battery_pers": "4"}, {"battery_value": "4050"}, {"RadioOff": "1", "model_name": "MF79U"}, {"RadioOff": "1"},
     {"uptime": 5, "wan": {"uptime": 7}}, {"cell_id": "1234d"}, {"Z5g_CELL_ID": "1234d"}, {"nr5g_cell_id": "268435455"},
     {"lte_pci": "1a"}, {"wan_active_channel": "1300"},
     {"EX_SSID1": "a neighbour"}, {"wifi_chip1_ssid2_ssid": "guests of someone"}, {"data_volume_limit_size": "10240"}],
)  # fmt: skip
def test_a_value_becomes_nothing(payload: dict[str, Any]) -> None:
    """Bars are no percentage, a switch means this or that by model, a SIM's own network serves only at home, and where
    a router is goes into no periodic sample (D14).
    """
    assert {} == {name: value for name, value in kept({"uptime": "5", **payload}).items() if name != "router"}


def test_a_sims_own_network_is_the_serving_one_at_home_only() -> None:
    """Abroad it would name the wrong region."""
    own = {"mdm_mcc": "262", "mdm_mnc": "01"}

    assert "plmn" not in kept({**own, "simcard_roam": "International"})["network"]
    assert "26201" == kept({**own, "simcard_roam": "Home"})["network"]["plmn"]


def test_standalone_5g_leaves_no_lte_readings_behind() -> None:
    """Firmware leaves the last LTE readings standing; of the anchored kind LTE's are the router's."""
    both = {"lte_rsrp": "-101", "nr5g_rsrp": "-88", "lte_snr": "3.2", "nr5g_snr": "17.5"}

    assert {"rsrp_dbm": -88, "sinr_db": 17.5} == kept({**both, "network_type": "SA"})["signal"]
    assert {"rsrp_dbm": -101, "sinr_db": 3.2} == kept({**both, "network_type": "ENDC"})["signal"]
    assert {"rsrp_dbm": -101, "sinr_db": 3.2} == kept({**both, "network_type": "LTE"})["signal"]
    assert {"rsrp_dbm": -101, "sinr_db": 3.2} == kept(both)["signal"]


def test_identifiers_are_inputs_only() -> None:
    """Each with the junk that firmware adds; their pseudonyms are the treatments' business."""
    content = kept(
        {
            "imei": "490154203237518", "sn": "ZTE1024300012\n", "sim_iccid": "8986001234567890123F",
            "sim_imsi": "460011234567890", "mac_address": "02:00:5E:10:00:01",
        }
    )  # fmt: skip

    assert content["router"] == {"imei": "490154203237518", "serial": "ZTE1024300012", "mac": "02:00:5E:10:00:01"}
    assert content["sim"] == {"imsi": "460011234567890", "iccid": "8986001234567890123"}


def test_an_encrypted_imsi_is_no_imsi() -> None:
    """MC7510 sends it so."""
    assert removed({"sim_imsi": "h8Qb1mC2fTn0Zk3XyA=="}) == {"invalid": 1}


def test_the_router_is_whom_the_topic_names() -> None:
    """An identifier in the payload is looked up by, it never says whose the message is."""
    found = report({"imei": "490154203237518", "sn": "SOMEONE-ELSE"})

    assert isinstance(found, Report)
    assert ("ZTE1024300012", False) == (found.router, found.names_another)


@pytest.mark.parametrize(
    ("payload", "kinds"),
    [
        ({"traffic_overrun": "1"}, ["data_limit_exceeded"]),
        ({"traffic_overrun": "0"}, []),
        ({"limit": {"overflow": 1}}, ["data_limit_exceeded"]),
        ({"wifi_start_fail": "1"}, ["wifi_driver_error"]),
        ({"new_version_state": "version_has_new_critical_software"}, ["software_version_outdated"]),
        ({"new_version_state": "version_no_new_software"}, []),
        ({"new_version_state": "version_checking"}, []),
        ({"new_version_state": "1", "is_mandatory": "1"}, ["software_version_outdated"]),
    ],
)
def test_alarms_are_events_of_the_sample(payload: dict[str, Any], kinds: list[str]) -> None:
    """With the time of the sample, also where that is the time of its arrival."""
    found = report({**payload, "uptime": "5"})

    assert isinstance(found, Report)
    events = found.content.events or []
    assert kinds == [event.event for event in events]
    assert all(event.time.timestamp() * 1000 == RECEIVED_AT for event in events)


# ------------------------------------------------------------------------------------------------------------- times


@pytest.mark.parametrize("name", ["time", "timestamp", "_timestamp", "last_updated"])
@pytest.mark.parametrize("value", [1_795_281_366, "1795281366", 1_795_281_366_000, "2026-11-21T17:16:06Z"])
def test_a_time_that_an_agent_adds_is_the_samples(name: str, value: Any) -> None:
    """Firmware has none."""
    found = report({name: value, "uptime": "5"})

    assert isinstance(found, Report)
    assert (1_795_281_366_000, "goform") == (found.time, found.format)


def test_the_flag_and_the_time_are_not_counted_as_left_out() -> None:
    """They are taken, though into no field."""
    found = report({FLAG: "1", "time": 1_795_281_366, "uptime": "5"})

    assert isinstance(found, Report)
    assert () == found.removed


@pytest.mark.parametrize("value", ["", None, 0, "1970-01-01T00:00:07Z", "soon"])
def test_where_no_time_is_said_the_sample_was_taken_on_arrival(value: Any) -> None:
    """Of a source that says so; of others the clock is unknown."""
    found = report({"time": value, "uptime": "5"})
    assert isinstance(found, Report)
    assert (RECEIVED_AT, "goform+arrival") == (found.time, found.format)

    unknown = report({"time": value, "uptime": "5"}, arrival_time=False)
    assert isinstance(unknown, Report)
    assert unknown.time is None


def test_the_same_answer_again_is_the_same_message() -> None:
    """And another one is another."""

    def key(rsrp: str) -> str | None:
        found = report({"lte_rsrp": rsrp, "time": 1_795_281_366})
        assert isinstance(found, Report)
        return found.message_id

    assert key("-97") == key("-97") != key("-98")


# -------------------------------------------------------------------------------------------------- what is refused


LOCAL = """
sms_para_sca centerNumber MessageCenter sms_received_flag sts_received_flag sms_unread_num sms_dev_unread_num
sms_sim_unread_num sms_nv_total sms_nv_rev_total sms_nv_send_total sms_nv_draftbox_total sms_sim_total sms_sim_rev_total
sms_sim_send_total sms_sim_draftbox_total sms_nvused_total sms_data_total sms_capacity_info ussd_data_info ussd_data
ussd_action ussd_dcs ussd_write_flag USSD_PROCESS stk stk_menu zwrt_wms zte_libwms_get_sms_data
zwrt_wms_get_status_rpt_data zte_wms_get_parameter zwrt_wms_get_wms_capacity pbm_data_total pbm_data_info pbm_data
pbm_id
pbm_location pbm_name pbm_number pbm_anr pbm_anr1 pbm_group pbm_email pbm_capacity_info pbm_dev_used_record_num
pbm_sim_used_record_num pbm_init_flag pbm_write_flag PBM_CONTACT_ADD mobilephone_num homephone_num officephone_num
msisdn
simSerialNumber v3t_1_msisdn voip_call_fwd_unconditional_number voip_call_fwd_busy_number
voip_call_fwd_no_answer_number voip_forwarding_uri1 voip_display_name voip_user_name voip_authorization_user_name
voip_account_display_account1 voip_account_auth1 wan_dial HTTP_SHARE_FILE HTTP_SHARE_CARD_USER HTTPSHARE_GETCARD_VALUE
fileInfo fileName sdcard_mode_option sd_card_state dlna_name dlna_share_audio EX_APLIST EX_APLIST1 m_netselect_contents
lac_code lte_pci nr5g_pci lte_multi_ca_scell_info lteca ngbr_cell_info lte_neighbor_cell signal_detect_record_0
signal_detect_record_9 WPAPSK1 WPAPSK1_encode WPAPSK1_enaes m_WPAPSK1 m_WPAPSK1_encode EX_WPAPSK1 WPA_PreShared_Key
passPhrase passphrase m_passPhrase wifi_chip1_ssid1_password wifi_chip2_ssid2_password wifi_chip1_ssid1_password_encode
Password Password_5G wifi_wds_WPAPSK1 wps_pin WpsPin QrImageUrl wifi_chip1_ssid1_qr_code_path wifi_profile wifi_profile5
pppoe_username pppoe_password pppoe_dial_mode ppp_username ppp_passwd ppp_username_ui ppp_passwd_ui ipv6_ppp_username
ipv6_ppp_passwd ppp_auth_mode wan_apn wan_apn_ui ipv6_wan_apn profile_name m_profile_name apn_mode APN_config0
APN_config19 ipv6_APN_config0 apn_auto_config MP_APN_config3 pdp_type pdp_addr admin_Password psw psw_save password
newPassword LD RD AD stok loginfo PIN PUK PinNumber PUKNumber unlock_code unlock_network_code zte_web_sault web_login
ubus_rpc_session tr069_ServerURL tr069_ServerUsername tr069_ServerPassword tr069_ConnectionRequestUname
tr069_ConnectionRequestPassword tr069_ReqURL vpn_account vpn_passwd vpn_l2tp_passwd vpn_server_ip DDNSAccount
DDNSPassword DDNS DDNS_Hash_Value mec_username mec_password mec_aes_key vxlan_mec_password voip_authorization_password
voip_account_password1 roam_setting_option upg_roam_switch autoConnectWhenRoaming ConnectionMode connectionMode
dial_mode
net_select net_select_mode current_network_mode m_netselect_save BearerPreference lte_band_lock lte_freq_lock
lte_pci_lock lte_earfcn_lock opms_wan_mode ethernet_port_specified static_wan_ipaddr static_wan_primary_dns mtu tcp_mss
dns_mode prefer_dns_manual standby_dns_manual station_list lan_station_list mac_addr hostname ip_addr station_mac
hostNameList wifi_mac_black_list wifi_mac_white_list wifi_hostname_black_list AclMode WhiteMacList BlackMacList
WhiteNameList BlackNameList wifi_chip1_ssid1_black_hostname_list wifi_chip1_ssid2_access_sta_mac guest_block_list
user_ip_addr get_user_mac_addr client_mac_address current_static_addr_list host_name_web mac_addr_web childGroupList
child_mac_rule_info child_mac_0 time_limited site_white_list websURLFilters
""".split()
"""Catalogue 1.7.3 and 1.7.6, as this format spells them."""
PACKED = (
    '[{"content": "00480069", "number": "+490000"}]',
    "profile($)apn($)manual($)*99#($)chap($)user($)canary-secret($)IPv4",
    "WIFI:S:canary;T:WPA;P:canary-secret;;",
    "Y2FuYXJ5LXNlY3JldA==",
    "00630061006E006100720079",
)


@pytest.mark.parametrize("name", LOCAL)
@pytest.mark.parametrize("above", ["", "nwinfo.", "answers.sim."])
def test_what_must_stay_on_the_router_is_counted_as_that(name: str, above: str) -> None:
    """Flat, and below the name of a call."""
    tally = Tally()
    CLEANER.refuse_paths([(f"{above}{name}", "1")], tally)

    assert sum(tally.counts.values()) == 1
    assert "unknown" not in {removal.value for removal in tally.counts}
    assert name not in {known for alias in load_aliases("goform").alias for known in alias.names}


@pytest.mark.parametrize("packed", PACKED)
def test_nothing_of_a_packed_value_is_kept(packed: str) -> None:
    """Under names that are refused, unknown ones, and those of kept fields."""
    rules = make_rules(sources=[SETTINGS])
    known = {name: packed for alias in load_aliases("goform").alias for name in alias.names if "." not in name}
    names = {
        **known,
        **dict.fromkeys(LOCAL, packed),
        "mystery": packed,
        "list": [packed],
        "deep": {"er": {"x": packed}},
    }

    outcome = process(sent({**names, FLAG: "1", "uptime": "5"}), rules)

    assert isinstance(outcome, Accepted | Dropped)
    assert "canary" not in repr(outcome)
    assert packed not in repr(outcome)


# -------------------------------------------------------------------------------------------------------- anything


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
NAMES = st.sampled_from(sorted({name for alias in load_aliases("goform").alias for name in alias.names})) | st.text(
    max_size=8
)
TREES = st.recursive(
    SCALARS, lambda inner: st.dictionaries(NAMES, inner, max_size=6) | st.lists(inner, max_size=4), max_leaves=20
)


@given(st.dictionaries(NAMES | st.just(FLAG), TREES, max_size=12))
def test_anything_has_one_outcome(document: dict[str, Any]) -> None:
    """No exception, and what is kept is what the catalogue allows: the record's body is made of it."""
    outcome = process(sent(document), make_rules(sources=[SETTINGS]))

    assert isinstance(outcome, Accepted | Dropped)
    assert isinstance(outcome, Dropped) or document.get(FLAG) in ("1", 1)


@given(st.binary(max_size=60))
def test_any_bytes_have_one_outcome(payload: bytes) -> None:
    """Never an exception."""
    found = source().read(sent(payload))

    assert isinstance(found, tuple | DropReason)


@pytest.mark.parametrize("zeros", ["0", "000000000000000", "00000000000000"])
def test_zeros_are_nobodys_identifiers(zeros: str) -> None:
    """Firmware fills them in where it has none: all routers without a SIM would have one SIM, of country 000."""
    names = {"imei": zeros, "sim_imsi": zeros, "imsi": zeros, "mac_address": "00:00:00:00:00:00"}

    assert {"signal": {"rsrp_dbm": -97}} == kept({**names, "lte_rsrp": "-97"})
