"""What a fleet publishes: realistic reports of the wire format v1, encoded beforehand but for id, time and packet id.

Rule 1: the n-th message of a fleet is the same whoever asks, so what must be stored can be worked out afterwards.
Rule 2: every message id is used once; a router's time never goes back.
Rule 3: every router, message and number in here is made up.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
import orjson

from collector.model import Region

SHAPES: Final = ("radio", "wifi", "settings", "fault")
"""The four messages a router sends."""
_TURNS: Final = (0, 1, 0, 2, 0, 1, 0, 3, 0, 1, 0, 2, 0, 1, 0, 0, 2, 1, 0, 3)
"""The shapes in the order a router sends them: half radio, a quarter Wi-Fi, the rest settings and faults."""
_UNFLAGGED: Final = 20
"""One message in so many carries no flag: 5 %."""
_LEAKY: Final = 33
"""One in so many carries a key that must never leave a router: 3 %."""
_ID_WIDTH: Final = 12
_ID, _TIME, _FLAG = b'"\x01"', b'"\x02"', b'"ueip":3,'
_HOMES: Final = (
    (Region.GERMANY, "DE", ("26201", "26202", "26203")),
    (Region.GERMANY, "FR", ("20801", "20810")),
    (Region.CHINA, "CN", ("46000", "46001", "46011")),
    (Region.HONG_KONG, "HK", ("45400", "45403")),
    (Region.HONG_KONG, "TH", ("52001", "52004")),
)


@dataclass(frozen=True, slots=True)
class Template:
    """One shape of one router. What varies stands between the parts; both may hold the time more than once."""

    head: bytes
    flagged: bytes
    rest: tuple[bytes, ...]
    leak: bytes

    def payload(self, number: int, when: bytes, *, flagged: bool = True, leaky: bool = False) -> bytes:
        """The report with the id made of *number*; *when* is RFC 3339 in quotes."""
        rest = when.join(self.rest)
        tail = rest[:-1] + self.leak if leaky else rest
        return b'%s"%0*d"%s%s' % (self.head, _ID_WIDTH, number, self.flagged if flagged else b",", tail)


@dataclass(frozen=True, slots=True)
class Router:
    """One router: what names it, its region, its reports."""

    name: str
    region: Region
    topic: bytes
    templates: tuple[Template, ...]


class Kind(msgspec.Struct, frozen=True, gc=False):
    """What is said of the n-th message of a connection, beside its text."""

    router: int
    shape: int
    flagged: bool
    leaky: bool


def kind_of(number: int, routers: int) -> Kind:
    """Router, shape and faults of message *number* of a fleet of *routers*."""
    turn, router = divmod(number, routers)
    # A stride that shares no factor with the fleet, so that neighbours in time are not neighbours in the store.
    router = router * 7919 % routers if routers % 7919 else router
    shifted = number + turn  # or the same routers would be without a flag for ever
    return Kind(router, _TURNS[(turn + router) % 20], shifted % _UNFLAGGED != 7, shifted % _LEAKY == 5)


def message_id(number: int) -> str:
    """The id of message *number*."""
    return f"{number:0{_ID_WIDTH}d}"


def time_text(seconds: float) -> bytes:
    """A time as the templates take it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime('"%Y-%m-%dT%H:%M:%SZ"').encode()


def fleet(size: int, seed: int = 1) -> list[Router]:
    """A fleet of *size* routers in all regions; the same seed gives the same fleet."""
    return [
        _router(random.Random(f"{seed}/{number}"), f"ZTEB{seed:02d}C{number:06d}", number) for number in range(size)
    ]


def expected(routers: list[Router], numbers: range) -> Iterator[tuple[Router, str]]:
    """Router and message id of every message of *numbers* that must be stored."""
    for number in numbers:
        kind = kind_of(number, len(routers))
        if kind.flagged:
            yield routers[kind.router], message_id(number)


def _router(rng: random.Random, serial: str, number: int) -> Router:
    region, country, plmns = _HOMES[number % len(_HOMES)]
    plmn = rng.choice(plmns)
    shapes = (_radio(rng, plmn), _wifi(rng, serial, country), _settings(rng, plmn), _fault(rng, plmn))
    named = {"serial": serial, "imei": _imei(rng), "software_version": rng.choice(("B04", "B05", "B07"))}
    templates = tuple(_template(country, {**shape, "router": {**named, **shape["router"]}}) for shape in shapes)
    return Router(serial, region, f"ueip/v1/{serial}/report".encode(), templates)


