"""K13: an exit, or a crash and an exit, between any two steps of a record's way through the spool.

However it falls: nothing of the router is left in the store's raw bytes or in the spool, the ledger has the exit before
anything that could still come of the router, and every record has one outcome. Store and spool are on the disk.
"""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import pytest
from engines import LASTING, Engine, let_go, make
from outage import HERE, GatedStore, Region, done
from records import MINUTE, SECOND, START, Receipt, act, join, leave, record, ref, router

from collector.consent.acts import EVERYTHING
from collector.model import Action, Entry, Record
from collector.stores.plan import ConsentRules

Boundary = Literal["waiting", "writing", "written", "spooled", "read", "inside", "committed", "settled", "forgotten"]
BOUNDARIES: Final[tuple[Boundary, ...]] = (
    "waiting", "writing", "written", "spooled", "read", "inside", "committed", "settled", "forgotten",
)  # fmt: skip
"""Where a record can be: in memory, on its way to the spool, there, and on its way to the store."""
WHILE_AWAY: Final = BOUNDARIES[:4]
MARKER: Final = b"V7.Marker-kwx_QZJ"
LEFT: Final = START + MINUTE


def marked(number: int, *, at: int = START) -> Record:
    """A record of router a with the marker in it."""
    return record(
        "a", number, at=at, body=b'{"router":{"software_version":"%b","uptime_seconds":%d}}' % (MARKER, number)
    )


