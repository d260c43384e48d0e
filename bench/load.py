"""Runs one load against one collector: warms up, loads, waits until all is settled, and adds up.

The publisher runs in a process of its own; here are only the probes, the look at the stores and the bookkeeping.
"""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from installation import child_named, cpu_seconds

CONNECTIONS: Final = 500
"""Of the publisher to the broker. A router has one of its own, so few messages come at a time on each."""
_LOOK: Final = 0.0005
_FLOODED_LOOK: Final = 0.004
"""Between two looks when nobody asks how late anything is; each takes from what is measured."""
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
    connections: int = CONNECTIONS
    flagged: bool = True
    """Whether it is the fleet's usual mix. If not, no message carries a flag, and none may be stored."""


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

    def __init__(self, port: int, routers: int, connections: int = CONNECTIONS, *, flagged: bool = True) -> None:
        script = Path(__file__).with_name("publisher.py")
        words = ["--port", str(port), "--routers", str(routers), "--connections", str(min(connections, routers))]
        command = [sys.executable, str(script), *words]
        self.process = subprocess.Popen(
            command if flagged else [*command, "--no-flag"],
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


class Subject(Protocol):
    """What the load is for: the collector with its stores, or another receiver."""

    @property
    def latencies(self) -> list[float]:
        """Seconds from publication to commit, of single messages."""
        ...

    @property
    def last(self) -> float:
        """When something was last seen to be settled."""
        ...

    def probe(self) -> None:
        """Publish what is to be timed, if it is time."""
        ...

    def look(self, *, closely: bool = False) -> None:
        """Notice what was settled since the last look; *closely* when every hundredth of a second counts."""
        ...

    def settled(self) -> int:
        """Something that grows with what is settled."""
        ...

    def guess(self) -> int:
        """How many messages of the load are settled now, as well as one can tell."""
        ...

    def is_settled(self, published: int) -> bool:
        """Whether all is settled that has to be, of so many messages of the load."""
        ...

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by process."""
        ...


class Run:
    """One load from beginning to end."""

    def __init__(self, subject: Subject, broker_port: int, load: Load) -> None:
        self._subject = subject
        self._load = load
        self.publisher = Publisher(broker_port, load.routers, load.connections, flagged=load.flagged)
        self._broker = child_named("mosquitto")

    def warm_up(self) -> bool:
        """Let every router join, and all caches fill; none of this is measured. False if it does not settle.

        One message of each router at a time: workers do not keep the order of one router's messages, and which of two
        is its join would be up to chance (docs/decisions/0022). One in twenty says nothing, hence twice.
        """
        routers = self._load.routers
        for messages in (routers, routers, self._load.warm_up - 2 * routers):
            if messages > 0:
                self.publisher.order("burst", messages)
                self.publisher.answer()
                if not self._settle():
                    return False
        return True

    def measure(self) -> Measured:
        """Load, wait until all is settled, and say what it took."""
        load, publisher, before = self._load, self.publisher, self.publisher.published
        self._subject.latencies.clear()
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
            seconds=self._subject.last - began,
            publishing_seconds=published - began,
            cpu=used,
            latencies=list(self._subject.latencies),
        )

    def _cpu(self) -> dict[str, float]:
        loading = {"broker": cpu_seconds(self._broker), "publisher": cpu_seconds(self.publisher.process.pid)}
        return {**loading, **self._subject.cpu(), "probes": time.process_time()}

    def _watch(self, until: float) -> None:
        """Probe and look while the load is on; tell a flood how far it may go."""
        allow_at, pause = 0.0, _LOOK if self._load.rate is not None else _FLOODED_LOOK
        while (now := time.perf_counter()) < until:
            self._subject.probe()
            self._subject.look()
            if self._load.rate is None and now >= allow_at:
                self.publisher.order("allow", self._subject.guess() + self._load.backlog)
                allow_at = now + _ALLOW
            time.sleep(pause)

    def _settle(self) -> bool:
        """Wait until what must be is settled; False if some is missing and nothing has come for a while."""
        subject, published = self._subject, self.publisher.published
        settled, since = -1, time.perf_counter()
        while not subject.is_settled(published) and time.perf_counter() - since < _QUIET_SECONDS:
            subject.look(closely=True)
            if subject.settled() != settled:
                settled, since = subject.settled(), time.perf_counter()
            time.sleep(_LOOK)
        return subject.is_settled(published)
