"""Acknowledgements in order of receipt (MQTT 5, 4.6.0-2), each by a token bound to its connection.

Rule 1: a token is completed once; a second time changes nothing.
Rule 2: acknowledgements are released in order of receipt, and held back by the first message that is not settled.
Rule 3: a token of a connection that is gone releases nothing: the broker sends that message again.
Rule 4: a message that is left with the broker is never acknowledged on its connection, and holds nothing back: those
        after it are still acknowledged in order of receipt. The broker sends it again on the next connection (4.4), and
        until then it takes one place of the window.
Rule 5: a packet id that was left is never acknowledged on that connection, whatever else comes under it: a broker that
        counts its ids up without checking (Mosquitto to 2.0.11 at least; MQTT 5, 2.2.1 forbids it) would take the
        message that was left for acknowledged. Such a message is settled here, takes a place, too, and comes again.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Protocol

import msgspec

_LEFT: Final = 0
"""In the place of a packet id; no packet has it (MQTT 5, 2.2.1)."""


class Settling(Protocol):
    """What is told when a message is settled, or given up on this connection."""

    def complete(self) -> None: ...

    def leave(self) -> bool: ...


class Token(msgspec.Struct, eq=False, gc=False):
    """The promise to acknowledge one message once it is settled: stored durably, or dropped."""

    ring: "AckRing | None"
    """It lets go of its tokens when its connection ends, so that no cycle is left for the garbage collector."""
    packet_id: int
    received: float
    done: bool = False

    def complete(self) -> None:
        """The message is settled."""
        if not self.done:
            self.done = True
            if self.ring is not None:
                self.ring.settle()

    def leave(self) -> bool:
        """Leave the message with the broker, to be sent again on another connection.

        False where that cannot be: a message of QoS 0 is never sent again.
        """
        if self.ring is None:
            return False
        if not self.done:
            self.done = True
            packet_id, self.packet_id = self.packet_id, _LEFT
            self.ring.leave(packet_id)
        return True


class Countdown:
    """Completes a token when all of several regions have settled their part of a message."""

    __slots__ = ("_left", "_token")

    def __init__(self, token: Settling, parts: int) -> None:
        self._token = token
        self._left = parts

    def complete(self) -> None:
        """One part is settled."""
        self._left -= 1
        if self._left == 0:
            self._token.complete()

    def leave(self) -> bool:
        """One part cannot be settled, so the whole message is left with the broker."""
        return self._token.leave()


NO_TOKEN: Final = Token(None, 0, 0.0)
"""For QoS 0: there is nothing to acknowledge."""


class AckRing:
    """The messages of one connection that are not acknowledged yet, in order of receipt."""

    def __init__(self, release: Callable[[list[int]], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._waiting: deque[Token] = deque()
        self._release = release
        self._clock = clock
        self._closed = False
        self._held = False
        self.left = 0
        """Messages left with the broker on this connection, those withheld among them."""
        self.withheld = 0
        """Messages that were settled but cannot be acknowledged: their packet id is that of one that was left."""
        self._left_ids: set[int] = set()

    def token(self, packet_id: int, received: float | None = None) -> Token:
        """A token for a message just received, at *received* on the ring's clock."""
        self._waiting.append(made := Token(self, packet_id, self._clock() if received is None else received))
        return made

    def settle(self) -> None:
        """Release the settled prefix, unless releases are being collected."""
        waiting = self._waiting
        if self._held or self._closed or not waiting or not waiting[0].done:
            return
        ready = []
        while waiting and waiting[0].done:
            ready.append(waiting.popleft().packet_id)
        if self.left:
            ready = self._without_left(ready)
        if ready:
            self._release(ready)

    def leave(self, packet_id: int) -> None:
        """A message is left with the broker; what it held back is released."""
        self.left += 1
        self._left_ids.add(packet_id)
        self.settle()

    def _without_left(self, ready: list[int]) -> list[int]:
        settled = [packet_id for packet_id in ready if packet_id != _LEFT]
        released = [packet_id for packet_id in settled if packet_id not in self._left_ids]
        withheld = len(settled) - len(released)
        self.withheld += withheld
        self.left += withheld
        return released

    def hold(self) -> None:
        """Collect releases until `let_go`: one read of the socket may settle many messages."""
        self._held = True

    def let_go(self) -> None:
        """Release what was collected."""
        self._held = False
        self.settle()

    def close(self) -> None:
        """The connection is gone, and with it the right to acknowledge on it."""
        self._closed = True
        self._waiting.clear()
        self._release = _nowhere  # it belongs to the connection, which holds this ring

    @property
    def open_count(self) -> int:
        """Messages not acknowledged yet."""
        return len(self._waiting)

    @property
    def is_empty(self) -> bool:
        """Whether nothing of this connection is left with the broker, or was when it ended."""
        return not (self._waiting or self.left or self._closed)

    def oldest_seconds(self) -> float:
        """Age of the oldest message not acknowledged, 0 for none."""
        return self._clock() - self._waiting[0].received if self._waiting else 0.0


def _nowhere(packet_ids: list[int]) -> None:
    """Where acknowledgements go that belong to no connection any more."""


def complete_all(tokens: Iterable[Settling]) -> None:
    """Settle many messages; each connection's releases go out in one write."""
    rings: set[AckRing] = set()
    last: AckRing | None = None
    for token in tokens:
        if type(token) is not Token:
            token.complete()
        elif not token.done:
            token.done = True
            if token.ring is not last and token.ring is not None:
                rings.add(last := token.ring)
    for ring in rings:
        ring.settle()