class Raced(Region):
    """A region that stops a record where it is told to."""

    def __init__(self, folder: Path, engine: Engine = "sqlite", **more: Any) -> None:
        store = GatedStore(make(engine, folder / "germany.sqlite", ConsentRules()))
        super().__init__(folder / "spool", store=store, **more)
        self.place = folder
        self.happens: dict[str, Callable[[], object]] = {}
        self._hook(self.spool, "put", "writing", "written")
        self._hook(self.spool, "read", None, "read")
        self._hook(store, "commit", "inside", "committed")
        delete = self.spool.delete

        def deleting(rows: Any) -> None:
            self._at("settled")
            delete(rows)

        self.spool.delete = deleting  # type: ignore[method-assign]

    def _hook(self, of: object, name: str, before: str | None, after: str) -> None:
        work = getattr(of, name)

        async def hooked(*args: Any, **more: Any) -> Any:
            self._at(before)
            result = await work(*args, **more)
            self._at(after)
            return result

        setattr(of, name, hooked)

    def _at(self, boundary: str | None) -> None:
        if boundary in self.happens:
            self.happens.pop(boundary)()

    async def joined(self) -> "Raced":
        """The owner of a has joined, with report 0; so has a neighbour."""
        await self.open()
        self.put(marked(0), record("b", 0))
        await self.drain()
        return self

    async def way(self, boundary: Boundary, happens: Callable[[], object]) -> list[Receipt]:
        """Report 1 of a and of b go through the spool; *happens* when that of a is at *boundary*."""
        await self.refuse()
        receipts = self.put(marked(1), record("b", 1))
        if boundary == "waiting":
            happens()
        elif boundary in {"writing", "written"}:
            self.happens[boundary] = happens
        await self.shelter()
        if boundary == "spooled":
            happens()
            await self.shelter()
        elif boundary not in WHILE_AWAY:
            self.happens[boundary] = happens
        await self.heal()
        if boundary == "forgotten":
            happens()
        await self.drain()
        return receipts

    def image(self) -> Path:
        """The files as a crash would leave them now."""
        copy = self.place.with_name("crashed")
        shutil.copytree(self.place, copy)
        return copy

    async def found(self) -> tuple[int, int, list[str]]:
        """Records of a in the store, records in the spool, acts of a in the ledger."""
        kept = [r async for r in self.store.records(router("a").device_ref)]
        acts = [entry.action.value for entry in await self.store.ledger(router("a").device_ref)]
        return len(kept), self.spool.records, acts

    async def ends_clean(self) -> None:
        """Nothing of a is left anywhere, b is there in full, and the sums hold."""
        await self.store.store.changes(0)
        self.check()
        assert (0, 0, ["join", "exit"]) == await self.found()
        assert 2 == len([r async for r in self.store.records(router("b").device_ref)])
        assert MARKER not in b"".join(path.read_bytes() for path in self.place.rglob("*") if path.is_file())
        assert 0 == self.metrics.in_flight
        await self.end()

    async def end(self) -> None:
        """Let go of the files."""
        await self.spool.close()
        await self.store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where store and spool of the test are."""
    made = tmp_path / "data"
    made.mkdir()
    yield made
    let_go(tmp_path)


@pytest.fixture(params=LASTING)
def engine(request: pytest.FixtureRequest) -> Engine:
    """What the store is; the spool is a file whatever that is."""
    found: Engine = request.param
    return found


def left(by: str) -> Entry:
    """The owner leaves, in the app or by the flag."""
    return leave("a", at=LEFT, event_ref=ref("exit"), only_if_joined=by == "flag")


@pytest.mark.parametrize("by", ["event", "flag"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_k13_an_exit_at_any_boundary_of_the_spool_leaves_nothing(
    folder: Path, engine: Engine, boundary: Boundary, by: str
) -> None:
    """Taken back in memory, purged in the spool, or erased in the store: it is gone, and a redelivery is dropped."""
    race = await Raced(folder, engine).joined()
    exits: list[Receipt] = []
    receipts = await race.way(boundary, lambda: exits.extend(race.put(left(by))))
    if done(exits) == ["left"]:
        race.writer.renewed()
        race.put(left(by))
        await race.drain()
    again = race.put(marked(1, at=LEFT + SECOND))
    await race.drain()

    assert ["acknowledged"] * 2 == done(receipts)
    assert ["acknowledged"] == done(again)
    assert race.outcomes[1].get("withdrawn", 0) == 1 + (boundary in WHILE_AWAY)
    await race.ends_clean()


@pytest.mark.parametrize("exit_first", [False, True], ids=["redelivery first", "exit first"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_k13_a_crash_at_any_boundary_of_the_spool_and_an_exit_leave_nothing(
    folder: Path, boundary: Boundary, *, exit_first: bool
) -> None:
    """The next process gets what was not acknowledged and the exit, in either order, while the store is still away."""
    race = await Raced(folder).joined()
    images: list[tuple[Path, list[Entry]]] = []
    sent: list[Entry] = [marked(1), record("b", 1)]

    def crash() -> None:
        unacknowledged = [e for e, r in zip(sent, race.receipts[2:], strict=False) if not r.completed]
        images.append((race.image(), unacknowledged))

    await race.way(boundary, crash)
    await race.end()
    [(image, unacknowledged)] = images
    after = Raced(image)
    await after.open()
    await after.refuse()
    comes: list[list[Entry]] = [unacknowledged, [left("event")]]
    for entries in reversed(comes) if exit_first else comes:
        after.put(*entries)
        await after.shelter()
    purged = await after.spool.ids_of([router("a").device_ref], EVERYTHING)
    again = await restart_while_away(after)
    again.put(*unacknowledged)
    await again.shelter()
    await again.heal()
    again.writer.renewed()
    again.put(*unacknowledged, left("event"))
    await again.drain()

    assert () == purged
    await again.ends_clean()


async def restart_while_away(before: Raced) -> Raced:
    """Killed again before the store came back: all that the next one knows of the exit is in the spool."""
    image = before.place.with_name("crashed-again")
    shutil.copytree(before.place, image)
    await before.end()
    after = Raced(image)
    await after.writer._watch.recover()
    after.goes_away()
    await after.store.store.open()
    after.writer._health.opened()
    return after


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_a_crash_at_any_boundary_of_the_spool_loses_nothing_and_stores_nothing_twice(
    folder: Path, boundary: Boundary
) -> None:
    """The control: without an exit every record is stored once, whatever was on the disk when it was killed (D20)."""
    race = await Raced(folder).joined()
    images: list[tuple[Path, list[Entry]]] = []
    sent: list[Entry] = [marked(1), record("b", 1)]

    def crash() -> None:
        images.append((race.image(), [e for e, r in zip(sent, race.receipts[2:], strict=False) if not r.completed]))

    await race.way(boundary, crash)
    await race.end()
    [(image, unacknowledged)] = images
    after = await Raced(image).open()
    after.put(*unacknowledged)
    await after.drain()
    kept = {name: [r async for r in after.store.records(router(name).device_ref)] for name in "ab"}

    assert (boundary in {"waiting", "writing", "written"}) == bool(unacknowledged)
    assert {"a": 2, "b": 2} == {name: len(records) for name, records in kept.items()}
    assert after.outcomes[1].keys() <= {"duplicate"}
    assert 0 == after.metrics.in_flight
    await after.end()


async def test_k13_a_rejoin_while_the_store_is_still_away(folder: Path, engine: Engine) -> None:
    """Exit and rejoin wait in the spool in their order: what is from before stays out, what is from after comes in."""
    race = await Raced(folder, engine).joined()
    await race.refuse()
    race.put(marked(1))
    await race.shelter()
    race.put(left("event"), join("a", at=LEFT + SECOND, event_ref=ref("join")))
    new = [record("a", number, at=LEFT + MINUTE, measured=LEFT + MINUTE) for number in (2, 3)]
    receipts = race.put(*new)
    await race.shelter()
    during = race.spool.records
    await race.heal()
    race.writer.renewed()
    receipts += race.put(marked(1, at=LEFT + 2 * MINUTE), *new)
    await race.drain()

    assert (0, ["left"] * 2 + ["acknowledged"] * 3) == (during, done(receipts))
    assert (2, 0, ["join", "exit", "join"]) == await race.found()
    assert MARKER not in race.raw()
    await race.end()


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_k29_a_request_at_any_boundary_of_the_spool_leaves_nothing_from_before_it(
    folder: Path, engine: Engine, boundary: Boundary
) -> None:
    """In memory, in the spool or in the store: what was received before it is gone, and what comes later is kept."""
    race = await Raced(folder, engine).joined()
    request = act(Action.ERASE, "a", at=LEFT, event_ref=ref("erase"))
    receipts = await race.way(boundary, lambda: race.put(request, promised=False))
    race.writer.renewed()
    again = race.put(marked(1, at=LEFT + SECOND), record("a", 2, at=LEFT + MINUTE))
    await race.drain()
    await race.store.store.changes(0)

    assert ["acknowledged"] * 2 == done(receipts) == done(again)
    assert (1, 0, ["join", "erase"]) == await race.found()
    assert 2 == len([r async for r in race.store.records(router("b").device_ref)])
    assert MARKER not in b"".join(path.read_bytes() for path in race.place.rglob("*") if path.is_file())
    assert 0 == race.metrics.in_flight
    await race.end()


async def test_k29_a_request_while_the_store_is_away_takes_effect_over_a_restart(folder: Path) -> None:
    """It is in the spool, purged what was there, and is what the ledger gets first; the consent goes on."""
    race = await Raced(folder).joined()
    await race.refuse()
    race.put(marked(1))
    await race.shelter()
    race.put(act(Action.ERASE, "a", at=LEFT, event_ref=ref("erase")), promised=False)
    await race.shelter()
    purged = race.spool.records
    after = await restart_while_away(race)
    waiting = after.metrics.exits.waiting[HERE]()[0].total()
    await after.heal()
    receipts = after.put(record("a", 2, at=LEFT + MINUTE))
    await after.drain()
    await after.store.store.changes(0)

    assert (0, 1) == (purged, waiting)
    assert (["acknowledged"], 0) == (done(receipts), after.metrics.exits.waiting[HERE]()[0].total())
    assert (1, 0, ["join", "erase"]) == await after.found()
    assert MARKER not in b"".join(path.read_bytes() for path in after.place.rglob("*") if path.is_file())
    await after.end()


async def test_k36_a_hold_while_the_store_is_away_lets_nothing_more_in(folder: Path) -> None:
    """It closes the gate at once; what was in the store is there again when it is released."""
    race = await Raced(folder).joined()
    await race.refuse()
    race.put(act(Action.HOLD, "a", at=LEFT, event_ref=ref("hold"), reference="CASE-1"), promised=False)
    await race.shelter()
    during = race.put(record("a", 1, at=LEFT + SECOND))
    await race.heal()
    held = await race.found()
    race.put(act(Action.RELEASE, "a", at=LEFT + MINUTE, reference="CASE-1"), promised=False)
    await race.drain()

    assert (["acknowledged"], 1) == (done(during), race.metrics.dropped.total())
    assert (0, 0, ["join", "hold"]) == held
    assert (1, 0, ["join", "hold", "release"]) == await race.found()
    await race.end()


async def test_k16_a_router_the_ledger_has_not_let_in_is_on_no_disk(folder: Path) -> None:
    """Neither with a ledger that this process has read before, nor with one that it has not (D6)."""
    race = await Raced(folder).joined()
    await race.refuse()
    before = race.raw()
    receipts = race.put(record("x", 1), record("x", 2))
    await race.shelter()
    during = race.raw()
    after = await restart_while_away(race)
    unread = after.raw()
    receipts += after.put(marked(1), record("x", 1))
    await after.shelter()

    assert ["left"] * 4 == done(receipts)
    assert (before, unread) == (during, after.raw())
    assert 0 == after.spool.records
    await after.end()


async def test_a_commit_and_its_store_may_fail_in_any_order_with_the_spool(folder: Path, engine: Engine) -> None:
    """A store that flaps: away and back again and again, with exits and joins between, each record has one outcome."""
    race = await Raced(folder, engine).joined()
    for round_ in range(6):
        at = START + round_ * MINUTE
        race.put(marked(10 + round_, at=at), record("b", 10 + round_, at=at))
        if round_ % 2:
            committing = asyncio.create_task(race.writer.step())
            race.store.fail_next = 1
            await committing
        race.goes_away()
        await race.shelter()
        if round_ == 2:
            race.put(left("event"))
        if round_ == 4:
            race.put(join("a", at=at, event_ref=ref("again")))
        await race.shelter()
        await race.heal()
        race.writer.renewed()

    assert 7 == len([r async for r in race.store.records(router("b").device_ref)])
    assert 0 == race.metrics.in_flight
    await race.end()
