"""The window grows by what is left with the broker, and a connection is renewed when that can be taken."""

import asyncio

import pytest
from records import until

from collector.acks import AckRing
from collector.ingest.connection import Connection
from collector.ingest.window import LARGEST, RENEWED, Window


class FakeConnection:
    """A connection as far as the window knows it."""

    def __init__(self, places: int = 0, size: int = 100) -> None:
        self.size = size
        self.released: list[list[int]] = []
        self.acks = AckRing(self.released.append)
        self.paused = False
        self.why = ""
        for packet_id in range(1, places + 1):
            self.acks.token(packet_id).leave()

    @property
    def is_crowded(self) -> bool:
        return self.acks.left * 2 >= self.size

    def pause(self) -> None:
        self.paused = True

    def renew(self, why: str) -> None:
        self.why = why


def connection(places: int = 0, size: int = 100) -> tuple[Connection, FakeConnection]:
    """One connection with so many places taken, under both of its names."""
    made = FakeConnection(places, size)
    return made, made  # type: ignore[return-value]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection may be renewed as soon as it stands."""
    monkeypatch.setattr("collector.ingest.window._SHORTEST_LIFE", 0)


@pytest.mark.parametrize(("taken", "renews"), [(0, False), (49, False), (50, True), (100, True)])
async def test_half_of_the_places_taken_is_reason_for_more(taken: int, *, renews: bool) -> None:
    """Not each one: a new connection costs what is not acknowledged yet a second delivery."""
    window, (one, seen) = Window(100), connection(taken)
    window.left(one)
    renewing = asyncio.create_task(window.renewal(one))
    await asyncio.sleep(0.02)
    renewing.cancel()

    assert (RENEWED if renews else "") == seen.why
    assert renews == seen.paused


async def test_the_next_window_has_the_usual_room_beside_what_is_taken() -> None:
    """And the usual size again once nothing is left there; never more than MQTT has packet ids for."""
    window, sizes = Window(100), []
    for taken in (0, 50, 150, 40_000, 0):
        window.next(connection(taken)[0])
        sizes.append(window.size)

    assert [100, 300, 700, LARGEST, 100] == sizes


async def test_a_window_that_cannot_grow_is_no_reason_to_renew() -> None:
    """It would come to nothing but that."""
    window, (one, seen) = Window(LARGEST), connection(LARGEST - 1, LARGEST)
    window.left(one)
    renewing = asyncio.create_task(window.renewal(one))
    await asyncio.sleep(0.02)
    renewing.cancel()

    assert "" == seen.why


async def test_leave_is_taken_of_a_connection_in_order() -> None:
    """No more is read, and what is settled within a moment is acknowledged."""
    window, (one, seen) = Window(100), connection()
    token = one.acks.token(1)
    window.renew()
    renewing = asyncio.create_task(window.renewal(one))
    await until(lambda: seen.paused)
    early = seen.why
    token.complete()
    await renewing

    assert ("", RENEWED) == (early, seen.why)
    assert [[1]] == seen.released


async def test_it_is_not_waited_for_what_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message whose commit hangs is delivered again."""
    monkeypatch.setattr("collector.ingest.window._LEAVE_TAKING", 0.05)
    window, (one, seen) = Window(100), connection()
    one.acks.token(1)
    window.renew()
    await window.renewal(one)

    assert RENEWED == seen.why


async def test_a_connection_lives_a_while_before_it_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that flaps must not make the connection do nothing else."""
    monkeypatch.setattr("collector.ingest.window._SHORTEST_LIFE", 0.2)
    window, (one, seen) = Window(100), connection()
    window.renew()
    renewing = asyncio.create_task(window.renewal(one))
    await asyncio.sleep(0.05)
    early = seen.why
    await renewing

    assert ("", RENEWED) == (early, seen.why)


@pytest.mark.parametrize(("withheld", "renews"), [(99, False), (100, True)])
async def test_places_that_a_new_connection_gives_back_are_reason_for_one(
    monkeypatch: pytest.MonkeyPatch, withheld: int, *, renews: bool
) -> None:
    """As many as a window has usually: they are of messages that are settled, and only have to come again."""
    monkeypatch.setattr("collector.ingest.window._LOOK_SECONDS", 0.01)
    window, (one, seen) = Window(100), connection(withheld, 1000)
    for packet_id in range(1, withheld + 1):
        one.acks.token(packet_id).complete()
    renewing = asyncio.create_task(window.renewal(one))
    await asyncio.sleep(0.05)
    renewing.cancel()

    assert withheld == one.acks.withheld
    assert (RENEWED if renews else "") == seen.why
