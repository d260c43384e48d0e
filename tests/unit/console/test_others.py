"""Whether others have it too: the answer that decides between the customer's router, the firmware and the network."""

import pytest

from collector.console.others import Others, Word, others_of
from collector.diagnosis.document import CellDocument, ComparedDocument, FindingDocument
from collector.diagnosis.nouns import Confidence, Severity
from collector.diagnosis.sentences import say

SAME = "same model and software"
OTHER = "same model, other software"
OPERATOR = "same operator and technology"


def compared(group: str, own: float, median: float, *, as_much: int = 0, unit: str = "a day") -> ComparedDocument:
    return ComparedDocument(group, "disconnects", unit, own, 20, median, as_much, "")


def finding(*groups: ComparedDocument, cell: CellDocument | None = None) -> FindingDocument:
    return FindingDocument(
        "disconnects_frequent", 1, "Frequent disconnects", Severity.MAJOR, Confidence.HIGH, "2026-11-09T00:00:00Z",
        None, "", say("finding.data_limit_reached"), 20, [], list(groups), cell, [],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "word"),
    [
        ([compared(SAME, 12, 11), compared(OTHER, 12, 0.2)], Word.SOFTWARE),
        ([compared(SAME, 12, 11), compared(OTHER, 12, 9)], Word.MODEL),
        ([compared(SAME, 12, 11)], Word.MODEL),
        ([compared(SAME, 12, 0.3), compared(OTHER, 12, 0.2), compared(OPERATOR, 12, 8)], Word.OPERATOR),
        ([compared(SAME, 12, 0.3), compared(OTHER, 12, 0.2), compared(OPERATOR, 12, 0.4)], Word.ALONE),
        ([compared(SAME, 12, 5.9)], Word.ALONE),
        ([compared(SAME, 12, 6)], Word.MODEL),
        ([compared(SAME, 1, 0, as_much=9, unit="")], Word.ALONE),
        ([compared(SAME, 1, 1, as_much=10, unit=""), compared(OTHER, 1, 0, as_much=1, unit="")], Word.SOFTWARE),
        ([], Word.UNKNOWN),
    ],
)
def test_the_groups_say_whose_fault_it_is(groups: list[ComparedDocument], word: Word) -> None:
    """As docs/engineer.md reads them."""
    assert others_of(finding(*groups)).word is word


def test_a_cell_on_which_most_lost_the_network_comes_first() -> None:
    """With its numbers, whatever the groups are."""
    cell = CellDocument(44, 41, "2026-11-09T00:00:00Z")

    assert others_of(finding(compared(SAME, 12, 11), cell=cell)) == Others(Word.CELL, "cell", 41, 44)
    few = CellDocument(44, 21, "2026-11-09T00:00:00Z")
    assert others_of(finding(compared(SAME, 12, 0.1, as_much=3), cell=few)) == Others(
        Word.ALONE, "same_model_and_software", 3, 20, 12, 0.1
    )
