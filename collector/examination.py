"""Examines one router: reads what it sent and what its like sent, and has the rules look at it. Changes nothing.

Rule 1: only the router's own region is read for comparison (O70), by the store's reading functions, which leave out
        what has left, is restricted or void (K37).
Rule 2: every read is bounded, however large the store is; the result says whether something was cut off.
Rule 3: what takes long for a router with many records is done in a thread, so that others are answered meanwhile.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

from collector.config import Settings
from collector.consent.ledger import LedgerEntry
from collector.diagnosis.history import DAY, HOUR, History
from collector.diagnosis.judging import checked_rules, diagnose
from collector.diagnosis.likeness import GROUPS, Likeness, compare, on_cell
from collector.diagnosis.nouns import Finding
from collector.diagnosis.partial import decoder
from collector.diagnosis.rules import Rules
from collector.diagnosis.timeline import Entry, timeline
from collector.lookup import Found, as_of_now, is_readable, latest, opened
from collector.model import Region, Sealed
from collector.pseudonym import Pseudonymiser, refs_of
from collector.rules import policies_now, policies_of
from collector.storage import place_of
from collector.stores import Store, StoredRecord

MOST_RECORDS: Final = 20_000
"""Of the router itself: two months at five minutes."""
COMPARED: Final = 48 * HOUR
"""The time over which routers are compared, until now."""
CANDIDATES: Final = 2000
"""Routers looked at in search of its like. Pseudonyms are keyed hashes: those that follow its own are a fair sample."""
GROUP: Final = 40
"""Most routers read of one group."""
PEER_RECORDS: Final = 600
"""Of each of them, and of the router they are compared with: two days at five minutes."""
CELL_RECORDS: Final = 200_000
"""Newest records of the store that are searched for a cell."""
_BEFORE: Final = 7 * DAY
"""How long before a finding its cell is looked at too: other days show who else is on it."""
_PAGE: Final = 200
Apart = Callable[[], AbstractAsyncContextManager[tuple[Store, Pseudonymiser]]]
"""Opens the store on a connection of its own."""
_LATEST: Final = 3
"""Records in which the model, the software and the network of a candidate are looked for."""


class Examined(Sealed, frozen=True):
    """A router, what is wrong with it and what happened to it; both are empty if its records may not be read."""

    found: Found
    history: History
    findings: list[Finding]
    timeline: list[Entry]
    cut_off: bool
    """Whether there were more records in that time than were looked at."""


async def examine(
    settings: Settings, identifier: str, *, window: int = 7 * DAY, now: int | None = None
) -> list[Examined]:
    """Every router known by *identifier* in the regions enabled here, over the last *window* milliseconds.

    Raises:
        StoreUnavailable: a store cannot be read.
        DataFault: the rules have faults.
    """
    now = int(time.time() * 1000) if now is None else now
    examined, rules, policies = [], checked_rules(), policies_of(settings)
    for region in settings.regions.enabled:
        if not place_of(settings, region).is_there():
            continue
        async with opened(settings, region) as (store, pseudonyms):
            for router in await store.find(refs_of(identifier, pseudonyms)):
                found = Found(region=region, router=as_of_now(router, policies), records=[])
                apart = partial(opened, settings, region)
                examined.append(await _examined(store, found, rules, now - window, now, apart))
    return examined


async def examine_one(
    settings: Settings, region: Region, device_ref: bytes, *, window: int = 7 * DAY, now: int | None = None
) -> Examined | None:
    """The router of a pseudonym in one enabled region, over the last *window* milliseconds; None if it is not known.

    Raises:
        StoreUnavailable: the store cannot be read.
        DataFault: the rules have faults.
    """
    now = int(time.time() * 1000) if now is None else now
    async with opened(settings, region) as (store, _):
        for router in await store.find([("router", device_ref)]):
            found = Found(region=region, router=as_of_now(router, policies_now(settings)), records=[])
            apart = partial(opened, settings, region)
            return await _examined(store, found, checked_rules(), now - window, now, apart)
    return None


async def _examined(
    store: Store, found: Found, rules: Rules, since: int, now: int, apart: Apart | None = None
) -> Examined:
    ref = found.router.standing.device_ref
    records, ledger = [], list[LedgerEntry]()
    if is_readable(found.router):
        records = [record async for record in store.records(ref, since=since, limit=MOST_RECORDS)]
        ledger = await store.ledger(ref)
    found = Found(region=found.region, router=found.router, records=records)
    history = await asyncio.to_thread(
        History, records, since=since, now=now, last_received_at=found.router.last_received_at
    )
    if not is_readable(found.router):
        return Examined(found, history, [], [], cut_off=False)
    findings = await asyncio.to_thread(diagnose, history, rules)
    if findings:
        # At the same time: the search for a cell is the store's work alone, comparing is ours.
        seen = asyncio.create_task(_seen_on_cells(store, apart, findings))
        try:
            findings = await _compared(store, found, findings, rules, now)
            findings = await asyncio.to_thread(_beside_their_cells, findings, await seen)
        finally:
            seen.cancel()
    cut_off = len(records) == MOST_RECORDS
    # What was cut off is no gap.
    first = None if cut_off else found.router.first_received_at
    entries = await asyncio.to_thread(timeline, history, ledger, first_received_at=first)
    return Examined(found, history, findings, entries, cut_off=cut_off)


async def _compared(store: Store, found: Found, findings: list[Finding], rules: Rules, now: int) -> list[Finding]:
    """The findings compared with the router's like."""
    since = now - COMPARED
    newest = latest(found.records[:_LATEST])
    likeness = Likeness.of(lambda group, name: newest.get(group, {}).get(name))
    ref = found.router.standing.device_ref
    decode = decoder(field for finding in findings for field in rules[finding.rule].fields)

    async def history(router: bytes) -> History:
        records = [record async for record in store.records(router, since=since, limit=PEER_RECORDS)]
        return History(records, since=since, now=now, decode=decode)

    peers = [(like, await history(peer)) async for peer, like in _alike(store, ref, likeness, since)]
    # Read as theirs are: the time asked for may be shorter, and a router that reports more often would show more.
    own = await history(ref)
    return await asyncio.to_thread(lambda: [compare(finding, own, peers, likeness, rules) for finding in findings])


