"""Settings of what the collector serves over HTTP: the operators' pages, and the API for acts of consent."""

from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Protocol, TypeVar

from pydantic import AfterValidator, Field, Strict

from collector.config_section import Check, Section


def _named(path: Path) -> Path:
    """A path that the operating system accepts."""
    if "\0" in str(path):
        raise ValueError("found a NUL character, expected the path of a file")
    return path


T = TypeVar("T")
# TOML has no types of its own for these: there, paths and words of ours are texts, and tuples are lists.
File = Annotated[Path, AfterValidator(_named), Strict(strict=False)]
Several = Annotated[tuple[T, ...], Strict(strict=False)]


def is_loopback(host: str) -> bool:
    """Whether *host* names this machine and nothing beyond."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


class Certified(Protocol):
    """What has a certificate, or none."""

    @property
    def cert_file(self) -> Path | None:
        """The certificate."""
        ...

    @property
    def key_file(self) -> Path | None:
        """Its private key."""
        ...


def half_a_certificate(section: Certified) -> Iterator[str]:
    """A fault if there is a certificate without its key, which proves nothing, or a key without its certificate."""
    if (section.cert_file is None) != (section.key_file is None):
        yield "cert_file and key_file: found one of the two, expected both or none"


class HttpSettings(Section):
    """The pages for operators: /metrics, /healthz, /readyz. They contain no personal data."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=9464, description="Port to listen on; 0 for a free one."
    )


class ApiSettings(Section):
    """The API for acts of consent, on a port of its own. Off by default."""

    enabled: bool = Field(default=False, description="Whether the API is on.")
    host: str = Field(default="127.0.0.1", description="Address to listen on. Any but loopback needs TLS.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=9465, description="Port to listen on; 0 for a free one."
    )
    token_file: File | None = Field(
        default=None, description="File with the callers' secrets, one a line, 32 characters or more. Required when on."
    )
    cert_file: File | None = Field(default=None, description="The listener's certificate (PEM); with it, TLS.")
    key_file: File | None = Field(default=None, description="Its private key (PEM).")
    patience_seconds: Annotated[float, Field(gt=0, le=60)] = Field(
        default=10.0, description="How long a caller waits for a region's ledger before the answer is 503."
    )

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (self._token, lambda: half_a_certificate(self), self._host)

    def _token(self) -> Iterator[str]:
        if self.enabled and self.token_file is None:
            yield "token_file: found none, expected the secrets of those who may call. Set it"

    def _host(self) -> Iterator[str]:
        if self.enabled and self.cert_file is None and self.key_file is None and not is_loopback(self.host):
            yield (
                f"host: found '{self.host}' without TLS, expected cert_file and key_file for a listener that other "
                f"machines reach (O78). Set them, or listen on 127.0.0.1"
            )
