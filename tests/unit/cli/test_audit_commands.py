"""`ueip audit`, and that a command that reads a router writes it down before it shows anything."""

import asyncio
import getpass
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner
from records import HOUR, record

from collector.access.walk import files_of
from collector.cli import ueip
from collector.cli.setup import make_installation
from collector.config import load_settings, read_keys
from collector.model import Region
from collector.pseudonym import Pseudonymiser
from collector.storage import open_store

SERIAL = "ZTE1024300012"
IMEI = "490154203237518"
NAMES = ["hong_kong", "germany", "china", "console"]


class Answer(NamedTuple):
    """What a command said."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation with one router, in Germany."""
    folder = tmp_path_factory.mktemp("made") / "site"
    make_installation(folder)
    asyncio.run(_fill(folder))
    return folder


async def _fill(folder: Path) -> None:
    settings = load_settings(folder / "collector.toml")
    pseudonyms = Pseudonymiser(read_keys(settings.regions.of(Region.GERMANY)))
    lookup = (("imei", pseudonyms.ref("imei", IMEI[:14])),)
    store = open_store(settings, Region.GERMANY)
    await store.open()
    at = int(time.time() * 1000) - HOUR
    await store.commit([record("a", 1, identity=pseudonyms.identity(SERIAL), lookup=lookup, at=at)])
    await store.close()


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made, tmp_path / "site")


def run(site: Path, *words: str, code: int = 0) -> Answer:
    done = CliRunner().invoke(ueip, [*words, "-c", str(site / "collector.toml")])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return Answer(done.exit_code, done.stdout, done.stderr)


def shown(site: Path, *words: str) -> list[dict[str, Any]]:
    """The entries that `ueip audit show` prints, without those of its own making."""
    text = run(site, "audit", "show", "--json", *words).out
    return [entry for entry in map(json.loads, text.splitlines()) if entry["what"] not in {"audit", "begun"}]


@pytest.mark.parametrize(
    ("words", "what", "count"),
    [
        (("find", SERIAL), "records", {"records": 1}),
        (("find", IMEI), "records", {"records": 1}),
        (("find", SERIAL, "--json"), "records", {"records": 1}),
        (("ledger", "show", SERIAL), "consent", {"entries": 1}),
    ],
)
def test_a_read_of_a_router_is_written_down(
    words: tuple[str, ...], what: str, count: dict[str, int], site: Path
) -> None:
    """Who, when, which pseudonym, why and how much; in the region it is of, and that the others knew nothing."""
    run(site, *words, "--reason", "INC-4711")

    entries = shown(site)

    settings = load_settings(site / "collector.toml")
    ref = Pseudonymiser(read_keys(settings.regions.of(Region.GERMANY))).identity(SERIAL).device_ref.hex()
    assert {("germany", what, ref), ("china", "lookup", None), ("hong_kong", "lookup", None)} == {
        (entry["region"], entry["what"], entry["device_ref"]) for entry in entries
    }
    assert {("INC-4711", "terminal", "shown")} == {
        (entry["why"], entry["source"], entry["outcome"]) for entry in entries
    }
    assert [count] == [entry["shown"] for entry in entries if entry["region"] == "germany"]


def test_a_diagnosis_is_written_down_with_its_findings_counted(site: Path) -> None:
    run(site, "diagnose", SERIAL)

    (entry,) = shown(site, "--log", "germany")

    assert ("diagnosis", None) == (entry["what"], entry["why"])
    assert {"records", "findings", "since", "until"} == set(entry["shown"])


