"""The races of catalogue 4.6 about what owners agreed to: versions of the notice, ties, generations, age, kept rows."""

from pathlib import Path
from typing import Any

import pytest
from collectors import Open, another, decided, ground, race, stored, system
from notices import digest_of, later, written
from records import HOUR, MINUTE, SECOND
from stepping import START, Race, Watched, act
from support import POLICY

from collector.model import Action

LATER = START + HOUR
NEW = START + 12 * HOUR
"""When version v2 of the notice takes effect; it is published an hour before."""
V2: dict[str, Any] = {"policy_version": "v2", "policy_digest": digest_of("v2", "en"), "language": "en"}
KEEP = {"on_exit": "keep", "keep_reason": "a ground that was written down"}
__all__ = ["another", "ground", "race"]  # fixtures


@pytest.fixture
def major(tmp_path: Path) -> Path:
    """A notice whose second version closes."""
    return written(tmp_path, later("v2", at=NEW))


async def readable(race: Race) -> list[bytes]:
    """What an engineer can read of the router."""
    return [found.body async for found in race.store.records(race.identity().device_ref)]


# What is within a second


@pytest.mark.parametrize("apart", [0, 1, SECOND - 1, SECOND])
@pytest.mark.parametrize("first", ["app", "webui"])
async def test_k18_within_the_same_second_the_exit_stands(race: Race, first: str, apart: int) -> None:
    """Two places that disagree within a second cannot be put in order, by receipt or by what they say."""
    second = "webui" if first == "app" else "app"
    await stored(race, 1)
    race.act("exit", at=LATER, channel=first)
    race.act("join", at=LATER + apart, time=_text(LATER + 4 * MINUTE), channel=second)
    race.report(2, at=LATER + 5 * MINUTE)
    await race.commit()
    by_receipt = race.seen().acts
    race.act("exit", at=LATER + 2 * HOUR, channel=second)
    race.act("join", at=LATER + 3 * HOUR, time=_text(LATER + 2 * HOUR + apart), channel=first)
    await race.commit()
    expected = ["join", "exit", *(["join"] if apart >= SECOND else [])]

    assert expected == by_receipt
    assert expected[2:] == race.seen().acts[len(by_receipt) + 1 :]


@pytest.mark.parametrize("steps", [0, 1, 250, 499])
async def test_k07_flapping_within_seconds_ends_in_an_exit(race: Race, steps: int) -> None:
    """A switch that is moved to and fro: while less than a second lies between the acts, none of the joins counts."""
    await stored(race, 1)
    for number in range(8):
        race.act("exit" if number % 2 == 0 else "join", at=LATER + number * steps, event_id=f"flap-{number}")
        if number % 3 == 2:
            await race.commit()
    race.report(2, at=LATER + MINUTE)
    await race.commit()

    assert "exit" == race.seen().acts[-1]
    assert 1 == race.seen().acts.count("join")
    assert (1, {"withdrawn": 1}) == race.outcomes


def _text(at: int) -> str:
    """A time to the millisecond, as a router may write it."""
    return f"{act('join', 'x', at=at // SECOND * SECOND)['time'][:-1]}.{at % SECOND:03}Z"


# What a join brings


@pytest.mark.parametrize("missing", [*V2, "adult_or_guardian", "storage_regions"])
async def test_k20_a_join_that_cannot_say_what_was_shown_is_none(another: Open, missing: str) -> None:
    """A device that syncs "joined" knows no text: in mode registered its join is refused and reports are dropped."""
    race = await another(mode="registered")
    lacking: dict[str, Any] = {missing: None}
    race.act("join", at=START, **lacking)
    race.report(1, at=START + MINUTE)
    await race.commit()

    assert 1 == race.metrics.consent_refused.total()
    assert (0, {"no_consent_record": 1}) == race.outcomes
    assert (0, []) == race.seen()


