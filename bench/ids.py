"""Record ids by the ten million: what must be stored against what is, in memory that is small for their number.

Rule 1: ids are kept as plain bytes, in buckets by their first byte; only one bucket at a time becomes Python objects.
"""

from collections.abc import Iterable, Iterator
from typing import Final

SIZE: Final = 16
_BUCKETS: Final = 64


class RecordIdBag:
    """Ids of 16 bytes, as often as they were put in."""

    def __init__(self, ids: Iterable[bytes] = ()) -> None:
        self._buckets = [bytearray() for _ in range(_BUCKETS)]
        self._count = 0
        self.update(ids)

    def __len__(self) -> int:
        return self._count

    def add(self, record_id: bytes) -> None:
        """Put one in."""
        assert len(record_id) == SIZE
        self._buckets[record_id[0] % _BUCKETS] += record_id
        self._count += 1

    def update(self, ids: Iterable[bytes]) -> None:
        """Put many in."""
        for record_id in ids:
            self.add(record_id)

    def missing_from(self, other: "RecordIdBag") -> int:
        """How many different ids are here and not there."""
        return sum(len(mine - theirs) for mine, theirs in zip(self.sets(), other.sets(), strict=True))

    def repeated(self) -> int:
        """How many are here more than once, counted each time after the first."""
        return self._count - sum(map(len, self.sets()))

    def sets(self) -> Iterator[set[bytes]]:
        """The different ids, one bucket after the other."""
        for bucket in self._buckets:
            whole = bytes(bucket)
            yield {whole[start : start + SIZE] for start in range(0, len(whole), SIZE)}
