"""The races of what people ask for beside leaving: erasure, holds, void consent, and reads meanwhile."""

import contextlib
import sqlite3

import pytest
from collectors import Open, another, decide, ground, race, stored, system
from grounds import Boundary
from records import HOUR, MINUTE, SECOND
from stepping import BOUNDARIES, KEY, START, Command, Race

from collector.acks import NO_TOKEN
from collector.model import Action
from collector.pseudonym import Key

__all__ = ["another", "ground", "race"]  # fixtures
LATER = START + HOUR
KEEP = {"on_exit": "keep", "keep_reason": "a ground that was written down"}
WRITTEN = {"inside", "committed", "settled", "acknowledged"}


# Deletion while the router stays joined


async def test_k29_what_was_received_until_the_request_is_erased_and_later_data_is_taken(race: Race) -> None:
    """By the time of receipt; the consent goes on as it was, and no byte of what was erased is left."""
    await stored(race, 1, 2)
    await decide(race, Action.ERASE, at=LATER)
    race.report(3, at=LATER + 1)
    await race.commit()
    standing = (await race.store.find([("router", race.identity().device_ref)]))[0].standing

    assert (1, ["join", "erase"]) == race.seen()
    assert ((3, {}), START) == (race.outcomes, standing.effective_at)
    assert [] == race.found(race.traces([1, 2])[1:3])  # their ids; the marker is in the third report too


async def test_k29_what_waits_when_the_request_comes_is_erased_too(race: Race) -> None:
    """Received before it, so it never gets into a file; what comes behind it does."""
    await stored(race, 1)
    race.report(2, at=LATER - 1)
    race.writer.submit_event(system(Action.ERASE, race, at=LATER), NO_TOKEN)
    race.report(3, at=LATER + 1)
    await race.commit()

    assert ((2, {"erased": 1}), 1) == (race.outcomes, race.seen().rows)
    assert race.metrics.in_flight == 0


async def test_k29_a_redelivery_of_what_was_erased_stays_out(race: Race) -> None:
    """Whether it was stored or waited: its receipt is new, its message is not (K09)."""
    await stored(race, 1)
    waiting = race.report(2, at=LATER - 1)
    await decide(race, Action.ERASE, at=LATER)
    race.again(race.sent[0], at=LATER + MINUTE)
    race.again(waiting, at=LATER + MINUTE)
    await race.commit()

    assert (1, {"erased": 1, "duplicate": 2}) == race.outcomes
    assert (0, ["join", "erase"]) == race.seen()


async def test_k29_another_collectors_queue_is_reached_as_well(another: Open) -> None:
    """What it received before the request is dropped at its commit, by the ledger's word."""
    here, there = await another(), await another()
    await stored(here, 1)
    there.report(2, at=LATER - 1)
    there.report(3, at=LATER + 1)
    await decide(here, Action.ERASE, at=LATER)
    await there.commit()

    assert (1, {"erased": 1}) == there.outcomes
    assert (1, ["join", "erase"]) == here.seen()


@pytest.mark.parametrize("way", ["api", "command"])
@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_k29_a_request_at_any_boundary_leaves_nothing_from_before_it(
    race: Race, boundary: Boundary, way: str
) -> None:
    """Wherever the report is just then: it was received before, so it is dropped or erased, and does not come again."""
    race.report(0, at=START - MINUTE)
    await race.commit()
    command = Command(race, at=LATER, action=Action.ERASE) if way == "command" else None

    def happens() -> None:
        if command is None:
            race.writer.submit_event(system(Action.ERASE, race, at=LATER), NO_TOKEN)
        elif boundary == "inside":
            command.start()
        else:
            command.run()

    token = await race.at(boundary, 1, happens)
    if boundary == "inside" and command is not None:
        command.finish()
    await race.commit()
    race.connect()
    race.again(token, at=LATER + SECOND)
    await race.commit()

    assert (0, ["join", "erase"]) == race.seen()
    assert [] == race.found(race.traces([0, 1]))
    assert 0 == race.metrics.in_flight


# A consent that was void


async def test_k33_a_void_consent_takes_every_generation_with_it(another: Open) -> None:
    """What was kept of the first owner's time, whose unbinding began another generation, and what came since."""
    race = await another(**KEEP)
    await stored(race, 1)
    race.act("exit", at=START + MINUTE)
    race.act("join", at=START + 2 * MINUTE)
    race.report(2, at=START + 3 * MINUTE)
    await race.commit()
    await decide(race, Action.UNBIND, at=START + 4 * MINUTE)
    race.act("join", at=START + 5 * MINUTE)
    race.report(3, at=START + 6 * MINUTE)
    await race.commit()
    await decide(race, Action.VOID, at=LATER)
    entries = await race.store.ledger()

    assert {1, 2} == {entry.generation for entry in entries}
    assert 0 == race.seen().rows
    assert [] == race.found(race.traces([1, 2, 3]))


