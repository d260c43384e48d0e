"""Messages of other formats to their outcomes, compared with what must never come of them."""

import json
import random
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec
from support import make_rules

from collector import pipeline
from collector.model import Accepted, Dropped, DropReason, Message, Record, Region, Several
from collector.pipeline import Rules, process

from . import oracle
from .case import Case, Violation, corpus, require
from .messages import RECEIVED_AT
from .mutate import mutated
from .records import changed_record
from .words import CANARIES, RAW, ROUTER

FORMATS: Final[Mapping[str, Mapping[str, Any]]] = {
    "goform": {"flag": "message", "arrival_time": True},
    "ubus": {"arrival_time": True},
    "netjson": {"time_zone": "Asia/Shanghai"},
    "bulk_data": {"names": {"cell": "Device.Cellular.Interface", "up": "Device.DeviceInfo.UpTime"}},
    "usp": {"arrival_time": True},
}
"""What a source of each format says beside its topic. Its seeds are in the folder of that name, of ubus in goform's."""
_BINARY: Final = "usp"
_ZTE: Final = "tr069_user_improv_flag"
_NOT_SEARCHED: Final = frozenset({"counters", "parts"})
"""Bare counts, which may have any digits; what is derived of them is a rate."""


@cache
def _rules(kind: str) -> tuple[Rules, Rules]:
    """Rules with a source of that format, twice: what one answers must not hang on what it saw before."""
    named = {"name": "lab", "topic": f"{kind}/+/#", "format": kind, "router_level": 2, "country": "DE"}
    mode = "flag" if FORMATS[kind].get("flag") == "message" else "registered"
    keys = {region: [bytes([n]) * 32] for n, region in enumerate(Region, start=1)}
    made = [make_rules(keys=keys, consent={"mode": mode}, sources=[{**named, **FORMATS[kind]}]) for _ in range(2)]
    return made[0], made[1]


def source_seeds(target: str, *folders: str) -> list[Case]:
    """The seeds, each as a message of the formats it is of."""
    return [
        Case(target, data, {"format": kind, "below": ""})
        for folder in folders
        for data in corpus(folder)
        for kind in FORMATS
        if folder == kind or (folder, kind) == ("goform", "ubus")
    ]


def new_source_message(target: str, chance: random.Random, pool: list[Case]) -> Case:
    """A message changed from one of *pool*; now and then another format is said to be it."""
    old = chance.choice(pool)
    kind = chance.choice(list(FORMATS)) if chance.random() < 0.05 else old.about["format"]
    below = chance.choice(("", "/x", "/time=21-11-2026_16:59:00.000000", "/21-11-2026_16:59:00.000000", "/+/#"))
    donors = [other.data for other in pool[:40]]
    change = changed_record if old.about["format"] == _BINARY else mutated
    return Case(target, change(old.data, chance, donors), {"format": kind, "below": below})


def check_source(case: Case) -> str:
    """One outcome for each report, the same whatever came before, and none that is forbidden."""
    kind = case.about["format"]
    message = Message(f"{kind}/{ROUTER}{case.about['below']}", case.data, retained=False, received_at=RECEIVED_AT)
    rules, twin = _rules(kind)
    outcome = process(message, rules)
    require(outcome == process(message, twin), "the outcome hangs on what was processed before")
    if getattr(outcome, "reason", None) is DropReason.INTERNAL_ERROR:
        pipeline._process(message, twin)  # raises what was caught
        raise Violation("an internal error that does not come again")
    outcomes = outcome.outcomes if isinstance(outcome, Several) else (outcome,)
    return f"{kind}: {sorted({_judged(one, kind, case.data) for one in outcomes})}"


def _judged(outcome: object, kind: str, payload: bytes) -> str:
    match outcome:
        case Accepted(record=record):
            require(kind != "goform" or _said(payload) in ("1", 1), "accepted without the flag")
            _harmless(record)
            return f"accepted {[name.value for name, _ in record.stripped]}"
        case Dropped(reason=reason, exits=exits):
            require((reason == "flag_false") == bool(exits), "a refusal that is no exit")
            require(
                not exits or (kind in {"goform", "ubus"} and _said(payload) in ("0", 0)), "an exit nobody asked for"
            )
            return f"dropped {reason}"
    raise Violation("no outcome")


def _harmless(record: Record) -> None:
    require(record.region is Region.GERMANY, "stored in a region that is not the country's")
    oracle.fits_the_catalogue(record.body)
    names = [name for name in record.__struct_fields__ if name not in _NOT_SEARCHED]
    values = [getattr(record, name) for name in names]
    held = b"\0".join(v if isinstance(v, bytes) else repr(msgspec.to_builtins(v)).encode() for v in values)
    for secret in (*CANARIES, *RAW):
        require(secret.encode() not in held, "a canary or a raw identifier is in the record")


def _said(payload: bytes) -> Any:
    """What the flag of ZTE's maps says at its place: at the top, or at that of the data of an answer that is alone."""
    try:
        document = json.loads(payload, object_pairs_hook=oracle.once)
    except (ValueError, RecursionError, oracle.NoJson):
        return None
    answer = document.get("result") if isinstance(document, dict) and "jsonrpc" in document else document
    data = answer[1] if isinstance(answer, list) and len(answer) == 2 else answer
    flag = data.get(_ZTE) if isinstance(data, dict) else None
    return flag if type(flag) in {str, int} else None
