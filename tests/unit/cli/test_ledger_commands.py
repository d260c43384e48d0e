"""`ueip ledger`: what operators see of the ledgers, and what they must not see."""

import asyncio
import contextlib
import json
import shutil
import sqlite3
import time
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import Mock

import pytest
from click.testing import CliRunner
from records import HOUR, SECOND, START, act, join, record

from collector.cli import ueip
from collector.cli.setup import make_installation
from collector.config import load_settings, read_keys
from collector.errors import Cause, StoreUnavailable
from collector.model import Action, Region
from collector.pseudonym import Pseudonymiser
from collector.storage import open_store

SERIAL = "ZTE1024300012"
LATER = START + HOUR


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation whose German ledger knows a router that joined, left and came back, and another one."""
    folder = tmp_path_factory.mktemp("made") / "site"
    make_installation(folder)
    asyncio.run(_history(folder))
    return folder


async def _history(folder: Path) -> None:
    settings = load_settings(folder / "collector.toml")
    here = Region.GERMANY
    pseudonyms = Pseudonymiser(read_keys(settings.regions.of(here)))
    mine, other = pseudonyms.identity(SERIAL), pseudonyms.identity("ZTE9")
    store = open_store(settings, here)
    await store.open()
    lookup = (("imei", pseudonyms.ref("imei", "49015420323751")),)
    await store.commit([record("a", 1, identity=mine, lookup=lookup), record("b", 1, identity=other)])
    await store.commit([act(Action.EXIT, at=LATER, identity=mine), join(at=LATER + SECOND, identity=mine)])
    await store.commit([record("a", 2, at=LATER + HOUR, identity=mine, lookup=lookup)])
    await store.close()


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(made, tmp_path / "site")


def run(site: Path, *words: str) -> Answer:
    """The command in this installation; a store that is away is told as its exit code."""
    done = CliRunner().invoke(ueip, ["ledger", *words, "-c", str(site / "collector.toml")])
    code = 3 if isinstance(done.exception, StoreUnavailable) else done.exit_code
    return Answer(code, done.stdout, done.stderr + str(done.exception or ""))


def documents(site: Path, *words: str) -> Any:
    """What it prints for programs."""
    return json.loads(run(site, *words, "--json").out)


def tamper(site: Path, *statements: str) -> None:
    """What somebody does to the German store who has taken the ledger's guards off."""
    with contextlib.closing(sqlite3.connect(site / "data" / "germany.sqlite", isolation_level=None)) as other:
        for trigger in ("ledger_keeps_entries", "ledger_loses_nothing", "ledger_only_grows"):
            other.execute(f"DROP TRIGGER {trigger}")
        for statement in statements:
            other.execute(statement)


def refs(site: Path) -> list[str]:
    """The pseudonyms in the German store."""
    with contextlib.closing(sqlite3.connect(site / "data" / "germany.sqlite")) as other:
        return [row[0].hex() for row in other.execute("SELECT device_ref FROM router UNION SELECT ref FROM lookup")]


def test_a_store_in_order_is_said_to_be(site: Path) -> None:
    """A line a region; a region without a store is no fault."""
    code, out, err = run(site, "verify")

    assert 0 == code
    assert "germany in order: 4 entries up to 4:" in out
    assert "2 routers of which 2 have joined, 2 records" in out
    assert "china: no store yet" in err


def test_a_standing_that_was_changed_is_said_with_exit_code_1(site: Path) -> None:
    """Without a word about whose it is."""
    tamper(site, "UPDATE router SET effective_at = 0 WHERE id = 1")
    code, out, _ = run(site, "verify", "--region", "germany")

    assert 1 == code
    assert "germany 1 findings" in out
    assert "the router of entry 4 stands as joined, not as that entry says" in out
    assert not [ref for ref in refs(site) if ref in out]


def test_programs_get_the_same_as_json(site: Path) -> None:
    """With the whole head."""
    [document] = documents(site, "verify", "--region", "germany")
    [head] = documents(site, "head", "--region", "germany")

    counts = {"region": "germany", "entries": 4, "routers": 2, "joined": 2, "records": 2}
    assert counts == {name: document[name] for name in counts}
    assert (0, []) == (document["fault_count"], document["faults"])
    assert {"region": "germany", **document["head"]} == head


def test_the_head_that_was_printed_is_the_head_that_is_asked_for(site: Path) -> None:
    """As an operator copies it from one place to the other."""
    region, head = run(site, "head", "--region", "germany").out.split()
    fine = run(site, "verify", "--region", region, "--head", head)
    tamper(site, "DELETE FROM record WHERE consent_seq = 4", "DELETE FROM ledger WHERE seq > 1", "DELETE FROM router")
    cut = run(site, "verify", "--region", region, "--head", head)

    assert 0 == fine.code
    assert 1 == cut.code
    assert "entry 4 is missing, the head that was kept elsewhere; the ledger ends at 1" in cut.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--head", "4:abc"], "expected N:HASH as `ueip ledger head` prints it"),
        (["--head", "4:" + "0" * 64], "say which with --region"),
        (["--region", "mars"], "'mars' is not one of"),
    ],
)
def test_a_question_that_makes_no_sense_is_a_fault_of_usage(site: Path, words: list[str], told: str) -> None:
    """Exit code 2."""
    code, _, err = run(site, "verify", *words)

    assert 2 == code
    assert told in err


