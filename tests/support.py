"""What tests share: rules with keys of their own, a complete v1 document, messages, and generated documents."""

import json
import secrets
from collections.abc import Mapping, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from collector.config import Settings
from collector.fields.catalogue import (
    GROUPS,
    SNAPSHOT_GROUPS,
    Catalogue,
    FieldEntry,
    Group,
    InputEntry,
    load_catalogue,
)
from collector.model import (
    Accepted,
    ConsentChange,
    ConsentRefused,
    Dropped,
    Message,
    Outcome,
    Record,
    Region,
    Removal,
    Several,
)
from collector.pipeline import Rules, process
from collector.pseudonym import Key, Pseudonymiser
from collector.rules import assemble

ROOT = Path(__file__).resolve().parent.parent
NOW = datetime(2026, 11, 21, 17, 0, 30, tzinfo=UTC)
"""When messages in tests are received, unless they say otherwise."""
ROUTER = "ZTE1024300012"
"""The serial number of the router that sends in tests."""
IMEI = "490154203237518"
POLICY = "2020-03-14"

Document = dict[str, Any]


def milliseconds(when: datetime) -> int:
    """Milliseconds since 1970, as the collector counts time."""
    return round(when.timestamp() * 1000)


def text_of(when: datetime) -> str:
    """RFC 3339 UTC to the second, as routers write time."""
    return when.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


RECEIVED_AT = milliseconds(NOW)


# ------------------------------------------------------------------------------------------------------------ rules


def settings_of(served: Sequence[Region] = tuple(Region), **sections: Any) -> Settings:
    """Settings that serve these regions; their stores and key files are named and never opened."""
    places = {
        region.value: {"store": f"{region}.db", "key_files": [f"{region}.key"], "retention_days": 365}
        for region in served
    }
    own = sections.pop("regions", {})
    return Settings.model_validate({"regions": {"enabled": [*served], **places, **own}, **sections})


def make_rules(
    served: Sequence[Region] = tuple(Region), *, keys: Mapping[Region, Sequence[bytes]] | None = None, **sections: Any
) -> Rules:
    """Rules with random keys, or with these; *sections* are those of the settings."""
    secret = keys or {region: [secrets.token_bytes(32)] for region in served}
    pseudonyms = {region: Pseudonymiser([Key(one) for one in secret[region]]) for region in served}
    return assemble(settings_of(served, **sections), pseudonyms)


@lru_cache(1)
def standard_rules() -> Rules:
    """Rules with default settings and random keys that serve all regions. Do not close routers in them."""
    return make_rules()


@lru_cache(1)
def catalogue() -> Catalogue:
    """The shipped catalogue."""
    return load_catalogue()


# --------------------------------------------------------------------------------------------------------- messages


def minimal_document(**more: Any) -> Document:
    """The least that a report must say to be kept."""
    return {
        "schema_version": 1,
        "message_id": "m-1",
        "ueip": True,
        "country": "DE",
        "time": text_of(NOW - timedelta(seconds=30)),
        **more,
    }


def event(kind: str = "wan_unexpected_disconnect", **more: Any) -> Document:
    """A fault event of ten minutes ago."""
    return {"event": kind, "time": text_of(NOW - timedelta(minutes=10)), **more}


def complete_document() -> Document:
    """A report with all that a router may say, except what the collector works out from it."""
    return deepcopy(_COMPLETE)


WORKED_OUT = ("wan_ip_class", "lan_wan_subnet_overlap", "ssid_is_default", "lan_domain_is_default")
"""Fields a router may send, or may leave to the collector, which is what `complete_document` does."""

