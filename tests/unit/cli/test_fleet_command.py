"""`ueip fleet`: a bad version found in one region's store, and nobody who may not be counted."""

import json
from pathlib import Path

import orjson
import pytest
from jsonschema import Draft202012Validator
from records import HOUR, MINUTE, record
from test_diagnose_command import NOW, Site

from collector import surveying
from collector.config import read_keys
from collector.derive import text_of
from collector.diagnosis.survey_document import survey_schema
from collector.model import Action, Entry, Record, Region
from collector.pseudonym import Pseudonymiser

HERE = Region.GERMANY
HOURS = 20
BAD, GOOD = "B06", "B08"


def sent(site: Site, region: Region, serial: str, software: str) -> list[Record]:
    """What a router sent in the last hours: with the bad version it restarts every other hour."""
    identity = Pseudonymiser(read_keys(site.settings.regions.of(region))).identity(serial)
    made = []
    for number in range(HOURS * 4):
        at = NOW - HOURS * HOUR + number * 15 * MINUTE
        body = {"router": {"model_name": "MC888", "software_version": software}, "network": {"plmn": "26201"}}
        if software == BAD and number % 8 == 5:
            time = text_of(at - MINUTE)
            body["events"] = [{"event": "unexpected_reboot", "time": time, "reboot_reason": "watchdog"}]  # type: ignore[assignment]
        made.append(record(serial, number, at=at, identity=identity, region=region, body=orjson.dumps(body)))
    return made


def fill(site: Site, region: Region, *, bad: int, good: int) -> None:
    records: list[Entry] = []
    for number in range(bad):
        records += sent(site, region, f"BAD{number}", BAD)
    for number in range(good):
        records += sent(site, region, f"GOOD{number}", GOOD)
    site.commit(region, records)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An installation with nothing in it."""
    return Site(tmp_path / "site")


def test_a_bad_version_is_told_with_its_like_and_its_beginning(site: Site) -> None:
    """And which fault."""
    fill(site, HERE, bad=30, good=40)

    done = site.run("fleet")

    assert 0 == done.code
    assert "germany: 70 routers" in done.out
    assert "software B06 of MC888: restarts by the watchdog in 30 of 30 routers" in done.out
    assert "none of 40 routers of other software had any" in done.out
    assert "less than one in a million surveys" in done.out


def test_a_fleet_in_order_is_told_so(site: Site) -> None:
    """With what was counted."""
    fill(site, HERE, bad=0, good=12)

    assert "Nothing stands out" in site.run("fleet").out


def test_the_survey_s_document_has_the_shape_that_is_promised(site: Site) -> None:
    """Names no router."""
    fill(site, HERE, bad=30, good=40)
    documents = json.loads(site.run("fleet", "--json").out)

    Draft202012Validator(survey_schema()).validate(documents)
    [alarm] = documents[0]["alarms"]
    assert ("software", "B06", "restarts by the watchdog", 30) == (
        alarm["kind"], alarm["name"], alarm["fault"], alarm["routers"],
    )  # fmt: skip
    assert "_ref" not in json.dumps(documents)


@pytest.mark.parametrize("action", [Action.EXIT, Action.RESTRICT])
def test_routers_that_may_not_be_read_are_not_counted(site: Site, action: Action) -> None:
    """Whatever is on disk (K37)."""
    fill(site, HERE, bad=12, good=12)
    site.commit(HERE, [site.act(action, HERE, f"BAD{number}") for number in range(12)])

    assert "germany: 12 routers" in site.run("fleet").out


def test_regions_are_never_put_together(site: Site) -> None:
    """Half a fleet here and half there are two halves (O70)."""
    fill(site, HERE, bad=30, good=0)
    fill(site, Region.CHINA, bad=0, good=40)

    done = site.run("fleet")

    assert ("germany: 30 routers" in done.out, "china: 40 routers" in done.out) == (True, True)
    assert 2 == done.out.count("Nothing stands out")


@pytest.mark.parametrize("bound", ["MOST_ROUTERS", "MOST_RECORDS"])
def test_a_fleet_that_is_too_large_is_sampled_and_told_so(
    site: Site, bound: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By routers or by records, whichever comes first."""
    fill(site, HERE, bad=0, good=14)
    monkeypatch.setattr(surveying, bound, 11 if bound == "MOST_ROUTERS" else 11 * HOURS * 4)

    assert "germany: 11 routers, a sample of them" in site.run("fleet").out


def test_an_installation_without_stores_is_told_so(site: Site) -> None:
    """Nothing was collected yet."""
    assert "no region served here has a store yet" in site.run("fleet").err
