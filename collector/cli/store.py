"""`ueip store`: makes a region's database ready, or shows what that would do; moves a store to another engine."""

import asyncio
from pathlib import Path

import click

from collector.cli.common import config_option, say, settings_of
from collector.cli.moving import migrate_command
from collector.config_postgres import PostgresSettings
from collector.errors import CollectorError
from collector.model import Region

_region = click.option("--region", type=click.Choice([r.value for r in Region]), required=True, help="The region.")


@click.group()
def store() -> None:
    """Make the PostgreSQL databases of regions ready for them; move a region's store to another engine."""


store.add_command(migrate_command)


@store.command("init")
@config_option
@_region
@click.option("--admin", default="postgres", show_default=True, help="Who makes it: a superuser of the server.")
@click.option("--print", "show", is_flag=True, help="Only print the SQL, for somebody else to run in one transaction.")
def init_command(config: Path | None, region: str, admin: str, *, show: bool) -> None:
    """Make the region's database ready: roles, schema, grants; or bring an older one up. What is there is kept.

    The database itself must exist (createdb). The password of --admin comes from PGPASSWORD or ~/.pgpass. Whoever the
    collector signs in as is then made a member of the role that is named at the end.
    """
    from collector.stores.postgres_schema import SCHEMA_VERSION, role  # noqa: PLC0415 - its driver is an extra
    from collector.stores.postgres_setup import prepare, script  # noqa: PLC0415

    here = Region(region)
    database = _database(config, here)
    if show:
        click.echo("\n".join(("BEGIN;", *script(here, database.database), "COMMIT;")))
        return
    found = asyncio.run(prepare(database.model_copy(update={"password_file": None}), here, admin))
    said = "made ready" if not found else "up to date" if found == SCHEMA_VERSION else f"brought up from {found}"
    say(f"{here}: {said}, schema version {SCHEMA_VERSION}", style="green")
    names = ", ".join(role(here, name) for name in ("writer", "reader", "rights"))
    say(f"roles: {names}. Let the collector sign in with: GRANT {role(here, 'writer')} TO {database.user};")


@store.command("tidy")
@config_option
@_region
@click.option("--admin", default="postgres", show_default=True, help="Who does it: owner of the tables or superuser.")
def tidy_command(config: Path | None, region: str, admin: str) -> None:
    """Take the bytes of erased records out of the database's files: to be run once a day, at a quiet hour.

    The months that were erased from are written anew (VACUUM FULL); commits into them wait, and messages wait in the
    spool. The password of --admin comes from PGPASSWORD or ~/.pgpass.
    """
    from collector.stores.postgres_tidy import tidy  # noqa: PLC0415 - its driver is an extra

    here = Region(region)
    database = _database(config, here).model_copy(update={"password_file": None})
    done = asyncio.run(tidy(database, here, admin))
    say(f"{here}: written anew: {', '.join(done)}" if done else f"{here}: nothing was erased since")


def _database(config: Path | None, region: Region) -> PostgresSettings:
    settings = settings_of(config)
    own = settings.regions.of(region) if region in settings.regions.enabled else None
    if own is None or own.postgresql is None:
        raise CollectorError(f"regions.{region}: found no database, expected a section [regions.{region}.postgresql]")
    return own.postgresql
