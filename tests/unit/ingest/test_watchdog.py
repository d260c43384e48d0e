"""A connection that is up and delivers nothing is noticed; a sleeping fleet, a slow store and full memory are not."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fake_broker import FakeBroker, fake_broker
from garbage import leftovers
from records import until

from collector.acks import Token
from collector.config_broker import BrokerSettings
from collector.ingest.codec import PublishPacket, QoS
from collector.ingest.connection import Connection, Receive
from collector.ingest.packets import connect_packet, topic_filters
from collector.ingest.watchdog import Watchdog, probe_topic
from collector.model import Message

SILENCE, PATIENCE = 60.0, 20.0


class Watched:
    """A connection to a fake broker under the eyes of a watchdog whose time passes when told to."""

    def __init__(self, broker: FakeBroker) -> None:
        self.broker = broker
        self.now = 1000.0
        self.received: list[tuple[Message, Token]] = []
        self.returns = 0
        self.accepted = 0
        self.connection: Connection
        self.dog: Watchdog

    async def connect(self) -> "Watched":
        """Connect and begin to watch; the first message of our own has come back."""
        settings = BrokerSettings(watchdog_silence_seconds=SILENCE, watchdog_answer_seconds=PATIENCE)
        self.received_by: Receive = self._receive
        self.connection = Connection(connect_packet(settings, "c1"), self.received_by, lambda: None)
        self.dog = Watchdog(
            self.connection,
            probe_topic("c1"),
            settings,
            accepted=self._accepted,
            returned=self._returned,
            clock=lambda: self.now,
        )
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self.connection, "127.0.0.1", self.broker.port)
        await self.connection.handshake(topic_filters("reports", "c1"))
        self.dog.ask()
        await until(lambda: self.returns == self.accepted == 1)
        self.returns = self.accepted = 0
        return self

    def probes(self) -> list[PublishPacket]:
        """The messages of our own since it was connected."""
        return self.broker.probes()[1:]

    def _receive(self, message: Message, token: Token) -> None:
        self.received.append((message, token))

    def _accepted(self) -> None:
        self.accepted += 1

    def _returned(self) -> None:
        self.returns += 1

    def deaf_after(self, seconds: float) -> bool:
        """Let time pass and ask."""
        self.now += seconds
        return self.dog.is_deaf()

    async def message(self, packet_id: int) -> Token:
        """One message of a router, delivered."""
        before = len(self.received)
        self.broker.publish(packet_id)
        await until(lambda: len(self.received) > before)
        return self.received[-1][1]


@pytest.fixture
async def watched() -> AsyncIterator[Watched]:
    """One connection, watched."""
    async with fake_broker() as broker:
        made = await Watched(broker).connect()
        yield made
        made.connection.abort("over")


async def test_silence_is_answered_by_a_message_of_our_own(watched: Watched) -> None:
    """It goes out once, comes back, is acknowledged and never reaches anybody else; then silence may go on."""
    assert not watched.deaf_after(SILENCE - 1)
    assert [] == watched.probes()
    for _ in range(3):
        assert not watched.deaf_after(2)
        assert not watched.deaf_after(0)
        await until(lambda: watched.returns > 0)
        watched.returns = 0
        watched.now += SILENCE

    assert 3 == len(watched.probes()) == watched.accepted
    assert {"ueip/probe/c1"} == {packet.topic for packet in watched.probes()}
    assert ([], 0) == (watched.received, watched.connection.acks.open_count)


async def test_a_connection_that_does_not_bring_it_back_is_deaf(watched: Watched) -> None:
    """Not before its time is up, and whatever else the broker answers: pings and acknowledgements are no messages."""
    watched.broker.echoes = False
    assert not watched.deaf_after(SILENCE + 1)
    await until(lambda: watched.accepted == 1)
    watched.connection.ping()
    assert not watched.deaf_after(PATIENCE - 1)

    assert watched.deaf_after(2)


async def test_messages_keep_it_from_being_asked(watched: Watched) -> None:
    """One within each silence is enough, though only the first after a look is timed."""
    for packet_id in range(1, 10):
        (await watched.message(packet_id)).complete()
        assert not watched.deaf_after(SILENCE - 1)

    assert [] == watched.probes()


async def test_a_backlog_that_is_delivered_is_no_silence(watched: Watched) -> None:
    """Ours waits behind it for as long as it takes."""
    watched.broker.echoes = False
    watched.dog.ask()
    for packet_id in range(1, 10):
        (await watched.message(packet_id)).complete()
        assert not watched.deaf_after(PATIENCE - 1)
    watched.broker.writers[-1].write(watched.broker.held_back[0])
    await until(lambda: watched.returns == 1)

    assert not watched.deaf_after(PATIENCE)


async def test_a_full_window_is_not_held_against_the_broker(watched: Watched) -> None:
    """While a message waits for its commit the broker may have to be silent; the time begins when none does."""
    token = await watched.message(1)
    watched.broker.echoes = False
    for _ in range(5):
        assert not watched.deaf_after(SILENCE + PATIENCE)
    assert [] == watched.probes()
    token.complete()
    assert not watched.deaf_after(SILENCE + 1)
    await until(lambda: len(watched.probes()) == 1)

    assert watched.deaf_after(PATIENCE + 1)


async def test_a_connection_that_is_not_read_is_not_judged(watched: Watched) -> None:
    """What was asked while memory was full may be answered after it is not."""
    watched.dog.ask()
    watched.connection.pause()
    for _ in range(3):
        assert not watched.deaf_after(PATIENCE * 2)
    watched.connection.resume()
    assert not watched.deaf_after(PATIENCE - 1)
    await until(lambda: watched.returns == 1)


async def test_only_the_last_one_asked_for_counts(watched: Watched) -> None:
    """What waits for the end of a backlog must not be told of an earlier end; nor by what another connection left."""
    watched.broker.echoes = False
    watched.dog.ask()
    watched.dog.ask()
    await until(lambda: len(watched.broker.held_back) == 2)
    first, second = watched.broker.held_back
    watched.broker.writers[-1].write(first)
    await watched.message(1)
    before = watched.returns
    watched.broker.writers[-1].write(second)
    await until(lambda: watched.returns == 1)

    assert 0 == before


async def test_what_an_earlier_connection_left_behind_comes_first_and_is_ours() -> None:
    """The broker sends it with its first word, before we have asked for anything; it is no router's, and no return."""
    async with fake_broker() as broker:
        left = PublishPacket(probe_topic("c1"), b"0123456789abcdef", qos=QoS.AT_LEAST_ONCE, packet_id=9)
        broker.greeting = [left.write()]
        watched = await Watched(broker).connect()
        await until(lambda: broker.acknowledged() == [9])
        watched.connection.abort("over")

    assert [] == watched.received


