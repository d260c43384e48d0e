"""What entries of alias maps can ask for beyond one name and one value: conditions, instances, vendors, events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aliasing import NOW, read, translator
from pydantic import ValidationError

from collector.formats.beside import Beside
from collector.formats.conditions import When
from collector.formats.paths import of_any_vendor, target_of

BAND = "Device.WiFi.Radio.{i}.OperatingFrequencyBand"
VIA = ["Device.WiFi.AccessPoint.{i}.SSIDReference", "Device.WiFi.SSID.{i}.LowerLayers"]
HIDDEN = {
    "names": ["Device.WiFi.AccessPoint.{i}.SSIDAdvertisementEnabled"],
    "field": "wifi.wifi_ssid_hidden_2g",
    "convert": "inverse",
    "combine": "lowest",
    "when": {"name": BAND, "is": ["2.4GHz"], "via": VIA},
}
NETWORKS = (
    ("Device.WiFi.AccessPoint.10.SSIDReference", "Device.WiFi.SSID.10."),
    ("Device.WiFi.AccessPoint.10.SSIDAdvertisementEnabled", False),
    ("Device.WiFi.AccessPoint.2.SSIDReference", "Device.WiFi.SSID.4"),
    ("Device.WiFi.AccessPoint.2.SSIDAdvertisementEnabled", True),
    ("Device.WiFi.AccessPoint.1.SSIDReference", "Device.WiFi.SSID.3."),
    ("Device.WiFi.AccessPoint.1.SSIDAdvertisementEnabled", False),
    ("Device.WiFi.SSID.3.LowerLayers", "Device.WiFi.Radio.2."),
    ("Device.WiFi.SSID.4.LowerLayers", "Device.WiFi.Radio.1."),
    ("Device.WiFi.SSID.10.LowerLayers", "Device.WiFi.Radio.1."),
    ("Device.WiFi.Radio.1.OperatingFrequencyBand", "2.4GHz"),
    ("Device.WiFi.Radio.2.OperatingFrequencyBand", "5GHz"),
)


def test_a_condition_may_be_on_an_object_that_another_one_names() -> None:
    """The access point's network, the network's radio, the radio's band; 2 comes before 10, whatever comes first."""
    tree, removed = read(translator(HIDDEN), *NETWORKS)

    assert (False, {}) == (tree.wifi.wifi_ssid_hidden_2g, removed)


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_reference_that_leads_nowhere_meets_no_condition(missing: int) -> None:
    """Neither one that is not there nor one to something else."""
    links = [("AccessPoint.2.SSIDReference", ""), ("SSID.4.LowerLayers", "Device.Ethernet.Link.1."), ("Radio.1.X", "")]
    place, instead = links[missing]
    values = [(n, instead if n.endswith(place) else v) for n, v in NETWORKS if ".10." not in n]
    values = [(n, v) for n, v in values if missing != 2 or not n.startswith("Device.WiFi.Radio.1.")]

    assert not hasattr(read(translator(HIDDEN), *values)[0].wifi, "wifi_ssid_hidden_2g")


@pytest.mark.parametrize(
    ("value", "target"),
    [
        ("Device.WiFi.Radio.2.", ("2",)),
        ("Device.WiFi.Radio.2", ("2",)),
        ("WiFi.Radio.2.", ("2",)),
        ("Device.Bridging.Bridge.1.Port.3., Device.WiFi.Radio.2.", ("2",)),
        ("Device.WiFi.Radio.", None),
        ("Device.WiFi.SSID.2.", None),
        ("", None),
        (None, None),
        (7, None),
        ("x" * 100_000, None),
    ],
)
def test_a_reference_is_read_with_and_without_its_dot_and_prefix(value: Any, target: Any) -> None:
    """USP writes them without the dot, CWMP with it; lists are allowed."""
    assert target == target_of(value, ("Device.",), BAND)


@pytest.mark.parametrize(
    ("asked", "holds", "not_"),
    [
        ({"is": ["Up"]}, ["Up", " Up "], ["Down", "", None]),
        ({"is": [True]}, [True, "true"], [1, "1", False, None]),
        ({"not": ["Up"]}, ["Down", "", None], ["Up"]),
        ({"has": ["guest"]}, ["My Guest Net", "guest"], ["home", None]),
        ({"between": [1, 14]}, [1, "6", 14.0], [0, "36", "six", None, []]),
        ({"absent": True}, [None], ["", 0, "x"]),
        ({"is": ["Up"], "absent": True}, ["Up", None], ["Down"]),
    ],
)
def test_a_condition_holds(asked: dict[str, Any], holds: list[Any], not_: list[Any]) -> None:
    """In any of the ways it names; what is not there is not one of any."""
    when = When.model_validate({"name": "a", **asked})

    assert [True] * len(holds) + [False] * len(not_) == [when.holds(value) for value in (*holds, *not_)]


