"""The closed lists behind fields of type `list`: `config/products.toml` and `config/carriers.toml`."""

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, model_validator

from collector.data import data_path
from collector.documents import load_document
from collector.fields.treatments import Products

Listed = Annotated[str, StringConstraints(pattern=r"^[ -~]{1,40}$")]
_REMEMBERED = 32_768


class _ProductTables(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    manufacturers: tuple[Listed, ...]
    models: tuple[Listed, ...]
    default_ssid_patterns: tuple[str, ...]
    default_lan_domains: tuple[str, ...]

    @model_validator(mode="after")
    def _readable(self) -> Self:
        for pattern in self.default_ssid_patterns:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"default_ssid_patterns: found {pattern!r}, expected a pattern: {error}") from None
        return self


class _CarrierTable(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    carriers: dict[Annotated[str, StringConstraints(pattern=r"^[0-9]{5,6}$")], Listed]


def load_products(products: Path | None = None, carriers: Path | None = None) -> Products:
    """Read the lists from these files, or the shipped ones.

    Raises:
        DataFault: every fault of the first file that has any.
    """
    tables = load_document(_ProductTables, products or data_path("config", "products.toml"))
    names = load_document(_CarrierTable, carriers or data_path("config", "carriers.toml"))
    return Products(
        manufacturers=frozenset(tables.manufacturers),
        models=frozenset(tables.models),
        carriers=names.carriers,
        is_default_ssid=_matcher(tables.default_ssid_patterns),
        default_lan_domains=frozenset(name.lower() for name in tables.default_lan_domains),
    )


def _matcher(patterns: tuple[str, ...]) -> Callable[[str], bool]:
    """Whether a name matches one of *patterns*; remembers, for a router sends the same name with every report."""
    pattern = re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
    return lru_cache(_REMEMBERED)(lambda name: pattern.fullmatch(name) is not None)
