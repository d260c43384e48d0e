"""`ueip registry`: the deployment's list of routers and their countries. Names go in, none come out."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import click

from collector.cli.common import Country, config_option, out, say, settings_of, why_no_region
from collector.config import Settings, read_keys
from collector.errors import CollectorError, DataFault, StoreUnavailable
from collector.formats.report import ROUTER
from collector.listing import Listing
from collector.model import DropReason, Region
from collector.pseudonym import Pseudonymiser
from collector.registry import Entry
from collector.rules import region_map
from collector.storage import open_registry
from collector.stores.listed import PAGE, read

_MOST_FAULTS: Final = 20
_COLUMNS: Final = ("router", "country")
_LONGEST_CODE: Final = 3
_NUMBER: Final = re.compile(r"[0-9]{1,5}")
MOST_GENERATIONS: Final = 10_000
"""Owners that a router can have had, one after the other."""
_entry: Final = lru_cache(Entry)
"""A fleet has few countries: routers share an entry."""


@click.group("registry")
def registry_group() -> None:
    """Keep the list of routers and countries (`regions.registry`). A running collector sees changes within a second."""


Routers = Mapping[Region, Sequence[tuple[str, Entry]]]


class _Office:
    """The registries of the regions served here."""

    def __init__(self, settings: Settings) -> None:
        self._read: dict[Region, Listing] | None = None
        if settings.regions.registry == "none":
            say('regions.registry is "none": the collector does not use this list yet.', style="yellow")
        self._map = region_map(settings)
        regions = settings.regions.enabled
        self.pseudonyms = {region: Pseudonymiser(read_keys(settings.regions.of(region))) for region in regions}
        self.stores = {region: open_registry(settings, region) for region in regions}

    def region(self, country: str) -> Region | str:
        """The region of a country, or what is wrong with it."""
        region = self._map.home(country)
        if isinstance(region, DropReason):
            # If columns were mixed up, this is a router's name.
            found = f"'{country}'" if len(country) <= _LONGEST_CODE else "no country code"
            return f"country: found {found}. {why_no_region(region)}"
        return region if region in self.stores else f"country: '{country}' belongs to {region}, not served here"

    def listed(self, router: str) -> list[tuple[Region, Entry]]:
        """The regions that list a router, by any live key."""
        known = {region: store for region, store in self.stores.items() if store.exists}
        found = ((region, store.of(self._refs(region, router))) for region, store in known.items())
        return [(region, entry) for region, entry in found if entry is not None]

    def read_all(self) -> None:
        """Read every list once, for many look-ups."""
        self._read = {region: read(store, None).listing for region, store in self.stores.items() if store.exists}

    def is_elsewhere(self, router: str, region: Region) -> bool:
        """Whether another region lists a router, by any live key."""
        if self._read is None:
            return any(other is not region for other, _ in self.listed(router))
        others = ((other, listing) for other, listing in self._read.items() if other is not region and listing)
        return any(listing.country(ref) for other, listing in others for ref in self._refs(other, router))

    def _refs(self, region: Region, router: str) -> list[bytes]:
        return self.pseudonyms[region].all_refs("router", router)

    def remove(self, router: str) -> bool:
        """Remove a router from every region's list; whether any had it."""
        known = {region: store for region, store in self.stores.items() if store.exists}
        removed = [store.remove(self._refs(region, router)) for region, store in known.items()]
        return any(removed)

    def put(self, routers: Routers) -> Counter[Region]:
        """Enter routers, region by region; how many were new or changed.

        Raises:
            StoreUnavailable: a region's list could not be written; says which, and which were written before it.
        """
        done = Counter[Region]()
        for region, unordered in routers.items():
            identity, entered = self.pseudonyms[region].identity_anew, self._in_order(region, unordered)
            # The region's commits wait while a page is written: millions at once would keep them from it for minutes.
            for place in range(0, len(entered), PAGE):
                page = [(identity(router), entry) for router, entry in entered[place : place + PAGE]]
                try:
                    done[region] += self.stores[region].put(page)
                except StoreUnavailable as error:
                    far = f"only {place} of its {len(entered)} routers were" if place else "nothing was"
                    others = [other for other in done if other is not region]
                    before = f"; done before it: {', '.join(others)}" if others else ""
                    raise StoreUnavailable(f"{region}: {far} entered{before}: {error}", error.cause) from error
        return done

    def _in_order(self, region: Region, routers: Sequence[tuple[str, Entry]]) -> Sequence[tuple[str, Entry]]:
        """As the store has them: a page of them then changes one part of its table, and not all of it."""
        ref = self.pseudonyms[region].ref
        return sorted(routers, key=lambda one: ref("router", one[0]))


