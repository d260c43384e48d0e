"""Decides what one commit does, from its entries and from what the ledger says inside the transaction. Pure.

The stores differ in how they read and write; they do not differ in what they let through.
"""

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import compress
from operator import not_

from collector.consent.acts import EVERYTHING, erases_until
from collector.consent.entries import entry_of, join_by_flag
from collector.consent.gate import refusal
from collector.consent.joining import flag_join_refusal, join_refusal
from collector.consent.ledger import Head, LedgerEntry, Result, result_of
from collector.consent.standing import Standing, State
from collector.model import Action, ConsentEvent, DropReason, Entry, Identity, Record, Region
from collector.stores.gathering import parted
from collector.stores.plan import ConsentRules, Erasure, Insert, Plan
from collector.stores.trimming import without_events_before


def make_plan(
    entries: Sequence[Entry],
    *,
    region: Region,
    rules: ConsentRules,
    head: Head,
    standings: Mapping[bytes, Standing],
    seen_events: Collection[bytes],
    spent_ids: Collection[bytes] = (),
    stored_ids: Collection[bytes] = (),
    listed: AbstractSet[bytes] | None = None,
    newest: int = 0,
) -> Plan:
    """Decide which of *entries* are written. They are decided on in their order.

    *spent_ids* are record ids that must not be written again: erased ones, and those stored under an older key.
    *stored_ids* are the ids of *entries* that are stored now; if an act among the entries erases, those of its router
    are spent too. *listed* are the routers that the registry lists inside this transaction, None where it is not asked
    (K22). *newest* is the latest time that the ledger's last entry knows of.
    """
    deciding = _Deciding(region, rules, Plan(head=head), dict(standings), set(seen_events), set(spent_ids), stored_ids)
    deciding.newest = newest
    for entry in entries:
        if not isinstance(entry, Record):
            deciding.event(entry)
        elif listed is not None and listed.isdisjoint((entry.identity.device_ref, *entry.identity.older)):
            deciding.plan.dropped[DropReason.REGION_UNKNOWN] += 1
        else:
            deciding.record(entry)
    return deciding.plan


