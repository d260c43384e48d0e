"""`ueip up`: one command, an empty folder, and there is something to see; and nothing left behind."""

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest

from collector import broker
from collector.broker import free_port
from collector.simulator import Fleet

from .harness import PATIENCE, REGIONS, Site, environment, find_processes, ueip_program, wait_until

_SUM: Final = re.compile(r"^received (\d+) = stored (\d+) \+ dropped (\d+) \+ in flight (\d+)$", re.MULTILINE)
_INTRODUCED: Final = re.compile(r"^  serial (\S+)  IMEI (\d{15})  ([A-Z]{2})  .*$", re.MULTILINE)
_IDENTIFIER: Final = re.compile(
    r"ZTE[A-Z]{2}[0-9][A-Z][0-9]{6}|(?<![0-9])[0-9]{14,20}(?![0-9])|[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}|[0-9a-f]{32}"
)


def working_folder(number: int) -> Path | None:
    """Where a process works, None if it is gone."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{number}/cwd").readlink()
    return None


class Demo:
    """`ueip up` in a folder of its own; stopped with the test, and its broker with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._log = folder / "said"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str, **changes: str) -> "Demo":
        """Start it."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [ueip_program(), "up", *words], cwd=self.folder, env=environment(**changes),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log,
            )  # fmt: skip
        return self

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        assert self._process is not None
        return self._process

    def said(self) -> str:
        """What it wrote to standard error so far."""
        return self._log.read_text(errors="replace")

    def wait_said(self, pattern: str) -> re.Match[str]:
        """Wait until it has written something."""
        return wait_until(lambda: re.search(pattern, self.said(), re.MULTILINE), what=pattern)

    def wait_end(self) -> int:
        """Wait until it has ended by itself; its exit code."""
        return self.process.wait(60)

    def ueip(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run another command in the same folder."""
        return subprocess.run(
            [ueip_program(), *words], cwd=self.folder, env=environment(),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def brokers(self) -> list[int]:
        """The processes of its broker; others may run a demo in folders of theirs."""
        found = find_processes(".ueip/broker/mosquitto.conf")
        return [number for number in found if working_folder(number) == self.folder.resolve()]

    def end(self) -> None:
        """Make sure it is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(PATIENCE)
            self._process.kill()
            self._process.wait()


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """An empty folder to run it in."""
    made = Demo(tmp_path)
    yield made
    made.end()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A short demo in an empty folder that has come to its end."""
    made = Demo(tmp_path_factory.mktemp("demo")).start("--demo", "--rounds", "3", "--interval", "0.5")
    try:
        assert 0 == made.wait_end(), made.said()
    finally:
        made.end()
    return made


def test_the_demo_fills_every_region_and_its_last_line_adds_up(finished: Demo) -> None:
    """Records in all three regions, drops for many reasons, each with its count, and nothing in flight at the end."""
    said = finished.said()
    received, stored, dropped, in_flight = _SUM.findall(said)[-1]
    by_region = {region: int(count) for region, count in re.findall(r"^  stored in (\w+): (\d+)$", said, re.MULTILINE)}
    reasons = re.findall(r"^  dropped (\w+): (\d+) ", said, re.MULTILINE)

    assert set(REGIONS) == set(by_region)
    assert all(by_region.values())
    assert "0" == in_flight
    assert int(stored) == sum(by_region.values())
    assert int(received) == int(stored) + int(dropped)
    assert len(reasons) >= 4
    assert int(dropped) == sum(int(count) for _, count in reasons)
    assert "local_only" in said
    assert [] == finished.brokers()


def test_the_demo_receives_every_report_its_fleet_sends(finished: Demo) -> None:
    """The fleet begins when the collector listens: as many reports arrive as such a fleet has to send."""
    began = datetime.now(UTC)
    fleet = Fleet(size=60, seed=1, start=began - timedelta(hours=2), owners_act_from=began)
    past = [began - timedelta(hours=2) + number * timedelta(minutes=5) for number in range(24)]
    sent = [publication for moment in [*past, *[began] * 3] for publication in fleet.round(moment)]

    assert (
        str(sum(publication.expectation != "consent" for publication in sent)) == _SUM.findall(finished.said())[-1][0]
    )


def test_the_routers_it_introduces_can_be_looked_up(finished: Demo) -> None:
    """By serial and by IMEI, once it has ended; one whose owner stayed has a timeline."""
    introduced = _INTRODUCED.findall(finished.said())
    codes = [finished.ueip("find", word, "--json").returncode for serial, imei, _ in introduced[:2]
             for word in (serial, imei)]  # fmt: skip
    timeline = finished.ueip("find", introduced[0][0])

    assert [0] * 4 == codes
    assert 0 == timeline.returncode
    assert "timeline, newest first" in timeline.stdout


def test_the_demo_names_nobody_but_those_it_introduces(finished: Demo) -> None:
    """Beside the introduction there is no serial, IMEI, MAC or pseudonym on standard error."""
    said = finished.said()

    assert len(_INTRODUCED.findall(said)) == 5
    assert _IDENTIFIER.search(said), "the pattern finds those that are introduced"
    assert None is _IDENTIFIER.search(_INTRODUCED.sub("", said))


def answers(address: str) -> bool:
    """Whether a page answers with 200."""
    try:
        with urllib.request.urlopen(address, timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("words", [(), ("--folder", "a place of my own")])
def test_what_it_tells_to_try_next_works_as_printed(demo: Demo, mosquitto_pub: str, words: tuple[str, ...]) -> None:
    """Each command line it prints, typed in another terminal, does what it says."""
    demo.start(*words)
    demo.wait_said("^Ctrl-C stops everything")
    ready = demo.wait_said(r"(http://\S+)/metrics")[1] + "/readyz"
    wait_until(lambda: answers(ready), what="/readyz")
    pattern = r"^ +((?:\S*ueip|mosquitto_pub) .*?)(?:   .*)?$"
    lines = re.findall(pattern, demo.said().partition("try next")[2], re.MULTILINE)
    path = f"{Path(ueip_program()).parent}:{Path(mosquitto_pub).parent}:/usr/bin:/bin"

    def code_of(line: str) -> int:
        done = subprocess.run(["sh", "-c", line], cwd=demo.folder, env=environment(PATH=path),
                              capture_output=True, check=False, timeout=60)  # fmt: skip
        return done.returncode

    assert len(lines) >= 3
    for line in lines:
        wait_until(lambda typed=line: code_of(typed) == 0, what=line)  # type: ignore[misc]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_everything_and_it_starts_again(demo: Demo, number: signal.Signals) -> None:
    """One Ctrl-C stops collector, fleet and broker; a second start on the same folder goes on with the same stores."""
    sums = []
    for turn in range(2):
        demo.start("--demo", "--interval", "0.1", "--routers", "10")
        demo.wait_said(r"^received \d+ = stored .*[1-9]")
        assert len(demo.brokers()) == 1
        demo.process.send_signal(number)
        assert 0 == demo.wait_end(), demo.said()
        wait_until(lambda: not demo.brokers(), what="the end of the broker")
        assert ("made a new installation" in demo.said()) == (turn == 0)
        assert "Traceback" not in demo.said()
        sums.append(_SUM.findall(demo.said())[-1])

    for received, stored, dropped, in_flight in sums:
        kept = int(stored)
        assert int(received) == kept + int(dropped) + int(in_flight)
    serial, _, _ = _INTRODUCED.findall(demo.said())[0]
    assert 0 == demo.ueip("find", serial).returncode


@contextlib.contextmanager
def taken(port: int) -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # then somebody else has it, which is as good
            other.bind(("127.0.0.1", port))
            other.listen()
        yield port


def test_a_taken_http_port_is_avoided(demo: Demo) -> None:
    """The configured port of /metrics is in use: another one is taken and told."""
    with taken(9464):
        code = demo.start("--demo", "--rounds", "1", "--interval", "0", "--routers", "5").wait_end()

    told = re.search(r"http://127\.0\.0\.1:(\d+)/metrics", demo.said())
    assert 0 == code, demo.said()
    assert told
    assert "9464" != told[1]


def test_a_taken_broker_port_is_a_sentence(demo: Demo) -> None:
    """A port that was asked for and is in use ends the command with a reason, not with somebody else's broker."""
    with taken(free_port()) as port:
        code = demo.start("--demo", "--rounds", "1", "--broker-port", str(port)).wait_end()

    assert 2 == code, demo.said()
    assert f"cannot listen on 127.0.0.1:{port}" in demo.said()
    assert "Traceback" not in demo.said()
    assert [] == demo.brokers()


def test_run_with_a_taken_http_port_ends_with_a_sentence(site: Site) -> None:
    """`ueip run` takes the port it was told to or ends with exit code 2, before it connects to anything."""
    with taken(free_port()) as port:
        site.configure(http={"port": port})
        ended = site.ueip("run", "-c", str(site.config))

    assert 2 == ended.returncode
    assert f"cannot listen on 127.0.0.1:{port}" in ended.stderr
    assert "Choose another http.port" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_mosquitto_it_says_how_to_install_it(demo: Demo) -> None:
    """Where there is none, exit code 3 and the command to type."""
    if found := shutil.which("mosquitto", path=broker._ELSEWHERE):
        pytest.skip(f"the broker is at {found}, where it is found without PATH")
    code = demo.start("--demo", PATH=str(demo.folder)).wait_end()

    assert 3 == code
    assert "Install it with" in demo.said()
