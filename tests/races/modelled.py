"""What the ledger and the store of one router must hold, said a second time and as simply as possible.

Nothing here is shared with the collector. An `Owner` is told, in order, of everything that a commit takes in, and says
what is in the store afterwards.
"""

from dataclasses import dataclass, field
from typing import Literal

Act = Literal["exit", "void", "restrict", "unrestrict", "cancel", "erase", "hold", "release"]
CLOSED = ("void", "closed", "exited, restricted", "exited")
"""The ends; of two the first stays."""
RESTRICTED = ("restricted", "exited, restricted")
"""What only `unrestrict` leads out of; or an end of the consents themselves."""
TIE = 1000
"""Milliseconds within which nobody knows which of two acts was first."""


@dataclass
class Times:
    """How far the ledger of all of them has come: the latest time that its last act knows of."""

    newest: int = 0


@dataclass
class Owner:
    """One router as its ledger has it. *since* is when the last act took effect; *acts* are all of them, in order."""

    registered: bool
    keep: bool
    times: Times
    state: str = "none"
    since: int = 0
    acts: list[str] = field(default_factory=list)
    stored: dict[int, int] = field(default_factory=dict)
    """The reports that are kept, and when they were received."""
    erased: set[int] = field(default_factory=set)
    fresh: set[int] = field(default_factory=set)
    """What the commit under way was going to store."""
    seen: set[str] = field(default_factory=set)
    holds: set[str] = field(default_factory=set)
    until: int = 0
    """What was received by then was asked to be erased."""

    @property
    def is_open(self) -> bool:
        """Whether nothing that the ledger says keeps a report out."""
        return self.state in {"none", "joined"} and not self.holds

    def report(self, number: int, *, measured: int, received: int) -> None:
        """A report with a yes: it joins somebody unknown, is kept of somebody joined, and is nothing else."""
        if self.state == "none" and not self.registered:
            self._turn("join", "joined", min(measured, received), received)
        spent = number in self.erased or number in self.stored
        if not self.is_open or min(measured, received) < self.since or spent or self.state == "none":
            return
        if received <= self.until:
            self.erased.add(number)
        else:
            self.stored[number] = received
            self.fresh.add(number)

    def join(self, name: str, *, said: int, received: int) -> None:
        """It counts once, only if what closed the gate is clearly older, and it does not lift a restriction."""
        stale = self.state in CLOSED and min(said, received) < self.since + TIE
        if name in self.seen or self.state in RESTRICTED or self.holds or stale:
            return
        self.seen.add(name)
        self._turn("join", "joined", self.since if self.state == "joined" else received, received)

    def leave(self, name: str, *, received: int, refusal: bool) -> None:
        """An exit counts once. A report that says no is one only of somebody who has something to leave."""
        if name in self.seen or (refusal and self.state in {"none", *CLOSED}):
            return
        self.seen.add(name)
        self._turn("exit", self._exited(), self._closes_at(received), received, erase=not self.keep)

    def command(self, act: Act, *, received: int, reference: str) -> None:
        """What somebody decides beside the collector, in a commit of its own."""
        self.fresh = set()
        self._decide(act, received=received, reference=reference)

    def decide(self, act: Act, name: str, *, received: int, reference: str) -> None:
        """What the rights desk decides; what did something counts once."""
        before = len(self.acts)
        if name not in self.seen:
            self._decide(act, received=received, reference=reference)
        if len(self.acts) > before:
            self.seen.add(name)

    def _decide(self, act: Act, *, received: int, reference: str) -> None:
        if act in {"erase", "hold", "release"}:
            if self.state != "none":
                getattr(self, f"_{act}")(received, reference)
            return
        if act == "restrict" and self.state in {"none", "void", "closed", "exited, restricted"}:
            return
        if act == "unrestrict" and self.state not in RESTRICTED:
            return
        after = {"exit": self._exited(), "void": "void", "cancel": "closed"}
        after |= {"restrict": "restricted", "unrestrict": "joined"}
        if self.state.startswith("exited"):
            after |= {"restrict": "exited, restricted", "unrestrict": "exited"}
        erase = act in {"void", "cancel"} or (act == "exit" and not self.keep)
        since = max(received, self.since) if act == "unrestrict" else self._closes_at(received)
        self._turn(act, after[act], since, received, erase=erase)

    def _exited(self) -> str:
        """What an exit leads to: it does not end a restriction."""
        return "exited, restricted" if self.state in RESTRICTED else "exited"

    def _closes_at(self, received: int) -> int:
        """What closes does so when the ledger has come to at the earliest, though it was received before (K38)."""
        return max(received, self.since, self.times.newest)

    def _done(self, act: str, received: int) -> None:
        self.acts.append(act)
        self.times.newest = max(self.since, received)

    def _turn(self, act: str, state: str, since: int, received: int, *, erase: bool = False) -> None:
        two_ends = self.state in CLOSED and state in CLOSED and act not in {"restrict", "unrestrict"}
        self.state = min(self.state, state, key=CLOSED.index) if two_ends else state
        self.since = since
        self._done(act, received)
        if self.holds:
            return
        if erase:
            self._forget(received_by=None)
        elif state != "joined":
            # What is stored may be kept; what is not yet is taken back.
            for number in self.fresh:
                self.stored.pop(number, None)

    def _erase(self, received: int, _: str) -> None:
        """All that was received by now; the consent goes on."""
        self._done("erase", received)
        self.until = max(self.until, received)
        if not self.holds:
            self._forget(received_by=self.until)

    def _hold(self, received: int, reference: str) -> None:
        """Nothing comes in or goes out while one stands."""
        if reference not in self.holds:
            if self.state == "joined" or received < self.times.newest:
                self.since = self._closes_at(received)
            self.holds.add(reference)
            self._done("hold", received)

    def _release(self, received: int, reference: str) -> None:
        """With the last one, what the owner did meanwhile is done."""
        if reference not in self.holds:
            return
        self.holds.remove(reference)
        if self.state == "joined":
            self.since = max(received, self.since)
        self._done("release", received)
        if self.holds:
            return
        left = self.state in CLOSED and not (self.keep and self.state.startswith("exited"))
        self._forget(received_by=None if left else self.until)

    def _forget(self, *, received_by: int | None) -> None:
        gone = {number for number, at in self.stored.items() if received_by is None or at <= received_by}
        self.erased |= gone
        self.stored = {number: at for number, at in self.stored.items() if number not in gone}
