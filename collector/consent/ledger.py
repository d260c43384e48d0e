"""The consent ledger of one region: what opened and closed the gate for each router, in order.

Rule 1: append-only; entries are numbered without gaps and each carries the hash of the one before (D2).
Rule 2: the order is that of the numbers, which is that of receipt; wall time decides nothing but the window of a join.
Rule 3: an act counts once; a tie, and whatever is unknown, is an exit.
Rule 4: what decides is here, pure; a store only reads standings, writes entries and holds the lock around both.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Final, Literal

import msgspec
import orjson

from collector.consent.standing import Standing, State
from collector.model import PURPOSE, Action, Channel, ConsentEvent, Record, Region, Sealed

POLICY_ID: Final = "ueip"
CLOCK_DOUBT: Final = 300_000
"""How far ahead a router's clock may be, in milliseconds, where only that clock says when something was (G7)."""
GENESIS: Final = "0" * 64
Mode = Literal["flag", "registered"]

STATE_AFTER: Final[Mapping[Action, State]] = {
    Action.JOIN: State.JOINED,
    Action.EXIT: State.EXITED,
    Action.VOID: State.VOID,
    Action.RESTRICT: State.RESTRICTED,
    Action.UNRESTRICT: State.JOINED,
    Action.UNBIND: State.CLOSED,
    Action.CANCEL: State.CLOSED,
}
"""The state each act leads to (catalogue 4.4)."""

ERASING: Final = frozenset({Action.EXIT, Action.VOID, Action.UNBIND, Action.CANCEL})
"""The acts after which nothing of the router stays (4.4, D5); a restriction keeps the records, unreadable."""

_LEFT: Final = frozenset({State.EXITED, State.VOID, State.CLOSED})
"""The states that nothing but a join leads out of."""


class Result(StrEnum):
    """What became of a consent event."""

    RECORDED = "recorded"
    REPEATED = "repeated"
    """The act is in the ledger already."""
    STALE = "stale"
    """A join from before the exit that stands; a sync is not a join (K20)."""
    WITHOUT_EFFECT = "without_effect"
    """An exit or a restriction of a router that has not joined here, or has left."""


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
    channel: Channel
    policy_version: str
    policy_digest: str | None
    language: str | None
    storage_regions: tuple[str, ...]
    adult_or_guardian: str | None
    effective_at: int
    client_time: int | None
    received_at: int
    actor_auth: str
    event_ref: str | None
    prev_hash: str
    hash: str = ""
    policy_id: str = POLICY_ID
    purposes: tuple[str, ...] = (PURPOSE,)
    transfer_destinations: tuple[str, ...] = ()

    def content(self) -> bytes:
        """The bytes the hash is of: every member but the hash, as JSON with sorted keys."""
        members = {name: getattr(self, name) for name in self.__struct_fields__ if name != "hash"}
        return orjson.dumps(members, option=orjson.OPT_SORT_KEYS)

    def computed_hash(self) -> str:
        """SHA-256 over the content, hex."""
        return sha256(self.content()).hexdigest()

    def standing(self) -> Standing:
        """What the entry says of its router from now on."""
        return Standing(
            device_ref=bytes.fromhex(self.device_ref),
            key_id=self.key_id,
            state=STATE_AFTER[self.action],
            seq=self.seq,
            consent_id=self.consent_id,
            generation=self.generation,
            effective_at=self.effective_at,
            policy_version=self.policy_version,
            storage_regions=self.storage_regions,
        )


def join_by_flag(record: Record, head: Head) -> LedgerEntry:
    """The entry that the first flagged message of a router opens (D3, mode flag).

    It takes effect at the oldest time the message speaks of: the flag in it is the evidence, and it covers that much.
    A router's clock may be ahead; the receipt is the latest it can be.
    """
    return _sealed(
        LedgerEntry(
            seq=head.seq + 1,
            consent_id="",
            device_ref=record.identity.device_ref.hex(),
            key_id=record.identity.key_id,
            generation=1,
            action=Action.JOIN,
            channel=Channel.TELEMETRY_FLAG,
            policy_version=record.policy_version,
            policy_digest=None,
            language=None,
            storage_regions=(record.region.value,),
            adult_or_guardian=None,
            effective_at=min(record.oldest, record.received_at),
            client_time=record.event_time,
            received_at=record.received_at,
            actor_auth="broker",
            event_ref=None,
            prev_hash=head.hash,
        )
    )


