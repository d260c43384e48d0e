"""What this process knows of a region while its ledger cannot be asked, and what may therefore wait in the spool.

Rule 1: only records of routers that had joined when the ledger was last read may wait there: what the ledger has not
        let in is not written to disk (D6, docs/decisions/0009-spool.md).
Rule 2: an act waits for the ledger and changes nothing in it. Until the ledger has decided on it, nothing of its router
        is let in; if it closes the gate, what is in the spool already is purged.
Rule 3: once something of an unknown router is left with the broker, everything else of that router is left there too:
        the broker sends it again in order, and the router joins by its first report.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from operator import attrgetter
from typing import Final

from collector.consent.acts import hides
from collector.consent.joined import MOST, JoinedRouters
from collector.consent.standing import ClosedRouters, State
from collector.link_metrics import LINK_NAMES, LinkName
from collector.model import Action, ConsentEvent, DropReason, Entry, Identity, Record
from collector.stores.health import Health
from collector.stores.queue import Item, refs_of, takes_its_turn

MOST_ACTS: Final = 10_000
"""Most acts that may wait in a region; any more are left with the broker."""


class Way(Enum):
    """Where an entry goes while the store is away."""

    SPOOL = "spool"
    """Into the spool."""
    CLOSE = "close"
    """Into the spool, from which its router's records are deleted."""
    LEAVE = "leave"
    """Nowhere: it stays with the broker."""
    DROP = "drop"
    """It is dropped: its router has left."""
    SETTLE = "settle"
    """It is settled at once: there is no consent in the ledger that it could end."""


class Outage:
    """What one region's writer knows."""

    def __init__(
        self, closed: ClosedRouters, health: Health, *, joins_by_flag: bool = True, known_routers: int = MOST
    ) -> None:
        """*joins_by_flag* says that a router may join by a report (D3, mode flag).

        At most *known_routers* are remembered as joined.
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
        """Routers whose join was left: the ledger alone decides on what comes after it, whatever is known of them."""
        self._acts_left: set[LinkName] = set()
        """The connections on which an act may have been left: nothing says which one it came on."""

    # What the ledger says

    def learn(self, states: Mapping[bytes, State]) -> None:
        """Learn what the ledger says of these routers."""
        self.closed.learn(states)
        self.joined.learn(states)

    def forget_ledger(self) -> None:
        """Forget what the ledger said: there may be another. What acts that wait will close stays closed."""
        self.closed.clear()
        self.joined.clear()
        for item in self._acts:
            self.closed.learn(_provisional(item.entry))

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
        """Whether a router's messages must not overtake what was left of it: that may be what the router joins by."""
        return self._something_is_left(identity) and not self.joined.knows(identity)

    def way_of_act(self, act: ConsentEvent) -> Way:
        """Where a consent event goes."""
        identity = act.identity
        if act.only_if_joined and not self.joined.knows(identity) and not self._is_pending(identity):
            known = self.joined.is_complete and not self._health.is_doubted
            return Way.SETTLE if known and not self._something_is_left(identity) else Way.LEAVE
        if len(self._acts) >= MOST_ACTS or act.event_ref in self._waiting_refs or self._has_to_wait(act):
            return Way.LEAVE
        # Nobody knows when a retained exit was made: the owner may have joined again since. It stops new messages; what
        # is spooled already waits for the ledger's answer.
        return Way.SPOOL if takes_its_turn(act) or act.replayed else Way.CLOSE

    def way_of_late_act(self, act: ConsentEvent) -> Way:
        """As `way_of_act`, once the store is back but while something is still left with the broker."""
        waits = act.only_if_joined and self.has_to_follow(act.identity)
        return Way.LEAVE if waits or self._has_to_wait(act) else Way.SPOOL

    def _has_to_wait(self, act: ConsentEvent) -> bool:
        """Whether an act is a join that would overtake an act left before it, or the report its router joins by."""
        if not takes_its_turn(act):
            return False
        by_flag = self._joins_by_flag and not self.joined.knows(act.identity)
        return act.identity.device_ref in (self._left if by_flag else self._left_acts)

    def reason(self, identity: Identity) -> DropReason:
        """Why a record of a router that has left is dropped."""
        state = self.closed.get(identity.device_ref)
        if state is not None:
            return state.refusal
        acts = [item.entry for item in self._acts if item.entry.identity.device_ref == identity.device_ref]
        erased = any(isinstance(act, ConsentEvent) and act.action is Action.ERASE for act in acts)
        return DropReason.ERASED if erased else DropReason.WITHDRAWN

    def _is_pending(self, identity: Identity) -> bool:
        return any(ref in self._pending for ref in refs_of(identity))

    # Acts that wait for the ledger

    @property
    def acts(self) -> int:
        """How many acts wait."""
        return len(self._acts)

    def act_waits(self, item: Item) -> None:
        """Note that an act is in the spool, and left with the broker too."""
        act = item.entry
        assert isinstance(act, ConsentEvent)
        self._acts_left.update(LINK_NAMES)
        self._acts.append(item)
        self._acts.sort(key=attrgetter("row"))
        self._pending.update(refs_of(act.identity))
        if act.event_ref is not None:
            self._waiting_refs.add(act.event_ref)
        self.closed.learn(_provisional(act))

    def oldest_acts(self, most: int) -> list[Item]:
        """The acts to be committed next, at most *most*."""
        return self._acts[:most]

    def give_up(self, item: Item) -> None:
        """A bug of ours keeps this act from being committed: it stays in the spool for a collector without the bug."""
        self._acts.remove(item)

    def act_decided(self, item: Item) -> None:
        """The ledger has decided on an act that waited; call this before `learn` is given what the ledger says."""
        act = item.entry
        assert isinstance(act, ConsentEvent)
        self._acts.remove(item)
        for ref in refs_of(act.identity):
            self._pending[ref] -= 1
            if self._pending[ref] <= 0:
                del self._pending[ref]
        self._waiting_refs.discard(act.event_ref or b"")
        # That the router has left was a guess, wrong if the act was an old one; forgetting it costs nothing.
        self.closed.forget(act.identity.device_ref)

    # What was left with the broker

    def leave(self, identity: Identity) -> None:
        """Note that something of this router was left with the broker."""
        self._left.add(identity.device_ref)

    def leave_act(self, act: ConsentEvent) -> None:
        """Note that an act was left with the broker; it comes again on the connection for consent events."""
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
        """There is a new connection: what was left is sent again, in order; what is *held* is still ahead of it."""
        self._left = {item.entry.identity.device_ref for item in held}
        self._acts_left.discard("reports")

    def acts_renewed(self) -> None:
        """There is a new connection for consent events: the acts that were left are sent again."""
        self._acts_left.discard("consent")
        self._left_acts.clear()
        for ref in self._left_joins:
            self.closed.join_settled(ref)
        self._left_joins.clear()


def _provisional(act: Entry) -> dict[bytes, State]:
    """What a waiting act will make of its router's state, unless the ledger knows better; nothing if it closes none."""
    assert isinstance(act, ConsentEvent)
    state = hides(act.action).state
    return {} if state is None or takes_its_turn(act) or act.replayed else {act.identity.device_ref: state}
