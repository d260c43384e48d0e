"""A console to look at: an installation with a simulated past, accounts, `ueip console` on it, and Chromium."""

import asyncio
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, sync_playwright

from collector.cli.setup import make_installation
from collector.config import Settings, load_settings
from collector.model import Accepted, Entry, Message, Region
from collector.pipeline import process
from collector.rules import make_rules
from collector.simulator.ailments import BAD_UPDATE
from collector.simulator.products import MC888
from collector.simulator.ward import Ward
from collector.simulator.world import GERMANY, PLACES
from collector.storage import plain_store

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS: Final = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PASSWORD: Final = "a long enough password, 7 words"
ACCOUNTS: Final = {
    "anna": ("engineer", "germany"),
    "henry": ("engineer", "hong_kong"),
    "otto": ("operator", None),
    "paula": ("auditor", "germany"),
    "dora": ("privacy_officer", "germany"),
    "lena": ("engineer", "germany"),
}
"""By name: role and region. `lena` is locked by a test."""
UEIP: Final = str(Path(sys.executable).parent / "ueip")
DAYS: Final = 3
STEP: Final = timedelta(minutes=40)


@dataclass
class Site:
    """A running console and what is known of its store."""

    folder: Path
    address: str
    ill: str
    """The serial number of a router that took the bad update."""
    well: str

    def ueip(self, *words: str, given: str | None = None) -> None:
        """Run a command of ours in the installation."""
        done = subprocess.run([UEIP, *words], cwd=self.folder, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


@contextmanager
def site(folder: Path) -> Iterator[Site]:
    """An installation in *folder* with a fleet's last days, and `ueip console` until the end."""
    make_installation(folder)
    path = folder / "collector.toml"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    text = path.read_text("utf-8")
    path.write_text(re.sub(r"(?ms)(^\[console\].*?^port = )\d+$", rf"\g<1>{port}", text), "utf-8")
    ill, well = asyncio.run(_fill(load_settings(path)))
    made = Site(folder, f"http://127.0.0.1:{port}", ill, well)
    for name, (role, region) in ACCOUNTS.items():
        regions = ["--region", region] if region else []
        made.ueip("user", "add", name, "--role", role, *regions, "--password-stdin", given=f"{PASSWORD}\n")
    log = (folder / "console.log").open("w")
    process = subprocess.Popen([UEIP, "console"], cwd=folder, stderr=log, stdout=log)
    try:
        _wait_for(f"{made.address}/sign-in", process, folder / "console.log")
        yield made
    finally:
        process.terminate()
        process.wait(30)
        log.close()


async def _fill(settings: Settings) -> tuple[str, str]:
    """The last days of a fleet of one model, half of which took the bad update."""
    begin = datetime.now(UTC) - timedelta(days=DAYS)
    places = [place for place in PLACES if place.region == GERMANY]
    ward = Ward(healthy=27, each=27, seed=11, start=begin, ailments=[BAD_UPDATE], models=[MC888], places=places)
    rules = make_rules(settings)
    store = plain_store(settings, Region.GERMANY)
    await store.open()
    for _, deliveries in ward.days(DAYS, STEP):
        records: list[Entry] = []
        for sent in deliveries:
            outcome = process(Message(sent.topic, sent.payload, False, int(sent.received_at.timestamp() * 1000)), rules)
            records += [outcome.record] if isinstance(outcome, Accepted) else []
        await store.commit(records)
    await store.close()
    ill, well = ([p.serial for p in ward.patients if (p.planted is not None) == planted] for planted in (True, False))
    return ill[0], well[0]


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"no console: {log.read_text()}")


@dataclass
class Visitor:
    """Somebody with a browser, and what that browser had to complain about."""

    page: Page
    context: BrowserContext
    address: str
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """Every address that was asked for."""

    def go(self, path: str) -> Response:
        """Open a page of the console."""
        answer = self.page.goto(self.address + path)
        assert answer is not None
        return answer

    def sign_in(self, name: str, reason: str | None = "INC-4711") -> None:
        """Sign in, and give a reason if one is asked for."""
        self.go("/sign-in")
        self.page.fill("#name", name)
        self.page.fill("#password", PASSWORD)
        self.send("#password")
        if reason is not None:
            self.give(reason)

    def give(self, reason: str) -> None:
        """Say why."""
        self.page.fill("#reason", reason)
        self.send("#reason")

    def look_up(self, serial: str) -> None:
        """Look a router up as somebody does who has only the keyboard."""
        self.page.fill("#identifier", serial)
        self.send("#identifier")

    def send(self, field: str) -> None:
        """Send the form of a field by the Enter key, and wait for the answer."""
        with self.page.expect_navigation():
            self.page.press(field, "Enter")

    def charts(self) -> Any:
        """The charts, when they are drawn."""
        self.page.wait_for_selector("[data-plots][data-ready]")
        return self.page.locator("[data-plots]")

    def shown(self) -> tuple[float, float]:
        """The time that the charts show, in seconds."""
        since, until = (self.charts().get_attribute(f"data-{end}") for end in ("from", "to"))
        return datetime.fromisoformat(since).timestamp(), datetime.fromisoformat(until).timestamp()

    def faults_for_readers(self) -> list[str]:
        """What axe-core holds against the page in light and dark, of what it calls serious or critical."""
        self.page.emulate_media(color_scheme="dark")
        dark = Axe().run(self.page, options={"runOnly": ["color-contrast"]}).response
        self.page.emulate_media(color_scheme="light")
        light = Axe().run(self.page).response
        assert light["passes"]
        assert dark["passes"]
        return [
            f"{one['id']}: {node['target']} {node['failureSummary']}"
            for one in [*dark["violations"], *light["violations"]]
            if one["impact"] in {"serious", "critical"}
            for node in one["nodes"]
        ]


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's own browser."""
    assert CHROMIUM is not None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@contextmanager
def visit(browser: Browser, address: str, **how: Any) -> Iterator[Visitor]:
    """A visitor with a window of their own. At the end nothing may have been complained about."""
    given = {"viewport": {"width": 1280, "height": 900}, "locale": "en-GB", "timezone_id": "Europe/Berlin", **how}
    context = browser.new_context(**given)
    # On slow machines everything takes long; nothing here is a measurement.
    context.set_default_timeout(60_000)
    visitor = Visitor(context.new_page(), context, address)

    def heard(message: ConsoleMessage) -> None:
        # A page that refuses says so by its status, which Chromium calls an error as well.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            visitor.complaints.append(message.text)

    def asked(request: Request) -> None:
        visitor.asked.append(request.url)
        if not request.url.startswith((f"{address}/", "data:")):
            visitor.complaints.append(f"asked {request.url}")

    def answered(response: Response) -> None:
        if response.status >= 400 and response.request.resource_type != "document":
            visitor.complaints.append(f"{response.status} {response.url}")

    context.on("console", heard)
    context.on("request", asked)
    context.on("response", answered)
    context.on("weberror", lambda error: visitor.complaints.append(str(error.error)))
    yield visitor
    context.close()
    assert visitor.complaints == []