async def test_k33_a_void_consent_is_found_under_every_key(another: Open) -> None:
    """A key rotated in between hides nothing of it (K32)."""
    old = await another(keys=[KEY])
    await stored(old, 1)
    new = await another(keys=[Key(b"n" * 32), KEY])
    new.report(2, at=START + MINUTE)
    await new.commit()
    await decide(new, Action.VOID, at=LATER)
    new.report(3, at=LATER + MINUTE)
    await new.commit()

    assert (0, ["join", "void"]) == new.seen()
    assert [] == new.found([*old.traces([1]), *new.traces([2, 3])])


# A factory reset


async def test_k27_a_reset_that_the_app_reports_begins_another_generation(race: Race) -> None:
    """Handed in as `unbind`: an exit, and whoever joins next is told apart from who was there before."""
    await stored(race, 1)
    race.report(2, at=LATER - MINUTE)
    await decide(race, Action.UNBIND, at=LATER)
    race.act("join", at=LATER + HOUR)
    buffered = race.report(3, at=LATER + 2 * HOUR, time="2026-11-21T17:30:00Z")
    await race.commit()
    standing = (await race.store.find([("router", race.identity().device_ref)]))[0].standing

    assert 2 == standing.generation
    assert (1, {"withdrawn": 1, "before_consent": 1}) == race.outcomes
    assert buffered.seen


# Legal holds


async def test_k36_an_exit_during_a_hold_closes_at_once_and_erases_at_the_release(race: Race) -> None:
    """Nothing can be read from the hold on; what is to be erased is gone with the release, its bytes too."""
    await stored(race, 1)
    await decide(race, Action.HOLD, at=START + MINUTE, reference="CASE-1")
    race.report(2, at=START + 2 * MINUTE)
    await race.commit()
    race.act("exit", at=START + 3 * MINUTE)
    await race.commit()
    race.report(3, at=START + 4 * MINUTE)
    await race.commit()
    held = (race.seen(), [r async for r in race.store.records(race.identity().device_ref)])
    await decide(race, Action.RELEASE, at=LATER, reference="CASE-1")

    assert ((1, ["join", "hold", "exit"]), []) == held
    assert (1, {"restricted": 1, "withdrawn": 1}) == race.outcomes
    assert (0, ["join", "hold", "exit", "release"]) == race.seen()
    assert [] == race.found(race.traces([1, 2, 3]))


@pytest.mark.parametrize("boundary", BOUNDARIES)
async def test_k36_a_hold_at_any_boundary_hides_what_is_there_and_takes_nothing_new(
    race: Race, boundary: Boundary
) -> None:
    """Whatever was let in before it can be read again after its release; nothing that came later was let in."""
    race.report(0, at=START - MINUTE)
    await race.commit()

    def hold() -> None:
        race.writer.submit_event(system(Action.HOLD, race, at=LATER, reference="CASE-1"), NO_TOKEN)

    await race.at(boundary, 1, hold)
    await race.commit()
    race.report(2, at=LATER + 1)
    await race.commit()
    rows, hidden = race.seen().rows, [r async for r in race.store.records(race.identity().device_ref)]
    await decide(race, Action.RELEASE, at=LATER + HOUR, reference="CASE-1")
    readable = [r async for r in race.store.records(race.identity().device_ref)]

    assert [] == hidden
    assert rows == len(readable) == 1 + (boundary not in {"received", "decoded"})
    assert race.outcomes[1]["restricted"] == 3 - rows


async def test_k36_a_router_that_sends_false_during_a_hold_has_left(race: Race) -> None:
    """The hold suspends the erasure and nothing else."""
    await stored(race, 1)
    await decide(race, Action.HOLD, at=START + MINUTE, reference="CASE-1")
    race.report(2, at=START + 2 * MINUTE, ueip=False)
    await race.commit()
    between = race.seen()
    await decide(race, Action.RELEASE, at=LATER, reference="CASE-1")
    race.report(3, at=LATER + MINUTE)
    await race.commit()

    assert (1, ["join", "hold", "exit"]) == between
    assert 0 == race.seen().rows
    assert race.outcomes[1]["withdrawn"] == 1


# Reads


async def test_k30_a_read_that_began_before_the_exit_ends_with_nothing(another: Open) -> None:
    """The router is found, it leaves, its records are asked for: the read asks for the state where it reads."""
    engineer, race = await another(), await another()
    await stored(race, 1, 2)
    found = await engineer.store.find([("router", race.identity().device_ref)])
    race.act("exit", at=LATER)
    await race.commit()
    records = [r async for r in engineer.store.records(found[0].standing.device_ref)]

    assert (2, []) == (found[0].records, records)


# Bytes


@pytest.mark.parametrize("ground", ["file"], indirect=True)
async def test_bytes_that_a_reader_kept_go_with_the_running_collectors_next_look(
    another: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program holds the log while the command erases and ends; the collector learns of it and cuts it off."""
    monkeypatch.setattr("collector.stores.sqlite_schema._BUSY_SECONDS", 0.1)
    race = await another()
    await stored(race, 1)
    command = Command(race, at=LATER)
    with contextlib.closing(sqlite3.connect(race.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM record").fetchone()
        command.run()
        during = race.found(race.traces([1]))
        reader.execute("ROLLBACK")
    await race.store.changes(1)

    assert during
    assert [] == race.found(race.traces([1]))
