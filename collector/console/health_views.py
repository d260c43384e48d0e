"""What the console shows of the health of the regions, as documents; `views` has the others and the rules for all.

Rule 1: they hold nothing about any router (F10): they are for operators.
"""

from typing import Literal

from collector.model import Region, Sealed


class StoreHealth(Sealed, frozen=True):
    """A region's store as the console itself finds it. `state` is `ready` or why it is closed, `advice` what to do."""

    state: str
    advice: str | None
    last_received_at: str | None
    """When the last record or act was received."""
    ledger_entries: int | None
    ledger: Literal["agrees with its witness", "not verified"]
    """It is compared with its witness when the store is opened, and at every look after that."""


class ExitHealth(Sealed, frozen=True):
    """Acts that close a gate: those waiting for the ledger, and how long the others took, as the collector reports."""

    waiting: int
    oldest_seconds: float
    done: int
    mean_seconds: float | None
    """From receipt to the ledger, since the collector's start; null without any."""


class SpoolHealth(Sealed, frozen=True):
    """What waits while the store is away, as the collector reports it."""

    records: int
    bytes: int
    oldest_seconds: float


class Running(Sealed, frozen=True):
    """What only the running collector can say about a region."""

    store: str
    """`ready`, or why its store is closed."""
    records_stored: int
    """Since it was started."""
    records_per_minute: float | None
    """Over the last minutes; null at the first look."""
    witness_lag: int
    exits: ExitHealth
    spool: SpoolHealth


class RegionHealth(Sealed, frozen=True):
    """The health of a region. `running` is null if no running collector reports on it: it may be stopped."""

    region: Region
    store: StoreHealth
    running: Running | None


class HealthView(Sealed, frozen=True):
    """The health of the regions served here. `collector` is what /readyz says about its parts, null without answer."""

    made_at: str
    collector: dict[str, str] | None
    metrics_address: str
    regions: list[RegionHealth]
