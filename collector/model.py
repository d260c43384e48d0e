"""The nouns of the collector.

Rule 1: every noun is frozen and its repr shows no field value, so that no traceback, log line or test failure can
        carry what a router sent.
Rule 2: a `Consented` or `ConsentedPlain` is built in `collector.consent.gate` only; what builds records takes nothing
        else, so forgetting the gate is a type error.
Rule 3: times are server times in milliseconds since 1970-01-01 UTC unless a name says otherwise.
"""

from collections.abc import Sequence
from enum import Enum, StrEnum
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from collector.reasons import DropReason as DropReason  # noqa: PLC0414 - a noun like the others, to import from here

PURPOSE = "remote_fault_diagnosis"
"""The one purpose records may serve (003 I L6, L14)."""
RECIPIENTS: tuple[str, ...] = ()
"""Who else is given records: nobody (003 II L19). The notice must name whoever is added (4.7, M3)."""
POLICY_VERSION = r"^[A-Za-z0-9._-]{1,32}$"
"""What the version of a notice may look like."""


class Sealed(msgspec.Struct, frozen=True, gc=False):
    """A frozen noun whose repr names its type and nothing else."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> Any:
        return iter(())


class Region(StrEnum):
    """Where records are stored (D16). There is no default region."""

    HONG_KONG = "hong_kong"
    GERMANY = "germany"
    CHINA = "china"


class Removal(StrEnum):
    """Why a key of a message that is kept was not copied into the record."""

    LOCAL_ONLY = "local_only"
    """Must never leave the router (D11): the firmware is at fault, an operator should know."""
    NOT_COLLECTED = "not_collected"
    """Known, and of no use to the programme."""
    UNKNOWN = "unknown"
    """Not in the catalogue."""
    INVALID = "invalid"
    """In the catalogue, with a value outside its type or bounds."""


class Message(Sealed, frozen=True, gc=False):
    """What arrived. Nothing in it is trusted, and of what routers write only topic and payload are ever read.

    `sender` is the one user property in which, by the settings, the broker names the sender. `replayed` is true of a
    retained message that came with the subscription: nobody knows how long the broker had it.
    """

    topic: str
    payload: bytes
    retained: bool
    received_at: int
    replayed: bool = False
    sender: str | None = None


class Identity(Sealed, frozen=True, gc=False):
    """The router as one region knows it: pseudonyms by the current key and by each older live key."""

    device_ref: bytes
    key_id: str
    older: tuple[bytes, ...] = ()


class Flag(Enum):
    """What the one declared place of the flag says (D1)."""

    YES = "yes"
    NO = "no"
    ABSENT = "absent"
    INVALID = "invalid"
    NONE = "none"  # the format has no place for one: the ledger alone decides (D3)


class Part(NamedTuple):
    """A value that makes sense only with others: a counter, or one of several instances sent one by one.

    `field` is group and name; `key` tells instances apart and is not the router's own name for them; together they
    make no value above `most` (F3).
    """

    field: str
    key: str
    value: Any
    most: float
    combine: str = "sum"


class Report(Sealed, frozen=True, gc=False):
    """A decoded message of a router, before it is decided whether it may be kept.

    `content` is the decoded tree of the format, and holds nothing that is not in the catalogue; `removed` counts what
    was left out, by `Removal`. `time` is when it was measured, `age` how long ago by the router's uptime, in
    milliseconds; `arrived` is true when `time` is that of the message's arrival, for want of the router's own.
    `suspect_plmn` is true when a serving network is named in a way that cannot be read, `names_another` when the
    payload names another router. `counters` make sense only with the next sample; None in a format that sends events.
    `parts` make a value with those of other messages of the `interval` that begins then; a message without is whole.
    """

    router: str
    format: str
    message_id: str | None
    schema_version: int | None
    flag: Flag
    policy_version: str | None
    country: str | None
    time: int | None
    age: int | None
    plmns: tuple[str, ...]
    suspect_plmn: bool
    names_another: bool
    content: Any
    removed: tuple[tuple[Removal, int], ...] = ()
    counters: tuple[Part, ...] | None = None
    parts: tuple[Part, ...] = ()
    interval: int | None = None
    arrived: bool = False


class Consented(Sealed, frozen=True, gc=False):
    """A report that passed flag, route and ledger. Only the gate makes one."""

    report: Report
    region: Region
    identity: Identity
    event_time: int
    received_at: int
    policy_version: str | None


class PlainReport(Protocol):
    """A report of the wire format v1 in which each key is known and stands once, and each value is valid.

    What is not has been left out, and is counted in `removed`.
    `said` is what decides on it: message id, version of the notice, country, serving network, serial, IMEI and MAC,
    None for what it does not say. `events` are times and, where they say so, serving networks of its events.
    """

    @property
    def flagged(self) -> bool:
        """Whether its flag is a plain yes."""
        ...

    @property
    def time(self) -> int: ...
    @property
    def said(self) -> tuple[str | None, ...]: ...
    @property
    def events(self) -> Sequence[tuple[int, str | None]]: ...
    @property
    def removed(self) -> tuple[tuple[Removal, int], ...]: ...


class ConsentedPlain(Sealed, frozen=True, gc=False):
    """As `Consented`, for a report that goes the straight way (`collector.straight`). Only the gate makes one."""

    plain: PlainReport
    event_time: int
    received_at: int
    policy_version: str | None


class Record(Sealed, frozen=True, gc=False):
    """What is stored: the envelope of catalogue 1.6 and a body of canonical fields, as JSON.

    `event_time` is cut to the minute, as it is stored; `measured_at` is not, and is for the gate only. `oldest` is the
    earliest of these and of the events' times; the ledger compares it with the join.
    `policy_version` is what the router declared, None if nothing; what is stored is the version of its consent.
    `older_ids` are what `record_id` would be under older live keys: a message counts once, even if keys are rotated.
    `lookup` holds pseudonyms by which an engineer may find the router; they go to the registry, not into the record.
    `counters`, `parts` and `interval` are those of the report. `floating` is None if every delivery of the message
    makes the same `event_time`. Otherwise another delivery may be stored under another time, and this has the other
    times that are known. For parts of a sample it is empty: what is stored under another time is no duplicate.

    A spool may hold records of an earlier version: a new member has a default that is safe to assume of them.
    """

    record_id: bytes
    identity: Identity
    region: Region
    event_time: int
    measured_at: int
    oldest: int
    received_at: int
    policy_version: str | None
    source_adapter: str
    body: bytes
    stripped: tuple[tuple[Removal, int], ...] = ()
    lookup: tuple[tuple[str, bytes], ...] = ()
    older_ids: tuple[bytes, ...] = ()
    counters: tuple[Part, ...] | None = None
    parts: tuple[Part, ...] = ()
    interval: int | None = None
    floating: tuple[int, ...] | None = ()


class Action(StrEnum):
    """What a consent event does (catalogue 4.3)."""

    JOIN = "join"
    EXIT = "exit"
    VOID = "void"
    RESTRICT = "restrict"
    UNRESTRICT = "unrestrict"
    UNBIND = "unbind"
    CANCEL = "cancel"
    ERASE = "erase"
    """What was received until now is erased; the consent goes on (K29)."""
    HOLD = "hold"
    """A legal hold: nothing is taken, read or erased until it ends (K36)."""
    RELEASE = "release"


class Channel(StrEnum):
    """Where a consent event came from (catalogue 4.3)."""

    APP = "app"
    WEBUI = "webui"
    TELEMETRY_FLAG = "telemetry_flag"
    RIGHTS_DESK = "rights_desk"
    SYSTEM = "system"


OPERATOR: Final = "operator"
"""`actor_auth` of what a command does: it writes to the ledger itself, and no collector commits it."""


class ConsentEvent(Sealed, frozen=True, gc=False):
    """One act of the owner, for the ledger of one region.

    `event_ref` is a pseudonym made from the act's id: an act counts once, even if keys were rotated since. Nobody knows
    how long the broker had a `replayed` act. With `only_if_joined`, a refusal by somebody who never joined leaves no
    trace. `spent` are the ids of records that it removed from the spool: they must not come again.
    """

    action: Action
    channel: Channel
    identity: Identity
    received_at: int
    event_ref: bytes | None = None
    older_event_refs: tuple[bytes, ...] = ()
    replayed: bool = False
    client_time: int | None = None
    policy_version: str | None = None
    policy_digest: str | None = None
    language: str | None = None
    storage_regions: tuple[str, ...] = ()
    adult_or_guardian: str | None = None
    only_if_joined: bool = False
    actor_auth: str | None = None
    """How the actor was authenticated, where the channel alone does not say it."""
    spent: tuple[bytes, ...] = ()
    reason: str | None = None
    reference: str | None = None
    """The code of a legal hold."""


Entry = Record | ConsentEvent
"""What a region's writer takes, in order of receipt."""


class Accepted(Sealed, frozen=True, gc=False):
    """The message became a record; the region's writer asks the gate once more, inside the commit."""

    record: Record


class Dropped(Sealed, frozen=True, gc=False):
    """The message is not kept. An explicit false also brings exits, one for each region that it may concern (D2)."""

    reason: DropReason
    exits: tuple[tuple[Region, ConsentEvent], ...] = ()


class Several(Sealed, frozen=True, gc=False):
    """The message carried several reports; each has an outcome of its own and counts as one."""

    outcomes: tuple[Accepted | Dropped, ...]


class ConsentChange(Sealed, frozen=True, gc=False):
    """The message was a consent event; it goes to the ledgers of these regions."""

    events: tuple[tuple[Region, ConsentEvent], ...]


class ConsentRefused(Sealed, frozen=True, gc=False):
    """The message came on the consent topic and is no consent event."""

    reason: DropReason


Outcome = Accepted | Dropped | Several | ConsentChange | ConsentRefused
