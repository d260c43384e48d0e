"""The order of each router's reports, whatever waits for what while a store goes away and comes back.

A router joins by the first of its reports (D3), and what was measured before that is dropped: so no report may come to
the ledger before an older one of its router, wherever either waits: in the queue, in a commit, in the shelter's hand or
held by it, with the broker. Nor may anything that was left with the broker stay there unasked for. Each commit and each
step of the spool is held before and after it is done, and let go, or made to fail, as chance has it; meanwhile messages
come, and each of the two connections is made anew by itself. The store is the one in memory, the spool is on the disk.
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


class Connection:
    """What the broker keeps for one of the two sessions, and what it did on the connection that there is now."""

    def __init__(self, begins: Callable[[], None]) -> None:
        """*begins* tells the writer of a new connection."""
        self.begins = begins
        self.kept: list[Sent] = []
        self.to_come: list[Sent] = []
        """What the broker is going to deliver, in its order."""
        self.receipts: list[tuple[Sent, Receipt]] = []
        self.is_asked = False

    @property
    def has_left(self) -> bool:
        """Whether something that was delivered on it is left with the broker."""
        return any(receipt.left for _, receipt in self.receipts)

    def send(self, one: Sent) -> None:
        """The broker has a message for this session."""
        self.kept.append(one)
        self.to_come.append(one)

    def renew(self) -> None:
        """There is a new connection: what was not acknowledged on the last one comes again, in its order."""
        settled = {id(one) for one, receipt in self.receipts if receipt.completed}
        self.kept = [one for one in self.kept if id(one) not in settled]
        self.to_come, self.receipts, self.is_asked = [*self.kept], [], False
        self.begins()


class Play:
    """One region, one broker, and what chance makes of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.sent: list[Sent] = []
        self.tasks: dict[str, asyncio.Task[object]] = {}
        self.store, self.spooling = HeldStore(), Gate()
        self.region = Region(folder, store=self.store, batch=self.chance.choice((2, 5, 4000)))
        writer = self.region.writer
        self.connections = {"consent": Connection(writer.acts_renewed), "reports": Connection(writer.renewed)}
        writer._watch._told_back = self.ask
        self.now = START

    def hold(self) -> None:
        """Begin to hold what is asked of store and spool."""
        spool, patiently = self.region.spool, self.region.spool._patiently

        async def held(work: Callable[..., Any], *args: Any, late: Callable[[Any], object] = lambda _: None) -> Any:
            if await self.spooling():
                done = await patiently(work, *args, late=late)
                await self.spooling()
                return done
            if self.chance.random() < 0.5:  # given up; it is done all the same, and taken back at once
                spool._later(lambda: late(work(*args)))
            error = SpoolUnavailable("told to")
            spool._refused(error)
            raise error

        spool._patiently = held  # type: ignore[method-assign]
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
        there = self.connections.items()
        return {
            **{f"deliver {name}": 8 * bool(one.to_come) for name, one in there},
            **{f"renew {name}": 1 + 4 * one.is_asked for name, one in there},
            "send": 6,
            "step": 4 * ("step" not in self.tasks),
            "store": 5 * self.store.holding.holds,
            "spool": 5 * self.spooling.holds,
            "away": 3 * (health._silent_since is not None and not health.is_away),
            "shelter": 4 * (health.is_away and "shelter" not in self.tasks),
            "mend spool": 2 * (self.region.spool.cause is not None),
        }

    async def move(self) -> None:
        """One of them."""
        likely, chance = self.moves(), self.chance
        match chance.choices([*likely], [*likely.values()])[0].split():
            case ["send"]:
                self.send()
            case ["deliver", name]:
                self.deliver(self.connections[name], chance.randint(1, 3))
            case ["renew", name]:
                self.connections[name].renew()
            case ["step"]:
                self.begin("step", self.region.writer.step())
            case ["store"]:
                self.store.holding.let_go(well=chance.random() < 0.8)
            case ["spool"]:
                self.spooling.let_go(well=chance.random() < 0.9)
            case ["away"]:
                self.region.goes_away()
            case ["shelter"]:
                self.begin("shelter", self.region.writer._watch.take_shelter(self.region.writer._committing))
            case ["mend", "spool"]:
                self.region.spool.cause = None
        await self.settle()
        self.region.check()

    def begin(self, name: str, work: Coroutine[Any, Any, object]) -> None:
        """What one of the writer's two tasks does next."""
        self.tasks[name] = asyncio.create_task(work)

    def send(self) -> None:
        """A report, or an act of the router that nothing is said of; acts by event come on both connections."""
        self.now += 2 * SECOND
        number = len(self.sent) + 1
        entry: Entry = record(self.chance.choice((*WATCHED, "z")), number, at=self.now)
        act, refuses = self.chance.random() < 0.3, self.chance.random() < 0.3
        if act and refuses:
            entry = leave("z", at=self.now, event_ref=ref("act", number), only_if_joined=True)
        elif act:
            entry = self.chance.choice((join, leave))("z", at=self.now, event_ref=ref("act", number))
            self.connections["consent"].send(Sent(entry))
        self.sent.append(Sent(entry))
        self.connections["reports"].send(self.sent[-1])

    def deliver(self, on: Connection, most: int) -> None:
        """The next messages of the broker's come."""
        for one in on.to_come[:most]:
            [receipt] = self.region.put(msgspec.structs.replace(one.entry, received_at=self.now))
            on.receipts.append((one, receipt))
        del on.to_come[:most]

    def ask(self) -> None:
        """As `Client.ask_again`: a connection is made anew for what was left on it, and in a while."""
        for one in self.connections.values():
            if one.has_left:
                one.is_asked = True
            else:
                one.begins()

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
                if not self.goes_on():
                    return

    def goes_on(self) -> bool:
        """See that the broker delivers what it has, and then what it was asked for; whether there was anything."""
        there = self.connections.values()
        receipts = [receipt for one in there for _, receipt in one.receipts]
        assert all(receipt.completed or receipt.left for receipt in receipts), "stuck"
        if waits := [one for one in there if one.to_come]:
            for one in waits:
                self.deliver(one, len(one.to_come))
        elif asked := [one for one in there if one.is_asked]:
            for one in asked:
                one.renew()
        elif self.region.writer._outage.left_any:
            self.region.writer._watch._ask_again()
        else:
            assert not any(one.has_left for one in there), "left for ever"
            return False
        return True

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
    for _ in range(play.chance.randint(5, MOVES)):
        await play.move()
    await play.end()
    await play.region.spool.close()

    assert ([], 0) == (play.lost(), play.region.metrics.in_flight)
