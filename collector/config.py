"""Every setting, declared once. Names include the unit; a path is relative to the configuration file.

Rule 1: every fault is reported at once, at start, with what was found, what was expected and what to do.
Rule 2: there is no setting that stores a message without consent (D6), and none that gives a country a default region.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError

from collector.config_access import AuditSettings
from collector.config_apart import faults_between
from collector.config_broker import BrokerSettings
from collector.config_console import ConsoleSettings
from collector.config_document import absolute, taken_out
from collector.config_files import file_faults
from collector.config_http import ApiSettings, File, HttpSettings, Several
from collector.config_regions import RegionSettings, RegionsSettings
from collector.config_section import Check, Section
from collector.config_sound import part_of
from collector.data import data_path
from collector.documents import read_document
from collector.errors import Cause, DataFault, StoreUnavailable
from collector.faults import sentences
from collector.model import Region
from collector.pseudonym import Key
from collector.source_settings import SourceSettings, source_faults


class ConsentSettings(Section):
    """How owners join and leave. No value of these settings stores a message without consent."""

    mode: Literal["flag", "registered"] = Field(
        default="flag",
        description="flag: a router's first flagged report is its join. registered: a join event must come first.",
    )
    on_exit: Literal["erase", "keep"] = Field(default="erase", description="What happens to stored records at an exit.")
    keep_reason: Annotated[str, StringConstraints(min_length=10)] | None = Field(
        default=None, description="Why records are kept after an exit; required with on_exit = keep."
    )
    witness_days: Annotated[int, Field(ge=1)] = Field(
        default=180, description="How long a witness keeps an entry: as long as you keep backups of a store."
    )
    policies: File | None = Field(default=None, description="The versions of the notice; the shipped file if absent.")
    strict: bool = Field(
        default=False, description="Whether a change of contact alone (M5) also ends the consents given before it."
    )

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (self._reasoned,)

    def _reasoned(self) -> Iterator[str]:
        if self.on_exit == "keep" and self.keep_reason is None:
            yield 'keep_reason: found none, expected the ground for on_exit = "keep" in a sentence (D5)'


class LimitsSettings(Section):
    """How large, how deep, how old and how far ahead a message may be."""

    max_message_bytes: Annotated[int, Field(ge=1024, le=16_777_216)] = Field(
        default=65_536, description="Larger payloads are dropped (`oversize`)."
    )
    max_depth: Annotated[int, Field(ge=6, le=64)] = Field(
        default=16, description="Payloads nested deeper are dropped (`malformed`)."
    )
    max_age_hours: Annotated[float, Field(gt=0, le=8760)] = Field(
        default=168.0, description="Older messages are dropped (`too_old`)."
    )
    max_ahead_seconds: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=300.0, description="How far a router's clock may be ahead; messages beyond it are dropped (`future`)."
    )
    max_in_flight_bytes: Annotated[int, Field(ge=1_048_576)] = Field(
        default=33_554_432, description="With more than this in memory, no reports are read until commits catch up."
    )


class WriterSettings(Section):
    """How records are collected into a commit."""

    linger_milliseconds: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=5.0, description="The least time that a commit waits for more records; 0 for the shortest delay."
    )
    max_batch_rows: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=4000, description="Most rows in a commit; 1024 while routers join in crowds."
    )


class SpoolSettings(Section):
    """What happens to a region's records while its store is away."""

    after_seconds: Annotated[float, Field(ge=0.05, le=60)] = Field(
        default=1.0, description="After this long without an answer a store is away, and its records go to the spool."
    )
    max_bytes: Annotated[int, Field(ge=1_048_576)] = Field(
        default=1_073_741_824,
        description="The most that waits in a region's spool; what comes after that stays with the broker.",
    )
    known_routers: Annotated[int, Field(ge=1000, le=100_000_000)] = Field(
        default=1_000_000,
        description="How many joined routers a region remembers, at 17 bytes each in every worker. While the store is "
        "away, records of other routers stay with the broker.",
    )


class LogSettings(Section):
    """The log, on standard error."""

    style: Literal["human", "json"] = Field(default="human", description="human: for people. json: for programs.")
    level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="The lowest level written.")


class Settings(Section):
    """The whole of `collector.toml`."""

    broker: BrokerSettings = BrokerSettings()
    regions: RegionsSettings
    consent: ConsentSettings = ConsentSettings()
    limits: LimitsSettings = LimitsSettings()
    writer: WriterSettings = WriterSettings()
    spool: SpoolSettings = SpoolSettings()
    http: HttpSettings = HttpSettings()
    api: ApiSettings = ApiSettings()
    audit: AuditSettings = AuditSettings()
    console: ConsoleSettings = ConsoleSettings()
    log: LogSettings = LogSettings()
    sources: Several[SourceSettings] = Field(default=(), description="Routers that speak another format than ours.")

    @property
    def comes_again_milliseconds(self) -> int:
        """How long after it was stored a message may be delivered again: a day longer than the broker keeps it, or than
        a router may keep it before it is too old, whichever is longer.
        """
        kept = max(self.broker.session_expiry_seconds, self.limits.max_age_hours * 3600)
        return int(kept + 86_400) * 1000

    @property
    def private_folder(self) -> Path:
        """Where the collector's private files are if no setting says otherwise: the folder of the first witness."""
        return self.regions.witness_of(self.regions.enabled[0]).parent

    @property
    def accounts_file(self) -> Path:
        """Where the local accounts of the console are."""
        return self.console.sign_in.accounts or self.private_folder / "console.accounts.json"

    def audit_place(self, region: Region | None) -> tuple[Path, Path]:
        """The folder and the head of a region's audit log; without a region, of the log of accounts and sign-ins."""
        if region is None:
            return self.audit.places_of("console", self.private_folder)
        return self.audit.places_of(region.value, self.regions.witness_of(region).parent)

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (self._sources_apart,)

    def _sources_apart(self) -> list[str]:
        return source_faults(
            self.sources, lambda: self.consent.mode == "registered", lambda: self.broker.sender_property
        )


def load_settings(path: Path) -> Settings:
    """Read and check a configuration file; its paths come out absolute.

    Raises:
        DataFault: every fault found, keys and files included.
    """
    settings, faults = read_settings(path)
    if faults:
        raise DataFault(faults)
    return settings


def read_settings(path: Path) -> tuple[Settings, list[str]]:
    """As much of a configuration file as can be read (all of it if there is no fault), and every fault found.

    Raises:
        DataFault: nothing can be read.
    """
    if not path.exists():
        raise DataFault([f"{path}: no such file. Make one with: ueip init {path.parent}"])
    document = read_document(path, path)
    faults, given = taken_out(document), absolute(document, path.resolve().parent)
    findings: list[Any] = []
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        settings, more = part_of(Settings, given, [found["loc"] for found in error.errors()])
        findings = [*error.errors(), *more]
    faults += [*file_faults(settings), *faults_between(settings)]
    return settings, [*sentences(path, findings, document), *(f"{path}: {fault}" for fault in faults)]


def read_keys(settings: RegionSettings) -> list[Key]:
    """The keys of a region, the current one first; 32 raw bytes each.

    Raises:
        StoreUnavailable: one cannot be read, or is not a key; the checks of the settings say more.
    """
    return [_key(file) for file in settings.key_files]


def _key(file: Path) -> Key:
    try:
        return Key(file.read_bytes())
    except (OSError, ValueError):
        raise StoreUnavailable(f"{file}: found no key that can be read", Cause.LOST_KEY) from None


def default_settings_path() -> Path:
    """The shipped example, a complete configuration with every setting at its default."""
    return data_path("config", "collector.toml")
