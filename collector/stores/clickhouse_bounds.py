"""What acts erase or hide of the records in ClickHouse, as conditions of a statement."""

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from collector.consent.acts import EVERYTHING
from collector.stores.clickhouse_text import listed, octets

BOUNDS: Final = 200
"""What so many acts erase is in one statement."""


class Bound(NamedTuple):
    """What of one router an act erases or hides: records admitted before an entry, received up to a time."""

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
    """What is kept of the routers of these, as a condition."""
    return f"device_ref IN {listed(bound.device_ref for bound in bounds)} AND NOT ({any_of(bounds)})"
