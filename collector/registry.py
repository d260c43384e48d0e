"""The registry: the deployment's own list of routers and the countries they belong to (D17; catalogue 3.2, step 2).

Rule 1: a router is listed by its pseudonym; each region lists its own routers and no others.
Rule 2: what the registry says wins over what a message says, and a message that says otherwise is refused.
"""

from collections.abc import Mapping

from collector.listing import Listing
from collector.model import DropReason, Identity, Region, Sealed
from collector.pseudonym import Pseudonymiser


class Entry(Sealed, frozen=True, gc=False):
    """A router of the registry: ISO 3166-1 alpha-2 code, and the number of its owner, the first being 1."""

    country: str
    generation: int = 1


Everywhere = Mapping[Region, Identity]
"""A router, by each region's pseudonyms."""


class Registry:
    """The registries of the regions served here, in memory."""

    def __init__(self, pseudonyms: Mapping[Region, Pseudonymiser], *, required: bool) -> None:
        """*required* refuses routers that no registry lists."""
        self._pseudonyms = pseudonyms
        self._required = required
        self._listings: dict[Region, Listing] = {}

    def learn(self, region: Region, listing: Listing) -> None:
        """Take what a region's registry holds now."""
        self._listings[region] = listing

    @property
    def is_known(self) -> bool:
        """Whether the registry of every region was read: until then no router can be said to be on none."""
        return self._listings.keys() == self._pseudonyms.keys()

    def country(self, router: str, said: str | None) -> str | DropReason | None:
        """The country by which a message of *router* that says *said* is routed, or why there is none."""
        return self.country_of({region: self._pseudonyms[region].identity(router) for region in self._listings}, said)

    def identities(self, router: str) -> Everywhere:
        """A router as every region knows it, for `country_of`; unlike `country` it remembers nothing."""
        return {region: pseudonyms.identity_anew(router) for region, pseudonyms in self._pseudonyms.items()}

    def country_of(self, router: Everywhere, said: str | None) -> str | DropReason | None:
        """As `country`."""
        found = (_listed(listing, router[region]) for region, listing in self._listings.items())
        listed = {country for country in found if country is not None}
        if not listed:
            return DropReason.REGION_UNKNOWN if self._required else said
        if len(listed) > 1 or (said is not None and said not in listed):
            return DropReason.REGION_CONFLICT
        return listed.pop()


def _listed(listing: Listing, identity: Identity) -> str | None:
    found = listing.country(identity.device_ref)
    if found is not None or not identity.older:
        return found
    # An entry under a key that was rotated since then counts until it is made again.
    return next((found for ref in identity.older if (found := listing.country(ref)) is not None), None)
