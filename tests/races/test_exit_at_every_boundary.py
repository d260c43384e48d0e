"""An exit, or a crash and an exit, between any two steps of a report's way from the socket to its acknowledgement.

However it falls: nothing of the router is left in the store's raw bytes, every message has one outcome, a token is
completed at most once, and an exit's only after the ledger has it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal

import pytest
from collectors import ground
from engines import let_go
from grounds import IN_FILE, Boundary, Ground
from records import SECOND
from stepping import BOUNDARIES, START, Command, Race, Watched, report

__all__ = ["ground"]  # a fixture
Way = Literal["event", "flag", "command"]
WAYS: Final[tuple[Way, ...]] = ("event", "flag", "command")
LEFT: Final = START + SECOND
WRITTEN: Final = {"inside", "committed", "settled", "acknowledged"}
"""Where a report is past the gate of the commit."""


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """Where the store of the test is."""
    folder = tmp_path / "data"
    folder.mkdir()
    yield folder / "germany.db"
    let_go(tmp_path)


async def joined(race: Race, mode: str) -> None:
    """The owner has joined, and report 0 is stored."""
    if mode == "registered":
        race.act("join", at=START - 60 * SECOND)
    race.report(0, at=START - 30 * SECOND)
    await race.commit()
    assert (1, {}) == race.outcomes


def leave(race: Race, way: Way) -> Watched:
    """The owner leaves: in the app, or by the flag."""
    if way == "event":
        return race.act("exit", at=LEFT)
    return race.handle(race.arrives(report(9, at=LEFT, ueip=False), at=LEFT))


@pytest.mark.parametrize("mode", ["flag", "registered"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_an_exit_at_any_boundary_leaves_nothing(
    path: Path, ground: Ground, boundary: Boundary, way: Way, mode: str
) -> None:
    """Before the gate of the commit the report is withdrawn, after it the record is erased; either way it is gone."""
    race = await Race(path, ground=ground, mode=mode).open()
    await joined(race, mode)
    exits: list[Watched] = []
    command = Command(race, at=LEFT) if way == "command" else None

    def happens() -> None:
        if command is None:
            exits.append(leave(race, way))
        elif boundary == "inside":
            command.start()  # it waits for the lock that the commit holds
        else:
            command.run()

    token = await race.at(boundary, 1, happens)
    if boundary == "inside" and command is not None:
        command.finish()
    await race.commit()
    # A consent event that comes during a commit goes with the next one; the ledger of a command is read by this one.
    written = boundary in WRITTEN or (boundary == "taken" and way != "command")
    stored, dropped = race.outcomes

    assert 1 + written == stored
    assert 1 - written == dropped.get("withdrawn", 0)
    assert (0, ["join", "exit"]) == race.seen()
    assert [] == race.found(race.traces([0, 1, 9]))
    assert 0 == race.metrics.in_flight
    assert [1] * len(race.sent) == [len(sent.seen) for sent in race.sent]
    assert list(range(1, len(race.sent) + 1)) == race.acknowledged
    assert written == (2 == token.seen[0].rows or (way == "command" and boundary in {"inside", "committed"}))
    assert all((0, ["join", "exit"]) == sent.seen[0] for sent in exits)
    await redelivered(race, token)
    await race.store.close()


async def redelivered(race: Race, token: Watched) -> None:
    """The connection was lost before the acknowledgement arrived: the broker sends the report once more (K09)."""
    before = race.outcomes
    race.connect()
    race.again(token, at=LEFT + SECOND)
    await race.commit()
    stored, dropped = race.outcomes

    assert (before[0], before[1].get("withdrawn", 0) + 1) == (stored, dropped["withdrawn"])
    assert [1] == race.acknowledged
    assert [] == race.found(race.traces([0, 1, 9]))


def crash(race: Race, images: list[tuple[Path, list[Watched]]]) -> Callable[[], None]:
    """What is on the disk now, and what the broker has to send again, is all that outlives the process."""

    def happens() -> None:
        folder = race.path.parent.parent / "crashed"
        IN_FILE.image(race.path, folder)
        unacknowledged = [t for packet_id, t in enumerate(race.sent, start=1) if packet_id not in race.acknowledged]
        images.append((folder / race.path.name, unacknowledged))

    return happens


@pytest.mark.parametrize("order", ["exit first", "exit last"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_a_crash_at_any_boundary_and_an_exit_leave_nothing(
    path: Path, boundary: Boundary, way: Way, order: str
) -> None:
    """The next process gets what was not acknowledged and the exit, in either order, and ends the same (K04, K11)."""
    race = await Race(path).open()
    await joined(race, "flag")
    images: list[tuple[Path, list[Watched]]] = []
    await race.at(boundary, 1, crash(race, images))
    [(image, unacknowledged)] = images
    await race.store.close()

    after = await Race(image).open()
    exits = Command(after, at=LEFT).run if way == "command" else lambda: leave(after, way)
    steps: list[Callable[[], object]] = [lambda: [after.again(token, at=LEFT + SECOND) for token in unacknowledged]]
    for step in [exits, *steps] if order == "exit first" else [*steps, exits]:
        step()
        await after.commit()
    await after.store.changes(0)

    assert (0, ["join", "exit"]) == after.seen()
    assert [] == after.found(after.traces([0, 1, 9]))
    assert [1] * len(after.sent) == [len(sent.seen) for sent in after.sent]
    assert len(unacknowledged) == (boundary != "acknowledged")
    await after.store.close()


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_a_crash_at_any_boundary_loses_nothing_and_stores_nothing_twice(path: Path, boundary: Boundary) -> None:
    """The control: without an exit the report is stored once, whatever was on the disk when the process died (D20)."""
    race = await Race(path).open()
    await joined(race, "flag")
    images: list[tuple[Path, list[Watched]]] = []
    await race.at(boundary, 1, crash(race, images))
    [(image, unacknowledged)] = images
    await race.store.close()
    after = await Race(image).open()
    for token in unacknowledged:
        after.again(token, at=START + SECOND)
    await after.commit()
    committed = boundary in {"committed", "settled"}

    assert (2, ["join"]) == after.seen()
    assert ({"duplicate": 1} if committed else {}) == after.outcomes[1]
    assert len(after.found(after.traces([0, 1]))) == len(after.traces([0, 1]))
    await after.store.close()
