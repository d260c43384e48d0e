"""Collectors that share one store, and what is asked of them; see `stepping` for what one is."""

from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from engines import let_go, needs_clickhouse, needs_postgresql
from grounds import Ground, ground_of
from stepping import START, Race

from collector.acks import NO_TOKEN
from collector.model import Action, Channel, ConsentEvent


class Open(Protocol):
    """Makes one more collector on the test's store."""

    def __call__(self, **options: Any) -> Awaitable[Race]: ...


GROUNDS: Final = (
    "file",
    pytest.param("database", marks=needs_postgresql),
    pytest.param("clickhouse", marks=needs_clickhouse),
)


@pytest.fixture(params=GROUNDS)
def ground(request: pytest.FixtureRequest) -> Ground:
    """Where the store is: in a file, in a database, or in two."""
    return ground_of(request.param)


@pytest.fixture
async def another(tmp_path: Path, ground: Ground) -> AsyncIterator[Open]:
    """Makes collectors that share one store, and closes them afterwards."""
    made: list[Race] = []
    folder = tmp_path / "data"
    folder.mkdir()

    async def opened(**options: Any) -> Race:
        made.append(await Race(folder / "germany.db", ground=ground, **options).open())
        return made[-1]

    yield opened
    for race in made:
        await race.store.close()
    let_go(tmp_path)


@pytest.fixture
async def race(another: Open) -> Race:
    """A collector with the settings as they are shipped."""
    return await another()


async def stored(race: Race, *numbers: int, at: int = START) -> None:
    """These reports of a router that has joined by them are stored."""
    for number in numbers:
        race.report(number, at=at)
    await race.commit()
    assert len(numbers) == race.outcomes[0]


def decided(race: Race) -> dict[tuple[str, str], int]:
    """What became of consent events, by action and result."""
    return {(action.value, result.value): n for (_, action, result), n in race.metrics.consent.items() if n}


def system(action: Action, race: Race, *, at: int, reference: str | None = None) -> ConsentEvent:
    """An act that no router can send."""
    return ConsentEvent(
        action=action,
        channel=Channel.RIGHTS_DESK,
        identity=race.identity(),
        received_at=at,
        reference=reference,
    )


async def decide(race: Race, action: Action, *, at: int, reference: str | None = None) -> None:
    """The rights desk decides on something, by the API: it goes through the writer."""
    race.writer.submit_event(system(action, race, at=at, reference=reference), NO_TOKEN)
    await race.commit()
