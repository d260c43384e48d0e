"""A model of ledger, writer and spool: one store refuses, hangs and comes back, and in the end all is as if it had not.

Reports, joins, exits and refusals of some routers; outages that refuse or hang, commits that come about after all, a
spool that is small or away, connections renewed, crashes. Store and spool are on the disk. At every step sums hold and
what is acknowledged is on a disk. In the end the broker delivers what was not acknowledged, in its order, and the store
holds what the order of receipt alone says: nothing lost, nothing twice, nothing of those who left.
"""

import asyncio
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
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
from outage import HERE, GatedStore, Region
from records import SECOND, START, Receipt, join, leave, record, ref, router

from collector.consent.acts import EVERYTHING
from collector.errors import Cause
from collector.model import Entry
from collector.stores.plan import ConsentRules
from collector.stores.sqlite import SQLiteStore

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "40"))
NAMES = ("a", "b", "c")
Kind = Literal["report", "join", "exit", "refusal"]


@dataclass
class Sent:
    """A message that the broker has, until it is acknowledged."""

    kind: Kind
    name: str
    number: int
    at: int
    entry: Entry
    receipts: list[Receipt] = field(default_factory=list)

    @property
    def acknowledged(self) -> bool:
        """Whether the broker has forgotten it."""
        return any(receipt.completed for receipt in self.receipts)


