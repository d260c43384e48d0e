"""One worker as its supervisor sees it: a process that is started, looked at, told to stop, and started again.

Rule 1: a process that ends unasked is started again, after a pause that grows while it keeps ending.
Rule 2: one that does not answer is reported and left alone: it may be waiting for a disk.
"""

import asyncio
import random
import socket
import sys
import time
from contextlib import suppress
from typing import Final

import msgspec

from collector.log import LOG
from collector.workers.channel import LOOK, MOST_BYTES
from collector.workers.job import Job
from collector.workers.status import Status
from collector.workers.sums import Sums

LOOK_SECONDS: Final = 0.5
"""How often a worker is asked for its status; what it counted since the last one is lost if it is killed."""
_PATIENCE: Final = 1.0
"""How long a scrape waits for a worker's numbers before it gets those of the last look."""
SILENT_SECONDS: Final = 10.0
STOP_SECONDS: Final = 20.0
"""How long a worker may take to stop; what it has not settled by then comes again."""
_LONGEST_PAUSE: Final = 30.0
_WELL_SECONDS: Final = 60.0
"""A process that lived this long did not fail at its start."""


class WorkerProcess:
    """The worker of one number, process after process."""

    def __init__(self, job: Job, sums: Sums) -> None:
        self.job = job
        self.status: Status | None = None
        """What it said at the last look; None while it is not running or has said nothing yet."""
        self.starts = 0
        self.is_up = False
        self.has_left = False
        """Whether all that waited for its number is delivered."""
        self._sums = sums
        self._heard = time.monotonic()
        self._failures = 0
        self._words = "starting"
        self._line: asyncio.StreamWriter | None = None
        self._news = asyncio.Event()

    async def keep(self, stop: asyncio.Event) -> None:
        """Keep it running until *stop*, or until it has left; on return it has ended."""
        while not stop.is_set() and not self.has_left:
            began = time.monotonic()
            try:
                code = await self._once(stop)
            except OSError as error:
                code = error.errno or -1
            if stop.is_set() or self.has_left:
                return
            self._failures = 0 if time.monotonic() - began > _WELL_SECONDS else self._failures + 1
            longest = min(_LONGEST_PAUSE, 0.25 * 2 ** min(self._failures, 16))
            pause = random.uniform(longest / 4, longest)  # noqa: S311 - not a secret
            self._words = f"ended with {code}, {self._failures} times in a row" if self._failures > 1 else "ended"
            LOG.error("worker_ended", worker=self.job.number, code=code, again_in_seconds=round(pause, 1))
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    def trouble(self) -> str | None:
        """Why the state of its parts is not known; None if it is."""
        if not self.is_up:
            return self._words
        if time.monotonic() - self._heard > SILENT_SECONDS:
            return "does not answer"
        return None if self.status else "starting"

    def is_ready(self, ready: str) -> bool:
        """Whether it is running and every part of it is *ready*."""
        return self.trouble() is None and self.status is not None and set(self.status.parts.values()) <= {ready}

    async def _once(self, stop: asyncio.Event) -> int:
        """Run one process from its start to its end; returns its exit code."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            handed = [theirs.fileno(), *([] if self.job.api is None else [self.job.api])]
            # A session of its own: Ctrl-C is for the supervisor, which stops them all in order.
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "collector.workers", str(theirs.fileno()), f"worker-{self.job.number}",
                stdin=asyncio.subprocess.DEVNULL, pass_fds=handed, start_new_session=True,
            )  # fmt: skip
        self.is_up, self._heard = True, time.monotonic()
        self.starts += 1
        reader, self._line = await asyncio.open_connection(sock=ours, limit=MOST_BYTES)
        self._line.write(msgspec.json.encode(self.job) + b"\n")
        hearing = asyncio.create_task(self._hear(reader))
        looking = asyncio.create_task(self._look())
        ending = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait([ending, stopping], return_when=asyncio.FIRST_COMPLETED)
            if not ending.done():
                await self._stop(process)
            await asyncio.wait([hearing], timeout=1)
            return await ending
        finally:
            for task in (hearing, looking, stopping, ending):
                task.cancel()
            self._line.close()
            self._ended()

    async def _stop(self, process: asyncio.subprocess.Process) -> None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            LOG.error("worker_killed", worker=self.job.number, what="it did not stop; what it had comes again")
            with suppress(ProcessLookupError):
                process.kill()

    def _ended(self) -> None:
        last, self.status, self.is_up = self.status, None, False
        if last is not None:
            self.job.is_new = False
            self._sums.end(self.job.number, last)

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        with suppress(OSError):
            while line := await reader.readline():
                if not line.endswith(b"\n"):
                    return
                self.status = msgspec.json.decode(line, type=Status)
                self.has_left = self.status.has_left
                self._heard = time.monotonic()
                self._news.set()
                self._news = asyncio.Event()

    async def _look(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Ask for its status, and wait a moment for the answer."""
        if self._line is None or self._line.is_closing():
            return
        with suppress(OSError, TimeoutError):
            self._line.write(LOOK)
            await asyncio.wait_for(self._news.wait(), _PATIENCE)
