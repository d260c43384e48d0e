"""Putting entries back into a ledger, and a store's notes about itself: the same on every engine."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from engines import ENGINES, HERE_NOW, Engine, let_go, make, place
from hypothesis import given, settings
from hypothesis import strategies as st
from records import HOUR, MINUTE, START, act, join, leave, numbers, record, ref, router
from test_stores import NAMES, batches, histories

from collector.consent.chain import followed
from collector.consent.ledger import Head
from collector.consent.standing import State
from collector.errors import Cause, StoreUnavailable
from collector.model import Action, Entry, Region
from collector.stores import Store
from collector.stores.plan import ConsentRules
from collector.stores.repair import Repaired, accept, repair
from collector.stores.witness import Witness

HERE = Region.GERMANY
LATER = START + HOUR


@pytest.fixture(params=ENGINES)
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Store, Store]]:
    """A store, and one that will be what a restored backup of it is."""
    made = [make(request.param, tmp_path / f"{name}.db", ConsentRules()) for name in ("whole", "restored")]
    for store in made:
        await store.open()
    yield made[0], made[1]
    for store in made:
        await store.close()
    let_go(tmp_path)


async def both(stores: Sequence[Store], *entries: Entry) -> None:
    """Commit to both: what happened before the backup."""
    for store in stores:
        await store.commit(entries)


async def state(store: Store) -> Any:
    """All that the ledger says, and what can be found."""
    found = {name: await store.find([("serial", ref("serial", name))]) for name in NAMES}
    return (
        await store.entries(limit=10_000),
        await store.head(),
        await store.closed(100),
        {name: [router.standing for router in routers] for name, routers in found.items() if routers},
    )


# Entries as they were written


async def test_entries_are_given_as_they_were_written(two: tuple[Store, Store]) -> None:
    """From a number on, so many at a time; they follow each other."""
    store, _ = two
    await store.commit([record("a", 1), record("b", 1), leave("a", at=LATER)])
    texts = await store.entries()

    assert await store.ledger() == followed(Head(), texts)
    assert texts[1:2] == await store.entries(1, 1)
    assert [] == await store.entries(3)


async def test_a_note_is_kept(two: tuple[Store, Store]) -> None:
    """The last one under its name."""
    store, _ = two
    before = await store.noted("witness")
    await store.note("witness", "1")
    await store.note("witness", "2")

    assert (None, "2", None) == (before, await store.noted("witness"), await store.noted("other"))


# Restoring


async def test_what_was_lost_is_put_back_word_for_word(two: tuple[Store, Store]) -> None:
    """And done again: who left since is out, with all records, and who came back can send again."""
    whole, restored = two
    await both(two, record("a", 1), record("b", 1), record("c", 1))
    await whole.commit([leave("a", at=LATER), leave("b", at=LATER, event_ref=ref("b"))])
    await whole.commit([join("b", at=LATER + MINUTE), record("d", 1, at=LATER)])
    erased = await restored.restore(await whole.entries(3))
    left = [await numbers(restored, name) for name in ("a", "b", "c")]
    after = await restored.commit([record(name, 2, at=LATER + HOUR) for name in ("a", "b", "c")])
    again = await restored.commit([leave("b", at=LATER, event_ref=ref("b")), record("b", 1, at=LATER + HOUR)])

    assert 2 == erased
    assert [[], [], [1]] == left
    assert (2, 1) == (after.stored, after.dropped.total())
    assert 0 == again.stored  # the act and the message were seen before
    assert await whole.entries() == (await restored.entries())[:7]


async def test_a_store_goes_on_remembering_nothing_of_before(two: tuple[Store, Store]) -> None:
    """What it knew of a router's standing is what the ledger says now."""
    whole, restored = two
    await both(two, record("a", 1))
    await restored.commit([record("a", 2)])
    await whole.commit([leave("a", at=LATER)])
    await restored.restore(await whole.entries(1))
    after = await restored.commit([record("a", 3, at=LATER + 1)])

    assert 0 == after.stored
    assert [] == await numbers(restored)


@pytest.mark.parametrize("wrong", ["gap", "repeated", "changed", "rubbish"])
async def test_what_does_not_follow_is_not_put_back(two: tuple[Store, Store], wrong: str) -> None:
    """Nothing of it, not even what would."""
    whole, restored = two
    await both(two, record("a", 1))
    await whole.commit([leave("a", at=LATER), record("b", 1), record("c", 1)])
    good = await whole.entries(1)
    bad = {
        "gap": good[1:],
        "repeated": [good[0], *good],
        "changed": [*good[:2], good[2].replace('"generation":1', '"generation":2')],
        "rubbish": [*good, "{}"],
    }[wrong]
    before = await state(restored)
    with pytest.raises(StoreUnavailable) as refused:
        await restored.restore(bad)

    assert Cause.CORRUPT is refused.value.cause
    assert before == await state(restored)
    assert [1] == await numbers(restored)


