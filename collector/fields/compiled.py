"""The catalogue compiled into msgspec structs: a closed schema is the allow-list.

Two trees are made. The *wire* tree is what a message may hold: keys outside it never become objects. The *kept* tree
is what a record may hold: it has no place for an input, so what is not copied into it is gone.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta

from collector.fields.catalogue import GROUPS, SNAPSHOT_GROUPS, Catalogue, FieldEntry, Group, InputEntry
from collector.fields.generated import function
from collector.fields.treatments import TREATED
from collector.fields.types import annotation, optional, pattern_of, strict
from collector.model import POLICY_VERSION

MAX_EVENTS: Final = 32
MESSAGE_ID: Final = r"^[A-Za-z0-9._:-]{1,64}$"
MOST_UPTIME: Final = 2**32
_UPTIME = Annotated[int, Meta(ge=0, le=MOST_UPTIME)]

ENVELOPE: Final[dict[str, Any]] = {
    "schema_version": Annotated[int, Meta(ge=0, le=2**31)],
    "message_id": Annotated[str, Meta(pattern=strict(MESSAGE_ID))],
    "ueip": bool,
    "policy_version": Annotated[str, Meta(pattern=strict(POLICY_VERSION))],
    "country": Annotated[str, Meta(max_length=64)],
    "time": Annotated[datetime, Meta(tz=True)],
    "uptime_at_event_seconds": _UPTIME,
    "uptime_at_send_seconds": _UPTIME,
}
"""What stands beside the groups at the top of a v1 report."""

_LOOSE: Final[dict[str, Any]] = {
    "message_id": Annotated[str, Meta(max_length=64)],
    "policy_version": Annotated[str, Meta(max_length=32)],
}
"""What the decoder checks of these; `RememberedPatterns` checks the rest."""

Decode = Callable[[bytes], Any]
_REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_REMEMBERED: Final = 16_384
_LONGEST: Final = 64
_EVENT_OWN: Final[dict[str, Any]] = {"time": Annotated[datetime, Meta(tz=True)]}


class Compiled:
    """The structs of one catalogue, and the decoder made of them."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self.wire_types: dict[Group, dict[str, Any]] = {g: _wire_types(catalogue, g) for g in (*GROUPS, "event")}
        self.wire: dict[Group, type[msgspec.Struct]] = {g: _struct(g, self.wire_types[g]) for g in GROUPS}
        self.wire_snapshot = _struct("snapshot", {g: self.wire[g] for g in SNAPSHOT_GROUPS})
        self.wire_types["event"]["disconnect_snapshot"] = self.wire_snapshot
        self.wire["event"] = self._wire_event()
        event = self.wire["event"]
        events = Annotated[list[event], Meta(max_length=MAX_EVENTS)]  # type: ignore[valid-type]
        self.report = _struct("report", {**ENVELOPE, **{g: self.wire[g] for g in GROUPS}, "events": events})
        self.kept: dict[Group, type[msgspec.Struct]] = {g: self._kept(g) for g in (*GROUPS, "event")}
        self.snapshot = _kept_struct("snapshot", list(SNAPSHOT_GROUPS))
        self.body = _kept_struct("body", [*GROUPS, "events"])
        # One value at a time, for messages that are not clean. Structs, because msgspec remembers their types between
        # calls, but takes a bare annotation apart each time.
        self.values = {group: _values(types) for group, types in self.wire_types.items()}
        self.values["event"] |= _values({"event": self._event_kind(), **_EVENT_OWN})
        self.envelope = _values(ENVELOPE)
        self._patterns = RememberedPatterns(catalogue)
        self._hold = self._patterns.hold
        self._closed = self._decoder(events, closed=True)
        self._open = self._decoder(events, closed=False)

    def _decoder(self, events: Any, *, closed: bool) -> Decode:
        types: dict[str, Any] = {**ENVELOPE, **_LOOSE}
        for group in GROUPS:
            types[group] = _struct(group, self.wire_types[group] | self._patterns.types_of(group), closed=closed)
        types["events"] = events
        report = _struct("report", types, closed=closed)
        return msgspec.json.Decoder(report).decode

    def decode(self, payload: bytes) -> Any:
        """The wire tree of a payload in which every key is known and every value within its bounds, or None."""
        try:
            tree = self._closed(payload)
        except _REFUSED:
            return None
        return tree if self._hold(tree) else None

    def decode_open(self, payload: bytes) -> Any:
        """As `decode`, of a payload that may hold unknown keys at its top and in its groups; they become no objects."""
        try:
            tree = self._open(payload)
        except _REFUSED:
            return None
        return tree if self._hold(tree) else None

    def _wire_event(self) -> type[msgspec.Struct]:
        required = [("event", self._event_kind()), *_EVENT_OWN.items()]
        others = [(name, optional(kind), UNSET) for name, kind in self.wire_types["event"].items()]
        return msgspec.defstruct("event", [*required, *others], forbid_unknown_fields=True, gc=False)

    def _event_kind(self) -> Any:
        return Literal[tuple(entry.name for entry in self.catalogue.event)]

    def _kept(self, group: Group) -> type[msgspec.Struct]:
        entries = self.catalogue.in_group(group)
        own = ["event", "time"] if group == "event" else []
        return _kept_struct(group, [*(entry.name for entry in entries), *own])


