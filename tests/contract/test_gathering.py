"""What every store promises of records that make sense beside others: derived once, put together, forgotten at exit."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from engines import ENGINES, LASTING, Engine, let_go, make, memories
from hypothesis import given, settings
from hypothesis import strategies as st
from notices import digest_of, later, notice
from records import MINUTE, SECOND, START, act, join, leave, record, router

from collector.derive import text_of
from collector.model import Action, DropReason, Entry, Part, Record, Region, Removal
from collector.stores import Store
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules

STATIONS, RATE = "wifi.wifi_station_count", "usage.downlink_bytes_per_second"


@pytest.fixture(params=ENGINES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """A store of each engine, with router a joined an hour ago."""
    made = make(request.param, tmp_path / "store.db", ConsentRules())
    await made.open()
    await made.commit([join(at=START - 60 * MINUTE)])
    yield made
    await made.close()
    let_go(tmp_path)


def sample(number: int, at: int, *, body: Any = None, **more: Any) -> Record:
    """A sample of a format that tells states, not events."""
    made = record(number=number, at=at, measured=at, body=json.dumps(body or {}).encode())
    floating = () if "interval" in more else None  # parts of an interval may have different times
    return msgspec.structs.replace(made, floating=floating, **({"counters": ()} | more))


def part(value: int, key: str, at: int = START, *, interval: int = 1) -> Record:
    """The stations of one radio, sent alone."""
    return sample(1000 + interval, at, parts=(Part(STATIONS, key, value, 255),), interval=interval)


def state(number: int, at: int, wan: str) -> Record:
    """A sample that says how the link is."""
    return sample(number, at, body={"network": {"wan_connection_state": wan}})


async def bodies(store: Store) -> list[dict[str, Any]]:
    """The bodies stored of router a, newest first."""
    return [json.loads(found.body) async for found in store.records(router("a").device_ref)]


async def test_more_parts_than_are_remembered_fail_no_commit(store: Store) -> None:
    """However many radios a router makes up: what others have in the same commit is not held up by it."""
    link = Part("network.wan_connection_state", "host", "connected", float("inf"), "connected")
    more = sample(1001, START + SECOND, parts=(link,), interval=1)

    await store.commit([*(part(1, f"phy{n}", START + n) for n in range(70)), more])

    assert [{"wifi"}] == [body.keys() for body in await bodies(store)]


@pytest.mark.parametrize("apart", [True, False])
async def test_a_disconnect_between_two_samples_is_an_event(store: Store, apart: bool) -> None:
    """In one commit or in two."""
    samples = [state(1, START, "connected"), state(2, START + MINUTE, "disconnected")]
    for entries in [[one] for one in samples] if apart else [samples]:
        await store.commit(entries)

    newest, before = await bodies(store)

    assert [event["event"] for event in newest["events"]] == ["wan_unexpected_disconnect"]
    assert "events" not in before


async def test_a_redelivery_derives_nothing_again(store: Store) -> None:
    """A duplicate is a duplicate."""
    samples = [state(1, START, "connected"), state(2, START + MINUTE, "disconnected")]
    await store.commit(samples)

    again = await store.commit([*samples, state(3, START + 2 * MINUTE, "disconnected")])

    assert (1, 2) == (again.stored, again.dropped.total())
    assert "events" not in (await bodies(store))[0]


async def test_parts_of_one_interval_are_one_record(store: Store) -> None:
    """Each message is stored, and makes no record of its own."""
    first = await store.commit([part(3, "a"), part(2, "b", START + SECOND)])
    second = await store.commit([part(4, "c", START + 2 * SECOND), part(4, "c", START + 2 * SECOND)])

    assert (2, 2) == (first.stored, second.stored)
    assert [{"wifi": {"wifi_station_count": 9}}] == await bodies(store)


async def test_a_record_that_parts_join_stays_that_of_the_first(store: Store) -> None:
    """Its times and what was left out of it; so what was received before an erasure goes with it, joined or not."""
    first, second = part(3, "a"), part(2, "b", START + SECOND)
    await store.commit([msgspec.structs.replace(first, stripped=((Removal.UNKNOWN, 1),))])
    await store.commit([msgspec.structs.replace(second, stripped=((Removal.UNKNOWN, 2),))])
    [found] = [one async for one in store.records(router("a").device_ref)]
    erased = await store.commit([act(Action.ERASE, at=START)])

    assert (START, {"unknown": 1}) == (found.received_at, found.stripped)
    assert (1, []) == (erased.erased, await bodies(store))


async def test_of_one_minute_what_is_sent_in_parts_stands_in_its_order(store: Store) -> None:
    """By its first part, among what is whole."""
    first, last = (msgspec.structs.replace(sample(number, START), floating=()) for number in (1, 2))
    await store.commit([first, part(3, "a"), last, part(2, "b")])

    assert [{}, {"wifi": {"wifi_station_count": 5}}, {}] == await bodies(store)


async def test_an_exit_of_another_router_in_the_same_commit_loses_no_part(store: Store) -> None:
    """A part is told under the id of its sample, which is stored: only its own router's acts make that a duplicate."""
    await store.commit([join("b", at=START - 60 * MINUTE), record("b", 1), part(3, "a")])

    done = await store.commit([leave("b", at=START + SECOND), part(2, "b", START + SECOND), record("b", 1)])

    assert (1, 1) == (done.stored, done.dropped.total())
    assert [{"wifi": {"wifi_station_count": 5}}] == await bodies(store)


