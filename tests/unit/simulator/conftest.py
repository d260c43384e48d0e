"""What the simulator's tests share: a fixed start, a way to read publications, and a real broker."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from collector.broker import free_port
from collector.simulator import Endpoint, Fleet, Publication

START = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
STEP = timedelta(minutes=5)


@pytest.fixture
def start() -> datetime:
    """When simulated time begins."""
    return START


@pytest.fixture
def rounds() -> Callable[..., Iterator[tuple[datetime, Publication]]]:
    """Run a fleet for some rounds; yields what it sends beside the time of the round."""

    def run(
        count: int, *, size: int = 60, seed: int = 7, start: datetime = START, step: timedelta = STEP
    ) -> Iterator[tuple[datetime, Publication]]:
        fleet = Fleet(size=size, seed=seed, start=start)
        for number in range(count):
            now = start + number * step
            for publication in fleet.round(now):
                yield now, publication

    return run


class Broker:
    """A Mosquitto of the test's own, on a free port of this machine."""

    def __init__(self, folder: Path, program: str) -> None:
        self._folder = folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._has_run = False
        self.port = free_port()

    def start(self, *settings: str) -> Endpoint:
        """Start it; again, on the port it had."""
        deadline = time.monotonic() + 30
        while not self._began(settings):
            if time.monotonic() > deadline:
                pytest.fail("Mosquitto did not start")
            if not self._has_run:
                self.port = free_port()  # somebody else was quicker
        self._has_run = True
        return Endpoint("127.0.0.1", self.port)

    def _began(self, settings: Sequence[str]) -> bool:
        """Whether it takes connections; it has ended if it does not."""
        lines = [
            f"listener {self.port} 127.0.0.1",
            "persistence false",
            "user root",
            "max_queued_messages 0",
            *settings,
        ]
        configuration = self._folder / "mosquitto.conf"
        configuration.write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen(
            [self._program, "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        while self._process.poll() is None:
            with socket.socket() as probe:
                probe.settimeout(1)  # one attempt was seen to wait for minutes on a busy machine
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return True
            time.sleep(0.05)
        return False

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker to start; stopped after the test."""
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        pytest.skip("Mosquitto is not installed")
    broker = Broker(tmp_path, program)
    yield broker
    broker.stop()