class RememberedPatterns:
    """The patterns of the groups' texts, checked once for each text: a router sends the same ones with every report.

    Left to the decoder, the patterns of a message cost as much as all the rest of its decoding.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._types: dict[Group, dict[str, Any]] = {}
        self._known: dict[str, Any] = {"UNSET": UNSET, "is_message_id": re.compile(strict(MESSAGE_ID)).match}
        lines = [
            "if (text := tree.message_id) is not UNSET and is_message_id(text) is None:",
            "    return False",
            *self._check("tree", "policy_version", strict(POLICY_VERSION)),
        ]
        for group in GROUPS:
            patterned = {entry: pattern for entry in entries_of(catalogue, group) if (pattern := pattern_of(entry))}
            self._types[group] = {e.name: Annotated[str, Meta(max_length=e.max_length or _LONGEST)] for e in patterned}
            if patterned:
                lines += [f"if (group := tree.{group}) is not UNSET:"]
            for entry, pattern in patterned.items():
                lines += [f"    {line}" for line in self._check("group", entry.name, pattern)]
        self.hold: Callable[[Any], bool] = function("hold", "tree", [*lines, "return True"], self._known)
        """Whether the texts of a tree, in its groups and its envelope, match their patterns."""

    def _check(self, owner: str, name: str, pattern: str) -> list[str]:
        seen, learn = _seen_and_learn(pattern)
        self._known |= {f"seen_{name}": seen, f"learn_{name}": learn}
        return [
            f"if (text := {owner}.{name}) is not UNSET and text not in seen_{name} and not learn_{name}(text):",
            "    return False",
        ]

    def types_of(self, group: Group) -> dict[str, Any]:
        """The annotations, without their patterns, of the texts of a group."""
        return self._types[group]


def _seen_and_learn(pattern: str) -> tuple[set[str], Callable[[str], bool]]:
    """Texts known to match a pattern, and a function that says whether another does and remembers it."""
    seen: set[str] = set()
    search = re.compile(pattern).search

    def learn(text: str) -> bool:
        if search(text) is None:
            return False
        if len(seen) >= _REMEMBERED:
            seen.clear()
        seen.add(text)
        return True

    return seen, learn


def _values(types: dict[str, Any]) -> dict[str, type[msgspec.Struct]]:
    return {name: msgspec.defstruct("value", [("value", kind)], gc=False) for name, kind in types.items()}


def passes(entry: FieldEntry) -> bool:
    """Whether a field is copied as it arrived."""
    return entry.name not in TREATED and entry.type != "snapshot"


def _wire_types(catalogue: Catalogue, group: Group) -> dict[str, Any]:
    return {entry.name: annotation(entry) for entry in entries_of(catalogue, group)}


def entries_of(catalogue: Catalogue, group: Group) -> list[FieldEntry | InputEntry]:
    """What a router may send in a group, snapshots aside."""
    fields = [f for f in catalogue.in_group(group) if f.on_the_wire and f.type != "snapshot"]
    return [*catalogue.inputs_of(group), *fields]


def _struct(name: str, types: dict[str, Any], *, closed: bool = True) -> type[msgspec.Struct]:
    members = [(key, optional(kind), UNSET) for key, kind in types.items()]
    return msgspec.defstruct(name, members, forbid_unknown_fields=closed, gc=False)


def _kept_struct(name: str, names: list[str]) -> type[msgspec.Struct]:
    return msgspec.defstruct(name, [(key, Any, UNSET) for key in names], gc=False)
