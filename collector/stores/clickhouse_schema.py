"""The tables of a region's records in ClickHouse, and who may do what in them.

Rule 1: a table's comment says which store it belongs to: region, schema and the mark of its ledger.
Rule 2: one router's records lie together, on one shard, in the order of their ids: a record that is written twice is
        one, and a router is read, looked up and purged without looking at others.
Rule 3: a change here comes with a migration of the ledger's database, for a commit looks at that schema alone.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from collector.config_clickhouse import ClickHouseSettings
from collector.errors import Cause, StoreUnusable
from collector.model import Region
from collector.stores.clickhouse_text import Tables

COLUMNS: Final = {
    "device_ref": "FixedString(16)",
    "record_id": "FixedString(16)",
    "version": "Int64",
    "number": "Int64",
    "event_time": "Int64",
    "received_at": "Int64",
    "consent_seq": "Int64",
    "policy_version": "LowCardinality(String)",
    "source_adapter": "LowCardinality(String)",
    "stripped": "String",
    "body": "String",
}
"""The columns of a record, in their order. Of rows with one id the highest `version` counts: the first received, or the
last that was put together of parts."""
_CODECS: Final = {
    **dict.fromkeys(("number", "event_time", "received_at"), " CODEC(Delta, ZSTD(1))"),
    **dict.fromkeys(("stripped", "body"), " CODEC(ZSTD(3))"),
}
# Small granules: a commit asks for as many ids as it has records, and reads a granule for each of their routers.
_RECORD: Final = """CREATE TABLE IF NOT EXISTS {local}{on_cluster} (
    {columns},
    INDEX numbers number TYPE minmax GRANULARITY 1,
    INDEX receipts received_at TYPE minmax GRANULARITY 1
) ENGINE = {engine}
PARTITION BY toYYYYMM(fromUnixTimestamp64Milli(received_at, 'UTC'))
ORDER BY (device_ref, record_id)
SETTINGS index_granularity = 1024, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT '{comment}'"""
_ALL_SHARDS: Final = """CREATE TABLE IF NOT EXISTS {record}{on_cluster} AS {local}
ENGINE = Distributed('{cluster}', '{database}', 'record_local', sipHash64(device_ref))
COMMENT '{comment}'"""
_ALONE: Final = "ReplacingMergeTree(version)"
_REPLICATED: Final = (
    "ReplicatedReplacingMergeTree('/clickhouse/tables/{{shard}}/{database}/record', '{{replica}}', version)"
)
SCHEMA_VERSION: Final = 1
ROLES: Final = ("writer", "reader", "rights")
_GRANTS: Final = (
    "GRANT{on_cluster} SELECT, INSERT, ALTER DELETE ON `{database}`.* TO {writer}",
    "GRANT{on_cluster} SELECT ON `{database}`.* TO {reader}",
    "GRANT{on_cluster} SELECT, ALTER DELETE ON `{database}`.* TO {rights}",
)
# Deletions go to every shard.
_CLUSTER_GRANT: Final = "GRANT{on_cluster} CLUSTER ON *.* TO {writer}, {rights}"
MARK: Final = "clickhouse"
"""The note in the ledger's database of which records belong to it."""


class About(NamedTuple):
    """Which store a table belongs to."""

    region: str
    schema: int
    mark: str

    def text(self) -> str:
        """As it stands in the comment of the table."""
        return f"ueip: records of {self.region}, schema {self.schema}, ledger {self.mark}"

    @classmethod
    def read(cls, text: str) -> "About | None":
        """What a comment says; None if it is somebody else's."""
        found = re.fullmatch(r"ueip: records of (\w+), schema (\d+), ledger ([0-9a-f]{32})", text)
        return cls(found[1], int(found[2]), found[3]) if found else None


def script(settings: ClickHouseSettings, region: Region, mark: str) -> Iterator[str]:
    """The statements that make the database of *settings* the records of the ledger with this *mark*."""
    tables, comment = Tables.of(settings), About(region, SCHEMA_VERSION, mark).text()
    names = {
        "database": settings.database, "on_cluster": tables.on_cluster, "cluster": settings.cluster, "comment": comment,
        "local": tables.local, "record": tables.record, **{name: role(region, name) for name in ROLES},
    }  # fmt: skip
    yield "CREATE DATABASE IF NOT EXISTS `{database}`{on_cluster}".format_map(names)
    columns = ",\n    ".join(f"{name} {kind}{_CODECS.get(name, '')}" for name, kind in COLUMNS.items())
    engine = _REPLICATED.format_map(names) if settings.cluster else _ALONE
    yield _RECORD.format(columns=columns, engine=engine, **names)
    if settings.cluster:
        yield _ALL_SHARDS.format_map(names)


def grants(settings: ClickHouseSettings, region: Region) -> Iterator[str]:
    """The statements that say who may do what: three roles, none of which can sign in."""
    tables = Tables.of(settings)
    names = {
        "database": settings.database, "on_cluster": tables.on_cluster,
        **{name: role(region, name) for name in ROLES},
    }  # fmt: skip
    yield f"CREATE ROLE IF NOT EXISTS {', '.join(role(region, name) for name in ROLES)}{tables.on_cluster}"
    for text in (*_GRANTS, *([_CLUSTER_GRANT] if settings.cluster else [])):
        yield text.format_map(names)


def role(region: Region, name: str) -> str:
    """The name of a region's role."""
    return f"ueip_{region}_{name}"


def check_about(comment: str | None, region: Region, mark: str | None) -> About:
    """What the table of records says about itself, if it is of this region, this schema and this ledger.

    Raises:
        StoreUnusable: it is not.
    """
    place = f"the records of {region}"
    if comment is None or mark is None:
        raise StoreUnusable(
            f"{place}: found a database without them. Make it ready with: ueip store init", Cause.OLDER_SCHEMA
        )
    about = About.read(comment)
    if about is None:
        raise StoreUnusable(f"{place}: found another program's table, expected ours. Choose another database.")
    if about.region != region:
        raise StoreUnusable(
            f"{place}: found those of region {about.region}. Records never move between regions; give each its own."
        )
    if about.schema != SCHEMA_VERSION:
        newer = about.schema > SCHEMA_VERSION
        raise StoreUnusable(
            f"{place}: found schema version {about.schema}, expected {SCHEMA_VERSION}. "
            + ("A newer collector made it; run that one." if newer else "Run: ueip store init"),
            Cause.NEWER_SCHEMA if newer else Cause.OLDER_SCHEMA,
        )
    if about.mark != mark:
        raise StoreUnusable(f"{place}: found records of another ledger. Correct [clickhouse] or [postgresql].")
    return about
