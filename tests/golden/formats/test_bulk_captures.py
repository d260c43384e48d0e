"""Bulk data as other agents than the captured one send it: reports written from the standards, and the record of each.

Written from TR-369 1.4.1 annex A, TR-181 2.19, TR-098 1.8 and RDK-B's Telemetry 2.0; no value of a sample is in here.
"""

import json
from typing import Any, Final

import pytest
from tr369 import BULK, COLLECTED, RECEIVED, body, outcome, rules_of

from collector.model import Accepted, Dropped, DropReason, Outcome, Removal, Several

CELL: Final = "Device.Cellular.Interface.3."
IGD: Final = "InternetGatewayDevice."
PPP98: Final = IGD + "WANDevice.5.WANConnectionDevice.2.WANPPPConnection.1."
IP98: Final = IGD + "WANDevice.1.WANConnectionDevice.4.WANIPConnection.1."
WLAN: Final = IGD + "LANDevice.1.WLANConfiguration."
TOPIC: Final = "bulkdata/MF289F0099"
NAMES: Final = {
    "cell": "Device.Cellular.Interface.*.",
    "wifi": "Device.WiFi.",
    "assoc": "Device.WiFi.AccessPoint.*.AssociatedDevice.*.",
    "alive": "Device.DeviceInfo.UpTime",
    "fw version": "Device.DeviceInfo.SoftwareVersion",
}
Body = dict[str, Any]


def told(payload: bytes | str, *, received: int = RECEIVED, **source: Any) -> Outcome:
    """What becomes of a payload of a source, its settings changed."""
    data = payload.encode() if isinstance(payload, str) else payload
    return outcome(data, TOPIC, rules_of({**BULK, **source}), received)


def pairs(values: dict[str, Any], **more: Any) -> str:
    """A report of name-value pairs."""
    return json.dumps({"Report": [{"CollectionTime": COLLECTED, **values}], **more})


def kept(values: dict[str, Any], **source: Any) -> Body:
    """The body of the record of such a report."""
    return body(told(pairs(values), **source))


def rdk(*elements: dict[str, Any], root: str = "Report") -> str:
    """The same as RDK-B writes it: an object for each pair, values as texts."""
    return json.dumps({root: [*elements]})


def outcomes(found: Outcome) -> list[Any]:
    """Time and body of each sample, or why there is none."""
    each = found.outcomes if isinstance(found, Several) else (found,)
    return [(one.record.measured_at, body(one)) if isinstance(one, Accepted) else one for one in each]


