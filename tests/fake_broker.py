"""A broker that does what a test tells it to: for what a real one does not do on demand."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from collector.ingest.codec import (
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PacketReader,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PubAckReasonCode,
    PublishPacket,
    QoS,
    SubscribePacket,
    UnsubscribePacket,
)

_PROBES: int = 60_000
"""Packet ids from here on carry the client's own messages back to it."""


class FakeBroker:
    """Speaks enough MQTT 5 to a client; keeps what it was sent, connection by connection."""

    def __init__(self) -> None:
        self.sessions: list[list[Packet]] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.connack = ConnAckPacket(session_present=True)
        self.answers = True
        self.echoes = True
        self.allows_probes = True
        self.unsubscribes = True
        self.held_back: list[bytes] = []
        self.greeting: list[bytes] = []
        """Sent behind CONNACK, as what waits in a session is."""
        self.port = 0
        self._probes = _PROBES

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        packets: list[Packet] = []
        self.sessions.append(packets)
        self.writers.append(writer)
        stream = PacketReader()
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                for packet in stream.feed(data):
                    packets.append(packet)
                    self._answer(packet, writer)
        writer.close()

    def _answer(self, packet: Packet, writer: asyncio.StreamWriter) -> None:
        if isinstance(packet, ConnectPacket):
            writer.write(self.connack.write() + b"".join(self.greeting))
        elif isinstance(packet, SubscribePacket):
            grants = [1] * len(packet.topic_filters)
            writer.write(bytes([0x90, 3 + len(grants), *packet.packet_id.to_bytes(2, "big"), 0, *grants]))
        elif isinstance(packet, UnsubscribePacket):
            codes = [0 if self.unsubscribes else 0x87] * len(packet.patterns)
            writer.write(bytes([0xB0, 3 + len(codes), *packet.packet_id.to_bytes(2, "big"), 0, *codes]))
        elif isinstance(packet, PingReqPacket) and self.answers:
            writer.write(PingRespPacket().write())
        elif isinstance(packet, PublishPacket) and packet.packet_id is not None:
            self._take(packet, packet.packet_id, writer)

    def _take(self, packet: PublishPacket, packet_id: int, writer: asyncio.StreamWriter) -> None:
        """Acknowledge a message of the client's own, and deliver it back."""
        code = PubAckReasonCode.SUCCESS if self.allows_probes else PubAckReasonCode.NOT_AUTHORIZED
        self._probes += 1
        back = PublishPacket(packet.topic, packet.payload, qos=QoS.AT_LEAST_ONCE, packet_id=self._probes).write()
        if self.echoes and self.allows_probes:
            writer.write(back)
        else:
            self.held_back.append(back)
        # After the delivery, as Mosquitto does it.
        writer.write(PubAckPacket(packet_id, reason_code=code).write())

    def publish(self, *packet_ids: int, payload: bytes = b"{}", session: int = -1) -> None:
        """Send messages on a connection, by default the newest."""
        for packet_id in packet_ids:
            packet = PublishPacket("ueip/v1/r1/report", payload, qos=QoS.AT_LEAST_ONCE, packet_id=packet_id)
            self.writers[session].write(packet.write())

    def say_goodbye(self, code: DisconnectReasonCode, session: int = -1) -> None:
        """Send DISCONNECT and close."""
        self.writers[session].write(DisconnectPacket(reason_code=code).write())
        self.writers[session].close()

    def acknowledged(self, session: int = -1) -> list[int]:
        """The packet ids acknowledged on a connection, in order; not those of the client's own messages."""
        packets = [packet for packet in self.sessions[session] if isinstance(packet, PubAckPacket)]
        return [packet.packet_id for packet in packets if packet.packet_id < _PROBES]

    def goodbyes(self, session: int = -1) -> list[DisconnectReasonCode]:
        """The reasons the client gave for leaving."""
        return [packet.reason_code for packet in self.sessions[session] if isinstance(packet, DisconnectPacket)]

    def probes(self, session: int = -1) -> list[PublishPacket]:
        """The messages the client published."""
        return [packet for packet in self.sessions[session] if isinstance(packet, PublishPacket)]

    def names(self) -> list[str]:
        """The client ids of the connections, in order."""
        return [packets[0].client_id for packets in self.sessions if packets and isinstance(packets[0], ConnectPacket)]

    def drop(self, session: int = -1) -> None:
        """Lose a connection, by default the newest."""
        self.writers[session].transport.abort()


@contextlib.asynccontextmanager
async def fake_broker() -> AsyncIterator[FakeBroker]:
    """A broker on a free port of this machine, until the end of the `with`."""
    made = FakeBroker()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for writer in made.writers:
            writer.transport.abort()
