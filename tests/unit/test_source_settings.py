"""`[[sources]]`: what a source may say, and that every fault in it is named at once."""

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
    assert "String should match pattern" in faults_of(**more, name="No Name")


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

    assert len(source_faults([one, other], by_ledger=False)) == 4
    assert len(source_faults([one, other], by_ledger=True)) == 2
    assert not source_faults([one], by_ledger=True)
    assert not source_faults([SourceSettings(**GOOD, flag="message")], by_ledger=False)


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
