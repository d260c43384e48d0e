"""How long an engineer waits: the console over a store of a million records, asked as a browser asks.

    python bench/console.py [--routers 520] [--days 7] [--folder FOLDER] [--json FILE]

Makes an installation, fills its German store, starts `ueip console`, signs in, and times look-ups and pages from the
request to the last byte of the answer. A folder that was filled before is used again.
"""

import argparse
import http.client
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final
from urllib.parse import urlencode

from filling import Filled, filled
from machine import machine

NAME: Final = "bench"
PASSWORD: Final = "seventeen quiet routers"
UEIP: Final = str(Path(sys.executable).with_name("ueip"))
EACH: Final = 8
"""Routers of each kind that are looked up."""


class Browser:
    """Signs in and asks, with what a browser keeps."""

    def __init__(self, address: str) -> None:
        self._address = address.removeprefix("http://")
        self._cookies: dict[str, str] = {}

    def ask(self, method: str, path: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """The status, where it leads, and the whole answer."""
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookies, "Origin": f"http://{self._address}"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        connection = http.client.HTTPConnection(self._address, timeout=120)
        connection.request(method, path, urlencode(form) if form is not None else None, headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        for name, value in answer.getheaders():
            if name.lower() == "set-cookie":
                cookie, _, told = value.partition(";")[0].partition("=")
                self._cookies[cookie] = told
        connection.close()
        return answer.status, answer.getheader("Location", ""), body

    def word(self, path: str) -> str:
        """The word that the form of a page holds."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.ask("GET", path)[2])
        assert found is not None, f"{path} has no form"
        return found[1]

    def sign_in(self) -> None:
        """As the account of the bench, with a reason."""
        form = {"csrf": self.word("/sign-in"), "name": NAME, "password": PASSWORD, "next": "/"}
        assert self.ask("POST", "/sign-in", form)[0] == 303
        form = {"csrf": self.word("/reason"), "reason": "measuring how long it takes", "hours": "1", "back": "/"}
        assert self.ask("POST", "/reason", form)[0] == 303


@contextmanager
def console(folder: Path) -> Iterator[str]:
    """`ueip console` on an installation; its address."""
    configuration = folder / "collector.toml"
    text = configuration.read_text()
    configuration.write_text(re.sub(r"(?m)^port = 9466$", "port = 0", text))
    added = [UEIP, "user", "add", NAME, "--role", "engineer", "--region", "germany", "--password-stdin"]
    known = subprocess.run([UEIP, "user", "list", "-c", str(configuration)], capture_output=True, text=True, check=True)
    if NAME not in known.stdout:
        subprocess.run([*added, "-c", str(configuration)], input=PASSWORD, text=True, check=True, capture_output=True)
    command = [UEIP, "console", "-c", str(configuration)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            yield next(found[1] for line in process.stderr if (found := re.search(r"console at (\S+);", line)))
        finally:
            process.terminate()


def timed(browser: Browser, serial: str) -> tuple[float, float]:
    """Seconds from posting a serial number to the router's page, and for the page again over a month."""
    word = browser.word("/")
    began = time.perf_counter()
    status, place, _ = browser.ask("POST", "/lookup", {"csrf": word, "identifier": serial, "since": "7d"})
    assert status == 303, status
    status, _, page = browser.ask("GET", place)
    first = time.perf_counter() - began
    assert status == 200, page[:300]
    began = time.perf_counter()
    assert browser.ask("GET", f"{place.partition('?')[0]}?since=30d")[0] == 200
    return first, time.perf_counter() - began


def measured(made: Filled, address: str) -> dict[str, Any]:
    """The times, in seconds."""
    browser = Browser(address)
    browser.sign_in()
    found: dict[str, Any] = {}
    for kind, serials in (("ailing", made.ailing), ("healthy", made.healthy)):
        times = []
        for serial in serials[:EACH]:
            times.append(timed(browser, serial))
            time.sleep(0.6)  # below the limit of requests
        for name, values in zip(("look-up to page, a week", "page, a month"), zip(*times, strict=True), strict=True):
            found[f"{kind}: {name}"] = {"median": round(median(values), 3), "most": round(max(values), 3)}
    for path in ("/fleet", "/regions"):
        began = time.perf_counter()
        assert browser.ask("GET", path)[0] == 200
        found[path] = {"median": round(time.perf_counter() - began, 3), "most": round(time.perf_counter() - began, 3)}
    return found


def main() -> None:
    """Fill, serve, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--routers", type=int, default=520)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--step-minutes", type=float, default=5)
    parser.add_argument("--folder", type=Path, help="where the installation is or will be; a temporary one otherwise")
    parser.add_argument("--json", type=Path, dest="file", help="write what was measured there")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        made = filled(folder, routers=given.routers, days=given.days, step_minutes=given.step_minutes)
        with console(folder) as address:
            found = measured(made, address)
    print(f"{made.records:,} records; seconds, median and most")
    for name, one in found.items():
        print(f"  {name:36} {one['median']:6.2f} {one['most']:6.2f}")
    if given.file:
        given.file.write_text(json.dumps({"machine": machine(), "records": made.records, "seconds": found}, indent=2))


if __name__ == "__main__":
    main()
