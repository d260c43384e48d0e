"""The end of a collector: in which order, and what one that leaves looks at before it is gone for good."""

import asyncio
from types import SimpleNamespace
from typing import cast

import pytest

from collector import service
from collector.service import Service, _is_empty
from collector.stores.writer import Writer


@pytest.mark.parametrize(
    ("answers", "records", "waiting", "expected"),
    [(True, 0, 0, True), (True, 3, 0, False), (True, 0, 3, False), (False, 0, 0, False)],
    ids=["nothing", "in the spool", "in memory", "a spool that cannot be read"],
)
def test_who_leaves_stays_while_anything_may_wait(*, answers: bool, records: int, waiting: int, expected: bool) -> None:
    """Nobody would start it again to deliver that."""
    writer = SimpleNamespace(spool=SimpleNamespace(answers=answers, records=records), waiting=waiting)

    assert expected == _is_empty(cast("Writer", writer))


class Part:
    """A part that notes what it is told."""

    def __init__(self, name: str, told: list[str]) -> None:
        self._name = name
        self._told = told

    def quiesce(self) -> None:
        self._told.append(f"{self._name} reads no more")

    async def stop(self, *, for_good: bool = False) -> None:
        self._told.append(f"{self._name} stops{' for good' if for_good else ''}")

    async def close(self) -> None:
        self._told.append(f"{self._name} closes")


@pytest.mark.parametrize("hangs", [False, True])
async def test_what_is_under_way_is_waited_for_before_the_goodbye(
    monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    """So that it is acknowledged and answered; a store that hangs is not waited for."""
    told: list[str] = []
    stopped = asyncio.Event()

    async def write() -> None:
        await stopped.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        await asyncio.sleep(1000 if hangs else 0)
        told.append("committed")

    def stop_writing() -> None:
        told.append("writer stops")
        stopped.set()

    monkeypatch.setattr(service, "SHUTDOWN_SECONDS", 0.05 if hangs else service.SHUTDOWN_SECONDS)
    writer = SimpleNamespace(stop=stop_writing, close=Part("writer", told).close)
    parts = {f"_{name}" if name == "client" else name: Part(name, told) for name in ("client", "api", "http")}
    desk = SimpleNamespace(stop=lambda: told.append("desk stops"))
    made = SimpleNamespace(**parts, _writers={"germany": writer}, _desk=desk, has_left=True)
    async with asyncio.timeout(30):
        await Service._shut_down(cast("Service", made), [asyncio.create_task(write())], [])

    assert told == [
        "client reads no more", "api stops", "writer stops", *([] if hangs else ["committed"]), "desk stops",
        "client stops for good", "http stops", "writer closes",
    ]  # fmt: skip
