"""A fleet of up to a million routers in one region, made as they are asked for: all alike but for what names them."""

import time
from itertools import count
from typing import Final

from payloads import fleet, kind_of, time_text

from collector.model import Accepted, Message, Record, Region
from collector.pipeline import Rules, process

MOST: Final = 1_000_000
REGION: Final = Region.GERMANY
_MODELS: Final = 40
"""Routers that the others are copies of."""


class Crowd:
    """Messages and records of *size* routers; each message has an id of its own."""

    def __init__(self, rules: Rules, size: int, now: float | None = None) -> None:
        """*now* is when messages are sent and received, the time of day if it is not given."""
        assert size <= MOST, "a serial has six digits"
        self.size = size
        self._rules = rules
        self._now = now
        self._numbers = count()
        self._models = [router for router in fleet(4 * _MODELS) if router.region is REGION][:_MODELS]

    def messages(self, number: int) -> list[Message]:
        """So many, as a fleet sends them, all with a flag."""
        kinds = ((n, kind_of(n, self.size)) for n in (next(self._numbers) for _ in range(number)))
        return [self._message(n, kind.router, kind.shape) for n, kind in kinds]

    def first_messages(self) -> list[Message]:
        """One of each router."""
        return [self._message(next(self._numbers), router, 0) for router in range(self.size)]

    def records(self, messages: list[Message]) -> list[Record]:
        """What is to be stored of them."""
        outcomes = [process(message, self._rules) for message in messages]
        found = [outcome.record for outcome in outcomes if isinstance(outcome, Accepted)]
        assert len(found) == len(messages), "a message of the benchmark was refused"
        return found

    def _message(self, number: int, router: int, shape: int) -> Message:
        model, now = self._models[router % len(self._models)], self._now or time.time()
        serial, imei = f"ZTEB01C{router:06d}", _imei(router)
        text = model.templates[shape].payload(number, time_text(now))
        start = text.index(b'"imei":"') + 8
        text = (text[:start] + imei + text[start + 15 :]).replace(model.name.encode(), serial.encode())
        return Message(f"ueip/v1/{serial}/report", text, retained=False, received_at=int(now * 1000))


def _imei(router: int) -> bytes:
    digits = f"35693804{router:06d}"
    total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(digits)))
    return (digits + str(-total % 10)).encode()
