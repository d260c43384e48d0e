"""One connection to the broker: CONNECT, SUBSCRIBE, PUBLISH in, PUBACK out, keep-alive. No retry, no policy.

What the collector itself publishes is small and rare, so it goes through here too.

Rule 1: a message is handed over on the spot, in order of receipt, with the token that acknowledges it.
Rule 2: nothing is acknowledged here; tokens come back when messages are settled.
Rule 3: a broker that breaks the protocol loses the connection; the session and its messages stay with the broker.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from collector.acks import NO_TOKEN, AckRing, Token
from collector.clock import Clock
from collector.ingest.codec import (
    LARGEST,
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PacketReader,
    PingReqPacket,
    PingRespPacket,
    ProtocolFault,
    PubAckPacket,
    PubAckReasonCode,
    PublishPacket,
    QoS,
    TopicFilter,
    pubacks,
)
from collector.ingest.handshake import SUBSCRIBE_ID, Handshake
from collector.log import LOG
from collector.model import Message

Receive = Callable[[Message, Token], None]
Answered = Callable[[PubAckReasonCode], None]
REPLAY_SECONDS: Final = 2.0
"""For this long after subscribing, a message with the retain flag counts as one that the broker had before."""
CLOCK_BEHIND: Final = "clock_behind"
"""Why a connection was given up: the collector's own clock went back (K38)."""
_READ_BYTES: Final = 65_536
"""In one read: about a hundred messages, two milliseconds. Finished commits are noticed between two reads."""
_LAST_ID: Final = 65_535


class ConnectionLost(Exception):
    """The connection is gone; says why in a word."""


