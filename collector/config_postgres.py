"""Settings of a region's PostgreSQL database, which takes the place of its SQLite file."""

from collections.abc import Iterable, Iterator
from typing import Annotated, NamedTuple

from pydantic import Field, StringConstraints

from collector.config_http import File, half_a_certificate, is_loopback
from collector.config_section import Check, Section

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,63}$")]


class Server(NamedTuple):
    """Which database this is; two regions must not name the same one."""

    host: str
    port: int
    database: str

    def __str__(self) -> str:
        return f"database {self.database}"


class PostgresSettings(Section):
    """A region's PostgreSQL database (15 or newer) instead of the SQLite file. Made ready by `ueip store init`."""

    host: Annotated[str, StringConstraints(min_length=1)] = Field(
        default="127.0.0.1", description="Name or address of the server, or the folder of its socket (`/...`)."
    )
    port: Annotated[int, Field(ge=1, le=65535)] = Field(default=5432, description="Its port.")
    database: Name = Field(description="The region's own database on it.")
    user: Name = Field(description="The role to sign in as, a member of the region's writer role.")
    password_file: File | None = Field(
        default=None, description="File with the password on its first line; if absent, PGPASSWORD or ~/.pgpass."
    )
    tls: bool = Field(default=False, description="Speak TLS. Required unless the server is on this machine.")
    ca_file: File | None = Field(default=None, description="Authorities to trust (PEM); the system's if absent.")
    cert_file: File | None = Field(default=None, description="The collector's own certificate (PEM).")
    key_file: File | None = Field(default=None, description="Its private key (PEM).")
    patience_seconds: Annotated[float, Field(gt=0, le=600)] = Field(
        default=30.0, description="If a commit takes longer, the connection is closed and a new one is made."
    )

    @property
    def server(self) -> Server:
        """Which database this is."""
        return Server(self.host, self.port, self.database)

    @property
    def is_local(self) -> bool:
        """Whether the server can only be on this machine."""
        return self.host.startswith("/") or is_loopback(self.host)

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (self._tls, lambda: half_a_certificate(self))

    def _tls(self) -> Iterator[str]:
        if not self.tls and not self.is_local:
            yield (
                f"host: found '{self.host}' without TLS, expected tls = true for a server on another machine (O78). "
                f"Set tls = true and, for a private authority, ca_file."
            )
        if self.tls and self.host.startswith("/"):
            yield "tls: found true for a socket of this machine, expected false. Remove it"
