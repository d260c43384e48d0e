"""The texts of the pages in every language: data files, one a language, and which of them a reader gets.

Rule 1: every language has the same keys and the same {placeholders}, so none is half translated (tests check it).
Rule 2: what findings and timelines say comes in parts (`diagnosis.sentences`) and is worded by the language's own texts
        and vocabularies. Names stay as they are: of versions, of codes and, in English, of fields.
"""

import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from math import floor, log10
from typing import Any, Final, NamedTuple

from collector.diagnosis.judging import checked_rules
from collector.diagnosis.sentences import Tongue, Value, english_texts, flat

LANGUAGES: Final = ("en", "zh-Hans", "de")
"""In the order they are offered in; the first is the default."""
_BY_TAG: Final = {"en": "en", "de": "de", "zh": "zh-Hans"}
_MOST_TAGS: Final = 20
_MOST_PLACES: Final = 6
_EXACT_PLACES: Final = 3


class RuleTexts(NamedTuple):
    """A rule in words: its title and the next steps, and the version of the rule that they are of."""

    title: str
    next: tuple[str, ...]
    version: int


class Texts(NamedTuple):
    """One language. `called` is its own name; `decimal` and `group` are the separators in its numbers.

    `sentences` are what findings and timelines say, `words` the vocabularies in them; `fields` are the names of values
    in evidence. English has neither `words` nor `fields`: there, names are what programs and the catalogue call them.
    """

    language: str
    called: str
    decimal: str
    group: str
    texts: Mapping[str, str]
    rules: Mapping[str, RuleTexts]
    sentences: Mapping[str, str]
    words: Mapping[str, Mapping[str, str]]
    fields: Mapping[str, str]

    def say(self, key: str, **values: object) -> str:
        """The text of a key, with its placeholders filled.

        Raises:
            KeyError: there is no such key, or a placeholder has no value.
        """
        return self.texts[key].format(**values)

    def number(self, value: float) -> str:
        """A number as its readers write it, with as many digits as are worth reading."""
        size = abs(value)
        if size >= 10 or value == round(value):  # noqa: PLR2004 - two digits
            places = 0
        else:
            places = 1 if size >= 1 else min(_MOST_PLACES, max(2, -floor(log10(size))))
        return self._written(f"{value:,.{places}f}")

    def exact(self, value: float) -> str:
        """A number with all its digits, to three places."""
        return self._written(f"{round(value, _EXACT_PLACES):,}")

    def tell(self, value: Value) -> str:
        """A sentence of a finding or a timeline, or a word of one."""
        return Tongue(self.sentences, self.words, self.number).tell(value)

    def _written(self, text: str) -> str:
        text = text.replace("-", "\N{MINUS SIGN}")
        return text.translate({ord(","): self.group, ord("."): self.decimal})


@cache
def texts_of(language: str) -> Texts:
    """The texts of one of `LANGUAGES`."""
    folder = files("collector.console") / "texts"
    file = tomllib.loads((folder / f"{language}.toml").read_text("utf-8"))
    rules = {rule.id: RuleTexts(rule.title, tuple(rule.next), rule.version) for rule in checked_rules().all.values()}
    sentences, words, fields = english_texts(), {}, {}
    if language != LANGUAGES[0]:
        translated = _translated("rules", language)
        rules |= {
            name: RuleTexts(rule["title"], tuple(rule["next"]), rule["version"]) for name, rule in translated.items()
        }
        told = _translated("sentences", language)
        words, fields = told.pop("words") | {"state": file["texts"]["consent"]}, told.pop("fields")
        sentences = dict(flat(told))
    return Texts(
        language=file["language"],
        called=file["called"],
        decimal=file["decimal"],
        group=file["group"],
        texts=dict(flat(file["texts"])),
        rules=rules,
        sentences=sentences,
        words=words,
        fields=fields,
    )


def _translated(what: str, language: str) -> dict[str, Any]:
    file = files("collector.console") / "texts" / what / f"{language}.toml"
    return tomllib.loads(file.read_text("utf-8"))


def chosen(preferred: str | None, accepted: str) -> Texts:
    """The texts for a reader: by their own choice, else by what the browser accepts (RFC 9110 12.5.4), else English."""
    if preferred in LANGUAGES:
        return texts_of(preferred)
    for tag in _tags(accepted):
        if (language := _BY_TAG.get(tag.partition("-")[0])) is not None:
            return texts_of(language)
    return texts_of(LANGUAGES[0])


def _tags(accepted: str) -> Sequence[str]:
    """The tags of Accept-Language, the most wanted first; what is not understood is left out."""
    weighed = []
    for part in accepted.lower().split(",")[:_MOST_TAGS]:
        tag, _, weight = part.partition(";")
        try:
            weighed.append((-float(weight.strip().removeprefix("q=") or 1), tag.strip()))
        except ValueError:
            continue
    return [tag for weight, tag in sorted(weighed, key=lambda found: found[0]) if weight < 0]
