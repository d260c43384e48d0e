"""Where a deployment keeps its data: the store, the registry, the witness and the spool of each region."""

from msgspec.structs import replace

from collector.config import Settings, read_keys
from collector.model import Region
from collector.rules import consent_rules
from collector.stores import Store
from collector.stores.ends import End
from collector.stores.guard import GuardedStore
from collector.stores.places import Place, RegistryStore
from collector.stores.plan import ConsentRules
from collector.stores.retention import DAY
from collector.stores.sealing import Sealer
from collector.stores.spool import Spool
from collector.stores.spool_file import SpoolFile
from collector.stores.sqlite_end import SQLiteEnd
from collector.stores.sqlite_place import SQLitePlace
from collector.stores.witness import Witness


def open_store(settings: Settings, region: Region) -> GuardedStore:
    """The store of an enabled region behind its guard, not opened yet."""
    witness, place = witness_of(settings, region), place_of(settings, region)

    def made() -> Store:
        # The keys are those that were read at the start: their files may be gone with the store's disk.
        return place.store(_rules_of(settings, region), anew=False)

    return GuardedStore(made, region, witness, settings.consent.witness_days)


def plain_store(settings: Settings, region: Region, *, anew: bool = True) -> Store:
    """The store itself, for repairing it; nothing tells whether its ledger is the right one.

    With *anew* a missing one is made, whatever there was before.
    """
    return place_of(settings, region).store(_rules_of(settings, region), anew=anew)


def _rules_of(settings: Settings, region: Region) -> ConsentRules:
    """How the region's ledger is kept, by the notice as its file has it now."""
    return replace(consent_rules(settings), retention=settings.regions.of(region).retention_days * DAY)


def open_registry(settings: Settings, region: Region) -> RegistryStore:
    """The registry of an enabled region, in its store."""
    return place_of(settings, region).registry()


def place_of(settings: Settings, region: Region) -> Place:
    """Where the store of an enabled region is."""
    own, look_back = settings.regions.of(region), settings.comes_again_milliseconds
    key_ids = [key.key_id for key in read_keys(own)]
    if own.postgresql is None:
        return SQLitePlace(own.file, region, key_ids, settings.regions.witness_of(region), look_back)
    # Here, and not above: whoever has no such store need not have its driver.
    if own.clickhouse is not None:
        from collector.stores.clickhouse_place import ClickHousePlace  # noqa: PLC0415

        return ClickHousePlace(own.postgresql, own.clickhouse, region, key_ids, look_back)
    from collector.stores.postgres_place import PostgresPlace  # noqa: PLC0415

    return PostgresPlace(own.postgresql, region, key_ids, look_back)


def end_of(settings: Settings, region: Region, *, admin: str, anew: bool) -> End:
    """The store of an enabled region as one end of a move; *admin* signs in to PostgreSQL, *anew* is for a target."""
    own, rules = settings.regions.of(region), consent_rules(settings)
    key_ids = [key.key_id for key in read_keys(own)]
    if own.postgresql is None:
        return SQLiteEnd(own.file, region, key_ids, rules, None if anew else settings.regions.witness_of(region))
    # The password that the settings name is the collector's, not that of whoever signs in here.
    database = own.postgresql.model_copy(update={"password_file": None})
    if own.clickhouse is not None:
        from collector.stores.clickhouse_end import ClickHouseEnd  # noqa: PLC0415 - as above

        return ClickHouseEnd(database, own.clickhouse, region, key_ids, rules, admin)
    from collector.stores.postgres_end import PostgresEnd  # noqa: PLC0415

    return PostgresEnd(database, region, key_ids, rules, admin)


def witness_of(settings: Settings, region: Region) -> Witness:
    """The witness of an enabled region's ledger."""
    return Witness(settings.regions.witness_of(region), region)


def open_spool(settings: Settings, region: Region) -> Spool:
    """The spool of an enabled region, not opened yet."""
    own, limits = settings.regions.of(region), settings.spool
    beside = place_of(settings, region).check_there
    file = SpoolFile(own.spool_folder, region, Sealer(read_keys(own), region), limits.max_bytes, beside)
    return Spool(
        file,
        region,
        max_bytes=limits.max_bytes,
        after_seconds=limits.after_seconds,
        known_routers=limits.known_routers,
    )