# ------------------------------------------------------------------------------------------- one report, one record


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(
            {f"{CELL}RSSI": -71, f"{CELL}RSRP": -118, f"{CELL}RSRQ": -19, f"{CELL}Status": "Up",
             f"{CELL}CurrentAccessTechnology": "NR", "Device.Cellular.RoamingStatus": "Home"},
            {"signal": {"rssi_dbm": -71, "rsrp_dbm": -118, "rsrq_db": -19},
             "network": {"wan_connection_state": "connected", "wan_bearer": "cellular", "rat": "nr_sa",
                         "roaming_state": "home"}},
            id="a modem at its third interface",
        ),
        pytest.param(
            {f"{CELL}RSRP": "-97", f"{CELL}RSRQ": "-11.5", "Device.DeviceInfo.UpTime": "93784"},
            {"signal": {"rsrp_dbm": -97, "rsrq_db": -11.5}, "router": {"uptime_seconds": 93_784}},
            id="numbers as texts",
        ),
        pytest.param(
            {f"{CELL}RSSI": 0, f"{CELL}RSRP": -2147483648, f"{CELL}RSRQ": 2147483647, "Device.DeviceInfo.UpTime": 5},
            {"router": {"uptime_seconds": 5}},
            id="a modem without a carrier",
        ),
        pytest.param(
            {f"{CELL}RSRP": -200, f"{CELL}RSRQ": -11, "Device.DeviceInfo.UpTime": -4},
            {"signal": {"rsrq_db": -11}},
            id="readings out of bounds",
        ),
        pytest.param(
            {f"{CELL}X_ZTE-COM_RSRP": -101, f"{CELL}X_ZTE-COM_SINR": "7.5", f"{CELL}X_ZTE-COM_RSSI": -70,
             f"{CELL}X_ZTE-COM_PLMN": "26203", f"{CELL}X_ZTE-COM_RSCP": -90, f"{CELL}X_ZTE-COM_SignalBars": 4},
            {"signal": {"rsrp_dbm": -101, "sinr_db": 7.5, "rssi_dbm": -70, "rscp_dbm": -90, "signal_bars": 4},
             "network": {"plmn": "26203", "carrier_name": "O2 Germany"}},
            id="ZTE's extensions",
        ),
        pytest.param(
            {f"{CELL}X_RDK_SNR": "18", f"{CELL}RSRP": "-88", "Device.Cellular.X_RDK_Status": "CONNECTED"},
            {"signal": {"sinr_db": 18, "rsrp_dbm": -88}, "network": {"wan_connection_state": "connected"}},
            id="RDK-B's extensions",
        ),
        pytest.param(
            {"Device.Cellular.X_RDK_Status": "DEREGISTERED", "Device.DeviceInfo.UpTime": 9},
            {"network": {"wan_connection_state": "no_service"}, "router": {"uptime_seconds": 9}},
            id="a modem that lost its network",
        ),
        pytest.param(
            {"Device.PPP.Interface.2.ConnectionStatus": "Connected", "Device.PPP.Interface.2.LastChange": 86_500,
             "Device.PPP.Interface.2.IPCP.LocalIPAddress": "100.77.1.2",
             "Device.PPP.Interface.2.LastConnectionError": "ERROR_ISP_DISCONNECT"},
            {"network": {"wan_connection_state": "connected", "wan_uptime_seconds": 86_500,
                         "wan_ip_class": "cgnat_v4"}},
            id="a session that is connected again, with the error it had before",
        ),
        pytest.param(
            {"Device.DHCPv4.Client.1.DHCPStatus": "Bound", "Device.DHCPv4.Client.1.IPAddress": "172.20.8.4",
             "Device.DHCPv4.Client.1.SubnetMask": "255.255.255.0", "Device.Ethernet.Interface.2.Upstream": True,
             "Device.Ethernet.Interface.2.Status": "Up", "Device.DHCPv4.Server.Pool.1.MinAddress": "172.20.8.100",
             "Device.DHCPv4.Server.Pool.1.SubnetMask": "255.255.255.0"},
            {"network": {"wan_connection_state": "connected", "wan_bearer": "ethernet", "wan_ip_class": "private_v4",
                         "lan_wan_subnet_overlap": True}},
            id="a router behind a router with the same network",
        ),
        pytest.param(
            {"Device.IP.Interface.7.IPv6Address.2.IPAddress": "2a02:908:1234::1",
             "Device.IP.Interface.7.IPv6Address.1.IPAddress": "fe80::1"},
            {"network": {"wan_ip_class": "gua_v6"}},
            id="a global address among link-local ones",
        ),
        pytest.param(
            {"Device.DeviceInfo.Manufacturer": "ZTE", "Device.DeviceInfo.ModelName": "Grandma's box",
             "Device.DeviceInfo.SoftwareVersion": "hello this is my diary",
             "Device.DeviceInfo.HardwareVersion": "V2.0"},
            {"router": {"manufacturer": "ZTE", "model_name": "other", "hardware_version": "V2.0"}},
            id="free text where a name or a version stands",
        ),
        pytest.param(
            {"Device.DeviceInfo.SoftwareVersion": "4.7.1_356938035643809", "Device.DeviceInfo.UpTime": 1},
            {"router": {"uptime_seconds": 1}},
            id="a version with an IMEI in it",
        ),
        pytest.param(
            {"Device.WiFi.Radio.3.OperatingFrequencyBand": "2.4GHz", "Device.WiFi.Radio.3.Channel": 13,
             "Device.WiFi.Radio.3.Enable": "true", "Device.WiFi.Radio.9.OperatingFrequencyBand": "5GHz",
             "Device.WiFi.Radio.9.Channel": "149", "Device.WiFi.Radio.9.Enable": "0",
             "Device.WiFi.Radio.9.OperatingStandards": "a,n,ac,ax", "Device.WiFi.Radio.3.OperatingStandards": "g,n",
             "Device.WiFi.Radio.9.CurrentOperatingChannelBandwidth": "160MHz",
             "Device.WiFi.Radio.3.RegulatoryDomain": "PL ", "Device.WiFi.Radio.3.TransmitPower": -1},
            {"wifi": {"wifi_enabled": True, "wifi_enabled_2g": True, "wifi_channel_2g": 13, "wifi_mode_2g": "n",
                      "wifi_enabled_5g": False, "wifi_channel_5g": 149, "wifi_mode_5g": "ax",
                      "wifi_bandwidth_5g_mhz": 160, "wifi_regulatory_country": "PL"}},
            id="radios in an order of their own, one off",
        ),
        pytest.param(
            {f"Device.WiFi.AccessPoint.1.AssociatedDevice.{n}.SignalStrength": -40 - 10 * n for n in (1, 2, 3, 11)}
            | {"Device.WiFi.AccessPoint.1.AssociatedDeviceNumberOfEntries": 4},
            {"wifi": {"wifi_station_count": 4, "wifi_station_rssi_dbm_median": -65}},
            id="levels of four stations, the lowest of them none",
        ),
        pytest.param(
            {f"Device.WiFi.AccessPoint.1.AssociatedDevice.{n}.SignalStrength": -50 for n in (1, 2)},
            {"wifi": {"wifi_station_count": 2}},
            id="levels of two stations say too much",
        ),
        pytest.param(
            {"Device.WiFi.Radio.1.Stats.FCSErrorCount": 5, "Device.WiFi.Radio.2.Stats.PLCPErrorCount": 4294967290,
             "Device.WiFi.Radio.1.Stats.InvalidMACCount": 0},
            {"wifi": {"wifi_driver_errors_total": 4294967295}},
            id="errors of radios alone, at the end of 32 bits",
        ),
        pytest.param(
            {"Device.WiFi.SSID.1.Stats.ErrorsSent": 18446744073709551615, "Device.WiFi.SSID.1.Stats.ErrorsReceived": 7},
            {"wifi": {"wifi_driver_errors_total": 7}},
            id="a counter that is -1",
        ),
        pytest.param(
            {"Device.DeviceInfo.X_RDKCENTRAL-COM_batteryBackup.estimatedChargeRemaining": "64",
             "Device.DeviceInfo.X_RDKCENTRAL-COM_batteryBackup.chargingStatus": "true",
             "Device.DeviceInfo.X_ZTE-COM_BatteryTemperature": 31000,
             "Device.DeviceInfo.X_ZTE-COM_BatteryVoltage": 3.9},
            {"power": {"battery_percent": 64, "battery_charging": True, "battery_temperature_celsius": 31,
                       "battery_voltage_mv": 3900}},
            id="a battery",
        ),
        pytest.param(
            {"Device.DeviceInfo.TemperatureStatus.TemperatureSensor.1.Value": 55,
             "Device.DeviceInfo.TemperatureStatus.TemperatureSensor.1.Name": "CPU",
             "Device.DeviceInfo.TemperatureStatus.TemperatureSensor.2.Value": 29,
             "Device.DeviceInfo.TemperatureStatus.TemperatureSensor.2.Name": "Battery pack"},
            {"power": {"battery_temperature_celsius": 29}},
            id="the battery's sensor and not the processor's",
        ),
        pytest.param(
            {"Device.Firewall.Enable": "1", "Device.Firewall.Config": "Low",
             "Device.NAT.PortMappingNumberOfEntries": "12",
             "Device.UPnP.Device.Enable": "false", "Device.DHCPv4.Server.Enable": True,
             "Device.UserInterface.RemoteAccess.Enable": False, "Device.Firewall.DMZ.1.Enable": True,
             "Device.DHCPv4.Server.Pool.1.DomainName": "the-millers.example"},
            {"settings": {"firewall_enabled": True, "firewall_policy_level": "low", "port_forward_rule_count": 12,
                          "upnp_enabled": False, "dhcp_server_enabled": True, "remote_management_enabled": False,
                          "dmz_enabled": True, "lan_domain_is_default": False}},
            id="settings, a household's domain among them",
        ),
        pytest.param(
            {"Device.MQTT.Client.2.Stats.BrokerConnectionEstablished": "2026-11-21T16:59:58.123456Z"},
            {"session": {"acs_session_start_time": "2026-11-21T16:59:00Z"}},
            id="since when it is connected, to the minute",
        ),
        # TR-098
        pytest.param(
            {f"{PPP98}ConnectionStatus": "Connected", f"{PPP98}Uptime": 512,
             f"{PPP98}ExternalIPAddress": "93.184.216.34",
             f"{PPP98}Username": "anna@isp.example", f"{PPP98}Password": "hunter22",
             f"{IGD}DeviceInfo.SoftwareVersion": "V1.0.10P2N8", f"{IGD}DeviceInfo.UpTime": 4000},
            {"network": {"wan_connection_state": "connected", "wan_uptime_seconds": 512, "wan_ip_class": "public_v4"},
             "router": {"software_version": "V1.0.10P2N8", "uptime_seconds": 4000}},
            id="TR-098: a session, its password left out",
        ),
        pytest.param(
            {f"{IP98}ConnectionStatus": "Disconnected", f"{IP98}LastConnectionError": "ERROR_NO_CARRIER",
             f"{IGD}DeviceInfo.UpTime": 90},
            {"network": {"wan_connection_state": "disconnected"}, "router": {"uptime_seconds": 90},
             "events": [{"event": "wan_unexpected_disconnect", "disconnect_cause": "no_carrier",
                         "time": "2026-11-21T17:03:31Z"}]},
            id="TR-098: a connection that was lost, and why",
        ),
        pytest.param(
            {f"{WLAN}2.Channel": 11, f"{WLAN}2.Enable": "1", f"{WLAN}2.SSID": "Anna und Ben",
             f"{WLAN}2.BeaconType": "11i",
             f"{WLAN}2.TotalAssociations": 3, f"{WLAN}6.Channel": 52, f"{WLAN}6.Enable": 0,
             f"{WLAN}6.BeaconType": "WPAand11i", f"{WLAN}6.X_ZTE-COM_BandWidth": "80MHz",
             f"{WLAN}2.KeyPassphrase": "correct horse"},
            {"wifi": {"ssid_is_default": False, "wifi_enabled": True, "wifi_enabled_2g": True, "wifi_channel_2g": 11,
                      "wifi_security_mode_2g": "wpa2", "wifi_enabled_5g": False, "wifi_channel_5g": 52,
                      "wifi_bandwidth_5g_mhz": 80, "wifi_security_mode_5g": "wpa_wpa2", "wifi_station_count": 3,
                      "wifi_station_count_2g": 3}},
            id="TR-098: networks of both bands",
        ),
        pytest.param(
            {f"{IGD}X_ZTE-COM_EasyMesh.NetworkTopology.Controller.TotalSTANumberOfEntries": 5,
             f"{IGD}X_ZTE-COM_EasyMesh.NetworkTopology.Agent.1.TotalSTANumberOfEntries": 2,
             f"{IGD}X_ZTE-COM_EasyMesh.NetworkTopology.Agent.1.STA.1.MAC": "02:00:5e:00:00:01",
             f"{IGD}X_ZTE-COM_EasyMesh.NetworkTopology.Agent.1.STA.1.HostName": "Annas-iPhone"},
            {"wifi": {"wifi_station_count": 7}},
            id="ZTE's mesh, whose terminals stay",
        ),
        # prefixes and names
        pytest.param(
            {"DeviceInfo.UpTime": 42, "Cellular.Interface.2.RSRP": -99, "Cellular.RoamingStatus": "Roaming"},
            {"router": {"uptime_seconds": 42}, "signal": {"rsrp_dbm": -99}, "network": {"roaming_state": "unknown"}},
            id="no prefix",
        ),
        pytest.param(
            {"modem.7.RSRP": -99, "modem.7.USIM.IMSI": "310150123456789", "modem.7.Status": "Up"},
            {"signal": {"rsrp_dbm": -99}, "sim": {"home_mcc": "310"}},
            id="a name that nobody told of: its end tells, where no other parameter ends so",
        ),
    ],
)  # fmt: skip
def test_a_report_becomes(values: dict[str, Any], expected: Body) -> None:
    """Name-value pairs of many agents; pseudonyms aside."""
    found = {group: _plain(members) for group, members in kept(values).items()}

    assert expected == found


