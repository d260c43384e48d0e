"""From country and serving network to a region, or to a refusal (D16, D17; catalogue 3.2, 3.3).

Rule 1: there is no default region: what is unknown, malformed or in conflict is refused.
Rule 2: the country decides; the serving network can only refuse.
Rule 3: the tables are data, `config/regions.toml`.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from string import ascii_uppercase
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from collector.data import data_path
from collector.documents import load_document
from collector.model import DropReason, Region

Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Mcc = Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")]


class _Countries(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    germany: tuple[Country, ...]
    china: tuple[Country, ...]
    hong_kong: tuple[Country, ...]
    unmapped: tuple[Country, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> Self:
        seen: set[str] = set()
        for country in (*self.germany, *self.china, *self.hong_kong, *self.unmapped):
            if country in seen:
                raise ValueError(f"found {country} more than once, expected every country once")
            seen.add(country)
        return self

    @model_validator(mode="after")
    def _countries(self) -> Self:
        """What is no country has no region, whatever is set (R13; invariant 2 of catalogue 3.4)."""
        listed = (*self.germany, *self.china, *self.hong_kong, *self.unmapped)
        if wrong := [code for code in listed if code in NO_COUNTRY]:
            found = ", ".join(wrong)
            raise ValueError(f"found {found}, expected codes that ISO 3166-1 gives to a country (R13).")
        return self

    @model_validator(mode="after")
    def _fixed(self) -> Self:
        """What the notice itself fixes is not a setting (003 VI; invariant 3 of catalogue 3.4)."""
        if self.china != ("CN",):
            raise ValueError(f'found china = {list(self.china)}, expected ["CN"] and nothing else')
        for region, name in ((self.germany, "germany"), (self.hong_kong, "hong_kong")):
            wrong = [c for c in _NEVER[name] if c in region]
            if wrong:
                raise ValueError(f"found {', '.join(wrong)} in {name}, expected none that the notice stores elsewhere")
        return self


_EU = "AT BE BG HR CY CZ DE DK EE ES FI FR GR HU IE IT LT LU LV MT NL PL PT RO SE SI SK".split()
_CLOSE_TO_EU = "AX GF GP MQ RE YT MF IS LI NO GB CH GI IM JE GG AD MC SM VA SJ FO GL".split()
NO_COUNTRY = frozenset(
    {
        *(f"Q{letter}" for letter in ascii_uppercase[12:]),
        *(f"X{letter}" for letter in ascii_uppercase),
        *"AA ZZ".split(),
        *"AC CP DG EA EL EU EZ IC TA UK UN".split(),
        *"AN BU CS DD FX NT SU TP YD YU ZR".split(),
    }
)
"""Codes for users' own purposes, reserved ones and withdrawn ones (ISO 3166-1, 5 and 8.1.3; ISO 3166-3)."""
_CLAIMING = {"460": "CN", "461": "CN", "454": "HK"}
_NEVER = {"germany": ["CN", "HK", "MO", "TW"], "hong_kong": ["CN", *_EU, *_CLOSE_TO_EU]}


class _Special(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    neutral: tuple[Mcc, ...] = ("901",)
    refused: tuple[Mcc, ...] = ("001", "999")


class RegionTables(BaseModel):
    """`config/regions.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    blocked: tuple[Country, ...] = ()
    countries: _Countries
    mcc: dict[Mcc, tuple[Country, ...]]
    mcc_special: _Special = _Special()

    @model_validator(mode="after")
    def _claims_stand(self) -> Self:
        """The networks of China and Hong Kong may refuse other regions' routers (R15 to R17), whatever is set."""
        for mcc, country in _CLAIMING.items():
            if self.mcc.get(mcc) != (country,):
                raise ValueError(f'mcc.{mcc}: found {list(self.mcc.get(mcc, ()))}, expected ["{country}"]')
        for mcc in (*self.mcc_special.neutral, *self.mcc_special.refused):
            if mcc in self.mcc:
                raise ValueError(f"mcc_special: found {mcc}, which countries use, expected codes of no country")
        return self


def load_region_tables(path: Path | None = None) -> RegionTables:
    """Read the tables from *path*, or the shipped ones.

    Raises:
        DataFault: every fault, each naming file, entry, what was found and what was expected.
    """
    return load_document(RegionTables, path or data_path("config", "regions.toml"))


class RegionMap:
    """Answers which region a router's message belongs to."""

    def __init__(self, tables: RegionTables, later: Sequence[tuple[int, RegionTables]] = ()) -> None:
        """*later* are tables that hold from a time of receipt on (milliseconds), in order."""
        self._later = tuple((since, RegionMap(then)) for since, then in reversed(later))
        self.moves = bool(later)
        """Whether the answer depends on the time: then ask the map `at` that time."""
        self._tables = tables
        self._blocked = frozenset(tables.blocked)
        regions = {Region(name): getattr(tables.countries, name) for name in ("germany", "china", "hong_kong")}
        self._home = {country: region for region, countries in regions.items() for country in countries}
        self._unmapped = frozenset(tables.countries.unmapped)
        self._claims_germany = self._unmapped | frozenset(tables.countries.germany)
        self._route = lru_cache(16_384)(self._route_uncached)

    def at(self, received_at: int) -> "RegionMap":
        """The map that holds for what is received at a time."""
        return next((then for since, then in self._later if received_at >= since), self)

    def route(self, country: str | None, plmns: tuple[str, ...]) -> Region | DropReason:
        """The region of a message by the router's country, unless a serving network speaks against it.

        *plmns* are all networks the message names, those of its events included: what was measured in another
        region's network was generated there (R15, K23).
        """
        if country is None or len(country) != 2:  # noqa: PLR2004 - alpha-2; also bounds what the cache may hold
            return DropReason.REGION_UNKNOWN
        mccs = tuple([plmn[:3] for plmn in plmns])
        return self._route(country, mccs if len(mccs) <= 1 else tuple(sorted(set(mccs))))

    def home(self, country: str) -> Region | DropReason:
        """The region of a country by the table alone (3.3)."""
        if country in self._blocked:
            return DropReason.REGION_BLOCKED
        if country in self._unmapped:
            return DropReason.REGION_UNMAPPED
        return self._home.get(country, DropReason.REGION_UNKNOWN)

    def _route_uncached(self, country: str, mccs: tuple[str, ...]) -> Region | DropReason:
        home = self.home(country)
        if isinstance(home, DropReason):
            return home
        refusals = [reason for mcc in mccs if (reason := self._refusal(home, country, mcc))]
        return min(refusals) if refusals else home

    def _refusal(self, home: Region, country: str, mcc: str) -> DropReason | None:
        """Why a router of *country* may not report from the network of *mcc* (3.2, step 4), or None."""
        special = self._tables.mcc_special
        if mcc in special.neutral:
            return None
        serving = self._tables.mcc.get(mcc)
        if serving is None or mcc in special.refused:
            return DropReason.REGION_UNKNOWN
        # Some codes are shared (340 by the French Antilles and others): at home on one, a router is not roaming.
        if country in serving:
            return None
        if any(other in self._blocked for other in serving):
            return DropReason.REGION_BLOCKED
        return DropReason.REGION_CONFLICT if self._conflicts(home, serving) else None

    def _conflicts(self, home: Region, serving: tuple[str, ...]) -> bool:
        if "CN" in serving:
            return home is not Region.CHINA
        if any(other in self._claims_germany for other in serving):
            return home is not Region.GERMANY
        # Hong Kong claims its network against Chinese routers only (R17); elsewhere it is a place like any other (R19).
        return "HK" in serving and home is Region.CHINA
