"""As much MQTT 5 as a publisher of load needs: CONNECT, PUBLISH with QoS 1, counting PUBACKs.

Rule 1: acknowledgements come in order (MQTT 5, 4.6.0-2), so they are counted; a refusal among them is an error.
"""

import struct
from typing import Final

LAST_ID: Final = 65_535
_CONNACK, _PUBACK = 0x20, 0x40
_REFUSED: Final = 0x80


class Broken(Exception):
    """The broker did something that a publisher of load does not expect."""


def connect_packet(client_id: str) -> bytes:
    """CONNECT with a clean start and no keep-alive."""
    name = client_id.encode()
    body = b"\x00\x04MQTT\x05\x02\x00\x00\x00" + struct.pack(">H", len(name)) + name
    return b"\x10" + bytes((len(body),)) + body


def publish_packet(topic: bytes, packet_id: int, payload: bytes) -> bytes:
    """A PUBLISH of QoS 1 without properties, of 128 to 16,383 bytes."""
    size = len(topic) + len(payload) + 5
    return b"\x32%c%c\x00%c%b%b\x00%b" % (
        size & 127 | 128,
        size >> 7,
        len(topic),
        topic,
        packet_id.to_bytes(2, "big"),
        payload,
    )


class Acks:
    """Counts the acknowledgements in the stream of bytes from a broker."""

    __slots__ = ("_rest", "connected", "count")

    def __init__(self) -> None:
        self._rest = b""
        self.connected = False
        self.count = 0

    def feed(self, data: bytes) -> None:
        """Count what *data* completes.

        Raises:
            Broken: a refusal, or a packet that is no acknowledgement.
        """
        data = self._rest + data
        whole = len(data) // 4
        if len(data) == whole * 4 and data[::4] == b"\x40" * whole and data[1::4] == b"\x02" * whole:
            self.count += whole
            self._rest = b""
            return
        position = 0
        while len(data) >= position + 2 and len(data) >= (end := position + 2 + data[position + 1]):
            self._packet(data[position:end])
            position = end
        self._rest = data[position:]

    def _packet(self, packet: bytes) -> None:
        if packet[0] == _CONNACK and packet[3] < _REFUSED:
            self.connected = True
        elif packet[0] == _PUBACK and (len(packet) == 4 or packet[4] < _REFUSED):
            self.count += 1
        else:
            raise Broken(f"the broker sent {packet[:5].hex(' ')}")
