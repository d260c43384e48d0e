"""A model of ledger and writer: whatever happens in whatever order, the store holds what a few lines say it must.

Reports, joins, exits, refusals, acts by other processes; commits that succeed, fail, or succeed and never say so;
messages that arrive during a commit; connections lost, crashes, redeliveries. The store is SQLite on the disk, or
PostgreSQL. After every step rows, ledger, chain, counters and acknowledgements are compared with `modelled.Owner`.
"""

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pytest
from engines import let_go, needs_postgresql
from grounds import IN_DATABASE, IN_FILE, Ground, SteppedPostgres, SteppedStore
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from modelled import CLOSED, Act, Owner, Times
from records import SECOND
from stepping import START, Race, Watched, text_of_ms

from collector.errors import StoreUnavailable
from collector.formats.consent_event import act_refs
from collector.model import Action, Channel, ConsentEvent, Entry, Message, Record
from collector.stores import Committed

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "40"))
ROUTERS = ("ROUTER-A", "ROUTER-B")
Fate = Literal["good", "away", "locked", "answer lost"]


@dataclass
class Sent:
    """A message as a router sent it once, however often it is delivered."""

    kind: Literal["report", "refusal", "join", "exit", "erase", "hold", "release", "void"]
    router: str
    number: int
    said: int
    first: Watched
    reference: str = ""

    @property
    def name(self) -> str:
        """What the act is known by."""
        return f"{self.kind} {self.number}"


@dataclass
class Delivery:
    """A message as the collector got it."""

    sent: Sent
    received: int
    token: Watched


class Fated:
    """A store whose next commit ends as the test wants, and which says what it was given."""

    ground: Ground
    path: Path
    fate: Fate = "good"
    meanwhile: Callable[[], object] | None = None
    given: Sequence[Entry] = ()
    objection: AssertionError | None = None

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """As `Store.commit`, or not."""
        fate, self.fate = self.fate, "good"
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            try:
                meanwhile()
            except AssertionError as error:  # the writer would take it for a bug of the store's
                self.objection = error
        if fate == "away":
            raise StoreUnavailable("away")
        away = self.ground.troubled(self, self.path, None) if fate == "locked" else contextlib.nullcontext()
        async with away:
            committed: Committed = await super().commit(entries)  # type: ignore[misc]
        self.given = [*entries]
        if fate == "answer lost":
            raise StoreUnavailable("no answer")
        return committed


class FatedFile(Fated, SteppedStore):
    """In a file."""

    ground = IN_FILE


class FatedDatabase(Fated, SteppedPostgres):
    """In a database."""

    ground = IN_DATABASE


