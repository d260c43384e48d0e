"""Settings of the console: where engineers, privacy officers, auditors and operators look."""

from typing import Annotated, Self

from pydantic import Field, StringConstraints, model_validator

from collector.config_access import OidcSettings, SignInSettings
from collector.config_http import File, Section, Several, is_loopback


class ConsoleSettings(Section):
    """The console (`ueip console`) and its API, on a listener of their own."""

    host: str = Field(default="127.0.0.1", description="Address to listen on. Another machine's needs TLS and sign-in.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=9466, description="Port to listen on; 0 for a free one."
    )
    cert_file: File | None = Field(default=None, description="The listener's certificate (PEM); with it, TLS.")
    key_file: File | None = Field(default=None, description="Its private key (PEM).")
    names: Several[Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]{1,253}$")]] = Field(
        default=(), description="Names by which browsers reach it, beside the address itself; others are refused."
    )
    sign_in: SignInSettings = SignInSettings()
    oidc: OidcSettings = OidcSettings()

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file: found one of the two, expected both or none")
        if self.cert_file is None and not is_loopback(self.host):
            raise ValueError(
                f"host: found '{self.host}' without TLS, expected cert_file and key_file for a console that other "
                f"machines reach (O78). Set them, or listen on 127.0.0.1"
            )
        return self
