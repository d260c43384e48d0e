"""Settings of the broker that routers publish to."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from collector.config_http import File, half_a_certificate, is_loopback
from collector.config_section import Check, Section

_FOUR_BYTES: Final = 4_294_967_295
"""The largest number that four bytes hold (MQTT 5, 1.5.3)."""


class BrokerSettings(Section):
    """The MQTT 5 broker that routers publish to."""

    host: str = Field(default="127.0.0.1", description="Name or address of the broker.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(default=1883, description="Its port.")
    client_id: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")] = Field(
        default="ueip-collector",
        description="Names the session; a second one has `-consent` appended. No two collectors may share it.",
    )
    username: str | None = Field(default=None, description="Name to sign in with.")
    password_file: File | None = Field(default=None, description="File with the password on its first line.")
    tls: bool = Field(default=False, description="Speak TLS. Required unless the broker is on this machine.")
    ca_file: File | None = Field(default=None, description="Authorities to trust (PEM); the system's if absent.")
    cert_file: File | None = Field(default=None, description="The collector's own certificate (PEM).")
    key_file: File | None = Field(default=None, description="Its private key (PEM).")
    keep_alive_seconds: Annotated[int, Field(ge=5, le=65535)] = Field(
        default=30, description="A ping is sent after this long without sending anything."
    )
    share_group: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")] | None = Field(
        default=None, description="Collectors with the same group share the reports among them."
    )
    watchdog_silence_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=60.0, description="After this long without a message, the collector publishes one to itself."
    )
    watchdog_answer_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=20.0, description="If that message does not come back within this time, a new connection is made."
    )
    clear_retained: bool = Field(
        default=True,
        description="Whether reports that the broker retains are cleared there; its access rules must allow it.",
    )
    session_expiry_seconds: Annotated[int, Field(ge=60, le=_FOUR_BYTES)] = Field(
        default=604_800, description="How long the broker keeps messages for a collector that is away."
    )
    receive_maximum: Annotated[int, Field(ge=10, le=65535)] = Field(
        default=10_000,
        description="The most messages that the broker sends without an acknowledgement (MQTT 5, 3.1.2.11.3).",
    )
    max_packet_bytes: Annotated[int, Field(ge=65_536, le=_FOUR_BYTES)] = Field(
        default=16_777_216, description="The broker must not send larger packets."
    )
    reconnect_max_seconds: Annotated[float, Field(gt=0, le=3600)] = Field(
        default=30.0, description="Longest pause between two attempts to connect."
    )
    sender_property: Annotated[str, StringConstraints(min_length=1, max_length=256)] | None = Field(
        default=None,
        description="MQTT 5 user property in which the broker names the sender, for sources with "
        'router_from = "sender". The broker must remove it from what clients send.',
    )

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (self._host, lambda: half_a_certificate(self))

    def _host(self) -> Iterator[str]:
        if "/" in self.host or "@" in self.host or self.host.count(":") == 1:
            found = self.host.rpartition("@")[2]  # what is before it may be a password
            yield f"host: found '{found}', expected a name or an address alone. Set port, tls, user and password apart."
        elif not self.tls and not is_loopback(self.host):
            yield (
                f"host: found '{self.host}' without TLS, expected tls = true for a broker on another machine (O78). "
                f"Set tls = true and, for a private authority, ca_file."
            )
