"""What is vendored is what its page says, byte for byte, and has its licence."""

import hashlib
import re
from pathlib import Path

import collector.console

VENDOR = Path(collector.console.__file__).parent / "static" / "vendor"


def test_every_vendored_file_is_on_the_page_with_its_digest() -> None:
    """And nothing else is there."""
    told = dict(
        re.findall(r"^\| ([^ ]+) \|.*`([0-9a-f]{64})` \|$", (VENDOR / "README.md").read_text("utf-8"), re.MULTILINE)
    )
    there = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "README.md"
    }

    assert told == there
    assert "MIT License" in (VENDOR / "uplot" / "LICENSE").read_text("utf-8")


def test_nothing_that_is_served_names_another_origin() -> None:
    """But for names of namespaces and a licence's own words, no address stands in a page, a style or a script."""
    folder = VENDOR.parent
    sources = [*folder.glob("*.*"), *(folder.parent / "templates").glob("*.html")]
    found = {
        (path.name, address)
        for path in sources
        for address in re.findall(r"https?://[^\s\"'<>)]+", path.read_text("utf-8"))
    }

    assert {address for _, address in found} <= {"http://www.w3.org/2000/svg"}