class _Deciding:
    """The state of `make_plan` while it walks the entries."""

    def __init__(
        self,
        region: Region,
        rules: ConsentRules,
        plan: Plan,
        standings: dict[bytes, Standing],
        seen: set[bytes],
        spent: set[bytes],
        stored: Collection[bytes],
    ) -> None:
        self.plan = plan
        self.newest = 0
        self._region = region
        self._rules = rules
        # Once a batch: while no version ends older consents and all versions are known, records need no check for that.
        closing = rules.policies.closing or not rules.policies.knows(standings)
        self._asks_more = closing or rules.mode == "registered"
        self._standings = standings
        self._seen = seen
        self._spent = spent
        self._stored = stored
        self._erased = set[bytes]()
        """Routers whose stored records are erased by an act among the entries."""

    def record(self, record: Record) -> None:
        identity = record.identity
        standing = self._standings.get(identity.device_ref) or self._standing(identity) or self._joined_by_flag(record)
        if standing is None:
            return
        # A router's clock may be ahead, but nothing is measured after its receipt.
        measured_at, received_at = record.measured_at, record.received_at
        when = measured_at if measured_at < received_at else received_at  # noqa: FURB136 - `min` takes four times as long
        reason = refusal(standing, self._region, when)
        if reason is None and self._asks_more:
            reason = self._more(standing, record)
        if reason is not None:
            self.plan.dropped[reason] += 1
            return
        if (self._spent or self._erased) and self._is_spent(record, standing):
            self.plan.dropped[DropReason.DUPLICATE] += 1
            return
        if received_at <= standing.erased_until:
            self.plan.dropped[DropReason.ERASED] += 1
            self.plan.bury.append(record.record_id)
            self._spent.add(record.record_id)
            return
        if record.oldest < standing.effective_at:
            record = without_events_before(record, standing.effective_at)
        self.plan.inserts.append(Insert(record, standing))

    def _is_spent(self, record: Record, standing: Standing) -> bool:
        # What is stored of other routers stays: a part that carries its sample's id is not a duplicate of the sample.
        if standing.device_ref in self._erased and record.record_id in self._stored:
            return True
        return not self._spent.isdisjoint((record.record_id, *record.older_ids))

    def _joined_by_flag(self, record: Record) -> Standing | None:
        """Join the router by its first flagged message if mode and notice allow that; else the message is dropped."""
        reason: DropReason | None = DropReason.NO_CONSENT_RECORD
        if self._rules.mode == "flag":
            reason = flag_join_refusal(record, self._rules.policies)
        if reason is not None:
            self.plan.dropped[reason] += 1
            return None
        self.plan.results[Action.JOIN, Result.RECORDED] += 1
        return self._append(join_by_flag(record, self.plan.head, self._rules.policies))

    def _more(self, standing: Standing, record: Record) -> DropReason | None:
        """G5 and G6: the notice in force at receipt decides, however long the message waited (K24)."""
        policies = self._rules.policies
        if not policies.admits(standing.policy_version, record.policy_version, record.received_at):
            return DropReason.POLICY_OUTDATED
        unattested = self._rules.mode == "registered" and not standing.attested
        return DropReason.CHILD_OR_UNATTESTED if unattested else None

    def event(self, event: ConsentEvent) -> None:
        standing = self._standing(event.identity)
        result = self._result(event, standing)
        self.plan.results[event.action, result] += 1
        self.plan.decided.append(result)
        if result is not Result.RECORDED:
            self.plan.unchanged += [standing] if standing else []
            return
        if event.event_ref is not None:
            self._seen.add(event.event_ref)
        entry = entry_of(
            event, standing, self.plan.head, region=self._region, policies=self._rules.policies, newest=self.newest
        )
        after = self._append(entry)
        until = erases_until(event.action, after, erase_on_exit=self._rules.erase_on_exit)
        # A hold keeps what there is: that includes what was received before it, which was still allowed then.
        closed = after.state is not State.JOINED
        if (closed and not after.holds) or until is not None:
            self._take_back(after, until, event.spent)
        if until is not None or parted([entry]):
            self._drop_again(after.device_ref)

    def _result(self, event: ConsentEvent, standing: Standing | None) -> Result:
        result = result_of(event, standing, self._seen)
        if event.action is not Action.JOIN or result is not Result.RECORDED:
            return result
        refused = join_refusal(event, self._region, self._rules.policies, self._rules.mode, standing)
        return Result.REFUSED if refused else result

    def _take_back(self, after: Standing, until: int | None, spent: Sequence[bytes]) -> None:
        """Take back what this same commit was about to write, and erase what is stored.

        *spent* are ids of records taken back elsewhere.
        """
        closed = after.state is not State.JOINED
        last = EVERYTHING if closed or until is None else until
        goes = [i.standing.device_ref == after.device_ref and i.record.received_at <= last for i in self.plan.inserts]
        mine = list(compress(self.plan.inserts, goes))
        if mine:
            self.plan.inserts = list(compress(self.plan.inserts, map(not_, goes)))
            self.plan.dropped[after.state.refusal if closed else DropReason.ERASED] += len(mine)
        if until is not None:
            self.plan.erase.append(Erasure(after.device_ref, until))
            self.plan.bury += [*(i.record.record_id for i in mine), *spent]
            self._spent.update(self.plan.bury)
            self._erased.add(after.device_ref)

    def _drop_again(self, device_ref: bytes) -> None:
        """Drop the records from before the act that are stored already or were taken back.

        If the act erases, they would otherwise be written again after the erasure (K09). Parts of samples go too: what
        was remembered of the other parts is gone with the act, and a sum of only some parts would be wrong.
        """
        if not (self._stored or self._spent):
            return
        again = [i.standing.device_ref == device_ref and self._is_known(i.record) for i in self.plan.inserts]
        if any(again):
            self.plan.inserts = list(compress(self.plan.inserts, map(not_, again)))
            self.plan.dropped[DropReason.DUPLICATE] += sum(again)

    def _is_known(self, record: Record) -> bool:
        return record.record_id in self._stored or record.record_id in self._spent

    def _append(self, entry: LedgerEntry) -> Standing:
        self.plan.appends.append(entry)
        self.plan.head = Head(seq=entry.seq, hash=entry.hash)
        self.newest = entry.newest
        standing = entry.standing()
        self._standings[standing.device_ref] = standing
        return standing

    def _standing(self, identity: Identity) -> Standing | None:
        """The standing under the current key, else under an older one: a rotated key must not reopen a closed gate."""
        found = self._standings.get(identity.device_ref)
        if found is not None or not identity.older:
            return found
        return next((self._standings[ref] for ref in identity.older if ref in self._standings), None)
