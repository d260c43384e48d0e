"""What this process knows of a region while its ledger cannot be asked, and what may therefore wait in the spool.

Rule 1: records of routers that the ledger named as joined when it was last read, and of no others: what was not let in
        by the ledger is not written to a disk (D6, docs/decisions/0009-spool.md).
Rule 2: an act waits for the ledger and changes nothing in it. Until the ledger has decided on it, nothing of its router
        is let in; if it closes the gate, what is there already is purged.
Rule 3: of an unknown router that has something left with the broker everything else is left there too: sent again in
        their order, its first report is what it joins by.
"""

from collections import Counter
from collections.abc import Iterable
from enum import Enum
from operator import attrgetter
from typing import Final

from collector.consent.acts import hides
from collector.consent.joined import MOST, JoinedRouters
from collector.consent.standing import ClosedRouters, Standing, State
from collector.link_metrics import LINK_NAMES, LinkName
from collector.model import Action, ConsentEvent, DropReason, Identity, Record
from collector.stores.health import Health
from collector.stores.queue import Item, refs_of, takes_its_turn

MOST_ACTS: Final = 10_000
"""Acts that may wait in a region; one more is left with the broker."""


class Way(Enum):
    """Where an entry goes while the store is away."""

    SPOOL = "spool"
    """Into the spool."""
    CLOSE = "close"
    """Into the spool, and its router's records out of it."""
    LEAVE = "leave"
    """Nowhere: it stays with the broker."""
    DROP = "drop"
    """It is dropped: its router has left."""
    SETTLE = "settle"
    """It is done with: the ledger has nothing that it could end."""


