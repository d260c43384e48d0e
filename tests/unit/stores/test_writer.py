"""What the writer promises: nothing settled before its commit, exits ahead of everything, one outcome each."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from garbage import leftovers
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from records import (
    HOUR,
    MINUTE,
    SECOND,
    START,
    Receipt,
    act,
    join,
    leave,
    number_of,
    numbers,
    record,
    ref,
    router,
    until,
)

from collector.acks import AckRing
from collector.config import WriterSettings
from collector.consent.joining import Mode
from collector.consent.ledger import Result
from collector.consent.standing import ClosedRouters, State
from collector.errors import Cause, StoreUnavailable
from collector.metrics import Metrics
from collector.model import Action, ConsentEvent, DropReason, Entry, Record, Region, Removal
from collector.stores import Change, Committed
from collector.stores.guard import GuardedStore
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from collector.stores.witness import Witness
from collector.stores.writer import Writer

HERE = Region.GERMANY
LATER = START + HOUR


class GatedStore(MemoryStore):
    """A store in memory whose commits wait until the test lets them through, and which remembers them."""

    def __init__(self, rules: ConsentRules | None = None) -> None:
        super().__init__(HERE, rules or ConsentRules())
        self.open_gate = asyncio.Event()
        self.open_gate.set()
        self.began = asyncio.Event()
        self.commits: list[list[Entry]] = []
        self.poison: Entry | None = None
        self.away_for: Entry | None = None
        self.away_with = Cause.NOT_ANSWERING

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """Wait for the gate, then commit; fails on a poisoned entry as a bug of ours would."""
        self.began.set()
        await self.open_gate.wait()
        if any(entry is self.poison for entry in entries):
            raise KeyError("a bug of ours")
        if entries[0] is self.away_for:
            self.away_for = None
            raise StoreUnavailable("away", self.away_with)
        committed = await super().commit(entries)
        self.commits.append(list(entries))
        return committed


class Bench(NamedTuple):
    """A writer, what it writes to, and all that can be seen of it."""

    writer: Writer
    store: GatedStore
    metrics: Metrics
    closed: ClosedRouters

    def put(self, *entries: Entry, size: int = 100) -> list[Receipt]:
        """Hand entries over as the intake does; a receipt each."""
        receipts = []
        for entry in entries:
            receipt = Receipt()
            if isinstance(entry, Record):
                self.metrics.in_flight += 1
                self.metrics.in_flight_bytes += size
                self.writer.submit(entry, receipt, size)
            else:
                self.writer.submit_event(entry, receipt)
            receipts.append(receipt)
        return receipts

    async def step(self) -> None:
        """One commit of what waits; entry by entry after one that we choked on."""
        while await self.writer.step() and self.writer._committing._singly:
            pass

    @property
    def wrote(self) -> list[list[int | Action]]:
        """What went into each commit: the numbers of reports, the actions of consent events."""
        return [[e.action if isinstance(e, ConsentEvent) else number_of(e) for e in c] for c in self.store.commits]

    @property
    def flight(self) -> tuple[int, int]:
        """Messages and bytes in flight."""
        return self.metrics.in_flight, self.metrics.in_flight_bytes

    @property
    def outcomes(self) -> tuple[int, dict[DropReason, int]]:
        """Stored, and dropped by reason."""
        return self.metrics.stored[HERE], {reason: n for reason, n in self.metrics.dropped.items() if n}


def bench(*, batch: int = 4000, linger: float = 0, mode: Mode = "flag") -> Bench:
    """A writer that has not started."""
    store, metrics, closed = GatedStore(ConsentRules(mode=mode)), Metrics(), ClosedRouters()
    made = Writer(store, WriterSettings(linger_milliseconds=linger, max_batch_rows=batch), metrics, closed)
    return Bench(made, store, metrics, closed)


def completed(receipts: Sequence[Receipt]) -> list[int]:
    """How often each was completed."""
    return [receipt.completed for receipt in receipts]


# Commit first, then settle


async def test_nothing_is_settled_before_the_commit_returned() -> None:
    """An acknowledgement is the promise that the record is on the disk (D20)."""
    b = bench()
    b.store.open_gate.clear()
    receipts = b.put(record(number=1), record(number=2), join("b"))
    committing = asyncio.create_task(b.step())
    await b.store.began.wait()
    during = (completed(receipts), b.outcomes, b.flight)
    b.store.open_gate.set()
    await committing

    assert ([0, 0, 0], (0, {}), (2, 200)) == during
    assert ([1, 1, 1], (2, {}), (0, 0)) == (completed(receipts), b.outcomes, b.flight)


async def test_a_commit_that_failed_is_tried_again_in_the_same_order() -> None:
    """With the same entries, ahead of what came since; nothing is settled meanwhile, and the outage shows."""
    b = bench(batch=3)
    b.store.fail_next = 2
    receipts = b.put(record(number=1), join("b"), record("b", 1, at=START + 1), record(number=2))
    await b.step()
    once = (completed(receipts), b.flight, b.metrics.store_up[HERE], b.metrics.store_failures[HERE])
    receipts += b.put(record(number=3))
    await b.step()
    twice = (completed(receipts), b.flight, b.metrics.store_up[HERE], b.metrics.store_failures[HERE])
    await b.step()
    await b.step()

    assert ([0] * 4, (3, 300), False, 1) == once
    assert ([0] * 5, (4, 400), False, 2) == twice
    assert [[1, Action.JOIN, 1], [2, 3]] == b.wrote
    assert ([1] * 5, (0, 0), True) == (completed(receipts), b.flight, b.metrics.store_up[HERE])
    assert (4, {}) == b.outcomes


async def test_every_outcome_of_a_commit_is_counted() -> None:
    """Stored, dropped by reason, erased, consent by result, keys removed of what was stored and of nothing else."""
    b = bench(mode="registered")
    stripped = ((Removal.LOCAL_ONLY, 2),)
    b.put(join("a"), join("b"), join("b", at=START + 1))
    b.put(record("a", 1, at=START + 1, stripped=stripped), record("a", 1, at=START + 1, stripped=stripped))
    b.put(record("c", 1, stripped=stripped), record("b", 1, at=START + 2))
    await b.step()
    b.put(leave("b", at=LATER), leave("c", at=LATER, only_if_joined=True))
    await b.step()

    assert (2, {DropReason.DUPLICATE: 1, DropReason.NO_CONSENT_RECORD: 1}) == b.outcomes
    assert 1 == b.metrics.erased[HERE]
    assert {Removal.LOCAL_ONLY: 2} == dict(b.metrics.removed)
    assert b.metrics.consent == {
        (HERE, Action.JOIN, Result.RECORDED): 3,
        (HERE, Action.EXIT, Result.RECORDED): 1,
        (HERE, Action.EXIT, Result.WITHOUT_EFFECT): 1,
    }
    assert [State.EXITED] == [b.closed.get(router("b").device_ref)]


async def test_a_batch_has_no_more_rows_than_it_may() -> None:
    """The rest waits for the next one."""
    b = bench(batch=10)
    receipts = b.put(*(record(number=n) for n in range(25)))
    for _ in range(3):
        await b.step()

    assert [10, 10, 5] == [len(entries) for entries in b.store.commits]
    assert [1] * 25 == completed(receipts)


async def test_commits_are_smaller_while_routers_join_in_crowds() -> None:
    """A join costs as much as ten records: with 4000 at once, a slow machine takes its store for away."""
    b = bench()
    names = [f"r{number}" for number in range(2048)]
    b.put(*(record(name) for name in names))
    b.put(*(record(name, 2) for name in names * 2))
    while b.metrics.in_flight:
        await b.step()

    assert [1024, 1024, 1024, 3072] == [len(commit) for commit in b.store.commits]


async def test_a_write_releases_acknowledgements_in_one_go() -> None:
    """All that a commit settles goes out in one write, in order of receipt."""
    released: list[list[int]] = []
    ring = AckRing(released.append)
    b = bench()
    for packet_id in range(1, 6):
        b.metrics.in_flight += 1
        b.writer.submit(record(number=packet_id), ring.token(packet_id), 0)
    await b.step()

    assert [[1, 2, 3, 4, 5]] == released


# Exits


async def test_an_exit_drops_what_waits_with_the_next_commit() -> None:
    """However long the queue is: what waits of its router goes with it, before it; others stay in place (D5, K02)."""
    b = bench(batch=2)
    mine, others = b.put(record("a", 1), record("a", 2)), b.put(record("b", 1), record("c", 1))
    [left] = b.put(leave("a", at=LATER))
    await b.step()

    assert ([1, 1], [1, 1], 1) == (completed(mine), completed(others), left.completed)
    assert (2, {DropReason.WITHDRAWN: 2}) == b.outcomes
    assert (0, 0) == b.flight


async def test_an_exit_goes_with_the_next_commit_however_long_the_queue() -> None:
    """Ahead of all that waits, and beside the rows of a full batch."""
    b = bench(batch=10)
    await_first = b.put(record("a", 0))
    await b.step()
    receipts = b.put(*(record("b", n) for n in range(50)))
    [left] = b.put(leave("a", at=LATER))
    await b.step()

    assert [1] == completed(await_first)
    assert 1 == left.completed
    assert [[0], [Action.EXIT, *range(10)]] == b.wrote
    assert [1] * 10 + [0] * 40 == completed(receipts)
    assert [] == await numbers(b.store, "a")


async def test_an_exit_during_a_commit_erases_what_it_wrote() -> None:
    """Either before the exit and then erased, or not at all (K03)."""
    b = bench()
    b.store.open_gate.clear()
    [first] = b.put(record("a", 1))
    committing = asyncio.create_task(b.step())
    await b.store.began.wait()
    [left] = b.put(leave("a", at=LATER))
    [after] = b.put(record("a", 2, at=LATER + 1))
    b.store.open_gate.set()
    await committing
    await b.step()

    assert [1, 1, 1] == completed([first, left, after])
    assert (1, {DropReason.WITHDRAWN: 1}) == b.outcomes
    assert 1 == b.metrics.erased[HERE]
    assert [] == await numbers(b.store, "a")


async def test_a_repeated_exit_drops_nothing_of_who_has_joined_again() -> None:
    """A retained exit comes at every connect; the ledger, and not its arrival, says that it is an old one (K09)."""
    b = bench()
    event = replace(leave("a", at=LATER), event_ref=ref("exit"))
    b.put(record("a", 1), event, join("a", at=LATER + SECOND))
    await b.step()
    receipts = b.put(record("a", 2, at=LATER + MINUTE), event)
    await b.step()

    assert [1, 1] == completed(receipts)
    assert [2] == await numbers(b.store, "a")


async def test_an_exit_during_a_failing_commit_drops_what_is_put_back() -> None:
    """The records of a router that left are not written when the store comes back, nor kept waiting for it."""
    b = bench()
    b.store.open_gate.clear()
    b.store.fail_next = 1
    mine, others = b.put(record("a", 1), record("a", 2)), b.put(record("b", 1))
    committing = asyncio.create_task(b.step())
    await b.store.began.wait()
    [left] = b.put(leave("a", at=LATER))
    b.store.open_gate.set()
    await committing
    await b.step()

    assert ([1, 1], [1], 1) == (completed(mine), completed(others), left.completed)
    assert (1, {DropReason.WITHDRAWN: 2}) == b.outcomes
    assert (0, 0) == b.flight
    assert [[1, 2, Action.EXIT, 1]] == b.wrote


async def test_an_exit_that_failed_is_tried_again_first() -> None:
    """Nor does it drop what its owner sent after joining again."""
    b = bench()
    b.store.fail_next = 1
    b.put(record("a", 1))
    receipts = b.put(leave("a", at=START + 1), join("a", at=START + 2 * SECOND), record("a", 2, at=START + MINUTE))
    await b.step()
    await b.step()

    assert [1, 1, 1] == completed(receipts)
    assert (1, {DropReason.WITHDRAWN: 1}) == b.outcomes
    assert [2] == await numbers(b.store, "a")


async def test_a_join_after_an_exit_that_came_during_a_failing_commit_stands() -> None:
    """What came after the exit stays behind it; only what was in the commit makes way."""
    b = bench()
    b.store.open_gate.clear()
    b.store.fail_next = 1
    b.put(record("a", 1))
    committing = asyncio.create_task(b.step())
    await b.store.began.wait()
    b.put(leave("a", at=START + 1), join("a", at=START + 2 * SECOND), record("a", 2, at=START + MINUTE))
    b.store.open_gate.set()
    await committing
    await b.step()

    assert (1, {DropReason.WITHDRAWN: 1}) == b.outcomes
    assert [2] == await numbers(b.store, "a")


@pytest.mark.parametrize("failures", [0, 1, 2])
async def test_an_exit_does_not_overtake_the_join_before_it(failures: int) -> None:
    """A join that still waits is recorded before the exit that follows it, or the exit would find nothing to close."""
    b = bench(mode="registered")
    receipts = b.put(join("a", at=START), record("a", 1, at=START + 1))
    receipts += b.put(leave("a", at=START + 2, only_if_joined=True))
    for _ in range(failures):
        b.store.fail_next = 1
        await b.step()
    await b.step()
    b.put(record("a", 2, at=LATER))
    await b.step()

    assert [1, 1, 1] == completed(receipts)
    assert (0, {DropReason.WITHDRAWN: 2}) == b.outcomes
    assert [Action.JOIN, Action.EXIT] == [entry.action for entry in await b.store.ledger()]


async def test_an_exit_during_a_failing_commit_does_not_overtake_the_join_in_it() -> None:
    """The same when the join was on its way to a store that failed."""
    b = bench(mode="registered")
    b.store.open_gate.clear()
    b.store.fail_next = 1
    b.put(join("a", at=START), record("a", 1, at=START + 1))
    committing = asyncio.create_task(b.step())
    await b.store.began.wait()
    b.put(leave("a", at=START + 2, only_if_joined=True))
    b.store.open_gate.set()
    await committing
    await b.step()

    assert (0, {DropReason.WITHDRAWN: 1}) == b.outcomes
    assert [Action.JOIN, Action.EXIT] == [entry.action for entry in await b.store.ledger()]
    assert [State.EXITED] == [*(await b.store.closed(10)).values()]


async def test_what_waited_does_not_overtake_what_was_in_the_commit_that_failed() -> None:
    """An exit takes along what waits of its router, behind what the failed commit puts back; found by the model."""
    b = bench(batch=2)
    b.store.open_gate.clear()
    b.store.fail_next = 1
    b.put(record("a", 1, at=START), record("a", 2, at=START + 1), join("a", at=START + 2))
    committing = asyncio.create_task(b.step())
    await b.store.began.wait()
    b.put(leave("a", at=START + 3))
    b.store.open_gate.set()
    await committing
    await b.step()

    assert [[1, 2, Action.JOIN, Action.EXIT]] == b.wrote


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        (Action.EXIT, DropReason.WITHDRAWN),
        (Action.VOID, DropReason.VOID),
        (Action.RESTRICT, DropReason.RESTRICTED),
        (Action.UNBIND, DropReason.WITHDRAWN),
        (Action.CANCEL, DropReason.WITHDRAWN),
    ],
)
async def test_what_waits_is_dropped_for_what_closed_the_gate(action: Action, reason: DropReason) -> None:
    """The same reason it would have had a moment later."""
    b = bench()
    b.put(record("a", 1), act(action, "a", at=LATER))
    await b.step()

    assert (0, {reason: 1}) == b.outcomes


async def test_what_opens_the_gate_takes_its_turn() -> None:
    """A join, or the end of a restriction, does not overtake the records before it."""
    b = bench()
    b.put(record("a", 1), act(Action.RESTRICT, "b"), join("a", at=LATER), act(Action.UNRESTRICT, "b", at=LATER))
    await b.step()

    assert [[Action.RESTRICT, 1, Action.JOIN, Action.UNRESTRICT]] == b.wrote
    assert (1, {}) == b.outcomes


# An entry we choke on


async def test_a_record_that_cannot_be_written_does_not_stop_the_others() -> None:
    """It becomes a counted drop; the order of the rest is kept."""
    b = bench()
    entries: list[Entry] = [record(number=1), record(number=2), join("b"), record("b", 3, at=START + 1)]
    b.store.poison = entries[1]
    receipts = b.put(*entries)
    await b.step()

    assert [1] * 4 == completed(receipts)
    assert (2, {DropReason.INTERNAL_ERROR: 1}) == b.outcomes
    assert (0, 0) == b.flight


async def test_what_is_written_singly_does_not_rest_in_between() -> None:
    """A batch of thousands would take minutes."""
    b, rests = bench(linger=0.001), []

    async def rest(took: float) -> None:
        rests.append(b.writer._committing._singly)

    b.writer._growing.after = rest  # type: ignore[method-assign]
    entries = [record(number=number) for number in range(5)]
    b.store.poison = entries[2]
    b.put(*entries)
    running = asyncio.create_task(b.writer.run())
    await until(lambda: b.flight == (0, 0))
    b.writer.stop()
    await running

    assert [[0], [1], [3], [4]] == b.wrote
    assert rests
    assert not any(rests)


async def test_an_exit_that_cannot_be_written_is_kept_waiting() -> None:
    """What an owner wants is not dropped for a bug of ours."""
    b = bench()
    entries: list[Entry] = [leave("a", at=LATER), record("b", 1)]
    b.store.poison = entries[0]
    receipts = b.put(*entries)
    await b.step()
    during = completed(receipts)
    await b.step()
    b.store.poison = None
    for _ in range(3):
        b.put(record("c", 1))
        await b.step()

    assert [0, 1] == during
    assert [1, 1] == completed(receipts)
    assert [[1], [Action.EXIT, 1], [1], [1]] == b.wrote
    assert 0 == b.writer.waiting


async def test_a_store_that_goes_away_meanwhile_keeps_the_order() -> None:
    """What was not written yet goes back whole: an exit still follows the join before it."""
    b = bench(mode="registered")
    entries: list[Entry] = [
        record("z", 1),
        record("y", 1),
        join("a", at=START),
        leave("a", at=START + 1, only_if_joined=True),
    ]
    b.store.poison = entries[1]
    receipts = b.put(*entries)
    b.store.away_for = entries[2]
    await b.step()
    during = completed(receipts)
    await b.step()

    assert [0, 0, 0, 0] == during
    assert [1] * 4 == completed(receipts)
    assert [Action.JOIN, Action.EXIT] == [entry.action for entry in await b.store.ledger()]


# Running


async def test_it_writes_until_it_is_told_to_stop() -> None:
    """What is not committed then stays with the broker, unacknowledged (K14)."""
    b = bench(batch=2)
    b.store.open_gate.clear()
    running = asyncio.create_task(b.writer.run())
    first = b.put(record(number=1), record(number=2))
    await b.store.began.wait()
    rest = b.put(record(number=3), leave("z", at=LATER))
    b.writer.stop()
    b.store.open_gate.set()
    began = time.monotonic()
    await running

    assert [1, 1, 0, 0] == completed(first + rest)
    assert (1, 100) == b.flight
    assert time.monotonic() - began < 0.5


async def test_what_a_commit_left_over_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do the pages of those who have joined; only when there is nothing else to do news are waited for."""
    for module in ("news", "writer"):
        monkeypatch.setattr(f"collector.stores.{module}.REFRESH_SECONDS", 600)
    monkeypatch.setattr("collector.stores.news._JOINED_AT_ONCE", 1)
    b = bench(batch=2)
    await b.store.commit([join(name) for name in "vwxyz"])
    running = asyncio.create_task(b.writer.run())
    await until(lambda: b.writer._outage.joined.is_complete, seconds=10)
    receipts = b.put(*(record(number=n) for n in range(7)))
    await until(lambda: completed(receipts) == [1] * 7, seconds=10)
    b.writer.stop()
    await running


