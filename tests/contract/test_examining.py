"""What engineers are told does not depend on the engine their region's store runs on."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from engines import LASTING, Engine, let_go, make
from records import SECOND, act
from support import make_rules, milliseconds

from collector import examination, surveying
from collector.diagnosis.document import document
from collector.diagnosis.history import DAY
from collector.diagnosis.judging import checked_rules
from collector.diagnosis.survey_document import survey_document
from collector.lookup import Found
from collector.model import Accepted, Action, Message, Record, Region
from collector.pipeline import Rules, process
from collector.simulator.ailments import BAD_UPDATE
from collector.simulator.products import MC888
from collector.simulator.ward import Delivery, Ward
from collector.stores import Store
from collector.stores.plan import ConsentRules

START: Final = datetime(2026, 11, 9, tzinfo=UTC)
DAYS: Final = 3
NOW: Final = milliseconds(START + timedelta(days=DAYS))
STEP: Final = timedelta(minutes=45)
EVERY: Final[dict[str, int]] = {"clickhouse": 3}
"""Of which routers a document is asked for, where a read takes longest: each compares its router with fifty others."""


@cache
def sent() -> tuple[tuple[Record, ...], ...]:
    """What some routers sent: a bad version in some of one model, healthy ones beside them, each fault in one."""
    rules = make_rules()
    alike = Ward(healthy=14, each=14, seed=5001, start=START, models=(MC888,), ailments=(BAD_UPDATE,))
    faulty = Ward(healthy=0, each=1, seed=5002, start=START)
    wards = chain(alike.days(DAYS, STEP), faulty.days(DAYS, STEP))
    # All are served by one region here, wherever they stand.
    return tuple(tuple(_records(deliveries, rules)) for _, deliveries in wards)


def _records(deliveries: Sequence[Delivery], rules: Rules) -> list[Record]:
    made = []
    for delivery in deliveries:
        outcome = process(Message(delivery.topic, delivery.payload, False, milliseconds(delivery.received_at)), rules)
        assert isinstance(outcome, Accepted)
        made.append(msgspec.structs.replace(outcome.record, region=Region.GERMANY, parts=(), interval=None))
    return made


async def filled(engine: Engine, path: Path) -> Store:
    """A store of the engine with all of it; one router has left, another is restricted."""
    store = make(engine, path, ConsentRules(mode="flag", erase_on_exit=False))
    await store.open()
    for records in sent():
        await store.commit(records)
    gone, restricted = sent()[0][0].identity, sent()[1][0].identity
    await store.commit([act(Action.EXIT, at=NOW - SECOND, identity=gone)])
    await store.commit([act(Action.RESTRICT, at=NOW - SECOND, identity=restricted)])
    return store


async def told(store: Store, every: int) -> list[Any]:
    """The documents of every router, or of every third, say, and of the fleet."""
    documents: list[Any] = []
    for records in sent()[::every]:
        [router] = await store.find([("router", records[0].identity.device_ref)])
        found = Found(region=store.region, router=router, records=[])
        examined = await examination._examined(store, found, checked_rules(), NOW - DAYS * DAY, NOW)
        documents.append(
            document(
                store.region,
                router.standing.device_ref,
                examined.history,
                examined.findings,
                examined.timeline,
                readable=bool(examined.timeline),
                cut_off=examined.cut_off,
            )
        )
    surveyed = await surveying._surveyed(store, NOW - DAYS * DAY, NOW)
    documents.append(
        survey_document(
            store.region,
            surveyed.alarms,
            since=surveyed.since,
            until=surveyed.until,
            routers=surveyed.routers,
            hours=surveyed.hours,
            sampled=surveyed.sampled,
        )
    )
    return [msgspec.to_builtins(one) for one in documents]


def told_by(engine: Engine, folder: Path) -> list[Any]:
    """The documents that a store of the engine gives."""

    async def fill_and_tell() -> list[Any]:
        store = await filled(engine, folder / "store.db")
        documents = await told(store, EVERY.get(engine, 1))
        await store.close()
        let_go(folder)
        return documents

    return asyncio.run(fill_and_tell())


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What is told of the store that is nothing but Python."""
    return told_by("memory", tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize("engine", LASTING)
def test_every_engine_gives_the_same_diagnosis_and_the_same_survey(
    engine: Engine, plain: list[Any], tmp_path: Path
) -> None:
    """To the last value, with comparisons, cells, consent and the routers that may not be read."""
    *routers, survey = plain

    assert [*routers[:: EVERY.get(engine, 1)], survey] == told_by(engine, tmp_path)


def test_there_is_something_to_compare(plain: list[Any]) -> None:
    """Findings of most rules, comparisons, an alarm, and nothing of two routers."""
    *routers, survey = plain

    assert len({finding["rule"] for router in routers for finding in router["findings"]}) >= 20
    assert any(finding["compared"] for router in routers for finding in router["findings"])
    assert {entry["kind"] for router in routers for entry in router["timeline"]} >= {"consent", "event", "session"}
    assert [2, True] == [sum(not router["timeline"] for router in routers), bool(survey["alarms"])]
