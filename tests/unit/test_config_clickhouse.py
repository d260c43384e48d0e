"""Settings of a region whose records are in ClickHouse: what may be said, and how everything wrong is told at once."""

import pytest
from test_config import Folder
from test_config_postgres import DATABASE, regions
from test_config_postgres import folder as folder  # noqa: PLC0414 - a fixture

from collector.model import Region

WHERE = "regions.germany.clickhouse"


def with_clickhouse(*lines: str) -> str:
    """Germany's ledger in PostgreSQL, its records in ClickHouse; *lines* are what its section says beside the usual."""
    given = {line.partition(" = ")[0] for line in lines}
    usual = {"database": '"ueip_germany"', "user": '"collector"', "password_file": '"keys/database"'}
    own = [f"{name} = {value}" for name, value in usual.items() if name not in given]
    return "\n".join([regions(), "[regions.germany.clickhouse]", *own, *lines])


def test_a_region_may_have_its_records_in_clickhouse(folder: Folder) -> None:
    """Beside the database of its ledger."""
    own = folder.load(regions=with_clickhouse('cluster = "fleet"')).regions.of(Region.GERMANY)

    assert own.postgresql is not None
    assert own.clickhouse is not None
    assert DATABASE == own.postgresql.database
    assert ("127.0.0.1", 8123, "ueip_germany", "fleet") == (*own.clickhouse.server, own.clickhouse.cluster)
    assert folder.path / "keys" / "database" == own.clickhouse.password_file


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            with_clickhouse('host = "ch.example.net"'),
            WHERE + ": host: found 'ch.example.net' without TLS",
        ),
        (with_clickhouse("port = 0"), WHERE + ".port: found 0"),
        (with_clickhouse('database = "a`b"'), WHERE + ".database: found 'a`b'"),
        (with_clickhouse('cluster = ""'), WHERE + ".cluster: found ''"),
        (with_clickhouse("patience_seconds = 60"), WHERE + ".patience_seconds: found 60"),
        (with_clickhouse('password = "x"'), WHERE + ".password: unknown setting."),
        (with_clickhouse('password_file = "gone"'), WHERE + ".password_file: "),
        (
            with_clickhouse('key_file = "keys/database"'),
            WHERE + ": cert_file and key_file: found one",
        ),
        (
            with_clickhouse("tls = true", 'ca_file = "keys/database"'),
            WHERE + ": the TLS files cannot be",
        ),
    ],
)
def test_what_is_wrong_is_told(folder: Folder, text: str, told: str) -> None:
    """With its place, and what to do."""
    [fault] = folder.faults(regions=text)

    assert fault.startswith(told)
    assert "c4n4ry" not in fault


def test_all_faults_of_both_databases_are_told_at_once(folder: Folder) -> None:
    """As of every other section."""
    text = with_clickhouse("patience_seconds = 0", "user = 5")
    text = text.replace("[regions.germany.clickhouse]", "port = 0\n[regions.germany.clickhouse]")
    found = sorted(fault.partition("regions.germany.")[2].partition(":")[0] for fault in folder.faults(regions=text))

    assert ["clickhouse.patience_seconds", "clickhouse.user", "postgresql.port"] == found


def test_records_in_clickhouse_need_a_ledger_in_postgresql(folder: Folder) -> None:
    """It has no transactions that could keep one."""
    text = with_clickhouse()
    start, end = text.index("[regions.germany.postgresql]"), text.index("[regions.germany.clickhouse]")
    [fault] = folder.faults(regions=text[:start].replace('spool = "spool"', 'store = "data/g.sqlite"') + text[end:])

    assert "clickhouse: found no postgresql beside it, expected one" in fault


def test_two_regions_share_no_database_of_records(folder: Folder) -> None:
    """Not even with ledgers of their own."""
    text = with_clickhouse()
    china = 'store = "data/china.sqlite"'
    assert china in text
    text = text.replace(china, 'spool = "china-spool"')
    text += (
        '\n[regions.china.postgresql]\ndatabase = "china"\nuser = "collector"\npassword_file = "keys/database"'
        '\n[regions.china.clickhouse]\ndatabase = "ueip_germany"\nuser = "collector"\npassword_file = "keys/database"'
    )
    [fault] = folder.faults(regions=text)

    assert "database ueip_germany: is also the clickhouse database of germany" in fault


def test_a_driver_that_is_missing_is_told(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """With how to install it."""
    monkeypatch.setattr("collector.config_files.find_spec", lambda name: None if "click" in name else object())
    [fault] = folder.faults(regions=with_clickhouse())

    assert "found no clickhouse_connect to talk to it. Run: pip install 'ueip-collector[clickhouse]', or in a" in fault
