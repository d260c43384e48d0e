"""The shipped catalogue is the one the notice allows: its fields, their rows, bounds and treatments, by hand."""

import pytest
from support import catalogue

from collector.fields.catalogue import GROUPS, SNAPSHOT_GROUPS, FieldEntry
from collector.fields.compiled import Compiled
from collector.fields.select import Selector

ROWS: dict[str, str] = {
    "U01": "manufacturer",
    "U02": "device_type",
    "U03": "model_name",
    "U04": "software_version",
    "U05": "device_ref",
    "U06": "serial_ref",
    "U07": "sim_ref home_mcc",
    "U10": "mac_ref",
    "U11": "wan_ip_class",
    "U12": "ssid_2g_ref ssid_5g_ref ssid_is_default",
    "U13": "lan_wan_subnet_overlap",
    "U14": "plmn",
    "U15": "cell_ref",
    "U16": "apn_class",
    "U17": "rat",
    "U18": "wan_connection_state",
    "U19": "rssi_dbm rsrp_dbm rsrq_db sinr_db rscp_dbm ecno_db signal_bars",
    "U20": "roaming_state",
    "U21": "wan_rx_bytes_month wan_tx_bytes_month",
    "U22": "wan_bearer wan_uptime_seconds",
    "U23": "uptime_seconds",
    "U24": "battery_percent",
    "U25": "battery_discharge_percent_per_hour battery_voltage_mv battery_temperature_celsius battery_charging",
    "U26": "battery_long_charge_mode",
    "U27": "wifi_enabled",
    "U28": "wifi_enabled_2g wifi_channel_2g wifi_bandwidth_2g_mhz wifi_mode_2g wifi_security_mode_2g "
    "wifi_ssid_hidden_2g wifi_ap_isolation_2g wifi_max_stations_2g",
    "U29": "wifi_station_count wifi_station_count_2g wifi_station_count_5g",
    "U30": "wifi_band_steering_enabled",
    "U31": "guest_wifi_enabled guest_wifi_security_mode guest_station_count guest_wifi_isolation",
    "U32": "wifi_enabled_5g wifi_channel_5g wifi_bandwidth_5g_mhz wifi_mode_5g wifi_security_mode_5g "
    "wifi_ssid_hidden_5g wifi_ap_isolation_5g wifi_max_stations_5g wifi_tx_power_percent wifi_regulatory_country "
    "wifi_idle_timeout_minutes",
    "U33": "wifi_station_rssi_dbm_min wifi_station_rssi_dbm_median wifi_association_failures_total",
    "U40": "dhcp_server_enabled auto_update_check_enabled sleep_schedule_enabled led_schedule_enabled",
    "U41": "lan_domain_is_default",
    "U42": "firewall_enabled firewall_policy_level port_forward_rule_count upnp_enabled dmz_enabled "
    "remote_management_enabled wan_ping_blocked",
    "U43a": "uplink_bytes_per_second",
    "U43b": "downlink_bytes_per_second",
    "U44": "wan_disconnects_day",
    "U45": "acs_session_seconds_current",
    "U46": "acs_session_start_time",
    "U47": "acs_session_end_time",
    "U48": "acs_session_seconds",
    "U49": "acs_session_seconds_total",
    "U50": "wifi_driver_errors_total wifi_driver_error_code",
    "U51": "wifi_coverage_mode",
    "U52": "wifi_password_strength_2g wifi_password_strength_5g wifi_password_strength_guest",
    "U53": "data_alert_percent",
    "U54": "available_software_version",
    "U55": "disconnect_cause nas_cause_code",
    "U56": "disconnect_snapshot",
    "U57": "reboot_reason watchdog_reboots_total",
    "U58": "fault_code fault_component fault_severity fault_count",
    "Z12": "carrier_name",
    "Z25": "hardware_version",
}
"""Row of the notice: the canonical fields it has (catalogue 1.2, and the two that 1.6 adds)."""

EVENTS = {
    "U50": "wifi_driver_error",
    "U51": "wifi_short_range",
    "U53": "data_limit_exceeded",
    "U54": "software_version_outdated",
    "U55": "wan_unexpected_disconnect",
    "U57": "unexpected_reboot",
    "U58": "abnormal_data",
}

