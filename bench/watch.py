"""Watches the stores as any reader would, and measures from a probe's publication until its record can be read.

Rule 1: a probe is an ordinary report of an ordinary router, on a connection of its own, published on a schedule; the
        time counts from when it was due.
Rule 2: it counts as committed when another connection to the region's store finds its record, never before.
"""

import contextlib
import socket
import sqlite3
import time
from collections import deque
from typing import Final, NamedTuple, Protocol

from mqtt import LAST_ID, Acks, connect_packet, publish_packet
from payloads import fleet, message_id, time_text

from collector.config import Settings, read_keys
from collector.model import Region
from collector.pseudonym import Pseudonymiser

_PROBE_ROUTERS: Final = 15
_PROBE_SEED: Final = 99
_INTERVAL: Final = 0.02
_IS_THERE: Final = """
    SELECT 1 FROM record WHERE record_id = ? AND router_id = (SELECT id FROM router WHERE device_ref = ?)"""


class Sent(NamedTuple):
    """A probe under way."""

    record_id: bytes
    device_ref: bytes
    due: float


class RecordIds:
    """Record ids as the collector makes them, from the keys of its installation."""

    def __init__(self, settings: Settings) -> None:
        regions = settings.regions
        self._pseudonyms = {region: Pseudonymiser(read_keys(regions.of(region))) for region in regions.enabled}

    def of(self, region: Region, router: str, message: str) -> bytes:
        """The id of the record of a router's message."""
        return self._pseudonyms[region].uncached_ref("record", f"{router}\0{message}")

    def sent(self, region: Region, router: str, message: str, due: float) -> Sent:
        """A router's message as a probe."""
        return Sent(self.of(region, router, message), self._pseudonyms[region].ref("router", router), due)


class Stores(Protocol):
    """The stores of all regions, as any reader sees them."""

    @property
    def latencies(self) -> list[float]:
        """Seconds from when a probe was due until it could be read."""
        ...

    @property
    def last_commit(self) -> float:
        """When `rows` was last seen to grow."""
        ...

    @property
    def rows(self) -> int:
        """Records committed, as of the last look."""
        ...

    @property
    def guess(self) -> int:
        """How many there are now, as well as one can tell without asking."""
        ...

    def expect(self, region: Region, sent: Sent) -> None:
        """A probe is on its way."""
        ...

    def look(self, *, closely: bool = False) -> None:
        """Notice what was committed since the last look; *closely* when every hundredth of a second counts."""
        ...

    def record_ids(self, region: Region) -> set[bytes]:
        """The ids of all records of a region."""
        ...

    def count(self, region: Region) -> int:
        """How many records a region has, counted one by one."""
        ...

    def close(self) -> None:
        """Look no more."""
        ...


class SQLiteStores:
    """The regions' files, open for reading."""

    def __init__(self, settings: Settings) -> None:
        self._regions = {region: _open(settings, region) for region in settings.regions.enabled}
        self._versions = dict.fromkeys(self._regions, -1)
        self._rows = dict.fromkeys(self._regions, 0)
        self._pending: dict[Region, deque[Sent]] = {region: deque() for region in self._regions}
        self.latencies: list[float] = []
        self.last_commit = 0.0

    @property
    def rows(self) -> int:
        """As `Stores.rows`."""
        return sum(self._rows.values())

    @property
    def guess(self) -> int:
        """As `Stores.guess`."""
        return self.rows

    def expect(self, region: Region, sent: Sent) -> None:
        """As `Stores.expect`."""
        self._pending[region].append(sent)

    def look(self, *, closely: bool = False) -> None:  # noqa: ARG002 - a look costs next to nothing
        """As `Stores.look`."""
        for region, connection in self._regions.items():
            version = connection.execute("PRAGMA data_version").fetchone()[0]
            if version == self._versions[region]:
                continue
            self._versions[region] = version
            # Nothing is ever deleted here, so the highest row number is the count.
            rows = connection.execute("SELECT max(id) FROM record").fetchone()[0] or 0
            if rows != self._rows[region]:
                self._rows[region] = rows
                self.last_commit = time.perf_counter()
            self._find(connection, self._pending[region])

    def _find(self, connection: sqlite3.Connection, pending: deque[Sent]) -> None:
        """Take the probes that can be read now; a router's messages are committed in order."""
        while pending:
            if not connection.execute(_IS_THERE, pending[0][:2]).fetchone():
                return
            self.latencies.append(time.perf_counter() - pending.popleft().due)

    def record_ids(self, region: Region) -> set[bytes]:
        """As `Stores.record_ids`."""
        return {row[0] for row in self._regions[region].execute("SELECT record_id FROM record")}

    def count(self, region: Region) -> int:
        """As `Stores.count`."""
        return int(self._regions[region].execute("SELECT count(*) FROM record").fetchone()[0])

    def close(self) -> None:
        """As `Stores.close`."""
        for connection in self._regions.values():
            connection.close()


class Probes:
    """Publishes one probe after the other."""

    def __init__(self, port: int, stores: Stores, ids: RecordIds) -> None:
        self.routers = fleet(_PROBE_ROUTERS, _PROBE_SEED)
        self.sent: list[tuple[Region, bytes]] = []
        self._stores = stores
        self._ids = ids
        self._acks = Acks()
        self._due = 0.0
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.sendall(connect_packet("probe"))
        self._acks.feed(self._socket.recv(64))
        self._socket.setblocking(False)
        for _ in self.routers:  # so that they have joined, before two messages of one are under way
            self._publish(time.perf_counter())

    def publish_due(self) -> None:
        """Publish what is due; take back the acknowledgements, which mean nothing here."""
        now = time.perf_counter()
        if now - self._due > 1:
            self._due = now
        while self._due <= now:
            self._publish(self._due)
            self._due += _INTERVAL
        with contextlib.suppress(BlockingIOError):
            self._acks.feed(self._socket.recv(65_536))

    def _publish(self, due: float) -> None:
        number = len(self.sent)
        router = self.routers[number % len(self.routers)]
        text = router.templates[0].payload(number, time_text(time.time()))
        self._socket.send(publish_packet(router.topic, number % LAST_ID + 1, text))
        sent = self._ids.sent(router.region, router.name, message_id(number), due)
        self.sent.append((router.region, sent.record_id))
        self._stores.expect(router.region, sent)


def _open(settings: Settings, region: Region) -> sqlite3.Connection:
    uri = f"file:{settings.regions.of(region).store}?mode=ro"
    return sqlite3.connect(uri, uri=True, isolation_level=None)
