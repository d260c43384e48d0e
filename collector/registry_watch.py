"""Keeps the registry in memory as the stores have it: learnt before the first message, and after every change."""

import asyncio
from collections.abc import Mapping
from typing import Final

from collector.errors import StoreUnavailable
from collector.log import LOG
from collector.model import Region
from collector.registry import Registry
from collector.stores.listed import Known, read
from collector.stores.places import RegistryStore
from collector.stores.worker import Worker

SECONDS: Final = 1.0
"""How often the stores are asked whether their registry has changed."""


class RegistryWatch:
    """Asks the regions' stores, each in a thread of its own, so that one that hangs holds up no other."""

    def __init__(self, registry: Registry, stores: Mapping[Region, RegistryStore]) -> None:
        self._registry = registry
        self._stores = stores
        self._workers = {region: Worker(f"registry-{region}") for region in stores}
        self._read: dict[Region, Known] = {}
        self._known = asyncio.Event()

    async def run(self) -> None:
        """Learn until cancelled."""
        try:
            await asyncio.gather(*(self._watch(region) for region in self._stores))
        finally:
            for worker in self._workers.values():
                worker.stop()

    async def _watch(self, region: Region) -> None:
        while True:
            await self._learn(region)
            if len(self._read) == len(self._stores):
                self._known.set()
            await asyncio.sleep(SECONDS)

    async def known(self, *, or_else: asyncio.Event) -> None:
        """Wait until each registry is known, or for *or_else*: until then no router can be said to be on none."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._known, or_else)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _learn(self, region: Region) -> None:
        before = self._read.get(region)
        try:
            now = await self._workers[region].call(read, self._stores[region], before)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is one region's; the others are learnt
            # What was learnt before stays: a registry that cannot be read is not empty.
            cause = error.cause if isinstance(error, StoreUnavailable) else type(error).__name__
            LOG.seldom("registry_unavailable", region=region, cause=cause)
            return
        if now is not before:
            self._read[region] = now
            self._registry.learn(region, now.listing)
            LOG.info("registry_learnt", region=region, routers=len(now.listing))