def test_who_is_the_user_that_signed_in_to_the_machine(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says."""
    monkeypatch.setenv("SUDO_USER", "mallory")
    monkeypatch.setenv("USER", "mallory")
    monkeypatch.setenv("LOGNAME", "mallory")
    run(site, "find", SERIAL)

    (entry,) = shown(site, "--log", "germany")

    assert "mallory" != entry["who"]
    monkeypatch.undo()
    assert entry["who"] in {getpass.getuser(), os.environ.get("SUDO_USER"), "root", f"uid {os.getuid()}"}


def test_a_reason_that_says_who_is_refused_and_nothing_is_shown(site: Path) -> None:
    answer = run(site, "find", SERIAL, "--reason", f"router {SERIAL} drops", code=2)

    assert "expected why, not who" in answer.err
    assert "" == answer.out
    assert [] == shown(site)


def test_a_reason_can_be_required(site: Path) -> None:
    """`audit.reason_required`: no reason, no look."""
    path = site / "collector.toml"
    path.write_text(path.read_text("utf-8").replace("reason_required = false", "reason_required = true"), "utf-8")

    refused = run(site, "find", SERIAL, code=2)
    run(site, "find", SERIAL, "--reason", "the customer says that it drops")

    assert "audit.reason_required" in refused.err
    assert "" == refused.out


@pytest.mark.parametrize("words", [("find", SERIAL), ("diagnose", SERIAL), ("ledger", "show", SERIAL)])
def test_what_cannot_be_written_down_is_not_shown(words: tuple[str, ...], site: Path) -> None:
    """A disk that takes no entry shows no router."""
    (site / "keys" / "germany.audit").write_text("a file where the folder should be")
    done = CliRunner().invoke(ueip, [*words, "-c", str(site / "collector.toml")])

    assert "Nothing is shown until it can" in str(done.exception)
    assert "" == done.stdout


def test_no_identifier_and_no_value_is_in_the_logs(site: Path) -> None:
    """The canaries are what was typed, and what the record says."""
    for word in (SERIAL, IMEI, "NOSUCHROUTER99"):
        CliRunner().invoke(ueip, ["find", word, "-c", str(site / "collector.toml"), "--reason", "INC-4711"])
    text = b"".join(path.read_bytes() for path in (site / "keys").glob("*.audit/*"))

    for canary in (SERIAL, IMEI, IMEI[:14], "NOSUCHROUTER99", "MC888"):
        assert canary.lower().encode() not in text.lower()
    assert b"INC-4711" in text


def test_a_log_in_order_verifies_and_prints_its_head(site: Path) -> None:
    run(site, "find", SERIAL)

    text = run(site, "audit", "verify").out
    found = json.loads(run(site, "audit", "verify", "--json").out)

    assert NAMES == list(found)
    assert {"in order"} == {"in order" for name in NAMES[:3] if f"{name} in order: 2 entries, head 2:" in text}
    assert "console: nothing yet" in text
    assert [[]] * 4 == [log["wrong"] for log in found.values()]


def test_a_head_that_was_kept_elsewhere_tells_of_a_log_written_anew(site: Path) -> None:
    run(site, "find", SERIAL)
    kept = json.loads(run(site, "audit", "verify", "--json").out)["germany"]["head"]
    run(site, "find", SERIAL)
    run(site, "audit", "verify", "--log", "germany", "--head", kept)
    shutil.rmtree(site / "keys" / "germany.audit")
    (site / "keys" / "germany.audit.head").unlink()
    for _ in range(4):
        run(site, "find", SERIAL)

    run(site, "audit", "verify", "--log", "germany")
    answer = run(site, "audit", "verify", "--log", "germany", "--head", kept, code=1)

    assert "was kept elsewhere, but no entry with it was found" in answer.out


@pytest.mark.parametrize("words", [("--head", "2"), ("--head", "2:" + "0" * 64), ("--log", "germany", "--head", "x")])
def test_a_head_that_is_none_is_a_fault_of_usage(words: tuple[str, ...], site: Path) -> None:
    assert "expected N:HASH" in run(site, "audit", "verify", *words, code=2).err


def test_a_changed_log_does_not_verify_and_can_be_begun_anew(site: Path) -> None:
    run(site, "find", SERIAL)
    (file,) = files_of(site / "keys" / "germany.audit")
    file.write_bytes(file.read_bytes().replace(b'"shown":{"records":1}', b'"shown":{"records":0}'))

    answer = run(site, "audit", "verify", code=1)
    run(site, "audit", "begin-anew", "--log", "germany", "--reason", "somebody changed an entry")
    run(site, "find", SERIAL)

    assert ", line 2: is not what its hash is of" in answer.out
    assert ["records"] == [entry["what"] for entry in shown(site, "--log", "germany")]
    run(site, "audit", "verify")


def test_entries_are_chosen_by_who_when_and_which(site: Path) -> None:
    run(site, "find", SERIAL)
    (entry,) = shown(site, "--log", "germany")

    assert [entry] == shown(site, "--log", "germany", "--who", entry["who"], "--since", "1h")
    assert [entry] == shown(site, "--router", entry["device_ref"][:8])
    assert [] == shown(site, "--who", "nobody-of-that-name")
    assert [] == shown(site, "--router", "ffff")
    assert entry["device_ref"][:12] in run(site, "audit", "show").out
    assert "germany: no entries\n" == run(site, "audit", "show", "--log", "germany", "--who", "nobody").out


def test_that_the_log_was_read_is_in_the_log(site: Path) -> None:
    run(site, "audit", "show", "--log", "germany")

    text = run(site, "audit", "show", "--json", "--log", "germany").out

    assert ["begun", "audit"] == [json.loads(line)["what"] for line in text.splitlines()]
