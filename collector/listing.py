"""The countries of a region's routers by pseudonym, packed: as Python objects they would take six times the room.

Rule 1: a listing never changes: a thread makes the next one while messages are routed by the last.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Self

_KEY_BYTES: Final = 2
"""Of a pseudonym: they are its bucket, and are not held again there. Pseudonyms are evenly spread, being HMACs."""
_BUCKETS: Final = 1 << 8 * _KEY_BYTES
_REST_BYTES: Final = 14
_WIDTH: Final = _REST_BYTES + 2
_NO_COUNTRY: Final = b"??"

Group = tuple[bytes, bytes]
"""Routers of one bucket: the two bytes, and for each router the other 14 and the two letters of its country."""


class Listing:
    """A country for each router that is listed."""

    def __init__(self, buckets: list[bytes] | None = None) -> None:
        self._buckets = [b""] * _BUCKETS if buckets is None else buckets
        self._count = sum(map(len, self._buckets)) // _WIDTH

    @classmethod
    def of(cls, pages: Iterable[Sequence[Group]]) -> Self:
        """What all these groups have, which is no router twice."""
        buckets = [b""] * _BUCKETS
        for page in pages:
            for key, packed in page:
                buckets[_bucket(key)] += packed
        return cls(buckets)

    def __len__(self) -> int:
        return self._count

    def country(self, ref: bytes) -> str | None:
        """The country of a router, None if it is not listed."""
        bucket = self._buckets[_bucket(ref)]
        place = place_of(bucket, ref[_KEY_BYTES:], _WIDTH)
        return None if place < 0 else bucket[place + _REST_BYTES : place + _WIDTH].decode("latin-1")

    def changed(self, countries: Mapping[bytes, str | None]) -> Self:
        """The listing after a change: routers with their countries, None for one that is listed no more."""
        buckets = self._buckets.copy()
        for ref, country in countries.items():
            number, rest = _bucket(ref), ref[_KEY_BYTES:]
            bucket = buckets[number]
            if (place := place_of(bucket, rest, _WIDTH)) >= 0:
                bucket = bucket[:place] + bucket[place + _WIDTH :]
            buckets[number] = bucket if country is None else bucket + rest + _letters(country)
        return type(self)(buckets)


def last_of(page: Sequence[Group]) -> bytes:
    """The greatest pseudonym of a page whose last group is the one with the greatest key."""
    key, bucket = page[-1]
    return key + max(bucket[place : place + _REST_BYTES] for place in range(0, len(bucket), _WIDTH))


def _letters(country: str) -> bytes:
    """Always two: behind any other number no router would be found. What is no country routes nothing."""
    letters = country.encode("latin-1", "replace")
    return letters if len(letters) == len(_NO_COUNTRY) else _NO_COUNTRY


def _bucket(ref: bytes) -> int:
    return ref[0] << 8 | ref[1]


def place_of(packed: bytes | bytearray, key: bytes, width: int) -> int:
    """Where the entry that begins with *key* begins, -1 if there is none; a match across two entries is none."""
    place = packed.find(key)
    while place % width and place > 0:
        place = packed.find(key, place + 1)
    return place