WITHOUT_A_FIELD = "U09 U34 U35 U36 U37 U38 U39a U39b U59 U60".split()
"""Rows that leave nothing in a record: local-only, or kept elsewhere."""

BOUNDS: dict[str, tuple[float, float]] = {
    "rssi_dbm": (-120, -20),
    "rsrp_dbm": (-156, -31),
    "rsrq_db": (-43, 20),
    "sinr_db": (-23, 40),
    "rscp_dbm": (-120, -24),
    "ecno_db": (-24, 0),
    "signal_bars": (0, 5),
    "uptime_seconds": (0, 2**32),
    "battery_percent": (0, 100),
    "battery_discharge_percent_per_hour": (0, 100),
    "battery_voltage_mv": (0, 30_000),
    "battery_temperature_celsius": (-40, 125),
    "wifi_channel_2g": (0, 14),
    "wifi_max_stations_2g": (0, 255),
    "wifi_max_stations_5g": (0, 255),
    "wifi_station_count": (0, 255),
    "wifi_station_count_2g": (0, 255),
    "wifi_station_count_5g": (0, 255),
    "wan_disconnects_day": (0, 10_000),
    "data_alert_percent": (0, 100),
    "nas_cause_code": (0, 255),
}

WORDS: dict[str, str] = {
    "device_type": "cpe odu mifi ufi dongle mesh other",
    "wan_ip_class": "public_v4 private_v4 cgnat_v4 gua_v6 ula_v6 dual none",
    "apn_class": "operator_default custom none",
    "rat": "gsm umts hspa lte lte_ca nr_nsa nr_sa ethernet wifi_uplink none",
    "wan_connection_state": "connected connecting disconnecting disconnected limited no_service",
    "roaming_state": "home national international unknown",
    "wan_bearer": "cellular ethernet wifi_uplink none",
    "firewall_policy_level": "low medium high custom",
    "wifi_coverage_mode": "short medium long",
    "wifi_password_strength_2g": "none low medium high",
    "wifi_password_strength_5g": "none low medium high",
    "wifi_password_strength_guest": "none low medium high",
}

TREATMENTS = {
    "pseudonymise": "device_ref serial_ref sim_ref mac_ref ssid_2g_ref ssid_5g_ref cell_ref",
    "derive": "home_mcc wan_ip_class ssid_is_default lan_wan_subnet_overlap apn_class lan_domain_is_default "
    "carrier_name wifi_password_strength_2g wifi_password_strength_5g wifi_password_strength_guest",
    "coarsen": "wan_rx_bytes_month wan_tx_bytes_month wifi_station_rssi_dbm_min wifi_station_rssi_dbm_median "
    "wifi_association_failures_total acs_session_start_time acs_session_end_time fault_code fault_component "
    "fault_severity fault_count disconnect_snapshot",
}


def test_the_catalogue_has_the_fields_of_the_notice_and_no_other() -> None:
    """Complete list 1.6: a field that no row names is a new purpose."""
    expected = {name: row for row, names in ROWS.items() for name in names.split()}

    assert expected == {entry.name: entry.row for entry in catalogue().field}


def test_the_catalogue_has_the_events_of_the_notice_and_no_other() -> None:
    """One kind an abnormality that 003 names."""
    assert EVENTS == {entry.row: entry.name for entry in catalogue().event}


@pytest.mark.parametrize("row", WITHOUT_A_FIELD)
def test_rows_that_stay_on_the_router_have_neither_field_nor_input(row: str) -> None:
    """Phone numbers, contacts, messages, e-mail, voice, position; consent and identity proofs are elsewhere."""
    assert [] == [entry.name for entry in (*catalogue().field, *catalogue().input) if entry.row == row]


@pytest.mark.parametrize("row", [row for row in WITHOUT_A_FIELD if row not in {"U59", "U60"}])
def test_rows_that_stay_on_the_router_have_refused_names(row: str) -> None:
    """So that a router that sends them is noticed."""
    families = [family for family in catalogue().refused if row in family.rows and family.treatment == "local_only"]

    assert families
    assert any(family.names or family.paths for family in families)


@pytest.mark.parametrize("name", BOUNDS)
def test_bounds_are_those_of_the_notice(name: str) -> None:
    """Number by number, 3GPP ranges for the radio."""
    entry = catalogue().fields[name]

    assert BOUNDS[name] == (entry.min, entry.max)


