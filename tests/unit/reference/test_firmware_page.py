"""`docs/firmware.md` holds true: its examples are kept whole, its numbers are the settings', its commands run."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from schema_documents import Document, Validator
from support import NOW, ROOT, catalogue, decide, kept, make_rules, removals, text_of

from collector.broker import LocalBroker, find_mosquitto
from collector.cli import ueip
from collector.config import LimitsSettings
from collector.config_broker import BrokerSettings
from collector.errors import DataFault
from collector.fields.compiled import MAX_EVENTS
from collector.model import Action, ConsentChange, Region
from collector.reference.consent_schema import consent_schema
from collector.reference.examples import EXAMPLES, ROUTER, example, stored_body
from collector.reference.schema import report_schema

PAGE = (ROOT / "docs" / "firmware.md").read_text("utf-8")
FOLDER = ROOT / "docs" / "examples"
REPORTS = [name for name in EXAMPLES if not name.startswith("consent-")]
CONSENTS = [name for name in EXAMPLES if name.startswith("consent-")]
COMMANDS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def document(name: str) -> Document:
    """An example, as parsed."""
    made: Document = json.loads(example(FOLDER, name))
    return made


def sent_now(name: str) -> Document:
    """An example as if it had been measured just now, its events as long before it as in the file."""
    found = document(name)
    if "time" not in found:
        return found
    late = NOW - timedelta(seconds=5) - datetime.fromisoformat(found["time"])
    for timed in (found, *found.get("events", ())):
        timed["time"] = text_of(datetime.fromisoformat(timed["time"]) + late)
    return found


def test_the_folder_holds_the_examples_and_nothing_else() -> None:
    """An example that the page does not show is not looked after."""
    assert sorted(EXAMPLES) == sorted(path.stem for path in FOLDER.iterdir())


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_in_the_page_verbatim(name: str) -> None:
    """What is read is what is tested."""
    assert f"```json\n{(FOLDER / f'{name}.json').read_text('utf-8')}```" in PAGE


@pytest.mark.parametrize("name", REPORTS)
def test_an_example_report_is_valid_and_kept_whole(name: str) -> None:
    """A report like the example is stored, and nothing of it is removed."""
    found = sent_now(name)

    assert [] == list(Validator(report_schema(catalogue())).iter_errors(found))
    assert {} == removals(kept(found, router=ROUTER))


@pytest.mark.parametrize("name", CONSENTS)
def test_an_example_consent_event_is_valid_and_taken(name: str) -> None:
    """The event goes to the ledger of the country's region."""
    found = sent_now(name)
    outcome = decide(found, make_rules([Region.GERMANY]), topic=f"ueip/v1/{ROUTER}/consent", retained=True)

    assert [] == list(Validator(consent_schema()).iter_errors(found))
    assert isinstance(outcome, ConsentChange)
    assert [(Region.GERMANY, Action(found["action"]))] == [(region, e.action) for region, e in outcome.events]


def test_the_complete_example_is_complete() -> None:
    """It has every group, and every field but those the page says it lacks."""
    found = document("periodic")
    lacking = {"rscp_dbm", "ecno_db", "iccid", "wan_ipv6"}
    lacking |= {"wan_ip_class", "lan_wan_subnet_overlap", "ssid_is_default", "lan_domain_is_default"}
    fields = {(f.group, f.name) for f in catalogue().field if f.on_the_wire and f.group != "event"}
    inputs = {(i.group, i.name) for i in catalogue().input if i.group != "event"}

    assert lacking == {name for group, name in fields | inputs if name not in found[group]}


STORED: dict[str, Document] = {
    "sim": {"home_mcc": "262"},
    "network": {
        "plmn": "26201",
        "carrier_name": "Telekom Deutschland",
        "wan_ip_class": "cgnat_v4",
        "lan_wan_subnet_overlap": False,
    },
    "wifi": {"ssid_is_default": False, "wifi_station_rssi_dbm_min": -78},
    "usage": {"wan_rx_bytes_month": 69_633 * 2**20, "wan_tx_bytes_month": 5837 * 2**20},
    "session": {
        "acs_session_start_time": "2026-11-21T03:10:00Z",
        "acs_session_end_time": "2026-11-21T03:10:00Z",
        "acs_session_seconds": 16,
    },
    "settings": {"lan_domain_is_default": True},
    "router": {"manufacturer": "ZTE", "model_name": "MC888"},
}


@pytest.mark.parametrize("group", STORED)
def test_the_complete_example_is_stored_as_the_page_says(group: str) -> None:
    """The treated values are those expected, and those in the page."""
    sent, stored = document("periodic"), stored_body(document("periodic"), catalogue())

    for name, value in STORED[group].items():
        assert value == stored[group][name]
        if sent[group].get(name) != value:
            assert f"`{group}.{name} = {json.dumps(value)}`" in PAGE


