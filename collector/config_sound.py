"""What of a configuration can still be judged where some of it is wrong, so that all its faults are told together."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import ValidationError

from collector.model import Region

_BESIDE_SOURCES: Final = {"broker", "consent"}
"""The sections that sources are compared with."""


def sound_part(document: dict[str, Any], error: ValidationError) -> dict[str, Any]:
    """*document* without the sections that *error* finds something wrong in, and without what is compared with them.

    Of the regions only those are left out; where none is left, the document is none that can be read.
    """
    wrong = [fault["loc"] for fault in error.errors()]
    sections = {loc[0] for loc in wrong if loc} - {"regions"}
    if not all(wrong) or sections & _BESIDE_SOURCES:
        sections.add("sources")
    sound = {name: section for name, section in document.items() if name not in sections}
    regions = sound.get("regions")
    return {**sound, "regions": _regions(regions, wrong)} if isinstance(regions, dict) else sound


def _regions(regions: dict[str, Any], wrong: Sequence[tuple[int | str, ...]]) -> dict[str, Any]:
    out = {loc[1] for loc in wrong if len(loc) > 1 and loc[0] == "regions"} - {"enabled"}
    sound = {name: section for name, section in regions.items() if name not in out}
    enabled = regions.get("enabled", [*Region])
    named = enabled if isinstance(enabled, list) else []
    return {**sound, "enabled": [name for name in named if isinstance(name, str) and name in sound]}
