"""What every store promises, whatever its engine."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from itertools import count, pairwise
from pathlib import Path
from typing import Final, Protocol

import msgspec
import orjson
import pytest
from engines import ENGINES, HERE_NOW, let_go, make, opened, place
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgers import first_fault
from records import (
    HOUR,
    MINUTE,
    SECOND,
    START,
    act,
    join,
    leave,
    number_of,
    numbers,
    part,
    readable,
    record,
    ref,
    router,
)

from collector.consent.acts import ERASING
from collector.consent.joining import Mode
from collector.consent.ledger import Head, LedgerEntry, Result
from collector.consent.standing import State
from collector.model import Action, Channel, ConsentEvent, DropReason, Entry, Record, Region, Removal
from collector.stores import Committed, Store, StoredRecord
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules
from collector.stores.postgres import PostgresStore
from collector.stores.retention import DAY, UNLIMITED
from collector.stores.sqlite import SQLiteStore
from collector.stores.sqlite_retention import PURGED_AT_ONCE

LATER = START + HOUR


class Open(Protocol):
    """Opens one more store of the engine under test."""

    def __call__(
        self, mode: Mode = "flag", *, erase_on_exit: bool = True, retention: int = UNLIMITED
    ) -> Awaitable[Store]: ...


@pytest.fixture(params=ENGINES)
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens stores of one engine, and closes them afterwards."""
    paths = (tmp_path / f"{number}.db" for number in count())
    async with opened(make) as another:

        async def open_one(mode: Mode = "flag", *, erase_on_exit: bool = True, retention: int = UNLIMITED) -> Store:
            rules = ConsentRules(mode=mode, erase_on_exit=erase_on_exit, retention=retention)
            return await another(request.param, next(paths), rules)

        yield open_one
    let_go(tmp_path)


@pytest.fixture
async def store(open_store: Open) -> Store:
    """A store in mode flag that erases at an exit: the defaults."""
    return await open_store()


def outcome(committed: Committed) -> tuple[int, dict[DropReason, int]]:
    """How many records a commit stored, and how many it dropped for which reasons."""
    return committed.stored, {reason: count for reason, count in committed.dropped.items() if count}


async def actions(store: Store, name: str = "a") -> list[Action]:
    """What the ledger says happened to a router."""
    return [entry.action for entry in await store.ledger(router(name).device_ref)]


# Stored once