def test_a_router_is_shown_by_what_the_customer_reads_out(site: Path) -> None:
    """Its entries and nobody else's, oldest first, by serial number or IMEI."""
    by_serial = documents(site, "show", SERIAL)
    by_imei = documents(site, "show", "490154203237518")
    _, out, _ = run(site, "show", SERIAL)

    assert ["join", "exit", "join"] == [entry["action"] for entry in by_serial]
    assert [1, 3, 4] == [entry["seq"] for entry in by_serial]
    assert by_serial == by_imei
    assert "telemetry_flag" in out


def test_a_router_nobody_knows_is_exit_code_1(site: Path) -> None:
    """And is not made known by asking."""
    before = refs(site)
    code, out, err = run(site, "show", "ZTE404")

    assert (1, "") == (code, out)
    assert "no ledger served here knows that router" in err
    assert before == refs(site)


def test_a_store_that_cannot_be_read_is_exit_code_3_and_keeps_nothing_from_the_others(site: Path) -> None:
    """The ones that can be are told first."""
    for region in ("china", "hong_kong"):
        asyncio.run(_touched(site, Region(region)))
    (site / "data" / "china.sqlite").unlink()
    (site / "data" / "china.sqlite").mkdir()
    code, out, err = run(site, "verify")

    assert 3 == code
    assert "germany in order" in out
    assert "hong_kong in order: 0 entries up to empty" in out
    assert "china: the store of china did not answer" in err


def test_of_each_store_that_cannot_be_read_it_is_said_why(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own cause, and what to do about that; not at the end that all of them do not answer."""
    away = StoreUnavailable("the store did not answer: disk I/O error", Cause.DISK_FULL)
    asyncio.run(_touched(site, Region.GERMANY))
    monkeypatch.setattr("collector.cli.ledger.witness_of", Mock(side_effect=away))
    done = CliRunner().invoke(ueip, ["ledger", "verify", "-c", str(site / "collector.toml")])

    assert isinstance(done.exception, StoreUnavailable)
    assert f"germany: {away} (disk full). {Cause.DISK_FULL.advice}" == done.exception.in_full()


def test_a_store_that_cannot_be_repaired_keeps_nothing_from_the_others(site: Path) -> None:
    """Each region is told; the exit code says that not all was done."""
    asyncio.run(_touched(site, Region.HONG_KONG))
    _restored(site)
    (site / "keys" / "hong_kong.witness").unlink()
    code, _, err = run(site, "repair")

    assert 3 == code
    assert "germany: 1 entries written, 1 records erased" in err
    assert "hong_kong: " in err


def _restored(site: Path) -> None:
    """A backup takes the place of the German store; somebody left since."""
    store, backup = site / "data" / "germany.sqlite", site / "backup.sqlite"
    shutil.copy(store, backup)
    config = ["-c", str(site / "collector.toml")]
    assert 0 == CliRunner().invoke(ueip, ["exit", SERIAL, "--country", "DE", "--yes", *config]).exit_code
    shutil.copy(backup, store)


def test_a_store_that_is_lost_is_begun_anew_only_where_somebody_names_it(site: Path) -> None:
    """Its disk may not be mounted, and what would be made in its place is hidden by it afterwards."""
    asyncio.run(_touched(site, Region.CHINA))
    store = site / "data" / "china.sqlite"
    store.unlink()
    code, _, err = run(site, "repair")
    there = store.exists()
    named = run(site, "repair", "--region", "china")

    assert (3, False) == (code, there)
    assert "Nothing was made in its place" in err
    assert (0, True) == (named.code, store.exists())


async def _touched(site: Path, region: Region) -> None:
    store = open_store(load_settings(site / "collector.toml"), region)
    await store.open()
    await store.close()


def test_a_machine_whose_clock_is_behind_records_exits_and_no_joins(site: Path) -> None:
    """A join would cover what was measured before it (K38); what closes the gate is honoured."""
    asyncio.run(_seen_in_an_hour(site))
    said = ["--country", "DE", "--event-id", "e-1", "-c", str(site / "collector.toml")]
    joined = CliRunner().invoke(ueip, ["consent", "join", SERIAL, *said])
    left = CliRunner().invoke(ueip, ["exit", SERIAL, "--yes", "-c", str(site / "collector.toml")])
    entries = documents(site, "show", SERIAL)

    assert isinstance(joined.exception, StoreUnavailable)
    assert "s behind what the store has seen; correct it" in joined.stderr
    assert 0 == left.exit_code
    assert ["join", "exit", "join", "exit"] == [entry["action"] for entry in entries]


async def _seen_in_an_hour(site: Path) -> None:
    settings = load_settings(site / "collector.toml")
    identity = Pseudonymiser(read_keys(settings.regions.of(Region.GERMANY))).identity("ZTE-LATER")
    store = open_store(settings, Region.GERMANY)
    await store.open()
    await store.commit([record("later", 1, at=int(time.time() * 1000) + HOUR, identity=identity)])
    await store.close()
