"""Settings of who may look: signing in to the console, and the audit log."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints

from collector.config_http import File, Several, is_loopback
from collector.config_section import Check, Section

LEAST_PASSWORD: Final = 15
"""Characters, where a password is the only factor (NIST SP 800-63B-4, 3.1.1.2; OWASP ASVS 5.0, 6.2.1)."""


class SignInSettings(Section):
    """How people sign in to the console, and for how long."""

    accounts: File | None = Field(
        default=None, description="File of the local accounts (`ueip user`); beside the first witness if absent."
    )
    idle_minutes: Annotated[float, Field(gt=0, le=480)] = Field(
        default=30.0, description="A session ends after this long without a request."
    )
    session_hours: Annotated[float, Field(gt=0, le=24)] = Field(
        default=8.0, description="Every session ends after this long, even while it is used."
    )
    purpose_minutes: Annotated[float, Field(gt=0, le=480)] = Field(
        default=480.0, description="The longest time for which a reason or a ticket can be given."
    )
    attempts: Annotated[int, Field(ge=3, le=100)] = Field(
        default=5, description="After this many wrong passwords in a row, an account is locked for a while."
    )
    attempts_by_address: Annotated[int, Field(ge=5, le=10_000)] = Field(
        default=30, description="After this many wrong passwords from one address, it is locked out for a while."
    )
    lock_out_seconds: Annotated[float, Field(ge=1, le=3600)] = Field(
        default=30.0,
        description="How long the first lock lasts; each further wrong password doubles it, up to 15 minutes.",
    )
    least_password_characters: Annotated[int, Field(ge=8, le=128)] = Field(
        default=LEAST_PASSWORD, description="The least length of a new password."
    )


Claim = Annotated[str, StringConstraints(min_length=1, max_length=128)]


def is_secure(url: str) -> bool:
    """Whether an address is protected by TLS or on this machine (O78)."""
    scheme, _, rest = url.partition("://")
    host = rest.partition("/")[0].partition("?")[0]
    name = host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return "@" not in host and bool(name) and (scheme == "https" or (scheme == "http" and is_loopback(name)))


def _secure(url: str) -> str:
    try:
        is_address = urlsplit(url).port != 0
    except ValueError:
        is_address = False
    if not is_address or not is_secure(url):
        raise ValueError("expected an https address (http on this machine only)")
    return url


class OidcSettings(Section):
    """Signing in with an OpenID Connect provider: authorization code with PKCE."""

    enabled: bool = Field(default=False, description="Whether it is offered, besides local accounts if there are any.")
    issuer: Annotated[str, AfterValidator(_secure)] | None = Field(
        default=None,
        description="The provider's issuer, letter for letter; below it is `/.well-known/openid-configuration`.",
    )
    client_id: Claim | None = Field(default=None, description="This console's client id at the provider.")
    client_secret_file: File | None = Field(
        default=None, description="File with the client's secret on its first line; absent for a public client."
    )
    public_url: Annotated[str, AfterValidator(_secure)] | None = Field(
        default=None,
        description="How browsers reach the console, such as https://console.example. The provider must know "
        "`/sign-in/oidc/callback` below it as the redirect address.",
    )
    scopes: Several[Annotated[str, StringConstraints(pattern=r"^[!#-\[\]-~]+$")]] = Field(
        default=("openid", "profile"), description="The scopes that are asked for; `openid` must be among them."
    )
    name_claim: Claim = Field(
        default="sub",
        description="The claim that names a person in the log. Only `sub` is promised to be unique (OpenID Connect "
        "Core, 5.7); use `email` or `preferred_username` if your provider promises that too.",
    )
    role_claim: Claim = Field(
        default="ueip_role",
        description="The claim with the role; a dot leads into an object, as in realm_access.roles.",
    )
    roles: dict[Claim, Literal["operator", "engineer", "privacy_officer", "auditor"]] = Field(
        default={}, description="Which role each value stands for; if empty, the values are the roles' own names."
    )
    region_claim: Claim = Field(default="ueip_regions", description="The claim with the regions.")
    regions: dict[Claim, Literal["hong_kong", "germany", "china"]] = Field(
        default={}, description="Which region each value stands for; if empty, the values are the regions' own names."
    )
    training_claim: Claim | None = Field(
        default=None,
        description="A claim with the date until which a person's training is valid; after it they cannot sign in.",
    )
    algorithms: Several[Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]] = (
        Field(default=("RS256", "PS256", "ES256"), description="The provider's signature algorithms that are accepted.")
    )
    ca_file: File | None = Field(default=None, description="Authorities to trust (PEM); the system's if absent.")

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (
            *(partial(self._needed, name) for name in ("issuer", "client_id", "public_url")),
            self._scopes,
            self._signed,
        )

    def _needed(self, name: str) -> Iterator[str]:
        if self.enabled and getattr(self, name) is None:
            yield f"{name}: found none, expected it where enabled = true. Set it"

    def _scopes(self) -> Iterator[str]:
        if "openid" not in self.scopes:
            yield "scopes: found no openid, expected it among them (OpenID Connect Core, 3.1.2.1)"

    def _signed(self) -> Iterator[str]:
        if not self.algorithms:
            yield "algorithms: found none, expected at least one"


class AuditSettings(Section):
    """The audit log: who read which router, when and why."""

    folder: File | None = Field(
        default=None, description="Folder with a log for each region; if absent, each is beside its region's witness."
    )
    heads: File | None = Field(
        default=None,
        description="Folder for the heads of the logs (number and hash of the newest entry), best on another disk; "
        "beside the logs if absent.",
    )
    reason_required: bool = Field(
        default=False, description="Whether `ueip find`, `diagnose` and `ledger show` require --reason."
    )

    def places_of(self, name: str, beside: Path) -> tuple[Path, Path]:
        """The folder and the head of a log; *beside* is the folder it is in when the settings name none."""
        folder = beside / f"{name}.audit" if self.folder is None else self.folder / name
        return folder, (self.heads or folder.parent) / f"{name}.audit.head"
