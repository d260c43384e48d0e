"""`ueip store`: sets up a region's database, or shows what that would do; moves a store to another engine."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import click

from collector.cli.common import config_option, say, settings_of, write
from collector.cli.moving import migrate_command
from collector.config_clickhouse import ClickHouseSettings
from collector.config_postgres import PostgresSettings
from collector.config_regions import RegionSettings
from collector.errors import CollectorError
from collector.model import Region

_clickhouse_admin = click.option(
    "--clickhouse-admin", default="default", show_default=True, help="Who signs in to ClickHouse, if it is used."
)
_region = click.option("--region", type=click.Choice([r.value for r in Region]), required=True, help="The region.")


@click.group()
def store() -> None:
    """Set up the databases of regions and tidy them; move a region's store to another engine."""


store.add_command(migrate_command)


@store.command("init")
@config_option
@_region
@click.option("--admin", default="postgres", show_default=True, help="Who signs in: a superuser of the server.")
@_clickhouse_admin
@click.option("--print", "show", is_flag=True, help="Only print the SQL, for somebody else to run in one transaction.")
@click.option(
    "--schema",
    type=click.IntRange(0),
    default=0,
    help="With --print: the schema version that the database has, as SELECT schema FROM ueip.about gives it; "
    "0 if it has no store yet.",
)
def init_command(
    config: Path | None, region: str, admin: str, clickhouse_admin: str, *, show: bool, schema: int
) -> None:
    """Set up the region's database (roles, schema, grants), or upgrade an older one. What is there is kept.

    The PostgreSQL database itself must exist (createdb). The password of --admin comes from PGPASSWORD or ~/.pgpass,
    that of --clickhouse-admin from CLICKHOUSE_PASSWORD. Afterwards, run the GRANT that is printed at the end: it lets
    the user that the collector signs in as write to the store.
    """
    here = Region(region)
    own = _own(config, here)
    database = _database(own)
    if show:
        write("\n".join(_sql(own, here, schema)) + "\n")
        return
    from collector.stores.postgres_schema import SCHEMA_VERSION  # noqa: PLC0415 - its driver is an extra
    from collector.stores.postgres_setup import prepare  # noqa: PLC0415

    found = asyncio.run(prepare(database.model_copy(update={"password_file": None}), here, admin))
    said = "made ready" if not found else "up to date" if found == SCHEMA_VERSION else f"upgraded from {found}"
    say(f"{here}: {said}, schema version {SCHEMA_VERSION}", style="green")
    _tell_roles(here, "", f'GRANT {{writer}} TO "{database.user}";')
    if own.clickhouse is not None:
        _init_clickhouse(own, here, admin, clickhouse_admin)


def _init_clickhouse(own: RegionSettings, region: Region, admin: str, clickhouse_admin: str) -> None:
    from collector.stores.clickhouse_setup import prepare  # noqa: PLC0415 - its driver is an extra

    assert own.clickhouse is not None
    ledger = _database(own).model_copy(update={"password_file": None})
    there = asyncio.run(prepare(ledger, _as(own.clickhouse, clickhouse_admin), region, admin))
    say(f"{region}: ClickHouse {'up to date' if there else 'made ready'}", style="green")
    _tell_roles(region, "of ClickHouse, ", f'GRANT {{writer}} TO "{own.clickhouse.user}"')


def _tell_roles(region: Region, where: str, grant: str) -> None:
    from collector.stores.postgres_roles import role  # noqa: PLC0415

    names = {name: role(region, name) for name in ("writer", "reader", "rights")}
    say(f"roles: {where}{', '.join(names.values())}. Let the collector use them with: {grant.format_map(names)}")


def _sql(own: RegionSettings, region: Region, schema: int) -> Iterator[str]:
    """What `init` would run on a database of schema version *schema*."""
    from collector.stores.postgres_rows import BEGIN_ALONE  # noqa: PLC0415 - its driver is an extra
    from collector.stores.postgres_schema import SCHEMA_VERSION, check_version  # noqa: PLC0415 - its driver is an extra
    from collector.stores.postgres_setup import script  # noqa: PLC0415 - its driver is an extra

    if schema > SCHEMA_VERSION:
        check_version(schema)
    yield from (f"{BEGIN_ALONE};", *script(region, _database(own).database, schema), "COMMIT;")
    if own.clickhouse is not None:
        from collector.stores.clickhouse_setup import both  # noqa: PLC0415 - its driver is an extra

        yield from both(own.clickhouse, region)


@store.command("tidy")
@config_option
@_region
@click.option("--admin", default="postgres", show_default=True, help="Who signs in: owner of the tables or superuser.")
@_clickhouse_admin
def tidy_command(config: Path | None, region: str, admin: str, clickhouse_admin: str) -> None:
    """Remove the bytes of erased records from the database's files. Run it once a day, at a quiet hour.

    The months that were erased from are rewritten (VACUUM FULL); commits to them wait, and their messages wait in the
    spool. ClickHouse rewrites its months without making commits wait. The password of --admin comes from PGPASSWORD or
    ~/.pgpass, that of --clickhouse-admin from CLICKHOUSE_PASSWORD.
    """
    here, beside = Region(region), None
    own = _own(config, here)
    from collector.stores.postgres_tidy import tidy  # noqa: PLC0415 - its driver is an extra

    database = _database(own).model_copy(update={"password_file": None})
    if own.clickhouse is not None:
        from collector.stores.clickhouse_tidy import months_of  # noqa: PLC0415 - its driver is an extra

        beside = months_of(_as(own.clickhouse, clickhouse_admin), here)
    done = asyncio.run(tidy(database, here, admin, beside))
    say(f"{here}: rewritten: {', '.join(done)}" if done else f"{here}: nothing was erased since the last time")


def _own(config: Path | None, region: Region) -> RegionSettings:
    """The settings of a region with a database."""
    settings = settings_of(config)
    own = settings.regions.of(region) if region in settings.regions.enabled else None
    if own is None or own.postgresql is None:
        raise CollectorError(f"regions.{region}: found no database, expected a section [regions.{region}.postgresql]")
    return own


def _database(own: RegionSettings) -> PostgresSettings:
    assert own.postgresql is not None
    return own.postgresql


def _as(records: ClickHouseSettings, admin: str) -> ClickHouseSettings:
    """The settings of whoever makes the tables; the password comes from the environment."""
    return records.model_copy(update={"user": admin, "password_file": None})