def _plain(members: Any) -> Any:
    return {n: v for n, v in members.items() if not n.endswith("_ref")} if isinstance(members, dict) else members


# ----------------------------------------------------------------------------------------------- the three timestamps


@pytest.mark.parametrize(
    ("time", "measured"),
    [
        (COLLECTED, COLLECTED * 1000),
        (str(COLLECTED), COLLECTED * 1000),
        (COLLECTED * 1000 + 250, COLLECTED * 1000 + 250),
        (COLLECTED + 0.5, COLLECTED * 1000 + 500),
        ("2026-11-21T17:03:31Z", COLLECTED * 1000),
        ("2026-11-21T17:03:31.5Z", COLLECTED * 1000 + 500),
        ("2026-11-21T18:03:31+01:00", COLLECTED * 1000),
        ("2026-11-21T09:03:31-0800", COLLECTED * 1000),
        ("2026-11-21T18:03:31", COLLECTED * 1000),  # the source's zone
        *((unknown, None) for unknown in (None, "", 0, -1, True, "yesterday", "1970-01-01T00:01:07Z",
                                          "0001-01-01T00:00:00Z", 2**64 - 1, [COLLECTED])),
    ],
)  # fmt: skip
def test_a_report_is_of_the_time_it_says(time: Any, measured: int | None) -> None:
    """In all notations; one it does not say, or that an unset clock says, is none."""
    report = json.dumps({"Report": [{"CollectionTime": time, "Device.DeviceInfo.UpTime": 7}]})
    expected = DropReason.CLOCK_INVALID if measured is None else measured

    [found] = outcomes(told(report, time_zone="Europe/Berlin"))

    assert expected == (found.reason if isinstance(found, Dropped) else found[0])


