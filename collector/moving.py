"""Moves a region's store from where one configuration has it to where another has it (`ueip store migrate`).

Rule 1: what the two configurations must have in common is looked at before anything is touched, all of it at once.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from collector.config import Settings, read_keys
from collector.config_postgres import Server
from collector.config_regions import RegionSettings
from collector.consent.acts import EXITS, LEFT
from collector.errors import Cause, DataFault, StoreUnusable
from collector.model import Region, Sealed
from collector.storage import end_of, place_of, witness_of
from collector.stores.ends import End
from collector.stores.guard import mismatch
from collector.stores.move import Move, Report
from collector.stores.move_marks import give_up
from collector.stores.retention import DAY
from collector.stores.verified import Expected, Verified
from collector.stores.witness import Kept, WitnessFault
from collector.stores.witnessing import NOTE

_AHEAD: Final = 7 * DAY
"""How far a clock may be ahead of what was received last before it is not believed; as far as a sweep goes."""
Totals = Callable[[dict[str, int]], None]


class Pair(Sealed, frozen=True):
    """Two configurations, by the names of their files, and the region whose store moves from the one to the other."""

    region: Region
    source: Settings
    target: Settings
    names: tuple[str, str]
    admin: str

    def check(self) -> None:
        """Refuse what the move, or the collector after it, would fail on.

        Raises:
            DataFault: all that was found.
        """
        if faults := [*self._missing()] or [*self._faults()]:
            raise DataFault(faults)

    def ends(self) -> tuple[End, End]:
        """The two stores, not opened yet."""
        old = end_of(self.source, self.region, admin=self.admin, anew=False)
        return old, end_of(self.target, self.region, admin=self.admin, anew=True)

    @property
    def left(self) -> tuple[str, ...]:
        """The states in which nothing of a router stays: after an exit too, unless both configurations keep it."""
        keeps = all(settings.consent.on_exit == "keep" for settings in (self.source, self.target))
        return tuple(state.value for state in LEFT if not (keeps and state in EXITS))

    def until(self, newest: int, oldest: int | None) -> int:
        """Up to which time of receipt records have expired, by the shorter of the two retentions.

        *newest* is the last time that the source knows of: a clock that is far ahead of it is not believed. Nor is one
        by which the *oldest* record would have been deleted long ago: it may have been ahead when the newest came.
        """
        old, new = (settings.regions.of(self.region).retention_days for settings in (self.source, self.target))
        swept = newest if oldest is None else oldest + old * DAY
        return min(int(time.time() * 1000), newest + _AHEAD, swept + _AHEAD) - min(old, new) * DAY

    def _missing(self) -> Iterator[str]:
        for name, settings in zip(self.names, (self.source, self.target), strict=True):
            if self.region not in settings.regions.enabled:
                yield f"{name}: regions.enabled: found no {self.region}, expected it in both configurations"

    def _faults(self) -> Iterator[str]:
        here = f"{self.names[1]}: regions.{self.region}"
        old, new = (settings.regions.of(self.region) for settings in (self.source, self.target))
        if _places(old) & _places(new):
            yield f"{here}: found the store of {self.names[0]}, expected another one. Name where it is to be moved to"
        lost = {key.key_id for key in read_keys(old)} - {key.key_id for key in read_keys(new)}
        if lost:
            told = ", ".join(sorted(lost))
            yield f"{here}.key_files: found no key {told}, expected all of {self.names[0]}: they find what is stored"
        if old.spool_folder.exists() and old.spool_folder != new.spool_folder:
            yield (
                f"{here}.spool: found {new.spool_folder}, expected {old.spool_folder}, where records and acts may "
                f"wait. Name that folder, or remove it once it is drained and no collector runs"
            )
        kept = [_kept(settings, self.region) for settings in (self.source, self.target)]
        if kept[0] != kept[1]:
            files = [witness_of(settings, self.region).path for settings in (self.source, self.target)]
            yield f"{here}.witness: found {files[1]}, expected what {files[0]} holds. Name that file, or copy it there"


def _places(own: RegionSettings) -> set[Path | Server]:
    """Where a region's store is, all of it."""
    databases = [database for database in (own.postgresql, own.clickhouse) if database is not None]
    return {database.server for database in databases} if databases else {own.file}


