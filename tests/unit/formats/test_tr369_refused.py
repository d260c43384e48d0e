"""What stays on the router (catalogue 1.7.3, 1.7.6), under the names that data models have for it."""

import json
from typing import Any

import pytest
from tr369 import TRANSLATOR

from collector.fields.clean import Tally
from collector.formats.reading import Reading
from collector.model import Removal

CELL = "Device.Cellular.Interface.1."
AP = "Device.WiFi.AccessPoint.1."
IGD = "InternetGatewayDevice."
WLAN = f"{IGD}LANDevice.1.WLANConfiguration.1."
VOICE = "Device.Services.VoiceService.1."
HOST = "Device.Hosts.Host.1."

NAMES = [
    # family L1, messages
    *(f"{CELL}SMS.Message.1.{leaf}" for leaf in ("Sender", "Receiver", "Text", "TimeStamp", "Type", "Status")),
    f"{CELL}SMS.MessageNumberOfEntries",
    "Device.TrustedElements.SIM.1.SMSC",
    # family L3, numbers and calls
    f"{CELL}USIM.MSISDN",
    "Device.TrustedElements.SIM.1.MSISDN",
    "Device.Cellular.X_RDK_Uicc.1.Msisdn",
    *(f"{VOICE}CallLog.1.{leaf}" for leaf in (
        "CallingPartyNumber", "CalledPartyNumber", "RemoteParty", "Source", "Destination", "Start", "Duration")),
    f"{VOICE}CallControl.Line.1.DirectoryNumber",
    *(f"{VOICE}CallControl.CallingFeatures.Set.1.{leaf}" for leaf in (
        "CallForwardUnconditionalNumber", "CallForwardOnBusyNumber", "CallForwardOnNoAnswerNumber")),
    # family L9, sign-in
    f"{IGD}UserInterface.X_ZTE-COM_WebUserInfo.AdminName",
    f"{IGD}X_ZTE-COM_UserInterface.X_ZTE-COM_WebUserInfo.AdminName",
    f"{IGD}X_ZTE-COM_UserInterface.X_ZTE-COM_WebUserInfo.AdminPassword",
    f"{IGD}X_Authentication.WebAccount.Password",
    # family L4, storage
    "Device.Services.StorageService.1.UserAccount.1.Username",
    "Device.Services.StorageService.1.UserAccount.1.Password",
    "Device.Services.StorageService.1.LogicalVolume.1.Name",
    # family L6, location and scans
    "Device.DeviceInfo.Location.1.DataObject",
    "Device.FAP.GPS.LockedLatitude",
    "Device.FAP.GPS.LockedLongitude",
    "Device.FAP.GPS.ContinuousGPSStatus.Latitude",
    "Device.FAP.GPS.ContinuousGPSStatus.Longitude",
    "Device.WiFi.SSID.1.BSSID",
    "Device.WiFi.NeighboringWiFiDiagnostic.Result.1.SSID",
    "Device.BASAPM.MeasurementEndpoint.1.ISPDevice.GeographicalLocation",
    f"{WLAN}BSSID",
    f"{CELL}X_RDK_PlmnAccess.AvailableNetworks.1.Mcc",
    # family L7, Wi-Fi keys
    *(f"{AP}Security.{leaf}" for leaf in (
        "KeyPassphrase", "PreSharedKey", "SAEPassphrase", "WEPKey", "RadiusSecret", "SecondaryRadiusSecret",
        "X_ZTE-COM_KeyPassphrase")),
    f"{AP}Accounting.Secret",
    f"{AP}Accounting.SecondarySecret",
    f"{AP}WPS.PIN",
    *(f"Device.WiFi.EndPoint.1.Profile.1.Security.{leaf}" for leaf in (
        "KeyPassphrase", "PreSharedKey", "SAEPassphrase", "WEPKey")),
    "Device.WiFi.EndPoint.1.WPS.PIN",
    f"{WLAN}KeyPassphrase",
    f"{WLAN}PreSharedKey.1.PreSharedKey",
    f"{WLAN}PreSharedKey.1.KeyPassphrase",
    f"{WLAN}WEPKey.1.WEPKey",
    f"{WLAN}WPS.DevicePassword",
    f"{WLAN}X_ZTE-COM_PreSharedKey",
    # family L8, dial-in and access points
    "Device.PPP.Interface.1.Username",
    "Device.PPP.Interface.1.Password",
    *(f"Device.Cellular.AccessPoint.1.{leaf}" for leaf in ("APN", "Username", "Password", "Proxy")),
    f"{CELL}X_RDK_ContextProfile.1.Apn",
    f"{IGD}WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Username",
    f"{IGD}WANDevice.1.WANConnectionDevice.1.WANPPPConnection.1.Password",
    # family L9, sign-in and SIM
    "Device.Users.User.1.Username",
    "Device.Users.User.1.Password",
    "Device.LANConfigSecurity.ConfigPassword",
    f"{CELL}USIM.PIN",
    "Device.TrustedElements.SIM.1.PIN",
    "Device.UserInterface.HTTPAccess.1.Session.1.SessionID",
    f"{IGD}User.1.Password",
    f"{IGD}LANConfigSecurity.ConfigPassword",
    # family L10, other credentials
    *(f"Device.ManagementServer.{leaf}" for leaf in (
        "Password", "ConnectionRequestPassword", "ConnectionRequestURL", "STUNPassword", "URL", "Username")),
    *(f"{IGD}ManagementServer.{leaf}" for leaf in ("Password", "ConnectionRequestPassword", "URL", "Username")),
    "Device.DynamicDNS.Client.1.Username",
    "Device.DynamicDNS.Client.1.Password",
    *(f"Device.MQTT.Client.1.{leaf}" for leaf in ("Password", "Username", "ClientID", "WillValue")),
    "Device.MQTT.Broker.1.Password",
    f"{VOICE}SIP.Client.1.AuthPassword",
    f"{VOICE}SIP.Registrar.1.Account.1.AuthPassword",
    f"{VOICE}CallControl.Mailbox.1.SMTPPassword",
    "Device.BulkData.Profile.1.HTTP.Password",
    "Device.BulkData.Profile.1.FileTransferPassword",
    "Device.IEEE8021x.Supplicant.1.EAPMD5.SharedSecret",
    "Device.XMPP.Connection.1.Password",
    "Device.STOMP.Connection.1.Password",
    "Device.MoCA.Interface.1.KeyPassphrase",
    "Device.MoCA.Interface.1.EnhancedPassword",
    "Device.MoCA.Interface.1.PasswordHash",
    "Device.HomePlug.Interface.1.NetworkPassword",
    "Device.IEEE1905.AL.Security.Password",
    "Device.RadSecProxy.Client.1.Secret",
    "Device.RadSecProxy.Server.1.Secret",
    "Device.UPA.Interface.1.EncryptionKey",
    "Device.XPON.ONU.1.ANI.1.TC.Authentication.Password",
    "Device.FAP.GPS.AGPSServerConfig.Password",
    "Device.FAP.PerfMgmt.Config.1.Password",
    "Device.Thread.MLE.1.Dataset.1.NetworkKey",
    "Device.Thread.MLE.1.Dataset.1.PSKc",
    "Device.LMAP.MeasurementAgent.1.PrivateCredential",
    "Device.SSH.AuthorizedKey.1.Key",
    # family L11, preferences
    "Device.Cellular.RoamingEnabled",
    *(f"{CELL}{leaf}" for leaf in ("PreferredAccessTechnology", "NetworkRequested", "AvailableNetworks")),
    # family L12, terminals and people
    *(f"{HOST}{leaf}" for leaf in ("HostName", "PhysAddress", "IPAddress", "ActiveLastChange")),
    f"{AP}AssociatedDevice.1.MACAddress",
    f"{AP}AssociatedDevice.1.AssociationTime",
    f"{AP}AllowedMACAddress",
    "Device.DHCPv4.Server.Pool.1.Client.1.Chaddr",
    "Device.DHCPv4.Server.Pool.1.StaticAddress.1.Chaddr",
    *(f"Device.Hosts.AccessControl.1.{leaf}" for leaf in ("PhysAddress", "HostName", "Schedule.1.StartTime")),
    "Device.WiFi.DataElements.Network.Device.1.Radio.1.BSS.1.STA.1.MACAddress",
    "Device.WiFi.DataElements.Network.Device.1.Radio.1.BSS.1.STA.1.Hostname",
    "Device.WiFi.DataElements.Network.Device.1.Radio.1.UnassociatedSTA.1.MACAddress",
    "Device.UserInterface.HTTPAccess.1.Session.1.IPAddress",
    "Device.NAT.PortMapping.1.InternalClient",
    "Device.NAT.PortMapping.1.Description",
    f"{IGD}LANDevice.1.Hosts.Host.1.HostName",
    f"{WLAN}AssociatedDevice.1.AssociatedDeviceMACAddress",
    # catalogue 1.7.6, what looks harmless
    "Device.DeviceInfo.ProcessFaults.ProcessFault.1.Arguments",
    "Device.DeviceInfo.VendorLogFile.1.Name",
    "Device.DeviceInfo.VendorConfigFile.1.Name",
    "Device.DeviceInfo.DeviceImageFile.1.Image",
    "Device.DeviceInfo.FirmwareImage.1.BootFailureLog",
    "Device.FaultMgmt.CurrentAlarm.1.AdditionalText",
    "Device.FaultMgmt.CurrentAlarm.1.AdditionalInformation",
]  # fmt: skip


