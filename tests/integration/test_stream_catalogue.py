"""The catalogue of stream tests that Benthos holds its inputs to, ported to ours, over a real broker.

Source: redpanda-data/benthos, public/service/integration/stream_test_definitions.go; each test names its definition.
The input is the collector's ingest with the tokens in the test's hands, the output is paho. MQTT has no negative
acknowledgement: where the catalogue rejects, the token is not completed, and the message comes again next time.

Left out are definitions of outputs (`OutputOnly*`: ours are the stores, see tests/contract) and of metadata
(`Metadata*`: of a message we take topic and payload, and nothing else of the packet).
"""

import asyncio

from collector.broker import LocalBroker

from .consumer import Consumer, Delivery, broker, consuming, numbered, router, send, settle
from .harness import Publisher, Site, report

__all__ = ["broker", "router"]


async def test_it_can_open_and_close(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestOpenClose: it starts, a message passes, it stops in time."""
    async with consuming(broker.port) as consumer:
        await send(router, ["hello world"])
        [found] = await consumer.take(1)
        settle([found])

    assert "hello world" == found.text


async def test_it_can_open_after_the_message_was_sent(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestOpenCloseIsolated: what was sent while it was away is there when it opens."""
    async with consuming(broker.port):
        pass
    await send(router, ["hello world"])
    async with consuming(broker.port) as consumer:
        [found] = await consumer.take(1)
        settle([found])

    assert "hello world" == found.text


async def test_it_takes_a_batch(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestSendBatch(20): sent in one go, all of it comes, once."""
    async with consuming(broker.port) as consumer:
        await send(router, numbered(20))
        settle(await consumer.take(20))

    assert numbered(20) == [found.text for found in consumer.deliveries]


async def test_it_takes_many_batches_from_several_at_once(broker: LocalBroker) -> None:
    """StreamTestSendBatches(20, 100, 5): two thousand messages in batches of twenty, from five publishers."""

    async def one(number: int) -> None:
        with Publisher(broker.port) as publisher:
            for batch in range(number, 100, 5):
                await send(publisher, numbered(20, first=20 * batch))

    async with consuming(broker.port) as consumer:
        consumer.on_delivery = lambda found: found.token.complete()
        await asyncio.gather(*map(one, range(5)))
        await consumer.wait_for(numbered(2000))

    assert dict.fromkeys(numbered(2000), 1) == dict(consumer.times())


async def test_it_takes_what_the_sender_gathered(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestSendBatchCount(10): published without waiting for the answers, as one that gathers does."""
    async with consuming(broker.port) as consumer:
        for text in numbered(10):
            router.publish("ueip/v1/r1/report", text)
        await asyncio.to_thread(router.settle)
        settle(await consumer.take(10))

    assert numbered(10) == [found.text for found in consumer.deliveries]


async def test_it_takes_what_the_sender_gathered_before_it_opened(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestSendBatchCountIsolated(10): the same, with the input opened after all was written."""
    async with consuming(broker.port):
        pass
    await send(router, numbered(10))
    async with consuming(broker.port) as consumer:
        settle(await consumer.take(10))

    assert numbered(10) == [found.text for found in consumer.deliveries]


def test_it_gathers_what_it_commits(site: Site) -> None:
    """StreamTestReceiveBatchCount(10): what it gathers is handled as one: here a commit, bounded by the setting."""
    site.configure(writer={"max_batch_rows": 10, "linger_milliseconds": 1000})
    collector = site.start()
    with site.publisher() as publisher:
        for number in range(100):
            publisher.report(report(f"ZTEAB{number:08}"))
        found = collector.wait_settled(100)

    assert {"germany": 100} == found.stored
    assert 100 == found.total("collector_store_batch_rows_sum", region="germany")
    commits = found.total("collector_store_batch_rows_count", region="germany")
    assert commits == found.total("collector_store_batch_rows_bucket", region="germany", le="10.0")
    assert commits < 100


async def test_it_takes_a_sequence(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestStreamSequential(1000): one after the other, in that order."""
    async with consuming(broker.port) as consumer:
        consumer.on_delivery = lambda found: found.token.complete()
        await send(router, numbered(1000))
        await consumer.wait_for(numbered(1000))

    assert numbered(1000) == [found.text for found in consumer.deliveries]


async def test_it_takes_a_sequence_sent_before_it_opened(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestStreamIsolated(1000): the same from the broker's queue, many windows long."""
    async with consuming(broker.port, receive_maximum=50):
        pass
    await send(router, numbered(1000))
    async with consuming(broker.port, receive_maximum=50) as consumer:
        settle(consumer.deliveries)
        consumer.on_delivery = lambda found: found.token.complete()
        await consumer.wait_for(numbered(1000))

    assert numbered(1000) == [found.text for found in consumer.deliveries]


async def test_what_is_settled_out_of_order_is_not_acknowledged_too_far(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestCheckpointCapture: of A to E, A, B and D are settled; C, D and E come again, in that order."""
    async with consuming(broker.port) as consumer:
        await send(router, "ABCDE")
        first = {found.text: found for found in await consumer.take(5)}
        settle(first[text] for text in "ABD")
        await consumer.reopen()
        again = await consumer.take(3)
        settle(again)
        await consumer.reopen()
        await send(router, "F")
        last = await consumer.take(1)
        settle(last)

    assert ["C", "D", "E", "F"] == [found.text for found in [*again, *last]]


async def test_it_takes_messages_while_they_are_sent(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestStreamParallel(1000): sending and receiving at one time; nothing is lost, nothing comes twice."""
    async with consuming(broker.port) as consumer:
        sending = asyncio.create_task(send(router, numbered(1000)))
        for _ in range(1000):
            settle(await consumer.take(1))
        await sending

    assert dict.fromkeys(numbered(1000), 1) == dict(consumer.times())


async def test_it_goes_on_after_a_time_of_pressure(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestStreamSaturatedUnacked(100): of four windows one is taken and not settled; then it is, half by half."""
    async with consuming(broker.port, receive_maximum=100) as consumer:
        await send(router, numbered(400))
        half = await consumer.take(50)
        await consumer.take(50)
        settle(half)
        more = await consumer.take(50)
        settle(consumer.deliveries)
        consumer.on_delivery = lambda found: found.token.complete()
        await consumer.wait_for(numbered(400))

    assert numbered(150)[100:] == [found.text for found in more]
    assert dict.fromkeys(numbered(400), 1) == dict(consumer.times())


async def test_it_delivers_at_least_once_through_rejections_and_restarts(
    broker: LocalBroker, router: Publisher
) -> None:
    """StreamTestAtLeastOnceDelivery: C and E are rejected, the input ends and begins anew, and both come again."""
    async with consuming(broker.port) as consumer:
        await send(router, "ABCDE")
        settle(found for found in await consumer.take(5) if found.text not in "CE")
        await consumer.reopen()
        again = await consumer.take(3)
        settle(again)

    assert {"C", "E"} <= {found.text for found in again}
    assert not {"A", "B"} & {found.text for found in again}, "settled, and nothing unsettled before them"


def rejecting(consumer: Consumer) -> list[Delivery]:
    """From now on every tenth message is rejected and the others are settled at once; the rejected ones."""
    rejected: list[Delivery] = []

    def decide(found: Delivery) -> None:
        if len(consumer.deliveries) % 10 == 1:
            rejected.append(found)
        else:
            found.token.complete()

    consumer.on_delivery = decide
    return rejected


async def test_it_delivers_in_parallel_through_rejections(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestStreamParallelLossy(1000): one in ten is rejected at first, and settled when it is tried again.

    As the writer does it: what cannot be written now is kept and tried again, and holds back what came behind it.
    """
    async with consuming(broker.port, receive_maximum=100) as consumer:
        rejected = rejecting(consumer)
        sending = asyncio.create_task(send(router, numbered(1000)))
        seen = 0
        while seen < 1000:
            seen += len(await consumer.take(1))
            while len(rejected) > 3:
                settle([rejected.pop(0)])
        settle(rejected)
        await sending

    assert dict.fromkeys(numbered(1000), 1) == dict(consumer.times())


async def test_it_delivers_in_parallel_through_rejections_and_a_restart(broker: LocalBroker, router: Publisher) -> None:
    """StreamTestStreamParallelLossyThroughReconnect(1000): the rejected ones come again after it; none is missing."""
    async with consuming(broker.port, receive_maximum=1000) as consumer:
        rejected = rejecting(consumer)
        sending = asyncio.create_task(send(router, numbered(1000)))
        await consumer.wait_for(numbered(1000))
        await sending
        expected = {found.text for found in rejected}
        consumer.on_delivery = lambda found: found.token.complete()
        before = len(consumer.deliveries)
        await consumer.reopen()
        await send(router, ["the end"])
        await consumer.wait_for(["the end"])
        again = {found.text for found in consumer.deliveries[before:]}

    assert 100 == len(expected)
    assert expected <= again
