"""The way to a PostgreSQL server that is protected by TLS: a real server with a certificate of the test's authority."""

from pathlib import Path

import pytest
from engines import needs_postgresql
from postgresql import Server, new_server, shared
from records import START, numbers, record

from collector.errors import Cause, StoreUnavailable
from collector.model import Region
from collector.stores.plan import ConsentRules
from collector.stores.postgres import PostgresStore

trustme = pytest.importorskip("trustme")
pytestmark = needs_postgresql


class Authority:
    """Who vouches for a server."""

    def __init__(self, folder: Path) -> None:
        self._authority = trustme.CA()
        self.file = folder / "ca.crt"
        self._authority.cert_pem.write_to_path(self.file)
        self.certificate, self.key = folder / "server.crt", folder / "server.key"

    def issue(self, *hosts: str) -> tuple[Path, Path]:
        """A certificate for these hosts, and its key."""
        made = self._authority.issue_cert(*hosts)
        self.certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        made.private_key_pem.write_to_path(self.key)
        return self.certificate, self.key


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The one that the server's certificate is of."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def server(authority: Authority) -> Server:
    """A server that lets nobody but the administrator in without TLS, with a certificate for `localhost`."""
    made = new_server(tls=authority.issue("localhost"))
    made.make("secure")
    return made


def store(server: Server, **more: object) -> PostgresStore:
    """A store there."""
    usual = {"host": "localhost", "tls": True}
    settings = server.settings("secure", "germany_writer", **{**usual, **more})
    return PostgresStore(settings, Region.GERMANY, ConsentRules())


async def test_a_server_that_the_authority_vouches_for_is_spoken_to_over_tls(
    server: Server, authority: Authority
) -> None:
    """And the server says so too."""
    made = store(server, ca_file=authority.file)
    await made.open()
    await made.commit([record(at=START)])
    versions = await made._each(
        lambda row: row[0], "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl"
    )
    found = await numbers(made)
    await made.close()

    assert (["TLSv1.3"], [1]) == (versions, found)


async def refused(made: PostgresStore) -> StoreUnavailable:
    """Why the store cannot be opened."""
    with pytest.raises(StoreUnavailable) as found:
        await made.open()
    return found.value


async def test_a_server_that_somebody_else_vouches_for_is_refused(server: Server, tmp_path: Path) -> None:
    """Nothing is sent to it, and no name is told."""
    error = await refused(store(server, ca_file=Authority(tmp_path).file))

    assert Cause.NOT_ANSWERING is error.cause
    assert "its certificate was not accepted" in str(error)


async def test_a_certificate_for_another_host_is_refused(server: Server, authority: Authority) -> None:
    """Whoever has one of the same authority is not our server."""
    error = await refused(store(server, ca_file=authority.file, host="127.0.0.1"))

    assert "its certificate was not accepted" in str(error)
    assert "127.0.0.1" not in str(error)


async def test_a_server_without_tls_is_refused_where_tls_was_asked_for(authority: Authority) -> None:
    """There is no falling back."""
    plain = shared()
    settings = plain.settings("postgres", "germany_writer", host="localhost", tls=True, ca_file=authority.file)
    error = await refused(PostgresStore(settings, Region.GERMANY, ConsentRules()))

    assert Cause.NOT_ANSWERING is error.cause


async def test_a_server_that_asks_for_tls_does_not_let_us_in_without(server: Server) -> None:
    """Its own rules hold too."""
    error = await refused(store(server, tls=False, host="127.0.0.1"))

    assert Cause.NO_ACCESS is error.cause
