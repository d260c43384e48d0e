"""Sentences in parts: which text it is, and what stands in its places, so that every language can tell it in its way.

Rule 1: whoever finds something says it in parts (`say`); how it reads is data. English is `sentences.toml`, other
        languages have the same texts with the same {places} (tests check it).
Rule 2: what is enumerated is a `Word` of a vocabulary; a word that a language does not know is told as it is, as are
        names, versions and codes.
"""

import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple, TypeAlias

from collector.model import Sealed

WORDS_OF_FIELDS: Final = (
    "wan_connection_state", "rat", "disconnect_cause", "reboot_reason", "wifi_coverage_mode", "wifi_password_strength",
    "wifi_security_mode", "fault_severity", "fault_component",
)  # fmt: skip
"""The vocabularies that the catalogue of fields enumerates, by the field's name without its band."""


class Word(Sealed, frozen=True, tag="word"):
    """One word of the vocabulary *of*: of a field of the catalogue, or of the diagnosis."""

    of: str
    word: str


class Listed(Sealed, frozen=True, tag="list"):
    """Several parts, joined as the text `list.` and *by* says."""

    by: str
    items: list["Value"]


class Said(Sealed, frozen=True, tag="said"):
    """A text by its id, and what stands in its places. Numbers are as they were found; their units are in the text."""

    id: str
    values: dict[str, "Value"]


Value: TypeAlias = str | int | float | Word | Listed | Said


def say(text: str, /, **values: Value) -> Said:
    """The text of this id with these values in its places."""
    return Said(text, values)


class Tongue(NamedTuple):
    """What a language needs to tell sentences: texts by id, words by vocabulary, a way to write numbers."""

    texts: Mapping[str, str]
    words: Mapping[str, Mapping[str, str]]
    number: Callable[[float], str]

    def tell(self, value: Value) -> str:
        """A sentence, or any part of one, in words.

        Raises:
            KeyError: there is no such text, or a place of it has no value.
        """
        if isinstance(value, Said):
            return self.texts[value.id].format(**{name: self.tell(part) for name, part in value.values.items()})
        if isinstance(value, Word):
            return self.words.get(value.of, {}).get(value.word, value.word)
        if isinstance(value, Listed):
            return self.texts[f"list.{value.by}"].join(map(self.tell, value.items))
        return value if isinstance(value, str) else self.number(value)


@cache
def english_texts() -> Mapping[str, str]:
    """Every text in English, by its id."""
    file = files("collector.diagnosis") / "sentences.toml"
    return dict(flat(tomllib.loads(file.read_text("utf-8"))))


def flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """The texts of a table and the tables in it, by their names with dots between."""
    for name, value in table.items():
        if isinstance(value, str):
            yield before + name, value
        else:
            yield from flat(value, f"{before}{name}.")


def number(value: float) -> str:
    """A number as English summaries have it, for people and for programs that compare them."""
    return f"{value:.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.1f}"  # noqa: PLR2004 - two digits


def english(value: Value) -> str:
    """A sentence as the command and `summary` have it."""
    return Tongue(english_texts(), {}, number).tell(value)
