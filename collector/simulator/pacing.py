"""The main loop: first the past as quickly as possible, then the present at its own pace.

Rule: simulated time ends now. History runs from *history* ago to the start, oldest first; live rounds carry the
clock's time. So nothing is ever in the future, and a router's uptimes, counters and times agree with each other.
"""

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from collector.simulator.casting import Highlight
from collector.simulator.errors import SimulationError
from collector.simulator.fleet import Fleet
from collector.simulator.publication import CONSENT
from collector.simulator.publisher import Endpoint, Publisher, Stopped

_LAST_WORDS_SECONDS = 60.0
_STOPPED_SECONDS = 2.0


class Phase(StrEnum):
    """Which part of a run a round belongs to."""

    HISTORY = "history"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come, told after every round."""

    phase: Phase
    round: int
    """Rounds done in this phase."""
    simulated: datetime
    published: int
    acknowledged: int
    refused: int


@dataclass(slots=True)
class Tally:
    """What a run sent, and what it expects of the collector."""

    rounds: int = 0
    published: int = 0
    acknowledged: int = 0
    refused: int = 0
    """Not taken by the broker, most often because it allows smaller messages only; in no expectation's favour."""
    expectations: Counter[str] = field(default_factory=Counter)

    @property
    def reports(self) -> int:
        """How much of what was sent is not an act of consent."""
        return self.expectations.total() - self.expectations[CONSENT]


def run(
    endpoint: Endpoint,
    *,
    size: int,
    seed: int,
    history: timedelta,
    step: timedelta,
    interval_seconds: float,
    rounds: int | None,
    progress: Callable[[Progress], None],
    stop: threading.Event | None = None,
    introduce: Callable[[list[Highlight]], None] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Tally:
    """
    Run a fleet against *endpoint* until *rounds* live rounds are done or *stop* is set; return what was sent.

    *introduce* is given the routers worth looking up, once connected and before the first message. For load, pass no
    history and an interval of 0. Against a collector that knows the fleet from a run before, do not reach further back
    than that run did: its first messages are where consent began.

    Raises SimulationError if the broker cannot be reached, refuses the user, or does not acknowledge in the end.
    """
    stop = stop or threading.Event()
    with Publisher(endpoint, stop=stop) as publisher:
        began = clock()
        fleet = Fleet(size=size, seed=seed, start=began - history, owners_act_from=began)
        if introduce is not None:
            introduce(fleet.highlights())
        paced = _Run(fleet, publisher, progress)
        with contextlib.suppress(Stopped):
            paced.through(Phase.HISTORY, _past(began - history, began, step), stop)
            paced.through(Phase.LIVE, _present(clock, rounds, interval_seconds, stop), stop)
        _settle(publisher, stop)
        return paced.tally()


def _past(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    moment = start
    while moment < end:
        yield moment
        moment += step


def _present(
    clock: Callable[[], datetime], rounds: int | None, interval_seconds: float, stop: threading.Event
) -> Iterator[datetime]:
    latest = clock()
    done = 0
    while rounds is None or done < rounds:
        if done:
            stop.wait(interval_seconds)
        # The clock may be set back under us; routers do not live backwards.
        latest = max(latest, clock())
        yield latest
        done += 1


def _settle(publisher: Publisher, stop: threading.Event) -> None:
    try:
        publisher.wait(_STOPPED_SECONDS if stop.is_set() else _LAST_WORDS_SECONDS)
    except SimulationError:
        # Whoever stops a run has said that the rest does not matter; the tally shows what was not acknowledged.
        if not stop.is_set():
            raise


class _Run:
    """One fleet on one connection, counting."""

    def __init__(self, fleet: Fleet, publisher: Publisher, progress: Callable[[Progress], None]) -> None:
        self._fleet = fleet
        self._publisher = publisher
        self._progress = progress
        self._rounds = 0
        self._expectations: Counter[str] = Counter()

    def through(self, phase: Phase, moments: Iterator[datetime], stop: threading.Event) -> None:
        """Run a round at each of *moments* until *stop* is set."""
        for done, moment in enumerate(moments, start=1):
            if stop.is_set():
                return
            self._round(moment)
            sent = self._publisher
            self._progress(Progress(phase, done, moment, sent.published, sent.acknowledged, sent.refused))

    def _round(self, moment: datetime) -> None:
        for publication in self._fleet.round(moment):
            self._publisher.publish(publication)
            self._expectations[publication.expectation] += 1
        self._rounds += 1

    def tally(self) -> Tally:
        """Return the sums so far."""
        sent = self._publisher
        return Tally(self._rounds, sent.published, sent.acknowledged, sent.refused, self._expectations)
