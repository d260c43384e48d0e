"""The traps that three attempts at acknowledgements for another collector's MQTT source fell into, each tried on ours.

The attempts are vectordotdev/vector pull requests 25666, 25770 and 25785 for issue 21967; what went wrong was found in
their reviews and is named with each test. The broker is real, and the proxy before it sees every packet.
"""

import asyncio
import random
from collections.abc import Iterator

import pytest
from records import until

from collector.broker import LocalBroker

from .consumer import PATIENCE, REPORTS, Delivery, broker, consuming, numbered, router, send, settle
from .harness import Publisher, Site, locked, report, wait_until
from .mqtt_proxy import MqttProxy, Passed, ProxiedLink

__all__ = ["broker", "router"]


@pytest.fixture
def proxy(broker: LocalBroker) -> Iterator[MqttProxy]:
    """Between the consumer and its broker."""
    with MqttProxy(broker.port) as made:
        yield made


def reports_of(link: ProxiedLink) -> list[int]:
    """The packet ids of the reports delivered on a connection, in order; our own probes are not among them."""
    return [passed.packet_id for passed in link.published if passed.packet_id and not is_probe(passed)]


def is_probe(passed: Passed) -> bool:
    """Whether it is one of our own."""
    return passed.topic.startswith("ueip/probe/")


def taken(link: ProxiedLink) -> list[int]:
    """What the client acknowledged on a connection, in order, probes left out."""
    probes = {passed.packet_id for passed in link.published if is_probe(passed)}
    return [packet_id for packet_id in link.acknowledged if packet_id not in probes]


async def test_trap_acknowledging_from_within_the_delivery_does_not_lock_up(
    broker: LocalBroker, router: Publisher
) -> None:
    """25666: one task both read and acknowledged, through a queue that it alone emptied; when full, it stayed full.

    Here a window of ten is filled and emptied two hundred times, each message settled while it is delivered.
    """
    async with consuming(broker.port, receive_maximum=10) as consumer:
        consumer.on_delivery = lambda found: found.token.complete()
        texts = numbered(2000)
        await send(router, texts)
        await consumer.wait_for(texts)

        assert set(consumer.times().values()) == {1}


async def test_trap_a_message_at_qos_0_takes_no_part_in_acknowledgement(proxy: MqttProxy, router: Publisher) -> None:
    """25666: QoS 0 slipped through the mode that acknowledges, as if something were promised for it.

    It carries no packet id, its token releases nothing, and it holds nothing back: those around it are acknowledged.
    """
    async with consuming(proxy.port) as consumer:
        for text, qos in (("first", 1), ("second", 0), ("third", 1)):
            await send(router, [text], qos)
        found = await consumer.take(3)
        settle([found[0], found[2]])
        [link] = proxy.of(REPORTS)
        await until(lambda: taken(link) == reports_of(link), seconds=PATIENCE)
        settle([found[1]])
        await send(router, ["fourth"])
        settle(await consumer.take(1))
        await until(lambda: len(taken(link)) == 3, seconds=PATIENCE)

    assert ["first", "second", "third"] == [delivery.text for delivery in found]
    assert 3 == len(reports_of(link)), "those at QoS 1"
    assert reports_of(link) == taken(link)


def test_trap_a_write_that_failed_is_tried_again_on_the_same_connection(site: Site) -> None:
    """25666: a batch that failed was never acknowledged while the connection stood; the window filled and all stopped.

    The store refuses a router that has joined while a window of ten is full; everything is stored in the end, without a
    reconnect and without a redelivery.
    """
    site.configure(broker={"port": site.broker.port, "receive_maximum": 10})
    collector = site.start()
    with site.publisher() as router:
        router.report(report("ZTEAB00000000"))
        collector.wait_settled(1)
        with locked(site):
            for _ in range(1, 50):
                router.report(report("ZTEAB00000000"))
            router.settle()
            wait_until(lambda: collector.metrics().total("collector_store_failures_total"), what="a refusal")
        found = collector.wait_settled(50)

    assert ({"germany": 50}, {}) == (found.stored, found.dropped)
    assert 2 == found.total("collector_broker_connects_total")


async def test_trap_what_comes_right_behind_connack_belongs_to_the_new_connection(
    proxy: MqttProxy, router: Publisher
) -> None:
    """25770: CONNACK and messages went through two queues; a message could be taken for one of the connection before.

    A session with a backlog is taken up three times; what comes with the first bytes is acknowledged where it came.
    """
    async with consuming(proxy.port) as consumer:
        texts = numbered(60)
        await send(router, texts)
        await consumer.take(60)
        for turn in range(3):
            proxy.of(REPORTS)[-1].cut()
            again = await consumer.take(60 - 20 * turn)
            settle(again[:20])
            link = proxy.of(REPORTS)[-1]
            await until(lambda: reports_of(link)[:20] == taken(link), seconds=PATIENCE)  # noqa: B023

    assert set(texts) == set(consumer.times())
    assert 4 == len(proxy.of(REPORTS))


