"""Which names of routers are known to be written, so that they are not written with every record."""

from collections.abc import Iterable
from typing import Final

from collector.stores.plan import Erasure, Insert

Names = tuple[tuple[str, bytes], ...]
_VARIANTS: Final = 8
"""Remembered of one consent: a router names itself by its MAC in one kind of report and not in another."""


class WrittenNames:
    """Names that were written under a consent, by the number of its entry; at most *most* consents are remembered."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._written: dict[int, tuple[Names, ...]] = {}

    def clear(self) -> None:
        """Forget all; to write a name that is there already does no harm."""
        self._written.clear()

    def forget(self, inserts: Iterable[Insert], erased: Iterable[Erasure]) -> None:
        """Forget the names under the consents of these inserts where the same commit has *erased* their router."""
        if refs := {device_ref for device_ref, _ in erased}:
            for insert in inserts:
                if insert.standing.device_ref in refs:
                    self._written.pop(insert.standing.seq, None)

    def lacking(self, inserts: Iterable[Insert]) -> list[Insert]:
        """Those whose router may not have all its names yet."""
        written = self._written
        # Most often the same object, and quickly compared: the names of a router are made once and remembered.
        return [i for i in inserts if i.record.lookup not in written.get(i.standing.seq, ())]

    def add(self, inserts: Iterable[Insert]) -> None:
        """Remember that the names of these are durably written."""
        if len(self._written) > self._most:
            self._written.clear()
        for insert in self.lacking(inserts):
            before = self._written.get(insert.standing.seq, ())
            if insert.record.lookup not in before:
                self._written[insert.standing.seq] = (*before[1 - _VARIANTS :], insert.record.lookup)
