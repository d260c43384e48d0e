"""The races of catalogue 4.6 that need no broker, by number; docs/consent.md lists all of them and whose they are."""

import asyncio
from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from collectors import Open, another, decided, ground, race, stored, system
from grounds import Boundary
from records import HOUR, MINUTE, SECOND
from stepping import BOUNDARIES, HERE, KEY, MARKER, START, Command, Race, act, report
from support import ROUTER

from collector.model import Action
from collector.pseudonym import Key

LATER = START + HOUR
NEW_KEY = Key(b"n" * 32)
__all__ = ["another", "ground", "race"]  # fixtures


def leave(race: Race, way: str) -> None:
    """The owner leaves without saying where the router is."""
    if way == "flag":
        race.report(2, at=START + MINUTE, ueip=False)
    else:
        race.act("exit", at=START + MINUTE, country=None)


# The message and the exit


async def test_k01_a_message_stamped_before_the_exit_that_arrives_after_it_is_dropped(race: Race) -> None:
    """Dropped: receipt is the act of collecting, and it was received after the exit."""
    await stored(race, 1)
    race.act("exit", at=LATER)
    race.report(2, at=LATER + SECOND, time=report(at=START + MINUTE)["time"])
    await race.commit()

    assert (1, {"withdrawn": 1}) == race.outcomes
    assert [] == race.found(race.traces([1, 2]))


@pytest.mark.parametrize("boundary", BOUNDARIES[2:])
@pytest.mark.parametrize("way", ["flag", "event without country"])
async def test_k01_an_exit_at_the_first_report_ever_is_remembered(race: Race, way: str, boundary: Boundary) -> None:
    """Dropped: whether or not the report that joined had been committed when its owner left, what was buffered is."""
    await race.at(boundary, 1, lambda: leave(race, way))
    await race.commit()
    race.report(3, at=LATER, time=report(at=START + SECOND)["time"])
    await race.commit()

    assert (0, "exit") == (race.seen().rows, race.seen().acts[-1])
    assert [] == race.found(race.traces([1, 2, 3]))


