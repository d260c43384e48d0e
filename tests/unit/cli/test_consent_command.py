"""`ueip consent` and `ueip exit`: the rights desk's way to the ledgers, whether or not a collector runs."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from office import imei_of, mac_of, now, text_of_ms
from support import ROUTER, message, minimal_document

from collector.cli import ueip
from collector.cli.consent import KINDS
from collector.cli.setup import make_installation
from collector.config import Settings, load_settings
from collector.errors import Cause, CollectorError, StoreUnavailable
from collector.lookup import find, opened
from collector.model import Accepted, Action, Region
from collector.pipeline import process
from collector.rules import make_rules


class Site:
    """An installation without a broker."""

    def __init__(self, folder: Path) -> None:
        make_installation(folder)
        self.config = folder / "collector.toml"
        self.settings: Settings = load_settings(self.config)

    def run(self, *words: str, answer: str = "") -> Result:
        """Run a command here."""
        return CliRunner().invoke(ueip, [*words, "-c", str(self.config)], input=answer)

    def report(self, *routers: str) -> None:
        """A report of each router is stored in Germany."""
        asyncio.run(self._report(routers))

    async def _report(self, routers: tuple[str, ...]) -> None:
        rules = make_rules(self.settings)
        async with opened(self.settings, Region.GERMANY) as (store, _):
            for router in routers:
                says = {"serial": router, "imei": imei_of(router), "mac": mac_of(router)}
                document = minimal_document(message_id=f"m-{now()}", time=text_of_ms(now()), router=says)
                outcome = process(message(document, router=router, received_at=now()), rules)
                assert isinstance(outcome, Accepted)
                await store.commit([outcome.record])

    def records(self, router: str = ROUTER) -> list[int]:
        """How many records can be read of the routers known by a name."""
        return [len(found.records) for found in asyncio.run(find(self.settings, router))]

    def acts(self, region: str = "germany") -> list[tuple[str, str]]:
        """The acts in a region's ledger and their channels."""
        sql = "SELECT json_extract(entry, '$.action'), json_extract(entry, '$.channel') FROM ledger ORDER BY seq"
        with closing(sqlite3.connect(self.settings.regions.of(Region(region)).file)) as store:
            return store.execute(sql).fetchall()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """An installation of the test's own."""
    return Site(tmp_path / "site")


JOIN = ("consent", "join", ROUTER, "--country", "DE", "--policy-version", "2020-03-14", "--adult-or-guardian", "adult")


def test_whose_ledger_a_join_goes_to_the_registry_says(site: Site) -> None:
    """As on the topic and by the API (D17); a router that is on no list is its operator's to place."""
    site.config.write_text(site.config.read_text().replace('registry = "none"', 'registry = "known"'))
    listed = site.run("registry", "add", ROUTER, "--country", "CN")
    refused, unlisted = site.run(*JOIN), site.run(*JOIN[:2], "another", *JOIN[3:])

    assert (0, 0) == (listed.exit_code, unlisted.exit_code)
    assert isinstance(refused.exception, CollectorError)
    assert "names another country than the registry" in str(refused.exception)
    assert [("join", "rights_desk")] == site.acts()


def test_a_join_opens_the_gate(site: Site) -> None:
    """In its country's region; given again with its id it counts once."""
    first = site.run(*JOIN, "--event-id", "e-1")
    again = site.run(*JOIN, "--event-id", "e-1")

    assert (0, "germany: join recorded\n") == (first.exit_code, first.output)
    assert (0, "germany: join was recorded before\n") == (again.exit_code, again.output)
    assert [("join", "rights_desk")] == site.acts()


@pytest.mark.parametrize("words", [("exit",), *(("consent", kind.value) for kind in KINDS if KINDS[kind].undoable)])
def test_a_router_leaves_by_whatever_it_is_called(site: Site, words: tuple[str, ...]) -> None:
    """Its serial, IMEI or MAC, with the blanks that people put in; the records are gone."""
    spelt: list[Callable[[str], str]] = [str.lower, imei_of, mac_of, lambda r: f" {r[:4]} {r[4:]} "]
    routers = [f"ZTE10243{number:04}" for number in range(len(spelt))]
    site.report(*routers)
    done = [site.run(*words, name(router)) for router, name in zip(routers, spelt, strict=True)]

    assert [(0, f"germany: {words[-1]} recorded, 1 record erased\n")] * 4 == [(d.exit_code, d.output) for d in done]
    assert [("join", "telemetry_flag")] * 4 + [(words[-1], "rights_desk")] * 4 == site.acts()


def test_a_restriction_hides_and_its_end_shows(site: Site) -> None:
    """The records stay; nobody is asked, for it can be undone."""
    site.report(ROUTER)
    restricted = site.run("consent", "restrict", ROUTER)
    during = site.records()
    ended = site.run("consent", "unrestrict", ROUTER)

    assert (0, 0) == (restricted.exit_code, ended.exit_code)
    assert ([0], [1]) == (during, site.records())


