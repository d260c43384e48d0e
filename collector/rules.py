"""Makes the `Rules` of `process` from settings, catalogue and tables, once, at start."""

from collections.abc import Mapping

from collector.config import Settings, read_keys
from collector.consent.gate import GateRules
from collector.consent.standing import ClosedRouters
from collector.errors import DataFault
from collector.fields.catalogue import Catalogue, load_catalogue
from collector.fields.clean import Cleaner
from collector.fields.compiled import Compiled
from collector.fields.names import RefusedNames
from collector.fields.select import Selector
from collector.formats.adapters import make_sources
from collector.formats.consent_event import ConsentDecoder
from collector.formats.report import ReportDecoder
from collector.model import Region
from collector.pipeline import Rules
from collector.products import load_products
from collector.pseudonym import Pseudonymiser
from collector.regions import RegionMap, load_region_tables
from collector.registry import Registry
from collector.stores.plan import ConsentRules


def make_rules(settings: Settings, catalogue: Catalogue | None = None) -> Rules:
    """The rules that these settings make.

    Raises:
        DataFault: a data file has faults.
    """
    return assemble(
        settings,
        {region: Pseudonymiser(read_keys(settings.regions.of(region))) for region in settings.regions.enabled},
        catalogue,
    )


def assemble(
    settings: Settings, pseudonyms: Mapping[Region, Pseudonymiser], catalogue: Catalogue | None = None
) -> Rules:
    """As `make_rules`, with pseudonyms made elsewhere; they say which regions are served."""
    compiled = Compiled(catalogue or load_catalogue())
    cleaner = Cleaner(compiled, RefusedNames(compiled.catalogue))
    limits = {"max_bytes": settings.limits.max_message_bytes, "max_depth": settings.limits.max_depth}
    return Rules(
        reports=ReportDecoder(compiled, cleaner, **limits),
        consents=ConsentDecoder(**limits),
        regions=region_map(settings),
        gate=gate_rules(settings),
        selector=Selector(compiled),
        products=load_products(),
        pseudonyms=pseudonyms,
        closed={region: ClosedRouters() for region in pseudonyms},
        sources=make_sources(settings.sources, compiled, cleaner, settings.limits.max_depth),
        registry=registry_of(settings, pseudonyms),
    )


def registry_of(settings: Settings, pseudonyms: Mapping[Region, Pseudonymiser]) -> Registry | None:
    """The registry, where the deployment has one."""
    if settings.regions.registry == "none":
        return None
    return Registry(pseudonyms, required=settings.regions.registry == "required")


def region_map(settings: Settings) -> RegionMap:
    """The region tables, with the countries that the settings block."""
    tables = load_region_tables(settings.regions.tables)
    blocked = tuple(dict.fromkeys((*tables.blocked, *settings.regions.blocked)))
    known = {country for countries in tables.countries.model_dump().values() for country in countries}
    if unknown := [country for country in blocked if country not in known]:
        raise DataFault(
            f"regions.blocked: found {country!r}, expected a country code of ISO 3166-1 (the United Kingdom is GB). "
            f"Correct it, or remove it: routers of no country are refused anyway."
            for country in unknown
        )
    return RegionMap(tables.model_copy(update={"blocked": blocked}))


def gate_rules(settings: Settings) -> GateRules:
    """What the gate goes by, times in milliseconds."""
    return GateRules(
        accepted_policies=frozenset(settings.consent.policy_versions),
        current_policy=settings.consent.policy_versions[-1],
        max_age=int(settings.limits.max_age_hours * 3_600_000),
        max_ahead=int(settings.limits.max_ahead_seconds * 1000),
        by_ledger=settings.consent.mode == "registered",
    )


def consent_rules(settings: Settings) -> ConsentRules:
    """How the ledgers are kept."""
    return ConsentRules(
        mode=settings.consent.mode,
        erase_on_exit=settings.consent.on_exit == "erase",
        policy=settings.consent.policy_versions[-1],
    )
