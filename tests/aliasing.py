"""What tests of alias maps share: translators of entries made up for a test, and what they make of values."""

from typing import Any

from collector.fields.catalogue import load_catalogue
from collector.fields.clean import Cleaner, Tally
from collector.fields.compiled import Compiled
from collector.fields.names import RefusedNames
from collector.formats.aliases import AliasMap
from collector.formats.reading import Reading
from collector.formats.translate import Translator

COMPILED = Compiled(load_catalogue())
SOURCE = "made up for this test"
NOW = 1_795_280_000_000
"""2026-11-21T16:53:20Z, in milliseconds."""


def translator(*entries: dict[str, Any], **more: Any) -> Translator:
    """A translator of these entries."""
    aliases = AliasMap.model_validate({"format": "test", "alias": [{"source": SOURCE, **e} for e in entries], **more})
    return Translator(aliases, COMPILED, Cleaner(COMPILED, RefusedNames(COMPILED.catalogue)))


def read(made: Translator, *values: tuple[str, Any], time: int | None = NOW) -> tuple[Any, dict[str, int]]:
    """The tree of these values, and what was removed."""
    tally = Tally()
    tree = made.translate(Reading(values=values, time=time), tally).tree
    return tree, {removal.value: count for removal, count in tally.counts.items()}
