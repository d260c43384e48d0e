"""A proxy that knows MQTT packets: between collector and broker it can lose what it is told to lose, and nothing else.

Rule 1: packets pass whole and in order; what is swallowed is swallowed without a word to either side.
Rule 2: what is done to a connection is done to those that stand, by the client id they came with; a new one is clean.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, NamedTuple, Self

_CONNECT: Final = 1
_CONNACK: Final = 2
_PUBLISH: Final = 3
_PUBACK: Final = 4
_SUBSCRIBE: Final = 8


class Passed(NamedTuple):
    """A message on its way to the client; the packet id is 0 at QoS 0."""

    topic: str
    packet_id: int


class MqttProxy:
    """Listens on a port of its own and forwards to a broker's; a context manager."""

    def __init__(self, broker: int) -> None:
        self._broker = broker
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self.links: list[ProxiedLink] = []
        self.refused: str | None = None
        self.loses_subscribe_of: str | None = None
        """Whose next SUBSCRIBE never reaches the broker; the connection is lost with it."""

    def refuse(self, client_id: str | None) -> None:
        """Let nobody of that name in from now on; None for everybody again."""
        self.refused = client_id

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for link in self.of():
            link.cut()

    def of(self, client_id: str | None = None) -> list["ProxiedLink"]:
        """The connections, of one client or of all, oldest first; those that are over too."""
        with self._lock:
            return [link for link in self.links if client_id in {None, link.client_id}]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._broker), timeout=5)
                except OSError:
                    near.close()
                    continue
                far.settimeout(None)
                link = ProxiedLink(near, far, self)
                with self._lock:
                    self.links.append(link)
                link.start()


class ProxiedLink:
    """One connection and its other half."""

    def __init__(self, near: socket.socket, far: socket.socket, proxy: MqttProxy) -> None:
        self.client_id = ""
        self.published: list[Passed] = []
        """The messages that passed to the client, in order."""
        self.acknowledged: list[int] = []
        """The packet ids the client acknowledged, in order."""
        self.session_present: bool | None = None
        self.subscribed = 0
        self._ends = near, far
        self._proxy = proxy
        self._swallowing = threading.Event()
        self._vanished = threading.Event()

    def start(self) -> None:
        """Forward both ways."""
        near, far = self._ends
        threading.Thread(target=self._pump, args=(near, far, self._from_client), daemon=True).start()
        threading.Thread(target=self._pump, args=(far, near, self._from_broker), daemon=True).start()

    def swallow(self) -> None:
        """Lose every message the broker sends from now on; pings, answers and grants still pass."""
        self._swallowing.set()

    def vanish(self) -> None:
        """Forward nothing more and close nothing: what a cut cable does."""
        self._vanished.set()

    def cut(self) -> None:
        """Close both ends."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                end.close()

    def _pump(self, source: socket.socket, sink: socket.socket, passes: Callable[[bytes], bool]) -> None:
        with contextlib.suppress(OSError):
            for packet in packets(source):
                if self._vanished.is_set():
                    continue  # read and forgotten: the other side's kernel hears nothing unusual
                if passes(packet):
                    sink.sendall(packet)
        if not self._vanished.is_set():
            self.cut()

    def _from_client(self, packet: bytes) -> bool:
        kind, body = packet[0] >> 4, packet[_header(packet) :]
        if kind == _CONNECT:
            self.client_id = _client_id(body)
            if self.client_id == self._proxy.refused:
                raise ConnectionRefusedError
        elif kind == _PUBACK:
            self.acknowledged.append(int.from_bytes(body[:2], "big"))
        elif kind == _SUBSCRIBE:
            self.subscribed += 1
            if self.client_id == self._proxy.loses_subscribe_of:
                self._proxy.loses_subscribe_of = None
                raise ConnectionResetError
        return True

    def _from_broker(self, packet: bytes) -> bool:
        kind, body = packet[0] >> 4, packet[_header(packet) :]
        if kind == _CONNACK:
            self.session_present = bool(body[0] & 1)
        if kind != _PUBLISH:
            return True
        if self._swallowing.is_set():
            return False
        place = 2 + int.from_bytes(body[:2], "big")
        packet_id = int.from_bytes(body[place : place + 2], "big") if packet[0] >> 1 & 3 else 0
        self.published.append(Passed(body[2:place].decode(), packet_id))
        return True


def packets(source: socket.socket) -> Iterator[bytes]:
    """The packets that come from a socket (MQTT 5, 2.1), until it is closed."""
    rest = bytearray()
    while data := source.recv(65_536):
        rest += data
        while (length := _length(rest)) and len(rest) >= length:
            yield bytes(rest[:length])
            del rest[:length]


def _header(packet: bytes | bytearray) -> int:
    """The length of the fixed header, 0 while it is not all there."""
    for place, byte in enumerate(packet[1:5], start=2):
        if byte < 0x80:
            return place
    return 0


def _length(packet: bytearray) -> int:
    """The length of a whole packet, 0 while its first bytes do not say."""
    header = _header(packet)
    return header and header + sum((byte & 0x7F) << 7 * place for place, byte in enumerate(packet[1:header]))


def _client_id(body: bytes) -> str:
    """The client id of a CONNECT (3.1.2, 3.1.3): behind the name, version, flags, keep-alive and properties."""
    place = 2 + int.from_bytes(body[:2], "big") + 4
    properties, shift = 0, 0
    while True:
        byte = body[place]
        properties |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            break
    place += properties
    length = int.from_bytes(body[place : place + 2], "big")
    return body[place + 2 : place + 2 + length].decode()
