"""`ueip diagnose` and `ueip explain-rule`: what an engineer sees, and what nobody must see."""

import asyncio
import json
import re
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from msgspec.structs import replace
from records import HOUR, MINUTE, SECOND, act, record
from rich.console import Console

from collector import examination
from collector.cli import diagnosing, ueip
from collector.cli.setup import make_installation
from collector.config import load_settings, read_keys
from collector.derive import text_of
from collector.diagnosis.document import document_schema
from collector.diagnosis.judging import CODE
from collector.model import Action, Entry, Record, Region
from collector.pseudonym import Pseudonymiser
from collector.storage import open_store

SERIAL = "ZTE1024300012"
IMEI = "490154203237518"
CELL = "0123456789abcdef0123456789abcdef"
NOW = int(time.time() * 1000) // MINUTE * MINUTE
STEP = 15 * MINUTE
LOST = "wan_unexpected_disconnect"


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


class Site:
    """An installation whose stores are filled by the test."""

    def __init__(self, folder: Path) -> None:
        make_installation(folder)
        self.path = folder / "collector.toml"
        self.settings = load_settings(self.path)

    def commit(self, region: Region, *batches: Sequence[Entry]) -> None:
        """Write to a region's store, as its writer does."""

        async def write() -> None:
            store = open_store(self.settings, region)
            await store.open()
            for batch in batches:
                await store.commit(batch)
            await store.close()

        asyncio.run(write())

    def samples(self, region: Region, serial: str = SERIAL, *, losses: int = 0, hours: int = 30) -> list[Record]:
        """What a router sent in the last hours, with so many disconnects on one cell, an hour apart."""
        pseudonyms = Pseudonymiser(read_keys(self.settings.regions.of(region)))
        identity = pseudonyms.identity(serial)
        made = []
        for number in range(hours * 4):
            at = NOW - hours * HOUR + number * STEP
            hour, quarter = divmod(number, 4)
            told = [_loss(at)] if quarter == 1 and hour >= hours - losses else []
            base = record(serial, number, at=at, identity=identity, region=region, body=_body(told))
            made.append(
                replace(base, lookup=(("imei", pseudonyms.ref("imei", "49015420323751")),))
                if serial == SERIAL
                else base
            )
        return made

    def act(self, action: Action, region: Region, serial: str) -> Entry:
        """An act of a router's owner, a moment ago."""
        identity = Pseudonymiser(read_keys(self.settings.regions.of(region))).identity(serial)
        return act(action, at=NOW - SECOND, identity=identity)

    def run(self, *words: str) -> Answer:
        """Run a command on this installation."""
        done = CliRunner().invoke(ueip, [*words, "-c", str(self.path)])
        return Answer(done.exit_code, done.stdout, done.stderr)

    def documents(self, *words: str) -> list[Any]:
        """What `--json` says."""
        found: list[Any] = json.loads(self.run("diagnose", SERIAL, "--json", *words).out)
        return found


def _body(events: list[dict[str, Any]]) -> bytes:
    router = {"model_name": "MC888", "software_version": "V1", "uptime_seconds": 1000}
    network = {"plmn": "26201", "rat": "lte", "wan_connection_state": "connected"}
    body: dict[str, Any] = {
        "router": router,
        "network": network,
        "signal": {"rsrp_dbm": -90, "sinr_db": 12.5, "rsrq_db": -9},
    }
    return orjson.dumps(body | ({"events": events} if events else {}))


