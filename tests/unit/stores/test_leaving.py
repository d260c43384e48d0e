"""How long exits take is measured, and one that cannot be carried out is seen."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Self

import pytest
from msgspec.structs import replace
from prometheus_client.core import Metric
from records import HOUR, MINUTE, SECOND, START, act, join, leave, record, router, until

from collector.acks import NO_TOKEN
from collector.config import WriterSettings
from collector.consent.ledger import Result
from collector.consent.standing import ClosedRouters
from collector.errors import StoreUnavailable
from collector.exit_metrics import WayIn
from collector.metrics import Metrics
from collector.model import OPERATOR, Action, Channel, ConsentEvent, Region
from collector.stores import Change
from collector.stores.leaving import Leaving
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules
from collector.stores.rows import ERASED, PURGING, Damaged
from collector.stores.sqlite import SQLiteStore
from collector.stores.writer import Writer

HERE = Region.GERMANY
NONE = (Counter[WayIn](), 0.0)
"""That no act waits."""


class Clocks:
    """A clock that never steps, and one that may."""

    def __init__(self) -> None:
        self.steady = 1000.0
        self.wall = START / 1000

    def pass_(self, seconds: float) -> None:
        """Time passes for both."""
        self.steady += seconds
        self.wall += seconds


@pytest.fixture
def clocks() -> Clocks:
    """The test's own time."""
    return Clocks()


@pytest.fixture
def metrics() -> Metrics:
    """The numbers of one region."""
    return Metrics((HERE,))


@pytest.fixture
def leaving(clocks: Clocks, metrics: Metrics) -> Leaving:
    """What is tested."""
    return Leaving(HERE, metrics, lambda: clocks.steady, lambda: clocks.wall)


def by_command(act: ConsentEvent) -> ConsentEvent:
    """As `ueip exit` and `ueip consent` record it."""
    return replace(act, actor_auth=OPERATOR)


def exits(metrics: Metrics) -> tuple[int, float]:
    """How many exits were measured, and their seconds."""
    family: Metric = next(iter(metrics.exits.seconds.collect()))
    found = {sample.name.rpartition("_")[2]: sample.value for sample in family.samples if "bucket" not in sample.name}
    return int(found.get("count", 0)), found.get("sum", 0.0)


def test_an_exit_takes_from_its_receipt_to_its_commit(leaving: Leaving, clocks: Clocks, metrics: Metrics) -> None:
    """And while it waits its age is seen."""
    event = leave(at=START)
    leaving.begun(event)
    clocks.pass_(7.5)
    waiting = leaving.waiting()
    leaving.done(event, Result.RECORDED)

    assert ({"topic": 1}, 7.5) == waiting
    assert (1, 7.5) == exits(metrics)
    assert NONE == leaving.waiting()


@pytest.mark.parametrize("result", [Result.REPEATED, Result.WITHOUT_EFFECT])
def test_an_act_that_changed_nothing_is_not_measured(leaving: Leaving, metrics: Metrics, result: Result) -> None:
    """A refusal by somebody who never joined would make every percentile look good."""
    event = leave(at=START)
    leaving.begun(event)
    leaving.done(event, result)

    assert ((0, 0.0), NONE) == (exits(metrics), leaving.waiting())


def test_the_oldest_is_told(leaving: Leaving, clocks: Clocks) -> None:
    """Of those that wait."""
    first, second = leave("a", at=START), leave("b", at=START + 10 * SECOND)
    leaving.begun(first)
    clocks.pass_(10)
    leaving.begun(second)
    clocks.pass_(1)
    both = leaving.waiting()
    leaving.done(first, Result.RECORDED)

    assert (({"topic": 2}, 11.0), ({"topic": 1}, 1.0)) == (both, leaving.waiting())


def test_an_act_that_came_twice_is_one_that_waits(leaving: Leaving, metrics: Metrics) -> None:
    """From the topic on both connections, or sent again; until the last of them is decided, and measured once."""
    event = leave(at=START, event_ref=b"once")
    again = replace(event, received_at=START + SECOND)
    for one in (event, again):
        leaving.begun(one)
    both = leaving.waiting()[0]
    leaving.done(event, Result.RECORDED)
    one_left = leaving.waiting()[0]
    leaving.done(again, Result.REPEATED)

    assert (both, one_left, NONE) == ({"topic": 1}, {"topic": 1}, leaving.waiting())
    assert 1 == exits(metrics)[0]