@pytest.mark.parametrize("clock", ["Device.Time.CurrentLocalTime", "InternetGatewayDevice.Time.CurrentLocalTime"])
def test_a_report_without_a_time_may_carry_the_routers_clock(clock: str) -> None:
    """As a parameter among the others; the time of the report comes first."""
    values = {"Device.DeviceInfo.UpTime": 7, clock: "2026-11-21T18:02:31+01:00"}

    assert [(COLLECTED * 1000 - 60_000, {"router": {"uptime_seconds": 7}})] == outcomes(
        told(json.dumps({"Report": [values]}))
    )
    assert [(COLLECTED * 1000, {"router": {"uptime_seconds": 7}})] == outcomes(told(pairs(values)))


# ------------------------------------------------------------------------------------------------ layouts of a report

AT: Final = {"Device.DeviceInfo.UpTime": 7, "Device.Cellular.Interface.2.RSRP": -99}
THAT: Final = [(COLLECTED * 1000, {"router": {"uptime_seconds": 7}, "signal": {"rsrp_dbm": -99}})]
TREE: Final = {"Device": {"DeviceInfo": {"UpTime": 7}, "Cellular": {"Interface": {"2": {"RSRP": -99}}}}}
TIME: Final = {"Time": "2026-11-21 17:03:31"}


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(pairs(AT), id="pairs"),
        pytest.param(json.dumps({"Report": [{**AT, "CollectionTime": COLLECTED}]}, indent="\t"), id="time last, tabs"),
        pytest.param(json.dumps({"Report": [{"CollectionTime": COLLECTED, **TREE}]}), id="a hierarchy"),
        pytest.param(
            json.dumps({"Report": [{"CollectionTime": COLLECTED, **TREE["Device"]}]}), id="a hierarchy without its root"
        ),
        pytest.param(
            json.dumps({"Report": [{"CollectionTime": COLLECTED, "cell": {"2": {"RSRP": -99}}, "alive": "7"}]}),
            id="a hierarchy of a profile's names",
        ),
        pytest.param(pairs({"cell.2.RSRP": -99, "alive": 7}), id="a profile's names"),
        pytest.param(pairs({"Cellular.Interface.2.RSRP": "-99", "DeviceInfo.UpTime": "7"}), id="no prefix, texts"),
        pytest.param("\ufeff" + pairs(AT), id="a byte order mark"),
        pytest.param(json.dumps({"Report": {"CollectionTime": COLLECTED, **AT}}), id="no list"),
        pytest.param(rdk(TIME, *({name: str(value)} for name, value in AT.items())), id="RDK-B"),
        pytest.param(rdk(*({n: str(v)} for n, v in AT.items()), TIME, root="searchResult"), id="RDK-B, as it was once"),
        pytest.param(rdk(*({n: v} for n, v in AT.items()), TIME, root="acme"), id="RDK-B with numbers and a root"),
        pytest.param(
            rdk({"REPORT_TYPE": "CACHED"}, TIME, *({n: str(v)} for n, v in AT.items()),
                {"Device.DeviceInfo.SoftwareVersion": "NULL"}),
            id="RDK-B, held back, with a parameter that is not there",
        ),
        pytest.param(
            rdk(TIME, {"cells": [{"Device.Cellular.Interface.1.RSRP": "NULL"},
                                 {"Device.Cellular.Interface.2.RSRP": "-99"}]}, {"Device.DeviceInfo.UpTime": "7"}),
            id="RDK-B: a table below the name of its marker",
        ),
        pytest.param(
            rdk(TIME, {"Device.Cellular.Interface.2.RSRP": "-99"}, {"Device.DeviceInfo.UpTime": "7"},
                {"WIFI_CRASH_split": "3", "WIFI_CRASH_split_CT": "1795280600"}, {"SYS_ERR": ["a", "b"]}),
            id="RDK-B: markers with their times, and in lists",
        ),
        pytest.param(
            f"ReportTimestamp,ParameterName,ParameterValue,ParameterType\r\n{COLLECTED},Device.DeviceInfo.UpTime,7,"
            f"unsignedInt\r\n{COLLECTED},Device.Cellular.Interface.2.RSRP,-99,int\r\n",
            id="a row for each",
        ),
        pytest.param(
            "ReportTimestamp; ParameterName; ParameterValue; ParameterType\n2026-11-21T17:03:31Z; alive; 7; x\n"
            "2026-11-21T17:03:31Z; cell.2.RSRP; -99; int\n",
            id="a row for each: semicolons, blanks, a profile's names",
        ),
        pytest.param(
            f'"ParameterName"|"ParameterValue"|"ReportTimestamp"\n"alive"|"7"|"{COLLECTED}"\n"cell.2.RSRP"|"-99"|'
            f'"{COLLECTED}"',
            id="a row for each: other columns, quoted, no end of line",
        ),
        pytest.param(
            f"'ReportTimestamp':'ParameterName':'ParameterValue'\n'{COLLECTED}':'alive':'7'\n'{COLLECTED}':"
            "'Device.Cellular.Interface.2.RSRP':'-99'\n",
            id="a row for each: colons, single quotes",
        ),
        pytest.param(f"ReportTimestamp,alive,cell.2.RSRP\n{COLLECTED},7,-99\n", id="a column for each"),
        pytest.param(f"ReportTimestamp\talive\tcell.2.RSRP\r{COLLECTED}\t7\t-99", id="a column for each: tabs"),
        pytest.param(f"alive,ReportTimestamp,cell.2.RSRP,x\n7,{COLLECTED},-99,\n", id="a column for each, one empty"),
    ],
)  # fmt: skip
def test_every_layout_says_the_same(payload: str) -> None:
    """JSON of both formats, RDK-B's, and CSV of both."""
    assert THAT == outcomes(told(payload, names=NAMES))