@pytest.mark.parametrize("more", [{}, {"interval": 2}], ids=["whole", "a part"])
async def test_an_event_that_a_later_sample_tells_again_counts_once(store: Store, more: dict[str, Any]) -> None:
    """Whether that sample comes whole or in parts."""
    body = {"events": [{"event": "unexpected_reboot", "time": text_of(START - 5 * MINUTE)}]}
    await store.commit([sample(1, START, body=body), sample(2, START + MINUTE, body=body, **more)])

    assert [{}, body] == await bodies(store)


async def test_parts_of_the_next_interval_are_another_record(store: Store) -> None:
    """Five stations, then one."""
    await store.commit([part(5, "a")])
    await store.commit([part(1, "a", START + MINUTE, interval=2)])

    assert [{"wifi": {"wifi_station_count": n}} for n in (1, 5)] == await bodies(store)


async def test_a_part_delivered_again_does_not_bring_back_what_was(store: Store) -> None:
    """The link was down and came up within the minute; so it stays, in one commit or in several."""
    down, up = (
        sample(7, START + at, interval=1, body={"network": {"wan_connection_state": wan}})
        for at, wan in ((SECOND, "disconnected"), (2 * SECOND, "connected"))
    )
    for entries in ([down], [up, down], [down]):
        await store.commit(entries)

    assert [{"network": {"wan_connection_state": "connected"}}] == await bodies(store)


async def test_parts_of_two_samples_may_come_mixed(store: Store) -> None:
    """As they do while a spool is drained: each sample is whole in the end."""
    await store.commit([part(3, "a")])
    await store.commit([part(5, "a", START + MINUTE, interval=2)])
    await store.commit([part(2, "b", START + SECOND), part(1, "b", START + MINUTE, interval=2)])

    assert [{"wifi": {"wifi_station_count": n}} for n in (6, 5)] == await bodies(store)


async def test_what_is_left_out_of_a_part_is_counted_with_it(store: Store) -> None:
    """Also of one that makes no record of its own: a local-only key alerts whatever it came beside (D10)."""
    parts = [part(n, key, START + n) for n, key in enumerate("abc")]
    stripped = [msgspec.structs.replace(one, stripped=((Removal.LOCAL_ONLY, 1),)) for one in parts]

    first, second = await store.commit(stripped[:2]), await store.commit(stripped[2:])

    assert ({Removal.LOCAL_ONLY: 2}, {Removal.LOCAL_ONLY: 1}) == (first.removed, second.removed)


async def test_counters_become_rates(store: Store) -> None:
    """600,000 bytes in a minute."""
    for number, (at, value) in enumerate([(START, 100), (START + MINUTE, 600_100)]):
        counters = (Part(RATE, "a", value, 125e9),)
        await store.commit(
            [sample(number, at, counters=counters, body={"router": {"uptime_seconds": 900 + number * 60}})]
        )

    newest, before = await bodies(store)

    assert newest["usage"] == {"downlink_bytes_per_second": 10_000}
    assert "usage" not in before