@pytest.mark.parametrize("kind", list(KINDS))
def test_only_what_asks_can_be_told_not_to(site: Site, kind: Action) -> None:
    """An option that does nothing promises a question that is never put."""
    told = site.run("consent", kind.value, "nobody", "--yes")

    assert (1 if KINDS[kind].undoable else 2) == told.exit_code
    assert ("No such option" in told.output) is (KINDS[kind].undoable is None)


def test_an_erasure_leaves_the_router_in_the_programme(site: Site) -> None:
    """What was received is gone; what comes later is taken, and found by the same names."""
    site.report(ROUTER)
    erased = site.run("consent", "erase", imei_of(ROUTER), "--reason", "owner_request")
    between = site.run("consent", "erase", imei_of(ROUTER))
    site.report(ROUTER)

    assert (0, "germany: erase recorded, 1 record erased\n") == (erased.exit_code, erased.output)
    assert 1 == between.exit_code  # with its last record its IMEI went; its topic's name still finds it
    assert [1] == site.records(imei_of(ROUTER))
    assert [("join", "telemetry_flag"), ("erase", "rights_desk")] == site.acts()


def test_a_hold_suspends_what_an_exit_erases(site: Site) -> None:
    """Nothing can be read meanwhile; who asks for an erasure is told; the release erases, and says how much."""
    site.report(ROUTER)
    held = site.run("consent", "hold", ROUTER, "--reference", "CASE-2026-017")
    left = site.run("exit", ROUTER)
    during = site.records()
    erased = site.run("consent", "erase", ROUTER)
    other = site.run("consent", "release", ROUTER, "--reference", "CASE-1")
    released = site.run("consent", "release", imei_of(ROUTER), "--reference", "CASE-2026-017")

    waits = "; a legal hold keeps the records until it is released"
    assert ("germany: hold recorded\n", [0]) == (held.output, during)
    assert [f"germany: {act} recorded{waits}\n" for act in ("exit", "erase")] == [left.output, erased.output]
    assert (0, "germany: release has nothing to do: that is how it stands already\n") == (other.exit_code, other.output)
    assert (0, "germany: release recorded, 1 record erased\n") == (released.exit_code, released.output)
    assert ["join", "hold", "exit", "erase", "release"] == [act for act, _ in site.acts()]


@pytest.mark.parametrize("act", [["restrict"], ["hold", "--reference", "CASE-1"]], ids=["restricted", "held"])
def test_a_join_that_a_restriction_or_a_hold_is_in_the_way_of_says_so(site: Site, act: list[str]) -> None:
    """That it stood so already would say that the router takes part."""
    site.report(ROUTER)
    site.run("consent", *act, ROUTER)
    joined = site.run("consent", "join", ROUTER, "--country", "DE")
    told = "germany: join has no effect: a restriction or a legal hold stands\n"

    assert (1, told) == (joined.exit_code, joined.output)


def test_a_reference_is_kept_and_nothing_else_is(site: Site) -> None:
    """As evidence, with the reason; there is nowhere to write a sentence."""
    site.report(ROUTER)
    site.run("consent", "hold", ROUTER, "--reference", "CASE-2026-017", "--reason", "authority")
    sql = "SELECT json_extract(entry, '$.reference'), json_extract(entry, '$.reason') FROM ledger ORDER BY seq"
    with closing(sqlite3.connect(site.settings.regions.of(Region.GERMANY).file)) as store:
        found = store.execute(sql).fetchall()

    assert [(None, None), ("CASE-2026-017", "authority")] == found


def test_what_is_known_nowhere_is_the_answer_no(site: Site) -> None:
    """1, and what to do about it; with a country the gate is closed before the router is ever seen."""
    nowhere = site.run("exit", ROUTER)
    there = site.run("exit", ROUTER, "--country", "HK")
    again = site.run("exit", ROUTER)

    assert (1, True) == (nowhere.exit_code, "give --country" in nowhere.output)
    assert (0, "hong_kong: exit recorded\n") == (there.exit_code, there.output)
    assert (0, "hong_kong: exit has nothing to do: that is how it stands already\n") == (again.exit_code, again.output)
    assert ([], [("exit", "rights_desk")]) == (site.acts(), site.acts("hong_kong"))


@pytest.mark.parametrize("action", ["erase", "restrict", "unrestrict", "hold", "release"])
def test_what_closes_nothing_in_advance_does_not_say_so(site: Site, action: str) -> None:
    """Only the end of a consent stands for a router that was never seen; the others have no option for it."""
    words = ["consent", action, ROUTER, *(["--reference", "CASE-1"] if action in {"hold", "release"} else [])]
    nowhere, there = site.run(*words), site.run(*words, "--country", "DE")

    assert (1, "no region served here knows that router\n") == (nowhere.exit_code, nowhere.output)
    assert (2, True) == (there.exit_code, "No such option" in there.output)


