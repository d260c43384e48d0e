"""One connection of a link from CONNECT to its end, watched by its watchdog. The link does the retries."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, Final

from collector.config_broker import BrokerSettings
from collector.config_files import tls_context
from collector.ingest.codec import ConnAckPacket, DisconnectReasonCode, TopicFilter
from collector.ingest.connection import Connection, ConnectionLost
from collector.ingest.sockets import limit_unanswered
from collector.ingest.watchdog import Watchdog

CONNECT_SECONDS: Final = 10.0


class Session:
    """A connection and its watchdog; used once."""

    def __init__(self, connection: Connection, watchdog: Watchdog, settings: BrokerSettings) -> None:
        self.connection = connection
        self.watchdog = watchdog
        self.stands = False
        """Whether the broker has let us in and granted what was asked for."""
        self._settings = settings

    async def open(self) -> None:
        """Make the connection.

        Raises:
            OSError, TimeoutError, UnicodeError: it could not be made.
        """
        try:
            tls = tls_context(self._settings)
            async with asyncio.timeout(CONNECT_SECONDS):
                transport, _ = await asyncio.get_running_loop().create_connection(
                    lambda: self.connection, self._settings.host, self._settings.port, ssl=tls
                )
        except BaseException:
            self.connection.connection_lost(None)  # there was none, of which asyncio would have told it the end
            raise
        limit_unanswered(transport, self._settings.keep_alive_seconds * 1.5)

    async def greet(self, filters: list[TopicFilter], unwanted: Sequence[str] = ()) -> ConnAckPacket:
        """Wait for the broker's answers, as long as anything comes: they may be queued behind a backlog of messages.

        While the connection is not read it waits on, because then nothing can come.

        Raises:
            BrokerRefused, ConnectionLost, TimeoutError: there is no session.
        """
        talking, closed = asyncio.ensure_future(self.connection.handshake(filters, unwanted)), self.connection.closed
        try:
            while not await _either(talking, closed, CONNECT_SECONDS / 4):
                silent = time.monotonic() - self.connection.last_received
                if not self.connection.paused and silent > CONNECT_SECONDS:
                    raise TimeoutError
            if not talking.done():  # closed by us; TLS would wait for the other end
                raise ConnectionLost(closed.result())
            answer = await talking
        finally:
            talking.cancel()
        self.stands = True
        return answer

    async def watch(self, keep_alive: int) -> None:
        """Until the connection ends: ping when idle; give up when nothing comes back, or no message of ours.

        Raises:
            BrokerRefused: we may not publish our probe.
            ConnectionLost: it is over, and why.
        """
        connection, watchdog, settings = self.connection, self.watchdog, self._settings
        watchdog.ask()
        often = min(keep_alive, settings.watchdog_silence_seconds, settings.watchdog_answer_seconds) / 4
        while not (await asyncio.wait([connection.closed], timeout=often))[0]:
            now = time.monotonic()
            if not connection.paused and now - connection.last_received > keep_alive * 1.5:
                connection.abort("no_answer")
            elif watchdog.is_deaf():
                connection.abort("silent")
            elif now - connection.last_sent > keep_alive / 2:
                connection.ping()
        raise watchdog.refusal or ConnectionLost(connection.closed.result())

    def close(self, why: str, *, for_good: bool = False) -> None:
        """Say goodbye; the broker keeps the session, unless it is *for_good*."""
        self.connection.close(DisconnectReasonCode.NORMAL_DISCONNECTION, why, for_good=for_good)


async def _either(first: asyncio.Future[Any], second: asyncio.Future[Any], seconds: float) -> bool:
    """Wait until one of two is done, for at most *seconds*; returns whether one is."""
    done, _ = await asyncio.wait([first, second], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    return bool(done)
