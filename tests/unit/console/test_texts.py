"""The texts: no language lacks what another has, every key is asked for and every key that is asked for is there."""

import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import collector.console
from collector.access.nouns import Role
from collector.consent.standing import State
from collector.console.others import Word, group_key
from collector.console.pages import FAULTS as FAULTS_OF_PAGES
from collector.console.rendering import PLACES, slug
from collector.console.texts import LANGUAGES, Texts, chosen, texts_of
from collector.console.views import SurveyFault
from collector.diagnosis.groups import Kind as AlarmKind
from collector.diagnosis.judging import CODE, checked_rules
from collector.diagnosis.likeness import GROUPS
from collector.diagnosis.marks import MarkKind
from collector.diagnosis.nouns import Confidence, Severity
from collector.diagnosis.series import PANELS
from collector.diagnosis.timeline import Kind
from collector.diagnosis.watching import FAULTS
from collector.model import Region

ROOT = Path(collector.console.__file__).parent
MEASURES = [code.measure for code in CODE.values() if code.measure is not None]
MADE: Mapping[str, AbstractSet[str]] = {
    "nav": {place.name for place in PLACES},
    "role": set(Role),
    "region": set(Region),
    "theme": {"system", "light", "dark"},
    "sign_in": {"wrong", "locked", "failed", "expired", "signed_out"},
    "reason": {"invalid", "over"},
    "lookup": {"unknown", "invalid", "away"},
    "error": {
        f"{fault}.{part}" for fault in {*FAULTS_OF_PAGES.values(), "fault"} for part in ("title", "what", "next")
    },
    "consent": {state.value for state in State},
    "severity": set(Severity),
    "confidence": set(Confidence),
    "others": set(Word),
    "group": {group_key(name) for name in GROUPS} | {"cell"},
    "measure": {slug(measure.name) for measure in MEASURES},
    "unit": {slug(measure.unit) for measure in MEASURES},
    "panel": set(PANELS),
    "line": {"downlink", "uplink"},
    "mark": set(MarkKind),
    "kind": set(Kind),
    "fleet": set(AlarmKind) | {f"fault_{slug(fault)}" for fault in FAULTS} | {f"why_{fault}" for fault in SurveyFault},
    "length": {"day", "hour", "minute"},
}
"""Keys that templates put together of a beginning and a word: the words there are."""


def asked_for() -> set[str]:
    """Every key that a template or the code names, and those that are put together."""
    sources = [*(ROOT / "templates").glob("*.html"), *ROOT.glob("*.py")]
    text = "\n".join(path.read_text("utf-8") for path in sources)
    whole = set(re.findall(r"""\b(?:t|say)\(["']([a-z_]+(?:\.[a-z_]+)*)["'](?!\s*~)""", text))
    begun = set(re.findall(r"""\b(?:t|say)\(f?["']([a-z_]+)\.(?:fault_|why_)?(?:\{|["']\s*~)""", text))

    assert begun == set(MADE)
    return whole | {f"{begin}.{word}" for begin, words in MADE.items() for word in words}


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_key_is_asked_for_and_every_key_asked_for_is_there() -> None:
    """So that no page fails for want of a word, and nobody translates what nobody sees."""
    assert set(texts_of("en").texts) == asked_for()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_keys_and_places(language: str) -> None:
    """Half a translation is found here, not by a reader."""
    english, texts = texts_of("en"), texts_of(language)

    assert set(texts.texts) == set(english.texts)
    assert {key: places(text) for key, text in texts.texts.items()} == {
        key: places(text) for key, text in english.texts.items()
    }
    assert texts.language == language
    assert all(text.strip() for text in texts.texts.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_is_told_in_every_language_as_it_is_now(language: str) -> None:
    """With as many next steps, and of the version that the rule has."""
    told = texts_of(language).rules
    rules = checked_rules().all

    assert set(told) == set(rules)
    assert {name: rule.version for name, rule in told.items()} == {name: rule.version for name, rule in rules.items()}
    assert {name: len(rule.next) for name, rule in told.items()} == {name: len(r.next) for name, r in rules.items()}
    assert {name: quoted(rule.next) for name, rule in told.items()} == {
        name: {in_words(language, word) for word in quoted(rule.next)} for name, rule in rules.items()
    }


def quoted(steps: Sequence[str]) -> set[str]:
    """The names in `steps` that are words of findings or commands."""
    return set(re.findall(r"`([^`]*)`", " ".join(steps)))


def in_words(language: str, word: str) -> str:
    """A word as the findings beside it have it, whatever vocabulary it is of."""
    known = texts_of(language).words
    return next((words[word] for of, words in known.items() if of != "state" and word in words), word)


@pytest.mark.parametrize(
    ("preferred", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "de-DE,de;q=0.9,en;q=0.8", "de"),
        (None, "fr, zh-CN;q=0.7, de;q=0.3", "zh-Hans"),
        (None, "en;q=0.1, de;q=0.2", "de"),
        (None, "de;q=0, en", "en"),
        (None, "fr-FR", "en"),
        ("zh-Hans", "de", "zh-Hans"),
        ("xx", "de", "de"),
        (None, "de;q=often", "en"),
    ],
)
def test_a_reader_gets_their_choice_else_what_the_browser_accepts(
    preferred: str | None, accepted: str, language: str
) -> None:
    """Else English."""
    assert chosen(preferred, accepted).language == language


@given(st.text(max_size=300))
def test_whatever_a_browser_accepts_there_is_a_language(accepted: str) -> None:
    """A header is a stranger's word."""
    assert chosen(None, accepted).language in LANGUAGES


@pytest.mark.parametrize(
    ("value", "english", "german"),
    [
        (1234567, "1,234,567", "1.234.567"),
        (12.34, "12", "12"),
        (2.34, "2.3", "2,3"),
        (0.05, "0.05", "0,05"),
        (0.0048, "0.005", "0,005"),
        (1e-9, "0.000000", "0,000000"),
        (-7.5, "\N{MINUS SIGN}7.5", "\N{MINUS SIGN}7,5"),
        (3.0, "3", "3"),
        (0, "0", "0"),
    ],
)
def test_numbers_are_written_as_their_readers_write_them(value: float, english: str, german: str) -> None:
    """With as many digits as say something."""
    said: dict[str, Texts] = {language: texts_of(language) for language in ("en", "de")}

    assert (said["en"].number(value), said["de"].number(value)) == (english, german)
