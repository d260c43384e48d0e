"""The target that matters most: a message to its outcome, compared with what the oracle forbids."""

import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from collector import pipeline
from collector.model import (
    Accepted,
    ConsentChange,
    ConsentRefused,
    Dropped,
    DropReason,
    Message,
    Outcome,
    Record,
    Region,
    Several,
)
from collector.pipeline import process

from . import oracle
from .case import Case, Violation, require
from .messages import RECEIVED_AT, VARIANTS, Variant, both, message_of
from .words import CANARIES, RAW, ROUTER

_TOPIC: Final = re.compile(r"ueip/v1/([A-Za-z0-9._-]{1,64})/(report|consent)", re.ASCII)
_EVENT_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


def check_process(case: Case) -> str:
    """One outcome, the same whatever came before, and none that the oracle forbids."""
    message, variant = message_of(case), VARIANTS[case.about["rules"]]
    rules, twin = both(case.about["rules"])
    outcome = process(message, rules)
    require(type(outcome) in {Accepted, Dropped, ConsentChange, ConsentRefused}, "no outcome")
    require(outcome == process(message, twin), "the outcome hangs on what was processed before")
    if getattr(outcome, "reason", None) is DropReason.INTERNAL_ERROR:
        pipeline.the_long_way(message, twin)  # raises what was caught
        raise Violation("an internal error that does not come again")
    straight = None if rules.straight is None else rules.straight.record(message)
    require(
        straight is None or Accepted(straight) == pipeline.the_long_way(message, twin),
        "the straight way and the long way differ",
    )
    named = _TOPIC.fullmatch(message.topic)
    require(named or outcome == Dropped(DropReason.UNKNOWN_TOPIC), "an unknown topic was not refused")
    return _judged(outcome, message, variant, named[2] if named else "")


def _judged(outcome: Outcome, message: Message, variant: Variant, kind: str) -> str:
    match outcome:
        case Accepted(record=record):
            require(kind == "report" and not message.retained, "accepted what is no report, or retained")
            _accepted(record, message, variant)
            return f"accepted {record.region} | {[name.value for name, _ in record.stripped]}"
        case Dropped(reason=reason, exits=exits):
            require(not exits or _refuses(message, variant), "an exit that nobody asked for")
            require((reason == "flag_false") == bool(exits), "a refusal that is no exit")
            return f"dropped {reason}"
        case Several():
            raise Violation("several reports where there is no source")
        case ConsentChange(events=events):
            require(kind == "consent", "consent on another topic")
            _changed(events, message, variant)
            return f"consent {events[0][1].action}"
        case ConsentRefused(reason=reason):
            require(kind == "consent", "consent on another topic")
            require(not _must_exit(message, variant), "an exit was refused (K35)")
            return f"refused {reason}"


def _accepted(record: Record, message: Message, variant: Variant) -> None:
    require(len(message.payload) <= variant.most_bytes, "accepted a message over the limit")
    document = oracle.says_yes(message.payload, variant.most_depth)
    require(record.region in variant.served, "stored in a region that is not served")
    require(not (variant.closed and message.topic.split("/")[2] == ROUTER), "stored a report of a router that left")
    oracle.may_be_in(record.region.value, document, variant.blocked)
    oracle.fits_the_catalogue(record.body)
    oldest = RECEIVED_AT - variant.sections.get("limits", {}).get("max_age_hours", 168) * 3_600_000
    ahead = RECEIVED_AT + variant.sections.get("limits", {}).get("max_ahead_seconds", 300) * 1000
    require(oldest <= record.oldest <= record.measured_at <= ahead, "stored what is too old, or from the future")
    spilt = b"\0".join(_bytes(getattr(record, name)) for name in record.__struct_fields__)
    for secret in (*CANARIES, *RAW):
        require(secret.encode() not in spilt, "a canary or a raw identifier is in the record")


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else repr(msgspec.to_builtins(value)).encode()


def _refuses(message: Message, variant: Variant) -> bool:
    try:
        return oracle.strict(message.payload, variant.most_depth).get("ueip") is False
    except oracle.NoJson:
        return False


# ---------------------------------------------------------------------------------------------------------- consent


def _changed(events: Iterable[tuple[Region, Any]], message: Message, variant: Variant) -> None:
    document = oracle.strict(message.payload, variant.most_depth)
    require(document.get("schema_version") == 1 and document["schema_version"] is not True, "an unknown schema version")
    require(isinstance(document.get("event_id"), str) and _EVENT_ID.fullmatch(document["event_id"]), "no event id")
    regions = [region for region, _ in events]
    require(regions and set(regions) <= set(variant.served), "an event for a region that is not served")
    require(all(event.action == document.get("action") for _, event in events), "another act than the message says")
    if document["action"] == "join":
        home = oracle.tables()["home"].get(document.get("country"))
        require(regions == [home] and document["country"] not in variant.blocked, "a join in another region")
        require(isinstance(document.get("time"), str), "a join without a time")
        require(all(event.client_time <= RECEIVED_AT + 300_000 for _, event in events), "a join from the future")
    else:
        require(sorted(regions) == sorted(variant.served), "an exit that does not reach every region")
    held = repr([msgspec.to_builtins(event) for _, event in events]).encode()
    for secret in (*CANARIES, *RAW):
        require(secret.encode() not in held, "a canary or a raw identifier is in a consent event")


def _must_exit(message: Message, variant: Variant) -> bool:
    """Whether it says all that an exit needs (K35): everything else about it may be wrong."""
    if len(message.payload) > variant.most_bytes:
        return False
    try:
        document = oracle.strict(message.payload, variant.most_depth)
    except oracle.NoJson:
        return False
    version, name = document.get("schema_version"), document.get("event_id")
    return (
        type(version) is int and version == 1 and document.get("action") == "exit"
        and isinstance(name, str) and _EVENT_ID.fullmatch(name) is not None
        and document.get("channel", "webui") in ("app", "webui")
        and not _lone_surrogates(message.payload)
    )  # fmt: skip


def _lone_surrogates(payload: bytes) -> bool:
    """Whether an escape stands for half a character, which one parser takes and another does not."""
    return re.search(rb"\\u[dD][89a-fA-F]", payload) is not None
