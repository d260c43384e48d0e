"""The closed lists of makers, models and carriers: what an operator may write there, and what is said of a fault."""

import json
from pathlib import Path

import pytest

from collector.errors import DataFault
from collector.fields.treatments import Products
from collector.products import load_products

LISTS = {
    "manufacturers": ["ZTE"],
    "models": ["MC888"],
    "default_ssid_patterns": ["ZTE-.{2}"],
    "default_lan_domains": [],
}


def loaded(folder: Path, carriers: str = '"26201" = "Telekom"', more: str = "", **lists: list[str]) -> Products:
    """The lists of files with these."""
    products, table = folder / "products.toml", folder / "carriers.toml"
    products.write_text(
        "".join(f"{name} = {json.dumps(entries)}\n" for name, entries in {**LISTS, **lists}.items()) + more
    )
    table.write_text(f"[carriers]\n{carriers}\n")
    return load_products(products, table)


def test_the_lists_are_those_of_the_files(tmp_path: Path) -> None:
    """And not the shipped ones."""
    found = loaded(tmp_path, default_lan_domains=["Home.LAN"])

    assert (frozenset({"ZTE"}), frozenset({"MC888"})) == (found.manufacturers, found.models)
    assert ({"26201": "Telekom"}, frozenset({"home.lan"})) == (dict(found.carriers), found.default_lan_domains)


def test_a_name_is_a_default_one_if_the_whole_of_it_matches_a_pattern(tmp_path: Path) -> None:
    """A name that only begins as a default one does is somebody's own (U12)."""
    found = loaded(tmp_path, default_ssid_patterns=["ZTE-.{2}", "a|MiFi"])

    names = ["ZTE-4F", "MiFi", "a", "ZTE-4F of Ann", "my ZTE-4F", "ZTE-4F\n", "aMiFi", "zte-4f"]
    assert [True] * 3 + [False] * 5 == [found.is_default_ssid(name) for name in names]


def test_without_patterns_no_name_is_a_default_one(tmp_path: Path) -> None:
    """Every one is pseudonymised as somebody's own."""
    assert not loaded(tmp_path, default_ssid_patterns=[]).is_default_ssid("ZTE-4F")


@pytest.mark.parametrize("name", ["M", "m" * 40, "GL.iNet ~ 5G"])
def test_a_listed_name_is_printed_and_short(name: str, tmp_path: Path) -> None:
    """As long as what a router may say, so that whatever is listed can be met (F3)."""
    assert {name} == loaded(tmp_path, models=[name]).models

    for wrong in ("", "m" * 41, "\u00c4", "M\n", "M\u007f"):
        with pytest.raises(DataFault, match=r"products\.toml: models"):
            loaded(tmp_path, models=[wrong])


@pytest.mark.parametrize("plmn", ["2620", "2620100", "2620x", "", " 26201"])
def test_a_carrier_is_found_by_a_plmn(plmn: str, tmp_path: Path) -> None:
    """Five or six digits (U14)."""
    assert {"26201": "A", "310260": "B"} == loaded(tmp_path, '"26201" = "A"\n"310260" = "B"').carriers

    with pytest.raises(DataFault, match=r"carriers\.toml: carriers"):
        loaded(tmp_path, f'"{plmn}" = "A"')


def test_a_pattern_that_is_none_is_told_in_a_sentence(tmp_path: Path) -> None:
    """With what was found; and a list that nobody knows is an error of typing."""
    with pytest.raises(DataFault, match=r"default_ssid_patterns: found '\(', expected a pattern: "):
        loaded(tmp_path, default_ssid_patterns=["("])
    with pytest.raises(DataFault, match=r"modles: unknown setting"):
        loaded(tmp_path, more='modles = ["x"]\n')
    with pytest.raises(DataFault, match=r"carrier: unknown setting"):
        loaded(tmp_path, '"26201" = "A"\n[carrier]')
