"""Publishes the load: MQTT 5, QoS 1, many connections, paced or flat out. A process of its own, told by lines.

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
import select
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

from mqtt import LAST_ID, Acks, connect_packet, publish_packet
from payloads import Router, fleet, kind_of, time_text

_PATIENCE: Final = 30.0
"""Seconds in which the broker lets a connection in."""
_WINDOW: Final = 16_000
"""Messages that may be unacknowledged, of all connections."""
_TICK: Final = 0.001
_FLOOD_TICK: Final = 0.004
"""Seconds between two writes of a flood: few large ones, so that the load takes little of the processors itself."""
_MOST_AT_ONCE: Final = 500
_READ: Final = 0.01
"""Seconds between two looks at what the broker has acknowledged: nobody waits for it."""


class Connection:
    """One connection to the broker. What the broker says waits in the kernel until somebody reads."""

    def __init__(self, name: str, host: str, port: int) -> None:
        """Open the session, and wait until it is."""
        self._sent = 0
        self._queued: list[bytes] = []
        self._acks = Acks()
        self.socket = socket.create_connection((host, port), _PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(connect_packet(name))
        while not self._acks.connected:
            self.read()
        self.socket.settimeout(0)

    def read(self) -> int:
        """Take in what the broker has said; how many messages that acknowledges."""
        before, data = self._acks.count, self.socket.recv(1 << 16)
        if not data:
            sys.exit("publisher: the broker closed a connection")
        self._acks.feed(data)
        return self._acks.count - before

    def add(self, topic: bytes, payload: bytes) -> None:
        """Queue a message for the next `flush`."""
        self._queued.append(publish_packet(topic, self._sent % LAST_ID + 1, payload))
        self._sent += 1

    def flush(self) -> bool:
        """Send what is queued; whether the kernel took all of it."""
        data = b"".join(self._queued)
        try:
            taken = self.socket.send(data)
        except BlockingIOError:
            taken = 0
        self._queued = [data[taken:]] if taken < len(data) else []
        return not self._queued


class Publisher:
    """The fleet on its connections."""

    def __init__(self, routers: list[Router], connections: list[Connection], *, flagged: bool) -> None:
        self._routers = routers
        self._flagged = flagged
        self._connections = connections
        self._by_number = {connection.socket.fileno(): connection for connection in connections}
        self._readable = select.epoll()
        for number in self._by_number:
            self._readable.register(number, select.EPOLLIN)
        self._to_flush = set[Connection]()
        self._unacknowledged = 0
        self._read_at = 0.0
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
            self._read()
            batch = min(due(), _WINDOW - self._unacknowledged, _MOST_AT_ONCE)
            if batch > 0:
                self._send(batch)
            # With much left to do, only a look at the acknowledgements; else the next tick.
            await asyncio.sleep(0 if batch == _MOST_AT_ONCE else tick)
        while self._unacknowledged:
            self._flush()
            self._read()
            await asyncio.sleep(_TICK)

    def _read(self) -> None:
        if time.perf_counter() < self._read_at:
            return
        for number, _ in self._readable.poll(0, len(self._connections)):
            self._unacknowledged -= self._by_number[number].read()
        self._read_at = time.perf_counter() + _READ

    def _send(self, batch: int) -> None:
        routers, connections, to_flush = self._routers, self._connections, self._to_flush
        when, size, lanes = time_text(time.time()), len(routers), len(connections)
        any_flag = self._flagged
        for number in range(self.published, self.published + batch):
            kind = kind_of(number, size)
            router = routers[kind.router]
            payload = router.templates[kind.shape].payload(
                number, when, flagged=any_flag and kind.flagged, leaky=kind.leaky
            )
            connection = connections[kind.router % lanes]
            connection.add(router.topic, payload)
            to_flush.add(connection)
        self.published += batch
        self._unacknowledged += batch
        self._flush()

    def _flush(self) -> None:
        self._to_flush = {connection for connection in self._to_flush if not connection.flush()}


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


async def main(host: str, port: int, routers: int, connections: int, *, flagged: bool) -> None:
    """Connect, then do as told until standard input ends."""
    made = [Connection(f"load-{number}", host, port) for number in range(connections)]
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
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--no-flag", action="store_true", help="no message carries a flag")
    given = parser.parse_args()
    asyncio.run(main(given.host, given.port, given.routers, given.connections, flagged=not given.no_flag))
