"""Alias maps: what a name of another format becomes, and that nothing else becomes anything."""

from contextlib import suppress
from typing import Any

import pytest
from aliasing import COMPILED, NOW, read, translator
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collector.errors import DataFault
from collector.fields.clean import Tally
from collector.formats.converters import CONVERTERS
from collector.formats.nothing import NOTHING
from collector.formats.paths import generalise
from collector.formats.reading import Reading
from collector.model import Removal

RSRP = {"names": ["Device.Cellular.Interface.{i}.RSRP"], "field": "signal.rsrp_dbm", "unset": [0]}


@pytest.mark.parametrize("value", [-97, "-97", " -97 ", -97.0, "-97.0"])
def test_a_number_is_taken_as_number_and_as_text(value: Any) -> None:
    """Real agents send both."""
    tree, removed = read(translator(RSRP), ("Device.Cellular.Interface.1.RSRP", value))

    assert (-97, {}) == (tree.signal.rsrp_dbm, removed)


@pytest.mark.parametrize("value", [0, "0", None, "nan", "1e400", float("nan")])
def test_an_unset_value_is_no_measurement(value: Any) -> None:
    """Absent is absent, never 0."""
    tree, removed = read(translator(RSRP), ("Device.Cellular.Interface.1.RSRP", value))

    assert (COMPILED.report(), {}) == (type(tree)(), removed)
    assert not hasattr(tree.signal, "rsrp_dbm")


@pytest.mark.parametrize("value", [-32768, "-822", True, "strong", [], {}, 2**64 - 1])
def test_a_value_outside_the_catalogues_bounds_is_removed(value: Any) -> None:
    """The catalogue decides on bounds (F3)."""
    tree, removed = read(translator(RSRP), ("Device.Cellular.Interface.1.RSRP", value))

    assert not hasattr(tree.signal, "rsrp_dbm")
    assert {"invalid": 1} == removed


def test_an_unknown_name_is_counted_by_what_it_is() -> None:
    """Never kept, whatever it looks like."""
    _, removed = read(
        translator(RSRP),
        ("Device.Cellular.Interface.1.X_ACME_Mood", "fine"),
        ("Device.WiFi.AccessPoint.1.Security.KeyPassphrase", "secret"),
        ("Device.Cellular.Interface.1.SMS.Message.1.Text", "hello"),
    )

    assert {"unknown": 1, "local_only": 2} == removed


def test_a_name_is_matched_letter_by_letter() -> None:
    """Z5g_SINR and Z5g_sinr are two names; only one is in the map."""
    made = translator({"names": ["Z5g_SINR"], "field": "signal.sinr_db"})

    assert read(made, ("Z5g_SINR", "12.5"))[0].signal.sinr_db == 12.5
    assert read(made, ("z5g_sinr", "12.5"))[1] == {"unknown": 1}


def test_the_name_to_prefer_wins_whatever_comes_first() -> None:
    """The order of the entry, not of the message."""
    made = translator({"names": ["wa_inner_version", "cr_version"], "field": "router.software_version"})

    tree, _ = read(made, ("cr_version", "B01"), ("wa_inner_version", "B07"))

    assert tree.router.software_version == "B07"


def test_where_the_preferred_name_says_nothing_the_next_is_asked() -> None:
    """An unset value leaves the field to another."""
    made = translator({"names": ["wa_inner_version", "cr_version"], "field": "router.software_version"})

    assert read(made, ("wa_inner_version", ""), ("cr_version", "B01"))[0].router.software_version == "B01"


def test_instances_are_combined_as_the_entry_says() -> None:
    """Errors of all SSIDs are one sum."""
    entry = {"names": ["Device.WiFi.SSID.{i}.Stats.ErrorsReceived"], "field": "wifi.wifi_driver_errors_total"}

    tree, _ = read(
        translator({**entry, "combine": "sum"}),
        ("Device.WiFi.SSID.1.Stats.ErrorsReceived", 3),
        ("Device.WiFi.SSID.2.Stats.ErrorsReceived", "4"),
    )

    assert tree.wifi.wifi_driver_errors_total == 7


