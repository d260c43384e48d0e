"""Moving a store into another one, of the same engine or another: the same content, and the same answers afterwards."""

import asyncio
import itertools
import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import pytest
from engines import (
    HAS_CLICKHOUSE,
    HERE_NOW,
    Engine,
    end,
    let_go,
    make,
    memories,
    needs_postgresql,
    place,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from postgresql import DATABASES, shared
from records import HOUR, MINUTE, START, act, join, leave, numbers, part, readable, record, ref, router
from test_stores import NAMES, batches, histories

from collector.consent.acts import LEFT
from collector.errors import Cause, StoreUnavailable
from collector.model import Action, Entry, Record, Region
from collector.stores import Store, move, move_rows
from collector.stores.ends import End, Table
from collector.stores.memory import MemoryStore
from collector.stores.move import Move
from collector.stores.move_marks import give_up
from collector.stores.plan import ConsentRules
from collector.stores.retention import DAY

LATER = START + HOUR
RULES: Final = ConsentRules()
ALL_LEFT: Final = tuple(state.value for state in LEFT)
Pair = tuple[Engine, Engine]
LASTING: Final = HERE_NOW[1:]
WAYS: Final[list[Pair]] = [pair for other in LASTING[1:] for pair in ((LASTING[0], other), (other, LASTING[0]))] or [
    ("sqlite", "sqlite")
]
"""Each engine as the source and as the target."""
ALL: Final[list[Pair]] = [(one, other) for one in LASTING for other in LASTING]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are several pages."""
    monkeypatch.setattr(move_rows, "PAGE", 3)
    monkeypatch.setattr(move, "_ENTRIES", 2)
    if HAS_CLICKHOUSE:
        from collector.stores import clickhouse_end, clickhouse_purge  # noqa: PLC0415 - its driver is an extra

        monkeypatch.setattr(clickhouse_end, "_AT_ONCE", 5)
        monkeypatch.setattr(clickhouse_end, "_PAGES", 2)
        monkeypatch.setattr(clickhouse_purge, "LONGEST_WRITE", 0.0)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A place for stores."""
    yield tmp_path
    let_go(tmp_path)


class Site:
    """A store to be moved, and where to."""

    def __init__(self, pair: Pair, folder: Path, rules: ConsentRules = RULES) -> None:
        self.pair, self.folder, self.rules = pair, folder, rules
        self.left = ALL_LEFT

    def store(self, which: int) -> Store:
        """The source, 0, or the target, 1."""
        return make(self.pair[which], self.folder / f"{which}.db", self.rules)

    async def filled(self, *commits: Sequence[Entry]) -> int:
        """Commit to the source; the newest time it knows of."""
        store = await opened(self.store(0))
        for entries in commits:
            await store.commit(entries)
        await store.close()
        # Opened again: what it remembers of records that were erased does not move.
        store = await opened(self.store(0))
        newest = await store.newest()
        await store.close()
        return newest

    async def ends(self) -> tuple[End, End]:
        """Both, open."""
        found = [end(self.pair[which], self.folder / f"{which}.db", self.rules, source=not which) for which in (0, 1)]
        for one in found:
            await one.open()
        return found[0], found[1]

    async def move(self, until: int = 0) -> int:
        """The whole move; how many records the target had no room for."""
        ends = await self.ends()
        try:
            return await moved(Move(*ends, self.left), until)
        finally:
            await closed(*ends)


async def opened(store: Store) -> Store:
    """Open it."""
    await store.open()
    return store


async def closed(*stores: Any) -> None:
    """Let go of them."""
    for store in stores:
        await store.close()


async def moved(moving: Move, until: int = 0) -> int:
    """All steps of a move; how many records the target had no room for."""
    if await moving.begin(until):
        await moving.copy()
        await moving.settle()
        await moving.verify()
    return await moving.end()


async def everything(store: Store) -> Any:
    """All that anybody can read from a store, records whole and in the order they are given."""
    routers = {name: await store.find([("serial", ref("serial", name)), ("imei", ref(name))]) for name in NAMES}
    return (
        await store.entries(limit=10_000),
        await store.closed(100),
        await store.joined(b"", 100),
        {name: await readable(store, name) for name in NAMES},
        routers,
        await store.noted("witness"),
    )


@st.composite
def long_histories(draw: st.DrawFn) -> list[Entry]:
    """Histories with parts of samples among the records, and routers by more than one name."""
    made = draw(histories())
    for place_, entry in enumerate(made):
        if not isinstance(entry, Record) or draw(st.booleans()):
            continue
        name = next(name for name in NAMES if router(name).device_ref == entry.identity.device_ref)
        if draw(st.booleans()):
            radio, at = draw(st.sampled_from(["2.4", "5"])), entry.received_at
            made[place_] = part(draw(st.integers(1, 9)), radio, at=at, interval=at // MINUTE, name=name)
        else:
            made[place_] = msgspec.structs.replace(entry, lookup=(*entry.lookup, ("imei", ref(name))))
    return made


@settings(max_examples=25, deadline=None)
@given(long_histories(), long_histories(), st.sets(st.integers(1, 23)), st.sampled_from(ALL))
def test_any_store_means_the_same_after_a_move(
    before: list[Entry], after: list[Entry], cuts: set[int], pair: Pair
) -> None:
    """All that can be read, and every answer to what comes later, is as if it had never been moved."""
    with place() as folder:
        asyncio.run(_means_the_same(pair, folder, batches(before, cuts), batches(after, cuts)))


async def _means_the_same(pair: Pair, folder: Path, before: list[list[Entry]], after: list[list[Entry]]) -> None:
    site = Site(pair, folder)
    newest = await site.filled(*before)
    await site.move()
    stayed, target = await opened(make(pair[0], folder / "stayed.db", RULES)), await opened(site.store(1))
    for entries in before:
        await stayed.commit(entries)

    assert newest == await target.newest()
    assert await everything(stayed) == await everything(target)
    answers = [[await store.commit(entries) for entries in after] for store in (stayed, target)]
    for one, other in zip(*answers, strict=True):
        assert (one.stored, one.erased, one.results) == (other.stored, other.erased, other.results)
        assert +one.dropped == +other.dropped
    assert await everything(stayed) == await everything(target)
    await closed(stayed, target)


class Killed(BaseException):
    """The process ends here."""


class Dying:
    """An end of a move whose process is killed instead of writing, once it has written so many times."""

    def __init__(self, end: End, lives: Iterator[int]) -> None:
        self._end, self._lives = end, lives

    def __getattr__(self, name: str) -> Any:
        if name in {"note", "append", "write", "settle"} and not next(self._lives):
            raise Killed
        return getattr(self._end, name)


def crowd() -> list[list[Entry]]:
    """Routers that joined, left, came back, are held and restricted; records of each, and of samples in parts."""
    first: list[Entry] = [record(name, number) for name in "abcdefg" for number in (1, 2)]
    acts: list[Entry] = [leave("b", at=LATER), leave("c", at=LATER, event_ref=ref("c"))]
    others = [act(Action.RESTRICT, "d", at=LATER), act(Action.HOLD, "e", at=LATER, reference="CASE-1")]
    parts: list[Entry] = [part(3, "2.4", name="a", at=LATER), part(4, "5", name="f", at=LATER)]
    return [first, acts, [*others, leave("e", at=LATER), join("b", at=LATER + HOUR)], parts]


async def works(store: Store) -> bool:
    """Whether anybody could work with it; an empty one, which no move has touched yet, is nobody's."""
    try:
        await store.open()
        return (await store.head()).seq > 0
    except StoreUnavailable:
        return False
    finally:
        await store.close()


async def died(site: Site, life: int) -> bool:
    """Let a move die after it has written so many times; whether it did, or came to its end before."""
    ends, lives = await site.ends(), itertools.chain(itertools.repeat(1, life), itertools.repeat(0))
    source, target = (cast("End", Dying(one, lives)) for one in ends)
    moving = Move(source, target, site.left)
    try:
        await moved(moving)
    except Killed:
        return True
    finally:
        await closed(*ends)
    return False


async def working(site: Site) -> list[bool]:
    """Which of the two stores work."""
    return [await works(site.store(which)) for which in (0, 1)]


@pytest.mark.parametrize("pair", WAYS)
async def test_a_move_that_dies_at_any_point_goes_on_where_it_was(
    pair: Pair, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between any two of its transactions; then the same command again. At no point do two stores work."""
    monkeypatch.setattr(move_rows, "PAGE", 8)
    monkeypatch.setattr(move, "_ENTRIES", 8)
    expected = await opened(MemoryStore(Region.GERMANY, RULES))
    for entries in crowd():
        await expected.commit(entries)
    for life in itertools.count():
        site = Site(pair, folder / str(life))
        site.folder.mkdir()
        await site.filled(*crowd())
        dead = await died(site, life)
        first = await working(site)
        if dead:
            await site.move()
        target = await opened(site.store(1))

        assert [True, True] != first
        assert await everything(expected) == await everything(target)
        await target.close()
        let_go(site.folder)
        if not dead:
            assert [False, True] == first
            break
    assert life > 12
    await expected.close()


@pytest.mark.parametrize("pair", WAYS)
async def test_a_move_that_dies_again_and_again_comes_to_its_end(pair: Pair, folder: Path) -> None:
    """Each time it comes a little further."""
    site = Site(pair, folder)
    await site.filled(*crowd())
    times = 0
    while await died(site, 3):
        times += 1
    target = await opened(site.store(1))

    assert times > 5
    assert [2, 1] == await numbers(target, "g")
    await target.close()


@pytest.mark.parametrize("pair", WAYS)
async def test_a_store_takes_nothing_from_the_moment_its_move_has_begun(pair: Pair, folder: Path) -> None:
    """Also through a connection that was open before; so nobody can leave behind the move's back (K03, K15)."""
    site = Site(pair, folder, ConsentRules(retention=DAY * 3650))
    old = await opened(site.store(0))
    await old.commit([record("a", 1), record("b", 1)])
    ends = await site.ends()
    moving = Move(*ends, site.left)
    await moving.begin(0)
    refused = [await cause_of(old.commit([leave("a", at=LATER)])), await cause_of(old.commit([record("b", 2)]))]
    refused += [await cause_of(old.changes(0)), await cause_of(old.purge()), await cause_of(site.store(0).open())]
    too_early = await cause_of(site.store(1).open())
    await moved(moving)
    afterwards = [await cause_of(old.commit([leave("a", at=LATER)])), await cause_of(site.store(0).open())]
    target = await opened(site.store(1))
    await target.commit([leave("a", at=LATER)])

    assert [Cause.MOVING] * 5 == refused
    assert Cause.UNFINISHED is too_early
    assert [Cause.MOVED] * 2 == afterwards
    assert ([], [1]) == (await numbers(target, "a"), await numbers(target, "b"))
    await closed(old, target, *ends)


async def cause_of(work: Any) -> Cause | None:
    """Why it was refused."""
    try:
        await work
    except StoreUnavailable as error:
        return error.cause
    return None


async def why_not(store: Store, entry: Entry) -> Cause | None:
    """Why an entry is not committed, None if it is. A store that another one has locked for long is asked again."""
    while True:
        try:
            await store.commit([entry])
        except StoreUnavailable as error:
            if error.cause is not Cause.LOCKED:
                return error.cause
        else:
            return None


@pytest.mark.parametrize("pair", WAYS)
async def test_what_was_committed_beside_the_beginning_of_a_move_is_moved(pair: Pair, folder: Path) -> None:
    """Commits of two collectors go on until they are refused: what was answered is there, exits and all."""
    site = Site(pair, folder)
    writers = [await opened(site.store(0)) for _ in range(2)]
    stayed: list[set[str]] = [set(), set()]
    refused: list[Cause | None] = []

    async def work(which: int) -> None:
        for number in itertools.count():
            name = f"{which}-{number}"
            if cause := await why_not(writers[which], record(name, 1, at=START + number)):
                break
            stayed[which].add(name)
            if number % 3 == 0:
                if cause := await why_not(writers[which], leave(name, at=LATER + number)):
                    break
                stayed[which].discard(name)
            await asyncio.sleep(0)
        refused.append(cause)

    at_work = [asyncio.create_task(work(which)) for which in (0, 1)]
    while not refused and not all(len(names) > 5 for names in stayed):  # noqa: ASYNC110 - seen from outside, it tells nobody
        await asyncio.sleep(0.001)
    await site.move()
    await asyncio.gather(*at_work)
    target = await opened(site.store(1))
    expected = stayed[0] | stayed[1]
    ledger = await target.ledger()
    left = {entry.device_ref for entry in ledger if entry.action is Action.EXIT}

    assert {Cause.MOVING, Cause.MOVED} >= {*refused}
    assert {name: [1] for name in expected} == {name: await numbers(target, name) for name in expected}
    assert left.isdisjoint(router(name).device_ref.hex() for name in expected)
    # In ClickHouse a join is durable before the first record is, and the mark may come between the two of a commit.
    assert len(ledger) - len(expected) - 2 * len(left) in range(3 if pair[0] == "clickhouse" else 1)
    await closed(target, *writers)


@pytest.mark.parametrize("pair", WAYS)
async def test_what_has_expired_stays_behind_unless_a_hold_keeps_it(pair: Pair, folder: Path) -> None:
    """And what is kept for a case can still be read by nobody."""
    site = Site(pair, folder)
    old, new = START, START + DAY
    await site.filled(
        [record("a", 1, at=old), record("b", 1, at=old)],
        [act(Action.HOLD, "b", at=old + HOUR, reference="CASE-1")],
        [record("a", 2, at=new)],
    )
    await site.move(until=old + 1)
    _, target = ends = await site.ends()
    kept = await target.number(Table.RECORDS, None)
    await closed(*ends)
    store = await opened(site.store(1))
    await store.commit([act(Action.RELEASE, "b", at=new, reference="CASE-1")])

    assert 2 == kept
    assert [2] == await numbers(store, "a")
    assert [1] == await numbers(store, "b")  # the store's own time is unlimited here
    await store.close()


@pytest.mark.parametrize("pair", WAYS)
@pytest.mark.parametrize("keeps", [True, False])
async def test_what_was_kept_after_an_exit_goes_over_only_if_it_may_be_kept_there(
    pair: Pair, folder: Path, *, keeps: bool
) -> None:
    """With `on_exit = "keep"` in both configurations; else what is left of who left stays behind."""
    site = Site(pair, folder, ConsentRules(erase_on_exit=False))
    site.left = ("void", "closed") if keeps else ALL_LEFT
    await site.filled([record("a", 1), record("b", 1)], [leave("a", at=LATER)])
    await site.move()
    ends = await site.ends()
    found = [await ends[1].number(table, None) for table in (Table.RECORDS, Table.NAMES)]
    await closed(*ends)

    assert ([2, 2] if keeps else [1, 1]) == found


@pytest.mark.parametrize("pair", WAYS)
async def test_times_that_were_found_wrong_are_wrong_over_there_too(pair: Pair, folder: Path) -> None:
    """Though records are counted anew."""
    site = Site(pair, folder)
    await site.filled([record("a", 1), record("a", 2)], [leave("a", at=LATER)], [record("b", 1, at=LATER + HOUR)])
    source = await opened(site.store(0))
    await source.accept_times()
    await source.commit([record("c", 1, at=START)])
    before = await source.newest()
    await source.close()
    await site.move()
    target = await opened(site.store(1))

    assert before == START == await target.newest()
    await target.close()


@pytest.mark.parametrize("pair", WAYS)
@pytest.mark.parametrize("last", ["nothing", "a record", "an act"])
async def test_the_last_time_that_is_known_is_that_of_a_record_or_an_act(pair: Pair, folder: Path, last: str) -> None:
    """By which a clock is told that is far ahead."""
    site = Site(pair, folder)
    after: dict[str, list[Entry]] = {"a record": [record("b", 1, at=LATER)], "an act": [leave("a", at=LATER)]}
    if last in after:
        await site.filled([record("a", 1)], after[last])
    else:
        await site.filled()
    ends = await site.ends()
    found = await Move(*ends, site.left).newest()
    await closed(*ends)

    assert (LATER if last in after else 0) == found


@pytest.mark.parametrize("pair", WAYS)
async def test_what_the_next_sample_is_compared_with_goes_over(pair: Pair, folder: Path) -> None:
    """Of who is in; parts that come later find the record that was begun."""
    site = Site(pair, folder)
    await site.filled([part(3, "2.4", name="a"), part(3, "2.4", name="b"), record("c", 1)], [leave("b", at=LATER)])
    await site.move()
    target = await opened(site.store(1))
    known = await memories(target)
    await target.commit([part(4, "5", name="a", at=START + 1)])
    [whole] = await readable(target, "a")

    assert 1 == known
    assert b'"wifi_station_count":7' in whole.body
    await target.close()


@needs_postgresql
async def test_names_that_went_over_are_not_written_with_every_report(folder: Path) -> None:
    """They are noted with the first one, as if they had been given there."""
    site = Site(("sqlite", "postgresql"), folder)
    await site.filled([record("a", 1)])
    await site.move()
    named = "SELECT count(names) FROM ueip.router"
    before = shared().ask(DATABASES.at(folder / "1.db"), named)
    target = await opened(site.store(1))
    await target.commit([record("a", 2)])

    assert ([(0,)], [(1,)]) == (before, shared().ask(DATABASES.at(folder / "1.db"), named))
    await target.close()


# One id, several messages (K39): a faulty router's, which a store keeps both where their minutes differ


REUSED: Final[list[Pair]] = [pair for pair in ALL if pair[0] != "clickhouse"]
MONTH: Final = 31 * DAY


def said(number: int, at: int, *, late: int = 0) -> Record:
    """A message of "a" with the one id that it gives to all; delivered so much later than it was measured.

    The third one does not say when that was.
    """
    made = record("a", number, at=at + late, measured=None if number == 3 else at)
    return msgspec.structs.replace(made, record_id=ref("always the same"))


def reused() -> list[list[Entry]]:
    """Such messages on one page, on another one, of another month; and what is as it should be between them."""
    between: list[Entry] = [record(name, number, at=LATER) for name in "bc" for number in range(1, 6)]
    return [[said(1, START), record("b", 9)], [said(2, START + MINUTE)], between, [said(3, START + MONTH)]]


def gone_over(pair: Pair) -> tuple[list[int], int]:
    """Which of them are in the target, and how many are not."""
    return ([1], 2) if pair[1] == "clickhouse" else ([3, 2, 1], 0)


@pytest.mark.parametrize("pair", REUSED)
async def test_an_id_that_was_used_for_several_messages_keeps_no_store_from_being_moved(
    pair: Pair, folder: Path
) -> None:
    """All of them go over; into an engine that keeps one record of an id the first, and the others are counted."""
    site = Site(pair, folder)
    await site.filled(*reused())
    left = await site.move()
    target = await opened(site.store(1))

    assert gone_over(pair) == (await numbers(target), left)
    assert [1, 2, 3, 4, 5, 9] == sorted(await numbers(target, "b"))
    await target.close()


@pytest.mark.parametrize("pair", REUSED)
async def test_each_message_of_a_reused_id_is_known_again_after_a_move(pair: Pair, folder: Path) -> None:
    """Delivered once more, also with another time, because its own is not believed any more."""
    site = Site(pair, folder)
    await site.filled(*reused())
    await site.move()
    target = await opened(site.store(1))
    before = await numbers(target)
    times = {1: START, 2: START + MINUTE, 3: START + MONTH}
    if pair[1] == "clickhouse":
        del times[3]  # it looks for the one that it has as far back as that may come from, and writes nothing beside it
    again = [said(number, at, late=HOUR) for number, at in times.items()]
    moving = [msgspec.structs.replace(one, event_time=one.received_at, floating=(one.event_time,)) for one in again]
    done = [await target.commit([one]) for one in (*again, *moving)]

    assert {0} == {one.stored for one in done}
    assert before == await numbers(target)
    await target.close()


@pytest.mark.parametrize("pair", REUSED)
async def test_a_move_of_reused_ids_that_dies_at_any_point_leaves_the_same_behind(pair: Pair, folder: Path) -> None:
    """A page that is written again gives the same, and counts the same."""
    counts, found = [], []
    for life in itertools.count():
        site = Site(pair, folder / str(life))
        site.folder.mkdir()
        await site.filled(*reused())
        dead = await died(site, life)
        if not dead:
            break
        counts.append(await site.move())
        target = await opened(site.store(1))
        found.append(await numbers(target))
        await target.close()
        let_go(site.folder)
    there, left = gone_over(pair)

    assert life > 12
    assert [there] * life == found
    # Nobody knows it any more in the moment between the last note of how far it was and the end.
    assert [left] * (life - 1) == counts[:-1]


@pytest.mark.parametrize("pair", REUSED)
async def test_times_that_were_found_wrong_are_found_by_the_record_and_not_by_its_id(pair: Pair, folder: Path) -> None:
    """Of two with one id the second is the last whose time is wrong: what came between them is wrong too."""
    site = Site(pair, folder)
    await site.filled([said(1, START)], [record("b", 1, at=LATER + HOUR)], [said(2, LATER + 2 * HOUR)])
    source = await opened(site.store(0))
    await source.accept_times()
    await source.close()
    await site.move()
    target = await opened(site.store(1))
    newest = await target.newest()
    await target.close()

    # Where the second was left behind, the first is the last that is known.
    assert (LATER + HOUR if pair[1] == "clickhouse" else 0) == newest


# Refusals


async def refusal(site: Site) -> StoreUnavailable:
    """Why it is not moved."""
    with pytest.raises(StoreUnavailable) as refused:
        await site.move()
    return refused.value


@pytest.mark.parametrize("engine", LASTING)
async def test_an_empty_store_is_not_moved_onto_itself(engine: Engine, folder: Path) -> None:
    """By whatever two names it is called; and it goes on as before."""
    site = Site((engine, engine), folder)
    await site.filled()
    one, same = [end(engine, folder / "0.db", RULES, source=source) for source in (True, False)]
    await one.open()
    await same.open()
    with pytest.raises(StoreUnavailable) as refused:
        await moved(Move(one, same, ALL_LEFT), 0)
    store = await opened(site.store(0))
    committed = await store.commit([record("a", 1)])
    await closed(one, same, store)

    assert "found the very store that is to be moved" in str(refused.value)
    assert 1 == committed.stored


@pytest.mark.parametrize("pair", WAYS)
async def test_a_target_that_holds_something_is_refused(pair: Pair, folder: Path) -> None:
    """And the source goes on as before."""
    site = Site(pair, folder)
    await site.filled([record("a", 1)])
    target = await opened(site.store(1))
    await target.commit([record("b", 1)])
    error = await refusal(site)

    assert "target: " in str(error)
    assert "found a store that holds something already, expected an empty one" in str(error)
    assert [1] == await numbers(target, "b")
    assert await works(site.store(0))
    await target.close()


@pytest.mark.parametrize("pair", WAYS)
async def test_a_store_that_is_on_its_way_elsewhere_or_was_moved_is_refused(pair: Pair, folder: Path) -> None:
    """Each with what to do; what is half there cannot be moved on either."""
    site, other = Site(pair, folder), Site(pair, folder)
    await site.filled([record("a", 1)])
    ends = await site.ends()
    await Move(*ends, site.left).begin(0)
    await closed(*ends)
    other.store = lambda which: make(pair[which], folder / f"{which * 2}.db", RULES)  # type: ignore[method-assign]
    third = end(pair[1], folder / "2.db", RULES)
    source, half = await site.ends()
    await third.open()
    on_its_way = await cause_of(Move(source, third, ()).begin(0))
    await moved(Move(source, half, site.left))
    was_moved = await cause_of(Move(source, third, ()).begin(0))
    await closed(source, half, third)

    assert (Cause.MOVING, Cause.MOVED) == (on_its_way, was_moved)


@pytest.mark.parametrize("pair", WAYS)
async def test_a_move_that_is_given_up_leaves_the_source_as_it_was(pair: Pair, folder: Path) -> None:
    """What went over by then is no store to anybody, nor to another move; one that has ended is not given up."""
    site = Site(pair, folder)
    await site.filled(*crowd())
    source, target = await site.ends()
    moving = Move(source, target, site.left)
    await moving.begin(0)
    await moving.copy()
    await give_up(source)
    twice = await cause_of(give_up(source))
    again = await cause_of(Move(source, target, site.left).begin(0))
    store = await opened(site.store(0))
    done = await store.commit([record("a", 9, at=LATER + HOUR)])

    assert 1 == done.stored
    assert Cause.WRONG_STORE is twice is again
    assert not await works(site.store(1))
    await closed(store, source, target)


@pytest.mark.parametrize("pair", WAYS)
async def test_a_move_that_is_given_up_by_somebody_else_does_not_end(pair: Pair, folder: Path) -> None:
    """Nor does it when another one has begun since: the source goes on, or goes where the other one takes it."""
    site = Site(pair, folder)
    await site.filled(*crowd())
    source, target = await site.ends()
    third = end(pair[1], folder / "2.db", RULES)
    await third.open()
    moving = Move(source, target, site.left)
    await moving.begin(0)
    await moving.copy()
    await give_up(source)
    alone = await cause_of(moving.end())
    other = Move(source, third, site.left)
    await other.begin(0)
    beside = await cause_of(moving.end())
    await other.copy()
    await other.verify()
    await other.end()
    await closed(source, target, third)

    assert Cause.WRONG_STORE is alone is beside
    assert [False, False] == await working(site)


async def test_a_trouble_at_the_end_of_a_move_says_once_at_which_end_it_was(folder: Path) -> None:
    """Of the target, whose notes are let go of."""
    site = Site(("sqlite", "sqlite"), folder)
    await site.filled([record("a", 1)])
    source, target = await site.ends()
    moving = Move(source, target, site.left)
    await moving.begin(0)
    await moving.copy()

    async def full(name: str, value: str | None, *, instead_of: str | None) -> None:
        raise StoreUnavailable("no room")

    target.note = full  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable) as refused:
        await moving.end()
    await closed(source, target)

    assert "target: no room" == str(refused.value)


def tamper(site: Site, sql: str) -> None:
    """Change the target behind the move's back."""
    path = site.folder / "1.db"
    if site.pair[1] == "clickhouse" and "record" in sql:
        from clickhouse import RECORDS, tell  # noqa: PLC0415

        table = f"{RECORDS.at(path)}.record"
        tell(f"ALTER TABLE {table} UPDATE body = '{{}}' WHERE number = 1 SETTINGS mutations_sync = 2")
    elif site.pair[1] != "sqlite":
        shared().ask(DATABASES.at(path), re.sub(r"(UPDATE|FROM) ", r"\1 ueip.", sql), "SELECT 1")
    else:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute(sql)


@pytest.mark.parametrize("pair", WAYS)
@pytest.mark.parametrize(
    ("sql", "of"),
    [
        ("UPDATE record SET body = '{}' WHERE received_at = (SELECT min(received_at) FROM record)", "records"),
        ("DELETE FROM lookup", "names"),
        ("UPDATE tombstone SET erased_at = 1", "tombstones"),
    ],
)
async def test_what_does_not_arrive_as_it_was_is_found_before_the_target_is_used(
    pair: Pair, folder: Path, sql: str, of: str
) -> None:
    """By number or digest; neither store works until somebody has looked."""
    site = Site(pair, folder)
    await site.filled(*crowd())
    ends = await site.ends()
    moving = Move(*ends, site.left)
    await moving.begin(0)
    await moving.copy()
    tamper(site, sql)
    with pytest.raises(StoreUnavailable) as refused:
        await moving.verify()

    assert f"of the {of} " in str(refused.value)
    assert Cause.CORRUPT is refused.value.cause
    assert [False, False] == [await works(site.store(which)) for which in (0, 1)]
    await closed(*ends)


@pytest.mark.parametrize("pair", WAYS)
async def test_two_moves_at_once_do_not_mix(pair: Pair, folder: Path) -> None:
    """One goes on, the other is told; nothing is there twice."""
    site = Site(pair, folder)
    await site.filled(*crowd())
    ends = [*await site.ends(), *await site.ends()]
    moves = [Move(ends[0], ends[1], site.left), Move(ends[2], ends[3], site.left)]
    await moves[0].begin(0)
    await moves[1].begin(0)
    found = await asyncio.gather(*(one.copy() for one in moves), return_exceptions=True)
    await closed(*ends)
    await site.move()
    target = await opened(site.store(1))

    assert all(error is None or isinstance(error, StoreUnavailable) for error in found)
    assert [2, 1] == await numbers(target, "g")
    await target.close()
