"""One worker as its supervisor sees it; its process is played here, by the clock that the test sets."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from records import until

from collector.metrics import Metrics
from collector.model import Region
from collector.workers import process
from collector.workers.channel import LOOK
from collector.workers.job import Job
from collector.workers.process import SILENT_SECONDS, WorkerProcess
from collector.workers.status import Status, status
from collector.workers.sums import Sums


class Child:
    """A process that takes its end of the line, and ends when the test says so."""

    def __init__(self, descriptor: int, options: dict[str, Any]) -> None:
        self.options = options
        self.asked: list[str] = []
        self.heeds = True
        self.line = socket.socket(fileno=os.dup(descriptor))
        self.line.setblocking(False)
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        return await asyncio.shield(self._code)

    def terminate(self) -> None:
        self.asked.append("terminate")
        if self.heeds:
            self.end(0)

    def kill(self) -> None:
        self.asked.append("kill")
        self.end(-9)

    def end(self, code: int) -> None:
        self.line.close()
        self.exit(code)

    def exit(self, code: int) -> None:
        """It is gone, and what it said last is still on its way."""
        self._code.set_result(code)

    def say(self, said: Status) -> None:
        self.line.sendall(msgspec.json.encode(said) + b"\n")

    async def hear(self, looks: int = 1) -> list[bytes]:
        """What it is told, until it was looked at so many times."""
        heard = b""
        async with asyncio.timeout(10):
            while heard.count(LOOK) < looks:
                heard += await asyncio.get_running_loop().sock_recv(self.line, 1 << 16)
        return heard.splitlines(keepends=True)


class Machine:
    """Where the processes run: they begin when they are told to, and pauses are noted and not waited for."""

    def __init__(self) -> None:
        self.children: list[Child] = []
        self.pauses: list[tuple[float, float]] = []
        self.faults: list[OSError] = []
        self.now = 1000.0
        self.pause = 0.0

    async def begin(self, *words: str, pass_fds: list[int], **options: Any) -> Child:
        if self.faults:
            raise self.faults.pop()
        self.children.append(Child(pass_fds[0], options))
        return self.children[-1]

    def paused(self, least: float, most: float) -> float:
        self.pauses.append((least, most))
        return self.pause

    async def child(self, number: int = 1) -> Child:
        """The process of that turn, once it has begun."""
        await until(lambda: len(self.children) >= number)
        return self.children[number - 1]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(asyncio, "create_subprocess_exec", made.begin)
    monkeypatch.setattr(process, "random", SimpleNamespace(uniform=made.paused))
    monkeypatch.setattr(process, "time", SimpleNamespace(monotonic=lambda: made.now))
    return made


@asynccontextmanager
async def kept(worker: WorkerProcess) -> AsyncIterator[asyncio.Event]:
    """The worker kept running until the end of the block, or until the event that this brings is set."""
    stop = asyncio.Event()
    keeping = asyncio.create_task(worker.keep(stop))
    yield stop
    stop.set()
    async with asyncio.timeout(10):
        await keeping


def worker_of(sums: Sums | None = None) -> WorkerProcess:
    """Worker 2, under a new number."""
    return WorkerProcess(Job(2, "{}", is_new=True), sums or Sums())


def said(received: int = 0, *, has_left: bool = False, **parts: str) -> Status:
    """What a worker says."""
    metrics = Metrics((Region.GERMANY,))
    metrics.received = received
    return status(parts, metrics.registry.collect(), has_left=has_left)


async def test_one_that_ends_again_and_again_is_started_after_pauses_that_grow_to_a_bound(machine: Machine) -> None:
    """Until it has lived for a minute: that is a worker that starts well."""
    worker = worker_of()
    async with kept(worker):
        for number in range(1, 10):
            (await machine.child(number)).end(3)
        last = await machine.child(10)
        machine.now += 61
        last.end(3)
        await machine.child(11)
        longest = [most for _, most in machine.pauses]

    assert [0.5, 1, 2, 4, 8, 16, 30, 30, 30, 0.25] == longest
    assert [most / 4 for most in longest] == [least for least, _ in machine.pauses]
    assert 11 == worker.starts


async def test_one_that_cannot_be_started_is_tried_again(machine: Machine) -> None:
    """The machine may have no process to give just then; the others go on."""
    worker = worker_of()
    machine.faults = [OSError(errno.EAGAIN, "")]
    async with kept(worker):
        await machine.child()
        await until(lambda: worker.is_up)

    assert (1, 1) == (worker.starts, len(machine.pauses))


async def test_a_pause_is_not_waited_for_at_a_stop(machine: Machine) -> None:
    """Nor is it started once more; meanwhile it is told how it ended."""
    worker = worker_of()
    async with kept(worker):
        (await machine.child(1)).end(3)
        last = await machine.child(2)
        machine.pause = 1000.0
        last.end(3)
        await until(lambda: len(machine.pauses) == 2)
        told = worker.trouble()

    assert (2, "ended with 3, 2 times in a row") == (worker.starts, told)


async def test_one_that_has_left_is_not_started_again_and_that_is_no_fault(
    machine: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    """What it says last is heard, though it has ended."""
    sums = Sums()
    worker = worker_of(sums)
    async with kept(worker) as stop:
        child = await machine.child()
        child.exit(0)
        for _ in range(20):
            await asyncio.sleep(0)
        child.say(said(7, has_left=True))
        child.line.close()
        await until(lambda: worker.has_left and not worker.is_up, seconds=10)
        assert not stop.is_set()

    assert (1, [], []) == (worker.starts, machine.pauses, caplog.records)
    assert 7 == sums.received(2, None)


async def test_what_was_said_in_full_counts_where_one_is_killed_in_the_midst_of_a_word(machine: Machine) -> None:
    """Half a status is none."""
    sums = Sums()
    worker = worker_of(sums)
    async with kept(worker):
        child = await machine.child()
        # What it leaves unread makes an error of its end.
        await child.hear()
        child.say(said(5))
        child.line.sendall(b'{"parts":')
        child.end(-9)
        await machine.child(2)

    assert 5 == sums.received(2, None)


async def test_one_that_does_not_stop_is_killed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it was asked, and had its time."""
    monkeypatch.setattr(process, "STOP_SECONDS", 0.01)
    worker = worker_of()
    async with kept(worker):
        child = await machine.child()
        child.heeds = False
        await until(lambda: worker.is_up)

    assert ["terminate", "kill"] == child.asked
    assert not worker.is_up


