"""Keeps up one connection to the broker: connects, watches, reconnects with jittered pauses, stops cleanly.

Rule 1: while it is held, for whatever reason, it makes no connection, and the one it has is not read.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence

from collector.clock import Clock
from collector.config_broker import BrokerSettings
from collector.errors import BrokerRefused
from collector.ingest.claim import Claim
from collector.ingest.codec import ConnAckPacket, PubAckReasonCode
from collector.ingest.condition import Condition
from collector.ingest.connection import Answered, Connection, ConnectionLost, Receive
from collector.ingest.hold import Hold
from collector.ingest.packets import (
    ALONE,
    Membership,
    client_id_of,
    connect_packet,
    sender_of,
    topic_filters,
    unwanted_filters,
)
from collector.ingest.session import Session
from collector.ingest.trouble import TAKEN_OVER, Trouble
from collector.ingest.watchdog import Watchdog, probe_topic
from collector.ingest.window import RENEWED, Window
from collector.link_metrics import LinkName
from collector.log import LOG
from collector.metrics import Metrics
from collector.source_settings import SourceSettings


class Link:
    """One of the collector's connections, and its session with the broker."""

    def __init__(
        self,
        name: LinkName,
        settings: BrokerSettings,
        metrics: Metrics,
        receive: Receive,
        read_done: Callable[[], None],
        sources: Sequence[SourceSettings] = (),
        *,
        lost: Callable[[], None] = lambda: None,
        caught_up: Callable[[], None] = lambda: None,
        begins: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
        membership: Membership = ALONE,
    ) -> None:
        """*begins* is called with every connection, before anything comes through it."""
        self.expects_session = False
        """Whether the broker should know us. If it does not, it has lost what it kept for us, and that is reported."""
        self._name: LinkName = name
        self._trouble = Trouble(name, settings, metrics)
        self._condition = Condition(name, metrics, self._trouble)
        self._client_id = client_id_of(name, settings.client_id)
        self._settings = settings
        self._filters = topic_filters(name, self._client_id, sources, membership)
        self._sender = sender_of(settings, sources)
        self._unwanted = unwanted_filters(name, sources, membership)
        self._drained = False
        self._metrics = metrics
        self._claim = Claim(self._client_id, receive) if name == "consent" else None
        self._receive = self._claim.receive if self._claim else receive
        self._read_done = read_done
        self._lost = lost
        self._caught_up = caught_up
        self._begins = begins
        self._window = Window(settings.receive_maximum)
        self.renews = False
        """Whether the last connection was closed here in order to make a new one."""
        self._clock = clock
        self._session: Session | None = None
        self._free = asyncio.Event()
        self._free.set()
        self._stopping = asyncio.Event()
        self._may_retain = False

    async def run(self) -> None:
        """Stay connected until `stop`."""
        while not self._stopping.is_set():
            if not self._free.is_set():
                self._condition.become("held")
                await self._free.wait()
                continue
            began = time.monotonic()
            await self._attempt()
            self._lost()
            if not self.renews:
                await self._pause(self._trouble.pause_seconds(time.monotonic() - began))
        self._condition.become("stopped")

    async def _attempt(self) -> None:
        """Make one connection and stay until its end, whatever ends it."""
        before, self.renews = self._metrics.links.connects[self._name], False
        self._condition.become("connecting")
        try:
            await self._connect()
        except (OSError, BrokerRefused, TimeoutError, UnicodeError) as error:
            self._trouble.failed(error)
        except ConnectionLost as error:
            self.renews = str(error) == RENEWED
            if self._stopping.is_set() or self.renews:
                return
            if self._metrics.links.connects[self._name] == before:
                self._trouble.failed(error)
            else:
                self._trouble.lost(str(error))
                if str(error) == TAKEN_OVER and self._claim:
                    self._claim.give_up()

    async def _connect(self) -> None:
        session = self._new_session()
        self._begins()
        self._drained = False
        await session.open()
        self._session = session
        if self._claim:
            self._claim.contested = lambda: session.close(TAKEN_OVER)
        renewal: asyncio.Task[None] | None = None
        try:
            if self._condition.is_held:
                session.connection.pause()
            if not self._stopping.is_set():
                answer = await session.greet(self._filters, self._unwanted)
                # Not earlier: a connection that we close while it is being made would count as one that failed.
                renewal = asyncio.create_task(self._window.renewal(session.connection))
                self._welcome(answer)
                await session.watch(answer.server_keep_alive or self._settings.keep_alive_seconds)
        finally:
            if renewal is not None:
                renewal.cancel()
            session.close("stopped")
            self._session = None
            self._window.next(session.connection)

    def _new_session(self) -> Session:
        packet = connect_packet(self._settings, self._client_id, self._window.size)
        connection = Connection(packet, self._receive, self._read_done, self._sender, self._clock)
        watchdog = Watchdog(
            connection,
            probe_topic(self._client_id),
            self._settings,
            accepted=self._condition.accepted,
            returned=self._returned,
        )
        return Session(connection, watchdog, self._settings)

    def _welcome(self, answer: ConnAckPacket) -> None:
        """Count a new connection, and say if the broker lost our session."""
        self._metrics.links.connects[self._name] += 1
        LOG.info("broker_connected", connection=self._name, session_present=answer.session_present)
        if self.expects_session and not answer.session_present:
            self._metrics.links.sessions_lost[self._name] += 1
            LOG.error("broker_session_lost", connection=self._name, what="messages it kept for us may be lost")
        self.expects_session = True
        self._may_retain = answer.retain_available

    def _returned(self) -> None:
        """Everything the broker had for this session when it was asked has been delivered."""
        if self._session is None or self._session.connection.closed.done():
            return
        self._drained = True
        if self._condition.returned() and self._claim and self._may_retain:
            self._claim.make(self._session.connection)
        self._caught_up()

    def clear_retained(self, topic: str, answered: Answered) -> bool:
        """Ask the broker to forget what it retains for *topic*; False while there is no connection to ask on."""
        if self._session is None or not self._session.stands:
            return False
        if self._may_retain:
            self._session.connection.publish(topic, b"", answered, retain=True)
        else:
            answered(PubAckReasonCode.SUCCESS)  # it retains nothing
        return True

    def catch_up(self) -> None:
        """Have `caught_up` called once all that the broker has for this session by now is delivered."""
        if self._session is not None and self._session.stands:
            self._session.watchdog.ask()

    def hold(self, why: Hold) -> None:
        """Read no more, and make no connection, until released from this and every other hold."""
        self._condition.hold(why)
        self._free.clear()
        if self._session is not None:
            self._session.connection.pause()

    def release(self, why: Hold) -> None:
        """End one hold."""
        self._condition.release(why)
        if not self._condition.is_held:
            self._free.set()
            if self._session is not None:
                self._session.connection.resume()

    def is_drained(self) -> bool:
        """Whether all that the broker had for this session is settled and acknowledged."""
        return self._drained and self._session is not None and self._session.connection.acks.is_empty

    async def stop(self, *, for_good: bool = False) -> None:
        """Say goodbye; what is not acknowledged stays with the broker. *for_good*: the session ends."""
        self._stopping.set()
        self._free.set()
        if self._session is not None:
            self._session.close("stopped", for_good=for_good)
        await asyncio.sleep(0)

    def left(self) -> None:
        """Messages were left with the broker, on this connection or another."""
        self._window.left(self._session.connection if self._session else None)

    def ask_again(self) -> bool:
        """Have what was left with the broker sent again; False if there is nothing."""
        if self._session is None or not self._session.connection.acks.left:
            return False
        self._window.renew()
        return True

    def window(self) -> tuple[int, int]:
        """The places of the window, and how many are taken by messages left with the broker."""
        return self._window.size, self._session.connection.acks.left if self._session else 0

    def state(self) -> str:
        """What it is doing: `connected` if all is well, otherwise what prevents that."""
        return self._condition.words()

    def oldest_seconds(self) -> float:
        """Age of the oldest unacknowledged message, 0 for none."""
        return self._session.connection.acks.oldest_seconds() if self._session else 0.0

    def silent_seconds(self) -> float:
        """Seconds since the last message, our own included; 0 while there is no connection."""
        return self._session.watchdog.silent_seconds() if self._session and self._session.stands else 0.0

    async def _pause(self, seconds: float) -> None:
        """Wait, but no longer than until `stop`."""
        if not self._stopping.is_set():
            self._condition.become("waiting")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), seconds)
