"""A publisher that tells the oracle what the broker answered, and that keeps the order in which it was given things.

Rule 1: paho does not keep it across a connection. What waited for one it sends when CONNACK comes; what is published
        while CONNACK is awaited it sends at once, so behind CONNECT and ahead of all that waited. A report that goes
        out before the router's first one is what the router then joins by, rightly, and the oracle would take the one
        it overtook for lost. So while a connection is being made nobody publishes, until what waited has been sent.
Rule 2: whether the order was kept is checked and not believed: the broker answers in the order in which it takes.
"""

import threading
import time
from typing import Any

from integration.harness import PATIENCE, Publisher
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessageInfo
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from .oracle import Answer, Oracle


class Listening(Publisher):
    """Connected inside the `with`; published to by one thread at a time."""

    def __init__(self, port: int, oracle: Oracle) -> None:
        super().__init__(port)
        self._oracle = oracle
        self._publishing = threading.Lock()
        self._connected = 0.0
        self._in_order = threading.Event()
        """Whether what is published now goes behind all that was before: to the broker, or to what waits for it."""
        self.client.on_pre_connect = self._on_pre_connect
        self.client.on_connect_fail = self._on_connect_fail

    @property
    def kept_order(self) -> bool:
        """Whether the broker has so far answered in the order in which it was published to."""
        answered = list(self.answers)
        return answered == list(self.sent)[: len(answered)]

    def publish(self, *args: Any, **options: Any) -> MQTTMessageInfo:
        """As `Publisher.publish`; waits while a connection is being made, but not for ever."""
        while self._in_order.wait(PATIENCE):
            with self._publishing:
                if self._in_order.is_set():
                    return super().publish(*args, **options)
        return super().publish(*args, **options)

    def _on_pre_connect(self, _client: Client, _data: Any) -> None:
        self._connected = time.time()
        self._in_order.clear()
        with self._publishing:
            pass  # what is being published now still waits for the connection

    def _on_connect(
        self, client: Client, data: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        super()._on_connect(client, data, flags, reason, properties)
        if len(self.answers) == len(self.sent):  # else paho sends what waited next, and the first answer says it did
            self._in_order.set()

    def _on_publish(
        self, client: Client, data: Any, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._in_order.set()
        self._oracle.answered(mid, Answer(self._connected, time.time(), reason))
        super()._on_publish(client, data, mid, reason, properties)

    def _on_disconnect(
        self, client: Client, data: Any, flags: DisconnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._in_order.set()
        super()._on_disconnect(client, data, flags, reason, properties)

    def _on_connect_fail(self, _client: Client, _data: Any) -> None:
        self._in_order.set()
