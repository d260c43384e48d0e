"""Both sides of the comparison with peers: the collector and what stands for it, run and killed in the same way."""

import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Protocol

from collecting import Collecting
from counted import PostgresStores
from installation import Collector, peak_mebibytes
from installing import NotToBeHad
from load import Load, Measured, Publisher, Run
from payloads import kind_of, message_id
from peer import Peer
from postgres import Server
from verdict import compare
from watch import SQLiteStores, Stores

from collector.broker import LocalBroker, free_port, local_configuration

_ROUTERS: Final = 1000
_BACKLOG: Final = 10_000
_WARM_UP: Final = 4000
_PACE: Final = 2000
_LASTS: Final = 8.0
_KILLED_AT: Final = (2.23, 5.37)
"""Seconds from the beginning; not where a whole number of batches of 1000 would just be done."""
_DOWN: Final = 0.5
_QUIET: Final = 6.0
"""Seconds without anything new before all is taken to be stored that will be."""
_STARTED_SECONDS: Final = 40.0


class Contender(Protocol):
    """What both sides of the comparison can do."""

    name: str
    does: str

    def speed(self, seconds: float) -> dict[str, Any]:
        """Messages a second and what they cost."""
        ...

    def killed(self) -> dict[str, int]:
        """What is lost, and what is there twice."""
        ...


class Ours:
    """The collector."""

    def __init__(self, store: str) -> None:
        self.name = f"this collector, {store}"
        self.does = "flag, ledger, allow-list, treatments, pseudonyms, regions; acknowledges after the commit"
        self._store = store

    def speed(self, seconds: float) -> dict[str, Any]:
        """As `Contender.speed`."""
        with tempfile.TemporaryDirectory(prefix="ueip-bench-") as folder, ExitStack() as stack:
            subject, collector, port = self._begun(Path(folder), stack)
            load = Load(_ROUTERS, seconds, None, _BACKLOG, _WARM_UP)
            run = Run(subject, port, load)
            run.warm_up()
            measured = run.measure()
            run.publisher.end()
            memory = peak_mebibytes(collector.pid)
        return _figures(measured, "collector", memory)

    def killed(self) -> dict[str, int]:
        """As `Contender.killed`."""
        with tempfile.TemporaryDirectory(prefix="ueip-bench-") as folder, ExitStack() as stack:
            subject, collector, port = self._begun(Path(folder), stack)
            publisher = Publisher(port, _ROUTERS)
            _kill_twice(publisher, collector.kill, collector.start)
            _until_quiet(lambda: sum(subject.stores.count(region) for region in collector.settings.regions.enabled))
            load = Load(_ROUTERS, 0, None, 0, 0)
            lost, _, twice = compare(subject, publisher.published, load)
            publisher.end()
        return {"published": publisher.published, "lost": lost, "twice": twice}

    def _begun(self, folder: Path, stack: ExitStack) -> tuple[Collecting, Collector, int]:
        broker = stack.enter_context(LocalBroker(folder / "broker"))
        server = stack.enter_context(Server(folder)) if self._store == "PostgreSQL" else None
        if server is not None:
            server.make_stores()
        collector = Collector(folder / "ueip", broker.port, server.changes(folder / "spools") if server else {})
        stack.enter_context(collector)
        stores: Stores = PostgresStores(collector, server, flooded=True) if server else SQLiteStores(collector.settings)
        stack.callback(stores.close)
        load = Load(_ROUTERS, 0, None, 0, 0)
        return Collecting(collector, stores, broker.port, load, server), collector, broker.port


class Theirs:
    """A peer."""

    def __init__(self, kind: type[Peer]) -> None:
        self.name = kind.name
        self.does = kind.does
        self._kind = kind

    def speed(self, seconds: float) -> dict[str, Any]:
        """As `Contender.speed`."""
        with tempfile.TemporaryDirectory(prefix="ueip-bench-") as folder, ExitStack() as stack:
            peer, port = self._begun(Path(folder), stack)
            run = Run(peer, port, Load(_ROUTERS, seconds, None, _BACKLOG, _WARM_UP))
            if not run.warm_up():
                raise NotToBeHad(f"stores nothing: {peer.last_words()}")
            measured = run.measure()
            run.publisher.end()
            peer.stop()
        return _figures(measured, "peer", peer.peak)

    def killed(self) -> dict[str, int]:
        """As `Contender.killed`."""
        with tempfile.TemporaryDirectory(prefix="ueip-bench-") as folder, ExitStack() as stack:
            peer, port = self._begun(Path(folder), stack)
            publisher = Publisher(port, _ROUTERS)
            _kill_twice(publisher, peer.kill, peer.start)
            _until_quiet(peer.rows)
            peer.stop()
            there = Counter(peer.message_ids())
            publisher.end()
        must = (n for n in range(publisher.published) if not peer.filters or kind_of(n, _ROUTERS).flagged)
        lost = sum(message_id(number) not in there for number in must)
        return {"published": publisher.published, "lost": lost, "twice": there.total() - len(there)}

    def _begun(self, folder: Path, stack: ExitStack) -> tuple[Peer, int]:
        self._kind.ensure()
        port, log = free_port(), folder / "subscriptions"
        told = f"{local_configuration(folder / 'broker', port)}\nlog_type subscribe\nlog_dest file {log}\n"
        log.touch(mode=0o666)
        stack.enter_context(LocalBroker(folder / "broker", port=port, configuration=told))
        peer = stack.enter_context(self._kind(folder, port, _ROUTERS))
        deadline = time.monotonic() + _STARTED_SECONDS
        while "ueip/v1/#" not in log.read_text():
            if time.monotonic() > deadline or peer.has_died():
                raise NotToBeHad(f"did not subscribe: {peer.last_words()}")
            time.sleep(0.05)
        return peer, port


def _kill_twice(publisher: Publisher, kill: Callable[[], None], start: Callable[[], None]) -> None:
    began = time.perf_counter()
    publisher.order("pace", _LASTS, _PACE)
    for moment in _KILLED_AT:
        time.sleep(max(0.0, began + moment - time.perf_counter()))
        kill()
        time.sleep(_DOWN)
        start()
    publisher.answer()


def _until_quiet(count: Callable[[], int]) -> None:
    seen, since = count(), time.monotonic()
    while time.monotonic() - since < _QUIET:
        time.sleep(0.2)
        if (now := count()) != seen:
            seen, since = now, time.monotonic()


def _figures(measured: Measured, whose: str, mebibytes: float) -> dict[str, Any]:
    cost = {name: round(1e6 * seconds / measured.messages, 1) for name, seconds in measured.cpu.items()}
    rate = round(measured.messages / measured.seconds)
    found = {"per_second": rate, "cpu": cost[whose], "mebibytes": round(mebibytes)}
    return {**found, "database": cost.get("database")}
