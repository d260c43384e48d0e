"""Fills the store of an installation with a simulated fleet's past, by the collector's own steps but without a broker.

All routers are of one region. What arrives at the same time lies together in the store, as it does when routers send
live: reading one router touches as many pages as it would.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from collector.cli.setup import make_installation
from collector.config import Settings, load_settings
from collector.model import Accepted, Message, Record, Region
from collector.pipeline import process
from collector.rules import make_rules
from collector.simulator.ailments import AILMENTS
from collector.simulator.products import MODELS
from collector.simulator.ward import Ward
from collector.simulator.world import GERMANY, PLACES
from collector.storage import plain_store

BATCH: Final = 4000
_AILING: Final = ("wifi_driver_errors", "disconnects_frequent", "signal_weak", "restarts_watchdog")
_EACH: Final = 3


@dataclass(frozen=True)
class Filled:
    """An installation with records in it."""

    settings: Settings
    ailing: list[str]
    """Serials of routers that something is wrong with."""
    healthy: list[str]
    records: int


def filled(folder: Path, *, routers: int, days: float, step_minutes: float) -> Filled:
    """Make an installation in *folder* and fill it; one that is there is taken as it is."""
    told = folder / "filled.json"
    if not told.exists():
        folder.mkdir(parents=True, exist_ok=True)
        told.write_text(json.dumps(asyncio.run(_fill(folder, routers, days, timedelta(minutes=step_minutes)))))
    known = json.loads(told.read_text())
    return Filled(load_settings(folder / "collector.toml"), known["ailing"], known["healthy"], known["records"])


async def _fill(folder: Path, routers: int, days: float, step: timedelta) -> dict[str, object]:
    make_installation(folder)
    settings = load_settings(folder / "collector.toml")
    ailments = [one for one in AILMENTS if one.name in _AILING]
    begin = datetime.now(UTC) - timedelta(days=days)
    ward = Ward(
        healthy=routers - _EACH * len(ailments), each=_EACH, seed=11, start=begin, ailments=ailments, models=MODELS[:3],
        places=[place for place in PLACES if place.region == GERMANY],
    )  # fmt: skip
    store = plain_store(settings, Region.GERMANY)
    await store.open()
    stored, began, batch = 0, time.monotonic(), list[Record]()
    for record in _records(settings, ward, begin, int(timedelta(days=days) / step), step):
        batch.append(record)
        if len(batch) == BATCH:
            stored += (await store.commit(batch)).stored
            batch.clear()
    stored += (await store.commit(batch)).stored
    await store.close()
    print(f"filled with {stored:,} records of {routers} routers in {time.monotonic() - began:.0f} s")
    of = {planted: [p.serial for p in ward.patients if (p.planted is not None) == planted] for planted in (True, False)}
    return {"ailing": of[True], "healthy": of[False], "records": stored}


def _records(settings: Settings, ward: Ward, begin: datetime, rounds: int, step: timedelta) -> Iterator[Record]:
    """What the collector makes of what the routers send, round by round."""
    rules = make_rules(settings)
    for number in range(1, rounds + 1):
        for patient in ward.patients:
            for sent in patient.turn(begin + number * step):
                received_at = int(sent.received_at.timestamp() * 1000)
                outcome = process(Message(sent.topic, sent.payload, False, received_at), rules)
                if isinstance(outcome, Accepted):
                    yield outcome.record
