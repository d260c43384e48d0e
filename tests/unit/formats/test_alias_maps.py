"""All alias maps that are shipped, and the examples of docs/alias-maps.md, entry by entry."""

import re
import tomllib
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aliasing import COMPILED, read, translator
from support import ROOT

from collector.formats.adapters import KINDS
from collector.formats.aliases import FORMATS, Alias, AliasMap, load_aliases
from collector.formats.conditions import When
from collector.formats.converters import CONVERTERS
from collector.formats.goform import Maps
from collector.formats.reading import Options
from collector.model import DropReason

PAGE = (ROOT / "docs" / "alias-maps.md").read_text("utf-8")
BLOCKS: list[dict[str, Any]] = [tomllib.loads(block) for block in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)]
EXAMPLES: list[list[dict[str, Any]]] = [block["alias"] for block in BLOCKS]


@pytest.mark.parametrize("name", FORMATS)
def test_every_entry_is_of_the_catalogue_and_has_a_source(name: str) -> None:
    """Field, event, conversion; and where it was seen, in words."""
    aliases = load_aliases(name)

    assert [] == aliases.faults(COMPILED.catalogue)
    assert {None} | set(CONVERTERS) >= {alias.convert for alias in aliases.alias}
    assert [] == [alias.names for alias in aliases.alias if len(alias.source.split()) < 1]


def doubles(aliases: AliasMap) -> list[str]:
    """Names of entries behind another one for the same field that is asked wherever they are.

    That is one whose conditions are all among theirs. Whether the name is one part of a value tells them apart too.
    """
    seen: list[tuple[str, str | None, str | None, bool, frozenset[When]]] = []
    found = []
    for alias in aliases.alias:
        for name in alias.names:
            mine = (name, alias.field, alias.event, alias.joined)
            conditions = frozenset(alias.conditions)
            found += [name] * any(before[:-1] == mine and before[-1] <= conditions for before in seen)
            seen.append((*mine, conditions))
    return found


@pytest.mark.parametrize("name", FORMATS)
def test_no_entry_stands_behind_one_that_is_always_asked_first(name: str) -> None:
    """It could never be asked, or would say it twice."""
    assert [] == doubles(load_aliases(name))


WHEN, MORE = {"name": "c", "is": ["1"]}, {"name": "d", "not": ["2"]}


@pytest.mark.parametrize(
    ("first", "second", "twice"),
    [
        ([], [], True),
        ([], [WHEN], True),
        ([WHEN], [WHEN], True),
        ([WHEN], [MORE, WHEN], True),
        ([WHEN], [], False),
        ([WHEN, MORE], [WHEN], False),
        ([WHEN], [MORE], False),
        ([WHEN], [{**WHEN, "is": ["2"]}], False),
    ],
)
def test_a_name_that_is_twice_in_a_map_is_found(first: list[Any], second: list[Any], twice: bool) -> None:
    """The control; conditions that the first does not ask for are none."""
    entry = {"names": ["a", "b"], "field": "signal.rsrp_dbm", "source": "made up"}
    entries = [entry | {"when": first}, entry | {"when": second}]

    assert ["a", "b"] * twice == doubles(AliasMap.model_validate({"format": "x", "alias": entries}))


def test_every_format_has_a_map() -> None:
    """And every map a format."""
    assert {kind.aliases for kind in KINDS.values()} <= set(FORMATS)


@pytest.mark.parametrize("entries", EXAMPLES, ids=lambda entries: str(entries[0]["names"][0]))
def test_the_examples_of_the_page_are_entries(entries: list[dict[str, Any]]) -> None:
    """Each makes a map of its own that the catalogue agrees with."""
    assert translator(*entries)


def test_every_attribute_of_an_entry_is_on_the_page() -> None:
    """With an example, but for the two that a sentence explains."""
    shown = {key for entries in EXAMPLES for entry in entries for key in entry}

    assert set(Alias.model_fields) - shown == {"top"}
    assert "`top = true`" in PAGE


@pytest.mark.parametrize(
    ("first", "values", "path", "made"),
    [
        ("wa_inner_version", {"cr_version": "B01"}, "router.software_version", "B01"),
        ("tenths_of_rsrp", {"tenths_of_rsrp": "-822"}, "signal.rsrp_dbm", -82.2),
        ("lte_rsrp", {"lte_rsrp": "-97"}, "signal.rsrp_dbm", -97),
        ("ppp_status", {"ppp_status": "ppp_connected"}, "network.wan_connection_state", "connected"),
        ("rmcc", {"rmcc": "262", "rmnc": "01"}, "network.plmn", "26201"),
        (
            "Device.WiFi.SSID.{i}.Stats.ErrorsReceived",
            {"Device.WiFi.SSID.1.Stats.ErrorsReceived": 3, "Device.WiFi.SSID.2.Stats.ErrorsSent": 4},
            "wifi.wifi_driver_errors_total",
            7,
        ),
        (
            "Device.WiFi.Radio.{i}.Channel",
            {"Device.WiFi.Radio.2.Channel": 6, "Device.WiFi.Radio.2.OperatingFrequencyBand": "2.4GHz"},
            "wifi.wifi_channel_2g",
            6,
        ),
    ],
)
def test_the_examples_do_what_the_page_says(first: str, values: dict[str, Any], path: str, made: Any) -> None:
    """As a router would send it."""
    [entries] = [found for found in EXAMPLES if found[0]["names"][0] == first]
    group, name = path.split(".")

    tree, removed = read(translator(*entries), *values.items())

    assert (made, {}) == (getattr(getattr(tree, group), name), removed)


def test_the_whole_map_of_the_page_reads_what_it_is_for() -> None:
    """With the adapter that the page names, and no other code."""
    [whole] = [block for block in BLOCKS if "format" in block]
    made = translator(*whole["alias"], unset=whole["unset"])
    options = Options(
        zone=ZoneInfo("UTC"), flagged=False, counters=False, names={}, named=False, max_depth=16,
        spells_the_flag=lambda _: False,
    )  # fmt: skip
    payload = b'{"model":"RB760","sn":"HEX1","ros":"7.16.1","uptime":"1w2d03:04:05","lte-rsrp":"-97","time":1795280000}'

    found = Maps(options).read(payload, ())
    assert not isinstance(found, DropReason)
    [reading] = found
    tree, removed = read(made, *reading.values, time=reading.time)

    assert (788_645, "7.16.1", -97) == (tree.router.uptime_seconds, tree.router.software_version, tree.signal.rsrp_dbm)
    assert {"unknown": 2} == removed
    assert 1_795_280_000_000 == reading.time


def test_the_examples_of_events_make_events() -> None:
    """A yes, with what joins it; and a word out of a text of which nothing else is kept."""
    [outdated] = [found for found in EXAMPLES if found[0]["names"][0] == "new_version_state"]
    [restart] = [found for found in EXAMPLES if found[0]["names"][0] == "reboot_text"]

    tree, _ = read(translator(*outdated), ("new_version_state", "has_new_version"), ("new_version", "B08"))
    told, _ = read(translator(*restart), ("reboot_text", "Watchdog bite at 12:03"))

    assert ("software_version_outdated", "B08") == (tree.events[0].event, tree.events[0].available_software_version)
    assert "watchdog" == told.events[0].reboot_reason
