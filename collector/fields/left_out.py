"""What was left out of a report that is plain without it: unknown keys and invalid values, counted as on the long way.

Firmware that says something new, or what it must not say, is no reason to read all of its reports slowly.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import orjson

from collector.fields.clean import Cleaner, Tally
from collector.model import Removal

_QUOTE: Final = b'"'
_AROUND: Final = 2
"""Levels around what was left out: the report, and perhaps a group."""
_LONGEST: Final = 4096
"""Bytes of anything beside an invalid value: the long way takes no number of more than 4300 digits, as Python."""


class Other(NamedTuple):
    """A member of a report that was passed over: its key, what stands there, how deep that nests, and whether the key
    is in the catalogue.
    """

    key: bytes
    written: bytes
    levels: int
    is_known: bool


class WithOthers(Protocol):
    """A report in which something was passed over: of each object its shape, the keys of the rest, and the others."""

    @property
    def beside(self) -> list[tuple[Any, list[bytes], list[tuple[bytes, bytes, int, bool]]]]: ...


Removed = tuple[tuple[Removal, int], ...]


class LeftOut:
    """Counts what was left out of reports. *kinds* are the types of those fields whose values may be invalid, by the
    shape of their group: others decide on the report itself.
    """

    def __init__(self, cleaner: Cleaner, max_depth: int, kinds: Mapping[Any, Mapping[str, type[Any]]]) -> None:
        self._cleaner = cleaner
        self._levels = max_depth - _AROUND
        self._kinds = kinds

    def __call__(self, report: WithOthers) -> Removed | None:
        """The counts; None if something is no JSON, speaks against the report, or was not to be left out."""
        tally, beside = Tally(), report.beside
        longest = None
        if any(is_known for _, _, others in beside for *_, is_known in others):
            longest = _LONGEST
        for shape, known, others in beside:
            keys = frozenset(map(bytes.decode, [*known, *(key for key, *_ in others)]))
            if len(keys) < len(known) + len(others):
                return None  # one stands twice
            for other in map(Other._make, others):
                if longest is not None and len(other.written) > longest:
                    return None
                if not self._count(other, keys, self._kinds.get(shape, {}), tally):
                    return None
        # The long way takes such a value for a serving network that cannot be read, and refuses the report.
        return None if tally.suspect_plmn else tuple(sorted(tally.counts.items()))

    def _count(self, other: Other, keys: frozenset[str], kinds: Mapping[str, type[Any]], tally: Tally) -> bool:
        key = other.key.decode()
        try:
            value = orjson.loads(other.written)
        except orjson.JSONDecodeError:
            return False
        # A key may stand twice in it.
        if other.levels > self._levels or other.written.count(_QUOTE) != orjson.dumps(value).count(_QUOTE):
            return False
        if other.is_known:
            if key not in kinds or not _is_invalid(value, kinds[key]):
                return False
            tally.removed(Removal.INVALID, key)
            return True
        if self._cleaner.spells_the_flag(key):
            return False  # in another way, and it may say no
        self._cleaner.refuse(key, value, keys, tally)
        return True


def _is_invalid(value: Any, kind: type[Any]) -> bool:
    try:
        msgspec.convert({"value": value}, kind)
    except msgspec.ValidationError:
        return True
    return False