async def test_a_record_can_be_read_as_it_was_written(store: Store) -> None:
    """Envelope, body and what was stripped; the consent that admitted it is named."""
    written = record(stripped=((Removal.LOCAL_ONLY, 2), (Removal.UNKNOWN, 1)), body=b'{"wifi":{"clients":3}}')
    await store.commit([written])
    [found] = await readable(store)
    [opened] = await store.ledger()

    assert (written.record_id, router("a").device_ref, "key-1") == (found.record_id, found.device_ref, found.key_id)
    assert (START // MINUTE * MINUTE, START) == (found.event_time, found.received_at)
    assert (opened.consent_id, opened.seq) == (found.consent_id, found.consent_seq)
    assert ("2020-03-14", "report-v1") == (found.policy_version, found.source_adapter)
    assert {"local_only": 2, "unknown": 1} == found.stripped
    assert b'{"wifi":{"clients":3}}' == found.body


SAID, AGED = record(measured=START), record(at=LATER)
"""A message that says its time, and one that has that of its arrival; which is which may differ by delivery."""
DELIVERIES = {
    "a time of its own": (SAID, msgspec.structs.replace(SAID, received_at=LATER)),
    "none of its own": (record(at=START), AGED),
    "its own, which is too old by then": (SAID, msgspec.structs.replace(AGED, floating=(SAID.event_time,))),
    "its own, which was ahead before": (msgspec.structs.replace(AGED, received_at=START), SAID),
}


@pytest.mark.parametrize(("first", "second"), DELIVERIES.values(), ids=DELIVERIES)
async def test_a_redelivery_in_a_later_batch_is_a_duplicate(store: Store, first: Record, second: Record) -> None:
    """QoS 1 delivers at least once; the store keeps it once, also where the two deliveries have different times."""
    done = [outcome(await store.commit([one])) for one in (first, second, first)]

    assert [(1, {}), *[(0, {DropReason.DUPLICATE: 1})] * 2] == done
    assert [first.received_at] == [found.received_at for found in await readable(store)]


async def test_k39_of_two_messages_with_one_id_the_first_stays_if_their_minute_is_the_same(store: Store) -> None:
    """The second is a duplicate."""
    other = record(at=START + SECOND, measured=START + SECOND, body=b'{"wifi":{"clients":3}}')
    done = [outcome(await store.commit([one])) for one in (record(measured=START), other)]

    assert [(1, {}), (0, {DropReason.DUPLICATE: 1})] == done
    assert [1] == await numbers(store)


async def test_k39_of_two_messages_with_one_id_and_two_minutes_an_index_by_times_keeps_both(store: Store) -> None:
    """In a file and in PostgreSQL (0032); what keeps one record of an id keeps the first. Each is known again."""
    first = record(measured=START)
    second = record(at=START + MINUTE, measured=START + MINUTE, body=b'{"router":{"uptime_seconds":2}}')
    done = [(await store.commit([one])).stored for one in (first, second, first, second)]
    keeps_both = isinstance(store, SQLiteStore) or type(store) is PostgresStore

    assert [1, int(keeps_both), 0, 0] == done
    assert ([2, 1] if keeps_both else [1]) == await numbers(store)


@pytest.mark.parametrize(("first", "second"), DELIVERIES.values(), ids=DELIVERIES)
async def test_redeliveries_in_one_batch_are_duplicates(store: Store, first: Record, second: Record) -> None:
    """However their times differ; the first one counts."""
    committed = await store.commit([first, second, record(number=2, measured=START), second])

    assert (2, {DropReason.DUPLICATE: 2}) == outcome(committed)
    assert {1, 2} == set(await numbers(store))


@pytest.mark.parametrize(("first", "second"), DELIVERIES.values(), ids=DELIVERIES)
async def test_what_an_exit_erased_is_not_stored_by_a_redelivery(store: Store, first: Record, second: Record) -> None:
    """Stored before, and delivered again in the commit of the exit and of the join after it (K09)."""
    await store.commit([first])
    await store.commit([second, leave(at=LATER), join(at=LATER + SECOND), second])

    assert [] == await numbers(store)


@pytest.mark.parametrize(("first", "second"), DELIVERIES.values(), ids=DELIVERIES)
async def test_a_redelivery_that_an_exit_overtakes_is_counted_as_any_other(
    store: Store, first: Record, second: Record
) -> None:
    """As withdrawn, and not as a duplicate, however their times differ and whatever finds the one that is stored."""
    await store.commit([first])
    committed = await store.commit([second, leave(at=LATER)])

    assert (0, {DropReason.WITHDRAWN: 1}) == outcome(committed)
    assert 1 == committed.erased


async def test_a_redelivery_in_the_same_batch_is_a_duplicate(store: Store) -> None:
    """Also when the broker resends while the writer is busy."""
    committed = await store.commit([record(number=1), record(number=1), record(number=2)])

    assert (2, {DropReason.DUPLICATE: 1}) == outcome(committed)
    assert [2, 1] == await numbers(store)


async def test_a_duplicate_with_other_content_leaves_nothing(store: Store) -> None:
    """Neither its body nor the identifiers it names (K39, D7), in the same batch or a later one."""
    await store.commit([record(lookup=(("serial", ref("first")),))])
    other = record(body=b'{"router":{"uptime_seconds":99}}', lookup=(("serial", ref("second")),))
    later = await store.commit([other])
    both = await store.commit([record("b", lookup=(("mac", ref("b1")),)), record("b", lookup=(("mac", ref("b2")),))])

    assert (0, {DropReason.DUPLICATE: 1}) == outcome(later)
    assert (1, {DropReason.DUPLICATE: 1}) == outcome(both)
    assert [1] == await numbers(store)
    assert [1, 0] == [len(await store.find([("serial", ref(name))])) for name in ("first", "second")]
    assert [1, 0] == [len(await store.find([("mac", ref(name))])) for name in ("b1", "b2")]


async def test_what_is_new_beside_an_exit_and_a_redelivery_can_be_found(store: Store) -> None:
    """The place of a record that was erased may be given to another one in the same commit."""
    await store.commit([record("b")])
    new = record("c", lookup=(("serial", ref("c-serial")),), at=LATER)
    committed = await store.commit([leave("b", at=LATER), new, new])

    assert (1, {DropReason.DUPLICATE: 1}) == outcome(committed)
    assert [router("c").device_ref] == [r.standing.device_ref for r in await store.find([("serial", ref("c-serial"))])]


async def test_what_was_left_out_is_counted_of_what_is_stored(store: Store) -> None:
    """A dropped message leaves its reason and no other count (D7)."""
    stripped = ((Removal.LOCAL_ONLY, 2), (Removal.INVALID, 1))
    first = await store.commit([record(number=1, stripped=stripped), record(number=1, stripped=stripped)])
    second = await store.commit([record(number=1, stripped=stripped), record(number=2, stripped=stripped)])
    third = await store.commit([record(number=3, stripped=stripped), leave(at=LATER)])
    left_out = [{name: count for name, count in c.removed.items() if count} for c in (first, second, third)]

    assert [dict(stripped), dict(stripped), {}] == left_out


# What opens the gate


async def test_the_first_flagged_message_opens_one_entry(store: Store) -> None:
    """Mode flag: an entry by the channel telemetry_flag, in effect from the oldest time the message speaks of."""
    committed = await store.commit([record(number=1, oldest=START - 3 * HOUR), record(number=2, at=START + MINUTE)])
    await store.commit([record(number=3, at=LATER)])
    entries = await store.ledger()

    assert {(Action.JOIN, Result.RECORDED): 1} == dict(committed.results)
    assert [(Action.JOIN, Channel.TELEMETRY_FLAG)] == [(entry.action, entry.channel) for entry in entries]
    assert START - 3 * HOUR == entries[0].effective_at
    assert START == entries[0].received_at
    assert ("germany",) == entries[0].storage_regions
    assert [3, 2, 1] == await numbers(store)


async def test_a_clock_that_runs_ahead_does_not_shut_out_what_comes_next(store: Store) -> None:
    """A join takes effect at its receipt at the latest, so a router whose clock is corrected goes on being heard."""
    await store.commit([record(number=1, measured=START + 4 * MINUTE)])
    committed = await store.commit([record(number=2, at=START + MINUTE)])

    assert START == (await store.ledger())[0].effective_at
    assert (1, {}) == outcome(committed)


async def test_a_flag_alone_opens_nothing_in_registered_mode(open_store: Open) -> None:
    """There a join event must come first (D3)."""
    store = await open_store("registered")
    before = await store.commit([record(number=1)])
    after = await store.commit([join(at=START), record(number=2, at=START + MINUTE)])

    assert (0, {DropReason.NO_CONSENT_RECORD: 1}) == outcome(before)
    assert (1, {}) == outcome(after)
    assert [2] == await numbers(store)
    assert [Action.JOIN] == await actions(store)


async def test_what_was_measured_before_the_join_is_dropped(open_store: Open) -> None:
    """A join covers what comes after it (D8)."""
    store = await open_store("registered")
    await store.commit([join(at=START)])
    late = record(number=1, at=START + MINUTE, measured=START - 1)
    committed = await store.commit([late, record(number=2, at=START + MINUTE, measured=START)])

    assert (1, {DropReason.BEFORE_CONSENT: 1}) == outcome(committed)
    assert [2] == await numbers(store)


async def test_what_was_received_before_the_join_is_dropped_whatever_its_clock_says(open_store: Open) -> None:
    """A router's clock may be ahead, yet nothing is measured after its receipt (K06, K08)."""
    store = await open_store("registered")
    await store.commit([join(at=START)])
    committed = await store.commit([record(at=START - MINUTE, measured=START + MINUTE)])

    assert (0, {DropReason.BEFORE_CONSENT: 1}) == outcome(committed)


async def test_events_from_before_the_join_are_cut_from_the_body(open_store: Open) -> None:
    """A message may list events older than itself; the rest of it is kept (D8)."""
    store = await open_store("registered")
    await store.commit([join(at=START)])
    events = [
        {"event": "reboot", "time": "2025-11-21T13:59:59Z"},
        {"event": "reboot", "time": "2025-11-21T14:00:01Z"},
    ]
    some = orjson.dumps({"wifi": {"clients": 1}, "events": events})
    none = orjson.dumps({"wifi": {"clients": 2}, "events": events[:1]})
    early = START - SECOND
    await store.commit([record(number=1, at=START + MINUTE, oldest=early, body=some)])
    await store.commit([record(number=2, at=START + 2 * MINUTE, oldest=early, body=none)])
    bodies = [orjson.loads(found.body) for found in await readable(store)]

    assert [{"wifi": {"clients": 2}}, {"wifi": {"clients": 1}, "events": events[1:]}] == bodies


async def test_a_second_join_goes_on_with_the_consent_that_stands(open_store: Open) -> None:
    """Nothing measured under the first is lost to it; what the owner agreed to last counts."""
    store = await open_store("registered")
    await store.commit([join(at=START)])
    await store.commit([join(at=LATER, storage_regions=("germany", "hong_kong"))])
    committed = await store.commit([record(at=LATER + 1, measured=START + MINUTE)])
    entries = await store.ledger()

    assert (1, {}) == outcome(committed)
    assert [START, START] == [entry.effective_at for entry in entries]
    assert [START, LATER] == [entry.received_at for entry in entries]
    assert ("germany", "hong_kong") == entries[1].storage_regions


async def test_a_consent_that_does_not_name_the_region_keeps_it_closed(open_store: Open) -> None:
    """The owner agreed to storage elsewhere, not here (3.2, step 5); in mode registered that is no join."""
    expected: dict[Mode, DropReason] = {
        "flag": DropReason.REGION_NOT_CONSENTED,
        "registered": DropReason.NO_CONSENT_RECORD,
    }
    for mode, reason in expected.items():
        store = await open_store(mode)
        await store.commit([join(storage_regions=("hong_kong",))])
        committed = await store.commit([record(at=LATER)])

        assert (0, {reason: 1}) == outcome(committed)


# What closes it


async def test_an_exit_erases_and_closes(store: Store) -> None:
    """Records and what finds them are gone; later messages are withdrawn; the ledger keeps both acts."""
    await store.commit([record(number=1), record(number=2), record("b", number=1)])
    committed = await store.commit([leave(at=LATER)])
    after = await store.commit([record(number=3, at=LATER + MINUTE)])
    [known] = await store.find([("router", router("a").device_ref)])

    assert 2 == committed.erased
    assert {(Action.EXIT, Result.RECORDED): 1} == dict(committed.results)
    assert [State.EXITED] == [standing.state for standing in committed.standings]
    assert (0, {DropReason.WITHDRAWN: 1}) == outcome(after)
    assert [] == await readable(store)
    assert [] == await store.find([("serial", ref("serial", "a"))])
    assert (0, State.EXITED) == (known.records, known.standing.state)
    assert [Action.JOIN, Action.EXIT] == await actions(store)
    assert [1] == await numbers(store, "b")


async def test_an_exit_takes_back_what_its_own_batch_was_to_write(store: Store) -> None:
    """Records ahead of the exit in the same commit are dropped, those of others stay."""
    entries: list[Entry] = [
        record(number=1),
        record("b", number=1),
        leave(at=START + 1),
        record(number=2, at=START + 2),
    ]
    committed = await store.commit(entries)

    assert (1, {DropReason.WITHDRAWN: 2}) == outcome(committed)
    assert [] == await store.find([("serial", ref("serial", "a"))])
    assert [1] == await numbers(store, "b")


async def test_a_join_after_the_exit_opens_the_gate_again(store: Store) -> None:
    """For what is measured from then on; the old records stay gone and cannot come back."""
    await store.commit([record(number=1), leave(at=START + MINUTE)])
    rejoined = await store.commit([join(at=START + 3 * MINUTE), record(number=2, at=START + 4 * MINUTE)])
    in_the_gap = record(number=3, at=START + 4 * MINUTE, measured=START + 2 * MINUTE)
    late = await store.commit([record(number=1, at=START + 4 * MINUTE, measured=START), in_the_gap])

    assert (1, {}) == outcome(rejoined)
    assert (0, {DropReason.BEFORE_CONSENT: 2}) == outcome(late)
    assert [2] == await numbers(store)
    assert [Action.JOIN, Action.EXIT, Action.JOIN] == await actions(store)
    assert 1 == len(await store.find([("serial", ref("serial", "a"))]))


@pytest.mark.parametrize("cuts", [set(), {1}, {2}, {3}, {1, 2}, {1, 3}, {2, 3}, {1, 2, 3}])
async def test_what_an_exit_took_cannot_come_again_however_it_is_batched(store: Store, cuts: set[int]) -> None:
    """Erased or taken back, in the exit's own commit or another: the same message id is spent (K09).

    Its clock was ahead, so that by its time alone it would pass as measured after the second join.
    """
    again = record(number=1, at=START + 2 * SECOND, measured=START + 4 * MINUTE)
    entries: list[Entry] = [record(number=1), leave(at=START + 1), join(at=START + 1 + SECOND), again]
    dropped: Counter[DropReason] = Counter()
    for some in batches(entries, cuts):
        dropped += (await store.commit(some)).dropped
    later = await store.commit([again])

    assert 1 == dropped[DropReason.DUPLICATE]
    assert (0, {DropReason.DUPLICATE: 1}) == outcome(later)
    assert [] == await readable(store)


@pytest.mark.parametrize(
    ("received", "said"),
    [
        (LATER - 1, None),
        (LATER, None),
        (LATER, LATER),
        (LATER + MINUTE, LATER),
        (LATER + MINUTE, LATER - 1),
        (LATER + MINUTE, 0),
        (LATER + MINUTE, -HOUR),
    ],
)
async def test_a_stale_join_does_not_open_it(store: Store, received: int, said: int | None) -> None:
    """Older than the exit or equal to it, by receipt or by its own time: a tie is an exit (K07, K18, K20)."""
    await store.commit([record(), leave(at=LATER)])
    committed = await store.commit([join(at=received, client_time=said)])
    after = await store.commit([record(number=2, at=LATER + HOUR)])

    assert {(Action.JOIN, Result.STALE): 1} == dict(committed.results)
    assert (0, {DropReason.WITHDRAWN: 1}) == outcome(after)
    assert [Action.JOIN, Action.EXIT] == await actions(store)


async def test_an_act_counts_once(store: Store) -> None:
    """The broker sends a retained consent event at every connect; the ledger has it once."""
    first = await store.commit([join(event_ref=ref("act")), join(at=START + 1, event_ref=ref("act"))])
    second = await store.commit([join(at=LATER, event_ref=ref("act"))])
    third = await store.commit([join(at=LATER, event_ref=ref("another"))])

    assert {(Action.JOIN, Result.RECORDED): 1, (Action.JOIN, Result.REPEATED): 1} == dict(first.results)
    assert {(Action.JOIN, Result.REPEATED): 1} == dict(second.results)
    assert {(Action.JOIN, Result.RECORDED): 1} == dict(third.results)
    assert 2 == len(await store.ledger())


async def test_an_act_that_changes_nothing_tells_how_its_router_stands(store: Store) -> None:
    """A commit whose answer was lost is made again: what it changed must be told then; found by the model."""
    await store.commit([leave(event_ref=ref("exit")), join(at=LATER, event_ref=ref("join"))])
    again = await store.commit([leave(event_ref=ref("exit")), join(at=LATER, event_ref=ref("join"))])

    assert {Result.REPEATED: 2} == Counter(result for _, result in again.results.elements())
    assert State.JOINED is again.standings[-1].state


async def test_a_refusal_by_somebody_who_never_joined_leaves_no_trace(store: Store) -> None:
    """Nothing in the ledger, nothing in the registry."""
    committed = await store.commit([leave(only_if_joined=True)])

    assert {(Action.EXIT, Result.WITHOUT_EFFECT): 1} == dict(committed.results)
    assert [] == committed.standings
    assert [] == await store.ledger()
    assert [] == await store.find([("router", router("a").device_ref)])
    assert Head() == await store.head()


async def test_an_exit_of_an_unknown_router_closes_the_gate(store: Store) -> None:
    """When the owner says so in this region's name, the flag of a later message does not open it (D2)."""
    await store.commit([leave()])
    committed = await store.commit([record(at=LATER)])

    assert (0, {DropReason.WITHDRAWN: 1}) == outcome(committed)


async def test_records_kept_after_an_exit_cannot_be_read(open_store: Open) -> None:
    """`on_exit = keep`: the rows stay, for whoever has the ground for it, and no engineer sees or counts them."""
    store = await open_store(erase_on_exit=False)
    await store.commit([record(number=1), record(number=2)])
    committed = await store.commit([leave(at=LATER)])
    [known] = await store.find([("serial", ref("serial", "a"))])
    seen = await readable(store)
    voided = await store.commit([act(Action.VOID, at=LATER + MINUTE)])

    assert (0, 0, None) == (committed.erased, known.records, known.last_received_at)
    assert [] == seen
    assert 2 == voided.erased


async def test_records_kept_after_an_exit_stay_out_of_sight_when_the_router_joins_again(open_store: Open) -> None:
    """K40: what its owner left behind is not what a later consent admits; and it is still erased on request."""
    store = await open_store(erase_on_exit=False)
    await store.commit([record(number=1)])
    await store.commit([leave(at=LATER), join(at=LATER + MINUTE), record(number=2, at=LATER + 2 * MINUTE)])
    once = await numbers(store)
    await store.commit([join(at=LATER + 3 * MINUTE), record(number=3, at=LATER + 4 * MINUTE)])
    [known] = await store.find([("router", router("a").device_ref)])
    goes_on = await numbers(store)
    erased = (await store.commit([act(Action.CANCEL, at=LATER + HOUR)])).erased

    assert [2] == once
    assert [3, 2] == goes_on
    assert (2, LATER + 2 * MINUTE) == (known.records, known.first_received_at)
    assert 3 == erased


async def test_a_restriction_hides_records_for_as_long_as_it_lasts(store: Store) -> None:
    """It is no exit: its end gives them back, and no join of the owner ends it."""
    await store.commit([record(number=1)])
    await store.commit([act(Action.RESTRICT, at=LATER)])
    restricted = await numbers(store)
    joined = await store.commit([join(at=LATER + MINUTE)])
    still = await numbers(store)
    await store.commit([act(Action.UNRESTRICT, at=LATER + HOUR)])

    assert ([], []) == (restricted, still)
    assert {(Action.JOIN, Result.WITHOUT_EFFECT): 1} == dict(joined.results)
    assert [1] == await numbers(store)


@pytest.mark.parametrize("action", [Action.VOID, Action.UNBIND, Action.CANCEL])
@pytest.mark.parametrize("erase_on_exit", [True, False])
async def test_what_ends_the_consent_itself_always_erases(
    open_store: Open, action: Action, *, erase_on_exit: bool
) -> None:
    """No setting keeps records whose consent was void, or whose router has another owner (4.4)."""
    store = await open_store(erase_on_exit=erase_on_exit)
    await store.commit([record()])
    committed = await store.commit([act(action, at=LATER)])
    after = await store.commit([record(number=2, at=LATER + MINUTE)])
    [known] = await store.find([("router", router("a").device_ref)])
    refused = DropReason.VOID if action is Action.VOID else DropReason.WITHDRAWN

    assert (1, 0) == (committed.erased, known.records)
    assert (0, {refused: 1}) == outcome(after)


async def test_a_restriction_keeps_the_rows_out_of_sight(store: Store) -> None:
    """Nothing is erased, nothing is read, nothing is added, until it is lifted."""
    await store.commit([record(number=1)])
    restricted = await store.commit([act(Action.RESTRICT, at=START + MINUTE)])
    meanwhile = await store.commit([record(number=2, at=START + 2 * MINUTE)])
    [known] = await store.find([("serial", ref("serial", "a"))])
    seen = await numbers(store)
    await store.commit([act(Action.UNRESTRICT, at=START + 3 * MINUTE)])
    after = record(number=4, at=START + 4 * MINUTE)
    late = record(number=3, at=START + 4 * MINUTE, measured=START + 2 * MINUTE)
    lifted = await store.commit([late, after])

    assert (0, 1) == (restricted.erased, known.records)
    assert (0, {DropReason.RESTRICTED: 1}) == outcome(meanwhile)
    assert [] == seen
    assert (1, {DropReason.BEFORE_CONSENT: 1}) == outcome(lifted)
    assert [4, 1] == await numbers(store)


async def test_a_restricted_router_can_leave(store: Store) -> None:
    """An exit is honoured in any state that could open again; lifting the restriction then opens nothing (D2, K35)."""
    await store.commit([record(number=1), act(Action.RESTRICT, at=START + MINUTE)])
    left = await store.commit([leave(at=START + 2 * MINUTE, only_if_joined=True)])
    await store.commit([act(Action.UNRESTRICT, at=START + 3 * MINUTE)])
    after = await store.commit([record(number=2, at=START + 4 * MINUTE)])

    assert {(Action.EXIT, Result.RECORDED): 1} == dict(left.results)
    assert (0, {DropReason.WITHDRAWN: 1}) == outcome(after)


@pytest.mark.parametrize("erase_on_exit", [True, False])
async def test_a_restriction_outlasts_an_exit(open_store: Open, *, erase_on_exit: bool) -> None:
    """The exit erases as any other; no later join opens the gate, or shows what was kept, before it is lifted (O47)."""
    store = await open_store(erase_on_exit=erase_on_exit)
    await store.commit([record(number=1)])
    await store.commit([act(Action.RESTRICT, at=LATER)])
    left = await store.commit([leave(at=LATER + MINUTE)])
    joined = await store.commit([join(at=LATER + HOUR), record(number=2, at=LATER + HOUR + MINUTE)])
    closed = set((await store.closed(100)).values())
    await store.commit([act(Action.UNRESTRICT, at=LATER + 2 * HOUR)])
    lifted = await store.commit([record(number=3, at=LATER + 3 * HOUR)])
    again = await store.commit([join(at=LATER + 4 * HOUR), record(number=4, at=LATER + 5 * HOUR)])

    assert (int(erase_on_exit), {State.EXITED_RESTRICTED}) == (left.erased, closed)
    assert {(Action.JOIN, Result.WITHOUT_EFFECT): 1} == dict(joined.results)
    assert (0, {DropReason.WITHDRAWN: 1}) == outcome(joined) == outcome(lifted)
    assert (1, {}) == outcome(again)
    assert [4] == await numbers(store)


@pytest.mark.parametrize("closing", [None, Action.EXIT, Action.VOID, Action.CANCEL])
async def test_lifting_a_restriction_is_no_join(open_store: Open, closing: Action | None) -> None:
    """A router that never joined, or has left, is not let in by a restriction and its end (D2, 4.4)."""
    store = await open_store("registered")
    if closing is not None:
        await store.commit([join(), act(closing, at=START + 1)])
    await store.commit([act(Action.RESTRICT, at=START + 2), act(Action.UNRESTRICT, at=START + 3)])
    committed = await store.commit([record(at=LATER)])

    assert 0 == committed.stored
    assert [] == await readable(store)


# Kept for so long (O30, K37)

DAYS: Final = 30 * DAY


def ago(days: float) -> int:
    """So many days before now, by the clock that the store goes by."""
    return int(time.time() * 1000 - days * DAY)


async def test_what_is_past_its_time_is_not_read_and_then_deleted(open_store: Open) -> None:
    """By its receipt; whether a purge has been there makes no difference to who reads, or counts."""
    store = await open_store(retention=DAYS)
    await store.commit([record(number=n, at=ago(days)) for n, days in ((1, 31), (2, 30.5), (3, 29.5), (4, 0))])
    before, [counted] = await numbers(store), await store.find([("serial", ref("serial", "a"))])
    purged = await store.purge()
    after, [known] = await numbers(store), await store.find([("serial", ref("serial", "a"))])

    assert [4, 3] == before == after
    assert (2, False) == purged
    assert (2, counted.first_received_at) == (counted.records, known.first_received_at)
    assert (0, False) == await store.purge()


async def test_what_was_measured_long_ago_is_kept_by_its_receipt(open_store: Open) -> None:
    """And a record whose clock was ahead does not stay for longer."""
    store = await open_store(retention=DAYS)
    await store.commit([join(at=ago(60))])
    await store.commit([record(number=1, at=ago(1), measured=ago(40)), record(number=2, at=ago(31), measured=ago(1))])

    assert [1] == await numbers(store)
    assert (1, False) == await store.purge()


async def test_what_a_clock_that_was_ahead_dated_keeps_nothing_that_came_after_it(open_store: Open) -> None:
    """However much of it there is, for it is past its time long after what was received once the clock was right."""
    store = await open_store(retention=DAYS)
    ahead = [record("ahead", n, at=ago(-400)) for n in range(PURGED_AT_ONCE)]
    await store.commit(ahead)
    await store.accept_times()
    await store.commit([record(number=1, at=ago(31)), record(number=2, at=ago(1))])
    steps = [await store.purge()]
    while steps[-1].more:
        steps.append(await store.purge())

    assert 1 == sum(step.erased for step in steps)
    assert (len(ahead), [2]) == (len(await readable(store, "ahead")), await numbers(store))


async def test_what_is_held_stays_on_the_disk_and_is_not_read(open_store: Open) -> None:
    """A legal hold keeps it from being deleted; once released it is past its time like any other (K36)."""
    store = await open_store(retention=DAYS)
    await store.commit([record("a", 1, at=ago(31)), record("b", 1, at=ago(31))])
    held = msgspec.structs.replace(act(Action.HOLD, at=ago(20)), reference="CASE-1")
    await store.commit([held])
    under, read = await store.purge(), await numbers(store)
    await store.commit([msgspec.structs.replace(held, action=Action.RELEASE, received_at=ago(10))])
    released = await numbers(store)

    assert ((1, False), []) == (under, read)
    assert [] == released
    assert (1, False) == await store.purge()


async def test_a_router_whose_records_are_past_their_time_goes_on(open_store: Open) -> None:
    """Its consent stands, and what it sends next is found by what a customer reads out."""
    store = await open_store(retention=DAYS)
    await store.commit([record(number=1, at=ago(31))])
    await store.purge()
    await store.commit([record(number=2, at=ago(0))])
    [found] = await store.find([("serial", ref("serial", "a"))])

    assert (1, State.JOINED) == (found.records, found.standing.state)
    assert [Action.JOIN] == await actions(store)


async def test_what_is_kept_after_an_exit_is_kept_no_longer_than_any_other(open_store: Open) -> None:
    """K40: until the end of its time; nothing finds the router afterwards but the ledger."""
    store = await open_store(erase_on_exit=False, retention=DAYS)
    await store.commit([record(number=1, at=ago(31))])
    await store.commit([leave(at=ago(20))])

    assert (1, False) == await store.purge()
    assert 0 == (await store.commit([act(Action.CANCEL, at=ago(1))])).erased


# Erased on request (K29)


async def test_an_erasure_takes_what_was_received_until_then(store: Store) -> None:
    """To the millisecond; the router stays joined, and what comes later is stored."""
    await store.commit([record(number=n, at=START + n * MINUTE) for n in range(1, 6)])
    erased = await store.commit([act(Action.ERASE, at=START + 3 * MINUTE)])
    later = await store.commit([record(number=6, at=START + 6 * MINUTE)])

    assert ({(Action.ERASE, Result.RECORDED): 1}, 3) == (erased.results, erased.erased)
    assert (1, {}) == outcome(later)
    assert [6, 5, 4] == await numbers(store)
    assert [Action.JOIN, Action.ERASE] == await actions(store)


async def test_a_hold_keeps_what_an_erasure_reaches_only_after_it(store: Store) -> None:
    """Not what was asked to be erased before, even if that is still to be carried out; counted as if it were (K36)."""
    await store.commit([record(number=1), record(number=2, at=LATER + MINUTE)])
    await store.commit([act(Action.ERASE, at=LATER)])
    held = act(Action.HOLD, at=LATER + 2 * MINUTE, reference="CASE-1")
    await store.commit([held])
    [before] = await store.find([("router", router("a").device_ref)])
    await store.commit([act(Action.ERASE, at=LATER + HOUR)])
    [under] = await store.find([("router", router("a").device_ref)])
    await store.commit([msgspec.structs.replace(held, action=Action.RELEASE, received_at=LATER + 2 * HOUR)])
    [released] = await store.find([("router", router("a").device_ref)])

    assert [1, 1, 0] == [before.records, under.records, released.records]
    assert LATER + MINUTE == before.first_received_at == under.first_received_at


async def test_what_was_erased_does_not_come_again(store: Store) -> None:
    """A redelivery is a duplicate, whenever it comes; another message with the time of before is not."""
    await store.commit([record(number=1)])
    await store.commit([act(Action.ERASE, at=LATER)])
    again = await store.commit([record(number=1, at=LATER + MINUTE), record(number=2, at=LATER + MINUTE)])

    assert (1, {DropReason.DUPLICATE: 1}) == outcome(again)
    assert [2] == await numbers(store)


@pytest.mark.parametrize("at_once", [True, False], ids=["in one commit", "one by one"])
async def test_what_an_erasure_reached_does_not_come_again_however_soon(store: Store, at_once: bool) -> None:
    """Received before it and dropped for that; the same message, delivered once more after it, is no new one."""
    erasure = act(Action.ERASE, at=LATER)
    twice = [record(number=2), record(number=2, at=LATER + 1, measured=START)]
    entries: list[Entry] = [record(number=1), erasure, *twice]
    dropped = Counter[DropReason]()
    for commit in [entries] if at_once else [[entry] for entry in entries]:
        dropped.update((await store.commit(commit)).dropped)

    assert 1 == dropped[DropReason.DUPLICATE]
    assert [] == await numbers(store)


async def test_what_was_received_before_an_erasure_and_comes_to_the_store_after_it_is_dropped(store: Store) -> None:
    """From another process's queue, or from a spool; and a redelivery of it is none of later data either."""
    await store.commit([record(number=1)])
    await store.commit([act(Action.ERASE, at=LATER)])
    late = await store.commit([record(number=2, at=LATER), record(number=3, at=LATER + 1)])
    again = await store.commit([record(number=2, at=LATER + MINUTE)])

    assert (1, {DropReason.ERASED: 1}) == outcome(late)
    assert (0, {DropReason.DUPLICATE: 1}) == outcome(again)
    assert [3] == await numbers(store)


async def test_an_erasure_takes_back_what_its_own_batch_was_to_write(store: Store) -> None:
    """What was received by then; what follows it in the batch came later."""
    batch: list[Entry] = [record(number=1), record(number=2, at=START + 1), act(Action.ERASE, at=LATER)]
    committed = await store.commit([*batch, record(number=3, at=LATER + 1), record(number=1, at=LATER + 2)])

    assert (1, {DropReason.ERASED: 2, DropReason.DUPLICATE: 1}) == outcome(committed)
    assert [3] == await numbers(store)


async def test_a_record_that_an_erasure_of_its_commit_leaves_can_be_found(store: Store) -> None:
    """What is erased is the last that was there before, and takes the router's names with it."""
    await store.commit([record(number=1)])
    committed = await store.commit([record(number=2, at=LATER), act(Action.ERASE, at=START)])
    [found] = await store.find([("serial", ref("serial", "a"))])

    assert (1, 1) == (committed.stored, committed.erased)
    assert (1, [2]) == (found.records, await numbers(store))


async def test_an_erased_router_is_found_by_what_it_sends_later(store: Store) -> None:
    """Its identifiers are erased with its last record, and learnt anew from its next."""
    await store.commit([record(number=1)])
    await store.commit([act(Action.ERASE, at=LATER)])
    between = await store.find([("serial", ref("serial", "a"))])
    await store.commit([record(number=2, at=LATER + 1)])

    assert ([], 1) == (between, len(await store.find([("serial", ref("serial", "a"))])))


async def test_an_erasure_reaches_what_was_kept_after_an_exit(open_store: Open) -> None:
    """Kept on whatever ground, it is still erased on request (K40)."""
    store = await open_store(erase_on_exit=False)
    await store.commit([record(number=1)])
    await store.commit([leave(at=LATER)])
    erased = await store.commit([act(Action.ERASE, at=LATER + MINUTE)])

    assert 1 == erased.erased
    assert 0 == (await store.find([("router", router("a").device_ref)]))[0].records


async def test_an_erasure_of_a_stranger_leaves_no_trace(store: Store) -> None:
    """There is nothing to erase, and nobody to remember."""
    committed = await store.commit([act(Action.ERASE)])

    assert {(Action.ERASE, Result.WITHOUT_EFFECT): 1} == committed.results
    assert [] == await store.ledger()


# Held, for a legal reason (K36)


async def test_a_hold_closes_the_gate_and_keeps_the_records_unreadable(store: Store) -> None:
    """Until its end; then they can be read again, and reports are taken."""
    await store.commit([record(number=1)])
    await store.commit([act(Action.HOLD, at=LATER, reference="CASE-1")])
    during = await store.commit([record(number=2, at=LATER + 1)])
    seen = await numbers(store)
    await store.commit([act(Action.RELEASE, at=LATER + MINUTE, reference="CASE-1")])
    after = await store.commit([record(number=3, at=LATER + HOUR)])

    assert ((0, {DropReason.RESTRICTED: 1}), []) == (outcome(during), seen)
    assert ((1, {}), [3, 1]) == (outcome(after), await numbers(store))


async def test_an_exit_during_a_hold_erases_when_it_ends(store: Store) -> None:
    """The gate is closed at once; nothing of the router can be read from the exit on."""
    await store.commit([record(number=1)])
    await store.commit([act(Action.HOLD, at=LATER, reference="CASE-1")])
    left = await store.commit([leave(at=LATER + 1)])
    between = await store.commit([record(number=2, at=LATER + 2)])
    released = await store.commit([act(Action.RELEASE, at=LATER + MINUTE, reference="CASE-1")])
    again = await store.commit([join(at=LATER + HOUR), record(number=1, at=LATER + 2 * HOUR)])

    assert (0, {DropReason.WITHDRAWN: 1}) == (left.erased, outcome(between)[1])
    assert 1 == released.erased
    assert (0, {DropReason.DUPLICATE: 1}) == outcome(again)


async def test_an_erasure_during_a_hold_is_done_when_it_ends(store: Store) -> None:
    """As far as it was asked for."""
    await store.commit([record(number=1), record(number=2, at=START + 1)])
    await store.commit([act(Action.HOLD, at=LATER, reference="CASE-1")])
    asked = await store.commit([act(Action.ERASE, at=LATER + 1)])
    released = await store.commit([act(Action.RELEASE, at=LATER + MINUTE, reference="CASE-1")])

    assert (0, 2) == (asked.erased, released.erased)
    assert [] == await numbers(store)


async def test_a_hold_keeps_what_its_own_batch_was_to_write(store: Store) -> None:
    """It came before, and a hold is there to keep what there is."""
    committed = await store.commit([record(number=1), act(Action.HOLD, at=LATER, reference="CASE-1")])
    during = await numbers(store)
    await store.commit([act(Action.RELEASE, at=LATER + 1, reference="CASE-1")])

    assert ((1, {}), [], [1]) == (outcome(committed), during, await numbers(store))


async def test_a_held_router_is_listed_among_the_closed(store: Store) -> None:
    """So that its messages are dropped before any work is done."""
    await store.commit([record(number=1)])
    await store.commit([act(Action.HOLD, at=LATER, reference="CASE-1")])
    (found,) = await store.find([("serial", ref("serial", "a"))])
    held = found.standing

    assert {held.device_ref: State.RESTRICTED} == await store.closed(100)
    assert (("CASE-1",), State.JOINED) == (held.holds, held.beneath)


# Keys


async def test_a_new_key_does_not_reopen_a_closed_gate(store: Store) -> None:
    """A router that left under an older key is known by it (K32)."""
    await store.commit([record(), leave(at=START + 1)])
    renamed = router("a", key="key-2", older=["key-1"])
    committed = await store.commit([record(number=2, at=LATER, identity=renamed)])

    assert (0, {DropReason.WITHDRAWN: 1}) == outcome(committed)
    assert [Action.JOIN, Action.EXIT] == await actions(store)
    assert [] == await store.find([("router", renamed.device_ref)])


async def test_an_exit_under_a_new_key_finds_the_records_of_the_old(store: Store) -> None:
    """What was stored under an older key is erased by it."""
    await store.commit([record()])
    renamed = router("a", key="key-2", older=["key-1"])
    both = await store.commit([record(number=2, at=START + 1, identity=renamed)])
    left = await store.commit([leave(at=LATER, identity=renamed, only_if_joined=True)])

    assert (1, {}) == outcome(both)
    assert 2 == left.erased
    assert [] == await readable(store)


@pytest.mark.parametrize("measured", [START, None], ids=["a time of its own", "none of its own"])
async def test_a_redelivery_under_a_new_key_is_a_duplicate(store: Store, measured: int | None) -> None:
    """Its id and its router's pseudonym are others then; what they would be under the older key is looked for (K09)."""
    first = record(measured=measured)
    await store.commit([first])
    renamed = router("a", key="key-2", older=["key-1"])
    again = msgspec.structs.replace(
        record(measured=measured, at=LATER, identity=renamed), record_id=ref("newer"), older_ids=(first.record_id,)
    )
    rejoined = join(at=LATER, identity=renamed)

    assert (0, {DropReason.DUPLICATE: 1}) == outcome(await store.commit([again]))
    assert (0, {DropReason.DUPLICATE: 1}) == outcome(await store.commit([rejoined, again]))


# Reading


async def test_a_router_is_found_by_any_of_its_identifiers(store: Store) -> None:
    """Serial, IMEI, MAC or the device_ref itself; the answer says what there is, not what it says."""
    names = tuple((kind, ref(kind, "a")) for kind in ("serial", "imei", "mac"))
    await store.commit([record(number=1, lookup=names), record(number=2, at=LATER, lookup=names), record("b")])
    answers = [await store.find([name]) for name in (*names, ("router", router("a").device_ref))]
    both = await store.find([*names, ("serial", ref("serial", "b"))])

    assert [[router("a").device_ref]] * 4 == [[found.standing.device_ref for found in each] for each in answers]
    assert (2, START, LATER) == (
        answers[0][0].records,
        answers[0][0].first_received_at,
        answers[0][0].last_received_at,
    )
    assert {router("a").device_ref, router("b").device_ref} == {found.standing.device_ref for found in both}
    assert [] == await store.find([("imei", ref("serial", "a")), ("serial", ref("unknown"))])


async def test_records_come_newest_first(store: Store) -> None:
    """By when they were measured; of the same minute, the later stored first."""
    times = [START + 2 * MINUTE, START, START + MINUTE, START + MINUTE]
    await store.commit([record(number=n, at=LATER, measured=when, oldest=START) for n, when in enumerate(times)])

    assert [0, 3, 2, 1] == await numbers(store)


LEFT_OUT = ((Removal.LOCAL_ONLY, 1),)


async def test_of_one_minute_records_keep_their_order_whatever_was_left_out_of_them(store: Store) -> None:
    """Also in one commit, and among others of other routers and times."""
    minute = [record(number=n, measured=START + n, stripped=LEFT_OUT if n % 3 == 0 else ()) for n in range(9)]
    await store.commit([record("b"), *minute, record(number=20, at=LATER, stripped=LEFT_OUT), record("b", 2)])

    assert [20, *range(8, -1, -1)] == await numbers(store)


@pytest.mark.parametrize("last", [(), LEFT_OUT])
async def test_the_newest_time_is_that_of_the_last_record_whatever_was_left_out(
    store: Store, last: tuple[tuple[Removal, int], ...]
) -> None:
    """A clock is measured by it (K38)."""
    other = () if last else LEFT_OUT
    await store.commit([record("a"), record("b")])
    two = [("a", LATER, other), ("b", LATER + HOUR, last)]
    await store.commit([record(name, 2, at=at, measured=at, stripped=stripped) for name, at, stripped in two])

    assert LATER + HOUR == await store.newest()


@pytest.mark.parametrize("first", [(), LEFT_OUT])
async def test_of_two_that_share_an_id_and_a_time_the_first_stays(
    store: Store, first: tuple[tuple[Removal, int], ...]
) -> None:
    """A faulty router may say two things under one id; which is kept is not up to what had to be left out."""
    second = () if first else LEFT_OUT
    two = [record(measured=START, body=b'{"turn":%d}' % n, stripped=s) for n, s in enumerate((first, second))]
    done = await store.commit(two)
    [found] = [one async for one in store.records(router("a").device_ref)]

    assert (1, 1) == (done.stored, done.dropped[DropReason.DUPLICATE])
    assert (b'{"turn":0}', {str(removal): count for removal, count in first}) == (found.body, found.stripped)


async def test_records_can_be_asked_for_by_time_and_number(store: Store) -> None:
    """`since` is by the minute measured, inclusive; `limit` takes the newest."""
    await store.commit([record(number=n, at=START + n * MINUTE) for n in range(5)])
    ref_a = router("a").device_ref
    since = [number_of(r) async for r in store.records(ref_a, since=START // MINUTE * MINUTE + 3 * MINUTE)]
    limited = [number_of(r) async for r in store.records(ref_a, limit=2)]

    assert [4, 3] == since
    assert [4, 3] == limited


async def test_the_closed_can_be_listed(store: Store) -> None:
    """All that are not joined, so that their messages need no work."""
    await store.commit([record("a"), record("b"), record("c"), leave("a", at=LATER), act(Action.RESTRICT, "b")])
    closed = await store.closed(100)

    assert {router("a").device_ref: State.EXITED, router("b").device_ref: State.RESTRICTED} == closed


async def test_of_the_closed_those_that_were_closed_last_are_listed_last(store: Store) -> None:
    """A collector remembers so many and no more, however many have ever left."""
    await store.commit([record(name) for name in "abcd"])
    await store.commit([leave("b", at=LATER), leave("d", at=LATER), act(Action.RESTRICT, "a", at=LATER)])
    await store.commit([leave("a", at=LATER + MINUTE)])

    assert [router("d").device_ref, router("a").device_ref] == [*await store.closed(2)]
    assert [router(name).device_ref for name in "bda"] == [*await store.closed(3)]


async def test_changes_are_told_from_a_number_on(store: Store) -> None:
    """What the ledger has learnt since, oldest first."""
    await store.commit([record("a"), record("b")])
    since = (await store.head()).seq
    await store.commit([leave("b", at=LATER), leave("a", at=LATER)])
    changed = [change.standing for change in await store.changes(since)]

    assert [(3, router("b").device_ref), (4, router("a").device_ref)] == [(s.seq, s.device_ref) for s in changed]
    assert [] == await store.changes(4)


async def test_changes_are_told_so_many_at_once(store: Store) -> None:
    """However many others wrote, memory stays bounded."""
    await store.commit([record("a"), record("b"), record("c")])

    assert [1, 2] == [change.standing.seq for change in await store.changes(0, 2)]
    assert [3] == [change.standing.seq for change in await store.changes(2, 2)]


# The ledger


async def a_ledger(store: Store) -> list[LedgerEntry]:
    """Six entries of three routers."""
    await store.commit([record("a"), record("b"), leave("a", at=START + 1)])
    await store.commit([join("a", at=LATER, event_ref=ref("act")), record("c", at=LATER), leave("b", at=LATER)])
    return await store.ledger()


async def test_the_chain_holds(store: Store) -> None:
    """Numbered without gaps, each entry with the hash of the one before, up to the head."""
    entries = await a_ledger(store)

    assert [1, 2, 3, 4, 5, 6] == [entry.seq for entry in entries]
    assert first_fault(entries) is None
    assert first_fault(entries[3:], before=Head(seq=3, hash=entries[2].hash)) is None
    assert Head(seq=6, hash=entries[-1].hash) == await store.head()


async def test_a_changed_entry_breaks_the_chain(store: Store) -> None:
    """Whatever member was touched, even when its own hash was made to fit."""
    entries = await a_ledger(store)
    changed = msgspec.structs.replace(entries[2], effective_at=START + HOUR)
    fitted = msgspec.structs.replace(changed, hash=changed.computed_hash())

    assert 3 == first_fault([*entries[:2], changed, *entries[3:]])
    assert 4 == first_fault([*entries[:2], fitted, *entries[3:]])


@pytest.mark.parametrize("position", range(5))
async def test_a_removed_or_moved_entry_breaks_the_chain(store: Store, position: int) -> None:
    """At any place but the last, which the head tells."""
    entries = await a_ledger(store)
    removed = [*entries[:position], *entries[position + 1 :]]
    swapped = [*entries[:position], entries[position + 1], entries[position], *entries[position + 2 :]]

    assert position + 2 == first_fault(removed)
    assert position + 2 == first_fault(swapped)


async def test_an_empty_commit_changes_nothing(store: Store) -> None:
    """No entry, no record."""
    committed = await store.commit([])

    assert (0, {}) == outcome(committed)
    assert Head() == await store.head()


# Any order, any batches

NAMES = ("a", "b", "c")
OTHERS = [Action.ERASE, Action.HOLD, Action.RELEASE, Action.VOID, Action.CANCEL, Action.UNBIND, Action.UNRESTRICT]


@st.composite
def histories(draw: st.DrawFn, *more: str) -> list[Entry]:
    """Records, joins and exits of three routers in order of receipt, with clocks that are off and acts repeated.

    And *more*, which comes to the same in the same batches only.
    """
    now, entries = START, list[Entry]()
    for _ in range(draw(st.integers(1, 24))):
        now += draw(st.sampled_from([0, 1, SECOND, MINUTE, HOUR]))
        name = draw(st.sampled_from(NAMES))
        kind = draw(st.sampled_from(["record", "record", "record", "record", "join", "exit", "other", *more]))
        off = draw(st.sampled_from([0, 0, -HOUR, -MINUTE, -1, 1, 4 * MINUTE]))
        if kind == "record":
            entries.append(_report(draw, name, now, now + off))
            continue
        if kind == "part":
            entries.append(_part(draw, name, now))
            continue
        if kind in {"other", "restrict"}:
            action = draw(st.sampled_from(OTHERS)) if kind == "other" else Action.RESTRICT
            entries.append(act(action, name, at=now + off, reference=draw(st.sampled_from(["CASE-1", "CASE-2"]))))
            continue
        repeated = ref("act", name, draw(st.integers(0, 2))) if draw(st.booleans()) else None
        if kind == "join":
            entries.append(join(name, at=now, client_time=draw(st.sampled_from([None, now, now + off]))))
        else:
            entries.append(leave(name, at=now, event_ref=repeated, only_if_joined=draw(st.booleans())))
    return entries


def _report(draw: st.DrawFn, name: str, at: int, guessed: int) -> Record:
    """One of eight reports of a router. Half of them say a time, which is not believed in every delivery."""
    number = draw(st.integers(1, 8))
    said = START + number * 20 * MINUTE if number % 2 else None
    measured = said if said is not None and draw(st.booleans()) else guessed
    oldest = measured - draw(st.sampled_from([0, 0, MINUTE]))
    made = record(name, number, at=at, measured=measured, oldest=oldest)
    if measured == said:
        return made
    return _less(draw, msgspec.structs.replace(made, floating=() if said is None else (said // MINUTE * MINUTE,)))


def _part(draw: st.DrawFn, name: str, at: int) -> Record:
    """One of four values of a router, of two samples."""
    value, radio, interval = draw(st.integers(1, 9)), draw(st.sampled_from("xy")), draw(st.integers(1, 2))
    return _less(draw, part(value, radio, at=at, interval=interval, name=name))


def _less(draw: st.DrawFn, made: Record) -> Record:
    """The record, perhaps with something left out."""
    removed = draw(st.integers(0, 2))
    return msgspec.structs.replace(made, stripped=((Removal.UNKNOWN, removed),) if removed else ())


def batches(entries: Sequence[Entry], cuts: set[int]) -> list[list[Entry]]:
    """*entries* cut into commits."""
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(entries)), len(entries)]
    return [list(entries[start:end]) for start, end in pairwise(edges)]


class Content(msgspec.Struct):
    """All that can be said of a store."""

    entries: list[LedgerEntry]
    readable: dict[str, list[StoredRecord]]
    newest: dict[str, list[StoredRecord]]
    found: dict[str, int]
    closed: dict[bytes, State]


async def newest(store: Store, name: str) -> list[StoredRecord]:
    """A few records of a router, of those measured since a time."""
    return [found async for found in store.records(router(name).device_ref, since=START + 20 * MINUTE, limit=3)]


async def content(store: Store) -> Content:
    """All that can be read from a store."""
    routers = {name: await store.find([("serial", ref("serial", name))]) for name in NAMES}
    return Content(
        entries=await store.ledger(),
        readable={name: await readable(store, name) for name in NAMES},
        newest={name: await newest(store, name) for name in NAMES},
        found={name: sum(found.records for found in routers[name]) for name in NAMES},
        closed=await store.closed(100),
    )


async def replay(store: Store, commits: Sequence[list[Entry]]) -> tuple[Content, list[Counter[str]]]:
    """Commit them all; the final content and what each commit answered. Nothing goes uncounted on the way."""
    await store.open()
    answers = []
    for entries in commits:
        committed = await store.commit(entries)
        assert sum(isinstance(entry, Record) for entry in entries) == committed.stored + committed.dropped.total()
        assert sum(isinstance(entry, ConsentEvent) for entry in entries) <= committed.results.total()
        counts = Counter({str(reason): count for reason, count in committed.dropped.items() if count})
        answers.append(counts + Counter({"stored": committed.stored, "erased": committed.erased}))
    found = await content(store)
    await store.close()
    return found, answers


@settings(max_examples=40, deadline=None)
@given(histories("part", "restrict"), st.sets(st.integers(1, 23)), st.sampled_from(["flag", "registered"]))
def test_any_history_ends_alike_on_every_engine(entries: list[Entry], cuts: set[int], mode: Mode) -> None:
    """Commit by commit the same answers, and in the end the same ledger, the same records, the same routers."""
    rules, commits = ConsentRules(mode=mode), batches(entries, cuts)
    with place() as folder, asyncio.Runner() as runner:
        first, *others = (runner.run(replay(make(e, folder / e, rules), commits)) for e in HERE_NOW)

    assert [first] * len(others) == others


@settings(max_examples=200, deadline=None)
@given(histories(), st.sets(st.integers(1, 23)), st.sampled_from(["flag", "registered"]))
def test_no_history_lets_anything_survive_an_exit(entries: list[Entry], cuts: set[int], mode: Mode) -> None:
    """Only joined routers are readable, nothing received before the last exit is left, and batches change nothing."""
    rules = ConsentRules(mode=mode)
    with asyncio.Runner() as runner:
        found, _ = runner.run(replay(MemoryStore(Region.GERMANY, rules), batches(entries, cuts)))
        at_once, _ = runner.run(replay(MemoryStore(Region.GERMANY, rules), [entries]))
    exits = {entry.device_ref: entry.received_at for entry in found.entries if entry.action in ERASING}

    assert at_once == found
    assert first_fault(found.entries) is None
    for name in NAMES:
        left = exits.get(router(name).device_ref.hex(), 0)
        assert all(one.received_at > left for one in found.readable[name])
        if router(name).device_ref in found.closed:
            assert [] == found.readable[name]
        else:
            assert len(found.readable[name]) == found.found[name]


@pytest.mark.parametrize("action", [Action.EXIT, Action.ERASE])
async def test_what_comes_again_under_the_older_key_beside_its_erasure_stays_out(store: Store, action: Action) -> None:
    """As a spool keeps it over a rotation: the act names the router by the new key (K09, K29, K32)."""
    old, new = router("a"), router("a", key="key-2", older=["key-1"])
    await store.commit([record(identity=old)])
    committed = await store.commit([act(action, at=LATER, identity=new), record(identity=old)])

    assert (0, 1) == (committed.stored, committed.dropped.total())
    assert [] == await numbers(store)


@pytest.mark.parametrize("later", [0, 2000])
async def test_what_comes_again_beside_its_erasure_stays_erased(store: Store, later: int) -> None:
    """Received after what the act erases, and committed with it: one redelivery, whatever became of the first (K09)."""
    first = record("c", at=START + later)
    again = msgspec.structs.replace(first, received_at=START + 60_000)
    await store.commit([first])
    done = await store.commit([again, act(Action.ERASE, "c", at=START)])
    left = [one.received_at async for one in store.records(first.identity.device_ref)]

    assert (0, {DropReason.DUPLICATE: 1}) == (done.stored, dict(+done.dropped))
    assert ([START + later] if later else []) == left


@pytest.mark.parametrize("later", [0, 2000])
async def test_a_part_that_comes_beside_the_erasure_of_its_sample_makes_no_new_record(store: Store, later: int) -> None:
    """Nor a wrong one of what outlives the act, with which the other parts are forgotten."""
    first, second = part(3, "a", at=START + later), part(2, "b", at=START + later)
    await store.commit([first])
    waited = msgspec.structs.replace(second, received_at=START + 60_000)
    done = await store.commit([waited, act(Action.ERASE, "a", at=START)])
    again = await store.commit([waited])

    assert [(0, {DropReason.DUPLICATE: 1})] * 2 == [outcome(done), outcome(again)]
    assert ((0, [3]) if later else (1, [])) == (done.erased, await numbers(store))


async def test_of_what_came_twice_before_an_erasure_nothing_outlives_it(store: Store) -> None:
    """All in one commit: the first delivery is reached, and the second is the same message (K09)."""
    first = record("c", at=START)
    again = msgspec.structs.replace(first, received_at=START + 60_000)
    done = await store.commit([first, again, act(Action.ERASE, "c", at=START)])

    assert (0, {DropReason.ERASED: 1, DropReason.DUPLICATE: 1}) == (done.stored, dict(+done.dropped))
    assert [] == await numbers(store)