async def _seen_on_cells(store: Store, apart: Apart | None, findings: list[Finding]) -> dict[str, list[StoredRecord]]:
    """The records that name the findings' cells, each cell searched for once; on a connection of its own by *apart*."""
    cells: dict[str, int] = {}
    for finding in findings:
        if finding.cell is not None:
            cells[finding.cell] = min(cells.get(finding.cell, finding.since), finding.since - _BEFORE)
    if not cells:
        return {}
    if apart is None:
        return {cell: await store.on_cell(cell, since=since, newest=CELL_RECORDS) for cell, since in cells.items()}
    async with apart() as (another, _):
        return await _seen_on_cells(another, None, findings)


def _beside_their_cells(findings: list[Finding], seen: Mapping[str, list[StoredRecord]]) -> list[Finding]:
    return [_beside_its_cell(finding, seen) for finding in findings]


def _beside_its_cell(finding: Finding, seen: Mapping[str, list[StoredRecord]]) -> Finding:
    if finding.cell is None:
        return finding
    return on_cell(finding, (record for record in seen[finding.cell] if record.event_time >= finding.since - _BEFORE))


async def _alike(store: Store, own: bytes, likeness: Likeness, since: int) -> AsyncIterator[tuple[bytes, Likeness]]:
    """Routers like this one that sent something since a time, until every group is full or enough were looked at."""
    sizes: Counter[str] = Counter()
    looked_at = 0
    async for ref in _others(store, own):
        looked_at += 1
        if looked_at > CANDIDATES or all(sizes[name] >= GROUP for name in GROUPS):
            return
        like = await _likeness_of(store, ref, since)
        groups = [name for name, same in GROUPS.items() if like is not None and same(likeness, like)]
        if like is not None and any(sizes[name] < GROUP for name in groups):
            sizes.update(groups)
            yield ref, like


async def _others(store: Store, own: bytes) -> AsyncIterator[bytes]:
    """The other routers that have joined, from the one after this on, wrapping around to it."""
    for begin, end in ((own, None), (b"", own)):
        after = begin
        while page := await store.joined(after, _PAGE):
            for ref in page:
                if end is not None and ref >= end:
                    return
                yield ref
            after = page[-1]


async def _likeness_of(store: Store, ref: bytes, since: int) -> Likeness | None:
    records = [record async for record in store.records(ref, since=since, limit=_LATEST)]
    if not records:
        return None
    state = latest(records)
    return Likeness.of(lambda group, name: state.get(group, {}).get(name))
