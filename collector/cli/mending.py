"""`ueip ledger repair` and `ueip ledger accept`, for the ledger of a restored store (docs/operating.md, Restore)."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import click

from collector.cli.by_region import of_each, raise_if, region_option, regions_of
from collector.cli.common import config_option, say, settings_of
from collector.config import Settings
from collector.model import Region
from collector.storage import plain_store, witness_of
from collector.stores import Store
from collector.stores.repair import Repaired, accept, repair
from collector.stores.witness import Witness

_REASON: Final = 10
"""Characters of the shortest reason."""


@click.command("repair")
@config_option
@region_option
def repair_command(config: Path | None, region: str | None) -> None:
    """Put back what a restored store lacks and its witness has: the same entries, and the erasures they stand for.

    The region was closed (`ledger rolled back`); a running collector opens it again by itself. A lost store is begun
    anew only with --region, for its disk may just not be mounted. Exits with 3 if a witness does not reach back far
    enough or belongs to another ledger; the other regions are repaired all the same.
    """
    settings = settings_of(config)
    regions = regions_of(settings, region)
    if region is not None:
        _repair(settings, regions[0])
        return
    _, away = of_each(settings, regions, lambda place: _repair(settings, place.region))
    raise_if(away)


def _repair(settings: Settings, here: Region) -> None:
    done = asyncio.run(_on_store(settings, here, repair))
    say(f"{here}: {_told(done)}" if done.entries else f"{here}: nothing is missing")


@click.command("accept")
@config_option
@click.option("--region", type=click.Choice([region.value for region in Region]), required=True, help="The region.")
@click.option("--reason", required=True, help="Why, for those who will ask; at least ten characters.")
def accept_command(config: Path | None, region: str, reason: str) -> None:
    """Accept the ledger of a restored store as it is, where it cannot be repaired. What was lost stays lost.

    Stop the collector, accept, record every exit since the backup again (`ueip exit`), start. What the witness
    still says about routers that left is first written into the ledger. The old witness is kept beside the new one,
    which holds the reason.
    """
    if len(reason.strip()) < _REASON:
        raise click.BadParameter(f"expected a sentence of at least {_REASON} characters", param_hint="--reason")
    settings = settings_of(config)
    [here] = regions_of(settings, region)
    now = int(time.time() * 1000)
    done = asyncio.run(_on_store(settings, here, lambda s, w: accept(s, w, reason=reason.strip(), now=now)))
    say(f"{here}: accepted; {_told(done)}")


def _told(done: Repaired) -> str:
    return f"{done.entries} entries written, {done.erased} records erased"


async def _on_store(
    settings: Settings, region: Region, work: Callable[[Store, Witness], Awaitable[Repaired]]
) -> Repaired:
    """Do *work* on a region's store without its guard."""
    store = plain_store(settings, region)
    await store.open()
    try:
        return await work(store, witness_of(settings, region))
    finally:
        await store.close()
