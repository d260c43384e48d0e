"""Where the store of a region is, whatever its engine, and what commands ask of it there."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from collector.consent.ledger import Head
from collector.listing import Group
from collector.model import Identity, Region
from collector.registry import Entry
from collector.stores import Store
from collector.stores.plan import ConsentRules
from collector.stores.verified import Expected, Verified


class Changes(NamedTuple):
    """What a registry says since an earlier version."""

    version: int
    countries: Mapping[bytes, str | None]
    """By the router's pseudonym; None for one that is listed no more."""


class RegistryStore(Protocol):
    """Reads and writes the registry of one region: which routers it has, and of which country. Pseudonymous (F5).

    Not on the collector's own loop: a thread may wait for it. Every method raises StoreUnavailable when the store
    cannot be reached or used.
    """

    @property
    def exists(self) -> bool:
        """Whether there is a store at all; what is not there lists nobody."""
        ...

    def version(self) -> int:
        """A number that is a different one after every change, also of a copy of the store; 0 before the first."""
        ...

    def page(self, after: bytes, most: int) -> Sequence[Group]:
        """The routers above a pseudonym, in its order, at most so many; none at the end."""
        ...

    def changes(self, since: int) -> Changes | None:
        """What was changed since a version; None if nobody can tell, and all of it has to be read."""
        ...

    def of(self, refs: Sequence[bytes]) -> Entry | None:
        """The entry of a router known by any of these pseudonyms."""
        ...

    def put(self, routers: Iterable[tuple[Identity, Entry]]) -> int:
        """Enter these routers, each in place of what stood there; how many were new or different from before."""
        ...

    def remove(self, refs: Sequence[bytes]) -> bool:
        """Strike out a router known by any of these pseudonyms; whether it was there."""
        ...


class Place(Protocol):
    """The place of one region's store. Made for commands: each method blocks for as long as it takes.

    All but `store` and `registry` raise StoreUnavailable when it cannot be read now, and StoreUnusable when it is no
    store of this region, or of a newer schema.
    """

    @property
    def region(self) -> Region:
        """Whose store it is."""
        ...

    @property
    def setting(self) -> str:
        """The name of the setting that says where it is."""
        ...

    def is_there(self) -> bool:
        """Whether there is something to look at; what cannot be known without asking counts as being there."""
        ...

    def check_there(self) -> None:
        """Refuse a store that was there and is gone."""
        ...

    def store(self, rules: ConsentRules, *, anew: bool) -> Store:
        """The store, not opened yet, and without its guard; with *anew* a missing one is made all the same."""
        ...

    def registry(self) -> RegistryStore:
        """The region's registry, which lies in its store."""
        ...

    def inspect(self, versions: Collection[str]) -> None:
        """Check without changing anything that it can be opened; *versions* are those of the notice."""
        ...

    def verify(self, expected: Expected) -> Verified:
        """Verify all of it. That it is too damaged to be read is a finding too."""
        ...

    def head(self) -> Head:
        """The end of its ledger."""
        ...
