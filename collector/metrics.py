"""Every metric, declared once. Counts by bounded enums only; no identifier, topic or pseudonym in a label (F10, D25).

On the message path a count is an addition to a plain number; Prometheus's own classes do the histograms, once a commit.

`received = stored + dropped + in flight` holds at every moment: the three are changed together, on one thread.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from enum import StrEnum
from itertools import product
from typing import Final, Literal, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from collector.consent.ledger import Result
from collector.errors import Cause
from collector.exit_metrics import EXIT_DECLARED, ExitMetrics
from collector.exposition import Declared, counter, gauge, histogram
from collector.model import Action, DropReason, Region, Removal
from collector.spool_metrics import SPOOL_DECLARED, SpoolMetrics

CLEARING_ANSWERS: Final = ("cleared", "refused")
API_STATUSES: Final = (200, 400, 401, 404, 405, 408, 413, 415, 422, 500, 503)
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


RECEIVED: Final = Declared(
    "collector_messages_received_total",
    "counter",
    "Report messages received from the broker, redeliveries included, or found in a spool at the start.",
)
DROPPED: Final = Declared(
    "collector_messages_dropped_total", "counter", "Report messages not kept, by the one reason each has.", ("reason",)
)
STORED: Final = Declared(
    "collector_records_stored_total", "counter", "Records stored durably; each is one report message.", ("region",)
)
IN_FLIGHT: Final = Declared(
    "collector_messages_in_flight",
    "gauge",
    "Report messages received and neither stored nor dropped yet, those in the spools included.",
)
IN_FLIGHT_BYTES: Final = Declared("collector_in_flight_bytes", "gauge", "Bytes of payloads not yet settled.")
PAUSED: Final = Declared("collector_reading_paused", "gauge", "1 while the socket is not read, for memory is full.")
REMOVED: Final = Declared(
    "collector_fields_removed_total",
    "counter",
    "Keys left out of messages that became records, by treatment. local_only is a defect of the router's firmware.",
    ("treatment",),
)
CONSENT_EVENTS: Final = Declared(
    "collector_consent_events_total",
    "counter",
    "Consent events settled by a region's ledger: joins by flag, joins and exits, by what became of them. One from the "
    "topic comes on both connections; the second is `repeated`.",
    ("region", "action", "result"),
)
CONSENT_REFUSED: Final = Declared(
    "collector_consent_messages_refused_total",
    "counter",
    "Messages on the consent topic that are no consent events, by reason.",
    ("reason",),
)
EXPIRED: Final = Declared(
    "collector_records_expired_total", "counter", "Records deleted because their time was over.", ("region",)
)
ERASED: Final = Declared(
    "collector_records_erased_total", "counter", "Records erased, at an exit or on request.", ("region",)
)
COMMIT_SECONDS: Final = Declared(
    "collector_store_commit_seconds", "histogram", "Time a commit takes, the durable write included.", ("region",)
)
BATCH_ROWS: Final = Declared("collector_store_batch_rows", "histogram", "Entries of a commit.", ("region",))
STORE_FAILURES: Final = Declared(
    "collector_store_failures_total", "counter", "Times a store refused, or was silent for too long.", ("region",)
)
STORE_CLOSED: Final = Declared(
    "collector_store_closed",
    "gauge",
    "1 for the cause that keeps the region's store closed, if any.",
    ("region", "cause"),
)
STORE_UP: Final = Declared("collector_store_up", "gauge", "1 while the region's store answers.", ("region",))
LEDGER_ENTRIES: Final = Declared(
    "collector_ledger_entries", "gauge", "Number of the last entry of the region's ledger; it never falls.", ("region",)
)
WITNESS_LAG: Final = Declared(
    "collector_witness_lag_entries", "gauge", "Entries of the ledger that its witness does not hold yet.", ("region",)
)
CLOCK_BEHIND: Final = Declared(
    "collector_clock_behind_seconds",
    "gauge",
    "How far the clock is behind a time known to have been; 0 when it is right.",
)
CONNECTION: Final = Declared(
    "collector_broker_connection",
    "gauge",
    "1 for the state a connection to the broker is in; of several workers, how many are. draining: it reads what "
    "waited there. held: it waits for the other to have done so.",
    ("link", "state"),
)
CONNECTS: Final = Declared("collector_broker_connects_total", "counter", "Connections the broker accepted.", ("link",))
LOST: Final = Declared(
    "collector_broker_connections_lost_total", "counter", "Connections lost, by why.", ("link", "loss")
)
SESSIONS_LOST: Final = Declared(
    "collector_broker_sessions_lost_total",
    "counter",
    "Times the broker knew no session where it should: messages it kept for the collector may be lost.",
    ("link",),
)
SILENCE: Final = Declared(
    "collector_broker_silence_seconds",
    "gauge",
    "Seconds since a message came on the connection, the collector's own probes included; 0 while there is none.",
    ("link",),
)
WINDOW: Final = Declared(
    "collector_broker_window", "gauge", "Messages the broker may have under way, unacknowledged.", ("link",)
)
WINDOW_LEFT: Final = Declared(
    "collector_broker_window_left", "gauge", "Places of that window taken by messages left with the broker.", ("link",)
)
OLDEST: Final = Declared(
    "collector_oldest_unacknowledged_seconds", "gauge", "Age of the oldest message not yet acknowledged; 0 for none."
)
API_ANSWERS: Final = Declared(
    "collector_api_answers_total", "counter", "Answers of the API for acts of consent, by HTTP status.", ("status",)
)
RETAINED_CLEARED: Final = Declared(
    "collector_retained_cleared_total",
    "counter",
    "Topics of reports that the broker was asked to keep nothing for, by its answer.",
    ("answer",),
)

DECLARED: Final = (
    RECEIVED, DROPPED, STORED, IN_FLIGHT, IN_FLIGHT_BYTES, PAUSED, REMOVED, CONSENT_EVENTS, CONSENT_REFUSED, ERASED,
    EXPIRED, COMMIT_SECONDS, BATCH_ROWS, STORE_FAILURES, STORE_UP, STORE_CLOSED, LEDGER_ENTRIES, WITNESS_LAG,
    *SPOOL_DECLARED, CLOCK_BEHIND, CONNECTION, CONNECTS, LOST, SESSIONS_LOST, SILENCE, WINDOW, WINDOW_LEFT, OLDEST,
    API_ANSWERS, RETAINED_CLEARED, *EXIT_DECLARED,
)  # fmt: skip

_COMMIT_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_BATCH_BUCKETS: Final = (1, 10, 50, 100, 250, 500, 1000, 2000, 4000, 10_000)


class Witnessed(Protocol):
    """How far a ledger and its witness have come, by the numbers of their last entries, and what is in the way."""

    @property
    def ledger(self) -> int: ...
    @property
    def kept(self) -> int: ...
    @property
    def trouble(self) -> Cause | None: ...


class Metrics:
    """The numbers of one collector."""

    def __init__(self, regions: tuple[Region, ...] = tuple(Region)) -> None:
        self.received = 0
        self.in_flight = 0
        self.in_flight_bytes = 0
        self.paused = False
        self.connection: dict[LinkName, ConnectionState] = dict.fromkeys(LINK_NAMES, "stopped")
        self.connects: Counter[LinkName] = Counter()
        self.lost: Counter[tuple[LinkName, Loss]] = Counter()
        self.sessions_lost: Counter[LinkName] = Counter()
        self.silent_seconds: Callable[[LinkName], float] = lambda _: 0.0
        self.dropped: Counter[DropReason] = Counter()
        self.stored: Counter[Region] = Counter()
        self.removed: Counter[Removal] = Counter()
        self.consent: Counter[tuple[Region, Action, Result]] = Counter()
        self.consent_refused: Counter[DropReason] = Counter()
        self.erased: Counter[Region] = Counter()
        self.expired: Counter[Region] = Counter()
        self.api_answers: Counter[int] = Counter()
        self.retained_cleared: Counter[str] = Counter()
        self.store_failures: Counter[Region] = Counter()
        self.store_up: dict[Region, bool] = dict.fromkeys(regions, False)
        self.store_cause: dict[Region, Cause] = dict.fromkeys(regions, Cause.OPENING)
        self.witnesses: dict[Region, Witnessed] = {}
        self.spools = SpoolMetrics(regions)
        self.clock_behind: Callable[[], float] = lambda: 0.0
        self.oldest_seconds: Callable[[], float] = lambda: 0.0
        self.window: Callable[[LinkName], tuple[int, int]] = lambda _: (0, 0)
        """The places of a connection's window, and how many of them are taken by messages left with the broker."""
        self._regions = regions
        self.registry = CollectorRegistry()
        self.commit_seconds = histogram(COMMIT_SECONDS, _COMMIT_BUCKETS, self.registry)
        self.batch_rows = histogram(BATCH_ROWS, _BATCH_BUCKETS, self.registry)
        self.exits = ExitMetrics(regions, self.registry)
        self.registry.register(self)

    def drop(self, reason: DropReason) -> None:
        """A message that never was in flight is dropped."""
        self.dropped[reason] += 1

    def store_state(self, region: Region) -> Cause | None:
        """Why the region's store is closed; None when it answers."""
        return None if self.store_up[region] else self.store_cause[region]

    def collect(self) -> Iterator[Metric]:
        """Called by prometheus-client for a scrape."""
        yield counter(RECEIVED, {(): self.received})
        yield counter(DROPPED, {(reason,): self.dropped[reason] for reason in DropReason})
        yield counter(STORED, {(region,): self.stored[region] for region in self._regions})
        yield gauge(IN_FLIGHT, {(): self.in_flight})
        yield gauge(IN_FLIGHT_BYTES, {(): self.in_flight_bytes})
        yield gauge(PAUSED, {(): self.paused})
        yield counter(REMOVED, {(removal,): self.removed[removal] for removal in Removal})
        yield counter(CONSENT_EVENTS, dict(self.consent))
        yield counter(CONSENT_REFUSED, {(reason,): n for reason, n in self.consent_refused.items()})
        yield counter(ERASED, {(region,): self.erased[region] for region in self._regions})
        yield counter(EXPIRED, {(region,): self.expired[region] for region in self._regions})
        yield counter(STORE_FAILURES, {(region,): self.store_failures[region] for region in self._regions})
        yield gauge(STORE_UP, {(region,): up for region, up in self.store_up.items()})
        yield gauge(STORE_CLOSED, {(r, c): self.store_state(r) is c for r in self._regions for c in Cause})
        yield gauge(LEDGER_ENTRIES, {(r,): w.ledger for r, w in self.witnesses.items()})
        yield gauge(WITNESS_LAG, {(r,): max(0, w.ledger - w.kept) for r, w in self.witnesses.items()})
        yield gauge(CLOCK_BEHIND, {(): self.clock_behind()})
        yield from self.spools.collect()
        states = product(LINK_NAMES, CONNECTION_STATES)
        yield gauge(CONNECTION, {(link, state): state == self.connection[link] for link, state in states})
        yield counter(CONNECTS, {(link,): self.connects[link] for link in LINK_NAMES})
        yield counter(LOST, {(link, why): self.lost[link, why] for link, why in product(LINK_NAMES, Loss)})
        yield counter(SESSIONS_LOST, {(link,): self.sessions_lost[link] for link in LINK_NAMES})
        yield gauge(SILENCE, {(link,): self.silent_seconds(link) for link in LINK_NAMES})
        yield gauge(WINDOW, {(link,): self.window(link)[0] for link in LINK_NAMES})
        yield gauge(WINDOW_LEFT, {(link,): self.window(link)[1] for link in LINK_NAMES})
        yield gauge(OLDEST, {(): self.oldest_seconds()})
        yield counter(API_ANSWERS, {(status,): self.api_answers[status] for status in API_STATUSES})
        yield from self.exits.collect()
        yield counter(RETAINED_CLEARED, {(answer,): self.retained_cleared[answer] for answer in CLEARING_ANSWERS})
