"""The map of TR-181 and TR-098 parameters: what each becomes, in every spelling, and what becomes nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tr369 import RECEIVED, readings, said, translated

from collector.fields.clean import Tally
from collector.model import Removal

INFO, CELL, IGD = "Device.DeviceInfo.", "Device.Cellular.Interface.1.", "InternetGatewayDevice."
RADIO, SSID, AP = "Device.WiFi.Radio.{}.", "Device.WiFi.SSID.{}.", "Device.WiFi.AccessPoint.{}."
WLAN, PPP98 = IGD + "LANDevice.1.WLANConfiguration.{}.", IGD + "WANDevice.1.WANConnectionDevice.1.WANPPPConnection.2."
IP98 = IGD + "WANDevice.1.WANConnectionDevice.1.WANIPConnection.1."


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        # the router
        ({INFO + "SerialNumber": "ZTE1024300012"}, {"router.serial": "ZTE1024300012"}),
        ({INFO + "SerialNumber": "000000000000"}, {}),
        ({"Device.LocalAgent.EndpointID": "os::00256D-ZTE1024300012"}, {"router.serial": "ZTE1024300012"}),
        ({"Device.LocalAgent.EndpointID": "uuid::f81d4fae"}, {}),
        ({"Device.GatewayInfo.SerialNumber": "G1", INFO + "SerialNumber": "S1"}, {"router.serial": "S1"}),
        ({CELL + "IMEI": "490154203237518"}, {"router.imei": "490154203237518"}),
        ({CELL + "X_RDK_Identification.Imei": "490154203237518"}, {"router.imei": "490154203237518"}),
        ({"Device.Ethernet.Interface.1.MACAddress": "D8:0A:E6:01:02:03"}, {"router.mac": "D8:0A:E6:01:02:03"}),
        ({"Device.WiFi.SSID.1.MACAddress": "d8-0a-e6-01-02-03"}, {"router.mac": "d8-0a-e6-01-02-03"}),
        ({INFO + "X_COMCAST-COM_CM_MAC": "D8:0A:E6:01:02:03"}, {"router.mac": "D8:0A:E6:01:02:03"}),
        ({"Device.Ethernet.Interface.1.MACAddress": "00:00:00:00:00:00"}, {}),
        ({INFO + "Manufacturer": "ZTE CORPORATION"}, {"router.manufacturer": "ZTE"}),
        ({INFO + "ModelName": "ZTE MF935"}, {"router.model_name": "MF935"}),
        ({IGD + "DeviceInfo.X_ZTE-COM_ModelName": "F670L"}, {"router.model_name": "F670L"}),
        ({INFO + "ModelName": "ZXHN H199A"}, {"router.model_name": "H199A"}),
        ({INFO + "ModelName": "", INFO + "ProductClass": "MF935"}, {"router.model_name": "MF935"}),
        ({INFO + "DeviceCategory": "Mobile Hotspot"}, {"router.device_type": "mifi"}),
        ({INFO + "DeviceCategory": "Mesh extender"}, {"router.device_type": "mesh"}),
        ({INFO + "SoftwareVersion": "BD_MF935V1.0.0B07"}, {"router.software_version": "BD_MF935V1.0.0B07"}),
        ({INFO + "SoftwareVersion": "0.14.0 2.0 v605f.0 (Build 221227)"},
         {"router.software_version": "0.14.0_2.0_v605f.0_Build_221227"}),
        ({INFO + "HardwareVersion": "V9.1.1"}, {"router.hardware_version": "V9.1.1"}),
        ({INFO + "UpTime": "2480"}, {"router.uptime_seconds": 2480}),
        ({INFO + "UpTime": 0}, {}),
        ({IGD + "DeviceInfo.UpTime": 2468, IGD + "DeviceInfo.SoftwareVersion": "V9.1.0P4N3_MUL"},
         {"router.uptime_seconds": 2468, "router.software_version": "V9.1.0P4N3_MUL"}),
        # SIM
        ({CELL + "USIM.IMSI": "262011234567890"}, {"sim.imsi": "262011234567890"}),
        ({CELL + "USIM.ICCID": "8949020000012345678F"}, {"sim.iccid": "8949020000012345678"}),
        ({"Device.TrustedElements.SIM.1.IMSI": "262011234567890"}, {"sim.imsi": "262011234567890"}),
        # network
        ({CELL + "NetworkInUse": "26201"}, {"network.plmn": "26201"}),
        ({CELL + "NetworkInUse": "262-01"}, {"network.plmn": "26201"}),
        ({CELL + "NetworkInUse": "Vodafone CZ"}, {}),
        ({CELL + "X_RDK_PlmnAccess.NetworkInUse.Mcc": "262", CELL + "X_RDK_PlmnAccess.NetworkInUse.Mnc": "1"},
         {"network.plmn": "26201"}),
        ({CELL + "X_ZTE-COM_PLMN": "46000"}, {"network.plmn": "46000"}),
        *(({CELL + "CurrentAccessTechnology": name}, {"network.rat": rat} if rat else {})
          for name, rat in (("GPRS", "gsm"), ("EDGE", "gsm"), ("UMTS", "umts"), ("UMTSHSPA", "hspa"), ("LTE", "lte"),
                            ("NR", "nr_sa"), ("lte", "lte"), ("EN-DC", "nr_nsa"), ("CDMA2000OneX", None), ("", None))),
        ({"Device.Cellular.RoamingStatus": "Home"}, {"network.roaming_state": "home"}),
        ({"Device.Cellular.RoamingStatus": "Roaming"}, {"network.roaming_state": "unknown"}),
        ({CELL + "X_RDK_PlmnAccess.RoamingStatus": "VISITOR"}, {"network.roaming_state": "unknown"}),
        # signal
        ({CELL + "RSSI": -63, CELL + "RSRP": "-97", CELL + "RSRQ": -11, CELL + "X_RDK_SNR": "13"},
         {"signal.rssi_dbm": -63, "signal.rsrp_dbm": -97, "signal.rsrq_db": -11, "signal.sinr_db": 13}),
        ({CELL + "X_RDK_RadioSignal.Rssi": -63, CELL + "X_RDK_RadioSignal.Rsrp": -97,
          CELL + "X_RDK_RadioSignal.Snr": 7},
         {"signal.rssi_dbm": -63, "signal.rsrp_dbm": -97, "signal.sinr_db": 7}),
        ({CELL + "X_ZTE-COM_SINR": 12.5}, {"signal.sinr_db": 12.5}),
        ({CELL + "X_ZTE_COM_SINR": "12.5"}, {"signal.sinr_db": 12.5}),
        ({CELL + "X_ZTE-COM_RSCP": -80, CELL + "X_ZTE-COM_ECIO": -7}, {"signal.rscp_dbm": -80, "signal.ecno_db": -7}),
        ({CELL + "RSRP": 0, CELL + "RSSI": 2147483647, CELL + "RSRQ": "NULL", CELL + "X_RDK_SNR": None}, {}),
        ({"Device.Cellular.Interface.1.RSRP": 0, "Device.Cellular.Interface.2.RSRP": -101}, {"signal.rsrp_dbm": -101}),
        # battery: a level of a few is one of bars
        ({INFO + "X_ACME_BatteryLevel": 87}, {"power.battery_percent": 87}),
        ({INFO + "X_ACME_BatteryLevel": 4}, {}),
        ({INFO + "X_ACME_BatteryPercent": 4}, {"power.battery_percent": 4}),
        ({INFO + "X_ACME_BatteryBars": 4}, {}),
        # session, settings
        ({"Device.MQTT.Client.1.Stats.BrokerConnectionEstablished": "2026-11-21T16:55:29Z"},
         {"session.acs_session_start_time": "2026-11-21T16:55:29Z"}),
        ({"Device.MQTT.Client.1.Stats.BrokerConnectionEstablished": "0001-01-01T00:00:00Z"}, {}),
        ({"Device.MQTT.Client.1.Stats.BrokerConnectionEstablished": "9999-12-31T23:59:59Z"}, {}),
        ({"Device.DHCPv4.Server.Enable": "1", "Device.DHCPv4.Server.Pool.1.DomainName": "lan"},
         {"settings.dhcp_server_enabled": True, "settings.lan_domain": "lan"}),
        ({"Device.DynamicDNS.Client.1.Hostname.1.Name": "a.dyn.example"}, {"settings.lan_domain": "a.dyn.example"}),
        ({"Device.Firewall.Enable": True, "Device.Firewall.Config": "High"},
         {"settings.firewall_enabled": True, "settings.firewall_policy_level": "high"}),
        ({"Device.Firewall.Config": "Policy", "Device.Firewall.PolicyLevel": "Device.Firewall.Policy.1."},
         {"settings.firewall_policy_level": "custom"}),
        ({"Device.Firewall.PolicyLevel": "Medium"}, {"settings.firewall_policy_level": "medium"}),
        ({"Device.Firewall.PolicyLevel": "Device.Firewall.Level.2"}, {}),
        ({"Device.NAT.PortMappingNumberOfEntries": 3}, {"settings.port_forward_rule_count": 3}),
        ({"Device.UPnP.Device.Enable": False}, {"settings.upnp_enabled": False}),
        ({"Device.NAT.X_CISCO_COM_DMZ.Enable": "false"}, {"settings.dmz_enabled": False}),
        ({"Device.Firewall.DMZ.1.Enable": False, "Device.Firewall.DMZ.2.Enable": True}, {"settings.dmz_enabled": True}),
        ({"Device.UserInterface.RemoteAccess.Enable": True}, {"settings.remote_management_enabled": True}),
        ({"Device.UserInterface.X_CISCO_COM_RemoteAccess.HttpEnable": "false",
          "Device.UserInterface.X_CISCO_COM_RemoteAccess.HttpsEnable": "true"},
         {"settings.remote_management_enabled": True}),
        ({"Device.X_TP_CloudService.FwUpgradeInfo.Version": "1.2.3"}, {"settings.available_software_version": "1.2.3"}),
        # power
        ({INFO + "X_RDKCENTRAL-COM_batteryBackup.estimatedChargeRemaining": "81",
          INFO + "X_RDKCENTRAL-COM_batteryBackup.chargingStatus": "true"},
         {"power.battery_percent": 81, "power.battery_charging": True}),
        ({INFO + "X_ZTE-COM_BatteryLevel": 40, INFO + "X_ZTE-COM_BatteryStatus": "Discharging"},
         {"power.battery_percent": 40, "power.battery_charging": False}),
        ({"Device.X_ZTE-COM_Battery.Percent": 40, "Device.X_ZTE-COM_Battery.Status": "Not charging",
          "Device.X_ZTE-COM_Battery.Voltage": 3912, "Device.X_ZTE-COM_Battery.Temperature": 315},
         {"power.battery_percent": 40, "power.battery_charging": False, "power.battery_voltage_mv": 3912,
          "power.battery_temperature_celsius": 31.5}),
        ({INFO + "TemperatureStatus.TemperatureSensor.1.Name": "CPU",
          INFO + "TemperatureStatus.TemperatureSensor.1.Value": 41,
          INFO + "TemperatureStatus.TemperatureSensor.2.Name": "Battery pack",
          INFO + "TemperatureStatus.TemperatureSensor.2.Value": 29}, {"power.battery_temperature_celsius": 29}),
        ({INFO + "TemperatureStatus.TemperatureSensor.1.Value": 41}, {}),
        ({INFO + "PowerStatus.PowerSensor.1.Voltage": 3912}, {"power.battery_voltage_mv": 3912}),
        ({INFO + "PowerStatus.PowerSensor.1.Voltage": 12000, INFO + "PowerStatus.PowerSensor.1.Name": "DC in"}, {}),
    ],
)  # fmt: skip
def test_a_parameter_becomes(parameters: dict[str, Any], expected: dict[str, Any]) -> None:
    """By the rows of the catalogue; 0, 1970, 0001, NULL and no text stand for nothing."""
    assert expected == said(parameters)


@pytest.mark.parametrize(
    ("parameters", "state"),
    [
        ({CELL + "Status": "Up"}, "connected"),
        ({CELL + "Status": "Down"}, "disconnected"),
        ({CELL + "Status": "Dormant"}, "connecting"),
        ({CELL + "Status": "NotPresent"}, "disconnected"),
        ({CELL + "Status": "LowerLayerDown"}, "disconnected"),
        ({CELL + "Status": "Error"}, "disconnected"),
        ({CELL + "Status": "Unknown"}, None),
        ({"Device.PPP.Interface.1.ConnectionStatus": "Authenticating"}, "connecting"),
        ({"Device.PPP.Interface.1.ConnectionStatus": "PendingDisconnect"}, "disconnecting"),
        ({"Device.PPP.Interface.1.ConnectionStatus": "Unconfigured"}, None),
        ({"Device.DHCPv4.Client.1.DHCPStatus": "Init", "Device.DHCPv4.Client.2.DHCPStatus": "Bound"}, "connected"),
        ({"Device.PPP.Interface.1.ConnectionStatus": "Disconnected", CELL + "Status": "Up"}, "connected"),
        ({"Device.Cellular.X_RDK_Status": "DEREGISTERED"}, "no_service"),
        ({"Device.Cellular.X_RDK_Status": "CONNECTED"}, "connected"),
        ({"Device.IP.Interface.1.Status": "Up"}, None),
        ({"Device.IP.Interface.2.Status": "Up", "Device.IP.Interface.2.LowerLayers": "Device.Cellular.Interface.1."},
         "connected"),
        ({PPP98 + "ConnectionStatus": "Disconneting"}, "disconnecting"),
        ({IP98 + "ConnectionStatus": "Connected", PPP98 + "ConnectionStatus": "Disconnected"}, "connected"),
    ],
)  # fmt: skip
def test_of_all_states_the_best_is_the_routers(parameters: dict[str, Any], state: str | None) -> None:
    """It is connected where one way out is."""
    assert state == said(parameters).get("network.wan_connection_state")


@pytest.mark.parametrize(
    ("parameters", "bearer"),
    [
        ({CELL + "Status": "Up"}, "cellular"),
        ({"Device.Ethernet.Interface.7.Status": "Up", "Device.Ethernet.Interface.7.Upstream": True}, "ethernet"),
        ({"Device.Ethernet.Interface.1.Status": "Up", "Device.Ethernet.Interface.1.Upstream": False}, None),
        ({CELL + "Status": "Up", "Device.Ethernet.Interface.7.Status": "Up",
          "Device.Ethernet.Interface.7.Upstream": True},
         None),
        ({CELL + "Status": "Up", "Device.Ethernet.Interface.7.Status": "Down",
          "Device.Ethernet.Interface.7.Upstream": True}, "cellular"),
        ({IGD + "WANDevice.1.WANCommonInterfaceConfig.WANAccessType": "Ethernet",
          IGD + "WANDevice.1.WANCommonInterfaceConfig.PhysicalLinkStatus": "Up",
          IGD + "WANDevice.2.WANCommonInterfaceConfig.WANAccessType": "3GDongle",
          IGD + "WANDevice.2.WANCommonInterfaceConfig.PhysicalLinkStatus": "Down"}, "ethernet"),
    ],
)  # fmt: skip
def test_the_bearer_is_said_where_only_one_can_be_meant(parameters: dict[str, Any], bearer: str | None) -> None:
    """Two that are up are no answer."""
    assert bearer == said(parameters).get("network.wan_bearer")


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [
        ({"Device.PPP.Interface.1.LastChange": 3600}, 3600),
        ({"Device.PPP.Interface.1.LastChange": 3600, "Device.PPP.Interface.1.ConnectionStatus": "Connected"}, 3600),
        ({"Device.PPP.Interface.1.LastChange": 3600, "Device.PPP.Interface.1.ConnectionStatus": "Disconnected"}, None),
        ({CELL + "LastChange": 60, CELL + "Status": "Up"}, 60),
        ({CELL + "LastChange": 60, CELL + "Status": "Down"}, None),
        ({PPP98 + "Uptime": 2446, IP98 + "Uptime": 0}, 2446),
    ],
)
def test_the_time_since_a_change_is_an_uptime_where_it_is_up(parameters: dict[str, Any], seconds: int | None) -> None:
    """LastChange counts from the state it is in now, whichever that is."""
    assert seconds == said(parameters).get("network.wan_uptime_seconds")


ADDRESS = "Device.IP.Interface.{}.IPv4Address.1."


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"Device.PPP.Interface.1.IPCP.LocalIPAddress": "100.64.1.2"}, {"network.wan_ipv4": "100.64.1.2"}),
        ({"Device.DHCPv4.Client.1.IPAddress": "10.1.2.3", "Device.DHCPv4.Client.1.SubnetMask": "255.255.0.0"},
         {"network.wan_ipv4": "10.1.2.3/16"}),
        ({ADDRESS.format(1) + "IPAddress": "192.168.0.1", ADDRESS.format(1) + "AddressingType": "Static",
          ADDRESS.format(4) + "IPAddress": "192.168.88.38", ADDRESS.format(4) + "AddressingType": "DHCP"},
         {"network.wan_ipv4": "192.168.88.38"}),
        ({ADDRESS.format(1) + "IPAddress": "192.168.0.1"}, {}),
        ({ADDRESS.format(1) + "IPAddress": "192.168.0.1", ADDRESS.format(2) + "IPAddress": "100.72.14.9"},
         {"network.wan_ipv4": "100.72.14.9"}),
        ({ADDRESS.format(2) + "IPAddress": "0.0.0.0"}, {}),
        ({"Device.IP.Interface.1.IPv6Address.1.IPAddress": "fe80::1", "Device.IP.Interface.1.IPv6Address.2.IPAddress":
          "2001:db8::1"}, {"network.wan_ipv6": "2001:db8::1"}),
        ({"Device.IP.Interface.1.IPv6Address.1.IPAddress": "fd00::1"}, {}),
        ({PPP98 + "ExternalIPAddress": "192.168.89.227", PPP98 + "X_ZTE-COM_ExternalIPv6Address": "2a02::1/64"},
         {"network.wan_ipv4": "192.168.89.227", "network.wan_ipv6": "2a02::1"}),
        ({"Device.DHCPv4.Server.Pool.1.MinAddress": "192.168.0.2",
          "Device.DHCPv4.Server.Pool.1.SubnetMask": "255.255.255.0"}, {"network.lan_ipv4": "192.168.0.2/24"}),
    ],
)  # fmt: skip
def test_an_address_is_an_input_where_it_is_known_whose_it_is(
    parameters: dict[str, Any], expected: dict[str, Any]
) -> None:
    """The WAN's by who gave it, or because no LAN has such a one; only its class is kept."""
    assert expected == said(parameters)


