"""`ueip init` and `ueip check-config`: what is made is whole, and what is wrong is a sentence."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trustme
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from collector.cli import ueip
from collector.cli.setup import make_installation
from collector.config import load_settings
from collector.errors import BrokerUnreachable, Cause, DataFault, StoreUnavailable
from collector.model import Region
from collector.stores.sqlite_place import SQLitePlace

FULL = """
import resource, sys
sys.dont_write_bytecode = True  # or half of a compiled module stays there for all that come after
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
from collector.cli import main
main()
"""
"""The command on a disk that takes so many bytes of a file and no more."""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """An installation."""
    make_installation(tmp_path / "site")
    return tmp_path / "site"


def check(site: Path, *words: str) -> Result:
    """What is said of it."""
    return CliRunner().invoke(ueip, ["check-config", *words, "-c", str(site / "collector.toml")])


def changed(site: Path, before: str, after: str) -> None:
    """With another line in the configuration."""
    file = site / "collector.toml"
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after, 1))


@pytest.mark.parametrize("room", [16, 1000])
def test_a_disk_that_is_full_leaves_no_half_of_an_installation(room: int, tmp_path: Path) -> None:
    """Neither half a key nor half a configuration; given again when there is room, the command makes all of it."""
    folder = tmp_path / "site"
    words = [sys.executable, "-c", FULL.format(room=room), "init", str(folder)]
    full = subprocess.run(words, capture_output=True, text=True, check=False)
    left = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    make_installation(folder)

    assert (2, True) == (full.returncode, "cannot be written" in full.stderr)
    assert "Traceback" not in full.stderr
    assert {32} >= set(left.values())
    assert load_settings(folder / "collector.toml")
    assert {"hong_kong.key", "germany.key", "china.key"} == {path.name for path in (folder / "keys").iterdir()}


def test_what_is_made_is_its_owners_alone_and_left_alone(tmp_path: Path) -> None:
    """A key that is there stays, whatever it is."""
    folder = tmp_path / "site"
    (folder / "keys").mkdir(parents=True)
    key = folder / "keys" / "germany.key"
    key.write_bytes(b"mine")
    made = make_installation(folder)

    assert b"mine" == key.read_bytes()
    assert str(key) not in made
    assert {0o600} == {Path(file).stat().st_mode & 0o777 for file in made}


def test_a_broker_whose_name_no_machine_has_is_a_sentence(site: Path) -> None:
    """As one that is away."""
    changed(site, 'host = "127.0.0.1"', 'host = "a..localhost"')
    done = check(site, "--broker")

    assert isinstance(done.exception, BrokerUnreachable)
    assert "mqtt://a..localhost:1883: cannot be reached" in str(done.exception)


def _hang_up(server: socket.socket) -> None:
    server.accept()[0].close()


def test_a_broker_that_hangs_up_is_told_with_what_it_may_want(site: Path) -> None:
    """TLS, for one."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_hang_up, args=[server], daemon=True).start()
        changed(site, "port = 1883", f"port = {server.getsockname()[1]}")
        done = check(site, "--broker")

    assert isinstance(done.exception, BrokerUnreachable)
    assert "Does the port want TLS (broker.tls)?" in str(done.exception)


def test_a_spool_whose_name_no_system_takes_is_a_fault(site: Path) -> None:
    """Told with all others."""
    changed(site, "spool/germany", "x" * 300)
    done = check(site)

    assert isinstance(done.exception, DataFault)
    assert "regions.germany.spool: " in str(done.exception)


@pytest.mark.parametrize(
    ("setting", "place"), [("store", "data/germany.sqlite"), ("spool", "spool/germany/spool.sqlite")]
)
def test_a_folder_where_a_file_is_wanted_is_a_fault(setting: str, place: str, site: Path) -> None:
    """Nothing that the collector does makes a file of it."""
    (site / place).mkdir(parents=True)
    done = check(site)

    assert isinstance(done.exception, DataFault)
    assert f"regions.germany.{setting}: {site / place}: found a folder there." in str(done.exception)


@pytest.mark.parametrize(("setting", "place"), [("store", "data"), ("spool", "spool")])
def test_a_file_where_a_folder_is_wanted_is_a_fault(setting: str, place: str, site: Path) -> None:
    """Of every region, at once."""
    (site / place).rmdir()
    (site / place).write_text("")
    done = check(site)

    assert isinstance(done.exception, DataFault)
    for region in Region:
        assert f"regions.{region}.{setting}: {site / place}: found a file there." in str(done.exception)


@pytest.mark.parametrize("nobodys", ["file", "folder", "folder above"])
def test_a_place_that_cannot_be_written_is_a_fault_of_store_and_spool(
    nobodys: str, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong owner, a disk that is mounted for reading: all of them are told at once."""
    stores = [site / "data" / f"{region}.sqlite" for region in Region]
    spools = [site / "spool" / region / "spool.sqlite" for region in Region]
    places = [*stores, *spools]
    if nobodys != "folder above":
        for place in places:
            place.parent.mkdir(exist_ok=True)
    if nobodys == "file":
        for place in places:
            place.write_bytes(b"")
    else:
        places = [place.parent if place.parent.exists() else place.parent.parent for place in places]
    refused = set(places)
    monkeypatch.setattr("os.access", lambda place, *_, **__: Path(place) not in refused)
    done = check(site)

    assert isinstance(done.exception, DataFault)
    told = str(done.exception)
    for region, store, spool in zip(Region, places[:3], places[3:], strict=True):
        assert f"regions.{region}.store: {store}: cannot be written." in told
        assert f"regions.{region}.spool: {spool}: cannot be written." in told


def test_a_store_that_may_not_be_looked_for_is_a_fault(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one in somebody else's folder."""
    changed(site, "data/germany.sqlite", "x" * 300)
    done = check(site)

    assert isinstance(done.exception, DataFault)
    assert "regions.germany.store: " in str(done.exception)


def test_a_full_disk_is_a_fault_and_what_passes_by_itself_is_a_note(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that were started now would have the region closed until somebody makes room."""

    def inspected(place: SQLitePlace, _: object) -> None:
        cause = {Region.GERMANY: Cause.DISK_FULL, Region.CHINA: Cause.LOCKED}.get(place.region)
        if cause is not None:
            raise StoreUnavailable("did not answer", cause)

    monkeypatch.setattr(SQLitePlace, "inspect", inspected)
    done = check(site)

    assert isinstance(done.exception, DataFault)
    assert done.exception.faults == (f"regions.germany.store: did not answer. {Cause.DISK_FULL.advice}",)
    assert "note: regions.china.store was not looked at" in done.output


def test_a_key_with_a_passphrase_is_a_fault_and_nobody_is_asked_for_it(site: Path) -> None:
    """It would be asked for with every connection, and everything waits for the answer meanwhile."""
    made = trustme.CA().issue_cert("collector.test")
    key = load_pem_private_key(made.private_key_pem.bytes(), None)
    sealed = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    (site / "sealed.key").write_bytes(sealed)
    made.cert_chain_pems[0].write_to_path(site / "mine.crt")
    changed(site, "[broker]", '[broker]\ncert_file = "mine.crt"\nkey_file = "sealed.key"')
    changed(site, "tls = false", "tls = true")
    words = [sys.executable, "-c", "from collector.cli import main; main()", "check-config", "-c"]
    done = subprocess.run(
        [*words, str(site / "collector.toml")], input="secret\n", capture_output=True, text=True, check=False,
        start_new_session=True,
    )  # fmt: skip

    assert 2 == done.returncode
    assert "broker: the TLS files cannot be used" in done.stderr
    assert "a key without a passphrase" in done.stderr
