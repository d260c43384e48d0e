"""The collector's own ingest before a real broker, with every message and its token in the hands of the test.

What the collector does with a message is left out; how it comes and how it is acknowledged is all there.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from records import until

from collector.acks import Token
from collector.broker import LocalBroker
from collector.config_broker import BrokerSettings
from collector.ingest.client import Client
from collector.metrics import Metrics
from collector.model import Message

from .harness import Publisher

REPORTS: Final = "ueip-collector"
PATIENCE: Final = 60.0


class Delivery(NamedTuple):
    """One message as it came."""

    text: str
    token: Token


class Consumer:
    """Connects, keeps what comes, and acknowledges what the test settles."""

    def __init__(self, port: int, **settings: Any) -> None:
        usual = {"port": port, "reconnect_max_seconds": 0.05, **settings}
        self._settings = BrokerSettings.model_validate(usual)
        self.deliveries: list[Delivery] = []
        self.on_delivery: Callable[[Delivery], None] = lambda _: None
        self.metrics = Metrics()
        self.client: Client
        self._task: asyncio.Task[None]
        self._taken = 0

    async def open(self) -> None:
        """Connect, and wait until both connections stand."""
        self.client = Client(self._settings, self.metrics, self._receive, lambda: None)
        self._task = asyncio.create_task(self.client.run())
        await self.ready()

    async def close(self) -> None:
        """Say goodbye; what is not acknowledged stays with the broker."""
        await self.client.stop()
        async with asyncio.timeout(PATIENCE):
            await self._task
        self._taken = len(self.deliveries)

    async def reopen(self) -> None:
        """End it and begin anew, as a restart does."""
        await self.close()
        await self.open()

    async def ready(self) -> None:
        """Wait until both connections stand and work."""
        await until(lambda: set(self.client.states().values()) == {"connected"}, seconds=PATIENCE)

    def _receive(self, message: Message, token: Token) -> None:
        found = Delivery(message.payload.decode(), token)
        self.deliveries.append(found)
        self.on_delivery(found)

    async def take(self, count: int) -> list[Delivery]:
        """The next *count* messages, in order of receipt, not settled yet."""
        await until(lambda: len(self.deliveries) >= self._taken + count, seconds=PATIENCE)
        self._taken += count
        return self.deliveries[self._taken - count : self._taken]

    async def wait_for(self, texts: Iterable[str]) -> None:
        """Wait until each of *texts* has come at least once."""
        wanted = set(texts)
        await until(lambda: wanted <= {found.text for found in self.deliveries}, seconds=PATIENCE)

    def times(self) -> Counter[str]:
        """How often each message came."""
        return Counter(found.text for found in self.deliveries)


def settle(deliveries: Iterable[Delivery]) -> None:
    """Complete the tokens, in this order."""
    for found in deliveries:
        found.token.complete()


def numbered(count: int, first: int = 0) -> list[str]:
    """Messages that can be told apart."""
    return [f"hello world {number}" for number in range(first, first + count)]


async def send(router: Publisher, texts: Iterable[str], qos: int = 1) -> None:
    """Publish, and wait until the broker has taken all of it."""

    def publish() -> None:
        for text in texts:
            router.publish("ueip/v1/r1/report", text, qos=qos)
        router.settle()

    await asyncio.to_thread(publish)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalBroker]:
    """A Mosquitto of the test's own."""
    with LocalBroker(tmp_path / "broker") as running:
        yield running


@pytest.fixture
def router(broker: LocalBroker) -> Iterator[Publisher]:
    """Who publishes: paho."""
    with Publisher(broker.port) as connected:
        yield connected


@asynccontextmanager
async def consuming(port: int, **settings: Any) -> AsyncIterator[Consumer]:
    """A consumer that is connected, until the end of the `with`."""
    consumer = Consumer(port, **settings)
    await consumer.open()
    try:
        yield consumer
    finally:
        await consumer.close()
