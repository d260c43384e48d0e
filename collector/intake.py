"""What the shell does with each message: asks `process`, counts, and hands on. No decision is made here."""

from collections.abc import Callable, Mapping
from typing import Final

from collector.acks import Countdown, Settling, Token
from collector.consent.ledger import Result
from collector.formats.consent_event import Events
from collector.formats.report import parse_topic, report_topic
from collector.metrics import Metrics
from collector.model import Accepted, Action, ConsentChange, Dropped, DropReason, Message, Record, Region, Several
from collector.pipeline import Rules, process
from collector.stores.answer import Answer, Told
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
        clear: Callable[[str], None] = lambda _: None,
        hears_clearing: bool = False,
    ) -> None:
        """*clear* has the broker forget what it retains for a topic of reports; *hears_clearing* says that the messages
        that do so come back, as they do through a shared subscription (MQTT 5, 3.8.3.1: it can have no No Local).
        """
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
        self._clear = clear
        self._hears_clearing = hears_clearing

    def receive(self, message: Message, token: Token) -> None:
        """Give one message its outcome, or its place in a region's queue."""
        outcome = process(message, self._rules)
        if isinstance(outcome, Accepted):
            self._accepted(outcome.record, token, len(message.payload) + _OVERHEAD)
        elif isinstance(outcome, Dropped):
            if outcome.reason is DropReason.RETAINED or (self._hears_clearing and not message.payload):
                self._retained(message, token)
            else:
                told = self._leaving(outcome.exits, message)
                self._dropped(outcome, token, len(message.payload), told)
        elif isinstance(outcome, Several):
            self._several(outcome, token, len(message.payload))
        elif isinstance(outcome, ConsentChange):
            self._events(outcome.events, token, len(message.payload), self._leaving(outcome.events, message))
        else:
            self._metrics.consent_refused[outcome.reason] += 1
            token.complete()

    def _accepted(self, record: Record, token: Settling, size: int) -> None:
        metrics, writer = self._metrics, self._writers[record.region]
        if writer.guarded and writer.door.turns_away(record, token):
            return
        metrics.received += 1
        metrics.in_flight += 1
        metrics.in_flight_bytes += size
        writer.submit(record, token, size)

    def _dropped(self, outcome: Dropped, token: Settling, size: int, told: Told | None = None) -> None:
        self._metrics.received += 1
        self._metrics.drop(outcome.reason)
        self._events(outcome.exits, token, size, told)

    def _retained(self, message: Message, token: Token) -> None:
        """A retained report is dropped, and cleared at the broker. An empty one is that clearing, no report (K10)."""
        if not message.payload:
            token.complete()
            return
        if parse_topic(message.topic):
            self._clear(message.topic)
        self._dropped(Dropped(DropReason.RETAINED), token, len(message.payload))

    def _leaving(self, events: Events, message: Message) -> Told | None:
        """Once a ledger has recorded that the router left, the broker is to keep no report of it either (4.5)."""
        topic = parse_topic(message.topic) if events else None
        if topic is None or events[0][1].action is Action.JOIN:
            return None

        def told(_: Region, result: Result) -> None:
            if result is Result.RECORDED:
                self._clear(report_topic(topic[0]))

        return told

    def _several(self, several: Several, token: Token, size: int) -> None:
        """Each report on its own; the message is acknowledged when all are settled."""
        waiting = Countdown(token, len(several.outcomes))
        share = size // len(several.outcomes)
        for outcome in several.outcomes:
            if isinstance(outcome, Accepted):
                self._accepted(outcome.record, waiting, share + _OVERHEAD)
            else:
                self._dropped(outcome, waiting, share)

    def _events(self, events: Events, token: Settling, size: int, told: Told | None = None) -> None:
        """To the ledgers; the message is acknowledged when all of them have it."""
        if not events:
            token.complete()
            return
        waiting: Settling = token if len(events) == 1 else Countdown(token, len(events))
        if told is not None:
            waiting = Answer(told, waiting)
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
