"""Words of ClickHouse statements: the names of tables, and values written into the text.

Rule 1: what is written into a statement is a number, a pseudonym or a name that the settings have checked.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from collector.config_clickhouse import ClickHouseSettings

_OCTET = re.compile("..")


class Tables(NamedTuple):
    """The tables of a region's records: the one that is written and read, and the one with the rows of this shard."""

    database: str
    cluster: str | None

    @classmethod
    def of(cls, settings: ClickHouseSettings) -> "Tables":
        """The tables that the settings name."""
        return cls(settings.database, settings.cluster)

    @property
    def record(self) -> str:
        """The table that is written to and read from."""
        return f"`{self.database}`.record"

    @property
    def local(self) -> str:
        """The table with the rows: statements that delete name this one, on every shard."""
        return f"`{self.database}`.record_local" if self.cluster else self.record

    @property
    def on_cluster(self) -> str:
        """What makes a statement go to every server."""
        return f" ON CLUSTER `{self.cluster}`" if self.cluster else ""


def octets(value: bytes) -> str:
    """Bytes as an SQL literal."""
    return "'" + _OCTET.sub(r"\\x\g<0>", value.hex()) + "'"


def listed(values: Iterable[bytes]) -> str:
    """Bytes as a list of SQL literals, for `IN`."""
    return "(" + ",".join(map(octets, values)) + ")"
