"""The only module that imports the `mqtt5` codec, so that it can be exchanged in a day.

The codec is strict, but 0.8.0 panics on a topic that is not UTF-8, which no conforming broker sends (MQTT 5, 1.5.4);
a panic is a `BaseException`, so it is caught here and becomes the protocol error it is.
"""

from collections.abc import Iterator, Sequence
from struct import pack
from typing import Final

import mqtt5
from mqtt5 import (
    ConnAckPacket,
    ConnAckReasonCode,
    ConnectPacket,
    DisconnectPacket,
    DisconnectReasonCode,
    Packet,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PubAckReasonCode,
    PublishPacket,
    QoS,
    RetainHandling,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
    UnsubAckPacket,
    UnsubscribePacket,
)

__all__ = [
    "ConnAckPacket", "ConnAckReasonCode", "ConnectPacket", "DisconnectPacket", "DisconnectReasonCode", "Packet",
    "LARGEST", "PacketReader", "PingReqPacket", "PingRespPacket", "ProtocolFault", "PubAckPacket",
    "PubAckReasonCode", "PublishPacket", "QoS", "RetainHandling", "SubAckPacket", "SubscribePacket", "TopicFilter",
    "UnsubAckPacket", "UnsubscribePacket", "pubacks",
]  # fmt: skip


LARGEST: Final = 5 + 268_435_455
"""Bytes of the longest packet that MQTT has."""


_PUBACK: Final = 0x4002 << 16
"""The fixed header of a PUBACK without reason and properties, so with success (MQTT 5, 3.4.2.1), before the id."""


def pubacks(packet_ids: Sequence[int]) -> bytes:
    """The PUBACKs, with success, of these packet ids: what `PubAckPacket` writes of each, one after the other."""
    return pack(f">{len(packet_ids)}I", *[_PUBACK | packet_id for packet_id in packet_ids])


class ProtocolFault(Exception):
    """The broker sent bytes that are not MQTT 5; says nothing of them."""


class PacketReader:
    """Cuts a stream of bytes into packets of at most *most* bytes."""

    def __init__(self, most: int = LARGEST) -> None:
        self._most = most
        self._rest = bytearray()
        self._wanted = 0

    def feed(self, data: bytes | memoryview) -> Iterator[Packet]:
        """The packets that *data* completes; nothing of them refers to it afterwards.

        Raises:
            ProtocolFault: the stream is not MQTT 5; the connection is of no more use.
        """
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:
                return
            data = bytes(self._rest)
        buffer = memoryview(data)
        position, end = 0, len(buffer)
        while position < end:
            try:
                packet, size = mqtt5.read(buffer[position:])
            except IndexError:
                break
            except ValueError:
                raise ProtocolFault from None
            except BaseException as error:
                if type(error).__name__ == "PanicException":
                    raise ProtocolFault from None
                raise
            position += size
            yield packet
        self._rest = bytearray(buffer[position:])
        self._wanted = _size(self._rest)
        if self._wanted > self._most:
            raise ProtocolFault


def _size(packet: bytearray) -> int:
    """How long a packet is, from its first bytes (MQTT 5, 2.1.4); 0 if they do not say yet."""
    length = 0
    for place, byte in enumerate(packet[1:5]):
        length |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - the last byte of the length
            return 2 + place + length
    return 0