def test_no_identifier_of_the_example_is_in_what_is_stored() -> None:
    """Serial, IMEI, MAC, IMSI, addresses and network names are gone."""
    text = json.dumps(stored_body(document("periodic"), catalogue()))
    raw = ("290A1B2C3D4E", "356938035643809", "02:00:5e", "262010000000001", "100.72", "192.168", "4F2A10", "lime")

    assert [] == [value for value in raw if value in text]
    assert 2 == len(re.findall(r'"ssid_[25]g_ref": "[0-9a-f]{32}"', text))


def test_an_example_that_loses_something_is_not_shown() -> None:
    """The page cannot be made from an example that is not kept whole."""
    spoilt = document("periodic")
    spoilt["sms"] = {}

    with pytest.raises(DataFault, match=r"periodic\.json: found a message that is not kept whole"):
        stored_body(spoilt, catalogue())


def test_a_missing_example_is_named(tmp_path: Path) -> None:
    """Whoever renames one is told which."""
    with pytest.raises(DataFault, match=r"minimal\.json: cannot be read"):
        example(tmp_path, "minimal")


def test_the_numbers_of_the_page_are_the_defaults() -> None:
    """A limit in the page is the limit of the collector."""
    limits = LimitsSettings()

    assert f"at most {limits.max_message_bytes:,} bytes, at most {limits.max_depth} levels deep" in PAGE
    assert f"not older than {limits.max_age_hours:.0f} hours and at most {limits.max_ahead_seconds:.0f} seconds" in PAGE
    assert f"message-expiry-interval {int(limits.max_age_hours * 3600)}" in PAGE
    assert BrokerSettings().session_expiry_seconds == limits.max_age_hours * 3600
    assert f"list of up to {MAX_EVENTS} objects" in PAGE


def test_links_lead_somewhere() -> None:
    """Every file the page and the glossary point to exists, and so does every heading."""
    for name in ("firmware.md", "glossary.md"):
        page = ROOT / "docs" / name
        for target in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
            path, _, heading = target.partition("#")
            file = page.parent / path if path else page
            assert file.exists(), target
            assert not heading or heading in _headings(file), target


def _headings(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}


def test_words_are_defined_once_and_in_order() -> None:
    """One word, one meaning."""
    words = re.findall(r"^\*\*(.+?)\*\* :", (ROOT / "docs" / "glossary.md").read_text("utf-8"), re.MULTILINE)
    needed = (
        "router message record flag join exit gate ledger local-only treatment pseudonym region store spool outcome "
        "fault finding engineer operator"
    )

    assert sorted(set(words)) == words
    assert {*needed.split(), "drop reason", "key id", "policy version"} <= set(words)


def test_explain_says_that_the_example_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command of the page works, and removes nothing."""
    monkeypatch.chdir(ROOT)
    [command] = [text for text in COMMANDS if text.startswith("ueip explain")]

    result = CliRunner().invoke(ueip, shlex.split(command)[1:])

    assert 0 == result.exit_code, result.output
    assert "stored in germany" in result.output
    assert "removed" not in result.output


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The port of a broker of the test's own."""
    if find_mosquitto() is None:
        pytest.skip("Mosquitto is not installed")
    broker = LocalBroker(tmp_path / "broker")
    with broker:
        yield broker.port


@pytest.mark.parametrize("command", [text for text in COMMANDS if "127.0.0.1" in text])
def test_a_publishing_command_publishes(command: str, port: int) -> None:
    """The command lines of the page reach a broker, which acknowledges them."""
    done = subprocess.run(
        ["bash", "-c", "set -o pipefail; " + command.replace("-p 1883", f"-p {port}").replace("-q 1", "-d -q 1")],
        cwd=ROOT, capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip

    assert 0 == done.returncode, done.stderr
    assert "sending PUBLISH (d0, q1, r0" in done.stdout
    assert "received PUBACK" in done.stdout


def test_the_last_command_makes_a_message_of_now() -> None:
    """What it sends is fresh and has an id of its own."""
    [command] = [text for text in COMMANDS if text.startswith("sed")]
    made = subprocess.run(
        ["bash", "-c", command.split("|")[0]], cwd=ROOT, capture_output=True, text=True, timeout=20, check=True
    )
    found = json.loads(made.stdout)

    assert abs(datetime.now(UTC) - datetime.fromisoformat(found["time"])) < timedelta(minutes=1)
    assert found["message_id"].startswith("try-")