def test_a_report_of_what_failed_before_is_a_sample_for_each_element() -> None:
    """A backlog within a report, the oldest first; one of them without a time cannot be taken for one of now."""
    elements = [{"CollectionTime": COLLECTED - 600 + 300 * place, "Device.DeviceInfo.UpTime": 100 + 300 * place}
                for place in range(3)]  # fmt: skip
    del elements[1]["CollectionTime"]

    found = outcomes(told(json.dumps({"Report": elements}), arrival_time=True))

    assert [
        ((COLLECTED - 600) * 1000, {"router": {"uptime_seconds": 100}}),
        Dropped(DropReason.CLOCK_INVALID),
        (COLLECTED * 1000, {"router": {"uptime_seconds": 700}}),
    ] == found


@pytest.mark.parametrize(
    ("hours", "reason"), [(1, None), (160, None), (169, DropReason.TOO_OLD), (-2, DropReason.FUTURE)]
)
def test_a_backlog_is_taken_for_a_week(hours: int, reason: DropReason | None) -> None:
    """Of after the join; what is from tomorrow is of no time."""
    report = json.dumps({"Report": [{"CollectionTime": COLLECTED - 3600 * hours, "Device.DeviceInfo.UpTime": 7}]})

    [found] = outcomes(told(report))

    assert reason == (found.reason if isinstance(found, Dropped) else None)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", DropReason.MALFORMED),
        (b"\x00", DropReason.MALFORMED),
        (b"\x1f\x8b\x08\x00\x00", DropReason.MALFORMED),
        (b"online", DropReason.MALFORMED),
        (b"null", DropReason.MALFORMED),
        (b'{"Report":"x"}', DropReason.MALFORMED),
        (b'{"Report":[{"CollectionTime":1795280611,"Device.X":"Caf\xe9"}]}', DropReason.MALFORMED),
        (b'{"Report":[{"CollectionTime":1795280611,"Device.X":NaN}]}', DropReason.MALFORMED),
        (b'{"Report":[{"a":1,"a":2,"CollectionTime":1795280611}]}', DropReason.MALFORMED),
        (b'{"Report":[{"a":{"b":1},"a.b":2}]}', DropReason.MALFORMED),
        (b'{"Report":[{"Time":"x"},{"a":"1"},{"a":"2"}]}', DropReason.MALFORMED),
        (b'{"Report":[{"Time":"x"},{"t":[{"Device.A":"1"},{"Device.A":"2"}]}]}', DropReason.MALFORMED),
        (b"ReportTimestamp,up\n1795280611\n", DropReason.MALFORMED),
        (b"ReportTimestamp,up,up\n1795280611,1,2\n", DropReason.MALFORMED),
        (pairs({"Device.WiFi.AccessPoint.1.Security.KeyPassphrase": "x"}).encode(), DropReason.NOTHING_SAID),
        (pairs({"Device.Unheard": 1}).encode(), DropReason.NOTHING_SAID),
        (pairs({}).encode(), DropReason.NOTHING_SAID),
        (pairs({f"{CELL}NetworkInUse": "46000"}).encode(), DropReason.REGION_CONFLICT),
    ],
)
def test_a_report_is_refused(payload: bytes, reason: DropReason) -> None:
    """With one reason each."""
    assert Dropped(reason) == told(payload)


