"""The faults of a round: a plan drawn from the seed, and the hands that carry it out.

Rule 1: the plan is the same for the same seed; what the faults meet is not, for processes run as they like.
Rule 2: each track (collector, broker, network, stores, disk) runs by itself, so that faults overlap.
"""

import contextlib
import random
import signal
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from integration.harness import PATIENCE, REGIONS

from .oracle import BrokerKill, last_save
from .place import Place

START: Final = 0.4
"""Seconds of peace at the beginning: the stores have to exist before they can be locked."""


@dataclass(frozen=True)
class Fault:
    """One fault: when, what, for how long, where."""

    at: float
    what: str
    seconds: float
    region: str


def plan(seed: int, seconds: float, *, disk: bool) -> dict[str, list[Fault]]:
    """What will go wrong, by track, in order of time."""
    chance = random.Random(f"chaos {seed}")

    def track(most: int, choices: dict[str, tuple[int, float, float]]) -> list[Fault]:
        names, weights = list(choices), [weight for weight, _, _ in choices.values()]
        found = []
        for at in sorted(chance.uniform(START, seconds) for _ in range(chance.randint(0, most))):
            what = chance.choices(names, weights)[0]
            found.append(Fault(at, what, chance.uniform(*choices[what][1:]), chance.choice(REGIONS)))
        return found

    tracks = {
        "collector": track(
            4, {"kill": (3, 0, 0.5), "kill_waiting": (3, 0.1, 0.6), "stop": (1, 0, 0.5), "freeze": (2, 0.1, 1.5)}
        ),
        "broker": track(2, {"broker_kill": (1, 0, 0.5), "broker_stop": (1, 0, 0.5)}),
        "network": track(6, {"cut": (6, 0, 0), "stall": (4, 0.1, 1.0), "half_open": (1, 0, 0)}),
        "stores": track(3, {"lock": (8, 0.1, 1.5), "long_lock": (1, 5.2, 6.0)}),
        "disk": track(2, {"full": (1, 0.3, 2.0)}),
    }
    return tracks if disk else {**tracks, "disk": []}


class Chaos:
    """Carries out the plan."""

    def __init__(self, place: Place, faults: dict[str, list[Fault]]) -> None:
        self._place = place
        self._faults = faults
        self._began = 0.0
        self.done: Counter[str] = Counter()
        self.kills: list[BrokerKill] = []
        self.errors: list[str] = []
        self._threads = [threading.Thread(target=self._track, args=(track,)) for track in faults.values() if track]

    def start(self) -> None:
        """Let things go wrong."""
        self._began = time.monotonic()
        for thread in self._threads:
            thread.start()

    def heal(self) -> None:
        """Wait for the end of the plan and put everything right; what is half-open stays so."""
        for thread in self._threads:
            thread.join(PATIENCE)
        self._place.proxy.flow()
        if self._place.collector.note_death():
            self._place.collector.spawn()
        self._place.collector.wait_up()

    def _track(self, faults: list[Fault]) -> None:
        for fault in faults:
            time.sleep(max(0.0, self._began + fault.at - time.monotonic()))
            act: Callable[[Fault], bool] = getattr(self, f"_{fault.what.removeprefix('long_')}")
            try:
                self.done[fault.what] += act(fault)
            except sqlite3.OperationalError:
                continue  # on a full disk nobody can lock a store, another program neither
            except Exception as error:  # noqa: BLE001 - a fault that cannot be made must not leave others unhealed
                self.errors.append(f"{fault}: {type(error).__name__}: {error}")

    def _kill(self, fault: Fault) -> bool:
        return self._again(fault, self._place.collector.kill)

    def _kill_waiting(self, fault: Fault) -> bool:
        """Kill it while messages wait for a store: acknowledged too early, they would be lost (K12)."""
        with self._locked(fault):
            time.sleep(fault.seconds)
            self._place.collector.kill()
        self._place.collector.spawn()
        return True

    def _stop(self, fault: Fault) -> bool:
        return self._again(fault, self._place.collector.stop)

    def _again(self, fault: Fault, end: Callable[[], object]) -> bool:
        died = self._place.collector.note_death()
        if not died:
            end()
        time.sleep(fault.seconds)
        self._place.collector.spawn()
        return not died

    def _freeze(self, fault: Fault) -> bool:
        process = self._place.collector.process
        process.send_signal(signal.SIGSTOP)
        try:
            time.sleep(fault.seconds)
        finally:
            process.send_signal(signal.SIGCONT)
        return True

    def _broker_kill(self, fault: Fault) -> bool:
        broker = self._place.broker
        broker.kill()
        killed, saved = time.time(), last_save(broker.folder)
        time.sleep(fault.seconds)
        restarted = time.time()
        self.kills.append(BrokerKill(saved, killed, restarted))
        broker.start()
        return True

    def _broker_stop(self, fault: Fault) -> bool:
        self._place.broker.stop()
        time.sleep(fault.seconds)
        self._place.broker.start()
        return True

    def _cut(self, _fault: Fault) -> bool:
        return self._place.proxy.cut() > 0

    def _half_open(self, _fault: Fault) -> bool:
        return self._place.proxy.half_open() > 0

    def _stall(self, fault: Fault) -> bool:
        self._place.proxy.stall()
        time.sleep(fault.seconds)
        self._place.proxy.flow()
        return True

    def _lock(self, fault: Fault) -> bool:
        with self._locked(fault):
            time.sleep(fault.seconds)
        return True

    @contextlib.contextmanager
    def _locked(self, fault: Fault) -> Iterator[None]:
        """Hold the write lock of the region's store, as another program might."""
        store = self._place.store(fault.region)
        with contextlib.closing(sqlite3.connect(store, isolation_level=None, timeout=2)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def _full(self, fault: Fault) -> bool:
        return self._place.fill_disk(fault.seconds)