async def test_it_stops_at_once_after_the_last_commit() -> None:
    """A stop that comes during it is not forgotten because nothing else waits."""
    b = bench()
    b.store.open_gate.clear()
    running = asyncio.create_task(b.writer.run())
    b.put(record(number=1))
    await b.store.began.wait()
    b.writer.stop()
    b.store.open_gate.set()
    began = time.monotonic()
    await running

    assert time.monotonic() - began < 0.5
    assert (1, {}) == b.outcomes


async def test_it_stops_at_once_when_idle() -> None:
    """Nobody waits for the next look at the ledger."""
    b = bench()
    running = asyncio.create_task(b.writer.run())
    await until(lambda: b.metrics.store_up[HERE])
    began = time.monotonic()
    b.writer.stop()
    await running

    assert time.monotonic() - began < 0.5


async def test_it_stops_though_the_store_never_answered() -> None:
    """A region that is down from the start does not keep the process from ending."""

    class Away(GatedStore):
        async def open(self) -> None:
            raise StoreUnavailable("away")

    metrics = Metrics()
    writer = Writer(Away(), WriterSettings(), metrics, ClosedRouters())
    running = asyncio.create_task(writer.run())
    await until(lambda: metrics.store_failures[HERE] > 3)
    writer.stop()
    await running

    assert not metrics.store_up[HERE]


