"""The broker that is started on this machine: what it says fills nothing, and nothing of it stays behind."""

import os
import stat
import time
from pathlib import Path

import pytest

from collector import broker
from collector.broker import LocalBroker
from collector.errors import CollectorError

TALKER = """\
#!/usr/bin/env python3
import re, socket, sys, time
from pathlib import Path
configuration = Path(sys.argv[2])
port = int(re.search(r"listener (\\d+)", configuration.read_text())[1])
listener = socket.create_server(("127.0.0.1", port))
for _ in range(4000):
    sys.stderr.write("Error saving in-memory database, there is no room for it.\\n" * 2)
(configuration.parent / "went-on").touch()
time.sleep(60)
"""
SLEEPER = """\
#!/bin/sh
echo $$ > "$(dirname "$2")/number"
exec sleep 60
"""
QUITTER = """\
#!/bin/sh
echo "Error: something [with] brackets" >&2
exit 1
"""


def instead(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> LocalBroker:
    """A broker that is another program."""
    program = folder / "mosquitto"
    program.write_text(text)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(broker, "find_mosquitto", lambda: str(program))
    return LocalBroker(folder / "broker")


def test_a_broker_that_says_much_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says an error a minute on a full disk, for as long as it runs."""
    made = instead(tmp_path, monkeypatch, TALKER)
    deadline = time.monotonic() + 20
    with made:
        while not (made.folder / "went-on").exists() and time.monotonic() < deadline:
            time.sleep(0.05)

    assert (made.folder / "went-on").exists()


def test_a_broker_that_takes_no_connections_is_not_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asked for it is told, and has nothing to stop."""
    monkeypatch.setattr(broker, "_STARTED_SECONDS", 1.0)
    made = instead(tmp_path, monkeypatch, SLEEPER)

    with pytest.raises(CollectorError, match="did not take connections"):
        made.start()

    number = int((made.folder / "number").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)


def test_why_a_broker_did_not_start_is_said_in_its_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of them."""
    made = instead(tmp_path, monkeypatch, QUITTER)

    with pytest.raises(CollectorError) as told:
        made.start()

    assert str(told.value) == f"Mosquitto did not start on port {made.port}: Error: something [with] brackets"


def test_two_brokers_do_not_share_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits there is in one file, which each would write over; afterwards it is free."""
    first, second = instead(tmp_path, monkeypatch, TALKER), LocalBroker(tmp_path / "broker")
    with first, pytest.raises(CollectorError, match="in use by another broker"):
        second.start()
    with second:
        pass


def test_a_free_port_is_none_that_is_given_to_connections() -> None:
    """One of those may be taken before the broker is started, or while it is started anew."""
    told = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(told.read_text().split()[0]) if told.exists() else 49_152

    assert all(1024 <= broker.free_port() < first for _ in range(100))


def test_without_a_loopback_interface_no_port_is_looked_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to look at."""
    monkeypatch.setattr(broker, "is_free", lambda _: False)

    with pytest.raises(CollectorError, match="loopback"):
        broker.free_port()