@pytest.mark.parametrize("name", WORDS)
def test_words_are_those_of_the_notice(name: str) -> None:
    """Word by word."""
    assert tuple(WORDS[name].split()) == catalogue().fields[name].values


def test_channel_widths_are_numbers() -> None:
    """20 or 40 MHz on 2.4 GHz."""
    assert (20, 40) == catalogue().fields["wifi_bandwidth_2g_mhz"].values


def test_treatments_are_those_of_the_notice() -> None:
    """Every field that is more than kept, and no other."""
    expected = {treatment: set(names.split()) for treatment, names in TREATMENTS.items()}
    found = {
        treatment: {entry.name for entry in catalogue().field if entry.treatment == treatment}
        for treatment in TREATMENTS
    }

    assert expected == found


def test_every_value_is_bounded() -> None:
    """Numbers have bounds, text a pattern, a list or a length (F3)."""
    for entry in (*catalogue().field, *catalogue().input):
        if entry.type in {"int", "number"}:
            assert entry.min is not None, entry.name
            assert entry.max is not None, entry.name
        if entry.type in {"list", "ssid", "domain", "text", "digits", "ipv4", "ipv6"}:
            assert entry.max_length is not None, entry.name
            assert entry.max_length <= 253, entry.name


def test_no_field_is_free_text() -> None:
    """Codes, enums, closed lists and pseudonyms; never a description (F8, D13)."""
    kinds = {entry.type for entry in catalogue().field}

    assert kinds <= {
        *(
            "bool",
            "int",
            "number",
            "enum",
            "list",
            "ver64",
            "code32",
            "plmn",
            "mcc",
            "country",
            "time",
            "ref",
            "snapshot",
        )
    }
    assert [] == [entry.name for entry in catalogue().field if entry.type == "list" and entry.values_from is None]


def test_identifiers_and_names_are_inputs_and_never_fields() -> None:
    """What a router may say of itself so that something else can be stored."""
    expected = "serial imei mac imsi iccid wan_ipv4 wan_ipv6 lan_ipv4 ssid_2g ssid_5g lan_domain cell_id"

    assert set(expected.split()) == {entry.name for entry in catalogue().input}


def test_serial_and_mac_are_in_the_lookup_index_only() -> None:
    """Not in each record (003 II L17)."""
    places = {entry.name: entry.place for entry in catalogue().field if entry.place != "body"}

    assert {"device_ref": "envelope", "serial_ref": "registry", "mac_ref": "registry"} == places


def test_the_cell_is_on_events_only() -> None:
    """Never on periodic samples, nor in a snapshot group (D14)."""
    book = catalogue()
    elsewhere = [entry.name for group in GROUPS for entry in (*book.in_group(group), *book.inputs_of(group))]

    assert {"cell_id", "cell_ref"}.isdisjoint(elsewhere)
    assert "event" not in SNAPSHOT_GROUPS


def test_clauses_name_the_policies() -> None:
    """Each field says by which line of which text it may be collected."""
    for entry in catalogue().field:
        assert entry.clause[:3] in {"002", "003"}, entry.name
        assert entry.row.startswith("Z") or entry.clause.startswith("003"), entry.name


def test_the_code_has_a_treatment_for_every_field() -> None:
    """A field that is more than kept and that no code treats cannot be loaded; all are."""
    assert isinstance(Selector(Compiled(catalogue())), Selector)


def test_a_record_has_a_place_for_body_fields_only() -> None:
    """What is kept is built from structs that have no place for anything else."""
    compiled = Compiled(catalogue())
    body = {entry.name for entry in catalogue().field if entry.place == "body"}
    places = {name for group in (*GROUPS, "event") for name in compiled.kept[group].__struct_fields__}

    assert body | {"event", "time"} == places


def test_a_message_has_no_place_for_pseudonyms() -> None:
    """A router cannot skip pseudonymisation by sending something that looks pseudonymised."""
    refs = [entry for entry in catalogue().field if entry.type == "ref" or not entry.sent]

    assert isinstance(refs[0], FieldEntry)
    assert [] == [entry.name for entry in refs if entry.on_the_wire]
