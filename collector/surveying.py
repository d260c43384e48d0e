"""Surveys the fleet of one region at a time: reads a bounded part and compares it within itself. Changes nothing.

Rule 1: regions are never put together (O70); the store leaves out what has left, is restricted or void (K37).
Rule 2: the result says whether there was too much to read. Routers come in the order of their pseudonyms, which are
        keyed hashes: the first ones are a fair sample of all.
"""

import time
from typing import Final

from collector.config import Settings
from collector.diagnosis.fleet import Alarm, survey
from collector.diagnosis.history import DAY
from collector.diagnosis.watching import Watched, watched
from collector.lookup import opened
from collector.model import Region, Sealed
from collector.storage import place_of
from collector.stores import Store

MOST_ROUTERS: Final = 5000
MOST_RECORDS: Final = 1_000_000
EACH: Final = 9000
"""Most records read of a router, the newest: a month at five minutes."""
_PAGE: Final = 200


class Surveyed(Sealed, frozen=True):
    """The fleet of a region: how much of it was read, and what stands out."""

    region: Region
    since: int
    until: int
    routers: int
    hours: float
    """Router-hours seen."""
    sampled: bool
    """Whether there were more routers than were read."""
    alarms: list[Alarm]


async def survey_fleet(settings: Settings, *, window: int = 14 * DAY, now: int | None = None) -> list[Surveyed]:
    """The fleet of every region enabled here, over the last *window* milliseconds.

    Raises:
        StoreUnavailable: a store cannot be read.
    """
    surveyed = [await survey_region(settings, region, window=window, now=now) for region in settings.regions.enabled]
    return [one for one in surveyed if one is not None]


async def survey_region(
    settings: Settings, region: Region, *, window: int = 14 * DAY, now: int | None = None
) -> Surveyed | None:
    """The fleet of one enabled region, over the last *window* milliseconds; None where there is no store yet.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    now = int(time.time() * 1000) if now is None else now
    if not place_of(settings, region).is_there():
        return None
    async with opened(settings, region) as (store, _):
        return await _surveyed(store, now - window, now)


async def _surveyed(store: Store, since: int, now: int) -> Surveyed:
    fleet, sampled = await _read(store, since)
    hours = sum(stay.hours for router in fleet for stay in router.stays)
    alarms = survey(fleet)
    return Surveyed(store.region, since, now, len(fleet), hours, sampled, alarms)


async def _read(store: Store, since: int) -> tuple[list[Watched], bool]:
    fleet: list[Watched] = []
    after, looked_at, read = b"", 0, 0
    while page := await store.joined(after, _PAGE):
        for ref in page:
            if looked_at >= MOST_ROUTERS or read >= MOST_RECORDS:
                return fleet, True
            records = [record async for record in store.records(ref, since=since, limit=EACH)]
            looked_at, read = looked_at + 1, read + len(records)
            if (router := watched(records)) is not None:
                fleet.append(router)
        after = page[-1]
    return fleet, False
