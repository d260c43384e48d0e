"""The gate: the only place that makes a `Consented` or a `ConsentedPlain`.

Rule 1: it opens for a plain yes and for nothing else (D1); whatever is unknown is a no.
Rule 2: an exit in the ledger wins over a flag until a newer join (D2).
Rule 3: the answer given on receipt only saves work. The writer asks again inside the transaction of the commit, with
        what the ledger says there (`refusal`), and that answer decides.
"""

from collections.abc import Container
from typing import Final

from collector.consent.joining import Mode, join_refusal
from collector.consent.policies import Policies
from collector.consent.standing import Standing, State
from collector.model import (
    Action,
    ConsentChange,
    Consented,
    ConsentedPlain,
    ConsentEvent,
    ConsentRefused,
    DropReason,
    Flag,
    Identity,
    Message,
    PlainReport,
    Region,
    Report,
    Sealed,
)

_JOINED: Final = State.JOINED
"""Needed for each record, and looking up a member of an enumeration takes time."""
_FLAG_REFUSALS: Final = {
    Flag.NO: DropReason.FLAG_FALSE,
    Flag.ABSENT: DropReason.FLAG_ABSENT,
    Flag.INVALID: DropReason.FLAG_INVALID,
    Flag.NONE: DropReason.FLAG_ABSENT,
}


class GateRules(Sealed, frozen=True):
    """What the gate goes by. There is no setting that opens it without a yes (D6)."""

    policies: Policies
    mode: Mode
    max_age: int
    max_ahead: int
    by_ledger: bool = False
    """Whether a format without a flag may rest on the ledger alone: in mode `registered` only (D3)."""


def flag_refusal(report: Report) -> DropReason | None:
    """Why the flag keeps a report out; None for a plain yes, and for a format without a flag (see `consent`)."""
    return None if report.flag is Flag.NONE else _FLAG_REFUSALS.get(report.flag)


def consent(
    report: Report, message: Message, region: Region, identity: Identity, closed: State | None, rules: GateRules
) -> Consented | DropReason:
    """Let a flagged and routed report through, or say why not.

    *closed* is the state of a router that the region's ledger keeps out; None is "nothing known", which the commit will
    settle.
    """
    if report.flag is not Flag.YES and (report.flag is not Flag.NONE or not rules.by_ledger):
        return _FLAG_REFUSALS[report.flag]
    declared = report.policy_version
    if declared is not None and message.received_at >= rules.policies.ends.get(declared, 0):
        return DropReason.POLICY_OUTDATED
    when = event_time(report, message.received_at, rules)
    if isinstance(when, DropReason):
        return when
    if closed is not None:
        return closed.refusal
    return Consented(
        report=report,
        region=region,
        identity=identity,
        event_time=when,
        received_at=message.received_at,
        policy_version=declared,
    )


def consent_at_once(
    plain: PlainReport,
    declared: str | None,
    received_at: int,
    device_ref: bytes,
    closed: Container[bytes],
    rules: GateRules,
) -> ConsentedPlain | None:
    """`consent` for a plain report that declares that version of the notice, where the answer is plainly yes.

    None is not a refusal: `consent` has to be asked then. *closed* are the region's routers known to be closed.
    """
    if plain.flagged is not True or device_ref in closed:
        return None
    if declared is not None and received_at >= rules.policies.ends.get(declared, 0):
        return None
    said = plain.time
    if said > received_at + rules.max_ahead or said < received_at - rules.max_age:
        return None
    return ConsentedPlain(plain, said, received_at, declared)


def event_time(report: Report, received_at: int, rules: GateRules) -> int | DropReason:
    """When the report was measured (G7). `received_at` is never used just to let a message pass (K08).

    If the router's clock cannot be right, the age that its uptime gives is used instead, if there is one.
    """
    said = report.time
    reason = DropReason.CLOCK_INVALID if said is None else _window(said, received_at, rules)
    if said is not None and reason is None:
        return said
    if report.age is not None:
        aged = received_at - report.age
        return aged if _window(aged, received_at, rules) is None else DropReason.TOO_OLD
    return reason or DropReason.CLOCK_INVALID


def _window(when: int, received_at: int, rules: GateRules) -> DropReason | None:
    if when > received_at + rules.max_ahead:
        return DropReason.FUTURE
    return DropReason.TOO_OLD if when < received_at - rules.max_age else None


def refusal(standing: Standing, region: Region, event_time: int) -> DropReason | None:
    """Why the ledger keeps a report of *event_time* out, or None (G4, G7, 3.2 step 5)."""
    if standing.state is not _JOINED:
        return standing.state.refusal
    if region not in standing.storage_regions:
        return DropReason.REGION_NOT_CONSENTED
    return DropReason.BEFORE_CONSENT if event_time < standing.effective_at else None


def admit(read: tuple[tuple[Region, ConsentEvent], ...], gate: GateRules) -> ConsentChange | ConsentRefused:
    """Let the events of an act through to the ledgers, or say why not; the same for every way in."""
    joins = [(region, event) for region, event in read if event.action is Action.JOIN]
    # A join dated ahead of our clock could outlast an exit that has not happened yet.
    if any((event.client_time or 0) > event.received_at + gate.max_ahead for _, event in joins):
        return ConsentRefused(DropReason.FUTURE)
    refusals = (join_refusal(event, region, gate.policies, gate.mode) for region, event in joins)
    reason = next((reason for reason in refusals if reason), None)
    return ConsentChange(read) if reason is None else ConsentRefused(reason)
