"""What the oracle knows: everything published, what the broker answered, and what the owners did.

Rule 1: an obligation is a report whose PUBACK said success. "No matching subscribers" is none, nor is silence.
Rule 2: a broker that is killed may forget what it had not written yet. What it acknowledged later than its last
        complete save (less a margin) is *uncertain*: it may arrive or not, an act of an owner likewise. On a busy
        machine an answer is heard late, after the next broker has begun: it is of the connection that it came on.
Rule 3: everything of one router goes out on one connection, in the order of `number` (`publishing` sees to it), and the
        broker keeps that order.
        `ueip exit` does not: it races with all of it, and the order that the ledger names is taken for the true one.
"""

import threading
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from paho.mqtt.reasoncodes import ReasonCode

SAVE_SECONDS: Final = 0.25
"""The longest that the broker may take from acknowledging a message to beginning the save that holds it."""


class Kind(Enum):
    """What was published, or done, for a router."""

    FLAGGED = "flagged"
    UNFLAGGED = "unflagged"
    REFUSING = "false"
    JOIN = "join"
    EXIT = "exit"
    COMMAND = "ueip exit"


REPORTS: Final = frozenset({Kind.FLAGGED, Kind.UNFLAGGED, Kind.REFUSING})
EXITS: Final = frozenset({Kind.REFUSING, Kind.EXIT, Kind.COMMAND})


@dataclass(eq=False)
class Act:
    """One thing published or done. Times are milliseconds since 1970."""

    number: int
    kind: Kind
    router: str
    region: str
    id: str
    """Message id or event id."""
    time: int
    """The time it names; of a command, its beginning."""
    began: int
    """When it was published."""
    token: str = ""
    """The unique value in a report that may be stored."""
    mids: list[int] = field(default_factory=list)
    done: int = 0
    """When a command ended well; 0 while it has not."""
    attempts: int = 0


@dataclass
class Router:
    """One router, and what it is going to do."""

    serial: str
    region: str
    consents: bool
    joined_once: bool = False
    out: bool = False
    left_at: int = 0
    """When its owner left last, in milliseconds: joining again within the second is no join."""


class Answer(NamedTuple):
    """What the broker said of a message: when it was heard, and when the connection that it came on was begun."""

    connected: float
    heard: float
    reason: ReasonCode


@dataclass(frozen=True)
class BrokerKill:
    """A broker killed: when it had saved last and when the next one began (seconds since 1970)."""

    saved: float
    killed: float
    restarted: float


class Oracle:
    """The record of one round."""

    def __init__(self, routers: list[Router]) -> None:
        self.routers = routers
        self.acts: list[Act] = []
        self.kills: list[BrokerKill] = []
        self.answers: dict[int, Answer] = {}
        self._lock = threading.Lock()

    def add(self, act: Act) -> None:
        """Remember an act; call it before the act."""
        with self._lock:
            act.number = len(self.acts)
            self.acts.append(act)

    def of(self, router: str) -> list[Act]:
        """The acts for one router, in order."""
        return [act for act in self.acts if act.router == router]

    def reports(self) -> list[Act]:
        """All reports."""
        return [act for act in self.acts if act.kind in REPORTS]

    def certain(self, act: Act) -> bool:
        """Whether it must arrive: acknowledged with success, and not forgotten by a broker that was killed."""
        return any(self._certain(mid) for mid in act.mids) if act.kind is not Kind.COMMAND else bool(act.done)

    def _certain(self, mid: int) -> bool:
        if mid not in self.answers:
            return False
        answer = self.answers[mid]
        at_risk = any(
            kill.saved - SAVE_SECONDS < answer.heard and answer.connected < kill.restarted for kill in self.kills
        )
        return answer.reason.value == 0 and not at_risk

    def answered(self, mid: int, answer: Answer) -> None:
        """The broker answered."""
        self.answers[mid] = answer


def last_save(folder: Path) -> float:
    """When the broker last completed a save; 0 for never."""
    file = folder / "mosquitto.db"
    return file.stat().st_mtime if file.exists() else 0.0
