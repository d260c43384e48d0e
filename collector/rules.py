"""Makes the `Rules` of `process` from settings, catalogue and tables, once, at start."""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from collector.config import Settings, read_keys
from collector.config_files import content_of
from collector.config_section import Unread
from collector.consent.gate import GateRules
from collector.consent.policies import Policies
from collector.consent.policy_file import load_policies
from collector.consent.standing import ClosedRouters
from collector.derive import DERIVED
from collector.errors import Cause, DataFault, StoreUnavailable
from collector.fields.catalogue import Catalogue, load_catalogue
from collector.fields.clean import Cleaner
from collector.fields.compiled import Compiled
from collector.fields.names import RefusedNames
from collector.fields.select import Selector
from collector.formats.adapters import make_sources
from collector.formats.consent_event import ConsentDecoder
from collector.formats.report import ReportDecoder
from collector.model import Region
from collector.notice import collected, left_out, notice_faults, tables_in_time
from collector.pipeline import Rules
from collector.products import load_products
from collector.pseudonym import Pseudonymiser
from collector.regions import RegionMap, RegionTables, load_region_tables
from collector.registry import Registry
from collector.stores.plan import ConsentRules

T = TypeVar("T")


def make_rules(settings: Settings, catalogue: Catalogue | None = None) -> Rules:
    """The rules that these settings make.

    Raises:
        DataFault: a data file has faults, or the collector would do what the notice does not say.
    """
    return assemble(
        settings,
        {region: Pseudonymiser(read_keys(settings.regions.of(region))) for region in settings.regions.enabled},
        catalogue,
    )


def assemble(
    settings: Settings,
    pseudonyms: Mapping[Region, Pseudonymiser],
    catalogue: Catalogue | None = None,
    *,
    now: int | None = None,
) -> Rules:
    """As `make_rules`, with pseudonyms made elsewhere, which say which regions are served, and as of *now*."""
    now, catalogue = int(time.time() * 1000) if now is None else now, catalogue or load_catalogue()
    faults: list[str] = []
    noticed = _noticed(settings, catalogue, now, faults, lambda _: None)
    if faults or noticed is None:
        raise DataFault(faults)
    policies, tables = noticed
    compiled = Compiled(collected(policies, catalogue, now))
    cleaner = Cleaner(compiled, RefusedNames(compiled.catalogue))
    out = left_out(catalogue, compiled.catalogue)
    limits = {"max_bytes": settings.limits.max_message_bytes, "max_depth": settings.limits.max_depth}
    return Rules(
        reports=ReportDecoder(compiled, cleaner, **limits),
        consents=ConsentDecoder(**limits),
        regions=_map_in_time(policies, tables, now),
        gate=gate_rules(settings, policies),
        selector=Selector(compiled),
        products=load_products(),
        pseudonyms=pseudonyms,
        closed={region: ClosedRouters() for region in pseudonyms},
        sources=make_sources(settings.sources, compiled, cleaner, settings.limits.max_depth, out),
        registry=registry_of(settings, pseudonyms),
    )


def data_faults(settings: Settings) -> list[str]:
    """What is wrong with the tables and the notice, and between them, even if the settings were read only in part.

    Files that cannot be read at all are reported with the settings that name them.
    """
    faults: list[str] = []
    with suppress(Unread):  # strict or not, the faults are the same
        settings = settings.model_copy(update={"consent": settings.consent.model_copy(update={"strict": False})})
    _noticed(settings, load_catalogue(), int(time.time() * 1000), faults, _told_with_settings)
    return faults


def _told_with_settings(file: Path | None) -> None:
    if file is not None and isinstance(content_of(file), str):
        raise Unread(file)


def _noticed(
    settings: Settings, catalogue: Catalogue, now: int, faults: list[str], look: Callable[[Path | None], None]
) -> tuple[Policies, RegionTables] | None:
    """The versions of the notice and the region tables, if both can be used; all their faults are added to *faults*.

    *look* is called with each file before it is read.
    """

    def made(file: Callable[[], Path | None], make: Callable[[Settings], T]) -> T | None:
        with suppress(Unread):
            look(file())
            try:
                return make(settings)
            except DataFault as fault:
                faults.extend(fault.faults)
        return None

    policies = made(lambda: settings.consent.policies, policies_of)
    tables = made(lambda: settings.regions.tables, region_tables)
    if policies is None or tables is None:
        return None
    faults.extend(notice_faults(policies, catalogue, tables, now, _derived(settings)))
    return policies, tables


def _derived(settings: Settings) -> frozenset[str]:
    # Routers of other formats seldom send events themselves: these are derived from two samples.
    with suppress(Unread):
        return DERIVED if settings.sources else frozenset()
    return frozenset()


def registry_of(settings: Settings, pseudonyms: Mapping[Region, Pseudonymiser]) -> Registry | None:
    """The registry, where the deployment has one."""
    if settings.regions.registry == "none":
        return None
    return Registry(pseudonyms, required=settings.regions.registry == "required")


def region_map(settings: Settings) -> RegionMap:
    """Which region a country belongs to, now and from later times on, and which are refused.

    Raises:
        DataFault: the tables or the versions of the notice have faults.
    """
    return _map_in_time(policies_of(settings), region_tables(settings), int(time.time() * 1000))


def _map_in_time(policies: Policies, tables: RegionTables, now: int) -> RegionMap:
    (_, current), *later = tables_in_time(policies, tables, now)
    return RegionMap(current, later)


def region_tables(settings: Settings) -> RegionTables:
    """The region tables, with the countries that the settings block.

    Raises:
        DataFault: they have faults, or no country has the code of a blocked one.
    """
    tables = load_region_tables(settings.regions.tables)
    blocked = tuple(dict.fromkeys((*tables.blocked, *settings.regions.blocked)))
    known = {country for countries in tables.countries.model_dump().values() for country in countries}
    if unknown := [country for country in blocked if country not in known]:
        raise DataFault(
            f"regions.blocked: found {country!r}, expected a country code of ISO 3166-1 (the United Kingdom is GB). "
            f"Correct it, or remove it: a country that is unknown is refused anyway."
            for country in unknown
        )
    return tables.model_copy(update={"blocked": blocked})


def policies_of(settings: Settings) -> Policies:
    """The versions of the notice.

    Raises:
        DataFault: their file has faults.
    """
    return load_policies(settings.consent.policies, strict=settings.consent.strict)


def policies_now(settings: Settings) -> Policies:
    """The versions of the notice as their file has them now, for callers that read them again and again.

    Raises:
        StoreUnavailable: it cannot be read, or has faults, as it may while somebody writes it.
    """
    try:
        return policies_of(settings)
    except DataFault as fault:
        raise StoreUnavailable(str(fault), Cause.BAD_NOTICE) from None


def gate_rules(settings: Settings, policies: Policies) -> GateRules:
    """What the gate goes by, times in milliseconds."""
    return GateRules(
        policies=policies,
        mode=settings.consent.mode,
        max_age=int(settings.limits.max_age_hours * 3_600_000),
        max_ahead=int(settings.limits.max_ahead_seconds * 1000),
        by_ledger=settings.consent.mode == "registered",
    )


def consent_rules(settings: Settings) -> ConsentRules:
    """How the ledgers are kept.

    Raises:
        StoreUnavailable: the file of the notice cannot be read, or has faults.
    """
    return ConsentRules(
        mode=settings.consent.mode,
        erase_on_exit=settings.consent.on_exit == "erase",
        policies=policies_now(settings),
        listed_only=settings.regions.registry == "required",
    )