async def test_company_is_waited_for_no_longer_than_the_linger() -> None:
    """What arrives within it shares a commit; a full batch or an exit does not wait."""
    b = bench(linger=300, batch=5)
    running = asyncio.create_task(b.writer.run())
    await until(lambda: b.metrics.store_up[HERE])
    began = time.monotonic()
    b.put(record(number=1))
    await asyncio.sleep(0.01)
    b.put(record(number=2))
    await until(lambda: len(b.store.commits) == 1)
    lingered = time.monotonic() - began
    began = time.monotonic()
    b.put(leave("z", at=LATER))
    await until(lambda: len(b.store.commits) == 2)
    urgent = time.monotonic() - began
    began = time.monotonic()
    b.put(*(record(number=n) for n in range(3, 8)))
    await until(lambda: len(b.store.commits) == 3)
    full = time.monotonic() - began
    b.writer.stop()
    await running

    assert [2, 1, 5] == [len(entries) for entries in b.store.commits]
    assert 0.29 < lingered
    assert urgent < 0.25
    assert full < 0.25


async def test_a_batch_grows_for_as_long_again_as_a_commit_took() -> None:
    """What comes in the moments after a commit shares the next one with what came during it."""
    b = bench(linger=1, batch=5)
    b.store.open_gate.clear()
    running = asyncio.create_task(b.writer.run())
    b.put(record(number=0))
    await b.store.began.wait()
    b.put(record(number=1))
    await asyncio.sleep(0.1)
    b.store.open_gate.set()
    await until(lambda: len(b.store.commits) == 1)
    b.put(record(number=2))
    await until(lambda: len(b.store.commits) == 2)
    b.writer.stop()
    await running

    assert [[0], [1, 2]] == b.wrote


