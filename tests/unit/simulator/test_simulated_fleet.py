"""The fleet: what a seed decides, what times and ids promise, what a small fleet already shows."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.simulator import Fleet, Publication

Rounds = Callable[..., Iterator[tuple[datetime, Publication]]]

REGIONS = {"DE": "germany", "CN": "china", "HK": "hong_kong"}


def documents(rounds: Iterator[tuple[datetime, Publication]]) -> Iterator[tuple[datetime, Publication, dict[str, Any]]]:
    for now, publication in rounds:
        if publication.expectation != "dropped:malformed":
            yield now, publication, json.loads(publication.payload)


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def contents(document: dict[str, Any]) -> list[datetime]:
    """Every time in a report."""
    session = document.get("session", {})
    texts = [document[name] for name in ("time",) if name in document]
    texts += [event["time"] for event in document.get("events", ())]
    texts += [session[name] for name in ("acs_session_start_time", "acs_session_end_time") if name in session]
    return [instant(text) for text in texts]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32), size=st.integers(1, 40))
def test_the_same_seed_and_start_give_the_same_messages(seed: int, size: int) -> None:
    """Two fleets made alike say the same, byte for byte."""
    start = datetime(2026, 11, 21, 15, 0, tzinfo=UTC)
    one, other = (Fleet(size=size, seed=seed, start=start) for _ in range(2))

    for number in range(4):
        now = start + timedelta(minutes=5 * number)
        assert list(one.round(now)) == list(other.round(now))


def test_another_seed_gives_other_routers(start: datetime) -> None:
    """Fleets of different seeds can share a broker."""
    one, other = ({h.serial for h in Fleet(size=5, seed=seed, start=start).highlights()} for seed in (1, 2))

    assert one.isdisjoint(other)


def test_routers_stay_the_same_from_day_to_day_except_those_that_leave(start: datetime) -> None:
    """A serial in a demo script stays good; a router that left is not reused, or its exit would still hold."""
    today, tomorrow = (
        [h.serial for h in Fleet(size=5, seed=7, start=start + timedelta(days=day)).highlights()] for day in (0, 1)
    )

    assert [True, True, True, False, True] == [a == b for a, b in zip(today, tomorrow, strict=True)]


def test_message_ids_are_unique_for_ever(rounds: Rounds, start: datetime) -> None:
    """Only a message sent twice repeats an id, also across two runs with the same seed."""
    seen: Counter[tuple[str, str]] = Counter()
    for day in (0, 1):
        for _, publication, document in documents(rounds(6, start=start + timedelta(days=day))):
            if publication.expectation not in {"dropped:duplicate", "dropped:message_id"}:
                seen[publication.topic, document.get("message_id") or document["event_id"]] += 1

    assert {1} == set(seen.values())
    assert all(len(name) <= 64 for _, name in seen)


def test_nothing_speaks_of_the_future_unless_it_means_to(rounds: Rounds) -> None:
    """Times of measurements, events and sessions lie at or before the round."""
    for now, publication, document in documents(rounds(30)):
        if publication.expectation != "dropped:future":
            assert all(when <= now for when in contents(document))


def test_good_reports_never_go_back_behind_the_one_before(rounds: Rounds) -> None:
    """Everything in a report is newer than its predecessor, so the first one opens consent early enough for all."""
    told: defaultdict[str, datetime] = defaultdict(lambda: datetime.min.replace(tzinfo=UTC))
    for _, publication, document in documents(rounds(30)):
        if publication.expectation == "stored" and "uptime_at_send_seconds" not in document:
            fresh = [instant(event["time"]) for event in document.get("events", ())]
            assert all(told[publication.topic] < when <= instant(document["time"]) for when in fresh)
            assert told[publication.topic] < instant(document["time"])
            told[publication.topic] = instant(document["time"])


def test_a_fleet_of_three_publishes_from_all_regions_in_the_first_round(rounds: Rounds) -> None:
    """The smallest demo fills every store at once."""
    first = [document["country"] for _, _, document in documents(rounds(1, size=3))]

    assert {"germany", "china", "hong_kong"} == {REGIONS[country] for country in first}


def test_a_fleet_of_sixty_meets_many_fates_within_a_few_hundred_messages(rounds: Rounds) -> None:
    """Eight drop reasons at least, beside stored records and consent events."""
    fates = Counter(publication.expectation for _, publication in rounds(6))

    assert fates.total() < 400
    assert {"stored", "consent"} < set(fates)
    assert len([fate for fate in fates if fate.startswith("dropped:")]) >= 14
    assert fates["stored"] > fates.total() / 2


def test_after_an_exit_reports_are_withdrawn_until_a_join(rounds: Rounds) -> None:
    """What a left router goes on sending is expected to be dropped; what follows a join is newer than it."""
    states: dict[str, tuple[str, datetime]] = {}
    seen: Counter[str] = Counter()
    for now, publication, document in documents(rounds(14, size=100)):
        router = publication.topic.split("/")[2]
        if publication.expectation == "consent":
            states[router] = (document["action"], now)
            seen[document["action"]] += 1
        elif router in states:
            action, since = states[router]
            assert ("dropped:withdrawn" if action == "exit" else "stored") == publication.expectation
            assert action == "exit" or all(when >= since + timedelta(seconds=30) for when in contents(document))
            seen[f"report after {action}"] += 1

    assert {"exit", "join", "report after exit", "report after join"} == set(seen)


def test_owners_act_only_when_the_past_is_over(start: datetime) -> None:
    """A replayed history holds no exit and no join: those count from their receipt."""
    live = start + timedelta(minutes=30)
    fleet = Fleet(size=60, seed=7, start=start, owners_act_from=live)

    past = [p.expectation for n in range(6) for p in fleet.round(start + timedelta(minutes=5 * n))]
    present = [p.expectation for n in range(6) for p in fleet.round(live + timedelta(minutes=5 * n))]

    assert "consent" not in past
    assert "consent" in present


def test_time_only_moves_forward(start: datetime) -> None:
    """A round before the last one is a mistake of the caller."""
    fleet = Fleet(size=1, seed=7, start=start)

    with pytest.raises(ValueError, match="time only moves forward"):
        list(fleet.round(start - timedelta(seconds=1)))


def test_highlights_are_in_the_fleet_and_tell_their_story(rounds: Rounds, start: datetime) -> None:
    """Each router worth looking up sends under the serial and IMEI that people are given."""
    highlights = Fleet(size=60, seed=7, start=start).highlights()
    sent = {
        (document["router"]["serial"], document["router"]["imei"], document["country"])
        for _, publication, document in documents(rounds(1))
        if publication.expectation == "stored"
    }

    assert {(h.serial, h.imei, h.country) for h in highlights} <= sent
    assert ["Healthy", "bad firmware", "battery", "leaves", "coverage"] == [
        word for h, word in zip(highlights, ("Healthy", "bad firmware", "battery", "leaves", "coverage"), strict=True)
        if word in h.story
    ]  # fmt: skip


def test_the_bad_firmware_stands_out_from_the_others_of_its_model(rounds: Rounds) -> None:
    """Unexpected reboots and Wi-Fi driver errors are many times as frequent with it: what diagnosis must find."""
    reboots: Counter[bool] = Counter()
    errors: Counter[bool] = Counter()
    routers: defaultdict[bool, set[str]] = defaultdict(set)
    for _, publication, document in documents(rounds(24, size=200)):
        router = document.get("router", {})
        if publication.expectation == "stored" and router["model_name"] == "MC888":
            bad = router["software_version"].endswith("B06")
            routers[bad].add(publication.topic)
            reboots[bad] += sum(event["event"] == "unexpected_reboot" for event in document.get("events", ()))
            errors[bad] += document["wifi"]["wifi_driver_errors_total"]

    assert reboots[True] / len(routers[True]) > 10 * reboots[False] / len(routers[False])
    assert errors[True] / len(routers[True]) > 10 * errors[False] / len(routers[False])


def test_a_worn_battery_drains_and_is_hot(rounds: Rounds, start: datetime) -> None:
    """The pack's story can be read from its reports."""
    serial = Fleet(size=60, seed=7, start=start).highlights()[2].serial
    power = [document["power"] for _, p, document in documents(rounds(24)) if serial in p.topic]

    assert max(reading["battery_discharge_percent_per_hour"] for reading in power) > 30
    assert min(reading["battery_temperature_celsius"] for reading in power) > 45


def test_the_busy_hour_costs_quality(rounds: Rounds) -> None:
    """SINR of one fleet is lower at its evening peak than before dawn."""
    means = []
    for hour in (3, 19):  # UTC; in Central Europe four at night and eight in the evening
        start = datetime(2026, 11, 21, hour, tzinfo=UTC)
        found = [
            document["signal"]["sinr_db"]
            for _, p, document in documents(rounds(3, start=start))
            if p.expectation == "stored" and document["country"] in {"DE", "FR", "IT"}
        ]
        bounded = [value for value in found if -23 <= value <= 40]
        means.append(sum(bounded) / len(bounded))

    assert means[0] > means[1] + 4
