"""Keeps the registry in memory as the stores have it: learnt before the first message, and after every change."""

import asyncio
from collections.abc import Mapping
from typing import Final

from collector.errors import StoreUnavailable
from collector.log import LOG
from collector.model import Region
from collector.registry import Registry
from collector.stores.places import RegistryStore

SECONDS: Final = 1.0
"""How often the stores are asked whether their registry has changed."""


class RegistryWatch:
    """Asks the regions' stores, each in a thread, so that one that hangs holds up nobody's messages."""

    def __init__(self, registry: Registry, stores: Mapping[Region, RegistryStore]) -> None:
        self._registry = registry
        self._stores = stores
        self._versions: dict[Region, int] = {}
        self._known = asyncio.Event()

    async def run(self) -> None:
        """Learn until cancelled."""
        while True:
            await asyncio.gather(*(self._learn(region) for region in self._stores))
            if len(self._versions) == len(self._stores):
                self._known.set()
            await asyncio.sleep(SECONDS)

    async def known(self, *, or_else: asyncio.Event) -> None:
        """Wait until each registry is known, or for *or_else*: before, no router can be said to be on none."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._known, or_else)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()

    async def _learn(self, region: Region) -> None:
        store = self._stores[region]
        try:
            if await asyncio.to_thread(store.version) == self._versions.get(region):
                return
            self._versions[region], entries = await asyncio.to_thread(store.entries)
        except StoreUnavailable as error:
            # What was learnt before stays: a registry that cannot be read is no empty one.
            LOG.seldom("registry_unavailable", region=region, cause=error.cause.value)
        else:
            self._registry.learn(region, entries)
            LOG.info("registry_learnt", region=region, routers=len(entries))
