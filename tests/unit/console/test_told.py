"""What findings and timelines say, in the reader's language: no text, no word and no name of a value is missing."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from string import Formatter
from typing import Any

import pytest
from patients import collected
from records import ref
from support import milliseconds
from test_rendering import Reader, rendered

from collector.consent.standing import State
from collector.console import building, views
from collector.console.evidence import evidence_of
from collector.console.texts import LANGUAGES, texts_of
from collector.data import data_path
from collector.derive import text_of
from collector.diagnosis.document import EvidenceDocument, document
from collector.diagnosis.history import DAY, History
from collector.diagnosis.judging import checked_rules, diagnose
from collector.diagnosis.sentences import WORDS_OF_FIELDS, Listed, Said, Value, Word, say
from collector.diagnosis.series import lines_of
from collector.diagnosis.timeline import Entry, Kind, timeline
from collector.errors import Cause
from collector.model import Action, Channel, Region
from collector.simulator.ailments import AILMENTS, Ailment, Report, Span
from collector.simulator.router import Router
from collector.simulator.ward import Ward

START = datetime(2026, 11, 9, tzinfo=UTC)
DAYS = 7
OTHERS = LANGUAGES[1:]
OWN_WORDS: Mapping[str, AbstractSet[str]] = {
    "before": {"signal lost", "interference", "nothing seen", "no data"},
    "absent": {"none", "not told", "an unknown value"},
    "automatic": {"on", "off", "unknown"},
    "band": {"2.4 GHz", "5 GHz"},
    "truth": {"true", "false"},
    "action": set(Action),
    "channel": set(Channel),
    "state": {state.value for state in State},
    "cause": {*Cause, "not made yet"},
}
"""The vocabularies that no field of the catalogue enumerates."""


def catalogue() -> dict[str, Any]:
    return tomllib.loads(data_path("schemas", "fields.toml").read_text("utf-8"))


def vocabularies() -> dict[str, set[str]]:
    """Every word that there may be, by vocabulary."""
    fields: dict[str, set[str]] = {}
    for field in catalogue()["field"]:
        name = re.sub("_(2g|5g)$", "", field["name"])
        if name in WORDS_OF_FIELDS:
            fields.setdefault(name, set()).update(field["values"])
    events = {event["name"] for event in catalogue()["event"]}
    own = {of: set(words) for of, words in OWN_WORDS.items()}
    return fields | own | {"event": events, "refusal": set(checked_rules().causes.values())}


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("language", OTHERS)
def test_every_sentence_has_the_same_places_in_every_language(language: str) -> None:
    """Every id that a rule or a timeline says: half a translation is found here, not by a reader."""
    english, told = texts_of("en").sentences, texts_of(language).sentences

    assert {text: places(words) for text, words in told.items()} == {
        text: places(words) for text, words in english.items()
    }


@pytest.mark.parametrize("language", OTHERS)
def test_every_word_of_every_vocabulary_is_translated(language: str) -> None:
    """As the catalogue and the rules enumerate them: one that is added there is asked for here."""
    words = texts_of(language).words

    assert set(WORDS_OF_FIELDS) <= set(vocabularies())
    # The page of the ledger has a title and columns among the states.
    assert {of: set(known) - {"title", "channel", "state", "notice"} for of, known in words.items()} == vocabularies()
    assert all(word.strip() for known in words.values() for word in known.values())


@pytest.mark.parametrize("language", OTHERS)
def test_every_field_that_a_rule_looks_at_has_a_name(language: str) -> None:
    """Evidence is of these, and of nothing else but what is checked below."""
    looked_at = {field.partition(".")[2] for rule in checked_rules().all.values() for field in rule.fields}

    assert looked_at <= set(texts_of(language).fields)


def everything(number: int) -> Ailment:
    """All faults in one router, but for those that hide the others; every third is left out, to let others show."""
    some = [one for one in AILMENTS if not one.silences and not one.clock_error]

    def begin(router: Router, rng: Random) -> None:
        for place, one in enumerate(some):
            if place % 3 != number:
                one.begin(router, rng)

    def show(router: Router, report: Report, span: Span, rng: Random) -> None:
        for place, one in enumerate(some):
            if place % 3 != number:
                one.show(router, report, span, rng)

    return Ailment("everything", begin, show, needs_battery=True)


def histories() -> Iterator[History]:
    """Of routers with each fault, and of some with nearly all of them."""
    now = milliseconds(START + timedelta(days=DAYS))
    ailments = (*AILMENTS, everything(0), everything(1), everything(2))
    for _, sent in Ward(healthy=0, each=1, seed=8501, start=START, ailments=ailments).days(DAYS):
        yield History(collected(sent), since=now - DAYS * DAY, now=now)


@cache
def told() -> list[views.RouterView]:
    """What the page of each of these routers shows, with an entry of the ledger for each act and channel."""
    rules = checked_rules()
    views_of = []
    for looked_at in histories():
        entries = [*timeline(looked_at), *ledger_entries(looked_at.since)]
        made = document(
            Region.GERMANY, ref("a"), looked_at, diagnose(looked_at, rules), entries, readable=True, cut_off=False
        )
        series = building.series_view(Region.GERMANY, ref("a"), looked_at, lines_of(looked_at), readable=True)
        views_of.append(views.RouterView("handle", made, series))
    return views_of


def ledger_entries(at: int) -> Iterator[Entry]:
    for action, channel, state in zip([*Action], [*Channel] * 2, [*State] * 2, strict=False):
        words = {"action": Word("action", action), "channel": Word("channel", channel)}
        yield Entry(at, Kind.CONSENT, say("timeline.consent", **words, state=Word("state", state.value)))


def parts(value: Value) -> Iterator[Said | Word]:
    """Every text and word of a sentence."""
    if isinstance(value, Said | Word):
        yield value
    inner = value.items if isinstance(value, Listed) else value.values.values() if isinstance(value, Said) else ()
    for part in inner:
        yield from parts(part)


def test_the_routers_here_have_every_fault() -> None:
    """So that what follows leaves no rule out; and words are of vocabularies that are known."""
    findings = [finding for view in told() for finding in view.diagnosis.findings]
    entries = [entry for view in told() for entry in view.diagnosis.timeline]
    sentences = [finding.said for finding in findings] + [entry.said for entry in entries]
    said = [part for sentence in sentences for part in parts(sentence)]
    known = vocabularies()

    assert {finding.rule for finding in findings} == set(checked_rules().all)
    assert max(len(view.diagnosis.findings) for view in told()) >= 10
    assert {
        (word.of, word.word) for word in said if isinstance(word, Word) and word.word not in known[word.of]
    } == set()


@pytest.mark.parametrize("language", OTHERS)
def test_no_evidence_has_a_name_or_a_word_in_english(language: str) -> None:
    """Codes, versions and pseudonyms are nobody's language."""
    texts = texts_of(language)
    evidence = [one for view in told() for finding in view.diagnosis.findings for one in finding.evidence]
    names = {name.rpartition(".")[2] for one in evidence for name in one.values}

    assert len(names) > 30
    assert names <= set(texts.fields)
    assert {
        shown.text for one in evidence for shown in evidence_of(texts, one) if re.search("[a-z]_[a-z]", shown.text)
    } == set()


