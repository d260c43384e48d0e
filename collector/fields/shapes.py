"""What the compiled reader and writer of plain reports have to know, made from the catalogue (0041)."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from collector.fields.catalogue import GROUPS, SNAPSHOT_GROUPS, FieldEntry, Group, InputEntry
from collector.fields.clean import Cleaner
from collector.fields.compiled import MAX_EVENTS, MESSAGE_ID, MOST_UPTIME, Compiled, entries_of, passes
from collector.fields.left_out import LeftOut
from collector.fields.treatments import TREATED, Surroundings, Treatment
from collector.fields.types import optional, pattern_of
from collector.model import POLICY_VERSION
from collector.native.bodies import Kept, Way, Writer
from collector.native.one_pass import Reader
from collector.native.shape import Kind, Member, Shape

TOLD: Final[tuple[tuple[str, Group | None], ...]] = (
    ("message_id", None), ("policy_version", None), ("country", None),
    ("plmn", "network"), ("serial", "router"), ("imei", "router"), ("mac", "router"),
)  # fmt: skip
"""The texts that decide on a report, in the order in which a reader tells them."""
_LONGEST_COUNTRY: Final = 64
_SO_MANY: Final = re.compile(r"\^(\[[^]]+\])\{(\d+)(?:,(\d+))?\}(?:\$|\\Z)")
"""A pattern that only asks for so many characters of a class."""
_ANY: Final = "[ -~]"
_encode: Final = msgspec.json.Encoder().encode
Valid = Callable[[bytes], bool]


class Shapes:
    """Makes the reader and the writer of one catalogue. Values are kept in slots by name and group: an event has
    members that its snapshot has, too, and a field may be called as something that is in no group.
    """

    def __init__(self, compiled: Compiled, schema_version: int, cleaner: Cleaner, max_depth: int) -> None:
        self._compiled = compiled
        self._slots: dict[tuple[str, Group | None], int] = {}
        shapes = {group: Shape(self._members(group)) for group in GROUPS}
        groups = {group: self._object(group, shape) for group, shape in shapes.items()}
        left_out = LeftOut(cleaner, max_depth, {shape: self._kinds(group) for group, shape in shapes.items()})
        snapshot = self._object("disconnect_snapshot", Shape(groups[group] for group in SNAPSHOT_GROUPS))
        event = Shape([*self._members("event"), *self._of_each_event(), snapshot], self._required("event", "time"))
        events = Member(b"events", Kind.LIST, self._slot("events"), high=MAX_EVENTS, inner=event)
        top = [*self._envelope(schema_version), *groups.values(), events]
        shape = Shape(top, self._required("ueip", "schema_version", "message_id", "time"))
        self.writer = Writer(tuple(map(self._group, GROUPS)), tuple(self._kept_of_an_event()))
        told = [self._slot(name, group) for name, group in TOLD]
        self.reader = Reader(shape, len(self._slots), told, self._slot("plmn", "network"), left_out)

    def _slot(self, name: str, group: Group | None = None) -> int:
        return self._slots.setdefault((name, group), len(self._slots))

    def _required(self, *names: str) -> list[int]:
        return [self._slot(name) for name in names]

    def _object(self, name: str, shape: Shape) -> Member:
        return Member(name.encode(), Kind.OBJECT, self._slot(name), inner=shape)

    def _envelope(self, schema_version: int) -> Iterator[Member]:
        yield Member(b"schema_version", Kind.WHOLE, self._slot("schema_version"), schema_version, schema_version)
        yield _text("message_id", self._slot("message_id"), MESSAGE_ID)
        yield Member(b"ueip", Kind.TRUE, self._slot("ueip"))
        yield _text("policy_version", self._slot("policy_version"), POLICY_VERSION)
        yield _characters("country", self._slot("country"), _ANY, 0, _LONGEST_COUNTRY)
        yield Member(b"time", Kind.TIME, self._slot("time"))
        for name in ("uptime_at_event_seconds", "uptime_at_send_seconds"):
            yield Member(name.encode(), Kind.WHOLE, self._slot(name), 0, MOST_UPTIME)

    def _kinds(self, group: Group) -> dict[str, type[msgspec.Struct]]:
        """The types of what decides on nothing."""
        return {name: kind for name, kind in self._compiled.values[group].items() if (name, group) not in TOLD}

    def _of_each_event(self) -> Iterator[Member]:
        valid = _validity(self._compiled.values["event"]["event"])
        yield Member(b"event", Kind.REMEMBERED, self._slot("event"), valid=valid)
        yield Member(b"time", Kind.TIME, self._slot("time"))

    def _members(self, group: Group) -> list[Member]:
        entries, values = entries_of(self._compiled.catalogue, group), self._compiled.values[group]
        return [_member(entry, self._slot(entry.name, group), values[entry.name]) for entry in entries]

    def _group(self, group: Group) -> Kept:
        """A group of a body with all that is kept of it."""
        return Kept(_begin(group), Way.MEMBERS, [self._slot(group)], inner=tuple(self._kept(group)))

    def _kept(self, group: Group) -> Iterator[Kept]:
        arriving = self._compiled.wire_types[group]
        for entry in self._compiled.catalogue.in_group(group):
            if entry.name in TREATED:
                if any(name in arriving for name in TREATED[entry.name].reads):
                    yield self._treated(group, entry.name)
            elif entry.type == "snapshot":
                inner = tuple(map(self._group, SNAPSHOT_GROUPS))
                yield Kept(_begin(entry.name), Way.MEMBERS, [self._slot(entry.name)], inner=inner)
            elif entry.name in arriving and passes(entry):
                yield Kept(_begin(entry.name), Way.AS_IT_IS, [self._slot(entry.name, group)])

    def _kept_of_an_event(self) -> Iterator[Kept]:
        yield from self._kept("event")
        yield Kept(_begin("event"), Way.AS_IT_IS, [self._slot("event")])
        yield Kept(_begin("time"), Way.TO_THE_SECOND, [self._slot("time")])

    def _treated(self, group: Group, name: str) -> Kept:
        treatment, arriving = TREATED[name], self._compiled.wire_types[group]
        if treatment.multiple_of:
            return Kept(_begin(name), Way.ROUNDED_UP, [self._slot(name, group)], step=treatment.multiple_of)
        reads = [read for read in treatment.reads if read in arriving]
        looks_at = [*reads, *(read for read in treatment.beside if read in arriving)]
        slots = [self._slot(member, group) for member in looks_at]
        way = Way.TREATED_IN_NETWORK if treatment.in_network else Way.TREATED
        return Kept(_begin(name), way, slots, needed=len(reads), treat=_treating(name, treatment, looks_at, arriving))


def _member(entry: FieldEntry | InputEntry, slot: int, value: type[msgspec.Struct]) -> Member:
    """What a router may send for *entry*; *value* is the struct of one such value."""
    match entry.type:
        case "bool":
            return Member(entry.name.encode(), Kind.BOOLEAN, slot)
        case "int" | "number":
            assert entry.min is not None, "the catalogue has bounds for each number"
            assert entry.max is not None
            kind = Kind.WHOLE if entry.type == "int" else Kind.NUMBER
            return Member(entry.name.encode(), kind, slot, entry.min, entry.max)
        case "list" | "ssid":
            assert entry.max_length is not None, "the catalogue has a length for each text"
            return _characters(entry.name, slot, _ANY, 1, entry.max_length)
    if (pattern := pattern_of(entry)) is not None and _SO_MANY.fullmatch(pattern):
        return _text(entry.name, slot, pattern, entry.max_length)
    return Member(entry.name.encode(), Kind.REMEMBERED, slot, valid=_validity(value))


def _text(name: str, slot: int, pattern: str, longest: int | None = None) -> Member:
    """A text with a pattern that only asks for so many characters of a class."""
    found = _SO_MANY.fullmatch(pattern)
    assert found is not None, "asked before, or known"
    characters, least, most = found[1], int(found[2]), int(found[3] or found[2])
    return _characters(name, slot, characters, least, min(most, longest or most))


def _characters(name: str, slot: int, characters: str, least: int, most: int) -> Member:
    written = set(range(ord(" "), ord("~") + 1)) - set(b'"\\')
    allowed = bytes(c in written and re.match(characters, chr(c)) is not None for c in range(256))
    return Member(name.encode(), Kind.CHARACTERS, slot, least, most, allowed=allowed)


def _begin(name: str) -> bytes:
    return f'"{name}":'.encode()


def _validity(value: type[msgspec.Struct]) -> Valid:
    """Whether a value is of the type of *value*, and written as a record would have it: a time has several texts."""
    decode = msgspec.json.Decoder(value).decode

    def valid(written: bytes) -> bool:
        document = b'{"value":%b}' % written
        try:
            return _encode(decode(document)) == document
        except msgspec.DecodeError:
            return False

    return valid


def _treating(
    name: str, treatment: Treatment, looks_at: Sequence[str], arriving: dict[str, Any]
) -> Callable[[Surroundings, list[bytes]], bytes]:
    """What is written of a treated field, given the values it looks at as they are written, empty for those not there.

    After those comes the serving network, if it asks for that.
    """
    types = [(member, optional(kind), UNSET) for member, kind in arriving.items()]
    decode = msgspec.json.Decoder(msgspec.defstruct("treated", types)).decode

    def treat(around: Surroundings, values: list[bytes]) -> bytes:
        said = zip(looks_at, values, strict=False)
        group = decode(b"{%b}" % b",".join(_begin(member) + value for member, value in said if value))
        if treatment.in_network:
            around = around.in_network(values[-1][1:-1].decode() or None)
        made = treatment.treat(group, around)
        return b"" if made is UNSET else b"%b%b," % (_begin(name), _encode(made))

    return treat
