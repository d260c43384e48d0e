"""The line between a worker and its supervisor, on a pair of sockets: the supervisor asks, the worker sends its status.

Rule 1: when the supervisor is gone the worker stops, in order: nobody would start it again or know of it.
Rule 2: the last thing that a worker sends is its status when everything is settled.
"""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry

from collector.config_http import HttpSettings
from collector.http import Readiness
from collector.workers.status import status

MOST_BYTES: Final = 16 << 20
"""Bytes of a line."""
LOOK: Final = b"look\n"


class Channel:
    """The worker's end of the line, which takes the place of its HTTP pages; made by `at`."""

    def __init__(self, line: socket.socket, registry: CollectorRegistry, readiness: Readiness) -> None:
        self.address = ""
        self.supervisor_gone: Callable[[], None] = lambda: None
        """Called when there is nobody at the other end any more."""
        self.has_left: Callable[[], bool] = lambda: False
        self._line = line
        self._registry = registry
        self._readiness = readiness
        self._writer: asyncio.StreamWriter | None = None
        self._stopped = asyncio.Event()

    @staticmethod
    def at(line: socket.socket) -> "Callable[[HttpSettings, CollectorRegistry, Readiness], Channel]":
        """What a service is given to make its pages with; *line* is a connected socket."""
        return lambda _, registry, readiness: Channel(line, registry, readiness)

    async def run(self) -> None:
        """Answer until `stop`."""
        reader, self._writer = await asyncio.open_connection(sock=self._line, limit=MOST_BYTES)
        answering = asyncio.create_task(self._answer(reader))
        await self._stopped.wait()
        answering.cancel()
        self._tell()
        with suppress(OSError):
            await self._writer.drain()
            self._writer.close()
            await self._writer.wait_closed()

    async def stop(self) -> None:
        """Send the last status, and end `run`."""
        self._stopped.set()
        await asyncio.sleep(0)

    async def _answer(self, reader: asyncio.StreamReader) -> None:
        try:
            while await reader.readline() == LOOK:
                self._tell()
        except OSError:
            pass
        self.supervisor_gone()

    def _tell(self) -> None:
        if self._writer is None or self._writer.is_closing():
            return
        now = status(self._readiness(), self._registry.collect(), has_left=self.has_left())
        self._writer.write(msgspec.json.encode(now) + b"\n")
