"""The metrics of all workers as those of one collector: counts are added up, and of states the worst is shown.

Rule 1: a count never falls: what a worker had counted when it ended stays in the sum.
Rule 2: what it had in flight then is counted as returned, because it comes again: with workers,
        `received = stored + dropped + in flight + returned`.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from collector.exit_metrics import ERASED_BYTES, EXIT_OLDEST, EXITS_WAITING, PURGE_OLDEST, PURGES_WAITING
from collector.link_metrics import SILENCE, WINDOW, WINDOW_LEFT
from collector.metrics import (
    CLOCK_BEHIND,
    IN_FLIGHT,
    LEDGER_ENTRIES,
    OLDEST,
    PAUSED,
    RECEIVED,
    STORE_CLOSED,
    STORE_UP,
    WITNESS_LAG,
)
from collector.spool_metrics import SPOOL_OLDEST
from collector.workers.status import Count, Family, Status

_MOST: Final = frozenset(
    metric.name
    for metric in (
        PAUSED, STORE_CLOSED, LEDGER_ENTRIES, WITNESS_LAG, SPOOL_OLDEST, CLOCK_BEHIND, SILENCE, WINDOW, WINDOW_LEFT,
        OLDEST, EXIT_OLDEST, ERASED_BYTES, PURGES_WAITING, PURGE_OLDEST,
    )
)  # fmt: skip
"""Of these the workers' largest value is shown."""
_LEAST: Final = frozenset({STORE_UP.name})
"""Of these the smallest, as of the creation times that the library adds to histograms."""
_HEARD_BY_ALL: Final = ("way", "topic")
"""The label of acts that every worker hears of: of those that wait, too, the largest number is shown."""
_Key = tuple[str, tuple[tuple[str, str], ...]]


class Sums:
    """The sums over all workers, including those that ended."""

    def __init__(self) -> None:
        self.returned = 0
        """Report messages that workers had in flight when they ended."""
        self._ended: tuple[Family, ...] = ()
        self._received: dict[int, float] = {}

    def end(self, number: int, last: Status) -> None:
        """A worker has ended; *last* is its last status."""
        self.returned += int(last.total(IN_FLIGHT.name))
        self._received[number] = self.received(number, last)
        kept = [family for family in last.families if family.kind != "gauge"]
        self._ended = tuple(added([self._ended, kept]))

    def received(self, number: int, now: Status | None) -> float:
        """Messages received under a number, by all processes that had it."""
        return self._received.get(number, 0.0) + (now.total(RECEIVED.name) if now else 0.0)

    def families(self, statuses: Iterable[Status]) -> Iterator[Family]:
        """The sums of what the workers say now."""
        return added([self._ended, *(one.families for one in statuses)])


def added(several: Iterable[Iterable[Family]]) -> Iterator[Family]:
    """One family of each name, with one sample of each name and labels."""
    found: dict[str, list[Family]] = {}
    for families in several:
        for family in families:
            found.setdefault(family.name, []).append(family)
    for same in found.values():
        first = same[0]
        yield Family(first.name, first.kind, first.help, tuple(_added(same)))


def _added(same: Iterable[Family]) -> Iterator[Count]:
    values: dict[_Key, list[float]] = {}
    for family in same:
        for count in family.counts:
            values.setdefault((count.name, count.labels), []).append(count.value)
    for (name, labels), several in values.items():
        yield Count(name, labels, _one_of(name, labels, several))


def _one_of(name: str, labels: Iterable[tuple[str, str]], several: list[float]) -> float:
    if name in _MOST or (name == EXITS_WAITING.name and _HEARD_BY_ALL in labels):
        return max(several)
    return min(several) if name in _LEAST or name.endswith("_created") else sum(several)
