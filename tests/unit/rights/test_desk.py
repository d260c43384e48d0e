"""The desk in a running collector: an act counts once, whatever is sent how often and in what order."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from office import KEYS, act, now, text_of_ms
from outage import Region as Outage
from support import make_rules, settings_of

from collector.clock import Clock
from collector.config import WriterSettings
from collector.consent.ledger import Result
from collector.consent.standing import ClosedRouters
from collector.listing import Listing
from collector.metrics import Metrics
from collector.model import DropReason, Region
from collector.registry import Registry
from collector.rights.acts import ActRules, direct_events, most_telling
from collector.rights.desk import Decision, Desk
from collector.rights.document import DeskDocument
from collector.rules import consent_rules
from collector.stores.memory import MemoryStore
from collector.stores.writer import Writer

RULES = make_rules(keys=KEYS)
SETTINGS = settings_of()
Carried = tuple[list[Decision], dict[Region, list[str]]]
ACTIONS = ("join", "exit", "void", "restrict", "unrestrict", "unbind", "cancel")


def document(action: str, event_id: str, router: str, country: str | None) -> DeskDocument:
    """An act, as the API reads it."""
    said: dict[str, Any] = act(action, event_id, router=router)
    if action == "join":
        # By a clock of the test's own: after every receipt, and no further ahead than is allowed.
        said["time"] = text_of_ms(BASE + 200_000)
    said.pop("storage_regions", None)
    said["country"] = country or said.get("country")
    return DeskDocument.model_validate({name: value for name, value in said.items() if value}, strict=False)


async def carried_out(
    acts: Sequence[DeskDocument], clock: Clock | None = None
) -> tuple[list[dict[Region, Result | None]], dict[Region, list[str]]]:
    """What became of *acts*, one after the other, and what the ledgers hold then."""
    metrics, stores = Metrics(), {region: MemoryStore(region, consent_rules(SETTINGS)) for region in Region}
    writers = {r: Writer(store, WriterSettings(), metrics, ClosedRouters()) for r, store in stores.items()}
    running = [asyncio.create_task(writer.run()) for writer in writers.values()]
    rules = ActRules(regions=RULES.regions, gate=RULES.gate, pseudonyms=RULES.pseudonyms)
    desk = Desk(rules, writers, patience_seconds=60, clock=clock)
    answers = []
    for number, one in enumerate(acts):
        answer = await desk.act(one, BASE + number * 10_000)
        assert not isinstance(answer, DropReason)
        answers.append(answer)
    for writer in writers.values():
        writer.stop()
    await asyncio.gather(*running)
    return answers, {r: [f"{e.action.value} {e.event_ref}" for e in await s.ledger()] for r, s in stores.items()}


BASE = now()
HOMES = {"ZTE1": "DE", "ZTE2": "HK", "ZTE3": "CN"}
chosen_acts = st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from(sorted(HOMES))), min_size=1, max_size=6)


def made(chosen: list[tuple[str, str]]) -> list[DeskDocument]:
    """Acts, each with an id of its own."""
    return [document(action, f"e-{n}", router, HOMES[router]) for n, (action, router) in enumerate(chosen)]


@given(chosen_acts, st.data())
@settings(max_examples=40)
def test_an_act_sent_again_for_a_lost_answer_changes_nothing(
    chosen: list[tuple[str, str]], data: st.DataObject
) -> None:
    """The ledgers are those of each act sent once."""
    acts = made(chosen)
    sent = [one for one in acts for _ in range(data.draw(st.integers(1, 3)))]
    (_, once), (_, again) = asyncio.run(both(acts, sent))

    assert once == again


@given(chosen_acts, st.data())
@settings(max_examples=40)
def test_an_act_is_recorded_once_whenever_it_is_sent_again(chosen: list[tuple[str, str]], data: st.DataObject) -> None:
    """After others too; every answer that says `recorded` stands for one entry, and no entry is without one."""
    sent: list[DeskDocument] = []
    for one in made(chosen):
        sent.append(one)
        sent += data.draw(st.lists(st.sampled_from(sent), max_size=2))
    answers, ledgers = asyncio.run(carried_out(sent))
    said = sum(result is Result.RECORDED for answer in answers for result in answer.values())

    assert all(len(acts) == len(set(acts)) for acts in ledgers.values())
    assert said == sum(map(len, ledgers.values()))


async def both(*runs: list[DeskDocument]) -> list[Carried]:
    """What becomes of each of these."""
    return [await carried_out(acts) for acts in runs]


def test_an_act_did_something_if_it_did_anywhere() -> None:
    """Of several routers or regions the one that tells most is told."""
    assert Result.RECORDED is most_telling([Result.WITHOUT_EFFECT, Result.RECORDED, Result.REPEATED])
    assert Result.REPEATED is most_telling([Result.STALE, Result.REPEATED])
    assert Result.WITHOUT_EFFECT is most_telling([])


async def test_whose_ledger_a_join_goes_to_the_registry_says_once_it_is_known() -> None:
    """Before, the caller is told to send it again; an exit waits for no registry (D17)."""
    stores = {region: MemoryStore(region, consent_rules(SETTINGS)) for region in Region}
    writers = {r: Writer(store, WriterSettings(), Metrics(), ClosedRouters()) for r, store in stores.items()}
    running = [asyncio.create_task(writer.run()) for writer in writers.values()]
    registry = Registry(RULES.pseudonyms, required=False)
    desk = Desk(ActRules(RULES.regions, RULES.gate, RULES.pseudonyms, registry), writers, patience_seconds=60)
    join = document("join", "e-1", "ZTE1", "CN")
    waits = await desk.act(join, BASE)
    left = await desk.act(document("exit", "e-2", "ZTE2", "HK"), BASE)
    for region, keys in RULES.pseudonyms.items():
        listed = {keys.identity("ZTE1").device_ref: "DE"}
        registry.learn(region, Listing().changed(listed if region is Region.GERMANY else {}))
    after = [await desk.act(one, BASE + 1) for one in (join, document("join", "e-1", "ZTE1", "DE"))]
    for writer in writers.values():
        writer.stop()
    await asyncio.gather(*running)

    assert dict.fromkeys(Region) == waits
    assert not isinstance(left, DropReason)
    assert Result.RECORDED is left[Region.HONG_KONG]
    assert [DropReason.REGION_CONFLICT, {Region.GERMANY: Result.RECORDED}] == after


def test_an_act_that_comes_to_the_desk_comes_live() -> None:
    """No broker has kept it: a ledger need not doubt when it was done."""
    rules = ActRules(RULES.regions, RULES.gate, RULES.pseudonyms)

    for action in ("join", "exit"):
        events = direct_events(document(action, "e-1", "ZTE1", "DE"), BASE, rules, actor_auth="key")
        assert not isinstance(events, DropReason)
        assert [False] * len(events) == [event.replayed for _, event in events]


def test_while_the_clock_is_behind_a_join_has_to_be_sent_again() -> None:
    """It would cover what was measured before it; what closes the gate is recorded (K38)."""
    clock = Clock()
    clock.learn("germany", BASE + 86_400_000)
    acts = [document("join", "e-1", "ZTE1", "DE"), document("exit", "e-2", "ZTE1", "DE")]
    answers, ledgers = asyncio.run(carried_out(acts, clock))

    assert [None, Result.RECORDED] == [answer[Region.GERMANY] for answer in answers]
    assert ["exit"] == [entry.split()[0] for entry in ledgers[Region.GERMANY]]


async def test_an_act_that_nobody_needs_a_ledger_for_can_be_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its store is away, who never joined has nothing to leave: the act is done with, and waits for nothing.

    It takes no place among those that wait either: there are so many of them, for all regions.
    """
    monkeypatch.setattr("collector.rights.desk.MOST_PENDING", 3)
    away = await Outage(tmp_path).open()
    await away.refuse()
    own = {Region.GERMANY: RULES.pseudonyms[Region.GERMANY]}
    rules = ActRules(regions=RULES.regions, gate=RULES.gate, pseudonyms=own)
    desk = Desk(rules, {Region.GERMANY: away.writer}, patience_seconds=5)
    acts = [document("exit", f"e-{n}", f"ZTE{n}", None) for n in range(4)]
    before = [await desk.act(one, BASE) for one in acts]
    await away.heal()
    after = []
    for one in acts:
        acting = asyncio.create_task(desk.act(one, BASE + 1))
        while not acting.done():
            await asyncio.sleep(0.01)
            await away.step()
        after.append(await acting)

    assert [{Region.GERMANY: None}] * 4 == before
    assert [{Region.GERMANY: Result.WITHOUT_EFFECT}] * 4 == after