class SpoolAndStore(RuleBasedStateMachine):
    """One region, three routers, one broker."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = Path(tempfile.mkdtemp(prefix="spool-model-"))
        self.now = START
        self.sent: list[Sent] = []
        self.doubted: set[str] = set()
        """Whose exit came again beside a later join, or report with its flag: which was first nobody can tell, so it is
        an exit (K18)."""
        self.early: set[int] = set()
        """Reports that were measured before the moment their router's join came again: it may be from then on only."""
        self.hanging: asyncio.Task[bool] | None = None

    def run(self, work: Any) -> Any:
        """Let it happen."""
        return self.loop.run_until_complete(work)

    @initialize(small=st.booleans(), batch=st.sampled_from([2, 4000]))
    def begin(self, *, small: bool, batch: int) -> None:
        """A collector with a spool, which may be one for a record or two."""
        store = GatedStore(SQLiteStore(self.folder / "germany.sqlite", HERE, ConsentRules()))
        self.region = Region(self.folder / "spool", store=store, max_bytes=1500 if small else 1 << 20, batch=batch)
        self.run(self.region.open())

    def teardown(self) -> None:
        """The store is back, the broker delivers what it has, and the end is what the order of receipt says."""
        if hasattr(self, "region"):
            self.comes_back(fails=False)
            for _ in range(20):
                if not self.unacknowledged():
                    break
                self.renew()
                self.run(self.region.drain())
            self.is_what_it_must_be()
            self.run(self.region.spool.close())
            self.run(self.region.store.close())
        self.loop.close()
        shutil.rmtree(self.folder)

    # What routers and owners do

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from(["report", "report", "report", "join", "exit", "refusal"]))
    def says(self, name: str, kind: Kind) -> None:
        """A message arrives, two seconds after the one before: no two acts are of one moment."""
        self.now += 2 * SECOND
        number = len(self.sent) + 1
        self.sent.append(Sent(kind, name, number, self.now, self.entry(kind, name, number)))
        self.deliver(self.sent[-1])

    def entry(self, kind: Kind, name: str, number: int) -> Entry:
        """What the intake makes of it."""
        if kind == "report":
            return record(name, number, at=self.now)
        act = ref("act", number)
        if kind == "join":
            return join(name, at=self.now, event_ref=act, client_time=self.now)
        return leave(name, at=self.now, event_ref=act, only_if_joined=kind == "refusal")

    def deliver(self, sent: Sent) -> None:
        """It arrives, perhaps once more."""
        if sent.kind in {"exit", "refusal"} and any(
            later.kind in {"join", "report"} and later.name == sent.name and later.number > sent.number
            for later in self.sent
        ):
            self.doubted.add(sent.name)
        if sent.kind == "join" and sent.receipts:
            self.early.update(later.number for later in self.sent if later.name == sent.name and later.at < self.now)
        sent.receipts += self.region.put(msgspec.structs.replace(sent.entry, received_at=self.now))

    def unacknowledged(self) -> list[Sent]:
        """What the broker still has."""
        return [sent for sent in self.sent if not sent.acknowledged]

    # What happens to the store

    @rule()
    def step(self) -> None:
        """One turn with the store, if it does not hang."""
        if self.hanging is None:
            self.run(self.region.step())

    @precondition(lambda self: self.hanging is None)
    @rule()
    def refuses(self) -> None:
        """For so long that it is away."""
        self.run(self.region.refuse())

    @precondition(lambda self: self.hanging is None and self.region.writer.waiting)
    @rule()
    def hangs(self) -> None:
        """In a commit, for so long that it is away."""
        self.region.store.fail_next = 0
        self.hanging = self.run(self.region.hang())

    @rule()
    def shelter(self) -> None:
        """What waits while the store is away is dealt with."""
        if self.region.writer._health.is_away:
            self.run(self.region.shelter())

    @rule(fails=st.booleans())
    def comes_back(self, *, fails: bool) -> None:
        """It answers again: what hung comes about or not, and all that waits is committed."""
        hanging, self.hanging = self.hanging, None
        self.region.spool.cause = None
        self.run(self.region.heal(hanging, fails=fails))

    @rule()
    def spool_goes(self) -> None:
        """The spool's disk does not answer."""
        self.region.spool.cause = Cause.NOT_ANSWERING

    @rule()
    def spool_returns(self) -> None:
        """It does again."""
        self.region.spool.cause = None

    # What happens to the connection, and to the process

    @rule()
    def renew(self) -> None:
        """The connection is made anew: what was not acknowledged comes again, in its order."""
        self.region.writer.acts_renewed()
        self.region.writer.renewed()
        for sent in self.unacknowledged():
            self.deliver(sent)

    @rule(opens=st.booleans())
    def crash(self, *, opens: bool) -> None:
        """The process is killed; a commit that hangs is not made. The next one may find the store away."""
        if self.hanging is not None:
            self.hanging.cancel()
            self.run(asyncio.gather(self.hanging, return_exceptions=True))
            self.hanging = None
        self.region.store.gate.set()
        self.region.store.fail_next = 0
        before, self.region = self.region, self.run(self.region.restarted(open_store=opens))
        self.region.writer._committing._most = before.writer._committing._most
        if not opens:
            self.region.goes_away()
            self.region.writer._health.opened()
            self.region.goes_away()
        self.renew()

    # What must hold

    @invariant()
    def sums_hold_and_acknowledged_is_durable(self) -> None:
        """Also between two steps."""
        if hasattr(self, "region"):
            self.region.check()
            if self.hanging is None and self.region.spool.cause is None:
                self.run(self.nothing_acknowledged_is_nowhere())

    async def nothing_acknowledged_is_nowhere(self) -> None:
        """A report that was acknowledged, and that the store must hold in the end, is there or in the spool."""
        on_disk = await self.stored()
        for name in NAMES:
            on_disk.update(await self.region.spool.ids_of([router(name).device_ref], EVERYTHING))
        for sent in self.sent:
            owed = sent.kind == "report" and sent.name not in self.doubted and sent.number in self.owed(sent.name)
            if owed and sent.acknowledged and sent.number not in self.early:
                assert ref("record", sent.name, sent.number) in on_disk, f"lost: {sent.name} {sent.number}"

    def owed(self, name: str) -> set[int]:
        """The reports that the store must hold in the end, by the order of receipt alone."""
        state, kept = "none", set[int]()
        for sent in (one for one in self.sent if one.name == name):
            if sent.kind == "report" and state != "exited":
                state = "joined"
                kept.add(sent.number)
            elif sent.kind == "join":
                state = "joined"
            elif sent.kind == "exit" or (sent.kind == "refusal" and state == "joined"):
                state, kept = "exited", set()
        return kept

    async def stored(self) -> set[bytes]:
        """The ids of what is in the store."""
        kept = [r.record_id for name in NAMES async for r in self.region.store.records(router(name).device_ref)]
        assert len(kept) == len(set(kept))
        return set(kept)

    def is_what_it_must_be(self) -> None:
        """Nothing lost, nothing more, and nothing waits any longer."""
        assert [] == self.unacknowledged()
        stored = self.run(self.stored())
        for name in NAMES:
            owed = {ref("record", name, number) for number in self.owed(name)}
            of_router = {ref("record", name, sent.number) for sent in self.sent if sent.name == name} & stored
            sure = {ref("record", name, number) for number in self.owed(name) - self.early}
            assert of_router <= owed
            assert name in self.doubted or sure <= of_router
        assert 0 == self.region.spool.records == self.region.metrics.in_flight


@pytest.mark.parametrize("when", ["while it is away", "once it is back"])
def test_a_report_behind_a_join_that_was_left_is_not_dropped_for_the_exit_before_it(when: str) -> None:
    """The exit is in the spool, or in the ledger; the join is with the broker."""
    model = SpoolAndStore()
    model.begin(small=False, batch=2)
    model.refuses()
    for kind in ("report", "exit", "join"):
        model.says("a", kind)
    if when == "once it is back":
        model.comes_back(fails=False)
    else:
        model.refuses()
    model.says("a", "report")

    model.sums_hold_and_acknowledged_is_durable()
    model.teardown()


def test_an_outage_changes_nothing_in_the_end() -> None:
    """Whatever order things happen in."""
    run_state_machine_as_test(
        SpoolAndStore,
        settings=hypothesis_settings(
            max_examples=EXAMPLES, stateful_step_count=40, deadline=None, report_multiple_bugs=False
        ),
    )
