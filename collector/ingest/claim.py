"""Who uses a session: a retained message that a collector leaves at the broker each time it has connected.

Two collectors under one name throw each other out, and a broker may close without a word (Mosquitto does before 2.0.15,
though MQTT 5, 3.1.4-3 has a reason code for it). So one that comes back looks who was there meanwhile.

Rule 1: only a claim that is newer than one of our own counts: a claim from before us is of an earlier run.
Rule 2: a claim seen once is known: a broker that lost its last minutes may show it again.
"""

import secrets
from collections.abc import Callable

from collector.acks import Token
from collector.ingest.codec import PubAckReasonCode
from collector.ingest.connection import Connection, Receive
from collector.model import Message


def claim_topic(client_id: str) -> str:
    """The topic for claims to the session of that name."""
    return f"ueip/probe/{client_id}/owner"


class Claim:
    """Our claims to one session, and those of others."""

    def __init__(self, client_id: str, deliver: Receive) -> None:
        self.contested: Callable[[], None] = lambda: None
        """Called when another collector has connected since we did."""
        self._topic = claim_topic(client_id)
        self._deliver = deliver
        self._known: set[bytes] = set()
        self._made = False

    def make(self, connection: Connection) -> None:
        """Leave a new claim."""
        claim = secrets.token_hex(8).encode()
        self._known.add(claim)
        connection.publish(self._topic, claim, self._answered, retain=True)

    def give_up(self) -> None:
        """Leave the session to the other collector: when we come back, its claim was there before us."""
        self._made = False

    def receive(self, message: Message, token: Token) -> None:
        """Take the claims out of the messages; the others go on."""
        if message.topic != self._topic:
            self._deliver(message, token)
            return
        token.complete()
        # An empty one is no claim: somebody had the broker forget what it kept (3.3.1.3).
        new = bool(message.payload) and message.payload not in self._known
        self._known.add(message.payload)
        if new and self._made:
            self.contested()

    def _answered(self, code: PubAckReasonCode) -> None:
        self._made = int(code) < 0x80  # noqa: PLR2004 - MQTT 5, 3.4.2.1: refusals begin there
