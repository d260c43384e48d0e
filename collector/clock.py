"""The wall clock, and whether it can be believed (K38).

Acts are ordered by the numbers of their entries, not by the clock; but it decides how old a message is, whether it is
from before the join, and what is in the future. A clock that is behind a time it has shown, a store has seen, or no
collector can be older than, is not believed until it has passed that time: nothing is received meanwhile.
"""

import time
from collections.abc import Callable
from typing import Final

TOLERANCE: Final = 5_000
"""How far back the clock may go in milliseconds: NTP slews it, and steps it by less."""
EARLIEST: Final = 1_735_689_600_000
"""2025-01-01 UTC, in milliseconds: no collector is older, so a clock before that was never set."""


class Clock:
    """The wall clock in milliseconds since 1970; *wall* gives it in seconds."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._shown = EARLIEST
        self._seen: dict[str, int] = {}
        self.behind = 0
        """By how many milliseconds it was behind at the last look; 0 for a clock that is believed."""
        self.least = 0
        """The least it can show if it is believed, as of the last look."""

    def now(self) -> int:
        """What it shows."""
        return int(self._wall() * 1000)

    def learn(self, where: str, newest: int) -> None:
        """The newest time that a store has seen; it may be earlier than before, if somebody found that one wrong."""
        self._seen[where] = newest

    def look(self) -> int:
        """Compare it with every time known to have been, its own included; returns how far it is behind."""
        now, known = self.now(), max([self._shown, *self._seen.values()])
        self.behind = known - now if now < known - TOLERANCE else 0
        if not self.behind:
            self._shown = max(self._shown, now)
        self.least = max(known, self._shown) - TOLERANCE
        return self.behind