@pytest.mark.parametrize("busy", [False, True])
async def test_an_exit_does_not_wait_while_a_batch_grows(busy: bool) -> None:
    """Neither in the linger nor after a commit."""
    b = bench()
    b.writer._growing._linger = 600
    running = asyncio.create_task(b.writer.run())
    await until(lambda: b.metrics.store_up[HERE])
    if busy:
        b.store.open_gate.clear()
        b.put(leave("y", at=LATER))
        await b.store.began.wait()
    b.put(record(number=1))
    b.store.open_gate.set()
    await asyncio.sleep(0.05)
    before = b.wrote
    b.put(leave("z", at=LATER))
    await until(lambda: len(b.store.commits) > len(before))
    b.writer.stop()
    await running

    assert before == [[Action.EXIT]] * busy
    assert [*before, [Action.EXIT, 1]] == b.wrote


async def test_a_batch_grows_while_the_writer_is_busy() -> None:
    """What arrives during a commit goes into the next one, all of it."""
    b = bench()
    b.store.open_gate.clear()
    running = asyncio.create_task(b.writer.run())
    b.put(record(number=0))
    await b.store.began.wait()
    for number in range(1, 8):
        b.put(record(number=number))
        await asyncio.sleep(0)
    b.store.open_gate.set()
    await until(lambda: b.flight == (0, 0))
    b.writer.stop()
    await running

    assert [1, 7] == [len(entries) for entries in b.store.commits]