@pytest.mark.parametrize("engine", ENGINES)
async def test_records_that_may_be_kept_are_kept(engine: Engine, tmp_path: Path) -> None:
    """With `on_exit = keep`, out of sight as after the exit itself."""
    rules = ConsentRules(erase_on_exit=False)
    stores = [make(engine, tmp_path / f"{n}.db", rules) for n in range(2)]
    for store in stores:
        await store.open()
    await both(stores, record("a", 1))
    await stores[0].commit([leave("a", at=LATER)])

    assert 0 == await stores[1].restore(await stores[0].entries(1))
    assert [] == await numbers(stores[1])
    for store in stores:
        await store.close()
    let_go(tmp_path)


@settings(max_examples=40, deadline=None)
@given(histories(), st.sets(st.integers(1, 23)), st.integers(0, 24), st.sampled_from(HERE_NOW))
def test_any_backup_of_any_history_is_repaired_to_the_same_ledger(
    entries: list[Entry], cuts: set[int], taken: int, engine: Engine
) -> None:
    """Wherever it was taken: the same entries, standings and head, and no record of who has left since."""
    commits = batches(entries, cuts)
    with place() as folder:
        asyncio.run(_repaired(engine, folder, commits, min(taken, len(commits))))


async def _repaired(engine: Engine, folder: Path, commits: list[list[Entry]], taken: int) -> None:
    whole, restored = (make(engine, folder / f"{name}.db", ConsentRules()) for name in ("whole", "restored"))
    witness = Witness(folder / "witness", HERE)
    witness.make()
    for store, some in ((whole, commits), (restored, commits[:taken])):
        await store.open()
        for batch in some:
            await store.commit(batch)
    witness.append(await whole.entries(limit=10_000))
    lost = (await whole.head()).seq - (await restored.head()).seq
    done = await repair(restored, witness)
    readable = {name: set(await numbers(restored, name)) for name in NAMES}

    assert lost == done.entries
    assert (await state(whole))[:3] == (await state(restored))[:3]
    # Records made since the backup are lost with it; none is there that the whole store would not show.
    for name in NAMES:
        assert readable[name] <= set(await numbers(whole, name))
    assert Repaired(entries=0, erased=0) == await repair(restored, witness)
    for store in (whole, restored):
        await store.close()


# What cannot be repaired


def witness_of(folder: Path) -> Witness:
    """A new one."""
    made = Witness(folder / "keys" / "witness", HERE)
    made.make()
    return made


async def shortened(two: tuple[Store, Store], folder: Path, *, before: int) -> Witness:
    """A witness of two exits after the backup, whose entries of before that time were left out since."""
    whole, _ = two
    witness = witness_of(folder)
    await both(two, record("a", 1))
    await whole.commit([leave("a", at=LATER), leave("b", at=LATER + HOUR)])
    witness.append(await whole.entries())
    witness.forget(before)
    return witness


async def test_a_witness_that_begins_too_late_repairs_nothing(two: tuple[Store, Store], tmp_path: Path) -> None:
    """What lies between is lost; the sentence says so."""
    _, restored = two
    witness = await shortened(two, tmp_path, before=LATER + 1)
    with pytest.raises(StoreUnavailable, match="what is between them is lost") as refused:
        await repair(restored, witness)

    assert Cause.ROLLED_BACK is refused.value.cause
    assert 1 == (await restored.head()).seq


async def test_a_witness_that_begins_where_the_backup_ends_repairs_it(two: tuple[Store, Store], tmp_path: Path) -> None:
    """It was left out up to the very entry that is the last one in the backup; nothing lies between."""
    whole, restored = two
    witness = await shortened(two, tmp_path, before=START + 1)

    assert (1, 1) == (witness.read().after.seq, (await restored.head()).seq)  # type: ignore[union-attr]
    assert Repaired(entries=2, erased=1) == await repair(restored, witness)
    assert await whole.entries() == await restored.entries()


async def test_the_witness_of_another_ledger_repairs_nothing(two: tuple[Store, Store], tmp_path: Path) -> None:
    """A backup of another store, or one that was served without its guard."""
    whole, restored = two
    witness = witness_of(tmp_path)
    await whole.commit([record("a", 1), leave("a", at=LATER), leave("b", at=LATER)])
    await restored.commit([record("b", 1), record("c", 1)])
    witness.append(await whole.entries())
    with pytest.raises(StoreUnavailable, match="tells of another ledger") as refused:
        await repair(restored, witness)

    assert Cause.ROLLED_BACK is refused.value.cause
    assert 2 == (await restored.head()).seq


