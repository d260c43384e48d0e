"""Owners who leave the programme, and those who come back.

Rule: a join counts from its receipt (decision D4), so what a router measured before it stays unsent; the fleet keeps
silent for a while after a join, which covers the seconds that are cut off times on the wire.
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


AFTER_JOIN = timedelta(seconds=10)
"""Nothing measured sooner after a join is sent."""

_GO = (Act.REPORT,) * 2 + (Act.EXIT,) + (Act.REPORT_AFTER_EXIT,) * 3
_RETURN = (Act.SILENCE,) * 2 + (Act.JOIN,)


@dataclass(slots=True)
class Membership:
    """Where one router stands; owners act only from *since* on."""

    leaves: bool
    returns: bool
    since: datetime
    _rounds: int = 0
    _joined: datetime | None = None

    def act(self, now: datetime) -> Act:
        """Return what the router does at *now*; to be asked once a round."""
        if not self.leaves or now < self.since:
            return Act.REPORT
        script = _GO + (_RETURN if self.returns else ())
        if self._rounds < len(script):
            act = script[self._rounds]
            self._rounds += 1
            self._joined = now if act is Act.JOIN else None
            return act
        if self._joined is None:
            return Act.SILENCE
        return Act.REPORT if now >= self._joined + AFTER_JOIN else Act.SILENCE