async def test_a_broker_that_refuses_it_is_told_of(watched: Watched) -> None:
    """Where to look and what to do; the connection ends, for nobody could watch it."""
    watched.broker.allows_probes = False
    watched.dog.ask()
    async with asyncio.timeout(60):
        assert "refused" == await watched.connection.closed

    assert str(watched.dog.refusal) == (
        "the broker refused a message of our own on ueip/probe/c1: not authorized. "
        "Its access rules must let the collector read and write there"
    )


async def test_under_load_only_one_message_a_look_passes_by_the_watchdog(watched: Watched) -> None:
    """The path of a message is the shortest one again until the next look."""
    watched.deaf_after(1)
    listening = watched.connection.receive
    (await watched.message(1)).complete()
    shortest = watched.connection.receive
    watched.deaf_after(1)

    assert watched.received_by == shortest != listening == watched.connection.receive
    assert 1 == watched.dog.silent_seconds()


async def test_who_still_asks_about_a_connection_that_was_lost_does_not_keep_it() -> None:
    """The link asks until it has noticed, and a scrape may come between."""
    async with fake_broker() as broker:
        with leftovers() as found:
            watched = await Watched(broker).connect()
            broker.drop()
            await watched.connection.closed
            watched.dog.ask()
            watched.deaf_after(1)
            watched.dog.silent_seconds()
            del watched.connection, watched.dog

    assert {} == found
