"""What tests of the ledger are made of: how a router stands in it, and the entry that an act makes."""

from collections.abc import Collection

from notices import later, notice
from records import HOUR, START, router

from collector.consent.entries import entry_of
from collector.consent.ledger import Head, LedgerEntry
from collector.consent.standing import Standing, State
from collector.model import ConsentEvent, Region

LATER = START + HOUR
NOTICE = notice(later("2021-01-01", "minor", at=START - HOUR))
LEFT = (State.EXITED, State.EXITED_RESTRICTED, State.VOID, State.CLOSED)


def standing(state: State = State.JOINED, *, at: int = START) -> Standing:
    """What the ledger says of router a."""
    return Standing(
        device_ref=router("a").device_ref,
        key_id="key-1",
        state=state,
        seq=7,
        consent_id="c" * 32,
        generation=1,
        effective_at=at,
        policy_version="2020-03-14",
        storage_regions=("germany", "hong_kong"),
    )


def entry(event: ConsentEvent, before: Standing | None = None, head: Head | None = None) -> LedgerEntry:
    """The entry an act makes in Germany's ledger."""
    return entry_of(event, before, head or Head(), region=Region.GERMANY, policies=NOTICE)


def first_fault(entries: Collection[LedgerEntry], before: Head | None = None) -> int | None:
    """The number of the first entry that does not follow from the one before it, or None if the chain holds."""
    head = before or Head()
    for entry in entries:
        if entry.seq != head.seq + 1 or entry.prev_hash != head.hash or entry.hash != entry.computed_hash():
            return entry.seq
        head = Head(seq=entry.seq, hash=entry.hash)
    return None
