"""Whether other routers have a finding too: the first question of an engineer on the telephone. Pure.

Rule 1: a group has it too if its median is half of this router's value or more or, for a finding that is counted by
        routers, if half of them have it. What that means is worded as in docs/engineer.md ("Reading a finding").
Rule 2: what was not compared is not guessed.
"""

from enum import StrEnum
from typing import Final, NamedTuple

from collector.diagnosis.document import ComparedDocument, FindingDocument

_SOFTWARE: Final = "same model and software"
_OTHER_SOFTWARE: Final = "same model, other software"
_OPERATOR: Final = "same operator and technology"
_HALF: Final = 0.5


class Word(StrEnum):
    """Who else has it."""

    CELL = "cell"
    SOFTWARE = "software"
    MODEL = "model"
    OPERATOR = "operator"
    ALONE = "alone"
    UNKNOWN = "unknown"


class Others(NamedTuple):
    """The answer, and the group that it rests on: *part* of *of* routers; *of* is 0 where there is none.

    For a finding that is measured, *own* is this router's value and *median* the group's.
    """

    word: Word
    group: str = ""
    part: int = 0
    of: int = 0
    own: float | None = None
    median: float = 0.0


def group_key(group: str) -> str:
    """The key of a group's name in the texts."""
    return group.replace(",", "").replace(" ", "_")


def others_of(finding: FindingDocument) -> Others:
    """Who else has a finding, by the group that says most."""
    cell = finding.cell
    if cell is not None and cell.affected >= _HALF * cell.routers:
        return Others(Word.CELL, "cell", cell.affected, cell.routers)
    groups = {compared.group: compared for compared in finding.compared}
    if not groups:
        return Others(Word.UNKNOWN)
    for name, word in ((_SOFTWARE, Word.SOFTWARE), (_OTHER_SOFTWARE, Word.MODEL), (_OPERATOR, Word.OPERATOR)):
        if name in groups and _have_it(groups[name]):
            of_model = word is Word.SOFTWARE and not _other_software_is_free(groups)
            return _told(Word.MODEL if of_model else word, groups[name])
    return _told(Word.ALONE, next(iter(groups.values())))


def _have_it(compared: ComparedDocument) -> bool:
    if compared.unit:
        return compared.median >= _HALF * compared.own
    return compared.as_much >= _HALF * compared.routers


def _other_software_is_free(groups: dict[str, ComparedDocument]) -> bool:
    return _OTHER_SOFTWARE in groups and not _have_it(groups[_OTHER_SOFTWARE])


def _told(word: Word, compared: ComparedDocument) -> Others:
    own = compared.own if compared.unit else None
    return Others(word, group_key(compared.group), compared.as_much, compared.routers, own, compared.median)