def test_a_gate_is_closed_in_advance_by_the_name_in_topics(site: Site) -> None:
    """Under a MAC address nothing ever comes."""
    done = site.run("exit", mac_of(ROUTER), "--country", "DE")

    assert (1, True) == (done.exit_code, "give the name in its topics" in done.output)


def test_a_join_from_before_the_exit_is_the_answer_no(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when somebody's clock is behind; the gate stays closed."""
    site.run("exit", ROUTER, "--country", "DE")
    monkeypatch.setattr("collector.cli.recording.time.time", lambda: 1_600_000_000.0)
    done = site.run(*JOIN)

    assert (1, "germany: join is not newer than what closed the gate\n") == (done.exit_code, done.output)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("exit", ROUTER, "--country", "XX"), "--country: found 'XX'. Expected a country code that ISO 3166-1 assigns"),
        (("exit", "a/b"), "router: expected 1 to 64 of A-Z a-z 0-9 . _ : -"),
        (("exit", "\udcff"), "router: expected 1 to 64 of A-Z a-z 0-9 . _ : -"),
        (("exit", ROUTER, "--event-id", "a b"), "event-id: expected 1 to 64 of A-Z a-z 0-9 . _ : -"),
        (("consent", "join", "d8:0a:e6:01:02:03", "--country", "DE"), "join: The topic is not one"),
        ((*JOIN, "--policy-digest", "x"), "policy-digest: "),
        ((*JOIN, "--policy-version", "1999"), "join: "),
        (("consent", "hold", ROUTER, "--reference", "Mrs Jones said so"), "reference: "),
        (("consent", "hold", ROUTER, "--reference", "case-1"), "reference: expected a code such as CASE-2026-017"),
        (("consent", "hold", ROUTER, "--reference", f"CASE-{ROUTER[:7]}-{ROUTER[7:]}"), "act: "),
    ],
)
def test_a_fault_of_usage_records_nothing(site: Site, words: tuple[str, ...], sentence: str) -> None:
    """It is a sentence that names what is wrong; `main` makes it exit code 2."""
    done = site.run(*words)

    assert isinstance(done.exception, CollectorError)
    assert str(done.exception).startswith(sentence)
    assert not site.settings.regions.of(Region.GERMANY).file.exists() or [] == site.acts()


def test_a_store_that_is_away_keeps_none_of_the_others_waiting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The act reaches those that answer; it says which did not, and how to repeat it; `main` makes it exit code 3."""
    monkeypatch.setattr("collector.stores.sqlite_schema._BUSY_SECONDS", 0.1)
    site.report(ROUTER)
    site.run("exit", "ZTE0000000001", "--country", "CN")
    with closing(sqlite3.connect(site.settings.regions.of(Region.CHINA).file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = site.run("consent", "void", ROUTER, "--event-id", "v-1")
        other.execute("ROLLBACK")

    assert isinstance(done.exception, StoreUnavailable)
    assert "repeat it when the store is back, with --event-id v-1" in str(done.exception)
    assert "china: not done: " in done.output
    assert [("join", "telemetry_flag"), ("void", "rights_desk")] == site.acts()


def test_of_a_store_that_is_away_an_act_says_why_and_what_to_do(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each for itself, and not at the end that all of them do not answer."""
    monkeypatch.setattr("collector.stores.sqlite_schema._BUSY_SECONDS", 0.1)
    site.run("exit", "ZTE0000000001", "--country", "CN")
    with closing(sqlite3.connect(site.settings.regions.of(Region.CHINA).file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        done = site.run("exit", ROUTER)
        other.execute("ROLLBACK")

    assert f"(locked). {Cause.LOCKED.advice}" in done.output
    assert isinstance(done.exception, StoreUnavailable)
    assert str(done.exception) == done.exception.in_full()


# When a person watches


@pytest.mark.parametrize("answer", ["y\n", "n\n", ""])
def test_what_cannot_be_undone_is_asked_about(site: Site, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Anything but a yes does nothing."""
    monkeypatch.setattr("collector.cli.consent._watched", lambda: True)
    site.report(ROUTER)
    done = site.run("exit", ROUTER, answer=answer)

    assert "closes its gate and erases its records" in done.output
    assert ([0] if answer == "y\n" else [1]) == site.records()


def test_yes_answers_beforehand(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what can be undone is never asked about."""
    monkeypatch.setattr("collector.cli.consent._watched", lambda: True)
    site.report(ROUTER)
    restricted = site.run("consent", "restrict", ROUTER)
    left = site.run("exit", ROUTER, "--yes")

    assert ("germany: restrict recorded\n", 0) == (restricted.output, restricted.exit_code)
    assert ("germany: exit recorded, 1 record erased\n", 0) == (left.output, left.exit_code)


def test_nothing_it_prints_is_an_identifier(site: Site) -> None:
    """What it says may end in a ticket."""
    site.report(ROUTER)
    outputs: list[Any] = [site.run("exit", name).output for name in (ROUTER, imei_of(ROUTER), "ZTE0000000001")]

    assert not [text for text in outputs if ROUTER in text or imei_of(ROUTER) in text or "ZTE0000000001" in text]