# --------------------------------------------------------------------------------------------------------------- Wi-Fi


def wifi(bands: bool = True) -> dict[str, Any]:
    """Two radios with a main network each and a third one at 2.4 GHz; numbers that are out of order."""
    networks = {"3": (2, "Haus 5G"), "7": (1, "Haus"), "12": (1, "Besuch")}
    made: dict[str, Any] = {}
    for place, (radio, name) in networks.items():
        point = {"3": 10, "7": 2, "12": 30}[place]
        made |= {
            SSID.format(place) + "SSID": name,
            SSID.format(place) + "LowerLayers": f"Device.WiFi.Radio.{radio}.",
            AP.format(point) + "SSIDReference": f"Device.WiFi.SSID.{place}",
            AP.format(point) + "Enable": True,
            AP.format(point) + "Security.ModeEnabled": {"3": "WPA3-Personal", "7": "WPA2-Personal", "12": "None"}[
                place
            ],
            AP.format(point) + "SSIDAdvertisementEnabled": place != "3",
            AP.format(point) + "IsolationEnable": place == "12",
            AP.format(point) + "MaxAssociatedDevices": {"3": 64, "7": 32, "12": 0}[place],
            AP.format(point) + "AssociatedDeviceNumberOfEntries": {"3": 2, "7": 3, "12": 1}[place],
        }
    for number, band, channel, width, standards in (
        (1, "2.4GHz", 6, "20MHz", "b,g,n,ax"),
        (2, "5GHz", 100, "80MHz", "ac,n"),
    ):
        made |= {
            RADIO.format(number) + "Enable": True,
            RADIO.format(number) + "Channel": channel,
            RADIO.format(number) + "CurrentOperatingChannelBandwidth": width,
            RADIO.format(number) + "OperatingStandards": standards,
            RADIO.format(number) + "TransmitPower": 80,
            RADIO.format(number) + "RegulatoryDomain": "DE ",
        }
        if bands:
            made[RADIO.format(number) + "OperatingFrequencyBand"] = band
    return made


