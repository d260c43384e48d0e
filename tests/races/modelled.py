"""What the ledger and the store of one router must hold, said a second time and as simply as possible.

Nothing here is shared with the collector. An `Owner` is told, in order, of everything that a commit takes in, and says
what is in the store afterwards.
"""

from dataclasses import dataclass, field
from typing import Literal

Act = Literal["join", "exit", "void", "restrict", "unrestrict", "cancel"]
CLOSED = ("void", "closed", "exited")
"""The ends; of two the first stays."""
TIE = 1000
"""Milliseconds within which nobody knows which of two acts was first."""


@dataclass
class Owner:
    """One router as its ledger has it. *since* is when the last act took effect; *acts* are all of them, in order."""

    registered: bool
    keep: bool
    state: str = "none"
    since: int = 0
    acts: list[str] = field(default_factory=list)
    stored: set[int] = field(default_factory=set)
    erased: set[int] = field(default_factory=set)
    fresh: set[int] = field(default_factory=set)
    """What the commit under way was going to store."""
    seen: set[str] = field(default_factory=set)

    def report(self, number: int, *, measured: int, received: int) -> None:
        """A report with a yes: it joins somebody unknown, is kept of somebody joined, and is nothing else."""
        if self.state == "none" and not self.registered:
            self._turn("join", "joined", min(measured, received))
        spent = number in self.erased or number in self.stored
        if self.state == "joined" and min(measured, received) >= self.since and not spent:
            self.stored.add(number)
            self.fresh.add(number)

    def join(self, name: str, *, said: int, received: int) -> None:
        """It counts once, only if what closed the gate is clearly older, and it does not lift a restriction."""
        left = self.state in CLOSED
        if name in self.seen or self.state == "restricted" or (left and min(said, received) < self.since + TIE):
            return
        self.seen.add(name)
        self._turn("join", "joined", self.since if self.state == "joined" else received)

    def leave(self, name: str, *, received: int, refusal: bool) -> None:
        """An exit counts once. A report that says no is one only of somebody who has something to leave."""
        if name in self.seen or (refusal and self.state in {"none", *CLOSED}):
            return
        self.seen.add(name)
        self._turn("exit", "exited", received, erase=not self.keep)

    def command(self, act: Act, *, received: int) -> None:
        """What somebody decides beside the collector, in a commit of its own."""
        self.fresh = set()
        if act in {"restrict", "unrestrict"} and self.state in {"none", *CLOSED}:
            return
        after = {"exit": "exited", "void": "void", "cancel": "closed", "restrict": "restricted", "unrestrict": "joined"}
        erase = act in {"void", "cancel"} or (act == "exit" and not self.keep)
        self._turn(act, after[act], received, erase=erase)

    def _turn(self, act: str, state: str, since: int, *, erase: bool = False) -> None:
        self.acts.append(act)
        two_ends = self.state in CLOSED and state in CLOSED
        self.state = min(self.state, state, key=CLOSED.index) if two_ends else state
        self.since = since
        if erase:
            self.erased |= self.stored
            self.stored = set()
        elif state != "joined":
            # What is stored may be kept; what is not yet is taken back.
            self.stored -= self.fresh
