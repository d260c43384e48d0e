"""The values a finding rests on, as its readers write them. Pure."""

import re
from typing import Any, NamedTuple

from collector.console.texts import Texts
from collector.diagnosis.document import EvidenceDocument
from collector.diagnosis.history import moment_of
from collector.diagnosis.sentences import WORDS_OF_FIELDS, Word


class Shown(NamedTuple):
    """A value and its name; if it is a time, `moment` has it (RFC 3339) and `text` is empty."""

    label: str
    text: str
    moment: str | None = None


def evidence_of(texts: Texts, evidence: EvidenceDocument) -> list[Shown]:
    """The values of one record, in the order that the rule names them."""
    return [_shown(texts, name.rpartition(".")[2], value) for name, value in evidence.values.items()]


def _shown(texts: Texts, name: str, value: Any) -> Shown:
    label = texts.fields.get(name, name)
    if name.endswith("_time") and moment_of(value) is not None:
        return Shown(label, "", value)
    return Shown(label, _told(texts, name, value))


def _told(texts: Texts, name: str, value: Any) -> str:
    if isinstance(value, bool):
        return texts.tell(Word("truth", str(value).lower()))
    if isinstance(value, int | float):
        # A code is a name that happens to be digits: it has no separators, as in the summary beside it.
        return str(value) if name.endswith("_code") else texts.exact(value)
    vocabulary = re.sub("_(2g|5g)$", "", name)
    words = vocabulary in WORDS_OF_FIELDS or vocabulary == "event"
    return texts.tell(Word(vocabulary, value)) if words else str(value)
