"""Stores that are watched by the collector's own counters, where counting rows would cost the store too much.

Rule 1: the counters say how far things are; what is stored in the end is read from the stores, record by record.
Rule 2: they are asked a few times a second, for an answer costs the collector a millisecond; in between, what they will
        say is guessed from how fast they grew.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

import asyncpg
from installation import Collector
from postgres import Server
from watch import Sent

from collector.model import Region

T = TypeVar("T")
_ASK_SECONDS: Final = 0.2
_CLOSELY_SECONDS: Final = 0.02
"""Between two questions at the end of the load, when it matters."""
_LOOK_SECONDS: Final = 0.002
"""Between two looks for a probe; so much of a latency may be the look."""
_FLOODED_LOOK_SECONDS: Final = 0.05
"""When latencies are those of a backlog: each look takes from what is measured."""
_FOUND: Final = """
    SELECT s.record_id FROM unnest($1::bytea[], $2::bytea[]) AS s(record_id, device_ref)
    WHERE (SELECT r.id FROM ueip.record r WHERE r.record_id = s.record_id
        AND r.router_id = (SELECT w.id FROM ueip.router w WHERE w.device_ref = s.device_ref) LIMIT 1) IS NOT NULL"""
"""By router, for that is what has an index; each for itself, so that no plan made of an empty table reads all of it."""


class Counters:
    """How many messages are settled, by what the collector says of itself."""

    def __init__(self, collector: Collector, *names: str) -> None:
        """*names* are the counters that are added up."""
        self._collector = collector
        self._names = names
        self._asked = 0.0
        self._rate = 0.0
        self.value = 0
        """The last answer."""
        self.grown = 0.0
        """When the sum was last seen to grow."""

    def look(self, *, closely: bool) -> None:
        """Ask, if it is time."""
        now = time.perf_counter()
        if now - self._asked >= (_CLOSELY_SECONDS if closely else _ASK_SECONDS):
            metrics = self._collector.metrics()
            value = int(sum(count for name, count in metrics.items() if name.partition("{")[0] in self._names))
            self._rate = (value - self.value) / (now - self._asked)
            if value != self.value:
                self.value, self.grown = value, now
            self._asked = now

    def guess(self) -> int:
        """What an answer would say now, if all went on as before; never more than one more answer would add."""
        return self.value + int(self._rate * min(_ASK_SECONDS, time.perf_counter() - self._asked))


class DroppedOnly:
    """For a load of which nothing is to be stored: what is dropped is counted."""

    def __init__(self, collector: Collector) -> None:
        self._counters = Counters(collector, "collector_messages_dropped_total")
        self.latencies: list[float] = []

    @property
    def rows(self) -> int:
        """Messages dropped."""
        return self._counters.value

    @property
    def guess(self) -> int:
        """As `Stores.guess`."""
        return self._counters.guess()

    @property
    def last_commit(self) -> float:
        """When messages were last seen to be dropped."""
        return self._counters.grown

    def expect(self, region: Region, sent: Sent) -> None:  # noqa: ARG002
        """As `Stores.expect`; there are no probes in such a load."""
        raise AssertionError("a probe would be stored")

    def look(self, *, closely: bool = False) -> None:
        """As `Stores.look`."""
        self._counters.look(closely=closely)

    def record_ids(self, region: Region) -> set[bytes]:  # noqa: ARG002 - nothing can be there before a router has joined
        """As `Stores.record_ids`."""
        return set()

    def count(self, region: Region) -> int:  # noqa: ARG002
        """As `Stores.count`."""
        return 0

    def close(self) -> None:
        """As `Stores.close`."""


class PostgresStores:
    """The regions' databases: probes are looked for by a connection to each, in a thread with a loop of its own."""

    def __init__(self, collector: Collector, server: Server, *, flooded: bool) -> None:
        """*flooded* says that as much comes as goes through."""
        self._server = server
        self._pause = _FLOODED_LOOK_SECONDS if flooded else _LOOK_SECONDS
        self._counters = Counters(collector, "collector_records_stored_total")
        self._pending: dict[Region, deque[Sent]] = {region: deque() for region in Region}
        self._loop = asyncio.new_event_loop()
        self._closed = False
        self.latencies: list[float] = []
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        self._regions = {region: self._do(server.connect(server.settings(region).database)) for region in Region}
        self._looking = [asyncio.run_coroutine_threadsafe(self._find(region), self._loop) for region in Region]

    @property
    def rows(self) -> int:
        """As `Stores.rows`."""
        return self._counters.value

    @property
    def guess(self) -> int:
        """As `Stores.guess`."""
        return self._counters.guess()

    @property
    def last_commit(self) -> float:
        """As `Stores.last_commit`, within the time between two questions."""
        return self._counters.grown

    def expect(self, region: Region, sent: Sent) -> None:
        """As `Stores.expect`."""
        self._pending[region].append(sent)

    def look(self, *, closely: bool = False) -> None:
        """As `Stores.look`."""
        self._counters.look(closely=closely)
        for task in self._looking:
            if task.done():
                task.result()

    def record_ids(self, region: Region) -> set[bytes]:
        """As `Stores.record_ids`."""
        rows: list[asyncpg.Record] = self._ask(region, "SELECT DISTINCT record_id FROM ueip.record")
        return {row[0] for row in rows}

    def count(self, region: Region) -> int:
        """As `Stores.count`."""
        return int(self._ask(region, "SELECT count(*) FROM ueip.record")[0][0])

    def close(self) -> None:
        """As `Stores.close`."""
        self._closed = True
        for task in self._looking:
            task.result()
        for connection in self._regions.values():
            self._do(connection.close())
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _find(self, region: Region) -> None:
        connection = await self._server.connect(self._server.settings(region).database)
        # Planned while the table is empty, which would be read through for every look once it is not.
        await connection.execute("SET enable_seqscan = off")
        statement, pending = await connection.prepare(_FOUND), self._pending[region]
        while not self._closed:
            await asyncio.sleep(self._pause)
            if pending:
                some = [pending[place] for place in range(min(len(pending), 16))]
                ids, refs = [sent.record_id for sent in some], [sent.device_ref for sent in some]
                found = {row[0] for row in await statement.fetch(ids, refs)}
                now = time.perf_counter()
                while pending and pending[0].record_id in found:
                    self.latencies.append(now - pending.popleft().due)
        await connection.close()

    def _ask(self, region: Region, sql: str) -> list[asyncpg.Record]:
        return self._do(self._regions[region].fetch(sql))

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
