"""What the ledger of a region says about one router now."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping
from enum import Enum
from itertools import islice
from typing import Final

from collector.model import DropReason, Sealed


class State(Enum):
    """The states of catalogue 4.4, and an exit under a restriction. Only `joined` admits data."""

    JOINED = "joined"
    EXITED = "exited"
    OUTDATED = "outdated"
    RESTRICTED = "restricted"
    EXITED_RESTRICTED = "exited_restricted"
    """Left, and restricted all the same: no join counts before the restriction has ended."""
    VOID = "void"
    CLOSED = "closed"

    @property
    def refusal(self) -> DropReason:
        """Why a report of a router in this state is dropped."""
        return _REFUSALS[self]


_REFUSALS: Final = {
    State.JOINED: DropReason.INTERNAL_ERROR,  # a joined router is not refused for its state
    State.EXITED: DropReason.WITHDRAWN,
    State.OUTDATED: DropReason.POLICY_OUTDATED,
    State.RESTRICTED: DropReason.RESTRICTED,
    State.EXITED_RESTRICTED: DropReason.WITHDRAWN,
    State.VOID: DropReason.VOID,
    State.CLOSED: DropReason.WITHDRAWN,
}


class Standing(Sealed, frozen=True):
    """One router's consent as of ledger entry `seq`; `device_ref` is the pseudonym the ledger knows it by.

    `state` is what the ledger says; that a consent is `outdated` follows from its version and the time (`Policies`).
    While legal `holds` stand, `beneath` is the state that shows again when the last of them ends. Records received up
    to `erased_until` were erased on request.
    `attested` is true of a consent by a join event that brought all that mode `registered` asks for.
    """

    device_ref: bytes
    key_id: str
    state: State
    seq: int
    consent_id: str
    generation: int
    effective_at: int
    policy_version: str
    storage_regions: tuple[str, ...]
    attested: bool = False
    holds: tuple[str, ...] = ()
    beneath: State | None = None
    erased_until: int = 0

    @property
    def own_state(self) -> State:
        """The state that the owner's acts led to, whatever is held."""
        return self.beneath or self.state


def states_of(standings: Iterable[Standing]) -> dict[bytes, State]:
    """The latest state of each router, by its pseudonym."""
    return {standing.device_ref: standing.state for standing in standings}


MOST_CLOSED: Final = 65_536
"""Closed routers remembered a region, some 120 bytes each: those that were closed last."""


class ClosedRouters:
    """The routers of one region known to be closed, so that their messages are dropped before any work is done.

    It only ever speeds up drops (K15): a router it does not know is settled by the ledger at the commit.
    """

    def __init__(self, most: int = MOST_CLOSED) -> None:
        self._most = most
        self._closed: dict[bytes, State] = {}
        self._joining: Counter[bytes] = Counter()

    def get(self, device_ref: bytes) -> State | None:
        """The state of a closed router, None for any other, and for one whose join waits to be committed."""
        return None if device_ref in self._joining else self._closed.get(device_ref)

    @property
    def refs(self) -> Container[bytes]:
        """The routers known to be closed, a view that follows every change; some may have a join that waits."""
        return self._closed

    def join_waits(self, device_ref: bytes) -> None:
        """A join was received: what follows it is for the ledger to decide, at the commit."""
        self._joining[device_ref] += 1

    def join_settled(self, device_ref: bytes) -> None:
        """The ledger has decided on the join."""
        self._joining[device_ref] -= 1
        if self._joining[device_ref] <= 0:
            del self._joining[device_ref]

    def forget(self, device_ref: bytes) -> None:
        """Leave a router to the ledger again."""
        self._closed.pop(device_ref, None)

    def clear(self) -> None:
        """Leave all routers to the ledger again; joins that wait are still waited for."""
        self._closed.clear()

    def learn(self, states: Mapping[bytes, State]) -> None:
        """Take what a commit changed, or what others wrote to the ledger; what is told last is kept longest."""
        for device_ref, state in states.items():
            self._closed.pop(device_ref, None)
            if state is not State.JOINED:
                self._closed[device_ref] = state
        if len(self._closed) > self._most:
            # Some more than there have to be, for the first entries of a dict are the more expensive to find the more
            # were deleted before them.
            for device_ref in [*islice(self._closed, len(self._closed) - self._most + self._most // 8)]:
                del self._closed[device_ref]
