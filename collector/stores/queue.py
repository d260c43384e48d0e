"""What waits in memory for a commit, in the order in which it is committed.

Rule 1: an entry that closes the gate does not queue: it goes into the next batch, behind everything of its router that
        was waiting.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

import msgspec

from collector.acks import Settling
from collector.consent.acts import OPENING
from collector.model import Entry, Identity, Record

TAKEN_BACK: Final = -1
ROUND: Final = 256
"""Entries of a long queue are committed in multiples of this; the few left over go with the next commit."""


class Item(msgspec.Struct, eq=False, gc=False):
    """An entry, the token of its message, and how many bytes of memory it stands for.

    `row` is its place in the spool, 0 for none; `TAKEN_BACK` for a record whose router left while it was under way.
    """

    entry: Entry
    token: Settling
    size: int
    row: int = 0


class Batch:
    """What goes into one commit: first what is urgent, then the head of the queue."""

    def __init__(self, urgent: Sequence[Item], queued: Sequence[Item], *, sheltered: bool = False) -> None:
        self.items = [*urgent, *queued]
        self.urgent = len(urgent)
        self.sheltered = sheltered
        """Whether its items are in the spool, or were looked at by the shelter while it was under way."""
        self.seen = sheltered
        """Whether the shelter has looked at all of them."""
        self.has_ended = False

    def left(self) -> tuple[list[Item], list[Item]]:
        """What has to wait again if the commit failed, because it is not in the spool: urgent, queued."""
        urgent, queued = self.items[: self.urgent], self.items[self.urgent :]
        return [item for item in urgent if not item.row], [item for item in queued if not item.row]


class Queue:
    """Entries in memory. Others may read `urgent` and `queued`, but only this class and `Writer.submit` change them.

    How much of each router is queued is counted only when asked, and each entry once: exits are rare, but come in
    numbers.
    """

    def __init__(self) -> None:
        self.urgent: list[Item] = []
        self.queued: deque[Item] = deque()
        self._waiting: dict[bytes, int] = {}
        self._counted = 0
        """How many entries, from the head of the queue, are counted in `_waiting`."""

    def __len__(self) -> int:
        return len(self.urgent) + len(self.queued)

    def has(self, ref: bytes) -> bool:
        """Whether something of this router is queued."""
        self._count(islice(reversed(self.queued), len(self.queued) - self._counted))
        return ref in self._waiting

    def add(self, item: Item) -> None:
        """Add *item* at the end, or ahead of all that queues if it closes the gate."""
        if takes_its_turn(item.entry):
            self.queued.append(item)
        else:
            self.urgent += self.take_of(item.entry.identity.device_ref)
            self.urgent.append(item)

    def take_some(self, most: int) -> Batch:
        """As `take`, but in round numbers from a long queue: a store then writes them with fewer statements."""
        waiting = min(most, len(self.queued))
        return self.take(waiting if waiting < ROUND else waiting - waiting % ROUND)

    def take(self, most: int) -> Batch:
        """Everything urgent, and at most *most* of the queue."""
        urgent, self.urgent = self.urgent, []
        queued = [self.queued.popleft() for _ in range(min(most, len(self.queued)))]
        self._forget(queued[: self._counted])
        return Batch(urgent, queued)

    def take_all(self) -> tuple[list[Item], list[Item]]:
        """Everything: urgent, queued."""
        batch = self.take(len(self.queued))
        return batch.left()

    def take_one(self) -> Batch:
        """The next entry alone."""
        if not self.urgent:
            return self.take(1)
        return Batch([self.urgent.pop(0)], [])

    def take_of(self, ref: bytes) -> list[Item]:
        """Take everything of one router out of the queue."""
        if not self.has(ref):
            return []
        mine = [item for item in self.queued if item.entry.identity.device_ref == ref]
        self.queued = deque(item for item in self.queued if item.entry.identity.device_ref != ref)
        self._forget(mine)
        return mine

    def remove(self, items: Iterable[Item]) -> list[Item]:
        """Take these out of the queue; returns those that were in it."""
        gone = {id(item) for item in items}
        found = [item for item in self.queued if id(item) in gone]
        self._forget([item for item in islice(self.queued, self._counted) if id(item) in gone])
        self.queued = deque(item for item in self.queued if id(item) not in gone)
        return found

    def put_back(self, urgent: Sequence[Item], queued: Sequence[Item]) -> None:
        """Put these before everything else, in their order; if their router left meanwhile, directly ahead of its exit.

        Only an exit that came during the commit counts: what stands behind an exit within the batch came after it.
        """
        came = self.urgent
        leaving = {item.entry.identity.device_ref for item in came if not takes_its_turn(item.entry)}
        # What was queued of these routers moved up with the exit; what was in this commit is older still.
        first = [item for item in queued if item.entry.identity.device_ref in leaving]
        queued = [item for item in queued if item.entry.identity.device_ref not in leaving]
        self.urgent = [*urgent, *first, *came]
        self.queued.extendleft(reversed(queued))
        self._count(queued)

    def _count(self, items: Iterable[Item]) -> None:
        waiting = self._waiting  # a `Counter` would call `__missing__`, in Python, for each key that it does not have
        for item in items:
            ref = item.entry.identity.device_ref
            waiting[ref] = waiting.get(ref, 0) + 1
            self._counted += 1

    def _forget(self, items: Sequence[Item]) -> None:
        """Take these out of the count: they were counted, and are no longer in the queue."""
        waiting = self._waiting
        self._counted -= len(items)
        for item in items:
            ref = item.entry.identity.device_ref
            if left := waiting[ref] - 1:
                waiting[ref] = left
            else:
                del waiting[ref]


def refs_of(identity: Identity) -> tuple[bytes, ...]:
    """All pseudonyms by which a router is known, the current one first."""
    return (identity.device_ref, *identity.older)


def takes_its_turn(entry: Entry) -> bool:
    """Whether an entry queues. What closes the gate does not."""
    return isinstance(entry, Record) or entry.action in OPENING
