"""The collector as the subject of a load: settled is what can be read in its stores.

Rule 1: a share of the fleet's messages carries no flag and is never stored: what is on the way is worked out from what
        is stored, and what must be stored from what was published.
"""

from typing import Final

from installation import Collector, cpu_of_family
from load import Load
from payloads import kind_of
from postgres import Server
from watch import Probes, RecordIds, Stores

_STORED_SHARE: Final = 0.95
"""Of the fleet's usual mix."""


class Collecting:
    """As `Subject`. Probes go with every load that may be stored."""

    def __init__(
        self, collector: Collector, stores: Stores, broker_port: int, load: Load, server: Server | None = None
    ) -> None:
        self.collector = collector
        self.stores = stores
        self.ids = RecordIds(collector.settings)
        self.probes = Probes(broker_port, stores, self.ids) if load.flagged else None
        self._server = server
        self._flagged = Flagged(load.routers)

    @property
    def sent(self) -> int:
        """Probes published."""
        return 0 if self.probes is None else len(self.probes.sent)

    @property
    def latencies(self) -> list[float]:
        """As `Subject.latencies`."""
        return self.stores.latencies

    @property
    def last(self) -> float:
        """As `Subject.last`."""
        return self.stores.last_commit

    def probe(self) -> None:
        """As `Subject.probe`."""
        if self.probes is not None:
            self.probes.publish_due()

    def look(self, *, closely: bool = False) -> None:
        """As `Subject.look`."""
        self.stores.look(closely=closely)

    def settled(self) -> int:
        """As `Subject.settled`."""
        return self.stores.rows

    def guess(self) -> int:
        """As `Subject.guess`."""
        if self.probes is None:
            return self.stores.guess
        return int((self.stores.guess - self.sent) / _STORED_SHARE)

    def is_settled(self, published: int) -> bool:
        """As `Subject.is_settled`."""
        wanted = published if self.probes is None else self._flagged.upto(published) + self.sent
        return self.stores.rows >= wanted

    def cpu(self) -> dict[str, float]:
        """As `Subject.cpu`."""
        found = {"collector": cpu_of_family(self.collector.pid)}
        return found if self._server is None else {**found, "database": cpu_of_family(self._server.pid)}


class Flagged:
    """Counts the messages with a flag, from the beginning."""

    def __init__(self, routers: int) -> None:
        self._routers = routers
        self._upto = self._count = 0

    def upto(self, number: int) -> int:
        """Among the first so many; never asked for fewer than before."""
        self._count += sum(kind_of(n, self._routers).flagged for n in range(self._upto, number))
        self._upto = number
        return self._count
