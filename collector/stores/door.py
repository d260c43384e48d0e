"""What may come in while a region's store is away, or while messages of the region are left with the broker.

Rule 1: it is asked only then: while all is well, nothing stands between a message and the queue.
Rule 2: what comes after something that has not been looked at yet is looked at after it.
"""

from collections.abc import Callable

from collector.acks import Settling
from collector.model import ConsentEvent, DropReason, Record
from collector.stores.health import Health
from collector.stores.outage import Outage, Way
from collector.stores.outcomes import Outcomes
from collector.stores.spool import Spool


class Door:
    """The way in to one region's writer."""

    def __init__(
        self,
        health: Health,
        outage: Outage,
        outcomes: Outcomes,
        spool: Spool,
        left: Callable[[], None],
        waits: Callable[[bytes], bool],
    ) -> None:
        """*left* is called when a message was left with the broker; *waits* says whether something of a router has not
        been looked at yet: perhaps a join that the ledger does not know of.
        """
        self._health = health
        self._outage = outage
        self._outcomes = outcomes
        self._spool = spool
        self._left = left
        self._waits = waits

    def turns_away(self, record: Record, token: Settling) -> bool:
        """Leave a record with the broker if there is nowhere to keep it now; call this before it is counted."""
        if self._health.is_away:
            way = self._outage.way_of_record(record)
            keeps = way is Way.DROP or (way is Way.SPOOL and self._spool.has_room)
            if not keeps and self._waits(record.identity.device_ref):
                return False
            self._outcomes.refused(int(way is Way.SPOOL and self._spool.is_full))
        else:
            keeps = not self._outage.has_to_follow(record.identity)
        if not keeps and not self._leaves(token, lambda: self._outage.leave(record.identity)):
            self._outcomes.lost(DropReason.STORE_AWAY)
        return not keeps

    def turns_away_act(self, event: ConsentEvent, token: Settling) -> bool:
        """As `turns_away`, for an act; one that has nothing to end is settled here."""
        way = self._outage.way_of_act(event) if self._health.is_away else self._outage.way_of_late_act(event)
        if way is Way.SETTLE and self._waits(event.identity.device_ref):
            return False
        if way is Way.SETTLE:
            token.complete()
        return way is Way.SETTLE or (way is Way.LEAVE and self._leaves(token, lambda: self._outage.leave_act(event)))

    def _leaves(self, token: Settling, note: Callable[[], None]) -> bool:
        if not token.leave():
            return False
        note()
        self._outcomes.left()
        self._left()
        return True
