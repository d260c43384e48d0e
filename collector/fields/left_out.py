"""What was left out of a report that is plain without it: unknown keys and invalid values, counted as on the long way.

Firmware that says something new, or what it must not say, is no reason to read all of its reports slowly.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, Protocol

import msgspec
import orjson
from msgspec import UNSET

from collector.fields.clean import Cleaner, Tally
from collector.model import Removal

_QUOTE: Final = b'"'
_AROUND: Final = 2
"""Levels around what was left out: the report, and perhaps a group."""


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
        left = []
        for shape, known, others in report.beside:
            keys = frozenset(map(bytes.decode, [*known, *(key for key, *_ in others)]))
            if len(keys) < len(known) + len(others):
                return None  # one stands twice
            for other in map(Other._make, others):
                key = other.key.decode()
                if (value := self._read(key, other, self._kinds.get(shape, {}))) is UNSET:
                    return None
                left.append((key, other.is_known, value, keys))
        return self._counted(left)

    def _read(self, key: str, other: Other, kinds: Mapping[str, type[Any]]) -> Any:
        """The value of what is to be left out, else UNSET."""
        try:
            value = orjson.loads(other.written)
        except orjson.JSONDecodeError:
            return UNSET
        # A key may stand twice in it.
        if other.levels > self._levels or other.written.count(_QUOTE) != orjson.dumps(value).count(_QUOTE):
            return UNSET
        if other.is_known:
            return value if key in kinds and _is_invalid(value, kinds[key]) else UNSET
        # Another spelling of the flag may say no.
        return UNSET if self._cleaner.spells_the_flag(key) else value

    def _counted(self, left: list[tuple[str, bool, Any, frozenset[str]]]) -> Removed | None:
        """Counted after all is read: to look into unknown keys takes long, and the long way would do so again."""
        tally = Tally()
        for key, is_known, value, keys in left:
            if is_known:
                tally.removed(Removal.INVALID, key)
            else:
                self._cleaner.refuse(key, value, keys, tally)
        # The long way takes such a value for a serving network that cannot be read, and refuses the report.
        return None if tally.suspect_plmn else tuple(sorted(tally.counts.items()))


def _is_invalid(value: Any, kind: type[Any]) -> bool:
    try:
        msgspec.convert({"value": value}, kind)
    except msgspec.ValidationError:
        return True
    return False
