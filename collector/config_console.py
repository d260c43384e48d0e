"""Settings of the console: where engineers, privacy officers, auditors and operators look."""

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field, StringConstraints

from collector.config_access import OidcSettings, SignInSettings
from collector.config_http import File, Several, half_a_certificate, is_loopback
from collector.config_section import Check, Section


class ConsoleSettings(Section):
    """The console (`ueip console`) and its API, on a port of their own."""

    host: str = Field(default="127.0.0.1", description="Address to listen on. Any but loopback needs TLS and sign-in.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=9466, description="Port to listen on; 0 for a free one."
    )
    cert_file: File | None = Field(default=None, description="The listener's certificate (PEM); with it, TLS.")
    key_file: File | None = Field(default=None, description="Its private key (PEM).")
    names: Several[Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}$")]] = Field(
        default=(), description="Names under which browsers reach it, besides the address itself; others are refused."
    )
    sign_in: SignInSettings = SignInSettings()
    oidc: OidcSettings = OidcSettings()

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (lambda: half_a_certificate(self), self._host)

    def _host(self) -> Iterator[str]:
        if self.cert_file is None and self.key_file is None and not is_loopback(self.host):
            yield (
                f"host: found '{self.host}' without TLS, expected cert_file and key_file for a console that other "
                f"machines reach (O78). Set them, or listen on 127.0.0.1"
            )