@pytest.mark.parametrize("asked", [{}, {"is": []}, {"is": ["a"], "not": ["b"]}])
def test_a_condition_that_asks_for_nothing_or_for_opposites_is_refused(asked: dict[str, Any]) -> None:
    """At the start, with the map."""
    with pytest.raises(ValidationError):
        When.model_validate({"name": "a", **asked})


def test_all_conditions_of_an_entry_must_hold() -> None:
    """On the same instance."""
    whens = [{"name": "P.{i}.Enable", "is": [True]}, {"name": "P.{i}.Status", "not": ["Down"]}]
    made = translator({"names": ["P.{i}.Channel"], "field": "wifi.wifi_channel_5g", "when": whens})

    assert read(made, ("P.1.Channel", 36), ("P.1.Enable", True), ("P.1.Status", "Up"))[0].wifi.wifi_channel_5g == 36
    assert not hasattr(read(made, ("P.1.Channel", 36), ("P.2.Enable", True))[0].wifi, "wifi_channel_5g")


@pytest.mark.parametrize("long", ["x" * 500_000 + "guest", ["x"] * 100_000 + ["guest"]])
def test_a_condition_looks_at_the_beginning_of_a_value(long: Any) -> None:
    """Thousands of names may have the same one beside them: all of it each time took seconds."""
    when = {"name": "ssid", "has": ["guest"]}
    made = translator({"names": ["x"], "field": "wifi.guest_wifi_enabled", "when": when})

    assert read(made, ("x", "1"), ("ssid", "guest" + "x" * 500_000))[0].wifi.guest_wifi_enabled is True
    assert not hasattr(read(made, ("x", "1"), ("ssid", long))[0].wifi, "guest_wifi_enabled")


def test_a_name_that_only_a_condition_asks_for_counts_as_removed_if_it_is_refused() -> None:
    """It is looked at, and not kept."""
    when = {"name": "WPAPSK1", "has": ["guest"]}
    made = translator({"names": ["x"], "field": "wifi.guest_wifi_enabled", "when": when})

    assert read(made, ("x", "1"), ("WPAPSK1", "guest-pass"))[1] == {"local_only": 1}
    assert Beside({}, ()).holds(made._map.alias[0], ()) is False


@pytest.mark.parametrize(
    ("combine", "values", "made"),
    [
        ("first", ["x", 7, 3], 7),
        ("lowest", [0, 7, 3], None),
        ("lowest", [5, 7, 3], 5),
        ("second", [5, 7, 3], 7),
        ("second", [5], None),
        ("sum", [0, 7, 3], 10),
        ("max", [1, 7, 3], 7),
        ("min", [1, 7, 3], 1),
        ("count", [5, 7, 0], 2),
        ("agreed", [7, 7], 7),
        ("agreed", [7, 3], None),
    ],
)
def test_instances_are_put_together(combine: str, values: list[Any], made: int | None) -> None:
    """In the order of their numbers; an unset value is none."""
    entry = {"names": ["S.{i}.N"], "field": "wifi.wifi_station_count", "unset": [0], "combine": combine}

    said = [(f"S.{n}.N", v) for n, v in enumerate(values, start=1)]
    tree, _ = read(translator(entry), *reversed(said))

    assert made == (tree.wifi.wifi_station_count if hasattr(tree.wifi, "wifi_station_count") else None)


def test_a_median_may_lie_between_two_values() -> None:
    """Of stations' levels."""
    entry = {"names": ["S.{i}.Level"], "field": "wifi.wifi_station_rssi_dbm_median", "combine": "median", "unset": [0]}

    tree, _ = read(translator(entry), *((f"S.{n}.Level", level) for n, level in enumerate((-40, -51, -70, -30, 0))))

    assert tree.wifi.wifi_station_rssi_dbm_median == -45.5