@pytest.mark.parametrize("language", OTHERS)
def test_no_page_of_a_router_with_every_fault_holds_english(language: str) -> None:
    """Neither marked as such nor unmarked: no summary and no entry is as English has it, nor is a word of one."""
    for view in told():
        text = rendered("router.html", given(view), language)
        reader = Reader()
        reader.feed(text)
        english = {finding.summary for finding in view.diagnosis.findings}
        english |= {entry.text for entry in view.diagnosis.timeline}
        codes = {word for known in vocabularies().values() for word in known if "_" in word}
        # The choice of languages names each in its own; rules are named as `ueip explain-rule` knows them.
        text = re.sub("<option.*?</option>|<code>.*?</code>", "", text)

        assert reader.faults == []
        assert re.findall('lang="en"', text) == []
        assert [words for words in english if words in text] == []
        assert codes & {*re.findall(r"\w+", text)} == set()


def test_chinese_sentences_hold_no_latin_words_but_names() -> None:
    """What is left of letters in them are terms and units that are written so, versions and codes."""
    texts = texts_of("zh-Hans")
    allowed = "Ec/No|dBm|dB|GHz|MHz|Wi-Fi|[A-Z0-9_.-]+"
    said = [one.said for view in told() for one in view.diagnosis.findings]
    said += [one.said for view in told() for one in view.diagnosis.timeline]
    left = {word for one in said for word in re.findall(r"[A-Za-z]\S*", re.sub(allowed, "", texts.tell(one)))}

    assert left == set()