class Connection(asyncio.BufferedProtocol):
    """An `asyncio.BufferedProtocol` over the codec."""

    def __init__(
        self,
        connect: ConnectPacket,
        receive: Receive,
        read_done: Callable[[], None],
        sender_property: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        """*sender_property* is the only user property that is read, if a source asks for it."""
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.acks = AckRing(self._acknowledge)
        self.last_sent = self.last_received = time.monotonic()
        self.paused = False
        self.receive = receive
        """Takes the messages; `hand_to` changes it."""
        self._handshake = Handshake(self._send)
        self._replay_until = 0
        self._sender_property = sender_property
        self._connect = connect
        self._published: dict[int, Answered] = {}
        self._last_id = SUBSCRIBE_ID
        self._read_done = read_done
        self._clock = clock or Clock()
        self._reader = PacketReader(connect.max_packet_size or LARGEST)
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._transport: asyncio.Transport | None = None
        self._is_lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open the MQTT session."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send(self._connect.write())

    def connection_lost(self, exc: Exception | None) -> None:
        """Let everybody who waits know; tokens of this connection are void from now on."""
        self.acks.close()
        why = type(exc).__name__ if exc else "closed_by_peer"
        self._handshake.lost(ConnectionLost(why))
        # Whoever listens holds this connection: there must be no circle that only the garbage collector ends.
        self.receive = _unheard
        self._published.clear()
        self._transport, self._is_lost = None, True
        if not self.closed.done():
            self.closed.set_result(why)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - asyncio's signature
        """Where the next read goes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take what was read."""
        self.take(self._buffer[:nbytes])

    def take(self, data: bytes | memoryview) -> None:
        """Hand over every message that *data* completes; what that settles is acknowledged in one go."""
        self.last_received = time.monotonic()
        received_at = self._clock.now()
        if received_at < self._clock.least:
            # Dated by this clock, messages would be dropped as from the future. Unacknowledged, they come again.
            self.abort(CLOCK_BEHIND)
            return
        self.acks.hold()
        try:
            for packet in self._reader.feed(data):
                if type(packet) is PublishPacket:
                    self._publish(packet, received_at)
                else:
                    self._handle(packet)
        except ProtocolFault:
            self.close(DisconnectReasonCode.MALFORMED_PACKET, "malformed_packet")
        finally:
            self.acks.let_go()
            self._read_done()

    def _publish(self, packet: PublishPacket, received_at: int) -> None:
        packet_id, retained = packet.packet_id, packet.retain
        token = NO_TOKEN if packet_id is None else self.acks.token(packet_id, self.last_received)
        # Only topic, payload and retain flag are taken: everything else of the packet is data too (F9).
        replayed = retained and received_at < self._replay_until
        sender = None if self._sender_property is None else _only_value(packet.user_properties, self._sender_property)
        self.receive(Message(packet.topic, packet.payload, retained, received_at, replayed, sender), token)

    def _handle(self, packet: Packet) -> None:
        match packet:
            case PingRespPacket():
                pass
            case PubAckPacket() if packet.packet_id in self._published:
                self._published.pop(packet.packet_id)(packet.reason_code)
            case DisconnectPacket():
                LOG.warning("broker_disconnected", reason=packet.reason_code.name.lower())
                self.close(None, packet.reason_code.name.lower())
            case _:
                if not self._handshake.take(packet):
                    self.close(DisconnectReasonCode.PROTOCOL_ERROR, "protocol_error")

    async def handshake(self, filters: list[TopicFilter], unwanted: Sequence[str] = ()) -> ConnAckPacket:
        """Wait to be connected, subscribe, wait for the grants; then end the subscriptions to what is *unwanted*.

        Raises:
            BrokerRefused: the broker said no, to the connection or to a subscription.
            ConnectionLost: it went away instead.
        """
        answer = await self._handshake.connected()
        self._replay_until = self._clock.now() + int(REPLAY_SECONDS * 1000)
        await self._handshake.subscribe(filters)
        if unwanted:
            await self._handshake.unsubscribe(unwanted)
        return answer

    def hand_to(self, receive: Receive) -> None:
        """Hand the messages to *receive* from now on."""
        if not self._is_lost:
            self.receive = receive

    def publish(
        self, topic: str, payload: bytes, answered: Answered, *, expiry_seconds: int | None = None, retain: bool = False
    ) -> None:
        """Publish at QoS 1; *answered* is called with the broker's answer, unless the connection is lost first."""
        if self._is_lost:
            return
        self._last_id = self._last_id % _LAST_ID + 1
        packet = PublishPacket(
            topic,
            payload,
            qos=QoS.AT_LEAST_ONCE,
            packet_id=self._last_id,
            retain=retain,
            message_expiry_interval=expiry_seconds,
        )
        self._published[self._last_id] = answered
        self._send(packet.write())

    def ping(self) -> None:
        """Keep the connection alive."""
        self._send(PingReqPacket().write())

    def pause(self) -> None:
        """Read no more until `resume`; the broker holds what it cannot send."""
        if not self.paused and self._transport is not None:
            self.paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self.paused and self._transport is not None:
            self.paused = False
            self.last_received = time.monotonic()
            self._transport.resume_reading()

    def close(self, reason: DisconnectReasonCode | None, why: str, *, for_good: bool = False) -> None:
        """Say goodbye with *reason*, if any, and close; the session stays with the broker, unless it is *for_good*."""
        if self._transport is None or self._transport.is_closing():
            return
        if not self.closed.done():
            self.closed.set_result(why)
        if reason is not None:
            expiry = 0 if for_good else None
            self._send(DisconnectPacket(reason_code=reason, session_expiry_interval=expiry).write())
        self._transport.close()

    @property
    def is_crowded(self) -> bool:
        """Whether messages left with the broker take half of the window's places: others may find none."""
        return self.acks.left * 2 >= self._connect.receive_max

    def renew(self, why: str) -> None:
        """Close, to connect again at once; the broker sends what is not acknowledged again."""
        self.close(DisconnectReasonCode.NORMAL_DISCONNECTION, why)

    def abort(self, why: str) -> None:
        """Drop a connection that is not answering."""
        if not self.closed.done():
            self.closed.set_result(why)
        if self._transport is not None:
            self._transport.abort()

    def _acknowledge(self, packet_ids: list[int]) -> None:
        self._send(pubacks(packet_ids))

    def _send(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)
            self.last_sent = time.monotonic()


def _unheard(message: Message, token: Token) -> None:
    """Nothing is received once the connection is lost."""


def _only_value(properties: Sequence[tuple[str, str]] | None, name: str) -> str | None:
    """The value of a user property, None if it is missing or there twice: then a client had a hand in it."""
    found = [value for key, value in properties or () if key == name]
    return found[0] if len(found) == 1 else None