async def test_ctrl_c_is_not_for_the_workers(machine: Machine) -> None:
    """The terminal gives it to all of its processes at once; the supervisor stops them in order."""
    async with kept(worker_of()):
        child = await machine.child()

    assert child.options["start_new_session"]
    assert ["terminate"] == child.asked


async def test_one_is_ready_while_it_answers_and_every_part_is(machine: Machine) -> None:
    """One that says nothing is told of and left alone; a new process has not been silent yet."""
    worker = worker_of()
    found = [worker.trouble()]

    def noted() -> tuple[str | None, bool]:
        return worker.trouble(), worker.is_ready("ready")

    async with kept(worker):
        child = await machine.child()
        await until(lambda: worker.is_up)
        begun = noted()
        child.say(said(broker="ready", clock="behind by 9 s"))
        await until(lambda: worker.status is not None)
        behind = noted()
        child.say(said(1, broker="ready"))
        await until(lambda: worker.status is not None and len(worker.status.parts) == 1)
        ready = noted()
        machine.now += SILENT_SECONDS + 1
        silent = noted()
        child.say(said(2, broker="ready"))
        await until(lambda: worker.trouble() is None, seconds=10)
        machine.now += SILENT_SECONDS + 1
        child.end(3)
        await machine.child(2)
        await until(lambda: worker.is_up)
        anew = noted()

    assert ["starting"] == found
    assert [("starting", False), (None, False), (None, True)] == [begun, behind, ready]
    assert [("does not answer", False), ("starting", False)] == [silent, anew]


async def test_a_number_is_new_until_somebody_has_worked_under_it(machine: Machine) -> None:
    """Then the broker should know it, and that it does not is a loss to be told."""
    worker, told = worker_of(), []
    async with kept(worker):
        for number in (1, 2, 3):
            child = await machine.child(number)
            job, *_ = await child.hear()
            told.append(msgspec.json.decode(job, type=Job).is_new)
            if number == 2:
                child.say(said())
            child.end(3)
        await machine.child(4)

    assert [True, True, False] == told


async def test_who_looks_waits_for_the_answer_but_not_for_ever(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of numbers shows those of now, or those of the last look."""
    monkeypatch.setattr(process, "_PATIENCE", 60)
    worker = worker_of()
    await worker.look()
    async with kept(worker):
        child = await machine.child()
        child.say(said(1))
        await until(lambda: worker.status is not None)
        looking = asyncio.create_task(worker.look())
        await asyncio.wait([looking], timeout=0.01)
        waited = not looking.done()
        child.say(said(3))
        await looking
        now = worker.status
        monkeypatch.setattr(process, "_PATIENCE", 0.01)
        async with asyncio.timeout(10):
            await worker.look()

    assert waited
    assert now is not None
    assert 3 == now.total("collector_messages_received_total")


async def test_it_is_looked_at_again_and_again(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked by nobody: what one that is killed counted since the last look is not known."""
    monkeypatch.setattr(process, "LOOK_SECONDS", 0)
    monkeypatch.setattr(process, "_PATIENCE", 0.001)
    worker = worker_of()
    async with kept(worker):
        _, *looks = await (await machine.child()).hear(looks=3)

    assert {LOOK} == set(looks)