@pytest.mark.parametrize("mode", ["flag", "registered"])
@pytest.mark.parametrize(
    "wrong",
    [{"policy_digest": "e" * 64}, {"language": "tlh"}, {"policy_version": "sham"}, {"storage_regions": ["china"]}],
)
async def test_k20_what_a_router_made_up_is_in_no_ledger(another: Open, mode: str, wrong: dict[str, Any]) -> None:
    """A text that is none of the notice is no evidence, and no place to keep words in."""
    race = await another(mode=mode)
    race.act("join", at=START, **wrong)
    race.act("exit", at=START + SECOND, policy_version="made-up", policy_digest="ab" * 32, language="tlh-kwx")
    await race.commit()
    elsewhere = mode == "flag" and "storage_regions" in wrong

    assert ["join", "exit"] == race.seen().acts if elsewhere else ["exit"] == race.seen().acts
    assert [] == race.found([b"made-up", b"ab" * 32, b"tlh", b"e" * 64, b"sham"])


async def test_k22_a_join_elsewhere_does_not_widen_what_was_agreed_to(another: Open) -> None:
    """In mode registered a join that leaves its own region out is refused, and the consent that stands goes on."""
    race = await another(mode="registered")
    race.act("join", at=START)
    race.report(1, at=START + MINUTE)
    race.act("join", at=START + 2 * MINUTE, storage_regions=["hong_kong"])
    race.report(2, at=START + 3 * MINUTE)
    await race.commit()

    assert {"region_not_consented": 1} == {r.value: n for r, n in race.metrics.consent_refused.items() if n}
    assert (2, ["join"]) == race.seen()


# The notice changes


async def test_k24_a_version_that_takes_effect_over_queued_messages(another: Open, major: Path) -> None:
    """What was received before is kept, what came at that moment or after it is dropped, in one and the same commit."""
    race = await another(policies=major)
    await stored(race, 1)
    for number, at in enumerate((NEW - HOUR, NEW - 1, NEW, NEW + 1), start=2):
        race.report(number, at=at)
    await race.commit()

    assert (3, {"policy_outdated": 2}) == race.outcomes
    assert (3, ["join"]) == race.seen()


async def test_k24_a_redelivery_after_the_change_is_judged_by_its_new_receipt(another: Open, major: Path) -> None:
    """Receipt is the act of collecting: what could not be committed in time and comes again comes too late."""
    race = await another(policies=major)
    await stored(race, 1)
    lost = race.report(2, at=NEW - 1)
    restarted = await another(policies=major)
    restarted.again(lost, at=NEW + SECOND)
    await restarted.commit()

    assert (0, {"policy_outdated": 1}) == restarted.outcomes


@pytest.mark.parametrize("mode", ["flag", "registered"])
@pytest.mark.parametrize("said", [{}, {"policy_version": "v2"}])
async def test_k24_only_a_join_event_lets_in_again(another: Open, major: Path, mode: str, said: dict[str, str]) -> None:
    """Neither time, nor the flag, nor a report that declares the new version; and nothing from the time between."""
    race = await another(policies=major, mode=mode)
    race.act("join", at=START)
    race.report(1, at=START + MINUTE)
    for number in range(2, 5):
        race.report(number, at=NEW + number * MINUTE, **said)
    await race.commit()
    before = race.outcomes
    race.act("join", at=NEW + HOUR, **V2)
    race.report(5, at=NEW + HOUR + MINUTE, time=_text(NEW + 30 * MINUTE), **said)
    race.report(6, at=NEW + HOUR + 2 * MINUTE, **said)
    await race.commit()

    assert (1, {"policy_outdated": 3}) == before
    assert (2, {"policy_outdated": 3, "before_consent": 1}) == race.outcomes
    assert 2 == len(await readable(race))


async def test_k24_who_is_asked_in_time_is_not_interrupted(another: Open, major: Path) -> None:
    """A join to a version that is published and not in effect yet goes on with the consent that stands."""
    race = await another(policies=major)
    await stored(race, 1)
    race.act("join", at=NEW - 30 * MINUTE, **V2)
    for number, at in enumerate((NEW - MINUTE, NEW, NEW + HOUR), start=2):
        race.report(number, at=at)
    await race.commit()

    assert (4, {}) == race.outcomes


