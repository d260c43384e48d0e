"""What the console shows, as documents: the pages render them, and the API gives the same ones as JSON.

Rule 1: `shape` grows when a member goes, is renamed or changes its meaning; members may be added without that.
Rule 2: times are texts, RFC 3339 in UTC; only those on the axis of charts are seconds since 1970-01-01 UTC.
"""

from enum import StrEnum
from typing import Literal

import msgspec

from collector.diagnosis.document import Document
from collector.diagnosis.marks import Mark
from collector.diagnosis.series import Line, Silence
from collector.diagnosis.survey_document import SurveyDocument
from collector.model import Region, Sealed


class KnownRouter(Sealed, frozen=True):
    """A router found by what was looked up.

    `handle` stands for it in addresses, for as long as the session lasts: neither identifier nor pseudonym goes into
    a URL. `readable` is false if the router is not in the programme now.
    """

    handle: str
    region: Region
    device_ref: str
    readable: bool


class LookupView(Sealed, frozen=True):
    """The routers known by an identifier in the viewer's regions; none is an answer too.

    The stores of the regions in `away` could not be asked, so they may know it too. If no other region knows it, the
    request fails.
    """

    routers: list[KnownRouter]
    away: list[Region] = msgspec.field(default_factory=list)


class SeriesView(Sealed, frozen=True):
    """What a router measured, as lines on one axis of time.

    `times` has the moments of the axis in seconds, ascending; each of `lines` has one value, or null, for each of them.
    A null is unknown; each of `gaps`, times without records, has a moment with nulls only. If `thinned`, every
    stretch of time keeps the lowest and highest value of each line.
    """

    shape: Literal[1]
    region: Region
    device_ref: str
    readable: bool
    since: int
    until: int
    times: list[int]
    lines: list[Line]
    marks: list[Mark]
    gaps: list[Silence]
    thinned: bool


class RouterView(Sealed, frozen=True):
    """All that a router's page shows: its diagnosis, and what it measured over the same time."""

    handle: str
    diagnosis: Document
    series: SeriesView


class ConsentEntry(Sealed, frozen=True):
    """One entry of the ledger about a router."""

    seq: int
    time: str
    action: str
    channel: str
    state: str
    policy_version: str


class ConsentView(Sealed, frozen=True):
    """What the ledger says about a router, oldest first."""

    region: Region
    device_ref: str
    state: str
    since: str
    entries: list[ConsentEntry]


class SurveyFault(StrEnum):
    """Why a survey has no result."""

    STORE = "store"
    INSTALLATION = "installation"
    TOO_LONG = "too_long"
    NOT_STARTED = "not_started"
    ENDED = "ended"
    CRASHED = "crashed"


class SurveyFailure(Sealed, frozen=True):
    """Why a survey has no result, with details.

    `detail` is why a store is closed, in the words of /readyz; the signal that ended its process; or the kind of an
    error and its place. It quotes nothing that is stored, and is empty if there is no more to say.
    """

    fault: SurveyFault
    detail: str = ""


class FleetView(Sealed, frozen=True):
    """What stands out in the fleet of a region, as it was found at `made_at`, `age_seconds` ago.

    A survey of a large fleet takes minutes, so it is made beforehand: `state` is `making` while there is none yet,
    `failed` when the last attempt failed (`survey` is the one before, if there is one, and `failure` says why) and
    `ready` otherwise.
    """

    region: Region
    state: Literal["making", "ready", "failed"]
    made_at: str | None
    age_seconds: int | None
    survey: SurveyDocument | None
    failure: SurveyFailure | None = None


class ThresholdView(Sealed, frozen=True):
    """A threshold of a rule, and where it comes from."""

    name: str
    value: float
    unit: str
    source: str


class RuleView(Sealed, frozen=True):
    """A rule of the diagnosis."""

    id: str
    version: int
    title: str
    severity: str
    meaning: str
    fields: list[str]
    thresholds: list[ThresholdView]
    next: list[str]


class AuditEntryView(Sealed, frozen=True):
    """An entry of an audit log: who asked for what when, why, and how much of which router was shown.

    `whom` is the account that was added, changed or removed, or whose sessions were ended.
    """

    seq: int
    time: str
    who: str
    role: str
    source: str
    what: str
    outcome: str
    device_ref: str | None
    why: str | None
    shown: dict[str, int]
    whom: str | None = None


class AuditView(Sealed, frozen=True):
    """A page of an audit log, newest first; `region` is null for the log of accounts and sign-ins.

    If `more`, there are older entries: ask for those before the last `seq`.
    """

    region: Region | None
    entries: list[AuditEntryView]
    more: bool


class ViewerView(Sealed, frozen=True):
    """Who is signed in, what the session may ask for, and the word that requests which change something must carry."""

    name: str
    role: str
    regions: list[Region]
    rights: list[str]
    csrf: str
    purpose: str | None
    purpose_until: str | None
