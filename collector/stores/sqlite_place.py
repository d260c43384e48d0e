"""A region's SQLite file, as commands look at it."""

from collections.abc import Collection
from pathlib import Path

from collector.consent.ledger import Head
from collector.errors import Cause, StoreUnavailable, StoreUnusable
from collector.model import Region
from collector.stores import Store
from collector.stores.missing import check_there, is_there
from collector.stores.places import RegistryStore
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_faults import unwritable
from collector.stores.sqlite_registry import SQLiteRegistry
from collector.stores.sqlite_schema import inspect
from collector.stores.sqlite_verify import read_head, verify
from collector.stores.verified import Expected, Verified


class SQLitePlace:
    """As `Place`."""

    def __init__(self, path: Path, region: Region, key_ids: Collection[str], witness: Path, look_back: int) -> None:
        """*witness* is the file that tells whether there was a store; *look_back* is as for `Scrubber`."""
        self.region = region
        self.setting = f"regions.{region}.store"
        self._path = path
        self._key_ids = key_ids
        self._witness = witness
        self._look_back = look_back

    def is_there(self) -> bool:
        """As `Place.is_there`."""
        return is_there(self._path, self._witness)

    def check_there(self) -> None:
        """As `Place.check_there`."""
        check_there(self._path, self._witness)

    def store(self, rules: ConsentRules, *, anew: bool) -> Store:
        """As `Place.store`."""
        witness = None if anew else self._witness
        return SQLiteStore(self._path, self.region, rules, self._key_ids, witness, self._look_back)

    def registry(self) -> RegistryStore:
        """As `Place.registry`."""
        return SQLiteRegistry(self._path, self.region, self._key_ids, self._witness)

    def inspect(self, versions: Collection[str]) -> None:
        """As `Place.inspect`."""
        try:
            is_there = self.is_there()
        except StoreUnavailable as error:
            raise StoreUnusable(str(error), error.cause) from error
        if why := unwritable(self._path):
            raise StoreUnusable(why, Cause.READ_ONLY)
        if is_there and self._path.stat().st_size:  # an empty file becomes a store
            inspect(self._path, self.region, self._key_ids, versions)

    def verify(self, expected: Expected) -> Verified:
        """As `Place.verify`."""
        return verify(self._path, self.region, expected)

    def head(self) -> Head:
        """As `Place.head`."""
        return read_head(self._path, self.region)