async def test_nothing_is_derived_over_an_exit(store: Store) -> None:
    """What was remembered is gone with the records, also within one commit."""
    await store.commit([state(1, START, "connected"), part(3, "a")])
    later = START + 10 * MINUTE
    await store.commit([leave(at=later), join(at=later + MINUTE), state(2, later + 2 * MINUTE, "disconnected")])
    await store.commit([part(2, "b", later + 2 * MINUTE, interval=9)])

    found = await bodies(store)

    assert all("events" not in body for body in found)
    assert {"wifi": {"wifi_station_count": 2}} in found
    assert len(found) == 2


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("apart", [True, False])
async def test_nothing_is_derived_over_an_exit_though_records_are_kept(
    engine: Engine, apart: bool, tmp_path: Path
) -> None:
    """`consent.on_exit = "keep"` keeps records; a rate over the time without consent would tell of that time."""
    store = make(engine, tmp_path / "store.db", ConsentRules(erase_on_exit=False))
    await store.open()
    later = START + 10 * MINUTE
    before: list[Entry] = [join(at=START - 60 * MINUTE), sample(1, START, counters=(Part(RATE, "a", 100, 125e9),))]
    since: list[Entry] = [leave(at=later), join(at=later + MINUTE),
             sample(2, later + 2 * MINUTE, counters=(Part(RATE, "a", 600_100, 125e9),))]  # fmt: skip
    for entries in (before, since) if apart else ([*before, *since],):
        await store.commit(entries)
    found = await bodies(store)
    await store.close()
    let_go(tmp_path)

    assert all("usage" not in body for body in found)
    assert found


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("apart", [True, False])
async def test_nothing_is_derived_over_the_time_between_two_versions_of_the_notice(
    engine: Engine, apart: bool, tmp_path: Path
) -> None:
    """The first one's consents ended, and the owner agreed to the second an hour later: that hour has no consent."""
    ends = START + 10 * MINUTE
    store = make(engine, tmp_path / "store.db", ConsentRules(policies=notice(later("v2", at=ends))))
    await store.open()
    anew = join(at=ends + 60 * MINUTE)
    anew = msgspec.structs.replace(anew, policy_version="v2", policy_digest=digest_of("v2", "en"))
    after = [state(2, ends + 61 * MINUTE, "disconnected"), state(3, ends + 62 * MINUTE, "disconnected")]
    entries: list[Entry] = [join(at=START - MINUTE), state(1, START, "connected"), anew]
    entries += [msgspec.structs.replace(one, policy_version="v2") for one in after]
    for some in [[one] for one in entries] if apart else [entries]:
        await store.commit(some)
    found = await bodies(store)
    await store.close()
    let_go(tmp_path)

    assert 3 == len(found)
    assert all("events" not in body for body in found)


BETWEEN: dict[str, list[Entry]] = {
    "an erasure from before": [act(Action.ERASE, at=START - SECOND)],
    "a restriction": [act(Action.RESTRICT, at=START + MINUTE), act(Action.UNRESTRICT, at=START + 2 * MINUTE)],
    "a hold": [
        act(Action.HOLD, at=START + MINUTE, reference="CASE-1"),
        act(Action.RELEASE, at=START + 2 * MINUTE, reference="CASE-1"),
    ],
}


@pytest.mark.parametrize("acts", BETWEEN.values(), ids=BETWEEN)
@pytest.mark.parametrize("apart", [True, False])
async def test_a_record_that_outlives_what_was_remembered_of_it_stays_as_it_is(
    store: Store, acts: list[Entry], apart: bool
) -> None:
    """Two of its parts are forgotten: a third one is neither their sum nor what stands in their place, ever after."""
    await store.commit([part(3, "a"), part(2, "b", START + SECOND)])
    later: list[Entry] = [
        part(4, "c", START + 3 * MINUTE),
        sample(1001, START + 3 * MINUTE, interval=1, body={"power": {"x": 1}}),
    ]
    for entries in (acts, later) if apart else ([*acts, *later],):
        done = await store.commit(entries)
    again = await store.commit([part(5, "d", START + 4 * MINUTE), part(6, "a", START + 4 * MINUTE, interval=2)])

    assert (0, 2, 1, 1) == (done.stored, done.dropped[DropReason.DUPLICATE], again.stored, again.dropped.total())
    assert [{"wifi": {"wifi_station_count": n}} for n in (6, 5)] == await bodies(store)


@pytest.mark.parametrize("acts", BETWEEN.values(), ids=BETWEEN)
async def test_a_part_beside_an_act_with_which_the_others_are_forgotten_changes_no_sum(
    store: Store, acts: list[Entry]
) -> None:
    """It came before the act, and in the same commit: alone it is not what the sample says."""
    await store.commit([part(3, "a"), part(2, "b", START + SECOND)])
    done = await store.commit([part(4, "c", START + 2 * SECOND), *acts])

    assert (0, 1) == (done.stored, done.dropped.total())
    assert [{"wifi": {"wifi_station_count": 5}}] == await bodies(store)


