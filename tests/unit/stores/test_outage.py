"""A region whose store is away: what goes to the spool, what stays with the broker, and what comes of it in the end."""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from outage import HERE, GatedStore, Region, done
from records import HOUR, MINUTE, SECOND, START, act, join, leave, part, record, ref, router, until

from collector.errors import Cause, SpoolUnavailable
from collector.model import Action, ConsentEvent, DropReason, Entry
from collector.stores.plan import ConsentRules
from collector.stores.spool import Spool
from collector.stores.sqlite import SQLiteStore

LATER = START + HOUR


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the spool of the test is."""
    return tmp_path / "germany"


async def region(folder: Path, *joined: str, **more: object) -> Region:
    """A region in which these routers have joined, each with report 0 stored."""
    made = await Region(folder, **more).open()  # type: ignore[arg-type]
    made.put(*(record(name, 0) for name in joined))
    await made.drain()
    return made


async def away(here: Region, *, hangs: bool) -> "asyncio.Task[bool] | None":
    """The store is away; the commit that hangs, if one does."""
    if hangs:
        return await here.hang()
    await here.refuse()
    return None


# What goes where


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses", "hangs"])
async def test_records_of_routers_known_as_joined_are_spooled_and_acknowledged(folder: Path, hangs: bool) -> None:
    """Durable is durable; the store gets them, once, when it is back (D19, D20)."""
    here = await region(folder, "a", "b")
    receipts = here.put(record("a", 1), record("b", 2))
    committing = await away(here, hangs=hangs)
    receipts += here.put(record("a", 3))
    await here.shelter()
    during = (done(receipts), here.spool.records, here.metrics.in_flight, here.metrics.in_flight_bytes, here.stored())
    await here.heal(committing)

    assert (["acknowledged"] * 3, 3, 3, 0, [0, 0]) == during
    assert [0, 0, 1, 2, 3] == here.stored()
    assert (5, {}) == here.outcomes
    assert (0, 0) == (here.spool.records, here.metrics.in_flight)
    assert not here.writer.guarded


@pytest.mark.parametrize("hangs", [False, True], ids=["refuses", "hangs"])
async def test_records_of_unknown_routers_stay_with_the_broker(folder: Path, hangs: bool) -> None:
    """What the ledger has not let in is on no disk; nor does it hold anybody's acknowledgements back (D6)."""
    here = await region(folder, "a")
    before = here.raw()
    early = here.put(record("x", 1))
    committing = await away(here, hangs=hangs)
    told = here.left
    late = here.put(record("x", 2), record("y", 3))
    told = here.left - told
    await here.shelter()

    assert ["left"] * 3 == done(early + late)
    assert (0, 1) == (here.spool.records, here.metrics.in_flight), "what came later is not even received"
    assert (3, before) == (here.metrics.spools.left[HERE], here.raw())
    assert 2 == told, "that the broker's window has places less"
    await here.heal(committing)
    assert [0, 1] == here.stored()
    assert 1 == here.back


async def test_what_a_router_sends_after_something_that_was_left_is_left_too(folder: Path) -> None:
    """Or it would join by a later report, and the earlier ones would be from before its consent (D8)."""
    here = await region(folder)
    await here.refuse()
    [first] = here.put(record("x", 1, at=START))
    await here.heal()
    await here.step()
    after = here.put(record("x", 2, at=START + MINUTE), record("y", 9))
    await here.drain()
    during = (done([first, *after]), here.stored())
    here.writer.renewed()
    again = here.put(record("x", 1, at=START), record("x", 2, at=START + MINUTE))
    await here.drain()

    assert (["left", "left", "acknowledged"], [9]) == during
    assert (["acknowledged"] * 2, [1, 2, 9]) == (done(again), here.stored())


async def test_what_comes_meanwhile_is_not_in_the_commit_that_shows_whether_the_store_is_back(folder: Path) -> None:
    """That may hang or fail: it would be looked at neither by the shelter nor by anybody else."""
    here = await region(folder, "a")
    await here.refuse()
    receipts = here.put(record("a", 1), record("b", 1))
    await here.step()
    await here.shelter()

    assert ["acknowledged", "left"] == done(receipts)


async def test_what_comes_behind_something_that_nobody_looked_at_yet_waits_behind_it(folder: Path) -> None:
    """Also while others' are in a commit; left before it, it would come again before it."""
    here = await region(folder, "a")
    here.store.gate.clear()
    here.store.began.clear()
    here.put(record("a", 1))
    committing = asyncio.create_task(here.writer.step())
    await here.store.began.wait()
    first = here.put(record("x", 1))
    here.goes_away()
    second = here.put(record("x", 2))
    during = done(first + second)
    await here.heal(committing)

    assert (["waits"] * 2, [0, 1, 1, 2]) == (during, here.stored())


async def test_a_router_that_left_is_dropped_as_ever(folder: Path) -> None:
    """What the ledger said of it stands."""
    here = await region(folder, "a")
    here.put(leave("a", at=LATER))
    await here.drain()
    await here.refuse()
    receipts = here.put(record("a", 1, at=LATER + 1))

    assert ["acknowledged"] == done(receipts)
    assert {"withdrawn": 1} == here.outcomes[1]


async def test_one_that_joined_in_this_process_is_known(folder: Path) -> None:
    """By flag or by event, from the commit on; a join that waits for the ledger is none yet."""
    here = await region(folder)
    here.put(join("a"), record("b", 1))
    await here.drain()
    here.put(join("c"))
    await here.refuse()
    receipts = here.put(record("a", 2, at=LATER), record("b", 3, at=LATER), record("c", 4, at=LATER))
    await here.shelter()

    assert ["acknowledged", "acknowledged", "left"] == done(receipts)


