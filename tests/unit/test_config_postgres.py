"""A region's database in the configuration: what is wrong with it is told at the start, and no secret with it."""

from pathlib import Path

import pytest
import trustme
from test_config import REGIONS, Folder

from collector.config_postgres import PostgresSettings
from collector.model import Region

DATABASE = "ueip_germany"


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A folder with sound keys and a password."""
    made = Folder(tmp_path)
    secret = tmp_path / "keys" / "database"
    secret.write_text("s3cret-c4n4ry\n")
    secret.chmod(0o600)
    return made


def regions(*lines: str, spool: bool = True, store: bool = False) -> str:
    """The regions, with Germany's in a database; *lines* say what its section says beside what must be said."""
    file = 'store = "data/germany.sqlite"'
    assert file in REGIONS
    text = REGIONS.replace(file, "\n".join([*([file] if store else []), *(['spool = "spool"'] if spool else [])]))
    usual = {"database": f'"{DATABASE}"', "user": '"collector"', "password_file": '"keys/database"'}
    given = {line.partition(" = ")[0] for line in lines}
    own = [f"{name} = {value}" for name, value in usual.items() if name not in given]
    return "\n".join([text, "[regions.germany.postgresql]", *own, *lines])


def test_a_region_may_have_a_database(folder: Folder) -> None:
    """The others keep their files; its spool is where it was said to be."""
    settings = folder.load(regions=regions())
    own = settings.regions.of(Region.GERMANY)

    assert (None, "127.0.0.1", 5432) == (own.store, *(own.postgresql.server[:2] if own.postgresql else ()))
    assert own.postgresql is not None
    assert folder.path / "keys" / "database" == own.postgresql.password_file
    assert folder.path / "spool" == own.spool_folder
    assert settings.regions.of(Region.CHINA).store is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (regions(store=True), "regions.germany: store: found both of store and postgresql, expected one of them."),
        (regions(spool=False), "regions.germany: spool: found none, expected a folder beside PostgreSQL."),
        (regions('user = ""'), "regions.germany.postgresql.user: found ''"),
        (regions('password = "x"'), "regions.germany.postgresql.password: unknown setting."),
        (regions('password_file = "gone"'), "regions.germany.postgresql.password_file: "),
        (regions("port = 0"), "regions.germany.postgresql.port: found 0"),
        (regions('cert_file = "keys/database"'), "regions.germany.postgresql: cert_file and key_file: found one"),
        (regions('host = "/run/postgresql"', "tls = true"), "regions.germany.postgresql: tls: found true for a socket"),
        (regions("tls = true", 'ca_file = "keys/database"'), "regions.germany.postgresql: the TLS files cannot be"),
    ],
)
def test_a_fault_says_where_it_is_and_what_was_expected(folder: Folder, text: str, told: str) -> None:
    """One sentence each, and never what is in the file of the password."""
    [fault] = folder.faults(regions=text)

    assert fault.startswith(told)
    assert "c4n4ry" not in fault


@pytest.mark.parametrize("host", ["db.example.net", "192.0.2.7", "::", "localhost.example.net"])
def test_another_machine_needs_tls(folder: Folder, host: str) -> None:
    """O78; the same names with it are taken."""
    [fault] = folder.faults(regions=regions(f'host = "{host}"'))

    assert fault.startswith(f"regions.germany.postgresql: host: found '{host}' without TLS, expected tls = true")
    authority = folder.path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(authority)
    assert folder.load(regions=regions(f'host = "{host}"', "tls = true", 'ca_file = "ca.pem"'))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "/run/postgresql"])
def test_this_machine_needs_none(host: str) -> None:
    """Nobody else can listen there."""
    assert PostgresSettings(host=host, database="a", user="a").is_local


def test_a_password_that_others_can_read_is_refused(folder: Folder) -> None:
    """As a key is."""
    (folder.path / "keys" / "database").chmod(0o640)
    [fault] = folder.faults(regions=regions())

    assert "found mode 640, expected 600" in fault


def test_two_regions_must_not_share_a_database(folder: Folder) -> None:
    """D18; whoever signs in."""
    second = '[regions.china.postgresql]\ndatabase = "ueip_germany"\nuser = "other"'
    text = regions().replace('store = "data/china.sqlite"', 'spool = "spool-of-china"')
    [fault] = folder.faults(regions=f"{text}\n{second}")

    assert (
        "regions.china.store: database ueip_germany: is also the store of germany. Give each region its own." == fault
    )


def test_without_the_driver_the_fault_says_how_to_install_it(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an extra, for those who need it."""
    monkeypatch.setattr("collector.config_files.find_spec", lambda name: None)
    [fault] = folder.faults(regions=regions())

    assert "found no asyncpg to talk to it. Run: pip install 'ueip-collector[postgres]', or in a clone" in fault


def test_the_settings_tell_no_secret(folder: Folder) -> None:
    """However they are printed."""
    assert "c4n4ry" not in repr(folder.load(regions=regions()))