def test_what_waits_is_told_by_the_way_it_came(leaving: Leaving) -> None:
    """What is on the topic every worker hears; a report or a call of the API comes to one."""
    for event in (
        leave("a", event_ref=b"1"),
        replace(leave("b", event_ref=b"2"), channel=Channel.TELEMETRY_FLAG),
        replace(leave("c", event_ref=b"3"), channel=Channel.RIGHTS_DESK, actor_auth="api"),
        replace(leave("d", event_ref=b"4"), channel=Channel.APP, actor_auth="api"),
    ):
        leaving.begun(event)

    assert {"topic": 1, "report": 1, "api": 2} == leaving.waiting()[0]


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_clock_that_steps_changes_no_measurement(
    leaving: Leaving, clocks: Clocks, metrics: Metrics, step: float
) -> None:
    """Nor makes one negative."""
    event = leave(at=START)
    leaving.begun(event)
    clocks.wall += step
    clocks.pass_(2)
    leaving.done(event, Result.RECORDED)

    assert (1, 2.0) == exits(metrics)


def test_what_waited_before_this_process_began_counts_whole(leaving: Leaving, clocks: Clocks, metrics: Metrics) -> None:
    """From its receipt by the process before."""
    event = leave(at=START - 90 * SECOND)
    leaving.begun(event)
    clocks.pass_(10)
    leaving.done(event, Result.RECORDED)

    assert (1, 100.0) == exits(metrics)


async def test_the_age_of_bytes_that_may_be_left_is_told(leaving: Leaving, clocks: Clocks, metrics: Metrics) -> None:
    """As the store notes it, until it has nothing to note; not asked of one that is away."""
    store = MemoryStore(HERE, ConsentRules())
    before = metrics.exits.erased_bytes_seconds[HERE]()
    await store.note(ERASED, f"{START} {START + SECOND} 3")
    await leaving.learnt([], store)
    clocks.pass_(90)

    assert (0.0, 90.0) == (before, metrics.exits.erased_bytes_seconds[HERE]())


@pytest.mark.parametrize("note", ["soon", ""])
async def test_a_note_of_what_was_erased_that_cannot_be_read_is_damage(leaving: Leaving, note: str) -> None:
    """Nobody knows since when bytes may be left."""
    store = MemoryStore(HERE, ConsentRules())
    await store.note(ERASED, note)
    with pytest.raises(Damaged):
        await leaving.learnt([], store)


async def test_acts_whose_records_are_still_being_erased_are_told(
    leaving: Leaving, clocks: Clocks, metrics: Metrics
) -> None:
    """As the store notes them, one with records in ClickHouse for one: how many, and how old the oldest is."""
    store = MemoryStore(HERE, ConsentRules())
    before = metrics.exits.purges_waiting[HERE]()
    await store.note(PURGING, f"2 {START}")
    await leaving.learnt([], store)
    clocks.pass_(90)

    assert ((0, 0.0), (2, 90.0)) == (before, metrics.exits.purges_waiting[HERE]())


async def test_a_writer_measures_what_closes_and_not_what_opens() -> None:
    """A store that refuses makes it wait; joins are no exits."""
    metrics, store = Metrics((HERE,)), MemoryStore(HERE, ConsentRules())
    writer = Writer(store, WriterSettings(), metrics, ClosedRouters())
    store.fail_next = 1
    for event in (join(), act(Action.RESTRICT, at=START + MINUTE), leave("b", at=START + MINUTE)):
        writer.submit_event(event, NO_TOKEN)
    await writer.step()
    waiting = metrics.exits.waiting[HERE]()[0]
    await writer.step()

    assert ({"topic": 2}, {}) == (waiting, metrics.exits.waiting[HERE]()[0])
    assert 2 == exits(metrics)[0]