def test_networks_are_told_apart_by_the_bands_of_their_radios() -> None:
    """Access point, network, radio, band; the main one has the lowest number, the next at 2.4 GHz is the guests'."""
    assert {
        "wifi.ssid_2g": "Haus", "wifi.ssid_5g": "Haus 5G", "wifi.wifi_enabled": True, "wifi.wifi_enabled_2g": True,
        "wifi.wifi_enabled_5g": True, "wifi.wifi_channel_2g": 6, "wifi.wifi_channel_5g": 100,
        "wifi.wifi_bandwidth_2g_mhz": 20, "wifi.wifi_bandwidth_5g_mhz": 80, "wifi.wifi_mode_2g": "ax",
        "wifi.wifi_mode_5g": "ac", "wifi.wifi_security_mode_2g": "wpa2", "wifi.wifi_security_mode_5g": "wpa3",
        "wifi.wifi_ssid_hidden_2g": False, "wifi.wifi_ssid_hidden_5g": True, "wifi.wifi_ap_isolation_2g": False,
        "wifi.wifi_ap_isolation_5g": False, "wifi.wifi_max_stations_2g": 32, "wifi.wifi_max_stations_5g": 64,
        "wifi.wifi_station_count": 6, "wifi.wifi_station_count_2g": 4, "wifi.wifi_station_count_5g": 2,
        "wifi.guest_wifi_enabled": True, "wifi.guest_wifi_security_mode": "none", "wifi.guest_station_count": 1,
        "wifi.guest_wifi_isolation": True, "wifi.wifi_tx_power_percent": 80, "wifi.wifi_regulatory_country": "DE",
    } == said(wifi())  # fmt: skip


