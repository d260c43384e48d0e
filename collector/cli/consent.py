"""`ueip exit`."""

import asyncio
import time
from pathlib import Path

import click

from collector.cli.common import config_option, say, settings_of
from collector.config import Settings
from collector.errors import CollectorError, StoreUnavailable
from collector.lookup import opened, refs_of
from collector.model import Action, Channel, ConsentEvent, DropReason, Identity, Region
from collector.rules import region_map


@click.command("exit")
@click.argument("router", metavar="ROUTER")
@config_option
@click.option("--country", help="ISO code; closes the gate there for a router that was never seen.")
def exit_command(router: str, config: Path | None, country: str | None) -> None:
    """Record that ROUTER (serial, IMEI or MAC) has left the programme: closes its gate and erases its records, at once.

    A running collector obeys with its next commit, messages it has already received included. Exits with 1 when no
    region served here knows the router and no --country says where it belongs.
    """
    settings = settings_of(config)
    given = _region(settings, country) if country else None
    done, away = [], []
    for region in settings.regions.enabled:
        try:
            done += asyncio.run(_leave(settings, region, router, given))
        except StoreUnavailable as error:
            # The others must not wait for it: an exit that reaches two of three ledgers is better than one of none.
            away.append(f"{region}: not done: {error}")
    for line in [*done, *away]:
        say(line)
    if away:
        raise StoreUnavailable("the gate may still be open there; repeat the exit when the store is back")
    if not done:
        say("no region served here knows that router; give --country to close its gate before it is ever seen")
        raise SystemExit(1)


def _region(settings: Settings, country: str) -> Region:
    region = region_map(settings).home(country)
    if isinstance(region, DropReason):
        raise CollectorError(f"--country: found {country!r}: {region.meaning}")
    if region not in settings.regions.enabled:
        raise CollectorError(f"--country: {country} belongs to {region}, which is not served here")
    return region


async def _leave(settings: Settings, region: Region, router: str, given: Region | None) -> list[str]:
    async with opened(settings, region) as (store, pseudonyms):
        known = await store.find(refs_of(router, pseudonyms))
        identities = [Identity(r.standing.device_ref, r.standing.key_id) for r in known]
        if not identities and region is given:
            identities = [pseudonyms.identity(router)]
        if not identities:
            return []
        committed = await store.commit([_exit(identity) for identity in identities])
        return [f"{region}: gate closed for {len(identities)} router, {committed.erased} records erased"]


def _exit(identity: Identity) -> ConsentEvent:
    return ConsentEvent(
        action=Action.EXIT, channel=Channel.RIGHTS_DESK, identity=identity, received_at=int(time.time() * 1000)
    )