def test_a_condition_is_on_the_same_instance() -> None:
    """The channel of the radio that is at 5 GHz."""
    band = "Device.WiFi.Radio.{i}.OperatingFrequencyBand"
    made = translator(
        {
            "names": ["Device.WiFi.Radio.{i}.Channel"],
            "field": "wifi.wifi_channel_2g",
            "when": {"name": band, "is": ["2.4GHz"]},
        },
        {
            "names": ["Device.WiFi.Radio.{i}.Channel"],
            "field": "wifi.wifi_channel_5g",
            "when": {"name": band, "is": ["5GHz"]},
        },
    )

    tree, removed = read(
        made,
        ("Device.WiFi.Radio.1.Channel", 36),
        ("Device.WiFi.Radio.1.OperatingFrequencyBand", "5GHz"),
        ("Device.WiFi.Radio.2.OperatingFrequencyBand", "2.4GHz"),
        ("Device.WiFi.Radio.2.Channel", 6),
    )

    assert (6, 36, {}) == (tree.wifi.wifi_channel_2g, tree.wifi.wifi_channel_5g, removed)


def test_parts_of_one_value_are_joined() -> None:
    """Country and network code come as two names, with the leading zero lost."""
    made = translator({"names": ["rmcc", "rmnc"], "joined": True, "field": "network.plmn", "convert": "plmn"})

    assert read(made, ("rmnc", "1"), ("rmcc", "460"))[0].network.plmn == "46001"
    assert not hasattr(read(made, ("rmcc", "460"))[0].network, "plmn")


def test_half_a_network_cannot_be_read() -> None:
    """It may be one of another region (3.2), so the message is one to be refused, not one without a network."""
    made = translator(
        {"names": ["rmcc", "rmnc"], "joined": True, "field": "network.plmn", "convert": "plmn"}, unset=[""]
    )

    for values in ((("rmcc", "460"), ("rmnc", "")), (("rmcc", "460"),), (("rmcc", "46O"), ("rmnc", "01"))):
        tally = Tally()
        made.translate(Reading(values=values), tally)
        assert ({Removal.INVALID: 1}, True) == (tally.counts, tally.suspect_plmn)

    tally = Tally()
    made.translate(Reading(values=(("rmcc", ""), ("rmnc", ""))), tally)
    assert ({}, False) == (tally.counts, tally.suspect_plmn)


def test_where_the_preferred_entry_has_no_valid_value_the_next_is_asked() -> None:
    """A name that lost its meaning on some model does not hide the one that has it."""
    made = translator({**RSRP, "names": ["lte_rsrp"]}, {**RSRP, "names": ["Z5g_rsrp"], "combine": "max"})

    tree, removed = read(made, ("Z5g_rsrp", "-95"), ("lte_rsrp", "-3000"))

    assert (-95, {"invalid": 1}) == (tree.signal.rsrp_dbm, removed)
    assert read(made, ("Z5g_rsrp", "-95"), ("lte_rsrp", "-80"))[0].signal.rsrp_dbm == -80


MODE: dict[str, Any] = {
    "names": ["wifi_coverage"],
    "field": "wifi.wifi_coverage_mode",
    "values": {"short_mode": "short", "long_mode": "long"},
}


@pytest.mark.parametrize("value", ["short_mode", "Short_Mode", "short-mode", " SHORT MODE "])
def test_what_a_value_means_does_not_hang_on_how_it_is_spelt(value: str) -> None:
    """Firmware of one maker writes SA, NR5G-SA and NR5G_SA."""
    assert read(translator(MODE), ("wifi_coverage", value))[0].wifi.wifi_coverage_mode == "short"


def test_a_value_with_no_meaning_is_invalid_unless_all_others_have_one() -> None:
    """`*` is every value that is not listed; an empty text is nothing to be kept."""
    others = {**MODE, "values": {**MODE["values"], "*": ""}}

    assert read(translator(MODE), ("wifi_coverage", "huge"))[1] == {"invalid": 1}
    assert read(translator(MODE), ("wifi_coverage", "*"))[1] == {"invalid": 1}
    assert read(translator(others), ("wifi_coverage", "huge"))[1] == {}


def test_entries_may_share_a_table_of_values() -> None:
    """Written once; a table that is not there is a fault."""
    table = {"words": MODE["values"]}

    made = translator({**MODE, "values": "words"}, tables=table)

    assert read(made, ("wifi_coverage", "long_mode"))[0].wifi.wifi_coverage_mode == "long"
    with pytest.raises(ValidationError, match="found 'wrods', expected one of words"):
        translator({**MODE, "values": "wrods"}, tables=table)


def test_a_condition_can_be_that_another_value_is_not_one_of_some() -> None:
    """What is not there is not one of any."""
    channel = {"names": ["Channel"], "field": "wifi.wifi_channel_2g", "when": {"name": "wifi_band", "not": ["a"]}}
    made = translator(channel)

    assert read(made, ("Channel", "6"))[0].wifi.wifi_channel_2g == 6
    assert read(made, ("Channel", "6"), ("wifi_band", "b"))[0].wifi.wifi_channel_2g == 6
    assert not hasattr(read(made, ("Channel", "6"), ("wifi_band", "a"))[0].wifi, "wifi_channel_2g")