async def test_k01_an_exit_during_a_failing_commit_of_the_first_report_is_remembered(
    race: Race, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same when the store went away under the report that would have joined."""
    race.report(1)
    race.store.stop_at = "taken"
    committing = asyncio.create_task(race.writer.step())
    await race.store.reached()
    leave(race, "flag")
    race.store.hide()
    race.store.let_go()
    await committing
    race.store.show()
    await race.commit()
    race.report(3, at=LATER, time=report(at=START + SECOND)["time"])
    await race.commit()

    assert (0, ["join", "exit"]) == race.seen()
    assert [] == race.found(race.traces([1, 2, 3]))


@pytest.mark.parametrize("away", [False, True])
async def test_k02_an_exit_drops_what_waits_in_the_queue(
    race: Race, monkeypatch: pytest.MonkeyPatch, away: bool
) -> None:
    """Dropped with the next commit, ahead of the queue, also while the store is away and the queue grows."""
    await stored(race, 1)
    waiting = [race.report(number) for number in (2, 3)]
    if away:
        race.store.hide()
        await race.writer.step()
        race.store.show()
    race.act("exit", at=LATER)
    await race.commit()

    assert ((1, {"withdrawn": 2}), [1, 1]) == (race.outcomes, [len(token.seen) for token in waiting])
    assert (0, ["join", "exit"]) == race.seen()
    assert [] == race.found(race.traces([1, 2, 3]))


async def test_k02_an_exit_by_the_command_reaches_what_waits_in_the_queue(race: Race) -> None:
    """Dropped by the commit's own look into the ledger; the process has heard of nothing."""
    await stored(race, 1)
    race.report(2)
    Command(race, at=LATER).run()
    heard = race.closed.get(race.identity().device_ref)
    await race.commit()

    assert heard is None
    assert (1, {"withdrawn": 1}) == race.outcomes
    assert [] == race.found(race.traces([1, 2]))


@pytest.mark.parametrize("way", ["event", "command"])
async def test_k03_an_exit_during_the_commit_is_ordered_after_it(race: Race, way: str) -> None:
    """Serialised by the transaction: the commit came before the exit and the exit erases it; no row is newer."""
    await stored(race, 1)
    command = Command(race, at=LATER) if way == "command" else None
    token = await race.at("inside", 2, command.start if command else lambda: race.act("exit", at=LATER))
    if command:
        command.finish()
    rows = [seen.rows for sent in race.sent if sent.message.topic.endswith("consent") for seen in sent.seen]

    assert 1 == len(token.seen)
    assert (0, ["join", "exit"]) == race.seen()
    assert rows in ([], [0])
    assert [] == race.found(race.traces([1, 2]))


@pytest.mark.parametrize("exit_first", [False, True])
@pytest.mark.parametrize("together", [False, True])
async def test_k04_reports_and_exit_in_either_order_end_alike(race: Race, exit_first: bool, together: bool) -> None:
    """The exit wins when it arrives: nothing received after it is stored, what was before is erased."""
    await stored(race, 1)
    steps: list[Callable[[], object]] = [lambda: race.report(2, at=LATER), lambda: race.act("exit", at=LATER)]
    for step in reversed(steps) if exit_first else steps:
        step()
        if not together:
            await race.commit()
    await race.commit()

    assert (0, ["join", "exit"]) == race.seen()
    assert [] == race.found(race.traces([1, 2]))


async def test_k05_the_ledger_is_known_before_the_first_message(race: Race, another: Open) -> None:
    """An exit while the collector was away drops its backlog on receipt, before any work is done."""
    await stored(race, 1)
    Command(race, at=LATER).run()
    restarted = await another()
    token = restarted.report(2, at=LATER + SECOND)

    assert (0, {"withdrawn": 1}) == restarted.outcomes
    assert [1] == restarted.acknowledged
    assert 1 == len(token.seen)


# Joining again


async def test_k06_what_was_measured_between_exit_and_rejoin_is_dropped(race: Race) -> None:
    """Dropped against the new join: data of the gap, and from before it."""
    await stored(race, 1)
    race.act("exit", at=START + 10 * SECOND)
    race.act("join", at=START + 20 * SECOND)
    for number, measured in ((2, START), (3, START + 15 * SECOND), (4, START + 25 * SECOND)):
        race.report(number, at=START + 30 * SECOND, time=report(at=measured)["time"])
    await race.commit()

    assert (2, {"before_consent": 2}) == race.outcomes
    assert (1, ["join", "exit", "join"]) == race.seen()


async def test_k06_a_report_right_behind_its_join_waits_for_the_ledger(race: Race) -> None:
    """A router that has left and joins again is not refused by what is remembered while its join is on its way."""
    await stored(race, 1)
    race.act("exit", at=LATER)
    await race.commit()
    race.act("join", at=LATER + MINUTE)
    race.report(2, at=LATER + 2 * MINUTE)
    await race.commit()

    assert (2, {}) == race.outcomes
    assert (1, ["join", "exit", "join"]) == race.seen()


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("order", sorted(permutations(["join-1", "exit-2", "join-3"])), ids=" ".join)
async def test_k07_flapping_at_one_moment_ends_in_an_exit(
    another: Open, order: tuple[str, ...], together: bool
) -> None:
    """Ordered by number; of equal times the exit stands, in whatever order they arrive."""
    race = await another(mode="registered")
    for name in order:
        race.act(name[:4], at=START, event_id=name)
        if not together:
            await race.commit()
    await race.commit()
    race.report(1, at=START + SECOND)
    await race.commit()

    assert (0, {"withdrawn": 1}) == race.outcomes
    assert "exit" == race.seen().acts[-1]


@pytest.mark.parametrize(
    ("time", "reason"),
    [("1970-01-01T00:00:00Z", "too_old"), ("2099-01-01T00:00:00Z", "future"), (None, "clock_invalid")],
)
async def test_k08_a_clock_that_is_off_is_not_replaced_by_the_receipt(
    another: Open, time: str | None, reason: str
) -> None:
    """Dropped; with uptimes their difference counts, and only inside the interval of the consent."""
    race = await another(mode="registered")
    race.act("join", at=START)
    alone = report(1, at=LATER) | {"time": time}
    since = alone | {"message_id": "m-2", "uptime_at_event_seconds": 100, "uptime_at_send_seconds": 160}
    before = alone | {"message_id": "m-3", "uptime_at_event_seconds": 100, "uptime_at_send_seconds": 4000}
    for document in (alone, since, before):
        race.handle(race.arrives(document, at=LATER))
    await race.commit()

    assert (1, {reason: 1, "before_consent": 1}) == race.outcomes


# Redelivery and crashes; the table of boundaries is in test_exit_at_every_boundary.py


async def test_k09_a_redelivery_after_the_erasure_does_not_bring_a_record_back(race: Race) -> None:
    """Dropped: the ledger keeps that the router left, also for a process that was started since."""
    await stored(race, 1)
    race.act("exit", at=LATER)
    await race.commit()
    race.again(race.sent[0], at=LATER + SECOND)
    await race.commit()

    assert (1, {"withdrawn": 1}) == race.outcomes
    assert [] == race.found(race.traces([1]))


async def test_k11_a_crash_between_commit_and_acknowledgement_and_an_exit(race: Race, another: Open) -> None:
    """The redelivery is dropped and the row is gone; without the exit it would have been a duplicate."""
    for number in (1, 2):
        race.report(number)
    await race.commit()
    lost = list(race.sent)
    restarted = await another()
    restarted.again(lost[0], at=START + SECOND)
    await restarted.commit()
    restarted.act("exit", at=LATER)
    restarted.again(lost[1], at=LATER + SECOND)
    await restarted.commit()

    assert (0, {"duplicate": 1, "withdrawn": 1}) == restarted.outcomes
    assert [] == restarted.found(restarted.traces([1, 2]))


async def test_k12_nothing_is_acknowledged_before_it_is_durable(race: Race) -> None:
    """When a token is completed, another process finds the row, and for an exit the entry and no row."""
    tokens = [race.report(1), race.report(2, at=START + SECOND), race.act("exit", at=LATER, router="R2")]
    before = race.acknowledged[:]
    await race.commit()
    left = race.act("exit", at=LATER)
    await race.commit()

    assert [] == before
    assert [2, 2, 2] == [token.seen[0].rows for token in tokens]
    assert (0, ["exit", "join", "exit"]) == left.seen[0]
    assert [1, 2, 3, 4] == race.acknowledged


# The ledger decides


async def test_k15_a_replica_with_a_stale_cache_asks_the_ledger(race: Race, another: Open) -> None:
    """The commit reads the ledger, not what the process remembers; in both directions."""
    stale = await another()
    await stored(race, 1)
    stale.report(2, at=START + SECOND)
    await stale.commit()
    race.act("exit", at=LATER)
    await race.commit()
    stale.report(3, at=LATER + SECOND)
    await stale.commit()
    learnt_late = stale.closed.get(stale.identity().device_ref)

    assert (1, {"withdrawn": 1}) == stale.outcomes
    assert learnt_late is None
    assert [] == race.found(race.traces([1, 2, 3]))


@pytest.mark.parametrize("trouble", ["locked", "no ledger", "no router table"])
async def test_k16_a_ledger_that_cannot_be_read_is_a_closed_gate(
    race: Race, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """Nothing stored, nothing acknowledged, shown as down; never the last that was known."""
    await stored(race, 1)
    race.metrics.store_up[HERE] = True
    table = {"no ledger": "ledger", "no router table": "router"}.get(trouble)
    async with race.ground.troubled(race.store, race.path, table):
        race.report(2)
        race.report(3, router="R2")
        await race.writer.step()
        during = (race.acknowledged[:], race.outcomes, race.metrics.store_up[HERE], race.metrics.in_flight)
    await race.commit()

    assert ([1], (1, {}), False, 2) == during
    assert [1, 2, 3] == race.acknowledged


@pytest.mark.parametrize("first", ["app", "webui"])
async def test_k18_of_two_places_the_later_receipt_wins_and_a_tie_is_an_exit(race: Race, first: str) -> None:
    """App and pages of the router disagree: the last to be received stands, at one moment the exit."""
    second = "webui" if first == "app" else "app"
    await stored(race, 1)
    race.act("exit", at=LATER, channel=first)
    race.act("join", at=LATER, channel=second)
    await race.commit()
    tied = race.seen().acts
    race.act("join", at=LATER + MINUTE, channel=second)
    await race.commit()
    joined = race.seen().acts
    race.act("exit", at=LATER + MINUTE, channel=first)
    await race.commit()

    assert ["join", "exit"] == tied
    assert ["join", "exit", "join"] == joined
    assert ["join", "exit", "join", "exit"] == race.seen().acts


async def test_k19_a_flag_does_not_undo_an_exit(race: Race) -> None:
    """The router goes on sending true: withdrawn, until a new join event arrives."""
    await stored(race, 1)
    race.act("exit", at=LATER, channel="app")
    await race.commit()
    for number in range(2, 5):
        race.report(number, at=LATER + number * MINUTE)
        await race.commit()
    before = race.outcomes
    race.act("join", at=LATER + HOUR, channel="app")
    await race.commit()
    race.report(9, at=LATER + HOUR + MINUTE)
    await race.commit()

    assert (1, {"withdrawn": 3}) == before
    assert (2, {"withdrawn": 3}) == race.outcomes


async def test_k20_a_sync_is_not_a_join(another: Open) -> None:
    """The same act again counts for nothing, nor does an unknown one that is older than the exit."""
    race = await another(mode="registered")
    race.act("join", at=START, event_id="first", channel="app")
    race.act("exit", at=LATER, channel="webui")
    await race.commit()
    race.act("join", at=LATER + MINUTE, event_id="first", time=act("join", "x", at=START)["time"], channel="app")
    race.act("join", at=LATER + MINUTE, event_id="cached", time=act("join", "x", at=START)["time"], channel="app")
    race.report(1, at=LATER + HOUR)
    await race.commit()

    assert {"join repeated", "join stale"} < {" ".join(pair) for pair in decided(race)}
    assert (0, {"withdrawn": 1}) == race.outcomes


@pytest.mark.parametrize("mode", ["flag", "registered"])
async def test_k21_a_false_flag_is_an_exit_when_the_event_was_lost(another: Open, mode: str) -> None:
    """The record is erased, what follows is withdrawn."""
    race = await another(mode=mode)
    race.act("join", at=START)
    race.report(1, at=START + SECOND)
    await race.commit()
    race.report(2, at=LATER, ueip=False)
    race.report(3, at=LATER + SECOND)
    await race.commit()

    assert (1, {"flag_false": 1, "withdrawn": 1}) == race.outcomes
    assert [] == race.found(race.traces([1, 2, 3]))


async def test_k22_a_consent_that_loses_the_region_between_gate_and_commit(race: Race, another: Open) -> None:
    """Dropped at the commit: the owner now agrees to storage elsewhere only."""
    await stored(race, 1)
    race.report(2, at=LATER + SECOND)
    other = await another()
    other.act("join", at=LATER, storage_regions=["hong_kong"])
    await other.commit()
    await race.commit()

    assert (1, {"region_not_consented": 1}) == race.outcomes


@pytest.mark.parametrize(("country", "plmn"), [("DE", "46000"), ("CN", "26201"), ("CN", "45400")])
async def test_k23_a_report_from_another_regions_network_is_dropped(race: Race, country: str, plmn: str) -> None:
    """The network that served it at the event speaks against the router's country: a border was crossed."""
    await stored(race, 1)
    race.report(2, at=LATER, country=country, network={"plmn": plmn})
    race.report(3, at=LATER, country="DE", network={"plmn": "26201"})
    await race.commit()
    kept, dropped = race.outcomes

    assert 2 == kept
    assert 1 == sum(dropped.values())


async def test_k25_a_version_nobody_here_knows_is_not_accepted(race: Race) -> None:
    """Dropped as `policy_outdated`; and a join to it joins nothing."""
    race.report(1, policy_version="2031-01-01")
    race.act("join", at=START, policy_version="2031-01-01")
    await race.commit()

    assert (0, {"policy_outdated": 1}) == race.outcomes
    assert (0, []) == race.seen()


async def test_k27_after_a_factory_reset_the_router_says_no(race: Race) -> None:
    """Off is the firmware's default: its first report is an exit, and its flag alone does not come back."""
    await stored(race, 1)
    race.report(2, at=LATER, ueip=False)
    race.report(3, at=LATER + MINUTE)
    await race.commit()

    assert (0, ["join", "exit"]) == race.seen()


async def test_k28_a_new_sim_goes_on_under_the_consent_of_the_router(race: Race) -> None:
    """Stored under the same consent, with another pseudonym of the SIM."""
    race.report(1, sim={"imsi": "262011234567890"})
    race.report(2, sim={"imsi": "262017777777777"})
    await race.commit()
    bodies = [found.body async for found in race.store.records(race.identity().device_ref)]

    assert (2, ["join"]) == race.seen()
    assert 2 == len({body.partition(b"sim_ref")[2][:40] for body in bodies})


@pytest.mark.parametrize("way", ["event", "flag", "waiting"])
async def test_k32_a_key_rotated_between_join_and_exit_hides_nothing(another: Open, way: str) -> None:
    """The exit under the new key finds join and records of the old; the gate stays closed under every live key."""
    old = await another(keys=[KEY])
    await stored(old, 1)
    new = await another(keys=[NEW_KEY, KEY])
    new.report(2, at=START + MINUTE)
    if way != "waiting":
        await new.commit()
    if way == "flag":
        new.report(3, at=LATER, ueip=False)
    else:
        new.act("exit", at=LATER)
    await new.commit()
    for each in (new, old, await another(keys=[NEW_KEY, KEY])):
        each.report(4, at=LATER + MINUTE)
        await each.commit()
    latest = await another(keys=[Key(b"z" * 32), NEW_KEY, KEY])
    latest.report(5, at=LATER + MINUTE)
    await latest.commit()

    assert (0, ["join", "exit"]) == old.seen()
    assert [] == old.found([MARKER.encode(), *old.traces([1, 2, 4]), *new.traces([1, 2, 4])])


async def test_k32_acts_and_messages_of_the_old_key_are_known_again(another: Open) -> None:
    """A redelivery after the rotation is a duplicate, and an exit delivered again no second exit."""
    old = await another(keys=[KEY])
    await stored(old, 1)
    first, left = old.sent[0], old.act("exit", at=LATER)
    old.act("join", at=LATER + MINUTE)
    old.report(2, at=LATER + 2 * MINUTE)
    await old.commit()
    second = old.sent[-1]
    new = await another(keys=[NEW_KEY, KEY])
    for token in (left, first, second):
        new.again(token, at=LATER + HOUR)
    await new.commit()

    assert (0, {"before_consent": 1, "duplicate": 1}) == new.outcomes
    assert (1, ["join", "exit", "join"]) == new.seen()


@pytest.mark.parametrize("on_exit", [{}, {"on_exit": "keep", "keep_reason": "a ground that was written down"}])
async def test_k33_a_consent_that_was_void_takes_everything_with_it(another: Open, on_exit: dict[str, str]) -> None:
    """Erased backwards, whatever the setting: what was stored before an earlier exit too, what waits, what comes."""
    race = await another(**on_exit)
    await stored(race, 1)
    race.act("exit", at=START + MINUTE)
    race.act("join", at=START + 2 * MINUTE)
    race.report(2, at=START + 3 * MINUTE)
    await race.commit()
    race.report(3, at=LATER)
    race.writer.submit_event(system(Action.VOID, race, at=LATER), race.token(race.sent[0].message))
    await race.commit()
    race.report(4, at=LATER + MINUTE)
    await race.commit()

    assert {"void": 2} == race.outcomes[1]
    assert 0 == race.seen().rows
    assert [] == race.found(race.traces([1, 2, 3, 4]))


@pytest.mark.parametrize(
    "spoilt", [{"time": "yesterday"}, {"country": "XX"}, {"policy_version": ["?"]}, {"language": 7}, {"channel": "app"}]
)
async def test_k35_an_exit_that_is_not_in_order_is_honoured(race: Race, spoilt: dict[str, Any]) -> None:
    """When in doubt the owner leaves; what is wrong with it is left out."""
    await stored(race, 1)
    race.act("exit", at=LATER, **spoilt)
    await race.commit()

    assert (0, ["join", "exit"]) == race.seen()


async def test_k38_a_server_clock_that_steps_back_does_not_reorder_acts(race: Race) -> None:
    """The number orders: an exit with an earlier time than its join still closes, and a join must be newer again."""
    await stored(race, 1)
    race.act("exit", at=START - HOUR)
    await race.commit()
    closed = race.seen()
    race.act("join", at=START - 2 * HOUR)
    race.report(2, at=START - HOUR)
    await race.commit()

    assert (0, ["join", "exit"]) == closed
    assert closed == race.seen()
    assert (1, {"withdrawn": 1}) == race.outcomes


@pytest.mark.parametrize("together", [False, True])
async def test_k39_a_second_message_of_the_same_id_leaves_nothing(race: Race, together: bool) -> None:
    """Dropped as `duplicate`; the first stands, and no byte of the second is in the files."""
    race.report(1)
    if not together:
        await race.commit()
    other = report(1, router={"serial": ROUTER, "software_version": "V8.Second-one"})
    race.handle(race.arrives(other, at=START + SECOND))
    await race.commit()

    assert (1, {"duplicate": 1}) == race.outcomes
    assert [] == race.found([b"V8.Second-one"])
    assert [MARKER.encode()] == race.found([MARKER.encode()])


@pytest.mark.parametrize("action", [Action.VOID, Action.UNBIND, Action.CANCEL])
async def test_k40_records_kept_after_an_exit_are_out_of_sight_and_still_erased_on_request(
    another: Open, action: Action
) -> None:
    """`on_exit = keep`: no reader gets the rows, nothing is added, and what ends the consent itself erases them."""
    race = await another(on_exit="keep", keep_reason="a ground that was written down")
    await stored(race, 1)
    race.report(2)
    race.act("exit", at=LATER)
    race.report(3, at=LATER + SECOND)
    await race.commit()
    kept = (race.seen().rows, [r async for r in race.store.records(race.identity().device_ref)], race.outcomes)
    race.writer.submit_event(system(action, race, at=LATER + MINUTE), race.token(race.sent[0].message))
    await race.commit()

    assert (1, [], (1, {"withdrawn": 2})) == kept
    assert [] == race.found(race.traces([1, 2, 3]))
