"""K38: the collector's clock goes back, or was never set. The collector runs here, by a clock that the test sets."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from typing import Final

from integration.harness import Publisher, Site, consent, report
from records import until
from test_broker_races import site

from collector.config import load_settings
from collector.model import Region
from collector.service import Service

__all__ = ["site"]

HERE: Final = Region.GERMANY
ROUTER: Final = "ZTEAB0A000001"
HOUR: Final = 3600.0
PATIENCE: Final = 60


class Wall:
    """The clock on the wall, so many seconds off."""

    def __init__(self, off: float = 0) -> None:
        self.off = off

    def __call__(self) -> float:
        return time.time() + self.off


@contextlib.asynccontextmanager
async def running(site: Site, wall: Wall) -> AsyncIterator[Service]:
    """A collector that goes by *wall*."""
    service = Service(load_settings(site.config), wall=wall)
    task = asyncio.create_task(service.run())
    try:
        yield service
    finally:
        service.stop()
        await task


async def ready(service: Service) -> None:
    """Wait until the broker keeps what is published."""
    await until(lambda: set(service.readiness().values()) == {"ready"}, seconds=PATIENCE)


async def stored(service: Service, number: int) -> None:
    """Wait for so many records."""
    await until(lambda: service.metrics.stored[HERE] >= number, seconds=PATIENCE)


async def told(service: Service) -> str:
    """What /readyz says of the clock, once it says something."""
    await until(lambda: "clock" in service.readiness(), seconds=PATIENCE)
    return service.readiness()["clock"]


def send(router: Publisher, number: int) -> None:
    """Reports measured now; the broker has them when this returns."""
    for _ in range(number):
        router.report(report(ROUTER))
    router.settle()


def received(service: Service) -> tuple[int, int, int]:
    """What became of reports so far: received, stored, dropped."""
    metrics = service.metrics
    return metrics.received, metrics.stored[HERE], metrics.dropped.total()


async def test_k38_a_clock_that_steps_back_closes_the_gate_until_it_is_right(site: Site) -> None:
    """Nothing is taken, or it would be dropped as from the future; the broker keeps it, acts included."""
    site.broker.start()
    wall = Wall()
    async with running(site, wall) as service:
        await ready(service)
        with site.publisher() as router:
            send(router, 3)
            await stored(service, 3)
            wall.off = -HOUR
            send(router, 20)
            router.publish(f"ueip/v1/{ROUTER}/consent", consent("exit"))
            said = await told(service)
            behind = service.metrics.clock_behind()
            during = received(service)
            entries = len(site.rows(HERE, "SELECT seq FROM ledger"))
            wall.off = 0
            await until(lambda: service.metrics.erased[HERE] > 0, seconds=PATIENCE)
            await until(lambda: service.metrics.in_flight == 0 and received(service)[0] >= 23, seconds=PATIENCE)

        assert said.startswith("behind by 3")
        assert behind > HOUR - 60
        assert (3, 3, 0) == during
        assert 1 == entries
        assert {"withdrawn"} >= {reason.value for reason, count in service.metrics.dropped.items() if count}
        assert "clock" not in service.readiness()


async def test_k38_a_collector_that_starts_with_an_unset_clock_takes_nothing(site: Site) -> None:
    """It is behind what its stores have seen, so everything would seem to come from the future."""
    site.broker.start()
    async with running(site, Wall()) as service:
        await ready(service)
        with site.publisher() as router:
            send(router, 3)
            await stored(service, 3)
    wall = Wall(-400 * 24 * HOUR)
    async with running(site, wall) as service:
        with site.publisher() as router:
            send(router, 5)
            said = await told(service)
            during = received(service)
            wall.off = 0
            await stored(service, 5)

        assert said.startswith("behind by 34")
        assert (0, 0, 0) == during
        assert (5, 5, 0) == received(service)
    assert 8 == site.count(HERE)


async def test_k38_a_first_start_with_an_unset_clock_takes_nothing(site: Site) -> None:
    """No store can tell it what time it is; that it is not 1970 it knows."""
    site.broker.start()
    wall = Wall(-time.time())
    async with running(site, wall) as service:
        await told(service)
        wall.off = 0
        await ready(service)
        with site.publisher() as router:
            send(router, 3)
            await stored(service, 3)

    assert (3, 3, 0) == received(service)


async def test_k38_times_of_a_clock_that_was_ahead_are_taken_back_by_a_person(site: Site) -> None:
    """The clock is right and the store is not: `ueip ledger accept`, and the gate opens by itself."""
    site.broker.start()
    async with running(site, Wall(24 * HOUR)) as service:
        await ready(service)
        with site.publisher() as router:
            send(router, 1)
            await stored(service, 1)
    async with running(site, Wall()) as service:
        said = await told(service)
        words = ("ledger", "accept", "--region", HERE, "--reason", "clock a day ahead, case 9", "-c", str(site.config))
        accepted = await asyncio.to_thread(site.ueip, *words)
        with site.publisher() as router:
            router.report(report("ZTEAB0A000002"))
            router.settle()
            await stored(service, 1)

    assert said.startswith("behind by 8")
    assert 0 == accepted.returncode
