"""Consent events of the wire format v1: topic `ueip/v1/<router>/consent` (docs/firmware.md).

Rule 1: a join has to be right throughout; an exit only has to be recognisable. In doubt the exit is honoured (K35).
Rule 2: a join goes to the ledger of its country, the registry having the same say as for reports (D17); an exit goes to
        every ledger that knows the router.
Rule 3: what the owner was shown is evidence of a join; an exit carries none of it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from collector.consent.policy_file import DIGEST, LANGUAGE
from collector.fields.compiled import MESSAGE_ID
from collector.formats.report import SCHEMA_VERSION, milliseconds
from collector.formats.strict_json import NotStrict, parse_object
from collector.model import POLICY_VERSION, Action, Channel, ConsentEvent, DropReason, Message, Region
from collector.pseudonym import Pseudonymiser
from collector.regions import RegionMap
from collector.registry import Registry

Events = tuple[tuple[Region, ConsentEvent], ...]
_NEEDED: Final = {"schema_version", "event_id", "action", "channel"}
"""All that an exit needs."""
_EVIDENCE: Final = ("policy_version", "policy_digest", "language", "adult_or_guardian")


class ActDocument(BaseModel):
    """What an act says, whichever way it comes; subclasses say which actions and channels they take."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    event_id: Annotated[str, StringConstraints(pattern=MESSAGE_ID)] = Field(
        description="New for each act; if the same act is sent again, it keeps its id."
    )
    action: str
    time: AwareDatetime | None = Field(default=None, description="When, RFC 3339 UTC. A join needs it.")
    country: str | None = Field(default=None, description="ISO 3166-1 alpha-2, as in reports. A join needs it.")
    channel: str
    policy_version: Annotated[str, StringConstraints(pattern=POLICY_VERSION)] | None = Field(
        default=None, description="Version of the notice that was shown."
    )
    policy_digest: Annotated[str, StringConstraints(pattern=DIGEST)] | None = Field(
        default=None, description="SHA-256 of the text that was shown."
    )
    language: Annotated[str, StringConstraints(pattern=LANGUAGE)] | None = Field(
        default=None, description="Language of the text that was shown, BCP 47."
    )
    storage_regions: Annotated[
        tuple[Annotated[Region, Field(strict=False)], ...], Field(strict=False, max_length=len(Region))
    ] = Field(
        default=(),
        description="Storage regions that the text named; the country's own if absent.",
    )
    adult_or_guardian: Literal["adult", "guardian"] | None = Field(
        default=None, description="Who gave the attestation of age."
    )


class ConsentDocument(ActDocument):
    """One act of the owner: joining or leaving the programme."""

    schema_version: Literal[1] = Field(description="Version of this format.")
    action: Literal["join", "exit"] = Field(description="What the owner did.")
    channel: Literal["app", "webui"] = Field(default="webui", description="Where the owner acted.")


class ConsentDecoder:
    """Reads consent events."""

    def __init__(self, *, max_bytes: int, max_depth: int) -> None:
        self._max_bytes = max_bytes
        self._max_depth = max_depth

    def decode(
        self,
        message: Message,
        router: str,
        regions: RegionMap,
        pseudonyms: Mapping[Region, Pseudonymiser],
        registry: Registry | None = None,
    ) -> Events | DropReason:
        """The events for the ledgers of the regions concerned, or why there are none."""
        document = self._document(message)
        if isinstance(document, DropReason):
            return document
        arrival = Arrival(router, message.received_at, message.replayed)
        return events_of(document, arrival, regions, pseudonyms, registry)

    def _document(self, message: Message) -> ConsentDocument | DropReason:
        if len(message.payload) > self._max_bytes:
            return DropReason.OVERSIZE
        try:
            found = parse_object(message.payload, max_depth=self._max_depth)
            if found.get("schema_version") != SCHEMA_VERSION or found["schema_version"] is True:
                return DropReason.SCHEMA_VERSION
            return _read(_readable(found))
        except (NotStrict, ValidationError):
            return DropReason.MALFORMED


