"""The health of the regions, for operators: from the stores themselves, and from what the running collector says.

Rule 1: a collector that is stopped says nothing; then only what the stores show is reported, and that this is so.
Rule 2: an answer at the collector's address from anything else counts as none.
Rule 3: nothing in it is about a router (F10).
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from http.client import HTTPException
from typing import Final, NamedTuple
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import msgspec
from prometheus_client.parser import text_string_to_metric_families

from collector.config import Settings
from collector.console.health_views import ExitHealth, HealthView, RegionHealth, Running, SpoolHealth, StoreHealth
from collector.derive import text_of
from collector.errors import CollectorError, StoreUnavailable
from collector.exit_metrics import EXIT_OLDEST, EXIT_SECONDS, EXITS_WAITING, WAYS_IN
from collector.http import READY
from collector.lookup import opened
from collector.metrics import STORE_CLOSED, STORE_UP, STORED, WITNESS_LAG
from collector.model import Region, Sealed
from collector.spool_metrics import SPOOL_BYTES, SPOOL_OLDEST, SPOOL_RECORDS
from collector.storage import place_of

PATIENCE_SECONDS: Final = 2.0
"""How long a collector or a store is waited for."""
KEPT_SECONDS: Final = 2.0
"""For how long one look serves everybody who asks, so that pages that reload themselves do not add up."""
RATE_SECONDS: Final = 600.0
"""The time over which the rate is given, or less if there were looks for less."""
_MOST_BYTES: Final = 16_777_216
"""Of an answer; the numbers of a collector take some hundred thousand."""

Labels = tuple[tuple[str, str], ...]
Numbers = Mapping[tuple[str, Labels], float]


class _Ready(Sealed, frozen=True):
    """What /readyz says of the parts."""

    parts: dict[str, str]


_ready: Final = msgspec.json.Decoder(_Ready).decode


class _Look(NamedTuple):
    at: float
    stored: Mapping[Region, float]


class HealthWatch:
    """Looks at stores and collector when asked, at most once in `KEPT_SECONDS`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._looks: deque[_Look] = deque()
        self._kept: tuple[float, HealthView] | None = None
        self._lock = asyncio.Lock()

    async def view(self, now: int) -> HealthView:
        """The health of all regions served here."""
        async with self._lock:
            if self._kept is None or time.monotonic() - self._kept[0] > KEPT_SECONDS:
                self._kept = time.monotonic(), await self._look(now)
            return self._kept[1]

    async def _look(self, now: int) -> HealthView:
        regions = self._settings.regions.enabled
        address = metrics_address(self._settings)
        looks = asyncio.gather(*(_store(self._settings, region) for region in regions))
        (numbers, parts), stores = await asyncio.gather(_collector(address), looks)
        self._note(numbers)
        return HealthView(
            made_at=text_of(now),
            collector=parts,
            metrics_address=address,
            regions=[
                RegionHealth(region, store, _running(numbers, region, self._rate(region)) if numbers else None)
                for region, store in zip(regions, stores, strict=True)
            ],
        )

    def _note(self, numbers: Numbers) -> None:
        """Remember how much was stored. A collector that was started anew counts from 0."""
        regions = self._settings.regions.enabled
        stored = {region: numbers.get((STORED.name, _of(region)), 0.0) for region in regions}
        looks, now = self._looks, time.monotonic()
        if not numbers or (looks and any(stored[region] < looks[-1].stored[region] for region in regions)):
            looks.clear()
        if numbers:
            looks.append(_Look(now, stored))
        while looks and now - looks[0].at > RATE_SECONDS:
            looks.popleft()

    def _rate(self, region: Region) -> float | None:
        if len(self._looks) < 2:  # noqa: PLR2004 - a rate is between two
            return None
        first, last = self._looks[0], self._looks[-1]
        return round((last.stored[region] - first.stored[region]) / (last.at - first.at) * 60, 1)


def metrics_address(settings: Settings) -> str:
    """Where the collector of these settings shows its numbers."""
    host = settings.http.host
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - listened on, not connected to
    return f"http://[{host}]:{settings.http.port}" if ":" in host else f"http://{host}:{settings.http.port}"


def _of(region: Region, *more: tuple[str, str]) -> Labels:
    return tuple(sorted((("region", region.value), *more)))


async def _collector(address: str) -> tuple[Numbers, dict[str, str] | None]:
    numbers, parts = await asyncio.gather(_numbers(address), _parts(address))
    return numbers, parts


async def _numbers(address: str) -> Numbers:
    """What the collector counts; empty without an answer."""
    text = await _get(f"{address}/metrics")
    if text is None:
        return {}
    try:
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    except ValueError:
        return {}
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples}


async def _parts(address: str) -> dict[str, str] | None:
    """The states of the collector's parts; None without an answer."""
    text = await _get(f"{address}/readyz")
    if text is None:
        return None
    try:
        return _ready(text).parts
    except msgspec.DecodeError:
        return None


async def _get(address: str) -> str | None:
    try:
        return await asyncio.wait_for(asyncio.to_thread(_fetched, address), PATIENCE_SECONDS)
    except (OSError, HTTPException, TimeoutError, UnicodeDecodeError):
        return None


def _fetched(address: str) -> str:
    # No proxy from the environment: the collector is on this machine or beside it.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(address, timeout=PATIENCE_SECONDS) as answer:
            return str(answer.read(_MOST_BYTES).decode())
    except HTTPError as error:  # a collector that is not ready answers /readyz too
        return error.read(_MOST_BYTES).decode()


async def _store(settings: Settings, region: Region) -> StoreHealth:
    """What the console itself finds of a region's store."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            if not place_of(settings, region).is_there():
                return StoreHealth("not made yet", "Nothing: the collector makes it.", None, None, "not verified")
            async with opened(settings, region) as (store, _):
                head, newest = await store.head(), await store.newest()
    except StoreUnavailable as error:
        return StoreHealth(error.cause.value, error.cause.advice, None, None, "not verified")
    except (CollectorError, TimeoutError):
        return StoreHealth("not answering", None, None, None, "not verified")
    return StoreHealth(READY, None, text_of(newest) if newest else None, head.seq, "agrees with its witness")


def _running(numbers: Numbers, region: Region, rate: float | None) -> Running:
    def of(name: str, *more: tuple[str, str]) -> float:
        return numbers.get((name, _of(region, *more)), 0.0)

    done, seconds = int(of(f"{EXIT_SECONDS.name}_count")), of(f"{EXIT_SECONDS.name}_sum")
    closed = [dict(labels)["cause"] for (name, labels), value in numbers.items()
              if name == STORE_CLOSED.name and value and ("region", region.value) in labels]  # fmt: skip
    return Running(
        store=READY if of(STORE_UP.name) else next(iter(closed), "not answering"),
        records_stored=int(of(STORED.name)),
        records_per_minute=rate,
        witness_lag=int(of(WITNESS_LAG.name)),
        exits=ExitHealth(
            waiting=int(sum(of(EXITS_WAITING.name, ("way", way)) for way in WAYS_IN)),
            oldest_seconds=of(EXIT_OLDEST.name),
            done=done,
            mean_seconds=round(seconds / done, 3) if done else None,
        ),
        spool=SpoolHealth(
            records=int(of(SPOOL_RECORDS.name)), bytes=int(of(SPOOL_BYTES.name)), oldest_seconds=of(SPOOL_OLDEST.name)
        ),
    )
