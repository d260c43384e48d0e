"""What the commands say of the notice: `check-config`, `explain`, `find`."""

import asyncio
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from notices import DIGEST, digest_of, later, written
from records import HOUR, record
from support import minimal_document

from collector.cli import ueip
from collector.cli.setup import make_installation
from collector.config import load_settings, read_keys
from collector.lookup import opened
from collector.model import Region
from collector.pseudonym import Pseudonymiser

SERIAL = "ZTE1024300012"
NOW = int(time.time() * 1000)
DAY = 24 * HOUR
Site = Callable[..., Path]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Makes an installation with a second, major version of the notice that took or takes effect at a time."""

    def made(at: int, mode: str = "flag") -> Path:
        folder = tmp_path / "site"
        make_installation(folder)
        written(folder, later("v2", "major", "M1", at=at))
        configuration = folder / "collector.toml"
        text = configuration.read_text()
        text = text.replace("# policies =", "policies =").replace('policies = ""', 'policies = "policies.toml"')
        configuration.write_text(text.replace('mode = "flag"', f'mode = "{mode}"'))
        return configuration

    return made


def run(configuration: Path, *words: str, given: Any = None) -> tuple[int, str]:
    """A command, what it said and its exit code."""
    stdin = None if given is None else json.dumps(given)
    done = CliRunner().invoke(ueip, [*words, "-c", str(configuration)], input=stdin)
    return done.exit_code, re.sub(r"\s+", " ", done.output)


def test_check_config_tells_versions_in_force_and_to_come(site: Site) -> None:
    """And what they end, and in which file they are."""
    code, said = run(site(NOW + DAY), "check-config")

    assert 0 == code
    assert "policies.toml: in order; versions of the notice" in said
    assert "2020-03-14: first, in force since 2020-03-14T00:00:00Z, in en." in said
    assert "v2: major M1, takes effect at " in said
    assert "It ends the consents given before." in said


def test_check_config_leaves_out_what_is_over(site: Site) -> None:
    """The archive is long."""
    _, said = run(site(NOW - DAY), "check-config")

    assert "2020-03-14" not in said
    assert "v2: major M1, in force since " in said


def report(**more: Any) -> dict[str, Any]:
    """A report of now."""
    return minimal_document(time=text_of_now(), **more)


def text_of_now() -> str:
    """The time, as routers write it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@pytest.mark.parametrize(
    ("mode", "at", "more", "words"),
    [
        ("flag", NOW + DAY, {}, ["consent to version 2020-03-14 or v2 of", "joins by it, under version 2020-03-14."]),
        ("flag", NOW - DAY, {}, ["consent to version v2 of", "does not join by it (policy_outdated); it needs"]),
        ("flag", NOW - DAY, {"policy_version": "v2"}, ["consent to version v2 of", "joins by it, under version v2."]),
        ("registered", NOW + DAY, {}, ["version 2020-03-14 or v2 of the notice. A join event has to come first."]),
    ],
    ids=["before", "after", "after-declared", "registered"],
)  # fmt: skip
def test_explain_says_under_which_notice_a_report_comes_in(
    site: Site, mode: str, at: int, more: dict[str, str], words: list[str]
) -> None:
    """Under which consents, and whether it would join a router nobody knows yet."""
    code, said = run(site(at, mode), "explain", "-", "--topic", f"ueip/v1/{SERIAL}/report", given=report(**more))

    assert 0 == code
    assert [] == [part for part in words if part not in said]


def test_explain_says_why_a_join_is_refused(site: Site) -> None:
    """With the reason, before anybody sends it."""
    configuration = site(NOW - DAY, "registered")
    act = {
        "schema_version": 1, "event_id": "e-1", "action": "join", "time": text_of_now(), "country": "DE",
        "policy_version": "v2", "policy_digest": digest_of("v2", "en"), "language": "en",
        "storage_regions": ["germany"], "adult_or_guardian": "adult",
    }  # fmt: skip
    topic = ("--topic", f"ueip/v1/{SERIAL}/consent")
    told = [
        run(configuration, "explain", "-", *topic, given=act | changes)
        for changes in (
            {},
            {"policy_digest": DIGEST},
            {"adult_or_guardian": "nobody"},
            {"policy_version": "2020-03-14", "policy_digest": DIGEST},
        )
    ]

    assert [0, 1, 1, 1] == [code for code, _ in told]
    assert "Goes to the ledger of germany, under version v2 of the notice." in told[0][1]
    assert ["refused: notice_mismatch", "refused: malformed", "refused: policy_outdated"] == [
        re.findall(r"refused: \w+", said)[0] for _, said in told[1:]
    ]


@pytest.mark.parametrize(("ended", "state"), [(False, "joined"), (True, "outdated")])
def test_find_says_that_a_consent_is_outdated_and_shows_what_it_admitted(
    site: Site, *, ended: bool, state: str
) -> None:
    """No entry says so; and what was collected under it stays usable for its purpose."""
    configuration = site(NOW + (-DAY if ended else DAY))
    asyncio.run(_stored(configuration, at=NOW - 2 * DAY))
    found = json.loads(CliRunner().invoke(ueip, ["find", SERIAL, "--json", "-c", str(configuration)]).output)
    _, said = run(configuration, "find", SERIAL)

    assert [(state, 1)] == [(one["consent"]["state"], len(one["records"])) for one in found]
    assert ("outdated by the notice" in said) is ended
    assert "latest state" in said


def test_find_shows_no_empty_table_of_records_without_a_measurement(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a first message by hand; it says so in its place."""
    configuration = site(NOW + DAY)
    asyncio.run(_stored(configuration, at=NOW - DAY))
    monkeypatch.setattr("collector.cli.looking.latest", lambda _: {})
    code, said = run(configuration, "find", SERIAL)

    assert 0 == code
    assert "latest state" not in said
    assert "Its records hold no measurement, only what the timeline says." in said


async def _stored(configuration: Path, *, at: int) -> None:
    settings = load_settings(configuration)
    async with opened(settings, Region.GERMANY) as (store, _):
        identity = Pseudonymiser(read_keys(settings.regions.of(Region.GERMANY))).identity(SERIAL)
        await store.commit([record("a", 1, at=at, identity=identity)])
