"""collectd's value lists: one message a value, and what a router's messages of one interval say together."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from collector.derive import Derived, Memory, Sample, derive
from collector.fields.catalogue import load_catalogue
from collector.fields.clean import Cleaner
from collector.fields.compiled import Compiled
from collector.fields.names import RefusedNames
from collector.formats.adapters import make_sources
from collector.formats.collectd import Collectd
from collector.formats.reading import Options, Reading
from collector.formats.sources import Source
from collector.model import DropReason, Flag, Message, Part, Report
from collector.source_settings import SourceSettings

COMPILED = Compiled(load_catalogue())
RECEIVED_AT = 1_795_281_370_000


OPTIONS = Options(
    zone=ZoneInfo("UTC"),
    flagged=False,
    counters=False,
    names={},
    named=False,
    max_depth=16,
    spells_the_flag=lambda _: False,
)


def source(**more: Any) -> Source:
    """A source of collectd messages."""
    settings = SourceSettings(name="lab", topic="collectd/+/#", format="collectd", router_level=2, **more)
    sources = make_sources([settings], COMPILED, Cleaner(COMPILED, RefusedNames(COMPILED.catalogue)), 16)
    found = sources.of("collectd/openwrt-1/uptime/uptime")
    assert found is not None
    return found


def report(name: str, payload: bytes, **more: Any) -> Report | DropReason | None:
    """The one report of a value list, None for one that says nothing."""
    found = source(**more).read(Message(f"collectd/openwrt-1/{name}", payload, retained=False, received_at=RECEIVED_AT))
    if isinstance(found, DropReason):
        return found
    return found[0] if found else None


def test_a_value_list_ends_with_a_nul() -> None:
    """As the plugin sends it."""
    found = report("uptime/uptime", b"1795281366.793:1844\x00")

    assert isinstance(found, Report)
    assert ("openwrt-1", 1_795_281_366_793, Flag.NONE) == (found.router, found.time, found.flag)
    assert found.content.router.uptime_seconds == 1844
    assert found.interval == 1_795_281_366_793 // 60_000 * 60_000


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x00", b"1795281366.793", b"1795281366.793:", b"N:5\x00", b"-1:5", b"1795281366.793:5 6\x00", b"{}",
     b"\xff:1", b"1795281366.793:" + b"5:" * 40 + b"5", b"1795281366.793:" + b"9" * 50],
)  # fmt: skip
def test_what_is_no_value_list_is_malformed(payload: bytes) -> None:
    """One counted drop."""
    assert report("uptime/uptime", payload) is DropReason.MALFORMED


@pytest.mark.parametrize("value", [b"nan", b"nan:nan", b"-nan"])
def test_nan_is_no_measurement(value: bytes) -> None:
    """Of every counter the first sample is unknown."""
    assert report("uptime/uptime", b"1795281366.793:" + value + b"\x00") is None


def test_a_name_that_nobody_knows_says_nothing() -> None:
    """Memory is not collected."""
    assert report("memory/memory-free", b"1795281366.793:23761199104\x00") is None


def test_stations_of_several_radios_are_parts_of_one_value() -> None:
    """Put together at the commit; the instance's own name is not kept."""
    one, other = (report(f"iwinfo-phy{n}-ap0/stations", b"1795281366.798:%d\x00" % n) for n in (2, 3))
    assert isinstance(one, Report)
    assert isinstance(other, Report)

    [[first], [second]] = one.parts, other.parts
    assert (("wifi.wifi_station_count", 2), ("wifi.wifi_station_count", 3)) == (
        (first.field, first.value),
        (second.field, second.value),
    )
    assert first.key != second.key
    assert "phy" not in first.key
    assert one.message_id == other.message_id


