"""A region's registry in its PostgreSQL store: which routers the deployment has, and of which country (F5).

A connection of its own: reading it must not wait for a commit, and the command that changes it is another process.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from collector.config_postgres import PostgresSettings
from collector.errors import StoreUnavailable
from collector.model import Identity, Region
from collector.registry import Entry
from collector.stores.postgres_notes import noted
from collector.stores.postgres_rows import BEGIN_ALONE
from collector.stores.postgres_session import Session
from collector.stores.staying import MOVE, check_staying

T = TypeVar("T")


class PostgresRegistry:
    """As `RegistryStore`. Any thread may ask, one at a time; no event loop may run in it."""

    exists: Final = True

    def __init__(self, settings: PostgresSettings, region: Region) -> None:
        self._settings = settings
        self._region = region
        self._turn = threading.Lock()
        self._runner = asyncio.Runner()
        self._session: Session | None = None

    def version(self) -> int:
        """As `RegistryStore.version`."""
        return self._ask(_version)

    def entries(self) -> tuple[int, dict[bytes, Entry]]:
        """As `RegistryStore.entries`."""
        return self._ask(_entries)

    def of(self, refs: Sequence[bytes]) -> Entry | None:
        """As `RegistryStore.of`."""

        async def found(session: Session) -> Entry | None:
            rows = {row[0]: Entry(row[1], row[2]) for row in await session.rows(_OF, list(refs))}
            return next((rows[ref] for ref in refs if ref in rows), None)

        return self._ask(found)

    def put(self, routers: Iterable[tuple[Identity, Entry]]) -> int:
        """As `RegistryStore.put`."""
        last = {identity.device_ref: (identity, entry) for identity, entry in routers}
        older = [ref for identity, _ in last.values() for ref in identity.older]
        keys = [identity.key_id for identity, _ in last.values()]
        countries = [entry.country for _, entry in last.values()]
        generations = [entry.generation for _, entry in last.values()]

        async def put(session: Session) -> int:
            await session.do(_REMOVE, older)
            return await session.do(_PUT, list(last), keys, countries, generations)

        return self._ask(lambda session: _changed(session, put))

    def remove(self, refs: Sequence[bytes]) -> bool:
        """As `RegistryStore.remove`."""
        return self._ask(lambda session: _changed(session, lambda s: s.do(_REMOVE, list(refs)))) > 0

    def close(self) -> None:
        """Let go of the connection."""
        with self._turn:
            session, self._session = self._session, None
            if session is not None:
                self._runner.run(session.close())
            self._runner.close()

    def _ask(self, work: Callable[[Session], Awaitable[T]]) -> T:
        with self._turn:
            return self._runner.run(self._asked(work))

    async def _asked(self, work: Callable[[Session], Awaitable[T]]) -> T:
        if self._session is None or self._session.is_closed:
            self._session = await Session.connect(self._settings, self._region)
        try:
            async with self._session.turn():
                return await work(self._session)
        except StoreUnavailable:
            self._session.terminate()
            self._session = None
            raise


async def _changed(session: Session, work: Callable[[Session], Awaitable[int]]) -> int:
    """Do *work* in one transaction; how many rows it changed. A change makes a new version.

    Alone in the region: a commit that asks who is listed comes wholly before or wholly after it (K22).
    """
    await session.run(BEGIN_ALONE)
    check_staying(await noted(session, MOVE), "the database of the region")
    changed = await work(session)
    if changed:
        await session.do(_NEXT_VERSION)
    await session.run("COMMIT")
    return changed


async def _version(session: Session) -> int:
    row = await session.row("SELECT value FROM ueip.note WHERE name = 'registry'")
    return int(row[0]) if row else 0


async def _entries(session: Session) -> tuple[int, dict[bytes, Entry]]:
    known: dict[tuple[str, int], Entry] = {}  # a fleet has few countries: all routers of one share an object
    version = await _version(session)  # read first: a change meanwhile has a newer version
    rows = await session.rows("SELECT device_ref, country, generation FROM ueip.registry")
    return version, {ref: known.setdefault((country, n), Entry(country, n)) for ref, country, n in rows}


_OF: Final = "SELECT device_ref, country, generation FROM ueip.registry WHERE device_ref = ANY($1::bytea[])"
_REMOVE: Final = "DELETE FROM ueip.registry WHERE device_ref = ANY($1::bytea[])"
_PUT: Final = """
    INSERT INTO ueip.registry AS r SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[])
    ON CONFLICT (device_ref) DO UPDATE
    SET key_id = excluded.key_id, country = excluded.country, generation = excluded.generation
    WHERE r.country <> excluded.country OR r.generation <> excluded.generation"""
_NEXT_VERSION: Final = """
    INSERT INTO ueip.note AS n VALUES ('registry', '1')
    ON CONFLICT (name) DO UPDATE SET value = (n.value::bigint + 1)::text"""
