"""Tells whether messages still come through a connection: it publishes a message of its own and waits for it.

Rule 1: silence is no fault, because a fleet may sleep; a message of ours that does not come back is one.
Rule 2: what the broker may rightly hold back is not held against it: nothing is judged while messages wait for their
        commit or many are left with it, because the window may be full, nor while the connection is not read.
Rule 3: our message comes behind all that the broker had queued for this session before, so its return says that all of
        it has been delivered.
"""

import secrets
import time
from collections.abc import Callable

from collector.acks import Token
from collector.config_broker import BrokerSettings
from collector.errors import BrokerRefused
from collector.ingest.codec import DisconnectReasonCode, PubAckReasonCode
from collector.ingest.connection import Connection, Receive
from collector.model import Message


def probe_topic(client_id: str) -> str:
    """The topic for the own messages of the connection of that name; no router may write there."""
    return f"ueip/probe/{client_id}"


def _new() -> bytes:
    return secrets.token_hex(8).encode()


class Watchdog:
    """The watchdog of one connection, to be made before the broker sends anything.

    It listens only when it has to, so that it costs messages under load nothing.
    """

    def __init__(
        self,
        connection: Connection,
        topic: str,
        settings: BrokerSettings,
        *,
        accepted: Callable[[], None] = lambda: None,
        returned: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.refusal: BrokerRefused | None = None
        self._connection = connection
        self._topic = topic
        self._silence = settings.watchdog_silence_seconds
        self._patience = settings.watchdog_answer_seconds
        self._accepted = accepted
        self._returned = returned
        self._clock = clock
        self._deliver: Receive = connection.receive
        # Awaited before one is sent: the broker may begin with one that an earlier connection left behind.
        self._awaited: bytes | None = _new()
        self._heard = self._since = clock()
        connection.hand_to(self._receive)

    def ask(self) -> None:
        """Publish a message of ours; *returned* is called once it comes back, unless another was sent since."""
        self._awaited = _new()
        self._since = self._clock()
        self._connection.hand_to(self._receive)
        # If a lost connection leaves it in the queue nobody waits for it: it may expire.
        self._connection.publish(self._topic, self._awaited, self._answered, expiry_seconds=int(self._patience) + 1)

    def is_deaf(self) -> bool:
        """To be called now and then: sends one of ours when there is silence; True if it is long overdue."""
        now, connection = self._clock(), self._connection
        connection.hand_to(self._receive)
        if connection.paused or connection.acks.open_count or connection.is_crowded:
            self._since = now
        elif self._awaited is not None:
            return now - max(self._heard, self._since) > self._patience
        elif now - max(self._heard, self._since) > self._silence:
            self.ask()
        return False

    def silent_seconds(self) -> float:
        """How long ago a message last came, ours included; the more often it is called, the more exact."""
        self._connection.hand_to(self._receive)
        return self._clock() - self._heard

    def _receive(self, message: Message, token: Token) -> None:
        """Takes the receiver's place until a message has come, and while one of ours is awaited."""
        self._heard = self._clock()
        if message.topic == self._topic:
            token.complete()
            self._came_back(message.payload)
        else:
            self._deliver(message, token)
        if self._awaited is None:
            self._connection.hand_to(self._deliver)

    def _came_back(self, payload: bytes) -> None:
        # Any other is one that an earlier connection left behind.
        if payload == self._awaited:
            self._awaited = None
            self._returned()

    def _answered(self, code: PubAckReasonCode) -> None:
        if int(code) < 0x80:  # noqa: PLR2004 - MQTT 5, 3.4.2.1: refusals begin there
            self._accepted()
            return
        words = str(code.name).lower().replace("_", " ")
        self.refusal = BrokerRefused(
            f"the broker refused a message of our own on {self._topic}: {words}. "
            f"Its access rules must let the collector read and write there"
        )
        self._connection.close(DisconnectReasonCode.NORMAL_DISCONNECTION, "refused")