def test_what_is_gathered_goes_on_when_the_intervals_are_made_longer() -> None:
    """A sample of the longer ones is later than all of the shorter ones, and is not taken for a forgotten one."""

    def said(memory: Memory | None, minute: int, seconds: int) -> Derived:
        payload = b"%d:3\x00" % (RECEIVED_AT // 1000 + 60 * minute)
        made = report("iwinfo-phy0-ap0/stations", payload, interval_seconds=seconds)
        assert isinstance(made, Report)
        assert made.time is not None
        return derive(memory, Sample(body={}, at=made.time, parts=made.parts, interval=made.interval))

    memory = None
    for minute in range(5):
        memory = said(memory, minute, 60).memory
    for minute in range(10, 1500, 5):
        derived = said(memory, minute, 300)
        memory = derived.memory
        assert ({"wifi.wifi_station_count": 3}, False) == (derived.fields, derived.late)


def test_rates_and_counters_are_told_apart_by_the_source_alone() -> None:
    """They come on the same topic."""
    name, payload = "interface-wwan0/if_octets", b"1795281366.794:1000.5:7\x00"

    rates, counters = report(name, payload), report(name, payload.replace(b".5", b""), counters=True)
    assert isinstance(rates, Report)
    assert isinstance(counters, Report)

    assert {"usage.downlink_bytes_per_second": 1000, "usage.uplink_bytes_per_second": 7} == {
        part.field: part.value for part in rates.parts
    }
    assert {("usage.downlink_bytes_per_second", 1000), ("usage.uplink_bytes_per_second", 7)} == {
        (part.field, part.value) for part in counters.counters or ()
    }
    assert () == rates.counters == counters.parts


def test_errors_are_counted_where_they_are_counters() -> None:
    """A rate of errors is no number of errors."""
    name, payload = "interface-wlan0/if_errors", b"1795281366.794:3:4\x00"

    counted = report(name, payload, counters=True)
    assert isinstance(counted, Report)

    assert [3, 4] == [part.value for part in counted.parts]
    assert report(name, payload) is None
    assert report("interface-eth0/if_errors", payload, counters=True) is None


def test_an_interface_may_be_given_another_name_by_the_source() -> None:
    """Which interface is the WAN only the operator knows."""
    found = report("interface-eth1/if_octets", b"1795281366.794:8:9\x00", names={"interface-eth1": "interface-wan"})

    assert isinstance(found, Report)
    assert {8, 9} == {part.value for part in found.parts}


def test_what_two_plugins_say_of_an_interface_is_one_value() -> None:
    """`netlink` and `interface` read the same counters; the source may give either another name."""
    payload = b"1795281366.794:3:4\x00"
    parts = [
        (part.key, part.value)
        for plugin in ("interface-wlan0", "netlink-wlan0")
        for part in _parts(f"{plugin}/if_errors", payload, counters=True)
    ]

    assert parts[:2] == parts[2:]
    renamed = _parts("netlink-eth7/if_octets", payload, names={"netlink-eth7": "interface-wan"})
    assert [3, 4] == [part.value for part in renamed]
    assert report("netlink-eth7/if_octets", payload) is None


def _parts(name: str, payload: bytes, **more: Any) -> tuple[Part, ...]:
    found = report(name, payload, **more)
    assert isinstance(found, Report)
    return found.parts


@pytest.mark.parametrize(("lost", "state"), [(b"0", "connected"), (b"0.5", "connected"), (b"1", "disconnected")])
def test_the_link_is_down_when_every_packet_is_lost(lost: bytes, state: str) -> None:
    """`ping_droprate`."""
    found = report("ping/ping_droprate-192.0.2.1", b"1795281366.794:" + lost + b"\x00")

    assert isinstance(found, Report)
    assert [state] == [part.value for part in found.parts]


@pytest.mark.parametrize(
    ("name", "value", "field", "kept"),
    [
        ("battery-0/voltage", b"3.98", "battery_voltage_mv", 3980),
        ("battery-BAT0/voltage", b"12.0614", "battery_voltage_mv", 12_061),
        ("battery-0/percent-charged", b"87.4321", "battery_percent", 87),
    ],
)
def test_a_battery_is_told_in_whole_numbers(name: str, value: bytes, field: str, kept: int) -> None:
    """It measures volts, and percents with fractions."""
    found = report(name, b"1795281366.794:" + value + b"\x00")

    assert isinstance(found, Report)
    assert kept == getattr(found.content.power, field)


def test_a_clock_that_was_not_set_is_no_time() -> None:
    """1970 proves nothing."""
    found = report("uptime/uptime", b"12.500:5\x00")

    assert isinstance(found, Report)
    assert found.time is None


@pytest.mark.parametrize("topic", ["uptime", ""])
def test_a_topic_without_plugin_and_type_is_unknown(topic: str) -> None:
    """Host, plugin, type."""
    assert report(topic, b"1795281366.793:1844\x00") is DropReason.UNKNOWN_TOPIC


T = b"1795281366.793:"
RX, TX = "usage.downlink_bytes_per_second", "usage.uplink_bytes_per_second"
ERRORS, STATIONS = "wifi.wifi_driver_errors_total", "wifi.wifi_station_count"
LINK, UPTIME = "network.wan_connection_state", "router.uptime_seconds"


@pytest.mark.parametrize(
    ("counters", "name", "values", "said"),
    [
        (False, "uptime/uptime", b"1844\n\0", {UPTIME: 1844}),
        (False, "uptime/uptime", b"1844", {UPTIME: 1844}),
        (False, "uptime/uptime", b"1844.7\0", {UPTIME: 1845}),
        (False, "uptime/uptime", b"1.8e3\0", {UPTIME: 1800}),
        (False, "uptime/uptime", b"-5\0", {}),
        (False, "uptime/uptime", b"U\0", {}),
        (False, "uptime/uptime", b"inf\0", {}),
        (False, "uptime/uptime", b"\xff7\0", {}),
        (False, "uptime/uptime", b"5:6\0", {}),
        (False, "interface-wan/if_octets", b"1e3:2.5e2\0", {RX: 1000, TX: 250}),
        (False, "interface-wan.10/if_octets", b"1000:250\0", {RX: 1000, TX: 250}),
        (False, "interface-pppoe-wan/if_octets", b"1:2\0", {RX: 1, TX: 2}),
        (False, "netlink-rmnet_data0/if_octets", b"1:2\0", {RX: 1, TX: 2}),
        (False, "interface-wwan0/if_octets", b"nan:250\0", {TX: 250}),
        (False, "interface-wwan0/if_octets", b"-1:250\0", {TX: 250}),
        (False, "interface-br-lan/if_octets", b"1:2\0", {}),
        (False, "interface-wlan0/if_octets", b"1:2\0", {}),
        (False, "interface-wlan0/if_errors", b"0.1:0\0", {}),
        (True, "interface-wlan0-1/if_errors", b"3:0\0", {ERRORS: 3}),
        (True, "interface-phy0-ap0/if_errors", b"4294967295:1\0", {ERRORS: 4_294_967_296}),
        (True, "netlink-ra0/if_errors", b"nan:3\0", {ERRORS: 3}),
        (True, "netlink-wlan0/if_rx_errors-crc", b"3\0", {}),
        (True, "interface-wan/if_octets", b"18446744073709551615:250\0", {TX: 250}),
        (True, "interface-wan/if_octets", b"1000.0:250\0", {RX: 1000, TX: 250}),
        (False, "iwinfo-wlan0/stations", b"2.0\0", {STATIONS: 2}),
        (False, "iwinfo-wlan0/stations", b"300\0", {}),
        (False, "iwinfo-wlan0/stations", b"-1\0", {}),
        (False, "iwinfo-wlan0/signal_power", b"-62\0", {}),
        (False, "iwinfo-wlan0/bitrate", b"866667000\0", {}),
        (False, "ping/ping_droprate-a.example", b"0.99\0", {LINK: "connected"}),
        (False, "ping/ping_droprate-2001:db8::1", b"1\0", {LINK: "disconnected"}),
        (False, "ping/ping_droprate-a", b"1.5\0", {}),
        (False, "ping/ping-a", b"nan\0", {}),
        (False, "ping/ping_stddev-a", b"1\0", {}),
        (False, "battery-0/percent-charged", b"101\0", {}),
        (False, "battery-0/percent-discharged", b"12\0", {}),
        (False, "battery-0/charge", b"2.1\0", {}),
        (False, "thermal-thermal_zone0/temperature", b"41\0", {}),
        (False, "dhcpleases/count", b"7\0", {}),
        (False, "openvpn-status/if_octets-Lily", b"7:8\0", {}),
        (False, "exec-sms/gauge-491511234567", b"7\0", {}),
        (False, "processes-pppd/ps_count", b"1:2\0", {}),
        (False, "load/load", b"0.5:0.6:0.7\0", {}),
    ],
)
def test_what_other_collectds_send_says(counters: bool, name: str, values: bytes, said: dict[str, Any]) -> None:
    """Other plugins, interfaces, notations and odd values; each what it is, or nothing."""
    found = report(name, T + values, counters=counters)
    assert not isinstance(found, DropReason)

    told: dict[str, Any] = {}
    if found is not None:
        for part in (*found.parts, *(found.counters or ())):
            told[part.field] = told[part.field] + part.value if part.field in told else part.value
        if found.content.router is not UNSET:
            told[UPTIME] = found.content.router.uptime_seconds
    assert said == told


@given(st.binary(max_size=80), st.lists(st.text(max_size=12), max_size=4))
def test_whatever_comes_is_read_or_refused(payload: bytes, levels: list[str]) -> None:
    """Nothing raises."""
    found = Collectd(OPTIONS).read(payload, tuple(levels))

    assert isinstance(found, DropReason) or all(isinstance(reading, Reading) for reading in found)