async def test_a_damaged_witness_repairs_as_far_as_it_goes(two: tuple[Store, Store], tmp_path: Path) -> None:
    """And says that it was not all; what it still told is done."""
    whole, restored = two
    witness = witness_of(tmp_path)
    await both(two, record("a", 1), record("b", 1))
    await whole.commit([leave("a", at=LATER), leave("b", at=LATER), leave("c", at=LATER)])
    witness.append(await whole.entries())
    spoil(witness, line=4)
    with pytest.raises(StoreUnavailable, match="breaks off before its last entry, 5") as refused:
        await repair(restored, witness)

    assert Cause.BAD_WITNESS is refused.value.cause
    assert ([], [1]) == (await numbers(restored, "a"), await numbers(restored, "b"))


def spoil(witness: Witness, *, line: int) -> None:
    """Damage one line in its midst."""
    lines = witness.path.read_bytes().splitlines(keepends=True)
    lines[line] = b"\0" * len(lines[line][:-1]) + b"\n"
    witness.path.write_bytes(b"".join(lines))


# What is accepted instead


async def test_accepting_keeps_out_who_is_known_to_have_left(two: tuple[Store, Store], tmp_path: Path) -> None:
    """All that the old witness still tells is written into the ledger, under new numbers, before anything is read."""
    whole, restored = two
    witness = witness_of(tmp_path)
    await both(two, record("a", 1), record("b", 1), record("c", 1))
    await whole.commit([leave("a", at=LATER), leave("b", at=LATER), leave("never", at=LATER)])
    await whole.commit([join("b", at=LATER + MINUTE)])
    await restored.commit([record("x", 1)])
    witness.append(await whole.entries())
    done = await accept(restored, witness, reason="the newer backup is lost", now=LATER + HOUR)
    states = {
        name: [found.standing.state for found in await restored.find([("router", router(name).device_ref)])]
        for name in ("a", "b", "c", "never", "x")
    }
    after = await restored.commit([record("never", 1, at=LATER + 2 * HOUR), record("a", 2, at=LATER + 2 * HOUR)])

    assert Repaired(entries=3, erased=2) == done
    assert {"a": [State.EXITED], "never": [State.EXITED]} == {n: s for n, s in states.items() if s != [State.JOINED]}
    assert 0 == after.stored
    assert await restored.entries() == list(witness.entries())
    assert Repaired(entries=0, erased=0) == await repair(restored, witness)


async def test_accepting_does_again_what_was_held_and_what_was_to_be_erased(
    two: tuple[Store, Store], tmp_path: Path
) -> None:
    """A hold comes before the exit that was made under it: what it keeps for a court is not erased by the restore."""
    whole, restored = two
    witness = witness_of(tmp_path)
    await both(two, record("a", 1), record("b", 1))
    held = msgspec.structs.replace(act(Action.HOLD, "b", at=LATER), reference="CASE-4711")
    await whole.commit([held, leave("b", at=LATER + MINUTE), act(Action.ERASE, "a", at=LATER)])
    witness.append(await whole.entries())
    done = await accept(restored, witness, reason="the newer backup is lost", now=LATER + HOUR)
    [a], [b] = [await restored.find([("router", router(name).device_ref)]) for name in ("a", "b")]

    assert Repaired(entries=3, erased=1) == done
    assert (State.JOINED, 0) == (a.standing.state, a.records)
    assert (State.EXITED, ("CASE-4711",)) == (b.standing.state, b.standing.holds)
    release = msgspec.structs.replace(held, action=Action.RELEASE, received_at=LATER + 2 * HOUR)
    assert 1 == (await restored.commit([release])).erased


async def test_accepting_brings_back_no_record_of_who_left_and_joined_again(
    two: tuple[Store, Store], tmp_path: Path
) -> None:
    """The exit erased it, and the witness tells of the exit; also where a restriction or a hold came last."""
    whole, restored = two
    witness = witness_of(tmp_path)
    names = ("a", "b", "c", "d")
    await both(two, *(record(name, 1) for name in (*names, "e")))
    await whole.commit([leave(name, at=LATER) for name in ("a", "b", "c")])
    await whole.commit([join(name, at=LATER + MINUTE) for name in ("a", "b", "c")])
    await whole.commit([act(Action.ERASE, "d", at=LATER)])
    await whole.commit([act(Action.RESTRICT, name, at=LATER + HOUR) for name in ("b", "d")])
    await whole.commit([msgspec.structs.replace(act(Action.HOLD, "c", at=LATER + HOUR), reference="CASE-4711")])
    witness.append(await whole.entries())
    await accept(restored, witness, reason="the newer backup is lost", now=LATER + 2 * HOUR)
    states = [one.standing.own_state for name in names for one in await found_of(restored, name)]
    ends = [
        *(act(Action.UNRESTRICT, name, at=LATER + 3 * HOUR) for name in ("b", "d")),
        msgspec.structs.replace(act(Action.RELEASE, "c", at=LATER + 3 * HOUR), reference="CASE-4711"),
    ]
    await restored.commit(ends)

    assert [State.JOINED, State.RESTRICTED, State.JOINED, State.RESTRICTED] == states
    assert [[], [], [], [], [1]] == [await numbers(restored, name) for name in (*names, "e")]


