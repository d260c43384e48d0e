"""What keeps a connection to the broker from working: for log, /readyz and metrics, and how long to wait.

Rule 1: pauses grow to `broker.reconnect_max_seconds` and are drawn at random, so that collectors do not return in step.
Rule 2: one whose session was taken by another collector waits longer: two that share a name would never stop.
"""

import random
import socket
import ssl
from typing import Final

from collector.config_broker import BrokerSettings
from collector.errors import BrokerRefused
from collector.ingest.connection import CLOCK_BEHIND, ConnectionLost
from collector.link_metrics import LinkName, Loss
from collector.log import LOG
from collector.metrics import Metrics

TAKEN_OVER: Final = "session_taken_over"
"""Why a connection was lost: from MQTT's reason code (3.14.2.1), or because we saw the other's claim."""
TAKEN_OVER_FACTOR: Final = 10
_LOSSES: Final = {
    TAKEN_OVER: Loss.TAKEN_OVER,
    "silent": Loss.WATCHDOG,
    "no_answer": Loss.KEEP_ALIVE,
    "malformed_packet": Loss.PROTOCOL,
    "protocol_error": Loss.PROTOCOL,
    CLOCK_BEHIND: Loss.CLOCK,
}


_PLAIN: Final[dict[type[Exception], str]] = {
    ConnectionRefusedError: "connection refused",
    ConnectionResetError: "it hung up",
    TimeoutError: "no answer",
    socket.gaierror: "its name is not found",
}


def why_unreachable(error: Exception) -> str:
    """Why no connection came about, in words; for TLS, what is wrong with the other side's certificate."""
    if isinstance(error, UnicodeError):
        return "no name that a machine can have"
    if isinstance(error, ConnectionLost):
        return str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is refused: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {getattr(error, 'reason', None) or 'no reason given'}"
    if isinstance(error, OSError) and error.errno is None and type(error) is OSError:
        return "none of its addresses answers"
    return _PLAIN.get(type(error)) or (isinstance(error, OSError) and error.strerror) or type(error).__name__


class Trouble:
    """What is wrong with one connection."""

    def __init__(self, name: LinkName, settings: BrokerSettings, metrics: Metrics) -> None:
        self._name: LinkName = name
        self._settings = settings
        self._metrics = metrics
        self._words: str | None = None
        self._failures = 0
        self._taken_over = False

    def words(self) -> str | None:
        """What is wrong, or None."""
        if self._words is None or self._failures < 2:  # noqa: PLR2004 - "in a row" begins with two
            return self._words
        return f"{self._words} ({self._failures} times in a row)"

    def over(self) -> None:
        """The connection works."""
        self._words = None

    def failed(self, error: Exception) -> None:
        """No connection came about."""
        if isinstance(error, BrokerRefused):
            self._words = str(error)
            LOG.error("broker_refused", connection=self._name, what=self._words)
            return
        host, port = self._settings.host, self._settings.port
        kind = why_unreachable(error)
        self._words = f"{host}:{port} cannot be reached: {kind}"
        LOG.warning("broker_unreachable", connection=self._name, host=host, port=port, error=kind)

    def lost(self, why: str) -> None:
        """The connection stood, and has ended."""
        loss = _LOSSES.get(why, Loss.ENDED)
        self._metrics.links.lost[self._name, loss] += 1
        self._taken_over = loss is Loss.TAKEN_OVER
        if self._taken_over:
            self._words = (
                f"another collector took the session over: two share broker.client_id = '{self._settings.client_id}'. "
                f"Give each its own"
            )
            LOG.error("broker_session_taken_over", connection=self._name, what=self._words)
        else:
            self._words = f"the connection was lost: {why.replace('_', ' ')}"
            LOG.warning("broker_connection_lost", connection=self._name, why=why)

    def pause_seconds(self, lasted: float) -> float:
        """Seconds to wait before the next attempt, after one that *lasted* so many."""
        most = self._settings.reconnect_max_seconds
        self._failures = 0 if lasted > most else self._failures + 1
        longest = min(most, 0.25 * 2 ** min(self._failures, 16))
        if self._taken_over:
            longest, self._taken_over = most * TAKEN_OVER_FACTOR, False
        return random.uniform(longest / 4, longest)  # noqa: S311 - not a secret
