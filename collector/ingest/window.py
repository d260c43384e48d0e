"""How many messages the broker may have under way on a connection, when some of them are left with it.

A message that is left with the broker takes up a place in the window (Receive Maximum, MQTT 5, 3.1.2.11.3) until the
connection is renewed. Only a new connection can change the window; so it is widened in large steps, before messages
that can be taken find no place, and never beyond the number of MQTT's packet ids.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

from collector.ingest.connection import Connection

LARGEST: Final = 65_535
RENEWED: Final = "renewed"
_SHORTEST_LIFE: Final = 2.0
"""Seconds a connection lives at least before it is renewed, so that it does not only renew."""
_LOOK_SECONDS: Final = 1.0
"""How often a connection is checked for places that a new one would give back."""
_LEAVE_TAKING: Final = 1.0
"""Seconds left for acknowledging what is settled, on a connection that is to be renewed."""


class Window:
    """The window of one session's connections, and when to renew them."""

    def __init__(self, usual: int) -> None:
        self.size = usual
        self._usual = usual
        self._wanted = asyncio.Event()

    def left(self, connection: Connection | None) -> None:
        """A message was left with the broker: once half of the places are taken, more are wanted."""
        if connection is not None and self.size < LARGEST and connection.is_crowded:
            self._wanted.set()

    def renew(self) -> None:
        """What was left can be taken now: have it sent again."""
        self._wanted.set()

    async def renewal(self, connection: Connection) -> None:
        """Wait until the connection is to be renewed, then acknowledge what is settled and close it."""
        began = time.monotonic()
        while not self._wanted.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._wanted.wait()
            if self._is_clogged(connection):
                self._wanted.set()
        await asyncio.sleep(max(0.0, began + _SHORTEST_LIFE - time.monotonic()))
        connection.pause()
        deadline = time.monotonic() + _LEAVE_TAKING
        while connection.acks.open_count and time.monotonic() < deadline:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        connection.renew(RENEWED)

    def _is_clogged(self, connection: Connection) -> bool:
        """Whether as many places as usual, and half of those that others could have, are taken needlessly."""
        acks = connection.acks
        free = self.size - (acks.left - acks.withheld)
        return acks.withheld >= max(self._usual, free // 2)

    def next(self, connection: Connection) -> None:
        """A connection has ended: widen the next one by four places for each message that was left on this one.

        Those messages come again and take their places; as many more can be left before the window is crowded. So in
        an outage the connection is renewed only a handful of times; each time all of them come again.
        """
        self.size = min(LARGEST, self._usual + 4 * connection.acks.left)
        self._wanted.clear()
