"""Has the broker forget retained reports: an empty retained message to their topic removes them (MQTT 5, 3.3.1.3).

A retained report must not exist (K10): the broker keeps it for whoever subscribes, and nobody takes it back at an exit.

Rule 1: one at a time, and at most `PER_SECOND`; what waits is bounded, and each topic waits only once.
Rule 2: the connection matters more: a broker that refuses is left alone for a while, and one that hangs up over it
        twice in a row is not asked again until the collector's next start.
Rule 3: a topic holds an identifier. It is in no log and no metric, and nothing of it stays once it is cleared.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from collector.ingest.codec import PubAckReasonCode
from collector.log import LOG
from collector.metrics import Metrics

Answer = asyncio.Future[PubAckReasonCode | None]
Publish = Callable[[str, Callable[[PubAckReasonCode], None]], bool]
"""Publishes an empty retained message to a topic, and says whether there is a connection to do so."""

PER_SECOND: Final = 20
MOST_WAITING: Final = 10_000
ANSWER_SECONDS: Final = 20.0
RETRY_SECONDS: Final = 1.0
REFUSED_SECONDS: Final = 60.0
_HANG_UPS: Final = 2
_TODO: Final = "let the collector write ueip/v1/+/report, or set broker.clear_retained = false"


class Clearing:
    """The topics that wait to be cleared, and the one that is being cleared."""

    def __init__(self, publish: Publish, metrics: Metrics) -> None:
        self._publish = publish
        self._metrics = metrics
        self._waiting: dict[str, None] = {}
        self._some = asyncio.Event()
        self._stopping = asyncio.Event()
        self._answer: Answer | None = None
        self._hang_ups = 0

    @property
    def is_off(self) -> bool:
        """Whether the broker hung up over it too often."""
        return self._hang_ups >= _HANG_UPS

    def want(self, topic: str) -> None:
        """Have a topic cleared, sooner or later; if too many wait, it is left for the next time it is seen."""
        if len(self._waiting) < MOST_WAITING and not self.is_off:
            self._waiting[topic] = None
            self._some.set()

    async def run(self) -> None:
        """Clear what waits, until `stop`."""
        while not self._stopping.is_set():
            await self._some.wait()
            await self._pause(await self._clear_one())

    def stop(self) -> None:
        """Clear nothing more; what waits is seen again with the next connection."""
        self._stopping.set()
        self._some.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _clear_one(self) -> float:
        """Clear the first that waits, if there is a connection; returns the seconds to wait before the next."""
        topic = next(iter(self._waiting), None)
        if topic is None or self.is_off or self._stopping.is_set():
            self._waiting.clear()
            self._some.clear()
            return 0.0
        answer: Answer = asyncio.get_running_loop().create_future()
        if not self._publish(topic, lambda code: _answered(answer, code)):
            return RETRY_SECONDS
        self._answer = answer
        try:
            code = await asyncio.wait_for(answer, ANSWER_SECONDS)
        except TimeoutError:
            code = None
        self._answer = None
        return self._done(topic, code)

    def _done(self, topic: str, code: PubAckReasonCode | None) -> float:
        if code is None:
            return RETRY_SECONDS
        self._hang_ups = 0
        self._waiting.pop(topic, None)
        if int(code) < 0x80:  # noqa: PLR2004 - MQTT 5, 3.4.2.1: refusals begin there
            self._metrics.retained_cleared["cleared"] += 1
            return 1 / PER_SECOND
        self._metrics.retained_cleared["refused"] += 1
        LOG.seldom("retained_not_cleared", reason=code.name.lower(), todo=_TODO)
        return REFUSED_SECONDS

    def lost(self, *, by_us: bool = False) -> None:
        """The connection is gone; perhaps because of what was just published, unless it was closed *by_us*."""
        if self._answer is not None and not self._answer.done():
            self._hang_ups += not by_us
            self._answer.set_result(None)
            if self.is_off:
                LOG.error(
                    "clearing_off", what="the broker hung up on it", todo="let the collector write ueip/v1/+/report"
                )


def _answered(answer: Answer, code: PubAckReasonCode) -> None:
    if not answer.done():
        answer.set_result(code)