def _kept(settings: Settings, region: Region) -> Kept | str | None:
    witness = witness_of(settings, region)
    try:
        return witness.read()
    except (OSError, WitnessFault):
        return str(witness.path)


class Done(Sealed, frozen=True):
    """A move that has ended."""

    verified: Verified
    left_behind: str
    """Where the source still holds what was moved."""
    no_room: int = 0
    """Records that were not moved: another with the same id was, and the target keeps one of each."""


def migrate(pair: Pair, totals: Totals, report: Report) -> Done:
    """Move the store, or go on where a move stopped; *totals* and *report* are told how far it is.

    Raises:
        DataFault: the configurations do not fit.
        StoreUnavailable: says which end, what was found, and what to do; run again, it goes on.
    """
    pair.check()
    asyncio.run(_with_both(pair, totals, report))
    # In its own loops and with the collector's own settings, as `ueip ledger verify` does.
    verified = _verified(pair)
    source, target = pair.ends()

    async def ended() -> int:
        await _open(source, target)
        try:
            return await Move(source, target, pair.left).end()
        finally:
            await _close(source, target)

    return Done(verified=verified, left_behind=source.place, no_room=asyncio.run(ended()))


async def _with_both(pair: Pair, totals: Totals, report: Report) -> None:
    source, target = pair.ends()
    await _open(source, target)
    try:
        await _check_witness(pair, source)
        move = Move(source, target, pair.left, report)
        if await move.begin(pair.until(await move.newest(), await move.oldest())):
            totals(await move.totals())
            await move.copy()
            await move.settle()
            await move.verify()
    finally:
        await _close(source, target)


async def _open(source: End, target: End) -> None:
    try:
        await source.open()
        await target.open()
    except BaseException:
        await _close(source, target)
        raise


async def _close(source: End, target: End) -> None:
    await source.close()
    await target.close()


async def _check_witness(pair: Pair, source: End) -> None:
    """Refuse a source that its witness does not know: routers that left since would be let in again (K31)."""
    witness = witness_of(pair.source, pair.region)
    try:
        kept = witness.read()
    except (OSError, WitnessFault) as error:
        raise StoreUnusable(f"{witness.path}: cannot be read: {error}", Cause.BAD_WITNESS) from error
    if kept is None:
        fault, cause = "found no witness, but the store says that it has one", Cause.NO_WITNESS
        if await source.noted(NOTE) is None:
            return
    else:
        fault, cause = await mismatch(source, await source.head(), kept) or "", Cause.ROLLED_BACK
    if fault:
        raise StoreUnusable(f"{witness.path}: {fault}. {cause.advice}", cause)


def _verified(pair: Pair) -> Verified:
    """Check what was moved by its own ledger.

    Raises:
        StoreUnusable: it does not fit.
    """
    expected = Expected(erase_on_exit=pair.target.consent.on_exit == "erase")
    found = place_of(pair.target, pair.region).verify(expected)
    if found.fault_count:
        raise StoreUnusable(
            "\n".join(
                (
                    f"target: found {found.fault_count} faults, expected none. Does the source have the same ones?",
                    *found.faults,
                )
            ),
            Cause.CORRUPT,
        )
    return found


def abandon(settings: Settings, region: Region, admin: str) -> None:
    """Give up a move out of the region's store: it takes acts and records again.

    Raises:
        DataFault: the region is not served by these settings.
        StoreUnusable: no move is under way.
    """
    if region not in settings.regions.enabled:
        raise DataFault([f"regions.enabled: found no {region}, expected it in the configuration that --from names"])
    source = end_of(settings, region, admin=admin, anew=False)

    async def gave_up() -> None:
        await source.open()
        try:
            await give_up(source)
        finally:
            await source.close()

    asyncio.run(gave_up())
