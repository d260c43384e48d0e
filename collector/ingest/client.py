"""The collector's two connections to the broker: consent events on one, ahead of everything on the other.

Rule 1: no report is read before the consent topic has been read to its end, at the start, after any loss of either
        connection, and for as long as the consent connection is away (K05).
Rule 2: full memory stops the reports first. Consent events are read on, to a bound of their own.
"""

import asyncio
from collections.abc import Callable, Sequence

from collector.clock import Clock
from collector.config_broker import BrokerSettings
from collector.ingest.clearing import Clearing
from collector.ingest.connection import Receive
from collector.ingest.hold import Hold
from collector.ingest.link import Link
from collector.ingest.packets import ALONE, Membership
from collector.link_metrics import LinkName
from collector.metrics import Metrics
from collector.source_settings import SourceSettings


class Client:
    """The collector's side of its sessions with the broker."""

    def __init__(
        self,
        settings: BrokerSettings,
        metrics: Metrics,
        receive: Receive,
        read_done: Callable[[], None],
        sources: Sequence[SourceSettings] = (),
        renewed: Callable[[], None] = lambda: None,
        clock: Clock | None = None,
        acts_renewed: Callable[[], None] = lambda: None,
        membership: Membership = ALONE,
    ) -> None:
        """*renewed* is called when reports that were left with the broker are sent again, *acts_renewed* for acts."""
        self._renewed = renewed
        self._acts_renewed = acts_renewed
        self.connected = asyncio.Event()
        """Set once both connections have stood: from then on the broker keeps what is published."""
        self._consent = Link(
            "consent",
            settings,
            metrics,
            receive,
            read_done,
            lost=self._consent_lost,
            caught_up=self._consent_read,
            begins=acts_renewed,
            clock=clock,
            membership=membership,
        )
        self._reports = Link(
            "reports",
            settings,
            metrics,
            receive,
            read_done,
            sources,
            lost=self._reports_lost,
            caught_up=self.connected.set,
            begins=renewed,
            clock=clock,
            membership=membership,
        )
        self._reports.hold(Hold.CONSENT)
        self._clearing = Clearing(self._reports.clear_retained, metrics) if settings.clear_retained else None
        self._links: dict[LinkName, Link] = {"consent": self._consent, "reports": self._reports}
        metrics.oldest_seconds = self.oldest_seconds
        metrics.links.window = lambda name: self._links[name].window()
        metrics.links.silent_seconds = lambda name: self._links[name].silent_seconds()

    async def run(self, *, known: bool = False) -> None:
        """Stay connected until `stop`. *known*: the broker should have our sessions from earlier runs."""
        async with asyncio.TaskGroup() as tasks:
            for name, link in self._links.items():
                link.expects_session = known
                tasks.create_task(link.run(), name=f"broker-{name}")
            if self._clearing is not None:
                tasks.create_task(self._clearing.run(), name="clearing")

    def clear_retained(self, topic: str) -> None:
        """Have the broker forget what it retains for a topic of reports, sooner or later, if settings allow it."""
        if self._clearing is not None:
            self._clearing.want(topic)

    def is_drained(self) -> bool:
        """Whether all that the broker had for our sessions, when last asked, is settled and acknowledged."""
        return all(link.is_drained() for link in self._links.values())

    async def stop(self, *, for_good: bool = False) -> None:
        """Say goodbye; what is not acknowledged stays with the broker. *for_good*: the sessions end."""
        if self._clearing is not None:
            self._clearing.stop()
        for link in self._links.values():
            await link.stop(for_good=for_good)

    def pause(self) -> None:
        """Memory is full: read no more reports for now."""
        self._reports.hold(Hold.MEMORY)

    def pause_all(self) -> None:
        """There is no room for consent events either."""
        for link in self._links.values():
            link.hold(Hold.MEMORY)

    def heed_clock(self, *, behind: bool) -> None:
        """Take nothing at all while the collector's own clock is behind."""
        for link in self._links.values():
            (link.hold if behind else link.release)(Hold.CLOCK)

    def quiesce(self) -> None:
        """Read nothing more, for good; acknowledgements still go out."""
        for link in self._links.values():
            link.hold(Hold.END)

    def resume(self) -> None:
        """There is room again."""
        for link in self._links.values():
            link.release(Hold.MEMORY)

    def left(self) -> None:
        """Messages were left with the broker, so they take up places in the windows."""
        for link in self._links.values():
            link.left()

    def ask_again(self) -> None:
        """What was left with the broker can be taken."""
        if not self._consent.ask_again():
            self._acts_renewed()
        if not self._reports.ask_again():
            self._renewed()

    def states(self) -> dict[LinkName, str]:
        """The state of each connection: `connected` when all is well, or else what is wrong."""
        return {name: link.state() for name, link in self._links.items()}

    def oldest_seconds(self) -> float:
        """Age of the oldest unacknowledged message, 0 for none."""
        return max(link.oldest_seconds() for link in self._links.values())

    def _consent_read(self) -> None:
        self._reports.release(Hold.CONSENT)

    def _consent_lost(self) -> None:
        self._reports.hold(Hold.CONSENT)

    def _reports_lost(self) -> None:
        """What came meanwhile waits at the broker for both connections: its consent events are read first."""
        self._reports.hold(Hold.CONSENT)
        self._consent.catch_up()
        if self._clearing is not None:
            self._clearing.lost(by_us=self._reports.renews)
