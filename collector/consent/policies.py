"""The versions of the notice, and what each change of it does to the consents given before (catalogue 4.7).

Rule 1: a consent holds until a version that closes takes effect after it; from then on it is outdated. Nothing is
        written for that: it follows from the consent's version, the time of receipt and the versions of the notice.
Rule 2: a version that is not known here counts for nothing.
Rule 3: what a router declares opens nothing that its owner's consent does not: it can only refuse.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, Literal

from collector.consent.standing import Standing, State
from collector.model import Region, Sealed

Change = Literal["first", "editorial", "minor", "major"]
Reason = Literal["M1", "M2", "M3", "M4", "M5", "M6", "M7", "M8"]
NOTICE_ONLY: Final = frozenset({"M5"})
"""Changes that people must be told of, though their consent goes on: another contact does not worsen their position."""
NEVER: Final = 1 << 62
"""A time that does not come."""


class Policy(Sealed, frozen=True):
    """One version of the notice; `fields` and `countries` are all that it names, its predecessors' included."""

    version: str
    published_at: int
    effective_at: int
    change: Change
    reasons: tuple[Reason, ...]
    texts: Mapping[str, str]
    """SHA-256 of the text, hex, by language."""
    purposes: tuple[str, ...]
    recipients: tuple[str, ...]
    fields: Mapping[str, str]
    """What may be collected: the treatment of every field and input by its name, and `event` for a kind of event."""
    countries: Mapping[str, Region]
    """Where a country's records are stored."""

    @property
    def storage_regions(self) -> frozenset[Region]:
        """The regions that the text names."""
        return frozenset(self.countries.values())

    def closes(self, *, strict: bool) -> bool:
        """Whether consents to older versions end when this one takes effect."""
        return self.change == "major" and (strict or not NOTICE_ONLY.issuperset(self.reasons))


class Policies:
    """All versions of the notice, oldest first."""

    def __init__(self, versions: Sequence[Policy], *, strict: bool = False) -> None:
        """With *strict* a change that people only have to be told of (M5) closes, too."""
        self.versions = tuple(versions)
        self._strict = strict
        self._known = {policy.version: policy for policy in versions}
        closing = [number for number, policy in enumerate(versions) if self.closes(policy)]
        self.closing = bool(closing)
        """Whether any consent ends; if not, none to a known version is ever outdated."""
        # Between two versions of one era none closes.
        self._era = {policy.version: bisect_right(closing, number) for number, policy in enumerate(versions)}
        ends = [*(versions[number].effective_at for number in closing), NEVER]
        self.ends: Mapping[str, int] = {version: ends[era] for version, era in self._era.items()}
        """When consent to a version ends, in milliseconds; `NEVER` for one that holds. One not listed never held."""

    @property
    def first(self) -> Policy:
        """The version that counts for a router that declares none: a newer one would have to be shown (002 L127)."""
        return self.versions[0]

    def get(self, version: str) -> Policy | None:
        """The version of this name."""
        return self._known.get(version)

    def knows(self, standings: Mapping[bytes, Standing]) -> bool:
        """Whether all these consents are to versions that are known here."""
        return {standing.policy_version for standing in standings.values()} <= self._known.keys()

    def closes(self, policy: Policy) -> bool:
        """Whether consents to older versions end when this one takes effect."""
        return policy.closes(strict=self._strict)

    def in_force(self, at: int) -> Policy | None:
        """The version in effect at a time."""
        return next((policy for policy in reversed(self.versions) if policy.effective_at <= at), None)

    def counts(self, version: str, at: int) -> bool:
        """Whether somebody may join under a version: it is published and no later one has closed it.

        A version may be joined before it takes effect, so that the change interrupts nobody who was asked in time.
        """
        policy = self._known.get(version)
        if policy is None or at < max(policy.published_at, self.first.effective_at):
            return False
        return at < self.ends[version]

    def outdated(self, version: str, at: int) -> bool:
        """Whether a consent to a version is over for what is received at a time."""
        return at >= self.ends.get(version, 0)

    def admits(self, agreed: str, declared: str | None, at: int) -> bool:
        """Whether a report received at a time may be kept under a consent (G5).

        What it declares may differ from what was agreed by changes that close nothing; anything else waits for the
        event that says the owner agreed (K25).
        """
        if self.outdated(agreed, at):
            return False
        return declared is None or self._era.get(declared) == self._era[agreed]

    def state(self, standing: Standing, at: int) -> State:
        """The state of a router at a time: `outdated` is no entry of the ledger, it is worked out here (4.4)."""
        if standing.state is State.JOINED and self.outdated(standing.policy_version, at):
            return State.OUTDATED
        return standing.state
