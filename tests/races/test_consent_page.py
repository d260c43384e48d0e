"""docs/consent.md names every race and no test that is not there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "consent.md").read_text("utf-8")
ROWS = re.findall(r"^\| (K\d\d) .*$", PAGE, re.MULTILINE)


def defined(folder: Path) -> set[str]:
    """The names of the tests below *folder*."""
    files = folder.rglob("test_*.py")
    return {name for file in files for name in re.findall(r"(?m)^(?:async )?def (test_\w+)", file.read_text("utf-8"))}


def test_every_race_has_its_row() -> None:
    """K01 to K40, once each, in order."""
    assert [f"K{number:02}" for number in range(1, 41)] == ROWS


def test_every_test_it_names_is_there() -> None:
    """A test that is renamed takes the page with it."""
    named = set(re.findall(r"`(test_\w+)`", PAGE))

    assert set() == named - defined(ROOT / "tests")


def test_every_named_race_of_this_folder_is_in_it() -> None:
    """What is shown is said."""
    races = {name for name in defined(Path(__file__).parent) if re.match(r"test_k\d\d_", name)}

    assert set() == races - set(re.findall(r"`(test_\w+)`", PAGE))