async def test_it_knows_the_closed_before_the_first_message() -> None:
    """From the ledger as it is at the start (K05)."""
    b = bench()
    await b.store.commit([record("a"), record("b"), leave("a", at=LATER)])
    running = asyncio.create_task(b.writer.run())
    await until(lambda: b.metrics.store_up[HERE])
    b.writer.stop()
    await running

    assert b.closed.get(router("a").device_ref) is not None
    assert b.closed.get(router("b").device_ref) is None


async def test_what_others_write_while_it_starts_is_learnt() -> None:
    """An exit by the command, between the two questions to the ledger, is not overlooked."""
    b = bench()
    await b.store.commit([record("a")])
    ask = b.store.closed
    asked = 0

    async def closed(most: int) -> dict[bytes, State]:
        nonlocal asked
        answer = await ask(most)
        if not asked:
            await b.store.commit([leave("a", at=LATER)])
        asked += 1
        return answer

    b.store.closed = closed  # type: ignore[method-assign]
    running = asyncio.create_task(b.writer.run())
    b.put(record("z"))
    await until(lambda: b.flight == (0, 0))
    await until(lambda: b.closed.get(router("a").device_ref) is not None)
    b.writer.stop()
    await running


@pytest.mark.parametrize("cause", [Cause.NOT_ANSWERING, Cause.MISSING])
async def test_who_joins_elsewhere_while_the_store_is_away_is_let_in_again(cause: Cause) -> None:
    """A router that had left, and joined through another collector in an outage of ours, is known to have joined.

    Also if meanwhile nobody could say whether the ledger will be the same.
    """
    b = bench()
    await b.store.commit([record("a"), record("b"), leave("a", at=LATER)])
    running = asyncio.create_task(b.writer.run())
    await until(lambda: b.closed.get(router("a").device_ref) is not None)
    b.store.away_for, b.store.away_with = record("b", 2, at=LATER), cause
    b.put(b.store.away_for)
    await until(lambda: b.metrics.store_failures[HERE] == 1)
    await MemoryStore.commit(b.store, [join("a", at=LATER + HOUR)])
    await until(lambda: b.closed.get(router("a").device_ref) is None)
    b.writer.stop()
    await running
    written = [entry for entries in b.store.commits for entry in entries]

    assert [1, 1, 2] == [number_of(entry) for entry in written if isinstance(entry, Record)]