class LedgerAndWriter(RuleBasedStateMachine):
    """One region, two routers, one broker."""

    made: type[FatedFile | FatedDatabase] = FatedFile

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="model-"))
        self.now, self.count, self.lives = START, 0, 0
        self.sent: list[Sent] = []
        self.pending: dict[str, list[Delivery]] = {router: [] for router in ROUTERS}
        self.unacknowledged: list[Delivery] = []

    def run(self, work: Any) -> Any:
        """Let it happen."""
        return self.loop.run_until_complete(work)

    @initialize(registered=st.booleans(), keep=st.sampled_from([False, False, True]), batch=st.sampled_from([2, 4000]))
    def begin(self, *, registered: bool, keep: bool, batch: int) -> None:
        """A collector starts for the first time."""
        reason = {"on_exit": "keep", "keep_reason": "A ground in a sentence."} if keep else {}
        self.options: dict[str, Any] = {"mode": "registered" if registered else "flag", **reason}
        self.batch = batch
        times = Times()
        self.owners = {router: Owner(registered, keep, times) for router in ROUTERS}
        (self.folder / "life-0").mkdir()
        self.start(self.folder / "life-0" / "germany.db")

    def start(self, path: Path) -> None:
        """The process begins, with what is on the disk."""
        self.race = Race(path, ground=self.made.ground, **self.options)
        self.store = self.made(path, self.race.settings)
        self.store.path = path
        writer, committing = self.race.writer, self.race.writer._committing
        self.race.store = writer.store = committing._store = writer._news._store = self.store
        committing._most = self.batch
        self.run(self.race.open())
        self.known_closed = {router for router in ROUTERS if not self.owners[router].is_open}

    def teardown(self) -> None:
        """At the end all is committed; nothing of those who left is in any file."""
        if hasattr(self, "race"):
            while self.waits():
                self.commit("good", 0, None)
            self.matches()
            self.nothing_is_left_in_the_files()
            self.run(self.store.close())
        self.loop.close()
        let_go(self.folder)
        shutil.rmtree(self.folder)

    # What routers and owners do

    def deliver(self, sent: Sent, token: Watched) -> None:
        """Note what was given to the intake. What is settled at once must be about somebody known to be closed."""
        delivery = Delivery(sent, self.now, token)
        if not token.seen:
            self.pending[sent.router].append(delivery)
        else:
            assert sent.kind == "report"
            assert sent.router in self.known_closed
        self.unacknowledged.append(delivery)

    def passes(self, seconds: int) -> None:
        """Time goes on, or not: ties are exits."""
        self.now += seconds * SECOND

    @rule(router=st.sampled_from(ROUTERS), ago=st.sampled_from([0, 0, 1, 30, -60]), passes=st.integers(0, 1))
    def report(self, router: str, ago: int, passes: int) -> None:
        """A report with a yes, perhaps one that waited in the router, perhaps by a clock that is ahead."""
        self.passes(passes)
        self.say("report", router, self.now - ago * SECOND)

    @rule(router=st.sampled_from(ROUTERS), kind=st.sampled_from(["refusal", "exit", "join"]), passes=st.integers(0, 1))
    def act(self, router: str, kind: Literal["refusal", "exit", "join"], passes: int) -> None:
        """The owner joins or leaves."""
        self.passes(passes)
        self.say(kind, router, self.now)

    @rule(router=st.sampled_from(ROUTERS), kind=st.sampled_from(["refusal", "exit"]), commits=st.booleans())
    def out_and_in(self, router: str, kind: str, *, commits: bool) -> None:
        """The owner leaves and joins again at once, and the broker has not heard that the last report was received."""
        self.act(router, kind, passes=1)
        if commits:
            self.commit("good", 0, None)
        self.act(router, "join", passes=1)
        reports = [sent for sent in self.sent if (sent.kind, sent.router) == ("report", router)]
        for sent in reports[-1:]:
            self.passes(1)
            self.deliver(sent, self.race.again(sent.first, at=self.now))

    def say(self, kind: Any, router: str, said: int) -> None:
        """Send it, for the first time."""
        self.count += 1
        race, number = self.race, self.count
        if kind in {"report", "refusal"}:
            token = race.report(number, at=self.now, router=router, **self.content(kind, said))
        else:
            token = race.act(kind, at=self.now, event_id=f"e-{number}", router=router)
        self.sent.append(Sent(kind, router, number, said, token))
        self.deliver(self.sent[-1], token)

    @staticmethod
    def content(kind: str, said: int) -> dict[str, Any]:
        """What a report says beside its number."""
        return {"time": text_of_ms(said), "ueip": kind == "report"}

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), passes=st.integers(0, 1))
    def again(self, data: st.DataObject, passes: int) -> None:
        """The broker delivers something once more, acknowledged or not."""
        self.passes(passes)
        sent = data.draw(st.sampled_from(self.sent[-6:]))
        self.deliver(sent, self.race.again(sent.first, at=self.now))

    # What happens to the collector

    def waits(self) -> bool:
        """Whether something is to be committed."""
        return bool(self.race.writer.waiting)

    @rule(
        fate=st.sampled_from(["good", "good", "away", "locked", "answer lost"]),
        passes=st.integers(0, 1),
        meanwhile=st.none()
        | st.tuples(st.sampled_from(["report", "refusal", "exit", "join"]), st.sampled_from(ROUTERS)),
    )
    def commit(self, fate: Fate, passes: int, meanwhile: tuple[str, str] | None) -> None:
        """One commit; perhaps something arrives while it is under way."""
        self.passes(passes)
        if not self.waits():
            return
        before = {router: [*waiting] for router, waiting in self.pending.items()}
        if meanwhile is not None:
            self.store.meanwhile = lambda: self.say(meanwhile[0], meanwhile[1], self.now)
        self.store.fate = fate
        self.run(self.race.writer.step())
        if self.store.objection is not None:
            raise self.store.objection
        written, self.store.given = self.store.given, ()
        taken = self.in_order(written, before)
        assert bool(taken) == (fate in {"good", "answer lost"})
        for owner in self.owners.values():
            owner.fresh = set()
        for delivery in taken:
            assert bool(delivery.token.seen) == (fate == "good"), "settled before its commit answered, or not after"
            self.write(delivery)
        if fate == "good":
            for delivery in taken:
                self.pending[delivery.sent.router].remove(delivery)
            self.learn({delivery.sent.router for delivery in taken})

    def in_order(self, entries: Sequence[Entry], before: dict[str, list[Delivery]]) -> list[Delivery]:
        """The deliveries that were committed; those of one router in the order of their receipt, none left out."""
        waiting = {router: iter(deliveries) for router, deliveries in before.items()}
        owners = {self.race.identity(router).device_ref: router for router in ROUTERS}
        found = []
        for entry in entries:
            delivery = next(waiting[owners[entry.identity.device_ref]])
            assert self.is_of(delivery.sent, entry), "committed out of order"
            found.append(delivery)
        return found

    def is_of(self, sent: Sent, entry: Entry) -> bool:
        """Whether an entry is that of a message."""
        ids = self.race.pseudonyms
        if isinstance(entry, Record):
            return entry.record_id == ids.uncached_ref("record", f"{sent.router}\0m-{sent.number}")
        if sent.kind == "refusal":
            return entry.event_ref == ids.uncached_ref(
                "refusing report", f"{sent.router}\0m-{sent.number}\0{sent.said}"
            )
        return entry.event_ref == act_refs(f"{sent.router}\0e-{sent.number}", Action(sent.kind), ids)[0]

    def write(self, delivery: Delivery) -> None:
        """Tell the model."""
        sent, owner = delivery.sent, self.owners[delivery.sent.router]
        if sent.kind == "report":
            owner.report(sent.number, measured=sent.said, received=delivery.received)
        elif sent.kind == "join":
            owner.join(sent.name, said=sent.said, received=delivery.received)
        elif sent.kind in {"erase", "hold", "release", "void"}:
            owner.decide(sent.kind, sent.name, received=delivery.received, reference=sent.reference)
        else:
            owner.leave(sent.name, received=delivery.received, refusal=sent.kind == "refusal")

    def learn(self, routers: set[str]) -> None:
        """What a commit or a look at the ledger may tell about routers."""
        for router in routers:
            (self.known_closed.discard if self.owners[router].is_open else self.known_closed.add)(router)

    @rule(
        router=st.sampled_from(ROUTERS),
        act=st.sampled_from(["exit", "void", "restrict", "unrestrict", "cancel", "erase", "hold", "release"]),
        reference=st.sampled_from(["CASE-1", "CASE-2"]),
    )
    def another_process(self, router: str, act: Act, reference: str) -> None:
        """A command writes to the store; this process does not know of it."""
        event = self.decision(router, act, reference)

        async def command() -> None:
            other = await self.made.ground.commanded(self.race.path, self.race.settings, lambda: None)
            await other.commit([event])
            await other.close()

        self.run(command())
        self.owners[router].command(act, received=self.now, reference=reference)

    def decision(self, router: str, act: str, reference: str, event_ref: bytes | None = None) -> ConsentEvent:
        """What the rights desk gives to a ledger."""
        return ConsentEvent(
            action=Action(act),
            channel=Channel.RIGHTS_DESK,
            identity=self.race.identity(router),
            received_at=self.now,
            reference=reference if act in {"hold", "release"} else None,
            event_ref=event_ref,
        )

    @rule(
        router=st.sampled_from(ROUTERS),
        act=st.sampled_from(["erase", "erase", "hold", "release", "void"]),
        reference=st.sampled_from(["CASE-1", "CASE-2"]),
        passes=st.integers(0, 1),
    )
    def the_desk(self, router: str, act: Any, reference: str, passes: int) -> None:
        """An act by the API: it goes through the writer, and no broker has it to send again."""
        self.passes(passes)
        self.count += 1
        event_ref, _ = act_refs(f"{router}\0e-{self.count}", Action(act), self.race.pseudonyms)
        said = Message("", b"", retained=False, received_at=self.now)
        token = Watched(self.race.ring, 0, 0.0, message=said, look=self.race.seen)
        self.race.writer.submit_event(self.decision(router, act, reference, event_ref), token)
        sent = Sent(act, router, self.count, self.now, token, reference)
        self.pending[router].append(Delivery(sent, self.now, token))

    @rule()
    def refresh(self) -> None:
        """The writer looks what others wrote."""
        self.race.writer._news._refreshed = float("-inf")
        self.run(self.race.writer._news.refresh())
        self.learn(set(ROUTERS))

    @rule()
    def reconnect(self) -> None:
        """The connection is lost; what waits inside goes on, and what was not acknowledged comes again."""
        left = self.left_with_the_broker()
        self.race.connect()
        self.come_again(left)

    @rule(after_a_commit=st.booleans())
    def crash(self, *, after_a_commit: bool) -> None:
        """The process dies; the next one has the files as they are, and what was not acknowledged."""
        if after_a_commit:
            self.commit("answer lost", 0, None)
        left = self.left_with_the_broker()
        self.lives += 1
        path = self.race.path
        if isinstance(self.store, FatedDatabase):
            assert self.store._session is not None
            self.store._session.terminate()
        else:
            path = self.folder / f"life-{self.lives}" / path.name
            IN_FILE.image(self.race.path, path.parent)
        self.run(self.store.close())
        self.pending = {router: [] for router in ROUTERS}
        self.start(path)
        self.come_again(left)

    def left_with_the_broker(self) -> list[Sent]:
        """What was delivered on this connection and not acknowledged on it, in order."""
        acknowledged = set(self.race.acknowledged)
        return [d.sent for d in self.unacknowledged if d.token.packet_id not in acknowledged]

    def come_again(self, left: list[Sent]) -> None:
        """A new connection."""
        self.unacknowledged = []
        for sent in left:
            self.deliver(sent, self.race.again(sent.first, at=self.now))

    # What must hold

    @invariant()
    def matches(self) -> None:
        """Rows and ledger are the model's; the chain holds; counts add up; what is settled is acknowledged in order."""
        if not hasattr(self, "race"):
            return
        self.race.check()
        rows, entries = self.made.ground.content(self.race.path)
        for router, owner in self.owners.items():
            ids = {self.race.pseudonyms.uncached_ref("record", f"{router}\0m-{number}") for number in owner.stored}
            assert ids <= rows
            rows -= ids
            ref = self.race.identity(router).device_ref.hex()
            acts = [entry["action"] for entry in map(json.loads, entries) if entry["device_ref"] == ref]
            assert owner.acts == acts
        assert set() == rows, "stored what nobody may keep"
        _chain(entries)

    def nothing_is_left_in_the_files(self) -> None:
        """Not in the database, not in its log; a file is written anew at the first look after an erasure."""
        self.run(self.store.close())
        self.start(self.race.path)
        self.run(self.store.changes(0))
        gone = [trace for router in ROUTERS if self.owners[router].state in CLOSED
                and not self.owners[router].keep and not self.owners[router].holds
                for trace in self.race.traces(range(1, self.count + 1), router)[1:]]  # fmt: skip
        assert [] == self.race.found(gone)


def _chain(entries: list[Any]) -> None:
    """Numbers without a gap, each with the hash of the one before, worked out with the standard library."""
    before = "0" * 64
    for number, text in enumerate(entries, start=1):
        entry = json.loads(text)
        told = entry.pop("hash")
        plain = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert (number, before) == (entry["seq"], entry["prev_hash"])
        assert told == sha256(plain.encode()).hexdigest()
        before = told


class InDatabase(LedgerAndWriter):
    """The same in PostgreSQL."""

    made = FatedDatabase


@pytest.mark.parametrize("machine", [LedgerAndWriter, pytest.param(InDatabase, marks=needs_postgresql)])
def test_ledger_and_writer_do_what_the_model_says(machine: type[LedgerAndWriter]) -> None:
    """Whatever order things happen in."""
    examples = EXAMPLES if machine is LedgerAndWriter else max(1, EXAMPLES // 2)
    run_state_machine_as_test(
        machine,
        settings=hypothesis_settings(
            max_examples=examples, stateful_step_count=40, deadline=None, report_multiple_bugs=False
        ),
    )
