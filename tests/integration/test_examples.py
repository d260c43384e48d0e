"""The firmware author's page: its command lines and its examples, sent as the page says, end as the page says."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from .harness import Authority, Collector, Site, new_id, now_text, wait_until

ROOT: Final = Path(__file__).resolve().parents[2]
PAGE: Final = ROOT / "docs" / "firmware.md"
EXAMPLES: Final = ROOT / "docs" / "examples"
_BLOCK: Final = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z")
ROUTER: Final = "290A1B2C3D4E"
"""The router of the page."""
Run = Callable[[str], None]


def command_lines() -> list[str]:
    """What the page tells people to type to publish."""
    if not PAGE.exists():
        return []
    return [block for block in _BLOCK.findall(PAGE.read_text()) if "mosquitto_pub" in block]


def examples(kind: str) -> list[str]:
    """The names of the page's examples: reports, or consent events."""
    found = sorted(path.name for path in EXAMPLES.glob("*.json"))
    return [name for name in found if name.startswith("consent") == (kind == "consent")]


def plain_command() -> str:
    """The page's first command line without TLS."""
    return next(line for line in command_lines() if "--cafile" not in line)


pytestmark = pytest.mark.skipif(
    not command_lines() or not examples("report"), reason="docs/firmware.md and docs/examples/ are not written yet"
)


def measured_now(text: str) -> str:
    """The example with its times moved to now, their distances kept, and ids that were never used before."""
    times = [datetime.fromisoformat(found) for found in _TIME.findall(text)]
    moved = datetime.now(UTC).replace(microsecond=0) - max(times, default=datetime.now(UTC))
    fresh = _TIME.sub(lambda found: f"{datetime.fromisoformat(found[0]) + moved:%Y-%m-%dT%H:%M:%SZ}", text)
    return re.sub(r'("(?:message|event)_id": )"[^"]*"', rf'\1"{new_id()}"', fresh)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A copy of docs/examples with times of now, at the place the page's command lines name."""
    folder = tmp_path / "checkout"
    shutil.copytree(EXAMPLES, folder / "docs" / "examples")
    for path in (folder / "docs" / "examples").glob("*.json"):
        path.write_text(measured_now(path.read_text()))
    return folder


@pytest.fixture
def type_in(site: Site, here: Path, mosquitto_pub: str) -> Run:
    """Runs a command line of the page, word for word, but for the broker's address."""

    def run(line: str) -> None:
        words = line.replace("-p 1883", f"-p {site.broker.port}").replace("-p 8883", f"-p {site.broker.port}")
        typed = words.replace("broker.example.net", "localhost").replace("mosquitto_pub", mosquitto_pub)
        done = subprocess.run(["sh", "-euc", typed], cwd=here, capture_output=True, timeout=30, check=False)
        assert (0, b"") == (done.returncode, done.stderr)

    return run


def stored_clean(site: Site, collector: Collector, count: int) -> list[dict[str, Any]]:
    """Wait for *count* records; nothing may have been dropped or removed. Their bodies."""
    found = collector.wait_settled(count)
    assert (count, {}) == (sum(found.stored.values()), found.dropped)
    assert {} == found.by("collector_fields_removed_total", "treatment")
    return site.bodies("germany")


def test_each_command_line_of_the_page_gets_a_report_stored(site: Site, type_in: Run) -> None:
    """Plain TCP, MQTT 5, as printed."""
    lines = [line for line in command_lines() if "--cafile" not in line]
    collector = site.start()
    for line in lines:
        type_in(line)

    assert len(lines) > 1
    stored_clean(site, collector, len(lines))


def test_the_command_line_with_tls_gets_a_report_stored(
    secure: Site, authority: Authority, type_in: Run, here: Path
) -> None:
    """With ca.crt, router.crt and router.key in place, as printed."""
    line = next(line for line in command_lines() if "--cafile" in line)
    named = re.search(r"ueip/v1/([^/]+)/report", line)
    assert named
    certificate, key = authority.issue(named[1])
    for source, name in ((authority.file, "ca.crt"), (certificate, "router.crt"), (key, "router.key")):
        shutil.copy(source, here / name)
    collector = secure.start()
    type_in(line)

    stored_clean(secure, collector, 1)


def test_every_report_example_is_stored_whole(site: Site, type_in: Run, here: Path) -> None:
    """Each example, at QoS 0 and 1, becomes a record, and nothing of it is removed."""
    names = examples("report")
    collector = site.start()
    for number, name in enumerate(names):
        line = re.sub(r"docs/examples/\S+", f"docs/examples/{name}", plain_command())
        path = here / "docs" / "examples" / name
        for turn, qos in enumerate("01", start=1):
            # A router of its own for each: what is older than the join by a router's first report is not kept.
            path.write_text(measured_now(path.read_text()).replace(ROUTER, f"{ROUTER}{number}"))
            type_in(line.replace("-q 1", f"-q {qos}").replace(ROUTER, f"{ROUTER}{number}"))
            collector.wait_settled(2 * number + turn)
            path.write_text(path.read_text().replace(f"{ROUTER}{number}", ROUTER))

    bodies = stored_clean(site, collector, 2 * len(names))
    groups = {group for body in bodies for group in body}
    assert {"router", "network", "signal", "wifi", "events"} <= groups


def test_the_consent_examples_join_and_leave(site: Site, type_in: Run, here: Path) -> None:
    """The join opens the gate for what is measured after it, the exit closes it and erases."""
    consents = [name for name in examples("consent") if "join" in name or "exit" in name]
    assert ["consent-exit.json", "consent-join.json"] == consents
    site.configure(consent={"mode": "registered"})
    collector = site.start()

    def send(name: str) -> None:
        path = here / "docs" / "examples" / name
        path.write_text(re.sub(r'"time": "[^"]*"', f'"time": "{now_text(timedelta(seconds=1))}"', path.read_text()))
        type_in(plain_command().replace("/report", "/consent").replace("periodic.json", name))

    def send_report() -> None:
        path = here / "docs" / "examples" / "minimal.json"
        path.write_text(re.sub(r'"time": "[^"]*"', f'"time": "{now_text()}"', measured_now(path.read_text())))
        type_in(plain_command().replace("periodic.json", path.name))

    send_report()
    assert {"no_consent_record": 1} == collector.wait_settled(1).dropped
    send("consent-join.json")
    wait_until(lambda: site.rows("germany", "SELECT 1 FROM router WHERE state = 'joined'"), what="the join")
    send_report()
    assert {"germany": 1} == collector.wait_settled(2).stored
    send("consent-exit.json")
    wait_until(lambda: site.count("germany") == 0, what="the exit")
    send_report()

    assert {"no_consent_record": 1, "withdrawn": 1} == collector.wait_settled(3).dropped
    entries = [json.loads(row[0]) for row in site.rows("germany", "SELECT entry FROM ledger ORDER BY seq")]
    assert ["join", "exit"] == [entry["action"] for entry in entries]
    assert ("adult", "en", ["germany"]) == tuple(
        entries[0][name] for name in ("adult_or_guardian", "language", "storage_regions")
    )
