"""The bad habits: each does on the wire what its expectation says."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest

from collector.simulator import CANARY, Publication

Rounds = Callable[..., Iterator[tuple[datetime, Publication]]]
Sent = dict[str, list[Publication]]


@pytest.fixture
def sent(rounds: Rounds) -> Sent:
    """What a fleet sends, by expectation."""
    found: Sent = defaultdict(list)
    for _, publication in rounds(8):
        found[publication.expectation].append(publication)
    return found


def documents(publications: list[Publication]) -> list[dict[str, Any]]:
    return [json.loads(publication.payload) for publication in publications]


def test_absent_and_invalid_flags_are_what_they_say(sent: Sent) -> None:
    """No flag, a flag of another programme, text instead of true."""
    absent = documents(sent["dropped:flag_absent"])

    assert all("ueip" not in document for document in absent)
    assert any("tr069_user_improv_notify_flag" in document for document in absent)
    assert {"1", "true"} == {document["ueip"] for document in documents(sent["dropped:flag_invalid"])}
    assert all(document["ueip"] is False for document in documents(sent["dropped:flag_false"]))


def test_a_router_that_says_no_never_says_yes(sent: Sent) -> None:
    """An explicit false is an exit, so a good report of that router could not be expected to be stored."""
    refusing = {publication.topic for publication in sent["dropped:flag_false"]}

    assert refusing.isdisjoint(publication.topic for publication in sent["stored"])


def test_countries_nobody_can_place(sent: Sent) -> None:
    """Missing, lower case, or an unofficial code."""
    countries = {document.get("country") for document in documents(sent["dropped:region_unknown"])}

    assert {None, "UK"} < countries
    assert all(country in {None, "UK"} or country.islower() for country in countries)


def test_a_german_router_abroad_conflicts_and_at_home_does_not(sent: Sent) -> None:
    """The same router is stored again once it is back."""
    abroad = sent["dropped:region_conflict"]

    assert {("DE", "46000")} == {(d["country"], d["network"]["plmn"]) for d in documents(abroad)}
    assert {p.topic for p in abroad} <= {p.topic for p in sent["stored"]}


def test_leaks_ride_in_reports_that_are_otherwise_good(sent: Sent) -> None:
    """Messages, contacts, keys, places, stations and access data, each in a report expected to be stored."""
    stored = b"".join(publication.payload for publication in sent["stored"])

    for planted in ("sms", "contact", "wifi-key", "phone-of-anna", "apn"):
        assert f"{CANARY}{planted}".encode() in stored
    assert b'"lat":' in stored
    assert b'"msisdn":' in stored


def test_an_unset_clock_is_legal_with_uptimes_only(sent: Sent) -> None:
    """1970 or nothing tells no time; with both uptimes the age is known, and never grows."""
    with_uptimes = [d for d in documents(sent["stored"]) if "uptime_at_send_seconds" in d]

    assert all(d["time"].startswith("1970-") for d in documents(sent["dropped:too_old"]))
    assert not any("time" in d for d in documents(sent["dropped:clock_invalid"]))
    assert not any("uptime_at_send_seconds" in d for d in documents(sent["dropped:too_old"]))
    assert {20} == {d["uptime_at_send_seconds"] - d["uptime_at_event_seconds"] for d in with_uptimes}
    assert not any("events" in d or "session" in d for d in with_uptimes)
    assert {True, False} == {"time" in d for d in with_uptimes}


def test_only_what_is_expected_to_be_is_retained_broken_large_or_astray(sent: Sent) -> None:
    """Transport habits show in exactly the messages that carry their expectation."""
    for expectation, publications in sent.items():
        for publication in publications:
            assert publication.retain == (expectation in {"dropped:retained", "consent"})
            assert (len(publication.payload) > 65_536) == (expectation == "dropped:oversize")
            assert publication.topic.endswith("/debug") == (expectation == "dropped:unknown_topic")
            if expectation == "dropped:malformed":
                with pytest.raises(json.JSONDecodeError):
                    json.loads(publication.payload)


def test_a_duplicate_follows_its_original_unchanged(sent: Sent) -> None:
    """The second of two equal messages is the one to be dropped."""
    originals = {publication.payload for publication in sent["stored"]}

    assert sent["dropped:duplicate"]
    assert all(publication.payload in originals for publication in sent["dropped:duplicate"])


def test_reports_name_the_router_of_their_topic_unless_they_mean_not_to(sent: Sent) -> None:
    """Only an identity mismatch names another."""
    for expectation, publications in sent.items():
        if expectation not in {"consent", "dropped:malformed"}:
            for publication, document in zip(publications, documents(publications), strict=True):
                named = document["router"]["serial"] == publication.topic.split("/")[2]
                assert named == (expectation != "dropped:identity_mismatch")


def test_an_expectation_is_never_on_the_wire(sent: Sent) -> None:
    """The collector must find out by itself."""
    for publications in sent.values():
        assert not any(b"dropped:" in p.payload or b"expectation" in p.payload for p in publications)
