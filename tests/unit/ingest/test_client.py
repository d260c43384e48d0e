"""Two connections: the consent topic is read to its end before any report is, every time (K05)."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from fake_broker import FakeBroker, fake_broker
from records import until

from collector.acks import Token
from collector.config_broker import BrokerSettings
from collector.ingest.claim import claim_topic
from collector.ingest.client import Client
from collector.ingest.codec import ConnAckPacket, DisconnectPacket, UnsubscribePacket
from collector.ingest.packets import Membership
from collector.metrics import Metrics
from collector.model import Message

CONSENT, REPORTS = "ueip-collector-consent", "ueip-collector"


class Running:
    """A client at work."""

    def __init__(self, broker: FakeBroker, **settings: object) -> None:
        given = {"port": broker.port, "reconnect_max_seconds": 0.02, **settings}
        self.broker = broker
        self.metrics = Metrics()
        self.received: list[tuple[Message, Token]] = []
        self.client = Client(
            BrokerSettings.model_validate(given), self.metrics, lambda m, t: self.received.append((m, t)), lambda: None
        )
        self.task = asyncio.create_task(self.client.run())

    async def ready(self) -> None:
        """Wait until both connections stand and work."""
        await until(lambda: set(self.client.states().values()) == {"connected"})

    def session(self, name: str) -> int:
        """The number of the newest connection of that name."""
        names = self.broker.names()
        return len(names) - 1 - names[::-1].index(name)

    async def stop(self) -> None:
        """Stop it and wait."""
        await self.client.stop()
        async with asyncio.timeout(60):
            await self.task


Start = Callable[..., Running]


@pytest.fixture
async def broker() -> AsyncIterator[FakeBroker]:
    """A broker on a free port of this machine."""
    async with fake_broker() as made:
        yield made


@pytest.fixture
async def start(broker: FakeBroker) -> AsyncIterator[Start]:
    """Starts clients of the fake broker; they are stopped in the end."""
    made: list[Running] = []

    def running(**settings: object) -> Running:
        made.append(Running(broker, **settings))
        return made[-1]

    yield running
    for one in made:
        await one.stop()


async def test_no_connection_for_reports_is_made_before_the_consent_topic_is_read(
    broker: FakeBroker, start: Start
) -> None:
    """Subscribed is not read: the broker may have a backlog. Our own message, behind it, says where it ends."""
    broker.echoes = False
    running = start()
    await until(lambda: len(broker.held_back) == 1)
    broker.publish(1, 2, 3)
    await until(lambda: len(running.received) == 3)
    before = (broker.names(), running.client.states())
    broker.echoes = True
    broker.writers[0].write(broker.held_back[0])
    await running.ready()

    states = {"consent": "reading what waited at the broker", "reports": "held until the consent topic is read"}
    assert ([CONSENT], states) == before
    assert [CONSENT, REPORTS] == broker.names()


@pytest.mark.parametrize("retains", [True, False])
async def test_each_connection_for_consent_leaves_a_claim_to_its_session_where_the_broker_retains(
    broker: FakeBroker, start: Start, retains: bool
) -> None:
    """By it two collectors of one name notice each other. Nor is anything cleared where nothing is retained."""
    broker.connack = ConnAckPacket(session_present=True, retain_available=retains)
    running = start()
    await running.ready()
    broker.drop(running.session(CONSENT))
    await until(lambda: running.metrics.links.connects["consent"] == 2)
    await running.ready()
    running.client.clear_retained("ueip/v1/r1/report")
    await until(lambda: running.metrics.retained_cleared["cleared"] == 1)
    retained = [packet for n in range(len(broker.sessions)) for packet in broker.probes(n) if packet.retain]
    claims = [packet.payload for packet in retained if packet.topic == claim_topic(CONSENT)]
    cleared = [packet.topic for packet in retained if not packet.payload]

    assert (2 if retains else 0) == len(set(claims)) == len(claims)
    assert (["ueip/v1/r1/report"] if retains else []) == cleared


async def test_a_connection_that_we_renew_is_no_broker_that_hangs_up_on_clearing(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was published on one that is not read gets no answer there; retained reports are cleared all the same."""
    monkeypatch.setattr("collector.ingest.window._SHORTEST_LIFE", 0.0)
    monkeypatch.setattr("collector.ingest.clearing.RETRY_SECONDS", 0.2)
    running = start()
    await running.ready()
    running.client.pause()
    running.client.clear_retained("ueip/v1/r1/report")
    for _ in range(3):
        reports = running.session(REPORTS)
        await until(lambda: any(not sent.payload for sent in running.broker.probes(reports)))  # noqa: B023
        running.client._reports._window.renew()
        await until(lambda: bool(running.broker.goodbyes(reports)))  # noqa: B023
        running.client.resume()
        await until(lambda: running.session(REPORTS) > reports)  # noqa: B023
        # While it is greeted nothing may be published on it, and what is paused is not greeted.
        await until(lambda: (session := running.client._reports._session) is not None and session.stands)
        running.client.pause()
    running.client.resume()
    await until(lambda: running.metrics.retained_cleared["cleared"] == 1)


