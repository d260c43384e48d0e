"""Makes a database ready for a region's store, as its administrator: roles, schema, grants. See `ueip store init`.

Rule 1: what is there is left as it is; run again, it brings an older schema up and repeats the grants.
"""

from collections.abc import Iterator
from typing import Final

from collector.config_postgres import PostgresSettings
from collector.model import Region
from collector.stores.postgres_schema import (
    GRANTS,
    MIGRATIONS,
    ROLES,
    SCHEMA_VERSION,
    check_region,
    check_version,
    role,
)
from collector.stores.postgres_session import Session

_ROLE: Final = """
    DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
        CREATE ROLE {name} NOLOGIN; END IF; END $$;"""
_FOUND: Final = "SELECT to_regclass('ueip.about') IS NOT NULL"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def script(region: Region, database: str, found: int = 0) -> Iterator[str]:
    """The statements that make *database* the store of *region*, from schema version *found*; for a transaction."""
    names = {name: role(region, name) for name in ROLES}
    yield from (_ROLE.format(name=name) for name in names.values())
    yield f"GRANT {names['owner']} TO CURRENT_USER;"
    yield f"GRANT CREATE ON DATABASE {quoted(database)} TO {names['owner']};"
    yield f"REVOKE CONNECT, TEMPORARY ON DATABASE {quoted(database)} FROM PUBLIC;"
    yield f"SET LOCAL ROLE {names['owner']};"
    if not found:
        yield "CREATE SCHEMA ueip;"
    yield from MIGRATIONS[found:]
    if found:
        yield f"UPDATE ueip.about SET schema = {SCHEMA_VERSION};"  # noqa: S608 - a number of ours
    else:
        yield f"INSERT INTO ueip.about VALUES ('{region}', {SCHEMA_VERSION}, true);"  # noqa: S608 - ours too
    yield "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ueip FROM PUBLIC;"
    on_database, within = _grants(region, database)
    yield within
    yield "RESET ROLE;"
    yield on_database


def _grants(region: Region, database: str) -> tuple[str, str]:
    """What the database's owner grants, and what the schema's does."""
    names = {name: role(region, name) for name in ROLES}
    lines = GRANTS.format(database=quoted(database), **names).splitlines()
    on_database = [line for line in lines if "ON DATABASE" in line]
    return "\n".join(on_database), "\n".join(line for line in lines if line not in on_database)


async def prepare(settings: PostgresSettings, region: Region, admin: str) -> int:
    """Make the database of *settings* ready, signed in as *admin*; the schema version it had, 0 for none.

    Raises:
        StoreUnavailable: the server did not answer, or *admin* may not.
        StoreUnusable: it is another region's store, or one of a newer schema.
    """
    # Patient: an older store has indexes to be made, which takes as long as there are records.
    session = await Session.connect(settings, region, user=admin, patient=True)
    try:
        async with session.turn():
            await session.run("BEGIN")
            found = 0
            if (await session.row(_FOUND))[0]:
                row = await session.row("SELECT region, schema FROM ueip.about")
                check_region(row[0], region)
                found = min(row[1], SCHEMA_VERSION)
                if row[1] > SCHEMA_VERSION:
                    check_version(row[1])
            for statements in script(region, settings.database, found):
                await session.run(statements)
            await session.run("COMMIT")
    finally:
        await session.close()
    return found
