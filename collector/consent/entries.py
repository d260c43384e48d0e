"""Makes the ledger's entries, sealed by their hash, from acts and from the first flag of a router.

Rule 1: an entry depends only on the act, what the ledger says about its router, the notice and the entry before; not
        on a clock or on chance, so that a replay of the same acts gives the same entries.
Rule 2: what the owner was shown is evidence of a join. Any other act repeats what the consent already says.
"""

import msgspec

from collector.consent.acts import DATED, position_after
from collector.consent.joining import join_refusal, version_of
from collector.consent.ledger import Head, LedgerEntry
from collector.consent.policies import Policies
from collector.consent.standing import Standing, State
from collector.model import OPERATOR, Action, Channel, ConsentEvent, Record, Region


def join_by_flag(record: Record, head: Head, policies: Policies) -> LedgerEntry:
    """The entry that a router's first flagged message makes (D3, mode flag).

    It takes effect at the oldest time in the message: the flag is the evidence, and covers the whole message. As a
    router's clock may be ahead, it takes effect on receipt at the latest.
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
    """The entry of a consent event, which takes effect on receipt by the server (003 IV.4 L52: immediately).

    *newest* is the latest time in the ledger. An act that closes the gate takes effect then at the earliest, so that a
    clock that stepped back lets in nothing that was measured or clicked before the act (K38).
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
            # Evidence of a join, checked against the notice; in any other act it would be words that the router chose.
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
    # A join by somebody whose consent is in force continues it, perhaps under another version.
    joins_on = event.action is Action.JOIN and standing and policies.state(standing, at) is State.JOINED
    return before if goes_on or joins_on else max(at, before)


def _actor_auth(channel: Channel) -> str:
    return OPERATOR if channel in {Channel.RIGHTS_DESK, Channel.SYSTEM} else "broker"


def _version(event: ConsentEvent, standing: Standing | None, policies: Policies) -> str:
    """The version a join agrees to; for other acts the consent's own, or the one in force if there is no consent."""
    if event.action is Action.JOIN:
        return version_of(event, policies)
    return standing.policy_version if standing else (policies.in_force(event.received_at) or policies.first).version


def _regions(event: ConsentEvent, standing: Standing | None, region: Region) -> tuple[str, ...]:
    """The regions that a join names, or the ledger's own if it names none; for other acts those of the consent."""
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
