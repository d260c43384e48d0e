"""Sentences in parts: a text and the values of its placeholders, so that every language can word it in its own way.

Rule 1: code says in parts (`say`) what it found; the wording is data. English is in `sentences.toml`, and other
        languages have the same texts with the same {placeholders} (tests check it).
Rule 2: an enumerated value is a `Word` of a vocabulary. A word that a language does not know is shown as it is, and so
        are names, versions and codes.
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
    """One word of the vocabulary *of*, which is that of a field of the catalogue or one of the diagnosis."""

    of: str
    word: str


class Listed(Sealed, frozen=True, tag="list"):
    """Several parts, joined by the text `list.<by>`."""

    by: str
    items: list["Value"]


class Said(Sealed, frozen=True, tag="said"):
    """A text by its id, and the values of its placeholders. Numbers are as found; their units are in the text."""

    id: str
    values: dict[str, "Value"]


Value: TypeAlias = str | int | float | Word | Listed | Said


def say(text: str, /, **values: Value) -> Said:
    """The text of this id with these values for its placeholders."""
    return Said(text, values)


class Tongue(NamedTuple):
    """What a language needs to tell sentences: texts by id, words by vocabulary, a way to write numbers."""

    texts: Mapping[str, str]
    words: Mapping[str, Mapping[str, str]]
    number: Callable[[float], str]

    def tell(self, value: Value) -> str:
        """A sentence, or any part of one, in words.

        Raises:
            KeyError: there is no such text, or a placeholder of it has no value.
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
    """The texts of a table and of the tables in it, by their dotted names."""
    for name, value in table.items():
        if isinstance(value, str):
            yield before + name, value
        else:
            yield from flat(value, f"{before}{name}.")


def number(value: float) -> str:
    """A number as English summaries write it, for people and for programs that compare them."""
    return f"{value:.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.1f}"  # noqa: PLR2004 - two digits


def english(value: Value) -> str:
    """A sentence in English, as the command and `summary` give it."""
    return Tongue(english_texts(), {}, number).tell(value)
