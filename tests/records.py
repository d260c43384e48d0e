"""What tests of stores, writers and intake are made of: routers, records and acts of their owners, with short names."""

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha256

import msgspec

from collector.consent.policy_file import shipped_policies
from collector.model import Action, Channel, ConsentEvent, Identity, Part, Record, Region, Removal
from collector.stores import Store, StoredRecord

FIRST = shipped_policies().first
"""The version of the notice that routers of tests joined under."""
START = 1_763_733_600_000
"""When the tests begin: 2025-11-21 14:00:00 UTC, in milliseconds."""
SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


def ref(*parts: object) -> bytes:
    """A made-up pseudonym, the same for the same words."""
    return sha256("\0".join(map(str, parts)).encode()).digest()[:16]


def router(name: str, *, key: str = "key-1", older: Sequence[str] = ()) -> Identity:
    """A router as a region knows it under *key*; *older* are keys that still are live."""
    return Identity(
        device_ref=ref("router", key, name), key_id=key, older=tuple(ref("router", old, name) for old in older)
    )


def record(
    name: str = "a",
    number: int = 1,
    *,
    at: int = START,
    measured: int | None = None,
    oldest: int | None = None,
    identity: Identity | None = None,
    region: Region = Region.GERMANY,
    body: bytes | None = None,
    lookup: tuple[tuple[str, bytes], ...] | None = None,
    stripped: tuple[tuple[Removal, int], ...] = (),
) -> Record:
    """Report *number* of router *name*, received *at*. Where it does not say when it was *measured*, it was then."""
    floating = () if measured is None else None
    measured = at if measured is None else measured
    return Record(
        record_id=ref("record", name, number),
        identity=identity or router(name),
        region=region,
        event_time=measured // MINUTE * MINUTE,
        measured_at=measured,
        oldest=measured if oldest is None else oldest,
        received_at=at,
        policy_version="2020-03-14",
        source_adapter="report-v1",
        body=body or b'{"router":{"uptime_seconds":%d}}' % number,
        stripped=stripped,
        lookup=(("serial", ref("serial", name)),) if lookup is None else lookup,
        floating=floating,
    )


STATIONS = "wifi.wifi_station_count"


def part(value: int, radio: str, *, at: int = START, interval: int = 1, name: str = "a") -> Record:
    """The stations of one radio of router *name*, sent alone; parts of one interval have one record."""
    made = record(name, 1_000_000 + interval, at=at, body=b"{}")
    parts = (Part(STATIONS, radio, value, 255),)
    return msgspec.structs.replace(made, counters=(), parts=parts, interval=interval, floating=())


def act(
    action: Action,
    name: str = "a",
    *,
    at: int = START,
    event_ref: bytes | None = None,
    client_time: int | None = None,
    storage_regions: tuple[str, ...] = (),
    only_if_joined: bool = False,
    replayed: bool = False,
    identity: Identity | None = None,
    reference: str | None = None,
) -> ConsentEvent:
    """An act of the owner of router *name*, received *at*; a join with all that one must bring."""
    joins = action is Action.JOIN
    return ConsentEvent(
        action=action,
        channel=Channel.WEBUI,
        identity=identity or router(name),
        received_at=at,
        event_ref=event_ref,
        client_time=client_time,
        storage_regions=storage_regions or (("germany",) if joins else ()),
        only_if_joined=only_if_joined,
        reference=reference,
        policy_version=FIRST.version if joins else None,
        policy_digest=FIRST.texts["en"] if joins else None,
        language="en" if joins else None,
        adult_or_guardian="adult" if joins else None,
        replayed=replayed,
    )


def join(
    name: str = "a",
    *,
    at: int = START,
    event_ref: bytes | None = None,
    client_time: int | None = None,
    storage_regions: tuple[str, ...] = (),
    identity: Identity | None = None,
) -> ConsentEvent:
    """The owner of router *name* joins."""
    return act(
        Action.JOIN,
        name,
        at=at,
        event_ref=event_ref,
        client_time=client_time,
        storage_regions=storage_regions,
        identity=identity,
    )


def leave(
    name: str = "a",
    *,
    at: int = START,
    event_ref: bytes | None = None,
    only_if_joined: bool = False,
    identity: Identity | None = None,
) -> ConsentEvent:
    """The owner of router *name* leaves."""
    return act(Action.EXIT, name, at=at, event_ref=event_ref, only_if_joined=only_if_joined, identity=identity)


async def readable(store: Store, name: str = "a") -> list[StoredRecord]:
    """What an engineer can read of a router, newest first."""
    return [found async for found in store.records(router(name).device_ref)]


def number_of(stored: StoredRecord | Record) -> int:
    """Which report of its router a record is, from the body that `record` gives."""
    return int(stored.body.rpartition(b":")[2].rstrip(b" }"))


async def numbers(store: Store, name: str = "a") -> list[int]:
    """The reports of a router that can be read, newest first."""
    return [number_of(found) for found in await readable(store, name)]


async def until(true: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait for something that runs beside the test to get somewhere."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - seen from outside, it tells nobody
            await asyncio.sleep(0.001)


class Receipt:
    """A token that only counts how often it was completed, and how often its message was left with the broker."""

    def __init__(self, *, promised: bool = True) -> None:
        """*promised* is false of a message of QoS 0."""
        self.completed = 0
        self.left = 0
        self._promised = promised

    def leave(self) -> bool:
        """The message is left with the broker."""
        self.left += self._promised
        return self._promised

    def complete(self) -> None:
        """The message is settled."""
        self.completed += 1
