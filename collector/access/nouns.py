"""The nouns of looking: who looks, what they ask to be shown, and the one function that says whether they may.

Rule 1: an `Allowed` is made by `may` and nowhere else; whatever shows something takes one, so forgetting to ask is a
        type error. What is shown is of the region named in it, never of another that a request names.
Rule 2: what `TABLE` does not grant is refused: a new role or right allows nothing until somebody writes it down.
Rule 3: a reader of one region cannot read another (O70): looking from elsewhere is a transfer.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from collector.model import PURPOSE, Region, Sealed


class Role(StrEnum):
    """What an account is for (O81)."""

    OPERATOR = "operator"
    """Keeps the collector running: numbers and health, never a router."""
    ENGINEER = "engineer"
    """Finds out what is wrong with a router of their regions, for a reason that they state."""
    PRIVACY_OFFICER = "privacy_officer"
    """Answers for consent and erasure; sees no diagnosis."""
    AUDITOR = "auditor"
    """Reads the audit log, and nothing else."""
    TERMINAL = "terminal"
    """Whoever runs commands on the machine with the keys in hand. No account can have it."""


ACCOUNT_ROLES: Final = tuple(role for role in Role if role is not Role.TERMINAL)
"""The roles that can be given to somebody."""


class Right(StrEnum):
    """What somebody asks to be shown. Every page and every route of the API asks for one."""

    HEALTH = "health"
    """Numbers and the state of a region's parts; nothing personal (F10)."""
    FLEET = "fleet"
    """Faults over groups of ten routers or more (O25)."""
    LOOKUP = "lookup"
    """Whether a router is known by what a customer reads out."""
    DIAGNOSIS = "diagnosis"
    """Findings, charts and timeline of one router."""
    RECORDS = "records"
    """The records of one router."""
    CONSENT = "consent"
    """What the ledger says of one router: its state, since when, under which version of the notice."""
    AUDIT = "audit"
    """The audit log of a region; without a region, that of accounts and sign-ins."""


OWNERS_RIGHTS: Final = "rights_of_the_owner"
"""The aim of a privacy officer: an owner asks what is known of their router, or what became of it."""
MOST_PURPOSE_MILLISECONDS: Final = 8 * 3_600_000
"""No reason holds for longer than a working day, whatever it was given for."""


class Purpose(Sealed, frozen=True):
    """Why somebody looks, from when until when. `aim` is the purpose: records serve one and no other (O03)."""

    text: str
    ticket: bool
    """Whether the text is the number of a ticket rather than a sentence."""
    given_at: int
    until: int
    aim: str = PURPOSE

    def holds(self, now: int) -> bool:
        """Whether it is in force at *now*, in milliseconds."""
        return self.given_at <= now < min(self.until, self.given_at + MOST_PURPOSE_MILLISECONDS)


class Viewer(Sealed, frozen=True):
    """Somebody who was authenticated. `source` says how: `local`, `oidc` or `terminal`."""

    name: str
    role: Role
    regions: frozenset[Region]
    source: str = "local"


class Session(Sealed, frozen=True):
    """A sign-in that has not ended. Of the id in the cookie only the SHA-256 is kept, in hex."""

    digest: str
    viewer: Viewer
    begun_at: int
    seen_at: int
    csrf: str
    """What a form must carry to change anything."""
    stamp: str = ""
    """The account's stamp at sign-in: the session ends when the account has a new one."""
    purpose: Purpose | None = None


class Grant(Sealed, frozen=True):
    """How far a role has a right: in the viewer's own regions or `anywhere`, and for which `aim`, if it needs one."""

    anywhere: bool = False
    aim: str | None = None


_OWN: Final = Grant()
_ANYWHERE: Final = Grant(anywhere=True)
_DIAGNOSE: Final = Grant(aim=PURPOSE)
_ANSWER: Final = Grant(aim=OWNERS_RIGHTS)
TABLE: Final[Mapping[Role, Mapping[Right, Grant]]] = {
    Role.OPERATOR: {Right.HEALTH: _ANYWHERE},
    Role.ENGINEER: {
        # Before they blame a router they ask whether its region is down.
        Right.HEALTH: _ANYWHERE,
        Right.FLEET: _OWN,
        Right.LOOKUP: _DIAGNOSE,
        Right.DIAGNOSIS: _DIAGNOSE,
        Right.RECORDS: _DIAGNOSE,
    },
    Role.PRIVACY_OFFICER: {
        Right.LOOKUP: _ANSWER,
        Right.CONSENT: _ANSWER,
        Right.AUDIT: _OWN,
    },
    Role.AUDITOR: {Right.AUDIT: _OWN},
    # They could read the files anyway; what they look at is written down like everybody else's.
    Role.TERMINAL: dict.fromkeys(Right, _OWN) | {Right.HEALTH: _ANYWHERE},
}
"""Who may see what. Anything not in it is refused."""


class Refusal(StrEnum):
    """Why somebody is shown nothing."""

    ROLE = "role"
    REGION = "region"
    PURPOSE_MISSING = "purpose_missing"
    PURPOSE_OVER = "purpose_over"
    PURPOSE_OTHER = "purpose_other"

    @property
    def meaning(self) -> str:
        """The sentence for whoever asked."""
        return _MEANINGS[self]

    @property
    def by_purpose(self) -> bool:
        """Whether giving a reason or ticket would change the answer."""
        return self in {Refusal.PURPOSE_MISSING, Refusal.PURPOSE_OVER}


_MEANINGS: Final = {
    Refusal.ROLE: "Your role does not include this.",
    Refusal.REGION: "This belongs to a region that is not yours; looking at it from elsewhere would be a transfer.",
    Refusal.PURPOSE_MISSING: "Give a reason or the number of a ticket first.",
    Refusal.PURPOSE_OVER: "The time of your reason is over; give it again if you still need to look.",
    Refusal.PURPOSE_OTHER: "Records may be read for the one purpose that their owners agreed to, and no other.",
}


class Allowed(Sealed, frozen=True):
    """Permission for *viewer* to be shown *right* of *region* at *at*. Only `may` gives it."""

    viewer: Viewer
    right: Right
    region: Region | None
    purpose: Purpose | None
    at: int


class Refused(Sealed, frozen=True):
    """A refusal, for the log and for whoever asked."""

    viewer: Viewer
    right: Right
    region: Region | None
    purpose: Purpose | None
    at: int
    reason: Refusal


def may(
    viewer: Viewer, right: Right, region: Region | None, purpose: Purpose | None = None, *, now: int
) -> Allowed | Refused:
    """Say whether *viewer* may be shown *right* of *region* at *now*, and if not, why not.

    Without a region this is about what belongs to none: health, and the log of accounts and sign-ins.
    """
    reason = _refusal(viewer, right, region, purpose, now)
    if reason is None:
        return Allowed(viewer=viewer, right=right, region=region, purpose=purpose, at=now)
    return Refused(viewer=viewer, right=right, region=region, purpose=purpose, at=now, reason=reason)


def _refusal(viewer: Viewer, right: Right, region: Region | None, purpose: Purpose | None, now: int) -> Refusal | None:
    grant = TABLE.get(viewer.role, {}).get(right)
    if grant is None:
        return Refusal.ROLE
    if not (grant.anywhere or region in viewer.regions or (region is None and right is Right.AUDIT)):
        return Refusal.REGION
    if grant.aim is None:
        return None
    if purpose is None:
        return Refusal.PURPOSE_MISSING
    if purpose.aim != grant.aim:
        return Refusal.PURPOSE_OTHER
    return None if purpose.holds(now) else Refusal.PURPOSE_OVER