async def test_what_is_written_with_a_hold_is_derived_and_nothing_is_over_it(store: Store) -> None:
    """It waited when the hold came, and was taken in order (K36)."""
    await store.commit([part(3, "a")])
    hold, release = (act(a, at=START + MINUTE, reference="CASE-1") for a in (Action.HOLD, Action.RELEASE))
    await store.commit([part(2, "b", START + SECOND), state(1, START + SECOND, "connected"), hold])
    await store.commit([release])
    await store.commit([state(2, START + 2 * MINUTE, "disconnected")])

    found = await bodies(store)

    assert {"wifi": {"wifi_station_count": 5}} in found
    assert all("events" not in body for body in found)


@pytest.mark.parametrize("acts", [BETWEEN[name] for name in ("an erasure from before", "a hold")])
@pytest.mark.parametrize("apart", [True, False])
async def test_nothing_is_derived_over_an_act_that_shares_its_commit(
    store: Store, acts: list[Entry], apart: bool
) -> None:
    """Neither with what came after it in that commit nor with what comes in the next."""
    later = START + 5 * MINUTE
    before: list[Entry] = [state(1, START, "connected"), part(3, "a")]
    since: list[Entry] = [state(2, later, "disconnected"), part(2, "b", later)]
    for entries in ([*before, *acts], since) if apart else ([*before, *acts, *since],):
        done = await store.commit(entries)
    found = await bodies(store)

    assert 1 == done.dropped[DropReason.DUPLICATE]
    assert {"wifi": {"wifi_station_count": 3}} in found
    assert all("events" not in body for body in found)


ACTS = (Action.JOIN, Action.EXIT, Action.HOLD, Action.RELEASE)
"""Those that do the same whatever shares their commit: a restriction, or an erasure of before, takes back what waits of
it, so that the next sample has less to compare with, and leaves the rest."""


@st.composite
def stories(draw: st.DrawFn) -> list[Entry]:
    """Samples of router a and acts that its owner or the rights desk comes up with, in order of receipt."""
    now, entries = START, list[Entry]()
    for number in range(draw(st.integers(1, 10))):
        now += draw(st.sampled_from([0, 1, SECOND, MINUTE, 10 * MINUTE]))
        at = now - draw(st.sampled_from([0, 0, 0, MINUTE, 5 * MINUTE]))
        kind = draw(st.sampled_from(["state", "state", "counter", "counter", "part", "part", *ACTS]))
        if kind == "state":
            entries.append(state(number, at, draw(st.sampled_from(["connected", "disconnected"]))))
        elif kind == "counter":
            entries.append(sample(number, at, counters=(Part(RATE, "a", draw(st.integers(0, 9000)), 125e9),)))
        elif kind == "part":
            entries.append(part(draw(st.integers(1, 9)), draw(st.sampled_from("ab")), now, interval=number % 2))
        else:
            entries.append(act(Action(kind), at=at, reference="CASE-1"))
    return entries


@settings(max_examples=200, deadline=None, derandomize=True)
@given(stories())
def test_what_shares_a_commit_derives_what_it_does_apart(entries: list[Entry]) -> None:
    """Whatever acts come between, and so does what comes after."""
    joined, then = join(at=START - 60 * MINUTE), START + 200 * MINUTE
    probe = [state(90, then, "disconnected"), sample(91, then, counters=(Part(RATE, "a", 9000, 125e9),))]

    async def told(*commits: list[Entry]) -> list[dict[str, Any]]:
        store = MemoryStore(Region.GERMANY, ConsentRules())
        for one in commits:
            await store.commit(one)
        return await bodies(store)

    with asyncio.Runner() as runner:
        at_once, apart = (
            runner.run(told(*commits, [*probe, part(1, "z", then)]))
            for commits in ([[joined, *entries]], [[one] for one in (joined, *entries)])
        )

    assert apart == at_once


async def test_a_join_that_goes_on_with_a_consent_cuts_no_sample_off(store: Store) -> None:
    """Apps tell of a consent again and again."""
    await store.commit([part(3, "a")])
    await store.commit([join(at=START + SECOND), part(2, "b", START + 2 * SECOND)])

    assert [{"wifi": {"wifi_station_count": 5}}] == await bodies(store)


