"""Changes an input: as a tree where it is JSON, as bytes where it is not, and now and then both."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from .tree import Arr, Node, Obj, at, copied, parse, places, put, quoted, write
from .words import (
    CANARIES,
    COUNTRIES,
    FLAG_NAMES,
    NOT_YES,
    canary,
    event,
    field_of,
    names,
    nested,
    scalar,
    sendable,
    some_time,
)

_BYTES: Final = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b'"', b"\\", b"{", b"}", b"[",
    b"]", b",", b":", b"\n", b"//", b"NaN", b"\\u0000", b'"ueip":true,', b'"ueip":false,', b" ", b"\xc3",
)  # fmt: skip
_FEW: Final = (1, 1, 1, 1, 2, 2, 3, 5, 9)


def mutated(data: bytes, chance: random.Random, donors: Sequence[bytes], *, gently: bool = False) -> bytes:
    """Another input made of *data* and perhaps of one of the others; *gently*, it is mostly still a clean report."""
    often = _GENTLY if gently else _OFTEN
    if chance.random() < 0.92 and isinstance(root := parse(data), Obj | Arr):
        with suppress(RecursionError):  # nested again and again
            for _ in range(chance.choice(_FEW)):
                chance.choices(_TREE, often)[0](root, chance, donors)
            data = write(root, chance)
        if chance.random() < 0.97:
            return data
    return mutated_bytes(data, chance, donors)


def mutated_bytes(data: bytes, chance: random.Random, donors: Sequence[bytes] = ()) -> bytes:
    """Bytes changed without regard to what they say."""
    made = bytearray(data)
    for _ in range(chance.choice(_FEW)):
        place = chance.randint(0, len(made))
        end = min(len(made), place + chance.choice((1, 1, 2, 4, 16, 64)))
        match chance.randrange(8):
            case 0 if place < len(made):
                made[place] ^= 1 << chance.randrange(8)
            case 1 if place < len(made):
                made[place] = chance.randrange(256)
            case 2:
                del made[place:end]
            case 3:
                made[place:place] = chance.choice(_BYTES)
            case 4:
                made[place:place] = made[place:end] * chance.choice((1, 2, 50))
            case 5:
                del made[place:]
            case 6 if donors:
                other = chance.choice(donors)
                start = chance.randint(0, len(other))
                made[place:end] = other[start : start + chance.choice((1, 8, 64, len(other)))]
            case _:
                made += chance.choice(_BYTES)
    return bytes(made)


def _somewhere(root: Node, chance: random.Random) -> tuple[Obj | Arr, int] | None:
    found = places(root)
    return chance.choice(found) if found else None


def _objects(root: Node) -> list[Obj]:
    below = [node for place in places(root) if isinstance(node := at(place), Obj)]
    return [root, *below] if isinstance(root, Obj) else below


def _flag(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    """Say something else than yes, or say it elsewhere, or twice."""
    if not isinstance(root, Obj):
        return
    match chance.randrange(6):
        case 0 | 1:
            root.put("ueip", chance.choice(NOT_YES))
        case 2:
            root.insert(chance.randint(0, len(root)), ['"ueip"', chance.choice(("true", "false", *NOT_YES))])
        case 3:
            name = quoted(chance.choice(FLAG_NAMES))
            root.insert(chance.randint(0, len(root)), [name, chance.choice(("true", "1", '"1"', *NOT_YES))])
        case 4:
            chance.choice(_objects(root)).put("ueip", "true")
        case _:
            root.put("ueip", "true")


def _twice(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    """A key once more: with the value it has or another, spelt as it is or escaped."""
    owner = chance.choice(_objects(root) or [Obj()])
    if not owner:
        return
    name, value = chance.choice(owner)
    if chance.random() < 0.3 and len(name) > 2 and name[1].isascii():
        name = f'"\\u{ord(name[1]):04x}{name[2:]}'
    owner.insert(chance.randint(0, len(owner)), [name, copied(value) if chance.random() < 0.5 else scalar(chance)])


def _rename(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    owner = chance.choice(_objects(root) or [Obj()])
    if owner:
        pair = chance.choice(owner)
        odd = (pair[0].swapcase(), pair[0][:-1] + '\u200b"', pair[0][:-1] + '_2g"', quoted(chance.choice(names())))
        pair[0] = chance.choice(odd)


def _remove(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    if place := _somewhere(root, chance):
        del place[0][place[1]]


def _replace(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    if place := _somewhere(root, chance):
        put(place, chance.choice((scalar(chance), scalar(chance), scalar(chance), Obj(), Arr())))


def _nest(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    if place := _somewhere(root, chance):
        put(place, nested(at(place), chance))


def _splice(root: Node, chance: random.Random, donors: Sequence[bytes]) -> None:
    """Put something of another input here."""
    other = parse(chance.choice(donors)) if donors else None
    place, taken = _somewhere(root, chance), _somewhere(other, chance)
    if place and taken:
        put(place, copied(at(taken)))


def _swap(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    one, other = _somewhere(root, chance), _somewhere(root, chance)
    if one and other:
        first, second = copied(at(one)), copied(at(other))
        put(one, second)
        if other[1] < len(other[0]):
            put(other, first)


def _field(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    """A field of the catalogue in its group, or in another."""
    if isinstance(root, Obj):
        entry = chance.choice(sendable())
        group = entry["group"] if chance.random() < 0.95 else chance.choice(sendable())["group"]
        found = root.get(group)
        if isinstance(found, Obj):
            found.put(entry["name"], field_of(entry, chance)[0][1])
        elif group != "event":
            root.put(group, field_of(entry, chance))


def _event(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    if isinstance(root, Obj):
        found = root.get("events")
        made = Arr(event(chance) for _ in range(chance.choice((1, 1, 2, 31, 33))))
        if isinstance(found, Arr):
            found += made
        else:
            root.put("events", made)


def _plant(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    """A canary under a name of any kind, or under its own."""
    if owners := _objects(root):
        name = chance.choice(CANARIES) if chance.random() < 0.1 else chance.choice(names())
        chance.choice(owners).append([quoted(name), canary(chance)])


def _time(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    if isinstance(root, Obj):
        root.put("time", some_time(chance))
        if chance.random() < 0.2:
            root.put("uptime_at_event_seconds", chance.choice(("0", "100", "604800")))
            root.put("uptime_at_send_seconds", chance.choice(("0", "100", "700000", "4294967296")))


def _country(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    if isinstance(root, Obj):
        root.put("country", quoted(chance.choice(COUNTRIES)))


def _shuffle(root: Node, chance: random.Random, _: Sequence[bytes]) -> None:
    owner = chance.choice(_objects(root) or [Obj()])
    chance.shuffle(owner)


_TREE: Final[tuple[Callable[[Node, random.Random, Sequence[bytes]], None], ...]] = (
    _flag, _twice, _rename, _remove, _replace, _nest, _splice, _swap, _field, _event, _plant, _time, _country, _shuffle,
)  # fmt: skip
_OFTEN: Final = (4, 1.5, 4, 4, 4, 1, 3, 2, 22, 4, 8, 4, 4, 2)
_GENTLY: Final = (1, 1, 0.2, 5, 0.2, 0, 1, 0, 40, 5, 0, 5, 4, 5)
