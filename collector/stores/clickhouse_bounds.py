"""Which records in ClickHouse acts erase or hide, as conditions of a statement."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from collector.consent.acts import EVERYTHING
from collector.stores.clickhouse_text import listed, octets

BOUNDS: Final = 200
"""How many acts one statement covers."""


class Bound(NamedTuple):
    """The records of one router that an act erases or hides: admitted before an entry, received up to a time."""

    device_ref: bytes
    before: int
    """The number of the entry."""
    until: int = EVERYTHING

    def text(self) -> str:
        """As a condition."""
        until = "" if self.until >= EVERYTHING else f" AND received_at <= {self.until}"
        return f"(device_ref = {octets(self.device_ref)} AND consent_seq < {self.before}{until})"


def any_of(bounds: Iterable[Bound]) -> str:
    """What any of these covers, as a condition."""
    return " OR ".join(bound.text() for bound in bounds)


def all_but(bounds: Sequence[Bound]) -> str:
    """What these leave of their routers' records, as a condition."""
    return f"device_ref IN {listed(bound.device_ref for bound in bounds)} AND NOT ({any_of(bounds)})"
