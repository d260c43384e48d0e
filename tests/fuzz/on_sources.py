"""Messages of other formats to their outcomes, compared with what must never come of them."""

import json
import random
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec
from support import make_rules

from collector import pipeline
from collector.formats.adapters import KINDS
from collector.formats.aliases import load_aliases
from collector.model import Accepted, Dropped, DropReason, Message, Record, Region, Several
from collector.pipeline import Rules, process

from . import oracle
from .case import Case, Violation, corpus, require
from .messages import RECEIVED_AT
from .mutate import mutated
from .records import changed_record
from .tree import Obj, at, parse, places, write
from .words import CANARIES, RAW, ROUTER, canary, scalar

FORMATS: Final[Mapping[str, Mapping[str, Any]]] = {
    "goform": {"flag": "message", "arrival_time": True},
    "ubus": {"arrival_time": True},
    "netjson": {"time_zone": "Asia/Shanghai"},
    "bulk_data": {"names": {"cell": "Device.Cellular.Interface", "up": "Device.DeviceInfo.UpTime"}},
    "usp": {"arrival_time": True},
    "collectd": {"interval_seconds": 60},
}
"""What a source of each format says beside its topic; each is a target of its own."""
_BINARY: Final = "usp"
_IN_TOPICS: Final = "collectd"
"""The format whose names are levels of the topic."""
_LIST_TIMES: Final = ("0.0", "12.5", "1795280430", "99999999999", "N", "1e9", CANARIES[1])
_LIST_VALUES: Final = (
    "nan", "-nan", "inf", "-62", "1", "0", "0.5", "1e400", "-0", str(2**32), str(2**64 - 1), str(2**64), "", "x",
    *CANARIES,
)  # fmt: skip
_LIST_ENDS: Final = ("\0", "\0", "\0", "", "\0\0", "\n", "\0x", " \0")
_BELOW: Final = ("", "/x", "/time=21-11-2026_16:59:00.000000", "/?key=a&time=21-11-2026_16%3A59%3A00", "/+/#")
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
    """The seeds, as messages of the format that the target is called after."""
    return [
        Case(target, data, {"format": target, "below": below})
        for data in corpus(*folders)
        for below in (_topics() if target == _IN_TOPICS else ("",))
    ]


def new_source_message(target: str, chance: random.Random, pool: list[Case]) -> Case:
    """A message changed from one of *pool*; now and then another format is said to be it."""
    old = chance.choice(pool)
    kind = chance.choice(list(FORMATS)) if chance.random() < 0.05 else target
    below = chance.choice(_topics() if kind == _IN_TOPICS else _BELOW)
    donors = [other.data for other in pool[:40]]
    if target == _IN_TOPICS and chance.random() < 0.6:
        data = _value_list(chance)
    else:
        data = (changed_record if target == _BINARY else mutated)(old.data, chance, donors)
    return Case(target, _named(data, kind, chance) if chance.random() < 0.4 else data, {"format": kind, "below": below})


def _value_list(chance: random.Random) -> bytes:
    """What collectd sends, its numbers at their bounds and beyond, and now and then none."""
    time = chance.choice((f"{1_795_280_400 - chance.randrange(700_000)}.{chance.randrange(1000):03}", *_LIST_TIMES))
    values = [chance.choice((str(chance.randrange(300)), *_LIST_VALUES)) for _ in range(chance.choice((1, 1, 2, 3)))]
    return f"{time}:{':'.join(values)}{chance.choice(_LIST_ENDS)}".encode()


@cache
def _names(kind: str) -> tuple[str, ...]:
    """Names of the format's alias map, the first instance of each."""
    entries = load_aliases(KINDS[kind].aliases).alias
    spelt = (name for alias in entries for name in (*alias.names, *(when.name for when in alias.conditions)))
    return tuple(dict.fromkeys(name.replace("{i}", "1").replace("{v}", "ZTE-COM") for name in spelt))


@cache
def _topics() -> tuple[str, ...]:
    """Below the router: names of value lists, and others."""
    lists = {name.partition(":")[0].replace("*", "phy0-ap0") for name in _names(_IN_TOPICS)}
    odd = ("/x/y", f"/{CANARIES[0]}/stations", f"/ping/ping_droprate-{CANARIES[1]}", "/uptime", "/a/b/c", "")
    return (*(f"/{name}" for name in sorted(lists)), *odd)


def _named(data: bytes, kind: str, chance: random.Random) -> bytes:
    """With names of the format's map in one of its objects, and values that they may not have; of JSON only."""
    root = parse(data)
    objects = [node for node in (root, *(at(place) for place in places(root))) if isinstance(node, Obj)]
    if not objects:
        return data
    owner = chance.choice(objects)
    for name in chance.choices(_names(kind), k=chance.choice((1, 1, 2, 5))):
        owner.put(name, canary(chance) if chance.random() < 0.5 else scalar(chance))
    return write(root, chance)


def check_source(case: Case) -> str:
    """One outcome for each report, the same whatever came before, and none that is forbidden."""
    kind = case.about["format"]
    message = Message(f"{kind}/{ROUTER}{case.about['below']}", case.data, retained=False, received_at=RECEIVED_AT)
    rules, twin = _rules(kind)
    outcome = process(message, rules)
    require(outcome == process(message, twin), "the outcome hangs on what was processed before")
    if getattr(outcome, "reason", None) is DropReason.INTERNAL_ERROR:
        pipeline.the_long_way(message, twin)  # raises what was caught
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
        # As files are that agents publish: with a byte order mark before, and a NUL behind.
        text = payload.removeprefix(b"\xef\xbb\xbf").rstrip(b"\0")
        document = json.loads(text, object_pairs_hook=oracle.once)
    except (ValueError, RecursionError, oracle.NoJson):
        return None
    answer = document.get("result") if isinstance(document, dict) and "jsonrpc" in document else document
    data = answer[1] if isinstance(answer, list) and len(answer) == 2 else answer
    flag = data.get(_ZTE) if isinstance(data, dict) else None
    return flag if type(flag) in {str, int} else None