def _loss(at: int) -> dict[str, Any]:
    return {"event": LOST, "time": text_of(at - MINUTE), "disconnect_cause": "radio_link_failure", "cell_ref": CELL}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An installation with nothing in it."""
    return Site(tmp_path / "site")


HERE = Region.GERMANY


def test_a_router_in_trouble_is_told_with_evidence_its_like_and_its_cell(site: Site) -> None:
    """The sentence an engineer needs."""
    site.commit(HERE, site.samples(HERE, losses=12))
    for number in range(11):
        site.commit(HERE, site.samples(HERE, f"ZTE{number}", losses=1 if number < 3 else 0))

    done = site.run("diagnose", SERIAL)

    assert 0 == done.code
    assert "MAJOR Frequent disconnects" in done.out
    assert "12 disconnects a day; causes: radio_link_failure 12; before them: nothing seen 12" in done.out
    assert "11 routers have a median of 0, 0 of them as much or more" in done.out
    assert "same cell" not in done.out
    assert "still so" in done.out
    assert "ueip explain-rule disconnects_frequent" in done.out


def test_a_cell_with_ten_routers_is_told(site: Site) -> None:
    """How many of them lost the network since."""
    site.commit(HERE, site.samples(HERE, losses=12))
    for number in range(11):
        site.commit(HERE, site.samples(HERE, f"ZTE{number}", losses=2))

    [document] = site.documents()
    [finding] = document["findings"]

    assert (12, 12) == (finding["cell"]["routers"], finding["cell"]["affected"])
    assert "same cell: 12 of 12 routers lost the network since" in site.run("diagnose", SERIAL).out


def test_a_healthy_router_has_no_finding(site: Site) -> None:
    """And what was not seen was not judged."""
    site.commit(HERE, site.samples(HERE))

    done = site.run("diagnose", SERIAL)

    assert (0, True) == (done.code, "No finding." in done.out)
    assert "RSRP dBm" in done.out


def test_a_router_is_found_by_its_imei_too(site: Site) -> None:
    """Whatever the customer reads out."""
    site.commit(HERE, site.samples(HERE))

    assert 0 == site.run("diagnose", IMEI).code


def test_an_unknown_router_is_told_so(site: Site) -> None:
    """With what to do."""
    site.commit(HERE, site.samples(HERE))
    done = site.run("diagnose", "ZTE404")

    assert (1, "") == (done.code, done.out)
    assert "check the digits" in done.err


@pytest.mark.parametrize("action", [Action.EXIT, Action.RESTRICT, Action.VOID, Action.HOLD])
def test_nothing_is_shown_of_a_router_that_may_not_be_read(site: Site, action: Action) -> None:
    """Whatever is on disk (K37): no finding, no timeline, no time of its last record."""
    site.commit(HERE, site.samples(HERE, losses=12), [_with_reference(site.act(action, HERE, SERIAL))])

    [document] = site.documents()
    text = site.run("diagnose", SERIAL).out

    assert (False, [], [], 0, None) == tuple(
        document[name] for name in ("readable", "findings", "timeline", "records", "last_received_at")
    )
    assert "nothing of it may be read" in text
    assert "disconnect" not in text


@pytest.mark.parametrize("action", [Action.EXIT, Action.RESTRICT, Action.VOID, Action.HOLD])
def test_routers_that_may_not_be_read_are_in_no_comparison(site: Site, action: Action) -> None:
    """Ten alike, of which one has left, are nine."""
    site.commit(HERE, site.samples(HERE, losses=12))
    for number in range(10):
        site.commit(HERE, site.samples(HERE, f"ZTE{number}"))
    before = site.documents()[0]["findings"][0]["compared"]
    site.commit(HERE, [_with_reference(site.act(action, HERE, "ZTE3"))])
    after = site.documents()[0]["findings"][0]["compared"]

    assert ([10, 10], []) == ([group["routers"] for group in before], after)


def _with_reference(entry: Entry) -> Entry:
    return replace(entry, reference="CASE-1") if getattr(entry, "action", None) is Action.HOLD else entry


def test_routers_of_another_region_are_in_no_comparison(site: Site) -> None:
    """Who reads one region does not read another (O70)."""
    site.commit(HERE, site.samples(HERE, losses=12))
    for number in range(12):
        site.commit(Region.CHINA, site.samples(Region.CHINA, f"ZTE{number}"))

    [finding] = site.documents()[0]["findings"]

    assert [] == finding["compared"]


def test_reading_is_bounded_however_large_the_store_is(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of the router and of a cell, routers looked at and of a group; what is cut off is said."""
    site.commit(HERE, site.samples(HERE, losses=12))
    for number in range(14):
        site.commit(HERE, site.samples(HERE, f"ZTE{number}", losses=1))

    def groups(name: str, most: int) -> list[int]:
        with monkeypatch.context() as bounded:
            bounded.setattr(examination, name, most)
            [finding] = site.documents()[0]["findings"]
        return [group["routers"] for group in finding["compared"]]

    assert [11, 11] == groups("GROUP", 11)
    assert [12, 12] == groups("CANDIDATES", 12)
    assert [] == groups("CANDIDATES", 9)
    monkeypatch.setattr(examination, "CELL_RECORDS", 10)
    assert site.documents()[0]["findings"][0]["cell"] is None
    monkeypatch.setattr(examination, "MOST_RECORDS", 100)
    assert (100, True) == tuple(site.documents()[0][name] for name in ("records", "more_records"))
    assert "older ones from that time were left out" in site.run("diagnose", SERIAL).out


