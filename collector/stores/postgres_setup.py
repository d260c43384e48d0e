"""Makes a database ready for a region's store, as its administrator: roles, schema, grants. See `ueip store init`.

Rule 1: what is there is left as it is; run again, it migrates an older schema and repeats the grants.
"""

from collections.abc import Iterator
from typing import Final

from collector.config_postgres import PostgresSettings
from collector.model import Region
from collector.stores.postgres_migrations import MIGRATIONS
from collector.stores.postgres_roles import grants_on_database, grants_within, new_roles, role
from collector.stores.postgres_rows import BEGIN_ALONE
from collector.stores.postgres_schema import SCHEMA_VERSION, check_region, check_version
from collector.stores.postgres_session import Session

_FOUND: Final = "SELECT to_regclass('ueip.about') IS NOT NULL"


def quoted(name: str) -> str:
    """A name as an SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def script(region: Region, database: str, found: int = 0) -> Iterator[str]:
    """The statements that make *database* the store of *region*, from *found*, its schema version.

    They are for a transaction that is alone in the region: what a commit under way has read stays true until it ends.
    """
    owner = role(region, "owner")
    yield from new_roles(region)
    yield f"GRANT {owner} TO CURRENT_USER;"
    yield f"GRANT CREATE ON DATABASE {quoted(database)} TO {owner};"
    yield f"REVOKE CONNECT, TEMPORARY ON DATABASE {quoted(database)} FROM PUBLIC;"
    yield f"SET LOCAL ROLE {owner};"
    if not found:
        yield "CREATE SCHEMA ueip;"
    yield from MIGRATIONS[found:]
    if found:
        yield f"UPDATE ueip.about SET schema = {SCHEMA_VERSION};"  # noqa: S608 - a number of ours
    else:
        yield f"INSERT INTO ueip.about VALUES ('{region}', {SCHEMA_VERSION}, true);"  # noqa: S608 - ours too
    yield "REVOKE ALL ON ALL FUNCTIONS IN SCHEMA ueip FROM PUBLIC;"
    yield grants_within(region)
    yield "RESET ROLE;"
    yield grants_on_database(region, quoted(database))


async def prepare(settings: PostgresSettings, region: Region, admin: str) -> int:
    """Make the database of *settings* ready, signed in as *admin*; the schema version it had, 0 for none.

    Raises:
        StoreUnavailable: the server did not answer, or does not let *admin* do this.
        StoreUnusable: it is another region's store, or one of a newer schema.
    """
    # Patient: an older store needs indexes, which take the longer to make the more records there are.
    session = await Session.connect(settings, region, user=admin, patient=True)
    try:
        async with session.turn():
            await session.run(BEGIN_ALONE)
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
