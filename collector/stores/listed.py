"""How a region's registry is read from its store: all of it page by page, afterwards only what was changed.

Rule 1: of changes there is a log, whose rows tell which routers a version changed. It may end at any time, be cut or be
        lost: whoever finds the version he knows, or the present one, not in it reads everything again.
Rule 2: a version is a number that never comes twice, in no copy of the store either: one that was restored is another.
"""

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from collector.listing import Group, Listing, last_of
from collector.stores.places import Changes, RegistryStore

PAGE: Final = 20_000
"""Routers that are read, or entered, at a time."""
MOST_CHANGES: Final = 100_000
"""Changed routers of which the log knows; reading all of them anew would cost no more."""
_VERSION_BITS: Final = 62


class Known(NamedTuple):
    """A registry as it was read."""

    version: int
    listing: Listing


def read(store: RegistryStore, known: Known | None) -> Known:
    """The registry as it is now, which was *known* before; the same if nothing changed.

    Raises:
        StoreUnavailable: it cannot be read now.
    """
    changes = None if known is None else store.changes(known.version)
    while known is None or changes is None:
        # The version first. Pages are read one after the other; what was changed meanwhile is then read once more.
        known = Known(store.version(), Listing.of(_pages(store)))
        changes = store.changes(known.version)
    if changes.version == known.version:
        return known
    return Known(changes.version, known.listing.changed(changes.countries))


def _pages(store: RegistryStore) -> Iterator[Sequence[Group]]:
    after = b""
    while page := store.page(after, PAGE):
        yield page
        after = last_of(page)


def new_version() -> int:
    """A version for a change."""
    return secrets.randbits(_VERSION_BITS)


def changes_of(known: int, noted: int, log: Sequence[Sequence[Any]]) -> Changes | None:
    """The changes between two versions, by the rows of the log from the first one on; None if it does not have both.

    *log* may go on beyond *noted*. What it says of a router then is newer, and is read once more with the next version.
    """
    if not {known, noted} <= {version for version, _, _ in log}:
        return None
    return Changes(noted, {ref: country for _, ref, country in log if ref is not None})
