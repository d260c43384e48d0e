"""The way to ClickHouse over HTTP: the driver as the collector sets it up, signing in, TLS, proxies, a server away.

Behind it is the engine in this process; see `clickhouse_http` for what is the server's and what is not.
"""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from engines import HAS_CLICKHOUSE, let_go, needs_clickhouse
from postgresql import DATABASES
from records import HOUR, START, leave, numbers, record

from collector.errors import Cause, StoreUnavailable
from collector.model import Region
from collector.stores.plan import ConsentRules

if HAS_CLICKHOUSE:
    from clickhouse import RECORDS, ask
    from clickhouse_http import Served, served

    from collector.stores import clickhouse_session
    from collector.stores.clickhouse import ClickHouseStore

if TYPE_CHECKING:
    from collector.config_clickhouse import ClickHouseSettings

pytestmark = needs_clickhouse
HERE = Region.GERMANY


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """What the databases of the test stand for."""
    yield tmp_path / "store"
    let_go(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> "Iterator[Served]":
    """One that speaks no TLS."""
    with served(tmp_path) as made:
        yield made


@pytest.fixture
def authority() -> trustme.CA:
    """Whom both ends trust."""
    return trustme.CA()


@pytest.fixture
def secure(tmp_path: Path, authority: trustme.CA) -> "Iterator[Served]":
    """One that speaks TLS, and looks at certificates that are shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    with served(tmp_path, context) as made:
        yield made


def store_at(path: Path, records: "ClickHouseSettings") -> "ClickHouseStore":
    """A store for *path*, not opened yet, by the settings alone."""
    return ClickHouseStore(DATABASES.settings(path), records, HERE, ConsentRules())


async def refusal(store: Any) -> StoreUnavailable:
    """Why it does not open."""
    with pytest.raises(StoreUnavailable) as refused:
        await store.open()
    await store.close()
    return refused.value


async def stored_over(path: Path, records: "ClickHouseSettings") -> list[int]:
    """The numbers that are read again of what was stored."""
    store = store_at(path, records)
    await store.open()
    await store.commit([record(number=1), record(number=2)])
    found = await numbers(store)
    await store.close()
    return found


async def test_what_is_stored_over_http_is_read_and_erased_over_it(path: Path, server: "Served") -> None:
    """By the driver's own requests, compressed ones among them."""
    store = store_at(path, server.settings(RECORDS.at(path)))
    await store.open()
    committed = await store.commit([record(number=number) for number in range(50)])
    again = await store.commit([record(number=1)])
    found = await numbers(store)
    left = await store.commit([leave(at=START + HOUR)])
    await store.close()

    assert (50, {"duplicate": 1}) == (committed.stored, dict(again.dropped))
    assert sorted(found) == [*range(50)]
    assert 50 == left.erased
    assert [(0,)] == ask(f"SELECT count() FROM {RECORDS.at(path)}.record")


async def test_who_cannot_sign_in_is_told_so_and_nothing_of_the_server(path: Path, server: "Served") -> None:
    """A wrong password, and none."""
    name = RECORDS.at(path)
    wrong = path.parent / "wrong"
    wrong.write_text("c4n4ry-wrong")
    for file in (wrong, None):
        told = await refusal(store_at(path, server.settings(name, password_file=file)))
        assert Cause.NO_ACCESS is told.cause
        assert not {"c4n4ry", "127.0.0.1", name} & set(str(told).split())


async def test_records_pass_no_proxy_that_the_environment_names(
    path: Path, server: "Served", monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be read there, password and all."""
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert [2, 1] == await stored_over(path, server.settings(RECORDS.at(path)))


async def test_a_server_that_goes_away_is_told_and_is_back_with_the_next_commit(path: Path, server: "Served") -> None:
    """Nothing is lost or there twice by that."""
    store = store_at(path, server.settings(RECORDS.at(path)))
    await store.open()
    await store.commit([record(number=1)])
    with server.away(), pytest.raises(StoreUnavailable) as refused:
        await store.commit([record(number=2)])
    again = await store.commit([record(number=1), record(number=2)])
    found = await numbers(store)
    await store.close()

    assert Cause.NOT_ANSWERING is refused.value.cause
    assert (1, [2, 1]) == (again.stored, found)


@pytest.mark.parametrize("encoding", ["lz4", "zstd", "gzip"])
async def test_an_answer_that_nobody_can_read_is_an_outage(path: Path, server: "Served", encoding: str) -> None:
    """Of a server, or of whatever is in between; the next one is asked on another connection."""
    store = store_at(path, server.settings(RECORDS.at(path)))
    await store.open()
    await store.commit([record(number=1)])
    with server.garbled(encoding), pytest.raises(StoreUnavailable) as refused:
        await store.commit([record(number=1), record(number=2)])
    again = await store.commit([record(number=1), record(number=2)])
    await store.close()

    assert Cause.NOT_ANSWERING is refused.value.cause
    assert 1 == again.stored


async def test_a_server_is_known_by_the_authority_that_the_settings_name(
    path: Path, secure: "Served", authority: trustme.CA, tmp_path: Path
) -> None:
    """With it records pass; with another authority, and with the system's, nothing does."""
    name = RECORDS.at(path)
    mine, another = tmp_path / "ca.pem", tmp_path / "another.pem"
    authority.cert_pem.write_to_path(mine)
    trustme.CA().cert_pem.write_to_path(another)
    found = await stored_over(path, secure.settings(name, tls=True, ca_file=mine))

    assert [2, 1] == found
    for file in (another, None):
        told = await refusal(store_at(path, secure.settings(name, tls=True, ca_file=file)))
        assert Cause.NOT_ANSWERING is told.cause


@pytest.mark.parametrize("with_password", [True, False])
async def test_a_certificate_is_shown_and_a_password_with_it_if_there_is_one(
    path: Path, secure: "Served", authority: trustme.CA, tmp_path: Path, *, with_password: bool
) -> None:
    """The driver by itself would leave the password out."""
    mine, certificate, key = (tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem"))
    authority.cert_pem.write_to_path(mine)
    issued = authority.issue_cert("collector.example.net")
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    more = {} if with_password else {"password_file": None}
    settings = secure.settings(RECORDS.at(path), tls=True, ca_file=mine, cert_file=certificate, key_file=key, **more)

    assert [2, 1] == await stored_over(path, settings)
    assert secure.signed_in == {"password" if with_password else "certificate"}


def test_connections_are_kept_by_the_files_they_are_made_with() -> None:
    """Not by each attempt: one that goes on failing for hours piles nothing up."""
    assert clickhouse_session.ways(None, None, None) is clickhouse_session.ways(None, None, None)


async def test_an_authority_that_is_renewed_is_trusted_with_the_next_connection(
    path: Path, secure: "Served", authority: trustme.CA, tmp_path: Path
) -> None:
    """Nobody starts the collector again for that."""
    settings = secure.settings(RECORDS.at(path), tls=True, ca_file=tmp_path / "ca.pem")
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    before = await refusal(store_at(path, settings))
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    found = await stored_over(path, settings)

    assert Cause.NOT_ANSWERING is before.cause
    assert [2, 1] == found
