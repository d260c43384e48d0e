"""Starts the workers of one collector on this machine, shows their numbers as one, and stops them in order.

Rule 1: it takes no message and opens no store. When it dies the workers stop, and what they had comes again.
Rule 2: a number that is not wanted any more is started once more, to deliver what waits for it and to leave.
Rule 3: a worker under a new number begins once another one has read the consent topic to its end: what was published
        before its session was made, such as an exit, is known only to those that were there (K05).
"""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from collector.config import Settings
from collector.errors import DataFault
from collector.exposition import counter, gauge
from collector.http import READY, HttpServer, address_of, listen
from collector.log import LOG
from collector.process import no_core_dumps, signals
from collector.worker_metrics import RETURNED, WORKER_READY, WORKER_RECEIVED, WORKER_STARTS, WORKER_UP
from collector.workers.job import Job, check_name
from collector.workers.process import LOOK_SECONDS, WorkerProcess
from collector.workers.roll import Roll
from collector.workers.status import Status
from collector.workers.sums import Sums

_CONSENT: Final = "consent_topic"
_REPORTS: Final = "broker"


class Supervisor:
    """The workers of one collector, and the order they start and stop in."""

    def __init__(self, settings: Settings, workers: int) -> None:
        """*workers* is how many stay; 0 delivers everything and ends all sessions.

        Raises:
            CollectorError: an address is in use, or the roll cannot be kept.
        """
        check_name(settings)
        self._roll = Roll(settings)
        self._stop = asyncio.Event()
        self._sums = Sums()
        self._api = _api_socket(settings) if workers else None
        self.api_address = address_of(self._api, "https" if settings.api.cert_file else "http") if self._api else None
        self.registry = CollectorRegistry()
        self.registry.register(self)
        self.http = HttpServer(settings.http, self.registry, self.readiness, self._look)
        staying = set(range(1, workers + 1))
        before = self._roll.numbers() | {1}
        if workers > 1:
            self._roll.add(staying)
        self._workers = [self._worker(settings, number, staying, before) for number in sorted(staying | before)]

    def _worker(self, settings: Settings, number: int, staying: set[int], before: set[int]) -> WorkerProcess:
        job = Job(
            number,
            settings.model_dump_json(),
            alone=len(staying) == 1,
            leaves=number not in staying,
            is_new=number not in before,
            api=self._api.fileno() if self._api and number in staying else None,
        )
        return WorkerProcess(job, self._sums)

    async def run(self) -> None:
        """Work until SIGTERM or SIGINT, or, if none is to stay, until all have left."""
        no_core_dumps()
        with signals(self._stop):
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.http.run(), name="http")
                LOG.info("supervisor_started", workers=sum(not one.job.leaves for one in self._workers))
                try:
                    async with asyncio.TaskGroup() as keeping:
                        for worker in self._workers:
                            keeping.create_task(self._keep(worker), name=f"worker-{worker.job.number}")
                finally:
                    await self.http.stop()
        LOG.info("supervisor_stopped", has_left=all(worker.has_left for worker in self._workers))

    async def _keep(self, worker: WorkerProcess) -> None:
        if worker.job.is_new:
            await self._consent_is_read()
        if worker.job.alone and not worker.job.leaves:
            await asyncio.gather(worker.keep(self._stop), self._is_alone(worker))
            return
        await worker.keep(self._stop)
        if worker.has_left:
            LOG.info("worker_left", worker=worker.job.number)
            self._strike(worker.job.number)

    async def _is_alone(self, worker: WorkerProcess) -> None:
        """Wait until its session no longer shares with others."""
        while not self._stop.is_set():
            if worker.status is not None and worker.status.parts.get(_REPORTS) == READY:
                return self._strike(worker.job.number)
            await asyncio.sleep(LOOK_SECONDS)
        return None

    def _strike(self, number: int) -> None:
        try:
            self._roll.strike(number)
        except DataFault as fault:
            LOG.error("roll_not_written", worker=number, what=str(fault))

    async def _consent_is_read(self) -> None:
        """Wait until a worker that was there before has read the consent topic to its end."""
        while not self._stop.is_set():
            known = [worker.status for worker in self._workers if not worker.job.is_new]
            if any(status is not None and status.parts.get(_CONSENT) == READY for status in known):
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        await asyncio.gather(*(worker.look() for worker in self._workers))

    def readiness(self) -> dict[str, str]:
        """The state of each part, over the workers that stay: `ready`, or which worker says what."""
        parts: dict[str, list[str]] = {"workers": []}
        for worker in self._workers:
            if worker.has_left:
                continue
            if (trouble := worker.trouble()) is not None:
                parts["workers"].append(f"worker {worker.job.number}: {trouble}")
            elif worker.status is not None and not worker.job.leaves:
                for part, state in worker.status.parts.items():
                    said = [] if state == READY else [f"worker {worker.job.number}: {state}"]
                    parts.setdefault(part, []).extend(said)
        return {part: "; ".join(said) or READY for part, said in parts.items()}

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus-client for a scrape."""
        for family in self._sums.families(self._statuses()):
            yield family.metric()
        named = [(str(worker.job.number), worker) for worker in self._workers]
        # A worker that has left is not missing.
        here = [(number, worker) for number, worker in named if not worker.has_left]
        yield gauge(WORKER_UP, {(number,): worker.is_up for number, worker in here})
        yield gauge(WORKER_READY, {(number,): worker.is_ready(READY) for number, worker in here})
        yield counter(WORKER_STARTS, {(number,): worker.starts for number, worker in named})
        received = {(n,): int(self._sums.received(worker.job.number, worker.status)) for n, worker in named}
        yield counter(WORKER_RECEIVED, received)
        yield counter(RETURNED, {(): self._sums.returned})

    def _statuses(self) -> Sequence[Status]:
        return [worker.status for worker in self._workers if worker.status is not None]


def has_to_supervise(settings: Settings, workers: int) -> bool:
    """Whether this many workers need a supervisor: a single one does while something waits for former ones."""
    return workers != 1 or bool(Roll(settings).numbers())


def _api_socket(settings: Settings) -> socket.socket | None:
    """The socket for acts of consent: bound here, served by every worker."""
    return listen("api", settings.api.host, settings.api.port) if settings.api.enabled else None
