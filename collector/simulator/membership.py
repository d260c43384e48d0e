"""Owners who leave the programme, and those who come back.

Rule: a join counts from its receipt (decision D4) and must be newer than the exit's. So an owner thinks it over before
coming back, and the router keeps silent for a while after the join: long enough for a collector that lags a little,
and for the seconds that are cut off times on the wire.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto


class Act(Enum):
    """What a router does in one round."""

    REPORT = auto()
    EXIT = auto()
    REPORT_AFTER_EXIT = auto()
    JOIN = auto()
    SILENCE = auto()


_THINKING_IT_OVER = timedelta(seconds=30)
AFTER_JOIN = timedelta(seconds=30)
"""Nothing measured sooner after a join is sent."""

_GO = (Act.REPORT,) * 2 + (Act.EXIT,) + (Act.REPORT_AFTER_EXIT,) * 3


@dataclass(slots=True)
class Membership:
    """Where one router stands; owners act only from *since* on."""

    leaves: bool
    returns: bool
    since: datetime
    _rounds: int = 0
    _left: datetime | None = None
    _joined: datetime | None = None

    def act(self, now: datetime) -> Act:
        """Return what the router does at *now*; to be asked once a round."""
        if not self.leaves or now < self.since:
            return Act.REPORT
        if self._rounds < len(_GO):
            act = _GO[self._rounds]
            self._rounds += 1
            if act is Act.EXIT:
                self._left = now
            return act
        return self._afterwards(now)

    def _afterwards(self, now: datetime) -> Act:
        if self._joined is not None:
            return Act.REPORT if now >= self._joined + AFTER_JOIN else Act.SILENCE
        if self.returns and self._left is not None and now >= self._left + _THINKING_IT_OVER:
            self._joined = now
            return Act.JOIN
        return Act.SILENCE
