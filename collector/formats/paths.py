"""Names as data models have them (TR-106): paths with instance numbers, extensions of vendors, references, tails."""

import re
from typing import Final

LONGEST: Final = 256
"""No parameter has a longer name: such a name is unknown, and costs no work."""
_INSTANCE: Final = re.compile(r"(?<![^.])[0-9]+(?![^.])")
_VENDOR: Final = re.compile(r"(?<![^.])X_[0-9A-Za-z]+(?:-[0-9A-Za-z]+|_(?:COM|NET|ORG|CN))*_")
"""`X_` and an OUI or domain name (TR-106, 3.3), dots written as hyphens or, by older firmware, as underscores."""

Instance = tuple[str, ...]
"""The instance numbers of a path, as they are written."""


def generalise(name: str) -> tuple[str, Instance]:
    """A TR path with `{i}` for its instance numbers, and those numbers."""
    numbers = tuple(_INSTANCE.findall(name)) if len(name) <= LONGEST else ()
    return (_INSTANCE.sub("{i}", name) if numbers else name), numbers


def of_any_vendor(name: str) -> str:
    """The name with `X_{v}_` in place of the vendor who extended the data model."""
    return _VENDOR.sub("X_{v}_", name) if "X_" in name else name


def target_of(value: object, prefixes: tuple[str, ...], below: str) -> Instance | None:
    """The instance that a reference points to, of the object whose parameter has the general name *below*.

    In a list of references the first that fits counts; a prefix may be missing, and so may the dot at the end.
    """
    if not isinstance(value, str):
        return None
    for reference in value[: 4 * LONGEST].split(","):
        general, instance = generalise(reference.strip().rstrip("."))
        if any(below.startswith(f"{prefix}{general}.") for prefix in ("", *prefixes)) and instance:
            return instance
    return None


def tails_of(name: str) -> list[str]:
    """The ends of a generalised path by which it may be known: from three names down to the last one."""
    parts = [part for part in name.split(".") if part != "{i}"]
    return [".".join(parts[-count:]) for count in (3, 2, 1) if count < len(parts)]


def object_of(general: str, instance: Instance) -> tuple[str, Instance]:
    """The object whose parameter a path is, as a general name: everything before its last instance number."""
    return general.rpartition("{i}")[0], instance


def numbers_of(instance: Instance) -> tuple[int, ...]:
    """Instance numbers to sort by: 10 comes after 2."""
    return tuple(int(number) for number in instance)
