"""A region's registry in its PostgreSQL store: which routers the deployment has, and of which country (F5).

A connection of its own: reading it must not wait for a commit, and the command that changes it is another process.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, TypeVar

from collector.config_postgres import PostgresSettings
from collector.errors import StoreUnavailable
from collector.listing import Group
from collector.model import Identity, Region
from collector.registry import Entry
from collector.stores.listed import MOST_CHANGES, changes_of, new_version
from collector.stores.places import Changes
from collector.stores.postgres_notes import note, noted
from collector.stores.postgres_rows import BEGIN_ALONE
from collector.stores.postgres_schema import check_taking
from collector.stores.postgres_session import Session

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

    def page(self, after: bytes, most: int) -> Sequence[Group]:
        """As `RegistryStore.page`."""

        async def page(session: Session) -> Sequence[Group]:
            return [(key, packed) for key, packed in await session.rows(_PAGE, after, most)]

        return self._ask(page)

    def changes(self, since: int) -> Changes | None:
        """As `RegistryStore.changes`."""
        return self._ask(lambda session: _changes(session, since))

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

        async def put(session: Session) -> tuple[int, list[bytes]]:
            removed = await _remove(session, older)
            entered = [row[0] for row in await session.rows(_PUT, list(last), keys, countries, generations)]
            return len(entered), [*removed, *entered]

        return self._ask(lambda session: self._changed(session, put))

    def remove(self, refs: Sequence[bytes]) -> bool:
        """As `RegistryStore.remove`."""

        async def remove(session: Session) -> tuple[int, list[bytes]]:
            removed = await _remove(session, refs)
            return len(removed), removed

        return self._ask(lambda session: self._changed(session, remove)) > 0

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

    async def _changed(self, session: Session, work: Callable[[Session], Awaitable[tuple[int, list[bytes]]]]) -> int:
        """Do *work* in one transaction; it returns a number, and whom it changed. A change makes a new version.

        Alone in the region: a commit that asks who is listed comes wholly before or wholly after it (K22).
        """
        await session.run(BEGIN_ALONE)
        await check_taking(session, self._region)
        number, changed = await work(session)
        if changed:
            await _log(session, changed)
        await session.run("COMMIT")
        return number


async def _log(session: Session, changed: Sequence[bytes]) -> None:
    """Make a new version and log whom it changed. A log that does not go up to the version before begins anew."""
    before, now = await _version(session), new_version()
    await session.do(_CUT_OFF, before)
    await session.do(_BEGIN_LOG, before)
    await note(session, _NOTE, str(now))
    await session.do(_LOG, now, changed[-MOST_CHANGES:])
    await session.do(_FORGET, MOST_CHANGES)


async def _remove(session: Session, refs: Sequence[bytes]) -> list[bytes]:
    return [row[0] for row in await session.rows(_REMOVE, refs)]


async def _version(session: Session) -> int:
    return int(await noted(session, _NOTE) or 0)


async def _changes(session: Session, since: int) -> Changes | None:
    now = await _version(session)  # read first: what is changed meanwhile has a newer version
    if now == since:
        return Changes(now, {})
    return changes_of(since, now, await session.rows(_CHANGES, since))


_NOTE: Final = "registry"
_PAGE: Final = """
    SELECT substr(device_ref, 1, 2), string_agg(
        substr(device_ref, 3) || CASE octet_length(country) WHEN 2 THEN convert_to(country, 'UTF8') ELSE '??' END, '')
    FROM (SELECT device_ref, country FROM ueip.registry WHERE device_ref > $1 AND octet_length(device_ref) = 16
        ORDER BY device_ref LIMIT $2) AS page
    GROUP BY 1 ORDER BY 1"""
"""Put together by the server: a row for each router would cost Python more than all else. What is no country is ??."""
_OF: Final = "SELECT device_ref, country, generation FROM ueip.registry WHERE device_ref = ANY($1::bytea[])"
_REMOVE: Final = "DELETE FROM ueip.registry WHERE device_ref = ANY($1::bytea[]) RETURNING device_ref"
_PUT: Final = """
    INSERT INTO ueip.registry AS r SELECT * FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bigint[])
    ON CONFLICT (device_ref) DO UPDATE
    SET key_id = excluded.key_id, country = excluded.country, generation = excluded.generation
    WHERE r.country <> excluded.country OR r.generation <> excluded.generation
    RETURNING device_ref"""
_CHANGES: Final = """
    SELECT c.version, c.device_ref, r.country FROM ueip.registry_change c LEFT JOIN ueip.registry r USING (device_ref)
    WHERE c.number >= (SELECT max(number) FROM ueip.registry_change WHERE version = $1)"""
_CUT_OFF: Final = """
    DELETE FROM ueip.registry_change
    WHERE (SELECT version FROM ueip.registry_change ORDER BY number DESC LIMIT 1) <> $1"""
_BEGIN_LOG: Final = """
    INSERT INTO ueip.registry_change (version)
    SELECT $1::bigint WHERE NOT EXISTS (SELECT FROM ueip.registry_change)"""
_LOG: Final = "INSERT INTO ueip.registry_change (version, device_ref) SELECT $1::bigint, unnest($2::bytea[])"
_FORGET: Final = """
    DELETE FROM ueip.registry_change WHERE number <= (SELECT max(number) FROM ueip.registry_change) - $1::bigint"""
