"""Where the data files of the package lie: `schemas/` and `config/`, in a checkout or inside the wheel."""

from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parent


def data_path(*parts: str) -> Path:
    """The path of a shipped data file, as in `data_path("schemas", "fields.toml")`."""
    packaged = _PACKAGE / "_data"
    root = packaged if packaged.is_dir() else _PACKAGE.parent
    return root.joinpath(*parts)