class Outage:
    """The knowledge of one region's writer."""

    def __init__(
        self, closed: ClosedRouters, health: Health, *, joins_by_flag: bool = True, known_routers: int = MOST
    ) -> None:
        """*joins_by_flag* says that a router may join by a report (D3, mode flag).

        That *known_routers* have joined is remembered at most.
        """
        self.closed = closed
        self._joins_by_flag = joins_by_flag
        self.joined = JoinedRouters(known_routers)
        self._health = health
        self._acts: list[Item] = []
        self._waiting_refs: set[bytes] = set()
        self._pending: Counter[bytes] = Counter()
        self._left: set[bytes] = set()
        self._left_acts: set[bytes] = set()
        self._left_joins: list[bytes] = []
        """What comes behind these is the ledger's to decide on, whatever is known of their routers."""
        self._acts_left: set[LinkName] = set()
        """The connections on which an act may have been left: which one it came on is not said."""

    # What the ledger says

    def learn(self, standings: Iterable[Standing]) -> None:
        """Take what the ledger said."""
        standings = list(standings)
        self.closed.learn(standings)
        self.joined.learn(standings)

    # What may wait

    def way_of_record(self, record: Record) -> Way:
        """Where a record goes."""
        identity = record.identity
        if self.closed.get(identity.device_ref) is not None:
            return Way.DROP
        if self._health.is_doubted or self._is_pending(identity):
            return Way.LEAVE
        return Way.SPOOL if self.joined.knows(identity) else Way.LEAVE

    def has_to_follow(self, identity: Identity) -> bool:
        """Whether what comes of a router must not overtake what was left of it: it may be what the router joins by."""
        return self._something_is_left(identity) and not self.joined.knows(identity)

    def way_of_act(self, act: ConsentEvent) -> Way:
        """Where a consent event goes."""
        identity = act.identity
        if act.only_if_joined and not self.joined.knows(identity) and not self._is_pending(identity):
            known = self.joined.is_complete and not self._health.is_doubted
            return Way.SETTLE if known and not self._something_is_left(identity) else Way.LEAVE
        if len(self._acts) >= MOST_ACTS or act.event_ref in self._waiting_refs or self._has_to_wait(act):
            return Way.LEAVE
        # When a retained exit was made nobody knows: the owner may have joined again since. It stops what comes; what
        # is there already waits for the ledger's answer.
        return Way.SPOOL if takes_its_turn(act) or act.replayed else Way.CLOSE

    def way_of_late_act(self, act: ConsentEvent) -> Way:
        """The same once the store is back, while something is still left with the broker."""
        waits = act.only_if_joined and self.has_to_follow(act.identity)
        return Way.LEAVE if waits or self._has_to_wait(act) else Way.SPOOL

    def _has_to_wait(self, act: ConsentEvent) -> bool:
        """A join must not overtake an act that was left before it, nor the report that its router joins by."""
        if not takes_its_turn(act):
            return False
        by_flag = self._joins_by_flag and not self.joined.knows(act.identity)
        return act.identity.device_ref in (self._left if by_flag else self._left_acts)

    def reason(self, identity: Identity) -> DropReason:
        """Why a record of a router that has left is dropped."""
        standing = self.closed.get(identity.device_ref)
        if standing is not None:
            return standing.state.refusal
        acts = [item.entry for item in self._acts if item.entry.identity.device_ref == identity.device_ref]
        erased = any(isinstance(act, ConsentEvent) and act.action is Action.ERASE for act in acts)
        return DropReason.ERASED if erased else DropReason.WITHDRAWN

    def _is_pending(self, identity: Identity) -> bool:
        return any(ref in self._pending for ref in refs_of(identity))

    # Acts that wait for the ledger

    @property
    def acts(self) -> int:
        """How many wait."""
        return len(self._acts)

    def act_waits(self, item: Item) -> None:
        """An act is in the spool, and is left with the broker too."""
        act = item.entry
        assert isinstance(act, ConsentEvent)
        self._acts_left.update(LINK_NAMES)
        self._acts.append(item)
        self._acts.sort(key=attrgetter("row"))
        self._pending.update(refs_of(act.identity))
        if act.event_ref is not None:
            self._waiting_refs.add(act.event_ref)
        state = hides(act.action).state
        if state is not None and not takes_its_turn(act) and not act.replayed:
            self.closed.learn([_provisional(act, state)])

    def oldest_acts(self, most: int) -> list[Item]:
        """Those to be committed next."""
        return self._acts[:most]

    def give_up(self, item: Item) -> None:
        """An act that a bug of ours keeps from being committed: it stays in the spool, for a collector without it."""
        self._acts.remove(item)

    def act_decided(self, item: Item) -> None:
        """The ledger has decided on an act that waited; call it before `learn` with what it said."""
        act = item.entry
        assert isinstance(act, ConsentEvent)
        self._acts.remove(item)
        for ref in refs_of(act.identity):
            self._pending[ref] -= 1
            if self._pending[ref] <= 0:
                del self._pending[ref]
        self._waiting_refs.discard(act.event_ref or b"")
        # A guess until now, and wrong if the act was an old one: forgetting it costs nothing.
        self.closed.forget(act.identity.device_ref)

    # What was left with the broker

    def leave(self, identity: Identity) -> None:
        """Something of this router was left with the broker."""
        self._left.add(identity.device_ref)

    def leave_act(self, act: ConsentEvent) -> None:
        """An act was left with the broker; it comes again on the connection for consent events."""
        self._acts_left.update(LINK_NAMES)
        if act.event_ref is None or act.event_ref not in self._waiting_refs:  # else it is here already, in its place
            self.leave(act.identity)
            self._left_acts.add(act.identity.device_ref)
            if takes_its_turn(act):
                self._left_joins.append(act.identity.device_ref)
                self.closed.join_waits(act.identity.device_ref)

    def _something_is_left(self, identity: Identity) -> bool:
        """Whether something of this router was left with the broker on this connection, or is held in memory."""
        return identity.device_ref in self._left

    @property
    def left_any(self) -> bool:
        """Whether anything was left with the broker on these connections."""
        return bool(self._left or self._acts_left)

    def renewed(self, held: Iterable[Item]) -> None:
        """A new connection: what was left comes again, in order; *held* is still ahead of it."""
        self._left = {item.entry.identity.device_ref for item in held}
        self._acts_left.discard("reports")

    def acts_renewed(self) -> None:
        """A new connection for consent events: the acts that were left come again."""
        self._acts_left.discard("consent")
        self._left_acts.clear()
        for ref in self._left_joins:
            self.closed.join_settled(ref)
        self._left_joins.clear()


def _provisional(act: ConsentEvent, state: State) -> Standing:
    """What a closing act will make of its router's standing, unless the ledger knows better."""
    return Standing(
        device_ref=act.identity.device_ref,
        key_id=act.identity.key_id,
        state=state,
        seq=0,
        consent_id="",
        generation=0,
        effective_at=act.received_at,
        policy_version="",
        storage_regions=(),
    )
