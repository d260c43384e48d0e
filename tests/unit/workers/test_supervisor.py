"""What the supervisor shows of its workers, and what it writes down of them; no process is started here."""

import asyncio
from pathlib import Path

import pytest
from test_roll import settings

from collector.config_http import HttpSettings
from collector.metrics import Metrics
from collector.model import Region
from collector.workers import supervisor
from collector.workers.process import WorkerProcess
from collector.workers.roll import Roll
from collector.workers.status import Status, status
from collector.workers.supervisor import Supervisor, has_to_supervise


def made(folder: Path, workers: int) -> Supervisor:
    """The supervisor of so many, on a free port."""
    return Supervisor(settings(folder).model_copy(update={"http": HttpSettings(port=0)}), workers)


def said(**parts: str) -> Status:
    """What a worker says."""
    return status(parts, Metrics((Region.GERMANY,)).registry.collect())


def up(worker: WorkerProcess, **parts: str) -> None:
    """Have it run and say how its parts are."""
    worker.is_up, worker.status = True, said(**parts)


def shown(one: Supervisor, name: str) -> dict[str, float]:
    """A metric by the number of the worker."""
    samples = (sample for family in one.collect() for sample in family.samples)
    return {sample.labels["worker"]: sample.value for sample in samples if sample.name == name}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two looks."""
    monkeypatch.setattr(supervisor, "LOOK_SECONDS", 0)


def test_each_worker_is_told_what_it_is_to_do(tmp_path: Path) -> None:
    """One whose number was never there is new; one that is not wanted any more leaves; the first was always there."""
    Roll(settings(tmp_path)).add({1, 2, 4})
    jobs = [worker.job for worker in made(tmp_path, 3)._workers]

    assert [(1, False, False), (2, False, False), (3, True, False), (4, False, True)] == [
        (job.number, job.is_new, job.leaves) for job in jobs
    ]
    assert not any(job.alone for job in jobs)
    assert {1, 2, 3, 4} == Roll(settings(tmp_path)).numbers()


def test_the_first_worker_waits_for_nobody(tmp_path: Path) -> None:
    """Not even where there was no collector before; the others would wait for ever."""
    assert [(1, False), (2, True)] == [(one.job.number, one.job.is_new) for one in made(tmp_path, 2)._workers]


async def test_who_has_left_is_struck_and_who_was_stopped_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waits for the latter waits on, until it is started to leave again."""

    async def keep(worker: WorkerProcess, stop: asyncio.Event) -> None:
        worker.has_left = worker.job.number == 2

    monkeypatch.setattr(WorkerProcess, "keep", keep)
    Roll(settings(tmp_path)).add({1, 2, 3})
    one = made(tmp_path, 1)
    async with asyncio.timeout(10):
        for worker in one._workers[1:]:
            await one._keep(worker)

    assert {1, 3} == Roll(settings(tmp_path)).numbers()


def test_one_that_leaves_holds_up_nobody_and_one_that_has_left_is_not_missed(tmp_path: Path) -> None:
    """What it does at the broker is not what this collector is asked for."""
    Roll(settings(tmp_path)).add({1, 2, 3})
    one = made(tmp_path, 1)
    first, leaves, has_left = one._workers
    begun = one.readiness()
    up(first, broker="ready", store_germany="ready")
    up(leaves, broker="reading what waited at the broker")
    has_left.has_left = True
    here = one.readiness()
    first.status = said(broker="connecting", store_germany="ready")

    assert {"workers": "; ".join(f"worker {number}: starting" for number in (1, 2, 3))} == begun
    assert {"workers": "ready", "broker": "ready", "store_germany": "ready"} == here
    assert {"workers": "ready", "broker": "worker 1: connecting", "store_germany": "ready"} == one.readiness()
    assert {"1": 1, "2": 1} == shown(one, "collector_worker_up")
    assert {"1": 0, "2": 0} == shown(one, "collector_worker_ready")
    assert {"1", "2", "3"} == set(shown(one, "collector_worker_starts_total"))


async def test_who_is_alone_stays_on_the_roll_until_its_session_shares_with_nobody(tmp_path: Path) -> None:
    """That is when it is connected to the broker for reports: before, it may be a member of the group still."""
    Roll(settings(tmp_path)).add({1})
    one = made(tmp_path, 1)
    worker = one._workers[0]
    alone = asyncio.create_task(one._is_alone(worker))
    up(worker, broker="held until the consent topic is read", consent_topic="ready")
    for _ in range(5):
        await asyncio.sleep(0)
    waited = one._roll.path.exists()
    up(worker, broker="ready")
    async with asyncio.timeout(10):
        await alone

    assert waited
    assert not one._roll.path.exists()
    assert not has_to_supervise(settings(tmp_path), 1)


async def test_a_new_worker_begins_when_one_that_was_there_before_knows_who_has_left(tmp_path: Path) -> None:
    """Not when another new one has read the topic: it may have read as little (K05)."""
    Roll(settings(tmp_path)).add({1})
    one = made(tmp_path, 3)
    old, new, _ = one._workers
    waiting = asyncio.create_task(one._consent_is_read())
    up(old, consent_topic="reading what waited at the broker")
    up(new, consent_topic="ready")
    for _ in range(5):
        await asyncio.sleep(0)
    waited = not waiting.done()
    up(old, consent_topic="ready")
    async with asyncio.timeout(10):
        await waiting

    assert waited


async def test_a_roll_that_cannot_be_written_ends_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever has left is started once more next time, and finds nothing."""
    one = made(tmp_path, 2)
    one._roll.path.unlink()
    one._roll.path.mkdir()
    one._strike(2)

    assert ["roll_not_written"] == [told.message for told in caplog.records]


def test_a_supervisor_is_needed_while_something_of_others_waits(tmp_path: Path) -> None:
    """One worker alone is a plain collector."""
    found = settings(tmp_path)

    assert [True, False, True] == [has_to_supervise(found, workers) for workers in (0, 1, 2)]
    Roll(found).add({1, 2})
    assert has_to_supervise(found, 1)
