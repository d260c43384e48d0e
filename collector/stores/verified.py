"""What is found when a store is checked against its own ledger, whatever its engine.

Rule 1: a finding names numbers of entries and counts; never a pseudonym.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from collector.consent.acts import erases_until
from collector.consent.chain import Chain, Row
from collector.consent.ledger import Head
from collector.consent.standing import Standing, State
from collector.model import Region
from collector.stores.rows import Damaged, decode_entry, standing_of

_MOST_TOLD: Final = 20
STRAYS: Final = "{} records belong to no router that the store knows"
TWICE: Final = "{} records are stored twice"


class Expected(NamedTuple):
    """What a ledger is checked against: heads that were kept elsewhere, and whether an exit erases."""

    heads: tuple[Head, ...] = ()
    erase_on_exit: bool = True


class Span(NamedTuple):
    """Records of one router under one consent: how many, and when the first and the last were received."""

    number: int
    first: int
    last: int


class Verified(msgspec.Struct):
    """What was found in one region's store; `faults` are the first of `fault_count`, a sentence each."""

    region: Region
    head: Head = msgspec.field(default_factory=Head)
    entries: int = 0
    routers: int = 0
    joined: int = 0
    records: int = 0
    fault_count: int = 0
    faults: list[str] = msgspec.field(default_factory=list)

    def fault(self, sentence: str) -> None:
        """Note a finding."""
        self.fault_count += 1
        if len(self.faults) < _MOST_TOLD:
            self.faults.append(sentence)

    def standing(self, row: Sequence[Any], last: Sequence[Any] | None) -> None:
        """Look at a row of `router`; *last* holds the ledger's last entry about it."""
        self.routers += 1
        standing = _standing(row)
        self.joined += standing is not None and standing.state is State.JOINED
        if fault := standing_fault(row, last):
            self.fault(fault)

    def covered(
        self, row: Sequence[Any], consent_seq: int, span: Span, acts: Sequence[Sequence[Any]], expected: Expected
    ) -> None:
        """Look at records under one consent of the router in *row*; *acts* hold its entries from that consent on."""
        self.records += span.number
        standing = _standing(row)
        # A standing that cannot be read was reported already.
        fault = standing and _record_fault(standing, consent_seq, span, acts, expected)
        if standing and fault:
            self.fault(f"{span.number} records of the router of entry {standing.seq} {fault}")


class Following:
    """The walk along a ledger, with the heads that were kept elsewhere."""

    def __init__(self, found: Verified, expected: Expected) -> None:
        self._found = found
        self._chain = Chain()
        self._wanted = {head.seq: head.hash for head in expected.heads if head.seq}

    def entry(self, row: Row) -> None:
        """Look at the next entry."""
        _, fault = self._chain.follow(row)
        if fault:
            self._found.fault(f"entry {row.seq} {fault}")
        if self._wanted.pop(row.seq, row.hash) != row.hash:
            self._found.fault(f"entry {row.seq} has another hash than the head that was kept elsewhere")
        self._found.entries += 1

    def end(self) -> None:
        """Take it that there are no more entries."""
        self._found.head = head = self._chain.head
        for seq in sorted(self._wanted):
            told = f"entry {seq} is missing, the head that was kept elsewhere; the ledger ends at {head.seq}"
            self._found.fault(told)


def _standing(row: Sequence[Any] | None) -> Standing | None:
    try:
        return standing_of(row) if row else None
    except Damaged:
        return None


def standing_fault(row: Sequence[Any] | None, last: Sequence[Any] | None) -> str | None:
    """How a router's standing differs from the ledger's last entry about it; None if it does not."""
    if last is None:
        return "a router has a standing but no entry in the ledger"
    try:
        entry = decode_entry(last[0])
    except Damaged:
        return "a router has a last entry that cannot be read"
    standing = _standing(row)
    if standing is None:
        return f"the standing of the router of entry {entry.seq} cannot be read"
    if standing != entry.standing():
        return f"the router of entry {entry.seq} stands as {standing.state.value}, not as that entry says"
    return None


def _record_fault(
    standing: Standing, consent_seq: int, span: Span, rows: Sequence[Sequence[Any]], expected: Expected
) -> str | None:
    try:
        acts = [decode_entry(row[0]) for row in rows]
    except Damaged:
        return None  # reported already, with the chain
    if not acts or acts[0].seq != consent_seq or acts[0].state is not State.JOINED:
        return f"name entry {consent_seq} as their consent, which is no consent of that router"
    for act in acts[1:]:
        until = erases_until(act.action, act.standing(), erase_on_exit=expected.erase_on_exit)
        if until is not None and span.first <= until:
            return f"were not erased by entry {act.seq}"
    if standing.state is not State.JOINED and span.last > standing.effective_at:
        return "were received after it closed the gate"
    return None
