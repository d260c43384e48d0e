"""What the integration tests share: a broker, the real `ueip` in processes of its own, and an independent publisher.

Rule 1: everything listens on free ports of loopback, lives in the test's own folder, and is stopped with it.
Rule 2: nothing sleeps for a fixed time where a condition can be awaited (`wait_until`).
Rule 3: what is published comes from paho or from Mosquitto's own client, never from code of the collector.
"""

import base64
import contextlib
import hmac
import itertools
import json
import os
import re
import shutil
import signal
import sqlite3
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import pytest
import trustme
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from prometheus_client.parser import text_string_to_metric_families

from collector.broker import LocalBroker

T = TypeVar("T")
REGIONS: Final = ("hong_kong", "germany", "china")
COUNTRY_OF: Final = {"germany": "DE", "china": "CN", "hong_kong": "HK"}
POLICY: Final = "2020-03-14"
PATIENCE: Final = 60.0
"""Seconds after which something that should have happened counts as not happening; it is no measure of speed."""

_PAUSE: Final = 0.02
_ADDRESS: Final = re.compile(r"metrics at (http://\S+?)/metrics")
_RUN: Final = f"{time.time_ns():x}"
_numbers: Final = itertools.count(1)


def wait_until(condition: Callable[[], T | None], seconds: float = PATIENCE, *, what: str = "the condition") -> T:
    """Return the first true answer of *condition*; fails if there is none within *seconds*."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := condition():
            return answer
        if time.monotonic() > deadline:
            pytest.fail(f"{what} did not come true in {seconds:g} s")
        time.sleep(_PAUSE)


def ueip_program() -> str:
    """The command that is installed beside this Python."""
    beside = Path(sys.executable).with_name("ueip")
    found = str(beside) if beside.exists() else shutil.which("ueip")
    if found is None:
        pytest.fail("the command ueip is not installed; install the package first: pip install -e .[test]")
    return found


def environment(**changes: str) -> dict[str, str]:
    """The environment of a command, without what would lead it to another configuration."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UEIP_")}
    return {**kept, **changes}


class Samples:
    """One reading of /metrics."""

    def __init__(self, text: str) -> None:
        families = text_string_to_metric_families(text)
        self._samples = [(s.name, s.labels, s.value) for family in families for s in family.samples]

    def total(self, name: str, **labels: str) -> int:
        """The sum of the samples of *name* that carry *labels*."""
        wanted = labels.items()
        return int(sum(value for found, has, value in self._samples if found == name and wanted <= has.items()))

    def by(self, name: str, label: str) -> dict[str, int]:
        """The samples of *name* by the value of *label*, zeros left out."""
        counts: Counter[str] = Counter()
        for found, labels, value in self._samples:
            if found == name:
                counts[labels[label]] += int(value)
        return {key: count for key, count in counts.items() if count}

    @property
    def received(self) -> int:
        """Report messages received."""
        return self.total("collector_messages_received_total")

    @property
    def in_flight(self) -> int:
        """Report messages neither stored nor dropped yet."""
        return self.total("collector_messages_in_flight")

    @property
    def stored(self) -> dict[str, int]:
        """Records stored, by region."""
        return self.by("collector_records_stored_total", "region")

    @property
    def dropped(self) -> dict[str, int]:
        """Messages dropped, by reason."""
        return self.by("collector_messages_dropped_total", "reason")

    @property
    def settled(self) -> int:
        """Messages that have their outcome."""
        return sum(self.stored.values()) + sum(self.dropped.values())

    def adds_up(self) -> bool:
        """Whether every message received has exactly one outcome or is in flight (D21)."""
        return self.received == self.settled + self.in_flight