@pytest.mark.parametrize("shown", [{}, {"policy_version": POLICY}])
async def test_k24_a_join_to_the_old_text_lets_nobody_in(another: Open, major: Path, shown: dict[str, Any]) -> None:
    """An app that was not updated; and an unknown router has to say which text it showed."""
    race = await another(policies=major)
    race.act("join", at=NEW, **shown)
    race.report(1, at=NEW + MINUTE)
    race.report(2, at=NEW + MINUTE, router="R2", **shown)
    await race.commit()

    assert {"policy_outdated": 1} == {r.value: n for r, n in race.metrics.consent_refused.items() if n}
    assert (0, {"policy_outdated": 2}) == race.outcomes
    assert (0, []) == race.seen()


async def test_k25_a_newer_version_counts_once_its_consent_event_is_here(another: Open, major: Path) -> None:
    """Dropped until then, though the version is published; what the owner has not agreed to here opens nothing."""
    race = await another(policies=major)
    await stored(race, 1)
    race.report(2, at=NEW - 30 * MINUTE, policy_version="v2")
    await race.commit()
    before = race.outcomes
    race.act("join", at=NEW - 20 * MINUTE, **V2)
    race.report(3, at=NEW - 10 * MINUTE, policy_version="v2")
    race.report(4, at=NEW - 9 * MINUTE, policy_version=POLICY)
    await race.commit()

    assert (1, {"policy_outdated": 1}) == before
    assert (2, {"policy_outdated": 2}) == race.outcomes


@pytest.mark.parametrize("change", ["editorial", "minor"])
async def test_k25_a_version_that_changes_nothing_for_the_owner_is_the_same_consent(
    another: Open, tmp_path: Path, change: Any
) -> None:
    """Firmware may declare the newer text, or still the older one, whichever its owner agreed to."""
    race = await another(policies=written(tmp_path, later("v2", change, at=NEW)))
    await stored(race, 1)
    race.report(2, at=NEW, policy_version="v2")
    race.act("join", at=NEW + MINUTE, router="R2", **V2)
    race.report(3, at=NEW + 2 * MINUTE, router="R2", policy_version=POLICY)
    await race.commit()

    assert (3, {}) == race.outcomes


# Who it was


@pytest.mark.parametrize("end", [Action.UNBIND, Action.CANCEL])
async def test_k26_what_the_first_owner_left_behind_stays_out(another: Open, end: Action) -> None:
    """The next join begins a generation; buffered data of the one before is dropped by its time, nothing is read."""
    race = await another(**KEEP)
    await stored(race, 1)
    race.writer.submit_event(system(end, race, at=LATER), _token(race))
    race.report(2, at=LATER + MINUTE, time=_text(START + MINUTE))
    race.act("join", at=LATER + HOUR)
    race.report(3, at=LATER + HOUR + MINUTE, time=_text(START + 2 * MINUTE))
    race.report(4, at=LATER + HOUR + 2 * MINUTE)
    await race.commit()
    entries = await race.store.ledger()

    assert [1, 1, 2] == [entry.generation for entry in entries]
    assert entries[0].consent_id == entries[1].consent_id != entries[2].consent_id
    assert (2, {"withdrawn": 1, "before_consent": 1}) == race.outcomes
    assert 1 == len(await readable(race)) == race.seen().rows