def test_a_report_of_thousands_of_parameters_is_ordinary() -> None:
    """300 kB are below the source's own limit, a byte too many is above it."""
    many = {f"Device.Ethernet.RMONStats.{n}.X_ACME_Very.Long.Name.Of.A.Counter": n for n in range(4000)}
    payload = pairs({**many, "Device.DeviceInfo.UpTime": 7})

    assert [(COLLECTED * 1000, {"router": {"uptime_seconds": 7}})] == outcomes(told(payload, max_message_bytes=2**20))
    assert Dropped(DropReason.OVERSIZE) == told(payload, max_message_bytes=len(payload) - 1)


def test_secrets_of_a_careless_profile_are_counted_and_forgotten() -> None:
    """`Device.Cellular.` and `Device.WiFi.` say everything."""
    secrets = {
        f"{CELL}USIM.MSISDN": "491701234567", f"{CELL}USIM.PIN": "4711", f"{CELL}SMS.Message.1.Text": "meet me",
        f"{CELL}SMS.Message.1.Sender": "+49170999", "Device.Cellular.AccessPoint.1.Password": "apn-pass",
        "Device.Cellular.AccessPoint.1.APN": "corp.example",
        "Device.WiFi.AccessPoint.2.Security.SAEPassphrase": "sae-pass",
        "Device.WiFi.EndPoint.1.Profile.1.Security.PreSharedKey": "psk-pass",
        "Device.PPP.Interface.1.Username": "anna@isp",
        "Device.Hosts.Host.3.HostName": "annas-phone", "Device.Hosts.Host.3.PhysAddress": "02:00:5e:00:00:09",
        "Device.DeviceInfo.Location.1.DataObject": "<gml:pos>52.5 13.4</gml:pos>",
        "Device.ManagementServer.ConnectionRequestURL": "http://u:p@10.0.0.1/",
        "Device.Users.User.1.Password": "root-pass",
        "Device.Cellular.X_RDK_Uicc.1.Msisdn": "491709876543", "Device.DynamicDNS.Client.1.Password": "ddns-pass",
    }  # fmt: skip
    found = told(pairs({**secrets, "Device.DeviceInfo.UpTime": 7}))

    assert isinstance(found, Accepted)
    assert {"router": {"uptime_seconds": 7}} == body(found)
    assert len(secrets) == dict(found.record.stripped)[Removal.LOCAL_ONLY]
