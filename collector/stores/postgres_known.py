"""What a PostgreSQL store remembers of its rows from one commit to the next.

Rule 1: nothing here decides: inside each transaction the ledger's end is read, and what others have appended since is
        learnt before a standing is used (K15). A standing changes with an entry of the ledger and with nothing else.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final, NamedTuple

from collector.consent.ledger import LedgerEntry
from collector.consent.standing import Standing
from collector.model import Action
from collector.stores.named import Names, WrittenNames
from collector.stores.plan import Erasure, Insert
from collector.stores.postgres_once import Wariness
from collector.stores.postgres_rows import index
from collector.stores.postgres_session import Session
from collector.stores.rows import ROUTER_COLUMNS, standing_of

_REMEMBERED: Final = 32_768
"""Routers remembered from one commit to the next; bounds memory, forgetting only costs work."""
_READ: Final = f"SELECT {ROUTER_COLUMNS}, id, buried, names FROM ueip.router WHERE device_ref = ANY($1::bytea[])"  # noqa: S608


class Known(NamedTuple):
    """A router's row."""

    id: int
    standing: Standing
    buried: bool
    """Whether there may be tombstones of its records."""
    names: bytes | None
    """A hash of the names that it can be found by, as far as that is known."""


class KnownRouters:
    """Rows of `router` as of the last entry of the ledger that was read, and what was made findable."""

    def __init__(self) -> None:
        self.wary = Wariness()
        """Whether records are likely to be stored already."""
        self._rows: dict[bytes, Known] = {}
        self._named = WrittenNames(_REMEMBERED)

    def forget(self) -> None:
        """Forget all: what is remembered may no longer be what is stored."""
        self._rows.clear()
        self._named.clear()

    def learn(self, entries: Iterable[LedgerEntry]) -> None:
        """Take what others have appended to the ledger."""
        for entry in entries:
            standing = entry.standing()
            before = self._rows.get(standing.device_ref)
            if before is not None:
                # An entry does not say whether its act erased anything: any but a join may have.
                buried = before.buried or entry.action is not Action.JOIN
                self._rows[standing.device_ref] = Known(before.id, standing, buried, None)

    def wrote(self, standings: Iterable[Standing], rows: dict[bytes, tuple[int, bool]], erased: set[int]) -> None:
        """Take what a commit of ours has written."""
        for standing in standings:
            router_id, buried = rows[standing.device_ref]
            self._rows[standing.device_ref] = Known(router_id, standing, buried or router_id in erased, None)

    async def read(self, session: Session, refs: set[bytes]) -> dict[bytes, Known]:
        """The rows of these routers as of this transaction, where there are any."""
        if len(self._rows) > _REMEMBERED:
            self._rows.clear()
        if missing := [ref for ref in refs if ref not in self._rows]:
            for row in await session.rows(_READ, missing):
                self._rows[row[0]] = Known(row[-3], standing_of(row), row[-2], row[-1])
        return {ref: self._rows[ref] for ref in refs if ref in self._rows}

    async def make_findable(
        self, session: Session, inserts: Sequence[Insert], ids: dict[bytes, int], erased: Sequence[Erasure]
    ) -> bool:
        """Write the routers' names that are not stored yet, or no longer; whether there were any."""
        missing = dict[tuple[bytes, Names], bytes]()
        self._named.forget(inserts, erased)
        nameless = {device_ref for device_ref, _ in erased}
        for insert in self._named.lacking(inserts):
            lookup, known = insert.record.lookup, self._rows.get(insert.standing.device_ref)
            digest = digest_of(lookup)
            if lookup and (known is None or known.names != digest or insert.standing.device_ref in nameless):
                missing[insert.standing.device_ref, lookup] = digest
        if not missing:
            return False
        rows = [(ref, kind, ids[of]) for of, lookup in missing for kind, ref in lookup]
        return await index(session, rows, {ids[of]: digest for (of, _), digest in missing.items()})

    def found(self, inserts: Iterable[Insert]) -> None:
        """Remember that these are durably written and can be found."""
        self._named.add(inserts)


def digest_of(lookup: Names) -> bytes:
    """A hash that tells one set of names from another."""
    return blake2b(b"".join(ref + kind.encode() for kind, ref in lookup), digest_size=8).digest()