def test_radios_are_told_apart_by_their_channels_where_no_band_is_said() -> None:
    """Their own fields are; networks are not."""
    found = said(wifi(bands=False))

    assert (6, 100, 20, 80) == tuple(
        found[f"wifi.{name}"]
        for name in ("wifi_channel_2g", "wifi_channel_5g", "wifi_bandwidth_2g_mhz", "wifi_bandwidth_5g_mhz")
    )
    assert "wifi.ssid_2g" not in found
    assert "wifi.wifi_security_mode_5g" not in found
    assert 6 == found["wifi.wifi_station_count"]


def test_a_radio_at_6_ghz_has_no_fields() -> None:
    """Its channel 5 is none at 2.4 GHz."""
    six = {RADIO.format(3) + "OperatingFrequencyBand": "6GHz", RADIO.format(3) + "Channel": 5}

    assert {} == said(six)


@pytest.mark.parametrize(
    ("mode", "kept"),
    [
        ("None", "none"), ("WEP-64", "wep"), ("WEP-128", "wep"), ("WPA-Personal", "wpa"), ("WPA2-Personal", "wpa2"),
        ("WPA3-Personal", "wpa3"), ("WPA-WPA2-Personal", "wpa_wpa2"), ("WPA3-Personal-Transition", "wpa2_wpa3"),
        ("WPA2-Enterprise", "enterprise"), ("WPA3-Enterprise", "enterprise"), ("WPA2-WPA3-Personal", "wpa2_wpa3"),
        ("OWE", "owe"), ("hunter2", None),
    ],
)  # fmt: skip
def test_a_security_mode_is_one_of_a_list(mode: str, kept: str | None) -> None:
    """A passphrase in its place is nothing."""
    parameters = {**wifi(), AP.format(2) + "Security.ModeEnabled": mode}

    assert kept == said(parameters).get("wifi.wifi_security_mode_2g")


