"""Targets that take bytes or texts: strict JSON, MQTT packets, packed strings, addresses and times."""

import json
import random
import re
from base64 import b64encode
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import msgspec
from msgspec import UNSET

from collector.fields.addresses import overlap, wan_class
from collector.fields.packed import unpack
from collector.fields.select import to_the_second
from collector.fields.treatments import minute_text
from collector.fields.types import PATTERNS, strict
from collector.formats.strict_json import NotStrict, parse_object
from collector.ingest.codec import PacketReader, ProtocolFault, PublishPacket, QoS
from collector.pseudonym import normal_imei, normal_mac, normal_serial

from . import oracle
from .case import Case, require
from .mutate import mutated, mutated_bytes

# ------------------------------------------------------------------------------------------------------ strict JSON

_ESCAPED_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def check_json(case: Case) -> str:
    """Takes what the standard library takes, once it is told of duplicates, depth and NaN; and reads it the same."""
    try:
        mine: Any = parse_object(case.data, max_depth=16)
    except NotStrict:
        mine = NotStrict
    try:
        theirs: Any = oracle.strict(case.data)
    except oracle.NoJson:
        theirs = NotStrict
    if mine is NotStrict and theirs is not NotStrict:
        # An escape for half a character, which is no text.
        require(_ESCAPED_HALF.search(case.data), "refused strict JSON")
        return "refused, with a reason of its own"
    require(repr(mine) == repr(theirs), "read JSON differently")
    return "refused" if mine is NotStrict else "taken"


# ---------------------------------------------------------------------------------------------------------- packets


def new_packets(target: str, chance: random.Random, pool: list[Case]) -> Case:
    """A stream: seeds joined, publications made, bytes changed; and where it is cut, how large packets may be."""
    parts = [chance.choice(pool).data for _ in range(chance.choice((1, 1, 2, 4)))]
    if chance.random() < 0.5:
        payload = bytes(chance.choice((0, 1, 100, 127, 128, 16_383, 16_384)))
        made = PublishPacket("ueip/v1/r/report", payload, qos=QoS.AT_LEAST_ONCE, packet_id=chance.randint(1, 65_535))
        parts.insert(chance.randint(0, len(parts)), made.write())
    data = b"".join(parts)
    if chance.random() < 0.8:
        data = mutated_bytes(data, chance, [other.data for other in pool[:20]])
    return Case(target, data, {"cuts": chance.randrange(1 << 30), "most": chance.choice((50, 1000, 100_000))})


def check_packets(case: Case) -> str:
    """However a stream is cut, the same packets come out; and garbage is one kind of fault."""
    chance = random.Random(case.about["cuts"])
    whole, fault = _read([case.data], PacketReader())
    cuts = sorted(chance.randint(0, len(case.data)) for _ in range(chance.choice((1, 2, 8))))
    edges = [0, *cuts, len(case.data)]
    pieces = [case.data[start:end] for start, end in pairwise(edges)]
    cut, _ = _read(pieces, PacketReader())
    require(whole == cut, "a stream that is cut gives other packets")
    if len(case.data) <= 300:
        single, _ = _read([case.data[n : n + 1] for n in range(len(case.data))], PacketReader())
        require(whole == single, "a stream of single bytes gives other packets")
    reader = PacketReader(case.about["most"])
    limited, _ = _read(pieces, reader)
    require(limited == whole[: len(limited)], "a limit changes packets")
    return f"{'fault' if fault else 'sound'} after {min(len(whole), 3)}"


def _read(pieces: list[bytes], reader: PacketReader) -> tuple[list[str], bool]:
    found: list[str] = []
    try:
        for piece in pieces:
            for packet in reader.feed(piece):
                found.append(repr(packet))  # noqa: PERF401 - what comes before a fault counts
    except ProtocolFault:
        return found, True
    return found, False


# ---------------------------------------------------------------------------------------------------------- packed


def check_packed(case: Case) -> str:
    """A string is a structure or it is not; names in it are names of it; one layer of base64 changes nothing."""
    text = case.data.decode("utf-8", "ignore")
    found = unpack(text)
    require(found is None or isinstance(found, dict | list), "no structure")
    stripped = text.strip()
    if stripped.startswith(("{", "[")):
        require(found is None or _names(found) == _names(_plain_json(stripped)), "JSON in a text is read differently")
    elif isinstance(found, dict) and "private_key" not in found and not re.fullmatch(r"[\w/+=-]{12,}", stripped):
        require(all(name in stripped for name in found), "a name that is not in the text")
    packed = b64encode(text.encode()).decode()
    if len(packed) >= 14 and not re.fullmatch(r"[A-Za-z0-9+/_-]{12,}={0,2}", stripped):
        require(repr(unpack(packed)) == repr(found), "base64 hides a structure")
    return type(found).__name__


def _names(value: Any) -> Any:
    """The names in a structure, which are all that is wanted of it."""
    if isinstance(value, dict):
        return {name: _names(child) for name, child in value.items()}
    return [_names(child) for child in value] if isinstance(value, list) else None


def _plain_json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def new_text(target: str, chance: random.Random, pool: list[Case]) -> Case:
    """A text changed as bytes or as JSON."""
    return Case(target, mutated(chance.choice(pool).data, chance, [other.data for other in pool[:20]]))


# ------------------------------------------------------------------------------------------------------- treatments

_IPV4, _IPV6 = re.compile(strict(PATTERNS["ipv4"])), re.compile(strict(PATTERNS["ipv6"]))
_CLASSES: Final = {"public_v4", "private_v4", "cgnat_v4", "gua_v6", "ula_v6", "dual", "none", None}
_TEN: Final = (10, (172, range(16, 32)), (192, range(168, 169)))


def check_treatments(case: Case) -> str:
    """Whatever the catalogue's patterns let through is treated; an address leaves as a class."""
    first, _, second = case.data.decode("utf-8", "ignore").partition("\n")
    four = first if _IPV4.match(first) else None
    six = second if _IPV6.match(second) else None
    found = wan_class(four, six)
    require(found in _CLASSES, "an address that is no class")
    if four:
        _private_is_private(four, found)
        require(type(overlap(four, first)) is bool, "an overlap that is neither")
        require(overlap(four, four), "a network that does not overlap with itself")
        if _IPV4.match(second):
            require(overlap(four, second) == overlap(second, four), "an overlap from one side only")
    for text in (first, second):
        _times(text)
        for normal in (normal_imei, normal_mac, normal_serial):
            once = normal(text)
            require(once is None or normal is normal_imei or normal(once) == once, "a normal form that is none")
    return str(found)


def _private_is_private(address: str, found: str | None) -> None:
    one, two = (int(part) for part in address.split(".")[:2])
    if one == 10 or (one, two) == (192, 168) or (one == 172 and 16 <= two < 32):
        require(found in {"private_v4", "dual", None}, "a private address that is not")
    if one == 100 and 64 <= two < 128:
        require(found in {"cgnat_v4", "dual", None}, "a shared address that is not")


def _times(text: str) -> None:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        return
    if when.tzinfo is not None:
        minute, second = minute_text(when), to_the_second(when)
        require(
            minute is UNSET or re.fullmatch(r"20[0-9-]{8}T[0-9:]{5}:00Z", minute), "a time to the minute that is not"
        )
        written = b"" if second is UNSET else msgspec.json.encode(second)
        require(not written or re.fullmatch(rb'"[0-9-]{10}T[0-9:]{8}Z"', written), "a time to the second that is not")
