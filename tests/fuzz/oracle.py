"""What may come of a message, worked out a second time with nothing but the standard library and the data files.

It is one-sided on purpose: it does not say what must be kept, it says what must not. What it knows of JSON, of the
flag, of regions and of the catalogue it reads for itself.
"""

import json
import math
import re
import tomllib
import unicodedata
from collections.abc import Iterator
from datetime import date
from functools import cache
from typing import Any, Final

from .case import require
from .words import ROOT, catalogue

SNAPSHOT: Final = {"network", "signal", "wifi", "power", "usage"}
_REF: Final = re.compile(r"[0-9a-f]{32}")
_TYPES: Final = {
    "ver64": re.compile(r"[A-Za-z0-9._+-]{1,64}"),
    "code32": re.compile(r"[A-Za-z0-9_.-]{1,32}"),
    "plmn": re.compile(r"[0-9]{5,6}"),
    "mcc": re.compile(r"[0-9]{3}"),
    "country": re.compile(r"[A-Z]{2}"),
    "time": re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:00Z"),
    "ref": _REF,
}
_SECOND: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_RFC_3339: Final = re.compile(
    r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_MANY_DIGITS: Final = re.compile(r"[0-9]{9}")


class NoJson(Exception):
    """Not strict JSON, or no object."""


def strict(payload: bytes, most_depth: int = 16) -> dict[str, Any]:
    """The one object in *payload*, or `NoJson` (G1)."""
    try:
        text = payload.decode("utf-8")
        found = json.loads(text, object_pairs_hook=once, parse_constant=_refuse, parse_float=_finite, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        raise NoJson from error
    if not isinstance(found, dict) or _depth(found) > most_depth:
        raise NoJson
    return found


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose keys come once."""
    made: dict[str, Any] = {}
    for key, value in pairs:
        if key in made:
            raise NoJson
        made[key] = value
    return made


def _refuse(_: str) -> None:
    raise NoJson


def _finite(text: str) -> float:
    """A number that no double holds is none (RFC 8259, 6, lets a reader say so)."""
    if math.isinf(number := float(text)):
        raise NoJson
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        node, depth = waiting.pop()
        if isinstance(node, dict | list):
            deepest = max(deepest, depth)
            waiting.extend((child, depth + 1) for child in (node.values() if isinstance(node, dict) else node))
    return deepest


def says_yes(payload: bytes, most_depth: int) -> dict[str, Any]:
    """The document, which must carry the flag (D1) and no other spelling of it that says no (1.7.2)."""
    try:
        document = strict(payload, most_depth)
    except NoJson:
        require(False, "accepted what is no strict JSON")
        raise
    require(document.get("ueip") is True, "accepted without the flag")
    others = [value for key, value in document.items() if key != "ueip" and _letters(key) == "ueip"]
    require(not any(value in (False, "false", "0", None) for value in others), "accepted though two spellings disagree")
    return document


def _letters(key: str) -> str:
    text = unicodedata.normalize("NFKC", key).casefold()
    return "".join(c for c in text if c.isalnum() or unicodedata.combining(c))


# ---------------------------------------------------------------------------------------------------------- regions


@cache
def tables() -> dict[str, Any]:
    """The shipped tables, with the region of every country."""
    document = tomllib.loads((ROOT / "config" / "regions.toml").read_text("utf-8"))
    homes = {c: r for r in ("germany", "china", "hong_kong") for c in document["countries"][r]}
    return {
        **document,
        "home": homes,
        "european": {*document["countries"]["germany"], *document["countries"]["unmapped"]},
    }


def may_be_in(region: str, document: dict[str, Any], blocked: frozenset[str]) -> None:
    """Whether the report may be stored in that region, by country and by the networks it names (3.2, 3.4)."""
    country = document.get("country")
    require(isinstance(country, str) and country not in blocked, "stored for a country that is blocked, or none")
    require(tables()["home"].get(country) == region, "stored in a region that is not the country's")
    for plmn in _networks(document):
        require(
            _may_serve(plmn[:3], region, str(country), blocked), "stored though a network speaks against the region"
        )


def _networks(document: dict[str, Any]) -> Iterator[str]:
    """The serving networks that the report names and that can be read."""
    events = document.get("events")
    happened = [event for event in events[:32] if isinstance(event, dict)] if isinstance(events, list) else []
    snapshots = [event.get("disconnect_snapshot") for event in happened]
    for holder in (document, *snapshots):
        network = holder.get("network") if isinstance(holder, dict) else None
        plmn = network.get("plmn") if isinstance(network, dict) else None
        if isinstance(plmn, str) and re.fullmatch(r"[0-9]{5,6}", plmn, re.ASCII):
            if holder is not document and not _kept_event(document["events"], holder):
                continue
            yield plmn


def _kept_event(events: list[Any], snapshot: Any) -> bool:
    """Whether the event that holds a snapshot is one at all: without a kind and a time it is left out."""
    event = next(e for e in events if isinstance(e, dict) and e.get("disconnect_snapshot") is snapshot)
    kinds, when = [kind["name"] for kind in catalogue()["event"]], event.get("time")
    return event.get("event") in kinds and isinstance(when, str) and _is_time(when)


def _is_time(text: str) -> bool:
    """Whether it is a time of a day that there is: not 24:00, not the 30th of February; leap seconds are not read."""
    if _RFC_3339.fullmatch(text) is None or text[11:13] == "24" or text[17:19] == "60":
        return False
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


def _may_serve(mcc: str, region: str, country: str, blocked: frozenset[str]) -> bool:
    serving = tables()["mcc"].get(mcc, ())
    if mcc in tables()["mcc_special"]["neutral"] or country in serving:
        return True
    if not serving or blocked & set(serving):
        return False
    if "CN" in serving:
        return region == "china"
    if tables()["european"] & set(serving):
        return region == "germany"
    return not ("HK" in serving and region == "china")


# ----------------------------------------------------------------------------------------------------------- record


@cache
def allowed() -> dict[str, dict[str, dict[str, Any]]]:
    """The fields that a body may hold, by group and name."""
    book: dict[str, dict[str, dict[str, Any]]] = {"event": {}}
    for entry in catalogue()["field"]:
        if entry.get("place", "body") == "body":
            book.setdefault(entry["group"], {})[entry["name"]] = entry
            if entry.get("on_events"):
                book["event"][entry["name"]] = entry
    return book


def fits_the_catalogue(body: bytes) -> None:
    """Whether a body holds nothing but fields of the catalogue, in their places, with values they may have."""
    document = json.loads(body.decode("utf-8"), object_pairs_hook=once, parse_constant=_refuse)
    for name, value in document.items():
        if name == "events":
            for event in value:
                _event(event)
        else:
            _group(name, value)


def _event(event: dict[str, Any]) -> None:
    kinds = {kind["name"] for kind in catalogue()["event"]}
    require(event.pop("event") in kinds, "stored an event of no known kind")
    require(_SECOND.fullmatch(event.pop("time")), "stored an event without a time")
    for name, value in event.pop("disconnect_snapshot", {}).items():
        require(name in SNAPSHOT, "stored a group that no snapshot has")
        _group(name, value)
    _group("event", event)


def _group(group: str, values: dict[str, Any]) -> None:
    require(group in allowed(), "stored a group that the catalogue does not know")
    for name, value in values.items():
        entry = allowed()[group].get(name)
        require(entry is not None, "stored a field that the catalogue does not know")
        require(entry is not None and _fits(entry, value), f"stored {name} with a value it cannot have")


def _fits(entry: dict[str, Any], value: Any) -> bool:
    match entry["type"]:
        case "bool":
            return isinstance(value, bool)
        case "int":
            top = entry["max"] + (1 << 20 if entry["treatment"] == "coarsen" else 0)  # rounded up to a MiB
            return type(value) is int and entry["min"] <= value <= top
        case "number":
            return type(value) in {int, float} and entry["min"] <= value <= entry["max"]
        case "enum":
            return any(value == one and type(value) is type(one) for one in entry["values"])
        case "list":
            return value in _listed()
        case kind:
            return isinstance(value, str) and bool(_TYPES[kind].fullmatch(value)) and _no_number(kind, value)


def _no_number(kind: str, value: str) -> bool:
    """Versions and codes cannot carry a phone number."""
    return kind not in {"ver64", "code32"} or not _MANY_DIGITS.search(value)


@cache
def _listed() -> frozenset[str]:
    """All that the closed lists of makers, models and carriers hold."""
    products = tomllib.loads((ROOT / "config" / "products.toml").read_text("utf-8"))
    carriers = tomllib.loads((ROOT / "config" / "carriers.toml").read_text("utf-8"))["carriers"].values()
    return frozenset((*products["manufacturers"], *products["models"], *carriers, "other"))
