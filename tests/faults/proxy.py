"""A TCP proxy between collector and broker that can cut, stall and half-open what runs through it.

Rule 1: bytes pass unchanged and in order, or not at all; a cut may end within a packet, as a real one does.
Rule 2: a half-open connection stays so: neither side hears of it from here.
"""

import contextlib
import socket
import struct
import threading
from typing import Final

_CHUNK: Final = 65_536
_RESET: Final = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on a port of its own and forwards to *target*."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._flowing = threading.Event()
        self._flowing.set()
        self.connections = 0
        """How many have come through to the target."""
        self._links: set[Link] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> int:
        """Reset every connection; how many there were."""
        with self._lock:
            links, self._links = self._links, set()
        for link in links:
            link.reset()
        return len(links)

    def stall(self) -> None:
        """Let nothing through until `flow`."""
        self._flowing.clear()

    def flow(self) -> None:
        """Let everything through again, but for what is half-open."""
        self._flowing.set()

    def half_open(self) -> int:
        """Forget the connections without a word to either side; how many there were."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.lost.set()
        return len(links)

    def close(self) -> None:
        """End it all."""
        self._listener.close()
        self.cut()
        self.flow()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        try:
            far = socket.create_connection(("127.0.0.1", self._target), timeout=5)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = Link(near, far, self._flowing)
        with self._lock:
            self._links.add(link)
            self.connections += 1
        link.start()


class Link:
    """One connection and its other half."""

    def __init__(self, near: socket.socket, far: socket.socket, flowing: threading.Event) -> None:
        self._near, self._far = near, far
        self._flowing = flowing
        self.lost = threading.Event()

    def start(self) -> None:
        """Forward both ways."""
        for source, sink in ((self._near, self._far), (self._far, self._near)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def reset(self) -> None:
        """Both ends hear that the connection is gone, at once."""
        for end in (self._near, self._far):
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
            with contextlib.suppress(OSError):
                end.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                self._flowing.wait()
                if self.lost.is_set():
                    return  # neither forwarded nor closed
                sink.sendall(data)
        if not self.lost.is_set():
            self.reset()
