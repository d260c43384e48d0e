"""`ueip up --rounds`: it ends when what its fleet has sent has arrived."""

import asyncio
import sys
from typing import Any

import pytest

from collector.cli.up import _Fleet, settled
from collector.metrics import Metrics
from collector.model import Region


async def told(metrics: Metrics, pauses: list[float]) -> None:
    """Reports arrive with these pauses before them."""
    for pause in pauses:
        await asyncio.sleep(pause)
        metrics.received += 1


async def received_at_the_end(reports: int, pauses: list[float]) -> int:
    metrics = Metrics(tuple(Region))
    arriving = asyncio.create_task(told(metrics, pauses))
    await settled(metrics, reports)
    arriving.cancel()
    return metrics.received


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    # By this name, for the package has the command under it.
    module = sys.modules["collector.cli.up"]
    for name, seconds in (("_LOOK_SECONDS", 0.01), ("_MOMENT_SECONDS", 0.05), ("_PATIENCE_SECONDS", 0.6)):
        monkeypatch.setattr(module, name, seconds)


def test_a_broker_that_is_slow_is_waited_for() -> None:
    """A machine under load keeps it from speaking for longer than a moment."""
    assert 3 == asyncio.run(received_at_the_end(3, [0.0, 0.2, 0.2]))


def test_what_does_not_come_is_not_waited_for_for_ever() -> None:
    """A region's reports stay with the broker while its store is away."""
    assert 2 == asyncio.run(received_at_the_end(3, [0.0, 0.1, 30]))


class Running:
    """As much of a service as a fleet has to do with."""

    def __init__(self) -> None:
        self.metrics = Metrics(tuple(Region))
        self.stopped = asyncio.Event()

    def stop(self) -> None:
        self.stopped.set()


def test_a_fleet_that_fails_ends_the_demo_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it was: a demo of so many rounds has an end."""
    failure = RuntimeError("as a defect of ours is")

    def run(*_: Any, **__: Any) -> None:
        raise failure

    async def ended() -> Exception | None:
        service: Any = Running()
        fleet = _Fleet(1883, 1, 1, 0.0, 1, service)
        fleet.start()
        await asyncio.wait_for(service.stopped.wait(), 10)
        return fleet.error

    monkeypatch.setattr(sys.modules["collector.cli.up"], "run", run)

    assert failure is asyncio.run(ended())
