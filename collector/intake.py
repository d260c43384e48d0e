"""What the shell does with each message: asks `process`, counts, and hands on. No decision is made here."""

from collections.abc import Callable, Mapping
from typing import Final

from collector.acks import Countdown, Settling, Token
from collector.metrics import Metrics
from collector.model import Accepted, ConsentChange, ConsentEvent, Dropped, Message, Record, Region, Several
from collector.pipeline import Rules, process
from collector.stores.writer import Writer

_OVERHEAD: Final = 1024
"""Bytes a waiting message takes beside its payload, roughly."""


class Intake:
    """Between the connection and the writers; bounds what is in memory."""

    def __init__(
        self,
        rules: Rules,
        writers: Mapping[Region, Writer],
        metrics: Metrics,
        *,
        max_in_flight_bytes: int,
        pause: Callable[[], None],
        resume: Callable[[], None],
        pause_all: Callable[[], None] = lambda: None,
    ) -> None:
        self._rules = rules
        self._writers = writers
        self._metrics = metrics
        self._most = max_in_flight_bytes
        # Consent events are read on while reports are not; a flood of them has a bound too.
        self._most_of_all = max_in_flight_bytes + max_in_flight_bytes // 4
        self._all_paused = False
        self._pause = pause
        self._pause_all = pause_all
        self._resume = resume

    def receive(self, message: Message, token: Token) -> None:
        """Give one message its outcome, or its place in a region's queue."""
        outcome = process(message, self._rules)
        if isinstance(outcome, Accepted):
            self._accepted(outcome.record, token, len(message.payload) + _OVERHEAD)
        elif isinstance(outcome, Dropped):
            self._dropped(outcome, token, len(message.payload))
        elif isinstance(outcome, Several):
            self._several(outcome, token, len(message.payload))
        elif isinstance(outcome, ConsentChange):
            self._events(outcome.events, token, len(message.payload))
        else:
            self._metrics.consent_refused[outcome.reason] += 1
            token.complete()

    def _accepted(self, record: Record, token: Settling, size: int) -> None:
        metrics, writer = self._metrics, self._writers[record.region]
        if writer.guarded and writer.turns_away(record, token):
            return
        metrics.received += 1
        metrics.in_flight += 1
        metrics.in_flight_bytes += size
        writer.submit(record, token, size)

    def _dropped(self, outcome: Dropped, token: Settling, size: int) -> None:
        self._metrics.received += 1
        self._metrics.drop(outcome.reason)
        self._events(outcome.exits, token, size)

    def _several(self, several: Several, token: Token, size: int) -> None:
        """Each report for itself; the message is acknowledged when all are settled."""
        waiting = Countdown(token, len(several.outcomes))
        share = size // len(several.outcomes)
        for outcome in several.outcomes:
            if isinstance(outcome, Accepted):
                self._accepted(outcome.record, waiting, share + _OVERHEAD)
            else:
                self._dropped(outcome, waiting, share)

    def _events(self, events: tuple[tuple[Region, ConsentEvent], ...], token: Settling, size: int) -> None:
        """To the ledgers; the message is acknowledged when all of them have it."""
        if not events:
            token.complete()
            return
        waiting: Settling = token if len(events) == 1 else Countdown(token, len(events))
        for region, event in events:
            self._writers[region].submit_event(event, waiting, size + _OVERHEAD)

    def read_done(self) -> None:
        """After each read of a socket: stop reading while memory is full, reports first."""
        held = self._metrics.in_flight_bytes
        if not self._metrics.paused and held > self._most:
            self._metrics.paused = True
            self._pause()
        if not self._all_paused and held > self._most_of_all:
            self._all_paused = True
            self._pause_all()

    def settled(self) -> None:
        """After each commit: read again once there is room."""
        if self._metrics.paused and self._metrics.in_flight_bytes <= self._most // 2:
            self._metrics.paused = self._all_paused = False
            self._resume()
