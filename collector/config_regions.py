"""Settings of the regions: which are served here, each with its store and keys."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict, StringConstraints

from collector.config_clickhouse import ClickHouseSettings
from collector.config_http import File, Several
from collector.config_postgres import PostgresSettings
from collector.config_section import Check, Section, Unread
from collector.model import Region


class RegionSettings(Section):
    """One region served here."""

    store: File | None = Field(
        default=None, description="The region's SQLite file; left out if there is a [regions.<region>.postgresql]."
    )
    key_files: Annotated[Several[File], Field(min_length=1)] = Field(
        description="Keys for pseudonyms: the first makes new ones, the others find what was stored under them."
    )
    witness: File | None = Field(
        default=None,
        description="Copy of the ledger's newest entries, not in the store's folder; beside the first key if absent.",
    )

    retention_days: Annotated[int, Field(ge=1, le=3650)] = Field(
        description="How long a record can be read after its receipt, before it is deleted: what your notice promises."
    )
    spool: File | None = Field(
        default=None,
        description="Folder for what waits while the store is away, best on another disk. Beside the store's file if "
        "absent; must be set with PostgreSQL.",
    )
    postgresql: PostgresSettings | None = Field(
        default=None,
        description="The region's PostgreSQL database, in place of a file.",
        json_schema_extra={"commented": True},
    )

    clickhouse: ClickHouseSettings | None = Field(
        default=None,
        description="The ClickHouse database of the region's records, for large fleets; the ledger is in PostgreSQL.",
        json_schema_extra={"commented": True},
    )

    @property
    def file(self) -> Path:
        """The SQLite file of a region that has one."""
        assert self.store is not None, "the region's store is a database"
        return self.store

    @property
    def spool_folder(self) -> Path:
        """Where the region's spool is."""
        return self.spool or self.file.with_name(f"{self.file.name}.spool")

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (self._one_store, self._beside)

    def _one_store(self) -> Iterator[str]:
        if (self.store is None) == (self.postgresql is None):
            found = "neither" if self.store is None else "both"
            yield f"store: found {found} of store and postgresql, expected one of them. Choose where it is"

    def _beside(self) -> Iterator[str]:
        if self.store is None and self.postgresql is not None and self.spool is None:
            yield "spool: found none, expected a folder beside PostgreSQL. Set it"
        if self.store is not None and self.postgresql is None and self.clickhouse is not None:
            yield (
                "clickhouse: found no postgresql beside it, expected one: a region's ledger needs transactions, and "
                "ClickHouse has none. Add a section postgresql, and remove store"
            )


class RegionsSettings(Section):
    """Which regions are served here, and how a router's region is found."""

    enabled: Annotated[Several[Annotated[Region, Strict(strict=False)]], Field(min_length=1)] = Field(
        default=tuple(Region), description="Records of other regions are dropped (`region_not_here`)."
    )
    blocked: Several[Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]] = Field(
        default=(), description="Countries to refuse, in addition to those that the tables refuse."
    )
    tables: File | None = Field(default=None, description="Country and network tables; the shipped ones if absent.")
    registry: Literal["none", "known", "required"] = Field(
        default="none",
        description="Where a router's country comes from. none: the message. known: the list of routers and countries "
        "(`ueip registry`) for routers on it, else the message. required: the list; routers not on it are refused.",
    )
    hong_kong: RegionSettings | None = Field(default=None, description="The region's store and keys.")
    germany: RegionSettings | None = Field(default=None, description="The region's store and keys.")
    china: RegionSettings | None = Field(default=None, description="The region's store and keys.")

    def of(self, region: Region) -> RegionSettings:
        """The settings of an enabled region."""
        settings: RegionSettings = getattr(self, region.value)
        return settings

    def witness_of(self, region: Region) -> Path:
        """Where an enabled region's ledger has its witness."""
        own = self.of(region)
        return own.witness or own.key_files[0].with_name(f"{region}.witness")

    @property
    def read(self) -> list[Region]:
        """The enabled regions of whose sections anything could be read: all, in a configuration without faults."""
        return [region for region in self.enabled if self._is(region, there=True)]

    def _is(self, region: Region, *, there: bool) -> bool:
        """Whether a region has a section, or has none; False either way if that could not be read."""
        with suppress(Unread):
            return (getattr(self, region.value) is not None) is there
        return False

    def checks(self) -> Iterable[Check]:
        """As `Section.checks`."""
        return (self._present,)

    def _present(self) -> Iterator[str]:
        missing = [region for region in self.enabled if self._is(region, there=False)]
        if missing:
            yield f"enabled: found {', '.join(missing)} without a section, expected [regions.{missing[0]}]"
