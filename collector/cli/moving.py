"""`ueip store migrate`: moves a region's store from one engine to another."""

from pathlib import Path
from typing import Final, Self

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from collector.cli.common import say, settings_of
from collector.model import Region
from collector.moving import Done, Pair, abandon, migrate

_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)


@click.command("migrate")
@click.option("--from", "old", type=_FILE, required=True, help="The configuration with the present store.")
@click.option("--to", "new", type=_FILE, required=True, help="The configuration with the new store, to run next.")
@click.option("--region", type=click.Choice([r.value for r in Region]), required=True, help="The region.")
@click.option("--admin", default="postgres", show_default=True, help="Who signs in to PostgreSQL: owner or superuser.")
@click.option("--give-up", is_flag=True, help="Give up a move that was begun: the store of --from takes records again.")
def migrate_command(old: Path, new: Path, region: str, admin: str, *, give_up: bool) -> None:
    """Move a region's store to another engine, with ledger, records, names, registry and holds, and verify it.

    Meanwhile the region takes nothing; a running collector keeps its records in the spool. After any interruption the
    same command goes on where it stopped. The password of --admin comes from PGPASSWORD or ~/.pgpass. Afterwards start
    the collector with the configuration of --to, and delete the old store.
    """
    here = Region(region)
    if give_up:
        abandon(settings_of(old), here, admin)
        say(f"{here}: given up; the store of {old} takes records again. Delete what had been moved.")
        return
    pair = Pair(region=here, source=settings_of(old), target=settings_of(new), names=(str(old), str(new)), admin=admin)
    with _Bars() as bars:
        done = migrate(pair, bars.totals, bars.report)
    _tell(here, done, new)


def _tell(region: Region, done: Done, new: Path) -> None:
    found = done.verified
    say(
        f"{region}: moved and verified: {found.entries} entries up to {found.head.seq}:{found.head.hash[:16]}…, "
        f"{found.routers} routers of which {found.joined} have joined, {found.records} records",
        style="green",
    )
    if done.no_room:
        say(
            f"{done.no_room} records did not go over: each has the id of another one, because its router used a "
            f"message_id again, and ClickHouse keeps only the first record with an id."
        )
    say(f"Start the collector with {new}. Then delete what is left behind, {done.left_behind}, and its backups:")
    say("records of those who leave from now on are not erased there.")


class _Bars:
    """A bar for each table, where a person watches."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        self._progress = Progress(*columns, console=console, disable=not console.is_terminal)
        self._totals: dict[str, int] = {}
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def totals(self, numbers: dict[str, int]) -> None:
        """Set how many of each there are at most."""
        self._totals = numbers

    def report(self, what: str, count: int) -> None:
        """Show that *count* of them are done."""
        total = self._totals.get(what.partition(",")[0])
        if not total:
            return
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=total)
        self._progress.update(self._tasks[what], completed=count)