def test_the_best_of_several_states_is_the_one_listed_first() -> None:
    """A router with one way out is connected, whatever its other interfaces say."""
    states = {"Connected": "connected", "Connecting": "connecting", "Disconnected": "disconnected", "Unconfigured": ""}
    entry = {"names": ["P.{i}.State"], "field": "network.wan_connection_state", "values": states, "combine": "best"}

    tree, removed = read(
        translator(entry), ("P.1.State", "Disconnected"), ("P.2.State", "CONNECTED"), ("P.3.State", "Unconfigured")
    )

    assert ("connected", {}) == (tree.network.wan_connection_state, removed)


def test_of_several_entries_the_first_that_says_something_wins() -> None:
    """Not a sum over all of them."""
    first = {"names": ["SSID.{i}.Errors"], "field": "wifi.wifi_driver_errors_total", "combine": "sum"}
    second = {"names": ["Radio.{i}.Errors"], "field": "wifi.wifi_driver_errors_total", "combine": "sum"}
    made = translator(first, second)

    both = (("Radio.1.Errors", 9), ("SSID.1.Errors", 2), ("SSID.2.Errors", 3))

    assert read(made, *both)[0].wifi.wifi_driver_errors_total == 5
    assert read(made, *both[:1])[0].wifi.wifi_driver_errors_total == 9
    assert read(made, both[0], ("SSID.1.Errors", "?"))[0].wifi.wifi_driver_errors_total == 9


def test_parts_of_one_value_are_of_one_instance() -> None:
    """The mask of one interface is not that of another."""
    entry = {
        "names": ["I.{i}.Address", "I.{i}.Mask"],
        "joined": True,
        "field": "network.lan_ipv4",
        "convert": "ipv4_network",
    }

    tree, removed = read(
        translator(entry),
        ("I.1.Address", "10.0.0.1"),
        ("I.2.Mask", "255.255.255.0"),
        ("I.2.Address", "192.168.1.1"),
    )

    assert ("192.168.1.1/24", {}) == (tree.network.lan_ipv4, removed)


def test_half_a_serving_network_is_a_network_that_cannot_be_read() -> None:
    """It names a country, so it must not pass for none (3.2)."""
    made = translator({"names": ["mcc", "mnc"], "joined": True, "field": "network.plmn"}, unset=[""])

    assert read(made, ("mcc", "262"), ("mnc", ""))[1] == {"invalid": 1}
    assert read(made, ("mcc", ""), ("mnc", ""))[1] == {}


@pytest.mark.parametrize(
    "name",
    [
        "X_ZTE-COM_SINR", "X_ZTE_COM_SINR", "X_RDK_SINR", "X_RDKCENTRAL-COM_SINR", "X_00256D_SINR", "X_CT-COM_SINR",
        "X_AVM-DE_SINR",
    ],
)  # fmt: skip
def test_an_extension_may_be_anybodys(name: str) -> None:
    """An OUI or a domain name, its dots as hyphens or underscores (TR-106)."""
    made = translator({"names": ["Device.Cellular.Interface.{i}.X_{v}_SINR"], "field": "signal.sinr_db"})

    assert read(made, (f"Device.Cellular.Interface.1.{name}", 7))[0].signal.sinr_db == 7
    assert "X_{v}_SINR" == of_any_vendor(name)


def test_whose_extension_it_is_counts_where_the_entry_says_so() -> None:
    """Units differ between vendors."""
    made = translator(
        {"names": ["X_{v}_RSRP"], "field": "signal.rsrp_dbm"},
        {"names": ["X_ACME_RSRP"], "field": "signal.rsrp_dbm", "convert": "tenths"},
    )

    assert read(made, ("X_ACME_RSRP", -912))[0].signal.rsrp_dbm == -91.2
    assert read(made, ("X_OTHER_RSRP", -91))[0].signal.rsrp_dbm == -91
    assert read(made, ("x_other_rsrp", -91))[1] == {"unknown": 1}


def test_a_whole_path_is_not_known_by_its_end() -> None:
    """The time the agent has run is not that of the router."""
    entry = {"names": ["Device.DeviceInfo.UpTime"], "field": "router.uptime_seconds"}
    generic = {"names": ["Device.DHCPv4.Server.Enable"], "field": "settings.dhcp_server_enabled"}
    made = translator(entry, generic, prefixes=["Device."], tails=True, generic=["Enable"])

    assert read(made, ("info.UpTime", 5))[0].router.uptime_seconds == 5
    assert read(made, ("Device.LocalAgent.UpTime", 5))[1] == {"unknown": 1}
    assert read(made, ("dhcp.Enable", True))[1] == {"unknown": 1}
    assert read(made, ("x.Server.Enable", True))[0].settings.dhcp_server_enabled is True