def test_a_guest_network_is_one_that_says_so() -> None:
    """By the vendor's word first, then by its name."""
    by_name = {**wifi(), SSID.format(3) + "SSID": "Haus Guest"}
    by_vendor = {**wifi(), AP.format(12) + "X_TP_APType": "Primary", AP.format(10) + "X_TP_APType": "Guest"}

    assert "wpa3" == said(by_name)["wifi.guest_wifi_security_mode"]
    assert (2, False) == (said(by_vendor)["wifi.guest_station_count"], said(by_vendor)["wifi.guest_wifi_isolation"])


def test_networks_of_tr098_are_told_apart_by_their_channels() -> None:
    """It has no radios."""
    made: dict[str, Any] = {}
    for number, channel, beacon in ((1, 3, "WPAand11i"), (2, 3, "Basic"), (5, 116, "11i"), (10, 116, "None")):
        made |= {
            WLAN.format(number) + "Channel": channel,
            WLAN.format(number) + "BeaconType": beacon,
            WLAN.format(number) + "BasicEncryptionModes": "WEPEncryption",
            WLAN.format(number) + "IEEE11iAuthenticationMode": "PSKAuthentication",
            WLAN.format(number) + "Enable": number != 2,
            WLAN.format(number) + "SSID": f"net {number}",
            WLAN.format(number) + "SSIDAdvertisementEnabled": True,
            WLAN.format(number) + "Standard": "b,g,n" if channel == 3 else "a,n,ac",
            WLAN.format(number) + "TotalAssociations": number,
            WLAN.format(number) + "X_ZTE_COM_MaximumClients": 32,
            WLAN.format(number) + "X_ZTE-COM_BandWidth": "80MHz" if channel == 116 else "Auto",
            WLAN.format(number) + "TotalPSKFailures": 1,
        }

    assert {
        "wifi.ssid_2g": "net 1", "wifi.ssid_5g": "net 5", "wifi.wifi_enabled": True, "wifi.wifi_enabled_2g": True,
        "wifi.wifi_enabled_5g": True, "wifi.wifi_channel_2g": 3, "wifi.wifi_channel_5g": 116,
        "wifi.wifi_bandwidth_5g_mhz": 80, "wifi.wifi_mode_2g": "n", "wifi.wifi_mode_5g": "ac",
        "wifi.wifi_security_mode_2g": "wpa_wpa2", "wifi.wifi_security_mode_5g": "wpa2",
        "wifi.wifi_ssid_hidden_2g": False, "wifi.wifi_ssid_hidden_5g": False, "wifi.wifi_max_stations_2g": 32,
        "wifi.wifi_max_stations_5g": 32, "wifi.wifi_station_count": 18, "wifi.wifi_station_count_2g": 3,
        "wifi.wifi_station_count_5g": 15, "wifi.guest_wifi_enabled": False, "wifi.guest_station_count": 2,
        "wifi.wifi_association_failures_total": 4,
    } == said(made)  # fmt: skip