def test_all_conditions_of_an_entry_have_to_hold() -> None:
    """The main network of the radio at 5 GHz."""
    made = translator(
        {
            "names": ["List.{i}.Channel"],
            "field": "wifi.wifi_channel_5g",
            "when": [{"name": "List.{i}.Chip", "is": ["1"]}, {"name": "List.{i}.Index", "not": ["1"]}],
        }
    )

    guest = [("List.1.Channel", 40), ("List.1.Chip", "1"), ("List.1.Index", "1")]
    main = [("List.2.Channel", 44), ("List.2.Chip", "1"), ("List.2.Index", "0")]

    assert read(made, *guest, *main)[0].wifi.wifi_channel_5g == 44
    assert not hasattr(read(made, *guest)[0].wifi, "wifi_channel_5g")


def test_a_value_can_say_yes_or_no_to_an_event() -> None:
    """A plain alarm: no member, only that it happened."""
    made = translator({"names": ["wifi_start_fail"], "event": "wifi_driver_error"})

    assert [event.event for event in read(made, ("wifi_start_fail", "1"))[0].events] == ["wifi_driver_error"]
    assert not read(made, ("wifi_start_fail", "0"))[0].events
    assert read(made, ("wifi_start_fail", "perhaps"))[1] == {"invalid": 1}


def test_a_name_that_is_only_a_condition_counts_if_it_must_not_be_kept() -> None:
    """Asked for is not kept, and a refused name is counted as one."""
    made = translator(
        {**MODE, "when": [{"name": "wifi_band", "not": ["a"]}, {"name": "opms_wan_mode", "not": ["DHCP"]}]}
    )

    assert read(made, ("wifi_band", "b"))[1] == {}
    assert read(made, ("opms_wan_mode", "DHCP"))[1] == {"local_only": 1}


BELOW = {"names": ["lte_rsrp"], "field": "signal.rsrp_dbm"}


@pytest.mark.parametrize(
    "path", ["lte_rsrp", "nwinfo.lte_rsrp", "answers.nwinfo.lte_rsrp", "call2.lte_rsrp", "a." * 16 + "lte_rsrp"]
)
def test_a_name_may_stand_below_the_names_of_calls(path: str) -> None:
    """As answers of ubus are put together."""
    assert read(translator(BELOW, below=True), (path, -90))[0].signal.rsrp_dbm == -90


@pytest.mark.parametrize(
    "path",
    ["clients.1.lte_rsrp", "1.lte_rsrp", "nwinfo.2.lte_rsrp", "02:00:00:00:00:01.lte_rsrp", "station_list.lte_rsrp",
     "lte_rsrp.value", "nwinfo.LTE_RSRP", "a" * 300 + ".lte_rsrp", "a." * 17 + "lte_rsrp"],
)  # fmt: skip
def test_what_stands_in_a_list_or_below_a_refused_name_is_not_the_routers(path: str) -> None:
    """A terminal's signal is not the router's."""
    tree, removed = read(translator(BELOW, below=True), (path, -90))

    assert not hasattr(tree.signal, "rsrp_dbm")
    assert sum(removed.values()) == 1


def test_some_names_are_the_routers_at_the_top_only() -> None:
    """Below a call `uptime` may be an interface's."""
    made = translator({"names": ["uptime"], "field": "router.uptime_seconds", "top": True}, below=True)

    assert read(made, ("uptime", 5))[0].router.uptime_seconds == 5
    assert read(made, ("wan.uptime", 5))[1] == {"unknown": 1}


def test_a_star_stands_for_any_part_of_a_name() -> None:
    """Interfaces are called what they like, without a slash in it."""
    made = translator({"names": ["iwinfo-*/stations"], "field": "wifi.wifi_station_count", "combine": "sum"})

    tree, removed = read(made, ("iwinfo-a/stations", 1), ("iwinfo-b/stations", 2), ("iwinfo-a/b/stations", 4))

    assert (3, {"local_only": 1}) == (tree.wifi.wifi_station_count, removed)


def test_a_prefix_that_senders_leave_away_is_put_back() -> None:
    """`Cellular.Interface.1.RSRP` and `Device.Cellular.Interface.1.RSRP` are one name."""
    made = translator(RSRP, prefixes=["Device."])

    assert read(made, ("Cellular.Interface.1.RSRP", -90))[0].signal.rsrp_dbm == -90