class Collector:
    """`ueip run` in a process of its own. What it writes goes to a file that outlives it."""

    def __init__(self, config: Path, log: Path) -> None:
        self.config = config
        self.log = log
        self.address = ""
        self.options: tuple[str, ...] = ()
        """Further options of `ueip run`."""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start it and wait until its pages answer."""
        before = len(self.said())
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.config.parent, env=environment(),
            )  # fmt: skip
        found = wait_until(lambda: self._announced(before), what="the address of /metrics")
        self.address = found[1]
        wait_until(lambda: self._answers("/healthz"), what="/healthz")
        return self

    def command(self) -> list[str]:
        """Its command line."""
        return [ueip_program(), "run", "-c", str(self.config), *self.options]

    def _announced(self, before: int) -> re.Match[str] | None:
        if self.process.poll() is not None:
            pytest.fail(f"ueip run ended with {self.process.returncode}: {self.said()[before:]}")
        return _ADDRESS.search(self.said(), before)

    def _answers(self, path: str) -> bool:
        with contextlib.suppress(OSError):
            return self.get(path)[0] == 200
        return False

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        assert self._process is not None, "not started"
        return self._process

    def said(self) -> str:
        """Everything it wrote so far, earlier runs included."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of one of its pages."""
        try:
            with urllib.request.urlopen(self.address + path, timeout=10) as answer:
                return int(answer.status), answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def metrics(self) -> Samples:
        """What /metrics says now."""
        return Samples(self.get("/metrics")[1].decode())

    def readyz(self) -> tuple[int, dict[str, str]]:
        """Status of /readyz and the state of each part."""
        status, body = self.get("/readyz")
        return status, json.loads(body)["parts"]

    def wait_ready(self) -> Self:
        """Wait until every part is ready."""
        wait_until(lambda: self.readyz()[0] == 200, what="/readyz")
        return self

    def wait_settled(self, count: int) -> Samples:
        """Wait until *count* messages have their outcome and nothing is in flight; the sums must hold then."""

        def settled() -> Samples | None:
            now = self.metrics()
            return now if now.settled >= count and not now.in_flight else None

        found = wait_until(settled, what=f"the outcome of {count} messages")
        assert found.adds_up()
        return found

    def memory_peak_mib(self) -> float:
        """The most memory it ever had resident."""
        status = Path(f"/proc/{self.process.pid}/status")
        if not status.exists():
            pytest.skip("the kernel does not tell the peak memory of a process")
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        assert found
        return int(found[1]) / 1024

    def is_running(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def kill(self) -> None:
        """End it at once, as a crash does."""
        self.process.kill()
        self.process.wait()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and wait; its exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def end(self) -> None:
        """Make sure it is gone."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


class Site:
    """One installation: folder, keys, stores, broker and collector, all of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.broker = LocalBroker(folder.parent / "broker")
        self.config = folder / "collector.toml"
        self.collector = Collector(self.config, folder / "collector.log")
        self.configure()

    def configure(self, **sections: Mapping[str, Any]) -> None:
        """Write the configuration anew; *sections* override what the tests usually have."""
        usual: dict[str, dict[str, Any]] = {
            "broker": {"port": self.broker.port, "reconnect_max_seconds": 0.5},
            "http": {"port": 0},
            "log": {"style": "json", "level": "debug"},
            # A machine busy with other tests takes a second for a commit now and then; that is no outage.
            "spool": {"after_seconds": 30},
        }
        merged = {name: {**usual.get(name, {}), **sections.get(name, {})} for name in (*usual, *sections)}
        regions = {
            f"regions.{region}": {
                "store": f"data/{region}.sqlite",
                "key_files": [f"keys/{region}.key"],
                "retention_days": 365,
            }
            for region in REGIONS
        }
        self.config.write_text(_toml(merged | regions))

    def trust(self, authority: Path, own: tuple[Path, Path] | None) -> None:
        """Let the collector connect over TLS, to a broker that *authority* vouches for, with its own certificate."""
        identity = {"cert_file": str(own[0]), "key_file": str(own[1])} if own else {}
        self.configure(broker={"host": "localhost", "tls": True, "ca_file": str(authority), **identity})

    def start(self) -> Collector:
        """Start the broker and the collector, and wait until it is ready."""
        self.broker.start()
        return self.collector.start().wait_ready()

    def stop(self) -> None:
        """Stop both, whatever became of them."""
        self.collector.end()
        self.broker.stop()

    def publisher(self, **options: Any) -> "Publisher":
        """A paho connection to the broker."""
        return Publisher(self.broker.port, **options)

    def ueip(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of ours in this installation."""
        return subprocess.run(
            [ueip_program(), *words], cwd=self.folder, env=environment(),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def store(self, region: str) -> Path:
        """The region's file."""
        return self.folder / "data" / f"{region}.sqlite"

    @contextlib.contextmanager
    def locked(self, region: str) -> Iterator[None]:
        """Hold the write lock of the region's store, as another program might: commits hang, then are refused."""
        with contextlib.closing(sqlite3.connect(self.store(region), isolation_level=None, timeout=20)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def spool(self, region: str) -> Path:
        """The folder of the region's spool."""
        return self.store(region).with_name(f"{self.store(region).name}.spool")

    def rows(self, region: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """What a query of the region's store gives; nothing while there is no store."""
        if not self.store(region).exists():
            return []
        with contextlib.closing(sqlite3.connect(self.store(region), timeout=10)) as connection:
            return connection.execute(sql, values).fetchall()

    def count(self, region: str) -> int:
        """Records in the region's store."""
        found = self.rows(region, "SELECT count(*) FROM record")
        return int(found[0][0]) if found else 0

    def record_ids(self, region: str) -> list[bytes]:
        """The ids of the records in the region's store."""
        return [row[0] for row in self.rows(region, "SELECT record_id FROM record")]

    def bodies(self, region: str) -> list[dict[str, Any]]:
        """The bodies of the records in the region's store, in the order of their writing."""
        return [json.loads(row[0]) for row in self.rows(region, "SELECT body FROM record ORDER BY id")]

    def expected_id(self, region: str, router: str, message_id: str) -> bytes:
        """The id a record must have, worked out here from the region's key (F5)."""
        key = (self.folder / "keys" / f"{region}.key").read_bytes()
        return hmac.digest(key, f"record\0{router}\0{message_id}".encode(), "sha256")[:16]


@contextlib.contextmanager
def locked(site: Site, region: str = "germany") -> Iterator[None]:
    """Hold the write lock of a region's store, so that nothing can be committed there."""
    with contextlib.closing(sqlite3.connect(site.store(region), isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


class Authority:
    """A private authority and the certificates it issued, as files."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self._folder = folder
        folder.mkdir(parents=True)
        self.file = folder / "ca.crt"
        self._authority.cert_pem.write_to_path(self.file)

    def issue(self, name: str, *hosts: str) -> tuple[Path, Path]:
        """Certificate and key of *name*, which is the common name."""
        made = self._authority.issue_cert(*(hosts or (f"{name}.test",)), common_name=name)
        certificate, key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        made.private_key_pem.write_to_path(key)
        return certificate, key

    def context(self, name: str) -> ssl.SSLContext:
        """The TLS context that *name* connects with."""
        context = ssl.create_default_context(cafile=self.file)
        context.load_cert_chain(*self.issue(name))
        return context


class Publisher:
    """A paho client that remembers what the broker answered; connected inside the `with`."""

    def __init__(
        self,
        port: int,
        *,
        host: str = "127.0.0.1",
        client_id: str = "",
        protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv5,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        prepare: Callable[[Client], object] = lambda _: None,
    ) -> None:
        self._address = host, port
        self.client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol)
        if username is not None:
            self.client.username_pw_set(username, password)
        if tls is not None:
            self.client.tls_set_context(tls)
        self.client.max_inflight_messages_set(1000)
        self.client.reconnect_delay_set(1, 1)
        self.client.on_connect = self._on_connect
        self.client.on_disconnect = self._on_disconnect
        self.client.on_publish = self._on_publish
        prepare(self.client)
        self.sent: dict[int, Any] = {}
        self.answers: dict[int, ReasonCode] = {}
        self.connections: list[ReasonCode] = []
        self.disconnections = 0

    def __enter__(self) -> Self:
        self.client.connect(*self._address, keepalive=30)
        self.client.loop_start()
        wait_until(lambda: self.connections, what="the broker's answer")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        # It looks at its thread twice, which may have ended in between.
        with contextlib.suppress(AttributeError):
            self.client.loop_stop()

    def publish(
        self,
        topic: str,
        payload: bytes | str | Mapping[str, Any],
        *,
        qos: int = 1,
        retain: bool = False,
        properties: Properties | None = None,
        name: Any = None,
    ) -> MQTTMessageInfo:
        """Send one message; *name* is what `acknowledged` lists it as."""
        content = json.dumps(payload) if isinstance(payload, Mapping) else payload
        info = self.client.publish(topic, content, qos, retain, properties)
        self.sent[info.mid] = name
        return info

    def report(self, document: Mapping[str, Any], *, router: str | None = None, qos: int = 1) -> MQTTMessageInfo:
        """Send a report, by default as the router it names."""
        return self.publish(f"ueip/v1/{router or document['router']['serial']}/report", document, qos=qos)

    def settle(self, seconds: float = PATIENCE) -> list[Any]:
        """Wait until the broker has answered everything; the names of what it took."""
        wait_until(lambda: len(self.answers) == len(self.sent), seconds, what="the broker's last answer")
        return self.acknowledged()

    def acknowledged(self) -> list[Any]:
        """The names of what the broker has taken so far."""
        answers = dict(self.answers)
        return [self.sent[mid] for mid in list(self.sent) if mid in answers and not answers[mid].is_failure]

    def _on_connect(
        self, _client: Client, _data: Any, _flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self.connections.append(reason)

    def _on_disconnect(
        self, _client: Client, _data: Any, _flags: DisconnectFlags, _reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self.disconnections += 1

    def _on_publish(
        self, _client: Client, _data: Any, mid: int, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self.answers[mid] = reason


def as_us(configuration: str) -> str:
    """*configuration*, so that Mosquitto started as root stays root: another user may not read our files."""
    return configuration + ("\nuser root\n" if os.geteuid() == 0 else "")


def now_text(ago: timedelta = timedelta()) -> str:
    """The time *ago*, as a router would write it, to the millisecond."""
    return (datetime.now(UTC) - ago).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id() -> str:
    """A message or event id that was never used before."""
    return f"{_RUN}-{next(_numbers)}"


def report(serial: str, *, country: str = "DE", **changes: Any) -> dict[str, Any]:
    """A report of a healthy router, measured now; a change to None leaves the key out."""
    document: dict[str, Any] = {
        "schema_version": 1,
        "message_id": new_id(),
        "ueip": True,
        "policy_version": POLICY,
        "country": country,
        "time": now_text(),
        "router": {"serial": serial, "manufacturer": "ZTE", "uptime_seconds": 86_400},
        "signal": {"rsrp_dbm": -97, "sinr_db": 11.5},
    }
    return {name: value for name, value in (document | changes).items() if value is not None}


def consent(action: str, *, country: str = "DE", **changes: Any) -> dict[str, Any]:
    """An act of the owner, made now."""
    document = {"schema_version": 1, "event_id": new_id(), "action": action, "time": now_text(), "country": country}
    return document | changes


def find_processes(words: str) -> list[int]:
    """The processes whose command line contains *words*."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if words.encode() in entry.read_bytes():
                found.append(int(entry.parent.name))
    return found


def disguises(text: str) -> Iterator[bytes]:
    """The ways *text* may lie in a file, in lower case: plain, UTF-16, hex of those, base64 at each of its offsets."""
    for plain in (text.encode(), text.encode("utf-16-le"), text.encode("utf-16-be")):
        yield plain.lower()
        yield plain.hex().encode()
        for lead in range(3):
            # Without the characters that also depend on what stands before and after.
            coded = base64.b64encode(b"\0" * lead + plain)
            yield coded[-(-lead * 8 // 6) : len(coded) - 4].lower()


def traces(text: str, places: Iterable[tuple[str, bytes]]) -> list[str]:
    """The names of the places where *text* is found in any disguise; nothing of the content."""
    needles = list(disguises(text))
    lowered = ((name, content.lower()) for name, content in places)
    return [name for name, content in lowered if any(needle in content for needle in needles)]


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below *folder*, raw, with its name."""
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                yield str(path.relative_to(folder)), path.read_bytes()


def _toml(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """Sections with settings that JSON and TOML write alike: texts, numbers, booleans, lists of them."""
    lines = []
    for name, settings in sections.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items())]
    return "\n".join(lines) + "\n"
