"""What the ledger of a region says about one router now."""

from collections import Counter, OrderedDict
from collections.abc import Container, Iterable
from enum import Enum
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


class ClosedRouters:
    """The routers of one region known to be closed, so that their messages are dropped before any work is done.

    It only ever speeds up drops (K15): a router it does not know is settled by the ledger at the commit.
    """

    def __init__(self, most: int = 200_000) -> None:
        self._most = most
        self._closed: OrderedDict[bytes, Standing] = OrderedDict()
        self._joining: Counter[bytes] = Counter()

    def get(self, device_ref: bytes) -> Standing | None:
        """The standing of a closed router, None for any other, and for one whose join waits to be committed."""
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

    def learn(self, standings: Iterable[Standing]) -> None:
        """Take what a commit changed, or what other processes wrote to the ledger."""
        for standing in standings:
            self._closed.pop(standing.device_ref, None)
            if standing.state is not State.JOINED:
                self._closed[standing.device_ref] = standing
        while len(self._closed) > self._most:
            self._closed.popitem(last=False)