async def test_trap_a_message_settled_after_its_connection_ended_is_not_acknowledged_on_the_next(
    proxy: MqttProxy, router: Publisher
) -> None:
    """25770: a batch that finished just after a loss acknowledged a packet id that by then stood for another message.

    Settled at every moment around the loss; the new connection hears only of what it delivered and we settled there.
    """
    async with consuming(proxy.port) as consumer:
        await send(router, numbered(30))
        old = await consumer.take(30)
        [first] = proxy.of(REPORTS)
        settle(old[:5])
        await until(lambda: len(taken(first)) == 5, seconds=PATIENCE)
        first.cut()
        settle(old[5:10])  # the loss is not known here yet
        await until(lambda: len(proxy.of(REPORTS)) == 2, seconds=PATIENCE)
        settle(old[10:20])
        again = await consumer.take(25)
        settle(old[20:])
        await send(router, numbered(1, first=99))
        last = await consumer.take(1)
        second = proxy.of(REPORTS)[-1]
        before = taken(second)
        settle([*again, *last])
        await until(lambda: taken(second) == reports_of(second), seconds=PATIENCE)

    assert [] == before
    assert [found.text for found in old[5:]] == [found.text for found in again]


async def test_trap_acknowledgements_go_out_in_the_order_of_receipt(proxy: MqttProxy, router: Publisher) -> None:
    """25770: PUBACKs went out as batches finished; MQTT wants them in the order of the messages [MQTT-4.6.0-2]."""
    chance = random.Random(4602)
    async with consuming(proxy.port, receive_maximum=500) as consumer:
        await send(router, numbered(300))
        found = await consumer.take(300)
        [link] = proxy.of(REPORTS)
        chance.shuffle(found)
        for delivery in found:
            settle([delivery])
            if chance.random() < 0.1:
                await asyncio.sleep(0)
        await until(lambda: len(taken(link)) == 300, seconds=PATIENCE)

    assert reports_of(link) == taken(link)


async def test_trap_nothing_is_dropped_in_the_hope_that_the_broker_sends_it_again(
    proxy: MqttProxy, router: Publisher
) -> None:
    """25770: with a full queue messages were dropped for the broker to repeat, which it does on a new connection only.

    A consumer that can take no more reads no more; when it can, everything comes, once, on the connection that stands.
    """
    async with consuming(proxy.port, receive_maximum=50) as consumer:
        consumer.client.pause()
        texts = numbered(1000)
        await send(router, texts)
        full = len(consumer.deliveries)
        consumer.on_delivery = lambda found: found.token.complete()
        consumer.client.resume()
        await consumer.wait_for(texts)

    assert 0 == full
    assert {1} == set(consumer.times().values())
    assert 1 == len(proxy.of(REPORTS))


async def test_trap_acknowledgements_under_way_at_a_loss_are_not_sent_on_the_next_connection(
    proxy: MqttProxy, router: Publisher
) -> None:
    """25785: the client library kept acknowledgements it had not written and wrote them on the next connection.

    The first connection vanishes with ours on the way; the second begins without one, though all is settled already.
    """
    keen = {"keep_alive_seconds": 5, "watchdog_silence_seconds": 0.5, "watchdog_answer_seconds": 0.5}
    async with consuming(proxy.port, **keen) as consumer:
        await send(router, numbered(20))
        found = await consumer.take(20)
        [first] = proxy.of(REPORTS)
        first.vanish()
        settle(found)
        again = await consumer.take(20)
        second = proxy.of(REPORTS)[-1]
        await consumer.ready()
        before = taken(second)
        settle(again)
        await until(lambda: taken(second) == reports_of(second), seconds=PATIENCE)

    assert [] == taken(first)
    assert [] == before


async def test_trap_a_subscription_that_was_sent_is_not_one_that_was_granted(
    proxy: MqttProxy, router: Publisher
) -> None:
    """25785: SUBSCRIBE counted as done when it was queued. Lost on the way, it was never sent again: the next one
    found a session, an empty one, to which nothing was ever delivered.
    """
    proxy.loses_subscribe_of = REPORTS
    async with consuming(proxy.port) as consumer:
        await send(router, numbered(10))
        found: list[Delivery] = await consumer.take(10)
        settle(found)

    first, second = proxy.of(REPORTS)
    assert (1, 1) == (first.subscribed, second.subscribed)
    assert second.session_present, "the session of the first attempt, which subscribes to nothing"
    assert numbered(10) == [delivery.text for delivery in found]
