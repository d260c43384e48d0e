"""Runs one load against one collector: warms up, loads, waits until all is settled, and adds up.

The publisher runs in a process of its own; here are only the probes, the look at the stores and the bookkeeping.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from installation import Collector, child_named, cpu_seconds
from payloads import kind_of
from watch import Probes, RecordIds, Stores

_LOOK: Final = 0.0005
_ALLOW: Final = 0.01
_QUIET_SECONDS: Final = 15.0
"""Without a commit for so long, what is missing counts as lost."""


@dataclass(frozen=True, slots=True)
class Load:
    """What is to be published: *rate* messages a second, or, without one, as many as go through.

    Then no more than *backlog* messages are under way between publisher and stores, so that the rate measured is one
    that could go on for ever, not one that fills the broker's memory.
    """

    routers: int
    seconds: float
    rate: float | None
    backlog: int
    warm_up: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What one load led to. CPU seconds by process, for the loaded part only."""

    messages: int
    seconds: float
    publishing_seconds: float
    cpu: dict[str, float]
    latencies: list[float]


class Publisher:
    """The publisher's process and the orders it takes."""

    def __init__(self, port: int, routers: int) -> None:
        script = Path(__file__).with_name("publisher.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), "--port", str(port), "--routers", str(routers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.published = self.answer()

    def order(self, *words: object) -> None:
        """Give an order."""
        assert self.process.stdin is not None
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def answer(self) -> int:
        """Wait for the answer to an order: messages published and acknowledged so far."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            sys.exit("the publisher ended")
        self.published = int(json.loads(line)["published"])
        return self.published

    def end(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


class Run:
    """One load from beginning to end."""

    def __init__(self, collector: Collector, broker_port: int, load: Load) -> None:
        self._collector = collector
        self._load = load
        self.ids = RecordIds(collector.settings)
        self.stores = Stores(collector.settings)
        self.probes = Probes(broker_port, self.stores, self.ids)
        self.publisher = Publisher(broker_port, load.routers)
        self._pids = {
            "broker": child_named("mosquitto"),
            "publisher": self.publisher.process.pid,
            "collector": collector.pid,
        }
        self._flagged = _Flagged(load.routers)

    def warm_up(self) -> None:
        """Let every router join, and all caches fill; none of this is measured."""
        self.publisher.order("burst", max(self._load.warm_up, self._load.routers * 2))
        self.publisher.answer()
        if not self._settle():
            sys.exit(f"the collector does not store: {self._collector.last_words()}")

    def measure(self) -> Measured:
        """Load, wait until all is settled, and say what it took."""
        load, publisher, before = self._load, self.publisher, self.publisher.published
        self.stores.latencies.clear()
        cpu, began = self._cpu(), time.perf_counter()
        if load.rate is None:
            publisher.order("flood", load.seconds)
        else:
            publisher.order("pace", load.seconds, load.rate)
        self._watch(began + load.seconds)
        publisher.answer()
        published = time.perf_counter()
        self._settle()
        used = {name: seconds - cpu[name] for name, seconds in self._cpu().items()}
        return Measured(
            messages=publisher.published - before,
            seconds=self.stores.last_commit - began,
            publishing_seconds=published - began,
            cpu=used,
            latencies=list(self.stores.latencies),
        )

    def _cpu(self) -> dict[str, float]:
        own = {"probes": time.process_time()}
        return {name: cpu_seconds(pid) for name, pid in self._pids.items()} | own

    def _watch(self, until: float) -> None:
        """Probe and look while the load is on; tell a flood how far it may go."""
        allow_at = 0.0
        while (now := time.perf_counter()) < until:
            self.probes.publish_due()
            self.stores.look()
            if self._load.rate is None and now >= allow_at:
                self.publisher.order("allow", self._settled_estimate() + self._load.backlog)
                allow_at = now + _ALLOW
            time.sleep(_LOOK)

    def _settled_estimate(self) -> int:
        """How many of the fleet's messages are settled, from the rows committed: 95 % of the messages are stored."""
        return int((self.stores.rows - len(self.probes.sent)) / 0.95)

    def _settle(self) -> bool:
        """Wait until what must be stored is; False if some is missing and nothing has come for a while."""
        wanted = self._flagged.upto(self.publisher.published) + len(self.probes.sent)
        rows, since = -1, time.perf_counter()
        while self.stores.rows < wanted and time.perf_counter() - since < _QUIET_SECONDS:
            self.stores.look()
            if self.stores.rows != rows:
                rows, since = self.stores.rows, time.perf_counter()
            time.sleep(_LOOK)
        return self.stores.rows >= wanted


class _Flagged:
    """Counts the messages with a flag, from the beginning."""

    def __init__(self, routers: int) -> None:
        self._routers = routers
        self._upto = self._count = 0

    def upto(self, number: int) -> int:
        self._count += sum(kind_of(n, self._routers).flagged for n in range(self._upto, number))
        self._upto = number
        return self._count