async def test_a_store_that_is_opened_again_leaves_nothing_for_the_garbage_collector(tmp_path: Path) -> None:
    """Each error held the objects of an attempt, and the first those of a store that had worked for long."""
    place, witness = tmp_path / "data", Witness(tmp_path / "germany.witness", HERE)
    store = GuardedStore(lambda: SQLiteStore(place / "store.sqlite", HERE, ConsentRules()), HERE, witness, 1)
    metrics = Metrics()
    writer = Writer(store, WriterSettings(), metrics, ClosedRouters())
    await writer._committing.open()
    with leftovers() as found:
        for _ in range(3):
            place.rename(tmp_path / "away")
            place.touch()
            await writer._news.refresh()
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    await writer._committing.open()
            place.unlink()
            (tmp_path / "away").rename(place)
            await writer._committing.open()
    await store.close()

    assert metrics.store_failures[HERE] >= 9
    assert {} == found


async def test_a_ledger_that_cannot_be_read_shows() -> None:
    """An idle store that no longer answers is seen without a message to write."""
    b = bench()
    ask = b.store.changes
    running = asyncio.create_task(b.writer.run())
    await until(lambda: b.metrics.store_up[HERE])

    async def away(after: int, most: int = 1) -> list[Change]:
        raise StoreUnavailable("away")

    b.store.changes = away  # type: ignore[method-assign]
    b.writer._news._refreshed = 0
    b.writer._work.set()
    await until(lambda: not b.metrics.store_up[HERE])
    b.store.changes = ask  # type: ignore[method-assign]
    b.writer._news._refreshed = 0
    b.writer._work.set()
    await until(lambda: b.metrics.store_up[HERE])
    b.writer.stop()
    await running

    assert 1 <= b.metrics.store_failures[HERE]