def entry_of(event: ConsentEvent, standing: Standing | None, head: Head, *, region: Region, policy: str) -> LedgerEntry:
    """The entry of a consent event; server receipt is when it takes effect (003 IV.4 L52: immediately)."""
    continues = event.action is Action.JOIN and standing is not None and standing.state is State.JOINED
    regions = event.storage_regions or (standing.storage_regions if standing else (region.value,))
    return _sealed(
        LedgerEntry(
            seq=head.seq + 1,
            consent_id="" if event.action is Action.JOIN or standing is None else standing.consent_id,
            device_ref=(standing.device_ref if standing else event.identity.device_ref).hex(),
            key_id=standing.key_id if standing else event.identity.key_id,
            generation=standing.generation if standing else 1,
            action=event.action,
            channel=event.channel,
            policy_version=event.policy_version or (standing.policy_version if standing else policy),
            policy_digest=event.policy_digest,
            language=event.language,
            storage_regions=tuple(str(name) for name in regions),
            adult_or_guardian=event.adult_or_guardian,
            # A join by somebody who has joined goes on with the consent that stands, under a newer text perhaps.
            effective_at=standing.effective_at if standing and continues else event.received_at,
            client_time=event.client_time,
            received_at=event.received_at,
            actor_auth=event.actor_auth or _actor_auth(event.channel),
            event_ref=event.event_ref.hex() if event.event_ref else None,
            prev_hash=head.hash,
        )
    )


def _actor_auth(channel: Channel) -> str:
    return "operator" if channel in {Channel.RIGHTS_DESK, Channel.SYSTEM} else "broker"


def result_of(event: ConsentEvent, standing: Standing | None, seen: Collection[bytes]) -> Result:
    """Whether a consent event goes into the ledger, and if not, why."""
    if any(ref in seen for ref in (event.event_ref, *event.older_event_refs) if ref is not None):
        return Result.REPEATED
    if event.action is Action.JOIN:
        return Result.STALE if standing is not None and _is_stale(event, standing) else Result.RECORDED
    # A restricted router can leave, but a restriction and its end must not let in one that has left.
    if event.only_if_joined or event.action in {Action.RESTRICT, Action.UNRESTRICT}:
        return Result.WITHOUT_EFFECT if standing is None or standing.state in _LEFT else Result.RECORDED
    return Result.RECORDED


def _is_stale(join: ConsentEvent, standing: Standing) -> bool:
    """Whether what closed the gate is newer than the join, by receipt or by the join's own time."""
    if standing.state is State.JOINED:
        return False
    said = join.received_at if join.client_time is None else join.client_time
    # When a replayed join came to the broker nobody knows; its own clock may be ahead by as much as is allowed.
    doubt = CLOCK_DOUBT if join.replayed else 0
    return min(join.received_at, said - doubt) <= standing.effective_at


def _sealed(entry: LedgerEntry) -> LedgerEntry:
    """Give an entry its consent id, if it begins a consent, and its hash."""
    if not entry.consent_id:
        # Derived from the chain, so that it is unique and a replay of the same entries gives the same ids.
        entry = msgspec.structs.replace(entry, consent_id=entry.computed_hash()[:32])
    return msgspec.structs.replace(entry, hash=entry.computed_hash())


def first_fault(entries: Collection[LedgerEntry], before: Head | None = None) -> int | None:
    """The number of the first entry that does not follow from the one before it, or None if the chain holds."""
    head = before or Head()
    for entry in entries:
        if entry.seq != head.seq + 1 or entry.prev_hash != head.hash or entry.hash != entry.computed_hash():
            return entry.seq
        head = Head(seq=entry.seq, hash=entry.hash)
    return None