def test_a_name_may_be_known_by_its_end_where_that_is_one_field() -> None:
    """A profile may give the object a name of its own: `cell.1.RSRP`."""
    assert read(translator(RSRP, tails=True), ("cell.1.RSRP", -90))[0].signal.rsrp_dbm == -90
    other = {"names": ["Device.Other.{i}.RSRP"], "field": "signal.rssi_dbm"}
    assert read(translator(RSRP, other, tails=True), ("cell.1.RSRP", -90))[1] == {"unknown": 1}
    assert read(translator(RSRP), ("cell.1.RSRP", -90))[1] == {"unknown": 1}


def test_a_value_can_be_an_event() -> None:
    """What caused a start is an event with the time of the sample, and one kind of cause is none."""
    made = translator(
        {
            "names": ["Boot!.Cause"],
            "field": "event.reboot_reason",
            "event": "unexpected_reboot",
            "values": {"LocalReboot": "", "RemoteReboot": "remote_management"},
        }
    )

    [found] = read(made, ("Boot!.Cause", "RemoteReboot"))[0].events

    assert ("unexpected_reboot", "remote_management") == (found.event, found.reboot_reason)
    assert not read(made, ("Boot!.Cause", "LocalReboot"))[0].events
    assert not read(made, ("Boot!.Cause", "RemoteReboot"), time=None)[0].events


def test_a_counter_goes_beside_the_tree() -> None:
    """Its rate is the field; alone it says nothing."""
    entry = {"names": ["Device.Cellular.Interface.{i}.Stats.BytesSent"], "field": "usage.uplink_bytes_per_second"}
    made, tally = translator({**entry, "counter": True}, unset=[""]), Tally()

    values = [(f"Device.Cellular.Interface.{n}.Stats.BytesSent", v) for n, v in enumerate((7, "5", -1, 2**64 - 1, ""))]
    translated = made.translate(Reading(values=tuple(values), time=NOW), tally)

    assert [7, 5] == [part.value for part in translated.counters]
    assert {"usage.uplink_bytes_per_second"} == {part.field for part in translated.counters}
    assert 2 == len({part.key for part in translated.counters})
    assert not hasattr(translated.tree.usage, "uplink_bytes_per_second")
    assert {Removal.INVALID: 2} == tally.counts


def test_an_event_at_the_end_of_the_calendar_breaks_nothing() -> None:
    """Data models write the year 9999 for never; a clock that says it is for the gate to refuse."""
    made = translator({"names": ["wifi_start_fail"], "event": "wifi_driver_error"})

    for end in (253_402_300_799_999, 253_402_300_799_000 - 86_400_000):
        assert len(read(made, ("wifi_start_fail", "1"), time=end)[0].events) == 1


def test_a_counter_of_events_goes_beside_the_tree() -> None:
    """A rise is the event, which only the next sample shows."""
    made = translator({"names": ["resets"], "event": "wifi_driver_error", "counter": True}).translate(
        Reading(values=(("resets", "3"),), time=NOW), Tally()
    )

    assert [("event.wifi_driver_error", 3)] == [(part.field, part.value) for part in made.counters]
    assert not made.tree.events


def test_a_counter_stands_in_where_no_rate_is_said() -> None:
    """A rate that the router works out is taken as it is, and its bytes are not looked at."""
    up = "usage.uplink_bytes_per_second"
    made = translator({"names": ["thrpt"], "field": up}, {"names": ["bytes"], "field": up, "counter": True}, unset=[""])

    def both(rate: Any) -> tuple[Any, list[float]]:
        translated = made.translate(Reading(values=(("thrpt", rate), ("bytes", "9000")), time=NOW), Tally())
        return getattr(translated.tree.usage, "uplink_bytes_per_second", None), [p.value for p in translated.counters]

    assert both("125") == (125, [])
    assert both("") == both("-4") == (None, [9000])


def test_a_map_that_speaks_of_unknown_fields_is_refused_with_all_its_faults() -> None:
    """Every fault at once."""
    with pytest.raises(DataFault) as refused:
        translator(
            {"names": ["a"], "field": "signal.mood"},
            {"names": ["b"], "field": "router.device_ref"},
            {"names": ["c"], "field": "event.reboot_reason", "event": "party"},
            {"names": ["d"], "field": "event.reboot_reason"},
            {"names": ["e"], "field": "usage.uplink_bytes_per_second", "counter": True, "event": "party"},
        )

    assert 6 == len(refused.value.faults)
    with pytest.raises(ValidationError, match="found none, expected a field, an event, or both"):
        translator({"names": ["a"]})
    with pytest.raises(ValidationError, match="found none or too many, expected is"):
        translator({"names": ["a"], "field": "signal.rsrp_dbm", "when": {"name": "b"}})
    with pytest.raises(ValidationError, match="convert: found 'magic'"):
        translator({"names": ["a"], "field": "signal.rsrp_dbm", "convert": "magic"})