async def test_pauses_between_attempts_grow_to_a_bound() -> None:
    """And start over once the store has answered."""
    b = bench()
    b.put(record(number=1))
    b.store.fail_next = 9
    pauses = []
    for _ in range(9):
        await b.step()
        pauses.append(b.writer._health.pause)
    await b.step()
    b.put(record(number=2))
    b.store.fail_next = 1
    await b.step()

    assert [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0] == pauses
    assert 0.1 == b.writer._health.pause


# Any order

NAMES = ("a", "b")


@settings(max_examples=400, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["record", "exit", "join", "busy", "step"]), st.sampled_from(NAMES), st.booleans())
    )
)
def test_in_any_order_everything_is_settled_once_and_no_exit_is_undone(steps: list[tuple[str, str, bool]]) -> None:
    """Messages, acts, commits and failures in any order: one outcome each, and what was sent before an exit is gone."""

    async def play() -> None:
        b, left, busy = bench(batch=3), dict[str, int](), list[asyncio.Task[None]]()
        receipts: list[Receipt] = []
        for number, (kind, name, fails) in enumerate(steps):
            now = START + number * 1000
            if kind == "record":
                receipts += b.put(record(name, number, at=now))
            elif kind == "exit":
                receipts += b.put(leave(name, at=now))
                left[name] = now
            elif kind == "join":
                receipts += b.put(join(name, at=now))
            else:
                b.store.open_gate.set()
                await asyncio.gather(*busy)
                b.store.fail_next = int(fails)
                if kind == "busy":  # a commit that is under way while the next things arrive
                    b.store.open_gate.clear()
                busy = [asyncio.create_task(b.step())]
                await asyncio.sleep(0)
            assert b.metrics.in_flight >= 0
        b.store.open_gate.set()
        await asyncio.gather(*busy)
        b.store.fail_next = 0
        while b.writer.waiting:
            await b.step()

        assert [1] * len(receipts) == completed(receipts)
        assert (0, 0) == b.flight
        assert b.metrics.stored[HERE] + b.metrics.dropped.total() == sum(kind == "record" for kind, _, _ in steps)
        assert not any(b.writer._queue.has(router(name).device_ref) for name in NAMES)
        for name in NAMES:
            found = [stored.received_at async for stored in b.store.records(router(name).device_ref)]
            assert all(received > left.get(name, 0) for received in found)

    asyncio.run(play())
