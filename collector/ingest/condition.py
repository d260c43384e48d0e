"""What one connection to the broker does: as a metric, and in words for /readyz.

Rule 1: what keeps it from working is reported until it works again.
Rule 2: one that is up but waits for the consent topic is not what operators call connected: it is reported as held.
"""

from collections.abc import Mapping
from typing import Final

from collector.ingest.hold import Hold
from collector.ingest.trouble import Trouble
from collector.link_metrics import ConnectionState, LinkName
from collector.metrics import Metrics

_WORDS: Final[Mapping[str, str]] = {
    "draining": "reading what waited at the broker",
    "held": "held until the consent topic is read",
}


class Condition:
    """The condition of one connection, and what holds it."""

    def __init__(self, name: LinkName, metrics: Metrics, trouble: Trouble) -> None:
        self._name: LinkName = name
        self._metrics = metrics
        self._trouble = trouble
        self._state: ConnectionState = "stopped"
        self._holds: set[Hold] = set()

    def become(self, state: ConnectionState) -> None:
        """It is in *state* from now on."""
        self._state = state
        self._show()

    def accepted(self) -> None:
        """The broker let us publish: connected, subscribed, allowed. What we published may be back by now."""
        if self._state == "connecting":
            self._works("draining" if self._name == "consent" else "connected")

    def returned(self) -> bool:
        """What we published came back; True if the connection has worked only since then."""
        if self._state not in {"connecting", "draining"}:
            return False
        self._works("connected")
        return True

    @property
    def is_held(self) -> bool:
        """Whether it is to read nothing, for whatever reason."""
        return bool(self._holds)

    def hold(self, why: Hold) -> None:
        """It is held, whatever else it does."""
        self._holds.add(why)
        self._show()

    def release(self, why: Hold) -> None:
        """It is not held for this reason any more."""
        self._holds.discard(why)
        self._show()

    def words(self) -> str:
        """What it is doing: `connected` if all is well, otherwise what prevents that."""
        state = self._metrics.links.connection[self._name]
        if Hold.CLOCK in self._holds and state == "held":
            return "held until the clock is right"
        return state if state == "connected" else self._trouble.words() or _WORDS.get(state, state)

    def _works(self, state: ConnectionState) -> None:
        self._trouble.over()
        self.become(state)

    def _show(self) -> None:
        waits = self._state == "connected" and Hold.CONSENT in self._holds
        self._metrics.links.connection[self._name] = "held" if waits else self._state