def _template(country: str, groups: dict[str, Any]) -> Template:
    report = {
        "schema_version": 1,
        "message_id": "\x01",
        "ueip": 3,
        "policy_version": "2020-03-14",
        "country": country,
        "time": "\x02",
        **groups,
    }
    text = orjson.dumps(report).replace(b'"\\u0001"', _ID).replace(b'"\\u0002"', _TIME)
    head, rest = text.split(_ID)
    rest = rest.removeprefix(b"," + _FLAG)
    leak = b',"sms":[{"number":"+491550000001","content":"leaked-sms your code: 0000"}]}'
    return Template(head, b',"ueip":true,', tuple(rest.split(_TIME)), leak)


def _imei(rng: random.Random) -> str:
    digits = f"35693803{rng.randrange(10**6):06d}"
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(digits)))
    return digits + str(-total % 10)


def _uptime(rng: random.Random) -> dict[str, Any]:
    return {"uptime_seconds": rng.randrange(600, 2_500_000)}


def _network(rng: random.Random, plmn: str) -> dict[str, Any]:
    return {
        "plmn": plmn,
        "rat": rng.choice(("lte", "lte_ca", "nr_nsa")),
        "wan_connection_state": "connected",
        "roaming_state": "home",
        "wan_uptime_seconds": rng.randrange(60, 90_000),
    }


def _signal(rng: random.Random) -> dict[str, Any]:
    return {
        "rssi_dbm": rng.randrange(-90, -50),
        "rsrp_dbm": rng.randrange(-120, -70),
        "rsrq_db": round(rng.uniform(-18, -5), 1),
        "sinr_db": round(rng.uniform(-5, 28), 1),
        "signal_bars": rng.randrange(6),
    }


def _usage(rng: random.Random) -> dict[str, Any]:
    return {
        "wan_rx_bytes_month": rng.randrange(10**11),
        "wan_tx_bytes_month": rng.randrange(10**10),
        "downlink_bytes_per_second": rng.randrange(10**7),
    }


def _radio(rng: random.Random, plmn: str) -> dict[str, Any]:
    power = {"battery_percent": rng.randrange(5, 100), "battery_charging": False}
    groups = {"network": _network(rng, plmn), "signal": _signal(rng), "power": power, "usage": _usage(rng)}
    return {"router": _uptime(rng), **groups}


def _wifi(rng: random.Random, serial: str, country: str) -> dict[str, Any]:
    group = {
        "ssid_2g": f"ZTE_{serial[-6:]}",
        "ssid_5g": f"ZTE_{serial[-6:]}_5G",
        "wifi_enabled": True,
        "wifi_channel_2g": rng.choice((1, 6, 11)),
        "wifi_security_mode_2g": "wpa2",
        "wifi_channel_5g": rng.choice((36, 44, 100)),
        "wifi_bandwidth_5g_mhz": 80,
        "wifi_station_count": rng.randrange(12),
        "wifi_regulatory_country": country,
        "wifi_station_rssi_dbm_min": rng.randrange(-90, -60),
        "wifi_station_rssi_dbm_median": rng.randrange(-60, -40),
        "wifi_driver_errors_total": rng.randrange(40),
    }
    return {"router": _uptime(rng), "wifi": group}


def _settings(rng: random.Random, plmn: str) -> dict[str, Any]:
    wan = f"100.{rng.randint(64, 127)}.{rng.randrange(256)}.{rng.randint(1, 254)}"
    settings = {
        "lan_domain": "zte.home",
        "dhcp_server_enabled": True,
        "firewall_enabled": True,
        "firewall_policy_level": "medium",
        "port_forward_rule_count": rng.randrange(3),
        "upnp_enabled": rng.random() < 0.6,
        "available_software_version": "B07",
    }
    network = {**_network(rng, plmn), "wan_ipv4": wan, "lan_ipv4": "192.168.0.1/24"}
    about = {
        "mac": ":".join(f"{octet:02X}" for octet in (2, *rng.randbytes(5))),
        "manufacturer": "ZTE",
        "model_name": rng.choice(("MF920U", "MF971V", "MF927U")),
    }
    sim = {"imsi": plmn + f"{rng.randrange(10**10):010d}"}
    return {"router": about, "sim": sim, "network": network, "settings": settings}


def _fault(rng: random.Random, plmn: str) -> dict[str, Any]:
    lost = {**_network(rng, plmn), "wan_connection_state": "disconnected"}
    event = {
        "event": "wan_unexpected_disconnect",
        "time": "\x02",
        "disconnect_cause": "radio_link_failure",
        "cell_id": rng.randrange(2**28),
        "disconnect_snapshot": {"network": lost, "signal": _signal(rng)},
    }
    return {"router": {}, "events": [event]}
