"""What a hostile or unlucky router, broker or operator might try; each was tried once and worked."""

import resource
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace
from records import MINUTE, SECOND, START, act, record, ref, router
from support import complete_document, decide, make_rules, message

from collector.acks import NO_TOKEN
from collector.config import WriterSettings
from collector.consent.ledger import Result
from collector.consent.standing import ClosedRouters
from collector.errors import StoreUnusable
from collector.metrics import Metrics
from collector.model import Accepted, Action, ConsentEvent, ConsentRefused, DropReason, Region, Removal
from collector.pipeline import process
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore
from collector.stores.writer import Writer


@dataclass
class Noted:
    """Takes a settled message."""

    done: int = 0

    def complete(self) -> None:
        self.done += 1

    def leave(self) -> bool:
        return False


def test_a_long_key_over_many_values_costs_no_memory() -> None:
    """Where something was found is kept short, however long the keys are."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = decide(complete_document() | {"k" * 28_000: [0] * 12_000})
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before

    assert isinstance(outcome, Accepted)
    assert grown < 100_000  # KiB


def test_a_key_of_combining_marks_is_no_spelling_of_the_flag() -> None:
    """Normalising it would take the square of its length; it is unknown, and costs nothing."""
    outcome = decide(complete_document() | {"a" + "\u0315" * 14_000 + "\u0300" * 14_000: False})

    assert isinstance(outcome, Accepted)
    assert dict(outcome.record.stripped) == {Removal.UNKNOWN: 1}


async def test_an_exit_before_the_first_commit_is_written_down() -> None:
    """The record it drops would have joined, and may be sent again: the ledger has to know."""
    store, metrics = MemoryStore(Region.GERMANY, ConsentRules()), Metrics()
    writer = Writer(store, WriterSettings(), metrics, ClosedRouters())
    first = record()
    metrics.in_flight += 1
    writer.submit(first, NO_TOKEN, 0)
    writer.submit_event(act(Action.EXIT, at=START + 1, only_if_joined=True), NO_TOKEN)
    await writer.step()
    again = await store.commit([replace(first, received_at=START + MINUTE)])

    assert {DropReason.WITHDRAWN: 1} == again.dropped
    assert [Action.JOIN, Action.EXIT] == [entry.action for entry in await store.ledger()]


async def test_a_refusal_by_a_stranger_still_leaves_no_trace() -> None:
    """The control: with nothing waiting, an exit of somebody who never joined is written nowhere (D7)."""
    store = MemoryStore(Region.GERMANY, ConsentRules())
    writer = Writer(store, WriterSettings(), Metrics(), ClosedRouters())
    writer.submit_event(act(Action.EXIT, only_if_joined=True), NO_TOKEN)
    await writer.step()

    assert [] == await store.ledger()


async def test_a_store_of_a_lost_key_is_refused(tmp_path: Path) -> None:
    """Who left under that key would be let in again."""
    path = tmp_path / "germany.sqlite"
    store = SQLiteStore(path, Region.GERMANY, ConsentRules(), ["key-1"])
    await store.open()
    await store.commit([record(), act(Action.EXIT, at=START + SECOND)])
    await store.close()
    kept = SQLiteStore(path, Region.GERMANY, ConsentRules(), ["key-2", "key-1"])
    await kept.open()
    await kept.close()
    lost = SQLiteStore(path, Region.GERMANY, ConsentRules(), ["key-2"])

    with pytest.raises(StoreUnusable, match="holds routers of key key-1"):
        await lost.open()


async def test_an_act_counts_once_over_a_rotation_of_keys() -> None:
    """A retained join that comes again under a new key is the same act."""
    store = MemoryStore(Region.GERMANY, ConsentRules())
    old, new = ref("event", "old"), ref("event", "new")
    joined = act(Action.JOIN, event_ref=old, client_time=START)
    await store.commit([joined, act(Action.EXIT, at=START + MINUTE)])
    rotated = replace(
        joined,
        identity=router("a", key="key-2", older=["key-1"]),
        event_ref=new,
        older_event_refs=(old,),
        client_time=START + 10 * MINUTE,
        received_at=START + 9 * MINUTE,
    )
    again = await store.commit([rotated])

    assert {(Action.JOIN, Result.REPEATED): 1} == again.results


@pytest.mark.parametrize(("replayed", "result"), [(True, Result.STALE), (False, Result.RECORDED)])
async def test_a_replayed_join_dated_barely_after_an_exit_is_doubted(*, replayed: bool, result: Result) -> None:
    """When it was published only a clock says that may be ahead; one that comes live is believed."""
    store = MemoryStore(Region.GERMANY, ConsentRules())
    await store.commit([record(), act(Action.EXIT, at=START + MINUTE)])
    join = act(Action.JOIN, at=START + 2 * MINUTE, client_time=START + MINUTE + 10 * SECOND, event_ref=ref("e"))
    again = await store.commit([replace(join, replayed=replayed)])

    assert {(Action.JOIN, result): 1} == again.results


def test_a_join_from_the_future_is_refused() -> None:
    """It would outlast exits that have not happened yet."""
    rules = make_rules()
    document = {"schema_version": 1, "event_id": "e", "action": "join", "country": "DE", "time": "2027-11-21T17:00:00Z"}
    outcome = process(message(document, topic="ueip/v1/R/consent"), rules)

    assert isinstance(outcome, ConsentRefused)
    assert DropReason.FUTURE is outcome.reason


async def test_a_message_counts_once_over_a_rotation_of_keys(tmp_path: Path) -> None:
    """Committed under one key, not acknowledged, delivered again under the next."""
    for store in (
        MemoryStore(Region.GERMANY, ConsentRules()),
        SQLiteStore(tmp_path / "germany.sqlite", Region.GERMANY, ConsentRules()),
    ):
        await store.open()
        first = record()
        await store.commit([first])
        rotated = router("a", key="key-2", older=["key-1"])
        again = replace(first, record_id=ref("new"), older_ids=(first.record_id,), identity=rotated)
        committed = await store.commit([again])
        await store.close()

        assert (0, {DropReason.DUPLICATE: 1}) == (committed.stored, committed.dropped)


async def test_an_erased_record_does_not_come_back_after_a_rejoin(tmp_path: Path) -> None:
    """A message dated by uptime looks newer each time it comes; its id is remembered, hashed (K09)."""
    for store in (
        MemoryStore(Region.GERMANY, ConsentRules()),
        SQLiteStore(tmp_path / "germany.sqlite", Region.GERMANY, ConsentRules()),
    ):
        await store.open()
        join: ConsentEvent = act(Action.JOIN, at=START + 3 * MINUTE, client_time=START + 3 * MINUTE, event_ref=ref("j"))
        await store.commit([record()])
        await store.commit([act(Action.EXIT, at=START + MINUTE), join])
        again = await store.commit([record(at=START + 5 * MINUTE)])
        new = await store.commit([record(number=2, at=START + 5 * MINUTE)])
        await store.close()

        assert (0, 1) == (again.stored, new.stored)
        assert {DropReason.DUPLICATE: 1} == again.dropped


async def test_consent_events_count_as_memory_until_the_ledger_has_them() -> None:
    """A flood of exits at QoS 0 is bounded as one of reports is."""
    store, metrics, noted = MemoryStore(Region.GERMANY, ConsentRules()), Metrics(), Noted()
    writer = Writer(store, WriterSettings(), metrics, ClosedRouters())
    for _ in range(3):
        writer.submit_event(act(Action.EXIT, only_if_joined=True), noted, 1000)
    waiting = metrics.in_flight_bytes
    await writer.step()

    assert (3000, 0, 3) == (waiting, metrics.in_flight_bytes, noted.done)


async def test_a_store_that_reads_but_does_not_write_is_not_called_recovered() -> None:
    """A full disk is one outage, not one a second."""
    store, metrics = MemoryStore(Region.GERMANY, ConsentRules()), Metrics()
    writer = Writer(store, WriterSettings(), metrics, ClosedRouters())
    await writer._open()
    store.fail_next = 1
    metrics.in_flight += 1
    writer.submit(record(), NO_TOKEN, 0)
    await writer.step()
    await writer._news.refresh()

    assert not metrics.store_up[Region.GERMANY]


def size_of(path: Path) -> int:
    """Bytes of a file."""
    return path.stat().st_size


def bytes_of(folder: Path) -> bytes:
    """All bytes of all files in a folder."""
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_the_file_is_written_anew_after_erasures(tmp_path: Path) -> None:
    """SQLite leaves copies of rows it moved between pages; only rewriting the file takes them out (O28)."""
    path = tmp_path / "germany.sqlite"
    store = SQLiteStore(path, Region.GERMANY, ConsentRules())
    await store.open()
    for number in range(800):
        body = b'{"router":{"software_version":"%s"}}' % (b"marker-%04d" % number * 30)
        await store.commit([record(f"r{number % 40}", number, body=body)])
    await store.commit([act(Action.EXIT, f"r{n}", at=START + MINUTE) for n in range(40)])
    before = size_of(path)
    await store.changes(0)
    after, raw = size_of(path), bytes_of(tmp_path)
    await store.close()

    assert after < before / 2
    assert b"marker-" not in raw
