"""Wires the parts of one collector, starts and stops them in order."""

import asyncio
import socket
import time
from collections.abc import Callable
from typing import Final

from collector.clock import Clock
from collector.clock_watch import ClockWatch
from collector.config import Settings
from collector.config_files import read_tokens, server_context
from collector.formats.plain import IS_COMPILED
from collector.http import READY, HttpServer, Listener, MakePages
from collector.ingest.client import Client
from collector.ingest.packets import Membership
from collector.intake import Intake
from collector.log import LOG
from collector.metrics import Metrics
from collector.model import Region
from collector.pipeline import Rules
from collector.process import calm_garbage_collector, few_heaps, no_core_dumps, signals
from collector.registry_watch import RegistryWatch
from collector.rights.acts import ActRules
from collector.rights.api import make_api
from collector.rights.desk import Desk
from collector.rules import make_rules
from collector.storage import open_registry, open_spool, open_store
from collector.stores.guard import GuardedStore
from collector.stores.writer import Writer

PART_OF: Final = {"reports": "broker", "consent": "consent_topic"}
"""The names on /readyz of the connections to the broker."""
SHUTDOWN_SECONDS: Final = 5.0
"""How long the commits under way are waited for at the end."""
LEAVING_SECONDS: Final = 0.1  # between two looks of a collector that leaves, whether all is delivered


