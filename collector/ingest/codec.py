"""The only importer of the `mqtt5` codec, so that another one can take its place in a day.

The codec is strict, but 0.8.0 panics on a topic that is not UTF-8, which no conforming broker sends (MQTT 5, 1.5.4);
a panic is a `BaseException`, so it is caught here and becomes the protocol error it is.
"""

from collections.abc import Iterator

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
    PublishPacket,
    QoS,
    RetainHandling,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

__all__ = [
    "ConnAckPacket", "ConnAckReasonCode", "ConnectPacket", "DisconnectPacket", "DisconnectReasonCode", "Packet",
    "PacketReader", "PingReqPacket", "PingRespPacket", "ProtocolFault", "PubAckPacket", "PublishPacket", "QoS",
    "RetainHandling", "SubAckPacket", "SubscribePacket", "TopicFilter",
]  # fmt: skip


class ProtocolFault(Exception):
    """The broker sent bytes that are not MQTT 5; says nothing of them."""


class PacketReader:
    """Cuts a stream of bytes into packets."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that *data* completes.

        Raises:
            ProtocolFault: the stream is not MQTT 5; the connection is of no more use.
        """
        buffer = memoryview(self._rest + data if self._rest else data)
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
        self._rest = bytes(buffer[position:])