@pytest.mark.parametrize("engine", ENGINES)
async def test_nothing_joins_a_record_that_was_kept_from_before_an_exit(engine: Engine, tmp_path: Path) -> None:
    """It is of another consent, and out of sight (K40): what comes of its interval is no part of it."""
    store = make(engine, tmp_path / "store.db", ConsentRules(erase_on_exit=False))
    await store.open()
    await store.commit([join(at=START - 60 * MINUTE), part(3, "a")])
    await store.commit([leave(at=START + MINUTE), join(at=START + 2 * MINUTE)])
    done = await store.commit([part(2, "b", START + 3 * MINUTE), part(1, "b", START + 4 * MINUTE, interval=2)])
    found = await bodies(store)
    await store.close()
    let_go(tmp_path)

    assert (1, 1) == (done.stored, done.dropped[DropReason.DUPLICATE])
    assert [{"wifi": {"wifi_station_count": 1}}] == found


@pytest.mark.parametrize("engine", LASTING)
@pytest.mark.parametrize("action", [a for a in Action if a not in {Action.JOIN, Action.HOLD, Action.RELEASE}])
async def test_what_is_remembered_is_gone_with_whatever_takes_the_consent_or_the_records(
    engine: Engine, action: Action, tmp_path: Path
) -> None:
    """From the store, in the same commit; that of its neighbour stays."""
    store = make(engine, tmp_path / "store.db", ConsentRules())
    await store.open()
    neighbour = record("b", 1, at=START, body=b'{"router":{"uptime_seconds":9}}')
    await store.commit(
        [join(at=START - MINUTE), join("b", at=START - MINUTE), state(1, START, "connected"),
         msgspec.structs.replace(neighbour, counters=())]
    )  # fmt: skip
    remembered = await memories(store)
    if action is Action.UNRESTRICT:
        await store.commit([act(Action.RESTRICT, at=START + MINUTE)])

    await store.commit([act(action, at=START + 2 * MINUTE)])

    left = await memories(store)
    await store.close()
    let_go(tmp_path)
    assert (2, 1) == (remembered, left)


async def test_what_is_remembered_is_each_routers_own(store: Store) -> None:
    """A neighbour's state, counter or part makes nothing of this router's."""
    await store.commit([join("b", at=START - MINUTE)])
    mine = [state(1, START, "connected"), part(3, "a")]
    others = [
        msgspec.structs.replace(
            record("b", number, at=one.measured_at, body=one.body),
            counters=one.counters, parts=one.parts, interval=one.interval,
        )
        for number, one in enumerate([state(2, START + MINUTE, "disconnected"), part(4, "b")])
    ]  # fmt: skip
    await store.commit([*mine, *others])

    found = [json.loads(one.body) async for one in store.records(router("b").device_ref)]

    assert all("events" not in body for body in found)
    assert {"wifi": {"wifi_station_count": 4}} in found
    assert {"wifi": {"wifi_station_count": 3}} in await bodies(store)


async def test_a_restart_older_than_the_join_is_not_told(store: Store) -> None:
    """It was not covered (D8)."""
    await store.commit([leave(at=START), join(at=START + MINUTE)])
    at = START + 2 * MINUTE
    await store.commit([sample(1, at, body={"router": {"uptime_seconds": 90_000}})])

    await store.commit([sample(2, at + 10 * MINUTE, body={"router": {"uptime_seconds": 700}})])

    assert "events" not in (await bodies(store))[0]
    await store.commit([sample(3, at + 20 * MINUTE, body={"router": {"uptime_seconds": 60}})])
    assert [event["event"] for event in (await bodies(store))[0]["events"]] == ["unexpected_reboot"]


@pytest.mark.parametrize("engine", LASTING)
async def test_what_is_remembered_survives_a_restart(engine: Engine, tmp_path: Path) -> None:
    """It is in the store, not in the process: states, and the parts of a sample that is not whole yet."""
    for number, wan in enumerate(["connected", "disconnected"]):
        store = make(engine, tmp_path / "store.db", ConsentRules())
        await store.open()
        entries = [state(number, START + number * MINUTE, wan), part(2 + number, "ab"[number], START + number)]
        await store.commit([*([join(at=START - 60 * MINUTE)] if number == 0 else []), *entries])
        found = await bodies(store)
        await store.close()
    let_go(tmp_path)

    assert ["wan_unexpected_disconnect"] == [event["event"] for body in found for event in body.get("events", ())]
    assert {"wifi": {"wifi_station_count": 5}} in found