def removed(**values: Any) -> dict[Removal, int]:
    """What is counted of a sample, of which nothing may be kept."""
    tally = Tally()
    found = TRANSLATOR.translate(Reading(values=tuple(values.items()), time=1_795_280_611_000), tally)
    assert "kanarie" not in repr(found)
    return dict(tally.counts)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_known_for_what_stays_on_the_router(name: str) -> None:
    """Whole, without the root object, and below a name of a profile."""
    short = name.partition(".")[2]

    assert {Removal.LOCAL_ONLY: 1} == removed(**{name: "kanarie"})
    assert {Removal.LOCAL_ONLY: 1} == removed(**{short: "kanarie"})


@pytest.mark.parametrize(
    "value",
    [
        json.dumps({f"{AP}Security.KeyPassphrase": "kanarie"}),
        json.dumps([{"sms_content": "kanarie"}]),
        json.dumps({"a": json.dumps({"b": {f"{CELL}USIM.PIN": "kanarie"}})}),
    ],
)
@pytest.mark.parametrize("name", ["Device.X_ACME_Blob", f"{CELL}X_ZTE-COM_Info", "Device.DeviceInfo.Description"])
def test_what_is_packed_in_a_value_is_counted_too(name: str, value: str) -> None:
    """JSON in a text, and in another one."""
    assert removed(**{name: value})[Removal.LOCAL_ONLY] >= 1