@pytest.mark.parametrize("mode", ["flag", "registered"])
@pytest.mark.parametrize("way_out", ["", "exit", "unbind"])
async def test_k33_after_a_void_consent_a_join_has_to_attest_age(another: Open, mode: str, way_out: str) -> None:
    """Nor does it help to leave in between; and the generation that was void is over."""
    race = await another(mode=mode)
    race.act("join", at=START)
    race.report(1, at=START + MINUTE)
    await race.commit()
    race.writer.submit_event(system(Action.VOID, race, at=LATER), _token(race))
    if way_out == "exit":
        race.act("exit", at=LATER + MINUTE)
    if way_out == "unbind":
        race.writer.submit_event(system(Action.UNBIND, race, at=LATER + MINUTE), _token(race))
    await race.commit()
    race.act("join", at=LATER + HOUR, adult_or_guardian=None)
    race.report(2, at=LATER + HOUR + MINUTE)
    await race.commit()
    before = (race.seen().rows, race.outcomes)
    race.act("join", at=LATER + 2 * HOUR, adult_or_guardian="guardian")
    race.report(3, at=LATER + 2 * HOUR + MINUTE)
    await race.commit()

    assert (0, (1, {"void": 1})) == before
    assert {"join refused": 1} == {" ".join(k): n for k, n in decided(race).items() if k[1] == "refused"} or (
        mode == "registered" and 1 == race.metrics.consent_refused.total()
    )
    assert (2, {"void": 1}) == race.outcomes
    assert [1, 2] == sorted({entry.generation for entry in await race.store.ledger()})


async def test_k33_a_restriction_is_not_lifted_by_a_switch_turned_off_and_on(race: Race) -> None:
    """The exit erases; what comes after the join is dropped until the restriction has ended, and its owner joins."""
    await stored(race, 1)
    race.writer.submit_event(system(Action.RESTRICT, race, at=LATER), _token(race))
    await race.commit()
    race.act("exit", at=LATER + MINUTE)
    race.act("join", at=LATER + 2 * MINUTE, event_id="e-2")
    race.report(2, at=LATER + 3 * MINUTE)
    await race.commit()
    under = (race.outcomes, race.seen().acts)
    race.writer.submit_event(system(Action.UNRESTRICT, race, at=LATER + HOUR), _token(race))
    await race.commit()
    race.act("join", at=LATER + HOUR + MINUTE, event_id="e-3")
    race.report(3, at=LATER + HOUR + 2 * MINUTE)
    await race.commit()

    assert ((1, {"withdrawn": 1}), ["join", "restrict", "exit"]) == under
    assert (2, {"withdrawn": 1}) == race.outcomes
    assert 1 == len(await readable(race))
    assert ["join", "restrict", "exit", "unrestrict", "join"] == race.seen().acts


async def test_k33_a_restriction_is_not_lifted_by_the_owners_next_join(race: Race) -> None:
    """Only by its end; nothing that was measured meanwhile is kept."""
    await stored(race, 1)
    race.writer.submit_event(system(Action.RESTRICT, race, at=LATER), _token(race))
    race.act("join", at=LATER + MINUTE)
    race.report(2, at=LATER + 2 * MINUTE)
    await race.commit()
    restricted = (race.outcomes, await readable(race))
    race.writer.submit_event(system(Action.UNRESTRICT, race, at=LATER + HOUR), _token(race))
    race.report(3, at=LATER + HOUR + MINUTE, time=_text(LATER + 3 * MINUTE))
    race.report(4, at=LATER + HOUR + 2 * MINUTE)
    await race.commit()

    assert ((1, {"restricted": 1}), []) == restricted
    assert (2, {"restricted": 1, "before_consent": 1}) == race.outcomes
    assert 2 == len(await readable(race))
    assert ["join", "restrict", "unrestrict"] == race.seen().acts


# What was kept


async def test_k40_records_kept_after_an_exit_stay_out_of_sight_after_a_rejoin(another: Open) -> None:
    """Whatever the later consent says, and however often the router joins and leaves again."""
    race = await another(**KEEP)
    await stored(race, 1)
    for number, at in enumerate((LATER, LATER + HOUR), start=2):
        race.act("exit", at=at)
        race.act("join", at=at + MINUTE)
        race.report(number, at=at + 2 * MINUTE)
        await race.commit()
    found = await race.store.find([("router", race.identity().device_ref)])

    assert 3 == race.seen().rows
    assert 1 == len(await readable(race)) == found[0].records
    assert LATER + HOUR + 2 * MINUTE == found[0].first_received_at


def _token(race: Race) -> Watched:
    """A token for an act that came by no topic."""
    return race.token(race.sent[0].message)