async def test_one_that_joined_before_this_process_is_known(folder: Path) -> None:
    """The ledger is read at the start."""
    here = await region(folder, *"abcdefg")
    after = await here.restarted()
    await after.refuse()
    receipts = after.put(*(record(name, 1) for name in "abcdefg"))
    await after.shelter()

    assert ["acknowledged"] * 7 == done(receipts)


async def test_of_more_routers_than_are_to_be_known_the_others_stay_with_the_broker(folder: Path) -> None:
    """`spool.known_routers`: as many as there is memory for."""
    here = await region(folder, *"abcd")
    after = await here.restarted(known_routers=3)
    await after.refuse()
    receipts = after.put(*(record(name, 1) for name in "abcd"))
    await after.shelter()

    assert {"acknowledged": 3, "left": 1} == Counter(done(receipts))


async def test_that_more_have_joined_than_are_to_be_known_is_said_before_a_store_is_away(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They grow more over the years: few routers that are thrown away leave before. In an outage it is too late."""
    here = await region(folder, *"abc")
    for known in (4, 3):
        here = await here.restarted(known_routers=known)
        await here.writer._news.refresh()

    assert ["known_routers_full"] == [said.message for said in caplog.records]


async def test_where_there_is_no_spool_nothing_is_said_of_what_it_would_have_to_know(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The setting that is to be raised would change nothing."""
    here = await region(folder, *"abc")
    here.writer._outage.joined._most = 3
    here.writer._news._spool = Spool(None, HERE)
    await here.writer._news._look()

    assert [] == caplog.records


async def test_a_process_that_has_not_read_the_ledger_spools_nothing(folder: Path) -> None:
    """Who has left since the last one read it nobody here knows: the gate is closed (K16)."""
    here = await region(folder, "a")
    here.store.fail_next = 1 << 30
    after = await here.restarted(open_store=False)
    after.goes_away()
    receipts = after.put(record("a", 1), leave("a", at=LATER, only_if_joined=True))
    await after.shelter()

    assert ["left", "left"] == done(receipts)
    assert 0 == after.spool.records


async def test_a_refusal_is_an_exit_until_all_who_joined_are_known(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who joined is read page by page; one who is on a page that was not read yet must not be told apart by that."""
    monkeypatch.setattr("collector.stores.news._JOINED_AT_ONCE", 2)
    names = sorted("abcd", key=lambda name: router(name).device_ref)
    here = await region(folder, *names)
    after = await here.restarted(open_store=False)
    await after.writer._open()
    await after.writer._news.refresh()
    after.goes_away()
    early = after.put(leave(names[-1], at=LATER, only_if_joined=True))
    for _ in range(2):
        await after.writer._news.refresh()
    known = [after.writer._outage.joined.knows(router(name)) for name in names]
    late = after.put(leave("z", at=LATER, only_if_joined=True))

    assert (["left"], [True] * 4, ["acknowledged"]) == (done(early), known, done(late))


async def test_who_joined_by_a_ledger_that_was_replaced_is_not_known(folder: Path) -> None:
    """The one in its place may be longer, and says nothing of them: nothing of theirs goes to a disk (D6, K17)."""
    here, other = await region(folder, "a"), GatedStore()
    await other.commit([join(name) for name in "xyz"])
    here.store.fail_next, here.store.fails_with = 1, Cause.REPLACED
    here.put(record("b", 1))
    await here.step()
    here.store.store, here.store.fails_with = other.store, Cause.NOT_ANSWERING
    await here.writer._open()
    await here.writer._news.refresh()
    await here.refuse()
    receipts = here.put(record("a", 2), record("x", 2))
    await here.shelter()

    assert (["left", "acknowledged"], 1) == (done(receipts), here.spool.records)


@pytest.mark.parametrize("cause", [Cause.CORRUPT, Cause.REPLACED])
async def test_a_ledger_that_is_in_doubt_lets_nothing_into_the_spool(folder: Path, cause: Cause) -> None:
    """What a damaged or replaced ledger said before proves nothing (K17)."""
    here = await region(folder, "a")
    here.store.fail_next, here.store.fails_with = 1 << 30, cause
    early = here.put(record("a", 1))
    await here.step()
    here.goes_away()
    late = here.put(record("a", 2))
    await here.shelter()

    assert (["left", "left"], 0) == (done(early + late), here.spool.records)


async def test_a_message_of_qos_0_that_can_be_kept_nowhere_is_dropped(folder: Path) -> None:
    """Nobody sends it again; it is counted with its reason."""
    here = await region(folder)
    await here.refuse()
    here.put(record("x", 1), promised=False)

    assert (0, {"store_away": 1}) == here.outcomes


# A full spool


async def test_when_the_spool_is_full_messages_stay_with_the_broker(folder: Path) -> None:
    """Unacknowledged, counted, and no more of them in memory than were there before."""
    here = await region(folder, "a", max_bytes=20_000)
    await here.refuse()
    first = here.put(*(record("a", n) for n in range(1, 101)))
    await here.shelter()
    spooled = here.spool.records
    held = here.metrics.in_flight
    more = here.put(*(record("b", n) for n in range(50)), *(record("a", n) for n in range(200, 250)))
    await here.shelter()
    full = (here.spool.is_full, here.writer.spool_state(), here.metrics.in_flight)

    assert 10 < spooled < 100
    assert ["acknowledged"] * spooled + ["left"] * (100 - spooled) == done(first)
    assert ["left"] * 100 == done(more)
    assert (True, "full", held) == full
    assert 100 == here.metrics.in_flight
    assert 100 - spooled + 50 == here.metrics.spools.refused[HERE], "no room; what was not let in would need none"
    await here.heal()
    assert [0, *range(1, 101)] == here.stored()


async def test_room_in_a_full_spool_is_used_again(folder: Path) -> None:
    """An exit makes some; what comes then is spooled."""
    here = await region(folder, "a", "b", max_bytes=20_000)
    await here.refuse()
    here.put(*(record("a", n) for n in range(1, 101)))
    await here.shelter()
    assert not here.spool.has_room
    here.put(leave("a", at=LATER))
    await here.shelter()
    receipts = here.put(record("b", 1))
    await here.shelter()

    assert ["acknowledged"] == done(receipts)


async def test_a_spool_that_cannot_be_written_is_as_good_as_none(folder: Path) -> None:
    """And is used again once it can be."""
    here = await region(folder, "a")
    here.file._file.db.execute("PRAGMA query_only = ON")
    await here.refuse()
    here.put(record("a", 1))
    await here.shelter()
    during = (here.spool.records, here.writer.spool_state(), done(here.receipts[-1:]))
    here.file._file.db.execute("PRAGMA query_only = OFF")
    here.spool._tried = float("-inf")
    await here.writer._watch.look_after_spool()
    here.writer.renewed()
    receipts = here.put(record("a", 2))
    await here.shelter()

    assert (0, Cause.READ_ONLY, ["left"]) == during
    assert ["acknowledged"] == done(receipts)
    await here.heal()
    assert [0, 1, 2] == here.stored()


async def test_a_spool_that_hangs_holds_nobody_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its disk may be the store's. What it writes in the end all the same is not sent twice."""
    go_on = threading.Event()
    here = await region(folder, "a", patience=0.1)
    await here.refuse()
    put = here.file._put
    monkeypatch.setattr(here.file, "_put", lambda *a, **k: (go_on.wait(20), put(*a, **k))[1])
    receipts = here.put(record("a", 1))
    await here.shelter()
    during = (done(receipts), here.writer.spool_state(), here.metrics.in_flight)
    go_on.set()
    await until(lambda: here.spool.cause is None)
    await until(lambda: here.spool.records == 0)
    await here.heal()

    assert (["left"], Cause.NOT_ANSWERING, 1) == during
    assert [0, 1] == here.stored()
    assert (2, {}) == here.outcomes


@pytest.mark.parametrize("ends", ["answers", "refuses", "is silent", "is full"])
async def test_what_was_on_its_way_to_the_spool_when_the_store_came_back_is_committed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ends: str
) -> None:
    """However the spool ends it: nothing waits in memory for an outage that is over.

    The commit that hung takes the store back while the shelter waits for the spool; the parts of one sample, from
    several topics, are among what waited. Store and spool are on the disk.
    """
    go_on, most = threading.Event(), 900 if ends == "is full" else 1 << 30
    store = GatedStore(SQLiteStore(folder.parent / "germany.sqlite", HERE, ConsentRules()))
    here = await region(folder, "a", store=store, max_bytes=most, patience=0.2 if ends == "is silent" else 30.0)
    put, began = here.file._put, asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(*args: Any, **more: Any) -> Any:
        loop.call_soon_threadsafe(began.set)
        assert go_on.wait(20)
        if ends == "refuses":
            raise SpoolUnavailable("told to", Cause.DISK_FULL)
        return put(*args, **more)

    here.put(record("b", 0))
    committing = await here.hang()
    monkeypatch.setattr(here.file, "_put", slow)
    here.put(*(part(n, radio) for n, radio in enumerate(("phy0", "phy1", "phy0", "phy2"), start=1)))
    sheltering = asyncio.create_task(here.writer._watch.take_shelter(here.writer._committing))
    await began.wait()
    store.gate.set()
    assert await committing
    if ends == "is silent":
        await sheltering
    go_on.set()
    await sheltering
    if ends == "is silent":
        await until(lambda: here.spool.cause is None and here.spool.records == 0)
    await here.drain()

    assert (0, 0, 0) == (here.metrics.in_flight, here.writer.waiting, here.spool.records)
    assert (6, {}) == here.outcomes
    found = [json.loads(r.body) async for r in store.records(router("a").device_ref)]
    assert {"wifi": {"wifi_station_count": 9}} in found
    assert 2 == len(found)


async def caught(
    here: Region, monkeypatch: pytest.MonkeyPatch, step: str, *entries: Entry
) -> tuple["asyncio.Task[None]", Callable[[], None]]:
    """The store came back while *entries* were looked at and the spool was busy with *step*; that, and what ends it."""
    go_on, began, loop = threading.Event(), asyncio.Event(), asyncio.get_running_loop()
    work = getattr(here.file, step)

    def slow(*args: Any, **more: Any) -> Any:
        loop.call_soon_threadsafe(began.set)
        assert go_on.wait(20)
        return work(*args, **more)

    monkeypatch.setattr(here.file, step, slow)
    here.store.gate.clear()
    here.put(record("a", 0))
    committing = asyncio.create_task(here.writer.step())
    await here.store.began.wait()
    here.put(*entries)
    here.goes_away()
    sheltering = asyncio.create_task(here.writer._watch.take_shelter(here.writer._committing))
    await began.wait()
    here.store.gate.set()
    assert await committing
    return sheltering, go_on.set


@pytest.mark.parametrize("asked", [False, True])
async def test_a_store_that_comes_back_while_an_act_is_on_its_way_to_the_spool_gets_everything_in_its_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    """Of one router a report was looked at before the act, one after it: it joins by the former, the older one.

    Also if the store is *asked* for the next commit meanwhile.
    """
    here = await region(folder)
    waiting = (record("b", 1), join("c", at=START), record("b", 2, at=START + SECOND), record("d", 3))
    sheltering, go_on = await caught(here, monkeypatch, "_put", *waiting)
    here.put(record("d", 4, at=START + SECOND))
    stepping = [asyncio.create_task(here.writer.step())] if asked else []
    await asyncio.sleep(0.01)
    go_on()
    await asyncio.gather(sheltering, *stepping)
    await here.drain()

    assert ([0, 1, 2, 3, 4], {}) == (here.stored(), here.outcomes[1])


async def test_a_report_that_is_held_has_one_outcome_though_the_store_comes_back_while_its_router_leaves(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exit takes it along on its way to the spool; then it is not given to the store as well."""
    here = await region(folder)
    waiting = (record("b", 1), leave("b", at=START + SECOND))
    sheltering, go_on = await caught(here, monkeypatch, "_close_gate", *waiting)
    go_on()
    await sheltering
    await here.drain()

    assert ([0], {"withdrawn": 1}, 0) == (here.stored(), here.outcomes[1], here.metrics.in_flight)


# Acts of the owner


async def test_an_exit_takes_effect_at_once_and_waits_for_the_ledger(folder: Path) -> None:
    """What is spooled and what waits is gone, what comes is dropped; the broker keeps the exit until it is recorded."""
    here = await region(folder, "a", "b")
    await here.refuse()
    here.put(record("a", 1), record("b", 1))
    await here.shelter()
    waiting, exits = here.put(record("a", 2)), here.put(leave("a", at=LATER))
    await here.shelter()
    comes = here.put(record("a", 3, at=LATER + 1))
    during = (done(waiting + exits + comes), here.spool.records, here.outcomes)
    await here.heal()

    assert (["acknowledged", "left", "acknowledged"], 1, (2, {"withdrawn": 3})) == during
    assert ["join", "join", "exit"] == await here.acts()
    assert [0, 1] == here.stored()
    assert (3, {"withdrawn": 3}) == here.outcomes
    assert 1 == here.metrics.erased[HERE]


async def test_what_an_exit_took_out_of_the_spool_does_not_come_again(folder: Path) -> None:
    """Its acknowledgement may have been lost: redelivered after a rejoin, a clock ahead, it is a duplicate (K09)."""
    here = await region(folder, "a")
    await here.refuse()
    ahead = record("a", 1, at=START, measured=START + 4 * MINUTE)
    here.put(ahead)
    await here.shelter()
    here.put(leave("a", at=START + SECOND), join("a", at=START + 2 * SECOND))
    await here.shelter()
    await here.heal()
    here.writer.renewed()
    here.put(record("a", 1, at=START + 5 * MINUTE, measured=START + 4 * MINUTE))
    await here.drain()

    assert ["join", "exit", "join"] == await here.acts()
    assert [] == here.stored()
    assert {"withdrawn": 1, "duplicate": 1} == here.outcomes[1]


async def test_an_exit_outlives_the_process(folder: Path) -> None:
    """Killed right after it: the next process knows of it before the store does, and tells the ledger first (K13)."""
    here = await region(folder, "a", "b")
    await here.refuse()
    here.put(record("a", 1), record("b", 2))
    await here.shelter()
    here.put(leave("a", at=LATER))
    await here.shelter()
    after = await here.restarted(open_store=False)
    after.goes_away()
    receipts = after.put(record("a", 3, at=LATER + 1))
    during = (done(receipts), after.spool.records, after.outcomes)
    after.store.fail_next = 0
    await after.writer._open()
    await after.drain()

    assert (["acknowledged"], 1, (0, {"withdrawn": 1})) == during
    assert [Action.EXIT] == [entry.action for entry in after.store.commits[-2] if not hasattr(entry, "body")]
    assert [0, 2] == after.stored()
    assert ["join", "join", "exit"] == await after.acts()


async def test_a_join_in_an_outage_keeps_its_time(folder: Path) -> None:
    """Durable in the spool, left with the broker, in the ledger as of its receipt: what followed it is kept (D20)."""
    here = await region(folder)
    await here.refuse()
    receipts = here.put(join("x", at=START, event_ref=ref("j")), record("x", 1, at=START + MINUTE))
    await here.shelter()
    after = await here.restarted(open_store=False)
    after.store.fail_next = 0
    await after.writer._open()
    await after.drain()
    again = after.put(join("x", at=LATER, event_ref=ref("j")), record("x", 1, at=LATER, measured=START + MINUTE))
    await after.drain()

    assert ["left", "left"] == done(receipts)
    assert ["acknowledged"] * 2 == done(again)
    assert (["join"], [1]) == (await after.acts(), after.stored())


async def test_acts_of_one_router_keep_their_order(folder: Path) -> None:
    """Join, exit, join: over the outage and a restart, and ahead of what comes once the store is back."""
    here = await region(folder)
    await here.refuse()
    here.put(join("x", at=START), leave("x", at=START + SECOND), join("x", at=START + 2 * SECOND))
    await here.shelter()
    after = await here.restarted(open_store=False)
    after.store.fail_next = 0
    await after.writer._open()
    after.put(leave("x", at=LATER))
    await after.drain()

    assert ["join", "exit", "join", "exit"] == await after.acts()


async def test_a_join_does_not_overtake_the_exit_that_was_left_before_it(folder: Path) -> None:
    """Whose last word it was to join again is in, whatever the spool could take of it; also one that is known."""
    here = await region(folder, "a")
    await here.refuse()
    here.file._file.db.execute("PRAGMA query_only = ON")
    [gone] = here.put(leave("a", at=LATER, event_ref=ref("exit")))
    await here.shelter()
    here.file._file.db.execute("PRAGMA query_only = OFF")
    await here.spool.try_again()
    [came] = here.put(join("a", at=LATER + MINUTE, event_ref=ref("join")))
    await here.shelter()
    await here.heal()
    here.writer.renewed()
    here.writer.acts_renewed()
    here.put(leave("a", at=LATER, event_ref=ref("exit")), join("a", at=LATER + MINUTE, event_ref=ref("join")))
    here.put(record("a", 1, at=LATER + 2 * MINUTE))
    await here.drain()

    assert ["left", "left"] == done([gone, came])
    assert ["join", "exit", "join"] == await here.acts()
    assert [1] == here.stored()


async def test_what_an_exit_finds_in_memory_counts_once_though_the_store_comes_back_meanwhile(folder: Path) -> None:
    """What was held goes with the next commit then, and has its outcome there."""
    here = await region(folder, "a", "b")
    here.put(record("b", 1))
    committing = await here.hang()
    here.file._file.db.execute("PRAGMA query_only = ON")
    here.put(record("a", 2))
    await here.shelter()
    here.file._file.db.execute("PRAGMA query_only = OFF")
    await here.spool.try_again()
    close, loop = here.file._close_gate, asyncio.get_running_loop()

    def slow(*args: Any) -> Any:
        loop.call_soon_threadsafe(here.store.gate.set)
        asyncio.run_coroutine_threadsafe(asyncio.wait({committing}), loop).result()
        return close(*args)

    here.file._close_gate = slow  # type: ignore[method-assign, assignment]
    here.put(leave("a", at=LATER))
    await here.shelter()
    await here.drain()

    assert 0 == here.metrics.in_flight
    assert [0, 1] == here.stored()
    assert here.metrics.received == 4


async def test_an_old_exit_that_the_broker_kept_purges_nothing(folder: Path) -> None:
    """A retained exit comes with every connection. The ledger says whether it is old; until then nothing is let in."""
    here = await region(folder, "a")
    old = leave("a", at=START + SECOND, event_ref=ref("exit"))
    here.put(old, join("a", at=START + 2 * SECOND))
    await here.drain()
    await here.refuse()
    here.put(record("a", 1, at=START + MINUTE))
    await here.shelter()
    receipts = here.put(act(Action.EXIT, at=LATER, event_ref=ref("exit"), replayed=True), record("a", 2, at=LATER))
    await here.shelter()
    during = (done(receipts), here.spool.records)
    await here.heal()
    here.writer.renewed()
    here.put(record("a", 2, at=LATER))
    await here.drain()

    assert (["left", "left"], 1) == during
    assert ["join", "exit", "join"] == await here.acts()
    assert [1, 2] == here.stored()


async def test_a_new_exit_that_the_broker_kept_drops_at_replay(folder: Path) -> None:
    """The same exit, had it been new."""
    here = await region(folder, "a")
    await here.refuse()
    here.put(record("a", 1))
    await here.shelter()
    here.put(act(Action.EXIT, at=LATER, event_ref=ref("exit"), replayed=True))
    await here.shelter()
    await here.heal()

    assert (["join", "exit"], []) == (await here.acts(), here.stored())
    assert {"withdrawn": 1} == here.outcomes[1]


async def test_a_refusal_by_somebody_who_never_joined_leaves_no_trace(folder: Path) -> None:
    """It goes to every region's ledger; one that is away must not hold it, nor write it down (D7)."""
    here = await region(folder, "a")
    before = here.raw()
    early = here.put(leave("y", at=LATER, only_if_joined=True))
    await here.refuse()
    receipts = here.put(leave("x", at=LATER, only_if_joined=True))
    await here.shelter()

    assert (["acknowledged"] * 2, before, 0) == (done(early + receipts), here.raw(), here.writer._outage.acts)
    assert (Counter(), 0.0) == here.metrics.exits.waiting[HERE]()


async def test_a_refusal_behind_a_first_report_that_was_left_is_left_too(folder: Path) -> None:
    """Sent again in their order, the report joins and the refusal closes; settled now, the join would stand (K01)."""
    here = await region(folder, "a")
    await here.refuse()
    refusal = leave("x", at=START + SECOND, only_if_joined=True, event_ref=ref("no"))
    receipts = here.put(record("x", 1), refusal)
    await here.shelter()
    await here.heal()
    late = here.put(refusal)
    await here.drain()
    here.writer.renewed()
    here.put(record("x", 1), refusal)
    await here.drain()

    assert ["left"] * 3 == done(receipts + late)
    assert (["join", "join", "exit"], [0]) == (await here.acts(), here.stored())


async def test_a_refusal_behind_a_join_that_waits_for_the_ledger_is_an_exit(folder: Path) -> None:
    """The join is going to be decided on, so there is something to end; settled here, nobody would send it again."""
    here = await region(folder, "a")
    await here.refuse()
    here.put(join("x", at=START))
    await here.shelter()
    receipts = here.put(leave("x", at=START + SECOND, only_if_joined=True))
    await here.shelter()
    await here.heal()

    assert ["left"] == done(receipts), "and in the spool"
    assert ["join", "join", "exit"] == await here.acts()


async def test_behind_a_refusal_that_was_left_a_join_waits_and_an_exit_does_not(folder: Path) -> None:
    """Until they come again in their order; what closes a gate closes it now (D5)."""
    here = await region(folder, "a")
    await here.refuse()
    refusal, again = leave("x", at=START + SECOND, only_if_joined=True), join("x", at=START + MINUTE)
    here.put(record("x", 1), refusal)
    await here.heal()
    late = here.put(again, leave("x", at=START + HOUR))
    await here.drain()

    assert ["left", "acknowledged"] == done(late)
    assert ["join", "exit"] == await here.acts()


async def test_a_refusal_of_one_that_joined_is_an_exit(folder: Path) -> None:
    """By flag as by event."""
    here = await region(folder, "a")
    await here.refuse()
    here.put(record("a", 1))
    await here.shelter()
    here.put(leave("a", at=LATER, only_if_joined=True))
    await here.shelter()
    purged = here.spool.records
    await here.heal()

    assert (0, ["join", "exit"], []) == (purged, await here.acts(), here.stored())


@pytest.mark.parametrize(
    ("action", "reason"),
    [(Action.RESTRICT, DropReason.RESTRICTED), (Action.VOID, DropReason.VOID), (Action.CANCEL, DropReason.WITHDRAWN)],
)
async def test_whatever_closes_the_gate_purges(folder: Path, action: Action, reason: DropReason) -> None:
    """With the reason it would have had in the store."""
    here = await region(folder, "a")
    await here.refuse()
    here.put(record("a", 1))
    await here.shelter()
    here.put(act(action, "a", at=LATER))
    await here.shelter()
    dropped = here.outcomes[1]
    await here.heal()

    assert {reason.value: 1} == dropped == here.outcomes[1]
    assert ["join", action.value] == await here.acts()


async def test_the_same_act_is_spooled_once(folder: Path) -> None:
    """Delivered again by a new connection, it is left with the broker again."""
    here = await region(folder, "a")
    await here.refuse()
    event = leave("a", at=LATER, event_ref=ref("exit"))
    here.put(event)
    await here.shelter()
    here.writer.renewed()
    receipts = here.put(event)
    await here.shelter()

    assert (["left"], 1) == (done(receipts), here.writer._outage.acts)


async def test_an_act_that_waited_for_the_ledger_is_asked_for_again(folder: Path) -> None:
    """A refusal comes once, and the broker keeps it: it would take its place of the window for ever."""
    here = await region(folder, "a")
    await here.refuse()
    refusal = leave("a", at=LATER, only_if_joined=True)
    [first] = here.put(refusal)
    await here.shelter()
    here.writer.acts_renewed()  # the other connection: it does not come again by that
    await here.heal()
    asked = here.back
    here.writer.renewed()
    here.writer.acts_renewed()
    [again] = here.put(refusal)
    await here.drain()

    assert (["left", "acknowledged"], 1) == (done([first, again]), asked)
    assert ["join", "exit"] == await here.acts()
    assert not here.writer.guarded


async def test_the_second_copy_of_an_act_is_asked_for_again_though_the_first_comes_by_itself(folder: Path) -> None:
    """Each comes on a connection of its own (docs/decisions/0014), and one of them may be lost and made anew."""
    here = await region(folder, "a")
    await here.refuse()
    event = leave("a", at=LATER, event_ref=ref("exit"))
    copies = here.put(event, event)
    await here.shelter()
    here.writer.acts_renewed()
    await here.heal()

    assert (["left", "left"], 1) == (done(copies), here.back)


async def test_an_exit_that_cannot_be_spooled_waits_in_memory(folder: Path) -> None:
    """And with the broker; it goes first when the store is back, with what waited of its router."""
    here = await region(folder, "a")
    here.file._file.db.execute("PRAGMA query_only = ON")
    await here.refuse()
    here.put(record("a", 1))
    receipts = here.put(leave("a", at=LATER))
    await here.shelter()
    await here.heal()

    assert ["left"] == done(receipts)
    assert (["join", "exit"], []) == (await here.acts(), here.stored())
    assert {"withdrawn": 1} == here.outcomes[1]


async def test_an_exit_by_another_process_purges_what_it_finds(folder: Path) -> None:
    """`ueip exit` on a store that this process is still draining to: learnt from the ledger (4.5)."""
    here = await region(folder, "a", "b", batch=1)
    await here.spools(*(record("b", n) for n in range(5)), record("a", 1))
    await here.step()
    await here.store.commit([leave("a", at=LATER)])
    here.writer._news._refreshed = float("-inf")
    await here.writer._news.refresh()
    await until(lambda: here.metrics.dropped[DropReason.WITHDRAWN] == 1)
    here.check()
    await here.drain()

    assert [0, 1, 2, 3, 4] == here.stored()  # those of b; nothing of a
    assert 0 == here.spool.records


async def test_an_exit_and_a_join_after_it_by_another_process_leave_what_was_spooled_since(folder: Path) -> None:
    """What was acknowledged and the last word of its owner allows is stored (D20); what is older the ledger drops."""
    here = await region(folder, "a", "b", batch=1)
    await here.spools(record("b", 9), record("a", 1), record("a", 2, at=LATER + 2 * MINUTE))
    await here.step()
    await here.store.commit([leave("a", at=LATER)])
    await here.store.commit([join("a", at=LATER + MINUTE)])
    here.writer._news._refreshed = float("-inf")
    await here.writer._news.refresh()
    await here.drain()

    assert [0, 2, 9] == here.stored()
    assert {"before_consent": 1} == here.outcomes[1]


async def test_an_exit_while_it_drains_takes_the_rest(folder: Path) -> None:
    """What was drained is erased, what was not is purged, and neither comes back."""
    here = await region(folder, "a", "b", batch=2)
    await here.spools(*(record("a", n) for n in range(1, 8)), record("b", 1))
    await here.step()
    here.put(leave("a", at=LATER))
    await here.drain()
    await until(lambda: not here.metrics.in_flight)
    here.put(join("a", at=LATER + SECOND))
    here.put(*(record("a", n, at=LATER + MINUTE) for n in range(1, 8)))
    await here.drain()

    assert [0, 1] == here.stored()
    assert 7 == here.outcomes[1]["duplicate"]


async def test_an_exit_that_is_tried_again_names_what_is_spooled_once(folder: Path) -> None:
    """A store may refuse for hours, and what an act names is in memory."""
    here = await region(folder, "a", batch=1)
    await here.spools(*(record("a", n) for n in range(1, 4)))
    await here.step()
    here.put(leave("a", at=LATER))
    here.store.fail_next = 6
    while here.store.fail_next:
        await here.step()
    await here.drain()
    [spent] = [entry.spent for batch in here.store.commits for entry in batch if isinstance(entry, ConsentEvent)]

    assert {record("a", 2).record_id, record("a", 3).record_id} == set(spent)
    assert 2 == len(spent)


async def test_an_erasure_names_nothing_of_the_spool_that_came_after_it(folder: Path) -> None:
    """It may have waited in memory while records came; those are not asked to go, and are acknowledged (K09)."""
    here = await region(folder, "a", batch=1)
    await here.spools(record("a", 1), *(record("a", n, at=LATER + SECOND) for n in (2, 3)))
    here.put(act(Action.ERASE, "a", at=LATER))
    await here.drain()

    assert [2, 3] == here.stored()


async def test_an_erasure_that_is_spooled_takes_nothing_that_came_after_it(folder: Path) -> None:
    """Neither out of the spool nor of the memory: it goes by the time of receipt (K29)."""
    here = await region(folder, "a")
    await here.refuse()
    here.put(record("a", 1), *(record("a", n, at=LATER + SECOND) for n in (2, 3)))
    await here.shelter()
    here.put(act(Action.ERASE, "a", at=LATER), record("a", 4, at=LATER + SECOND))
    await here.shelter()
    await here.heal()

    assert [2, 3, 4] == here.stored()


# A commit that hangs


async def test_a_commit_that_returns_after_all_is_the_outcome(folder: Path) -> None:
    """What was spooled of it meanwhile is forgotten, and nothing is counted or stored twice."""
    here = await region(folder, "a", "b")
    receipts = here.put(record("a", 1), record("b", 2), record("x", 3), join("y"))
    committing = await here.hang()
    during = (done(receipts), here.spool.records, here.metrics.in_flight)
    await here.heal(committing)

    assert (["acknowledged", "acknowledged", "left", "left"], 2, 3) == during
    assert (5, {}) == here.outcomes
    assert 1 == len(here.store.commits[-1:]) == len([c for c in here.store.commits if len(c) == 4])
    assert [0, 0, 1, 2, 3] == here.stored()
    assert ["join"] * 4 == await here.acts()


async def test_a_commit_that_fails_in_the_end_is_tried_again_from_the_spool(folder: Path) -> None:
    """And from memory, what could not be spooled."""
    here = await region(folder, "a", "b")
    here.put(record("a", 1), record("x", 3), join("y", event_ref=ref("y")))
    committing = await here.hang()
    await here.heal(committing, fails=True)

    assert (4, {}) == here.outcomes
    assert [0, 0, 1, 3] == here.stored()
    assert 4 == len(await here.acts())


@pytest.mark.parametrize("fails", [False, True], ids=["returns", "fails"])
async def test_an_exit_during_a_commit_that_hangs(folder: Path, fails: bool) -> None:
    """Taken back at once; if the commit wrote it after all, the exit erases it (K03)."""
    here = await region(folder, "a", "b")
    receipts = here.put(record("a", 1), record("b", 2))
    committing = await here.hang()
    exits = here.put(leave("a", at=LATER))
    await here.shelter()
    during = (done(receipts + exits), here.spool.records)
    await here.heal(committing, fails=fails)

    assert (["acknowledged", "acknowledged", "left"], 1) == during
    assert [0, 2] == here.stored()
    assert ["join", "join", "exit"] == await here.acts()
    assert (3 if fails else 4, {"withdrawn": 1} if fails else {}) == here.outcomes


@pytest.mark.parametrize("fails", [False, True], ids=["returns", "fails"])
async def test_an_exit_inside_a_commit_that_hangs(folder: Path, fails: bool) -> None:
    """It goes to the spool beside the commit; either way the ledger has it once."""
    here = await region(folder, "a", "b")
    await here.spools(record("a", 1))
    here.writer._health.answers()
    here.put(record("a", 2), leave("a", at=LATER))
    here.writer._committing._spool_next = False
    committing = await here.hang()
    purged = here.spool.records
    await here.heal(committing, fails=fails)

    assert 0 == purged
    assert ["join", "join", "exit"] == await here.acts()
    assert [0] == here.stored()
    assert {"withdrawn": 2} == here.outcomes[1]


@pytest.mark.parametrize("fails", [False, True], ids=["returns", "fails"])
async def test_an_exit_of_a_first_report_in_a_commit_that_hangs(folder: Path, fails: bool) -> None:
    """The report that would have joined is in nobody's spool; the exit takes it back all the same (K01)."""
    here = await region(folder)
    here.put(record("x", 1))
    committing = await here.hang()
    here.put(leave("x", at=LATER))
    await here.shelter()
    await here.heal(committing, fails=fails)
    here.writer.renewed()
    here.put(record("x", 1, at=LATER + 1, measured=START))
    await here.drain()

    assert [] == here.stored()
    assert "exit" == (await here.acts())[-1]


@pytest.mark.parametrize(("action", "reason"), [(Action.EXIT, "withdrawn"), (Action.ERASE, "erased")])
async def test_what_an_act_took_back_is_dropped_for_it_whatever_came_since(
    folder: Path, action: Action, reason: str
) -> None:
    """The commit it was in fails in the end, and its router has joined again by then; acts of others matter to none."""
    here = await region(folder)
    here.put(record("x", 1))
    committing = await here.hang()
    others = act(Action.EXIT if action is Action.ERASE else Action.ERASE, "z", at=LATER)
    here.put(others, act(action, "x", at=LATER), join("x", at=LATER + 1))
    await here.shelter()
    here.store.fail_next = 1
    here.store.gate.set()
    await committing

    assert (0, {reason: 1}) == here.outcomes


async def test_an_erasure_in_an_outage_keeps_what_comes_since_waiting_and_no_longer(folder: Path) -> None:
    """It ends no consent (K29): what comes since is let in once the ledger has it, in this outage or the next."""
    here = await region(folder, "a")
    await here.refuse()
    here.put(act(Action.ERASE, "a", at=LATER))
    await here.shelter()
    during = here.put(record("a", 1, at=LATER + SECOND))
    await here.shelter()
    await here.heal()
    here.writer.renewed()
    here.put(record("a", 1, at=LATER + SECOND))
    await here.drain()
    await here.refuse()
    after = here.put(record("a", 2, at=LATER + MINUTE))
    await here.shelter()
    await here.heal()

    assert (["left"], ["acknowledged"]) == (done(during), done(after))
    assert [1, 2] == here.stored()


async def test_a_kill_while_a_commit_hangs_loses_nothing_acknowledged(folder: Path) -> None:
    """Whether the commit came about or not (K11)."""
    for came_about in (False, True):
        here = await region(folder / str(came_about), "a")
        here.put(record("a", 1), record("a", 2))
        committing = await here.hang()
        if came_about:
            here.store.gate.set()
            await here.store.store.commit([record("a", 1), record("a", 2)])
        committing.cancel()
        here.store.gate.set()
        after = await here.restarted()
        found = (after.metrics.received, after.metrics.in_flight, after.metrics.spools.recovered[HERE])
        await after.drain()

        assert (2, 2, 2) == found
        assert [0, 1, 2] == after.stored()
        assert ((0, {"duplicate": 2}) if came_about else (2, {})) == after.outcomes


# Coming back


async def test_the_spool_drains_without_starving_what_comes(folder: Path) -> None:
    """In turns: a batch that waited, a batch that comes."""
    here = await region(folder, "a", batch=10)
    await here.spools(*(record("a", n) for n in range(1000, 1040)))
    await here.step()
    here.put(*(record("b", n) for n in range(40)))
    here.store.commits.clear()
    await here.drain()
    kinds = ["spooled" if entries[0].identity == router("a") else "live" for entries in here.store.commits]

    assert ["live", "spooled"] * 3 + ["live"] == kinds or ["spooled", "live"] * 3 + ["live"] == kinds


async def test_what_is_drained_is_forgotten_only_once_it_is_stored(folder: Path) -> None:
    """Killed between the commit and that, the next process sends it again, and the store knows it (K11)."""
    here = await region(folder, "a")
    await here.spools(*(record("a", n) for n in range(1, 6)))
    here.spool.delete = lambda rows: None  # type: ignore[method-assign]
    await here.writer.step()
    after = await here.restarted()
    await after.drain()

    assert [0, 1, 2, 3, 4, 5] == after.stored()
    assert (0, {"duplicate": 5}) == after.outcomes


async def test_a_drain_that_fails_goes_on_later(folder: Path) -> None:
    """With all that it had not finished."""
    here = await region(folder, "a", batch=2)
    await here.spools(*(record("a", n) for n in range(1, 8)))
    await here.step()
    here.store.fail_next = 2
    assert not await here.step()
    assert not await here.step()
    await here.drain()

    assert list(range(8)) == here.stored()
    assert (8, {}) == here.outcomes
    assert (7, 7) == (here.metrics.spools.spooled[HERE], here.metrics.spools.drained[HERE])


async def test_an_entry_we_choke_on_does_not_stop_the_drain(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A record becomes a counted drop; an act stays in the spool for a collector without the bug."""
    here = await region(folder, "a", "b")
    await here.refuse()
    here.put(*(record("a", n) for n in range(1, 4)), leave("b", at=LATER), join("c"))
    await here.shelter()
    commit = here.store.commit

    async def choking(entries: list[object]) -> object:
        if any(getattr(e, "record_id", None) == record("a", 2).record_id for e in entries) or any(
            getattr(e, "action", None) is Action.EXIT for e in entries
        ):
            raise KeyError("a bug of ours")
        return await commit(entries)  # type: ignore[arg-type]

    monkeypatch.setattr(here.store, "commit", choking)
    await here.heal()
    monkeypatch.undo()
    after = await here.restarted()
    await after.drain()

    assert {"internal_error": 1} == here.outcomes[1]
    assert [0, 1, 3] == here.stored()
    assert ["join", "join", "join", "exit"] == await after.acts()


async def test_running_it_notices_by_itself(folder: Path) -> None:
    """No hand drives it: the patience ends, the spool takes over, the store comes back, everything arrives."""
    here = Region(folder, after_seconds=0.1)
    running = asyncio.create_task(here.writer.run())
    here.put(record("a", 0))
    await until(lambda: here.metrics.stored[HERE] == 1)
    await until(lambda: here.writer._outage.joined.is_complete)
    here.store.gate.clear()
    receipts = here.put(record("a", 1))
    await until(lambda: done(receipts) == ["acknowledged"])
    receipts += here.put(*(record("a", n) for n in range(2, 10)))
    await until(lambda: done(receipts) == ["acknowledged"] * 9)
    during = (here.stored(), here.metrics.store_up[HERE], here.writer.spool_state())
    here.store.gate.set()
    await until(lambda: here.metrics.stored[HERE] == 10 and not here.spool.records)
    here.check()
    here.writer.stop()
    await running

    assert ([0], False, "in use") == during
    assert list(range(10)) == here.stored()
    assert here.metrics.store_up[HERE]
    assert here.writer.spool_state() is None


async def test_it_ends_though_the_store_hangs(folder: Path) -> None:
    """What was spooled is on the disk, what was not is with the broker."""
    here = Region(folder, after_seconds=0.1)
    running = asyncio.create_task(here.writer.run())
    here.put(record("a", 0))
    await until(lambda: here.metrics.stored[HERE] == 1)
    here.store.gate.clear()
    receipts = here.put(record("a", 1))
    await until(lambda: done(receipts) == ["acknowledged"])
    here.writer.stop()
    await asyncio.wait({running}, timeout=0.3)
    assert not running.done()
    running.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(running, return_exceptions=True)
        await here.writer.close()
    here.store.gate.set()
    after = await Region(folder, store=here.store).open()
    await after.drain()

    assert [0, 1] == after.stored()
