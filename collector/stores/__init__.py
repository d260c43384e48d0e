"""Stores: one region's records, registry and ledger, behind one protocol.

Rule 1: a commit is one transaction: the ledger is read, the gate asked again, records and ledger entries written, and
        the records of routers that left erased. It is all or nothing, and durable when `commit` returns.
Rule 2: a record is stored once, however often it is delivered (`record_id`).
Rule 3: a store never learns a raw identifier.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final, Protocol

from collector.consent.acts import OPENING
from collector.consent.ledger import Head, LedgerEntry
from collector.consent.standing import Standing, State
from collector.model import OPERATOR, Entry, Region, Sealed
from collector.stores.plan import Committed
from collector.stores.retention import Purged

__all__ = ["CHANGES_AT_ONCE", "Change", "Committed", "Purged", "Router", "Store", "StoredRecord"]

CHANGES_AT_ONCE: Final = 10_000
"""So many entries of a ledger are read at once, however many others wrote: they take some 8 MiB."""


class Router(Sealed, frozen=True):
    """A router as an engineer finds it; only records from after it last left are counted."""

    standing: Standing
    records: int
    first_received_at: int | None
    last_received_at: int | None


class Change(Sealed, frozen=True):
    """What a ledger entry did: the standing of its router from then on.

    `commanded_at` is when it was asked for, if it closes a gate or erases and was done by a command, not a collector.
    """

    standing: Standing
    commanded_at: int | None

    @staticmethod
    def by(entry: LedgerEntry) -> "Change":
        """What *entry* did."""
        commanded = entry.actor_auth == OPERATOR and entry.action not in OPENING
        return Change(entry.standing(), entry.received_at if commanded else None)


class StoredRecord(Sealed, frozen=True, gc=False):
    """A record as it was stored: envelope and body."""

    record_id: bytes
    device_ref: bytes
    key_id: str
    event_time: int
    received_at: int
    consent_id: str
    consent_seq: int
    policy_version: str
    source_adapter: str
    stripped: dict[str, int]
    body: bytes


class Store(Protocol):
    """One region's data. Passes tests/contract/test_stores.py."""

    @property
    def region(self) -> Region:
        """The region, written into the store when it was made."""
        ...

    async def open(self) -> None:
        """Make the store ready, creating or migrating it.

        Raises:
            StoreUnusable: it is not a store of this region, or a newer collector made it.
            StoreUnavailable: it cannot be reached now.
        """
        ...

    async def close(self) -> None:
        """Close the store; what was committed stays."""
        ...

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """Gate *entries* once more and write what may be kept, in one durable transaction.

        Raises:
            StoreUnavailable: nothing was written; try again later.
        """
        ...

    async def changes(self, after: int, most: int = CHANGES_AT_ONCE) -> list[Change]:
        """What the first *most* ledger entries numbered above *after* did, oldest first; called about once a second.

        Raises:
            StoreUnavailable: the ledger cannot be read; the gate is closed (D6).
        """
        ...

    async def head(self) -> Head:
        """The end of the ledger."""
        ...

    async def closed(self, most: int) -> dict[bytes, State]:
        """The states of the *most* routers that were closed last, by pseudonym, the latest being the last."""
        ...

    async def joined(self, after: bytes, most: int) -> list[bytes]:
        """The pseudonyms above *after* of routers that have joined, in their order, at most *most*.

        Raises:
            StoreUnavailable: the ledger cannot be read.
        """
        ...

    async def find(self, refs: Sequence[tuple[str, bytes]]) -> list[Router]:
        """The routers known by any of these pseudonyms (kind, ref); kind `router` is the device_ref itself."""
        ...

    def records(self, device_ref: bytes, *, since: int = 0, limit: int = 1000) -> AsyncIterator[StoredRecord]:
        """A router's newest records, newest first; none if it is not joined, and none from before it last left."""
        ...

    async def on_cell(self, cell_ref: str, *, since: int, newest: int) -> list[StoredRecord]:
        """The records measured *since* then with a fault event on a cell (its pseudonym, hex), of all routers.

        As in `records`, routers that are not joined are left out, as is what is past its time or from before they left.
        Bounded: only the *newest* records of the store are looked at.
        """
        ...

    async def ledger(self, device_ref: bytes | None = None) -> list[LedgerEntry]:
        """The ledger's entries, all or those of one router, oldest first."""
        ...

    async def entries(self, after: int = 0, limit: int = 1000) -> list[str]:
        """The ledger's entries numbered above *after*, oldest first, as they were written."""
        ...

    async def restore(self, entries: Sequence[str]) -> int:
        """Append entries of this same ledger that the store has lost, and do again what they did.

        Returns:
            How many records were erased by them.

        Raises:
            StoreUnavailable: nothing was written; cause `corrupt` if the entries do not continue the ledger.
        """
        ...

    async def noted(self, name: str) -> str | None:
        """What the store has noted about itself under *name*."""
        ...

    async def note(self, name: str, value: str) -> None:
        """Note *value* under *name*, in the store itself."""
        ...

    async def purge(self) -> Purged:
        """Delete some of what is past its time, oldest first and in one transaction; what is under a hold is kept.

        Reads leave out what is past its time, purged or not.
        """
        ...

    async def newest(self) -> int:
        """When the last record or the last entry was received, whichever is later; 0 for none.

        The collector's clock is compared with it (K38).
        """
        ...

    async def accept_times(self) -> None:
        """Have `newest` ignore everything stored so far: somebody found that the clock was wrong then."""
        ...
