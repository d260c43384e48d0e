"""`policies.toml`: what is in the shipped one, and what is said of one with faults."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from notices import DIGEST, LATER, digest_of, later, written
from records import FIRST, HOUR

from collector.consent.policies import Policy
from collector.consent.policy_file import load_policies
from collector.errors import DataFault
from collector.model import PURPOSE, Region


def faults(path: Path) -> list[str]:
    """What is wrong with a file, each without its name."""
    with pytest.raises(DataFault) as found:
        load_policies(path)
    assert all(fault.startswith(f"{path}: ") for fault in found.value.faults)
    return [fault.removeprefix(f"{path}: ") for fault in found.value.faults]


def one(path: Path, version: str = "v2") -> str:
    """The one fault of a version."""
    (found,) = faults(path)
    assert found.startswith(f"policy.entry '{version}'.")
    return found.removeprefix(f"policy.entry '{version}'.")


def edited(path: Path, old: str, new: str) -> Path:
    """The file with a change."""
    text = path.read_text()
    assert text.count(old) == 1, old
    path.write_text(text.replace(old, new))
    return path


# What is shipped


def test_the_shipped_notice_is_that_of_2020() -> None:
    """003: one purpose, nobody else is given anything, three regions."""
    policies = load_policies()

    assert ("2020-03-14", "first", ()) == (FIRST.version, FIRST.change, FIRST.reasons)
    assert ((PURPOSE,), ()) == (FIRST.purposes, FIRST.recipients)
    assert datetime(2020, 3, 14, tzinfo=UTC).timestamp() * 1000 == FIRST.effective_at == FIRST.published_at
    assert set(Region) == FIRST.storage_regions
    assert FIRST.version == policies.first.version


def test_a_text_may_be_kept_by_who_shows_it(tmp_path: Path) -> None:
    """Its digest says which it is; where there is a file, it is compared."""
    assert DIGEST == FIRST.texts["en"]
    path = written(tmp_path, later("v2"))
    edited(path, 'texts.en.file = "notices/v2.en.txt"\n', "")
    (tmp_path / "notices" / "v2.en.txt").unlink()

    assert load_policies(path).get("v2") is not None


# What a later version changes


def test_a_version_names_what_its_predecessors_did_and_its_own_changes(tmp_path: Path) -> None:
    """Fields are added, treated otherwise and removed; countries are added and moved."""
    second = later("v2", "major", "M1", "M3")
    third = later("v3", "minor", at=LATER + HOUR)
    path = written(
        tmp_path,
        second,
        third,
        removes=["rssi_dbm"],
    )
    changes = 'adds.keep = ["antenna_count"]\nadds.coarsen = ["plmn"]\ncountries.germany = ["AD", "RS"]\n'
    edited(path, 'version = "v2"\n', f'version = "v2"\n{changes}')
    policies = load_policies(path)
    one, two, three = policies.versions

    assert ("keep", "coarsen", None) == (
        two.fields["antenna_count"],
        two.fields["plmn"],
        one.fields.get("antenna_count"),
    )
    assert (Region.GERMANY, Region.GERMANY) == (two.countries["AD"], two.countries["RS"])
    assert (None, Region.HONG_KONG) == (one.countries.get("AD"), one.countries["RS"])
    assert set(two.fields) - {"rssi_dbm"} == set(three.fields)
    assert two.countries == three.countries
    assert (LATER, LATER - HOUR) == (two.effective_at, two.published_at)
    assert digest_of("v2", "de") == two.texts["de"]


def test_strict_is_the_operators(tmp_path: Path) -> None:
    """Not the file's: it says what changed."""
    path = written(tmp_path, later("v2", "major", "M5"))

    assert [False, True] == [load_policies(path, strict=strict).closing for strict in (False, True)]
    assert not load_policies(path).closing


# Faults


