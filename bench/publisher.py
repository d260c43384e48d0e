"""Publishes the load: MQTT 5, QoS 1, several connections, paced or flat out. A process of its own, told by lines.

Each line on standard input is an order; each order but `allow` is answered by one JSON line when all is acknowledged:

    burst COUNT              publish COUNT messages as fast as the broker takes them
    pace SECONDS RATE        publish RATE messages a second, on a schedule that waits for nobody
    flood SECONDS            publish as many as `allow` allows, flat out
    allow COUNT              the flood may have published COUNT messages by now
"""

import argparse
import asyncio
import gc
import json
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from mqtt import LAST_ID, Acks, connect_packet, publish_packet
from payloads import Router, fleet, kind_of, time_text

_WINDOW: Final = 2000
"""Messages a connection may have unacknowledged."""
_TICK: Final = 0.001
_FLOOD_TICK: Final = 0.004
"""Seconds between two writes of a flood: few large ones, so that the load takes little of the processors itself."""
_MOST_AT_ONCE: Final = 500


class Connection(asyncio.Protocol):
    """One connection to the broker."""

    def __init__(self, name: str) -> None:
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent = 0
        self.buffer: list[bytes] = []
        self._name = name
        self._acks = Acks()
        self._transport: asyncio.Transport | None = None

    @property
    def open_count(self) -> int:
        """Messages not acknowledged yet."""
        return self.sent - self._acks.count

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the session."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(connect_packet(self._name))

    def data_received(self, data: bytes) -> None:
        """Count what is acknowledged."""
        self._acks.feed(data)
        if self._acks.connected and not self.ready.done():
            self.ready.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """A publisher that is cut off has measured nothing."""
        if exc is not None:
            sys.exit(f"publisher: connection lost: {exc}")

    def add(self, topic: bytes, payload: bytes) -> None:
        """Queue a message for the next `flush`."""
        self.buffer.append(publish_packet(topic, self.sent % LAST_ID + 1, payload))
        self.sent += 1

    def flush(self) -> None:
        """Send what is queued."""
        if self.buffer and self._transport is not None:
            self._transport.write(b"".join(self.buffer))
            self.buffer.clear()


class Publisher:
    """The fleet on its connections."""

    def __init__(self, routers: list[Router], connections: list[Connection], *, flagged: bool) -> None:
        self._routers = routers
        self._flagged = flagged
        self._connections = connections
        self.published = 0
        self.allowed = 0

    async def burst(self, messages: int) -> None:
        """Publish so many, flat out."""
        until = self.published + messages
        await self._publish(lambda: until - self.published, lambda: self.published >= until)

    async def pace(self, seconds: float, rate: float) -> None:
        """Publish at a rate; a late message is sent late, none is left out."""
        began, before = time.perf_counter(), self.published
        until = before + int(seconds * rate)

        def due() -> int:
            scheduled = before + int((time.perf_counter() - began) * rate)
            return min(until, scheduled) - self.published

        await self._publish(due, lambda: self.published >= until)

    async def flood(self, seconds: float) -> None:
        """Publish what is allowed until the time is over."""
        end = time.perf_counter() + seconds
        await self._publish(lambda: self.allowed - self.published, lambda: time.perf_counter() >= end, _FLOOD_TICK)

    async def _publish(self, due: Callable[[], int], done: Callable[[], bool], tick: float = _TICK) -> None:
        while not done():
            room = min(_WINDOW - connection.open_count for connection in self._connections)
            batch = min(due(), room, _MOST_AT_ONCE)
            if batch > 0:
                self._send(batch)
            # With much left to do, only a look at the acknowledgements; else the next tick.
            await asyncio.sleep(0 if batch == _MOST_AT_ONCE else tick)
        while any(connection.open_count for connection in self._connections):  # noqa: ASYNC110 - once, at the end
            await asyncio.sleep(_TICK)

    def _send(self, batch: int) -> None:
        routers, connections = self._routers, self._connections
        when, size, lanes = time_text(time.time()), len(routers), len(connections)
        any_flag = self._flagged
        for number in range(self.published, self.published + batch):
            kind = kind_of(number, size)
            router = routers[kind.router]
            payload = router.templates[kind.shape].payload(
                number, when, flagged=any_flag and kind.flagged, leaky=kind.leaky
            )
            connections[kind.router % lanes].add(router.topic, payload)
        self.published += batch
        for connection in connections:
            connection.flush()


async def _obey(publisher: Publisher, orders: "asyncio.Queue[list[str]]") -> None:
    while True:
        match await orders.get():
            case ["burst", messages]:
                await publisher.burst(int(messages))
            case ["pace", seconds, rate]:
                await publisher.pace(float(seconds), float(rate))
            case ["flood", seconds]:
                await publisher.flood(float(seconds))
            case _:
                return
        _answer(publisher.published)


async def _listen(publisher: Publisher, orders: "asyncio.Queue[list[str]]") -> None:
    """Read orders; what is allowed holds at once."""
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        match line.decode().split():
            case ["allow", messages]:
                publisher.allowed = int(messages)
            case order:
                orders.put_nowait(order)
    orders.put_nowait([])


def _answer(published: int) -> None:
    print(json.dumps({"published": published}), flush=True)


def _same(connection: Connection) -> Connection:
    return connection


async def main(host: str, port: int, routers: int, connections: int, *, flagged: bool) -> None:
    """Connect, then do as told until standard input ends."""
    loop = asyncio.get_running_loop()
    made = [Connection(f"load-{number}") for number in range(connections)]
    for connection in made:
        await loop.create_connection(partial(_same, connection), host, port)
        await connection.ready
    publisher = Publisher(fleet(routers), made, flagged=flagged)
    gc.collect()
    gc.freeze()
    orders: asyncio.Queue[list[str]] = asyncio.Queue()
    listening = asyncio.create_task(_listen(publisher, orders))
    _answer(0)
    await _obey(publisher, orders)
    await listening


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--routers", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--no-flag", action="store_true", help="no message carries a flag")
    given = parser.parse_args()
    asyncio.run(main(given.host, given.port, given.routers, given.connections, flagged=not given.no_flag))
