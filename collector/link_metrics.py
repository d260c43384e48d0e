"""The metrics of the connections to the broker; declared here, shown by `metrics`."""

from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import product
from typing import Final, Literal

from prometheus_client.core import Metric

from collector.exposition import Declared, counter, gauge

CONNECTION_STATES: Final = ("connected", "connecting", "draining", "held", "waiting", "stopped")
ConnectionState = Literal["connected", "connecting", "draining", "held", "waiting", "stopped"]
LinkName = Literal["reports", "consent"]
LINK_NAMES: Final[tuple[LinkName, ...]] = ("reports", "consent")
"""The connections to the broker."""


class Loss(StrEnum):
    """Why a connection to the broker was lost."""

    ENDED = "ended"
    """The broker or the network ended it."""
    TAKEN_OVER = "taken_over"
    """Another collector connected under the same name."""
    KEEP_ALIVE = "keep_alive"
    """Pings were not answered."""
    WATCHDOG = "watchdog"
    """It was up and delivered nothing, not even a message of our own."""
    PROTOCOL = "protocol"
    """The broker sent what is not MQTT 5."""
    CLOCK = "clock"
    """The collector's own clock went back; what it was reading comes again."""


CONNECTION: Final = Declared(
    "collector_broker_connection",
    "gauge",
    "1 for the state of a connection to the broker; with several workers, how many are in it. draining: it reads "
    "what waited there. held: it waits until the other connection has done so.",
    ("link", "state"),
)
CONNECTS: Final = Declared(
    "collector_broker_connects_total", "counter", "Connections that the broker accepted.", ("link",)
)
LOST: Final = Declared(
    "collector_broker_connections_lost_total", "counter", "Connections lost, by cause.", ("link", "loss")
)
SESSIONS_LOST: Final = Declared(
    "collector_broker_sessions_lost_total",
    "counter",
    "Times that the broker did not have the session it should: messages kept for the collector may be lost.",
    ("link",),
)
SILENCE: Final = Declared(
    "collector_broker_silence_seconds",
    "gauge",
    "Seconds since a message came on the connection, the collector's own probes included; 0 while disconnected.",
    ("link",),
)
WINDOW: Final = Declared(
    "collector_broker_window", "gauge", "The most messages that the broker sends without an acknowledgement.", ("link",)
)
WINDOW_LEFT: Final = Declared(
    "collector_broker_window_left",
    "gauge",
    "Places of the broker's window that are taken by messages left with it.",
    ("link",),
)

LINK_DECLARED: Final = (CONNECTION, CONNECTS, LOST, SESSIONS_LOST, SILENCE, WINDOW, WINDOW_LEFT)


class LinkMetrics:
    """The numbers of both connections."""

    def __init__(self) -> None:
        self.connection: dict[LinkName, ConnectionState] = dict.fromkeys(LINK_NAMES, "stopped")
        self.connects: Counter[LinkName] = Counter()
        self.lost: Counter[tuple[LinkName, Loss]] = Counter()
        self.sessions_lost: Counter[LinkName] = Counter()
        self.silent_seconds: Callable[[LinkName], float] = lambda _: 0.0
        self.window: Callable[[LinkName], tuple[int, int]] = lambda _: (0, 0)
        """The places of a connection's window, and how many of them are taken by messages left with the broker."""

    def collect(self) -> Iterator[Metric]:
        """For a scrape."""
        states = product(LINK_NAMES, CONNECTION_STATES)
        yield gauge(CONNECTION, {(link, state): state == self.connection[link] for link, state in states})
        yield counter(CONNECTS, {(link,): self.connects[link] for link in LINK_NAMES})
        yield counter(LOST, {(link, why): self.lost[link, why] for link, why in product(LINK_NAMES, Loss)})
        yield counter(SESSIONS_LOST, {(link,): self.sessions_lost[link] for link in LINK_NAMES})
        yield gauge(SILENCE, {(link,): self.silent_seconds(link) for link in LINK_NAMES})
        yield gauge(WINDOW, {(link,): self.window(link)[0] for link in LINK_NAMES})
        yield gauge(WINDOW_LEFT, {(link,): self.window(link)[1] for link in LINK_NAMES})