async def test_reports_are_not_read_while_the_consent_connection_is_away(broker: FakeBroker, start: Start) -> None:
    """What they brought is worked on; more is read once the consent topic is read to its end again."""
    running = start()
    await running.ready()
    reports = running.session(REPORTS)
    broker.echoes = False
    broker.drop(running.session(CONSENT))
    await until(lambda: len(broker.held_back) == 1)
    broker.publish(7, session=reports)
    await asyncio.sleep(0.1)
    during = (len(running.received), running.client.states()["reports"])
    broker.writers[running.session(CONSENT)].write(broker.held_back[0])
    await until(lambda: len(running.received) == 1)
    await running.ready()

    assert (0, "held until the consent topic is read") == during
    assert 1 == broker.names().count(REPORTS)


async def test_reports_come_back_only_behind_what_the_consent_topic_had_by_then(
    broker: FakeBroker, start: Start
) -> None:
    """After a loss of their connection alone, a backlog of reports may have an exit behind it."""
    running = start()
    await running.ready()
    broker.echoes = False
    broker.drop(running.session(REPORTS))
    await until(lambda: len(broker.held_back) == 1)
    await asyncio.sleep(0.1)  # the pause before an attempt is over by now
    before = broker.names().count(REPORTS)
    broker.echoes = True
    broker.writers[running.session(CONSENT)].write(broker.held_back[0])
    await running.ready()

    assert (1, 2) == (before, broker.names().count(REPORTS))


async def test_full_memory_stops_the_reports_and_not_the_consent_events(broker: FakeBroker, start: Start) -> None:
    """An exit must not wait behind reports; there is a bound for consent events all the same."""
    running = start()
    await running.ready()
    consent, reports = running.session(CONSENT), running.session(REPORTS)
    running.client.pause()
    broker.publish(1, session=reports)
    broker.publish(2, session=consent)
    await until(lambda: len(running.received) == 1)
    running.client.pause_all()
    broker.publish(3, session=consent)
    await asyncio.sleep(0.1)
    during = len(running.received)
    running.client.resume()
    await until(lambda: len(running.received) == 3)

    assert 1 == during
    assert [CONSENT, REPORTS] == broker.names()


async def test_room_in_memory_does_not_end_the_wait_for_the_consent_topic(broker: FakeBroker, start: Start) -> None:
    """Two reasons to wait are two: each has to end."""
    running = start()
    await running.ready()
    running.client.pause()
    broker.echoes = False
    broker.drop(running.session(CONSENT))
    await until(lambda: len(broker.held_back) == 1)
    running.client.resume()
    broker.publish(1, session=running.session(REPORTS))
    await asyncio.sleep(0.1)
    during = len(running.received)
    broker.writers[running.session(CONSENT)].write(broker.held_back[0])
    await until(lambda: len(running.received) == 1)

    assert 0 == during


async def test_a_consent_connection_that_delivers_nothing_stops_the_reports(broker: FakeBroker, start: Start) -> None:
    """Closed until it is read again: an exit might be behind it."""
    running = start(watchdog_silence_seconds=0.05, watchdog_answer_seconds=0.1)
    await running.ready()
    broker.echoes = False
    await until(lambda: running.client.states()["reports"] != "connected")
    broker.echoes = True
    await running.ready()


