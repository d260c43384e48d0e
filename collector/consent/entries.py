"""The entries that acts, and the first flag of a router, make in the ledger: what each says, sealed by its hash.

Rule 1: an entry follows from the act, what the ledger says of its router, the notice and the entry before; from no
        clock and no chance, so that a replay of the same acts gives the same entries.
Rule 2: what was shown is evidence of a join. Any other act goes on with what the consent says of itself.
"""

import msgspec

from collector.consent.acts import DATED, position_after
from collector.consent.joining import join_refusal, version_of
from collector.consent.ledger import Head, LedgerEntry
from collector.consent.policies import Policies
from collector.consent.standing import Standing, State
from collector.model import OPERATOR, Action, Channel, ConsentEvent, Record, Region


def join_by_flag(record: Record, head: Head, policies: Policies) -> LedgerEntry:
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
            state=State.JOINED,
            channel=Channel.TELEMETRY_FLAG,
            policy_version=version_of(record, policies),
            policy_digest=None,
            language=None,
            storage_regions=(record.region.value,),
            adult_or_guardian=None,
            attested=False,
            effective_at=min(record.oldest, record.received_at),
            client_time=record.event_time,
            received_at=record.received_at,
            actor_auth="broker",
            event_ref=None,
            prev_hash=head.hash,
        )
    )


def entry_of(
    event: ConsentEvent, standing: Standing | None, head: Head, *, region: Region, policies: Policies, newest: int = 0
) -> LedgerEntry:
    """The entry of a consent event; server receipt is when it takes effect (003 IV.4 L52: immediately).

    *newest* is the latest time the ledger has come to: an act that closes takes effect then at the earliest, so that a
    clock that stepped back opens nothing to what was measured or clicked before it (K38).
    """
    joins, at = event.action is Action.JOIN, event.received_at
    position = position_after(event, standing)
    renewed = joins and standing is not None and standing.state in {State.VOID, State.CLOSED}
    return _sealed(
        LedgerEntry(
            seq=head.seq + 1,
            consent_id="" if joins or standing is None else standing.consent_id,
            device_ref=(standing.device_ref if standing else event.identity.device_ref).hex(),
            key_id=standing.key_id if standing else event.identity.key_id,
            generation=standing.generation + renewed if standing else 1,
            action=event.action,
            state=position.state,
            channel=event.channel,
            policy_version=_version(event, standing, policies),
            # Evidence of a join, checked against the notice; in any other act it would be words of the router's choice.
            policy_digest=event.policy_digest if joins else None,
            language=event.language if joins else None,
            storage_regions=_regions(event, standing, region),
            adult_or_guardian=event.adult_or_guardian if joins else None,
            attested=_attested(event, standing, region, policies),
            effective_at=_effective_at(event, standing, policies, newest, goes_on=position.goes_on),
            client_time=event.client_time,
            received_at=at,
            actor_auth=event.actor_auth or _actor_auth(event.channel),
            event_ref=event.event_ref.hex() if event.event_ref else None,
            prev_hash=head.hash,
            reason=event.reason,
            reference=event.reference,
            holds=position.holds,
            beneath=position.beneath,
            erased_until=_erased_until(event, standing),
        )
    )


def _erased_until(event: ConsentEvent, standing: Standing | None) -> int:
    before = standing.erased_until if standing else 0
    return max(before, event.received_at) if event.action is Action.ERASE else before


def _effective_at(
    event: ConsentEvent, standing: Standing | None, policies: Policies, newest: int, *, goes_on: bool
) -> int:
    at, before = event.received_at, standing.effective_at if standing else 0
    if event.action not in DATED and (at < newest or not goes_on):
        return max(at, newest, before)
    # A join by somebody whose consent holds goes on with it, under another text perhaps.
    joins_on = event.action is Action.JOIN and standing and policies.state(standing, at) is State.JOINED
    return before if goes_on or joins_on else max(at, before)


def _actor_auth(channel: Channel) -> str:
    return OPERATOR if channel in {Channel.RIGHTS_DESK, Channel.SYSTEM} else "broker"


def _version(event: ConsentEvent, standing: Standing | None, policies: Policies) -> str:
    """The version a join is to; of another act the consent's own, or what was in force if there is none."""
    if event.action is Action.JOIN:
        return version_of(event, policies)
    return standing.policy_version if standing else (policies.in_force(event.received_at) or policies.first).version


def _regions(event: ConsentEvent, standing: Standing | None, region: Region) -> tuple[str, ...]:
    """The regions a join names, the ledger's own if none; of another act those of the consent."""
    told = standing.storage_regions if standing and event.action is not Action.JOIN else event.storage_regions
    return tuple(str(name) for name in told or (region.value,))


def _attested(event: ConsentEvent, standing: Standing | None, region: Region, policies: Policies) -> bool:
    if event.action is Action.JOIN:
        return join_refusal(event, region, policies, "registered") is None
    return standing is not None and standing.attested


def _sealed(entry: LedgerEntry) -> LedgerEntry:
    """Give an entry its consent id, if it begins a consent, and its hash."""
    if not entry.consent_id:
        # Derived from the chain, so that it is unique and a replay of the same entries gives the same ids.
        entry = msgspec.structs.replace(entry, consent_id=entry.computed_hash()[:32])
    return msgspec.structs.replace(entry, hash=entry.computed_hash())
