"""Keeps one connection to the broker: connects, watches, reconnects with jittered pauses, stops cleanly."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

from collector.config import BrokerSettings
from collector.config_files import tls_context
from collector.errors import BrokerRefused
from collector.ingest.codec import ConnectPacket, DisconnectReasonCode, QoS, RetainHandling, TopicFilter
from collector.ingest.connection import Connection, ConnectionLost, Receive
from collector.log import LOG
from collector.metrics import Metrics
from collector.source_settings import SourceSettings

CONNECT_SECONDS: Final = 10.0
_NEVER: Final = RetainHandling.SEND_NEVER
"""Retained reports are dropped anyway (G2)."""
FILTER: Final = "ueip/v1/#"
"""One filter, wider than the topics of the format: a misspelt topic is a counted drop, and with a second filter brokers
would deliver what both match twice."""


class Client:
    """The collector's side of the broker's session."""

    def __init__(
        self,
        settings: BrokerSettings,
        metrics: Metrics,
        receive: Receive,
        read_done: Callable[[], None],
        sources: Sequence[SourceSettings] = (),
    ) -> None:
        self._sources = sources
        self._settings = settings
        self._metrics = metrics
        self._receive = receive
        self._read_done = read_done
        self._connection: Connection | None = None
        self._stopping = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.last_refusal: str | None = None
        metrics.oldest_seconds = self.oldest_seconds

    async def run(self) -> None:
        """Stay connected until `stop`."""
        failures = 0
        while not self._stopping.is_set():
            self._metrics.connection = "connecting"
            began = time.monotonic()
            try:
                await self._session()
            except (OSError, BrokerRefused, ConnectionLost, TimeoutError, UnicodeError) as error:
                self._tell(error)
            lasted = time.monotonic() - began > self._settings.reconnect_max_seconds
            failures = 0 if lasted else failures + 1
            await self._pause(failures)
            # While memory is full: a new connection would bring what waits a second time (D22).
            await self._room.wait()
        self._metrics.connection = "stopped"

    async def _session(self) -> None:
        loop = asyncio.get_running_loop()
        connection = Connection(connect_packet(self._settings), self._receive, self._read_done)
        tls = tls_context(self._settings)
        async with asyncio.timeout(CONNECT_SECONDS):
            await loop.create_connection(lambda: connection, self._settings.host, self._settings.port, ssl=tls)
        self._connection = connection
        try:
            if self._stopping.is_set():
                return
            async with asyncio.timeout(CONNECT_SECONDS):
                answer = await connection.handshake(topic_filters(self._sources))
            self._metrics.connection = "connected"
            self._metrics.connects += 1
            self.last_refusal = None
            LOG.info("broker_connected", session_present=answer.session_present)
            await self._watch(connection, answer.server_keep_alive or self._settings.keep_alive_seconds)
        finally:
            connection.close(DisconnectReasonCode.NORMAL_DISCONNECTION, "stopped")
            self._connection = None

    async def _watch(self, connection: Connection, keep_alive: int) -> None:
        """Until the connection ends: ping when idle, give it up when nothing comes back."""
        while not connection.closed.done():
            await asyncio.wait([connection.closed], timeout=keep_alive / 4)
            now = time.monotonic()
            if connection.closed.done():
                break
            if not connection.paused and now - connection.last_received > keep_alive * 1.5:
                connection.abort("no_answer")
            elif now - connection.last_sent > keep_alive / 2:
                connection.ping()
        if not self._stopping.is_set():
            LOG.warning("broker_connection_lost", why=connection.closed.result())

    async def stop(self) -> None:
        """Say goodbye; what is not acknowledged stays with the broker."""
        self._stopping.set()
        self._room.set()
        if self._connection is not None:
            self._connection.close(DisconnectReasonCode.NORMAL_DISCONNECTION, "stopped")
        await asyncio.sleep(0)

    def pause(self) -> None:
        """Memory is full: read no more for now."""
        self._room.clear()
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """There is room again."""
        self._room.set()
        if self._connection is not None:
            self._connection.resume()

    def oldest_seconds(self) -> float:
        """Age of the oldest unacknowledged message, 0 for none."""
        return self._connection.acks.oldest_seconds() if self._connection else 0.0

    async def _pause(self, failures: int) -> None:
        """Wait before the next attempt: longer each time, and never in step with others (jitter)."""
        if self._stopping.is_set():
            return
        self._metrics.connection = "waiting"
        longest = min(self._settings.reconnect_max_seconds, 0.25 * 2 ** min(failures, 16))
        try:
            async with asyncio.timeout(random.uniform(longest / 4, longest)):  # noqa: S311 - not a secret
                await self._stopping.wait()
        except TimeoutError:
            pass

    def _tell(self, error: Exception) -> None:
        if isinstance(error, BrokerRefused):
            self.last_refusal = str(error)
            LOG.error("broker_refused", what=str(error))
        else:
            self.last_refusal = None
            LOG.warning(
                "broker_unreachable", host=self._settings.host, port=self._settings.port, error=type(error).__name__
            )


def connect_packet(settings: BrokerSettings) -> ConnectPacket:
    """CONNECT for a persistent session with a bounded window (D22)."""
    # An empty file is a wrong password, which the broker will say; it must not end the process.
    lines = settings.password_file.read_bytes().splitlines() or [b""] if settings.password_file else [None]
    return ConnectPacket(
        settings.client_id,
        username=settings.username,
        password=lines[0],
        clean_start=False,
        keep_alive=settings.keep_alive_seconds,
        session_expiry_interval=settings.session_expiry_seconds,
        receive_max=settings.receive_maximum,
        max_packet_size=settings.max_packet_bytes,
    )


def topic_filters(sources: Sequence[SourceSettings] = ()) -> list[TopicFilter]:
    """What is subscribed to; what is retained comes at every connect, for consent events are wanted then."""
    own = TopicFilter(FILTER, max_qos=QoS.AT_LEAST_ONCE, retain_handling=RetainHandling.SEND_ALWAYS)
    others = [TopicFilter(s.topic, max_qos=QoS.AT_LEAST_ONCE, retain_handling=_NEVER) for s in sources]
    return [own, *others]


async def check_broker(settings: BrokerSettings, sources: Sequence[SourceSettings] = ()) -> str:
    """Connect once, under another name and without a session, and ask for the subscriptions; say what was granted.

    Raises:
        BrokerRefused: the broker said no.
        OSError, TimeoutError, ConnectionLost: it could not be reached, or went away.
    """
    once = settings.model_copy(update={"client_id": f"{settings.client_id[:50]}-check", "session_expiry_seconds": 0})
    connection = Connection(connect_packet(once), lambda _, __: None, lambda: None)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(CONNECT_SECONDS):
        await loop.create_connection(lambda: connection, once.host, once.port, ssl=tls_context(once))
        answer = await connection.handshake(topic_filters(sources))
    connection.close(DisconnectReasonCode.NORMAL_DISCONNECTION, "checked")
    return f"broker takes up to {answer.receive_max} unacknowledged messages from us"