@pytest.mark.parametrize("name", ["History", "diagnose", "timeline", "compare", "on_cell"])
def test_who_judges_keeps_nobody_waiting(name: str, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The console answers others meanwhile: a router may have twenty thousand records."""
    site.commit(HERE, site.samples(HERE, losses=12))
    judge, beside = getattr(examination, name), list[bool]()

    def judging(*given: Any, **more: Any) -> Any:
        beside.append(threading.current_thread() is not threading.main_thread())
        return judge(*given, **more)

    monkeypatch.setattr(examination, name, judging)
    site.documents()

    assert beside
    assert beside[0]


def test_what_was_cut_off_is_no_gap(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """There were records, and they were not looked at."""
    site.commit(HERE, site.samples(HERE, hours=30))
    monkeypatch.setattr(examination, "MOST_RECORDS", 50)

    [document] = site.documents("--since", "20h")

    assert (50, True) == (document["records"], document["more_records"])
    assert [] == [entry for entry in document["timeline"] if entry["kind"] == "gap"]


def test_a_short_time_asked_for_is_compared_as_a_long_one_is(site: Site) -> None:
    """By the last two days of the router and of its like."""
    site.commit(HERE, site.samples(HERE, losses=14))
    for number in range(10):
        site.commit(HERE, site.samples(HERE, f"ZTE{number}", losses=2))

    def own(*words: str) -> list[float]:
        [document] = site.documents(*words)
        return [group["own"] for finding in document["findings"] for group in finding["compared"]]

    assert own("--since", "8h") == pytest.approx(own("--since", "7d"), rel=0.01) != []


def test_the_document_has_the_shape_that_is_promised(site: Site) -> None:
    """For a router with findings and for one that may not be read."""
    site.commit(HERE, site.samples(HERE, losses=12))
    for number in range(10):
        site.commit(HERE, site.samples(HERE, f"ZTE{number}", losses=1))
    validator = Draft202012Validator(document_schema())

    told = site.documents()
    assert told[0]["findings"][0]["compared"]
    assert told[0]["timeline"]
    validator.validate(told)
    site.commit(HERE, [site.act(Action.EXIT, HERE, SERIAL)])
    validator.validate(site.documents())


def test_no_identifier_is_in_what_is_told(site: Site) -> None:
    """Nor the name of a router in its topics, nor another router's pseudonym."""
    site.commit(HERE, site.samples(HERE, losses=12))
    others = [f"ZTEOTHER{number}" for number in range(10)]
    for other in others:
        site.commit(HERE, site.samples(HERE, other, losses=1))
    pseudonyms = Pseudonymiser(read_keys(site.settings.regions.of(HERE)))

    told = site.run("diagnose", SERIAL).out + json.dumps(site.documents())

    for secret in (SERIAL, IMEI, CELL, "OTHER", *(pseudonyms.identity(other).device_ref.hex() for other in others)):
        assert secret not in told


@pytest.mark.parametrize("span", ["90m", "12h", "7d"])
def test_a_time_span_is_written_as_people_do(site: Site, span: str) -> None:
    """A number and m, h or d."""
    site.commit(HERE, site.samples(HERE))

    assert 0 == site.run("diagnose", SERIAL, "--since", span).code


@pytest.mark.parametrize("span", ["7", "0d", "d", "1w", "-1d", "1.5h", ""])
def test_another_time_span_is_refused_with_an_example(site: Site, span: str) -> None:
    """What was found and what is expected."""
    done = site.run("diagnose", SERIAL, "--since", span)

    assert 2 == done.code
    assert "such as 90m, 12h or 7d" in done.err


def test_a_narrow_terminal_without_colours_is_respected(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is longer than the terminal is wide, and NO_COLOR leaves no escape codes."""
    site.commit(HERE, site.samples(HERE, losses=12))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(diagnosing, "out", lambda: Console(force_terminal=True, width=64, highlight=False))

    done = site.run("diagnose", SERIAL)

    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", done.out)
    assert max(map(len, re.sub(r"\x1b\[[0-9;]*m", "", done.out).splitlines())) <= 64


def test_a_terminal_without_blocks_gets_plain_charts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """ASCII only."""
    site.commit(HERE, site.samples(HERE, losses=3))

    class Ascii(Console):
        @property
        def encoding(self) -> str:
            return "ascii"

    monkeypatch.setattr(diagnosing, "out", lambda: Ascii(width=100, color_system=None))
    charts = site.run("diagnose", SERIAL).out.partition("charts")[2].partition("timeline")[0]

    assert "RSRP dBm" in charts
    assert charts.isascii()


@pytest.mark.parametrize("rule", CODE)
def test_every_rule_is_explained(rule: str) -> None:
    """What it means, what it looks at, what it goes by and where that comes from."""
    done = CliRunner().invoke(ueip, ["explain-rule", rule])

    assert 0 == done.exit_code
    assert f"rule {rule}, version " in done.stdout
    assert "It looks at: " in done.stdout
    assert "source" in done.stdout


def test_all_rules_are_listed_with_what_can_not_be_said() -> None:
    """Without a name."""
    done = CliRunner().invoke(ueip, ["explain-rule"])

    assert all(rule in done.stdout for rule in CODE)
    assert "What the records cannot say" in done.stdout


def test_an_unknown_rule_is_told_with_those_there_are() -> None:
    """And exits with 1."""
    done = CliRunner().invoke(ueip, ["explain-rule", "signal_strong"])

    assert (1, True) == (done.exit_code, "signal_weak" in done.stderr)


def test_rules_are_told_to_programs() -> None:
    """With every threshold."""
    [rule] = json.loads(CliRunner().invoke(ueip, ["explain-rule", "battery_worn", "--json"]).stdout)

    assert 25 == rule["thresholds"]["percent_per_hour"]["value"]