@pytest.mark.parametrize(
    ("values", "mode"),
    [
        (("Basic", "None", ""), "none"), (("Basic", "WEPEncryption", ""), "wep"), (("None", "None", "x"), "none"),
        (("11i", "None", "EAPAuthentication"), "enterprise"), (("11i", "None", "PSKAuthentication"), "wpa2"),
        (("BasicandWPAand11i", "None", "PSKAuthentication"), "wpa_wpa2"), (("Lily", "None", "x"), None),
    ],
)  # fmt: skip
def test_the_beacon_of_tr098_says_the_security_mode(values: tuple[str, str, str], mode: str | None) -> None:
    """Its basic kind is WEP or nothing."""
    beacon, basic, authentication = values
    parameters = {
        WLAN.format(1) + "Channel": 3,
        WLAN.format(1) + "BeaconType": beacon,
        WLAN.format(1) + "BasicEncryptionModes": basic,
        WLAN.format(1) + "IEEE11iAuthenticationMode": authentication or "x",
    }

    assert mode == said(parameters).get("wifi.wifi_security_mode_2g")


def test_errors_are_summed_over_networks_and_directions() -> None:
    """Else over radios; 2^64-1 is no count."""
    networks = {SSID.format(n) + f"Stats.Errors{way}": n for n in (1, 2) for way in ("Sent", "Received")}
    radios = {RADIO.format(1) + "Stats.ErrorsReceived": 9}
    below = {RADIO.format(1) + "Stats.FCSErrorCount": 5, RADIO.format(2) + "Stats.PLCPErrorCount": 2**64 - 1}

    assert [6, 9, 5] == [
        said(made)["wifi.wifi_driver_errors_total"]
        for made in ({**below, **radios, **networks}, {**below, **radios}, below)
    ]


def test_levels_of_stations_are_their_lowest_and_median() -> None:
    """And their number, where the number of entries is not said."""
    levels = {AP.format(n) + "AssociatedDevice.1.SignalStrength": level for n, level in ((1, -40), (2, -71), (3, -50))}

    found = said({**levels, AP.format(4) + "AssociatedDevice.1.SignalStrength": 0})

    assert {
        "wifi.wifi_station_rssi_dbm_min": -71,
        "wifi.wifi_station_rssi_dbm_median": -50,
        "wifi.wifi_station_count": 4,
    } == found
    elements = "Device.WiFi.DataElements.Network.Device.1.Radio.1.BSS.1.STA.{}.SignalStrength"
    levels = {elements.format(n): level for n, level in enumerate((100, 120, 140, 255), start=1)}
    assert -60 == said(levels)["wifi.wifi_station_rssi_dbm_min"]