class Service:
    """One collector: a connection, a writer a region, the operators' pages."""

    def __init__(
        self,
        settings: Settings,
        rules: Rules | None = None,
        *,
        wall: Callable[[], float] = time.time,
        pages: MakePages = HttpServer,
        api_socket: socket.socket | None = None,
        membership: Membership | None = None,
        is_new: bool = False,
        is_first: bool = True,
    ) -> None:
        """*wall* is the clock to go by, in seconds since 1970.

        A worker has other *pages* than HTTP's, an *api_socket* that was bound for it, a *membership*, and may be new
        (*is_new*): then no broker can know it. The first of a machine (*is_first*) also measures what commands do.
        """
        self.settings = settings
        self._membership = membership or Membership(settings.broker.share_group)
        self._is_new = is_new
        self._api_socket = api_socket
        self.has_left = False
        """Whether all that the broker and the spools had for it is delivered, and its sessions have ended."""
        self._clock = Clock(wall)
        self._stop = asyncio.Event()
        self.rules = rules = rules or make_rules(settings)
        self.metrics = Metrics(settings.regions.enabled)
        self.metrics.exits.of_commands = is_first
        self.http = pages(settings.http, self.metrics.registry, self.readiness)
        self.metrics.clock_behind = lambda: self._clock.behind / 1000
        self._stores: dict[Region, GuardedStore] = {}
        self._writers = {region: self._writer(region) for region in settings.regions.enabled}
        self._intake = Intake(
            self.rules,
            self._writers,
            self.metrics,
            max_in_flight_bytes=settings.limits.max_in_flight_bytes,
            pause=self._pause,
            pause_all=self._pause_all,
            clear=self._clear,
            resume=self._resume,
            hears_clearing=self._membership.shares,
        )
        self._client = self._made_client()
        self._watch = self._made_watch()
        acts = ActRules(rules.regions, rules.gate, rules.pseudonyms, rules.registry)
        patience = settings.api.patience_seconds
        self._desk = Desk(acts, self._writers, patience_seconds=patience, clock=self._clock, clear=self._clear)
        self.api = self._made_api() if settings.api.enabled else None

    def stop(self) -> None:
        """Ask it to stop, as SIGTERM does. Call it on the service's own event loop."""
        self._stop.set()

    def _made_client(self) -> Client:
        hands = (self._intake.receive, self._intake.read_done)
        return Client(
            self.settings.broker, self.metrics, *hands, self.settings.sources,
            self._renewed, self._clock, self._acts_renewed, self._membership,
        )  # fmt: skip

    def _made_watch(self) -> RegistryWatch | None:
        if self.rules.registry is None:
            return None
        stores = {region: open_registry(self.settings, region) for region in self._writers}
        return RegistryWatch(self.rules.registry, stores)

    def _made_api(self) -> Listener:
        api = self.settings.api
        app = make_api(self._desk, read_tokens(api), self.metrics.api_answers)
        return Listener(app, "api", api, server_context(api), self._api_socket)

    def _writer(self, region: Region) -> Writer:
        store = open_store(self.settings, region)
        self.metrics.witnesses[region] = store.state
        self._stores[region] = store
        closed = self.rules.closed[region]
        return Writer(
            store, self.settings.writer, self.metrics, closed, spool=open_spool(self.settings, region),
            joins_by_flag=self.settings.consent.mode == "flag",
            settled=self._settled, left=self._left, back=self._back,
        )  # fmt: skip

    def _left(self) -> None:
        self._client.left()

    def _back(self) -> None:
        self._client.ask_again()

    def _renewed(self) -> None:
        for writer in self._writers.values():
            writer.renewed()

    def _acts_renewed(self) -> None:
        for writer in self._writers.values():
            writer.acts_renewed()

    def _pause(self) -> None:
        self._client.pause()

    def _pause_all(self) -> None:
        self._client.pause_all()

    def _resume(self) -> None:
        self._client.resume()

    def _clear(self, topic: str) -> None:
        self._client.clear_retained(topic)

    def _settled(self) -> None:
        self._intake.settled()

    async def run(self, *, started: Callable[[], None] = lambda: None) -> None:
        """Work until SIGTERM or SIGINT. What is not committed then stays unacknowledged with the broker.

        A store that cannot be used closes its region and nothing else, and is tried again: under a supervisor, ending
        would be a loop of restarts that takes the other regions along. *started* is called once the broker keeps what
        is published for this collector.
        """
        no_core_dumps()
        few_heaps()
        with signals(self._stop):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.http.run(), name="http")
                writing = [tasks.create_task(w.run(), name=f"writer-{w.region}") for w in self._writers.values()]
                # The ledgers first: a backlog must not arrive before what closed the gate is known.
                await self._stores_tried()
                clock = ClockWatch(self._clock, self._stores, self._client.heed_clock)
                clock.look()
                watching = tasks.create_task(clock.run(), name="clock")
                tasks.create_task(self._take_in(tasks), name="client")
                desk = [tasks.create_task(self.api.run(), name="api")] if self.api else []
                calm_garbage_collector()
                LOG.info("collector_started", regions=len(self._writers), compiled=IS_COMPILED)
                await self._connected_or_stopped()
                if self._client.connected.is_set():
                    started()
                if self._membership.leaves:
                    await self._leave()
                await self._stop.wait()
                await self._shut_down(writing, desk)
                watching.cancel()
        LOG.info("collector_stopped", stored=sum(self.metrics.stored.values()), received=self.metrics.received)

    async def _take_in(self, tasks: asyncio.TaskGroup) -> None:
        """Stay connected; if there is a registry, once it is known: until then nobody can say who is not on it."""
        # If a ledger holds anything, a collector has run before: then the broker should know our sessions.
        known = not self._is_new and any(state.ledger for state in self.metrics.witnesses.values())
        if self._watch is not None:
            watching = tasks.create_task(self._watch.run(), name="registry")
            await self._watch.known(or_else=self._stop)
            await self._client.run(known=known)
            watching.cancel()
        else:
            await self._client.run(known=known)

    async def _stores_tried(self) -> None:
        """Wait until each was tried, for a second at most: one that hangs must not keep the others from working."""
        for _ in range(50):
            if all(up or self.metrics.store_failures[region] for region, up in self.metrics.store_up.items()):
                return
            await asyncio.sleep(0.02)

    async def _connected_or_stopped(self) -> None:
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._client.connected, self._stop)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _leave(self) -> None:
        """Wait until everything that the broker and the spools had for this collector is settled."""
        while not self._stop.is_set():
            if self._client.is_drained() and all(map(_is_empty, self._writers.values())):
                self.has_left = True
                return self.stop()
            await asyncio.sleep(LEAVING_SECONDS)
        return None

    async def _shut_down(self, writing: list[asyncio.Task[None]], desk: list[asyncio.Task[None]]) -> None:
        """Stop reading, let the commits under way finish and be acknowledged or answered, say goodbye."""
        self._client.quiesce()
        if self.api is not None:
            await self.api.stop()
        for writer in self._writers.values():
            writer.stop()
        # A store may hang; what is not committed stays with the broker or in the spool.
        await asyncio.wait(writing, timeout=SHUTDOWN_SECONDS)
        for task in writing:
            task.cancel()
        self._desk.stop()
        await asyncio.gather(*desk)
        await self._client.stop(for_good=self.has_left)
        await self.http.stop()
        await asyncio.gather(*(writer.close() for writer in self._writers.values()))

    def readiness(self) -> dict[str, str]:
        """The state of each part, for /readyz."""
        broker = {PART_OF[link]: READY if s == "connected" else s for link, s in self._client.states().items()}
        stores = {f"store_{r}": self.metrics.store_state(r) or READY for r in self.metrics.store_up}
        spools = {f"spool_{region}": writer.spool_state() or READY for region, writer in self._writers.items()}
        reading = {"reading": "paused: memory is full"} if self.metrics.paused else {}
        witnesses = {f"witness_{r}": trouble for r, w in self.metrics.witnesses.items() if (trouble := w.trouble)}
        clock = {"clock": f"behind by {self._clock.behind // 1000} s"} if self._clock.behind else {}
        return {**broker, **stores, **spools, **clock, **witnesses, **reading}


def _is_empty(writer: Writer) -> bool:
    """Whether nothing waits for its commit, in memory or in the spool; one that cannot be read may hold something."""
    return writer.spool.answers and not writer.spool.records and not writer.waiting
