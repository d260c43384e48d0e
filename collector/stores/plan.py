"""What one commit is to do and what it did, in types that all stores share. `deciding.py` decides it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from collector.consent.acts import erases_until
from collector.consent.joining import Mode
from collector.consent.ledger import Head, LedgerEntry, Result
from collector.consent.policies import Policies
from collector.consent.policy_file import shipped_policies
from collector.consent.standing import Standing
from collector.model import Action, DropReason, Entry, Record, Removal, Sealed
from collector.stores.retention import UNLIMITED


class ConsentRules(Sealed, frozen=True):
    """How a region's ledger is kept."""

    mode: Mode = "flag"
    erase_on_exit: bool = True
    policies: Policies = msgspec.field(default_factory=shipped_policies)
    retention: int = UNLIMITED
    """For how many milliseconds after its receipt a record is kept."""
    listed_only: bool = False
    """Whether the region's registry has to list a router (`regions.registry = "required"`)."""


class Insert(Sealed, frozen=True, gc=False):
    """A record that passed the gate, and the consent that admitted it."""

    record: Record
    standing: Standing


class Erasure(NamedTuple):
    """A router's records received up to a time, in milliseconds, are to be erased."""

    device_ref: bytes
    until: int


class Plan(msgspec.Struct):
    """What the store is to write, in this order: ledger entries, erasures, records."""

    inserts: list[Insert] = msgspec.field(default_factory=list)
    appends: list[LedgerEntry] = msgspec.field(default_factory=list)
    erase: list[Erasure] = msgspec.field(default_factory=list)
    bury: list[bytes] = msgspec.field(default_factory=list)
    """Ids of records taken back before they were written; like erased ones they must not come again."""
    dropped: Counter[DropReason] = msgspec.field(default_factory=Counter)
    results: Counter[tuple[Action, Result]] = msgspec.field(default_factory=Counter)
    decided: list[Result] = msgspec.field(default_factory=list)
    """What became of the acts among the entries, in their order."""
    unchanged: list[Standing] = msgspec.field(default_factory=list)
    """The standings of routers whose acts change nothing."""
    head: Head = msgspec.field(default_factory=Head)

    @property
    def numbers(self) -> range:
        """The numbers of the ledger entries to be written."""
        return range(self.appends[0].seq, self.appends[-1].seq + 1) if self.appends else range(0)


class Committed(msgspec.Struct):
    """What a commit did, for counting: `stored + sum(dropped)` is the number of records that came in."""

    stored: int
    dropped: Counter[DropReason]
    results: Counter[tuple[Action, Result]]
    erased: int
    standings: list[Standing]
    """What the ledger says now of the routers whose consent this commit changed, or was asked to change.

    The latter because an earlier commit whose answer was lost may have made the change, unknown to this process.
    """
    removed: Counter[Removal]
    """How many keys were left out of the stored messages, by kind."""
    decided: list[Result] = msgspec.field(default_factory=list)
    """What became of the acts among the entries, in their order."""
    appended: range = range(0)
    """The numbers of the ledger entries written."""

    def add(self, done: "Committed") -> None:
        """Add what a later transaction of the same commit did."""
        self.stored += done.stored
        self.erased += done.erased
        self.standings = [*self.standings, *done.standings]
        self.decided = [*self.decided, *done.decided]
        if done.appended:
            first = self.appended.start if self.appended else done.appended.start
            self.appended = range(first, done.appended.stop)
        self.dropped.update(done.dropped)
        self.results.update(done.results)
        self.removed.update(done.removed)


def refs_of(entries: Sequence[Entry]) -> set[bytes]:
    """Every pseudonym whose standing `make_plan` will ask for, including those under older keys."""
    refs = {entry.identity.device_ref for entry in entries}
    for entry in entries:
        if entry.identity.older:
            refs.update(entry.identity.older)
    return refs


def erased_by(entries: Iterable[LedgerEntry], rules: ConsentRules) -> list[Erasure]:
    """The erasures that these entries bring about."""
    found: dict[bytes, int] = {}
    for entry in entries:
        after = entry.standing()
        until = erases_until(entry.action, after, erase_on_exit=rules.erase_on_exit)
        if until is not None:
            found[after.device_ref] = max(until, found.get(after.device_ref, 0))
    return [Erasure(device_ref, until) for device_ref, until in found.items()]


def removed_from(inserts: Iterable[Insert]) -> Counter[Removal]:
    """How many keys were left out of the messages of these records, by kind."""
    counts: Counter[Removal] = Counter()
    for insert in inserts:
        if insert.record.stripped:
            counts.update(dict(insert.record.stripped))
    return counts