# ------------------------------------------------------------------------------------------------- counters and events


@pytest.mark.parametrize(
    ("parameters", "counted"),
    [
        ({CELL + "Stats.BytesSent": 5, CELL + "Stats.BytesReceived": "7"}, {"uplink": 5, "downlink": 7}),
        ({CELL + "Stats.BytesSent": 0}, {}),
        ({CELL + "Stats.BytesSent": 2**64 - 1}, {}),
        ({"Device.IP.Interface.1.Stats.BytesSent": 5}, {}),
        ({"Device.IP.Interface.1.Stats.BytesSent": 5, "Device.IP.Interface.1.LowerLayers": "Device.PPP.Interface.1."},
         {"uplink": 5}),
        ({"Device.PPP.Interface.1.Stats.BytesSent": 5, CELL + "Stats.BytesSent": 6}, {"uplink": 6}),
        ({"Device.Ethernet.Interface.7.Stats.BytesSent": 5, "Device.Ethernet.Interface.7.Upstream": True,
          "Device.Ethernet.Interface.1.Stats.BytesSent": 9, "Device.Ethernet.Interface.1.Upstream": False},
         {"uplink": 5}),
        ({IGD + "WANDevice.1.WANCommonInterfaceConfig.TotalBytesReceived": 3019822}, {"downlink": 3019822}),
    ],
)  # fmt: skip
def test_lifetime_counters_of_the_wan_are_counters(parameters: dict[str, Any], counted: dict[str, int]) -> None:
    """Of one layer only; the LAN's are none, nor what an agent sends that has none."""
    parts = translated(parameters).counters

    assert counted == {part.field.removeprefix("usage.").partition("_")[0]: part.value for part in parts}
    assert {} == said(parameters)


def test_starts_and_resets_of_wifi_are_counters_of_events() -> None:
    """The next sample tells whether there was one."""
    counted = {"Device.DeviceInfo.Reboots.BootCount": 7, "Device.WiFi.ResetCounter": 2}

    assert {"event.unexpected_reboot": 7, "event.wifi_driver_error": 2} == {
        part.field: part.value for part in translated(counted).counters
    }
    assert {} == said(counted)


