"""Starts a Mosquitto on this machine, for `ueip up` and the tests: loopback only, on a free port, as one process.

It is configured as a collector needs any Mosquitto to be: no limit on queued messages (the default of 1000 loses
acknowledged ones when the collector lags) and no log that names clients.
"""

import contextlib
import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from collector.errors import BrokerNotInstalled, CollectorError

_STARTED_SECONDS: Final = 10.0
_PORTS: Final = range(20_000, 32_768)
"""Below the ports that systems give to outgoing connections: Linux from 32,768, others from 49,152 (RFC 6335, 6)."""
_ELSEWHERE: Final = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin:/opt/homebrew/bin"
"""Where package managers put daemons, and an ordinary PATH does not look."""

LOCAL_CONFIGURATION: Final = """\
# Made by `ueip up`; loopback only, so it needs no sign-in. See config/mosquitto.conf for real use.
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 0
max_inflight_messages 0
set_tcp_nodelay true
persistence true
persistence_location {folder}/
autosave_interval 60
connection_messages false
log_dest stderr
log_type error
log_type warning
{user}
"""


def find_mosquitto() -> str | None:
    """The path of the broker on this machine, or None."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_ELSEWHERE)


def ensure_mosquitto(tell: Callable[[str], None]) -> str:
    """The path of the broker, which is installed through the system's package manager if absent and allowed.

    Raises:
        BrokerNotInstalled: there is none and it cannot be installed from here; says how to install it.
    """
    if found := find_mosquitto():
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise BrokerNotInstalled(f"Mosquitto, the MQTT broker, is not installed. Install it with: {_how_to_install()}")
    tell("Mosquitto is not installed; installing it with apt-get ...")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "mosquitto"]):
        subprocess.run(command, env=environment, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    if found := find_mosquitto():
        return found
    raise BrokerNotInstalled("apt-get could not install Mosquitto. See what it says: apt-get install mosquitto")


def _how_to_install() -> str:
    if sys.platform == "darwin":
        return "brew install mosquitto"
    for tool, command in _INSTALLERS.items():
        if shutil.which(tool):
            return command
    return "your system's package manager (the package is called mosquitto)"


_INSTALLERS: Final = {
    "apt-get": "sudo apt-get install mosquitto",
    "dnf": "sudo dnf install mosquitto",
    "pacman": "sudo pacman -S mosquitto",
    "apk": "sudo apk add mosquitto",
    "zypper": "sudo zypper install mosquitto",
}


class LocalBroker:
    """A Mosquitto of our own; a context manager. Its data stays in *folder* from one start to the next."""

    def __init__(self, folder: Path, *, port: int = 0, configuration: str | None = None) -> None:
        self.folder = folder
        self.port = port or free_port()
        self._configuration = configuration
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until it takes connections.

        Raises:
            BrokerNotInstalled: there is no Mosquitto on this machine.
            CollectorError: it did not start; says why, in Mosquitto's words.
        """
        program = find_mosquitto()
        if program is None:
            raise BrokerNotInstalled(f"Mosquitto is not installed. Install it with: {_how_to_install()}")
        if not is_free(self.port):
            # Whatever listens there would be taken for our own broker, which could not start.
            raise CollectorError(
                f"broker: cannot listen on 127.0.0.1:{self.port}: it is in use. "
                f"Choose another port or stop what uses it."
            )
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = self._locked()
        file = self.folder / "mosquitto.conf"
        file.write_text(self._configuration or local_configuration(self.folder, self.port))
        # Its output goes into a file: a pipe that nobody reads fills up some day, and then the broker hangs.
        with tempfile.TemporaryFile() as said:
            # A session of its own: Ctrl-C is for the collector, which stops the broker after it has said goodbye.
            self._process = subprocess.Popen(  # noqa: S603 - our own configuration
                [program, "-c", str(file)],
                stderr=said,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one call to the kernel, no lock is held here
            )
            try:
                self._wait(self._process, said)
            except BaseException:
                self.kill()
                raise
        return self

    def _locked(self) -> IO[bytes]:
        """The folder's lock: if two brokers shared its file, the last one to stop would overwrite the other's queue."""
        lock = (self.folder / "lock").open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            raise CollectorError(
                f"broker: {self.folder} is in use by another broker. Stop that one, or choose another folder."
            ) from None
        return lock

    def _wait(self, process: subprocess.Popen[bytes], said: IO[bytes]) -> None:
        deadline = time.monotonic() + _STARTED_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                said.seek(0)
                lines = said.read().decode(errors="replace").strip().splitlines()
                raise CollectorError(f"Mosquitto did not start on port {self.port}: {' '.join(lines[-1:])}")
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=0.2):
                return
            time.sleep(0.02)
        raise CollectorError(f"Mosquitto did not take connections on port {self.port} in {_STARTED_SECONDS:.0f} s")

    def stop(self) -> None:
        """Stop it and wait; it keeps its sessions and queues on disk."""
        self._end(lambda process: process.terminate())

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self._end(lambda process: process.kill())

    def _end(self, how: Callable[[subprocess.Popen[bytes]], None]) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        how(process)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if self._lock is not None:
            self._lock.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _end_with_parent() -> None:
    """Where the kernel can: do not outlive a parent that was killed (Linux, prctl PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


def local_configuration(folder: Path, port: int) -> str:
    """The configuration of a local broker."""
    # Started as root, Mosquitto would become another user, who may not write here.
    user = "user root" if os.geteuid() == 0 else ""
    return LOCAL_CONFIGURATION.format(port=port, folder=folder.resolve(), user=user)


def free_port() -> int:
    """A TCP port on loopback that nobody uses now.

    It is not among those that systems give to outgoing connections, so it is still free a while later.

    Raises:
        CollectorError: none was found.
    """
    for _ in range(100):
        if is_free(port := secrets.choice(_PORTS)):
            return port
    raise CollectorError(
        f"127.0.0.1: found no free TCP port in 100 of {_PORTS.start} to {_PORTS.stop - 1}. See that the loopback "
        f"interface is up (ip link show lo)."
    )


def is_free(port: int) -> bool:
    """Whether nothing listens on that TCP port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
