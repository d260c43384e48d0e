"""The worker's end of the line to its supervisor."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import msgspec
import pytest
from records import until

from collector.config_http import HttpSettings
from collector.metrics import Metrics
from collector.model import Region
from collector.workers.channel import LOOK, Channel
from collector.workers.status import Status


class Line(NamedTuple):
    """The supervisor's end, and the channel at the other one."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    channel: Channel

    async def hear(self) -> Status:
        return msgspec.json.decode(await self.reader.readline(), type=Status)


@asynccontextmanager
async def lined(parts: dict[str, str], metrics: Metrics) -> AsyncIterator[Line]:
    """A channel that runs until the end of the block."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    channel = Channel.at(theirs)(HttpSettings(), metrics.registry, lambda: parts)
    running = asyncio.create_task(channel.run())
    reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 24)
    async with asyncio.timeout(10):
        yield Line(reader, writer, channel)
        await channel.stop()
        await running
    writer.close()


async def test_every_look_is_answered_and_the_end_is_said_unasked() -> None:
    """As it stands then."""
    parts, metrics = {"broker": "connecting"}, Metrics((Region.GERMANY,))
    async with lined(parts, metrics) as line:
        line.writer.write(LOOK)
        first = await line.hear()
        parts["broker"], metrics.received = "ready", 5
        line.writer.write(LOOK)
        second = await line.hear()
        metrics.received, line.channel.has_left = 6, lambda: True
    last, nothing = await line.hear(), await line.reader.read()

    assert [{"broker": "connecting"}, {"broker": "ready"}] == [first.parts, second.parts]
    assert [0, 5, 6] == [one.total("collector_messages_received_total") for one in (first, second, last)]
    assert [False, False, True] == [one.has_left for one in (first, second, last)]
    assert b"" == nothing


@pytest.mark.parametrize("unread", [False, True], ids=["all was read", "an answer was not read"])
async def test_that_the_supervisor_has_gone_is_seen(*, unread: bool) -> None:
    """Killed, it says nothing; the system tells of what it never read as an error."""
    gone: list[bool] = []
    async with lined({}, Metrics((Region.GERMANY,))) as line:
        line.channel.supervisor_gone = lambda: gone.append(True)
        line.writer.write(LOOK)
        if not unread:
            await line.hear()
        else:
            line.writer.transport.pause_reading()  # type: ignore[attr-defined]
            await asyncio.sleep(0.05)
        line.writer.transport.abort()
        await until(lambda: bool(gone))

    assert [True] == gone
