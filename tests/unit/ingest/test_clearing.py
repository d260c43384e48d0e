"""Clearing retained reports: one at a time, bounded, and never at the cost of the connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from records import until

from collector.ingest import clearing as module
from collector.ingest.clearing import Clearing
from collector.ingest.codec import PubAckReasonCode
from collector.metrics import Metrics

OK = PubAckReasonCode.SUCCESS
FORBIDDEN = PubAckReasonCode.NOT_AUTHORIZED
Answered = Callable[[PubAckReasonCode], None]


class Bench:
    """A clearing, and a broker that is the test."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.asked: list[tuple[str, Answered]] = []
        self.is_connected = True
        self.answer: PubAckReasonCode | None = OK
        self.clearing = Clearing(self.publish, self.metrics)

    def publish(self, topic: str, answered: Answered) -> bool:
        """What the connection does."""
        if self.is_connected:
            self.asked.append((topic, answered))
            if self.answer is not None:
                answered(self.answer)
        return self.is_connected

    @property
    def topics(self) -> list[str]:
        """What was asked for, in order."""
        return [topic for topic, _ in self.asked]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that a test can wait for."""
    monkeypatch.setattr(module, "PER_SECOND", 1000)
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.005)
    monkeypatch.setattr(module, "REFUSED_SECONDS", 0.01)


@asynccontextmanager
async def running() -> AsyncIterator[Bench]:
    """A clearing at work."""
    bench = Bench()
    task = asyncio.create_task(bench.clearing.run())
    yield bench
    task.cancel()


async def test_topics_are_cleared_in_turn_and_each_once() -> None:
    """However often it is asked for; each is counted by the broker's answer."""
    async with running() as bench:
        for topic in ("a", "b", "a", "c", "b"):
            bench.clearing.want(topic)
        await until(lambda: bench.metrics.retained_cleared["cleared"] == 3)

    assert ["a", "b", "c"] == bench.topics


async def test_one_at_a_time() -> None:
    """The next waits for the answer to the one before: the broker's window is for what routers send."""
    async with running() as bench:
        bench.answer = None
        bench.clearing.want("a")
        bench.clearing.want("b")
        await until(lambda: bench.topics == ["a"])
        await asyncio.sleep(0.02)
        before = bench.topics
        bench.asked[0][1](OK)
        await until(lambda: len(bench.asked) == 2)

    assert ["a"] == before


async def test_it_waits_for_a_connection() -> None:
    """Nothing is lost meanwhile."""
    async with running() as bench:
        bench.is_connected = False
        bench.clearing.want("a")
        await asyncio.sleep(0.02)
        before = bench.topics
        bench.is_connected = True
        await until(lambda: bench.topics == ["a"])

    assert [] == before


async def test_a_refusal_is_counted_and_not_repeated() -> None:
    """The topic is asked for again when a report is seen there again."""
    async with running() as bench:
        bench.answer = FORBIDDEN
        bench.clearing.want("a")
        bench.clearing.want("b")
        await until(lambda: bench.metrics.retained_cleared["refused"] == 2)
        await asyncio.sleep(0.03)

    assert (["a", "b"], 0) == (bench.topics, bench.metrics.retained_cleared["cleared"])
    assert not bench.clearing.is_off


async def test_a_connection_that_ends_meanwhile_is_tried_once_more() -> None:
    """It may have been chance; the topic still waits."""
    async with running() as bench:
        bench.answer = None
        bench.clearing.want("a")
        await until(lambda: len(bench.asked) == 1)
        bench.clearing.lost()
        bench.answer = OK
        await until(lambda: bench.metrics.retained_cleared["cleared"] == 1)

    assert ["a", "a"] == bench.topics
    assert not bench.clearing.is_off


async def test_a_broker_that_hangs_up_on_it_is_asked_nothing_more() -> None:
    """Reconnecting for ever would cost every router's messages for the sake of one."""
    async with running() as bench:
        bench.answer = None
        bench.clearing.want("a")
        for times in (1, 2):
            await until(lambda: len(bench.asked) == times)  # noqa: B023 - awaited within the loop
            bench.clearing.lost()
        await until(lambda: not bench.clearing._waiting)
        bench.clearing.want("b")
        await asyncio.sleep(0.03)

    assert bench.clearing.is_off
    assert ["a", "a"] == bench.topics


async def test_losses_that_are_nobodys_fault_do_not_add_up() -> None:
    """A connection lost while nothing is asked, or after an answer, says nothing."""
    async with running() as bench:
        for _ in range(5):
            bench.clearing.lost()
        for number in range(3):
            bench.answer = None
            bench.clearing.want(f"t{number}")
            await until(lambda: bench.clearing._answer is not None)
            bench.clearing.lost()
            bench.answer = OK
            await until(lambda: not bench.clearing._waiting)

    assert not bench.clearing.is_off
    assert 3 == bench.metrics.retained_cleared["cleared"]


async def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One too many is left for the next time it is seen."""
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    bench = Bench()
    for number in range(10):
        bench.clearing.want(f"t{number}")

    assert ["t0", "t1", "t2"] == list(bench.clearing._waiting)


async def test_a_broker_that_never_answers_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while; an answer that comes late changes nothing."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.01)
    async with running() as bench:
        bench.answer = None
        bench.clearing.want("a")
        await until(lambda: len(bench.asked) >= 2)
        bench.asked[0][1](OK)

    assert {"a"} == set(bench.topics)


async def test_it_ends_at_once_though_an_answer_is_awaited() -> None:
    """The collector waits for it when it stops; an answer that comes after that is nobody's."""
    bench = Bench()
    bench.answer = None
    ending = asyncio.create_task(bench.clearing.run())
    bench.clearing.want("a")
    await until(lambda: bool(bench.asked))
    bench.clearing.want("b")
    bench.clearing.stop()
    async with asyncio.timeout(5):
        await ending
    bench.asked[0][1](OK)

    assert (["a"], 0) == (bench.topics, bench.metrics.retained_cleared["cleared"])


async def test_no_topic_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """It holds an identifier."""
    caplog.set_level("DEBUG")
    async with running() as bench:
        bench.answer = FORBIDDEN
        bench.clearing.want("ueip/v1/c4n4ry/report")
        await until(lambda: bench.metrics.retained_cleared["refused"] == 1)
        bench.answer = None
        for times in (2, 3):
            bench.clearing.want("ueip/v1/c4n4ry/report")
            await until(lambda: len(bench.asked) == times)  # noqa: B023 - awaited within the loop
            bench.clearing.lost()
        await until(lambda: "clearing_off" in caplog.text)

    assert "c4n4ry" not in caplog.text + "".join(str(record.__dict__) for record in caplog.records)
