"""The order of each router's reports, whatever waits for what while a store goes away and comes back.

A router joins by the first of its reports (D3), and what was measured before that is dropped: so no report may come to
the ledger before an older one of its router, wherever either waits: in the queue, in a commit, in the shelter's hand or
held by it, with the broker. Each commit and each step of the spool is held before and after it is done, and let go, or
made to fail, as chance has it; meanwhile messages come, and the connection is made anew. The store is the one in
memory, the spool is on the disk.
"""

import asyncio
import os
import random
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from outage import HERE, GatedStore, Region
from records import SECOND, START, Receipt, join, leave, record, ref

from collector.errors import SpoolUnavailable, StoreUnavailable
from collector.model import Entry, Record
from collector.stores import Committed
from collector.stores.memory import MemoryStore
from collector.stores.plan import ConsentRules

PLAYS = int(os.environ.get("ORDER_PLAYS", "100"))
MOVES = 60
WATCHED = ("a", "a", "b")
"""Routers that only report; another one joins, leaves and reports between them, and nothing is said of it here."""


class Gate:
    """What comes here waits until it is let go."""

    def __init__(self) -> None:
        self.is_open = True
        self._waiting: asyncio.Future[bool] | None = None

    async def __call__(self) -> bool:
        """Whether to go on well."""
        if self.is_open:
            return True
        self._waiting = asyncio.get_running_loop().create_future()
        return await self._waiting

    @property
    def holds(self) -> bool:
        """Whether something waits here."""
        return self._waiting is not None and not self._waiting.done()

    def let_go(self, *, well: bool = True) -> None:
        """Let go what waits here."""
        if self._waiting is not None and self.holds:
            self._waiting.set_result(well)


class HeldStore(GatedStore):
    """A store whose commits are held before and after they are made."""

    def __init__(self) -> None:
        super().__init__(MemoryStore(HERE, ConsentRules()))
        self.holding = Gate()

    async def commit(self, entries: Sequence[Entry]) -> Committed:
        """As `Store.commit`; one that fails at last was made all the same."""
        if not await self.holding():
            raise StoreUnavailable("told to")
        committed: Committed = await self.store.commit(entries)
        if not await self.holding():
            raise StoreUnavailable("the answer was lost")
        return committed


class Sent(msgspec.Struct, eq=False):
    """A message that the broker has until it is acknowledged."""

    entry: Entry
    receipts: list[Receipt] = []


class Play:
    """One region, one broker, and what chance makes of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sent: list[Sent] = []
        self.to_come: list[Sent] = []
        """What the broker is going to deliver on this connection, in its order."""
        self.tasks: dict[str, asyncio.Task[object]] = {}
        self.store, self.spooling = HeldStore(), Gate()
        self.region = Region(folder, store=self.store, batch=self.chance.choice((2, 5, 4000)))
        self.now = START

    def hold(self) -> None:
        """Begin to hold what is asked of store and spool."""
        spool, patiently = self.region.spool, self.region.spool._patiently

        async def held(*args: Any, late: Callable[[Any], object] = lambda _: None) -> Any:
            begins = await self.spooling()
            done = await patiently(*args, late=late) if begins else None
            if begins and await self.spooling():
                return done
            if begins:
                spool._later(late, done)
            error = SpoolUnavailable("told to")
            spool._refused(error)
            raise error

        spool._patiently = held  # type: ignore[method-assign,assignment]
        self.spooling.is_open = self.store.holding.is_open = False

    async def settle(self) -> None:
        """Wait until everything waits for a gate, or for nothing."""
        for _ in range(12):
            await asyncio.sleep(0)
            await asyncio.wait([self.region.spool._worker.call(int)])
        for name, task in list(self.tasks.items()):
            if task.done():
                await self.tasks.pop(name)

    # What may happen

    def moves(self) -> dict[str, int]:
        """The moves that there are now, and how likely each is."""
        health = self.region.writer._health
        return {
            "send": 6,
            "deliver": 8 * bool(self.to_come),
            "step": 4 * ("step" not in self.tasks),
            "store": 5 * self.store.holding.holds,
            "spool": 5 * self.spooling.holds,
            "away": 3 * (health._silent_since is not None and not health.is_away),
            "shelter": 4 * (health.is_away and "shelter" not in self.tasks),
            "mend spool": 2 * (self.region.spool.cause is not None),
            "renew": 1,
        }

    async def move(self) -> None:
        """One of them."""
        likely, chance = self.moves(), self.chance
        match chance.choices([*likely], [*likely.values()])[0]:
            case "send":
                self.send()
            case "deliver":
                self.deliver(chance.randint(1, 3))
            case "step":
                self.begin("step", self.region.writer.step())
            case "store":
                self.store.holding.let_go(well=chance.random() < 0.8)
            case "spool":
                self.spooling.let_go(well=chance.random() < 0.9)
            case "away":
                self.region.goes_away()
            case "shelter":
                self.begin("shelter", self.region.writer._take_shelter())
            case "mend spool":
                self.region.spool.cause = None
            case "renew":
                self.renew()
        await self.settle()
        self.region.check()

    def begin(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        """What one of the writer's two tasks does next."""
        self.tasks[name] = asyncio.create_task(work)

    def send(self) -> None:
        """A report, or an act of the router that nothing is said of."""
        self.now += 2 * SECOND
        number = len(self.sent) + 1
        entry: Entry = record(self.chance.choice((*WATCHED, "z")), number, at=self.now)
        if self.chance.random() < 0.25:
            act = self.chance.choice((join, leave))
            entry = act("z", at=self.now, event_ref=ref("act", number))
        self.sent.append(Sent(entry, []))
        self.to_come.append(self.sent[-1])

    def deliver(self, most: int) -> None:
        """The next messages of the broker's come."""
        for one in self.to_come[:most]:
            one.receipts += self.region.put(msgspec.structs.replace(one.entry, received_at=self.now))
        del self.to_come[:most]

    def renew(self) -> None:
        """There are new connections: what was not acknowledged comes again, in its order."""
        self.region.writer.acts_renewed()
        self.region.writer.renewed()
        self.to_come = [one for one in self.sent if not any(receipt.completed for receipt in one.receipts)]

    # The end

    async def end(self) -> None:
        """Nothing is held any more, and the broker delivers until everything is acknowledged."""
        self.spooling.is_open = self.store.holding.is_open = True
        while True:
            self.spooling.let_go()
            self.store.holding.let_go()
            self.region.spool.cause = None
            await self.settle()
            if not self.tasks:
                if self.region.writer._health.is_away:
                    await self.region.shelter()
                await self.region.drain()
                assert not [r for one in self.sent for r in one.receipts if not (r.completed or r.left)], "stuck"
                self.renew()
                if not self.to_come:
                    return
                self.deliver(len(self.to_come))

    def lost(self) -> list[int]:
        """The numbers of the watched routers' reports that are not in the store."""
        stored = set(self.region.stored())
        return [
            number for number, one in enumerate(self.sent, start=1)
            if isinstance(one.entry, Record) and one.entry.lookup != record("z").lookup and number not in stored
        ]  # fmt: skip


@pytest.mark.parametrize("seed", range(PLAYS))
async def test_no_report_overtakes_an_older_one_of_its_router(tmp_path: Path, seed: int) -> None:
    """Or the older one would be from before the consent, and be dropped though it was acknowledged."""
    play = Play(tmp_path / "spool", seed)
    await play.region.open()
    play.hold()
    for _ in range(MOVES):
        await play.move()
    await play.end()
    await play.region.spool.close()

    assert [] == play.lost()