@registry_group.command()
@click.argument("router", metavar="ROUTER")
@click.option("--country", type=Country(), metavar="CC", required=True, help="Its country, ISO 3166-1 alpha-2.")
@click.option(
    "--generation",
    type=click.IntRange(1, MOST_GENERATIONS),
    default=1,
    show_default=True,
    help="Which of its owners; 1 is the first.",
)
@config_option
def add(router: str, country: str, generation: int, config: Path | None) -> None:
    """Enter ROUTER (the name in its topics), or change its country within the region."""
    office = _Office(settings_of(config))
    entry, region = Entry(country, generation), _checked(office, router, country)
    changed = office.put({region: [(router, entry)]})
    say(f"{'entered' if changed.total() else 'already there'}: {country}, {region}")


@registry_group.command()
@click.argument("router", metavar="ROUTER")
@config_option
def remove(router: str, config: Path | None) -> None:
    """Remove ROUTER from the list. Its consent and its records stay: for those there is `ueip exit`."""
    if not _Office(settings_of(config)).remove(router):
        say("not on the list")
        raise SystemExit(1)
    say("removed")


@registry_group.command()
@click.argument("router", metavar="ROUTER")
@config_option
def show(router: str, config: Path | None) -> None:
    """Show what the list says of ROUTER."""
    found = _Office(settings_of(config)).listed(router)
    if not found:
        say("not on the list")
        raise SystemExit(1)
    for region, entry in found:
        out().print(f"{region}: country {entry.country}, generation {entry.generation}")


@registry_group.command("import")
@click.argument("file", metavar="CSV", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@config_option
def import_(file: Path, config: Path | None) -> None:
    """Enter all routers of CSV, a file whose header has router,country and perhaps generation.

    If any line has a fault, none is entered. Of a long file, some thousand routers are entered at a time: if a store
    could not be reached (exit code 3), import the same file again.
    """
    office = _Office(settings_of(config))
    office.read_all()
    faults: list[str] = []
    routers = _read(file, office, faults)
    if faults:
        more = [f"{file}: {len(faults) - _MOST_FAULTS} more faults"] if len(faults) > _MOST_FAULTS else []
        raise DataFault([*faults[:_MOST_FAULTS], *more])
    changed = office.put(routers)
    say(f"{sum(map(len, routers.values()))} routers read, {changed.total()} entered or changed")


def _checked(office: _Office, router: str, country: str) -> Region:
    region = office.region(country)
    if not ROUTER.fullmatch(router):
        raise CollectorError("ROUTER: expected the name in its topics: 1 to 64 of A-Z a-z 0-9 . _ -")
    if not isinstance(region, Region):
        raise CollectorError(region)
    if office.is_elsewhere(router, region):
        raise CollectorError("ROUTER is in another region's list. Moving it needs a new join (R23): remove it first.")
    return region


def _read(file: Path, office: _Office, faults: list[str]) -> Routers:
    """The rows that are in order, by region.

    Raises:
        DataFault: the file as a whole cannot be read; faults of single rows go to *faults*.
    """
    found: dict[Region, list[tuple[str, Entry]]] = {}
    try:
        for router, entry, region in _rows(file, office, faults):
            found.setdefault(region, []).append((router, entry))
    except UnicodeDecodeError:
        raise DataFault([f"{file}: found text that is not UTF-8, expected UTF-8. Save it as UTF-8."]) from None
    except csv.Error as error:
        raise DataFault([f"{file}: {error}. Expected lines of comma-separated values."]) from None
    except OSError as error:
        raise DataFault([f"{file}: cannot be read: {error.strerror}"]) from None
    return found


def _rows(file: Path, office: _Office, faults: list[str]) -> Iterator[tuple[str, Entry, Region]]:
    """The rows that are in order; a fault says its line and nothing of the router."""
    seen: dict[str, tuple[int, Entry]] = {}
    with file.open(newline="", encoding="utf-8-sig") as text:
        rows = csv.DictReader(text)
        if missing := set(_COLUMNS).difference(rows.fieldnames or ()):
            raise DataFault([f"{file}: line 1: found no column {', '.join(sorted(missing))}. Add a header."])
        for row in rows:
            try:
                router, entry, region = _entered(row, office)
                _check_once(router, entry, rows.line_num, seen)
            except CollectorError as error:
                faults.append(f"{file}: line {rows.line_num}: {error}")
            else:
                yield router, entry, region


def _check_once(router: str, entry: Entry, line: int, seen: dict[str, tuple[int, Entry]]) -> None:
    first, before = seen.setdefault(router, (line, entry))
    if before != entry:
        raise CollectorError(f"line {first} says something else of the same router. Remove one of them.")


def _entered(row: Mapping[str, str | None], office: _Office) -> tuple[str, Entry, Region]:
    """What a row says.

    Raises:
        CollectorError: it has a fault.
    """
    router, country, number = (row.get(name) or "" for name in (*_COLUMNS, "generation"))
    region = _checked(office, router, country)
    if number and not (_NUMBER.fullmatch(number.strip()) and 1 <= int(number) <= MOST_GENERATIONS):
        raise CollectorError(f"generation: expected a whole number, 1 to {MOST_GENERATIONS}")
    return router, _entry(country, int(number or 1)), region