async def found_of(store: Store, name: str) -> Any:
    """What is found of a router by its pseudonym."""
    return await store.find([("router", router(name).device_ref)])


async def test_accepting_restricts_again_whom_the_ledger_has_lost_or_sees_joined(
    two: tuple[Store, Store], tmp_path: Path
) -> None:
    """Also one that left under its restriction, and one that the restored ledger does not know at all."""
    whole, restored = two
    witness = witness_of(tmp_path)
    await both(two, record("a", 1), record("b", 1))
    await whole.commit([record("c", 1)])
    await whole.commit([act(Action.RESTRICT, name, at=LATER) for name in ("a", "b", "c")])
    await whole.commit([leave("b", at=LATER + MINUTE)])
    witness.append(await whole.entries())
    await accept(restored, witness, reason="the newer backup is lost", now=LATER + HOUR)
    found = [await restored.find([("router", router(name).device_ref)]) for name in ("a", "b", "c")]
    joins = await restored.commit([join(name, at=LATER + 2 * HOUR) for name in ("a", "b", "c")])

    states = [State.RESTRICTED, State.EXITED_RESTRICTED, State.EXITED_RESTRICTED]
    assert states == [one.standing.state for [one] in found]
    assert ["without_effect"] * 3 == [result.value for _, result in joins.results.elements()]


async def test_a_lost_witness_is_begun_anew_from_what_is_there(two: tuple[Store, Store], tmp_path: Path) -> None:
    """With everything the ledger holds, so that older backups can be repaired from it again."""
    store, _ = two
    witness = Witness(tmp_path / "keys" / "witness", HERE)
    await store.commit([record("a", 1), leave("b", at=LATER)])
    done = await accept(store, witness, reason="the disk of the keys was lost", now=LATER + HOUR)

    assert Repaired(entries=0, erased=0) == done
    assert await store.entries() == list(witness.entries())


# Times


async def test_the_newest_time_is_that_of_the_last_record_or_entry(two: tuple[Store, Store]) -> None:
    """Whichever is later; none in an empty store."""
    store, _ = two
    found = [await store.newest()]
    for entry in (record("a", 1), record("a", 2, at=LATER), leave("b", at=LATER + MINUTE), record("c", 1, at=LATER)):
        await store.commit([entry])
        found.append(await store.newest())

    assert [0, START, LATER, LATER + MINUTE, LATER] == found


async def test_times_that_were_found_wrong_are_told_no_more(two: tuple[Store, Store]) -> None:
    """What comes after is."""
    store, _ = two
    await store.commit([record("a", 1, at=LATER), leave("b", at=LATER)])
    await store.accept_times()
    accepted = await store.newest()
    await store.commit([record("z", 1, at=START)])
    after = await store.newest()
    await store.commit([leave("c", at=START + MINUTE)])
    exits = [entry.effective_at for entry in (await store.ledger())[-1:]]

    assert [START + MINUTE] == exits
    assert (0, START, START + MINUTE) == (accepted, after, await store.newest())


async def test_an_act_that_closes_takes_effect_when_the_ledger_has_come_to_at_the_earliest(
    two: tuple[Store, Store],
) -> None:
    """A clock that stepped back before the exit opens nothing to a join from between the two times (K38)."""
    store, _ = two
    await store.commit([record("a", 1, at=LATER), join("b", at=LATER)])
    await store.commit([leave("a", at=START), leave("b", at=START)])
    between = await store.commit([join("a", at=LATER + MINUTE, client_time=START + MINUTE)])
    after = await store.commit([join("b", at=LATER + MINUTE, client_time=LATER + MINUTE)])
    exits = [(entry.received_at, entry.effective_at) for entry in (await store.ledger())[2:4]]

    assert [(START, LATER), (START, LATER)] == exits
    assert [["stale"], ["recorded"]] == [[result.value for _, result in c.results] for c in (between, after)]
