"""What settings must keep apart: regions from each other, a witness from its store, and times from each other."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from collector.config_files import content_of
from collector.config_section import Unread, told
from collector.model import Region

if TYPE_CHECKING:
    from collector.config import Settings
    from collector.config_regions import RegionSettings

Seen = dict[Any, Region]
"""What was found, by the region that had it first."""
_PLACES: Final[dict[str, Callable[["RegionSettings"], Any]]] = {
    "store": lambda own: own.store or (own.postgresql and own.postgresql.server),
    "clickhouse database": lambda own: own.clickhouse and own.clickhouse.server,
    "spool folder": lambda own: own.spool or (own.store and own.spool_folder),
}


def faults_between(settings: "Settings") -> list[str]:
    """What is wrong between the settings of several sections, or between the files that they name."""
    places: dict[str, Seen] = {what: {} for what in _PLACES}
    keys, witnesses = Seen(), Seen()

    def of_each(check: Callable[[Region], Iterator[str]]) -> list[str]:
        return [fault for region in settings.regions.read for fault in told(partial(check, region))]

    return told(
        lambda: of_each(lambda region: _shared_places(region, settings.regions.of(region), places)),
        lambda: of_each(lambda region: _shared_keys(region, settings.regions.of(region), keys)),
        lambda: of_each(lambda region: _beside_its_store(region, settings)),
        lambda: of_each(lambda region: _shared_witness(region, settings, witnesses)),
        lambda: of_each(lambda region: _witness_in_place_of_a_key(region, settings)),
        lambda: of_each(lambda region: _too_short(region, settings)),
    )


def _shared_places(region: Region, own: "RegionSettings", places: dict[str, Seen]) -> Iterator[str]:
    """Two regions must share no store, no spool and no key, or their records could meet (D18)."""
    for what, place_of in _PLACES.items():
        place = None
        with suppress(Unread):
            place = place_of(own)
        if place is None:
            continue
        other = places[what].setdefault(place.resolve() if isinstance(place, Path) else place, region)
        if other is not region:
            setting = f"regions.{region}.{what.partition(' ')[0]}"
            yield f"{setting}: {place}: is also the {what} of {other}. Give each region its own."
            return


def _shared_keys(region: Region, own: "RegionSettings", keys: Seen) -> Iterator[str]:
    for file in own.key_files:
        secret = content_of(file)
        other = keys.setdefault(secret, region) if isinstance(secret, bytes) else region
        if other is not region:
            yield (
                f"regions.{region}.key_files: {file}: is also a key of {other}, so pseudonyms could be joined "
                f"across borders. Give each region its own."
            )


def _beside_its_store(region: Region, settings: "Settings") -> Iterator[str]:
    """A witness must not be lost, restored or written over together with what it vouches for."""
    own, witness = settings.regions.of(region), settings.regions.witness_of(region)
    if own.store is not None and witness.parent.resolve() == own.store.parent.resolve():
        yield (
            f"regions.{region}.witness: {witness}: found in the folder of the store, expected elsewhere: a restored "
            f"folder would bring an old witness along. Name a file beside the keys."
        )


def _shared_witness(region: Region, settings: "Settings", seen: Seen) -> Iterator[str]:
    witness = settings.regions.witness_of(region)
    if (other := seen.setdefault(witness.resolve(), region)) is not region:
        yield f"regions.{region}.witness: {witness}: is also the witness of {other}. Give each region its own."


def _witness_in_place_of_a_key(region: Region, settings: "Settings") -> Iterator[str]:
    witness = settings.regions.witness_of(region)
    if witness.resolve() in {file.resolve() for file in settings.regions.of(region).key_files}:
        yield f"regions.{region}.witness: {witness}: is also a key of the region. Give it a name of its own."


def _too_short(region: Region, settings: "Settings") -> Iterator[str]:
    """A message that comes again after its record was deleted must be too old by then (K09)."""
    days, hours = settings.regions.of(region).retention_days, settings.limits.max_age_hours
    if days * 24 < hours + 24:
        yield (
            f"regions.{region}.retention_days: found {days}, expected at least a day more than limits.max_age_hours "
            f"({hours:g}). Keep records for longer, or take younger messages only."
        )
