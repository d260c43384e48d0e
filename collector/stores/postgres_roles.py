"""The roles of a region's PostgreSQL database, and what each may do there.

Rule 1: none can sign in: people and programs are made members of one.
Rule 2: the collector's own role owns nothing: it cannot change the ledger, the schema or anybody's rights.
"""

from collections.abc import Iterator
from typing import Final

from collector.model import Region

ROLES: Final = ("owner", "writer", "reader", "rights")
_ROLE: Final = """
    DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') THEN
        CREATE ROLE {name} NOLOGIN; END IF; END $$;"""
_ON_DATABASE: Final = """\
    GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {writer};
    GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {rights};
    GRANT CONNECT ON DATABASE {database} TO {reader};"""
_WITHIN: Final = """
    GRANT USAGE ON SCHEMA ueip TO {writer}, {reader}, {rights};
    GRANT SELECT ON ALL TABLES IN SCHEMA ueip TO {writer}, {reader}, {rights};

    -- The collector: appends to the ledger and cannot change it; keeps records, and erases them at an exit.
    GRANT INSERT ON ueip.ledger TO {writer}, {rights};
    GRANT INSERT, UPDATE ON ueip.router, ueip.note TO {writer}, {rights};
    GRANT INSERT ON ueip.tombstone TO {writer}, {rights};
    GRANT DELETE ON ueip.tombstone TO {writer};
    GRANT INSERT, DELETE ON ueip.record, ueip.lookup TO {writer};
    GRANT UPDATE (body) ON ueip.record TO {writer};
    GRANT INSERT, UPDATE, DELETE ON ueip.memory TO {writer};
    GRANT USAGE ON SEQUENCE ueip.record_numbers TO {writer}, {rights};
    GRANT EXECUTE ON FUNCTION ueip.make_partition(bigint), ueip.drop_partition(bigint) TO {writer};

    -- The rights desk: acts of consent and what they erase, and the registry. It writes no record.
    GRANT DELETE ON ueip.record, ueip.lookup, ueip.memory TO {rights};
    GRANT INSERT, UPDATE, DELETE ON ueip.registry TO {rights};
    GRANT INSERT, DELETE ON ueip.registry_change TO {rights};"""


def role(region: Region, name: str) -> str:
    """The name of a region's role."""
    return f"ueip_{region}_{name}"


def new_roles(region: Region) -> Iterator[str]:
    """The statements that make the roles that are not there."""
    return (_ROLE.format(name=role(region, name)) for name in ROLES)


def grants_on_database(region: Region, database: str) -> str:
    """What the owner of *database*, an SQL identifier, grants."""
    return _ON_DATABASE.format(database=database, **_names(region))


def grants_within(region: Region) -> str:
    """What the owner of the schema grants."""
    return _WITHIN.format_map(_names(region))


def _names(region: Region) -> dict[str, str]:
    return {name: role(region, name) for name in ROLES}
