"""`ueip console` as a program: where it listens, what it says when it cannot, and how it ends."""

import os
import re
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from collector.broker import free_port

from .harness import Authority, Site, environment, report, ueip_program

PASSWORD = "seventeen quiet routers"


@contextmanager
def console(
    site: Site, *, elsewhere: Callable[[], None] | None = None, **values: Any
) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A running console: its address and its process. *elsewhere* configures another port, if somebody was quicker."""
    if values or not site.config.read_text("utf-8").count("[console]"):
        site.configure(console={"port": 0, **values})
    command = [ueip_program(), "console", "-c", str(site.config)]
    for _ in range(5):
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment()) as process:
            assert process.stderr is not None
            said = []
            try:
                for line in process.stderr:
                    said.append(line)
                    if found := re.search(r"console at (\S+);", line):
                        yield found[1], process
                        return
            finally:
                process.kill()
        if elsewhere is None or "Address already in use" not in "".join(said):
            break
        elsewhere()
    pytest.fail(f"the console did not start: {''.join(said)}")


def add(site: Site, name: str = "erika", role: str = "engineer") -> None:
    """An account."""
    words = ["user", "add", name, "--role", role, "--region", "germany", "--password-stdin"]
    command = [ueip_program(), *words, "-c", str(site.config)]
    subprocess.run(command, input=PASSWORD, text=True, check=True, env=environment(), capture_output=True)


def sign_in(client: httpx2.Client, name: str = "erika") -> None:
    """By the form of the page, as people do."""
    word = re.search(r'name="csrf" value="([^"]+)"', client.get("/sign-in").text)
    assert word is not None
    form = {"csrf": word[1], "name": name, "password": PASSWORD, "next": "/"}
    assert client.post("/sign-in", data=form).status_code == 303


def browser(address: str, **more: Any) -> httpx2.Client:
    """What a browser is to the console."""
    return httpx2.Client(base_url=address, headers={"Origin": address}, timeout=60, trust_env=False, **more)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(site: Site, number: signal.Signals) -> None:
    """Without a store, without an account: both are said, and a page answers all the same."""
    with console(site) as (address, process), browser(address) as client:
        assert client.get("/sign-in").status_code == 200
        assert client.get("/api/v1/session").status_code == 401
        process.send_signal(number)
        said = process.stderr.read() if process.stderr else ""

        assert process.wait(30) == 0
    assert "nobody can sign in yet" in said
    assert "no region served here has a store yet" in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_said_to_be(site: Site) -> None:
    """And what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        site.configure(console={"port": taken.getsockname()[1]})
        done = site.ueip("console")

    assert done.returncode == 2
    assert "console: cannot listen on 127.0.0.1:" in done.stderr
    assert "Choose another console.port" in done.stderr


def test_beyond_this_machine_it_needs_tls_and_somebody_who_can_sign_in(site: Site, tmp_path: Path) -> None:
    """One fault after the other is said; with both mended it serves by TLS."""
    site.configure(console={"host": "0.0.0.0", "port": 0})
    without_tls = site.ueip("console")
    authority = Authority(tmp_path / "authority")
    certificate, key = authority.issue("console", "127.0.0.1")
    tls = {"host": "0.0.0.0", "port": 0, "cert_file": str(certificate), "key_file": str(key)}
    site.configure(console=tls)
    without_people = site.ueip("console")
    add(site)
    with console(site) as (listening, _):
        address = listening.replace("0.0.0.0", "127.0.0.1")
        context = ssl.create_default_context(cafile=authority.file)
        with browser(address, verify=context) as client:
            answer = client.get("/sign-in")

    assert answer.status_code == 200
    assert answer.headers["strict-transport-security"]
    assert "__Host-ueip-browser" in answer.headers["set-cookie"]
    assert (without_tls.returncode, without_people.returncode) == (2, 2)
    assert "expected cert_file and key_file" in without_tls.stderr
    assert "nobody who can sign in" in without_people.stderr
    assert "ueip user add" in without_people.stderr


def test_an_engineer_looks_a_router_up_by_the_api(site: Site) -> None:
    """Signed in by the form, with a reason: from the serial number to its series; the log is whole afterwards."""
    serial = "ZTEAB0A123456"
    site.configure(http={"port": free_port()}, console={"port": 0})
    collector = site.start()
    with site.publisher() as router:
        router.report(report(serial))
        collector.wait_settled(1)
    add(site)
    with console(site) as (address, _), browser(address) as client:
        sign_in(client)
        csrf = client.get("/api/v1/session").json()["csrf"]
        refused = client.post("/api/v1/lookups", json={"identifier": serial}, headers={"X-CSRF-Token": csrf})
        client.post("/reason", data={"csrf": csrf, "reason": "ticket 4711", "hours": "1", "back": "/"})
        answer = client.post("/api/v1/lookups", json={"identifier": serial}, headers={"X-CSRF-Token": csrf})
        [found] = answer.json()["routers"]
        shown = client.get(f"/api/v1/routers/{found['handle']}").json()
        health = wait_for_health(client)

    assert refused.json()["error"]["code"] == "purpose_missing"
    assert shown["records"] == 1
    assert "ready" in health["collector"].values()
    germany = next(one for one in health["regions"] if one["region"] == "germany")
    assert germany["store"]["state"] == "ready"
    assert germany["running"]["records_stored"] == 1
    assert site.ueip("audit", "verify").returncode == 0


def wait_for_health(client: httpx2.Client) -> dict[str, Any]:
    """The health, once the collector has been asked."""
    deadline = time.monotonic() + 30
    while True:
        health: dict[str, Any] = client.get("/api/v1/health").json()
        if health["collector"] is not None or time.monotonic() > deadline:
            return health
        time.sleep(0.5)


def test_without_its_packages_it_says_how_to_get_them(site: Site, tmp_path: Path) -> None:
    """They are an extra."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['jinja2'] = None\n")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH", ""))))
    command = [ueip_program(), "console", "-c", str(site.config)]
    done = subprocess.run(command, env=environment(PYTHONPATH=path), capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert "pip install 'ueip-collector[console]'" in done.stderr
    assert "in a clone of the repository: pip install -e '.[console]'" in done.stderr