class Neighbours:
    """A running collector, and another process on the same store."""

    def __init__(self, folder: Path, *, is_first: bool = True, remembered: int = 1000) -> None:
        self.metrics, self.closed = Metrics((HERE,)), ClosedRouters(remembered)
        self.metrics.exits.of_commands = is_first
        self.store, self.other = (SQLiteStore(folder / "s.sqlite", HERE, ConsentRules()) for _ in range(2))
        self.writer = Writer(self.store, WriterSettings(), self.metrics, self.closed)

    async def __aenter__(self) -> Self:
        await self.other.open()
        self._running = asyncio.create_task(self.writer.run())
        await until(lambda: self.metrics.store_up[HERE])
        return self

    async def __aexit__(self, *_: object) -> None:
        self.writer.stop()
        await self._running
        for one in (self.store, self.other):
            await one.close()

    async def learn(self) -> None:
        """Wait until the collector has read the ledger to its end."""
        seq = (await self.other.head()).seq
        await until(lambda: self.writer._news._seq == seq)


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What other processes write is read soon."""
    monkeypatch.setattr("collector.stores.news.REFRESH_SECONDS", 0.01)


@pytest.mark.usefixtures("_at_once")
@pytest.mark.parametrize(("is_first", "measured"), [(True, 1), (False, 0)])
async def test_an_exit_by_another_process_is_measured_until_it_is_known_here(
    tmp_path: Path, is_first: bool, measured: int
) -> None:
    """Of several workers by the first; and one of our own is not measured a second time when the ledger is read."""
    async with Neighbours(tmp_path, is_first=is_first) as here:
        await here.other.commit([record("a"), record("b"), by_command(leave("a", at=START + HOUR))])
        await until(lambda: here.closed.get(router("a").device_ref) is not None)
        here.writer.submit_event(leave("b", at=START + HOUR), NO_TOKEN)
        await until(lambda: here.closed.get(router("b").device_ref) is not None)
        await here.learn()

    assert measured + 1 == exits(here.metrics)[0]


@pytest.mark.usefixtures("_at_once")
async def test_an_exit_by_a_command_while_the_store_is_away_here_is_measured(tmp_path: Path) -> None:
    """Once the store is back; until then its router's messages are not dropped here."""

    async def away(after: int, most: int = 1) -> list[Change]:
        raise StoreUnavailable("away")

    async with Neighbours(tmp_path) as here:
        await here.other.commit([record("a")])
        await here.learn()
        ask, here.store.changes = here.store.changes, away  # type: ignore[method-assign]
        await until(lambda: not here.metrics.store_up[HERE])
        await here.other.commit([by_command(leave("a", at=START + HOUR))])
        here.store.changes = ask  # type: ignore[method-assign]
        await here.learn()

    assert 1 == exits(here.metrics)[0]


@pytest.mark.usefixtures("_at_once")
async def test_however_many_others_wrote_all_is_learnt_page_by_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than so many entries are in memory at once, and the next page is read without a pause."""
    monkeypatch.setattr("collector.stores.news.CHANGES_AT_ONCE", 2)
    monkeypatch.setattr("collector.stores.news.REFRESH_SECONDS", 3600)
    monkeypatch.setattr("collector.stores.writer.REFRESH_SECONDS", 3600)
    asked: list[int] = []
    async with Neighbours(tmp_path) as here:
        ask = here.store.changes

        async def changes(after: int, most: int = 2) -> list[Change]:
            asked.append(after)
            return await ask(after, 2)

        here.store.changes = changes  # type: ignore[method-assign]
        await here.other.commit([leave(name, at=START) for name in "abcde"])
        here.writer._news._refreshed = float("-inf")
        here.writer._work.set()
        await here.learn()

    assert [0, 2, 4] == [*dict.fromkeys(asked)], "perhaps once more before they wrote"
    assert all(router(name).device_ref in here.closed.refs for name in "abcde")


@pytest.mark.usefixtures("_at_once")
async def test_an_exit_that_another_collector_recorded_is_not_measured_again(tmp_path: Path) -> None:
    """That one measured it, whether this one hears of it for itself or reads it in the ledger."""
    async with Neighbours(tmp_path) as here:
        await here.other.commit([record("a"), record("b"), leave("a", at=START + HOUR, event_ref=b"once")])
        await here.other.commit([replace(leave("b", at=START + HOUR), actor_auth="api")])
        await here.learn()
        here.writer.submit_event(leave("a", at=START + HOUR, event_ref=b"once"), NO_TOKEN)
        await until(lambda: here.metrics.exits.waiting[HERE]() == NONE)

    assert 0 == exits(here.metrics)[0]


@pytest.mark.usefixtures("_at_once")
async def test_an_act_by_another_process_on_who_has_left_before_is_no_exit_that_took_so_long(tmp_path: Path) -> None:
    """It is as old as itself and not as the exit, also where more routers have left than are remembered."""
    async with Neighbours(tmp_path, remembered=1) as here:
        await here.other.commit([one for name in "ab" for one in (join(name, at=START), leave(name, at=START + HOUR))])
        now = int(time.time() * 1000)
        for action in (Action.ERASE, Action.HOLD, Action.RELEASE):
            await here.other.commit([by_command(act(action, "a", at=now, reference="CASE-1"))])
        await here.learn()
        await until(lambda: exits(here.metrics)[0] >= 2)

    count, seconds = exits(here.metrics)
    assert 2 == count, "the erasure and the hold"
    assert seconds < 60