@pytest.mark.parametrize(
    ("name", "general", "instance"),
    [
        ("Device.WiFi.SSID.12.Stats.X", "Device.WiFi.SSID.{i}.Stats.X", ("12",)),
        ("A.1.B.2", "A.{i}.B.{i}", ("1", "2")),
        ("lte_rsrp_1", "lte_rsrp_1", ()),
        ("5g_rx0_rsrp", "5g_rx0_rsrp", ()),
        ("up", "up", ()),
    ],
)
def test_instance_numbers_are_segments_of_their_own(name: str, general: str, instance: tuple[str, ...]) -> None:
    """Digits within a name stay."""
    assert (general, instance) == generalise(name)


@pytest.mark.parametrize(
    ("convert", "value", "made"),
    [
        ("duration", " 0h 11m 22s", 682),
        ("duration", "1w2d03:04:05", 788_645),
        ("duration", "2 days, 3:04:05", 183_845),
        ("duration", "1 day, 00:00:01", 86_401),
        ("duration", "1d 03:04:05", 97_445),
        ("duration", "1 d 2 h  3m 4 s", 93_784),
        ("duration", "15248", 15_248),
        ("duration", 700, 700),
        ("tenths", "412", 41.2),
        ("thousandths", 30000, 30),
        ("kilobits_per_second", "8", 1000),
        ("hexadecimal", "1234d", 0x1234D),
        ("negative", "67", -67),
        ("inverse", "1", False),
        ("boolean", "Enabled", True),
        ("plmn", ["460", "1"], "46001"),
        ("plmn", "62130", "62130"),
        ("plmn", [310, 41], "310041"),
        ("plmn", [460, 11], "46011"),
        ("plmn", ["0", "0"], NOTHING),
        ("plmn", "000000", NOTHING),
        ("plmn_or_name", "62130", "62130"),
        ("plmn_or_name", "MTN Liberia", NOTHING),
        ("iccid", "8900000000000000001F", "8900000000000000001"),
        ("iccid", "89000000000000000012", "89000000000000000012"),
        ("ipv4_network", ["192.0.2.1", "255.255.255.0"], "192.0.2.1/24"),
        ("ipv4_network", ["192.0.2.1", "27"], "192.0.2.1/27"),
        ("maker", "ZTE Corporation", "ZTE"),
        ("maker", "zte", "ZTE"),
        ("maker", "Acme", "Acme"),
        ("model", "ZTE MC888", "MC888"),
        ("model", "ZXHN H199A", "H199A"),
        ("model", "MC888", "MC888"),
        ("model", "ZTE", "ZTE"),
        ("country", "cn", "CN"),
        ("channel", "auto", 0),
        ("channel", "11", 11),
        ("minutes", "-1", 0),
        ("minutes", "30", 30),
        ("celsius", "30000", 30),
        ("celsius", "301", 30.1),
        ("celsius", "30", 30),
        ("celsius", -5, -5),
        ("millivolts", "4.02", 4020),
        ("millivolts", "4023", 4023),
        ("millivolts", "4023000", 4023),
        ("ucs2", "0043004D", "CM"),
        ("text", "B07\n", "B07"),
        ("text", "  ", NOTHING),
        ("whole", 3.6, 4),
    ],
)
def test_a_conversion_gives(convert: str, value: Any, made: Any) -> None:
    """By the examples of the formats' documentation."""
    assert made == CONVERTERS[convert](value)


@given(
    st.sampled_from(sorted(CONVERTERS)),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(max_size=3), max_size=3),
)
def test_a_conversion_gives_a_value_or_says_that_there_is_none(convert: str, value: Any) -> None:
    """Nothing else ever comes out of one."""
    with suppress(ValueError, KeyError, TypeError, OverflowError):
        CONVERTERS[convert](value)


@pytest.mark.parametrize("convert", sorted(CONVERTERS))
@pytest.mark.parametrize("text", ["1d" + " " * 100_000 + "x", "zte" + " " * 100_000 + "x", "1" * 100_000 + "x"])
def test_no_conversion_takes_longer_than_its_text(convert: str, text: str) -> None:
    """With the cube of its length, a kilobyte of blanks took twelve seconds, a message of them for ever."""
    with suppress(ValueError, KeyError, TypeError, OverflowError):
        CONVERTERS[convert](text)
