"""Reports together all that is wrong with an installation: settings, files, tables, the notice and the stores."""

import re
import sqlite3
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from collector.cli.common import say
from collector.config import LimitsSettings, Settings, read_keys, read_settings
from collector.config_broker import BrokerSettings
from collector.config_regions import RegionSettings
from collector.config_section import Unread
from collector.errors import Cause, DataFault, SpoolUnavailable, StoreUnavailable, StoreUnusable
from collector.model import Region
from collector.rules import data_faults, policies_of
from collector.storage import place_of
from collector.stores.spool_schema import FILE, connect
from collector.stores.sqlite_faults import unwritable

_OF_A_STORE: Final = {"store", "postgresql", "clickhouse", "witness", "key_files"}
_OF_A_SPOOL: Final = {"spool", "store", "key_files"}
"""The settings of a region that are needed to look at its store, and at its spool."""


def checked(path: Path, *, stores: bool = False) -> Settings:
    """The settings at *path*, checked with all that they name; with *stores*, the stores are looked at too.

    Raises:
        DataFault: every fault.
    """
    settings, faults = read_settings(path)
    if faults or stores:  # otherwise making the rules reports what is wrong with tables and notice
        faults += data_faults(settings)
    if stores:
        faults += _faults_of_stores(settings, path, faults)
    if faults:
        raise DataFault(faults)
    return settings


def _faults_of_stores(settings: Settings, path: Path, told: list[str]) -> list[str]:
    """What keeps a region closed until it is mended; `ueip run` starts with it, for the sake of the others."""
    try:
        regions = settings.regions.read
    except Unread:
        return []
    try:
        versions: Collection[str] = policies_of(settings).ends
    except (DataFault, Unread):
        versions = ()  # reported already
    # What a store is asked for here does not depend on how long messages may be delivered again.
    settings = settings.model_copy(update={"broker": BrokerSettings(), "limits": LimitsSettings()})
    faults = []
    for region in regions:
        wrong = _wrong(path, region, told)
        with suppress(Unread):
            if not wrong & _OF_A_STORE:
                faults += _store_faults(settings, region, versions)
        with suppress(Unread):
            if not wrong & _OF_A_SPOOL:
                faults += _spool_faults(settings.regions.of(region), region)
    return faults


def _wrong(path: Path, region: Region, told: list[str]) -> set[str]:
    """The settings of a region that have a fault; whatever else is wrong there may come from that."""
    here = re.compile(rf"{re.escape(str(path))}: regions\.{region}(?:\.|: )(\w+)")
    # A key that others may read is the right one all the same.
    return {match[1] for fault in told if (match := here.match(fault)) and ": found mode " not in fault}


def _store_faults(settings: Settings, region: Region, versions: Collection[str]) -> list[str]:
    place = place_of(settings, region)
    try:
        place.inspect(versions)
    except StoreUnusable as error:
        return [f"{place.setting}: {error}"]
    except StoreUnavailable as error:
        if error.cause in {Cause.NO_ACCESS, Cause.DISK_FULL}:
            return [f"{place.setting}: {error}. {error.cause.advice}"]
        say(f"note: {place.setting} was not looked at: {error.in_full()}", style="yellow")
    return []


def _spool_faults(own: RegionSettings, region: Region) -> list[str]:
    """What keeps a spool from being used until somebody mends it; a damaged one mends itself at the start."""
    file, key_ids = own.spool_folder / FILE, [key.key_id for key in read_keys(own)]
    if why := unwritable(file):
        return [f"regions.{region}.spool: {why}"]
    try:
        if not file.exists():
            return []
        connect(file, region, key_ids).close()
    except SpoolUnavailable as error:
        if error.cause.doubts_the_ledger:
            return [f"regions.{region}.spool: {error}"]
        say(f"note: regions.{region}.spool was not looked at: {error}", style="yellow")
    except sqlite3.Error as error:
        say(f"note: regions.{region}.spool was not looked at: {error}", style="yellow")
    except OSError as error:
        return [f"regions.{region}.spool: {own.spool_folder}: {error.strerror}. Make it a folder of the collector's."]
    return []
