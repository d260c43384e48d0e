"""The registry: the deployment's own list of routers and the countries they belong to (D17; catalogue 3.2, step 2).

Rule 1: a router is listed by its pseudonym; each region lists its own routers and no others.
Rule 2: what the registry says wins over what a message says, and a message that says otherwise is refused.
"""

from collections.abc import Mapping

from collector.model import DropReason, Region, Sealed
from collector.pseudonym import Pseudonymiser


class Entry(Sealed, frozen=True, gc=False):
    """A router of the registry: ISO 3166-1 alpha-2 code, and the number of its owner, the first being 1."""

    country: str
    generation: int = 1


Entries = Mapping[bytes, Entry]
"""By the router's pseudonym."""


class Registry:
    """The registries of the regions served here, in memory."""

    def __init__(self, pseudonyms: Mapping[Region, Pseudonymiser], *, required: bool) -> None:
        """*required* refuses routers that no registry lists."""
        self._pseudonyms = pseudonyms
        self._required = required
        self._entries: dict[Region, Entries] = {}

    def learn(self, region: Region, entries: Entries) -> None:
        """Take what a region's registry holds now."""
        self._entries[region] = entries

    @property
    def is_known(self) -> bool:
        """Whether the registry of every region was read: until then no router can be said to be on none."""
        return self._entries.keys() == self._pseudonyms.keys()

    def country(self, router: str, said: str | None) -> str | DropReason | None:
        """The country by which a message of *router* that says *said* is routed, or why there is none."""
        listed = {entry.country for region in self._entries if (entry := self._entry(region, router))}
        if not listed:
            return DropReason.REGION_UNKNOWN if self._required else said
        if len(listed) > 1 or (said is not None and said not in listed):
            return DropReason.REGION_CONFLICT
        return listed.pop()

    def _entry(self, region: Region, router: str) -> Entry | None:
        entries = self._entries[region]
        if not entries:
            return None
        identity = self._pseudonyms[region].identity(router)
        found = entries.get(identity.device_ref)
        # An entry under a key that was rotated since then counts until it is made again.
        return found or next((entries[ref] for ref in identity.older if ref in entries), None)