def _read(found: dict[str, Any]) -> ConsentDocument:
    """The document in *found*; if it is an exit, without what is wrong in it and not needed (K35)."""
    try:
        return ConsentDocument.model_validate(found)
    except ValidationError as error:
        if found.get("action") != "exit":
            raise
        wrong = {fault["loc"][0] for fault in error.errors()} - _NEEDED
        return ConsentDocument.model_validate({name: found[name] for name in found if name not in wrong})


def _readable(found: dict[str, Any]) -> dict[str, Any]:
    """*found* with its time parsed: outside JSON, strict pydantic takes no string for it. An exit does without one."""
    when = found.get("time")
    try:
        made = datetime.fromisoformat(when) if isinstance(when, str) else None
    except ValueError:
        made = None
    aware = made if made is not None and made.tzinfo is not None else None
    return {**found, "time": aware if found.get("action") == "exit" or aware else when}


class Arrival(NamedTuple):
    """Whose act it is, and when it came; `replayed` as in `Message`."""

    router: str
    received_at: int
    replayed: bool = False


def events_of(
    document: ActDocument,
    arrival: Arrival,
    regions: RegionMap,
    pseudonyms: Mapping[Region, Pseudonymiser],
    registry: Registry | None = None,
) -> Events | DropReason:
    """The events of an act for the ledgers of the regions concerned, or why there are none."""
    if document.action != "join":
        return _exits(document, arrival, regions, pseudonyms)
    said = document.country
    country = said if registry is None else registry.country(arrival.router, said)
    return country if isinstance(country, DropReason) else _join(document, country, arrival, regions, pseudonyms)


def _join(
    document: ActDocument,
    country: str | None,
    arrival: Arrival,
    regions: RegionMap,
    known: Mapping[Region, Pseudonymiser],
) -> Events | DropReason:
    region = regions.route(country, ())
    if isinstance(region, DropReason):
        return region
    if region not in known:
        return DropReason.REGION_NOT_HERE
    if document.time is None:
        return DropReason.CLOCK_INVALID
    return ((region, _event(document, arrival, known[region])),)


def _exits(
    document: ActDocument, arrival: Arrival, regions: RegionMap, known: Mapping[Region, Pseudonymiser]
) -> Events:
    named = regions.route(document.country, ())
    left = document.model_copy(update=dict.fromkeys(_EVIDENCE) | {"storage_regions": ()})
    return tuple(
        (region, _event(left, arrival, pseudonyms, only_if_joined=region is not named))
        for region, pseudonyms in known.items()
    )


def _event(
    document: ActDocument,
    arrival: Arrival,
    pseudonyms: Pseudonymiser,
    *,
    only_if_joined: bool = False,
) -> ConsentEvent:
    action, name = Action(document.action), f"{arrival.router}\0{document.event_id}"
    event_ref, older_event_refs = act_refs(name, action, pseudonyms)
    return ConsentEvent(
        action=action,
        channel=Channel(document.channel),
        identity=pseudonyms.identity(arrival.router),
        received_at=arrival.received_at,
        event_ref=event_ref,
        older_event_refs=older_event_refs,
        replayed=arrival.replayed,
        client_time=None if document.time is None else milliseconds(document.time),
        policy_version=document.policy_version,
        policy_digest=document.policy_digest,
        language=document.language,
        storage_regions=tuple(document.storage_regions),
        adult_or_guardian=document.adult_or_guardian,
        only_if_joined=only_if_joined,
    )


def act_refs(name: str, action: Action, pseudonyms: Pseudonymiser) -> tuple[bytes, tuple[bytes, ...]]:
    """What an act is known by, and what else it may be known by; *name* is made of the router and the act's id.

    Acts that do different things are two, whatever their ids: no exit is lost because a join has had its id (K35). An
    exit is known by its name alone, as every act once was; joins are looked up by it, too, so that none opens twice.
    """
    own = name if action is Action.EXIT else f"{name}\0{action}"
    once = pseudonyms.all_refs("consent event", name) if action is Action.JOIN else ()
    return pseudonyms.uncached_ref("consent event", own), (*pseudonyms.older_refs("consent event", own), *once)