_NETWORK = {
    "wan_ipv4": "100.72.14.9",
    "wan_ipv6": "2a02:3030:61::1",
    "lan_ipv4": "192.168.0.1/24",
    "plmn": "26201",
    "rat": "nr_nsa",
    "wan_connection_state": "connected",
    "roaming_state": "home",
    "wan_bearer": "cellular",
    "wan_uptime_seconds": 86_000,
    "apn_class": "operator_default",
    "wan_disconnects_day": 2,
}
_SIGNAL = {
    "rssi_dbm": -63,
    "rsrp_dbm": -92.5,
    "rsrq_db": -11,
    "sinr_db": 13.5,
    "rscp_dbm": -80,
    "ecno_db": -7,
    "signal_bars": 4,
}
_WIFI = {
    "ssid_2g": "Haus am See",
    "ssid_5g": "Haus am See",
    "wifi_enabled": True,
    "wifi_enabled_2g": True,
    "wifi_channel_2g": 6,
    "wifi_bandwidth_2g_mhz": 20,
    "wifi_mode_2g": "ax",
    "wifi_security_mode_2g": "wpa2_wpa3",
    "wifi_ssid_hidden_2g": False,
    "wifi_ap_isolation_2g": False,
    "wifi_max_stations_2g": 32,
    "wifi_enabled_5g": True,
    "wifi_channel_5g": 100,
    "wifi_bandwidth_5g_mhz": 80,
    "wifi_mode_5g": "ax",
    "wifi_security_mode_5g": "wpa3",
    "wifi_ssid_hidden_5g": False,
    "wifi_ap_isolation_5g": True,
    "wifi_max_stations_5g": 64,
    "wifi_station_count": 7,
    "wifi_station_count_2g": 2,
    "wifi_station_count_5g": 5,
    "wifi_band_steering_enabled": True,
    "guest_wifi_enabled": False,
    "guest_wifi_security_mode": "wpa2",
    "guest_station_count": 0,
    "guest_wifi_isolation": True,
    "wifi_tx_power_percent": 100,
    "wifi_regulatory_country": "DE",
    "wifi_idle_timeout_minutes": 10,
    "wifi_station_rssi_dbm_min": -78,
    "wifi_station_rssi_dbm_median": -56.5,
    "wifi_association_failures_total": 3,
    "wifi_driver_errors_total": 0,
    "wifi_driver_error_code": -110,
    "wifi_coverage_mode": "long",
    "wifi_password_strength_2g": "high",
    "wifi_password_strength_5g": "high",
    "wifi_password_strength_guest": "low",
}
_POWER = {
    "battery_percent": 81,
    "battery_discharge_percent_per_hour": 4.5,
    "battery_voltage_mv": 3912,
    "battery_temperature_celsius": 31.5,
    "battery_charging": False,
    "battery_long_charge_mode": True,
}
_USAGE = {
    "wan_rx_bytes_month": 81_234_567_890,
    "wan_tx_bytes_month": 1_048_577,
    "uplink_bytes_per_second": 125_000,
    "downlink_bytes_per_second": 3_400_000,
    "data_alert_percent": 90,
}
_COMPLETE: Document = {
    "schema_version": 1,
    "message_id": "4f3c2a10-0001",
    "ueip": True,
    "policy_version": POLICY,
    "country": "DE",
    "time": text_of(NOW - timedelta(seconds=30)),
    "uptime_at_event_seconds": 4_242_000,
    "uptime_at_send_seconds": 4_242_030,
    "router": {
        "serial": ROUTER,
        "imei": IMEI,
        "mac": "d8:0a:e6:01:02:03",
        "manufacturer": "ZTE",
        "device_type": "cpe",
        "model_name": "MC888",
        "software_version": "BD_MC888V1.0.0B05",
        "hardware_version": "MC888HW1.1",
        "uptime_seconds": 4_242_000,
    },
    "sim": {"imsi": "262011234567890", "iccid": "8949020000012345678"},
    "network": _NETWORK,
    "signal": _SIGNAL,
    "wifi": _WIFI,
    "power": _POWER,
    "usage": _USAGE,
    "session": {
        "acs_session_seconds_current": 300,
        "acs_session_start_time": "2026-11-21T16:55:29Z",
        "acs_session_end_time": "2026-11-21T12:30:59Z",
        "acs_session_seconds": 86_399,
        "acs_session_seconds_total": 4_100_000,
    },
    "settings": {
        "lan_domain": "zte.home",
        "dhcp_server_enabled": True,
        "auto_update_check_enabled": True,
        "sleep_schedule_enabled": False,
        "led_schedule_enabled": True,
        "firewall_enabled": True,
        "firewall_policy_level": "medium",
        "port_forward_rule_count": 2,
        "upnp_enabled": False,
        "dmz_enabled": False,
        "remote_management_enabled": False,
        "wan_ping_blocked": True,
        "available_software_version": "BD_MC888V1.0.0B06",
    },
    "events": [
        event(
            cell_id=27_447_297,
            disconnect_cause="radio_link_failure",
            nas_cause_code=15,
            disconnect_snapshot={
                "network": _NETWORK,
                "signal": _SIGNAL,
                "wifi": _WIFI,
                "power": _POWER,
                "usage": _USAGE,
            },
        ),
        event("unexpected_reboot", reboot_reason="watchdog", watchdog_reboots_total=3),
        event("wifi_driver_error", wifi_driver_error_code=-110),
        event("software_version_outdated", available_software_version="BD_MC888V1.0.0B06"),
        event("data_limit_exceeded", data_alert_percent=90),
        event("wifi_short_range"),
        event("abnormal_data", fault_code="MDM.0x17", fault_component="modem", fault_severity="major", fault_count=2),
    ],
}