def events(parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """The events that parameters become."""
    made = translated(parameters).tree.events
    return [
        {
            name: getattr(event, name)
            for name in event.__struct_fields__
            if type(getattr(event, name)).__name__ != "UnsetType"
        }
        for event in made or ()
    ]


def test_restarts_in_the_table_are_events_with_their_own_times() -> None:
    """Save those that were told before, by new firmware, or at a time nobody knows."""
    now = datetime.fromtimestamp(RECEIVED / 1000, UTC)
    table = {
        1: ("LocalReboot", "watchdog", "false", (now - timedelta(hours=2)).isoformat()),
        2: ("RemoteReboot", "Unknown", False, (now - timedelta(hours=1)).isoformat()),
        3: ("LocalReboot", "Unknown", "true", now.isoformat()),
        4: ("LocalReboot", "Unknown", "false", (now - timedelta(days=9)).isoformat()),
        5: ("LocalReboot", "Unknown", "false", "0001-01-01T00:00:00Z"),
    }
    made: dict[str, Any] = {INFO + "Reboots.WatchdogBootCount": 2, INFO + "Reboots.BootCount": 9}
    for number, row in table.items():
        names = ("Cause", "Reason", "FirmwareUpdated", "TimeStamp")
        made |= {f"{INFO}Reboots.Reboot.{number}.{name}": value for name, value in zip(names, row, strict=True)}

    told = events(made)

    assert [("watchdog", 2), ("remote_management", 2)] == [
        (e["reboot_reason"], e["watchdog_reboots_total"]) for e in told
    ]
    assert [now - timedelta(hours=2), now - timedelta(hours=1)] == [e["time"] for e in told]
    counted = {part.field for part in translated(made).counters}
    assert {"event.watchdog_reboots_total", "event.unexpected_reboot"} == counted


@pytest.mark.parametrize(
    ("parameters", "causes"),
    [
        ({"Device.PPP.Interface.1.LastConnectionError": "ERROR_NO_CARRIER"}, ["no_carrier"]),
        ({"Device.PPP.Interface.1.LastConnectionError": "ERROR_NONE"}, []),
        ({"Device.PPP.Interface.1.LastConnectionError": "ERROR_AUTHENTICATION_FAILURE",
          "Device.PPP.Interface.1.ConnectionStatus": "Disconnected"}, ["authentication_failure"]),
        ({"Device.PPP.Interface.1.LastConnectionError": "ERROR_ISP_TIME_OUT",
          "Device.PPP.Interface.1.ConnectionStatus": "Connected"}, []),
        ({IP98 + "LastConnectionError": "ERROR_NO_CARRIER", IP98 + "ConnectionStatus": "Disconnected",
          PPP98 + "ConnectionStatus": "Connected", PPP98 + "LastConnectionError": "ERROR_NONE"}, []),
        ({PPP98 + "LastConnectionError": "ERROR_UNKNOWN", PPP98 + "ConnectionStatus": "Connecting"}, ["unknown"]),
        ({"Device.DHCPv4.Client.1.X_TP_LastConnectionError": "ERROR_IP_CONFIGURATION",
          "Device.DHCPv4.Client.1.DHCPStatus": "Init"}, ["ip_configuration"]),
        ({"Device.PPP.Interface.1.LastConnectionError": "Lily"}, []),
    ],
)  # fmt: skip
def test_the_last_error_is_why_a_connection_was_lost(parameters: dict[str, Any], causes: list[str]) -> None:
    """Of one that is not there, of a router that has no other."""
    told = events(parameters)

    assert causes == [event["disconnect_cause"] for event in told if event["event"] == "wan_unexpected_disconnect"]


def test_alarms_are_codes() -> None:
    """Never their texts."""
    alarm = "Device.FaultMgmt.CurrentAlarm.3."
    raised = datetime.fromtimestamp(RECEIVED / 1000 - 600, UTC)
    tally = Tally()
    parameters = {
        alarm + "AlarmIdentifier": "MDM.0x17",
        alarm + "PerceivedSeverity": "Major",
        alarm + "ManagedObjectInstance": "Device.Cellular.Interface.1",
        alarm + "AlarmRaisedTime": raised.isoformat(),
        alarm + "AdditionalText": "called +49151",
    }

    expected = {"event": "abnormal_data", "time": raised, "fault_code": "MDM.0x17"}
    assert [{**expected, "fault_severity": "major", "fault_component": "modem"}] == events(parameters)
    translated(parameters, tally)
    assert {Removal.LOCAL_ONLY: 1} == tally.counts


def test_each_alarm_has_its_own_component() -> None:
    """One that names none has none, whatever the others name."""
    raised = datetime.fromtimestamp(RECEIVED / 1000 - 600, UTC)
    parts = {1: "Device.WiFi.Radio.1", 2: "Device.Cellular.Interface.1", 3: None}
    parameters: dict[str, Any] = {}
    for number, part in parts.items():
        alarm = f"Device.FaultMgmt.CurrentAlarm.{number}."
        parameters |= {alarm + "AlarmIdentifier": f"A{number}", alarm + "AlarmRaisedTime": raised.isoformat()}
        parameters |= {alarm + "ManagedObjectInstance": part} if part else {}

    found = {event["fault_code"]: event.get("fault_component") for event in events(parameters)}

    assert {"A1": "wifi", "A2": "modem", "A3": None} == found


def test_an_upgrade_that_is_offered_is_an_event() -> None:
    """Without a member."""
    assert ["software_version_outdated"] == [
        e["event"] for e in events({"Device.UserInterface.UpgradeAvailable": "true"})
    ]
    assert [] == events({"Device.UserInterface.UpgradeAvailable": "false"})


# --------------------------------------------------------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("Cellular.Interface.1.RSRP", "signal.rsrp_dbm"),
        ("cell.1.RSRP", "signal.rsrp_dbm"),
        ("cell.1.USIM.IMSI", None),
        ("info.UpTime", "router.uptime_seconds"),
        ("x.Stats.UpTime", "router.uptime_seconds"),
        ("cell.1.Status", None),
        ("wifi.1.Channel", None),
        ("a.Enable", None),
        ("Device.LocalAgent.UpTime", None),
        ("Device.X_ACME_Thing.RSRP", None),
        ("Cellular.1.RSRP", "signal.rsrp_dbm"),
        ("Cellular.Interface.1.AvailableNetworks.1.RSRP", None),
        ("neighbors.1.RSRP", None),
        ("WiFi.DataElements.Network.Device.1.SerialNumber", None),
        ("device.cellular.interface.1.rsrp", None),
    ],
)
def test_a_name_is_known_without_its_prefix_or_by_its_end(name: str, field: str | None) -> None:
    """Where it is one field's only; a whole path means itself."""
    assert ({field: -97} if field == "signal.rsrp_dbm" else {field: 97} if field else {}) == said(
        {name: -97 if field == "signal.rsrp_dbm" else 97}
    )


def test_an_alias_of_a_profile_is_known_by_its_end() -> None:
    """`cell.1.USIM.IMSI` is the subscriber's, whatever the profile calls the modem."""
    [sample] = readings({"Report": [{"cell.1.USIM.IMSI": "262011234567890", "cell.1.USIM.PIN": "0000"}]})
    tally = Tally()

    found = translated(dict(sample.values), tally).tree

    assert "262011234567890" == found.sim.imsi
    assert {Removal.LOCAL_ONLY: 1} == tally.counts