# ------------------------------------------------------------------------------------------------------------ events

REASONS = {
    "names": ["Reboot.{i}.Reason"],
    "field": "event.reboot_reason",
    "event": "unexpected_reboot",
    "words": {"userspace": "unknown", "watchdog": "watchdog", "power": "power_loss", "user": "user"},
}
TIMES = {"names": ["Reboot.{i}.TimeStamp"], "field": "event.time", "event": "unexpected_reboot"}
COUNT = {
    "names": ["WatchdogBootCount"],
    "field": "event.watchdog_reboots_total",
    "event": "unexpected_reboot",
    "joins": True,
}
SAMPLE = datetime.fromtimestamp(NOW / 1000, UTC)


def test_each_object_that_tells_of_an_event_makes_one_with_its_own_time() -> None:
    """A table of restarts."""
    earlier = SAMPLE - timedelta(hours=3)
    tree, removed = read(
        translator(REASONS, TIMES, COUNT),
        ("Reboot.1.Reason", "Hardware watchdog bark"),
        ("Reboot.1.TimeStamp", earlier.isoformat()),
        ("Reboot.2.Reason", "Power lost"),
        ("Reboot.2.TimeStamp", (earlier + timedelta(hours=1)).isoformat()),
        ("WatchdogBootCount", 4),
    )

    told = [(event.time, event.reboot_reason, event.watchdog_reboots_total) for event in tree.events]
    assert [(earlier, "watchdog", 4), (earlier + timedelta(hours=1), "power_loss", 4)] == told
    assert removed == {}


@pytest.mark.parametrize("when", ["", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2026-11-19T16:00:00Z", None])
def test_an_event_that_was_long_ago_or_nobody_knows_when_is_none(when: str | None) -> None:
    """It was told before; tables are sent again and again."""
    made = translator(REASONS, TIMES, unset=[""])
    times = [] if when is None else [("Reboot.1.TimeStamp", when)]

    assert not read(made, ("Reboot.1.Reason", "watchdog"), *times)[0].events


def test_what_only_joins_an_event_makes_none() -> None:
    """A count of restarts is no restart."""
    assert not read(translator(REASONS, TIMES, COUNT), ("WatchdogBootCount", 4))[0].events


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Watchdog", "watchdog"),
        ("hw watchdog reset", "watchdog"),
        ("Userspace crash in wpad", "unknown"),
        ("reset by user", "user"),
        ("superuser", None),
        ("Anna's birthday", None),
        ("", None),
    ],
)
def test_a_text_becomes_the_code_of_a_word_in_it(text: str, reason: str | None) -> None:
    """And nothing of the text is kept (F8)."""
    tree, removed = read(translator(REASONS), ("Reboot.1.Reason", text))

    assert reason == (tree.events[0].reboot_reason if tree.events else None)
    assert removed == {}


def test_an_event_may_be_said_with_yes_or_no() -> None:
    """Without a member of its own."""
    made = translator({"names": ["Upgrade"], "event": "software_version_outdated"})

    assert [event.event for event in read(made, ("Upgrade", "true"))[0].events] == ["software_version_outdated"]
    assert not read(made, ("Upgrade", "false"))[0].events
    assert read(made, ("Upgrade", "perhaps"))[1] == {"invalid": 1}


def test_an_event_is_none_where_the_sample_says_otherwise() -> None:
    """The last error of a spare interface is no disconnect of a router that is connected."""
    state = {"names": ["State"], "field": "network.wan_connection_state"}
    error = {
        "names": ["P.{i}.Error"],
        "field": "event.disconnect_cause",
        "event": "wan_unexpected_disconnect",
        "values": {"ERROR_NO_CARRIER": "no_carrier", "ERROR_NONE": ""},
        "unless": {"field": "network.wan_connection_state", "is": ["connected"]},
    }
    made, lost = translator(state, error), ("P.1.Error", "ERROR_NO_CARRIER")

    assert [event.disconnect_cause for event in read(made, lost, ("State", "disconnected"))[0].events] == ["no_carrier"]
    assert not read(made, lost, ("State", "connected"))[0].events
    assert [event.disconnect_cause for event in read(made, lost)[0].events] == ["no_carrier"]
    assert not read(made, ("P.1.Error", "ERROR_NONE"))[0].events