def message(
    payload: Document | bytes | str | None = None,
    *,
    router: str = ROUTER,
    topic: str | None = None,
    retained: bool = False,
    received_at: int = RECEIVED_AT,
) -> Message:
    """A message of *router*; a document is written as JSON, text and bytes are sent as they are."""
    content = minimal_document() if payload is None else payload
    raw = content if isinstance(content, bytes) else content.encode() if isinstance(content, str) else encode(content)
    return Message(topic=topic or f"ueip/v1/{router}/report", payload=raw, retained=retained, received_at=received_at)


def encode(document: Any) -> bytes:
    """*document* as routers send it: compact, UTF-8, nothing escaped that need not be."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def decide(payload: Document | bytes | str | None = None, rules: Rules | None = None, **more: Any) -> Outcome:
    """What becomes of a message."""
    return process(message(payload, **more), rules or standard_rules())


def kept(payload: Document | bytes | str | None = None, rules: Rules | None = None, **more: Any) -> Record:
    """The record of a message that is accepted."""
    outcome = decide(payload, rules, **more)
    assert isinstance(outcome, Accepted), reason_in(outcome)
    return outcome.record


def body_of(payload: Document | bytes | str | None = None, rules: Rules | None = None, **more: Any) -> Document:
    """The body of the record of a message that is accepted."""
    body: Document = json.loads(kept(payload, rules, **more).body)
    return body


def removed_of(payload: Document | bytes | str | None = None, rules: Rules | None = None, **more: Any) -> Document:
    """What was removed from a message that is accepted, by kind."""
    return removals(kept(payload, rules, **more))


def removals(record: Record) -> dict[str, int]:
    """The counts of what was left out of a record."""
    return {Removal(name).value: count for name, count in record.stripped}


def reason_of(payload: Document | bytes | str | None = None, rules: Rules | None = None, **more: Any) -> str:
    """Why a message is dropped, or "accepted"."""
    return reason_in(decide(payload, rules, **more))


def reason_in(outcome: Outcome) -> str:
    """The drop reason of an outcome, or the kind of outcome."""
    match outcome:
        case Dropped(reason=reason) | ConsentRefused(reason=reason):
            return reason.value
        case ConsentChange():
            return "consent change"
        case Several():
            return "several"
        case Accepted():
            return "accepted"


def without(document: Document, *names: str) -> Document:
    """A copy of *document* that lacks these keys."""
    return {name: value for name, value in document.items() if name not in names}


def everything_in(record: Record) -> bytes:
    """All that a record holds, written out, so that a canary in any part of it is found."""
    parts = [getattr(record, name) for name in record.__struct_fields__]
    nouns = [part for part in parts if hasattr(part, "__struct_fields__")]
    inner = [getattr(noun, name) for noun in nouns for name in noun.__struct_fields__]
    return repr([*parts, *inner]).encode()


# ---------------------------------------------------------------------------------------------- generated documents

JSON_LEAVES: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "true", "26201", "{}", "[[[", "e30=", "a=b;c=d", 2**63, -(2**63) - 1, 10**30, 1e308])
)


def json_values(max_leaves: int = 12) -> st.SearchStrategy[Any]:
    """Anything that looks like JSON, NaN and lone surrogates included."""
    keys = st.sampled_from(known_names()) | st.text(max_size=12)
    return st.recursive(
        JSON_LEAVES,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=max_leaves,
    )


@lru_cache(1)
def known_names() -> list[str]:
    """Every key a v1 report may hold."""
    book = catalogue()
    top = ["schema_version", "message_id", "ueip", "policy_version", "country", "time", "uptime_at_event_seconds"]
    fields = [entry.name for entry in (*book.field, *book.input)]
    return [*top, "uptime_at_send_seconds", "events", "event", *GROUPS, *fields]


@st.composite
def clean_documents(draw: st.DrawFn) -> Document:
    """Reports that hold nothing but catalogue fields with values within their bounds."""
    document = minimal_document()
    document["country"] = draw(st.sampled_from(["DE", "FR", "AT", "GB"]))
    for group in GROUPS:
        if draw(st.booleans()):
            document[group] = draw(_group_values(group))
    if draw(st.booleans()):
        document["events"] = draw(st.lists(_events(), max_size=4))
    if "router" in document:  # any other serial or IMEI would be another router's
        document["router"] = without(document["router"], "serial", "imei")
    return document


def wire_entries(group: Group) -> list[FieldEntry | InputEntry]:
    """What a router may send in *group*, except the snapshot."""
    book = catalogue()
    fields = [entry for entry in book.in_group(group) if entry.on_the_wire and entry.type != "snapshot"]
    return [*fields, *book.inputs_of(group)]


@cache
def _group_values(group: Group) -> st.SearchStrategy[Document]:
    return st.fixed_dictionaries({}, optional={entry.name: values_of(entry) for entry in wire_entries(group)})


@cache
def _events() -> st.SearchStrategy[Document]:
    kinds = st.sampled_from([entry.name for entry in catalogue().event])
    times = st.integers(0, 3600 * 24 * 9).map(lambda ago: text_of(NOW - timedelta(seconds=ago)))
    snapshots = st.fixed_dictionaries({}, optional={group: _group_values(group) for group in SNAPSHOT_GROUPS})
    return st.fixed_dictionaries(
        {"event": kinds, "time": times},
        optional={
            **{entry.name: values_of(entry) for entry in wire_entries("event")},
            "disconnect_snapshot": snapshots,
        },
    )


def values_of(entry: FieldEntry | InputEntry) -> st.SearchStrategy[Any]:
    """Values that the catalogue allows for *entry*."""
    low, high = entry.min or 0, entry.max or 0
    digits = st.text("0123456789", min_size=entry.min_length or 1, max_size=entry.max_length or 1)
    by_type: dict[str, st.SearchStrategy[Any]] = {
        "bool": st.booleans(),
        "int": st.integers(int(low), int(high)),
        "number": st.integers(int(low), int(high)) | st.floats(float(low), float(high)),
        "enum": st.sampled_from([*(entry.values or ("",))]),
        "list": st.sampled_from(["ZTE", "MC888", "Haus", "B\u00fcro"]),
        "ssid": st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=32),
        "digits": digits,
        "ver64": st.sampled_from(["1.0", "BD_MC888V1.0.0B05", "v2+b-1"]),
        "code32": st.sampled_from(["0x17", "MDM.42", "A-1_b"]),
        "plmn": st.sampled_from(["26201", "20801", "90137", "310260", "23430"]),
        "mcc": st.just("262"),
        "country": st.sampled_from(["DE", "CN"]),
        "time": st.datetimes(datetime(2026, 11, 1), NOW.replace(tzinfo=None)).map(lambda t: f"{t.isoformat()}Z"),  # noqa: DTZ001
        "imei": st.just(IMEI),
        "mac": st.sampled_from(["d8:0a:e6:01:02:03", "D80AE6010203"]),
        "ipv4": st.sampled_from(["10.0.0.2", "100.64.1.1", "8.8.8.8", "192.168.0.1/24", "0.0.0.0"]),
        "ipv6": st.sampled_from(["2a02:3030::1", "fd00::1", "fe80::1", "::", "2a02::1/64"]),
        "domain": st.sampled_from(["lan", "zte.home", "mueller.example"]),
        "text": st.just(ROUTER),
    }
    return by_type[entry.type]


def paths_in(document: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The place of every value in *document*, the outermost first."""
    found = [path]
    if isinstance(document, dict):
        for name, value in document.items():
            found += paths_in(value, (*path, name))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            found += paths_in(value, (*path, index))
    return found


def replaced(document: Any, path: tuple[str | int, ...], value: Any) -> Any:
    """A copy of *document* with *value* at *path*."""
    if not path:
        return value
    made = deepcopy(document)
    node = made
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return made


@st.composite
def spoiled_documents(draw: st.DrawFn) -> Any:
    """The complete document with a few of its values replaced by anything at all."""
    document: Any = complete_document()
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(paths_in(document)))
        document = replaced(document, path, draw(json_values(6)))
    return document
