"""Settings of the ClickHouse database that a region's records are in, beside the PostgreSQL database of its ledger."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field, StringConstraints

from collector.config_http import File, half_a_certificate, is_loopback
from collector.config_postgres import Name, Server
from collector.config_section import Check, Section


class ClickHouseSettings(Section):
    """A region's records, for large fleets; its ledger stays in PostgreSQL. Made ready by `ueip store init`."""

    host: Annotated[str, StringConstraints(min_length=1)] = Field(
        default="127.0.0.1", description="Name or address of the server, or of a load balancer before several."
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(
        default=8123, description="Its port for HTTP; with TLS usually 8443."
    )
    database: Name = Field(description="The region's own database on it.")
    user: Name = Field(description="The user to sign in as, with the region's writer role.")
    password_file: File | None = Field(
        default=None, description="File with the password on its first line; if absent, CLICKHOUSE_PASSWORD."
    )
    tls: bool = Field(default=False, description="Speak TLS. Required unless the server is on this machine.")
    ca_file: File | None = Field(default=None, description="Authorities to trust (PEM); the system's if absent.")
    cert_file: File | None = Field(default=None, description="The collector's own certificate (PEM).")
    key_file: File | None = Field(default=None, description="Its private key (PEM).")
    cluster: Name | None = Field(
        default=None,
        description="Name of the cluster (`remote_servers`). Records are replicated within its shards, and all records "
        "of a router are on one shard. If absent, there is one server.",
    )
    patience_seconds: Annotated[float, Field(ge=1, le=15)] = Field(
        default=10.0, description="A write or a read that takes longer is given up, and a commit is tried again."
    )

    @property
    def server(self) -> Server:
        """Which database this is."""
        return Server(self.host, self.port, self.database)

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (self._tls, lambda: half_a_certificate(self))

    def _tls(self) -> Iterator[str]:
        if not self.tls and not is_loopback(self.host):
            yield (
                f"host: found '{self.host}' without TLS, expected tls = true for a server on another machine (O78). "
                f"Set tls = true, the port for it and, for a private authority, ca_file."
            )
