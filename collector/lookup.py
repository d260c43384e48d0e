"""Finds one router by what a customer reads out, and reads what it sent. Forward only (F7)."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from msgspec.structs import replace

from collector.config import Settings, read_keys
from collector.consent.ledger import LedgerEntry
from collector.consent.policies import Policies
from collector.consent.standing import Standing, State
from collector.formats import report
from collector.model import Region, Sealed
from collector.pseudonym import Pseudonymiser, refs_of
from collector.rules import policies_now, policies_of
from collector.storage import open_store, place_of
from collector.stores import Router, Store, StoredRecord


class Found(Sealed, frozen=True):
    """A router in one region, and its newest records, newest first."""

    region: Region
    router: Router
    records: list[StoredRecord]


@asynccontextmanager
async def opened(settings: Settings, region: Region) -> AsyncIterator[tuple[Store, Pseudonymiser]]:
    """A region's store and pseudonyms, for as long as they are needed."""
    store = open_store(settings, region)
    await store.open()
    try:
        yield store, Pseudonymiser(read_keys(settings.regions.of(region)))
    finally:
        await store.close()


async def find(settings: Settings, identifier: str, *, since: int = 0, limit: int = 200) -> list[Found]:
    """The routers known by *identifier* in the regions enabled here, each with its newest records.

    Raises:
        StoreUnavailable: a store cannot be read.
    """
    found, policies = [], policies_of(settings)
    for region in settings.regions.enabled:
        if not place_of(settings, region).is_there():
            continue
        async with opened(settings, region) as (store, pseudonyms):
            for router in await store.find(refs_of(identifier, pseudonyms)):
                records = [r async for r in store.records(router.standing.device_ref, since=since, limit=limit)]
                found.append(Found(region=region, router=as_of_now(router, policies), records=records))
    return found


async def known_routers(settings: Settings, region: Region, identifier: str) -> list[Router]:
    """The routers known by *identifier* in one enabled region, as they stand now; none where there is no store yet.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    if not place_of(settings, region).is_there():
        return []
    async with opened(settings, region) as (store, pseudonyms):
        policies = policies_now(settings)
        return [as_of_now(router, policies) for router in await store.find(refs_of(identifier, pseudonyms))]


async def ledger_of(settings: Settings, region: Region, device_ref: bytes) -> tuple[Router | None, list[LedgerEntry]]:
    """The router of a pseudonym in one enabled region and its entries in the ledger; None if no router is known by it.

    Raises:
        StoreUnavailable: the store cannot be read.
    """
    async with opened(settings, region) as (store, _):
        found = await store.find([("router", device_ref)])
        return (as_of_now(found[0], policies_now(settings)), await store.ledger(device_ref)) if found else (None, [])


def as_of_now(router: Router, policies: Policies) -> Router:
    """The router, with the state its consent has by the notice in force: the ledger has no entry for `outdated`."""
    state = policies.state(router.standing, int(time.time() * 1000))
    return replace(router, standing=replace(router.standing, state=state))


def as_json(found: Found) -> dict[str, Any]:
    """What `ueip find --json` prints of a router: the records whole, pseudonyms in hex, times in RFC 3339."""
    standing = found.router.standing
    return {
        "region": found.region,
        "device_ref": standing.device_ref.hex(),
        "consent": _consent(standing),
        "records_stored": found.router.records,
        "first_received_at": rfc3339(found.router.first_received_at),
        "last_received_at": rfc3339(found.router.last_received_at),
        "latest": latest(found.records),
        "records": [_record(record) for record in found.records],
    }


def _consent(standing: Standing) -> dict[str, Any]:
    return {
        "state": standing.state.value,
        "since": rfc3339(standing.effective_at),
        "consent_id": standing.consent_id,
        "seq": standing.seq,
        "policy_version": standing.policy_version,
    }


def _record(record: StoredRecord) -> dict[str, Any]:
    return {
        "record_id": record.record_id.hex(),
        "event_time": rfc3339(record.event_time),
        "received_at": rfc3339(record.received_at),
        "consent_seq": record.consent_seq,
        "policy_version": record.policy_version,
        "source_adapter": record.source_adapter,
        "stripped_counts": record.stripped,
        "body": orjson.loads(record.body),
    }


def latest(records: list[StoredRecord]) -> dict[str, Any]:
    """The newest value of every field, from records given newest first."""
    state: dict[str, Any] = {}
    for record in records:
        for group, fields in orjson.loads(record.body).items():
            if isinstance(fields, dict):
                for name, value in fields.items():
                    state.setdefault(group, {}).setdefault(name, value)
    return state


def is_readable(router: Router) -> bool:
    """Whether the router's records may be read; those that an outdated consent admitted may, for its purpose (4.7)."""
    return router.standing.state in {State.JOINED, State.OUTDATED}


def rfc3339(milliseconds: int | None) -> str | None:
    """A time in milliseconds as people and JSON get it."""
    return None if milliseconds is None else report.rfc3339(milliseconds)
