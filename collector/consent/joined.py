"""Which routers of one region the ledger knows as joined, as this process last read it.

Rule 1: routers come in and go out by entries of the ledger only; an act that still waits is none.
Rule 2: it never opens the gate for the store. It says whose records may wait in the spool until the ledger can be asked
        again (docs/decisions/0009-spool.md).
"""

from collections.abc import Iterable, Mapping
from typing import Final

from collector.consent.standing import State
from collector.listing import place_of
from collector.model import Identity

_REF_BYTES: Final = 16
_BUCKETS: Final = 4096
MOST: Final = 1_000_000
"""Routers remembered a region unless the settings say otherwise, some 17 bytes each; any more count as unknown."""


class JoinedRouters:
    """A set of pseudonyms, packed: as Python objects they would take six times the room."""

    def __init__(self, most: int = MOST) -> None:
        self.is_complete = False
        """Whether it holds every router that had joined when the ledger was last read."""
        self._most = most
        self._count = 0
        self._buckets = [bytearray() for _ in range(_BUCKETS)]

    def __len__(self) -> int:
        return self._count

    def __contains__(self, ref: bytes) -> bool:
        return place_of(self._bucket(ref), ref, _REF_BYTES) >= 0

    def knows(self, identity: Identity) -> bool:
        """Whether the router has joined, by its present pseudonym or an older one."""
        return identity.device_ref in self or any(ref in self for ref in identity.older)

    def learn(self, states: Mapping[bytes, State]) -> None:
        """Take what the ledger says."""
        for device_ref, state in states.items():
            if state is State.JOINED:
                self.add([device_ref])
            else:
                self._discard(device_ref)

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another."""
        return self._count >= self._most

    def clear(self) -> None:
        """Forget all routers."""
        self.is_complete = False
        self._count = 0
        self._buckets = [bytearray() for _ in range(_BUCKETS)]

    def add(self, refs: Iterable[bytes]) -> None:
        """Take these as joined, as far as there is room."""
        for ref in refs:
            bucket = self._bucket(ref)
            if place_of(bucket, ref, _REF_BYTES) >= 0:
                continue
            if self.is_full:
                self.is_complete = False
                return
            bucket += ref
            self._count += 1

    def _discard(self, ref: bytes) -> None:
        bucket = self._bucket(ref)
        place = place_of(bucket, ref, _REF_BYTES)
        if place >= 0:
            bucket[place : place + _REF_BYTES] = bucket[-_REF_BYTES:]
            del bucket[-_REF_BYTES:]
            self._count -= 1

    def _bucket(self, ref: bytes) -> bytearray:
        # Pseudonyms are evenly spread, being HMACs.
        return self._buckets[(ref[0] << 8 | ref[1]) % _BUCKETS]