def given(view: views.RouterView) -> dict[str, Any]:
    return {"handle": "h", "router": view.diagnosis, "window": "7d", "windows": ("1d", "7d"), "view": view}


@pytest.mark.parametrize(
    ("language", "sentence"),
    [
        ("en", "2.3 restarts a day: power_loss 3, unknown 1"),
        ("de", "Neustarts am Tag: 2,3; Gründe: 3× Stromausfall, 1× unbekannt"),
        ("zh-Hans", "每天重启 2.3 次；原因：断电（3）、未知（1）"),
    ],
)
def test_a_sentence_reads_as_its_readers_write_it(language: str, sentence: str) -> None:
    """Numbers, lists and words, each in the way of the language."""
    counts = {"power_loss": 3, "unknown": 1}
    reasons = Listed("comma", [say("part.counted", what=Word("reboot_reason", r), n=n) for r, n in counts.items()])

    assert texts_of(language).tell(say("finding.restarts", rate=2.34, reasons=reasons)) == sentence


def test_what_no_vocabulary_knows_is_told_as_it_is() -> None:
    """A version of the store may be newer than the console."""
    assert texts_of("de").tell(Word("reboot_reason", "moonlight")) == "moonlight"


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", ["event", "rsrp_dbm \N{MINUS SIGN}121.5", "battery_charging true", "wan_rx_bytes_month 1,234,567"]),
        ("de", ["Ereignis", "RSRP, dBm \N{MINUS SIGN}121,5", "Lädt ja", "Empfangen im Monat, B 1.234.567"]),
        ("zh-Hans", ["事件", "RSRP，dBm \N{MINUS SIGN}121.5", "正在充电 是", "本月接收，B 1,234,567"]),
    ],
)
def test_values_are_written_with_all_their_digits(language: str, shown: list[str]) -> None:
    """They are what a finding rests on."""
    values = {
        "signal.rsrp_dbm": -121.5, "power.battery_charging": True, "usage.wan_rx_bytes_month": 1234567,
        "session.acs_session_start_time": text_of(0), "event": "abnormal_data", "fault_code": "A-1",
    }  # fmt: skip
    told = evidence_of(texts_of(language), EvidenceDocument("ab", text_of(0), values))

    assert [f"{one.label} {one.text}" for one in told[:3]] == shown[1:]
    assert (told[3].text, told[3].moment) == ("", text_of(0))
    assert (told[4].label, told[5].text) == (shown[0], "A-1")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_code_of_digits_is_no_number(language: str) -> None:
    """It is looked up by whoever reads it, as the summary has it."""
    evidence = EvidenceDocument("ab", text_of(0), {"wifi.wifi_driver_error_code": 4097, "event.nas_cause_code": 15})

    assert [one.text for one in evidence_of(texts_of(language), evidence)] == ["4097", "15"]
