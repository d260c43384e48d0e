"""Every metric, declared once. Labels are bounded enums; no identifier, topic or pseudonym in a label (F10, D25).

On the message path a count is an addition to a plain number; only histograms, once a commit, use Prometheus's classes.

`received = stored + dropped + in flight` holds at every moment: the three are changed together, on one thread.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from collector.consent.ledger import Result
from collector.errors import Cause
from collector.exit_metrics import EXIT_DECLARED, ExitMetrics
from collector.exposition import Declared, counter, gauge, histogram
from collector.link_metrics import LINK_DECLARED, LinkMetrics
from collector.model import Action, DropReason, Region, Removal
from collector.spool_metrics import SPOOL_DECLARED, SpoolMetrics

CLEARING_ANSWERS: Final = ("cleared", "refused")
API_STATUSES: Final = (200, 400, 401, 404, 405, 408, 413, 415, 422, 500, 503)

RECEIVED: Final = Declared(
    "collector_messages_received_total",
    "counter",
    "Report messages received from the broker, redeliveries included, and those found in a spool at the start.",
)
DROPPED: Final = Declared(
    "collector_messages_dropped_total", "counter", "Report messages not kept; each has one reason.", ("reason",)
)
STORED: Final = Declared(
    "collector_records_stored_total", "counter", "Records stored durably; each is one report message.", ("region",)
)
IN_FLIGHT: Final = Declared(
    "collector_messages_in_flight",
    "gauge",
    "Report messages received and not yet stored or dropped, those in the spools included.",
)
IN_FLIGHT_BYTES: Final = Declared("collector_in_flight_bytes", "gauge", "Bytes of payloads not yet settled.")
PAUSED: Final = Declared("collector_reading_paused", "gauge", "1 while the socket is not read because memory is full.")
REMOVED: Final = Declared(
    "collector_fields_removed_total",
    "counter",
    "Keys left out of messages that became records, by treatment. local_only means a defect of the firmware.",
    ("treatment",),
)
CONSENT_EVENTS: Final = Declared(
    "collector_consent_events_total",
    "counter",
    "Consent events, joins by flag included, by what a region's ledger made of them. One from the consent topic "
    "arrives on both connections; the second is `repeated`.",
    ("region", "action", "result"),
)
CONSENT_REFUSED: Final = Declared(
    "collector_consent_messages_refused_total",
    "counter",
    "Messages on the consent topic that were refused on receipt, by reason.",
    ("reason",),
)
EXPIRED: Final = Declared(
    "collector_records_expired_total", "counter", "Records deleted because their retention was over.", ("region",)
)
ERASED: Final = Declared(
    "collector_records_erased_total", "counter", "Records erased, at an exit or on request.", ("region",)
)
COMMIT_SECONDS: Final = Declared(
    "collector_store_commit_seconds", "histogram", "Time that a commit takes, durable write included.", ("region",)
)
BATCH_ROWS: Final = Declared("collector_store_batch_rows", "histogram", "Entries in a commit.", ("region",))
STORE_FAILURES: Final = Declared(
    "collector_store_failures_total", "counter", "Times that a store refused or did not answer in time.", ("region",)
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
    "collector_witness_lag_entries", "gauge", "Entries of the ledger that its witness does not have yet.", ("region",)
)
CLOCK_BEHIND: Final = Declared(
    "collector_clock_behind_seconds",
    "gauge",
    "How far the clock is behind a time that is known to have passed; 0 if it is right.",
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
    "Requests to the broker to forget the retained report of a topic, by its answer.",
    ("answer",),
)

DECLARED: Final = (
    RECEIVED, DROPPED, STORED, IN_FLIGHT, IN_FLIGHT_BYTES, PAUSED, REMOVED, CONSENT_EVENTS, CONSENT_REFUSED, ERASED,
    EXPIRED, COMMIT_SECONDS, BATCH_ROWS, STORE_FAILURES, STORE_UP, STORE_CLOSED, LEDGER_ENTRIES, WITNESS_LAG,
    *SPOOL_DECLARED, CLOCK_BEHIND, *LINK_DECLARED, OLDEST, API_ANSWERS, RETAINED_CLEARED, *EXIT_DECLARED,
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
        self.links = LinkMetrics()
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
        self._regions = regions
        self.registry = CollectorRegistry()
        self.commit_seconds = histogram(COMMIT_SECONDS, _COMMIT_BUCKETS, self.registry)
        self.batch_rows = histogram(BATCH_ROWS, _BATCH_BUCKETS, self.registry)
        self.exits = ExitMetrics(regions, self.registry)
        self.registry.register(self)

    def drop(self, reason: DropReason) -> None:
        """Count a dropped message that never was in flight."""
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
        yield from self.links.collect()
        yield gauge(OLDEST, {(): self.oldest_seconds()})
        yield counter(API_ANSWERS, {(status,): self.api_answers[status] for status in API_STATUSES})
        yield from self.exits.collect()
        yield counter(RETAINED_CLEARED, {(answer,): self.retained_cleared[answer] for answer in CLEARING_ANSWERS})
