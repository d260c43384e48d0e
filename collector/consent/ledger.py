"""The consent ledger of one region: what opened and closed the gate for each router, in order.

Rule 1: append-only; entries are numbered without gaps and each carries the hash of the one before (D2).
Rule 2: entries are numbered in the order of receipt; wall time decides nothing but the window of a join.
Rule 3: an act counts once; a tie (acts within a second) and whatever is unknown counts as an exit.
Rule 4: all decisions are made here and in `entries`, by pure functions; a store only reads standings, writes entries
        and holds the lock around both.
"""

from collections.abc import Collection
from enum import StrEnum
from hashlib import sha256
from typing import Final

import orjson

from collector.consent.acts import ERASING, LEFT, RESTRICTED, state_after
from collector.consent.standing import Standing, State
from collector.model import PURPOSE, RECIPIENTS, Action, Channel, ConsentEvent, Sealed

POLICY_ID: Final = "ueip"
CLOCK_DOUBT: Final = 300_000
"""How far a router's clock may be ahead, in milliseconds, where nothing else says when something happened (G7)."""
GENESIS: Final = "0" * 64

TIE: Final = 1000
"""Milliseconds within which nobody can tell which of two acts was first: the closing one wins (K07, K18)."""


class Result(StrEnum):
    """What became of a consent event."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    """The act is in the ledger already."""
    STALE = "stale"
    """A join from before the exit that stands; a sync is not a join (K20)."""
    WITHOUT_EFFECT = "without_effect"
    """It would change nothing (unknown router, or in that state already), or a restriction or a hold prevents it."""
    REFUSED = "refused"
    """A join that lacks something it must have (`joining`)."""


class Head(Sealed, frozen=True):
    """The end of the chain: number and hash of the last entry."""

    seq: int = 0
    hash: str = GENESIS


class LedgerEntry(Sealed, frozen=True):
    """One entry (catalogue 4.3): pseudonymous, no free text, kept as evidence after the records are gone."""

    seq: int
    consent_id: str
    device_ref: str
    key_id: str
    generation: int
    action: Action
    state: State
    """What the ledger says of the router from here on."""
    channel: Channel
    policy_version: str
    policy_digest: str | None
    language: str | None
    storage_regions: tuple[str, ...]
    adult_or_guardian: str | None
    attested: bool
    """Whether the consent was given by a join event with everything that mode `registered` asks for."""
    effective_at: int
    client_time: int | None
    received_at: int
    actor_auth: str
    event_ref: str | None
    prev_hash: str
    hash: str = ""
    policy_id: str = POLICY_ID
    purposes: tuple[str, ...] = (PURPOSE,)
    transfer_destinations: tuple[str, ...] = RECIPIENTS
    reason: str | None = None
    reference: str | None = None
    """The code of a legal hold."""
    holds: tuple[str, ...] = ()
    """The references of the legal holds in force from here on."""
    beneath: State | None = None
    """During a hold: the state that applies again when the last hold ends."""
    erased_until: int = 0
    """Everything received up to then was erased on request."""

    def content(self) -> bytes:
        """The bytes that are hashed: every member but the hash, as JSON with sorted keys."""
        members = {name: getattr(self, name) for name in self.__struct_fields__ if name != "hash"}
        return orjson.dumps(members, option=orjson.OPT_SORT_KEYS)

    def computed_hash(self) -> str:
        """SHA-256 over the content, hex."""
        return sha256(self.content()).hexdigest()

    @property
    def newest(self) -> int:
        """The time of receipt or of effect, whichever is later."""
        return max(self.received_at, self.effective_at)

    def standing(self) -> Standing:
        """What the entry says of its router from now on."""
        return Standing(
            device_ref=bytes.fromhex(self.device_ref),
            key_id=self.key_id,
            state=self.state,
            seq=self.seq,
            consent_id=self.consent_id,
            generation=self.generation,
            effective_at=self.effective_at,
            policy_version=self.policy_version,
            storage_regions=self.storage_regions,
            attested=self.attested,
            holds=self.holds,
            beneath=self.beneath,
            erased_until=self.erased_until,
        )


def result_of(event: ConsentEvent, standing: Standing | None, seen: Collection[bytes]) -> Result:
    """Whether a consent event goes into the ledger, and if not, why."""
    if any(ref in seen for ref in (event.event_ref, *event.older_event_refs) if ref is not None):
        return Result.REPEATED
    if event.action is Action.JOIN:
        return _result_of_join(event, standing)
    if standing is None:
        appears = event.action in ERASING and not event.only_if_joined
        return Result.RECORDED if appears else Result.WITHOUT_EFFECT
    return Result.RECORDED if _changes_something(event, standing) else Result.WITHOUT_EFFECT


def _changes_something(event: ConsentEvent, standing: Standing) -> bool:
    own = standing.own_state
    match event.action:
        case Action.HOLD:
            return event.reference is not None and event.reference not in standing.holds
        case Action.RELEASE:
            return event.reference in standing.holds
        # A restricted router can leave, but a restriction and its end must not let in one that has left.
        case Action.RESTRICT:
            return own not in LEFT or own is State.EXITED
        case Action.UNRESTRICT:
            return own in RESTRICTED
        case Action.ERASE:
            return True
    return not event.only_if_joined or own not in LEFT or state_after(event.action, own) is not own


def _result_of_join(join: ConsentEvent, standing: Standing | None) -> Result:
    if standing is None or standing.state is State.JOINED:
        return Result.RECORDED
    # The owner's next click must not lift a restriction or a hold.
    if standing.own_state in RESTRICTED or standing.holds:
        return Result.WITHOUT_EFFECT
    return Result.STALE if _is_stale(join, standing) else Result.RECORDED


def _is_stale(join: ConsentEvent, standing: Standing) -> bool:
    """Whether the join is not clearly newer than what closed the gate, by receipt and by its own time."""
    said = join.received_at if join.client_time is None else join.client_time
    # Nobody knows when a replayed join reached the broker, and its clock may be ahead by as much as is allowed.
    doubt = CLOCK_DOUBT if join.replayed else 0
    return min(join.received_at, said - doubt) < standing.effective_at + TIE
