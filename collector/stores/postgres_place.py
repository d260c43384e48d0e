"""A region's PostgreSQL database, as commands look at it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from collector.config_postgres import PostgresSettings
from collector.consent.ledger import Head
from collector.errors import Cause, StoreUnavailable
from collector.model import Region
from collector.stores import Store
from collector.stores.places import RegistryStore
from collector.stores.plan import ConsentRules
from collector.stores.postgres import PostgresStore
from collector.stores.postgres_reading import PostgresReader
from collector.stores.postgres_registry import PostgresRegistry
from collector.stores.postgres_rows import head_of
from collector.stores.postgres_schema import check_kind
from collector.stores.postgres_session import Session
from collector.stores.postgres_verify import verify
from collector.stores.verified import Expected, Verified

T = TypeVar("T")


class PostgresPlace:
    """As `Place`; no event loop may run in the calling thread."""

    def __init__(self, settings: PostgresSettings, region: Region, key_ids: Collection[str], look_back: int) -> None:
        """*look_back* is how long after it was stored a record may be delivered again, in milliseconds."""
        self.region = region
        self.setting = f"regions.{region}.postgresql"
        self._settings = settings
        self._key_ids = key_ids
        self._look_back = look_back

    def is_there(self) -> bool:
        """As `Place.is_there`."""
        return True

    def check_there(self) -> None:
        """As `Place.check_there`; a database that is gone or empty is noticed on opening, against its witness."""

    def store(self, rules: ConsentRules, *, anew: bool) -> Store:  # noqa: ARG002 - none is ever made here
        """As `Place.store`."""
        return PostgresStore(self._settings, self.region, rules, self._key_ids, self._look_back)

    def registry(self) -> RegistryStore:
        """As `Place.registry`."""
        return PostgresRegistry(self._settings, self.region)

    def inspect(self, versions: Collection[str]) -> None:
        """As `Place.inspect`."""

        async def looked() -> None:
            reader = PostgresReader(self._settings, self.region, self._key_ids, versions)
            await reader.open()
            await reader.close()

        asyncio.run(looked())

    def verify(self, expected: Expected) -> Verified:
        """As `Place.verify`."""
        try:
            return self._ask(lambda session: self._verify(session, expected))
        except StoreUnavailable as error:
            if error.cause is not Cause.CORRUPT:
                raise
            found = Verified(self.region)
            found.fault(str(error))
            return found

    async def _verify(self, session: Session, expected: Expected) -> Verified:
        return await verify(session, self.region, expected)

    def head(self) -> Head:
        """As `Place.head`."""
        return self._ask(head_of)

    def _ask(self, work: Callable[[Session], Awaitable[T]]) -> T:
        async def asked() -> T:
            session = await Session.connect(self._settings, self.region, patient=True)
            try:
                async with session.turn():
                    await check_kind(session, self.region)
                    return await work(session)
            finally:
                await session.close()

        return asyncio.run(asked())
