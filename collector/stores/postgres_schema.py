"""What a PostgreSQL store says about itself: its region, and the version of its schema.

Rule 1: a store of a newer schema is refused, not guessed at.
"""

from typing import Final

from collector.errors import Cause, StoreUnusable
from collector.model import Region
from collector.stores.postgres_migrations import MIGRATIONS
from collector.stores.postgres_notes import noted
from collector.stores.postgres_session import Session
from collector.stores.rows import Damaged
from collector.stores.staying import MOVE, check_staying

SCHEMA_VERSION: Final = len(MIGRATIONS)
"""The version of a store after all migrations."""


async def check_kind(session: Session, region: Region) -> None:
    """Refuse what is no store, another region's, or one of another schema.

    Raises:
        StoreUnusable: says which.
    """
    if (await session.row("SELECT to_regclass('ueip.about') IS NULL"))[0]:
        raise StoreUnusable("found a database without a store. Make one with: ueip store init", Cause.OLDER_SCHEMA)
    row = await session.row("SELECT region, schema FROM ueip.about")
    if row is None:
        raise Damaged("the store does not say which region it is of")
    check_region(row[0], region)
    check_version(row[1])


async def check_taking(session: Session, region: Region) -> None:
    """Refuse what nothing may be written to: as `check_kind`, and a store that is moving.

    Raises:
        StoreUnusable: says which.
    """
    await check_kind(session, region)
    check_staying(await noted(session, MOVE), f"the database of {region}")


def check_version(version: int) -> None:
    """Refuse a store of another schema; also checked in every commit, as a newer collector may migrate it meanwhile.

    Raises:
        StoreUnusable: it is newer than this collector, or has to be migrated.
    """
    if version > SCHEMA_VERSION:
        raise StoreUnusable(
            f"the database has schema version {version}, expected at most {SCHEMA_VERSION}. "
            f"A newer collector made it; run that one, or use another database.",
            Cause.NEWER_SCHEMA,
        )
    if version < SCHEMA_VERSION:
        raise StoreUnusable(
            f"the database has schema version {version}, expected {SCHEMA_VERSION}. Run: ueip store init",
            Cause.OLDER_SCHEMA,
        )


def check_region(found: str, region: Region) -> None:
    """Refuse the store of another region.

    Raises:
        StoreUnusable: naming both.
    """
    if found != region:
        raise StoreUnusable(
            f"the database is the store of region {found}, expected {region}. Records never move between regions; "
            f"give each region its own."
        )
