"""Two collectors of one name are told apart from one that was restarted, and from a broker that forgot."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fake_broker import FakeBroker, fake_broker
from records import until

from collector.acks import NO_TOKEN, Token
from collector.config_broker import BrokerSettings
from collector.ingest.claim import Claim, claim_topic
from collector.ingest.codec import PubAckReasonCode
from collector.ingest.connection import Connection
from collector.ingest.packets import connect_packet, topic_filters
from collector.model import Message

TOPIC = claim_topic("c1-consent")


class Claiming:
    """A claim, and the connection it is made on."""

    def __init__(self, broker: FakeBroker) -> None:
        self.broker = broker
        self.others: list[Message] = []
        self.contests = 0
        self.claim = Claim("c1-consent", self._take)
        self.claim.contested = self._contested

    def _take(self, message: Message, token: Token) -> None:
        self.others.append(message)

    def _contested(self) -> None:
        self.contests += 1

    async def make(self) -> bytes:
        """Connect and claim; the claim."""
        packet = connect_packet(BrokerSettings(), "c1-consent")
        connection = Connection(packet, self.claim.receive, lambda: None)
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: connection, "127.0.0.1", self.broker.port)
        await connection.handshake(topic_filters("consent", "c1-consent"))
        self.claim.make(connection)
        await until(lambda: self.claim._made and bool(self.broker.probes()))
        made = self.broker.probes()[-1]
        assert (TOPIC, True) == (made.topic, made.retain)
        connection.abort("over")
        return bytes(made.payload)

    def see(self, claim: bytes) -> int:
        """What the broker shows at the next connect; how often we were contested so far."""
        self.claim.receive(Message(TOPIC, claim, retained=True, received_at=0), NO_TOKEN)
        return self.contests


@pytest.fixture
async def claiming() -> AsyncIterator[Claiming]:
    """One that has claimed nothing yet."""
    async with fake_broker() as broker:
        yield Claiming(broker)


async def test_the_claim_of_an_earlier_run_is_no_contest(claiming: Claiming) -> None:
    """It was there before us; it still is not when a broker that lost its last minutes shows it again."""
    before = claiming.see(b"earlier run")
    await claiming.make()

    assert (0, 0) == (before, claiming.see(b"earlier run"))


async def test_our_own_claims_are_no_contest(claiming: Claiming) -> None:
    """Neither the last one nor one before it."""
    first, second = await claiming.make(), await claiming.make()

    assert first != second
    assert (0, 0) == (claiming.see(second), claiming.see(first))


async def test_a_claim_newer_than_ours_is_a_contest(claiming: Claiming) -> None:
    """Somebody else has connected under our name since we did."""
    await claiming.make()

    assert 1 == claiming.see(b"somebody else")


async def test_a_claim_that_somebody_cleared_is_no_contest(claiming: Claiming) -> None:
    """An empty retained message removes what was kept (3.3.1.3): who tidies up the broker is no other collector."""
    await claiming.make()

    assert 0 == claiming.see(b"")


async def test_one_that_gave_up_takes_its_turn_when_it_comes_back(claiming: Claiming) -> None:
    """Else two collectors that were told would both stay away."""
    await claiming.make()
    claiming.claim.give_up()
    at_return = claiming.see(b"somebody else")
    await claiming.make()

    assert (0, 1) == (at_return, claiming.see(b"somebody else, again"))


async def test_a_claim_the_broker_refused_counts_for_nothing(claiming: Claiming) -> None:
    """Nobody could see it, so nobody contests it."""
    claiming.claim._answered(PubAckReasonCode.NOT_AUTHORIZED)

    assert 0 == claiming.see(b"somebody else")


async def test_messages_of_routers_go_on(claiming: Claiming) -> None:
    """Only our own topic is taken out."""
    message = Message("ueip/v1/r1/consent", b"{}", retained=False, received_at=0)
    claiming.claim.receive(message, NO_TOKEN)

    assert [message] == claiming.others