@pytest.mark.parametrize(
    ("change", "more", "fault"),
    [
        (
            "editorial",
            {"adds.keep": ["x_new"]},
            "reasons: found [], expected M1 or M8 for a field that is new or treated",
        ),
        ("minor", {"adds.keep": ["x_new"]}, "reasons: found [], expected M1 or M8 for a field that is new or treated"),
        (
            "minor",
            {"adds.coarsen": ["plmn"]},
            "reasons: found [], expected M1 or M8 for a field that is new or treated",
        ),
        ("minor", {"adds.event": ["x_new"]}, "reasons: found [], expected M1 or M8 for a field that is new or treated"),
        (
            "minor",
            {"purposes": [PURPOSE, "sales"]},
            "reasons: found [], expected M1 for a new purpose. Owners have to be",
        ),
        (
            "minor",
            {"recipients": ["Acme Ltd"]},
            "reasons: found [], expected M3 for a new recipient. Owners have to be",
        ),
        (
            "minor",
            {"countries.germany": ["RS"]},
            "reasons: found [], expected M3 for a country that moves to another reg",
        ),
        (
            "editorial",
            {"removes": ["plmn"]},
            "change: found 'editorial' for a text that says something else. Write change",
        ),
        ("editorial", {"countries.germany": ["AD"]}, "change: found 'editorial' for a text that says something else."),
        ("major", {"reasons": ["M2"], "adds.keep": ["x_new"]}, "reasons: found ['M2'], expected M1 or M8 for a field"),
        (
            "major",
            {"reasons": []},
            "reasons: found [] for change 'major', expected one or more of M1, M2, M3, M4, M5, M6",
        ),
        ("minor", {"reasons": ["M1"]}, "reasons: found ['M1'] for change 'minor', expected none."),
        ("first", {}, "change: found 'first', expected 'editorial', 'minor' or 'major'."),
        ("major", {"adds.keep": ["plmn"]}, "adds.keep: found 'plmn', which is named already. Name it once"),
        ("major", {"adds.keep": ["x_new", "x_new"]}, "adds.keep: found 'x_new', which is named already. Name it once"),
        (
            "minor",
            {"removes": ["never_named"]},
            "removes: found 'never_named', expected a field that an earlier version",
        ),
        (
            "minor",
            {"countries.hong_kong": ["RS"]},
            "countries.hong_kong: found 'RS', which is named already. Name it once",
        ),
    ],
    ids=str,
)
def test_a_change_that_is_called_by_another_name_is_refused(
    tmp_path: Path, change: Any, more: dict[str, Any], fault: str
) -> None:
    """What a change asks of people is not a matter of taste (4.7)."""
    assert one(written(tmp_path, later("v2", change), **more)).startswith(fault)


def test_the_oldest_version_is_the_first(tmp_path: Path) -> None:
    """It changes nothing that anybody agreed to."""
    path = edited(written(tmp_path, later()), 'change = "first"', 'change = "minor"')

    assert "change: found 'minor', expected 'first' for the oldest version." == one(path, FIRST.version)


@pytest.mark.parametrize(
    ("versions", "fault"),
    [
        (
            [later(), later(at=LATER + HOUR)],
            "version: found it more than once, expected every version once. A published version",
        ),
        (
            [later(at=FIRST.effective_at)],
            "effective_at: found 2020-03-14 00:00:00+00:00, expected later than 2020-03-14",
        ),
        ([later(at=FIRST.effective_at - HOUR)], "effective_at: found 2020-03-13 23:00:00+00:00, expected later than"),
        (
            [later(published_at=LATER + 1000)],
            "effective_at: found 2025-11-22 00:00:00+00:00, expected published_at (2025",
        ),
    ],
    ids=["twice", "at once", "before", "before it is shown"],
)
def test_versions_stand_in_order(tmp_path: Path, versions: list[Policy], fault: str) -> None:
    """Oldest first, each shown before it takes effect."""
    assert one(written(tmp_path, *versions), versions[0].version).startswith(fault)


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda p: (p.parent / "notices" / "v2.de.txt").unlink(), "texts.de.file: notices/v2.de.txt: No such file"),
        (
            lambda p: (p.parent / "notices" / "v2.de.txt").write_text("x"),
            f"texts.de.digest: found {digest_of('v2', 'de')}, ",
        ),
    ],
    ids=["gone", "changed"],
)
def test_every_text_is_there_as_it_was_shown(tmp_path: Path, spoil: Callable[[Path], Any], fault: str) -> None:
    """The digest is what owners agreed to: no text, no evidence."""
    path = written(tmp_path, later())
    spoil(path)

    assert one(path).startswith(fault)


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('version = "v2"', 'version = "v 2"', "policy.entry 'v 2'.version: found 'v 2', expected "),
        (
            'change = "major"',
            'change = "huge"',
            "policy.entry 'v2'.change: found 'huge', expected 'first', 'editorial'",
        ),
        ('reasons = ["M1"]', 'reasons = ["M9"]', "policy.entry 'v2'.reasons.entry 1: found 'M9', expected 'M1', 'M2'"),
        ("effective_at = 2025-11-22T00:00:00+00:00", "", "policy.entry 'v2'.effective_at: missing. Add it."),
        (
            "2025-11-22T00:00:00+00:00",
            "2025-11-22T00:00:00",
            "policy.entry 'v2'.effective_at: found datetime.datetime(",
        ),
        ('version = "v2"', 'version = "v2"\nurgent = true', "policy.entry 'v2'.urgent: unknown setting. Check the"),
        ('texts.de.digest = "', 'texts.de.digest = "Z', "policy.entry 'v2'.texts.de.digest: found 'Z"),
    ],
)
def test_a_fault_says_where_what_and_what_was_expected(tmp_path: Path, old: str, new: str, fault: str) -> None:
    """Of the form too."""
    (found,) = faults(edited(written(tmp_path, later()), old, new))

    assert found.startswith(fault)


