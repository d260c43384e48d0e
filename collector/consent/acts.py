"""What each act does: the state it leads to, and what of the router it erases (catalogue 4.4, 4.5).

Rule 1: a legal hold lies over the owner's acts and changes none: they show when it ends, and what they erase is erased
        then (K36). While one stands nothing is taken or read.
Rule 2: a restriction is lifted by its end and by nothing else of the same generation: an exit leaves it standing, so
        that a switch turned off and on again does not undo what somebody asked the rights desk for (O47).
Rule 3: an erasure on request goes by the time of receipt, and leaves the consent as it is (K29).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from collector.consent.standing import Standing, State
from collector.model import Action, ConsentEvent, DropReason

STATE_AFTER: Final[Mapping[Action, State]] = {
    Action.JOIN: State.JOINED,
    Action.EXIT: State.EXITED,
    Action.VOID: State.VOID,
    Action.RESTRICT: State.RESTRICTED,
    Action.UNRESTRICT: State.JOINED,
    Action.UNBIND: State.CLOSED,
    Action.CANCEL: State.CLOSED,
}
"""The state each act of the owner leads to (catalogue 4.4), except that what was left stays left: `state_after`."""

_BY_RESTRICTION: Final[Mapping[State | None, Mapping[Action, State]]] = {
    State.RESTRICTED: {Action.EXIT: State.EXITED_RESTRICTED},
    State.EXITED: {Action.RESTRICT: State.EXITED_RESTRICTED},
    State.EXITED_RESTRICTED: {Action.UNRESTRICT: State.EXITED},
}
"""Where a restriction and an exit meet: both stand, until each has ended by what ends it."""

OPENING: Final = frozenset({Action.JOIN, Action.UNRESTRICT, Action.RELEASE})
"""The acts that may open a gate; they wait their turn, all others go first."""

DATED: Final = OPENING | {Action.ERASE}
"""The acts that have to wait while the clock is behind: dated too early, they would let in what was measured before, or
leave what was received since. What closes a gate is honoured at once (K38)."""

ERASING: Final = frozenset({Action.EXIT, Action.VOID, Action.UNBIND, Action.CANCEL})
"""The acts after which nothing of the router stays (4.4, D5); a restriction keeps the records, unreadable."""

EXITS: Final = frozenset({State.EXITED, State.EXITED_RESTRICTED})
"""The states after an exit, after which records may be kept (`on_exit`)."""

RESTRICTED: Final = frozenset({State.RESTRICTED, State.EXITED_RESTRICTED})
"""The states that only the end of a restriction leads out of, if nothing ends the consents themselves."""

LEFT: Final = (State.VOID, State.CLOSED, State.EXITED_RESTRICTED, State.EXITED)
"""The states that nothing but a join opens again, the one that asks most of a join first."""

EVERYTHING: Final = 1 << 62
"""A time of receipt that nothing is later than."""


class Hides(NamedTuple):
    """What an act that opens nothing is assumed to do while the ledger cannot be asked."""

    state: State | None
    """The state that its router is assumed to be in; None for the one it was in."""
    reason: DropReason
    """Why the router's waiting records are dropped."""


def hides(action: Action) -> Hides:
    """What an act does to the waiting records of its router before the ledger has it."""
    if action is Action.ERASE:
        return Hides(None, DropReason.ERASED)
    state = STATE_AFTER.get(action, State.RESTRICTED)
    return Hides(state, state.refusal)


def reaches_until(event: ConsentEvent) -> int:
    """Up to which time of receipt an act reaches its router's waiting records; some may have come while it waited."""
    return event.received_at if event.action is Action.ERASE else EVERYTHING


class Position(NamedTuple):
    """Where an act leaves a router; `goes_on` says that its consent, or the end of it, keeps its date."""

    state: State
    holds: tuple[str, ...] = ()
    beneath: State | None = None
    goes_on: bool = False


def state_after(action: Action, before: State | None) -> State:
    """The state that an act of the owner leads to; of two that were left, the one that asks more of a join stays."""
    if before in _BY_RESTRICTION and (restricted := _BY_RESTRICTION[before].get(action)):
        return restricted
    after = STATE_AFTER[action]
    return min(before, after, key=LEFT.index) if before in LEFT and after in LEFT else after


def position_after(event: ConsentEvent, standing: Standing | None) -> Position:
    """Where an act leaves a router with this standing."""
    if standing is None:
        return Position(state_after(event.action, None))
    holds = _holds_after(event, standing)
    own = standing.own_state if event.action not in STATE_AFTER else state_after(event.action, standing.own_state)
    held_only = event.action in {Action.HOLD, Action.RELEASE} and own is not State.JOINED
    goes_on = event.action is Action.ERASE or held_only
    if not holds:
        return Position(own, goes_on=goes_on)
    return Position(State.RESTRICTED if own is State.JOINED else own, holds, own, goes_on)


def _holds_after(event: ConsentEvent, standing: Standing) -> tuple[str, ...]:
    if event.action is Action.HOLD:
        return (*standing.holds, event.reference or "")
    if event.action is Action.RELEASE:
        return tuple(reference for reference in standing.holds if reference != event.reference)
    return standing.holds


def erases_until(action: Action, after: Standing, *, erase_on_exit: bool) -> int | None:
    """Up to which time of receipt an act erases a router's records, or None; *after* is the standing that it led to."""
    if after.holds:
        return None
    if action is Action.ERASE:
        return after.erased_until
    if action is Action.RELEASE:
        left = after.state in LEFT and (erase_on_exit or after.state not in EXITS)
        return EVERYTHING if left else after.erased_until or None
    if action not in ERASING or (action is Action.EXIT and not erase_on_exit):
        return None
    return EVERYTHING
