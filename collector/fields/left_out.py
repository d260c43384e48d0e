"""What was left out of a report that is plain but for keys that nobody knows: counted, as it is on the long way.

Firmware that says something new, or what it must not say, is no reason to read all of its reports slowly.
"""

from typing import Protocol

import orjson

from collector.fields.clean import Cleaner, Tally
from collector.model import Removal

_QUOTE = b'"'
_DEEPEST = 2
"""Levels around an unknown key: the report, and perhaps a group."""


class WithOthers(Protocol):
    """A report as the compiled reader has it.

    `beside` has, of each of its objects with unknown keys, the keys that are known, and the others: each with what
    stands there, which may be anything, and how deep that nests.
    """

    @property
    def beside(self) -> list[tuple[list[bytes], list[tuple[bytes, bytes, int]]]]: ...


class LeftOut:
    """Counts the unknown keys of reports."""

    def __init__(self, cleaner: Cleaner, max_depth: int) -> None:
        self._cleaner = cleaner
        self._levels = max_depth - _DEEPEST

    def __call__(self, report: WithOthers) -> tuple[tuple[Removal, int], ...] | None:
        """The counts; None if what stands there is not JSON, or if it may speak against the report."""
        tally = Tally()
        for known, others in report.beside:
            names = [name.decode() for name, _, _ in others]
            # The second of two equal keys would be all that is seen; and another spelling of the flag may say no.
            if len(set(names)) < len(names) or any(map(self._cleaner.spells_the_flag, names)):
                return None
            siblings = frozenset([*map(bytes.decode, known), *names])
            for name, (_, written, levels) in zip(names, others, strict=True):
                if levels > self._levels:
                    return None
                try:
                    value = orjson.loads(written)
                except orjson.JSONDecodeError:
                    return None
                if written.count(_QUOTE) != orjson.dumps(value).count(_QUOTE):
                    return None  # a key stands twice in it
                self._cleaner.refuse(name, value, siblings, tally)
        return tuple(sorted(tally.counts.items()))
