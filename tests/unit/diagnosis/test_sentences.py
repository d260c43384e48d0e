"""What findings and timelines say, in parts: every text is said somewhere, with the values that stand in it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import NamedTuple

import msgspec
import pytest
from patients import NOW, SINCE, event, found, history, hours, with_events

import collector.diagnosis
from collector.diagnosis.document import document
from collector.diagnosis.judging import checked_rules, diagnose
from collector.diagnosis.sentences import Listed, Said, Value, Word, english, english_texts, number, say
from collector.diagnosis.timeline import timeline
from collector.model import Region

ROOT = Path(collector.diagnosis.__file__).parent


class Call(NamedTuple):
    """A place in the code that says something: the id, and the names of the values where they stand there."""

    where: str
    text: str | None
    values: set[str] | None


def calls() -> Iterator[Call]:
    """Every call of `say` in the diagnosis."""
    for path in sorted(ROOT.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "say":
                continue
            [first] = node.args
            text = str(first.value) if isinstance(first, ast.Constant) else None
            names = [keyword.arg for keyword in node.keywords]
            values = None if None in names else {str(name) for name in names}
            yield Call(f"{path.name}:{node.lineno}", text, values)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_text_is_said_somewhere_and_what_is_said_has_a_text() -> None:
    """Ids stand in the code as they are, so that nobody translates what nobody says."""
    said = {call.text for call in calls()}

    assert {call.where for call in calls() if call.text is None} == set()
    assert said | {"list.comma", "list.and", "list.blank"} == set(english_texts())


@pytest.mark.parametrize("call", [call for call in calls() if call.values is not None], ids=lambda call: call.where)
def test_a_text_is_given_the_values_that_stand_in_it(call: Call) -> None:
    """No more and no less: a place without a value would fail before an engineer's eyes."""
    assert call.text is not None
    assert call.values == places(english_texts()[call.text])


def test_english_tells_words_names_and_numbers_as_they_are() -> None:
    """With two digits of a number, or as many as it has before the point."""
    counted = Listed("comma", [say("part.counted", what=Word("reboot_reason", "power_loss"), n=3)])

    assert english(say("finding.restarts", rate=2.34, reasons=counted)) == "2.3 restarts a day: power_loss 3"
    assert english(say("part.offered", version="{V1}")) == "{V1}"
    assert [number(value) for value in (0.04, 9.96, 12.34, 3.0, -110)] == ["0.0", "10.0", "12", "3", "-110"]


def test_a_text_that_is_not_there_or_lacks_a_value_is_an_error() -> None:
    """And no blank."""
    with pytest.raises(KeyError):
        english(say("finding.nothing"))
    with pytest.raises(KeyError):
        english(say("finding.battery_worn", rate=1.0))


def test_documents_have_the_parts_beside_the_english() -> None:
    """So that whoever reads JSON can tell them in another language: they come back as they went."""
    lost = [event("wan_unexpected_disconnect", hours(100 + n), disconnect_cause="no_signal") for n in range(9)]
    looked_at = history(with_events(*lost))
    findings = diagnose(looked_at, checked_rules())
    made = document(Region.GERMANY, b"ref", looked_at, findings, timeline(looked_at), readable=True, cut_off=False)
    back = msgspec.json.decode(msgspec.json.encode(made), type=type(made))
    causes = back.findings[0].said.values["causes"]

    assert found(looked_at)["disconnects_frequent"].summary == back.findings[0].summary
    assert [english(finding.said) for finding in back.findings] == [finding.summary for finding in back.findings]
    assert [english(entry.said) for entry in back.timeline] == [entry.text for entry in back.timeline]
    assert causes == Listed("comma", [say("part.counted", what=Word("disconnect_cause", "no_signal"), n=9)])


def test_parts_are_values_and_no_sentences() -> None:
    """What a rule found stands in the values as it was measured."""
    looked_at = history([(at, {"wifi": {"wifi_channel_2g": 3}}) for at in range(SINCE + 900_000, NOW, 900_000)])
    said = found(looked_at)["wifi_badly_set"].said
    faults: Value = said.values["faults"]

    assert isinstance(faults, Listed)
    assert faults.items == [Said("part.channel", {"number": 3})]