@pytest.mark.parametrize(
    ("setting", "good", "bad"),
    [
        ("adds.keep", ["xy", "x_2", "x" * 48], ["x", "X_new", "2x", "_x", "x-new", "x_new ", "x" * 49, "x\u00e4"]),
        ("countries.germany", ["AD", "ZZ"], ["A", "AND", "ad", "A1", " AD"]),
    ],
)
def test_a_name_or_country_that_nothing_can_have_is_refused(
    tmp_path: Path, setting: str, good: list[str], bad: list[str]
) -> None:
    """A name typed wrongly would be a field that no owner was told of, and one that is never stored."""
    assert load_policies(written(tmp_path, later("v2", "major", "M1", "M3"), **{setting: good})).get("v2") is not None

    for number, wrong in enumerate(bad):
        folder = tmp_path / str(number)
        folder.mkdir()
        (found,) = faults(written(folder, later("v2", "major", "M1", "M3"), **{setting: [wrong]}))
        assert found.startswith(f"policy.entry 'v2'.{setting}.entry 1: found '{wrong}', expected ")


@pytest.mark.parametrize("language", ["d", "deut", "de_DE", "de-", "de-D", "de-DE-1996-x1", "de-123456789"])
def test_a_language_is_a_tag(tmp_path: Path, language: str) -> None:
    """What a router or app says it showed is compared with these, letter for letter."""
    for good in ("zh-Hant-HK", "deu", "es-419", "de-12345678"):
        folder = tmp_path / good
        folder.mkdir()
        path = edited(written(folder, later()), "texts.de.file", f"texts.{good}.file")
        assert good in (load_policies(edited(path, "texts.de.digest", f"texts.{good}.digest")).get("v2") or FIRST).texts

    path = edited(written(tmp_path, later()), "texts.de.file", f"texts.{language}.file")
    (found,) = faults(edited(path, "texts.de.digest", f"texts.{language}.digest"))
    assert language in found


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    """Of all versions."""
    path = written(tmp_path, later("v2", "minor"), later("v3", "major", at=LATER - HOUR), **{"adds.keep": ["x_new"]})
    (tmp_path / "notices" / "v2.en.txt").unlink()
    edited(path, 'reasons = ["M1"]', "reasons = []")
    found = [re.sub(r":.*", "", fault) for fault in faults(path)]

    assert [
        "policy.entry 'v2'.texts.en.file",
        "policy.entry 'v3'.effective_at",
        "policy.entry 'v3'.reasons",
        "policy.entry 'v3'.reasons",
    ] == found


def test_a_version_that_nobody_could_read_is_refused(tmp_path: Path) -> None:
    """The archive holds the text of every version (002 L136); nor is there one without a purpose."""
    path = written(tmp_path, later())
    lines = path.read_text().splitlines()
    start = lines.index('version = "v2"')
    textless = [line for line in lines[start:] if not line.startswith("texts.")]
    path.write_text("\n".join([*lines[:start], *textless, ""]))

    assert ["policy.entry 'v2'.texts: missing. Add it."] == faults(path)
    path.write_text("\n".join([*lines[:start], *textless[:1], "texts = {}", *textless[1:], ""]))
    assert [True] == [fault.startswith("policy.entry 'v2'.texts: found {}, expected ") for fault in faults(path)]
    purposeless = written(tmp_path, later(), purposes=[])
    assert [True] == [fault.startswith("policy.entry 'v2'.purposes: found [], ") for fault in faults(purposeless)]


@pytest.mark.parametrize("text", ["", "policy = []", "[[policy]"])
def test_a_file_without_a_version_is_no_notice(tmp_path: Path, text: str) -> None:
    """There is no programme without a text."""
    path = tmp_path / "policies.toml"
    path.write_text(text)

    assert 1 == len(faults(path))
