"""docs/scale.md works out: every figure from those of its first table, and those from where the page says they are."""

import ast
import operator
import re
import tomllib
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest

from collector.config import SpoolSettings
from collector.config_broker import BrokerSettings

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = (ROOT / "docs" / "scale.md").read_text("utf-8")
BROKERS: Final = sorted((ROOT / "config" / "brokers").iterdir())
GIVEN: Final = re.compile(r"^\| `(?P<name>\w+)` \| (?P<value>[\d,.]+) \| (?P<source>.*) \|$", re.MULTILINE)
WORKED_OUT: Final = re.compile(r"^\| `(?P<name>\w+)` \| `(?P<sum>[^`]+)` \| (?P<value>[\d,.]+) \|", re.MULTILINE)
QUOTED: Final = re.compile(r"\]\((?P<file>[^)]+)\): \"(?P<text>[^\"]+)\"")
OPERATORS: Final = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def number(text: str) -> float:
    """A number as the page writes it."""
    return float(text.replace(",", ""))


def worked_out(expression: str, known: dict[str, float]) -> float:
    """The value of an expression of names, numbers and the four operations."""

    def value(node: Any) -> float:
        if isinstance(node, ast.BinOp):
            return float(OPERATORS[type(node.op)](value(node.left), value(node.right)))
        return known[node.id] if isinstance(node, ast.Name) else float(node.value)

    return value(ast.parse(expression, mode="eval").body)


def plain(text: str) -> str:
    """A text as it is read: in one line, without what only a table's source needs."""
    return " ".join(text.replace("\\|", "|").split())


def test_every_figure_is_what_its_arithmetic_gives() -> None:
    """To as many places as it has."""
    known = {found["name"]: number(found["value"]) for found in GIVEN.finditer(PAGE)}
    wrong = []
    for found in WORKED_OUT.finditer(PAGE):
        exact = worked_out(found["sum"], known)
        told = number(found["value"])
        places = len(found["value"].partition(".")[2])
        # A figure of many places is told to three of them.
        if abs(exact - told) > max(0.5 * 10**-places, told * 0.002):
            wrong.append(f"{found['name']}: {exact:,.2f}, not {found['value']}")
        known[found["name"]] = exact

    assert [] == wrong
    assert len(known) > 40
    assert len(known) == len(GIVEN.findall(PAGE)) + len(WORKED_OUT.findall(PAGE)), "a name stands for two figures"


def test_what_was_measured_stands_where_the_page_says() -> None:
    """Word for word, in the report or page it names; a figure that nobody measured is said to be assumed."""
    missing, bare = [], []
    for found in GIVEN.finditer(PAGE):
        quotes = list(QUOTED.finditer(found["source"]))
        missing += [
            f"{found['name']}: {quote['text']}"
            for quote in quotes
            if plain(quote["text"]) not in plain((ROOT / "docs" / quote["file"]).read_text("utf-8"))
        ]
        if not quotes and not re.match(r"assumed|chosen|what `ueip init` writes|the outage|the same", found["source"]):
            bare.append(found["name"])

    assert [] == missing
    assert [] == bare


def test_the_settings_are_those_that_were_worked_out() -> None:
    """And the collector takes them."""
    [snippet] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    document = tomllib.loads(snippet)
    spool, broker = SpoolSettings(**document["spool"]), BrokerSettings(**document["broker"])
    known = {found["name"]: number(found["value"]) for found in WORKED_OUT.finditer(PAGE)}

    assert known["spool_gb"] * 1e9 < spool.max_bytes
    assert known["known"] < spool.known_routers
    assert broker.session_expiry_seconds > 4 * 3600


@pytest.mark.parametrize("path", BROKERS, ids=lambda path: path.name)
def test_what_was_not_run_says_so(path: Path) -> None:
    """In the file itself, and the page links it."""
    text = path.read_text("utf-8")

    assert "WRITTEN FROM THE DOCUMENTATION, NOT RUN" in text
    assert f"config/brokers/{path.name}" in PAGE


@pytest.mark.parametrize("path", [path for path in BROKERS if path.suffix == ".xml"], ids=lambda path: path.name)
def test_configuration_in_xml_is_well_formed_and_its_queue_is_long_enough(path: Path) -> None:
    """What waits for all workers fits in."""
    tree = ET.parse(path)
    queue = tree.findtext(".//max-queue-size")
    queued = next(number(found["value"]) for found in WORKED_OUT.finditer(PAGE) if found["name"] == "queued")

    assert queue is None or int(queue) > queued