async def test_the_end_reads_nothing_more_and_still_acknowledges(broker: FakeBroker, start: Start) -> None:
    """Room in memory, which the last commits make, does not begin it anew."""
    running = start()
    await running.ready()
    reports = running.session(REPORTS)
    broker.publish(1, session=reports)
    await until(lambda: len(running.received) == 1)
    running.client.quiesce()
    running.client.resume()
    broker.publish(2, session=reports)
    running.received[0][1].complete()
    await until(lambda: broker.acknowledged(reports) == [1])

    assert 1 == len(running.received)


async def test_the_oldest_message_is_that_of_either_connection(broker: FakeBroker, start: Start) -> None:
    """0 for none."""
    running = start()
    before = running.metrics.oldest_seconds()
    await running.ready()
    broker.publish(1, session=running.session(CONSENT))
    await until(lambda: running.metrics.oldest_seconds() > 0.001)

    assert 0 == before


async def test_what_was_left_is_asked_for_on_the_connection_it_was_left_on(
    broker: FakeBroker, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports that are going to come again are announced; if none were left, at once."""
    monkeypatch.setattr("collector.ingest.window._SHORTEST_LIFE", 0)
    running = start()
    await running.ready()
    announced: list[int] = []
    running.client._renewed = running.client._reports._begins = lambda: announced.append(len(broker.sessions))
    running.client.ask_again()
    before = len(broker.sessions)
    broker.publish(1, session=running.session(REPORTS))
    await until(lambda: len(running.received) == 1)
    running.received[0][1].leave()
    running.client.left()
    running.client.ask_again()
    await until(lambda: running.metrics.links.connects["reports"] == 2)

    assert [before, before] == announced
    assert 1 == running.metrics.links.connects["consent"]
    assert 0 == running.metrics.links.window("reports")[1]


async def test_a_member_ends_the_subscription_it_had_alone_after_it_has_its_share(broker: FakeBroker) -> None:
    """No moment without one; and whatever the session had before, it is over before anything counts as connected."""
    received: list[tuple[Message, Token]] = []
    client = Client(
        BrokerSettings.model_validate({"port": broker.port}), Metrics(), lambda m, t: received.append((m, t)),
        lambda: None, membership=Membership("g"),
    )  # fmt: skip
    task = asyncio.create_task(client.run())
    await until(lambda: set(client.states().values()) == {"connected"})
    await client.stop()
    async with asyncio.timeout(60):
        await task
    reports = broker.sessions[broker.names().index(REPORTS)]
    kinds = [type(packet).__name__ for packet in reports]

    assert kinds.index("SubscribePacket") < kinds.index("UnsubscribePacket") < kinds.index("PublishPacket")
    assert [["ueip/v1/#"]] == [packet.patterns for packet in reports if isinstance(packet, UnsubscribePacket)]
    assert [None] == [packet.session_expiry_interval for packet in reports if isinstance(packet, DisconnectPacket)]


async def test_who_leaves_is_drained_once_all_is_acknowledged_and_ends_its_sessions(broker: FakeBroker) -> None:
    """Not while a message waits for its commit."""
    received: list[tuple[Message, Token]] = []
    client = Client(
        BrokerSettings.model_validate({"port": broker.port}), Metrics(), lambda m, t: received.append((m, t)),
        lambda: None, membership=Membership("g", leaves=True),
    )  # fmt: skip
    task = asyncio.create_task(client.run())
    await until(client.is_drained)
    broker.publish(77, session=broker.names().index(REPORTS))
    await until(lambda: bool(received))
    waiting = client.is_drained()
    received[0][1].complete()
    await until(client.is_drained)
    await client.stop(for_good=True)
    async with asyncio.timeout(60):
        await task
    goodbyes = [packet for packets in broker.sessions for packet in packets if isinstance(packet, DisconnectPacket)]

    assert not waiting
    assert [0, 0] == [goodbye.session_expiry_interval for goodbye in goodbyes]


async def test_a_subscription_that_the_broker_does_not_end_is_told(broker: FakeBroker) -> None:
    """Its messages would come beside those of the share, to nobody's knowledge."""
    broker.unsubscribes = False
    client = Client(
        BrokerSettings.model_validate({"port": broker.port, "reconnect_max_seconds": 0.02}), Metrics(),
        lambda _m, _t: None, lambda: None, membership=Membership("g"),
    )  # fmt: skip
    task = asyncio.create_task(client.run())
    await until(lambda: "did not end a subscription: not authorized" in client.states()["reports"])
    await client.stop()
    async with asyncio.timeout(60):
        await task
