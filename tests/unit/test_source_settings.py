"""`[[sources]]`: what a source may say, and that every fault in it is named at once."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from collector.source_settings import NAMELESS, WITH_FLAG, SourceSettings, overlap, source_faults

GOOD: dict[str, Any] = {"name": "homes", "topic": "zte/+/status", "format": "goform", "router_level": 2}


def faults_of(**more: Any) -> str:
    """The text of the faults, empty for a sound source."""
    try:
        SourceSettings(**{**GOOD, **more})
    except ValidationError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        ({"topic": "ueip/+/status"}, "topic: found 'ueip'"),
        ({"topic": "#", "router_level": 1}, "topic: found '#' at its beginning"),
        ({"topic": "+/status", "router_level": 1}, "topic: found '+' at its beginning"),
        ({"topic": "$share/x/+"}, "topic: found '$share'"),
        ({"topic": "zte/#/status"}, "topic: found '#' within"),
        ({"topic": "zte/a+/+", "router_level": 3}, "topic: found '+' within a level"),
        ({"router_level": None}, "router_level: found none"),
        ({"router_level": 1}, "router_level: found 1, where the filter says 'zte'"),
        ({"router_level": 4}, "router_level: found 4, expected at most 3"),
        ({"router_from": "sender"}, "router_level: found one, expected none"),
        ({"format": "netjson", "flag": "message"}, "netjson has no place for a flag"),
        ({"time_zone": "Mars/Olympus"}, "found no such zone"),
    ],
)
def test_a_fault_says_what_was_found_and_what_was_expected(more: dict[str, Any], fault: str) -> None:
    """And two faults are told at once."""
    assert fault in faults_of(**more)
    assert ", expected " in faults_of(**more)
    assert re.search(r"\. (?:Correct|Remove|Set|Use|Leave|Have)\b", faults_of(**more))
    assert "String should match pattern" in faults_of(**more, name="No Name")


def test_all_faults_of_a_source_are_told_at_once() -> None:
    """Nobody has to start four times."""
    more = {"topic": "zte/#/status", "router_level": 4, "time_zone": "Mars/Olympus", "format": "usp", "flag": "message"}

    assert [] == [
        fault
        for fault in ("topic: found '#' within", "router_level: found 4", "time_zone: found no such", "flag: found")
        if fault not in faults_of(**more)
    ]


@pytest.mark.parametrize("kind", NAMELESS)
def test_a_format_that_names_no_router_cannot_be_asked_for_one(kind: str) -> None:
    """All its messages would be dropped."""
    nameless = {"format": kind, "router_level": None}

    assert f'router_from: found "payload", expected "topic" or "sender": {kind}' in faults_of(
        **nameless, router_from="payload"
    )
    assert not faults_of(**nameless, router_from="sender")
    assert not faults_of(format=kind)


@pytest.mark.parametrize("kind", WITH_FLAG)
def test_a_format_with_a_place_for_the_flag_may_rest_on_it(kind: str) -> None:
    """D1."""
    assert not faults_of(format=kind, flag="message")


def test_sources_are_judged_together() -> None:
    """Names and topics are of one source each; where the flag decides, a source has to have one."""
    one, other = SourceSettings(**GOOD), SourceSettings(**{**GOOD, "topic": "zte/#"})

    assert len(faults_of_all(one, other, by_ledger=False)) == 4
    assert len(faults_of_all(one, other)) == 2
    assert not faults_of_all(one)
    assert not faults_of_all(SourceSettings(**GOOD, flag="message"), by_ledger=False)


def faults_of_all(*sources: SourceSettings, by_ledger: bool = True, sender_property: str | None = None) -> list[str]:
    """What is wrong with these together."""
    return source_faults(sources, lambda: by_ledger, lambda: sender_property)


@pytest.mark.parametrize(
    ("sources", "more", "words"),
    [
        ([{}, {"topic": "other/+/x"}], {}, ["found 'homes' twice, expected two names.", "Rename one of them"]),
        ([{}, {"name": "b", "topic": "zte/#"}], {}, ["'homes' and 'b' with overlapping topics", "Give each a first"]),
        ([{}], {"by_ledger": False}, ["resting on the ledger alone", 'expected "registered" (D3)', "Set it, or"]),
        (
            [{"router_from": "sender", "router_level": None}],
            {},
            ["no broker.sender_property, expected the user property", "Set it, and have the broker remove it"],
        ),
    ],
)
def test_a_fault_of_several_says_what_to_do(
    sources: list[dict[str, Any]], more: dict[str, Any], words: list[str]
) -> None:
    """Where, what was found, what was expected, and the next move."""
    [fault] = faults_of_all(*(SourceSettings(**{**GOOD, **source}) for source in sources), **more)

    assert [] == [part for part in ["sources: found ", *words] if part not in fault]


def test_with_a_property_the_broker_may_name_the_sender() -> None:
    """As the settings say which."""
    source = SourceSettings(**{**GOOD, "router_from": "sender", "router_level": None})

    assert not faults_of_all(source, sender_property="username")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "homes: goform on zte/+/status; router from level 2 of the topic; flag from nowhere: the ledger alone;"),
        ({"flag": "message"}, "flag from the message; country from the message or the registry; without a time drop"),
        ({"country": "DE", "arrival_time": True}, "country DE; without a time measured on arrival"),
        ({"router_from": "sender", "router_level": None}, "router from the property that the broker sets;"),
        ({"router_from": "payload", "router_level": None, "format": "usp"}, "usp on zte/+/status; router from the pay"),
    ],
)
def test_a_source_says_what_it_will_do(more: dict[str, Any], words: str) -> None:
    """In a line, for `ueip check-config`."""
    assert words in SourceSettings(**{**GOOD, **more}).summary()


LEVELS = st.lists(st.sampled_from(["a", "b", "+"]), min_size=1, max_size=4)


@given(LEVELS, LEVELS, st.booleans(), st.booleans())
def test_filters_overlap_where_some_topic_matches_both(
    one: list[str], other: list[str], rest: bool, more: bool
) -> None:
    """Compared with all topics of up to five levels."""

    def matches(pattern: list[str], open_end: bool, topic: tuple[str, ...]) -> bool:
        head = topic[: len(pattern)]
        fits = len(topic) >= len(pattern) if open_end else len(topic) == len(pattern)
        return fits and all(p in {"+", t} for p, t in zip(pattern, head, strict=True))

    def topics(depth: int) -> list[tuple[str, ...]]:
        shorter = [()] if depth == 1 else topics(depth - 1)
        return [*shorter, *((*t, level) for t in shorter if len(t) == depth - 1 for level in "abc")]

    filters = ["/".join(f + ["#"] * end) for f, end in ((one, rest), (other, more))]
    both = any(matches(one, rest, t) and matches(other, more, t) for t in topics(5))

    assert both == overlap(*filters)
